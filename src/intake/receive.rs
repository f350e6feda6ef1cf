//! One pass over a file's bytes: counted, hashed, sniffed and staged as they come, in constant memory.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::Room;
use super::budget::space;
use crate::app::App;
use crate::blobs::Staged;
use crate::domain::media::keep_head;
use crate::domain::upload::Midstate;
use crate::domain::value::{Id, Sha256};
use crate::error::{Error, Result};

/// After a minute, a file that comes slower than this (bytes per second) is given up: it is far below the worst uplink,
/// and it holds a place.
const RATE_BYTES_MIN: u64 = 512;
const RATE_AFTER_S: u64 = 60;
/// Chunks after which the disk's reserve is looked at again: some sixteen to sixty megabytes.
pub(super) const ASK_SPACE: u64 = 256;

/// A whole file, staged and hashed, not yet durable.
pub struct Received {
    pub staged: Staged,
    pub sha256: Sha256,
    pub size: u64,
    /// The first bytes, for telling the type.
    pub head: Vec<u8>,
}

/// How a body comes: not too slowly, and with a word now and then to the page that shows how far it is. Timer, clock and
/// page are asked per chunk as little as can be: a gigabyte is sixteen thousand chunks.
pub struct Pace<'a> {
    app: &'a App,
    submission: Id,
    /// The longest silence.
    idle: Duration,
    alarm: Pin<Box<Sleep>>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
    begun: Instant,
    last: Instant,
    bytes: u64,
    told: u64,
}

impl<'a> Pace<'a> {
    pub fn new(app: &'a App, submission: Id) -> Self {
        let (idle, now) = (Duration::from_secs(app.config.limits.idle_seconds), Instant::now());
        let alarm = Box::pin(tokio::time::sleep_until(now + idle));
        let closing = Box::pin(app.closing.clone().cancelled_owned());
        Self { app, submission, idle, alarm, closing, begun: now, last: now, bytes: 0, told: 0 }
    }

    /// The next bytes; `None` at the end, `Interrupted` when the connection broke, `TooSlow` after too long a silence, `TryLater` when
    /// this process ends.
    pub async fn next<E>(&mut self, body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) -> Result<Option<Bytes>> {
        poll_fn(|cx| {
            if self.app.closing.is_cancelled() {
                return Poll::Ready(Err(Error::TryLater));
            }
            match body.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(chunk))) => {
                    self.last = Instant::now();
                    self.bytes += chunk.len() as u64;
                    return Poll::Ready(Ok(Some(chunk)));
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Error::Interrupted)),
                Poll::Ready(None) => return Poll::Ready(Ok(None)),
                Poll::Pending => self.tell(),
            }
            if self.closing.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Error::TryLater));
            }
            // Set once, and again only when it rings: it may have been wound up for an earlier chunk.
            while self.alarm.as_mut().poll(cx).is_ready() {
                if self.last.elapsed() >= self.idle {
                    return Poll::Ready(Err(Error::TooSlow));
                }
                self.alarm.as_mut().reset(self.last + self.idle);
            }
            Poll::Pending
        })
        .await
    }

    /// Says how far it is, while there is nothing else to do.
    fn tell(&mut self) {
        if self.bytes > self.told {
            self.app.traffic.progress.bytes(self.submission, self.bytes - self.told, self.app.now());
            self.told = self.bytes;
        }
    }

    /// Whether everything so far came too slowly to hold a place for.
    pub fn too_slow(&self) -> bool {
        let seconds = (self.last - self.begun).as_secs();
        seconds > RATE_AFTER_S && self.bytes / seconds < RATE_BYTES_MIN
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
    let mut pace = Pace::new(app, submission);
    let mut body = std::pin::pin!(body);
    let mut staged = app.blobs.stage(length).await?;
    let (mut hash, mut size, mut head, mut chunks) = (Midstate::default(), 0u64, Vec::new(), 0u64);
    let outcome = loop {
        let chunk = match pace.next(&mut body).await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break Ok(()),
            Err(cut) => break Err(cut),
        };
        size += chunk.len() as u64;
        if size > room.bytes_max {
            break Err(room.refusal());
        }
        if pace.too_slow() {
            break Err(Error::TooSlow);
        }
        chunks += 1;
        if chunks.is_multiple_of(ASK_SPACE)
            && let Err(full) = space(app, 0)
        {
            break Err(full);
        }
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
        if !matches!(refusal, Error::Interrupted | Error::TooSlow | Error::TryLater) {
            drain(body).await;
        }
        return Err(refusal);
    }
    Ok(Received { staged, sha256, size, head })
}

/// Reads a little of what a refused client is still sending, so that it lives to read the answer: a connection that is
/// closed on unread bytes is reset, and the refusal with it.
pub async fn drain<E>(body: impl Stream<Item = Result<Bytes, E>>) {
    const BYTES_MAX: usize = 8 << 20;
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
