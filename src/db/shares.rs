//! Appeals that one agency shares with another: how far, and until when.

use super::{Tx, bad_row, id};
use crate::domain::actor::Level;
use crate::domain::value::{Id, Utc};
use crate::error::Result;

pub struct Share {
    pub id: Id,
    pub with: String,
    pub level: Level,
    pub shared_at: Utc,
    pub expires_at: Utc,
    pub ended: bool,
}

pub struct NewShare {
    pub id: Id,
    pub appeal: Id,
    pub with: Id,
    pub level: Level,
    pub by: Option<Id>,
    pub expires_at: Utc,
}

pub async fn add(tx: &mut Tx, s: &NewShare, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO appeal_share (id, appeal_id, agency_id, level, shared_by, shared_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        s.id.blob(), s.appeal.blob(), s.with.blob(), s.level.as_str(), s.by.map(|b| b.blob()), now.micros(), s.expires_at.micros())?;
    Ok(())
}

/// How far an appeal is shared with an agency now.
pub async fn level(tx: &mut Tx, appeal: Id, with: Id, now: Utc) -> Result<Option<Level>> {
    let rows = sql!(all tx, (String,),
        "SELECT level FROM appeal_share WHERE agency_id = $2 AND appeal_id = $1 AND ended_at IS NULL AND expires_at > $3",
        appeal.blob(), with.blob(), now.micros())?;
    let levels = rows.into_iter().map(|(level,)| Level::parse(&level).ok_or_else(|| bad_row("share"))).collect::<Result<Vec<_>>>()?;
    Ok(levels.into_iter().max_by_key(|level| *level == Level::Decide))
}

/// Everything that an appeal was ever shared by, the newest first.
pub async fn of_appeal(tx: &mut Tx, appeal: Id) -> Result<Vec<Share>> {
    let rows = sql!(all tx, (Vec<u8>, String, String, i64, i64, Option<i64>),
        "SELECT s.id, g.name, s.level, s.shared_at, s.expires_at, s.ended_at FROM appeal_share s JOIN agency g ON g.id = s.agency_id
         WHERE s.appeal_id = $1 ORDER BY s.shared_at DESC, s.id", appeal.blob())?;
    rows.into_iter()
        .map(|(share, with, level, at, until, ended)| {
            Ok(Share {
                id: id(&share)?,
                with,
                level: Level::parse(&level).ok_or_else(|| bad_row("share"))?,
                shared_at: Utc::from_micros(at),
                expires_at: Utc::from_micros(until),
                ended: ended.is_some(),
            })
        })
        .collect()
}

/// Ends one of an appeal's; false when it is over already, or is not of this appeal.
pub async fn end(tx: &mut Tx, appeal: Id, share: Id, now: Utc) -> Result<bool> {
    let rows = sql!(run tx,
        "UPDATE appeal_share SET ended_at = $3 WHERE id = $1 AND appeal_id = $2 AND ended_at IS NULL AND expires_at > $3",
        share.blob(), appeal.blob(), now.micros())?;
    Ok(rows == 1)
}
