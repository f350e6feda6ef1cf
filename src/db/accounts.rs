//! Accounts and set-up links.

use super::{Tx, id};
use crate::domain::actor::Role;
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

pub struct NewAccount<'a> {
    pub id: Id,
    pub agency: Id,
    pub name: &'a str,
    pub role: Role,
    pub password_hash: String,
    pub made_by: Option<Id>,
    /// It cannot sign in until somebody else has vouched for it.
    pub waits: bool,
}

/// Refused as a conflict when the name is taken.
pub async fn create(tx: &mut Tx, a: NewAccount<'_>, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO account (id, agency_id, name, role, password_hash, created_at, made_by, waits, disabled_at, given)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        a.id.blob(), a.agency.blob(), a.name.to_owned(), a.role.as_str(), a.password_hash, now.micros(), a.made_by.map(|by| by.blob()), i64::from(a.waits),
        a.waits.then(|| now.micros()), i64::from(a.made_by.is_some()))?;
    Ok(())
}

pub async fn count(tx: &mut Tx) -> Result<i64> {
    Ok(sql!(one tx, (i64,), "SELECT COUNT(*) FROM account")?.0)
}

/// Every name that an account has, of all agencies: a name is one person's.
pub async fn all_names(tx: &mut Tx) -> Result<Vec<String>> {
    Ok(sql!(all tx, (String,), "SELECT name FROM account")?.into_iter().map(|(name,)| name).collect())
}

/// Somebody has vouched for it.
pub async fn set_waits_no_more(tx: &mut Tx, account: Id) -> Result<()> {
    sql!(run tx, "UPDATE account SET waits = 0, disabled_at = NULL WHERE id = $1", account.blob())?;
    Ok(())
}

/// Somebody has said that there is no such colleague; `name` is what the account is called from now on.
pub async fn refuse(tx: &mut Tx, account: Id, name: &str) -> Result<()> {
    sql!(run tx, "UPDATE account SET waits = $2, name = $3 WHERE id = $1", account.blob(), REFUSED, name.to_owned())?;
    Ok(())
}

/// An account as it signs in.
pub struct SignIn {
    pub id: Id,
    pub password_hash: String,
    /// The wrapped secret of its authenticator, if it has one.
    pub totp: Option<Vec<u8>>,
}

type SignInRow = (Vec<u8>, String, Option<Vec<u8>>);

fn sign_in(r: SignInRow) -> Result<SignIn> {
    Ok(SignIn { id: id(&r.0)?, password_hash: r.1, totp: r.2 })
}

/// The account that may sign in under this name.
pub async fn by_name(tx: &mut Tx, name: &str) -> Result<Option<SignIn>> {
    sql!(maybe tx, SignInRow,
        "SELECT id, password_hash, totp FROM account WHERE name = $1 AND disabled_at IS NULL", name.to_owned())?
    .map(sign_in)
    .transpose()
}

/// The same by its id.
pub async fn by_id(tx: &mut Tx, account: Id) -> Result<Option<SignIn>> {
    sql!(maybe tx, SignInRow,
        "SELECT id, password_hash, totp FROM account WHERE id = $1 AND disabled_at IS NULL", account.blob())?
    .map(sign_in)
    .transpose()
}

/// By its owner.
pub async fn set_password(tx: &mut Tx, account: Id, hash: &str) -> Result<()> {
    sql!(run tx, "UPDATE account SET password_hash = $2, given = 0 WHERE id = $1", account.blob(), hash.to_owned())?;
    Ok(())
}

/// Disables or enables an account; false when it was so before.
pub async fn set_disabled(tx: &mut Tx, account: Id, disabled: bool, now: Utc) -> Result<bool> {
    let rows = if disabled {
        sql!(run tx, "UPDATE account SET disabled_at = $2 WHERE id = $1 AND disabled_at IS NULL", account.blob(), now.micros())?
    } else {
        sql!(run tx, "UPDATE account SET disabled_at = NULL WHERE id = $1 AND disabled_at IS NOT NULL", account.blob())?
    };
    Ok(rows == 1)
}

/// Notes that somebody looked at more in a minute than people do.
pub async fn add_unusual(tx: &mut Tx, account: Id, looks: u64, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO unusual (account_id, looks, at) VALUES ($1, $2, $3)", account.blob(), super::signed(looks), now.micros())?;
    Ok(())
}

/// Who of an agency did since a moment: name, how many looks, when; the newest first.
pub async fn unusual_since(tx: &mut Tx, agency: Id, since: Utc, limit: i64) -> Result<Vec<(String, u64, Utc)>> {
    let rows = sql!(all tx, (String, i64, i64),
        "SELECT a.name, u.looks, u.at FROM unusual u JOIN account a ON a.id = u.account_id
         WHERE a.agency_id = $3 AND u.at >= $1 ORDER BY u.at DESC LIMIT $2",
        since.micros(), limit, agency.blob())?;
    Ok(rows.into_iter().map(|(name, looks, at)| (name, super::unsigned(looks), Utc::from_micros(at))).collect())
}

/// The role of the account of this name, held until commit.
pub async fn lock_role(tx: &mut Tx, name: &str) -> Result<Option<(Id, Role)>> {
    let text = tx.locking("SELECT id, role FROM account WHERE name = $1", "SELECT id, role FROM account WHERE name = $1 FOR UPDATE");
    let row = sql!(maybe tx, (Vec<u8>, String), text, name.to_owned())?;
    row.map(|(i, role)| Ok((id(&i)?, Role::parse(&role).ok_or_else(|| super::bad_row("role"))?))).transpose()
}

pub async fn set_role(tx: &mut Tx, account: Id, role: Role) -> Result<()> {
    sql!(run tx, "UPDATE account SET role = $2 WHERE id = $1", account.blob(), role.as_str())?;
    Ok(())
}

pub struct Account {
    pub id: Id,
    pub name: String,
    pub role: Role,
    pub disabled: bool,
    /// Whether an authenticator, and how many passkeys, it has.
    pub totp: bool,
    pub passkeys: u64,
    pub sso: Option<String>,
    pub created_at: Utc,
    pub made_by: Option<Id>,
    /// For somebody to vouch for it.
    pub waits: bool,
    /// It waited, and somebody said that there is no such colleague.
    pub refused: bool,
}

/// `account.waits` of one that was refused: it waits for ever.
const REFUSED: i64 = 2;

type AccountRow = (Vec<u8>, String, String, Option<i64>, i64, i64, Option<String>, i64, Option<Vec<u8>>, i64);

fn account(r: AccountRow) -> Result<Account> {
    Ok(Account {
        id: id(&r.0)?,
        name: r.1,
        role: Role::parse(&r.2).ok_or_else(|| super::bad_row("role"))?,
        disabled: r.3.is_some(),
        totp: r.4 != 0,
        passkeys: super::unsigned(r.5),
        sso: r.6,
        created_at: Utc::from_micros(r.7),
        made_by: r.8.as_deref().map(id).transpose()?,
        waits: r.9 != 0,
        refused: r.9 == REFUSED,
    })
}

/// Everybody of an agency, by name.
pub async fn list(tx: &mut Tx, agency: Id) -> Result<Vec<Account>> {
    sql!(all tx, AccountRow,
        "SELECT a.id, a.name, a.role, a.disabled_at, CAST(CASE WHEN a.totp IS NULL THEN 0 ELSE 1 END AS BIGINT),
           (SELECT COUNT(*) FROM passkey p WHERE p.account_id = a.id), a.sso_name, a.created_at, a.made_by, a.waits
         FROM account a WHERE a.agency_id = $1 ORDER BY a.name", agency.blob())?
    .into_iter()
    .map(account)
    .collect()
}

/// One of an agency's, held until commit.
pub async fn lock(tx: &mut Tx, agency: Id, which: Id) -> Result<Option<Account>> {
    if !hold(tx, which).await? {
        return Ok(None);
    }
    Ok(list(tx, agency).await?.into_iter().find(|a| a.id == which))
}

/// Holds an account until commit, so that what one person does at the same time is done one after the other. False where
/// there is none.
pub async fn hold(tx: &mut Tx, which: Id) -> Result<bool> {
    let text = tx.locking("SELECT id FROM account WHERE id = $1", "SELECT id FROM account WHERE id = $1 FOR UPDATE");
    Ok(sql!(maybe tx, (Vec<u8>,), text, which.blob())?.is_some())
}

/// Names of everybody who may stand in an exhibit's history: of an agency, and of those that it shares something with.
pub async fn names(tx: &mut Tx, agency: Id) -> Result<Vec<(Id, String)>> {
    let rows = sql!(all tx, (Vec<u8>, String),
        "SELECT id, name FROM account WHERE agency_id = $1 OR agency_id IN
           (SELECT s.agency_id FROM appeal_share s JOIN appeal a ON a.id = s.appeal_id WHERE a.agency_id = $1)
         OR agency_id IN (SELECT a.agency_id FROM appeal_share s JOIN appeal a ON a.id = s.appeal_id WHERE s.agency_id = $1)", agency.blob())?;
    rows.into_iter().map(|(account, name)| Ok((id(&account)?, name))).collect()
}

/// Administrators of an agency who can sign in.
pub async fn administrators(tx: &mut Tx, agency: Id) -> Result<i64> {
    Ok(sql!(one tx, (i64,),
        "SELECT COUNT(*) FROM account WHERE agency_id = $1 AND role = 'administrator' AND disabled_at IS NULL", agency.blob())?
    .0)
}

/// Everybody of an agency in the order in which they came, a new one last, and whether they may review: who may not any more keeps their place.
pub async fn of_agency(tx: &mut Tx, agency: Id) -> Result<Vec<(Id, String, bool)>> {
    let rows = sql!(all tx, (Vec<u8>, String, i64),
        "SELECT id, name, CAST(CASE WHEN role IN ('investigator', 'supervisor') THEN 1 ELSE 0 END AS BIGINT)
         FROM account WHERE agency_id = $1 ORDER BY id", agency.blob())?;
    rows.into_iter().map(|(i, name, may)| Ok((id(&i)?, name, may != 0))).collect()
}

/// Replaces any unused set-up link, so that only the newest works.
pub async fn new_setup_link(tx: &mut Tx, token: Sha256, now: Utc) -> Result<()> {
    sql!(run tx, "DELETE FROM setup_link WHERE used_at IS NULL")?;
    sql!(run tx, "INSERT INTO setup_link (token_hash, created_at) VALUES ($1, $2)", token.blob(), now.micros())?;
    Ok(())
}

/// Whether the link may be used, if it is not older than `since`.
pub async fn setup_link_is_open(tx: &mut Tx, token: Sha256, since: Utc) -> Result<bool> {
    let row = sql!(maybe tx, (i64,),
        "SELECT created_at FROM setup_link WHERE token_hash = $1 AND used_at IS NULL AND created_at >= $2", token.blob(), since.micros())?;
    Ok(row.is_some())
}

/// False when the link was used before, or is older than `since`.
pub async fn use_setup_link(tx: &mut Tx, token: Sha256, since: Utc, now: Utc) -> Result<bool> {
    let rows = sql!(run tx, "UPDATE setup_link SET used_at = $3 WHERE token_hash = $1 AND used_at IS NULL AND created_at >= $2",
        token.blob(), since.micros(), now.micros())?;
    Ok(rows == 1)
}
