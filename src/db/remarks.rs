//! Notes and marks on exhibits.

use super::{Tx, id, json, to_json};
use crate::domain::review::Remark;
use crate::domain::value::{Id, Utc};
use crate::error::Result;

pub struct Written {
    pub id: Id,
    pub by: Id,
    pub name: String,
    pub remark: Remark,
    pub at: Utc,
    /// When another took its place, or nothing did.
    pub superseded_at: Option<Utc>,
}

pub async fn insert(tx: &mut Tx, new: Id, exhibit: Id, by: Id, remark: &Remark, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO remark (id, exhibit_id, account_id, body, written_at) VALUES ($1, $2, $3, $4, $5)",
        new.blob(), exhibit.blob(), by.blob(), to_json(remark)?, now.micros())?;
    Ok(())
}

/// Another takes its place, or nothing does. False when it had none to lose: superseded before, or not this person's.
pub async fn supersede(tx: &mut Tx, exhibit: Id, old: Id, by: Id, new: Option<Id>, now: Utc) -> Result<bool> {
    let rows = sql!(run tx,
        "UPDATE remark SET superseded_by = $4, superseded_at = $5 WHERE id = $1 AND exhibit_id = $2 AND account_id = $3 AND superseded_at IS NULL",
        old.blob(), exhibit.blob(), by.blob(), new.map(|n| n.blob()), now.micros())?;
    Ok(rows == 1)
}

/// All of an exhibit, oldest first.
pub async fn of(tx: &mut Tx, exhibit: Id) -> Result<Vec<Written>> {
    let rows = sql!(all tx, (Vec<u8>, Vec<u8>, String, String, i64, Option<i64>),
        "SELECT r.id, r.account_id, a.name, r.body, r.written_at, r.superseded_at FROM remark r JOIN account a ON a.id = r.account_id
         WHERE r.exhibit_id = $1 ORDER BY r.written_at, r.id", exhibit.blob())?;
    rows.into_iter()
        .map(|(i, by, name, body, at, gone)| {
            Ok(Written {
                id: id(&i)?,
                by: id(&by)?,
                name,
                remark: json(&body)?,
                at: Utc::from_micros(at),
                superseded_at: gone.map(Utc::from_micros),
            })
        })
        .collect()
}
