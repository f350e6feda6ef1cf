//! The queue of background jobs: leased, never held in a transaction while they run.

use super::{Tx, clock, id};
use crate::domain::job::Job;
use crate::domain::value::{Id, Utc};
use crate::error::Result;

/// Puts a job into the queue, to be done at once, in the transaction that makes it necessary. The same job waits once; one that runs is done
/// again. (At once is the time 0: a node whose clock is ahead must not keep it from the others.)
pub async fn enqueue(tx: &mut Tx, new: Id, job: Job, priority: i64, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO job (id, kind, subject, priority, run_at, created_at) VALUES ($1, $2, $3, $4, 0, $5)
         ON CONFLICT (kind, subject) DO UPDATE SET again = CASE WHEN job.lease_owner IS NULL THEN 0 ELSE 1 END",
        new.blob(), job.kind(), job.subject(), priority, now.micros())?;
    Ok(())
}

/// For later, by the clock that leases go by; one that waits or runs already is left as it is.
pub async fn enqueue_later(tx: &mut Tx, new: Id, job: Job, priority: i64, wait_us: i64, now: Utc) -> Result<()> {
    let run_at = clock(tx, now).await?.plus(wait_us).micros();
    sql!(run tx,
        "INSERT INTO job (id, kind, subject, priority, run_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (kind, subject) DO NOTHING",
        new.blob(), job.kind(), job.subject(), priority, run_at, now.micros())?;
    Ok(())
}

/// Has a job done now, whenever it was to be done.
pub async fn bring_forward(tx: &mut Tx, new: Id, job: Job, now: Utc) -> Result<()> {
    enqueue(tx, new, job, 100, now).await?;
    sql!(run tx, "UPDATE job SET run_at = 0 WHERE kind = $1 AND subject = $2", job.kind(), job.subject())?;
    Ok(())
}

/// Has everything done now that was to be done later: the clock by which it was planned was wrong.
pub async fn bring_all_forward(tx: &mut Tx) -> Result<()> {
    sql!(run tx, "UPDATE job SET run_at = 0")?;
    Ok(())
}

pub struct Claimed {
    pub id: Id,
    pub job: Job,
    pub attempts: i64,
}

/// (Named one by one: a kind that a newer version has put there is left to it.)
macro_rules! due {
    ($kinds:literal, $lock:literal) => {
        concat!(
            "UPDATE job SET lease_owner = $1, lease_until = $3, attempts = attempts + 1, again = 0 WHERE id IN (
               SELECT id FROM job WHERE run_at <= $2 AND lease_until <= $2 AND kind IN (",
            $kinds,
            ") ORDER BY priority, run_at, id LIMIT $4 ",
            $lock,
            ") RETURNING id, kind, subject, attempts"
        )
    };
}

/// Claims up to `limit` due jobs for `owner` and for so long: long ones, or the others.
pub async fn claim(tx: &mut Tx, owner: &str, now: Utc, lease_us: i64, limit: i64, long: bool) -> Result<Vec<Claimed>> {
    let now = clock(tx, now).await?;
    let until = now.plus(lease_us);
    let text = match long {
        true => tx.locking(
            due!("'audit', 'fixity', 'bundle', 'proxy', 'schedule'", ""),
            due!("'audit', 'fixity', 'bundle', 'proxy', 'schedule'", "FOR UPDATE SKIP LOCKED"),
        ),
        false => tx.locking(
            due!("'examine', 'restate', 'erase', 'anchor', 'scan', 'sweep'", ""),
            due!("'examine', 'restate', 'erase', 'anchor', 'scan', 'sweep'", "FOR UPDATE SKIP LOCKED"),
        ),
    };
    let rows = sql!(all tx, (Vec<u8>, String, String, i64), text, owner.to_owned(), now.micros(), until.micros(), limit)?;
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

/// Renews a lease; false when it is not ours any more.
pub async fn renew(tx: &mut Tx, job: Id, owner: &str, now: Utc, lease_us: i64) -> Result<bool> {
    let until = clock(tx, now).await?.plus(lease_us);
    Ok(sql!(run tx, "UPDATE job SET lease_until = $3 WHERE id = $1 AND lease_owner = $2", job.blob(), owner.to_owned(), until.micros())?
        == 1)
}

/// Ends a job, if it is still ours. One that became necessary again while it ran is done again.
pub async fn finish(tx: &mut Tx, job: Id, owner: &str) -> Result<bool> {
    let again = "UPDATE job SET again = 0, attempts = 0, run_at = 0, lease_owner = NULL, lease_until = 0 WHERE id = $1 AND lease_owner = $2 AND again = 1";
    if sql!(run tx, again, job.blob(), owner.to_owned())? == 1 {
        return Ok(true);
    }
    Ok(sql!(run tx, "DELETE FROM job WHERE id = $1 AND lease_owner = $2", job.blob(), owner.to_owned())? == 1)
}

/// Puts a failed job back for later, with the reason for people to see.
pub async fn fail(tx: &mut Tx, job: Id, owner: &str, why: &str, now: Utc, wait_us: i64) -> Result<()> {
    let run_at = clock(tx, now).await?.plus(wait_us);
    sql!(run tx,
        "UPDATE job SET lease_owner = NULL, lease_until = 0, run_at = $4, last_error = $3 WHERE id = $1 AND lease_owner = $2",
        job.blob(), owner.to_owned(), why.to_owned(), run_at.micros())?;
    Ok(())
}

/// Jobs that are due or failed before, and how many of them did.
pub async fn waiting(tx: &mut Tx, now: Utc) -> Result<(i64, i64)> {
    let now = clock(tx, now).await?;
    sql!(one tx, (i64, i64), "SELECT COUNT(*), COUNT(last_error) FROM job WHERE run_at <= $1 OR last_error IS NOT NULL", now.micros())
}

/// Of each kind: how many are due, since when the oldest of them waits, how many failed before.
pub async fn by_kind(tx: &mut Tx, now: Utc) -> Result<Vec<(String, i64, i64, i64)>> {
    let now = clock(tx, now).await?;
    sql!(all tx, (String, i64, i64, i64),
        "SELECT kind, CAST(SUM(CASE WHEN run_at <= $1 THEN 1 ELSE 0 END) AS BIGINT),
           CAST(COALESCE(MIN(CASE WHEN run_at <= $1 AND lease_until <= $1 THEN created_at END), 0) AS BIGINT), COUNT(last_error)
         FROM job GROUP BY kind ORDER BY kind", now.micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Db;
    use crate::domain::value::{MINUTE_US, SECOND_US};

    #[tokio::test]
    async fn every_kind_is_claimed_and_what_becomes_necessary_meanwhile_is_done_again() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", dir.path().join("t.db").display())).await.unwrap();
        let at = |s: i64| Utc::from_micros(s * SECOND_US);
        let id = |n: usize| Id::new(at(1), [u8::try_from(n).unwrap(); 10]);
        let mut tx = db.begin().await.unwrap();
        for (n, kind) in Job::KINDS.into_iter().enumerate() {
            let subject = if Job::parse(kind, "").is_some() { String::new() } else { id(n).to_string() };
            // By a clock that is years ahead: at once means at once.
            enqueue(&mut tx, id(n), Job::parse(kind, &subject).unwrap(), 1, at(1_000_000_000)).await.unwrap();
        }
        sql!(run &mut tx, "INSERT INTO job (id, kind, subject, priority, run_at, created_at) VALUES ($1, 'of-a-newer-version', '', 0, 0, 0)", id(99).blob())
            .unwrap();
        let mut claimed = claim(&mut tx, "a", at(10), MINUTE_US, 100, false).await.unwrap();
        claimed.extend(claim(&mut tx, "a", at(10), MINUTE_US, 100, true).await.unwrap());
        let mut kinds: Vec<&str> = claimed.iter().map(|c| c.job.kind()).collect();
        kinds.sort_unstable();
        let mut all = Job::KINDS.to_vec();
        all.sort_unstable();
        assert_eq!(kinds, all, "and the one of a newer version is left to it");
        let sweep = claimed.iter().find(|c| c.job == Job::Sweep).unwrap();
        enqueue(&mut tx, id(50), Job::Sweep, 1, at(11)).await.unwrap();
        assert!(!finish(&mut tx, sweep.id, "b").await.unwrap(), "not b's");
        assert!(finish(&mut tx, sweep.id, "a").await.unwrap());
        let again = claim(&mut tx, "b", at(12), MINUTE_US, 100, false).await.unwrap();
        assert_eq!(again.iter().map(|c| c.job).collect::<Vec<_>>(), [Job::Sweep]);
        assert!(finish(&mut tx, sweep.id, "b").await.unwrap());
        assert!(claim(&mut tx, "b", at(13), MINUTE_US, 100, false).await.unwrap().is_empty());
        // A worker that is not heard of any more, and finds out.
        let late = claim(&mut tx, "b", at(10 + 61), MINUTE_US, 1, false).await.unwrap();
        assert!(!renew(&mut tx, late[0].id, "a", at(72), MINUTE_US).await.unwrap());
        assert!(renew(&mut tx, late[0].id, "b", at(72), MINUTE_US).await.unwrap());
    }
}
