//! Where bytes live, found by their hash.
//!
//! **Contract.** Bytes are staged, then kept or discarded. When [`Staged::keep`] returns, the bytes are
//! durable under the key it returns. Keeping the same hash twice succeeds. What is kept is never
//! overwritten. Staged bytes that nobody kept may vanish at any time after a day. Nothing here knows
//! of appeals, exhibits or names: keys are made of hashes and random ids.

mod disk;
mod s3;

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::domain::value::Sha256;
use crate::error::{Error, Result};

pub enum Blobs {
    Disk(disk::Disk),
    S3(s3::S3),
}

/// Bytes on their way in. Dropping one discards it.
pub enum Staged {
    Disk(disk::Staged),
    S3(s3::Staged),
}

/// Bytes on their way out.
pub type Reader = BoxStream<'static, Result<Bytes>>;

/// Staged bytes younger than this are left alone by the sweep.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);

impl Blobs {
    /// `url` is `file:DIR` or `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`.
    pub async fn open(url: &str) -> Result<Self> {
        if let Some(dir) = url.strip_prefix("file:") {
            Ok(Blobs::Disk(disk::Disk::open(dir.as_ref())?))
        } else if let Some(rest) = url.strip_prefix("s3://") {
            Ok(Blobs::S3(s3::S3::open(rest).await?))
        } else {
            Err(Error::Internal("a blob store is file:DIR or s3://BUCKET/PREFIX?endpoint=URL".into()))
        }
    }

    /// Begins to take bytes. `length` is what the client announced, if anything.
    pub async fn stage(&self, length: Option<u64>) -> Result<Staged> {
        Ok(match self {
            Blobs::Disk(d) => Staged::Disk(d.stage().await?),
            Blobs::S3(s) => Staged::S3(s.stage(length)),
        })
    }

    /// Keeps a small blob whole and returns its key.
    pub async fn put(&self, bytes: Bytes) -> Result<String> {
        let sha256 = Sha256::of(&bytes);
        let mut staged = self.stage(Some(bytes.len() as u64)).await?;
        staged.append(bytes).await?;
        staged.keep(sha256).await
    }

    /// Opens `length` bytes from `start` on. The caller knows the size from the database.
    pub async fn open_range(&self, key: &str, start: u64, length: u64) -> Result<Reader> {
        match self {
            Blobs::Disk(d) => d.open_range(key, start, length).await,
            Blobs::S3(s) => s.open_range(key, start, length).await,
        }
    }

    /// Discards staged bytes that nobody has touched for [`GRACE`]; returns how many.
    pub async fn sweep_staged(&self) -> Result<u64> {
        match self {
            Blobs::Disk(d) => d.sweep_staged().await,
            Blobs::S3(s) => s.sweep_staged().await,
        }
    }

    /// Bytes of a kept blob; `None` when it is missing.
    pub async fn length(&self, key: &str) -> Result<Option<u64>> {
        match self {
            Blobs::Disk(d) => d.length(key).await,
            Blobs::S3(s) => s.length(key).await,
        }
    }

    /// Removes a blob that lost a race: kept under a key of its own just now, and never referred to.
    pub async fn remove(&self, key: &str) -> Result<()> {
        match self {
            Blobs::Disk(d) => d.remove(key).await,
            Blobs::S3(s) => s.remove(key).await,
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
            Staged::Disk(s) => s.append(bytes).await,
            Staged::S3(s) => s.append(bytes).await,
        }
    }

    /// Makes the bytes durable under the hash that the caller computed while they came.
    pub async fn keep(self, sha256: Sha256) -> Result<String> {
        match self {
            Staged::Disk(s) => s.keep(sha256).await,
            Staged::S3(s) => s.keep(sha256).await,
        }
    }

    /// Throws the bytes away now rather than at the next sweep.
    pub async fn discard(self) {
        match self {
            Staged::Disk(s) => drop(s),
            Staged::S3(s) => s.discard().await,
        }
    }
}
