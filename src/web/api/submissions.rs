//! Handing files over, for programs.

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::attest;
use crate::db;
use crate::domain::exhibit::State as ExhibitState;
use crate::domain::submission::{Answer, Statement};
use crate::domain::value::{Id, Point, Sha256, Utc, shown};
use crate::error::{Error, Result};
use crate::intake::{self, FileClaims};
use crate::web::extract::{AppState, Body, PathId, by_token, public_appeal};
use crate::web::respond::linger;

/// What a witness says of the files that follow. Everything is optional.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct StatementBody {
    /// Did you film this yourself: `yes`, `no` or `unknown`.
    #[schema(value_type = Option<String>)]
    own: Answer,
    /// Was it cut or changed.
    #[schema(value_type = Option<String>)]
    edited: Answer,
    /// Taken at the place of the appeal.
    #[schema(value_type = Option<String>)]
    at_place: Answer,
    place_words: String,
    lat: Option<f64>,
    lon: Option<f64>,
    radius_m: Option<f64>,
    /// RFC 3339.
    from: Option<String>,
    to: Option<String>,
    words: String,
    /// Telephone or e-mail.
    contact: String,
}

/// Characters of a free text.
const WORDS_CHARS_MAX: usize = 4_000;

impl StatementBody {
    fn statement(self) -> Result<Statement> {
        let time = |field, text: &Option<String>| match text.as_deref().map(str::parse::<Utc>) {
            None => Ok(None),
            Some(Ok(t)) => Ok(Some(t)),
            Some(Err(())) => Err(Error::Invalid { field, why: "not an RFC 3339 time with an offset".into() }),
        };
        let (from, to) = (time("from", &self.from)?, time("to", &self.to)?);
        if from.zip(to).is_some_and(|(a, b)| a > b) {
            return Err(Error::Invalid { field: "to", why: "the range ends before it starts".into() });
        }
        let point = match (self.lat, self.lon) {
            (None, None) => None,
            (Some(lat), Some(lon)) => {
                Some(Point::new(lat, lon).ok_or_else(|| Error::Invalid { field: "lat", why: "outside the Earth".into() })?)
            }
            _ => return Err(Error::Invalid { field: "lat", why: "a place needs lat and lon".into() }),
        };
        if self.radius_m.is_some_and(|r| !(r.is_finite() && (0.0..=100_000.0).contains(&r))) {
            return Err(Error::Invalid { field: "radius_m", why: "metres, from 0 to 100000".into() });
        }
        Ok(Statement {
            own: self.own,
            edited: self.edited,
            at_place: self.at_place,
            place_words: shown(&self.place_words, WORDS_CHARS_MAX),
            point,
            radius_m: self.radius_m,
            from: from.or(to),
            to: to.or(from),
            words: shown(&self.words, WORDS_CHARS_MAX),
            contact: shown(&self.contact, 200),
        })
    }
}

#[derive(Serialize, ToSchema)]
pub struct OpenedAnswer {
    #[schema(value_type = String, format = Uuid)]
    id: Id,
    /// Bearer secret for the calls that follow. Shown once.
    token: String,
    /// The witness's receipt code; opens `/r/{receipt}`. Shown once.
    receipt: String,
}

/// Open a submission to an appeal
///
/// Needs no account. The token authorises the calls that follow, the receipt is the witness's own.
#[utoipa::path(post, path = "/api/v1/appeals/{code}/submissions", tag = "witness",
    params(("code" = String, Path, description = "The appeal's short code")),
    request_body(content = Option<StatementBody>),
    responses((status = 201, body = OpenedAnswer), (status = 404, description = "No such appeal"), (status = 410, description = "The appeal is closed")))]
pub async fn open(State(app): State<AppState>, Path(code): Path<String>, headers: HeaderMap, body: bytes::Bytes) -> Result<Response> {
    let appeal = public_appeal(&app, &code).await?;
    let statement = statement_of(&headers, &body)?;
    let opened = intake::open(&app, &appeal).await?;
    if let Some(statement) = statement {
        intake::state(&app, opened.id, &statement).await?;
    }
    let answer = OpenedAnswer { id: opened.id, token: opened.token, receipt: opened.receipt.grouped() };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// An empty body states nothing; anything else must be a statement.
fn statement_of(headers: &HeaderMap, body: &[u8]) -> Result<Option<Statement>> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let json = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|t| t.starts_with("application/json"));
    if !json {
        return Err(Error::Malformed("the body must be application/json".into()));
    }
    let body: StatementBody = serde_json::from_slice(body).map_err(|e| match e.classify() {
        serde_json::error::Category::Data => Error::Invalid { field: "body", why: e.to_string() },
        _ => Error::Malformed("the body is not JSON".into()),
    })?;
    body.statement().map(Some)
}

/// State where, when and how the files that follow came to be
#[utoipa::path(put, path = "/api/v1/submissions/{id}/statement", tag = "witness", security(("submission" = [])),
    params(("id" = String, Path)), request_body = StatementBody, responses((status = 204)))]
pub async fn state(
    State(app): State<AppState>,
    PathId(id): PathId,
    headers: HeaderMap,
    Body(body): Body<StatementBody>,
) -> Result<StatusCode> {
    let (submission, _) = by_token(&app, &headers, id).await?;
    intake::state(&app, submission.id, &body.statement()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, ToSchema)]
pub struct FileAnswer {
    #[schema(value_type = String, format = Uuid)]
    exhibit: Id,
    /// Of the bytes as received, in hexadecimal.
    #[schema(value_type = String)]
    sha256: Sha256,
    size: u64,
    #[schema(value_type = String, format = DateTime)]
    received_at: Utc,
}

/// Send one file in one request
///
/// The body is the file, byte for byte. Its name goes into `Content-Disposition`; a `Repr-Digest` or
/// `Content-Digest` (RFC 9530, sha-256) is checked, and a mismatch refused. 201 means durable.
#[utoipa::path(post, path = "/api/v1/submissions/{id}/files", tag = "witness", security(("submission" = [])),
    params(("id" = String, Path), ("Content-Disposition" = Option<String>, Header), ("Repr-Digest" = Option<String>, Header)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = FileAnswer), (status = 413, description = "Too large, or a budget is spent"),
        (status = 422, description = "The digest does not match"), (status = 410, description = "The appeal is closed")))]
pub async fn send(State(app): State<AppState>, PathId(id): PathId, headers: HeaderMap, body: HttpBody) -> Result<Response> {
    let (submission, appeal) = by_token(&app, &headers, id).await?;
    let expected = announced_digest(&headers)?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let claims = FileClaims {
        name: headers.get(header::CONTENT_DISPOSITION).map(|v| disposition_name(v.as_bytes())).unwrap_or_default(),
        media_type: headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned),
    };
    let room = match intake::room(&app, &appeal, &submission) {
        Ok(room) if length.is_none_or(|n| n <= room.bytes_max) => room,
        refused => {
            let refusal = refused.map_or_else(|e| e, |room| room.refusal());
            intake::reject(&app, &submission, &refusal).await?;
            linger(body).await;
            return Err(refusal);
        }
    };
    let received = match intake::receive(&app, room, length, expected, body.into_data_stream()).await {
        Ok(received) => received,
        Err(refusal) => {
            intake::reject(&app, &submission, &refusal).await?;
            return Err(refusal);
        }
    };
    let a = intake::accept(&app, &appeal, &submission, received, claims).await?;
    let answer = FileAnswer { exhibit: a.exhibit, sha256: a.sha256, size: a.size, received_at: a.received_at };
    Ok((StatusCode::CREATED, [("repr-digest", a.sha256.repr_digest())], Json(answer)).into_response())
}

/// The SHA-256 that the client announced in `Repr-Digest` or `Content-Digest`, if any; two must agree. Other algorithms
/// are ignored, as RFC 9530 allows; a SHA-256 that cannot be read is refused rather than ignored.
fn announced_digest(headers: &HeaderMap) -> Result<Option<Sha256>> {
    let unreadable = || Error::Invalid { field: "Repr-Digest", why: "not sha-256=:base64:".into() };
    let mut announced = None;
    for value in ["repr-digest", "content-digest"].into_iter().flat_map(|name| headers.get_all(name)) {
        for member in value.to_str().map_err(|_| unreadable())?.split(',').map(str::trim) {
            let Some(digest) = member.strip_prefix("sha-256=") else { continue };
            let parsed = digest.strip_prefix(':').and_then(|d| d.strip_suffix(':')).and_then(Sha256::from_base64).ok_or_else(unreadable)?;
            if announced.is_some_and(|a| a != parsed) {
                return Err(Error::DigestMismatch);
            }
            announced = Some(parsed);
        }
    }
    Ok(announced)
}

/// The file name of a `Content-Disposition`: `filename*` (RFC 8187) before `filename`.
fn disposition_name(value: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = value.to_vec();
    let find = |key: &[u8]| text.windows(key.len()).position(|w| w.eq_ignore_ascii_case(key)).map(|at| &text[at + key.len()..]);
    if let Some(rest) = find(b"filename*=") {
        let encoded: Vec<u8> = rest.iter().copied().take_while(|b| *b != b';').collect();
        let encoded = encoded.splitn(3, |b| *b == b'\'').nth(2).unwrap_or(&encoded).to_vec();
        return percent_decoded(&encoded);
    }
    let Some(rest) = find(b"filename=") else { return Vec::new() };
    match rest.split_first() {
        Some((b'"', quoted)) => {
            let (mut name, mut escaped) = (Vec::new(), false);
            for &b in quoted {
                match (escaped, b) {
                    (false, b'\\') => escaped = true,
                    (false, b'"') => break,
                    _ => {
                        name.push(b);
                        escaped = false;
                    }
                }
            }
            name
        }
        _ => rest.iter().copied().take_while(|b| !matches!(b, b';' | b' ')).collect(),
    }
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (b, _) => {
                out.push(b);
                at += 1;
            }
        }
    }
    out
}

#[derive(Serialize, ToSchema)]
pub struct SubmissionAnswer {
    #[schema(value_type = String, format = Uuid)]
    id: Id,
    appeal: String,
    files: Vec<SentFile>,
}

#[derive(Serialize, ToSchema)]
pub struct SentFile {
    #[schema(value_type = String, format = Uuid)]
    exhibit: Id,
    name: String,
    size: u64,
    #[schema(value_type = String)]
    sha256: Sha256,
    #[schema(value_type = String, format = DateTime)]
    received_at: Utc,
    /// `received`, `ready` once examined, `looked_at` once decided on. What was decided is not told.
    state: &'static str,
}

/// What a witness may know of a file's state.
pub const fn public_state(state: ExhibitState) -> &'static str {
    match state {
        ExhibitState::Received => "received",
        ExhibitState::Ready => "ready",
        ExhibitState::Relevant | ExhibitState::NotRelevant | ExhibitState::Undecided => "looked_at",
    }
}

/// What was received of a submission
#[utoipa::path(get, path = "/api/v1/submissions/{id}", tag = "witness", security(("submission" = [])),
    params(("id" = String, Path)), responses((status = 200, body = SubmissionAnswer)))]
pub async fn show(State(app): State<AppState>, PathId(id): PathId, headers: HeaderMap) -> Result<Json<SubmissionAnswer>> {
    let (submission, appeal) = by_token(&app, &headers, id).await?;
    let mut tx = app.db.read().await?;
    let files = db::exhibits::of_submission(&mut tx, submission.id).await?;
    let files = files
        .into_iter()
        .map(|e| SentFile {
            exhibit: e.id,
            name: e.name,
            size: e.size,
            sha256: e.sha256,
            received_at: e.received_at,
            state: public_state(e.state),
        })
        .collect();
    Ok(Json(SubmissionAnswer { id, appeal: appeal.code, files }))
}

/// The receipt of one file: a C2SP tlog-proof that can be checked offline
///
/// 503 with `Retry-After` until the entry stands in the log, normally within a second.
#[utoipa::path(get, path = "/api/v1/submissions/{id}/files/{exhibit}/proof", tag = "witness", security(("submission" = [])),
    params(("id" = String, Path), ("exhibit" = String, Path)), responses((status = 200, content_type = "text/plain", body = String)))]
pub async fn proof(State(app): State<AppState>, Path((id, exhibit)): Path<(String, String)>, headers: HeaderMap) -> Result<Response> {
    let (id, exhibit) = (id.parse().map_err(|()| Error::NotFound)?, exhibit.parse().map_err(|()| Error::NotFound)?);
    let (submission, _) = by_token(&app, &headers, id).await?;
    let mut tx = app.db.read().await?;
    db::exhibits::by_id(&mut tx, exhibit).await?.filter(|e| e.submission == submission.id).ok_or(Error::NotFound)?;
    let text = attest::proof_of_receipt(&app, &mut tx, exhibit).await?.ok_or(Error::TryLater)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_content_disposition() {
        for (header, name) in [
            (&b"attachment; filename=\"a b.jpg\""[..], &b"a b.jpg"[..]),
            (b"attachment; filename=a.jpg; x=1", b"a.jpg"),
            (b"attachment; filename=\"x.jpg\"; filename*=UTF-8''%C3%A9.jpg", "é.jpg".as_bytes()),
            (b"attachment; filename=\"a\\\"b\"", b"a\"b"),
            (b"attachment", b""),
            (b"filename*=UTF-8''%ff%", b"\xff%"),
        ] {
            assert_eq!(disposition_name(header), name);
        }
    }
}
