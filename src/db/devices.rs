//! What the devices that made an appeal's files are called: by the number of the first exhibit that each made.

use super::{Tx, signed, unsigned};
use crate::domain::value::{Id, Sha256};
use crate::error::Result;

/// The number of a device, `new` if it was not known. `exact`: the key tells it from others of its model.
pub async fn number(tx: &mut Tx, appeal: Id, new: u64, key: Sha256, words: &str, exact: bool) -> Result<u64> {
    sql!(run tx, "INSERT INTO appeal_device (appeal_id, number, key, words, exact) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        appeal.blob(), signed(new), key.blob(), words.to_owned(), i64::from(exact))?;
    let (number,) = sql!(one tx, (i64,), "SELECT number FROM appeal_device WHERE appeal_id = $1 AND key = $2", appeal.blob(), key.blob())?;
    Ok(unsigned(number))
}

/// Numbers, words, and whether each is one device and not a model.
pub async fn of_appeal(tx: &mut Tx, appeal: Id) -> Result<Vec<(u64, String, bool)>> {
    let rows = sql!(all tx, (i64, String, i64), "SELECT number, words, exact FROM appeal_device WHERE appeal_id = $1 ORDER BY number", appeal.blob())?;
    Ok(rows.into_iter().map(|(n, words, exact)| (unsigned(n), words, exact != 0)).collect())
}
