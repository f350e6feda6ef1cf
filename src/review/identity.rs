//! Finding a witness again, and reading who they are. Reading takes a purpose and a reason of its own, and its event is written before a word of it is shown.

use super::look::{one_exhibit, watch};
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Person, may};
use crate::domain::appeal::Appeal;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::purpose::{PurposeCode, worded};
use crate::domain::review::NOTE_CHARS_MAX;
use crate::domain::submission::is_reference;
use crate::domain::value::{Id, shown};
use crate::error::{Error, Result};

/// What was read.
pub struct Identity {
    pub submission: Id,
    /// What the witness has left to be reached by; empty when they left nothing.
    pub contact: String,
}

/// Who the witness of an exhibit is, as far as they have said so.
pub async fn unmask(app: &App, person: &Person, exhibit: Id, purpose: &str, reason: &str) -> Result<Identity> {
    let e = one_exhibit(app, person, exhibit).await?;
    let reason = shown(reason.trim(), NOTE_CHARS_MAX);
    let Some(purpose) = PurposeCode::parse(purpose).filter(|_| worded(&reason)) else {
        let draft = Draft::new(EventType::AccessDenied, Actor::from(person))
            .fact("act", "Identity")
            .fact("why", Error::PurposeMissing.status_and_code().1);
        let mut tx = app.db.begin().await?;
        attest::append(app, &mut tx, draft).await?;
        tx.commit().await?;
        return Err(Error::PurposeMissing);
    };
    let mut tx = app.db.begin().await?;
    // It may have been erased meanwhile; then nothing more is written about it.
    db::exhibits::lock(&mut tx, e.id).await?;
    let contact = db::submissions::by_id(&mut tx, e.submission).await?.statement.contact;
    let draft = Draft::new(EventType::IdentityUnmasked, Actor::from(&person.with(purpose)))
        .about(SubjectKind::Exhibit, e.id)
        .about(SubjectKind::Submission, e.submission)
        .fact("given", !contact.is_empty())
        .private("reason", reason);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    watch(app, person, 1).await;
    Ok(Identity { submission: e.submission, contact })
}

/// The first exhibit of what a witness without a receipt speaks of. Looking at it is an event of its own.
pub async fn by_reference(app: &App, person: &Person, appeal: &Appeal, text: &str) -> Result<Id> {
    let text = text.trim().to_uppercase();
    if !may(person.role, Act::SeeExhibits) || appeal.agency != person.agency {
        return Err(Error::NotFound);
    }
    if !is_reference(&text) {
        return Err(Error::InvalidFilter { field: "reference", why: "like 7F3A-22C1" });
    }
    let mut tx = app.db.read().await?;
    let found = db::submissions::ids_of_appeal(&mut tx, appeal.id).await?.into_iter().find(|id| app.reference(*id) == text);
    let exhibits = db::exhibits::of_submission(&mut tx, found.ok_or(Error::NotFound)?).await?;
    exhibits.first().map(|e| e.id).ok_or(Error::NotFound)
}
