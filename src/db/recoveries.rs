//! Accounts whose owners lost everything they proved themselves with: who asked for another way in, who agreed, and the link that works once.

use super::{Tx, id};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

pub struct Recovery {
    pub id: Id,
    pub account: Id,
    pub name: String,
    pub asked_by: Option<Id>,
    pub asker: String,
    pub reason: String,
    pub asked_at: Utc,
    pub state: String,
}

type Row = (Vec<u8>, Vec<u8>, String, Option<Vec<u8>>, Option<String>, String, i64, String);

fn recovery(r: Row) -> Result<Recovery> {
    Ok(Recovery {
        id: id(&r.0)?,
        account: id(&r.1)?,
        name: r.2,
        asked_by: r.3.map(|a| id(&a)).transpose()?,
        asker: r.4.unwrap_or_default(),
        reason: r.5,
        asked_at: Utc::from_micros(r.6),
        state: r.7,
    })
}

pub async fn ask(tx: &mut Tx, new: Id, account: Id, by: Option<Id>, reason: &str, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO recovery (id, account_id, asked_by, reason, asked_at, state) VALUES ($1, $2, $3, $4, $5, 'asked')",
        new.blob(), account.blob(), by.map(|b| b.blob()), reason.to_owned(), now.micros())?;
    Ok(())
}

/// Those of an agency that are not over, the newest first.
pub async fn open(tx: &mut Tx, agency: Id) -> Result<Vec<Recovery>> {
    sql!(all tx, Row,
        "SELECT r.id, r.account_id, a.name, r.asked_by, b.name, r.reason, r.asked_at, r.state
         FROM recovery r JOIN account a ON a.id = r.account_id LEFT JOIN account b ON b.id = r.asked_by
         WHERE a.agency_id = $1 AND r.state IN ('asked', 'agreed') ORDER BY r.asked_at DESC", agency.blob())?
    .into_iter()
    .map(recovery)
    .collect()
}

/// Agrees, if it still waits for that.
pub async fn agree(tx: &mut Tx, which: Id, by: Id) -> Result<bool> {
    Ok(sql!(run tx, "UPDATE recovery SET state = 'agreed', agreed_by = $2 WHERE id = $1 AND state = 'asked'", which.blob(), by.blob())?
        == 1)
}

/// The operator needs nobody else.
pub async fn agree_alone(tx: &mut Tx, which: Id) -> Result<()> {
    sql!(run tx, "UPDATE recovery SET state = 'agreed' WHERE id = $1 AND asked_by IS NULL", which.blob())?;
    Ok(())
}

/// Ends what is not done; false when it is over.
pub async fn refuse(tx: &mut Tx, which: Id) -> Result<bool> {
    Ok(
        sql!(run tx, "UPDATE recovery SET state = 'refused', token_hash = NULL WHERE id = $1 AND state IN ('asked', 'agreed')", which.blob())?
            == 1,
    )
}

/// Gives an agreed one its link. An earlier link works no more.
pub async fn set_link(tx: &mut Tx, which: Id, token: Sha256, until: Utc) -> Result<bool> {
    let rows = sql!(run tx, "UPDATE recovery SET token_hash = $2, good_until = $3 WHERE id = $1 AND state = 'agreed'",
        which.blob(), token.blob(), until.micros())?;
    Ok(rows == 1)
}

/// The account that a link opens, and its name.
pub async fn by_link(tx: &mut Tx, token: Sha256, now: Utc) -> Result<Option<(Id, String)>> {
    sql!(maybe tx, (Vec<u8>, String),
        "SELECT a.id, a.name FROM recovery r JOIN account a ON a.id = r.account_id
         WHERE r.token_hash = $1 AND r.good_until > $2 AND r.state = 'agreed' AND a.disabled_at IS NULL", token.blob(), now.micros())?
    .map(|(account, name)| Ok((id(&account)?, name)))
    .transpose()
}

/// Uses a link up.
pub async fn done(tx: &mut Tx, token: Sha256, now: Utc) -> Result<bool> {
    let rows = sql!(run tx,
        "UPDATE recovery SET state = 'done', token_hash = NULL WHERE token_hash = $1 AND good_until > $2 AND state = 'agreed'",
        token.blob(), now.micros())?;
    Ok(rows == 1)
}
