//! Filters that somebody saved.

use super::{Tx, id};
use crate::domain::value::{Id, Utc};
use crate::error::Result;

pub struct Saved {
    pub id: Id,
    pub name: String,
    pub query: String,
    pub shared: bool,
    pub mine: bool,
    pub by: String,
}

/// One's own and those that are shared.
pub async fn of(tx: &mut Tx, appeal: Id, person: Id) -> Result<Vec<Saved>> {
    let rows = sql!(all tx, (Vec<u8>, String, String, i64, Vec<u8>, String),
        "SELECT f.id, f.name, f.query, f.shared, f.account_id, a.name FROM saved_filter f JOIN account a ON a.id = f.account_id
         WHERE f.appeal_id = $1 AND (f.account_id = $2 OR f.shared = 1) ORDER BY f.name, f.id", appeal.blob(), person.blob())?;
    rows.into_iter()
        .map(|(i, name, query, shared, owner, by)| {
            Ok(Saved { id: id(&i)?, name, query, shared: shared != 0, mine: id(&owner)? == person, by })
        })
        .collect()
}

pub async fn insert(tx: &mut Tx, appeal: Id, person: Id, f: &Saved, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO saved_filter (id, appeal_id, account_id, name, query, shared, saved_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        f.id.blob(), appeal.blob(), person.blob(), f.name.clone(), f.query.clone(), i64::from(f.shared), now.micros())?;
    Ok(())
}

/// False when it is not this person's.
pub async fn delete(tx: &mut Tx, appeal: Id, person: Id, filter: Id) -> Result<bool> {
    let rows = sql!(run tx, "DELETE FROM saved_filter WHERE id = $1 AND appeal_id = $2 AND account_id = $3", filter.blob(), appeal.blob(), person.blob())?;
    Ok(rows == 1)
}

pub async fn count(tx: &mut Tx, appeal: Id, person: Id) -> Result<i64> {
    Ok(sql!(one tx, (i64,), "SELECT COUNT(*) FROM saved_filter WHERE appeal_id = $1 AND account_id = $2", appeal.blob(), person.blob())?.0)
}
