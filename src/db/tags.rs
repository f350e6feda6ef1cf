//! The words of appeals' tags.

use super::{Tx, bad_row};
use crate::domain::review::TagBook;
use crate::domain::value::Id;
use crate::error::Result;

pub async fn book(tx: &mut Tx, appeal: Id) -> Result<TagBook> {
    let rows = sql!(all tx, (i64, String), "SELECT bit, word FROM appeal_tag WHERE appeal_id = $1 ORDER BY bit", appeal.blob())?;
    let own = rows.into_iter().map(|(bit, word)| Ok((u8::try_from(bit).map_err(|_| bad_row("tag"))?, word)));
    Ok(TagBook::new(own.collect::<Result<_>>()?))
}

/// A word gets a bit. Whoever calls it has the appeal's turn, so that no two take the same.
pub async fn add(tx: &mut Tx, appeal: Id, bit: u8, word: &str) -> Result<()> {
    sql!(run tx, "INSERT INTO appeal_tag (appeal_id, bit, word) VALUES ($1, $2, $3)", appeal.blob(), i64::from(bit), word.to_owned())?;
    Ok(())
}
