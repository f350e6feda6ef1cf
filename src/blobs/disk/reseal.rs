//! Brings everything under the operator's current key: what came before there was a key is sealed, headers under an older key are wrapped anew.
//! Servers may go on meanwhile. A blob leaves its plain place only after its sealed copy was written durably, opened again, and has the same hash.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::{Disk, MARKER, Shelf, blocking, link_durably};
use crate::app::random;
use crate::blobs::seal::{Content, Marker, Ring, never_began, wrap_anew};
use crate::domain::upload::Midstate;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

/// What became of the files.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Resealed {
    pub sealed: u64,
    pub wrapped_anew: u64,
    /// Uploads that were begun before there was a key, and are not finished: sealed when they are, by the next run.
    pub still_coming: u64,
    /// Not what their names say: left where they are, for people to see.
    pub damaged: u64,
}

/// How often a file that is being begun is looked at again.
const WAITS: u32 = 5;

/// Whoever moves a blob and whoever destroys one take turns.
pub fn lock(root: &Path, how: rustix::fs::FlockOperation) -> Result<File> {
    lock_file(&root.join("lock"), how)
}

fn lock_file(path: &Path, how: rustix::fs::FlockOperation) -> Result<File> {
    let file = File::options().create(true).append(true).open(path)?;
    rustix::fs::flock(&file, how).map_err(std::io::Error::from)?;
    Ok(file)
}

impl Disk {
    /// `told` hears of each file that was looked at.
    pub async fn reseal(&self, told: impl Fn(u64) + Send + 'static) -> Result<Resealed> {
        let Some(sealed) = self.sealed.clone() else {
            return Err(Error::Internal("there is no key to seal with (media.key_file)".into()));
        };
        let (root, plain, folders) = (self.root.clone(), self.plain.clone(), self.folders.clone());
        blocking(move || {
            let ring = sealed.ring.clone().ok_or_else(|| Error::Internal("a shelf without a key".into()))?;
            // One run at a time.
            let _run = lock_file(&root.join("reseal.lock"), rustix::fs::FlockOperation::LockExclusive)?;
            // From here on nobody seals who has not got the current key.
            Marker::leave(&sealed.root.join(MARKER), &ring)?;
            let (mut done, mut looked) = (Resealed::default(), 0);
            let mut looked_at = || {
                looked += 1;
                told(looked);
            };
            // Until nothing is found that was under way when the marker was left.
            loop {
                let mut wrapped = 0;
                done.damaged = 0;
                // In the order in which files move, so that none is missed: one that has left the first folder is in the second.
                for folder in [sealed.staging(), sealed.root.join("blobs")] {
                    for path in files(&folder)? {
                        match wrap_file(&path, &ring, folder == sealed.staging()) {
                            Ok(anew) => wrapped += u64::from(anew),
                            Err(e) => {
                                tracing::error!(path = %path.display(), cause = %e, "a sealed file cannot be opened");
                                done.damaged += 1;
                            }
                        }
                        looked_at();
                    }
                }
                done.wrapped_anew += wrapped;
                if wrapped == 0 {
                    break;
                }
            }
            for path in files(&plain.root.join("blobs"))? {
                let Some(key) = path.file_name().and_then(|n| n.to_str()) else { continue };
                match move_over(&root, &plain, &sealed, key, &folders)? {
                    Moved::Yes => done.sealed += 1,
                    Moved::Gone => {}
                    Moved::Damaged => {
                        tracing::error!(key, "a blob is not what its name says: it was not sealed");
                        done.damaged += 1;
                    }
                }
                looked_at();
            }
            done.still_coming = files(&plain.staging())?.len() as u64;
            Ok(done)
        })
        .await
    }
}

impl Disk {
    /// Whether a blob lies open beside those that are sealed.
    pub async fn holds_unsealed(&self) -> Result<bool> {
        let (sealed, plain) = (self.sealed.is_some(), self.plain.root.join("blobs"));
        blocking(move || Ok(sealed && !files(&plain)?.is_empty())).await
    }
}

/// Every file under a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() { folders.push(entry.path()) } else { all.push(entry.path()) }
        }
    }
    Ok(all)
}

fn wrap_file(path: &Path, ring: &Ring, staged: bool) -> Result<bool> {
    let mut tries = 0;
    loop {
        let done = match File::options().read(true).write(true).open(path) {
            Ok(file) if staged && tries == WAITS && never_began(&file)? => return Ok(false),
            Ok(file) => wrap_anew(&file, ring),
            // Finished, or destroyed, meanwhile.
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => Err(e.into()),
        };
        tries += 1;
        // One that is begun at this moment has no header yet.
        if done.is_ok() || tries > WAITS {
            return done;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

enum Moved {
    Yes,
    /// Destroyed meanwhile.
    Gone,
    Damaged,
}

/// Seals one blob.
fn move_over(root: &Path, plain: &Shelf, sealed: &Shelf, key: &str, folders: &super::Folders) -> Result<Moved> {
    let (from, to) = (plain.path(key)?, sealed.path(key)?);
    let Some(mut open) = plain.open(key)? else { return Ok(Moved::Gone) };
    if to.exists() {
        // It came again since there is a key. Whoever linked it may have died before that was durable.
        match sealed.open(key) {
            Ok(Some(there)) => {
                there.file().sync_all()?;
                for folder in to.ancestors().skip(1).take(3) {
                    File::open(folder)?.sync_all()?;
                }
                if digest(there)? != Sha256::from_hex(key) {
                    return Ok(Moved::Damaged);
                }
            }
            Ok(None) => return Ok(Moved::Gone),
            Err(_) => return Ok(Moved::Damaged),
        }
    } else {
        let beside = sealed.staging().join(data_encoding::HEXLOWER.encode(&random::<16>()));
        let linked = copy(&mut open, &beside, sealed).and_then(|copy| {
            // Opened again as it will be, not as it was meant to be written.
            let back = Content::of(File::open(&beside)?, sealed.ring.as_deref())?;
            if digest(back)? != Sha256::from_hex(key) {
                return Ok(Some(Moved::Damaged));
            }
            let _lock = lock(root, rustix::fs::FlockOperation::LockExclusive)?;
            if !from.exists() {
                // It must not come back.
                return Ok(Some(Moved::Gone));
            }
            link_durably(&beside, &to, copy.file(), folders, sealed.ring.as_deref()).map(|()| None)
        });
        let _ = fs::remove_file(&beside);
        if let Some(not) = linked? {
            return Ok(not);
        }
    }
    let _lock = lock(root, rustix::fs::FlockOperation::LockExclusive)?;
    if !to.exists() {
        // Destroyed meanwhile; what lies in the plain place came after that.
        return Ok(Moved::Gone);
    }
    match fs::remove_file(&from) {
        Ok(()) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Moved::Gone),
        Err(e) => return Err(e.into()),
    }
    if let Some(folder) = from.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(Moved::Yes)
}

fn copy(from: &mut Content, to: &Path, shelf: &Shelf) -> Result<Content> {
    let mut copy = Content::create(to, shelf.ring.as_deref())?;
    std::io::copy(from, &mut copy)?;
    copy.flush()?;
    copy.file().sync_all()?;
    Ok(copy)
}

fn digest(mut content: Content) -> Result<Option<Sha256>> {
    let (mut hash, mut buffer) = (Midstate::default(), vec![0; 1 << 20]);
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(Some(hash.finish())),
            n => hash.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    async fn kept(disk: &Disk, bytes: &[u8]) -> String {
        let mut staged = disk.stage().await.unwrap();
        staged.append(bytes).unwrap();
        let key = staged.keep(Sha256::of(bytes)).await.unwrap();
        staged.discard().await;
        key
    }

    #[tokio::test]
    async fn what_lay_open_is_sealed_and_what_was_destroyed_stays_so() {
        let dir = tempfile::tempdir().unwrap();
        let (media, path) = (dir.path().join("media"), dir.path().join("media.key"));
        let before = Disk::open(&media, None).unwrap();
        let mut bytes: HashMap<String, Vec<u8>> = HashMap::new();
        for n in 0..20u8 {
            let content = vec![n; 100_000];
            bytes.insert(kept(&before, &content).await, content);
        }
        let mut coming = before.stage().await.unwrap();
        coming.append(b"half ").unwrap();
        let handle = coming.park().await.unwrap();
        drop(coming);
        Ring::make(&path).unwrap();
        let disk = Disk::open(&media, Ring::open(&path).unwrap()).unwrap();
        // One that came again since is in both places, one is destroyed.
        kept(&disk, &[1; 100_000]).await;
        let gone = Sha256::of(&[2; 100_000]).to_string();
        disk.destroy(&gone).await.unwrap();
        bytes.remove(&gone);
        let done = disk.reseal(|_| {}).await.unwrap();
        assert_eq!(done, Resealed { sealed: 19, still_coming: 1, ..Resealed::default() });
        assert_eq!(files(&media.join("blobs")).unwrap(), Vec::<PathBuf>::new(), "nothing lies open");
        assert_eq!(disk.length(&gone).await.unwrap(), None);
        for (key, content) in &bytes {
            assert_eq!(disk.digest(key, content.len() as u64).await.unwrap(), (Sha256::of(content), content.len() as u64));
            assert_eq!(disk.length(key).await.unwrap(), Some(content.len() as u64));
        }
        // The upload that was under way goes on where it was.
        let mut coming = disk.resume(&handle, 5).await.unwrap().unwrap();
        coming.append(b"and half").unwrap();
        let late = coming.keep(Sha256::of(b"half and half")).await.unwrap();
        coming.discard().await;
        Ring::turn(&path).unwrap();
        assert_eq!(disk.reseal(|_| {}).await.unwrap(), Resealed { sealed: 1, wrapped_anew: 19, ..Resealed::default() });
        assert_eq!(disk.digest(&late, 13).await.unwrap().0, Sha256::of(b"half and half"));
        assert_eq!(disk.reseal(|_| {}).await.unwrap(), Resealed::default(), "and then there is nothing to do");
        // What is not what its name says is left for people to see.
        let plain = Disk::open(&dir.path().join("damaged"), None).unwrap();
        let key = kept(&plain, b"evidence").await;
        fs::write(plain.plain.path(&key).unwrap(), b"evidenCe").unwrap();
        let sealing = Disk::open(&dir.path().join("damaged"), Ring::open(&path).unwrap()).unwrap();
        assert_eq!(sealing.reseal(|_| {}).await.unwrap(), Resealed { damaged: 1, ..Resealed::default() });
        assert!(plain.plain.path(&key).unwrap().exists() && files(&dir.path().join("damaged/sealed/blobs")).unwrap().is_empty());
    }
}
