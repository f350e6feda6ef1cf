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
    let text = tx.locking("SELECT id FROM submission WHERE id = $1", "SELECT id FROM submission WHERE id = $1 FOR UPDATE");
    sql!(one tx, (Vec<u8>,), text, submission.blob())?;
    by_id(tx, submission).await
}

pub async fn set_statement(tx: &mut Tx, submission: Id, statement: &Statement) -> Result<()> {
    sql!(run tx, "UPDATE submission SET statement = $2 WHERE id = $1", submission.blob(), to_json(statement)?)?;
    Ok(())
}

/// Counts one file of `size` bytes against the submission, if its budgets bear it.
pub async fn spend(tx: &mut Tx, submission: Id, size: u64, bytes_max: u64, files_max: u64) -> Result<bool> {
    let rows = sql!(run tx,
        "UPDATE submission SET bytes = bytes + $2, files = files + 1
         WHERE id = $1 AND bytes + $2 <= $3 AND files < $4",
        submission.blob(), signed(size), signed(bytes_max), signed(files_max))?;
    Ok(rows == 1)
}
