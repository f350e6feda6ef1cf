//! Families of contents, and the fingerprints by which they are found.

use super::{Tx, bad_row, digest, id};
use crate::domain::family::{Member, Relation};
use crate::domain::likeness::Prints;
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

/// Makes whoever joins or parts contents of this appeal take turns, until commit.
pub async fn take_turn(tx: &mut Tx, appeal: Id) -> Result<()> {
    sql!(run tx, "INSERT INTO family_turn (appeal_id) VALUES ($1) ON CONFLICT DO NOTHING", appeal.blob())?;
    let text = tx.locking(
        "SELECT appeal_id FROM family_turn WHERE appeal_id = $1",
        "SELECT appeal_id FROM family_turn WHERE appeal_id = $1 FOR UPDATE",
    );
    sql!(one tx, (Vec<u8>,), text, appeal.blob())?;
    Ok(())
}

/// Puts a content into an appeal's index; false when it is in it.
pub async fn add_likeness(tx: &mut Tx, appeal: Id, agency: Id, sha256: Sha256) -> Result<bool> {
    let rows = sql!(run tx, "INSERT INTO likeness (appeal_id, agency_id, sha256) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        appeal.blob(), agency.blob(), sha256.blob())?;
    Ok(rows == 1)
}

/// Contents that came into an appeal's index after `seq`, with their fingerprints.
pub async fn likenesses_after(tx: &mut Tx, appeal: Id, seq: i64) -> Result<Vec<(i64, Sha256, Prints)>> {
    let rows = sql!(all tx, (i64, Vec<u8>, Option<Vec<u8>>),
        "SELECT l.seq, l.sha256, x.prints FROM likeness l JOIN examination x ON x.agency_id = l.agency_id AND x.sha256 = l.sha256
         WHERE l.appeal_id = $1 AND l.seq > $2 ORDER BY l.seq", appeal.blob(), seq)?;
    rows.into_iter().map(|(seq, sha, prints)| Ok((seq, digest(&sha)?, Prints::from_bytes(&prints.unwrap_or_default())))).collect()
}

/// Contents of an appeal with the same picture or samples.
pub async fn with_essence(tx: &mut Tx, appeal: Id, agency: Id, essence: Sha256, but: Sha256) -> Result<Vec<Sha256>> {
    let rows = sql!(all tx, (Vec<u8>,),
        "SELECT l.sha256 FROM examination x JOIN likeness l ON l.agency_id = x.agency_id AND l.sha256 = x.sha256
         WHERE x.agency_id = $1 AND x.essence = $2 AND l.appeal_id = $3 AND l.sha256 <> $4 ORDER BY l.seq",
        agency.blob(), essence.blob(), appeal.blob(), but.blob())?;
    rows.into_iter().map(|r| digest(&r.0)).collect()
}

/// Whether a content is in an appeal's index still.
pub async fn is_indexed(tx: &mut Tx, appeal: Id, sha256: Sha256) -> Result<bool> {
    Ok(sql!(maybe tx, (i64,), "SELECT seq FROM likeness WHERE appeal_id = $1 AND sha256 = $2", appeal.blob(), sha256.blob())?.is_some())
}

type Row = (Vec<u8>, Vec<u8>, String, Option<Vec<u8>>, i64);

fn read((sha256, family, relation, via, distance): Row) -> Result<Member> {
    Ok(Member {
        sha256: digest(&sha256)?,
        family: id(&family)?,
        relation: Relation::parse(&relation).ok_or_else(|| bad_row("relation"))?,
        via: via.as_deref().map(digest).transpose()?,
        distance: u32::try_from(distance).unwrap_or(0),
    })
}

pub async fn member(tx: &mut Tx, appeal: Id, sha256: Sha256) -> Result<Option<Member>> {
    let row = sql!(maybe tx, Row,
        "SELECT sha256, family_id, relation, via, distance FROM family_member WHERE appeal_id = $1 AND sha256 = $2",
        appeal.blob(), sha256.blob())?;
    row.map(read).transpose()
}

/// Everybody in a family, who came first first.
pub async fn members(tx: &mut Tx, family: Id) -> Result<Vec<Member>> {
    let rows = sql!(all tx, Row,
        "SELECT sha256, family_id, relation, via, distance FROM family_member WHERE family_id = $1 ORDER BY joined_at, sha256", family.blob())?;
    rows.into_iter().map(read).collect()
}

pub async fn join(tx: &mut Tx, appeal: Id, m: &Member, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO family_member (appeal_id, sha256, family_id, relation, via, distance, joined_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (appeal_id, sha256) DO UPDATE SET family_id = excluded.family_id, relation = excluded.relation, via = excluded.via,
           distance = excluded.distance, joined_at = excluded.joined_at",
        appeal.blob(), m.sha256.blob(), m.family.blob(), m.relation.as_str(), m.via.map(|v| v.blob()), i64::from(m.distance), now.micros())?;
    Ok(())
}

/// Takes a content out of its family; a family of one is none.
pub async fn leave(tx: &mut Tx, appeal: Id, sha256: Sha256) -> Result<()> {
    let Some(was) = member(tx, appeal, sha256).await? else { return Ok(()) };
    sql!(run tx, "DELETE FROM family_member WHERE appeal_id = $1 AND sha256 = $2", appeal.blob(), sha256.blob())?;
    let (left,) = sql!(one tx, (i64,), "SELECT COUNT(*) FROM family_member WHERE family_id = $1", was.family.blob())?;
    if left == 1 {
        sql!(run tx, "DELETE FROM family_member WHERE family_id = $1", was.family.blob())?;
    }
    Ok(())
}

/// Works out anew, of all exhibits with these contents or with those of their families: the number of their family, and which is its
/// best copy. Whoever calls it has the appeal's turn.
pub async fn regroup(tx: &mut Tx, appeal: Id, agency: Id, contents: &[Sha256], now: Utc) -> Result<()> {
    let mut done: Vec<Sha256> = Vec::new();
    for content in contents {
        if done.contains(content) {
            continue;
        }
        let family = match member(tx, appeal, *content).await? {
            Some(m) => members(tx, m.family).await?.into_iter().map(|m| m.sha256).collect(),
            None => vec![*content],
        };
        let mut copies = Vec::new();
        for sha256 in &family {
            copies.extend(copies_of(tx, appeal, agency, *sha256).await?);
        }
        let number = copies.iter().map(|c| c.number).min();
        let lead = copies.iter().max_by_key(|c| (c.merit, std::cmp::Reverse(c.number))).map(|c| c.number);
        for c in &copies {
            let (family, lead) = (number.unwrap_or(c.number), i64::from(lead == Some(c.number)));
            if (c.family, c.lead) != (family, lead) {
                sql!(run tx, "UPDATE exhibit SET family = $3, lead = $4, changed_at = $5 WHERE appeal_id = $1 AND number = $2",
                    appeal.blob(), c.number, family, lead, now.micros())?;
            }
        }
        done.extend(family);
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Copied {
    number: i64,
    family: i64,
    lead: i64,
    merit: i64,
}

async fn copies_of(tx: &mut Tx, appeal: Id, agency: Id, sha256: Sha256) -> Result<Vec<Copied>> {
    sql!(all tx, Copied, "SELECT number, family, lead, merit FROM exhibit WHERE agency_id = $1 AND sha256 = $2 AND appeal_id = $3",
        agency.blob(), sha256.blob(), appeal.blob())
}

pub async fn part(tx: &mut Tx, appeal: Id, sha256: Sha256, others: &[Sha256]) -> Result<()> {
    for other in others {
        for (a, b) in [(sha256, *other), (*other, sha256)] {
            sql!(run tx, "INSERT INTO family_apart (appeal_id, sha256, other) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                appeal.blob(), a.blob(), b.blob())?;
        }
    }
    Ok(())
}

pub async fn unpart(tx: &mut Tx, appeal: Id, sha256: Sha256, other: Sha256) -> Result<()> {
    for (a, b) in [(sha256, other), (other, sha256)] {
        sql!(run tx, "DELETE FROM family_apart WHERE appeal_id = $1 AND sha256 = $2 AND other = $3", appeal.blob(), a.blob(), b.blob())?;
    }
    Ok(())
}

/// From which contents somebody has parted this one.
pub async fn apart(tx: &mut Tx, appeal: Id, sha256: Sha256) -> Result<Vec<Sha256>> {
    let rows =
        sql!(all tx, (Vec<u8>,), "SELECT other FROM family_apart WHERE appeal_id = $1 AND sha256 = $2", appeal.blob(), sha256.blob())?;
    rows.into_iter().map(|r| digest(&r.0)).collect()
}

/// Forgets a content that an appeal has no exhibit of any more.
pub async fn forget(tx: &mut Tx, appeal: Id, sha256: Sha256) -> Result<()> {
    leave(tx, appeal, sha256).await?;
    sql!(run tx, "UPDATE family_member SET via = NULL WHERE appeal_id = $1 AND via = $2", appeal.blob(), sha256.blob())?;
    sql!(run tx, "DELETE FROM family_apart WHERE appeal_id = $1 AND (sha256 = $2 OR other = $2)", appeal.blob(), sha256.blob())?;
    sql!(run tx, "DELETE FROM likeness WHERE appeal_id = $1 AND sha256 = $2", appeal.blob(), sha256.blob())?;
    Ok(())
}
