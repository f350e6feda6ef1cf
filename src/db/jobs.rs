//! The queue of background jobs: leased, never held in a transaction while they run.

use super::{Tx, id};
use crate::domain::job::Job;
use crate::domain::value::{Id, Utc};
use crate::error::Result;

/// Puts a job into the queue, in the transaction that makes it necessary. The same job waits once.
pub async fn enqueue(tx: &mut Tx, new: Id, job: Job, priority: i64, run_at: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO job (id, kind, subject, priority, run_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (kind, subject) DO NOTHING",
        new.blob(), job.kind(), job.subject(), priority, run_at.micros(), run_at.micros())?;
    Ok(())
}

/// Has a job done now, whenever it was to be done.
pub async fn bring_forward(tx: &mut Tx, new: Id, job: Job, now: Utc) -> Result<()> {
    enqueue(tx, new, job, 100, now).await?;
    sql!(run tx, "UPDATE job SET run_at = $3 WHERE kind = $1 AND subject = $2 AND run_at > $3", job.kind(), job.subject(), now.micros())?;
    Ok(())
}

pub struct Claimed {
    pub id: Id,
    pub job: Job,
    pub attempts: i64,
}

/// Claims up to `limit` due jobs for `owner` until `until`: long ones, or the others.
pub async fn claim(tx: &mut Tx, owner: &str, now: Utc, until: Utc, limit: i64, long: bool) -> Result<Vec<Claimed>> {
    let text = tx.locking(
        "UPDATE job SET lease_owner = $1, lease_until = $3, attempts = attempts + 1 WHERE id IN (
           SELECT id FROM job WHERE run_at <= $2 AND lease_until <= $2 AND (kind IN ($6, $7, $8, $9)) = ($5 = 1) ORDER BY priority, run_at, id LIMIT $4)
         RETURNING id, kind, subject, attempts",
        "UPDATE job SET lease_owner = $1, lease_until = $3, attempts = attempts + 1 WHERE id IN (
           SELECT id FROM job WHERE run_at <= $2 AND lease_until <= $2 AND (kind IN ($6, $7, $8, $9)) = ($5 = 1) ORDER BY priority, run_at, id LIMIT $4
           FOR UPDATE SKIP LOCKED)
         RETURNING id, kind, subject, attempts",
    );
    let rows = sql!(all tx, (Vec<u8>, String, String, i64), text, owner.to_owned(), now.micros(), until.micros(), limit,
        i64::from(long), Job::LONG[0], Job::LONG[1], Job::LONG[2], Job::LONG[3])?;
    // A row that no version of ours wrote must not stop the others; it stays, for people to see.
    let claimed = rows.into_iter().filter_map(|(i, kind, subject, attempts)| {
        let job = Job::parse(&kind, &subject);
        if job.is_none() {
            tracing::error!(kind, "a job of an unknown kind is left alone");
        }
        let job = job?;
        Some(id(&i).map(|id| Claimed { id, job, attempts }))
    });
    claimed.collect()
}

/// Gives back the jobs of every owner whose name begins so.
pub async fn release(tx: &mut Tx, owner_prefix: &str) -> Result<()> {
    sql!(run tx, "UPDATE job SET lease_owner = NULL, lease_until = 0 WHERE substr(lease_owner, 1, length($1)) = $1", owner_prefix.to_owned())?;
    Ok(())
}

/// Renews a lease that is still ours.
pub async fn renew(tx: &mut Tx, job: Id, owner: &str, until: Utc) -> Result<()> {
    sql!(run tx, "UPDATE job SET lease_until = $3 WHERE id = $1 AND lease_owner = $2", job.blob(), owner.to_owned(), until.micros())?;
    Ok(())
}

/// Ends a job, if it is still ours.
pub async fn finish(tx: &mut Tx, job: Id, owner: &str) -> Result<bool> {
    Ok(sql!(run tx, "DELETE FROM job WHERE id = $1 AND lease_owner = $2", job.blob(), owner.to_owned())? == 1)
}

/// Puts a failed job back for later, with the reason for people to see.
pub async fn fail(tx: &mut Tx, job: Id, owner: &str, why: &str, run_at: Utc) -> Result<()> {
    sql!(run tx,
        "UPDATE job SET lease_owner = NULL, lease_until = 0, run_at = $4, last_error = $3 WHERE id = $1 AND lease_owner = $2",
        job.blob(), owner.to_owned(), why.to_owned(), run_at.micros())?;
    Ok(())
}

/// Jobs that are due or failed before, and how many of them did.
pub async fn waiting(tx: &mut Tx, now: Utc) -> Result<(i64, i64)> {
    sql!(one tx, (i64, i64), "SELECT COUNT(*), COUNT(last_error) FROM job WHERE run_at <= $1 OR last_error IS NOT NULL", now.micros())
}
