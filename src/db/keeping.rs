//! Bytes that are being kept. A row stands here from before a blob is kept until the transaction that refers to it: what a crash or a
//! refusal left between the two is found by these rows, and only by them, so that no database ever removes what it did not itself begin.

use super::engine::soon;
use super::{Db, Tx, id};
use crate::domain::value::{Id, Utc};
use crate::error::Result;

/// Notes some, and commits as everything else is committed, to the disk and to whatever standby has to have it: when the database's machine is
/// gone in the next moment, what was put into the store must still be found by whoever takes its place.
pub async fn note(db: &Db, new: &[(Id, String)], since: Utc) -> Result<()> {
    let mut tx = db.alone().await?;
    match &mut tx {
        Tx::Lite(_) => {
            for (noted, key) in new {
                sql!(run &mut tx, "INSERT INTO keeping (id, blob_key, since) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
                    noted.blob(), key.clone(), since.micros())?;
            }
        }
        Tx::Pg(t) => {
            let text =
                "INSERT INTO keeping (id, blob_key, since) SELECT n.id, n.key, $3 FROM UNNEST($1::BYTEA[], $2::TEXT[]) AS n (id, key)
                ON CONFLICT (id) DO NOTHING";
            let (ids, keys): (Vec<_>, Vec<_>) = new.iter().map(|(noted, key)| (noted.blob(), key.clone())).unzip();
            soon(sqlx::query(text).bind(ids).bind(keys).bind(since.micros()).execute(&mut **t)).await?;
        }
    }
    tx.commit().await
}

/// Takes one off the list: a row refers to the blob now, or never will. False when it did not stand there any more.
pub async fn done(tx: &mut Tx, noted: Id) -> Result<bool> {
    Ok(sql!(run tx, "DELETE FROM keeping WHERE id = $1", noted.blob())? == 1)
}

/// What was noted before a moment and never came to an end, the oldest first.
pub async fn stale(tx: &mut Tx, before: Utc, limit: i64) -> Result<Vec<(Id, String)>> {
    let rows = sql!(all tx, (Vec<u8>, String), "SELECT id, blob_key FROM keeping WHERE since <= $1 ORDER BY since LIMIT $2", before.micros(), limit)?;
    rows.into_iter().map(|(noted, key)| Ok((id(&noted)?, key))).collect()
}

/// Forgets everything: what was noted in a copy of a database says nothing of what has become of it.
pub async fn forget(tx: &mut Tx) -> Result<()> {
    sql!(run tx, "DELETE FROM keeping")?;
    Ok(())
}
