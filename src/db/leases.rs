//! Who has which content before them.

use super::{Tx, id, signed, unsigned};
use crate::domain::value::{Id, Utc};
use crate::error::Result;

pub struct Lease {
    pub family: u64,
    pub by: Id,
    pub name: String,
}

/// Takes a family, or goes on having it; false when somebody else has it. `over` takes it from them.
pub async fn take(tx: &mut Tx, appeal: Id, family: u64, by: Id, now: Utc, until: Utc, over: bool) -> Result<bool> {
    let rows = sql!(run tx,
        "INSERT INTO lease (appeal_id, family, account_id, until) VALUES ($1, $2, $3, $4)
         ON CONFLICT (appeal_id, family) DO UPDATE SET account_id = excluded.account_id, until = excluded.until
         WHERE lease.until <= $5 OR lease.account_id = excluded.account_id OR $6 = 1",
        appeal.blob(), signed(family), by.blob(), until.micros(), now.micros(), i64::from(over))?;
    Ok(rows == 1)
}

/// Lets go of all that somebody has in an appeal, but some.
pub async fn release_but(tx: &mut Tx, appeal: Id, by: Id, kept: &[u64]) -> Result<()> {
    let held = sql!(all tx, (i64,), "SELECT family FROM lease WHERE appeal_id = $1 AND account_id = $2 ORDER BY family", appeal.blob(), by.blob())?;
    let others: Vec<u64> = held.into_iter().map(|(family,)| unsigned(family)).filter(|f| !kept.contains(f)).collect();
    release(tx, appeal, by, &others).await
}

/// Lets go of some.
pub async fn release(tx: &mut Tx, appeal: Id, by: Id, families: &[u64]) -> Result<()> {
    for family in families {
        sql!(run tx, "DELETE FROM lease WHERE appeal_id = $1 AND family = $2 AND account_id = $3", appeal.blob(), signed(*family), by.blob())?;
    }
    Ok(())
}

/// Those that are not over.
pub async fn of_appeal(tx: &mut Tx, appeal: Id, now: Utc) -> Result<Vec<Lease>> {
    let rows = sql!(all tx, (i64, Vec<u8>, String),
        "SELECT l.family, l.account_id, a.name FROM lease l JOIN account a ON a.id = l.account_id
         WHERE l.appeal_id = $1 AND l.until > $2 ORDER BY l.family", appeal.blob(), now.micros())?;
    rows.into_iter().map(|(family, by, name)| Ok(Lease { family: unsigned(family), by: id(&by)?, name })).collect()
}

/// Who else has a family.
pub async fn other(tx: &mut Tx, appeal: Id, family: u64, me: Id, now: Utc) -> Result<Option<String>> {
    let row = sql!(maybe tx, (String,),
        "SELECT a.name FROM lease l JOIN account a ON a.id = l.account_id
         WHERE l.appeal_id = $1 AND l.family = $2 AND l.account_id <> $3 AND l.until > $4", appeal.blob(), signed(family), me.blob(), now.micros())?;
    Ok(row.map(|r| r.0))
}
