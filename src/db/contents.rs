//! Bytes, once per agency, and what examination made of them.

use sqlx::FromRow;

use super::{Tx, json, signed, to_json};
use crate::domain::capture::Found;
use crate::domain::likeness::Prints;
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

/// Where the blob store has these bytes, if this agency has them.
pub async fn blob_key(tx: &mut Tx, agency: Id, sha256: Sha256) -> Result<Option<String>> {
    let row = sql!(maybe tx, (String,), "SELECT blob_key FROM content WHERE agency_id = $1 AND sha256 = $2", agency.blob(), sha256.blob())?;
    Ok(row.map(|r| r.0))
}

/// Holds the row of some bytes until commit, so that whoever takes the last exhibit with them away sees the others go.
pub async fn lock(tx: &mut Tx, agency: Id, sha256: Sha256) -> Result<()> {
    let text = tx.locking(
        "SELECT sha256 FROM content WHERE agency_id = $1 AND sha256 = $2",
        "SELECT sha256 FROM content WHERE agency_id = $1 AND sha256 = $2 FOR UPDATE",
    );
    sql!(maybe tx, (Vec<u8>,), text, agency.blob(), sha256.blob())?;
    Ok(())
}

/// Records new bytes. Returns the key that holds them, which is another's if that one was faster; whether they were new; and holds the row, so
/// that nobody takes the last exhibit with them away meanwhile.
pub async fn insert(tx: &mut Tx, agency: Id, sha256: Sha256, size: u64, key: &str, now: Utc) -> Result<(String, bool)> {
    let new = sql!(run tx,
        "INSERT INTO content (agency_id, sha256, size, blob_key, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        agency.blob(), sha256.blob(), signed(size), key.to_owned(), now.micros())?;
    if new == 1 {
        return Ok((key.to_owned(), true));
    }
    let text = tx.locking(
        "SELECT blob_key FROM content WHERE agency_id = $1 AND sha256 = $2",
        "SELECT blob_key FROM content WHERE agency_id = $1 AND sha256 = $2 FOR KEY SHARE",
    );
    // (Gone between the two statements: an erasure was faster.)
    let row = sql!(maybe tx, (String,), text, agency.blob(), sha256.blob())?;
    Ok((row.ok_or(crate::error::Error::TryLater)?.0, false))
}

/// Bytes whose blob was lost lie elsewhere now.
pub async fn set_blob_key(tx: &mut Tx, agency: Id, sha256: Sha256, key: &str) -> Result<()> {
    sql!(run tx, "UPDATE content SET blob_key = $3 WHERE agency_id = $1 AND sha256 = $2", agency.blob(), sha256.blob(), key.to_owned())?;
    Ok(())
}

/// The keys of every blob that a row refers to; of originals also the hash that they must have.
pub async fn blob_keys(tx: &mut Tx) -> Result<Vec<(String, Option<Sha256>)>> {
    let rows = sql!(all tx, (String, Option<Vec<u8>>),
        "SELECT blob_key, sha256 FROM content UNION ALL SELECT blob_key, NULL FROM derivative")?;
    rows.into_iter().map(|(key, sha)| Ok((key, sha.map(|s| super::digest(&s)).transpose()?))).collect()
}

/// The hash that the bytes under a key must have, when they are an original's.
pub async fn hash_of_blob(tx: &mut Tx, key: &str) -> Result<Option<Sha256>> {
    let row = sql!(maybe tx, (Vec<u8>,), "SELECT sha256 FROM content WHERE blob_key = $1", key.to_owned())?;
    row.map(|r| super::digest(&r.0)).transpose()
}

/// Bytes lie under another key now.
pub async fn move_blob(tx: &mut Tx, from: &str, to: &str) -> Result<()> {
    if from == to {
        return Ok(());
    }
    for text in ["UPDATE content SET blob_key = $2 WHERE blob_key = $1", "UPDATE derivative SET blob_key = $2 WHERE blob_key = $1"] {
        sql!(run tx, text, from.to_owned(), to.to_owned())?;
    }
    Ok(())
}

/// What examination found in some bytes.
pub struct Examination {
    pub found: Found,
    /// The raw metadata, as JSON text.
    pub raw: String,
    /// Stable words for what could not be read, and why.
    pub notes: Vec<String>,
    pub reader: String,
    pub prints: Prints,
    /// Digest of the picture or the samples alone.
    pub essence: Option<Sha256>,
    /// Keyed digest of what tells the device from others of its model.
    pub device: Option<Sha256>,
}

#[derive(FromRow)]
struct Row {
    found: String,
    raw: String,
    notes: String,
    reader: String,
    prints: Option<Vec<u8>>,
    essence: Option<Vec<u8>>,
    device: Option<Vec<u8>>,
}

pub async fn examination(tx: &mut Tx, agency: Id, sha256: Sha256) -> Result<Option<Examination>> {
    let row = sql!(maybe tx, Row,
        "SELECT found, raw, notes, reader, prints, essence, device FROM examination WHERE agency_id = $1 AND sha256 = $2",
        agency.blob(), sha256.blob())?;
    row.map(|r| {
        Ok(Examination {
            found: json(&r.found)?,
            raw: r.raw,
            notes: json(&r.notes)?,
            reader: r.reader,
            prints: Prints::from_bytes(&r.prints.unwrap_or_default()),
            essence: r.essence.as_deref().map(super::digest).transpose()?,
            device: r.device.as_deref().map(super::digest).transpose()?,
        })
    })
    .transpose()
}

/// Records an examination, unless somebody was faster; whether it was recorded.
pub async fn insert_examination(tx: &mut Tx, agency: Id, sha256: Sha256, e: &Examination, now: Utc) -> Result<bool> {
    let rows = sql!(run tx,
        "INSERT INTO examination (agency_id, sha256, found, raw, notes, reader, prints, essence, device, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        agency.blob(), sha256.blob(), to_json(&e.found)?, e.raw.clone(), to_json(&e.notes)?, e.reader.clone(),
        Some(e.prints.to_bytes()).filter(|p| !p.is_empty()), e.essence.map(|s| s.blob()), e.device.map(|s| s.blob()), now.micros())?;
    Ok(rows == 1)
}

/// How many other submissions of an appeal have files of this device.
pub async fn submissions_with_device(tx: &mut Tx, appeal: Id, agency: Id, device: Sha256, but: Id) -> Result<u64> {
    let (count,) = sql!(one tx, (i64,),
        "SELECT COUNT(DISTINCT e.submission_id) FROM examination x JOIN exhibit e ON e.agency_id = x.agency_id AND e.sha256 = x.sha256
         WHERE x.agency_id = $1 AND x.device = $2 AND e.appeal_id = $3 AND e.submission_id <> $4",
        agency.blob(), device.blob(), appeal.blob(), but.blob())?;
    Ok(super::unsigned(count))
}

/// Every exhibit of an appeal that this device made.
pub async fn exhibits_of_device(tx: &mut Tx, appeal: Id, agency: Id, device: Sha256) -> Result<Vec<Id>> {
    let rows = sql!(all tx, (Vec<u8>,),
        "SELECT e.id FROM examination x JOIN exhibit e ON e.agency_id = x.agency_id AND e.sha256 = x.sha256
         WHERE x.agency_id = $1 AND x.device = $2 AND e.appeal_id = $3 ORDER BY e.id",
        agency.blob(), device.blob(), appeal.blob())?;
    rows.into_iter().map(|r| super::id(&r.0)).collect()
}
