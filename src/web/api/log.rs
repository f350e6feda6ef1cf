//! The custody log as C2SP tlog-tiles serves it. The checkpoint and the hash tiles are public: they are
//! hashes of salted entries. Entries themselves are for auditors.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::ToSchema;

use crate::attest;
use crate::db;
use crate::domain::custody::merkle::{TILE_WIDTH, parse_tile_path};
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Auditing, Params};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Hashes or entries of a tile at this width never change, except that a partial one grows into the next.
pub async fn checkpoint(State(app): State<AppState>) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let (_, note) = db::log::last_checkpoint(&mut tx).await?.ok_or(Error::TryLater)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], note).into_response())
}

/// A trust policy (C2SP tlog-policy) with this log's key. Whoever wants to rely on it gets it from somewhere
/// else than from the server that it judges.
pub async fn policy(State(app): State<AppState>) -> Response {
    let mut text = format!("# The custody log of {}. Keep this file, or compare it with a copy from another source.\n", app.config.agency);
    text.push_str(&app.trust.log_lines(&format!("{}/log", app.config.public_url)));
    let anchors = &app.config.anchors;
    let mut members = String::new();
    for (n, witness) in anchors.witnesses.iter().enumerate() {
        text.push_str(&format!("witness w{n} {} {}\n", witness.key, witness.url));
        members.push_str(&format!(" w{n}"));
    }
    match anchors.witness_quorum {
        0 => text.push_str("quorum none\n"),
        needed => text.push_str(&format!("group witnesses {needed}{members}\nquorum witnesses\n")),
    }
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

pub async fn tile(State(app): State<AppState>, Path((level, path)): Path<(String, String)>) -> Result<Response> {
    let level: u32 = level.parse().ok().filter(|l: &u32| *l < 64 && l.to_string() == level).ok_or(Error::NotFound)?;
    let (index, width) = parse_tile_path(&path).ok_or(Error::NotFound)?;
    let mut tx = app.db.read().await?;
    let hashes = db::log::tile(&mut tx, (level, index)).await?.ok_or(Error::NotFound)?;
    let bytes = usize::try_from(width.unwrap_or(TILE_WIDTH) * 32).unwrap_or(usize::MAX);
    let hashes = hashes.get(..bytes).ok_or(Error::NotFound)?.to_vec();
    Ok(binary(hashes, IMMUTABLE))
}

pub async fn entries(State(app): State<AppState>, Auditing(_): Auditing, Path(path): Path<String>) -> Result<Response> {
    let (index, width) = parse_tile_path(&path).ok_or(Error::NotFound)?;
    let width = width.unwrap_or(TILE_WIDTH);
    let first = index.checked_mul(TILE_WIDTH).ok_or(Error::NotFound)?;
    let mut tx = app.db.read().await?;
    let entries = db::log::entries(&mut tx, first, width).await?;
    if entries.len() as u64 != width {
        return Err(Error::NotFound);
    }
    let mut bundle = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.bytes.len()).map_err(Error::internal)?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(&entry.bytes);
    }
    Ok(binary(bundle, "private, no-store"))
}

fn binary(bytes: Vec<u8>, cache: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, cache)], bytes).into_response()
}

/// Bytes of a receipt that are read.
const RECEIPT_BYTES_MAX: usize = 256 * 1024;

/// A newer receipt for an older one
///
/// The body is a receipt of this log (a tlog-proof). The answer proves the same entry in a newer checkpoint, contains the proof that
/// this checkpoint contains the older one, and the timestamps that it has got since.
#[utoipa::path(post, path = "/api/v1/log/upgrade", tag = "log", request_body(content = String, content_type = "text/plain"),
    responses((status = 200, content_type = "text/plain"), (status = 422, description = "Not a receipt of this log")))]
pub async fn upgrade(State(app): State<AppState>, body: Bytes) -> Result<Response> {
    let text = std::str::from_utf8(&body).ok().filter(|t| t.len() <= RECEIPT_BYTES_MAX);
    let text = text.ok_or(Error::Invalid { field: "receipt", why: "not a readable tlog-proof".into() })?;
    let mut tx = app.db.read().await?;
    let newer = attest::upgraded(&app, &mut tx, text).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], newer).into_response())
}

#[derive(serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Sizes {
    /// Size of the older tree.
    old: u64,
    /// Size of the newer tree; today's unless said.
    new: Option<u64>,
}

#[derive(serde::Serialize, ToSchema)]
pub struct ConsistencyAnswer {
    old: u64,
    new: u64,
    /// Base64, as RFC 9162 orders them.
    hashes: Vec<String>,
}

/// The proof that an older log is a prefix of a newer one
#[utoipa::path(get, path = "/api/v1/log/consistency", tag = "log", params(Sizes), responses((status = 200, body = ConsistencyAnswer)))]
pub async fn consistency(State(app): State<AppState>, Params(sizes): Params<Sizes>) -> Result<Json<ConsistencyAnswer>> {
    let mut tx = app.db.read().await?;
    let today = db::log::head(&mut tx).await?.size();
    let new = sizes.new.unwrap_or(today);
    if new > today {
        return Err(Error::InvalidFilter { field: "new", why: "larger than the log" });
    }
    let hashes = attest::consistency(&mut tx, sizes.old, new)
        .await?
        .ok_or(Error::InvalidFilter { field: "old", why: "more than 0 and not more than new" })?;
    Ok(Json(ConsistencyAnswer { old: sizes.old, new, hashes: hashes.iter().map(|h| h.base64()).collect() }))
}
