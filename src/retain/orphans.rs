//! Kept bytes that nothing refers to: a file that was kept, and whose transaction never was (the process died, or the database refused). They
//! were acknowledged to nobody, and go.
//!
//! They are found by what was written down before they were kept, never by looking through the store: a database that is empty, old, or another
//! one removes nothing. Nor does one that is behind its own published log, where such bytes may be an acknowledged file whose row is not back.

use super::erase::destroy_doomed;
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::value::SECOND_US;
use crate::error::Result;

const AT_ONCE: i64 = 500;

/// Dooms what has waited for its transaction longer than a file can be on its way; returns how many.
pub async fn remove_orphans(app: &App) -> Result<usize> {
    let mut all = 0;
    loop {
        let (found, removed) = remove_some(app).await?;
        all += removed;
        // (What an upload's end still needs stays noted, and is found again.)
        if found < usize::try_from(AT_ONCE).unwrap_or(usize::MAX) || removed == 0 {
            return Ok(all);
        }
    }
}

/// Some of them, the oldest first: how many were looked at, and how many are doomed.
async fn remove_some(app: &App) -> Result<(usize, usize)> {
    let grace_us = i64::try_from(app.config.limits.sweep_after().as_secs()).unwrap_or(i64::MAX / SECOND_US) * SECOND_US;
    let mut tx = app.db.read().await?;
    let stale = db::keeping::stale(&mut tx, app.now().plus(-grace_us), AT_ONCE).await?;
    let handles = db::uploads::handles(&mut tx).await?;
    drop(tx);
    let found = stale.len();
    if stale.is_empty() {
        return Ok((0, 0));
    }
    attest::guard_anew(app).await?;
    let mut removed = 0;
    for (noted, key) in stale {
        // The end of an upload that can still be asked for again.
        if handles.iter().any(|handle| handle.contains(&key)) {
            continue;
        }
        let mut tx = app.db.begin().await?;
        db::retention::doom(&mut tx, &key, app.now()).await?;
        db::keeping::done(&mut tx, noted).await?;
        tx.commit().await?;
        removed += 1;
    }
    // Which asks first, under the blob's own lock, whether it is used.
    destroy_doomed(app).await?;
    Ok((found, removed))
}
