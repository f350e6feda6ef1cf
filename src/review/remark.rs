//! Notes and marks beside an exhibit. Nothing is edited: what is corrected is superseded, and both stay.

use super::look::one_exhibit;
use crate::access;
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::review::{NOTE_CHARS_MAX, Remark};
use crate::domain::value::{Id, paragraphs};
use crate::error::{Error, Result};

/// Writes a remark, or puts it in the place of one's own earlier one. Returns its id.
pub async fn remark(app: &App, person: &Person, exhibit: Id, mut remark: Remark, instead_of: Option<Id>) -> Result<Id> {
    if !person.may(Act::Decide) {
        return Err(Error::Forbidden);
    }
    if let Some((field, why)) = remark.wrong() {
        return Err(Error::Invalid { field, why: why.into() });
    }
    remark.words = paragraphs(&remark.words, NOTE_CHARS_MAX);
    let e = one_exhibit(app, person, exhibit).await?;
    let (new, now) = (app.new_id(), app.now());
    let mut tx = app.db.begin().await?;
    let e = db::exhibits::lock(&mut tx, e.id).await?;
    // What a partner writes beside an exhibit stays in its record: that takes more than being let look.
    access::to_exhibit(app, &mut tx, person, &e, Act::Decide).await?;
    if let Some(old) = instead_of {
        if !db::remarks::supersede(&mut tx, e.id, old, person.id, Some(new), now).await? {
            return Err(Error::Conflict);
        }
        let draft = Draft::new(EventType::NoteSuperseded, Actor::from(person)).about(SubjectKind::Exhibit, e.id);
        attest::append(app, &mut tx, draft.fact("note", old.to_string()).fact("by", new.to_string())).await?;
    }
    db::remarks::insert(&mut tx, new, e.id, person.id, &remark, now).await?;
    let told = serde_json::to_value(&remark).map_err(Error::internal)?;
    let draft = Draft::new(EventType::NoteAdded, Actor::from(person)).about(SubjectKind::Exhibit, e.id);
    attest::append(app, &mut tx, draft.fact("note", new.to_string()).private("remark", told)).await?;
    tx.commit().await?;
    Ok(new)
}

/// Takes one's own remark away from what is shown; its opening stays in the log.
pub async fn unremark(app: &App, person: &Person, exhibit: Id, old: Id) -> Result<()> {
    if !person.may(Act::Decide) {
        return Err(Error::Forbidden);
    }
    let e = one_exhibit(app, person, exhibit).await?;
    let mut tx = app.db.begin().await?;
    let e = db::exhibits::lock(&mut tx, e.id).await?;
    access::to_exhibit(app, &mut tx, person, &e, Act::Decide).await?;
    if !db::remarks::supersede(&mut tx, e.id, old, person.id, None, app.now()).await? {
        return Err(Error::Conflict);
    }
    let draft = Draft::new(EventType::NoteSuperseded, Actor::from(person)).about(SubjectKind::Exhibit, e.id);
    attest::append(app, &mut tx, draft.fact("note", old.to_string())).await?;
    tx.commit().await
}
