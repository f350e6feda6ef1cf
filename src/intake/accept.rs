//! A staged file becomes an exhibit.
//!
//! 1. The bytes are made durable (or thrown away, when the agency has them already).
//! 2. One transaction: budgets spent, content found or inserted, exhibit, claims, custody event, job.
//! 3. Commit; only then is anything acknowledged.
//!
//! A crash between 1 and 3 leaves a blob that nothing refers to; nothing was acknowledged. A crash after 3 loses nothing: the row, the event and the job are one.

use std::time::{Duration, Instant};

use crate::app::App;
use crate::attest;
use crate::db::{self, Tx};
use crate::domain::actor::Actor;
use crate::domain::appeal::Appeal;
use crate::domain::capture::{self, Found, effective_place, effective_time};
use crate::domain::contradiction;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::{Exhibit, State, kept_name};
use crate::domain::job::Job;
use crate::domain::media::sniff;
use crate::domain::review::{closeness, signs};
use crate::domain::submission::Submission;
use crate::domain::upload::FileClaims;
use crate::domain::value::{Id, Sha256, Utc, shown};
use crate::error::{Error, Result};
use crate::keeping::{self, Kept, keep};
use crate::observe;
use crate::steps::reached;

use super::receive::Received;

/// What is acknowledged.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub exhibit: Id,
    pub sha256: Sha256,
    pub size: u64,
    pub received_at: Utc,
}

/// Photos are examined before videos: they are quick, and most.
const PRIORITY_PHOTO: i64 = 10;
const PRIORITY_OTHER: i64 = 20;
/// Characters of a name kept in the log's openings.
const FULL_NAME_CHARS_MAX: usize = 4_000;

/// `session` names the resumable upload that brought the file, with the generation that may finish it.
pub async fn accept(
    app: &App,
    appeal: &Appeal,
    submission: &Submission,
    received: Received,
    claims: FileClaims,
    session: Option<(Id, i64)>,
) -> Result<Accepted> {
    let Received { mut staged, sha256, size, head } = received;
    let mut tx = app.db.glance().await?;
    let known = db::contents::blob_key(&mut tx, appeal.agency, sha256).await?;
    drop(tx);
    // Bytes that are known are thrown away only while the kept ones are there and as long.
    let whole = match &known {
        Some(key) => app.blobs.length(key).await? == Some(size),
        None => false,
    };
    let broken = known.is_some() && !whole;
    let begun = Instant::now();
    let (key, kept) = match known.filter(|_| whole && app.blobs.spares_known()) {
        Some(key) => {
            staged.as_if_kept().await;
            (key, None)
        }
        None => {
            let kept = keep(app, &mut staged, sha256, size).await?;
            (kept.key.clone(), Some(kept))
        }
    };

    let now = app.now();
    let mut tx = app.db.begin().await?;
    let b = &appeal.budgets;
    // Held from here on, and as it stands now: a statement that comes later finds this exhibit and adds to it.
    let spent = db::submissions::spend(&mut tx, submission.id, size, b.submission_bytes_max, b.submission_files_max).await?;
    let Some(submission) = &spent else { return Err(Error::QuotaExceeded { what: "submission" }) };
    // The bytes before the appeal, in the order in which an erasure takes them, too.
    refer(app, &mut tx, appeal, sha256, size, &key, kept.as_ref(), broken, now).await?;
    // From here on everybody else who sends to this appeal waits for the commit.
    let Some(number) = db::appeals::spend(&mut tx, appeal.id, size, b.appeal_bytes_max).await? else {
        // Closed while the file was on its way, or its budget is spent.
        let closed = db::appeals::by_id(&mut tx, appeal.id).await?.state != appeal.state;
        return Err(if closed { Error::AppealClosed } else { Error::QuotaExceeded { what: "appeal" } });
    };
    let sniffed = sniff(&head);
    let (name, name_truncated) = kept_name(&claims.name);
    let frame = capture::Frame { zone: &appeal.zone, zone_there: None, received_at: now, reader: "intake" };
    let (times, places) = capture::told_claims(&submission.statement, appeal, &name, &frame);
    // A copy of known bytes is in their family from the start; others find theirs when they are examined.
    let family = db::exhibits::family_with(&mut tx, appeal.id, appeal.agency, sha256).await?;
    let sender = db::exhibits::first_of_submission(&mut tx, submission.id).await?.unwrap_or(number);
    let seen = contradiction::all(&name, &Found::default(), &times, &places, 0);
    let exhibit = Exhibit {
        id: app.new_id(),
        number,
        family: family.unwrap_or(number),
        lead: family.is_none(),
        appeal: appeal.id,
        agency: appeal.agency,
        submission: submission.id,
        sha256,
        size,
        name,
        name_truncated,
        media_type: sniffed.media_type.to_owned(),
        kind: sniffed.kind,
        state: State::Received,
        quarantine: sniffed.quarantine,
        restricted: false,
        received_at: now,
        when: effective_time(&times),
        place: effective_place(&places),
        has_thumbnail: false,
        notes: Vec::new(),
        examined: false,
        tags: 0,
        signs: signs(&submission.statement, &seen),
        sender,
        device: 0,
        assignee: None,
        version: 0,
    };

    let twin = db::exhibits::first_with(&mut tx, appeal.id, appeal.agency, sha256).await?;
    db::exhibits::insert(&mut tx, &exhibit, closeness(appeal, &exhibit)).await?;
    for claim in &times {
        db::exhibits::add_time_claim(&mut tx, app.new_id(), exhibit.id, claim, now).await?;
    }
    for claim in &places {
        db::exhibits::add_place_claim(&mut tx, app.new_id(), exhibit.id, claim, now).await?;
    }
    let told = if times.is_empty() && places.is_empty() {
        capture::claims_digest(Vec::new())
    } else {
        db::exhibits::claims_digest(&mut tx, exhibit.id).await?
    };
    attest::append(app, &mut tx, received_event(&exhibit, &claims, told)).await?;
    if let Some(twin) = twin {
        let draft = Draft::new(EventType::DuplicateLinked, Actor::System).about(SubjectKind::Exhibit, exhibit.id);
        attest::append(app, &mut tx, draft.fact("how", "same-bytes").private("of", twin.to_string())).await?;
    }
    if let Some((upload, generation)) = session
        && !db::uploads::finish(&mut tx, upload, generation, exhibit.id, size, now).await?
    {
        return Err(Error::Conflict);
    }
    let priority = if size < 32 << 20 { PRIORITY_PHOTO } else { PRIORITY_OTHER };
    db::jobs::enqueue(&mut tx, app.new_id(), Job::Examine(exhibit.id), priority, now).await?;
    reached("accepting");
    if let Err(e) = tx.commit().await
        && !landed(app, submission.id, exhibit.id).await
    {
        return Err(e);
    }
    reached("accepted");
    app.work.notify_one();
    app.traffic.progress.file(submission.id, now);
    staged.discard().await;
    observe::received(size, begun.elapsed());

    Ok(Accepted { exhibit: exhibit.id, sha256, size, received_at: now })
}

/// Refers to the kept bytes, in the transaction that does; a blob that is needed no more is doomed.
#[allow(clippy::too_many_arguments)]
async fn refer(
    app: &App,
    tx: &mut Tx,
    appeal: &Appeal,
    sha256: Sha256,
    size: u64,
    key: &str,
    kept: Option<&Kept>,
    broken: bool,
    now: Utc,
) -> Result<()> {
    if broken {
        tracing::error!(%sha256, "the kept bytes were missing or cut; what came now takes their place");
        // One after the other: of two that come at once, the second dooms what the first has put there.
        db::retention::lock_blob(tx, key).await?;
        db::contents::lock(tx, appeal.agency, sha256).await?;
        if let Some(cut) = db::contents::blob_key(tx, appeal.agency, sha256).await?.filter(|cut| *cut != key) {
            db::retention::doom(tx, &cut, now).await?;
        }
        db::contents::set_blob_key(tx, appeal.agency, sha256, key).await?;
    }
    let noted = match kept {
        Some(kept) => kept.settle(tx).await?,
        None => false,
    };
    // A blob under a key of its own, that was on the list until now, is nobody else's: no sweep and no erasure can have had it.
    if !(noted && app.blobs.keys_are_unique()) {
        db::retention::lock_blob(tx, key).await?;
    }
    let (held, new) = db::contents::insert(tx, appeal.agency, sha256, size, key, now).await?;
    if !(noted && new && app.blobs.keys_are_unique()) {
        // An erasure may have destroyed the same bytes between our keeping them and this transaction.
        keeping::still_there(app, tx, &held, Some(size)).await?;
    }
    // Somebody else's copy of the same new bytes was faster.
    if kept.is_some() && held != key {
        db::retention::doom(tx, key, now).await?;
    }
    Ok(())
}

/// Whether a commit whose answer was lost has happened all the same. Asked for a while: the database may be starting again.
async fn landed(app: &App, submission: Id, exhibit: Id) -> bool {
    for wait in [0, 1, 3, 6] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let found = async {
            let mut tx = app.db.begin().await?;
            // Waits for the transaction in doubt, which holds this row.
            db::submissions::lock(&mut tx, submission).await?;
            db::exhibits::by_id(&mut tx, exhibit).await
        };
        if let Ok(found) = found.await {
            return found.is_some();
        }
    }
    false
}

fn received_event(e: &Exhibit, claims: &FileClaims, told: Sha256) -> Draft {
    let full_name = shown(&String::from_utf8_lossy(&claims.name), FULL_NAME_CHARS_MAX);
    let mut draft = Draft::new(EventType::ExhibitReceived, Actor::Witness(e.submission))
        .about(SubjectKind::Exhibit, e.id)
        .fact("quarantine", e.quarantine.map(|q| q.as_str()))
        .private("sha256", e.sha256.to_string())
        .private("size", e.size)
        .private("received_at", e.received_at.to_string())
        .private("appeal", e.appeal.to_string())
        .private("submission", e.submission.to_string())
        .private("claims", told.to_string())
        .private("stands", capture::stands_as(e.when, e.place))
        .private("name", full_name);
    if let Some(path) = &claims.relative_path {
        draft = draft.private("relative_path", shown(path, FULL_NAME_CHARS_MAX));
    }
    if let Some(declared) = &claims.media_type {
        draft = draft.private("declared_type", shown(declared, 200));
    }
    draft
}
