//! What the workspace holds of an appeal: the index of all exhibits, which shows nothing of them, and tiles, which do and are on record.

use std::sync::Arc;

use super::look::{Look, grant, watch};
use super::queue::{filter, record};
use crate::app::App;
use crate::db;
use crate::domain::actor::Person;
use crate::domain::appeal::Appeal;
use crate::domain::exhibit::Exhibit;
use crate::domain::review::{About, Counts, Line, RawFilter, TILES_MAX};
use crate::domain::value::{MINUTE_US, Utc};
use crate::error::{Error, Result};

/// Transactions commit later than their moment, and clocks of nodes differ: so much is asked again.
const OVERLAP_US: i64 = 5 * MINUTE_US;

/// Lines, and what their index says besides; `asked_at` is from when on to ask next time.
pub struct Lines {
    pub lines: Arc<Vec<Line>>,
    pub about: About,
}

/// All lines of an appeal as they are now: kept in memory, and brought up to date first.
pub(super) async fn held(app: &App, appeal: &Appeal) -> Result<(Arc<Vec<Line>>, Utc)> {
    let slot = app.traffic.held.of(appeal.id);
    let mut kept = slot.lock().await;
    let asked_at = app.now();
    let since = kept.asked_at.map_or(Utc::from_micros(i64::MIN), |s| s.plus(-OVERLAP_US));
    let mut tx = app.db.read().await?;
    let changed = db::lines::changed_since(&mut tx, appeal.id, since).await?;
    let all = db::lines::count(&mut tx, appeal.id).await?;
    kept.take(changed, asked_at);
    if kept.lines.len() as u64 != all {
        // Some were erased: all is read again.
        *kept = crate::traffic::Lines::default();
        kept.take(db::lines::changed_since(&mut tx, appeal.id, Utc::from_micros(i64::MIN)).await?, asked_at);
    }
    Ok((Arc::clone(&kept.lines), asked_at))
}

/// All lines, or those that may have changed since a moment that an earlier answer named.
pub async fn lines(app: &App, appeal: &Appeal, since: Option<Utc>) -> Result<Lines> {
    let (lines, all, asked_at) = match since {
        None => {
            let (lines, asked_at) = held(app, appeal).await?;
            let all = lines.len() as u64;
            (lines, all, asked_at)
        }
        Some(since) => {
            let asked_at = app.now();
            let mut tx = app.db.read().await?;
            let changed = db::lines::changed_since(&mut tx, appeal.id, since.plus(-OVERLAP_US)).await?;
            (Arc::new(changed), db::lines::count(&mut tx, appeal.id).await?, asked_at)
        }
    };
    let mut tx = app.db.read().await?;
    let tags = db::tags::book(&mut tx, appeal.id).await?.words();
    let people = db::accounts::of_agency(&mut tx, appeal.agency).await?;
    let devices = db::devices::of_appeal(&mut tx, appeal.id).await?;
    Ok(Lines { lines, about: About { all, asked_at, tags, devices, people } })
}

/// How many exhibits a filter finds, and how many of each kind the other questions leave; with the words of the tags. It shows none.
pub async fn counts(app: &App, person: &Person, appeal: &Appeal, raw: &RawFilter) -> Result<(Counts, Vec<String>)> {
    let (filter, book) = filter(app, person, appeal, raw).await?;
    let (lines, _) = held(app, appeal).await?;
    let counted = tokio::task::spawn_blocking(move || filter.counts(&lines)).await.map_err(Error::internal)?;
    Ok((counted, book.words()))
}

/// What all that a filter finds looks like: by state and kind, over time, on the map, and what may belong to it. It shows no exhibit.
pub async fn overview(app: &App, person: &Person, appeal: &Appeal, raw: &RawFilter) -> Result<db::search::Overview> {
    let (filter, _) = filter(app, person, appeal, raw).await?;
    let mut tx = app.db.read().await?;
    db::search::overview(&mut tx, appeal.id, &filter).await
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
