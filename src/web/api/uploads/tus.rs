//! tus 1.0.0 (<https://tus.io/protocols/resumable-upload>): core, creation, creation-with-upload,
//! creation-defer-length, checksum, expiration, termination. Where the text leaves a status open, the answers are those
//! of the public conformance suite.
//!
//! Not offered: concatenation (SHA-256 goes through a file in order) and checksum-trailer.

use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::{Come, bytes, put, put_accepted};
use crate::domain::upload::{Dialect, Upload, UploadState};
use crate::domain::value::Utc;
use crate::error::{Error, Result};
use crate::intake::{self, Append, Checksum, End, NewUpload};
use crate::traffic::Pass;
use crate::web::header::digest;
use crate::web::header::metadata::Metadata;

pub const VERSION: &str = "tus-resumable";
const SPOKEN: &str = "1.0.0";
const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination";
const BODY_TYPE: &str = "application/offset+octet-stream";

pub fn options() -> Response {
    let mut response = StatusCode::OK.into_response();
    let h = response.headers_mut();
    put(h, VERSION, SPOKEN);
    put(h, "tus-version", SPOKEN);
    put(h, "tus-extension", EXTENSIONS);
    put(h, "tus-checksum-algorithm", "sha1,sha256");
    response
}

/// The answer with what stands on every one of them, refusals too.
fn framed(outcome: Result<Response>) -> Result<Response> {
    let mut response = outcome.unwrap_or_else(|e| {
        let mut response = e.clone().into_response();
        match e {
            Error::OffsetMismatch { expected, .. } => put(response.headers_mut(), "upload-offset", expected),
            Error::UnsupportedVersion => put(response.headers_mut(), "tus-version", SPOKEN),
            _ => {}
        }
        response
    });
    put(response.headers_mut(), VERSION, SPOKEN);
    Ok(response)
}

fn version(come: &Come) -> Result<()> {
    if come.text(VERSION) == Some(SPOKEN) { Ok(()) } else { Err(Error::UnsupportedVersion) }
}

pub async fn create(come: Come, body: Body) -> Result<Response> {
    framed(try_create(come, body).await)
}

async fn try_create(come: Come, body: Body) -> Result<Response> {
    version(&come)?;
    // A client that joins files out of pieces would have its pieces taken for files.
    if come.headers.contains_key("upload-concat") {
        come.turn_away(body).await;
        return Err(Error::Malformed("Upload-Concat: concatenation is not offered".into()));
    }
    // Everything that can be wrong in the headers is, before there is anything to leave behind.
    let begun = match metadata(&come.headers).and_then(|m| Ok((m, checksum(&come)?))) {
        Ok((metadata, checksum)) => begin(&come, &metadata).await.map(|(upload, pass)| (upload, pass, checksum)),
        Err(e) => Err(e),
    };
    let (upload, pass, checksum) = match begun {
        Ok(begun) => begun,
        Err(e) => {
            come.turn_away(body).await;
            return Err(e);
        }
    };
    let mut response = StatusCode::CREATED.into_response();
    put(response.headers_mut(), "location", come.location(upload.id));
    if let Some(pass) = pass {
        let ask = Append {
            offset: 0,
            length: None,
            announced: come.announced().filter(|_| come.has_body()),
            end: End::AtLength,
            checksum,
            fresh: true,
            expects: come.expects(),
        };
        let turn = come.turn(upload.id).await?;
        let done = intake::append(&come.app, pass, turn, upload.id, ask, bytes(body)).await?;
        describe(response.headers_mut(), &done.upload, done.accepted.as_ref());
    } else {
        describe(response.headers_mut(), &upload, None);
    }
    Ok(response)
}

/// The upload, and the right to send its first bytes if it has any with it (or is whole without any).
async fn begin(come: &Come, metadata: &Metadata) -> Result<(Upload, Option<Pass>)> {
    let (submission, appeal) = come.submission(metadata.token.as_deref()).await?;
    if metadata.submission.as_ref().is_some_and(|s| *s != submission.id.to_string()) {
        return Err(Error::NotFound);
    }
    let length = match (come.headers.get("upload-length"), come.text("upload-defer-length")) {
        (Some(_), None) => Some(number(come, "upload-length")?),
        (None, Some("1")) => None,
        _ => return Err(Error::Malformed("one of Upload-Length and Upload-Defer-Length: 1".into())),
    };
    if come.has_body() && come.text("content-type") != Some(BODY_TYPE) {
        return Err(Error::UnsupportedMedia);
    }
    if length.zip(come.announced()).is_some_and(|(whole, now)| now > whole) {
        return Err(Error::BeyondLength);
    }
    let new = NewUpload {
        dialect: Dialect::Tus,
        length,
        claims: metadata.claims.clone(),
        expected: metadata.sha256,
        fingerprint: metadata.fingerprint.clone(),
        metadata: metadata.text.clone(),
    };
    let pass = come.has_body() || length == Some(0);
    come.app.traffic.gate.begin(come.block)?;
    let pass = pass.then(|| come.pass(length, appeal.intake.flood)).transpose()?;
    Ok((intake::begin(&come.app, &appeal, &submission, new).await?, pass))
}

pub async fn one(come: Come, method: Method, found: Result<Upload>, body: Body) -> Result<Response> {
    framed(try_one(come, method, found, body).await)
}

async fn try_one(come: Come, method: Method, found: Result<Upload>, body: Body) -> Result<Response> {
    version(&come)?;
    let upload = found?;
    match method {
        Method::HEAD => look(&come, &upload).await,
        Method::PATCH => patch(&come, &upload, body).await,
        Method::DELETE => {
            let turn = come.turn(upload.id).await?;
            intake::terminate(&come.app, upload.id, &turn).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(Error::MethodNotAllowed),
    }
}

async fn look(come: &Come, upload: &Upload) -> Result<Response> {
    // Ends a request that still hangs, so that what is told now stays true.
    let turn = come.turn(upload.id).await?;
    let upload = intake::finished(&come.app, turn, upload.id).await?;
    if upload.state == UploadState::Gone {
        return Err(Error::UploadGone);
    }
    let mut response = StatusCode::OK.into_response();
    let h = response.headers_mut();
    describe(h, &upload, None);
    match upload.length {
        Some(length) => put(h, "upload-length", length),
        None => put(h, "upload-defer-length", 1),
    }
    if !upload.metadata.is_empty() {
        put(h, "upload-metadata", &upload.metadata);
    }
    put(h, "cache-control", "no-store");
    Ok(response)
}

async fn patch(come: &Come, upload: &Upload, body: Body) -> Result<Response> {
    if come.text("content-type") != Some(BODY_TYPE) {
        return Err(Error::UnsupportedMedia);
    }
    let ask = Append {
        offset: number(come, "upload-offset")?,
        length: come.headers.contains_key("upload-length").then(|| number(come, "upload-length")).transpose()?,
        announced: come.announced(),
        end: End::AtLength,
        checksum: checksum(come)?,
        fresh: false,
        expects: come.expects(),
    };
    let pass = match come.pass(upload.length, come.appeal_of(upload).await?.intake.flood) {
        Ok(pass) => pass,
        Err(busy) => {
            come.turn_away(body).await;
            return Err(busy);
        }
    };
    let turn = come.turn(upload.id).await?;
    let done = intake::append(&come.app, pass, turn, upload.id, ask, bytes(body)).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    describe(response.headers_mut(), &done.upload, done.accepted.as_ref());
    Ok(response)
}

fn describe(h: &mut HeaderMap, upload: &Upload, accepted: Option<&intake::Accepted>) {
    put(h, "upload-offset", upload.offset);
    put(h, "upload-expires", http_date(upload.expires_at));
    if let Some(accepted) = accepted {
        put_accepted(h, accepted);
    }
}

/// IMF-fixdate (RFC 9110 §5.6.7).
fn http_date(at: Utc) -> String {
    at.timestamp().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A plain number in a header; anything else is malformed, never zero.
fn number(come: &Come, name: &str) -> Result<u64> {
    let wrong = || Error::Malformed(format!("{name} must be a number of bytes"));
    let text = come.once(name).ok_or_else(wrong)?;
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    text.parse::<u64>().ok().filter(|n| i64::try_from(*n).is_ok()).ok_or_else(wrong)
}

fn checksum(come: &Come) -> Result<Option<Checksum>> {
    let Some(value) = come.headers.get("upload-checksum") else { return Ok(None) };
    match value.to_str().ok().and_then(digest::checksum) {
        Some(("sha1", digest)) => Ok(Some(Checksum::Sha1(digest))),
        Some(("sha256", digest)) => Ok(Some(Checksum::Sha256(digest))),
        _ => Err(Error::Malformed("Upload-Checksum must be sha1 or sha256 and base64".into())),
    }
}

fn metadata(headers: &HeaderMap) -> Result<Metadata> {
    let Some(value) = headers.get("upload-metadata") else { return Ok(Metadata::default()) };
    let read = value.to_str().map_err(|_| "not ASCII").and_then(Metadata::read);
    read.map_err(|why| Error::Malformed(format!("Upload-Metadata: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(http_date("2026-07-14T20:05:09Z".parse().unwrap()), "Tue, 14 Jul 2026 20:05:09 GMT");
    }
}
