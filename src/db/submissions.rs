//! What witnesses hand over, found by their token or receipt.

use super::{Tx, id, json, signed, to_json, unsigned};
use crate::domain::submission::{Statement, Submission};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

pub async fn create(tx: &mut Tx, new: Id, appeal: Id, token: Sha256, receipt: Sha256, source: Option<Sha256>, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO submission (id, appeal_id, token_hash, receipt_hash, statement, opened_at, source) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        new.blob(), appeal.blob(), token.blob(), receipt.blob(), to_json(&Statement::default())?, now.micros(),
        source.map(|s| s.blob()))?;
    Ok(())
}

type Row = (Vec<u8>, Vec<u8>, String, i64, i64);

fn submission(r: Row) -> Result<Submission> {
    Ok(Submission { id: id(&r.0)?, appeal: id(&r.1)?, statement: json(&r.2)?, files: unsigned(r.3), bytes: unsigned(r.4) })
}

pub async fn by_receipt(tx: &mut Tx, receipt: Sha256) -> Result<Option<Submission>> {
    sql!(maybe tx, Row, "SELECT id, appeal_id, statement, files, bytes FROM submission WHERE receipt_hash = $1", receipt.blob())?
        .map(submission)
        .transpose()
}

pub async fn by_token(tx: &mut Tx, token: Sha256) -> Result<Option<Submission>> {
    sql!(maybe tx, Row, "SELECT id, appeal_id, statement, files, bytes FROM submission WHERE token_hash = $1", token.blob())?
        .map(submission)
        .transpose()
}

pub async fn by_id(tx: &mut Tx, submission_id: Id) -> Result<Submission> {
    submission(sql!(one tx, Row, "SELECT id, appeal_id, statement, files, bytes FROM submission WHERE id = $1", submission_id.blob())?)
}

/// As [`by_id`], with the row held until commit: files that are accepted meanwhile take turns with it.
pub async fn lock(tx: &mut Tx, submission: Id) -> Result<Submission> {
    let text = tx.locking("SELECT id FROM submission WHERE id = $1", "SELECT id FROM submission WHERE id = $1 FOR NO KEY UPDATE");
    sql!(one tx, (Vec<u8>,), text, submission.blob())?;
    by_id(tx, submission).await
}

pub async fn set_statement(tx: &mut Tx, submission: Id, statement: &Statement) -> Result<()> {
    sql!(run tx, "UPDATE submission SET statement = $2 WHERE id = $1", submission.blob(), to_json(statement)?)?;
    Ok(())
}

/// Counts one file of `size` bytes against the submission, if its budgets bear it; gives it as it stands then, held until commit.
pub async fn spend(tx: &mut Tx, which: Id, size: u64, bytes_max: u64, files_max: u64) -> Result<Option<Submission>> {
    sql!(maybe tx, Row,
        "UPDATE submission SET bytes = bytes + $2, files = files + 1
         WHERE id = $1 AND bytes + $2 <= $3 AND files < $4 RETURNING id, appeal_id, statement, files, bytes",
        which.blob(), signed(size), signed(bytes_max), signed(files_max))?
    .map(submission)
    .transpose()
}

/// Submissions to which nothing was added since a moment, with how many files each stands; those that were found so before, with the
/// same number, are left out.
pub async fn quiet(tx: &mut Tx, since: Utc, limit: i64) -> Result<Vec<(Id, u64)>> {
    let rows = sql!(all tx, (Vec<u8>, i64),
        "SELECT s.id, s.files FROM submission s
         WHERE s.files > 0 AND (s.closed_files IS NULL OR s.closed_files <> s.files)
           AND NOT EXISTS (SELECT 1 FROM upload u WHERE u.submission_id = s.id AND u.state = 'open')
           AND NOT EXISTS (SELECT 1 FROM exhibit e WHERE e.submission_id = s.id AND e.received_at > $1)
         ORDER BY s.opened_at LIMIT $2", since.micros(), limit)?;
    rows.into_iter().map(|(s, files)| Ok((id(&s)?, unsigned(files)))).collect()
}

/// Notes with how many files a submission was found quiet, if it still has so many.
pub async fn close(tx: &mut Tx, submission: Id, files: u64) -> Result<bool> {
    let rows = sql!(run tx, "UPDATE submission SET closed_files = $2 WHERE id = $1 AND files = $2", submission.blob(), signed(files))?;
    Ok(rows == 1)
}

/// Forgets what opens a submission's page: neither receipt nor token leads to it any more.
pub async fn forget_receipt(tx: &mut Tx, submission: Id, token: Sha256, receipt: Sha256) -> Result<()> {
    sql!(run tx, "UPDATE submission SET token_hash = $2, receipt_hash = $3 WHERE id = $1", submission.blob(), token.blob(), receipt.blob())?;
    Ok(())
}

/// A file that this submission handed over is in the log, and its row was lost: it counts all the same.
pub async fn count_again(tx: &mut Tx, submission: Id) -> Result<()> {
    sql!(run tx, "UPDATE submission SET files = files + 1 WHERE id = $1", submission.blob())?;
    Ok(())
}

pub async fn ids_of_appeal(tx: &mut Tx, appeal: Id) -> Result<Vec<Id>> {
    sql!(all tx, (Vec<u8>,), "SELECT id FROM submission WHERE appeal_id = $1", appeal.blob())?.into_iter().map(|r| id(&r.0)).collect()
}

/// Forgets from where older submissions came.
pub async fn forget_sources(tx: &mut Tx, before: Utc) -> Result<()> {
    sql!(run tx, "UPDATE submission SET source = NULL WHERE source IS NOT NULL AND opened_at < $1", before.micros())?;
    Ok(())
}
