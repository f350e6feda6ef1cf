//! Agencies, accounts, sessions, API tokens, set-up links.

use super::{Tx, id};
use crate::domain::actor::{Person, Proof, Role};
use crate::domain::purpose::PurposeCode;
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

/// The one agency of a deployment, made on first use. (Several agencies come later; every row that
/// will need one has its place for it.)
pub async fn agency(tx: &mut Tx, new: Id, name: &str, now: Utc) -> Result<Id> {
    let found = sql!(maybe tx, (Vec<u8>,), "SELECT id FROM agency ORDER BY created_at LIMIT 1")?;
    if let Some((found,)) = found {
        return id(&found);
    }
    sql!(run tx, "INSERT INTO agency (id, name, created_at) VALUES ($1, $2, $3)", new.blob(), name.to_owned(), now.micros())?;
    Ok(new)
}

pub struct NewAccount<'a> {
    pub id: Id,
    pub agency: Id,
    pub name: &'a str,
    pub role: Role,
    pub password_hash: String,
}

/// Refused as a conflict when the name is taken.
pub async fn create(tx: &mut Tx, a: NewAccount<'_>, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO account (id, agency_id, name, role, password_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        a.id.blob(), a.agency.blob(), a.name.to_owned(), a.role.as_str(), a.password_hash, now.micros())?;
    Ok(())
}

pub async fn count(tx: &mut Tx) -> Result<i64> {
    Ok(sql!(one tx, (i64,), "SELECT COUNT(*) FROM account")?.0)
}

/// The account that may sign in under this name, and its password hash.
pub async fn by_name(tx: &mut Tx, name: &str) -> Result<Option<(Id, String)>> {
    let row = sql!(maybe tx, (Vec<u8>, String),
        "SELECT id, password_hash FROM account WHERE name = $1 AND disabled_at IS NULL", name.to_owned())?;
    row.map(|(i, hash)| Ok((id(&i)?, hash))).transpose()
}

/// Notes that somebody looked at more in a minute than people do.
pub async fn add_unusual(tx: &mut Tx, account: Id, looks: u64, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO unusual (account_id, looks, at) VALUES ($1, $2, $3)", account.blob(), super::signed(looks), now.micros())?;
    Ok(())
}

/// Who did since a moment: name, how many looks, when; the newest first.
pub async fn unusual_since(tx: &mut Tx, since: Utc, limit: i64) -> Result<Vec<(String, u64, Utc)>> {
    let rows = sql!(all tx, (String, i64, i64),
        "SELECT a.name, u.looks, u.at FROM unusual u JOIN account a ON a.id = u.account_id WHERE u.at >= $1 ORDER BY u.at DESC LIMIT $2",
        since.micros(), limit)?;
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
    pub created_at: Utc,
}

pub async fn list(tx: &mut Tx) -> Result<Vec<Account>> {
    let rows = sql!(all tx, (Vec<u8>, String, String, i64), "SELECT id, name, role, created_at FROM account ORDER BY name")?;
    rows.into_iter()
        .map(|(i, name, role, at)| {
            Ok(Account {
                id: id(&i)?,
                name,
                role: Role::parse(&role).ok_or_else(|| super::bad_row("role"))?,
                created_at: Utc::from_micros(at),
            })
        })
        .collect()
}

/// Everybody of an agency in the order in which they came, a new one last, and whether they may review: who may not any more keeps their place.
pub async fn of_agency(tx: &mut Tx, agency: Id) -> Result<Vec<(Id, String, bool)>> {
    let rows = sql!(all tx, (Vec<u8>, String, i64),
        "SELECT id, name, CAST(CASE WHEN role IN ('investigator', 'supervisor') THEN 1 ELSE 0 END AS BIGINT)
         FROM account WHERE agency_id = $1 ORDER BY id", agency.blob())?;
    rows.into_iter().map(|(i, name, may)| Ok((id(&i)?, name, may != 0))).collect()
}

type PersonRow = (Vec<u8>, Vec<u8>, String, String, Option<String>);

fn person(row: PersonRow, proof: Proof) -> Result<Person> {
    Ok(Person {
        id: id(&row.0)?,
        agency: id(&row.1)?,
        name: row.2,
        role: Role::parse(&row.3).ok_or_else(|| super::bad_row("role"))?,
        proof,
        purpose: row.4.as_deref().and_then(PurposeCode::parse),
    })
}

pub async fn open_session(tx: &mut Tx, token: Sha256, account: Id, now: Utc, expires: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO session (token_hash, account_id, created_at, last_seen_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        token.blob(), account.blob(), now.micros(), now.micros(), expires.micros())?;
    Ok(())
}

/// Who this session belongs to, if it is neither over nor idle for longer than `idle_us`; and when it
/// was last seen.
pub async fn by_session(tx: &mut Tx, token: Sha256, now: Utc, idle_us: i64) -> Result<Option<(Person, Utc)>> {
    let row = sql!(maybe tx, (Vec<u8>, Vec<u8>, String, String, Option<String>, i64),
        "SELECT a.id, a.agency_id, a.name, a.role, s.purpose, s.last_seen_at FROM session s JOIN account a ON a.id = s.account_id
         WHERE s.token_hash = $1 AND s.expires_at > $2 AND s.last_seen_at > $3 AND a.disabled_at IS NULL",
        token.blob(), now.micros(), now.plus(-idle_us).micros())?;
    row.map(|(i, g, n, r, p, seen)| Ok((person((i, g, n, r, p), Proof::Password)?, Utc::from_micros(seen)))).transpose()
}

pub async fn touch_session(tx: &mut Tx, token: Sha256, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE session SET last_seen_at = $2 WHERE token_hash = $1", token.blob(), now.micros())?;
    Ok(())
}

/// Writes down why this session looks at exhibits.
pub async fn set_purpose(tx: &mut Tx, token: Sha256, purpose: PurposeCode) -> Result<()> {
    sql!(run tx, "UPDATE session SET purpose = $2 WHERE token_hash = $1", token.blob(), purpose.as_str())?;
    Ok(())
}

pub async fn end_session(tx: &mut Tx, token: Sha256) -> Result<()> {
    sql!(run tx, "DELETE FROM session WHERE token_hash = $1", token.blob())?;
    Ok(())
}

pub async fn create_token(tx: &mut Tx, token: Sha256, account: Id, purpose: Option<PurposeCode>, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO api_token (token_hash, account_id, purpose, created_at) VALUES ($1, $2, $3, $4)",
        token.blob(), account.blob(), purpose.map(PurposeCode::as_str), now.micros())?;
    Ok(())
}

pub async fn by_token(tx: &mut Tx, token: Sha256) -> Result<Option<Person>> {
    let row = sql!(maybe tx, PersonRow,
        "SELECT a.id, a.agency_id, a.name, a.role, t.purpose FROM api_token t JOIN account a ON a.id = t.account_id
         WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND a.disabled_at IS NULL", token.blob())?;
    row.map(|r| person(r, Proof::ApiToken)).transpose()
}

/// Replaces any unused set-up link, so that only the newest works.
pub async fn new_setup_link(tx: &mut Tx, token: Sha256, now: Utc) -> Result<()> {
    sql!(run tx, "DELETE FROM setup_link WHERE used_at IS NULL")?;
    sql!(run tx, "INSERT INTO setup_link (token_hash, created_at) VALUES ($1, $2)", token.blob(), now.micros())?;
    Ok(())
}

pub async fn setup_link_is_open(tx: &mut Tx, token: Sha256) -> Result<bool> {
    let row = sql!(maybe tx, (i64,), "SELECT created_at FROM setup_link WHERE token_hash = $1 AND used_at IS NULL", token.blob())?;
    Ok(row.is_some())
}

/// False when the link was used before.
pub async fn use_setup_link(tx: &mut Tx, token: Sha256, now: Utc) -> Result<bool> {
    let rows = sql!(run tx, "UPDATE setup_link SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL", token.blob(), now.micros())?;
    Ok(rows == 1)
}
