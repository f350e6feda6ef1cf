//! "Resumable Uploads for HTTP" (draft-ietf-httpbis-resumable-upload, interop version 8). The file is whole when the
//! client says so (`Upload-Complete: ?1`), not when its length is reached. Digests are RFC 9530's: `Content-Digest` of one
//! request's bytes, `Repr-Digest` of the whole file.
//!
//! Interim responses (104) are not sent: hyper has no way to. The draft asks for them without requiring them.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::{Come, bytes, put, put_accepted};
use crate::domain::upload::{Dialect, FileClaims, Upload, UploadState};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};
use crate::intake::{self, Append, Checksum, End, NewUpload, Progress};
use crate::traffic::Pass;
use crate::web::api::claims::{announced_in, disposition_name};

pub const COMPLETE: &str = "upload-complete";
const OFFSET: &str = "upload-offset";
const LIMIT: &str = "upload-limit";
const INTEROP: &str = "upload-draft-interop-version";
const BODY_TYPE: &str = "application/partial-upload";
const PROBLEMS: &str = "https://iana.org/assignments/http-problem-types#";

/// Whether a request speaks this draft without any doubt.
pub fn spoken(headers: &HeaderMap) -> bool {
    headers.contains_key(INTEROP)
        || headers.contains_key(COMPLETE)
        || headers.get("content-type").is_some_and(|t| t.as_bytes() == BODY_TYPE.as_bytes())
}

pub fn describe(h: &mut HeaderMap) {
    put(h, LIMIT, "min-size=0");
    put(h, "accept-patch", BODY_TYPE);
}

/// `?1` or `?0` (RFC 9651); anything else is not there.
fn boolean(come: &Come, name: &str) -> Option<bool> {
    match come.once(name)?.split(';').next()?.trim() {
        "?1" => Some(true),
        "?0" => Some(false),
        _ => None,
    }
}

/// A non-negative integer (RFC 9651); anything else is not there.
fn integer(come: &Come, name: &str) -> Option<u64> {
    let text = come.once(name)?.split(';').next()?.trim();
    (text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

pub async fn create(come: Come, body: Body) -> Result<Response> {
    let Some(complete) = boolean(&come, COMPLETE) else {
        return Err(Error::Malformed("Upload-Complete must be ?0 or ?1".into()));
    };
    let (upload, pass) = match begin(&come, complete).await {
        Ok(begun) => begun,
        Err(e) => {
            come.turn_away(body).await;
            return Ok(refused(&e));
        }
    };
    let Some(pass) = pass else {
        return Ok(answer(StatusCode::CREATED, &come, &Progress { upload, accepted: None }));
    };
    match append(&come, &upload, pass, None, complete, body).await {
        Ok(done) => Ok(answer(StatusCode::CREATED, &come, &done)),
        Err(e) => Ok(refused(&e)),
    }
}

/// The upload, and the right to send its first bytes if it has any with it (or is whole without any).
async fn begin(come: &Come, complete: bool) -> Result<(Upload, Option<Pass>)> {
    let (submission, appeal) = come.submission(None).await?;
    let said = integer(come, "upload-length");
    let implied = complete.then(|| come.announced()).flatten();
    let length = said.or(implied);
    let max = appeal.budgets.file_bytes_max;
    if length.is_some_and(|n| n > max) {
        return Err(Error::TooLarge { bytes_max: max });
    }
    if said.zip(implied).is_some_and(|(a, b)| a != b) || said.zip(come.announced()).is_some_and(|(whole, now)| now > whole) {
        return Err(Error::LengthMismatch);
    }
    let new = NewUpload {
        dialect: Dialect::Ietf,
        length,
        claims: FileClaims {
            name: disposition_name(&come.headers),
            media_type: come.text("content-type").map(str::to_owned),
            relative_path: None,
        },
        expected: announced_in(&come.headers, "repr-digest")?,
        ..NewUpload::default()
    };
    let pass = come.has_body() || complete;
    announced_in(&come.headers, "content-digest")?;
    come.app.traffic.gate.begin(come.block)?;
    let pass = pass.then(|| come.pass(length, appeal.intake.flood)).transpose()?;
    Ok((intake::begin(&come.app, &appeal, &submission, new).await?, pass))
}

async fn append(come: &Come, upload: &Upload, pass: Pass, at: Option<u64>, complete: bool, body: Body) -> Result<Progress> {
    let checksum = announced_in(&come.headers, "content-digest")?.map(|d: Sha256| Checksum::Sha256(d.bytes().to_vec()));
    let ask = Append {
        offset: at.unwrap_or(0),
        length: integer(come, "upload-length"),
        announced: come.announced(),
        end: End::WithThis(complete),
        checksum,
        fresh: at.is_none(),
        expects: come.expects(),
    };
    let turn = come.turn(upload.id).await?;
    let done = intake::append(&come.app, pass, turn, upload.id, ask, bytes(body)).await;
    if matches!(done, Err(Error::BeyondLength)) {
        // The draft wants such a resource out of use, whoever came meanwhile.
        let turn = come.app.traffic.turns.take(upload.id, come.app.traffic.turns.arrive()).await?;
        // One that was only begun with this request has ended with it.
        match intake::terminate(&come.app, upload.id, &turn).await {
            Ok(()) | Err(Error::UploadGone) => {}
            Err(e) => return Err(e),
        }
    }
    done
}

pub async fn one(come: Come, method: Method, found: Result<Upload>, body: Body) -> Result<Response> {
    let upload = match found {
        Ok(upload) => upload,
        Err(e) => return Ok(refused(&e)),
    };
    let outcome = match method {
        Method::HEAD | Method::GET => look(&come, &upload).await,
        Method::PATCH => patch(&come, &upload, body).await,
        Method::DELETE => {
            let turn = come.turn(upload.id).await?;
            intake::terminate(&come.app, upload.id, &turn).await.map(|()| StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(Error::MethodNotAllowed),
    };
    Ok(outcome.unwrap_or_else(|e| refused(&e)))
}

async fn look(come: &Come, upload: &Upload) -> Result<Response> {
    if come.headers.contains_key(OFFSET) || come.headers.contains_key(COMPLETE) {
        return Err(Error::Malformed("a question for the offset says neither Upload-Offset nor Upload-Complete".into()));
    }
    let turn = come.turn(upload.id).await?;
    let upload = intake::look(&come.app, upload.id, &turn).await?;
    if upload.state == UploadState::Gone {
        return Err(Error::UploadGone);
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let h = response.headers_mut();
    state(h, &upload);
    if let Some(length) = upload.length {
        put(h, "upload-length", length);
    }
    put(h, "cache-control", "no-store");
    Ok(response)
}

async fn patch(come: &Come, upload: &Upload, body: Body) -> Result<Response> {
    if come.text("content-type") != Some(BODY_TYPE) {
        return Err(Error::UnsupportedMedia);
    }
    let (Some(offset), Some(complete)) = (integer(come, OFFSET), boolean(come, COMPLETE)) else {
        return Err(Error::Malformed("an append says Upload-Offset and Upload-Complete".into()));
    };
    let pass = match come.pass(upload.length, come.appeal_of(upload).await?.intake.flood) {
        Ok(pass) => pass,
        Err(busy) => {
            come.turn_away(body).await;
            return Err(busy);
        }
    };
    let done = append(come, upload, pass, Some(offset), complete, body).await?;
    let status = if done.accepted.is_some() { StatusCode::CREATED } else { StatusCode::NO_CONTENT };
    Ok(answer(status, come, &done))
}

fn state(h: &mut HeaderMap, upload: &Upload) {
    put(h, OFFSET, upload.offset);
    put(h, COMPLETE, if upload.state == UploadState::Done { "?1" } else { "?0" });
    let left = (upload.expires_at.micros() - upload.touched_at.micros()) / 1_000_000;
    put(h, LIMIT, format!("min-size=0, max-age={}", left.max(0)));
}

/// The file's own answer when it is whole, else where the upload stands.
fn answer(status: StatusCode, come: &Come, done: &Progress) -> Response {
    let mut response = match &done.accepted {
        Some(a) => {
            (status, Json(json!({"exhibit": a.exhibit, "sha256": a.sha256, "size": a.size, "received_at": a.received_at}))).into_response()
        }
        None => status.into_response(),
    };
    let h = response.headers_mut();
    state(h, &done.upload);
    if status == StatusCode::CREATED {
        put(h, "location", come.location(done.upload.id));
    }
    if let Some(accepted) = &done.accepted {
        put_accepted(h, accepted);
    }
    response
}

/// A refusal in the draft's own words where it has some.
fn refused(e: &Error) -> Response {
    let problem = |name: &str, status: StatusCode, mut body: Value| {
        body["type"] = json!(format!("{PROBLEMS}{name}"));
        body["status"] = json!(status.as_u16());
        let text = body.to_string();
        (status, [("content-type", "application/problem+json")], text).into_response()
    };
    let mut response = match e {
        Error::OffsetMismatch { expected, provided } => problem(
            "mismatching-upload-offset",
            StatusCode::CONFLICT,
            json!({"title": "offset from request does not match offset of resource", "expected-offset": expected, "provided-offset": provided}),
        ),
        Error::LengthMismatch | Error::BeyondLength => {
            problem("inconsistent-upload-length", StatusCode::BAD_REQUEST, json!({"title": "inconsistent length values for upload"}))
        }
        Error::AlreadyComplete => problem("completed-upload", StatusCode::BAD_REQUEST, json!({"title": "upload is already completed"})),
        Error::ChecksumMismatch => {
            problem("digest-mismatched-values", StatusCode::BAD_REQUEST, json!({"title": "the bytes are not what Content-Digest says"}))
        }
        other => other.clone().into_response(),
    };
    let h = response.headers_mut();
    put(h, COMPLETE, "?0");
    match e {
        Error::OffsetMismatch { expected, .. } => put(h, OFFSET, expected),
        Error::TooLarge { bytes_max } => put(h, LIMIT, format!("min-size=0, max-size={bytes_max}")),
        Error::QuotaExceeded { .. } => put(h, LIMIT, "min-size=0"),
        _ => {}
    }
    response
}
