//! Digests of what is sent: `Repr-Digest` and `Content-Digest` (RFC 9530), and `Upload-Checksum` of tus.

use data_encoding::BASE64;

use crate::domain::value::Sha256;

#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    Unreadable,
    /// Two of them do not agree.
    Contradicted,
}

/// The SHA-256 in the values of one header. Other algorithms are ignored, as the RFC allows; a SHA-256 that cannot be read is
/// refused rather than ignored.
pub fn sha256_in<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Option<Sha256>, Wrong> {
    let mut announced = None;
    for member in values.into_iter().flat_map(|v| v.split(',')).map(str::trim) {
        let Some(digest) = member.strip_prefix("sha-256=") else { continue };
        let bare = digest.strip_prefix(':').and_then(|d| d.strip_suffix(':'));
        let parsed = bare.and_then(Sha256::from_base64).ok_or(Wrong::Unreadable)?;
        if announced.is_some_and(|a| a != parsed) {
            return Err(Wrong::Contradicted);
        }
        announced = Some(parsed);
    }
    Ok(announced)
}

/// Algorithm and digest of an `Upload-Checksum`.
pub fn checksum(text: &str) -> Option<(&str, Vec<u8>)> {
    let (algorithm, digest) = text.trim().split_once(' ')?;
    Some((algorithm, BASE64.decode(digest.trim().as_bytes()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests() {
        let (one, other) = (Sha256::of(b"1"), Sha256::of(b"2"));
        let said = |d: Sha256| format!("sha-256=:{}:", BASE64.encode(d.bytes()));
        assert_eq!(sha256_in([format!("md5=:x:, {}", said(one)).as_str()]), Ok(Some(one)));
        assert_eq!(sha256_in([said(one).as_str(), said(one).as_str()]), Ok(Some(one)));
        assert_eq!(sha256_in([said(one).as_str(), said(other).as_str()]), Err(Wrong::Contradicted));
        assert_eq!(sha256_in(["sha-256=abc"]), Err(Wrong::Unreadable));
        assert_eq!(sha256_in([]), Ok(None));
        assert_eq!(checksum("sha1 YQ=="), Some(("sha1", b"a".to_vec())));
        assert!(checksum("sha1").is_none() && checksum("sha1 %").is_none());
    }
}
