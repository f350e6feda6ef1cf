//! Blobs in a folder: `staging/<random>` while they come, `blobs/ab/cd/<sha256>` when they are kept.
//!
//! Parking: fsync the file, and the folder the first time. Keeping: fsync the file, link it to its hash's path
//! (which fails if it exists, so nothing is overwritten), fsync the folder; the staged name goes last. A crash before the link leaves a staged
//! file for the sweep; after it, a durable blob that the database may not know yet.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::{GRACE, Published, Reader};
use crate::app::random;
use crate::domain::upload::Midstate;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

/// Bytes of one read.
const READ_BYTES: usize = 128 * 1024;
const DIGEST_BYTES: usize = 1 << 20;
/// Staged files are named by sixteen random bytes.
const HANDLE_CHARS: usize = 32;

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
    /// Whether somebody holds the handle: then it outlives us.
    parked: bool,
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
            Ok(Staged { root, folders, path, file: Some(file), parked: false })
        })
        .await
    }

    pub async fn resume(&self, handle: &str, offset: u64) -> Result<Option<Staged>> {
        if handle.len() != HANDLE_CHARS || !handle.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::Internal("a staging handle that we never gave out".into()));
        }
        let path = self.root.join("staging").join(handle);
        let (root, folders) = (self.root.clone(), self.folders.clone());
        blocking(move || {
            let mut file = match File::options().read(true).write(true).open(&path) {
                Ok(file) => file,
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(e.into()),
            };
            if file.metadata()?.len() < offset {
                return Ok(None);
            }
            if file.metadata()?.nlink() > 1 {
                // Linked to its hash, and then the commit failed: from now on those bytes may be somebody's evidence.
                file = own_copy(file, &path)?;
            }
            // What stands behind the offset was never acknowledged, and may be torn.
            file.set_len(offset)?;
            file.seek(std::io::SeekFrom::End(0))?;
            Ok(Some(Staged { root, folders, path, file: Some(file), parked: true }))
        })
        .await
    }

    pub async fn open_range(&self, key: &str, start: u64, length: u64) -> Result<Reader> {
        let mut file = tokio::fs::File::open(self.path(key)?).await.map_err(|e| match e.kind() {
            ErrorKind::NotFound => Error::Internal(format!("the blob {key} is missing")),
            _ => e.into(),
        })?;
        file.seek(std::io::SeekFrom::Start(start)).await?;
        let stream = ReaderStream::with_capacity(file.take(length), READ_BYTES);
        Ok(stream.map(|r| r.map_err(Error::from)).boxed())
    }

    /// In large reads on a thread of its own: hopping between threads for each would halve the speed.
    pub async fn digest(&self, key: &str, size: u64) -> Result<(Sha256, u64)> {
        let path = self.path(key)?;
        let key = key.to_owned();
        blocking(move || {
            let mut file = File::open(path).map_err(|e| match e.kind() {
                ErrorKind::NotFound => Error::Internal(format!("the blob {key} is missing")),
                _ => e.into(),
            })?;
            let (mut hash, mut bytes, mut buffer) = (Midstate::default(), 0, vec![0; DIGEST_BYTES]);
            while bytes <= size {
                let n = file.read(&mut buffer)?;
                if n == 0 {
                    break;
                }
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
            Ok((hash.finish(), bytes))
        })
        .await
    }

    pub async fn sweep_staged(&self, handles: &[String]) -> Result<u64> {
        let folder = self.root.join("staging");
        let handles: HashSet<String> = handles.iter().cloned().collect();
        blocking(move || {
            let mut swept = 0;
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                // Finished meanwhile, most likely.
                let Ok(meta) = entry.metadata() else { continue };
                if old(&meta) && !entry.file_name().to_str().is_some_and(|name| handles.contains(name)) {
                    swept += u64::from(fs::remove_file(entry.path()).is_ok());
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

    pub async fn destroy(&self, key: &str) -> Result<()> {
        let path = self.path(key)?;
        blocking(move || match fs::remove_file(&path) {
            Ok(()) => match path.parent() {
                Some(folder) => Ok(File::open(folder)?.sync_all()?),
                None => Ok(()),
            },
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e.into()),
        })
        .await
    }

    pub async fn publish(&self, name: &str, bytes: Bytes) -> Result<Published> {
        let target = self.root.join("published").join(name);
        let beside = self.root.join("staging").join(data_encoding::HEXLOWER.encode(&random::<16>()));
        blocking(move || {
            let Some(folder) = target.parent() else { return Err(Error::Internal("a name without a folder".into())) };
            if !folder.is_dir() {
                fs::create_dir_all(folder)?;
                for parent in folder.ancestors().skip(1).take(2) {
                    File::open(parent)?.sync_all()?;
                }
            }
            let mut file = File::create_new(&beside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            let linked = fs::hard_link(&beside, &target);
            fs::remove_file(&beside)?;
            match linked {
                Ok(()) => {
                    File::open(folder)?.sync_all()?;
                    Ok(Published::Now)
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                    let same = fs::read(&target)? == bytes;
                    Ok(if same { Published::Before } else { Published::Otherwise })
                }
                Err(e) => Err(e.into()),
            }
        })
        .await
    }

    pub async fn published(&self, name: &str) -> Result<Option<Bytes>> {
        match tokio::fs::read(self.root.join("published").join(name)).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    pub async fn list_published(&self, folder: &str) -> Result<Vec<String>> {
        let folder = self.root.join("published").join(folder);
        blocking(move || {
            let entries = match fs::read_dir(folder) {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let mut names = Vec::new();
            for entry in entries {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort_unstable();
            Ok(names)
        })
        .await
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
    /// Written in place: the page cache takes it in microseconds, and a hop to another thread costs more than that, and
    /// a buffer for every connection. A stalled disk holds up one of the runtime's threads, of which there are spare ones.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        // After a failed write nothing can be kept of these bytes any more.
        let mut file = self.file.take().ok_or_else(failed_before)?;
        file.write_all(bytes)?;
        self.file = Some(file);
        Ok(())
    }

    pub async fn park(&mut self) -> Result<String> {
        let file = self.file.take().ok_or_else(failed_before)?;
        let folder = (!self.parked).then(|| self.root.join("staging"));
        let file = blocking(move || {
            file.sync_data()?;
            if let Some(folder) = folder {
                File::open(folder)?.sync_all()?;
            }
            Ok(file)
        })
        .await?;
        self.file = Some(file);
        self.parked = true;
        Ok(self.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default())
    }

    pub async fn keep(&mut self, sha256: Sha256) -> Result<String> {
        let key = sha256.to_string();
        let target = blob_path(&self.root, &key)?;
        let file = self.file.take().ok_or_else(failed_before)?;
        let (staged, folders) = (self.path.clone(), self.folders.clone());
        blocking(move || {
            file.sync_all()?;
            link_durably(&staged, &target, &file, &folders)
        })
        .await?;
        Ok(key)
    }

    pub async fn discard(mut self) {
        self.parked = true;
        let path = std::mem::take(&mut self.path);
        let _ = blocking(move || Ok(fs::remove_file(path)?)).await;
    }
}

/// Puts a copy of the file into its place, so that what is linked elsewhere is never written to.
fn own_copy(mut file: File, path: &Path) -> Result<File> {
    let beside = path.with_extension("copy");
    let mut copy = File::options().read(true).write(true).create(true).truncate(true).open(&beside)?;
    std::io::copy(&mut file, &mut copy)?;
    copy.sync_all()?;
    fs::rename(&beside, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(copy)
}

fn failed_before() -> Error {
    Error::Internal("a staged file that failed before, or was kept".into())
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
        // Parked bytes are acknowledged. Others have served; left behind after a crash, the sweep finds them.
        if !self.parked {
            let path = std::mem::take(&mut self.path);
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => drop(runtime.spawn_blocking(move || fs::remove_file(path))),
                Err(_) => drop(fs::remove_file(path)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parked_bytes_go_on_where_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::open(dir.path()).unwrap();
        let mut staged = disk.stage().await.unwrap();
        staged.append(b"hello ").unwrap();
        let handle = staged.park().await.unwrap();
        // Written after the park and never acknowledged: cut off again.
        staged.append(b"lost").unwrap();
        drop(staged);
        assert!(disk.resume(&handle, 7 + 100).await.unwrap().is_none(), "more than is there");
        let mut staged = disk.resume(&handle, 6).await.unwrap().unwrap();
        staged.append(b"world").unwrap();
        let sha256 = Sha256::of(b"hello world");
        let key = staged.keep(sha256).await.unwrap();
        assert_eq!(disk.length(&key).await.unwrap(), Some(11));
        // The commit failed: the file is another's evidence by now, and ours must not write to it.
        drop(staged);
        let mut staged = disk.resume(&handle, 6).await.unwrap().unwrap();
        staged.append(b"wOrld").unwrap();
        drop(staged);
        assert_eq!(fs::read(blob_path(dir.path(), &key).unwrap()).unwrap(), b"hello world");
        let mut staged = disk.resume(&handle, 6).await.unwrap().unwrap();
        staged.append(b"world").unwrap();
        drop(staged);
        // And it can be kept again.
        let mut staged = disk.resume(&handle, 11).await.unwrap().unwrap();
        assert_eq!(staged.keep(sha256).await.unwrap(), key);
        staged.discard().await;
        assert!(disk.resume(&handle, 11).await.unwrap().is_none());
        assert_eq!(fs::read(blob_path(dir.path(), &key).unwrap()).unwrap(), b"hello world");
        for wrong in ["", "..", "../blobs", "x/y"] {
            assert!(disk.resume(wrong, 0).await.is_err(), "{wrong}");
        }
    }
}
