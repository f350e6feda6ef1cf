//! Saved filters.

use crate::app::App;
use crate::db::{self, filters::Saved};
use crate::domain::actor::Person;
use crate::domain::appeal::Appeal;
use crate::domain::review::{Filter, RawFilter};
use crate::domain::value::{Id, shown};
use crate::error::{Error, Result};

const NAME_CHARS_MAX: usize = 60;
/// Filters that one person saves in an appeal.
const SAVED_MAX: i64 = 200;

pub async fn saved_filters(app: &App, person: &Person, appeal: &Appeal) -> Result<Vec<Saved>> {
    let mut tx = app.db.read().await?;
    db::filters::of(&mut tx, appeal.id, person.id).await
}

/// Keeps a question that makes sense.
pub async fn save_filter(
    app: &App,
    person: &Person,
    appeal: &Appeal,
    name: &str,
    query: &str,
    raw: &RawFilter,
    shared: bool,
) -> Result<Id> {
    let name = shown(name.trim(), NAME_CHARS_MAX);
    if name.is_empty() {
        return Err(Error::Invalid { field: "name", why: "a name".into() });
    }
    let mut raw = raw.clone();
    if raw.assigned.as_deref() == Some("me") {
        raw.assigned = None;
    }
    let mut tx = app.db.begin().await?;
    let book = db::tags::book(&mut tx, appeal.id).await?;
    Filter::read(&raw, &book).map_err(|w| Error::InvalidFilter { field: w.field, why: w.why })?;
    if db::filters::count(&mut tx, appeal.id, person.id).await? >= SAVED_MAX {
        return Err(Error::Invalid { field: "name", why: format!("up to {SAVED_MAX} saved filters") });
    }
    let id = app.new_id();
    let saved = Saved { id, name, query: query.to_owned(), shared, mine: true, by: person.name.clone() };
    db::filters::insert(&mut tx, appeal.id, person.id, &saved, app.now()).await?;
    tx.commit().await?;
    Ok(id)
}

pub async fn delete_filter(app: &App, person: &Person, appeal: &Appeal, filter: Id) -> Result<()> {
    let mut tx = app.db.begin().await?;
    if !db::filters::delete(&mut tx, appeal.id, person.id, filter).await? {
        return Err(Error::NotFound);
    }
    tx.commit().await
}
