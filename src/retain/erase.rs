//! Erasing one exhibit: asked for, agreed to by two others, carried out.
//!
//! Carried out means: the openings of every event about it and every row about it are deleted, with the last file of a submission
//! what its witness said, and, unless another exhibit has the same bytes, the blob and the pictures made from it are doomed. In the
//! same transaction the tombstone `erasure.executed` is written; then the bytes are destroyed. It names the ground, the entries whose
//! openings went, and no person. Bytes are overwritten by nobody: a file system, an SSD or an object store does that in its own
//! time (NIST SP 800-88 calls the rest for the operator's media policy).

use serde_json::Value;

use crate::app::App;
use crate::attest;
use crate::db::{self, Tx, retention::NewErasure};
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::Exhibit;
use crate::domain::job::Job;
use crate::domain::retention::{APPROVALS, Basis, Standing};
use crate::domain::submission::Statement;
use crate::domain::value::{DAY_US, Id};
use crate::error::{Error, Result};

use super::hold::{own, reason};

/// Before everything else that waits.
const PRIORITY: i64 = 1;

/// Asks that an exhibit be erased. Refused while it is under a hold, and while the same is asked for already.
pub async fn request(app: &App, person: &Person, exhibit: Id, basis: Basis, why: &str) -> Result<Id> {
    if !person.may(Act::RequestErasure) {
        return Err(Error::Forbidden);
    }
    let why = reason(why)?;
    let mut tx = app.db.begin().await?;
    let e = own(&mut tx, person, exhibit).await?;
    let id = ask(app, &mut tx, Some(person), &e, basis, why).await?;
    tx.commit().await?;
    Ok(id)
}

/// The same by an appeal's schedule, for nobody.
pub(super) async fn request_by_schedule(app: &App, exhibit: Id) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let e = db::exhibits::lock(&mut tx, exhibit).await?;
    if !is_over(app, &mut tx, &e, true).await? {
        return Err(Error::Conflict);
    }
    ask(app, &mut tx, None, &e, Basis::Retention, String::new()).await?;
    tx.commit().await
}

async fn ask(app: &App, tx: &mut Tx, person: Option<&Person>, e: &Exhibit, basis: Basis, why: String) -> Result<Id> {
    if db::retention::hold(tx, e.id).await?.is_some() {
        return Err(Error::Held);
    }
    match db::retention::open_for(tx, e.id).await? {
        // What a schedule asked for is not in a person's way: theirs has another ground, and a reason.
        Some(open) if person.is_some() && open.is_the_schedule_s() => lapse(app, tx, &open, "a person asks").await?,
        Some(_) => return Err(Error::Conflict),
        None => {}
    }
    let id = app.new_id();
    let by = person.map(|p| p.id);
    let periods_by = if basis == Basis::Retention { db::periods::by(tx, e.appeal).await? } else { None };
    let new = NewErasure { id, exhibit: e.id, appeal: e.appeal, submission: e.submission, basis, reason: &why, by, periods_by };
    db::retention::request(tx, new, app.now()).await?;
    let draft = Draft::new(EventType::ErasureRequested, person.map_or(Actor::System, Actor::from))
        .about(SubjectKind::Exhibit, e.id)
        .fact("basis", basis.as_str());
    let draft = if person.is_some() { draft.private("reason", why) } else { draft };
    attest::append(app, tx, draft).await?;
    Ok(id)
}

/// Ends an erasure that nobody said no to.
async fn lapse(app: &App, tx: &mut Tx, e: &db::retention::Erasure, why: &'static str) -> Result<()> {
    db::retention::lapse(tx, e.id).await?;
    let draft = Draft::new(EventType::ErasureRefused, Actor::System).about(SubjectKind::Exhibit, e.exhibit).fact("why", why);
    attest::append(app, tx, draft).await?;
    Ok(())
}

/// Whether an exhibit's time is over now, however it was when somebody asked: it may have been found relevant since, or the periods changed. A person
/// who asks where an appeal has no periods says so in words, and is believed.
async fn is_over(app: &App, tx: &mut Tx, e: &Exhibit, by_schedule: bool) -> Result<bool> {
    let (periods, _) = db::periods::of(tx, e.appeal).await?;
    Ok(periods.are_over(e.state, e.received_at, app.now()) || !by_schedule && !periods.have_an_end())
}

/// Agrees. With the last agreement that is needed, the erasure is on its way; returns whether it is.
pub async fn approve(app: &App, person: &Person, erasure: Id) -> Result<bool> {
    // The log is asked below, and must not lag behind the table.
    attest::sequence_all(app).await?;
    let mut tx = app.db.begin().await?;
    let e = judged(&mut tx, person, erasure).await?;
    // What the log says counts, also where a restored backup has forgotten it.
    let agrees = standing(&mut tx, e.exhibit).await?.0.take(EventType::ErasureApproved.as_str(), &person.id.to_string());
    if !e.waits_for(person.id) || agrees.is_err() {
        return Err(Error::AnotherPerson);
    }
    if e.basis == Basis::Retention {
        // (Not held: whoever asks holds the exhibit before the erasure. The tombstone is written with it held, and looks again.)
        let exhibit = db::exhibits::by_id(&mut tx, e.exhibit).await?.ok_or(Error::NotFound)?;
        if !is_over(app, &mut tx, &exhibit, e.requester.is_none()).await? {
            lapse(app, &mut tx, &e, "its time is not over any more").await?;
            tx.commit().await?;
            return Err(Error::Conflict);
        }
    }
    if db::retention::hold(&mut tx, e.exhibit).await?.is_some() {
        return Err(Error::Held);
    }
    db::retention::approve(&mut tx, erasure, person.id, app.now()).await?;
    let draft = Draft::new(EventType::ErasureApproved, Actor::from(person)).about(SubjectKind::Exhibit, e.exhibit);
    attest::append(app, &mut tx, draft).await?;
    let enough = e.approvals.len() + 1 >= APPROVALS;
    if enough {
        db::retention::set_state(&mut tx, erasure, "approved").await?;
        db::jobs::enqueue(&mut tx, app.new_id(), Job::Erase(erasure), PRIORITY, app.now()).await?;
    }
    tx.commit().await?;
    app.work.notify_one();
    Ok(enough)
}

pub async fn refuse(app: &App, person: &Person, erasure: Id, why: &str) -> Result<()> {
    let why = reason(why)?;
    let mut tx = app.db.begin().await?;
    let e = judged(&mut tx, person, erasure).await?;
    db::retention::end(&mut tx, erasure, "refused", app.now()).await?;
    let draft = Draft::new(EventType::ErasureRefused, Actor::from(person)).about(SubjectKind::Exhibit, e.exhibit).private("reason", why);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// The erasure, if this person may judge it and it still waits for that.
async fn judged(tx: &mut Tx, person: &Person, erasure: Id) -> Result<db::retention::Erasure> {
    if !person.may(Act::Retain) {
        return Err(Error::Forbidden);
    }
    let e = db::retention::lock(tx, erasure).await?.ok_or(Error::NotFound)?;
    if db::exhibits::by_id(tx, e.exhibit).await?.is_none_or(|x| x.agency != person.agency) {
        return Err(Error::Elsewhere);
    }
    if e.state == "requested" { Ok(e) } else { Err(Error::Conflict) }
}

/// The job of an erasure that was agreed to. Run twice, it goes on where it was.
pub async fn execute(app: &App, erasure: Id) -> Result<()> {
    let mut tx = app.db.read().await?;
    let executed = db::retention::is_executed(&mut tx, erasure).await?;
    drop(tx);
    if !executed {
        // What waits in the outbox has openings too, and is found through the log.
        attest::sequence_all(app).await?;
        write_tombstone(app, erasure).await?;
    }
    destroy_doomed(app).await?;
    forget_openings(app).await?;
    app.db.forget_deleted().await
}

/// One transaction: rows and openings go, the tombstone is written, the blobs are doomed. Whether it may be is asked of the log
/// itself, not of a table.
async fn write_tombstone(app: &App, erasure: Id) -> Result<()> {
    let mut tx = app.db.begin_apart().await?;
    let Some(e) = db::retention::lock(&mut tx, erasure).await?.filter(|e| e.state == "approved") else { return Ok(()) };
    // The submission before all that an acceptance takes after it (its bytes, its appeal); then the appeal's turn, then the exhibit, as everywhere.
    if let Some(seen) = db::exhibits::by_id(&mut tx, e.exhibit).await? {
        db::submissions::lock(&mut tx, seen.submission).await?;
        db::families::take_turn(&mut tx, seen.appeal).await?;
    }
    let exhibit = match db::exhibits::lock(&mut tx, e.exhibit).await {
        Ok(exhibit) => exhibit,
        Err(Error::NotFound) => {
            db::retention::end(&mut tx, erasure, "executed", app.now()).await?;
            return tx.commit().await;
        }
        Err(other) => return Err(other),
    };
    let (mut standing, entries) = standing(&mut tx, e.exhibit).await?;
    let held = db::retention::hold(&mut tx, e.exhibit).await?.is_some();
    let over = e.basis != Basis::Retention || is_over(app, &mut tx, &exhibit, e.requester.is_none()).await?;
    let allowed = if held {
        Err("erased under a hold")
    } else if over {
        Ok(())
    } else {
        Err("its time is not over any more")
    };
    if let Err(rule) = standing.take(EventType::ErasureExecuted.as_str(), "").and(allowed) {
        db::retention::end(&mut tx, erasure, "refused", app.now()).await?;
        let draft = Draft::new(EventType::ErasureRefused, Actor::System).about(SubjectKind::Exhibit, e.exhibit).fact("why", rule);
        attest::append(app, &mut tx, draft).await?;
        return tx.commit().await;
    }
    let blobs = take_away(app, &mut tx, &exhibit).await?;
    db::retention::add_tombstone(&mut tx, exhibit.id, exhibit.submission, app.now()).await?;
    db::retention::end(&mut tx, erasure, "executed", app.now()).await?;
    // An entry has its limit; an exhibit with a longer history names its span.
    let entries =
        if entries.len() <= 500 { entries } else { entries.first().copied().into_iter().chain(entries.last().copied()).collect() };
    let draft = Draft::new(EventType::ErasureExecuted, Actor::System)
        .about(SubjectKind::Exhibit, e.exhibit)
        .fact("basis", e.basis.as_str())
        .fact("entries", entries)
        .fact("blobs", blobs);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// Where an exhibit stands, as the log tells it, and the places of its entries.
async fn standing(tx: &mut Tx, exhibit: Id) -> Result<(Standing, Vec<u64>)> {
    let (mut standing, mut entries) = (Standing::default(), Vec::new());
    for entry in db::log::of_subject(tx, SubjectKind::Exhibit.as_str(), &exhibit.to_string()).await? {
        entries.push(entry.index);
        let said: Value = serde_json::from_slice(&entry.bytes).unwrap_or_default();
        let actor = said.pointer("/actor/ref").and_then(Value::as_str).unwrap_or_default();
        // What broke a rule before is the audit's business; here it only must not help.
        let _ = standing.take(said["type"].as_str().unwrap_or_default(), actor);
    }
    Ok((standing, entries))
}

/// Everything about an exhibit that is not the log: rows and openings go, blobs are doomed. Returns how many blobs.
async fn take_away(app: &App, tx: &mut Tx, e: &Exhibit) -> Result<usize> {
    // Two exhibits with the same bytes, erased at once: the second has to see that the first is gone.
    db::contents::lock(tx, e.agency, e.sha256).await?;
    for export in db::retention::exports_of(tx, e.id).await? {
        db::retention::remove_manifest_openings(tx, &export).await?;
    }
    db::retention::remove_openings(tx, SubjectKind::Exhibit.as_str(), e.id).await?;
    db::retention::remove_likeness(tx, e.id).await?;
    db::retention::remove_exhibit(tx, e.id).await?;
    db::clocks::forget_basis(tx, e.id).await?;
    // Nobody is put into a family with it meanwhile.
    db::families::take_turn(tx, e.appeal).await?;
    let family = match db::families::member(tx, e.appeal, e.sha256).await? {
        Some(member) => db::families::members(tx, member.family).await?.into_iter().map(|m| m.sha256).collect(),
        None => vec![e.sha256],
    };
    if db::exhibits::first_with(tx, e.appeal, e.agency, e.sha256).await?.is_none() {
        db::families::forget(tx, e.appeal, e.sha256).await?;
    }
    db::families::regroup(tx, e.appeal, e.agency, &family, app.now()).await?;
    if db::retention::submission_is_empty(tx, e.submission).await? {
        let empty = serde_json::to_string(&Statement::default()).map_err(Error::internal)?;
        db::retention::remove_statement(tx, e.submission, &empty).await?;
        db::identities::forget(tx, e.submission).await?;
        db::subjects::forget_words(tx, e.submission).await?;
        db::retention::remove_openings(tx, SubjectKind::Submission.as_str(), e.submission).await?;
    }
    // Bundles that tell of it, and were never fetched or can be fetched again.
    for key in db::bundles::end_with(tx, e.id).await? {
        db::retention::doom(tx, &key, app.now()).await?;
    }
    let keys = db::retention::remove_content(tx, e.agency, e.sha256).await?;
    for key in &keys {
        db::retention::doom(tx, key, app.now()).await?;
    }
    Ok(keys.len())
}

/// Destroys what nothing refers to any more. First a mark is committed, so that whoever has received the same bytes looks again;
/// then, under the blob's lock and only if it is still unused, the bytes go.
pub async fn destroy_doomed(app: &App) -> Result<()> {
    let mut tx = app.db.read().await?;
    let keys = db::retention::doomed(&mut tx).await?;
    drop(tx);
    for key in keys {
        if app.blobs.keys_are_unique() {
            destroy_for_good(app, &key).await?;
            continue;
        }
        let mut tx = app.db.begin().await?;
        db::retention::mark_destroyed(&mut tx, app.blob_mark(&key), app.now()).await?;
        tx.commit().await?;
        let mut tx = app.db.begin_apart().await?;
        db::retention::lock_blob(&mut tx, &key).await?;
        if !db::retention::blob_is_used(&mut tx, &key).await? {
            app.blobs.destroy(&key).await?;
        }
        db::retention::spare(&mut tx, &key).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Where a key never comes back, its mark is final: whoever meant to refer to it is told to try again. So the store may take its time, and
/// no lock is held meanwhile.
async fn destroy_for_good(app: &App, key: &str) -> Result<()> {
    let mut tx = app.db.begin_apart().await?;
    db::retention::lock_blob(&mut tx, key).await?;
    if db::retention::blob_is_used(&mut tx, key).await? {
        db::retention::spare(&mut tx, key).await?;
        return tx.commit().await;
    }
    db::retention::mark_destroyed(&mut tx, app.blob_mark(key), app.now()).await?;
    tx.commit().await?;
    app.blobs.destroy(key).await?;
    let mut tx = app.db.begin().await?;
    db::retention::spare(&mut tx, key).await?;
    tx.commit().await
}

/// Takes away once more what events that were under way have left open about what was erased lately.
pub async fn forget_openings(app: &App) -> Result<()> {
    let mut tx = app.db.read().await?;
    let erased = db::retention::erased_since(&mut tx, app.now().plus(-2 * DAY_US)).await?;
    drop(tx);
    if erased.is_empty() {
        return Ok(());
    }
    attest::sequence_all(app).await?;
    let mut tx = app.db.begin_apart().await?;
    for exhibit in erased {
        db::retention::remove_openings(&mut tx, SubjectKind::Exhibit.as_str(), exhibit).await?;
        db::retention::remove_likeness(&mut tx, exhibit).await?;
    }
    tx.commit().await
}

/// Erases again what the log says was erased and what a restored backup has brought back. Asked before anything is served.
/// Returns how many exhibits went.
pub async fn replay(app: &App) -> Result<u64> {
    let mut tx = app.db.read().await?;
    let erased = db::log::replayable(&mut tx).await?;
    drop(tx);
    let mut again = 0;
    for exhibit in erased {
        let mut tx = app.db.begin_apart().await?;
        // Locked, because another node may be starting, too.
        let there = match db::exhibits::lock(&mut tx, exhibit).await {
            Ok(there) => Some(there),
            Err(Error::NotFound) => None,
            Err(other) => return Err(other),
        };
        if let Some(e) = there {
            // The log has the last word over a hold that was released before the erasure, and that the backup still has.
            db::retention::forget_hold(&mut tx, exhibit).await?;
            take_away(app, &mut tx, &e).await?;
            let draft = Draft::new(EventType::ErasureReplayed, Actor::System).about(SubjectKind::Exhibit, exhibit);
            attest::append(app, &mut tx, draft).await?;
            again += 1;
        }
        db::retention::remove_openings(&mut tx, SubjectKind::Exhibit.as_str(), exhibit).await?;
        mark_for_witness(&mut tx, exhibit).await?;
        db::log::replayed(&mut tx, exhibit).await?;
        tx.commit().await?;
    }
    destroy_doomed(app).await?;
    if again > 0 {
        app.db.forget_deleted().await?;
    }
    Ok(again)
}

/// Says to its witness that an exhibit is gone, as the log alone still knows: whose it was, and when it went.
async fn mark_for_witness(tx: &mut Tx, exhibit: Id) -> Result<()> {
    let (kind, subject) = (SubjectKind::Exhibit.as_str(), exhibit.to_string());
    let received = db::log::first_of_subject(tx, kind, &subject).await?;
    let end = db::log::last_of_subject(tx, kind, &subject, EventType::ErasureExecuted).await?;
    let said = |entry: Option<db::log::Entry>, at: &str| {
        let envelope: Value = serde_json::from_slice(&entry?.bytes).ok()?;
        Some(envelope.pointer(at)?.as_str()?.to_owned())
    };
    let submission = said(received, "/actor/ref").and_then(|t| t.parse::<Id>().ok());
    let at = said(end, "/t").and_then(|t| t.parse().ok());
    match submission.zip(at) {
        Some((submission, at)) => db::retention::add_tombstone(tx, exhibit, submission, at).await,
        None => Ok(()),
    }
}

/// Forgets the marks of blobs destroyed more than a day ago: no upload is under way that long between its bytes and its row.
pub async fn unmark(app: &App) -> Result<()> {
    let mut tx = app.db.begin().await?;
    db::retention::forget_destroyed(&mut tx, app.now().plus(-DAY_US)).await?;
    tx.commit().await
}
