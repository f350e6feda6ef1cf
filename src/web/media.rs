//! Bytes for people's eyes: pictures, originals, the program's own assets.
//!
//! Nothing that a witness sent is ever served as something that runs: pictures are re-encoded, originals
//! leave as attachments or, for the few types that browsers play, under a sandboxing policy and `nosniff`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;

use axum::body::Body;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use bytes::Bytes;
use rust_embed::RustEmbed;
use serde::Deserialize;

use super::extract::{AppState, Params, PathId, Reviewer, fresh};
use super::range::Part;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Person};
use crate::domain::derivative::Variant;
use crate::domain::exhibit::Exhibit;
use crate::domain::media::{extension, playable};
use crate::domain::value::Id;
use crate::error::{Error, Result};
use crate::review::{self, Look, look, look_is_recorded, one_exhibit};

const SANDBOX: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

#[derive(serde::Deserialize)]
pub struct Token {
    #[serde(default)]
    look: String,
}

/// Proves that the look is recorded: by the page's token, else by recording it now.
async fn recorded(app: &AppState, person: &Person, id: Id, what: Look, token: &Token) -> Result<Exhibit> {
    if look_is_recorded(app, person, id, what, &token.look) {
        return one_exhibit(app, person, id).await;
    }
    Ok(look(app, person, id, what).await?.exhibit)
}

pub async fn thumbnail(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    PathId(id): PathId,
    Params(token): Params<Token>,
) -> Result<Response> {
    let e = recorded(&app, &person, id, Look::Thumbnail, &token).await?;
    picture(&app, &e, Look::Thumbnail).await
}

pub async fn view(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    PathId(id): PathId,
    Params(token): Params<Token>,
) -> Result<Response> {
    let e = recorded(&app, &person, id, Look::View, &token).await?;
    picture(&app, &e, Look::View).await
}

/// A clip's frames, side by side.
pub async fn sheet(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    PathId(id): PathId,
    Params(token): Params<Token>,
) -> Result<Response> {
    let e = recorded(&app, &person, id, Look::Sheet, &token).await?;
    picture(&app, &e, Look::Sheet).await
}

async fn picture(app: &AppState, e: &Exhibit, what: Look) -> Result<Response> {
    if e.is_behind_glass() {
        return Err(Error::NotFound);
    }
    let mut tx = app.db.read().await?;
    let variant = match what {
        Look::View => Variant::View,
        Look::Sheet => Variant::Sheet,
        _ => Variant::Thumbnail,
    };
    let made = db::derivatives::one(&mut tx, e.agency, e.sha256, variant).await?.ok_or(Error::NotFound)?;
    drop(tx);
    let stream = app.blobs.open_range(&made.key, 0, 8 << 20).await?;
    let mut response = Body::from_stream(stream).into_response();
    locked_down(&mut response, "image/jpeg", "no-store");
    Ok(response)
}

/// Plays an original in place, for the types that browsers play. Everything else is a download. The first request
/// records the look and leads to the address under which the bytes come, range by range.
pub async fn play(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    PathId(id): PathId,
    Params(token): Params<Token>,
    headers: HeaderMap,
) -> Result<Response> {
    let e = one_exhibit(&app, &person, id).await?;
    let mut tx = app.db.read().await?;
    let proxy = db::derivatives::one(&mut tx, e.agency, e.sha256, Variant::Proxy).await?;
    drop(tx);
    if !playable(&e.media_type) && proxy.is_none() || e.is_behind_glass() {
        return Err(Error::NotFound);
    }
    if !look_is_recorded(&app, &person, id, Look::Play, &token.look) {
        let token = review::play(&app, &person, id).await?;
        return Ok(Redirect::to(&format!("/exhibits/{id}/play?look={token}")).into_response());
    }
    // Where there is a copy that browsers play, the original is not what they would play.
    let (mut response, media_type) = match &proxy {
        Some(proxy) => (stretch(&app, &proxy.key, proxy.size, &headers).await?, proxy.media_type.as_str()),
        None => (bytes(&app, &e, &headers).await?, e.media_type.as_str()),
    };
    let kind: &'static str = match media_type {
        // Chromium plays QuickTime files when they are called MP4, which they nearly are.
        "video/quicktime" | "video/mp4" => "video/mp4",
        "video/webm" => "video/webm",
        "video/3gpp" => "video/3gpp",
        "audio/mp4" => "audio/mp4",
        "audio/ogg" => "audio/ogg",
        "audio/wav" => "audio/wav",
        "audio/flac" => "audio/flac",
        _ => "audio/mpeg",
    };
    locked_down(&mut response, kind, "no-store");
    Ok(response)
}

#[derive(serde::Deserialize)]
pub struct Reason {
    #[serde(default)]
    reason: String,
}

/// Why an original is taken away, from the exhibit's page; leads to the address under which its bytes come.
pub async fn ask_original(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    PathId(id): PathId,
    Form(why): Form<Reason>,
) -> Result<Response> {
    fresh(&app, &person)?;
    let token = review::download(&app, &person, id, &why.reason).await?;
    Ok(Redirect::to(&format!("/exhibits/{id}/original?look={token}")).into_response())
}

/// The header in which a program says why it takes an original, in UTF-8.
pub const REASON: &str = "temoin-reason";

/// The original, byte for byte, as an attachment under a name of our making: under the token of a recorded reason, or with one.
pub async fn original(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    PathId(id): PathId,
    Params(token): Params<Token>,
    headers: HeaderMap,
) -> Result<Response> {
    if !look_is_recorded(&app, &person, id, Look::Download, &token.look) {
        fresh(&app, &person)?;
        let reason = headers.get(REASON).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).unwrap_or_default();
        review::download(&app, &person, id, &reason).await?;
    }
    let e = one_exhibit(&app, &person, id).await?;
    // It may have been scanned since the reason was given.
    if e.is_locked() && !person.may(Act::Retain) {
        return Err(Error::Forbidden);
    }
    let mut response = bytes(&app, &e, &headers).await?;
    locked_down(&mut response, "application/octet-stream", "no-store");
    let name = format!("attachment; filename=\"exhibit-{}.{}\"", e.id, extension(&e.media_type));
    let h = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&name) {
        h.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

#[derive(Deserialize)]
pub struct Seen {
    #[serde(default)]
    look: String,
    #[serde(default)]
    ranges: String,
}

/// What of a clip was played, as the page tells when somebody turns away from it.
pub async fn seen(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    PathId(id): PathId,
    Form(told): Form<Seen>,
) -> Result<StatusCode> {
    review::view_ended(&app, &person, id, &told.look, &told.ranges).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A blob, whole or one range of it.
async fn stretch(app: &AppState, key: &str, size: u64, headers: &HeaderMap) -> Result<Response> {
    let part = Part::asked(headers, size)?;
    let (start, length) = part.stretch();
    let mut response = Body::from_stream(app.blobs.open_range(key, start, length).await?).into_response();
    part.describe(&mut response)?;
    Ok(response)
}

/// The original's bytes, whole or one range of them.
async fn bytes(app: &AppState, e: &Exhibit, headers: &HeaderMap) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let key = db::contents::blob_key(&mut tx, e.agency, e.sha256).await?.ok_or(Error::NotFound)?;
    drop(tx);
    let part = Part::asked(headers, e.size)?;
    let (start, length) = part.stretch();
    let stream = app.blobs.open_range(&key, start, length).await?;
    // The whole is hashed on its way: it ends only as what was received.
    let stream = if part.is_whole() { attest::checked(app.clone(), e.id, e.sha256, stream) } else { stream };
    let mut response = Body::from_stream(stream).into_response();
    let h = response.headers_mut();
    for (name, value) in [(header::ETAG, format!("\"{}\"", e.sha256)), (HeaderName::from_static("repr-digest"), e.sha256.repr_digest())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            h.insert(name, value);
        }
    }
    part.describe(&mut response)?;
    Ok(response)
}

fn locked_down(response: &mut Response, media_type: &'static str, cache: &'static str) {
    let h = response.headers_mut();
    h.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    h.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    h.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
}

#[derive(RustEmbed)]
#[folder = "src/web/assets"]
struct Assets;

/// A built file as text.
pub fn asset_text(file: &str) -> Option<String> {
    String::from_utf8(Assets::get(file)?.data.into_owned()).ok()
}

/// A built file, compressed where the browser takes that: a phone on a bad uplink waits for every kilobyte.
pub async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Result<Response> {
    let asset = Assets::get(&file).ok_or(Error::NotFound)?;
    let kind = match file.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml; charset=utf-8",
        _ => "application/octet-stream",
    };
    let known = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=3600"), (header::VARY, "Accept-Encoding")];
    let gzip = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("gzip"));
    if gzip {
        return Ok((known, [(header::CONTENT_ENCODING, "gzip")], compressed(&file, &asset.data)?).into_response());
    }
    Ok((known, asset.data.into_owned()).into_response())
}

/// Each file is compressed once.
fn compressed(file: &str, data: &[u8]) -> Result<Bytes> {
    static DONE: Mutex<BTreeMap<String, Bytes>> = Mutex::new(BTreeMap::new());
    let mut done = DONE.lock().map_err(Error::internal)?;
    if let Some(bytes) = done.get(file) {
        return Ok(bytes.clone());
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data)?;
    let bytes = Bytes::from(encoder.finish()?);
    done.insert(file.to_owned(), bytes.clone());
    Ok(bytes)
}
