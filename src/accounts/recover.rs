//! A way back in for who lost everything they proved themselves with: two people, and a link that works once.
//!
//! An administrator asks and says why; another administrator or a supervisor of the agency agrees; then who asked can make a link, good for an
//! hour, and hands it over in person. It sets a new password, and takes every other factor, every session and every token away. Each step is an
//! event. Where there is nobody else, the operator does it at the command line (`temoin user recover`).

use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::purpose::worded;
use crate::domain::value::{HOUR_US, Id, Sha256, shown};
use crate::error::{Error, Result};

use super::password::hash_password;

const REASON_CHARS_MAX: usize = 500;

fn reason(text: &str) -> Result<String> {
    let text = shown(text.trim(), REASON_CHARS_MAX);
    if worded(&text) { Ok(text) } else { Err(Error::Invalid { field: "reason", why: "say why, in a few words".into() }) }
}

/// Asks for it. `person`: an administrator, for an account of their agency that is not their own; the operator needs nobody else, and gets
/// the link.
pub async fn ask_recovery(app: &App, person: Option<&Person>, account: Id, why: &str) -> Result<Option<String>> {
    let why = reason(why)?;
    let mut tx = app.db.begin().await?;
    if let Some(person) = person {
        let known = db::accounts::lock(&mut tx, person.agency, account).await?.ok_or(Error::Elsewhere)?;
        if known.id == person.id {
            return Err(Error::AnotherPerson);
        }
        if known.disabled || db::recoveries::open(&mut tx, person.agency).await?.iter().any(|r| r.account == account) {
            return Err(Error::Conflict);
        }
    }
    let (id, actor) = (app.new_id(), person.map_or(Actor::Operator, Actor::from));
    db::recoveries::ask(&mut tx, id, account, person.map(|p| p.id), &why, app.now()).await?;
    let draft = Draft::new(EventType::RecoveryRequested, actor).about(SubjectKind::Account, account).private("reason", why);
    attest::append(app, &mut tx, draft).await?;
    let link = if person.is_none() {
        db::recoveries::agree_alone(&mut tx, id).await?;
        let (secret, token) = app.new_secret();
        db::recoveries::set_link(&mut tx, id, token, app.now().plus(HOUR_US)).await?;
        Some(secret)
    } else {
        None
    };
    tx.commit().await?;
    Ok(link)
}

/// The recovery, if it is of this person's agency and not over.
async fn one(tx: &mut db::Tx, person: &Person, recovery: Id) -> Result<db::recoveries::Recovery> {
    if !person.may(Act::JudgeRecovery) {
        return Err(Error::Forbidden);
    }
    db::recoveries::open(tx, person.agency).await?.into_iter().find(|r| r.id == recovery).ok_or(Error::Elsewhere)
}

/// Agrees: not who asked, and not who it is for.
pub async fn agree_to_recovery(app: &App, person: &Person, recovery: Id) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let r = one(&mut tx, person, recovery).await?;
    if r.asked_by == Some(person.id) || r.account == person.id {
        return Err(Error::AnotherPerson);
    }
    if !db::recoveries::agree(&mut tx, recovery, person.id).await? {
        return Err(Error::Conflict);
    }
    attest::append(app, &mut tx, Draft::new(EventType::RecoveryApproved, Actor::from(person)).about(SubjectKind::Account, r.account))
        .await?;
    tx.commit().await
}

/// Refuses, or takes it back.
pub async fn refuse_recovery(app: &App, person: &Person, recovery: Id) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let r = one(&mut tx, person, recovery).await?;
    if !db::recoveries::refuse(&mut tx, recovery).await? {
        return Err(Error::Conflict);
    }
    attest::append(app, &mut tx, Draft::new(EventType::RecoveryRefused, Actor::from(person)).about(SubjectKind::Account, r.account))
        .await?;
    tx.commit().await
}

/// Makes the link of one that was agreed to; who asked has it, and hands it over. An earlier one works no more.
pub async fn recovery_link(app: &App, person: &Person, recovery: Id) -> Result<String> {
    let mut tx = app.db.begin().await?;
    let r = one(&mut tx, person, recovery).await?;
    if r.asked_by != Some(person.id) {
        return Err(Error::AnotherPerson);
    }
    let (secret, token) = app.new_secret();
    if !db::recoveries::set_link(&mut tx, recovery, token, app.now().plus(HOUR_US)).await? {
        return Err(Error::Conflict);
    }
    tx.commit().await?;
    Ok(secret)
}

/// Sets a new password by a link, and takes everything else away.
pub async fn recover(app: &App, link: &str, password: String) -> Result<()> {
    let token = Sha256::of(link.as_bytes());
    let mut tx = app.db.read().await?;
    let (account, name) = db::recoveries::by_link(&mut tx, token, app.now()).await?.ok_or(Error::NotFound)?;
    drop(tx);
    let hash = hash_password(app, &name, password).await?;
    let now = app.now();
    let mut tx = app.db.begin().await?;
    if !db::recoveries::done(&mut tx, token, now).await? {
        return Err(Error::NotFound);
    }
    db::accounts::set_password(&mut tx, account, &hash).await?;
    db::factors::forget_all(&mut tx, account).await?;
    let sessions = db::sessions::end_all(&mut tx, account, None).await?;
    let tokens = db::sessions::revoke_tokens(&mut tx, account, now).await?;
    let draft = Draft::new(EventType::AccountRecovered, Actor::Stranger).about(SubjectKind::Account, account);
    attest::append(app, &mut tx, draft.fact("sessions", sessions).fact("tokens", tokens)).await?;
    tx.commit().await
}
