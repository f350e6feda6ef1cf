//! Finding a witness again, and reading how they can be reached. Reading takes a purpose, a reason and a fresh proof of who reads; where the agency
//! says so a second person agrees first; and its event is written before a word of it is handed out.

use super::look::{one_exhibit, watch};
use crate::access;
use crate::app::App;
use crate::attest;
use crate::db::{self, identities::NewRequest};
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::appeal::Appeal;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::purpose::{PurposeCode, worded};
use crate::domain::review::NOTE_CHARS_MAX;
use crate::domain::submission::is_reference;
use crate::domain::value::{HOUR_US, Id, shown};
use crate::error::{Error, Result};
use crate::vault::{VaultKey, armoured};

/// What the witness has left to be reached by.
pub enum Contact {
    Nothing,
    /// Read here, because the vault's key lies here.
    Read(String),
    /// To be opened with the vault's key, wherever that is: an age file, and the recipient that it is for.
    Sealed {
        armoured: String,
        vault: String,
    },
}

/// What came of asking.
pub enum Unmasked {
    Given {
        submission: Id,
        contact: Contact,
    },
    /// Another person has to agree first.
    Waits,
}

/// Asks how the witness of an exhibit can be reached, and reads it as soon as that is allowed.
pub async fn unmask(app: &App, person: &Person, exhibit: Id, purpose: &str, reason: &str) -> Result<Unmasked> {
    let e = one_exhibit(app, person, exhibit).await?;
    let mut tx = app.db.read().await?;
    access::to_exhibit(app, &mut tx, person, &e, Act::OpenIdentity).await?;
    // What is restricted is not used, but by those who answer for it.
    if e.restricted && !person.may(Act::Retain) {
        return Err(Error::Forbidden);
    }
    let agency = db::agencies::by_id(&mut tx, e.agency).await?;
    let open = db::identities::open_of(&mut tx, e.submission, person.id, app.now()).await?;
    drop(tx);
    // Who was allowed to has said why already.
    let allowed = open.as_ref().filter(|r| r.state == "agreed").map(|r| (r.purpose, r.reason.clone()));
    if open.is_some() && allowed.is_none() {
        return Ok(Unmasked::Waits);
    }
    let reason = shown(reason.trim(), NOTE_CHARS_MAX);
    let said = PurposeCode::parse(purpose).filter(|_| worded(&reason)).map(|code| (code, reason));
    let Some((purpose, reason)) = allowed.clone().or(said) else {
        let draft = Draft::new(EventType::AccessDenied, Actor::from(person))
            .fact("act", "Identity")
            .fact("why", Error::PurposeMissing.status_and_code().1);
        let mut tx = app.db.begin().await?;
        attest::append(app, &mut tx, draft).await?;
        tx.commit().await?;
        return Err(Error::PurposeMissing);
    };
    let mut tx = app.db.begin().await?;
    // One question has one answer: what was asked or answered since is heeded, whoever was quicker.
    db::submissions::lock(&mut tx, e.submission).await?;
    // It may have been erased meanwhile; then nothing more is written about it.
    db::exhibits::lock(&mut tx, e.id).await?;
    let now = db::identities::open_of(&mut tx, e.submission, person.id, app.now()).await?;
    match now.as_ref().map(|r| r.state == "agreed") {
        Some(false) => return Ok(Unmasked::Waits),
        None if allowed.is_some() => return Err(Error::Conflict),
        _ => {}
    }
    let about = |kind| {
        Draft::new(kind, Actor::from(&person.with(purpose)))
            .about(SubjectKind::Exhibit, e.id)
            .about(SubjectKind::Submission, e.submission)
            .private("reason", reason.clone())
    };
    let sealed = db::identities::sealed(&mut tx, e.submission).await?;
    if agency.two_persons && allowed.is_none() && sealed.is_some() {
        let new = NewRequest {
            id: app.new_id(),
            agency: e.agency,
            submission: e.submission,
            exhibit: e.id,
            by: person.id,
            purpose,
            reason: &reason,
        };
        db::identities::ask(&mut tx, new, app.now()).await?;
        attest::append(app, &mut tx, about(EventType::IdentityRequested)).await?;
        tx.commit().await?;
        return Ok(Unmasked::Waits);
    }
    attest::append(app, &mut tx, about(EventType::IdentityUnmasked).fact("given", sealed.is_some())).await?;
    tx.commit().await?;
    watch(app, person, 1).await;
    let contact = match sealed {
        None => Contact::Nothing,
        Some((sealed, vault)) => match VaultKey::read(&app.config.vault.key_file)?.and_then(|key| key.open(&sealed)) {
            Some(contact) => Contact::Read(contact),
            None => Contact::Sealed { armoured: armoured(&sealed), vault },
        },
    };
    Ok(Unmasked::Given { submission: e.submission, contact })
}

/// What waits for somebody of this agency to agree.
pub async fn identity_requests(app: &App, person: &Person) -> Result<Vec<db::identities::Request>> {
    let mut tx = app.db.read().await?;
    db::identities::waiting(&mut tx, person.agency).await
}

/// Agrees that a colleague reads a contact, or refuses.
pub async fn judge_identity(app: &App, person: &Person, request: Id, agree: bool) -> Result<()> {
    if !person.may(Act::JudgeIdentity) {
        return Err(Error::Forbidden);
    }
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let Some(asked) = db::identities::waiting_one(&mut tx, person.agency, request).await? else {
        // A colleague was faster; or it is another agency's, and then it is not there.
        let ours = db::identities::is_of(&mut tx, person.agency, request).await?;
        return Err(if ours { Error::Conflict } else { Error::Elsewhere });
    };
    if asked.asked_by == person.id {
        return Err(Error::AnotherPerson);
    }
    let until = agree.then(|| now.plus(app.config.vault.hours.max(1) * HOUR_US));
    if !db::identities::judge(&mut tx, request, person.id, until, now).await? {
        return Err(Error::Conflict);
    }
    let kind = if agree { EventType::IdentityApproved } else { EventType::IdentityRefused };
    let draft = Draft::new(kind, Actor::from(person))
        .about(SubjectKind::Exhibit, asked.exhibit)
        .about(SubjectKind::Submission, asked.submission)
        .fact("asked_by", asked.asked_by.to_string());
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// The first exhibit of what a witness without a receipt speaks of. Looking at it is an event of its own.
pub async fn by_reference(app: &App, person: &Person, appeal: &Appeal, text: &str) -> Result<Id> {
    let text = text.trim().to_uppercase();
    let mut tx = app.db.read().await?;
    access::to_appeal(app, &mut tx, person, appeal, Act::SeeExhibits).await?;
    if !is_reference(&text) {
        return Err(Error::InvalidFilter { field: "reference", why: "like 7F3A-22C1" });
    }
    let found = db::submissions::ids_of_appeal(&mut tx, appeal.id).await?.into_iter().find(|id| app.reference(*id) == text);
    let exhibits = db::exhibits::of_submission(&mut tx, found.ok_or(Error::NotFound)?).await?;
    exhibits.first().map(|e| e.id).ok_or(Error::NotFound)
}
