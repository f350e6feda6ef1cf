//! Blobs in a folder: `staging/<random>` while they come, `blobs/ab/cd/<sha256>` when they are kept. Where the operator has a key for them
//! (`../seal.rs`) the same two are in `sealed/`, and everything new goes there; what came before is read where it lies, until `reseal.rs`
//! has moved it.
//!
//! Parking: fsync the file, and the folder the first time. Keeping: fsync the file, link it to its hash's path
//! (which fails if it exists, so nothing is overwritten), fsync the folder; the staged name goes last. A crash before the link leaves a staged
//! file for the sweep; after it, a durable blob that the database may not know yet.

mod reseal;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::seal::{Content, Marker, Ring, content_length};
use super::{Published, Reader};
use crate::app::random;
use crate::domain::upload::Midstate;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

pub use reseal::Resealed;

/// Bytes of one read.
const READ_BYTES: usize = 128 * 1024;
const DIGEST_BYTES: usize = 1 << 20;
/// Staged files are named by sixteen random bytes.
const HANDLE_CHARS: usize = 32;

pub struct Disk {
    root: PathBuf,
    plain: Shelf,
    sealed: Option<Shelf>,
    folders: Folders,
    /// Under which key everything was brought last: who has not got it seals nothing.
    marker: Arc<Marker>,
}

/// Beside what is sealed.
const MARKER: &str = "current";

/// A place for blobs, all of them sealed or none.
#[derive(Clone)]
struct Shelf {
    root: PathBuf,
    ring: Option<Arc<Ring>>,
}

impl Shelf {
    fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    /// A key is a hash in hexadecimal; nothing else ever becomes a path.
    fn path(&self, key: &str) -> Result<PathBuf> {
        if Sha256::from_hex(key).is_none() || key.len() != 64 {
            return Err(Error::Internal("a blob key that is not a hash".into()));
        }
        Ok(self.root.join("blobs").join(&key[..2]).join(&key[2..4]).join(key))
    }

    /// A blob for reading, if it is here.
    fn open(&self, key: &str) -> Result<Option<Content>> {
        match File::open(self.path(key)?) {
            Ok(file) => Content::of(file, self.ring.as_deref()).map(Some),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn make(&self) -> std::io::Result<()> {
        fs::create_dir_all(self.staging())?;
        fs::create_dir_all(self.root.join("blobs"))?;
        File::open(&self.root)?.sync_all()
    }
}

/// Folders whose own entries are known to be durable. Entered only after the sync, so that an upload that finds a folder
/// there never relies on another's that is still under way.
type Folders = Arc<Mutex<HashSet<PathBuf>>>;

pub struct Staged {
    shelf: Shelf,
    folders: Folders,
    path: PathBuf,
    file: Option<Content>,
    /// Whether somebody holds the handle: then it outlives us.
    parked: bool,
}

/// Runs blocking file work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}

impl Disk {
    /// With the keys, if there are some, by which everything new is sealed.
    pub fn open(root: &Path, ring: Option<Arc<Ring>>) -> Result<Self> {
        let cannot = |e| Error::Internal(format!("the media folder {} cannot be made: {e}", root.display()));
        let plain = Shelf { root: root.to_owned(), ring: None };
        plain.make().map_err(cannot)?;
        let beside = root.join("sealed");
        let marker = Marker::new();
        if let Some(ring) = &ring {
            let wrong = |_| Error::Internal(format!("{} is under another key than those in media.key_file", beside.display()));
            marker.check(&beside.join(MARKER), ring).map_err(wrong)?;
        }
        if ring.is_none() && beside.exists() {
            return Err(Error::Internal(format!("{} is sealed: say where its key is (media.key_file)", beside.display())));
        }
        let sealed = ring.map(|ring| Shelf { root: beside, ring: Some(ring) });
        if let Some(shelf) = &sealed {
            shelf.make().map_err(cannot)?;
            File::open(root)?.sync_all()?;
        }
        Ok(Self { root: root.to_owned(), plain, sealed, folders: Folders::default(), marker: Arc::new(marker) })
    }

    /// Where new bytes go.
    fn shelf(&self) -> &Shelf {
        self.sealed.as_ref().unwrap_or(&self.plain)
    }

    /// Where bytes may be: what is sealed first, since from there they go nowhere.
    fn shelves(&self) -> Vec<Shelf> {
        self.sealed.iter().chain([&self.plain]).cloned().collect()
    }

    /// Opens a blob, wherever it is.
    async fn opened(&self, key: &str) -> Result<Content> {
        let (shelves, key, root) = (self.shelves(), key.to_owned(), self.root.clone());
        blocking(move || {
            // (Twice: it may be sealed in the moment after the first look.)
            for shelf in shelves.iter().chain(&shelves) {
                if let Some(content) = shelf.open(&key)? {
                    return Ok(content);
                }
            }
            Err(away_or_missing(&root, &shelves, &key))
        })
        .await
    }

    /// Refuses to seal anything by a key that the operator has turned from.
    fn check(shelf: &Shelf, marker: &Marker) -> Result<()> {
        match &shelf.ring {
            Some(ring) => marker.check(&shelf.root.join(MARKER), ring),
            None => Ok(()),
        }
    }

    pub async fn stage(&self) -> Result<Staged> {
        let (shelf, folders, marker) = (self.shelf().clone(), self.folders.clone(), self.marker.clone());
        let path = shelf.staging().join(data_encoding::HEXLOWER.encode(&random::<16>()));
        blocking(move || {
            Self::check(&shelf, &marker)?;
            let file = Content::create(&path, shelf.ring.as_deref())?;
            Ok(Staged { shelf, folders, path, file: Some(file), parked: false })
        })
        .await
    }

    pub async fn resume(&self, handle: &str, offset: u64) -> Result<Option<Staged>> {
        if handle.len() != HANDLE_CHARS || !handle.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Error::Internal("a staging handle that we never gave out".into()));
        }
        let (shelves, folders, handle, marker) = (self.shelves(), self.folders.clone(), handle.to_owned(), self.marker.clone());
        blocking(move || {
            for shelf in shelves {
                Self::check(&shelf, &marker)?;
                let path = shelf.staging().join(&handle);
                let file = match File::options().read(true).write(true).open(&path) {
                    Ok(file) => file,
                    Err(e) if e.kind() == ErrorKind::NotFound => continue,
                    Err(e) => return Err(e.into()),
                };
                let linked = file.metadata()?.nlink() > 1;
                let mut file = Content::of(file, shelf.ring.as_deref())?;
                if file.len()? < offset {
                    return Ok(None);
                }
                if linked {
                    // Linked to its hash, and then the commit failed: from now on those bytes may be somebody's evidence.
                    file = own_copy(file, &path, shelf.ring.as_deref())?;
                }
                // What stands behind the offset was never acknowledged, and may be torn.
                file.cut(offset)?;
                return Ok(Some(Staged { shelf, folders, path, file: Some(file), parked: true }));
            }
            Ok(None)
        })
        .await
    }

    pub async fn open_range(&self, key: &str, start: u64, length: u64) -> Result<Reader> {
        let mut content = self.opened(key).await?;
        content.seek(SeekFrom::Start(start))?;
        let (file, mut seal) = content.apart();
        let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file).take(length), READ_BYTES);
        if !seal.is_needed() {
            return Ok(stream.map(|r| r.map_err(Error::from)).boxed());
        }
        let unsealed = move |read: std::io::Result<Bytes>| {
            let mut bytes = Vec::from(read?);
            seal.apply(&mut bytes)?;
            Ok(Bytes::from(bytes))
        };
        Ok(stream.map(unsealed).boxed())
    }

    /// In large reads on a thread of its own: hopping between threads for each would halve the speed.
    pub async fn digest(&self, key: &str, size: u64) -> Result<(Sha256, u64)> {
        let mut file = self.opened(key).await?;
        blocking(move || {
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

    pub async fn sweep_staged(&self, handles: &[String], grace: Duration) -> Result<u64> {
        let shelves = self.shelves();
        let handles: HashSet<String> = handles.iter().cloned().collect();
        blocking(move || {
            let mut swept = 0;
            for shelf in shelves {
                for entry in fs::read_dir(shelf.staging())? {
                    let entry = entry?;
                    // Finished meanwhile, most likely.
                    let Ok(meta) = entry.metadata() else { continue };
                    if old(&meta, grace) && !entry.file_name().to_str().is_some_and(|name| handles.contains(name)) {
                        swept += u64::from(fs::remove_file(entry.path()).is_ok());
                    }
                }
            }
            Ok(swept)
        })
        .await
    }

    pub async fn length(&self, key: &str) -> Result<Option<u64>> {
        let shelves = self.shelves();
        // (Twice, as above.)
        for shelf in shelves.iter().chain(&shelves) {
            // A key of another store, in a backup that was made there, is none of ours.
            let Ok(path) = shelf.path(key) else { return Ok(None) };
            match tokio::fs::metadata(path).await {
                Ok(meta) => return Ok(Some(content_length(meta.len(), shelf.ring.is_some()))),
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e.into()),
            }
        }
        match away_or_missing(&self.root, &shelves, key) {
            Error::TryLater => Err(Error::TryLater),
            _ => Ok(None),
        }
    }

    pub async fn destroy(&self, key: &str) -> Result<()> {
        // (What is to go needs no key.)
        let sealed = Shelf { root: self.root.join("sealed"), ring: None };
        let paths = [&self.plain, &sealed].map(|shelf| shelf.path(key)).into_iter().collect::<Result<Vec<_>>>()?;
        let root = self.root.clone();
        blocking(move || {
            // Nobody moves it from one shelf to the other meanwhile.
            let _lock = reseal::lock(&root, rustix::fs::FlockOperation::LockShared)?;
            for path in paths {
                match fs::remove_file(&path) {
                    Ok(()) => {
                        if let Some(folder) = path.parent() {
                            File::open(folder)?.sync_all()?;
                        }
                    }
                    Err(e) if e.kind() == ErrorKind::NotFound => {}
                    Err(e) => return Err(e.into()),
                }
            }
            Ok(())
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
                    // Whoever wrote it may have died before it was durable.
                    File::open(&target)?.sync_all()?;
                    File::open(folder)?.sync_all()?;
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
}

/// Why a blob is nowhere: since this process started, others may have been told to seal.
fn away_or_missing(root: &Path, shelves: &[Shelf], key: &str) -> Error {
    if shelves.len() == 1 && root.join("sealed").exists() {
        tracing::error!("media are sealed now: give this process their key (media.key_file), and start it again");
        return Error::TryLater;
    }
    Error::Internal(format!("the blob {key} is missing"))
}

#[allow(clippy::disallowed_methods)] // The age of files is the file system's business, not evidence.
fn old(meta: &fs::Metadata, grace: Duration) -> bool {
    meta.modified().ok().and_then(|m| SystemTime::now().duration_since(m).ok()).is_some_and(|age| age >= grace)
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
        let folder = (!self.parked).then(|| self.shelf.staging());
        let file = blocking(move || {
            file.file().sync_data()?;
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

    pub fn target(sha256: Sha256) -> String {
        sha256.to_string()
    }

    pub async fn keep(&mut self, sha256: Sha256) -> Result<String> {
        let key = Self::target(sha256);
        let target = self.shelf.path(&key)?;
        let file = self.file.take().ok_or_else(failed_before)?;
        let (staged, folders, ring) = (self.path.clone(), self.folders.clone(), self.shelf.ring.clone());
        blocking(move || {
            file.file().sync_all()?;
            link_durably(&staged, &target, file.file(), &folders, ring.as_deref())
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
fn own_copy(mut file: Content, path: &Path, ring: Option<&Ring>) -> Result<Content> {
    let beside = path.with_extension("copy");
    let _ = fs::remove_file(&beside);
    let mut copy = Content::create(&beside, ring)?;
    std::io::copy(&mut file, &mut copy)?;
    copy.file().sync_all()?;
    fs::rename(&beside, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(copy)
}

fn failed_before() -> Error {
    Error::Internal("a staged file that failed before, or was kept".into())
}

fn link_durably(staged: &Path, target: &Path, file: &File, folders: &Folders, ring: Option<&Ring>) -> Result<()> {
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
            if ring.is_some_and(|ring| Content::of(kept, Some(ring)).is_err()) {
                // Its envelope is broken: what came now is worth more than what nobody can open.
                tracing::error!(target = %target.display(), "a kept blob cannot be opened; the same bytes came again and take its place");
                let beside = staged.with_extension("again");
                let _ = fs::remove_file(&beside);
                fs::hard_link(staged, &beside)?;
                fs::rename(&beside, target)?;
            }
            File::open(target)?.sync_all()?;
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
        parked_on(&Disk::open(&dir.path().join("open"), None).unwrap()).await;
        let key = dir.path().join("media.key");
        Ring::make(&key).unwrap();
        parked_on(&Disk::open(&dir.path().join("other"), Ring::open(&key).unwrap()).unwrap()).await;
        assert!(Disk::open(&dir.path().join("other"), None).is_err(), "a sealed folder without its key");
    }

    async fn parked_on(disk: &Disk) {
        let kept = async |key: &str| {
            let parts: Vec<_> = disk.open_range(key, 0, 1_000).await.unwrap().collect().await;
            parts.into_iter().flat_map(|part| part.unwrap().to_vec()).collect::<Vec<u8>>()
        };
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
        assert_eq!(kept(&key).await, b"hello world");
        let mut staged = disk.resume(&handle, 6).await.unwrap().unwrap();
        staged.append(b"world").unwrap();
        drop(staged);
        // And it can be kept again.
        let mut staged = disk.resume(&handle, 11).await.unwrap().unwrap();
        assert_eq!(staged.keep(sha256).await.unwrap(), key);
        staged.discard().await;
        assert!(disk.resume(&handle, 11).await.unwrap().is_none());
        assert_eq!(kept(&key).await, b"hello world");
        for wrong in ["", "..", "../blobs", "x/y"] {
            assert!(disk.resume(wrong, 0).await.is_err(), "{wrong}");
        }
    }
}
