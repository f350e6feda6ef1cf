//! A content's family as an investigator sees it, and what they may change of it: part what the program joined, join what it did not.
//! Showing members' thumbnails is one `grid.viewed` event, as a page of the queue is.

use super::look::{Look, grant, watch};
use super::queue::record;
use crate::access;
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::Exhibit;
use crate::domain::family::{Candidate, Member, Relation};
use crate::domain::purpose::worded;
use crate::domain::review::NOTE_CHARS_MAX;
use crate::domain::value::{Id, Sha256, shown};
use crate::error::{Error, Result};

/// Members and similar ones that a page shows.
const SHOWN_MAX: usize = 60;
const SIMILAR_MAX: usize = 12;

/// One content beside the one that is looked at, by its first exhibit in the appeal.
pub struct Relative {
    pub exhibit: Exhibit,
    pub relation: Relation,
    /// Bits of 256.
    pub distance: u32,
    /// How many exhibits have these very bytes.
    pub copies: usize,
    /// Under which its thumbnail is served.
    pub thumbnail: String,
}

#[derive(Default)]
pub struct Family {
    /// How many exhibits of the appeal have the same bytes as this one, itself included.
    pub copies: usize,
    pub members: Vec<Relative>,
    /// How many members there are in all, this one included.
    pub size: usize,
    /// Not joined: for comparing.
    pub similar: Vec<Relative>,
}

/// The family of an exhibit that is being looked at. `similar` are candidates that are not near enough to be joined.
pub async fn family(app: &App, person: &Person, e: &Exhibit, similar: Vec<Candidate>) -> Result<Family> {
    let mut tx = app.db.read().await?;
    let own = db::families::member(&mut tx, e.appeal, e.sha256).await?;
    let members = match &own {
        Some(own) => db::families::members(&mut tx, own.family).await?,
        None => Vec::new(),
    };
    let size = members.len();
    let apart = db::families::apart(&mut tx, e.appeal, e.sha256).await?;
    let mut found = Family { copies: db::exhibits::count_with(&mut tx, e.appeal, e.agency, e.sha256).await?, size, ..Family::default() };
    let others = members.iter().filter(|m| m.sha256 != e.sha256).take(SHOWN_MAX).map(|m| (m.sha256, m.relation, m.distance, true));
    let near = similar
        .iter()
        .filter(|c| c.sha256 != e.sha256 && !apart.contains(&c.sha256) && !members.iter().any(|m| m.sha256 == c.sha256))
        .take(SIMILAR_MAX)
        .map(|c| (c.sha256, c.relation, c.distance, false));
    for (sha256, relation, distance, member) in others.chain(near).collect::<Vec<_>>() {
        let Some(first) = db::exhibits::first_with(&mut tx, e.appeal, e.agency, sha256).await? else { continue };
        let Some(exhibit) = db::exhibits::by_id(&mut tx, first).await? else { continue };
        let copies = db::exhibits::count_with(&mut tx, e.appeal, e.agency, sha256).await?;
        let relative =
            Relative { thumbnail: grant(app, person, exhibit.id, Look::Thumbnail, app.now()), exhibit, relation, distance, copies };
        if member { found.members.push(relative) } else { found.similar.push(relative) }
    }
    let appeal = db::appeals::by_id(&mut tx, e.appeal).await?;
    drop(tx);
    let shown: Vec<Exhibit> = found.members.iter().chain(&found.similar).map(|r| r.exhibit.clone()).collect();
    if !shown.is_empty() {
        record(app, person, &appeal, &shown).await?;
        watch(app, person, shown.len().div_ceil(10) as u64).await;
    }
    Ok(found)
}

fn reason_of(person: &Person, reason: &str) -> Result<String> {
    if !person.may(Act::Decide) {
        return Err(Error::Forbidden);
    }
    let reason = shown(reason.trim(), NOTE_CHARS_MAX);
    if worded(&reason) { Ok(reason) } else { Err(Error::Invalid { field: "reason", why: "say why, in words".into() }) }
}

/// Parts a content from everybody in its family, for good: the program does not join them again.
pub async fn part(app: &App, person: &Person, exhibit: Id, reason: &str) -> Result<()> {
    let reason = reason_of(person, reason)?;
    let mut tx = app.db.begin().await?;
    let seen = db::exhibits::by_id(&mut tx, exhibit).await?.ok_or(Error::NotFound)?;
    db::families::take_turn(&mut tx, seen.appeal).await?;
    let e = own(app, &mut tx, person, exhibit).await?;
    let Some(member) = db::families::member(&mut tx, e.appeal, e.sha256).await? else { return Err(Error::Conflict) };
    let others: Vec<Sha256> =
        db::families::members(&mut tx, member.family).await?.into_iter().map(|m| m.sha256).filter(|s| *s != e.sha256).collect();
    db::families::part(&mut tx, e.appeal, e.sha256, &others).await?;
    db::families::leave(&mut tx, e.appeal, e.sha256).await?;
    let all: Vec<Sha256> = others.iter().copied().chain([e.sha256]).collect();
    db::families::regroup(&mut tx, e.appeal, e.agency, &all, app.now()).await?;
    let draft = Draft::new(EventType::FamilyParted, Actor::from(person))
        .about(SubjectKind::Exhibit, e.id)
        .fact("relation", member.relation.as_str())
        .fact("from", others.len())
        .private("reason", reason);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// Joins an exhibit's content, with its family if it has one, to another's.
pub async fn join(app: &App, person: &Person, exhibit: Id, other: Id, reason: &str) -> Result<()> {
    let reason = reason_of(person, reason)?;
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let seen = db::exhibits::by_id(&mut tx, exhibit).await?.ok_or(Error::NotFound)?;
    db::families::take_turn(&mut tx, seen.appeal).await?;
    // Always in the same order, so that two who join the same two the other way round do not wait for one another.
    own(app, &mut tx, person, exhibit.min(other)).await?;
    let to = own(app, &mut tx, person, other).await?;
    let e = own(app, &mut tx, person, exhibit).await?;
    if e.appeal != to.appeal || e.sha256 == to.sha256 {
        return Err(Error::Invalid { field: "other", why: "another content of the same appeal".into() });
    }
    let target = match db::families::member(&mut tx, to.appeal, to.sha256).await? {
        Some(member) => member.family,
        None => {
            let first = Member { sha256: to.sha256, family: app.new_id(), relation: Relation::First, via: None, distance: 0 };
            db::families::join(&mut tx, to.appeal, &first, now.plus(-1)).await?;
            first.family
        }
    };
    let moving = match db::families::member(&mut tx, e.appeal, e.sha256).await? {
        Some(member) if member.family == target => return Err(Error::Conflict),
        Some(member) => db::families::members(&mut tx, member.family).await?,
        None => vec![Member { sha256: e.sha256, family: target, relation: Relation::First, via: None, distance: 0 }],
    };
    for m in &moving {
        let stated = m.sha256 == e.sha256 || m.relation == Relation::First;
        let moved = if stated {
            Member { family: target, relation: Relation::Stated, via: Some(to.sha256), distance: 0, ..m.clone() }
        } else {
            Member { family: target, ..m.clone() }
        };
        db::families::join(&mut tx, e.appeal, &moved, now).await?;
    }
    db::families::unpart(&mut tx, e.appeal, e.sha256, to.sha256).await?;
    db::families::regroup(&mut tx, e.appeal, e.agency, &[e.sha256], now).await?;
    let draft = Draft::new(EventType::FamilyJoined, Actor::from(person))
        .about(SubjectKind::Exhibit, e.id)
        .fact("moved", moving.len())
        .private("of", to.id.to_string())
        .private("reason", reason);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

async fn own(app: &App, tx: &mut db::Tx, person: &Person, exhibit: Id) -> Result<Exhibit> {
    let e = db::exhibits::lock(tx, exhibit).await?;
    access::to_exhibit(app, tx, person, &e, Act::Decide).await?;
    Ok(e)
}
