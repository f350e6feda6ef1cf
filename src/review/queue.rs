//! One page of the queue. Showing a page of thumbnails is one `grid.viewed` event, which commits to the
//! list of exhibits and lends each thumbnail its token.

use serde_json::json;

use super::look::{Look, grant, watch};
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Actor, Person};
use crate::domain::appeal::Appeal;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::Exhibit;
use crate::domain::review::{Cursor, Filter, RawFilter, TagBook, Wrong};
use crate::error::{Error, Result};

pub struct Page {
    /// Each row with the token under which its thumbnail is served.
    pub rows: Vec<(Exhibit, String)>,
    pub next: Option<String>,
}

fn wrong(w: Wrong) -> Error {
    Error::InvalidFilter { field: w.field, why: w.why }
}

/// A filter as this person asks it, and the appeal's tags.
pub(super) async fn filter(app: &App, person: &Person, appeal: &Appeal, raw: &RawFilter) -> Result<(Filter, TagBook)> {
    let mut tx = app.db.read().await?;
    let book = db::tags::book(&mut tx, appeal.id).await?;
    let mut raw = raw.clone();
    if raw.assigned.as_deref().map(str::trim) == Some("me") {
        raw.assigned = Some(person.id.to_string());
    }
    Ok((Filter::read(&raw, &book).map_err(wrong)?, book))
}

pub async fn page(app: &App, person: &Person, appeal: &Appeal, raw: &RawFilter) -> Result<Page> {
    let (filter, _) = filter(app, person, appeal, raw).await?;
    let limit = Filter::limit(raw).map_err(wrong)? as usize;
    let after = match raw.cursor.as_deref().filter(|c| !c.is_empty()) {
        Some(text) => Some(Cursor::read(text, &filter).map_err(|()| Error::BadCursor)?),
        None => None,
    };
    let mut tx = app.db.read().await?;
    let asked = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let mut rows = db::search::page(&mut tx, appeal.id, &filter, after.as_ref(), asked).await?;
    drop(tx);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(key, e)| Cursor::after(&filter, *key, e.id));
    let rows: Vec<Exhibit> = rows.into_iter().map(|(_, e)| e).collect();
    if !rows.is_empty() {
        record(app, person, appeal, &rows).await?;
    }
    // A page of small pictures is no page of large ones.
    watch(app, person, rows.len().div_ceil(10) as u64).await;
    let now = app.now();
    let rows = rows
        .into_iter()
        .map(|e| {
            let token = grant(app, person, e.id, Look::Thumbnail, now);
            (e, token)
        })
        .collect();
    Ok(Page { rows, next })
}

pub(super) async fn record(app: &App, person: &Person, appeal: &Appeal, rows: &[Exhibit]) -> Result<()> {
    let ids: Vec<String> = rows.iter().map(|e| e.id.to_string()).collect();
    let draft = Draft::new(EventType::GridViewed, Actor::from(person))
        .about(SubjectKind::Appeal, appeal.id)
        .fact("count", ids.len())
        .private("exhibits", json!(ids));
    let mut tx = app.db.begin().await?;
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}
