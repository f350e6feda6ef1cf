//! Staff accounts: making and disabling them, how their owners prove who they are (`password.rs`, `totp.rs`, `passkey.rs`, `sso.rs`), the sessions
//! that follow (`session.rs`), what their owners are told of it (`lately.rs`), and a way back in for who lost everything (`recover.rs`).

mod colleague;
mod lately;
mod name;
mod passkey;
mod password;
mod recover;
mod session;
mod sso;
mod totp;

pub use colleague::{refuse as refuse_colleague, vouch};
pub use lately::{By, Did, lately};
pub use passkey::Passkeys;
pub use password::hash_password;
pub use recover::{agree_to_recovery, ask_recovery, recover, recovery_link, refuse_recovery};
pub use session::{
    Access, access, change_password, end_other_sessions, end_session, has_given_password, lacks_factor, open_session, prove,
    prove_by_password, revoke_token, sweep_sessions,
};
pub use sso::{Provider, sso_login};
pub use totp::{Offer, begin_totp, confirm_totp, remove_totp};

use crate::app::App;
use crate::attest;
use crate::db::{self, Tx, accounts::NewAccount};
use crate::domain::actor::{Actor, Person, Role};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::purpose::{PurposeCode, worded};
use crate::domain::value::{DAY_US, Id, Sha256, shown};
use crate::error::{Error, Result};

/// A link that nobody opened must not lie about in a log for ever; each start prints a new one.
const SETUP_US: i64 = DAY_US;

/// Whether the link by which the first administrator makes their account is still good.
pub async fn setup_is_open(app: &App, tx: &mut Tx, token: &str) -> Result<bool> {
    Ok(db::accounts::setup_link_is_open(tx, Sha256::of(token.as_bytes()), app.now().plus(-SETUP_US)).await?
        && db::accounts::count(tx).await? == 0)
}

/// Makes the first administrator's account by that link, which serves once.
pub async fn set_up(app: &App, token: &str, name: &str, password: String) -> Result<()> {
    let mut tx = app.db.read().await?;
    if !setup_is_open(app, &mut tx, token).await? {
        return Err(Error::NotFound);
    }
    drop(tx);
    let hash = hash_password(app, name, password).await?;
    let mut tx = app.db.begin().await?;
    if !db::accounts::use_setup_link(&mut tx, Sha256::of(token.as_bytes()), app.now().plus(-SETUP_US), app.now()).await? {
        return Err(Error::NotFound);
    }
    let agency = home(app, &mut tx).await?;
    create(app, &mut tx, Actor::Operator, agency, name, Role::Administrator, hash).await?;
    tx.commit().await
}

/// The agency that new accounts and appeals belong to where none is named: the deployment's first.
pub async fn home(app: &App, tx: &mut Tx) -> Result<Id> {
    db::agencies::first(tx, app.new_id(), &app.config.agency, app.now()).await
}

/// Creates an account in an agency, with its event, in the caller's transaction.
pub async fn create(app: &App, tx: &mut Tx, by: Actor, agency: Id, name: &str, role: Role, password_hash: String) -> Result<Id> {
    let name = name.trim();
    name::fit(name).map_err(|why| Error::Invalid { field: "name", why: why.into() })?;
    let looks = name::folded(name);
    if db::accounts::all_names(tx).await?.iter().any(|known| name::folded(known) == looks) {
        return Err(Error::NameTaken);
    }
    let made_by = if let Actor::Person { id, .. } = &by { Some(*id) } else { None };
    let waits = match made_by {
        Some(maker) => colleague::waits(tx, agency, maker, role).await?,
        None => false,
    };
    let id = app.new_id();
    db::accounts::create(tx, NewAccount { id, agency, name, role, password_hash, made_by, waits }, app.now()).await?;
    let draft = Draft::new(EventType::AccountCreated, by)
        .about(SubjectKind::Account, id)
        .fact("role", role.as_str())
        .fact("waits", waits)
        .private("name", name.to_owned());
    attest::append(app, tx, draft).await?;
    Ok(id)
}

/// Gives an account another role; its open sessions have it from their next request on.
pub async fn change_role(app: &App, by: Actor, name: &str, role: Role) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let (account, before) = db::accounts::lock_role(&mut tx, name).await?.ok_or(Error::NotFound)?;
    if before != role {
        db::accounts::set_role(&mut tx, account, role).await?;
        let draft = Draft::new(EventType::RoleChanged, by).about(SubjectKind::Account, account);
        attest::append(app, &mut tx, draft.fact("from", before.as_str()).fact("to", role.as_str())).await?;
    }
    tx.commit().await
}

/// What an administrator does to an account of their agency.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Disable,
    Enable,
    /// Under which name the identity provider knows it; empty: it does not.
    SsoName(String),
    EndSessions,
}

/// Does it. What somebody is signed in with ends at once with the account. Nobody disables themselves, nor an agency's last administrator.
pub async fn change(app: &App, person: &Person, account: Id, change: Change) -> Result<()> {
    let now = app.now();
    let mut tx = app.db.begin().await?;
    db::agencies::lock(&mut tx, person.agency).await?;
    let known = db::accounts::lock(&mut tx, person.agency, account).await?.ok_or(Error::Elsewhere)?;
    let draft = |kind| Draft::new(kind, Actor::from(person)).about(SubjectKind::Account, account);
    let draft = match &change {
        Change::Disable => {
            let last = known.role == Role::Administrator && db::accounts::administrators(&mut tx, person.agency).await? <= 1;
            if account == person.id || last {
                return Err(Error::AnotherPerson);
            }
            if !db::accounts::set_disabled(&mut tx, account, true, now).await? {
                return Err(Error::Conflict);
            }
            db::sessions::end_all(&mut tx, account, None).await?;
            db::sessions::revoke_tokens(&mut tx, account, now).await?;
            draft(EventType::AccountDisabled)
        }
        // Of one that waits, another person has to say that there is such a colleague (`colleague.rs`).
        Change::Enable if known.waits => return Err(Error::AnotherPerson),
        Change::Enable => {
            if !db::accounts::set_disabled(&mut tx, account, false, now).await? {
                return Err(Error::Conflict);
            }
            draft(EventType::AccountEnabled)
        }
        Change::SsoName(name) => {
            let name = shown(name.trim(), 200);
            db::factors::set_sso_name(&mut tx, account, (!name.is_empty()).then(|| name.clone())).await?;
            draft(EventType::FactorChanged).fact("factor", "sso").fact("given", !name.is_empty()).private("name", name)
        }
        Change::EndSessions => draft(EventType::SessionsEnded).fact("sessions", db::sessions::end_all(&mut tx, account, None).await?),
    };
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// Characters of a purpose in words.
pub const PURPOSE_CHARS_MAX: usize = 500;

/// A purpose as somebody said it: one of the codes, and words that say something.
pub fn purpose(code: &str, words: &str) -> Result<(PurposeCode, String)> {
    let words = shown(words.trim(), PURPOSE_CHARS_MAX);
    match PurposeCode::parse(code) {
        Some(code) if worded(&words) => Ok((code, words)),
        Some(_) => Err(Error::Invalid { field: "reason", why: "say why, in a few words".into() }),
        None => Err(Error::Invalid { field: "purpose", why: "investigation, prosecution, disclosure, quality or rights".into() }),
    }
}

/// Writes down why this session looks at exhibits, until it says otherwise.
pub async fn state_purpose(app: &App, person: &Person, session: Sha256, code: PurposeCode, words: String) -> Result<()> {
    let mut tx = app.db.begin().await?;
    db::sessions::set_purpose(&mut tx, session, code).await?;
    let actor = Actor::from(&person.with(code));
    let draft = Draft::new(EventType::AccessPurpose, actor).about(SubjectKind::Account, person.id).private("reason", words);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}
