//! Where bytes live, found by their hash.
//!
//! **Contract.** Bytes are staged, then kept, parked or discarded. When [`Staged::keep`] returns, the bytes are
//! durable under the key it returns; keeping the same hash twice succeeds, and what is kept is never overwritten.
//! When [`Staged::park`] returns, the bytes so far are durable, and [`Blobs::resume`] takes them up again from the
//! handle it returned, on any node that reaches the store, cut to the offset that is asked for. What was parked
//! survives everything but a discard and a sweep that does not know its handle; what was never parked vanishes when it
//! is dropped, or within a day. Nothing here knows of appeals, exhibits or names: keys are made of hashes and random
//! ids.

mod disk;
mod s3;
pub mod seal;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use crate::domain::upload::Midstate;
use crate::domain::value::{Sha256, Utc};
use crate::error::{Error, Result};
use crate::observe;

pub use disk::Resealed;
use seal::Ring;

pub enum Blobs {
    Disk(disk::Disk),
    S3(s3::S3),
}

/// Bytes on their way in. Dropping one that was never parked discards it.
pub enum Staged {
    Disk(disk::Staged),
    S3(Box<s3::Staged>),
}

/// Bytes on their way out.
pub type Reader = BoxStream<'static, Result<Bytes>>;

/// What became of something to be published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Published {
    Now,
    /// The same bytes lay there already.
    Before,
    /// Other bytes lie there; they stay.
    Otherwise,
}

/// Something that a store does, or does not, as it was tried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trait {
    pub name: &'static str,
    pub does: bool,
    /// Whether a store should.
    pub matters: bool,
}

async fn timed<T>(what: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let begun = Instant::now();
    let done = work.await;
    observe::store(what, begun.elapsed());
    done
}

impl Blobs {
    /// `url` is `file:DIR` or `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`. An S3 store buffers up to `buffer_bytes_max`
    /// of all uploads together; on a disk nothing is buffered. What lies in a folder is sealed where there are keys for it; a bucket is asked
    /// to encrypt by itself (`sse`).
    pub async fn open(url: &str, buffer_bytes_max: usize, ring: Option<Arc<Ring>>) -> Result<Self> {
        if let Some(dir) = url.strip_prefix("file:") {
            Ok(Blobs::Disk(disk::Disk::open(dir.as_ref(), ring)?))
        } else if let Some(rest) = url.strip_prefix("s3://") {
            Ok(Blobs::S3(s3::S3::open(rest, buffer_bytes_max).await?))
        } else {
            Err(Error::Internal("a blob store is file:DIR or s3://BUCKET/PREFIX?endpoint=URL".into()))
        }
    }

    /// Begins to take bytes. `length` is what the client announced, if anything.
    pub async fn stage(&self, length: Option<u64>) -> Result<Staged> {
        Ok(match self {
            Blobs::Disk(d) => Staged::Disk(d.stage().await?),
            Blobs::S3(s) => Staged::S3(Box::new(s.stage(length))),
        })
    }

    /// Takes up parked bytes, cut to `offset`. `None` when they are not there any more, or not so many.
    pub async fn resume(&self, handle: &str, offset: u64) -> Result<Option<Staged>> {
        Ok(match self {
            Blobs::Disk(d) => d.resume(handle, offset).await?.map(Staged::Disk),
            Blobs::S3(s) => s.resume(handle, offset).await?.map(|staged| Staged::S3(Box::new(staged))),
        })
    }

    /// Opens `length` bytes from `start` on. The caller knows the size from the database.
    pub async fn open_range(&self, key: &str, start: u64, length: u64) -> Result<Reader> {
        timed("open", async {
            match self {
                Blobs::Disk(d) => d.open_range(key, start, length).await,
                Blobs::S3(s) => s.open_range(key, start, length).await,
            }
        })
        .await
    }

    /// SHA-256 and length of a kept blob, read again from beginning to end, up to one byte more than it should have.
    pub async fn digest(&self, key: &str, size: u64) -> Result<(Sha256, u64)> {
        match self {
            Blobs::Disk(d) => d.digest(key, size).await,
            Blobs::S3(_) => {
                let mut reader = self.open_range(key, 0, size + 1).await?;
                let (mut hash, mut bytes) = (Midstate::default(), 0);
                while let Some(chunk) = reader.next().await {
                    let chunk = chunk?;
                    hash.update(&chunk);
                    bytes += chunk.len() as u64;
                }
                Ok((hash.finish(), bytes))
            }
        }
    }

    /// Discards staged bytes that nobody has touched for so long and that none of these handles names; returns how
    /// many.
    /// (A disk's times are of this machine's own clock; a store's are held against the one that all nodes go by.)
    pub async fn sweep_staged(&self, handles: &[String], grace: Duration, now: Utc) -> Result<u64> {
        match self {
            Blobs::Disk(d) => d.sweep_staged(handles, grace).await,
            Blobs::S3(s) => s.sweep_staged(handles, grace, now).await,
        }
    }

    /// Whether bytes that are kept already should not be kept again. On a disk it costs nothing but the sync, and answers for
    /// known bytes come no sooner than for new ones; on S3 it would cost a transfer.
    pub const fn spares_known(&self) -> bool {
        matches!(self, Blobs::S3(_))
    }

    /// Whether every keeping has a key of its own: then a key that was destroyed never comes back. On a disk a key is the bytes' own hash.
    pub const fn keys_are_unique(&self) -> bool {
        matches!(self, Blobs::S3(_))
    }

    /// Bytes of a kept blob; `None` when it is missing.
    pub async fn length(&self, key: &str) -> Result<Option<u64>> {
        match self {
            Blobs::Disk(d) => d.length(key).await,
            Blobs::S3(s) => s.length(key).await,
        }
    }

    /// Destroys a kept blob, with every version that the store has of it. One that is gone already is no error.
    pub async fn destroy(&self, key: &str) -> Result<()> {
        timed("destroy", async {
            match self {
                Blobs::Disk(d) => d.destroy(key).await,
                Blobs::S3(s) => s.destroy(key).await,
            }
        })
        .await
    }

    /// Writes something small under a name of our making, durably, once: what lies there is never overwritten.
    pub async fn publish(&self, name: &str, bytes: Bytes, now: Utc) -> Result<Published> {
        timed("publish", async {
            match self {
                Blobs::Disk(d) => d.publish(name, bytes).await,
                Blobs::S3(s) => s.publish(name, bytes, now).await,
            }
        })
        .await
    }

    /// What was published under a name.
    pub async fn published(&self, name: &str) -> Result<Option<Bytes>> {
        match self {
            Blobs::Disk(d) => d.published(name).await,
            Blobs::S3(s) => s.published(name).await,
        }
    }

    /// The names published in a folder, in order.
    pub async fn list_published(&self, folder: &str) -> Result<Vec<String>> {
        match self {
            Blobs::Disk(d) => d.list_published(folder).await,
            Blobs::S3(s) => s.list_published(folder).await,
        }
    }

    /// Bytes free for new media; `None` where the store does not say.
    pub fn free_bytes(&self) -> Option<u64> {
        match self {
            Blobs::Disk(d) => d.free_bytes(),
            Blobs::S3(_) => None,
        }
    }

    /// Whether something lies open although there are keys.
    pub async fn holds_unsealed(&self) -> Result<bool> {
        match self {
            Blobs::Disk(d) => d.holds_unsealed().await,
            Blobs::S3(_) => Ok(false),
        }
    }

    /// Brings everything under the current key. `told` hears how many files were looked at.
    pub async fn reseal(&self, told: impl Fn(u64) + Send + 'static) -> Result<Resealed> {
        match self {
            Blobs::Disk(d) => d.reseal(told).await,
            Blobs::S3(_) => Err(Error::Internal("a bucket encrypts by itself: s3://BUCKET/PREFIX?sse=…".into())),
        }
    }

    /// What the store really does, tried out; nothing to ask of a disk.
    pub async fn probe(&self) -> Result<Vec<Trait>> {
        match self {
            Blobs::Disk(_) => Ok(Vec::new()),
            Blobs::S3(s) => s.probe().await,
        }
    }

    /// Whether the store answers.
    pub async fn ping(&self) -> Result<()> {
        match self {
            Blobs::Disk(d) => d.ping().await,
            Blobs::S3(s) => s.ping().await,
        }
    }

    pub const fn name(&self) -> &'static str {
        match self {
            Blobs::Disk(_) => "disk",
            Blobs::S3(_) => "S3",
        }
    }
}

impl Staged {
    pub async fn append(&mut self, bytes: Bytes) -> Result<()> {
        match self {
            Staged::Disk(s) => s.append(&bytes),
            Staged::S3(s) => s.append(bytes).await,
        }
    }

    /// How many more bytes bring the staged ones to a place where [`Staged::park`] is cheap; `None` where every place is.
    pub fn until_boundary(&self) -> Option<usize> {
        match self {
            Staged::Disk(_) => None,
            Staged::S3(s) => Some(s.until_boundary()),
        }
    }

    /// Makes what came so far durable and returns the handle that finds it again. The bytes may go on coming.
    pub async fn park(&mut self) -> Result<String> {
        timed("park", async {
            match self {
                Staged::Disk(s) => s.park().await,
                Staged::S3(s) => s.park().await,
            }
        })
        .await
    }

    /// Called when the handle that [`Staged::park`] or [`Staged::seal`] returned is committed: what older handles needed goes.
    pub async fn committed(&mut self) {
        match self {
            Staged::Disk(_) => {}
            Staged::S3(s) => s.committed().await,
        }
    }

    /// Called when the last byte is here. Where keeping could not be repeated otherwise, parks everything and returns the
    /// handle to commit first.
    pub async fn seal(&mut self) -> Result<Option<String>> {
        match self {
            Staged::Disk(_) => Ok(None),
            Staged::S3(s) => s.seal().await,
        }
    }

    /// The key under which [`Staged::keep`] will keep bytes of this hash.
    pub fn target(&mut self, sha256: Sha256) -> String {
        match self {
            Staged::Disk(_) => disk::Staged::target(sha256),
            Staged::S3(s) => s.target(sha256),
        }
    }

    /// Makes the bytes durable for good, under the hash and size that the caller counted while they came. What was
    /// parked stays until [`Staged::discard`], so that this can be done again should the caller's own commit fail.
    pub async fn keep(&mut self, sha256: Sha256, size: u64) -> Result<String> {
        timed("keep", async {
            match self {
                Staged::Disk(s) => s.keep(sha256).await,
                Staged::S3(s) => s.keep(sha256, size).await,
            }
        })
        .await
    }

    /// Takes about as long as [`Staged::keep`] would, so that the time of an answer does not tell a stranger that we have the
    /// same bytes already.
    pub async fn as_if_kept(&self) {
        match self {
            // On a disk known bytes are kept once more, which takes its time by itself.
            Staged::Disk(_) => {}
            Staged::S3(s) => s.as_if_kept().await,
        }
    }

    /// Throws away what is staged now rather than at the next sweep. What was kept stays kept.
    pub async fn discard(self) {
        match self {
            Staged::Disk(s) => s.discard().await,
            Staged::S3(s) => s.discard().await,
        }
    }
}
