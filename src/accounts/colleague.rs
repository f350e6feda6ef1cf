//! A colleague whom one person alone has made: who may agree to what takes two begins with a second person's word that they are somebody.
//! Otherwise one administrator would be as many people as they like, and every rule of two or three a rule of one.
//!
//! So the account of a supervisor or an administrator that an administrator makes waits, and cannot sign in, until another supervisor or
//! administrator of the agency says that there is such a colleague. Where there is nobody else yet who could, as in the first hour of an agency,
//! it is good at once; its event says which it was. (The operator at the command line needs nobody, here as elsewhere.)

use crate::app::App;
use crate::attest;
use crate::db::{self, Tx, accounts::Account};
use crate::domain::actor::{Act, Actor, Person, Role, may};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::value::Id;
use crate::error::{Error, Result};

/// Whether an account that this person makes waits for another one. (Who was disabled counts: whoever disables their colleagues is not alone.)
pub(super) async fn waits(tx: &mut Tx, agency: Id, maker: Id, role: Role) -> Result<bool> {
    if !may(role, Act::JudgeRecovery) {
        return Ok(false);
    }
    let others = db::accounts::list(tx, agency).await?;
    Ok(others.iter().any(|a| a.id != maker && !a.waits && may(a.role, Act::JudgeRecovery)))
}

/// An account that waits for somebody's word, held until commit, for somebody who may give it.
async fn awaited(tx: &mut Tx, person: &Person, account: Id) -> Result<Account> {
    if !person.may(Act::JudgeRecovery) {
        return Err(Error::Forbidden);
    }
    let known = db::accounts::lock(tx, person.agency, account).await?.ok_or(Error::Elsewhere)?;
    if known.waits && !known.refused { Ok(known) } else { Err(Error::Conflict) }
}

/// Says that there is such a colleague: not who made the account, nor anybody whom that person made and nobody vouched for.
pub async fn vouch(app: &App, person: &Person, account: Id) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let known = awaited(&mut tx, person, account).await?;
    if known.made_by == Some(person.id) {
        return Err(Error::AnotherPerson);
    }
    db::accounts::set_waits_no_more(&mut tx, account).await?;
    let draft = Draft::new(EventType::AccountVouched, Actor::from(person)).about(SubjectKind::Account, account);
    attest::append(app, &mut tx, draft.fact("role", known.role.as_str())).await?;
    tx.commit().await
}

/// Says that there is no such colleague: the account never opens, and its name is free again for a real one. Who made it may say so, too.
pub async fn refuse(app: &App, person: &Person, account: Id) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let known = awaited(&mut tx, person, account).await?;
    db::accounts::refuse(&mut tx, account, &format!("{} ✗ {account}", known.name)).await?;
    let draft = Draft::new(EventType::AccountRefused, Actor::from(person)).about(SubjectKind::Account, account);
    attest::append(app, &mut tx, draft.fact("role", known.role.as_str())).await?;
    tx.commit().await
}
