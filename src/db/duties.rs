//! Duties: what one node at a time does, by lease. Taking one over counts its generation up, and a holder proves with the generation that it
//! still is one, in the very transaction that does the work: one that was cut off, slept or lost its clock cannot go on unseen (fencing).

use super::{Tx, clock};
use crate::domain::value::Utc;
use crate::error::Result;

/// A duty that is ours, until it is taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held(i64);

/// Takes a duty, or keeps it, for so long; `None` while somebody else holds it. `now` is ours, for the engine that has no clock of its own.
pub async fn take(tx: &mut Tx, name: &'static str, owner: &str, now: Utc, for_us: i64) -> Result<Option<Held>> {
    let now = clock(tx, now).await?;
    let row = sql!(maybe tx, (i64,),
        "INSERT INTO duty (name, owner, generation, held_until) VALUES ($1, $2, 1, $4)
         ON CONFLICT (name) DO UPDATE SET held_until = excluded.held_until, owner = excluded.owner,
           generation = CASE WHEN duty.owner = excluded.owner THEN duty.generation ELSE duty.generation + 1 END
         WHERE duty.owner = excluded.owner OR duty.held_until <= $3 OR duty.held_until > $5
         RETURNING generation",
        name, owner.to_owned(), now.micros(), now.plus(for_us).micros(), now.plus(2 * for_us).micros())?;
    Ok(row.map(|r| Held(r.0)))
}

/// Whether it could be taken now.
pub async fn is_free(tx: &mut Tx, name: &'static str, owner: &str, now: Utc, for_us: i64) -> Result<bool> {
    let now = clock(tx, now).await?;
    let row = sql!(maybe tx, (String, i64), "SELECT owner, held_until FROM duty WHERE name = $1", name)?;
    Ok(row.is_none_or(|(holder, until)| holder == owner || until <= now.micros() || until > now.plus(2 * for_us).micros()))
}

/// Whether it is still ours, locked until commit: nobody takes it over meanwhile.
pub async fn still(tx: &mut Tx, name: &'static str, held: Held) -> Result<bool> {
    let text = tx.locking("SELECT generation FROM duty WHERE name = $1", "SELECT generation FROM duty WHERE name = $1 FOR SHARE");
    let row = sql!(maybe tx, (i64,), text, name)?;
    Ok(row.is_some_and(|(generation,)| generation == held.0))
}

/// Gives a duty back, so that the next one need not wait.
pub async fn give_back(tx: &mut Tx, name: &'static str, held: Held) -> Result<()> {
    sql!(run tx, "UPDATE duty SET held_until = 0, owner = '' WHERE name = $1 AND generation = $2", name, held.0)?;
    Ok(())
}

/// Frees a duty that an earlier process of this node held when it died; the next one to take it counts the generation up.
pub async fn free(tx: &mut Tx, name: &'static str, owner_prefix: &str) -> Result<()> {
    sql!(run tx, "UPDATE duty SET held_until = 0, owner = '' WHERE name = $1 AND substr(owner, 1, length($2)) = $2", name, owner_prefix.to_owned())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Db;
    use crate::domain::value::SECOND_US;

    #[tokio::test]
    async fn one_at_a_time_and_the_old_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&format!("sqlite:{}", dir.path().join("t.db").display())).await.unwrap();
        let at = |s: i64| Utc::from_micros(s * SECOND_US);
        let mut tx = db.begin().await.unwrap();
        let first = take(&mut tx, "d", "a", at(100), 10 * SECOND_US).await.unwrap().unwrap();
        assert_eq!(take(&mut tx, "d", "b", at(105), 10 * SECOND_US).await.unwrap(), None, "a has it");
        assert_eq!(take(&mut tx, "d", "a", at(108), 10 * SECOND_US).await.unwrap(), Some(first), "kept");
        let second = take(&mut tx, "d", "b", at(119), 10 * SECOND_US).await.unwrap().unwrap();
        assert!(!still(&mut tx, "d", first).await.unwrap() && still(&mut tx, "d", second).await.unwrap());
        give_back(&mut tx, "d", first).await.unwrap();
        assert!(still(&mut tx, "d", second).await.unwrap(), "who lost it gives nothing back");
        give_back(&mut tx, "d", second).await.unwrap();
        assert!(take(&mut tx, "d", "a", at(120), 10 * SECOND_US).await.unwrap().is_some());
        // Taken by a clock that is years ahead: no lease is that long, so it is none.
        take(&mut tx, "d", "a", at(1_000_000), 10 * SECOND_US).await.unwrap();
        assert!(take(&mut tx, "d", "b", at(121), 10 * SECOND_US).await.unwrap().is_some());
    }
}
