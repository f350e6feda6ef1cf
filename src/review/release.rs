//! A supervisor takes out from behind glass what a virus scanner put there, when it was a false alarm. What the scanner said stays on
//! record, and other copies of the same bytes stay where they are.

use futures_util::StreamExt as _;

use crate::access;
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::Quarantine;
use crate::domain::media::{keep_head, sniff};
use crate::domain::purpose::worded;
use crate::domain::review::NOTE_CHARS_MAX;
use crate::domain::value::{Id, shown};
use crate::error::{Error, Result};

/// Releases one exhibit. It stays behind glass for what it is: an archive is still an archive. One that no scanner put there is a conflict.
pub async fn release(app: &App, person: &Person, exhibit: Id, reason: &str) -> Result<()> {
    if !person.may(Act::Retain) {
        return Err(Error::Forbidden);
    }
    let reason = shown(reason.trim(), NOTE_CHARS_MAX);
    if !worded(&reason) {
        return Err(Error::Invalid { field: "reason", why: "say why, in a few words".into() });
    }
    let mut tx = app.db.read().await?;
    let e = db::exhibits::by_id(&mut tx, exhibit).await?.ok_or(Error::NotFound)?;
    access::to_exhibit(app, &mut tx, person, &e, Act::Retain).await?;
    let key = db::contents::blob_key(&mut tx, e.agency, e.sha256).await?.ok_or(Error::NotFound)?;
    drop(tx);
    let mut head = Vec::new();
    let mut bytes = app.blobs.open_range(&key, 0, e.size.min(4_096)).await?;
    while let Some(piece) = bytes.next().await {
        keep_head(&mut head, &piece?);
    }
    let mut tx = app.db.begin().await?;
    let e = db::exhibits::lock(&mut tx, exhibit).await?;
    if e.quarantine != Some(Quarantine::Infected) {
        return Err(Error::Conflict);
    }
    db::exhibits::set_quarantine(&mut tx, exhibit, sniff(&head).quarantine, app.now()).await?;
    let draft = Draft::new(EventType::ExhibitReleased, Actor::from(person)).about(SubjectKind::Exhibit, exhibit);
    attest::append(app, &mut tx, draft.private("note", reason)).await?;
    tx.commit().await
}
