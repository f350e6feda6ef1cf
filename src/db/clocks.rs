//! How wrong devices' clocks are.

use super::{Tx, digest, id};
use crate::domain::clock::Correction;
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

type Row = (Vec<u8>, Vec<u8>, i64, i64, Vec<u8>, String, String, i64);

/// The corrections of a device in an appeal that were not withdrawn, oldest first.
pub async fn of_device(tx: &mut Tx, appeal: Id, device: Sha256) -> Result<Vec<Correction>> {
    let rows = sql!(all tx, Row,
        "SELECT c.id, c.device, c.delta_us, c.doubt_us, c.basis, c.reason, a.name, c.created_at FROM device_clock c
         JOIN account a ON a.id = c.account_id WHERE c.appeal_id = $1 AND c.device = $2 AND c.withdrawn_at IS NULL ORDER BY c.id",
        appeal.blob(), device.blob())?;
    rows.into_iter()
        .map(|(i, device, delta_us, doubt_us, basis, reason, by, at)| {
            Ok(Correction {
                id: id(&i)?,
                device: digest(&device)?,
                delta_us,
                doubt_us,
                basis: id(&basis)?,
                reason,
                by,
                at: Utc::from_micros(at),
            })
        })
        .collect()
}

pub async fn insert(tx: &mut Tx, appeal: Id, by: Id, c: &Correction) -> Result<()> {
    sql!(run tx,
        "INSERT INTO device_clock (id, appeal_id, device, delta_us, doubt_us, basis, reason, account_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        c.id.blob(), appeal.blob(), c.device.blob(), c.delta_us, c.doubt_us, c.basis.blob(), c.reason.clone(), by.blob(), c.at.micros())?;
    Ok(())
}

/// Withdraws a correction; false when there was none.
pub async fn withdraw(tx: &mut Tx, appeal: Id, correction: Id, now: Utc) -> Result<bool> {
    let rows = sql!(run tx, "UPDATE device_clock SET withdrawn_at = $3 WHERE id = $1 AND appeal_id = $2 AND withdrawn_at IS NULL",
        correction.blob(), appeal.blob(), now.micros())?;
    Ok(rows == 1)
}

/// Takes away the words of corrections that an erased exhibit was the basis of, and corrections of devices of which nothing is left.
pub async fn forget_basis(tx: &mut Tx, exhibit: Id) -> Result<()> {
    sql!(run tx,
        "DELETE FROM device_clock WHERE NOT EXISTS (
           SELECT 1 FROM examination x JOIN exhibit e ON e.agency_id = x.agency_id AND e.sha256 = x.sha256
           WHERE x.device = device_clock.device AND e.appeal_id = device_clock.appeal_id)")?;
    sql!(run tx, "UPDATE device_clock SET reason = '' WHERE basis = $1", exhibit.blob())?;
    Ok(())
}
