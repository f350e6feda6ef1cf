//! Finding a content's family when it arrives: the same picture or samples by their digest, near ones by their fingerprints, against
//! everything in the appeal.

use crate::app::App;
use crate::attest;
use crate::db::{self, Tx, contents::Examination};
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::Exhibit;
use crate::domain::family::{Candidate, Member, Relation, chosen};
use crate::domain::likeness::Prints;
use crate::domain::value::Id;
use crate::error::Result;
use crate::traffic::Known;

/// Who is near, among what was in the index up to a place.
#[derive(Default)]
pub struct Looked {
    upto: i64,
    near: Vec<Candidate>,
}

/// Looks before a transaction is begun, so that nobody waits for it. Only what is committed enters the index.
pub async fn look(app: &App, appeal: Id, prints: &Prints) -> Result<Looked> {
    let known = app.traffic.likenesses.of(appeal);
    let mut known = known.lock().await;
    catch_up(app, appeal, &mut known).await?;
    Ok(Looked { upto: known.upto, near: known.near(prints) })
}

/// Who is similar without being near: for people to compare.
pub async fn similar(app: &App, appeal: Id, prints: &Prints) -> Result<Vec<Candidate>> {
    let known = app.traffic.likenesses.of(appeal);
    let mut known = known.lock().await;
    catch_up(app, appeal, &mut known).await?;
    Ok(known.similar(prints))
}

async fn catch_up(app: &App, appeal: Id, known: &mut Known) -> Result<()> {
    let mut tx = app.db.read().await?;
    for (seq, sha256, prints) in db::families::likenesses_after(&mut tx, appeal, known.upto).await? {
        known.add(seq, sha256, &prints);
    }
    Ok(())
}

/// Gives a content its place among the others of its appeal, in the transaction that writes its examination down and has the appeal's turn. What came since it was
/// looked at is looked at here.
pub async fn place(app: &App, tx: &mut Tx, e: &Exhibit, x: &Examination, looked: &Looked) -> Result<()> {
    let mut since = Known::default();
    for (seq, sha256, prints) in db::families::likenesses_after(tx, e.appeal, looked.upto).await? {
        since.add(seq, sha256, &prints);
    }
    if !db::families::add_likeness(tx, e.appeal, e.agency, e.sha256).await? {
        return Ok(());
    }
    let mut candidates = Vec::new();
    if let Some(essence) = x.essence {
        for sha256 in db::families::with_essence(tx, e.appeal, e.agency, essence, e.sha256).await? {
            candidates.push(Candidate { sha256, relation: Relation::SameMedia, distance: 0 });
        }
    }
    let mut near = looked.near.clone();
    near.extend(since.near(&x.prints));
    near.sort_by_key(|c| c.distance);
    candidates.extend(near.into_iter().filter(|c| c.sha256 != e.sha256));
    let apart = db::families::apart(tx, e.appeal, e.sha256).await?;
    // The best may have been erased since it came into the index: then the next.
    let candidate = loop {
        let Some(best) = chosen(&candidates, &apart) else { return Ok(()) };
        if db::families::is_indexed(tx, e.appeal, best.sha256).await? {
            break best;
        }
        candidates.retain(|c| c.sha256 != best.sha256);
    };
    join(app, tx, e, candidate).await?;
    let Some(other) = db::exhibits::first_with(tx, e.appeal, e.agency, candidate.sha256).await? else { return Ok(()) };
    let draft = Draft::new(EventType::DuplicateLinked, Actor::System)
        .about(SubjectKind::Exhibit, e.id)
        .fact("how", candidate.relation.as_str())
        .fact("distance", candidate.distance)
        .fact("tool", x.reader.clone())
        .private("of", other.to_string());
    attest::append(app, tx, draft).await?;
    Ok(())
}

/// Puts a content into the family of another, which is made if there is none.
async fn join(app: &App, tx: &mut Tx, e: &Exhibit, to: Candidate) -> Result<()> {
    let now = app.now();
    let family = match db::families::member(tx, e.appeal, to.sha256).await? {
        Some(member) => member.family,
        None => {
            let first = Member { sha256: to.sha256, family: app.new_id(), relation: Relation::First, via: None, distance: 0 };
            db::families::join(tx, e.appeal, &first, now.plus(-1)).await?;
            first.family
        }
    };
    let member = Member { sha256: e.sha256, family, relation: to.relation, via: Some(to.sha256), distance: to.distance };
    db::families::join(tx, e.appeal, &member, now).await
}
