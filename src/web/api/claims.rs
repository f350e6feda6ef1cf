//! What the headers of a request claim of the file behind it: its digest and its name.

use axum::http::HeaderMap;

use crate::domain::value::Sha256;
use crate::error::{Error, Result};

/// The SHA-256 that the client announced in `Repr-Digest` or `Content-Digest`, if any; two must agree.
pub fn announced_digest(headers: &HeaderMap) -> Result<Option<Sha256>> {
    match (announced_in(headers, "repr-digest")?, announced_in(headers, "content-digest")?) {
        (Some(a), Some(b)) if a != b => Err(Error::DigestMismatch),
        (a, b) => Ok(a.or(b)),
    }
}

/// The SHA-256 in one digest header (RFC 9530). Other algorithms are ignored, as the RFC allows; a SHA-256 that cannot be
/// read is refused rather than ignored.
pub fn announced_in(headers: &HeaderMap, name: &'static str) -> Result<Option<Sha256>> {
    let unreadable = || Error::Invalid { field: name, why: "not sha-256=:base64:".into() };
    let mut announced = None;
    for value in headers.get_all(name) {
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
pub fn disposition_name(value: &[u8]) -> Vec<u8> {
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
