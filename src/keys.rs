//! The log's private key in its file: 64 hexadecimal digits (the RFC 8032 secret), and, once it was replaced, lines that say
//! `old` (the key that signs along while its successor becomes known) and `secret` (what addresses, tickets and marks are made with,
//! which must not change with the key; derived from the first key, and no way back to it).
//!
//! A new key is written beside the file first, then the database says that it is the log's, then it takes the file's place: a
//! crash in between leaves both, and the next start takes the one that the database names.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::domain::custody::{Signer, VerifierKey};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

type Seed = [u8; 32];

#[derive(Clone)]
pub struct LogKeys {
    path: PathBuf,
    current: Seed,
    old: Option<Seed>,
    secret: Option<Seed>,
}

impl LogKeys {
    /// What lies there; `None` when nothing does.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::Internal(format!("the log's key {}: {e}", path.display()))),
        };
        let wrong = || Error::Internal(format!("{} is not a key: 64 hexadecimal digits", path.display()));
        let seed = |text: &str| Sha256::from_hex(text.trim()).map(|s| *s.bytes()).ok_or_else(wrong);
        let mut lines = text.lines().filter(|l| !l.trim().is_empty());
        let mut keys = Self { path: path.to_owned(), current: seed(lines.next().ok_or_else(wrong)?)?, old: None, secret: None };
        for line in lines {
            match line.split_once(' ') {
                Some(("old", digits)) => keys.old = Some(seed(digits)?),
                Some(("secret", digits)) => keys.secret = Some(seed(digits)?),
                _ => return Err(wrong()),
            }
        }
        Ok(Some(keys))
    }

    /// A first key, in its file.
    pub fn make(path: &Path) -> Result<Self> {
        let keys = Self { path: path.to_owned(), current: crate::app::random(), old: None, secret: None };
        keys.write(path)?;
        Ok(keys)
    }

    /// The successor that was written beside this file and did not take its place yet.
    pub fn beside(path: &Path) -> Result<Option<Self>> {
        Ok(Self::read(&next(path))?.map(|keys| Self { path: path.to_owned(), ..keys }))
    }

    pub fn signer(&self, origin: &str) -> Signer {
        let signer = Signer::new(origin, &self.current);
        match &self.old {
            Some(old) => signer.along_with(old),
            None => signer,
        }
    }

    /// What addresses, tickets and marks are made with.
    pub fn secret(&self) -> Seed {
        self.secret.unwrap_or_else(|| crate::app::mac(&self.current, b"temoin look/v1"))
    }

    /// Another key. This one signs along.
    pub fn successor(&self) -> Self {
        Self { path: self.path.clone(), current: crate::app::random(), old: Some(self.current), secret: Some(self.secret()) }
    }

    /// Everything anew: whoever had this key can make nothing with the next.
    pub fn stranger(&self) -> Self {
        Self { path: self.path.clone(), current: crate::app::random(), old: None, secret: Some(crate::app::random()) }
    }

    /// The same key without the one that signed along.
    pub fn alone(&self) -> Self {
        Self { old: None, ..self.clone() }
    }

    /// The key that signs along, if there is one.
    pub fn old(&self, origin: &str) -> Option<VerifierKey> {
        self.old.as_ref().map(|seed| Signer::new(origin, seed).verifier())
    }

    /// Writes it beside the file. Only who holds the log's head may: what lies there must not be another's.
    pub fn write_beside(&self) -> Result<()> {
        let path = next(&self.path);
        let _ = fs::remove_file(&path);
        self.write(&path)
    }

    /// What was written beside takes the file's place.
    pub fn take_place(&self) -> Result<()> {
        fs::rename(next(&self.path), &self.path)?;
        sync_folder(&self.path)
    }

    fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "{}", Sha256::from_bytes(self.current))?;
        for (name, seed) in [("old", self.old), ("secret", self.secret)] {
            if let Some(seed) = seed {
                writeln!(file, "{name} {}", Sha256::from_bytes(seed))?;
            }
        }
        file.sync_all()?;
        sync_folder(path)
    }
}

fn next(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.next", path.display()))
}

fn sync_folder(path: &Path) -> Result<()> {
    match path.parent() {
        Some(folder) => Ok(fs::File::open(folder)?.sync_all()?),
        None => Ok(()),
    }
}
