//! What people prove themselves with besides a password: an authenticator's secret, passkeys, the subject of an identity provider; and what a
//! sign-in remembers until it is answered.

use super::{Tx, id};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

/// Gives an account an authenticator, or takes it away.
pub async fn set_totp(tx: &mut Tx, account: Id, wrapped: Option<Vec<u8>>) -> Result<()> {
    sql!(run tx, "UPDATE account SET totp = $2, totp_step = 0 WHERE id = $1", account.blob(), wrapped)?;
    Ok(())
}

/// Uses the code of a step up. False when it, or a later one, was used before: each works once (RFC 6238, 5.2).
pub async fn use_step(tx: &mut Tx, account: Id, step: u64) -> Result<bool> {
    let step = super::signed(step);
    Ok(sql!(run tx, "UPDATE account SET totp_step = $2 WHERE id = $1 AND totp_step < $2", account.blob(), step)? == 1)
}

pub struct Passkey {
    pub id: Id,
    pub account: Id,
    /// As the library writes it.
    pub body: String,
    pub name: String,
    pub created_at: Utc,
    pub used_at: Option<Utc>,
}

pub struct NewPasskey<'a> {
    pub id: Id,
    pub account: Id,
    pub credential: &'a [u8],
    pub body: String,
    pub name: &'a str,
}

/// Refused as a conflict when this credential is known.
pub async fn add_passkey(tx: &mut Tx, p: NewPasskey<'_>, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO passkey (id, account_id, credential, body, name, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        p.id.blob(), p.account.blob(), p.credential.to_vec(), p.body, p.name.to_owned(), now.micros())?;
    Ok(())
}

type PasskeyRow = (Vec<u8>, Vec<u8>, String, String, i64, Option<i64>);

fn passkey(r: PasskeyRow) -> Result<Passkey> {
    Ok(Passkey {
        id: id(&r.0)?,
        account: id(&r.1)?,
        body: r.2,
        name: r.3,
        created_at: Utc::from_micros(r.4),
        used_at: r.5.map(Utc::from_micros),
    })
}

pub async fn passkeys_of(tx: &mut Tx, account: Id) -> Result<Vec<Passkey>> {
    sql!(all tx, PasskeyRow,
        "SELECT id, account_id, body, name, created_at, used_at FROM passkey WHERE account_id = $1 ORDER BY created_at, id", account.blob())?
    .into_iter()
    .map(passkey)
    .collect()
}

pub async fn passkey_by_credential(tx: &mut Tx, credential: &[u8]) -> Result<Option<Passkey>> {
    sql!(maybe tx, PasskeyRow,
        "SELECT id, account_id, body, name, created_at, used_at FROM passkey WHERE credential = $1", credential.to_vec())?
    .map(passkey)
    .transpose()
}

pub async fn passkey_used(tx: &mut Tx, which: Id, body: String, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE passkey SET body = $2, used_at = $3 WHERE id = $1", which.blob(), body, now.micros())?;
    Ok(())
}

pub async fn remove_passkey(tx: &mut Tx, account: Id, which: Id) -> Result<bool> {
    Ok(sql!(run tx, "DELETE FROM passkey WHERE account_id = $1 AND id = $2", account.blob(), which.blob())? == 1)
}

/// Takes every factor but the password away.
pub async fn forget_all(tx: &mut Tx, account: Id) -> Result<()> {
    sql!(run tx, "DELETE FROM passkey WHERE account_id = $1", account.blob())?;
    sql!(run tx, "UPDATE account SET totp = NULL, totp_step = 0, sso_subject = NULL WHERE id = $1", account.blob())?;
    Ok(())
}

/// Under which name an identity provider knows an account; whoever it was before is forgotten. A name that is taken is a conflict.
pub async fn set_sso_name(tx: &mut Tx, account: Id, name: Option<String>) -> Result<()> {
    sql!(run tx, "UPDATE account SET sso_name = $2, sso_subject = NULL WHERE id = $1", account.blob(), name)?;
    Ok(())
}

/// The account of this subject; or, on its first visit, the one that an administrator has named for it, which is this subject's from then on.
pub async fn account_of_subject(tx: &mut Tx, subject: &str, name: &str) -> Result<Option<Id>> {
    sql!(run tx, "UPDATE account SET sso_subject = $1 WHERE sso_name = $2 AND sso_subject IS NULL AND disabled_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM account o WHERE o.sso_subject = $1)", subject.to_owned(), name.to_owned())?;
    sql!(maybe tx, (Vec<u8>,), "SELECT id FROM account WHERE sso_subject = $1 AND disabled_at IS NULL", subject.to_owned())?
        .map(|(account,)| id(&account))
        .transpose()
}

pub struct Ceremony {
    pub account: Option<Id>,
    pub body: String,
}

/// Remembers one end of a sign-in.
pub async fn begin(tx: &mut Tx, token: Sha256, what: &str, account: Option<Id>, body: &str, until: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO ceremony (token_hash, what, account_id, body, good_until) VALUES ($1, $2, $3, $4, $5)",
        token.blob(), what.to_owned(), account.map(|a| a.blob()), body.to_owned(), until.micros())?;
    Ok(())
}

/// Takes it out: whoever answers first has it, and nobody twice.
pub async fn take(tx: &mut Tx, token: Sha256, what: &str, now: Utc) -> Result<Option<Ceremony>> {
    let row = sql!(maybe tx, (Option<Vec<u8>>, String),
        "DELETE FROM ceremony WHERE token_hash = $1 AND what = $2 AND good_until > $3 RETURNING account_id, body",
        token.blob(), what.to_owned(), now.micros())?;
    row.map(|(account, body)| Ok(Ceremony { account: account.map(|a| id(&a)).transpose()?, body })).transpose()
}

pub async fn sweep(tx: &mut Tx, now: Utc) -> Result<()> {
    sql!(run tx, "DELETE FROM ceremony WHERE good_until <= $1", now.micros())?;
    Ok(())
}
