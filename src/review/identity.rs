//! Reading who a witness is. It takes a purpose and a reason of its own, and its event is written before a word of it is shown.

use super::look::one_exhibit;
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::purpose::{PurposeCode, worded};
use crate::domain::review::NOTE_CHARS_MAX;
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
    Ok(Identity { submission: e.submission, contact })
}
