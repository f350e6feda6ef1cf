//! `Upload-Metadata` of tus: comma-separated pairs of a key and, after a space, its value in base64.

use std::collections::HashSet;

use data_encoding::BASE64;

use crate::domain::upload::FileClaims;
use crate::domain::value::{Sha256, shown};

/// Characters of a path or mark that a client may give.
const CLAIM_CHARS_MAX: usize = 1_000;

#[derive(Default)]
pub struct Metadata {
    /// As it came, without the secret.
    pub text: String,
    pub token: Option<String>,
    pub submission: Option<String>,
    pub claims: FileClaims,
    pub sha256: Option<Sha256>,
    pub fingerprint: Option<String>,
}

impl Metadata {
    /// Or why it cannot be read.
    pub fn read(text: &str) -> Result<Self, &'static str> {
        let mut metadata = Self::default();
        let (mut kept, mut keys) = (Vec::new(), HashSet::new());
        for pair in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, encoded) = pair.split_once(' ').unwrap_or((pair, ""));
            if !keys.insert(key) {
                return Err("a key stands twice");
            }
            let value = BASE64.decode(encoded.trim().as_bytes()).map_err(|_| "a value is not base64")?;
            if key != "token" {
                kept.push(pair);
            }
            metadata.set(key, value)?;
        }
        metadata.text = kept.join(",");
        Ok(metadata)
    }

    fn set(&mut self, key: &str, value: Vec<u8>) -> Result<(), &'static str> {
        let text = || shown(&String::from_utf8_lossy(&value), CLAIM_CHARS_MAX);
        match key {
            "token" => self.token = Some(text()),
            "submission" => self.submission = Some(text()),
            // Uppy says `name` and `type`.
            "filename" => self.claims.name = value,
            "name" if self.claims.name.is_empty() => self.claims.name = value,
            "filetype" | "type" => self.claims.media_type = Some(text()),
            "relative_path" => self.claims.relative_path = Some(text()),
            "fingerprint" => self.fingerprint = Some(text()),
            "sha256" => {
                let digest = Sha256::from_hex(&text());
                self.sha256 = Some(digest.ok_or("sha256 must be hexadecimal")?);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata() {
        let m = Metadata::read("filename w6kuanBn, token c2VjcmV0,bare, filetype aW1hZ2UvanBlZw==").unwrap();
        assert_eq!(m.claims.name, "é.jpg".as_bytes());
        assert_eq!(m.claims.media_type.as_deref(), Some("image/jpeg"));
        assert_eq!(m.token.as_deref(), Some("secret"));
        assert_eq!(m.text, "filename w6kuanBn,bare,filetype aW1hZ2UvanBlZw==");
        for wrong in ["filename %%%", "a YQ==,a YQ==", "sha256 YQ=="] {
            assert!(Metadata::read(wrong).is_err(), "{wrong}");
        }
    }
}
