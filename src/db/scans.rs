//! What the virus scanner said.

use super::{Tx, bad_row, id};
use crate::domain::scan::{Scan, ScanState};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

pub async fn of(tx: &mut Tx, agency: Id, sha256: Sha256) -> Result<Option<Scan>> {
    let row = sql!(maybe tx, (String, String, String, i64),
        "SELECT state, signature, engine, scanned_at FROM scan WHERE agency_id = $1 AND sha256 = $2", agency.blob(), sha256.blob())?;
    row.map(|(state, signature, engine, at)| {
        Ok(Scan { state: ScanState::parse(&state).ok_or_else(|| bad_row("scan"))?, signature, engine, at: Utc::from_micros(at) })
    })
    .transpose()
}

/// Examined exhibits whose bytes no scanner has read, in the order of their numbers after one.
pub async fn unscanned(tx: &mut Tx, after: Id, limit: i64) -> Result<Vec<Id>> {
    let rows = sql!(all tx, (Vec<u8>,),
        "SELECT e.id FROM exhibit e WHERE e.id > $1 AND e.examined_at IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM scan s WHERE s.agency_id = e.agency_id AND s.sha256 = e.sha256) ORDER BY e.id LIMIT $2",
        after.blob(), limit)?;
    rows.into_iter().map(|(i,)| id(&i)).collect()
}

pub async fn set(tx: &mut Tx, agency: Id, sha256: Sha256, scan: &Scan) -> Result<()> {
    sql!(run tx,
        "INSERT INTO scan (agency_id, sha256, state, signature, engine, scanned_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (agency_id, sha256) DO UPDATE SET state = excluded.state, signature = excluded.signature, engine = excluded.engine,
           scanned_at = excluded.scanned_at",
        agency.blob(), sha256.blob(), scan.state.as_str(), scan.signature.clone(), scan.engine.clone(), scan.at.micros())?;
    Ok(())
}
