//! Files on their way in. Every change but the first names the generation that makes it: a request that was
//! overtaken changes nothing.

use sqlx::FromRow;

use super::{Tx, bad_row, digest, id, signed, unsigned};
use crate::domain::upload::{Dialect, FileClaims, Midstate, Upload, UploadState};
use crate::domain::value::{Id, Utc};
use crate::error::Result;

#[derive(FromRow)]
struct Row {
    id: Vec<u8>,
    submission_id: Vec<u8>,
    state: String,
    dialect: String,
    length: Option<i64>,
    durable_offset: i64,
    midstate: Vec<u8>,
    head: Vec<u8>,
    storage: String,
    generation: i64,
    name: Vec<u8>,
    declared_type: Option<String>,
    declared_sha256: Option<Vec<u8>>,
    relative_path: Option<String>,
    fingerprint: Option<String>,
    metadata: String,
    exhibit_id: Option<Vec<u8>>,
    created_at: i64,
    touched_at: i64,
    expires_at: i64,
}

impl Row {
    fn upload(self) -> Result<Upload> {
        Ok(Upload {
            id: id(&self.id)?,
            submission: id(&self.submission_id)?,
            state: UploadState::parse(&self.state).ok_or_else(|| bad_row("upload state"))?,
            dialect: Dialect::parse(&self.dialect).ok_or_else(|| bad_row("dialect"))?,
            length: self.length.map(unsigned),
            offset: unsigned(self.durable_offset),
            midstate: Midstate::restore(&self.midstate).ok_or_else(|| bad_row("midstate"))?,
            head: self.head,
            storage: self.storage,
            generation: self.generation,
            claims: FileClaims { name: self.name, media_type: self.declared_type, relative_path: self.relative_path },
            expected: self.declared_sha256.map(|d| digest(&d)).transpose()?,
            fingerprint: self.fingerprint,
            metadata: self.metadata,
            exhibit: self.exhibit_id.map(|e| id(&e)).transpose()?,
            created_at: Utc::from_micros(self.created_at),
            touched_at: Utc::from_micros(self.touched_at),
            expires_at: Utc::from_micros(self.expires_at),
        })
    }
}

/// Every column of [`Row`], by name: a node of the version before goes on while a migration adds some.
macro_rules! columns {
    () => {
        "id, submission_id, state, dialect, length, durable_offset, midstate, head, storage, generation, name, declared_type, declared_sha256, relative_path, fingerprint, metadata, exhibit_id, created_at, touched_at, expires_at"
    };
}

pub async fn create(tx: &mut Tx, u: &Upload) -> Result<()> {
    sql!(run tx,
        "INSERT INTO upload (id, submission_id, state, length, midstate, head, name, declared_type, declared_sha256, relative_path,
           fingerprint, metadata, created_at, touched_at, expires_at, dialect)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        u.id.blob(), u.submission.blob(), u.state.as_str(), u.length.map(signed), u.midstate.save(), u.head.clone(),
        u.claims.name.clone(), u.claims.media_type.clone(), u.expected.map(|d| d.blob()), u.claims.relative_path.clone(),
        u.fingerprint.clone(), u.metadata.clone(), u.created_at.micros(), u.touched_at.micros(), u.expires_at.micros(),
        u.dialect.as_str())?;
    Ok(())
}

pub async fn by_id(tx: &mut Tx, upload: Id) -> Result<Option<Upload>> {
    sql!(maybe tx, Row, concat!("SELECT ", columns!(), " FROM upload WHERE id = $1"), upload.blob())?.map(Row::upload).transpose()
}

/// A submission's uploads in one state, oldest first.
pub async fn of_submission(tx: &mut Tx, submission: Id, state: UploadState) -> Result<Vec<Upload>> {
    sql!(all tx, Row, concat!("SELECT ", columns!(), " FROM upload WHERE submission_id = $1 AND state = $2 ORDER BY id"), submission.blob(), state.as_str())?
        .into_iter()
        .map(Row::upload)
        .collect()
}

/// Marks of the files that a submission has whole, by exhibit.
pub async fn fingerprints(tx: &mut Tx, submission: Id) -> Result<Vec<(Id, String)>> {
    let rows = sql!(all tx, (Vec<u8>, String),
        "SELECT exhibit_id, fingerprint FROM upload WHERE submission_id = $1 AND exhibit_id IS NOT NULL AND fingerprint IS NOT NULL", submission.blob())?;
    rows.into_iter().map(|(exhibit, mark)| Ok((id(&exhibit)?, mark))).collect()
}

/// Open uploads of a submission, and the bytes that they may still bring.
pub async fn reserved(tx: &mut Tx, submission: Id) -> Result<(u64, u64)> {
    let (count, bytes) = sql!(one tx, (i64, i64),
        "SELECT COUNT(*), CAST(COALESCE(SUM(COALESCE(length, durable_offset)), 0) AS BIGINT) FROM upload WHERE submission_id = $1 AND state = 'open'",
        submission.blob())?;
    Ok((unsigned(count), unsigned(bytes)))
}

/// Bytes that lie half-sent for an appeal.
pub async fn half_sent_bytes(tx: &mut Tx, appeal: Id) -> Result<u64> {
    let (bytes,) = sql!(one tx, (i64,),
        "SELECT CAST(COALESCE(SUM(u.durable_offset), 0) AS BIGINT) FROM upload u JOIN submission s ON s.id = u.submission_id
         WHERE u.state = 'open' AND s.appeal_id = $1", appeal.blob())?;
    Ok(unsigned(bytes))
}

/// Takes an open upload over: whoever had it before can write nothing more. Returns it as it stands now: on another node it may have gone on
/// since it was looked at.
pub async fn take_over(tx: &mut Tx, upload: Id, now: Utc, expires: Utc) -> Result<Option<Upload>> {
    let text = concat!(
        "UPDATE upload SET generation = generation + 1, touched_at = $2, expires_at = $3 WHERE id = $1 AND state = 'open' RETURNING ",
        columns!()
    );
    sql!(maybe tx, Row, text, upload.blob(), now.micros(), expires.micros())?.map(Row::upload).transpose()
}

pub async fn set_length(tx: &mut Tx, upload: Id, generation: i64, length: u64) -> Result<bool> {
    let rows = sql!(run tx, "UPDATE upload SET length = $3 WHERE id = $1 AND generation = $2 AND state = 'open'",
        upload.blob(), generation, signed(length))?;
    Ok(rows == 1)
}

/// Writes down what is durable now.
pub async fn checkpoint(tx: &mut Tx, u: &Upload) -> Result<bool> {
    let rows = sql!(run tx,
        "UPDATE upload SET durable_offset = $3, midstate = $4, head = $5, storage = $6, touched_at = $7, expires_at = $8
         WHERE id = $1 AND generation = $2 AND state = 'open'",
        u.id.blob(), u.generation, signed(u.offset), u.midstate.save(), u.head.clone(), u.storage.clone(), u.touched_at.micros(),
        u.expires_at.micros())?;
    Ok(rows == 1)
}

/// The upload has become an exhibit. Its row stays, so that a client that lost the answer is given it again.
pub async fn finish(tx: &mut Tx, upload: Id, generation: i64, exhibit: Id, size: u64, now: Utc) -> Result<bool> {
    let rows = sql!(run tx,
        "UPDATE upload SET state = 'done', exhibit_id = $3, durable_offset = $4, length = $4, storage = '', touched_at = $5
         WHERE id = $1 AND generation = $2 AND state = 'open'",
        upload.blob(), generation, exhibit.blob(), signed(size), now.micros())?;
    Ok(rows == 1)
}

/// Ends an upload's address, if nobody has taken it over. Of an open one nothing is kept; what a finished one became stays.
pub async fn end(tx: &mut Tx, upload: Id, generation: i64, now: Utc) -> Result<bool> {
    let rows = sql!(run tx,
        "UPDATE upload SET state = 'gone', storage = '', metadata = '', generation = generation + 1, touched_at = $3
         WHERE id = $1 AND generation = $2 AND state <> 'gone'",
        upload.blob(), generation, now.micros())?;
    Ok(rows == 1)
}

/// Ends a submission's uploads of one mark that never brought a byte.
pub async fn end_unused(tx: &mut Tx, submission: Id, fingerprint: &str, now: Utc) -> Result<()> {
    sql!(run tx,
        "UPDATE upload SET state = 'gone', metadata = '', generation = generation + 1, touched_at = $3
         WHERE submission_id = $1 AND fingerprint = $2 AND state = 'open' AND durable_offset = 0 AND generation = 0",
        submission.blob(), fingerprint.to_owned(), now.micros())?;
    Ok(())
}

/// Forgets uploads that ended with nothing before this moment.
pub async fn purge(tx: &mut Tx, before: Utc) -> Result<()> {
    sql!(run tx, "DELETE FROM upload WHERE state = 'gone' AND exhibit_id IS NULL AND touched_at < $1", before.micros())?;
    Ok(())
}

/// Open uploads whose time is over.
pub async fn expired(tx: &mut Tx, now: Utc, limit: i64) -> Result<Vec<Upload>> {
    sql!(all tx, Row, concat!("SELECT ", columns!(), " FROM upload WHERE state = 'open' AND expires_at <= $1 ORDER BY expires_at LIMIT $2"), now.micros(), limit)?
        .into_iter()
        .map(Row::upload)
        .collect()
}

/// Open uploads of a submission.
pub async fn open_of(tx: &mut Tx, submission: Id) -> Result<Vec<Upload>> {
    sql!(all tx, Row, concat!("SELECT ", columns!(), " FROM upload WHERE submission_id = $1 AND state = 'open'"), submission.blob())?
        .into_iter()
        .map(Row::upload)
        .collect()
}

/// Handles of everything that is still on its way: the blob store's sweep leaves them alone.
pub async fn handles(tx: &mut Tx) -> Result<Vec<String>> {
    Ok(sql!(all tx, (String,), "SELECT storage FROM upload WHERE state = 'open' AND storage <> ''")?.into_iter().map(|r| r.0).collect())
}

/// One half-sent file, for the operator's list.
#[derive(FromRow)]
pub struct HalfSent {
    pub code: String,
    pub name: Vec<u8>,
    pub length: Option<i64>,
    pub durable_offset: i64,
    pub touched_at: i64,
    pub expires_at: i64,
}

pub async fn half_sent(tx: &mut Tx, agency: Id, limit: i64) -> Result<Vec<HalfSent>> {
    sql!(all tx, HalfSent,
        "SELECT a.code, u.name, u.length, u.durable_offset, u.touched_at, u.expires_at
         FROM upload u JOIN submission s ON s.id = u.submission_id JOIN appeal a ON a.id = s.appeal_id
         WHERE u.state = 'open' AND a.agency_id = $1 ORDER BY u.touched_at DESC LIMIT $2", agency.blob(), limit)
}
