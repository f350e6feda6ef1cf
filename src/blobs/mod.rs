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

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use crate::domain::upload::Midstate;
use crate::domain::value::{Sha256, Utc};
use crate::error::{Error, Result};

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

/// Staged bytes younger than this are left alone by the sweep.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);

impl Blobs {
    /// `url` is `file:DIR` or `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`. An S3 store buffers up to `buffer_bytes_max`
    /// of all uploads together; on a disk nothing is buffered.
    pub async fn open(url: &str, buffer_bytes_max: usize) -> Result<Self> {
        if let Some(dir) = url.strip_prefix("file:") {
            Ok(Blobs::Disk(disk::Disk::open(dir.as_ref())?))
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

    /// Keeps a small blob whole and returns its key.
    pub async fn put(&self, bytes: Bytes) -> Result<String> {
        let sha256 = Sha256::of(&bytes);
        let length = bytes.len() as u64;
        let mut staged = self.stage(Some(length)).await?;
        staged.append(bytes).await?;
        let key = staged.keep(sha256, length).await?;
        staged.discard().await;
        Ok(key)
    }

    /// Opens `length` bytes from `start` on. The caller knows the size from the database.
    pub async fn open_range(&self, key: &str, start: u64, length: u64) -> Result<Reader> {
        match self {
            Blobs::Disk(d) => d.open_range(key, start, length).await,
            Blobs::S3(s) => s.open_range(key, start, length).await,
        }
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

    /// Discards staged bytes that nobody has touched for [`GRACE`] and that none of these handles names; returns how
    /// many.
    pub async fn sweep_staged(&self, handles: &[String]) -> Result<u64> {
        match self {
            Blobs::Disk(d) => d.sweep_staged(handles).await,
            Blobs::S3(s) => s.sweep_staged(handles).await,
        }
    }

    /// Whether bytes that are kept already should not be kept again. On a disk it costs nothing but the sync, and answers for
    /// known bytes come no sooner than for new ones; on S3 it would cost a transfer.
    pub const fn spares_known(&self) -> bool {
        matches!(self, Blobs::S3(_))
    }

    /// Bytes of a kept blob; `None` when it is missing.
    pub async fn length(&self, key: &str) -> Result<Option<u64>> {
        match self {
            Blobs::Disk(d) => d.length(key).await,
            Blobs::S3(s) => s.length(key).await,
        }
    }

    /// Gives up a copy that lost a race: `mine` was kept just now and is referred to by nobody, because `theirs` holds
    /// the same bytes. Does nothing where both are one.
    pub async fn yield_to(&self, mine: &str, theirs: &str) -> Result<()> {
        match self {
            // A key is the bytes' own hash: there is only one copy.
            Blobs::Disk(_) => Ok(()),
            Blobs::S3(s) if mine != theirs => s.yield_to(mine).await,
            Blobs::S3(_) => Ok(()),
        }
    }

    /// Destroys a kept blob, with every version that the store has of it. One that is gone already is no error.
    pub async fn destroy(&self, key: &str) -> Result<()> {
        match self {
            Blobs::Disk(d) => d.destroy(key).await,
            Blobs::S3(s) => s.destroy(key).await,
        }
    }

    /// Writes something small under a name of our making, durably, once: what lies there is never overwritten.
    pub async fn publish(&self, name: &str, bytes: Bytes, now: Utc) -> Result<Published> {
        match self {
            Blobs::Disk(d) => d.publish(name, bytes).await,
            Blobs::S3(s) => s.publish(name, bytes, now).await,
        }
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
        match self {
            Staged::Disk(s) => s.park().await,
            Staged::S3(s) => s.park().await,
        }
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

    /// Makes the bytes durable for good, under the hash and size that the caller counted while they came. What was
    /// parked stays until [`Staged::discard`], so that this can be done again should the caller's own commit fail.
    pub async fn keep(&mut self, sha256: Sha256, size: u64) -> Result<String> {
        match self {
            Staged::Disk(s) => s.keep(sha256).await,
            Staged::S3(s) => s.keep(sha256, size).await,
        }
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
