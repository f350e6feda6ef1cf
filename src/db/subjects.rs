//! What people ask about data of theirs.

use super::{Tx, bad_row, id};
use crate::domain::subject::{Kind, Outcome};
use crate::domain::value::{Id, Utc};
use crate::error::Result;

pub struct Request {
    pub id: Id,
    pub appeal: Id,
    pub submission: Id,
    pub kind: Kind,
    pub asked: String,
    pub identified: String,
    pub opener: String,
    pub opened_at: Utc,
    pub due_at: Utc,
    /// What it was answered with, and when.
    pub closed: Option<(Outcome, Utc)>,
    pub answer: String,
}

type Row = (Vec<u8>, Vec<u8>, Vec<u8>, String, String, String, String, i64, i64, Option<String>, String, Option<i64>);

macro_rules! request_rows {
    () => {
        "SELECT r.id, r.appeal_id, r.submission_id, r.kind, r.asked, r.identified, a.name, r.opened_at, r.due_at, r.outcome, r.answer, r.closed_at
         FROM subject_request r JOIN account a ON a.id = r.opened_by "
    };
}

fn request(r: Row) -> Result<Request> {
    let outcome = r.9.map(|text| Outcome::parse(&text).ok_or_else(|| bad_row("outcome"))).transpose()?;
    Ok(Request {
        id: id(&r.0)?,
        appeal: id(&r.1)?,
        submission: id(&r.2)?,
        kind: Kind::parse(&r.3).ok_or_else(|| bad_row("kind of request"))?,
        asked: r.4,
        identified: r.5,
        opener: r.6,
        opened_at: Utc::from_micros(r.7),
        due_at: Utc::from_micros(r.8),
        closed: outcome.zip(r.11.map(Utc::from_micros)),
        answer: r.10,
    })
}

pub struct NewRequest<'a> {
    pub id: Id,
    pub agency: Id,
    pub appeal: Id,
    pub submission: Id,
    pub kind: Kind,
    pub asked: &'a str,
    pub identified: &'a str,
    pub by: Id,
    pub due_at: Utc,
}

pub async fn open(tx: &mut Tx, r: NewRequest<'_>, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO subject_request (id, agency_id, appeal_id, submission_id, kind, asked, identified, opened_by, opened_at, due_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        r.id.blob(), r.agency.blob(), r.appeal.blob(), r.submission.blob(), r.kind.as_str(), r.asked.to_owned(), r.identified.to_owned(),
        r.by.blob(), now.micros(), r.due_at.micros())?;
    Ok(())
}

/// An agency's, the open ones first, by when they are due.
pub async fn list(tx: &mut Tx, agency: Id, limit: i64) -> Result<Vec<Request>> {
    sql!(all tx, Row,
        concat!(request_rows!(), "WHERE r.agency_id = $1 ORDER BY CASE WHEN r.closed_at IS NULL THEN 0 ELSE 1 END, COALESCE(-r.closed_at, r.due_at), r.id LIMIT $2"),
        agency.blob(), limit)?
    .into_iter()
    .map(request)
    .collect()
}

/// One of an agency's.
pub async fn of_agency(tx: &mut Tx, agency: Id, which: Id) -> Result<Option<Request>> {
    sql!(maybe tx, Row, concat!(request_rows!(), "WHERE r.agency_id = $1 AND r.id = $2"), agency.blob(), which.blob())?
        .map(request)
        .transpose()
}

/// Writes down what it was answered with; false when somebody else has.
pub async fn close(tx: &mut Tx, which: Id, outcome: Outcome, answer: &str, by: Id, now: Utc) -> Result<bool> {
    let rows = sql!(run tx,
        "UPDATE subject_request SET outcome = $2, answer = $3, closed_by = $4, closed_at = $5 WHERE id = $1 AND closed_at IS NULL",
        which.blob(), outcome.as_str(), answer.to_owned(), by.blob(), now.micros())?;
    Ok(rows == 1)
}

/// Forgets what was said in requests about a submission of which nothing is left, once they are closed: that there was one stays.
pub async fn forget_words(tx: &mut Tx, submission: Id) -> Result<()> {
    sql!(run tx,
        "UPDATE subject_request SET asked = '', identified = '', answer = '' WHERE submission_id = $1 AND closed_at IS NOT NULL",
        submission.blob())?;
    Ok(())
}
