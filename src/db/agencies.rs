//! Agencies: each has its own people, appeals and vault, and knows nothing of the others but what they share with it.

use super::{Tx, id, json, to_json};
use crate::domain::notice::Notice;
use crate::domain::value::{Id, Utc};
use crate::error::Result;

pub struct Agency {
    pub id: Id,
    pub name: String,
    /// The age recipient that its witnesses' contacts are sealed to.
    pub vault: Option<String>,
    /// Whether reading a contact takes a second person.
    pub two_persons: bool,
}

type Row = (Vec<u8>, String, Option<String>, i64);

fn agency(r: Row) -> Result<Agency> {
    Ok(Agency { id: id(&r.0)?, name: r.1, vault: r.2, two_persons: r.3 != 0 })
}

/// The agency of this name, made on first use.
pub async fn named(tx: &mut Tx, new: Id, name: &str, now: Utc) -> Result<Id> {
    if let Some(found) = by_name(tx, name).await? {
        return Ok(found.id);
    }
    sql!(run tx, "INSERT INTO agency (id, name, created_at) VALUES ($1, $2, $3)", new.blob(), name.to_owned(), now.micros())?;
    Ok(new)
}

/// The first one of a deployment, under whatever name it was made; made on first use.
pub async fn first(tx: &mut Tx, new: Id, name: &str, now: Utc) -> Result<Id> {
    let found = sql!(maybe tx, (Vec<u8>,), "SELECT id FROM agency ORDER BY created_at, id LIMIT 1")?;
    match found {
        Some((found,)) => id(&found),
        None => named(tx, new, name, now).await,
    }
}

pub async fn by_name(tx: &mut Tx, name: &str) -> Result<Option<Agency>> {
    sql!(maybe tx, Row, "SELECT id, name, vault, two_persons FROM agency WHERE name = $1 ORDER BY created_at, id LIMIT 1", name.to_owned())?
        .map(agency)
        .transpose()
}

pub async fn by_id(tx: &mut Tx, which: Id) -> Result<Agency> {
    agency(sql!(one tx, Row, "SELECT id, name, vault, two_persons FROM agency WHERE id = $1", which.blob())?)
}

/// Whoever changes who administers an agency takes turns.
pub async fn lock(tx: &mut Tx, which: Id) -> Result<()> {
    let text = tx.locking("SELECT id FROM agency WHERE id = $1", "SELECT id FROM agency WHERE id = $1 FOR UPDATE");
    sql!(one tx, (Vec<u8>,), text, which.blob())?;
    Ok(())
}

pub async fn list(tx: &mut Tx) -> Result<Vec<Agency>> {
    sql!(all tx, Row, "SELECT id, name, vault, two_persons FROM agency ORDER BY created_at, id")?.into_iter().map(agency).collect()
}

pub async fn set_vault(tx: &mut Tx, which: Id, recipient: &str) -> Result<()> {
    sql!(run tx, "UPDATE agency SET vault = $2 WHERE id = $1", which.blob(), recipient.to_owned())?;
    Ok(())
}

/// What an agency says about itself to the public.
pub async fn notice(tx: &mut Tx, which: Id) -> Result<Notice> {
    json(&sql!(one tx, (String,), "SELECT notice FROM agency WHERE id = $1", which.blob())?.0)
}

pub async fn set_notice(tx: &mut Tx, which: Id, notice: &Notice) -> Result<()> {
    sql!(run tx, "UPDATE agency SET notice = $2 WHERE id = $1", which.blob(), to_json(notice)?)?;
    Ok(())
}

pub async fn set_two_persons(tx: &mut Tx, which: Id, needed: bool) -> Result<()> {
    sql!(run tx, "UPDATE agency SET two_persons = $2 WHERE id = $1", which.blob(), i64::from(needed))?;
    Ok(())
}
