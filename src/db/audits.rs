//! What the audits that ran here came to, and how much of the store was read lately.

use super::{Tx, id, unsigned};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

pub struct Run {
    /// The report, as JSON.
    pub report: String,
    pub findings: u64,
    pub at: Utc,
}

pub async fn add(tx: &mut Tx, new: Id, kind: &'static str, report: String, findings: usize, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO audit_run (id, kind, report, findings, at) VALUES ($1, $2, $3, $4, $5)",
        new.blob(), kind, report, i64::try_from(findings).unwrap_or(i64::MAX), now.micros())?;
    Ok(())
}

/// The last run of one kind: `log` or `fixity`.
pub async fn last(tx: &mut Tx, kind: &'static str) -> Result<Option<Run>> {
    let row =
        sql!(maybe tx, (String, i64, i64), "SELECT report, findings, at FROM audit_run WHERE kind = $1 ORDER BY at DESC LIMIT 1", kind)?;
    Ok(row.map(|(report, findings, at)| Run { report, findings: unsigned(findings), at: Utc::from_micros(at) }))
}

/// When a run of one kind last came to something.
pub async fn last_bad(tx: &mut Tx, kind: &'static str) -> Result<Option<Utc>> {
    let (at,) = sql!(one tx, (Option<i64>,), "SELECT MAX(at) FROM audit_run WHERE kind = $1 AND findings > 0", kind)?;
    Ok(at.map(Utc::from_micros))
}

/// Bytes that were last read before a moment, the longest ago first: agency, hash, size, key.
pub async fn unread_since(tx: &mut Tx, before: Utc, limit: i64) -> Result<Vec<(Id, Sha256, u64, String)>> {
    let rows = sql!(all tx, (Vec<u8>, Vec<u8>, i64, String),
        "SELECT agency_id, sha256, size, blob_key FROM content WHERE checked_at < $1 ORDER BY checked_at, sha256 LIMIT $2", before.micros(), limit)?;
    rows.into_iter().map(|(agency, sha, size, key)| Ok((id(&agency)?, super::digest(&sha)?, unsigned(size), key))).collect()
}

pub async fn set_read(tx: &mut Tx, agency: Id, sha256: Sha256, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE content SET checked_at = $3 WHERE agency_id = $1 AND sha256 = $2", agency.blob(), sha256.blob(), now.micros())?;
    Ok(())
}

/// How much of the store was read again.
pub struct Coverage {
    pub contents: u64,
    /// Never since they came.
    pub never: u64,
    /// When the one that waits longest was read.
    pub oldest: Option<Utc>,
}

pub async fn coverage(tx: &mut Tx) -> Result<Coverage> {
    let (contents, never, oldest) = sql!(one tx, (i64, i64, Option<i64>),
        "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN checked_at = 0 THEN 1 ELSE 0 END), 0) AS BIGINT),
           MIN(CASE WHEN checked_at > 0 THEN checked_at END) FROM content")?;
    Ok(Coverage { contents: unsigned(contents), never: unsigned(never), oldest: oldest.map(Utc::from_micros) })
}
