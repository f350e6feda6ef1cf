//! Acts on many exhibits, and how each stood before.

use super::{Tx, id, json, signed, to_json, unsigned};
use crate::domain::review::What;
use crate::domain::value::{Id, Utc};
use crate::error::Result;

pub struct Act {
    pub id: Id,
    pub appeal: Id,
    pub by: Id,
    pub what: What,
    pub undone: bool,
}

pub async fn insert(tx: &mut Tx, act: &Act, reason: &str, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO act (id, appeal_id, account_id, body, field, reason, done_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        act.id.blob(), act.appeal.blob(), act.by.blob(), to_json(&act.what)?, act.what.field(), reason.to_owned(), now.micros())?;
    Ok(())
}

pub async fn by_id(tx: &mut Tx, act: Id) -> Result<Option<Act>> {
    let row = sql!(maybe tx, (Vec<u8>, Vec<u8>, String, Option<i64>),
        "SELECT appeal_id, account_id, body, undone_at FROM act WHERE id = $1", act.blob())?;
    row.map(|(appeal, by, body, undone)| {
        Ok(Act { id: act, appeal: id(&appeal)?, by: id(&by)?, what: json(&body)?, undone: undone.is_some() })
    })
    .transpose()
}

/// What an act changed of one exhibit: how it stood, and at which version that left it.
pub async fn add_item(tx: &mut Tx, act: Id, exhibit: Id, before: &str, version: u64, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO act_item (act_id, exhibit_id, before_it, version, changed_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        act.blob(), exhibit.blob(), before.to_owned(), signed(version), now.micros())?;
    Ok(())
}

/// Whether a later act, not taken back, changed the same of an exhibit.
pub async fn changed_since(tx: &mut Tx, act: Id, exhibit: Id, field: &str) -> Result<bool> {
    let (n,) = sql!(one tx, (i64,),
        "SELECT COUNT(*) FROM act_item i JOIN act a ON a.id = i.act_id
         WHERE i.exhibit_id = $2 AND a.field = $3 AND a.id <> $1
           AND i.changed_at >= (SELECT o.changed_at FROM act_item o WHERE o.act_id = $1 AND o.exhibit_id = $2)",
        act.blob(), exhibit.blob(), field.to_owned())?;
    Ok(n > 0)
}

/// What was to be taken back of one exhibit is settled.
pub async fn settle_item(tx: &mut Tx, act: Id, exhibit: Id) -> Result<()> {
    sql!(run tx, "DELETE FROM act_item WHERE act_id = $1 AND exhibit_id = $2", act.blob(), exhibit.blob())?;
    Ok(())
}

/// In the order in which exhibits are locked.
pub async fn items(tx: &mut Tx, act: Id) -> Result<Vec<(Id, String, u64)>> {
    let rows = sql!(all tx, (Vec<u8>, String, i64), "SELECT exhibit_id, before_it, version FROM act_item WHERE act_id = $1 ORDER BY exhibit_id", act.blob())?;
    rows.into_iter().map(|(e, before, version)| Ok((id(&e)?, before, unsigned(version)))).collect()
}

/// False when it was taken back before.
pub async fn set_undone(tx: &mut Tx, act: Id, now: Utc) -> Result<bool> {
    Ok(sql!(run tx, "UPDATE act SET undone_at = $2 WHERE id = $1 AND undone_at IS NULL", act.blob(), now.micros())? == 1)
}

/// The witness is asked for the original; false when they were before.
pub async fn ask_original(tx: &mut Tx, exhibit: Id, by: Id, now: Utc) -> Result<bool> {
    let rows = sql!(run tx, "INSERT INTO original_request (exhibit_id, account_id, asked_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        exhibit.blob(), by.blob(), now.micros())?;
    Ok(rows == 1)
}

pub async fn unask_original(tx: &mut Tx, exhibit: Id) -> Result<bool> {
    Ok(sql!(run tx, "DELETE FROM original_request WHERE exhibit_id = $1", exhibit.blob())? == 1)
}

pub async fn original_asked(tx: &mut Tx, exhibit: Id) -> Result<Option<Utc>> {
    let row = sql!(maybe tx, (i64,), "SELECT asked_at FROM original_request WHERE exhibit_id = $1", exhibit.blob())?;
    Ok(row.map(|r| Utc::from_micros(r.0)))
}

/// Of which exhibits of a submission the originals are asked for.
pub async fn originals_asked(tx: &mut Tx, submission: Id) -> Result<Vec<Id>> {
    let rows = sql!(all tx, (Vec<u8>,),
        "SELECT r.exhibit_id FROM original_request r JOIN exhibit e ON e.id = r.exhibit_id WHERE e.submission_id = $1 ORDER BY e.number",
        submission.blob())?;
    rows.into_iter().map(|r| id(&r.0)).collect()
}
