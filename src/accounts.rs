//! Staff accounts: creating them, checking passwords, opening sessions. (Passkeys and single sign-on will stand
//! beside passwords here.)

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

use crate::app::App;
use crate::attest;
use crate::db::{self, Tx, accounts::NewAccount};
use crate::domain::actor::{Actor, Person, Role};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::purpose::{PurposeCode, worded};
use crate::domain::value::{HOUR_US, Id, Sha256, shown};
use crate::error::{Error, Result};

/// Creates an account, with its event, in the caller's transaction.
pub async fn create(app: &App, tx: &mut Tx, by: Actor, name: &str, role: Role, password_hash: String) -> Result<Id> {
    let name = shown(name.trim(), 100);
    if name.is_empty() {
        return Err(Error::Invalid { field: "name", why: "empty".into() });
    }
    let now = app.now();
    let agency = db::accounts::agency(tx, app.new_id(), &app.config.agency, now).await?;
    let id = app.new_id();
    db::accounts::create(tx, NewAccount { id, agency, name: &name, role, password_hash }, now).await?;
    let draft = Draft::new(EventType::AccountCreated, by).about(SubjectKind::Account, id).fact("role", role.as_str()).private("name", name);
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

/// Opens a session and returns its secret.
pub async fn open_session(app: &App, account: Id) -> Result<String> {
    let (secret, hash) = app.new_secret();
    let now = app.now();
    let mut tx = app.db.begin().await?;
    db::accounts::open_session(&mut tx, hash, account, now, now.plus(app.config.sessions.absolute_hours * HOUR_US)).await?;
    let draft = Draft::new(EventType::AccessLogin, Actor::Stranger).about(SubjectKind::Account, account).fact("auth", "password");
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(secret)
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
    db::accounts::set_purpose(&mut tx, session, code).await?;
    let actor = Actor::from(&person.with(code));
    let draft = Draft::new(EventType::AccessPurpose, actor).about(SubjectKind::Account, person.id).private("reason", words);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// Characters of a password; the longest bounds the work of a stranger's login.
pub const PASSWORD_CHARS_MIN: usize = 15;
pub const PASSWORD_CHARS_MAX: usize = 128;

/// Argon2id with the crate's recommended parameters (19 MiB, 2 passes), two at a time, off the async threads.
pub async fn hash_password(app: &App, password: String) -> Result<String> {
    let chars = password.chars().count();
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&chars) {
        return Err(Error::Invalid { field: "password", why: format!("{PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters") });
    }
    let _turn = app.hashing.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(move || {
        Argon2::default().hash_password(password.as_bytes()).map(|h| h.to_string()).map_err(Error::internal)
    })
    .await
    .map_err(Error::internal)?
}

/// Whether a password is right. An unknown name costs the same time as a known one.
pub async fn password_is(app: &App, password: String, hash: Option<String>) -> Result<bool> {
    if password.chars().count() > PASSWORD_CHARS_MAX {
        return Ok(false);
    }
    let known = hash.is_some();
    // Of a password that nobody knows, with the parameters of real ones.
    let hash = hash
        .unwrap_or_else(|| "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$V3Cu2bkjdY0V1zvCrBNhkSZYtCdVp0zv0sCmQWfNRBs".to_owned());
    let _turn = app.hashing.acquire().await.map_err(Error::internal)?;
    let right = tokio::task::spawn_blocking(move || {
        argon2::password_hash::phc::PasswordHash::new(&hash)
            .is_ok_and(|h| Argon2::default().verify_password(password.as_bytes(), &h).is_ok())
    })
    .await
    .map_err(Error::internal)?;
    Ok(right && known)
}
