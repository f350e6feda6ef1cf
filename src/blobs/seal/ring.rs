//! The operator's keys: each wraps the key of a file, and none of them is a file's.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::app::{mac, random};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

pub(super) const MAGIC: &[u8; 16] = b"temoin-sealed/1\n";
const ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
pub(super) const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
/// What of a slot is used.
pub(super) const USED: usize = MAGIC.len() + ID_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

pub(super) type Key = [u8; KEY_BYTES];

/// One of the operator's keys.
#[derive(Clone)]
pub(super) struct Wrapper {
    id: [u8; ID_BYTES],
    cipher: XChaCha20Poly1305,
}

impl Wrapper {
    fn new(key: &Key) -> Self {
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&mac(key, b"temoin media key id/v1")[..ID_BYTES]);
        Self { id, cipher: XChaCha20Poly1305::new(&mac(key, b"temoin media wrap/v1").into()) }
    }

    pub(super) fn wrap(&self, key: &Key) -> Result<[u8; USED]> {
        let nonce: [u8; NONCE_BYTES] = random();
        let known = [MAGIC.as_slice(), &self.id].concat();
        let wrapped = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: key, aad: &known })
            .map_err(|_| Error::Internal("a media key could not be wrapped".into()))?;
        let mut slot = [0; USED];
        slot.copy_from_slice(&[known, nonce.to_vec(), wrapped].concat());
        Ok(slot)
    }

    /// Its id as text, which says nothing of the key.
    fn name(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.id)
    }

    /// The key in a slot; `None` where it is not ours or not whole.
    pub(super) fn unwrap(&self, slot: &[u8; USED]) -> Option<Key> {
        let known = &slot[..MAGIC.len() + ID_BYTES];
        if !known.starts_with(MAGIC) || !known.ends_with(&self.id) {
            return None;
        }
        let (nonce, wrapped) = slot[known.len()..].split_first_chunk::<NONCE_BYTES>()?;
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: wrapped, aad: known }).ok()?.try_into().ok()
    }
}

/// The operator's keys in their file, the current one first: 64 hexadecimal digits a line. What another process writes there counts from the
/// next file on.
pub struct Ring {
    path: PathBuf,
    read: Mutex<(Stamp, Arc<Vec<Wrapper>>)>,
}

/// By what a file that took another's place, or was changed, is told from what it was.
pub(super) type Stamp = [i64; 5];

pub(super) fn stamp(about: &fs::Metadata) -> Stamp {
    [about.ino().cast_signed(), about.len().cast_signed(), about.mtime(), about.mtime_nsec(), about.ctime_nsec()]
}

fn keys_in(path: &Path) -> Result<(Stamp, Vec<Key>)> {
    let failed = |e: &dyn std::fmt::Display| Error::Internal(format!("the media's key {}: {e}", path.display()));
    let mut file = File::open(path).map_err(|e| failed(&e))?;
    let about = file.metadata()?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|e| failed(&e))?;
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    let keys: Option<Vec<Key>> = lines.map(|l| Sha256::from_hex(l).map(|s| *s.bytes())).collect();
    match keys.filter(|keys| !keys.is_empty()) {
        Some(keys) => Ok((stamp(&about), keys)),
        None => Err(failed(&"a key is 64 hexadecimal digits, one a line")),
    }
}

fn write_keys(path: &Path, keys: &[Key]) -> Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "# What keeps the media secret. The first line is the current key, others open what they sealed.")?;
    for key in keys {
        writeln!(file, "{}", Sha256::from_bytes(*key))?;
    }
    Ok(file.sync_all()?)
}

/// Puts other keys into the file's place, at once, for the same owner to read. One at a time.
fn replace_keys(path: &Path, change: impl FnOnce(Vec<Key>) -> Result<Vec<Key>>) -> Result<()> {
    let lock = File::options().create(true).append(true).mode(0o600).open(path.with_extension("lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).map_err(io::Error::from)?;
    let about = fs::metadata(path)?;
    let keys = change(keys_in(path)?.1)?;
    let beside = path.with_extension("next");
    let _ = fs::remove_file(&beside);
    write_keys(&beside, &keys)?;
    // Whoever does this need not be who serves.
    fs::set_permissions(&beside, about.permissions())?;
    std::os::unix::fs::chown(&beside, Some(about.uid()), Some(about.gid()))?;
    fs::rename(&beside, path)?;
    sync_folder(path)
}

pub(super) fn sync_folder(path: &Path) -> Result<()> {
    match path.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(folder) => Ok(File::open(folder)?.sync_all()?),
        None => Ok(()),
    }
}

impl Ring {
    /// The keys in this file; none where no file is named.
    pub fn open(path: &Path) -> Result<Option<Arc<Self>>> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let (stamp, keys) = keys_in(path)?;
        let wrappers = Arc::new(keys.iter().map(Wrapper::new).collect());
        Ok(Some(Arc::new(Self { path: path.to_owned(), read: Mutex::new((stamp, wrappers)) })))
    }

    /// A first key, in its file. What exists is not overwritten.
    pub fn make(path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        write_keys(path, &[random()])?;
        sync_folder(path)
    }

    /// Puts a new key before the others.
    pub fn turn(path: &Path) -> Result<()> {
        replace_keys(path, |keys| Ok([vec![random()], keys].concat()))
    }

    /// Forgets every key that is older than this one; returns how many.
    pub fn forget_older(path: &Path, than: &str) -> Result<usize> {
        let mut forgotten = 0;
        replace_keys(path, |mut keys| {
            let at = keys.iter().position(|key| Wrapper::new(key).name() == than);
            let at = at.ok_or_else(|| Error::Internal(format!("{} has no key {than} any more", path.display())))?;
            forgotten = keys.len() - at - 1;
            keys.truncate(at + 1);
            Ok(keys)
        })?;
        Ok(forgotten)
    }

    /// The current key's id, which says nothing about the key.
    pub fn current(&self) -> Result<String> {
        Ok(self.wrappers()?[0].name())
    }

    /// Whether a key is among them, by its id.
    pub fn has(&self, name: &str) -> Result<bool> {
        Ok(self.wrappers()?.iter().any(|w| w.name() == name))
    }

    /// How many keys there are.
    pub fn len(&self) -> Result<usize> {
        Ok(self.wrappers()?.len())
    }

    pub(super) fn wrappers(&self) -> Result<Arc<Vec<Wrapper>>> {
        let now = fs::metadata(&self.path).map(|about| stamp(&about));
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if now.is_ok_and(|now| now != read.0) {
            match keys_in(&self.path) {
                Ok((stamp, keys)) => {
                    // Nothing is sealed with a key that a power cut could take away again. (Where that cannot be asked, it was not written here.)
                    let _ = sync_folder(&self.path);
                    *read = (stamp, Arc::new(keys.iter().map(Wrapper::new).collect()));
                }
                // A key file that is out of reach, or half-written, takes nothing from who has read it before.
                Err(e) => {
                    tracing::error!(cause = %e, "the media's key file was changed and cannot be read; what it said before is gone on with")
                }
            }
        }
        Ok(read.1.clone())
    }
}
