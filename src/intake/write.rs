//! The bytes of one resumable request on their way to the store: hashed, staged, written down now and then, and at the end
//! made an exhibit by [`accept`].

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::Instant;

use super::accept::accept;
use super::budget::space;
use super::receive::{ASK_SPACE, Pace, Received};
use super::reject;
use super::session::{Append, Checksum, Progress};
use crate::app::App;
use crate::blobs::Staged;
use crate::db;
use crate::domain::appeal::Appeal;
use crate::domain::media::keep_head;
use crate::domain::submission::Submission;
use crate::domain::upload::{Midstate, Upload, UploadState};
use crate::error::{Error, Result};
use crate::traffic::Turn;

/// A long request writes down how far it is, so that a server that dies loses little.
const CHECKPOINT_BYTES: u64 = 64 << 20;
const CHECKPOINT_AFTER: Duration = Duration::from_secs(5);

/// The bytes of one request on their way to the store.
pub(super) struct Writer<'a> {
    pub app: &'a App,
    pub half_sent_us: i64,
    /// As it will be written down: offset, midstate and head run ahead of the row until the next checkpoint.
    pub upload: Upload,
    pub staged: Staged,
}

impl Writer<'_> {
    /// Takes the request's bytes. `Some` is why they ended early: what came until then is good.
    pub async fn take<E>(
        &mut self,
        turn: &mut Turn,
        ask: &Append,
        end: u64,
        beyond: impl Fn() -> Error,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<Option<Error>> {
        let mut body = std::pin::pin!(body);
        let mut pace = Pace::new(self.app, self.upload.submission);
        let overtaken = turn.overtaken();
        let mut overtaken = std::pin::pin!(overtaken);
        let mut check = ask.checksum.as_ref().map(Checking::new);
        let mut asked = 0u64;
        let (mut written, mut written_at) = (self.upload.offset, Instant::now());
        loop {
            let chunk = tokio::select! {
                biased;
                () = &mut overtaken => return Ok(Some(Error::Conflict)),
                chunk = pace.next(&mut body) => match chunk {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) => break,
                    Err(cut) => return Ok(Some(cut)),
                },
            };
            if self.upload.offset + chunk.len() as u64 > end {
                return Err(beyond());
            }
            if let Some(check) = &mut check {
                check.update(&chunk);
            }
            let late = written_at.elapsed() > CHECKPOINT_AFTER || self.upload.offset - written > CHECKPOINT_BYTES;
            // Bytes under a checksum count together or not at all.
            let checkpoint = late && check.is_none();
            if self.add(chunk, checkpoint).await? {
                (written, written_at) = (self.upload.offset, Instant::now());
            }
            if pace.too_slow() {
                return Ok(Some(Error::TooSlow));
            }
            asked += 1;
            if asked.is_multiple_of(ASK_SPACE) {
                // Others fill the disk, too. What came stays, and goes on when there is room again.
                if let Err(full) = space(self.app, 0) {
                    return Ok(Some(full));
                }
            }
        }
        match check.map(Checking::holds) {
            Some(false) => Err(Error::ChecksumMismatch),
            _ if ask.announced.is_some_and(|n| ask.offset + n != self.upload.offset) => Ok(Some(Error::Interrupted)),
            _ => Ok(None),
        }
    }

    /// Hashes and stages; writes a checkpoint if one is due and the place is a cheap one. Says whether it did.
    async fn add(&mut self, mut chunk: Bytes, checkpoint: bool) -> Result<bool> {
        let mut wrote = false;
        while !chunk.is_empty() {
            let cut = if checkpoint { self.staged.until_boundary() } else { None };
            let piece = chunk.split_to(cut.unwrap_or(usize::MAX).min(chunk.len()));
            keep_head(&mut self.upload.head, &piece);
            let cheap = cut.is_none_or(|n| n == piece.len());
            self.staged.append(piece.clone()).await?;
            self.upload.midstate.update(&piece);
            self.upload.offset += piece.len() as u64;
            // At the whole length the end follows at once, and says more than a checkpoint.
            if checkpoint && cheap && !wrote && self.upload.length != Some(self.upload.offset) {
                self.checkpoint().await?;
                wrote = true;
            }
        }
        Ok(wrote)
    }

    /// Bytes durable, then the row.
    pub async fn checkpoint(&mut self) -> Result<()> {
        self.upload.storage = self.staged.park().await?;
        self.write_down().await
    }

    async fn write_down(&mut self) -> Result<()> {
        let now = self.app.now();
        self.upload.touched_at = now;
        self.upload.expires_at = now.plus(self.half_sent_us);
        let mut tx = self.app.db.begin().await?;
        if !db::uploads::checkpoint(&mut tx, &self.upload).await? {
            // Another node has it now.
            return Err(Error::Conflict);
        }
        tx.commit().await?;
        self.staged.committed().await;
        Ok(())
    }

    pub async fn finish(mut self, appeal: &Appeal, submission: &Submission) -> Result<Progress> {
        let app = self.app;
        // On S3 the end of a transfer cannot be taken back: it is written down first, so that it can be asked again.
        if let Some(handle) = self.staged.seal().await? {
            self.upload.storage = handle;
            self.write_down().await?;
        }
        let sha256 = std::mem::take(&mut self.upload.midstate).finish();
        if self.upload.expected.is_some_and(|e| e != sha256) {
            self.staged.discard().await;
            reject(app, submission, &Error::DigestMismatch).await?;
            let mut tx = app.db.begin().await?;
            db::uploads::end(&mut tx, self.upload.id, self.upload.generation, app.now()).await?;
            tx.commit().await?;
            return Err(Error::DigestMismatch);
        }
        let received = Received { staged: self.staged, sha256, size: self.upload.offset, head: std::mem::take(&mut self.upload.head) };
        let session = Some((self.upload.id, self.upload.generation));
        let accepted = Box::pin(accept(app, appeal, submission, received, std::mem::take(&mut self.upload.claims), session)).await?;
        self.upload.state = UploadState::Done;
        self.upload.length = Some(accepted.size);
        self.upload.exhibit = Some(accepted.exhibit);
        Ok(Progress { upload: self.upload, accepted: Some(accepted) })
    }
}

/// A running checksum of one request.
enum Checking {
    Sha1(sha1::Sha1, Vec<u8>),
    Sha256(Midstate, Vec<u8>),
}

impl Checking {
    fn new(expected: &Checksum) -> Self {
        match expected {
            Checksum::Sha1(digest) => Self::Sha1(sha1::Sha1::default(), digest.clone()),
            Checksum::Sha256(digest) => Self::Sha256(Midstate::default(), digest.clone()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(state, _) => sha1::Digest::update(state, bytes),
            Self::Sha256(state, _) => state.update(bytes),
        }
    }

    fn holds(self) -> bool {
        match self {
            Self::Sha1(state, expected) => sha1::Digest::finalize(state).as_slice() == expected,
            Self::Sha256(state, expected) => state.finish().bytes().as_slice() == expected,
        }
    }
}
