//! Bytes, once per agency, and what examination made of them.

use std::collections::HashMap;

use sqlx::FromRow;

use super::{Tx, json, signed, to_json};
use crate::domain::capture::Found;
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

/// Where the blob store has these bytes, if this agency has them.
pub async fn blob_key(tx: &mut Tx, agency: Id, sha256: Sha256) -> Result<Option<String>> {
    let row = sql!(maybe tx, (String,), "SELECT blob_key FROM content WHERE agency_id = $1 AND sha256 = $2", agency.blob(), sha256.blob())?;
    Ok(row.map(|r| r.0))
}

/// Records new bytes. Returns the key that holds them, which is another's if that one was faster.
pub async fn insert(tx: &mut Tx, agency: Id, sha256: Sha256, size: u64, key: &str, now: Utc) -> Result<String> {
    sql!(run tx,
        "INSERT INTO content (agency_id, sha256, size, blob_key, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        agency.blob(), sha256.blob(), signed(size), key.to_owned(), now.micros())?;
    let row = sql!(one tx, (String,), "SELECT blob_key FROM content WHERE agency_id = $1 AND sha256 = $2", agency.blob(), sha256.blob())?;
    Ok(row.0)
}

/// Bytes whose blob was lost lie elsewhere now.
pub async fn set_blob_key(tx: &mut Tx, agency: Id, sha256: Sha256, key: &str) -> Result<()> {
    sql!(run tx, "UPDATE content SET blob_key = $3 WHERE agency_id = $1 AND sha256 = $2", agency.blob(), sha256.blob(), key.to_owned())?;
    Ok(())
}

/// The keys of every blob that a row refers to; of originals also the hash that they must have.
pub async fn blob_keys(tx: &mut Tx) -> Result<Vec<(String, Option<Sha256>)>> {
    let rows = sql!(all tx, (String, Option<Vec<u8>>),
        "SELECT blob_key, sha256 FROM content UNION ALL SELECT thumbnail_key, NULL FROM examination WHERE thumbnail_key IS NOT NULL
         UNION ALL SELECT view_key, NULL FROM examination WHERE view_key IS NOT NULL")?;
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
    for text in [
        "UPDATE content SET blob_key = $2 WHERE blob_key = $1",
        "UPDATE examination SET thumbnail_key = $2 WHERE thumbnail_key = $1",
        "UPDATE examination SET view_key = $2 WHERE view_key = $1",
    ] {
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
    pub thumbnail_key: Option<String>,
    pub view_key: Option<String>,
    pub thumbnail_sha256: Option<Sha256>,
    pub view_sha256: Option<Sha256>,
}

#[derive(FromRow)]
struct Row {
    found: String,
    raw: String,
    notes: String,
    reader: String,
    thumbnail_key: Option<String>,
    view_key: Option<String>,
    thumbnail_sha256: Option<Vec<u8>>,
    view_sha256: Option<Vec<u8>>,
}

pub async fn examination(tx: &mut Tx, agency: Id, sha256: Sha256) -> Result<Option<Examination>> {
    let row = sql!(maybe tx, Row,
        "SELECT found, raw, notes, reader, thumbnail_key, view_key, thumbnail_sha256, view_sha256 FROM examination WHERE agency_id = $1 AND sha256 = $2",
        agency.blob(), sha256.blob())?;
    row.map(|r| {
        Ok(Examination {
            found: json(&r.found)?,
            raw: r.raw,
            notes: json(&r.notes)?,
            reader: r.reader,
            thumbnail_key: r.thumbnail_key,
            view_key: r.view_key,
            thumbnail_sha256: r.thumbnail_sha256.as_deref().map(super::digest).transpose()?,
            view_sha256: r.view_sha256.as_deref().map(super::digest).transpose()?,
        })
    })
    .transpose()
}

pub async fn insert_examination(tx: &mut Tx, agency: Id, sha256: Sha256, e: &Examination, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO examination (agency_id, sha256, found, raw, notes, reader, thumbnail_key, view_key, thumbnail_sha256, view_sha256,
           created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        agency.blob(), sha256.blob(), to_json(&e.found)?, e.raw.clone(), to_json(&e.notes)?, e.reader.clone(),
        e.thumbnail_key.clone(), e.view_key.clone(), e.thumbnail_sha256.map(|s| s.blob()), e.view_sha256.map(|s| s.blob()),
        now.micros())?;
    Ok(())
}

type PictureRow = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

/// The hashes of the pictures that were made of each content: thumbnail and view.
pub async fn pictures(tx: &mut Tx) -> Result<HashMap<Sha256, [Option<Sha256>; 2]>> {
    let rows = sql!(all tx, PictureRow, "SELECT sha256, thumbnail_sha256, view_sha256 FROM examination")?;
    let hash = |bytes: Option<Vec<u8>>| bytes.as_deref().map(super::digest).transpose();
    rows.into_iter().map(|(sha, thumbnail, view)| Ok((super::digest(&sha)?, [hash(thumbnail)?, hash(view)?]))).collect()
}
