//! Throws away staged bytes that nobody has touched for a day: uploads that broke off with the server.
//!
//! Kept blobs are never removed here, not even when no row refers to one: after a database was restored from a backup
//! such a blob may be an acknowledged file, and the sweep of a wrongly configured node must not empty a store.

use crate::app::App;
use crate::error::Result;

/// Returns how many were thrown away.
pub async fn sweep(app: &App) -> Result<u64> {
    app.blobs.sweep_staged().await
}
