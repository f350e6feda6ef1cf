//! What each node has let in within an hour, so that the others count it too. Rows live for two hours, and name nobody: `who` is a keyed digest.

use super::{Tx, clock};
use crate::domain::value::{HOUR_US, Utc};
use crate::error::Result;

/// So much of one kind, by one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub what: String,
    pub who: Vec<u8>,
    pub amount: i64,
}

/// Adds what this node has let in since it told last.
pub async fn tell(tx: &mut Tx, node: &str, shares: &[Share], now: Utc) -> Result<()> {
    let now = clock(tx, now).await?.micros();
    many!(run tx, "INSERT INTO let_in (node, what, who, hour, amount, changed_at)", shares,
        |s| text node.to_owned(), text s.what.clone(), blob s.who.clone(), int now / HOUR_US, int s.amount, int now;
        "ON CONFLICT (node, what, who, hour) DO UPDATE SET amount = let_in.amount + excluded.amount, changed_at = excluded.changed_at");
    Ok(())
}

/// What the other nodes have let in in all, of what changed since a moment; and the moment to ask from next time.
pub async fn others(tx: &mut Tx, node: &str, since: Utc, now: Utc) -> Result<(Vec<(String, i64, Share)>, Utc)> {
    let now = clock(tx, now).await?;
    let rows = sql!(all tx, (String, i64, String, Vec<u8>, i64),
        "SELECT node, hour, what, who, amount FROM let_in WHERE changed_at >= $1 AND node <> $2 AND hour >= $3",
        since.micros(), node.to_owned(), now.micros() / HOUR_US - 1)?;
    Ok((rows.into_iter().map(|(node, hour, what, who, amount)| (node, hour, Share { what, who, amount })).collect(), now))
}

pub async fn forget(tx: &mut Tx, now: Utc) -> Result<()> {
    let now = clock(tx, now).await?;
    sql!(run tx, "DELETE FROM let_in WHERE changed_at < $1", now.plus(-2 * HOUR_US).micros())?;
    sql!(run tx, "DELETE FROM spent_challenge WHERE good_until < $1", now.micros())?;
    Ok(())
}

/// Marks a challenge as used; false when it was before, on whichever node.
pub async fn spend(tx: &mut Tx, digest: Vec<u8>, good_until: Utc) -> Result<bool> {
    Ok(
        sql!(run tx, "INSERT INTO spent_challenge (digest, good_until) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING", digest, good_until.micros())?
            == 1,
    )
}
