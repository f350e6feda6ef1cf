//! Blobs in a folder: `staging/<random>` while they come, `blobs/ab/cd/<sha256>` when they are kept.
//!
//! Keeping: flush, fsync the file, link it to its hash's path (which fails if it exists, so nothing is
//! overwritten), fsync the folder, unlink the staged name. A crash before the link leaves a staged
//! file for the sweep; after it, a durable blob that the database may not know yet.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::{GRACE, Reader};
use crate::app::random;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

/// Bytes gathered before one hop to a thread that may block.
const HOP_BYTES: usize = 128 * 1024;

pub struct Disk {
    root: PathBuf,
    folders: Folders,
}

/// Folders whose own entries are known to be durable. Entered only after the sync, so that an upload that finds a folder
/// there never relies on another's that is still under way.
type Folders = Arc<Mutex<HashSet<PathBuf>>>;

pub struct Staged {
    root: PathBuf,
    folders: Folders,
    path: PathBuf,
    file: Option<File>,
    buffer: BytesMut,
}

/// Runs blocking file work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

impl Disk {
    pub fn open(root: &Path) -> Result<Self> {
        for folder in ["staging", "blobs"] {
            fs::create_dir_all(root.join(folder))
                .map_err(|e| Error::Internal(format!("the media folder {} cannot be made: {e}", root.display())))?;
        }
        File::open(root)?.sync_all()?;
        Ok(Self { root: root.to_owned(), folders: Folders::default() })
    }

    pub async fn stage(&self) -> Result<Staged> {
        let path = self.root.join("staging").join(data_encoding::HEXLOWER.encode(&random::<16>()));
        let (root, folders) = (self.root.clone(), self.folders.clone());
        blocking(move || {
            let file = File::create_new(&path)?;
            Ok(Staged { root, folders, path, file: Some(file), buffer: BytesMut::new() })
        })
        .await
    }

    pub async fn open_range(&self, key: &str, start: u64, length: u64) -> Result<Reader> {
        let mut file = tokio::fs::File::open(self.path(key)?).await.map_err(|e| match e.kind() {
            ErrorKind::NotFound => Error::Internal(format!("the blob {key} is missing")),
            _ => e.into(),
        })?;
        file.seek(std::io::SeekFrom::Start(start)).await?;
        let stream = ReaderStream::with_capacity(file.take(length), HOP_BYTES);
        Ok(stream.map(|r| r.map_err(Error::from)).boxed())
    }

    pub async fn sweep_staged(&self) -> Result<u64> {
        let folder = self.root.join("staging");
        blocking(move || {
            let mut swept = 0;
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if old(&entry.metadata()?) {
                    fs::remove_file(entry.path())?;
                    swept += 1;
                }
            }
            Ok(swept)
        })
        .await
    }

    pub async fn length(&self, key: &str) -> Result<Option<u64>> {
        match tokio::fs::metadata(self.path(key)?).await {
            Ok(meta) => Ok(Some(meta.len())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    pub async fn remove(&self, key: &str) -> Result<()> {
        tokio::fs::remove_file(self.path(key)?).await?;
        Ok(())
    }

    pub fn free_bytes(&self) -> Option<u64> {
        let s = rustix::fs::statvfs(&self.root).ok()?;
        Some(s.f_bavail.saturating_mul(s.f_frsize))
    }

    pub async fn ping(&self) -> Result<()> {
        tokio::fs::metadata(self.root.join("blobs")).await?;
        Ok(())
    }

    fn path(&self, key: &str) -> Result<PathBuf> {
        blob_path(&self.root, key)
    }
}

#[allow(clippy::disallowed_methods)] // The age of files is the file system's business, not evidence.
fn old(meta: &fs::Metadata) -> bool {
    meta.modified().ok().and_then(|m| SystemTime::now().duration_since(m).ok()).is_some_and(|age| age > GRACE)
}

/// A key is a hash in hexadecimal; nothing else ever becomes a path.
fn blob_path(root: &Path, key: &str) -> Result<PathBuf> {
    if Sha256::from_hex(key).is_none() || key.len() != 64 {
        return Err(Error::Internal("a blob key that is not a hash".into()));
    }
    Ok(root.join("blobs").join(&key[..2]).join(&key[2..4]).join(key))
}

impl Staged {
    pub async fn append(&mut self, bytes: Bytes) -> Result<()> {
        self.buffer.extend_from_slice(&bytes);
        if self.buffer.len() >= HOP_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        let Some(mut file) = self.file.take() else {
            return Err(Error::Internal("a staged file that failed before".into()));
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        // A failed write leaves no file behind: nothing can be kept of these bytes any more.
        let (file, buffer) = blocking(move || {
            file.write_all(&buffer)?;
            buffer.clear();
            Ok((file, buffer))
        })
        .await?;
        self.file = Some(file);
        self.buffer = buffer;
        Ok(())
    }

    pub async fn keep(mut self, sha256: Sha256) -> Result<String> {
        self.flush().await?;
        let key = sha256.to_string();
        let target = blob_path(&self.root, &key)?;
        let Some(file) = self.file.take() else {
            return Err(Error::Internal("a staged file that failed before".into()));
        };
        let (staged, folders) = (self.path.clone(), self.folders.clone());
        blocking(move || {
            file.sync_all()?;
            link_durably(&staged, &target, &file, &folders)
        })
        .await?;
        Ok(key)
    }
}

fn link_durably(staged: &Path, target: &Path, file: &File, folders: &Folders) -> Result<()> {
    let folder = target.parent().ok_or_else(|| Error::Internal("a blob path without a folder".into()))?;
    if !folders.lock().is_ok_and(|set| set.contains(folder)) {
        fs::create_dir_all(folder)?;
        // The new folders' own entries must survive a power cut, too.
        for parent in folder.ancestors().skip(1).take(2) {
            File::open(parent)?.sync_all()?;
        }
        if let Ok(mut set) = folders.lock() {
            set.insert(folder.to_owned());
        }
    }
    match fs::hard_link(staged, target) {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            let kept = File::open(target)?;
            if kept.metadata()?.len() != file.metadata()?.len() {
                return Err(Error::Internal("a kept blob has changed its length".into()));
            }
            kept.sync_all()?;
        }
        Err(e) => return Err(e.into()),
    }
    File::open(folder)?.sync_all()?;
    Ok(())
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Kept or not, the staged name has served. Left behind after a crash, the sweep finds it.
        let _ = fs::remove_file(&self.path);
    }
}
