//! Holds, erasures, and the rows that an erasure takes away.

use sqlx::FromRow;

use super::{Tx, bad_row, id, signed, unsigned};
use crate::domain::retention::Basis;
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

pub struct Hold {
    pub by: String,
    pub reason: String,
    pub at: Utc,
}

pub async fn set_hold(tx: &mut Tx, new: Id, exhibit: Id, by: Id, reason: &str, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO hold (id, exhibit_id, set_by, reason, set_at) VALUES ($1, $2, $3, $4, $5)",
        new.blob(), exhibit.blob(), by.blob(), reason.to_owned(), now.micros())?;
    Ok(())
}

/// Releases the hold on an exhibit; false when there is none.
pub async fn release_hold(tx: &mut Tx, exhibit: Id, by: Id, now: Utc) -> Result<bool> {
    let rows = sql!(run tx, "UPDATE hold SET released_by = $2, released_at = $3 WHERE exhibit_id = $1 AND released_at IS NULL",
        exhibit.blob(), by.blob(), now.micros())?;
    Ok(rows > 0)
}

pub async fn hold(tx: &mut Tx, exhibit: Id) -> Result<Option<Hold>> {
    let row = sql!(maybe tx, (String, String, i64),
        "SELECT COALESCE(a.name, '?'), h.reason, h.set_at FROM hold h LEFT JOIN account a ON a.id = h.set_by
         WHERE h.exhibit_id = $1 AND h.released_at IS NULL", exhibit.blob())?;
    Ok(row.map(|(by, reason, at)| Hold { by, reason, at: Utc::from_micros(at) }))
}

/// Ends every hold on an exhibit that the log says was erased later.
pub async fn forget_hold(tx: &mut Tx, exhibit: Id) -> Result<()> {
    sql!(run tx, "UPDATE hold SET released_at = set_at WHERE exhibit_id = $1 AND released_at IS NULL", exhibit.blob())?;
    Ok(())
}

/// Exhibits under a hold, for the audit.
pub async fn held(tx: &mut Tx) -> Result<Vec<Id>> {
    sql!(all tx, (Vec<u8>,), "SELECT exhibit_id FROM hold WHERE released_at IS NULL")?.into_iter().map(|r| id(&r.0)).collect()
}

pub struct Erasure {
    pub id: Id,
    pub exhibit: Id,
    pub appeal: String,
    pub zone: String,
    /// Its number in the appeal, while it is there.
    pub number: Option<u64>,
    pub state: String,
    pub basis: Basis,
    pub reason: String,
    /// Who asked; nobody where the appeal's schedule did.
    pub requester: Option<(Id, String)>,
    /// Whose periods they are by which it was asked for, as far as a person set them.
    pub periods_by: Option<Id>,
    pub requested_at: Utc,
    pub approvals: Vec<(Id, String)>,
}

impl Erasure {
    /// Whether this person's word is still to come: they neither asked nor agreed, nor set the periods by which it was asked for.
    pub fn waits_for(&self, person: Id) -> bool {
        let asked = self.requester.as_ref().is_some_and(|(id, _)| *id == person) || self.periods_by == Some(person);
        self.state == "requested" && !asked && !self.approvals.iter().any(|(id, _)| *id == person)
    }

    /// Asked for by a schedule, and nobody has answered for good.
    pub fn is_the_schedule_s(&self) -> bool {
        self.requester.is_none() && self.state == "requested"
    }
}

#[derive(FromRow)]
struct Row {
    id: Vec<u8>,
    exhibit_id: Vec<u8>,
    code: String,
    zone: String,
    number: Option<i64>,
    state: String,
    basis: String,
    reason: String,
    requested_by: Option<Vec<u8>>,
    name: Option<String>,
    periods_by: Option<Vec<u8>>,
    requested_at: i64,
}

async fn whole(tx: &mut Tx, r: Row) -> Result<Erasure> {
    let approvals = sql!(all tx, (Vec<u8>, String),
        "SELECT p.account_id, a.name FROM erasure_approval p JOIN account a ON a.id = p.account_id WHERE p.erasure_id = $1 ORDER BY p.approved_at",
        r.id.clone())?;
    Ok(Erasure {
        id: id(&r.id)?,
        exhibit: id(&r.exhibit_id)?,
        appeal: r.code,
        zone: r.zone,
        number: r.number.map(unsigned),
        state: r.state,
        basis: Basis::parse(&r.basis).ok_or_else(|| bad_row("basis"))?,
        reason: r.reason,
        requester: r.requested_by.as_deref().map(id).transpose()?.map(|by| (by, r.name.unwrap_or_default())),
        periods_by: r.periods_by.as_deref().map(id).transpose()?,
        requested_at: Utc::from_micros(r.requested_at),
        approvals: approvals.into_iter().map(|(i, name)| Ok((id(&i)?, name))).collect::<Result<_>>()?,
    })
}

/// Every column of [`Row`].
macro_rules! erasure_rows {
    () => {
        "SELECT e.id, e.exhibit_id, p.code, p.zone, x.number, e.state, e.basis, e.reason, e.requested_by, a.name, e.periods_by, e.requested_at
         FROM erasure e JOIN appeal p ON p.id = e.appeal_id LEFT JOIN account a ON a.id = e.requested_by LEFT JOIN exhibit x ON x.id = e.exhibit_id "
    };
}

/// The erasure of this exhibit that is asked for or agreed to.
pub async fn open_for(tx: &mut Tx, exhibit: Id) -> Result<Option<Erasure>> {
    let row =
        sql!(maybe tx, Row, concat!(erasure_rows!(), "WHERE e.exhibit_id = $1 AND e.state IN ('requested', 'approved')"), exhibit.blob())?;
    match row {
        Some(row) => Ok(Some(whole(tx, row).await?)),
        None => Ok(None),
    }
}

/// An erasure, its row held until commit.
pub async fn lock(tx: &mut Tx, erasure: Id) -> Result<Option<Erasure>> {
    let text = tx.locking("SELECT id FROM erasure WHERE id = $1", "SELECT id FROM erasure WHERE id = $1 FOR UPDATE");
    if sql!(maybe tx, (Vec<u8>,), text, erasure.blob())?.is_none() {
        return Ok(None);
    }
    let row = sql!(one tx, Row, concat!(erasure_rows!(), "WHERE e.id = $1"), erasure.blob())?;
    whole(tx, row).await.map(Some)
}

/// Erasures of an agency, what waits for somebody first, and of it first what a person asked for: a schedule asks for thousands.
pub async fn list(tx: &mut Tx, agency: Id, limit: i64) -> Result<Vec<Erasure>> {
    let rows = sql!(all tx, Row,
        concat!(erasure_rows!(), "WHERE p.agency_id = $1
          ORDER BY CASE e.state WHEN 'requested' THEN 0 WHEN 'approved' THEN 1 ELSE 2 END,
            CASE WHEN e.state = 'requested' AND e.requested_by IS NULL THEN 1 ELSE 0 END, e.requested_at DESC LIMIT $2"), agency.blob(), limit)?;
    let mut all = Vec::new();
    for row in rows {
        all.push(whole(tx, row).await?);
    }
    Ok(all)
}

pub struct NewErasure<'a> {
    pub id: Id,
    pub exhibit: Id,
    pub appeal: Id,
    pub submission: Id,
    pub basis: Basis,
    pub reason: &'a str,
    /// `None`: the appeal's schedule.
    pub by: Option<Id>,
    pub periods_by: Option<Id>,
}

pub async fn request(tx: &mut Tx, e: NewErasure<'_>, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO erasure (id, exhibit_id, appeal_id, submission_id, state, basis, reason, requested_by, requested_at, periods_by)
         VALUES ($1, $2, $3, $4, 'requested', $5, $6, $7, $8, $9)",
        e.id.blob(), e.exhibit.blob(), e.appeal.blob(), e.submission.blob(), e.basis.as_str(), e.reason.to_owned(), e.by.map(|by| by.blob()), now.micros(), e.periods_by.map(|by| by.blob()))?;
    Ok(())
}

/// That an erasure `e` waits for the person `$2`, too: neither asked for nor agreed to by them, nor asked for by periods that they set. What
/// [`Erasure::waits_for`] says of one, and without those that a hold keeps from everybody.
macro_rules! waits_for_person {
    () => {
        "e.state = 'requested'
             AND (e.requested_by IS NULL OR e.requested_by <> $2) AND (e.periods_by IS NULL OR e.periods_by <> $2)
             AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.exhibit_id = e.exhibit_id AND h.released_at IS NULL)
             AND NOT EXISTS (SELECT 1 FROM erasure_approval x WHERE x.erasure_id = e.id AND x.account_id = $2)"
    };
}
pub(super) use waits_for_person;

/// How many erasures of an agency wait for this person, too, up to a limit.
pub async fn waiting_for(tx: &mut Tx, agency: Id, person: Id, limit: u64) -> Result<u64> {
    let (n,) = sql!(one tx, (i64,),
        concat!("SELECT COUNT(*) FROM (SELECT 1 FROM erasure e JOIN appeal p ON p.id = e.appeal_id
           WHERE p.agency_id = $1 AND ", waits_for_person!(), " LIMIT $3) w"),
        agency.blob(), person.blob(), signed(limit))?;
    Ok(unsigned(n))
}

/// Erasures that wait for anybody, since when the oldest does.
pub async fn unanswered(tx: &mut Tx) -> Result<(u64, Option<Utc>)> {
    let (n, since) = sql!(one tx, (i64, Option<i64>), "SELECT COUNT(*), MIN(requested_at) FROM erasure WHERE state = 'requested'")?;
    Ok((unsigned(n), since.map(Utc::from_micros)))
}

/// Refused as a conflict when this person has agreed already.
pub async fn approve(tx: &mut Tx, erasure: Id, by: Id, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO erasure_approval (erasure_id, account_id, approved_at) VALUES ($1, $2, $3)",
        erasure.blob(), by.blob(), now.micros())?;
    Ok(())
}

pub async fn set_state(tx: &mut Tx, erasure: Id, state: &'static str) -> Result<()> {
    sql!(run tx, "UPDATE erasure SET state = $2 WHERE id = $1", erasure.blob(), state)?;
    Ok(())
}

/// Ends an erasure; its free text goes.
pub async fn end(tx: &mut Tx, erasure: Id, state: &'static str, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE erasure SET state = $2, reason = '', ended_at = $3 WHERE id = $1", erasure.blob(), state, now.micros())?;
    Ok(())
}

/// Ends one that nobody said no to: what is over its time again later is asked for again at once.
pub async fn lapse(tx: &mut Tx, erasure: Id) -> Result<()> {
    sql!(run tx, "UPDATE erasure SET state = 'refused', reason = '', ended_at = 0 WHERE id = $1", erasure.blob())?;
    Ok(())
}

/// How far an erasure has come, and whether it is done.
pub async fn is_executed(tx: &mut Tx, erasure: Id) -> Result<bool> {
    Ok(sql!(maybe tx, (String,), "SELECT state FROM erasure WHERE id = $1", erasure.blob())?.is_some_and(|r| r.0 == "executed"))
}

/// What is left of an erased exhibit for its witness.
pub async fn add_tombstone(tx: &mut Tx, exhibit: Id, submission: Id, at: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO tombstone (exhibit_id, submission_id, erased_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        exhibit.blob(), submission.blob(), at.micros())?;
    Ok(())
}

/// When exhibits of this submission were erased.
pub async fn erased_of_submission(tx: &mut Tx, submission: Id) -> Result<Vec<(Id, Utc)>> {
    let rows = sql!(all tx, (Vec<u8>, i64),
        "SELECT exhibit_id, erased_at FROM tombstone WHERE submission_id = $1 ORDER BY erased_at", submission.blob())?;
    rows.into_iter().map(|(e, at)| Ok((id(&e)?, Utc::from_micros(at)))).collect()
}

/// Whether an exhibit of this agency was erased.
pub async fn was_erased(tx: &mut Tx, agency: Id, exhibit: Id) -> Result<bool> {
    let (n,) = sql!(one tx, (i64,),
        "SELECT COUNT(*) FROM tombstone t JOIN submission s ON s.id = t.submission_id JOIN appeal a ON a.id = s.appeal_id
         WHERE t.exhibit_id = $1 AND a.agency_id = $2", exhibit.blob(), agency.blob())?;
    Ok(n > 0)
}

/// Takes away an exhibit's rows: what it was, what was claimed of it, decided on it, and how it came.
pub async fn remove_exhibit(tx: &mut Tx, exhibit: Id) -> Result<()> {
    sql!(run tx, "DELETE FROM upload WHERE exhibit_id = $1", exhibit.blob())?;
    sql!(run tx, "DELETE FROM claim WHERE exhibit_id = $1", exhibit.blob())?;
    sql!(run tx, "DELETE FROM decision WHERE exhibit_id = $1", exhibit.blob())?;
    for text in [
        "DELETE FROM remark WHERE exhibit_id = $1",
        "DELETE FROM act_item WHERE exhibit_id = $1",
        "DELETE FROM sample_item WHERE exhibit_id = $1",
        "DELETE FROM original_request WHERE exhibit_id = $1",
    ] {
        sql!(run tx, text, exhibit.blob())?;
    }
    sql!(run tx, "UPDATE hold SET reason = '' WHERE exhibit_id = $1", exhibit.blob())?;
    sql!(run tx, "UPDATE appeal SET files_erased = files_erased + 1 WHERE id = (SELECT appeal_id FROM exhibit WHERE id = $1)", exhibit.blob())?;
    sql!(run tx,
        "DELETE FROM appeal_device WHERE appeal_id = (SELECT appeal_id FROM exhibit WHERE id = $1)
           AND number = (SELECT device FROM exhibit WHERE id = $1)
           AND NOT EXISTS (SELECT 1 FROM exhibit o WHERE o.appeal_id = appeal_device.appeal_id AND o.device = appeal_device.number AND o.id <> $1)",
        exhibit.blob())?;
    sql!(run tx, "DELETE FROM exhibit WHERE id = $1", exhibit.blob())?;
    Ok(())
}

/// Takes away the openings of every event about a subject; returns how many.
pub async fn remove_openings(tx: &mut Tx, kind: &'static str, subject: Id) -> Result<u64> {
    sql!(run tx,
        "DELETE FROM log_opening WHERE event_id IN
           (SELECT e.event_id FROM log_subject s JOIN log_entry e ON e.idx = s.idx WHERE s.kind = $1 AND s.id = $2)",
        kind, subject.to_string())
}

/// Takes away what says that another exhibit has the same bytes as this one.
pub async fn remove_likeness(tx: &mut Tx, exhibit: Id) -> Result<()> {
    sql!(run tx, "DELETE FROM log_opening WHERE path = 'of' AND value = $1", super::to_json(&exhibit.to_string())?)?;
    Ok(())
}

/// Whether nothing of a submission is left, nor on its way.
pub async fn submission_is_empty(tx: &mut Tx, submission: Id) -> Result<bool> {
    let row = sql!(one tx, (i64,),
        "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM exhibit WHERE submission_id = $1)
           OR EXISTS (SELECT 1 FROM upload WHERE submission_id = $1 AND state = 'open') THEN 1 ELSE 0 END AS BIGINT)", submission.blob())?;
    Ok(row.0 == 0)
}

/// Takes away what a witness said, and where they came from.
pub async fn remove_statement(tx: &mut Tx, submission: Id, empty: &str) -> Result<()> {
    sql!(run tx, "UPDATE submission SET statement = $2, source = NULL WHERE id = $1", submission.blob(), empty.to_owned())?;
    Ok(())
}

/// Takes away bytes' rows when no exhibit has these bytes any more. Returns the keys of the blobs behind them.
pub async fn remove_content(tx: &mut Tx, agency: Id, sha256: Sha256) -> Result<Vec<String>> {
    let used = sql!(one tx, (i64,),
        "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM exhibit WHERE agency_id = $1 AND sha256 = $2) THEN 1 ELSE 0 END AS BIGINT)",
        agency.blob(), sha256.blob())?;
    if used.0 == 1 {
        return Ok(Vec::new());
    }
    let mut keys: Vec<String> = super::derivatives::of(tx, agency, sha256).await?.into_iter().map(|d| d.key).collect();
    let original = super::contents::blob_key(tx, agency, sha256).await?;
    for text in [
        "DELETE FROM derivative WHERE agency_id = $1 AND sha256 = $2",
        "DELETE FROM scan WHERE agency_id = $1 AND sha256 = $2",
        "DELETE FROM likeness WHERE agency_id = $1 AND sha256 = $2",
    ] {
        sql!(run tx, text, agency.blob(), sha256.blob())?;
    }
    sql!(run tx, "DELETE FROM examination WHERE agency_id = $1 AND sha256 = $2", agency.blob(), sha256.blob())?;
    sql!(run tx, "DELETE FROM content WHERE agency_id = $1 AND sha256 = $2", agency.blob(), sha256.blob())?;
    keys.extend(original);
    Ok(keys)
}

/// Makes whoever keeps or destroys this blob take turns, until commit. (On SQLite every writer does already.)
pub async fn lock_blob(tx: &mut Tx, key: &str) -> Result<()> {
    if let Tx::Pg(t) = tx {
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 7))").bind(key.to_owned()).execute(&mut **t).await?;
    }
    Ok(())
}

/// Whether any row refers to a blob.
pub async fn blob_is_used(tx: &mut Tx, key: &str) -> Result<bool> {
    let row = sql!(one tx, (i64,),
        "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM content WHERE blob_key = $1)
           OR EXISTS (SELECT 1 FROM derivative WHERE blob_key = $1)
           OR EXISTS (SELECT 1 FROM bundle WHERE plan_key = $1 OR small_key = $1)
         THEN 1 ELSE 0 END AS BIGINT)", key.to_owned())?;
    Ok(row.0 == 1)
}

/// Notes that a blob is to be destroyed, in the transaction that takes its last reference away.
pub async fn doom(tx: &mut Tx, key: &str, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO doomed_blob (blob_key, doomed_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", key.to_owned(), now.micros())?;
    Ok(())
}

pub async fn doomed(tx: &mut Tx) -> Result<Vec<String>> {
    Ok(sql!(all tx, (String,), "SELECT blob_key FROM doomed_blob")?.into_iter().map(|r| r.0).collect())
}

pub async fn spare(tx: &mut Tx, key: &str) -> Result<()> {
    sql!(run tx, "DELETE FROM doomed_blob WHERE blob_key = $1", key.to_owned())?;
    Ok(())
}

/// Exhibits that were erased since a moment.
pub async fn erased_since(tx: &mut Tx, since: Utc) -> Result<Vec<Id>> {
    let rows = sql!(all tx, (Vec<u8>,), "SELECT exhibit_id FROM tombstone WHERE erased_at >= $1", since.micros())?;
    rows.into_iter().map(|r| id(&r.0)).collect()
}

/// In which bundles an exhibit left: the openings' values, as JSON.
pub async fn exports_of(tx: &mut Tx, exhibit: Id) -> Result<Vec<String>> {
    let rows = sql!(all tx, (String,),
        "SELECT o.value FROM log_subject s JOIN log_entry e ON e.idx = s.idx JOIN log_opening o ON o.event_id = e.event_id
         WHERE s.kind = 'exhibit' AND s.id = $1 AND o.path = 'export'", exhibit.to_string())?;
    Ok(rows.into_iter().map(|r| r.0).collect())
}

/// Takes away what the events of a bundle open of its manifest: of a single file it would tell the hash.
pub async fn remove_manifest_openings(tx: &mut Tx, export: &str) -> Result<()> {
    sql!(run tx,
        "DELETE FROM log_opening WHERE path = 'manifest_sha256' AND event_id IN
           (SELECT event_id FROM log_opening WHERE path = 'export' AND value = $1)", export.to_owned())?;
    Ok(())
}

/// Notes that a blob is being destroyed, for whoever receives the same bytes in that moment.
pub async fn mark_destroyed(tx: &mut Tx, mark: Sha256, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO destroyed_blob (mark, destroyed_at) VALUES ($1, $2) ON CONFLICT (mark) DO UPDATE SET destroyed_at = excluded.destroyed_at",
        mark.blob(), now.micros())?;
    Ok(())
}

pub async fn was_destroyed(tx: &mut Tx, mark: Sha256) -> Result<bool> {
    Ok(sql!(maybe tx, (i64,), "SELECT destroyed_at FROM destroyed_blob WHERE mark = $1", mark.blob())?.is_some())
}

/// Forgets marks that nobody can need any more.
pub async fn forget_destroyed(tx: &mut Tx, before: Utc) -> Result<()> {
    sql!(run tx, "DELETE FROM destroyed_blob WHERE destroyed_at < $1", before.micros())?;
    Ok(())
}
