//! One pass over a file's bytes: counted, hashed, sniffed and staged as they come, in constant memory.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;

use super::Room;
use crate::app::App;
use crate::blobs::Staged;
use crate::config::Limits;
use crate::domain::media::keep_head;
use crate::domain::upload::Midstate;
use crate::domain::value::{Id, Sha256};
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

/// How slowly a body may come.
pub struct Pace {
    /// The longest silence.
    pub idle: Duration,
    begun: Instant,
    bytes: u64,
}

impl Pace {
    pub fn new(limits: &Limits) -> Self {
        Self { idle: Duration::from_secs(limits.idle_seconds), begun: Instant::now(), bytes: 0 }
    }

    /// Counts a chunk; `TooSlow` when all of them together come too slowly.
    pub fn count(&mut self, bytes: usize) -> Result<()> {
        self.bytes += bytes as u64;
        let seconds = self.begun.elapsed().as_secs();
        if seconds > RATE_AFTER_S && self.bytes / seconds < RATE_BYTES_MIN { Err(Error::TooSlow) } else { Ok(()) }
    }
}

/// Takes a file. `length` is what the client announced: too much of it is refused before a byte is
/// read. `expected` is the digest that the client announced, if any. On any error nothing is kept.
pub async fn receive<E>(
    app: &App,
    submission: Id,
    room: Room,
    length: Option<u64>,
    expected: Option<Sha256>,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Received> {
    if length.is_some_and(|n| n > room.bytes_max) {
        return Err(room.refusal());
    }
    let mut pace = Pace::new(&app.config.limits);
    let mut body = std::pin::pin!(body);
    let mut staged = app.blobs.stage(length).await?;
    let (mut hash, mut size, mut head) = (Midstate::default(), 0u64, Vec::new());
    let outcome = loop {
        let chunk = match tokio::time::timeout(pace.idle, body.next()).await {
            Err(_) => break Err(Error::TooSlow),
            Ok(None) => break Ok(()),
            Ok(Some(Err(_))) => break Err(Error::Interrupted),
            Ok(Some(Ok(chunk))) => chunk,
        };
        size += chunk.len() as u64;
        if size > room.bytes_max {
            break Err(room.refusal());
        }
        if let Err(slow) = pace.count(chunk.len()) {
            break Err(slow);
        }
        app.traffic.progress.bytes(submission, chunk.len() as u64, app.now());
        keep_head(&mut head, &chunk);
        hash.update(&chunk);
        if let Err(e) = staged.append(chunk).await {
            break Err(e);
        }
    };
    let sha256 = hash.finish();
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

/// Reads a little of what a refused client is still sending, so that it lives to read the answer: a connection that is
/// closed on unread bytes is reset, and the refusal with it.
pub async fn drain<E>(body: impl Stream<Item = Result<Bytes, E>>) {
    const BYTES_MAX: usize = 4 << 20;
    let mut body = std::pin::pin!(body);
    let reading = async {
        let mut bytes = 0;
        while let Some(Ok(chunk)) = body.next().await {
            bytes += chunk.len();
            if bytes > BYTES_MAX {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), reading).await;
}
