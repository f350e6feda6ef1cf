//! How the review of an appeal goes, in numbers.

use super::{Tx, id, unsigned};
use crate::domain::value::{Id, Utc};
use crate::error::Result;

/// Counters of an appeal at a moment.
pub struct Pulse {
    pub all: u64,
    /// Without a decision, and since when the oldest of them.
    pub waiting: u64,
    pub oldest: Option<Utc>,
    /// Within the last few minutes.
    pub arrived: u64,
}

/// Arrivals since a moment.
pub async fn arrived_since(tx: &mut Tx, appeal: Id, since: Utc) -> Result<u64> {
    let (n,) =
        sql!(one tx, (i64,), "SELECT COUNT(*) FROM exhibit WHERE appeal_id = $1 AND by_arrival <= $2", appeal.blob(), -since.micros())?;
    Ok(unsigned(n))
}

/// How many exhibits wait for a decision, and since when the oldest does.
pub async fn waiting(tx: &mut Tx, appeal: Id) -> Result<(u64, Option<Utc>)> {
    let (n, since) = sql!(one tx, (i64, Option<i64>),
        "SELECT COUNT(*), MIN(received_at) FROM exhibit WHERE appeal_id = $1 AND state IN ('received', 'ready')", appeal.blob())?;
    Ok((unsigned(n), since.map(Utc::from_micros)))
}

/// What one person did and has seen.
pub struct Share {
    pub person: Id,
    pub name: String,
    /// Decisions that stand, in all and since a moment.
    pub decided: u64,
    pub lately: u64,
    /// What is theirs to review and waits.
    pub assigned: u64,
}

pub async fn shares(tx: &mut Tx, appeal: Id, since: Utc) -> Result<Vec<Share>> {
    let rows = sql!(all tx, (Vec<u8>, String, i64, i64, i64),
        "SELECT a.id, a.name,
           (SELECT COUNT(*) FROM decision d JOIN exhibit e ON e.id = d.exhibit_id
             WHERE d.account_id = a.id AND e.appeal_id = $1 AND d.undone_at IS NULL),
           (SELECT COUNT(*) FROM decision d JOIN exhibit e ON e.id = d.exhibit_id
             WHERE d.account_id = a.id AND e.appeal_id = $1 AND d.undone_at IS NULL AND d.decided_at >= $2),
           (SELECT COUNT(*) FROM exhibit e WHERE e.appeal_id = $1 AND e.assignee = a.id AND e.state IN ('received', 'ready'))
         FROM account a WHERE a.role IN ('investigator', 'supervisor')
           AND a.agency_id = (SELECT agency_id FROM appeal WHERE id = $1) ORDER BY a.name", appeal.blob(), since.micros())?;
    rows.into_iter()
        .map(|(i, name, decided, lately, assigned)| {
            Ok(Share { person: id(&i)?, name, decided: unsigned(decided), lately: unsigned(lately), assigned: unsigned(assigned) })
        })
        .collect()
}

/// One decision that another person overruled.
pub struct Reversal {
    pub exhibit: Id,
    pub number: u64,
    pub first: String,
    pub first_by: String,
    pub then: String,
    pub then_by: String,
    pub at: Utc,
}

/// The newest first.
pub async fn reversals(tx: &mut Tx, appeal: Id, limit: i64) -> Result<Vec<Reversal>> {
    let rows = sql!(all tx, (Vec<u8>, i64, String, String, String, String, i64),
        "SELECT e.id, e.number, p.value, pa.name, d.value, da.name, d.decided_at
         FROM decision d JOIN exhibit e ON e.id = d.exhibit_id JOIN account da ON da.id = d.account_id
         JOIN decision p ON p.exhibit_id = d.exhibit_id AND p.version =
           (SELECT MAX(b.version) FROM decision b WHERE b.exhibit_id = d.exhibit_id AND b.version < d.version AND b.undone_at IS NULL)
         JOIN account pa ON pa.id = p.account_id
         WHERE e.appeal_id = $1 AND d.undone_at IS NULL AND d.value <> p.value AND d.account_id <> p.account_id
         ORDER BY d.decided_at DESC LIMIT $2", appeal.blob(), limit)?;
    rows.into_iter()
        .map(|(e, number, first, first_by, then, then_by, at)| {
            Ok(Reversal { exhibit: id(&e)?, number: unsigned(number), first, first_by, then, then_by, at: Utc::from_micros(at) })
        })
        .collect()
}

/// Counts one more exhibit that a person opened on a day (days since 1970).
pub async fn add_exposure(tx: &mut Tx, person: Id, day: i64, graphic: bool) -> Result<()> {
    sql!(run tx,
        "INSERT INTO exposure (account_id, day, opened, graphic) VALUES ($1, $2, 1, $3)
         ON CONFLICT (account_id, day) DO UPDATE SET opened = exposure.opened + 1, graphic = exposure.graphic + excluded.graphic",
        person.blob(), day, i64::from(graphic))?;
    Ok(())
}

/// Opened, and of these graphic, since a day.
pub async fn exposure_since(tx: &mut Tx, person: Id, day: i64) -> Result<(u64, u64)> {
    let (opened, graphic) = sql!(one tx, (i64, i64),
        "SELECT CAST(COALESCE(SUM(opened), 0) AS BIGINT), CAST(COALESCE(SUM(graphic), 0) AS BIGINT) FROM exposure WHERE account_id = $1 AND day >= $2",
        person.blob(), day)?;
    Ok((unsigned(opened), unsigned(graphic)))
}
