//! Throws away what was only half sent: uploads that the appeal's time has run out for, and staged bytes that nothing
//! refers to and nobody has touched for a day.
//!
//! Kept blobs are never removed here, not even when no row refers to one: after a database was restored from a backup
//! such a blob may be an acknowledged file, and the sweep of a wrongly configured node must not empty a store.

use super::session;
use crate::app::App;
use crate::db;
use crate::domain::value::DAY_US;
use crate::error::Result;

/// Rows of uploads that ended with nothing are of use for this long, to answer clients that still ask.
const KEEP_GONE_US: i64 = 7 * DAY_US;

/// Returns how many were thrown away.
pub async fn sweep(app: &App) -> Result<u64> {
    let expired = session::expire(app).await?;
    let mut tx = app.db.begin().await?;
    db::uploads::purge(&mut tx, app.now().plus(-KEEP_GONE_US)).await?;
    tx.commit().await?;
    let mut tx = app.db.read().await?;
    let handles = db::uploads::handles(&mut tx).await?;
    drop(tx);
    Ok(expired + app.blobs.sweep_staged(&handles).await?)
}
