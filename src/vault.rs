//! Sealing how a witness can be reached (age, X25519: <https://age-encryption.org/v1>), so that the database, its backups and the server's daily
//! work hold nothing that can be read. Texts are padded to one length before they are sealed (age itself adds lines of random length). What is
//! sealed is opened with the agency's vault key by any age program, in the officer's browser, or here where the operator left the key.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr as _;

use age::secrecy::ExposeSecret as _;
use age::x25519::{Identity, Recipient};
use data_encoding::BASE64;

use crate::error::{Error, Result};

/// Every contact is so long when it is sealed: its own length, then its text, then zeros.
const PADDED: usize = 1_024;
const LENGTH_BYTES: usize = 2;
/// Columns of age's armour.
const COLUMNS: usize = 64;

/// Whether a text is the public half of a vault's key.
pub fn is_recipient(text: &str) -> bool {
    Recipient::from_str(text).is_ok()
}

/// Seals a contact to an agency's vault.
pub fn seal(recipient: &str, contact: &str) -> Result<Vec<u8>> {
    let recipient = Recipient::from_str(recipient).map_err(|e| Error::Internal(format!("the vault's recipient: {e}")))?;
    age::encrypt(&recipient, &padded(contact)).map_err(Error::internal)
}

fn padded(contact: &str) -> Vec<u8> {
    let mut end = contact.len().min(PADDED - LENGTH_BYTES);
    while !contact.is_char_boundary(end) {
        end -= 1;
    }
    let text = &contact.as_bytes()[..end];
    let mut out = u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    out.extend_from_slice(text);
    out.resize(PADDED, 0);
    out
}

fn without_padding(bytes: &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    String::from_utf8(rest.get(..u16::from_be_bytes(*length).into())?.to_vec()).ok()
}

/// A vault's whole key.
pub struct VaultKey(Identity);

impl VaultKey {
    /// What lies there; `None` when nothing does.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::Internal(format!("the vault's key {}: {e}", path.display()))),
        };
        let line = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#')).unwrap_or_default();
        let key = Identity::from_str(line).map_err(|e| Error::Internal(format!("{} is not a vault's key: {e}", path.display())))?;
        Ok(Some(Self(key)))
    }

    /// A new one, in its file. What exists is not overwritten.
    pub fn make(path: &Path) -> Result<Self> {
        let key = Self(Identity::generate());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "# public key: {}", key.recipient())?;
        writeln!(file, "{}", key.0.to_string().expose_secret())?;
        file.sync_all()?;
        Ok(key)
    }

    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// Opens what was sealed to it; `None` when it was sealed to another one.
    pub fn open(&self, sealed: &[u8]) -> Option<String> {
        without_padding(&age::decrypt(&self.0, sealed).ok()?)
    }
}

impl VaultKey {
    /// The same from the text that a page shows.
    pub fn open_armoured(&self, text: &str) -> Option<String> {
        let body: String = text.lines().map(str::trim).filter(|l| !l.starts_with("-----")).collect();
        self.open(&BASE64.decode(body.as_bytes()).ok()?)
    }
}

/// The sealed bytes as text, as `age -d` reads them.
pub fn armoured(sealed: &[u8]) -> String {
    let text = BASE64.encode(sealed);
    let lines: Vec<&str> = text.as_bytes().chunks(COLUMNS).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_alone_and_tells_no_length() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("keys/vault.key"), dir.path().join("other.key"));
        assert!(VaultKey::read(&path).unwrap().is_none());
        let key = VaultKey::make(&path).unwrap();
        assert!(VaultKey::make(&path).is_err(), "what exists is not overwritten");
        let read = VaultKey::read(&path).unwrap().unwrap();
        assert_eq!(read.recipient(), key.recipient());
        assert!(is_recipient(&key.recipient()) && !is_recipient("age1nonsense"));
        let mut lengths = Vec::new();
        for contact in ["", "+33 6 12 34 56 78", "jeanne@example.org, le soir", &"é".repeat(600)] {
            let sealed = seal(&key.recipient(), contact).unwrap();
            let opened = read.open(&sealed).unwrap();
            assert!(contact.starts_with(&opened) && (contact.len() > 1_000 || opened == contact));
            assert!(VaultKey::make(&other).unwrap().open(&sealed).is_none());
            std::fs::remove_file(&other).unwrap();
            lengths.push(padded(contact).len());
            assert!(armoured(&sealed).lines().all(|l| l.len() <= 64));
            assert_eq!(read.open_armoured(&armoured(&sealed)), Some(opened));
        }
        lengths.dedup();
        assert_eq!(lengths.len(), 1, "all are of one length");
    }
}
