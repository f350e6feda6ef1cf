//! What outsiders said of checkpoints.

use super::{Tx, bad_row, signed, unsigned};
use crate::domain::value::{Id, Utc};
use crate::error::Result;

/// Who vouches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Timestamp,
    Witness,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Timestamp => "timestamp",
            Kind::Witness => "witness",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Kind::Timestamp, Kind::Witness].into_iter().find(|k| k.as_str() == text)
    }
}

pub struct Anchor {
    pub kind: Kind,
    pub name: String,
    pub size: u64,
    /// The token, or the cosignature's line; empty when it failed.
    pub proof: Vec<u8>,
    /// Why not; empty when it held.
    pub problem: String,
    pub at: Utc,
}

type Row = (String, String, i64, Vec<u8>, String, i64);

fn anchor(r: Row) -> Result<Anchor> {
    Ok(Anchor {
        kind: Kind::parse(&r.0).ok_or_else(|| bad_row("anchor"))?,
        name: r.1,
        size: unsigned(r.2),
        proof: r.3,
        problem: r.4,
        at: Utc::from_micros(r.5),
    })
}

/// Adds one. Of failures in a row only the last stays.
pub async fn add(tx: &mut Tx, new: Id, a: &Anchor) -> Result<()> {
    sql!(run tx, "DELETE FROM anchor WHERE kind = $1 AND name = $2 AND problem <> ''", a.kind.as_str(), a.name.clone())?;
    sql!(run tx, "INSERT INTO anchor (id, kind, name, size, proof, problem, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        new.blob(), a.kind.as_str(), a.name.clone(), signed(a.size), a.proof.clone(), a.problem.clone(), a.at.micros())?;
    Ok(())
}

/// The last one that held.
pub async fn last(tx: &mut Tx, kind: Kind, name: &str) -> Result<Option<Anchor>> {
    sql!(maybe tx, Row,
        "SELECT kind, name, size, proof, problem, at FROM anchor WHERE kind = $1 AND name = $2 AND problem = '' ORDER BY size DESC LIMIT 1",
        kind.as_str(), name.to_owned())?
    .map(anchor)
    .transpose()
}

/// What went wrong at the last try, if it did.
pub async fn failure(tx: &mut Tx, kind: Kind, name: &str) -> Result<Option<Anchor>> {
    sql!(maybe tx, Row,
        "SELECT kind, name, size, proof, problem, at FROM anchor WHERE kind = $1 AND name = $2 AND problem <> '' ORDER BY at DESC LIMIT 1",
        kind.as_str(), name.to_owned())?
    .map(anchor)
    .transpose()
}

/// What vouches for the checkpoint of this size.
pub async fn at(tx: &mut Tx, size: u64) -> Result<Vec<Anchor>> {
    sql!(all tx, Row, "SELECT kind, name, size, proof, problem, at FROM anchor WHERE size = $1 AND problem = '' ORDER BY kind, name", signed(size))?
        .into_iter()
        .map(anchor)
        .collect()
}

/// The largest checkpoint beyond an entry for which most outsiders vouch.
pub async fn best_beyond(tx: &mut Tx, index: u64) -> Result<Option<u64>> {
    let row = sql!(maybe tx, (i64,),
        "SELECT size FROM anchor WHERE size > $1 AND problem = '' GROUP BY size ORDER BY COUNT(*) DESC, size DESC LIMIT 1", signed(index))?;
    Ok(row.map(|r| unsigned(r.0)))
}

/// Sizes and times of all that held, in order.
pub async fn times(tx: &mut Tx) -> Result<Vec<(u64, Utc)>> {
    let rows = sql!(all tx, (i64, i64), "SELECT size, at FROM anchor WHERE problem = '' ORDER BY size, at")?;
    Ok(rows.into_iter().map(|(size, at)| (unsigned(size), Utc::from_micros(at))).collect())
}
