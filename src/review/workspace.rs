//! What the workspace holds of an appeal: the index of all exhibits, which shows nothing of them, and tiles, which do and are on record.

use super::look::{Look, grant, watch};
use super::queue::record;
use crate::app::App;
use crate::db;
use crate::domain::actor::Person;
use crate::domain::appeal::Appeal;
use crate::domain::exhibit::Exhibit;
use crate::domain::review::{Line, TILES_MAX};
use crate::domain::value::{MINUTE_US, Utc};
use crate::error::{Error, Result};

/// Transactions commit later than their moment, and clocks of nodes differ: so much is asked again.
const OVERLAP_US: i64 = 5 * MINUTE_US;

pub struct Lines {
    pub lines: Vec<Line>,
    /// How many exhibits the appeal has.
    pub all: u64,
    /// From when on to ask next time.
    pub asked_at: Utc,
}

/// All lines, or those that may have changed since a moment that an earlier answer named.
pub async fn lines(app: &App, appeal: &Appeal, since: Option<Utc>) -> Result<Lines> {
    let asked_at = app.now();
    let mut tx = app.db.read().await?;
    let since = since.map_or(Utc::from_micros(i64::MIN), |s| s.plus(-OVERLAP_US));
    let lines = db::lines::changed_since(&mut tx, appeal.id, since).await?;
    let (all, _) = db::lines::state(&mut tx, appeal.id).await?;
    Ok(Lines { lines, all, asked_at })
}

/// Exhibits by their numbers, each with the token under which its thumbnail is served: one `grid.viewed` event. Those that are gone are
/// left out.
pub async fn tiles(app: &App, person: &Person, appeal: &Appeal, numbers: &[u64]) -> Result<Vec<(Exhibit, String)>> {
    if numbers.is_empty() || numbers.len() > TILES_MAX {
        return Err(Error::Invalid { field: "numbers", why: format!("1 to {TILES_MAX} numbers") });
    }
    let mut tx = app.db.read().await?;
    let rows = db::exhibits::numbered(&mut tx, appeal.id, numbers).await?;
    drop(tx);
    if !rows.is_empty() {
        record(app, person, appeal, &rows).await?;
    }
    watch(app, person, rows.len().div_ceil(10) as u64).await;
    let now = app.now();
    Ok(rows
        .into_iter()
        .map(|e| {
            let token = grant(app, person, e.id, Look::Thumbnail, now);
            (e, token)
        })
        .collect())
}
