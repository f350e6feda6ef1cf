//! What the headers of a request claim of the file behind it: its digest and its name.

use axum::http::{HeaderMap, header};

use crate::domain::value::Sha256;
use crate::error::{Error, Result};
use crate::web::header::{digest, disposition};

/// The SHA-256 that the client announced in `Repr-Digest` or `Content-Digest`, if any; two must agree.
pub fn announced_digest(headers: &HeaderMap) -> Result<Option<Sha256>> {
    match (announced_in(headers, "repr-digest")?, announced_in(headers, "content-digest")?) {
        (Some(a), Some(b)) if a != b => Err(Error::DigestMismatch),
        (a, b) => Ok(a.or(b)),
    }
}

/// The same of one header.
pub fn announced_in(headers: &HeaderMap, name: &'static str) -> Result<Option<Sha256>> {
    let unreadable = || Error::Invalid { field: name, why: "not sha-256=:base64:".into() };
    let values = headers.get_all(name).iter().map(|v| v.to_str().map_err(|_| unreadable())).collect::<Result<Vec<_>>>()?;
    digest::sha256_in(values).map_err(|wrong| match wrong {
        digest::Wrong::Unreadable => unreadable(),
        digest::Wrong::Contradicted => Error::DigestMismatch,
    })
}

/// The name of the file in `Content-Disposition`; empty without one.
pub fn disposition_name(headers: &HeaderMap) -> Vec<u8> {
    headers.get(header::CONTENT_DISPOSITION).map(|v| disposition::name(v.as_bytes())).unwrap_or_default()
}
