//! Sessions: opened by a proof, proved anew before a dangerous act, listed, ended.
//!
//! A session's secret is 256 random bits, of which the database has the digest. It is new at every sign-in, idle and absolute limits are
//! the configuration's, and whatever ends an account's rights (disabling it, another role, a recovery) holds from its next request on.

use crate::app::App;
use crate::attest;
use crate::config::SecondFactor;
use crate::db::{self, sessions::NewSession};
use crate::domain::actor::{Actor, Person, Proof};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::value::{HOUR_US, Id, MINUTE_US, Sha256, shown};
use crate::error::{Error, Result};

use super::password::{hash_password, password_is};
use super::totp::{code_is, open_secret};

/// Characters of what a browser calls itself.
const AGENT_CHARS_MAX: usize = 160;

/// Opens a session and returns its secret.
pub async fn open_session(app: &App, account: Id, proof: Proof, agent: &str) -> Result<String> {
    let (secret, token) = app.new_secret();
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let expires = now.plus(app.config.sessions.absolute_hours * HOUR_US);
    let session = NewSession { id: app.new_id(), token, account, proof, agent: shown(agent.trim(), AGENT_CHARS_MAX), expires };
    db::sessions::open(&mut tx, &session, now).await?;
    let draft = Draft::new(EventType::AccessLogin, Actor::Stranger).about(SubjectKind::Account, account).fact("auth", proof.as_str());
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(secret)
}

/// Whether somebody may do more than look after their own account, as they are signed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Whole,
    /// They have to show, or add, a second factor first, or to choose a password of their own.
    OwnAccount,
}

/// A password alone opens nothing where the operator asks for two factors, nor where its owner has a second one; and one that somebody else chose
/// opens nothing either.
pub fn access(app: &App, person: &Person) -> Access {
    if has_given_password(person) || lacks_factor(app, person) { Access::OwnAccount } else { Access::Whole }
}

/// Whether they come by a password that somebody else chose. (Who comes from the identity provider, or by a token, does not.)
pub fn has_given_password(person: &Person) -> bool {
    person.given && matches!(person.proof, Proof::Password | Proof::PasswordAndCode)
}

/// Whether a second factor is still to be shown, or added.
pub fn lacks_factor(app: &App, person: &Person) -> bool {
    let one_will_do = app.second_factor() == SecondFactor::Optional && (person.proof != Proof::Password || !person.has_factor);
    !(person.proof == Proof::ApiToken || person.proof.is_strong() || one_will_do)
}

/// Notes that a session's owner has proved once more who they are. The session has another secret from then on, which is returned: whoever had
/// the old one has nothing.
pub async fn prove(app: &App, person: &Person, session: Sha256, proof: Proof) -> Result<String> {
    let (secret, token) = app.new_secret();
    let mut tx = app.db.begin().await?;
    db::sessions::prove(&mut tx, session, token, proof, app.now()).await?;
    let draft =
        Draft::new(EventType::AccessProved, Actor::from(&Person { proof, ..person.clone() })).about(SubjectKind::Account, person.id);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(secret)
}

/// What a password and, where there is an authenticator, its code prove of an account; `None` when they are wrong. Which of the two was
/// wrong is not told.
pub async fn prove_by_password(
    app: &App,
    account: Option<db::accounts::SignIn>,
    password: String,
    code: &str,
) -> Result<Option<(Id, Proof)>> {
    let hash = account.as_ref().map(|a| a.password_hash.clone());
    let right = password_is(app, password, hash).await?;
    let Some(account) = account.filter(|_| right) else { return Ok(None) };
    let Some(wrapped) = account.totp else { return Ok(Some((account.id, Proof::Password))) };
    let secret = match open_secret(app, account.id, &wrapped) {
        Ok(secret) => secret,
        Err(e) => {
            // Of another log's key: after `log new-epoch` authenticators are set up anew, by `temoin user recover`.
            tracing::error!(cause = %e, account = %account.id, "nobody can sign in with this authenticator");
            return Ok(None);
        }
    };
    // Counted with the right password alone: a stranger who has not got it locks nobody out.
    // Who has tried too many is told no more than that something was wrong.
    if app.traffic.gate.code(account.id).is_err() {
        tracing::warn!(account = %account.id, "many codes were tried with the right password");
        return Ok(None);
    }
    let Some(step) = code_is(app, &secret, code) else { return Ok(None) };
    let mut tx = app.db.begin().await?;
    let first = db::factors::use_step(&mut tx, account.id, step).await?;
    tx.commit().await?;
    Ok(first.then_some((account.id, Proof::PasswordAndCode)))
}

/// Gives an account another password, by its owner, who knows the old one; every other session ends.
pub async fn change_password(app: &App, person: &Person, session: Sha256, old: String, new: String) -> Result<()> {
    let mut tx = app.db.read().await?;
    let account = db::accounts::by_id(&mut tx, person.id).await?.ok_or(Error::NotFound)?;
    drop(tx);
    let same = old == new;
    if !password_is(app, old, Some(account.password_hash)).await? {
        return Err(Error::Invalid { field: "old", why: "not the password that this account has".into() });
    }
    if same {
        return Err(Error::Invalid { field: "new", why: "the same as before".into() });
    }
    let hash = hash_password(app, &person.name, new).await?;
    let mut tx = app.db.begin().await?;
    db::accounts::set_password(&mut tx, person.id, &hash).await?;
    let ended = db::sessions::end_all(&mut tx, person.id, Some(session)).await?;
    let draft = Draft::new(EventType::FactorChanged, Actor::from(person)).about(SubjectKind::Account, person.id);
    attest::append(app, &mut tx, draft.fact("factor", "password").fact("given", true).fact("sessions_ended", ended)).await?;
    tx.commit().await
}

/// Ends one session of one's own, wherever it is.
pub async fn end_session(app: &App, person: &Person, session: Id) -> Result<()> {
    let mut tx = app.db.begin().await?;
    if !db::sessions::end_one(&mut tx, person.id, session).await? {
        return Err(Error::NotFound);
    }
    let draft = Draft::new(EventType::SessionsEnded, Actor::from(person)).about(SubjectKind::Account, person.id).fact("sessions", 1);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// Ends all sessions of one's own but this one.
pub async fn end_other_sessions(app: &App, person: &Person, this: Sha256) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let ended = db::sessions::end_all(&mut tx, person.id, Some(this)).await?;
    let draft = Draft::new(EventType::SessionsEnded, Actor::from(person)).about(SubjectKind::Account, person.id).fact("sessions", ended);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// Ends one token of an account, from the next request on.
pub async fn revoke_token(app: &App, by: Actor, account: Id, token: Id) -> Result<()> {
    let mut tx = app.db.begin().await?;
    if !db::sessions::revoke_token(&mut tx, account, token, app.now()).await? {
        return Err(Error::NotFound);
    }
    let draft = Draft::new(EventType::TokenRevoked, by).about(SubjectKind::Account, account).fact("token", token.to_string());
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// Forgets sessions and sign-ins that are over.
pub async fn sweep_sessions(app: &App) -> Result<()> {
    let mut tx = app.db.begin().await?;
    db::sessions::sweep(&mut tx, app.now(), app.config.sessions.idle_minutes * MINUTE_US).await?;
    db::factors::sweep(&mut tx, app.now()).await?;
    tx.commit().await
}
