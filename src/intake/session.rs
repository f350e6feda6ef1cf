//! Resumable uploads: begun with what is known of the file, appended to as often as it takes, finished into an exhibit by
//! the same [`accept`] as any other file. Both protocols of `web/api/uploads` are clients of these verbs.
//!
//! An offset is told to nobody before the bytes below it are durable and the row with the SHA-256 midstate is committed.
//! A request that is cut keeps what came; one that is overtaken by a newer request of the same client writes down what it
//! has and ends. Appends run in a task of their own: a connection that dies must not take the bytes with it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use super::budget::{self, Coming};
use super::receive::drain;
use super::write::Writer;
use super::{Accepted, reject};
use crate::app::App;
use crate::attest;
use crate::blobs::Staged;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::appeal::Appeal;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::submission::Submission;
use crate::domain::upload::{Dialect, FileClaims, Midstate, Upload, UploadState};
use crate::domain::value::{HOUR_US, Id, Sha256};
use crate::error::{Error, Result};
use crate::traffic::{Pass, Turn};

/// Files that one submission may have on their way at the same time.
const OPEN_MAX: u64 = 200;

/// What a client says when it begins.
#[derive(Default)]
pub struct NewUpload {
    pub dialect: Dialect,
    pub length: Option<u64>,
    pub claims: FileClaims,
    /// Digest of the whole file; checked at the end.
    pub expected: Option<Sha256>,
    pub fingerprint: Option<String>,
    pub metadata: String,
}

/// Takes a file's announcement, or refuses it before a byte has come.
pub async fn begin(app: &App, appeal: &Appeal, submission: &Submission, new: NewUpload) -> Result<Upload> {
    let begun = try_begin(app, appeal, submission, new).await;
    if let Err(refusal) = &begun {
        reject(app, submission, refusal).await?;
    }
    begun
}

async fn try_begin(app: &App, appeal: &Appeal, submission: &Submission, new: NewUpload) -> Result<Upload> {
    let room = budget::room(app, appeal, submission, Coming { here: 0, more: new.length }).await?;
    budget::admits(appeal, new.claims.media_type.as_deref())?;
    if new.length.is_some_and(|n| n > room.bytes_max) {
        return Err(room.refusal());
    }
    let now = app.now();
    let upload = Upload {
        id: app.new_id(),
        submission: submission.id,
        state: UploadState::Open,
        dialect: new.dialect,
        length: new.length,
        offset: 0,
        midstate: Midstate::default(),
        head: Vec::new(),
        storage: String::new(),
        generation: 0,
        claims: new.claims,
        expected: new.expected,
        fingerprint: new.fingerprint,
        metadata: new.metadata,
        exhibit: None,
        created_at: now,
        touched_at: now,
        expires_at: now.plus(i64::from(appeal.intake.half_sent_hours) * HOUR_US),
    };
    let mut tx = app.db.begin().await?;
    let b = &appeal.budgets;
    // A client that lost our answer begins again: what it began before and never used makes room.
    if let Some(mark) = &upload.fingerprint {
        db::uploads::end_unused(&mut tx, submission.id, mark, now).await?;
    }
    let (count, bytes) = db::uploads::reserved(&mut tx, submission.id).await?;
    if count >= OPEN_MAX || submission.files + count >= b.submission_files_max {
        return Err(Error::QuotaExceeded { what: "files" });
    }
    // What was announced and has not come yet counts, or a thousand announcements would fit where one does.
    if submission.bytes.saturating_add(bytes).saturating_add(new.length.unwrap_or(0)) > b.submission_bytes_max {
        return Err(Error::QuotaExceeded { what: "bytes" });
    }
    db::uploads::create(&mut tx, &upload).await?;
    tx.commit().await?;
    Ok(upload)
}

/// An upload as it stands now. Whoever was appending has let go: `_turn` is the proof.
pub async fn look(app: &App, id: Id, _turn: &Turn) -> Result<Upload> {
    let mut tx = app.db.read().await?;
    db::uploads::by_id(&mut tx, id).await?.ok_or(Error::NotFound)
}

/// One request's worth of bytes.
pub struct Append {
    pub offset: u64,
    /// Said now of an upload that began without one.
    pub length: Option<u64>,
    /// Bytes that this request announces.
    pub announced: Option<u64>,
    pub end: End,
    /// What these bytes must hash to, or they are dropped.
    pub checksum: Option<Checksum>,
    /// Whether the client does not know the upload's address yet: if nothing of this is kept, nothing is left to find.
    pub fresh: bool,
    /// Whether the client waits for `100 Continue`: then nothing of a refused body is read.
    pub expects: bool,
}

/// When a file is whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// When its length is reached (tus).
    AtLength,
    /// When this request has been read to its end, or not yet (IETF).
    WithThis(bool),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Checksum {
    Sha1(Vec<u8>),
    Sha256(Vec<u8>),
}

/// Where an upload stands after an append.
#[derive(Debug)]
pub struct Progress {
    pub upload: Upload,
    pub accepted: Option<Accepted>,
}

/// Appends, and finishes the file if that was its end. `Err(Interrupted)`, `Err(TooSlow)` and `Err(Conflict)` have kept
/// what came.
pub async fn append<E: Send + 'static>(
    app: &Arc<App>,
    pass: Pass,
    turn: Turn,
    id: Id,
    ask: Append,
    body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
) -> Result<Progress> {
    let app = app.clone();
    let work = async move {
        let (expects, fresh) = (ask.expects, ask.fresh);
        let mut body = Box::pin(pass.counted(body));
        let done = run(&app, turn, id, ask, &mut body).await;
        drop(pass);
        if fresh && done.is_err() {
            forget(&app, id).await?;
        }
        if done.as_ref().is_err_and(|e| !expects && !matches!(e, Error::Interrupted | Error::TooSlow | Error::Conflict)) {
            drain(body).await;
        }
        done
    };
    tokio::spawn(work).await.map_err(Error::internal)?
}

async fn run<E>(app: &App, mut turn: Turn, id: Id, ask: Append, body: impl Stream<Item = Result<Bytes, E>> + Unpin) -> Result<Progress> {
    let mut upload = look(app, id, &turn).await?;
    match upload.state {
        UploadState::Gone => return Err(Error::UploadGone),
        UploadState::Open if upload.expires_at <= app.now() => return Err(Error::UploadGone),
        UploadState::Done => return replay(app, upload, &ask).await,
        UploadState::Open => {}
    }
    let mut tx = app.db.read().await?;
    let submission = db::submissions::by_id(&mut tx, upload.submission).await?;
    let appeal = db::appeals::by_id(&mut tx, submission.appeal).await?;
    drop(tx);
    if ask.offset != upload.offset {
        return Err(Error::OffsetMismatch { expected: upload.offset, provided: ask.offset });
    }
    let announced = upload.length.map(|n| n - upload.offset).or(ask.announced);
    let room = budget::room(app, &appeal, &submission, Coming { here: upload.offset, more: announced }).await?;
    let length = agreed_length(&upload, &ask)?;
    if length.is_some_and(|n| n > room.bytes_max) {
        reject(app, &submission, &room.refusal()).await?;
        return Err(room.refusal());
    }
    let end = length.unwrap_or(room.bytes_max);
    let beyond = || if length.is_some() { Error::BeyondLength } else { room.refusal() };
    if ask.announced.is_some_and(|n| upload.offset.saturating_add(n) > end) {
        return Err(beyond());
    }
    let mut tx = app.db.begin().await?;
    let half_sent_us = i64::from(appeal.intake.half_sent_hours) * HOUR_US;
    let looked = (upload.offset, upload.length);
    upload = db::uploads::take_over(&mut tx, id, app.now(), app.now().plus(half_sent_us)).await?.ok_or(Error::UploadGone)?;
    if (upload.offset, upload.length) != looked {
        // Another node's request has ended since: the client asks anew.
        return Err(Error::OffsetMismatch { expected: upload.offset, provided: ask.offset });
    }
    // What the submission's other files have announced is not to be had twice.
    let (_, reserved) = db::uploads::reserved(&mut tx, submission.id).await?;
    let others = reserved.saturating_sub(upload.length.unwrap_or(upload.offset));
    let left = appeal.budgets.submission_bytes_max.saturating_sub(submission.bytes).saturating_sub(others);
    if length.is_some_and(|n| n > left) {
        return Err(Error::QuotaExceeded { what: "bytes" });
    }
    let end = end.min(left);
    if let (None, Some(n)) = (upload.length, length) {
        db::uploads::set_length(&mut tx, id, upload.generation, n).await?;
        upload.length = length;
    }
    tx.commit().await?;

    let Some(staged) = taken_up(app, &upload).await? else { return lost(app, upload).await };
    let mut writer = Writer { app, half_sent_us, upload, staged };
    // A failure of ours or a refusal: nothing of this request is written down, and the durable offset stands.
    let cut = match writer.take(&mut turn, &ask, end, beyond, body).await {
        Ok(cut) => cut,
        Err(e) => {
            reject(app, &submission, &e).await?;
            return Err(e);
        }
    };
    let whole = match ask.end {
        // Every byte is here, whatever became of the connection afterwards: a client that asks would be told the whole
        // length, and take that for an end.
        End::AtLength => writer.upload.length == Some(writer.upload.offset) && (cut.is_none() || ask.checksum.is_none()),
        End::WithThis(complete) => complete && cut.is_none(),
    };
    match cut {
        _ if whole => {
            if writer.upload.length.is_some_and(|n| n != writer.upload.offset) {
                return Err(Error::LengthMismatch);
            }
            writer.finish(&appeal, &submission).await
        }
        // Bytes under a checksum count together or not at all.
        Some(cut) if ask.checksum.is_some() => Err(cut),
        cut => {
            writer.checkpoint().await?;
            cut.map_or(Ok(Progress { upload: writer.upload, accepted: None }), Err)
        }
    }
}

/// The length that both sides go by from now on.
fn agreed_length(upload: &Upload, ask: &Append) -> Result<Option<u64>> {
    let implied = match ask.end {
        End::WithThis(true) => ask.announced.map(|n| upload.offset.saturating_add(n)),
        _ => None,
    };
    let mut said = [upload.length, ask.length, implied].into_iter().flatten();
    let Some(length) = said.next() else { return Ok(None) };
    if said.any(|other| other != length) || length < upload.offset {
        return Err(Error::LengthMismatch);
    }
    Ok(Some(length))
}

/// The same end, asked again by a client that lost its answer. More bytes than there are is another matter.
async fn replay(app: &App, upload: Upload, ask: &Append) -> Result<Progress> {
    if ask.announced.unwrap_or(0) > 0 || ask.offset != upload.offset {
        return Err(Error::AlreadyComplete);
    }
    let mut tx = app.db.read().await?;
    let exhibit = match upload.exhibit {
        Some(exhibit) => db::exhibits::by_id(&mut tx, exhibit).await?,
        None => None,
    };
    let accepted = exhibit.map(|e| Accepted { exhibit: e.id, sha256: e.sha256, size: e.size, received_at: e.received_at });
    Ok(Progress { upload, accepted })
}

/// The staged bytes below the durable offset, or a fresh start. `None`: the store does not have them any more.
async fn taken_up(app: &App, upload: &Upload) -> Result<Option<Staged>> {
    if upload.storage.is_empty() {
        return app.blobs.stage(upload.length).await.map(Some);
    }
    app.blobs.resume(&upload.storage, upload.offset).await
}

/// A promise that the store broke: say so loudly, and let the client begin again rather than believe.
async fn lost(app: &App, upload: Upload) -> Result<Progress> {
    tracing::error!(upload = %upload.id, offset = upload.offset, "the staged bytes of an upload are gone");
    end(app, &upload, EventType::UploadExpired, "lost").await?;
    Err(Error::UploadGone)
}

/// An upload as a client may be told of it: one whose every byte is here, but whose end was cut off by a crash, is finished
/// first.
pub async fn finished(app: &App, turn: Turn, id: Id) -> Result<Upload> {
    let upload = look(app, id, &turn).await?;
    if upload.state == UploadState::Open && upload.expires_at <= app.now() {
        return Err(Error::UploadGone);
    }
    if upload.state != UploadState::Open || upload.dialect != Dialect::Tus || upload.length != Some(upload.offset) {
        return Ok(upload);
    }
    let ask = Append {
        offset: upload.offset,
        length: None,
        announced: Some(0),
        end: End::AtLength,
        checksum: None,
        fresh: false,
        expects: false,
    };
    let nothing = futures_util::stream::empty::<Result<Bytes>>();
    run(app, turn, id, ask, nothing).await.map(|done| done.upload)
}

/// The witness gives an upload up. A file that arrived whole is an exhibit by then and stays one: only the upload's own
/// address goes.
pub async fn terminate(app: &App, id: Id, turn: &Turn) -> Result<()> {
    let upload = look(app, id, turn).await?;
    if upload.state == UploadState::Gone {
        return Err(Error::UploadGone);
    }
    if end(app, &upload, EventType::UploadTerminated, "given-up").await? { Ok(()) } else { Err(Error::Conflict) }
}

/// Ends an upload of which nothing came and whose address nobody was told: it would hold a place in the budgets.
async fn forget(app: &App, id: Id) -> Result<()> {
    let mut tx = app.db.begin().await?;
    if let Some(u) = db::uploads::by_id(&mut tx, id).await?.filter(|u| u.state == UploadState::Open && u.offset == 0) {
        db::uploads::end(&mut tx, id, u.generation, app.now()).await?;
    }
    tx.commit().await
}

/// Gives up everything of a submission that is still on its way.
pub async fn give_up(app: &App, submission: Id) -> Result<()> {
    let mut tx = app.db.read().await?;
    let open = db::uploads::open_of(&mut tx, submission).await?;
    drop(tx);
    for upload in open {
        end(app, &upload, EventType::UploadTerminated, "no-receipt").await?;
    }
    Ok(())
}

/// Throws half-sent files away whose time is over; returns how many.
pub async fn expire(app: &App) -> Result<u64> {
    const BATCH: i64 = 100;
    let mut swept = 0;
    loop {
        let mut tx = app.db.read().await?;
        let expired = db::uploads::expired(&mut tx, app.now(), BATCH).await?;
        drop(tx);
        if expired.is_empty() {
            return Ok(swept);
        }
        for upload in expired {
            // One that somebody took over since is left to them.
            swept += u64::from(end(app, &upload, EventType::UploadExpired, "expired").await?);
        }
    }
}

/// One transaction: the row as it was read, and the event if bytes are thrown away. Then the bytes. False: it has changed.
async fn end(app: &App, upload: &Upload, event: EventType, why: &'static str) -> Result<bool> {
    let mut tx = app.db.begin().await?;
    if !db::uploads::end(&mut tx, upload.id, upload.generation, app.now()).await? {
        return Ok(false);
    }
    if upload.state == UploadState::Open && upload.offset > 0 {
        let actor = if event == EventType::UploadTerminated { Actor::Witness(upload.submission) } else { Actor::System };
        let draft = Draft::new(event, actor)
            .about(SubjectKind::Submission, upload.submission)
            .fact("reason", why)
            .private("bytes", upload.offset)
            .private("name", crate::domain::exhibit::kept_name(&upload.claims.name).0);
        attest::append(app, &mut tx, draft).await?;
    }
    tx.commit().await?;
    if upload.state == UploadState::Open && !upload.storage.is_empty() {
        match app.blobs.resume(&upload.storage, upload.offset).await {
            Ok(Some(staged)) => staged.discard().await,
            Ok(None) => {}
            Err(e) => tracing::warn!(cause = %e, "half-sent bytes are left to the sweep"),
        }
    }
    Ok(true)
}
