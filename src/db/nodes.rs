//! What each node last started with.

use super::Tx;
use crate::domain::value::Utc;
use crate::error::Result;

/// Writes a start down; returns the digest of the settings of the start before, if there was one.
pub async fn start(tx: &mut Tx, name: &str, config: &str, now: Utc) -> Result<Option<String>> {
    let before = sql!(maybe tx, (String,), "SELECT config FROM node WHERE name = $1", name.to_owned())?;
    sql!(run tx,
        "INSERT INTO node (name, config, started_at) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET config = excluded.config, started_at = excluded.started_at",
        name.to_owned(), config.to_owned(), now.micros())?;
    Ok(before.map(|r| r.0))
}
