//! How witnesses can be reached, sealed to their agency's vault; and who asks to read it.

use super::{Tx, bad_row, id};
use crate::domain::purpose::PurposeCode;
use crate::domain::value::{Id, Utc};
use crate::error::Result;

/// Seals what a witness left, in place of what they left before.
pub async fn seal(tx: &mut Tx, submission: Id, sealed: &[u8], vault: &str, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO identity (submission_id, sealed, vault, sealed_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (submission_id) DO UPDATE SET sealed = excluded.sealed, vault = excluded.vault, sealed_at = excluded.sealed_at",
        submission.blob(), sealed.to_vec(), vault.to_owned(), now.micros())?;
    Ok(())
}

/// Forgets what a witness left, and who asked for it. False when they left nothing.
pub async fn forget(tx: &mut Tx, submission: Id) -> Result<bool> {
    sql!(run tx, "DELETE FROM identity_request WHERE submission_id = $1", submission.blob())?;
    Ok(sql!(run tx, "DELETE FROM identity WHERE submission_id = $1", submission.blob())? == 1)
}

pub async fn given(tx: &mut Tx, submission: Id) -> Result<bool> {
    Ok(sql!(maybe tx, (i64,), "SELECT sealed_at FROM identity WHERE submission_id = $1", submission.blob())?.is_some())
}

/// The sealed bytes, and the recipient that they are sealed to. Read only beside the event that says who reads them.
pub async fn sealed(tx: &mut Tx, submission: Id) -> Result<Option<(Vec<u8>, String)>> {
    sql!(maybe tx, (Vec<u8>, String), "SELECT sealed, vault FROM identity WHERE submission_id = $1", submission.blob())
}

pub struct Request {
    pub id: Id,
    pub submission: Id,
    pub exhibit: Id,
    pub asked_by: Id,
    pub asker: String,
    pub purpose: PurposeCode,
    pub reason: String,
    pub asked_at: Utc,
    pub state: String,
}

type Row = (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>, String, String, String, i64, String);

macro_rules! request_rows {
    () => {
        "SELECT r.id, r.submission_id, r.exhibit_id, r.asked_by, a.name, r.purpose, r.reason, r.asked_at, r.state
         FROM identity_request r JOIN account a ON a.id = r.asked_by "
    };
}

fn request(r: Row) -> Result<Request> {
    Ok(Request {
        id: id(&r.0)?,
        submission: id(&r.1)?,
        exhibit: id(&r.2)?,
        asked_by: id(&r.3)?,
        asker: r.4,
        purpose: PurposeCode::parse(&r.5).ok_or_else(|| bad_row("purpose"))?,
        reason: r.6,
        asked_at: Utc::from_micros(r.7),
        state: r.8,
    })
}

pub struct NewRequest<'a> {
    pub id: Id,
    pub agency: Id,
    pub submission: Id,
    pub exhibit: Id,
    pub by: Id,
    pub purpose: PurposeCode,
    pub reason: &'a str,
}

pub async fn ask(tx: &mut Tx, r: NewRequest<'_>, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO identity_request (id, agency_id, submission_id, exhibit_id, asked_by, purpose, reason, asked_at, state)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'asked')",
        r.id.blob(), r.agency.blob(), r.submission.blob(), r.exhibit.blob(), r.by.blob(), r.purpose.as_str(), r.reason.to_owned(), now.micros())?;
    Ok(())
}

/// What somebody has asked of a submission and that is not over: still waiting, or agreed to and good.
pub async fn open_of(tx: &mut Tx, submission: Id, by: Id, now: Utc) -> Result<Option<Request>> {
    sql!(maybe tx, Row,
        concat!(request_rows!(), "WHERE r.submission_id = $1 AND r.asked_by = $2 AND (r.state = 'asked' OR r.state = 'agreed' AND r.good_until > $3)
           ORDER BY r.asked_at DESC LIMIT 1"),
        submission.blob(), by.blob(), now.micros())?
    .map(request)
    .transpose()
}

/// Those of an agency that wait for somebody, the oldest first.
pub async fn waiting(tx: &mut Tx, agency: Id) -> Result<Vec<Request>> {
    sql!(all tx, Row, concat!(request_rows!(), "WHERE r.agency_id = $1 AND r.state = 'asked' ORDER BY r.asked_at LIMIT 200"), agency.blob())?
        .into_iter()
        .map(request)
        .collect()
}

/// One of an agency's that waits.
pub async fn waiting_one(tx: &mut Tx, agency: Id, which: Id) -> Result<Option<Request>> {
    sql!(maybe tx, Row, concat!(request_rows!(), "WHERE r.agency_id = $1 AND r.id = $2 AND r.state = 'asked'"), agency.blob(), which.blob())?
        .map(request)
        .transpose()
}

/// Whether this agency has such a request, however it stands.
pub async fn is_of(tx: &mut Tx, agency: Id, which: Id) -> Result<bool> {
    Ok(sql!(maybe tx, (i64,), "SELECT asked_at FROM identity_request WHERE agency_id = $1 AND id = $2", agency.blob(), which.blob())?
        .is_some())
}

/// Agrees or refuses; false when somebody else was faster.
pub async fn judge(tx: &mut Tx, which: Id, by: Id, until: Option<Utc>, now: Utc) -> Result<bool> {
    let state = if until.is_some() { "agreed" } else { "refused" };
    let rows = sql!(run tx,
        "UPDATE identity_request SET state = $2, judged_by = $3, judged_at = $4, good_until = $5 WHERE id = $1 AND state = 'asked'",
        which.blob(), state, by.blob(), now.micros(), until.map(Utc::micros))?;
    Ok(rows == 1)
}

/// Forgets contacts of submissions that never came to anything.
pub async fn forget_empty(tx: &mut Tx, before: Utc) -> Result<u64> {
    sql!(run tx,
        "DELETE FROM identity WHERE sealed_at < $1 AND submission_id IN (SELECT s.id FROM submission s WHERE s.files = 0)
           AND NOT EXISTS (SELECT 1 FROM upload u WHERE u.submission_id = identity.submission_id AND u.state = 'open')", before.micros())
}

/// Submissions whose contact still stands in the clear, from before there was a vault: with the agency's id and the statement as it stands.
pub async fn in_the_clear(tx: &mut Tx, limit: i64) -> Result<Vec<(Id, Id, String)>> {
    let rows = sql!(all tx, (Vec<u8>, Vec<u8>, String),
        "SELECT s.id, a.agency_id, s.statement FROM submission s JOIN appeal a ON a.id = s.appeal_id
         WHERE s.statement LIKE '%\"contact\":\"_%' LIMIT $1", limit)?;
    rows.into_iter().map(|(submission, agency, statement)| Ok((id(&submission)?, id(&agency)?, statement))).collect()
}

/// Takes the clear contact out of a statement.
pub async fn set_statement_text(tx: &mut Tx, submission: Id, statement: &str) -> Result<()> {
    sql!(run tx, "UPDATE submission SET statement = $2 WHERE id = $1", submission.blob(), statement.to_owned())?;
    Ok(())
}
