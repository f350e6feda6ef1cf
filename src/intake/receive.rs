//! One pass over a file's bytes: counted, hashed, sniffed and staged as they come, in constant memory.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use sha2::Digest as _;

use super::Room;
use crate::app::App;
use crate::blobs::Staged;
use crate::domain::media::HEAD_BYTES;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

/// After a minute, a file that comes slower than this (bytes per second) is given up: it is far below the worst uplink,
/// and it holds a place.
const RATE_BYTES_MIN: u64 = 512;
const RATE_AFTER_S: u64 = 60;

/// A whole file, staged and hashed, not yet durable.
pub struct Received {
    pub staged: Staged,
    pub sha256: Sha256,
    pub size: u64,
    /// The first bytes, for telling the type.
    pub head: Vec<u8>,
}

/// Takes a file. `length` is what the client announced: too much of it is refused before a byte is
/// read. `expected` is the digest that the client announced, if any. On any error nothing is kept.
pub async fn receive<E>(
    app: &App,
    room: Room,
    length: Option<u64>,
    expected: Option<Sha256>,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Received> {
    if length.is_some_and(|n| n > room.bytes_max) {
        return Err(room.refusal());
    }
    let idle = Duration::from_secs(app.config.limits.idle_seconds);
    let mut body = std::pin::pin!(body);
    let mut staged = app.blobs.stage(length).await?;
    let (mut hasher, mut size, mut head) = (sha2::Sha256::new(), 0u64, Vec::new());
    let begun = tokio::time::Instant::now();
    let outcome = loop {
        let chunk = match tokio::time::timeout(idle, body.next()).await {
            Err(_) => break Err(Error::TooSlow),
            Ok(None) => break Ok(()),
            Ok(Some(Err(_))) => break Err(Error::Interrupted),
            Ok(Some(Ok(chunk))) => chunk,
        };
        size += chunk.len() as u64;
        if size > room.bytes_max {
            break Err(room.refusal());
        }
        let seconds = begun.elapsed().as_secs();
        if seconds > RATE_AFTER_S && size / seconds < RATE_BYTES_MIN {
            break Err(Error::TooSlow);
        }
        if head.len() < HEAD_BYTES {
            let take = chunk.len().min(HEAD_BYTES - head.len());
            head.extend_from_slice(&chunk[..take]);
        }
        hasher.update(&chunk);
        if let Err(e) = staged.append(chunk).await {
            break Err(e);
        }
    };
    let sha256 = Sha256::from_bytes(hasher.finalize().into());
    let refusal = match outcome {
        Err(e) => Some(e),
        Ok(()) if length.is_some_and(|n| n != size) => Some(Error::Interrupted),
        Ok(()) if expected.is_some_and(|e| e != sha256) => Some(Error::DigestMismatch),
        Ok(()) => None,
    };
    if let Some(refusal) = refusal {
        staged.discard().await;
        return Err(refusal);
    }
    Ok(Received { staged, sha256, size, head })
}
