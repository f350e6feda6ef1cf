//! A hold: nothing erases the exhibit until it is released.

use crate::app::App;
use crate::attest;
use crate::db::{self, Tx};
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::Exhibit;
use crate::domain::purpose::worded;
use crate::domain::review::NOTE_CHARS_MAX;
use crate::domain::value::{Id, shown};
use crate::error::{Error, Result};

/// What somebody says for why: cut, and refused when it says nothing.
pub(super) fn reason(text: &str) -> Result<String> {
    let text = shown(text.trim(), NOTE_CHARS_MAX);
    if worded(&text) { Ok(text) } else { Err(Error::Invalid { field: "reason", why: "say why, in a few words".into() }) }
}

/// The exhibit, held until commit, if it is this person's agency's.
pub(super) async fn own(tx: &mut Tx, person: &Person, exhibit: Id) -> Result<Exhibit> {
    let e = db::exhibits::lock(tx, exhibit).await?;
    if e.agency == person.agency { Ok(e) } else { Err(Error::Elsewhere) }
}

/// Puts an exhibit under a hold. One that is held already is a conflict.
pub async fn hold(app: &App, person: &Person, exhibit: Id, why: &str) -> Result<()> {
    change(app, person, exhibit, why, EventType::HoldSet).await
}

pub async fn release(app: &App, person: &Person, exhibit: Id, why: &str) -> Result<()> {
    change(app, person, exhibit, why, EventType::HoldReleased).await
}

async fn change(app: &App, person: &Person, exhibit: Id, why: &str, event: EventType) -> Result<()> {
    if !person.may(Act::Retain) {
        return Err(Error::Forbidden);
    }
    let why = reason(why)?;
    let mut tx = app.db.begin().await?;
    own(&mut tx, person, exhibit).await?;
    let held = db::retention::hold(&mut tx, exhibit).await?.is_some();
    if held == (event == EventType::HoldSet) {
        return Err(Error::Conflict);
    }
    if held {
        db::retention::release_hold(&mut tx, exhibit, person.id, app.now()).await?;
    } else {
        db::retention::set_hold(&mut tx, app.new_id(), exhibit, person.id, &why, app.now()).await?;
    }
    let draft = Draft::new(event, Actor::from(person)).about(SubjectKind::Exhibit, exhibit).private("reason", why);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}
