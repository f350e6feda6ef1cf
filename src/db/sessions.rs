//! Sessions and API tokens: who is behind a request. Secrets are kept as digests only; to show and end one, each has an id of its own.

use super::{Tx, bad_row, id};
use crate::domain::actor::{Person, Proof, Role, Scopes};
use crate::domain::purpose::PurposeCode;
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::{Error, Result};

pub struct NewSession {
    pub id: Id,
    pub token: Sha256,
    pub account: Id,
    pub proof: Proof,
    /// What the browser calls itself, cut short.
    pub agent: String,
    pub expires: Utc,
}

pub async fn open(tx: &mut Tx, s: &NewSession, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO session (token_hash, account_id, created_at, last_seen_at, expires_at, id, proof, proved_at, agent)
         VALUES ($1, $2, $3, $3, $4, $5, $6, $3, $7)",
        s.token.blob(), s.account.blob(), now.micros(), s.expires.micros(), s.id.blob(), s.proof.as_str(), s.agent.clone())?;
    Ok(())
}

type PersonRow = (Vec<u8>, Vec<u8>, String, String, Option<String>);

fn person(
    row: PersonRow,
    proof: Proof,
    proved_at: Option<Utc>,
    scopes: Option<Scopes>,
    (has_factor, given): (bool, bool),
) -> Result<Person> {
    Ok(Person {
        id: id(&row.0)?,
        agency: id(&row.1)?,
        name: row.2,
        role: Role::parse(&row.3).ok_or_else(|| bad_row("role"))?,
        proof,
        purpose: row.4.as_deref().and_then(PurposeCode::parse),
        proved_at,
        scopes,
        has_factor,
        given,
    })
}

/// Who this session belongs to, if it is neither over nor idle for longer than `idle_us`; and when it was last seen.
pub async fn person_of(tx: &mut Tx, token: Sha256, now: Utc, idle_us: i64) -> Result<Option<(Person, Utc)>> {
    let row = sql!(maybe tx, (Vec<u8>, Vec<u8>, String, String, Option<String>, i64, String, i64, i64, i64),
        "SELECT a.id, a.agency_id, a.name, a.role, s.purpose, s.last_seen_at, s.proof, s.proved_at,
           CAST(CASE WHEN a.totp IS NOT NULL OR EXISTS (SELECT 1 FROM passkey p WHERE p.account_id = a.id) THEN 1 ELSE 0 END AS BIGINT), a.given
         FROM session s JOIN account a ON a.id = s.account_id
         WHERE s.token_hash = $1 AND s.expires_at > $2 AND s.last_seen_at > $3 AND a.disabled_at IS NULL",
        token.blob(), now.micros(), now.plus(-idle_us).micros())?;
    row.map(|(i, g, n, r, p, seen, proof, proved, factor, given)| {
        let proof = Proof::parse(&proof).ok_or_else(|| bad_row("proof"))?;
        Ok((person((i, g, n, r, p), proof, Some(Utc::from_micros(proved)), None, (factor != 0, given != 0))?, Utc::from_micros(seen)))
    })
    .transpose()
}

pub async fn touch(tx: &mut Tx, token: Sha256, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE session SET last_seen_at = $2 WHERE token_hash = $1", token.blob(), now.micros())?;
    Ok(())
}

/// Its owner has proved once more who they are: what they proved it with counts from now on, and the session has another secret.
pub async fn prove(tx: &mut Tx, token: Sha256, new: Sha256, proof: Proof, now: Utc) -> Result<()> {
    let rows = sql!(run tx, "UPDATE session SET token_hash = $4, proof = $2, proved_at = $3, last_seen_at = $3 WHERE token_hash = $1",
        token.blob(), proof.as_str(), now.micros(), new.blob())?;
    if rows == 1 { Ok(()) } else { Err(Error::Unauthorized) }
}

/// Writes down why this session looks at exhibits.
pub async fn set_purpose(tx: &mut Tx, token: Sha256, purpose: PurposeCode) -> Result<()> {
    sql!(run tx, "UPDATE session SET purpose = $2 WHERE token_hash = $1", token.blob(), purpose.as_str())?;
    Ok(())
}

pub async fn end(tx: &mut Tx, token: Sha256) -> Result<()> {
    sql!(run tx, "DELETE FROM session WHERE token_hash = $1", token.blob())?;
    Ok(())
}

/// One of an account's, by its id; false when it is over already, or another's.
pub async fn end_one(tx: &mut Tx, account: Id, session: Id) -> Result<bool> {
    Ok(sql!(run tx, "DELETE FROM session WHERE account_id = $1 AND id = $2", account.blob(), session.blob())? == 1)
}

/// All of an account's, but for the one that is kept.
pub async fn end_all(tx: &mut Tx, account: Id, but: Option<Sha256>) -> Result<u64> {
    let but = but.map_or_else(Vec::new, |token| token.blob());
    sql!(run tx, "DELETE FROM session WHERE account_id = $1 AND token_hash <> $2", account.blob(), but)
}

/// Forgets sessions that are over.
pub async fn sweep(tx: &mut Tx, now: Utc, idle_us: i64) -> Result<()> {
    sql!(run tx, "DELETE FROM session WHERE expires_at <= $1 OR last_seen_at <= $2", now.micros(), now.plus(-idle_us).micros())?;
    Ok(())
}

pub struct Session {
    pub id: Id,
    pub this: bool,
    pub proof: String,
    pub agent: String,
    pub created_at: Utc,
    pub seen_at: Utc,
}

/// An account's living sessions, the newest first; `this` is the asking one.
pub async fn of_account(tx: &mut Tx, account: Id, this: Sha256, now: Utc, idle_us: i64) -> Result<Vec<Session>> {
    let rows = sql!(all tx, (Vec<u8>, Vec<u8>, String, String, i64, i64),
        "SELECT id, token_hash, proof, agent, created_at, last_seen_at FROM session
         WHERE account_id = $1 AND expires_at > $2 AND last_seen_at > $3 AND id IS NOT NULL ORDER BY created_at DESC, id",
        account.blob(), now.micros(), now.plus(-idle_us).micros())?;
    rows.into_iter()
        .map(|(session, token, proof, agent, created, seen)| {
            Ok(Session {
                id: id(&session)?,
                this: token == this.blob(),
                proof,
                agent,
                created_at: Utc::from_micros(created),
                seen_at: Utc::from_micros(seen),
            })
        })
        .collect()
}

pub struct NewToken {
    pub id: Id,
    pub token: Sha256,
    pub account: Id,
    pub name: String,
    pub scopes: Scopes,
    pub purpose: Option<PurposeCode>,
    pub expires: Option<Utc>,
}

pub async fn add_token(tx: &mut Tx, t: &NewToken, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO api_token (token_hash, account_id, purpose, created_at, id, name, scopes, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        t.token.blob(), t.account.blob(), t.purpose.map(PurposeCode::as_str), now.micros(), t.id.blob(), t.name.clone(), t.scopes.bits(),
        t.expires.map(Utc::micros))?;
    Ok(())
}

/// Who this token belongs to, if it is neither revoked nor over.
pub async fn person_of_token(tx: &mut Tx, token: Sha256, now: Utc) -> Result<Option<Person>> {
    let row = sql!(maybe tx, (Vec<u8>, Vec<u8>, String, String, Option<String>, i64),
        "SELECT a.id, a.agency_id, a.name, a.role, t.purpose, t.scopes FROM api_token t JOIN account a ON a.id = t.account_id
         WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2) AND a.disabled_at IS NULL",
        token.blob(), now.micros())?;
    row.map(|(i, g, n, r, p, scopes)| person((i, g, n, r, p), Proof::ApiToken, None, Some(Scopes::from_bits(scopes)), (false, false)))
        .transpose()
}

pub struct Token {
    /// Its digest's beginning tells those apart that were made before tokens had ids.
    pub id: Option<Id>,
    pub name: String,
    pub scopes: Scopes,
    pub created_at: Utc,
    pub expires_at: Option<Utc>,
    pub revoked: bool,
}

pub async fn tokens_of(tx: &mut Tx, account: Id) -> Result<Vec<Token>> {
    let rows = sql!(all tx, (Option<Vec<u8>>, String, i64, i64, Option<i64>, Option<i64>),
        "SELECT id, name, scopes, created_at, expires_at, revoked_at FROM api_token WHERE account_id = $1 ORDER BY created_at", account.blob())?;
    rows.into_iter()
        .map(|(token, name, scopes, created, expires, revoked)| {
            Ok(Token {
                id: token.map(|t| id(&t)).transpose()?,
                name,
                scopes: Scopes::from_bits(scopes),
                created_at: Utc::from_micros(created),
                expires_at: expires.map(Utc::from_micros),
                revoked: revoked.is_some(),
            })
        })
        .collect()
}

/// False when there is none of this id that still works.
pub async fn revoke_token(tx: &mut Tx, account: Id, token: Id, now: Utc) -> Result<bool> {
    let rows = sql!(run tx, "UPDATE api_token SET revoked_at = $3 WHERE account_id = $1 AND id = $2 AND revoked_at IS NULL",
        account.blob(), token.blob(), now.micros())?;
    Ok(rows == 1)
}

/// All of an account's, at once.
pub async fn revoke_tokens(tx: &mut Tx, account: Id, now: Utc) -> Result<u64> {
    sql!(run tx, "UPDATE api_token SET revoked_at = $2 WHERE account_id = $1 AND revoked_at IS NULL", account.blob(), now.micros())
}
