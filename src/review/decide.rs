//! Decisions: on an exhibit, on several, on whole families, and taken back. Earlier ones stay: in the table, and in the log.

use super::lease;
use crate::access;
use crate::app::App;
use crate::attest;
use crate::db::{self, Tx};
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::appeal::Appeal;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::{Exhibit, State};
use crate::domain::review::{Decision, NOTE_CHARS_MAX, TILES_MAX};
use crate::domain::value::{Id, Utc, paragraphs};
use crate::error::{Error, Result};

/// Decides. `version` is the one that the person saw: if somebody was faster, they are told (409)
/// rather than overruled. Returns the new version.
pub async fn decide(app: &App, person: &Person, exhibit: Id, decision: Decision, note: &str, version: Option<u64>) -> Result<u64> {
    if !person.may(Act::Decide) {
        return Err(Error::Forbidden);
    }
    let note = noted(note)?;
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let e = db::exhibits::lock(&mut tx, exhibit).await?;
    access::to_exhibit(app, &mut tx, person, &e, Act::Decide).await?;
    if version.is_some_and(|v| v != e.version) {
        return Err(Error::Conflict);
    }
    if lease::other(app, &mut tx, person, &e).await?.is_some() {
        return Err(Error::Leased);
    }
    write(app, &mut tx, person, &e, decision, &note, now).await?;
    tx.commit().await?;
    Ok(e.version + 1)
}

/// Takes back one's own decision on an exhibit, as it was seen, where it still holds.
pub async fn take_back(app: &App, person: &Person, exhibit: Id, version: u64) -> Result<()> {
    if !person.may(Act::Decide) {
        return Err(Error::Forbidden);
    }
    let mut tx = app.db.begin().await?;
    let e = db::exhibits::lock(&mut tx, exhibit).await?;
    access::to_exhibit(app, &mut tx, person, &e, Act::Decide).await?;
    if version != e.version {
        return Err(Error::Conflict);
    }
    if lease::other(app, &mut tx, person, &e).await?.is_some() {
        return Err(Error::Leased);
    }
    withdraw(app, &mut tx, person, &e).await?.ok_or(Error::Conflict)?;
    tx.commit().await
}

/// Takes back the decision that holds, if it is this person's; returns what holds then.
async fn withdraw(app: &App, tx: &mut Tx, person: &Person, e: &Exhibit) -> Result<Option<State>> {
    let Some(state) = db::exhibits::undo(tx, e, person.id, app.now()).await? else { return Ok(None) };
    let draft = Draft::new(EventType::DecisionUndone, Actor::from(person))
        .about(SubjectKind::Exhibit, e.id)
        .private("decision", state.as_str())
        .private("previous", e.state.as_str());
    attest::append(app, tx, draft).await?;
    Ok(Some(state))
}

/// A note fit to be kept. Line breaks are welcome in it, other control characters are not.
fn noted(note: &str) -> Result<String> {
    if note.chars().count() > NOTE_CHARS_MAX {
        return Err(Error::Invalid { field: "note", why: format!("more than {NOTE_CHARS_MAX} characters") });
    }
    Ok(paragraphs(note, NOTE_CHARS_MAX))
}

async fn write(app: &App, tx: &mut Tx, person: &Person, e: &Exhibit, decision: Decision, note: &str, now: Utc) -> Result<()> {
    if !db::exhibits::decide(tx, app.new_id(), e, person.id, decision, note, now).await? {
        return Err(Error::Conflict);
    }
    let mut draft = Draft::new(EventType::ExhibitDecided, Actor::from(person))
        .about(SubjectKind::Exhibit, e.id)
        .fact("noted", !note.is_empty())
        .private("decision", decision.state().as_str())
        .private("previous", State::as_str(e.state));
    if !note.is_empty() {
        draft = draft.private("note", note);
    }
    attest::append(app, tx, draft).await?;
    Ok(())
}

/// An exhibit that was seen, by its number, at the version that was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    pub number: u64,
    pub version: u64,
}

/// What becomes of the rest of a family when one of it is decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// Nothing.
    Left,
    /// The same as of the one.
    Same,
    /// Not relevant: the one stands for it.
    NotRelevant,
}

/// What an act on several changed, and what it left alone.
#[derive(Default)]
pub struct Changed {
    pub changed: Vec<(u64, State, u64)>,
    /// Numbers of those that somebody had decided meanwhile, or that are gone. Their families are left alone too.
    pub left: Vec<u64>,
    /// Numbers of a family's others that somebody had decided otherwise before: that stands.
    pub stands: Vec<u64>,
    /// Numbers of those that a colleague has before them. Their families are left alone too.
    pub held: Vec<u64>,
}

/// One exhibit of an act.
struct Ask {
    id: Id,
    number: u64,
    decision: Decision,
    /// At which it was seen, when it was named.
    version: Option<u64>,
    /// Whom it follows.
    stands_for: u64,
    /// What this person had decided on that one: where they had on this one, too, they correct both.
    corrects: Option<State>,
}

/// Exhibits that one request takes back.
const UNDO_MAX: usize = 10_000;
/// Exhibits per transaction.
const BATCH: usize = 100;

/// Decides several, each with its family if asked. Of a family those follow that nobody has decided, and where a person corrects themselves, those on
/// which they had decided the same; those named follow if they are still as they were seen. Each exhibit has its own event.
pub async fn decide_several(
    app: &App,
    person: &Person,
    appeal: &Appeal,
    seen: &[Seen],
    decision: Decision,
    rest: Rest,
    note: &str,
) -> Result<Changed> {
    if !person.may(Act::Decide) {
        return Err(Error::Forbidden);
    }
    let note = noted(note)?;
    if seen.is_empty() || seen.len() > TILES_MAX {
        return Err(Error::Invalid { field: "items", why: format!("1 to {TILES_MAX} exhibits") });
    }
    let mut out = Changed::default();
    let mut acts: Vec<Ask> = Vec::new();
    let mut tx = app.db.read().await?;
    for one in seen {
        let Some(e) = db::exhibits::numbered(&mut tx, appeal.id, &[one.number]).await?.pop() else {
            out.left.push(one.number);
            continue;
        };
        if e.version != one.version {
            out.left.push(one.number);
            continue;
        }
        if lease::other(app, &mut tx, person, &e).await?.is_some() {
            out.held.push(one.number);
            continue;
        }
        acts.push(Ask { id: e.id, number: one.number, decision, version: Some(one.version), stands_for: one.number, corrects: None });
        let follows = match rest {
            Rest::Left => continue,
            Rest::Same => decision,
            Rest::NotRelevant => Decision::NotRelevant,
        };
        let own = rest == Rest::Same && db::exhibits::decided_by(&mut tx, e.id).await? == Some(person.id);
        let corrects = own.then_some(e.state);
        for (id, number) in db::exhibits::of_family(&mut tx, appeal.id, e.family).await? {
            if number != one.number && !seen.iter().any(|s| s.number == number) {
                acts.push(Ask { id, number, decision: follows, version: None, stands_for: one.number, corrects });
            }
        }
    }
    drop(tx);
    // Those named first: what they stand for follows them.
    acts.sort_by_key(|a| (a.version.is_none(), a.id));
    for batch in acts.chunks(BATCH) {
        let mut tx = app.db.begin_apart().await?;
        // An examination works on several of a family too: first the appeal's turn, then exhibits.
        db::families::take_turn(&mut tx, appeal.id).await?;
        for ask in batch {
            if ask.version.is_none() && out.left.contains(&ask.stands_for) {
                continue;
            }
            let found = db::exhibits::lock(&mut tx, ask.id).await;
            let open = match (&found, ask.version) {
                (Err(_), _) => false,
                (Ok(e), Some(version)) => e.version == version,
                (Ok(e), None) if matches!(e.state, State::Received | State::Ready) => true,
                (Ok(e), None) => ask.corrects == Some(e.state) && db::exhibits::decided_by(&mut tx, e.id).await? == Some(person.id),
            };
            match found {
                Ok(e) if open => {
                    write(app, &mut tx, person, &e, ask.decision, &note, app.now()).await?;
                    out.changed.push((ask.number, ask.decision.state(), e.version + 1));
                }
                Ok(_) | Err(Error::NotFound) if ask.version.is_some() => out.left.push(ask.number),
                Ok(_) => out.stands.push(ask.number),
                Err(Error::NotFound) => {}
                Err(other) => return Err(other),
            }
        }
        tx.commit().await?;
    }
    Ok(out)
}

/// Takes back one's own last decisions, where nobody has decided since: what was decided before holds again. An event each; nothing is
/// erased.
pub async fn undo(app: &App, person: &Person, appeal: &Appeal, seen: &[Seen]) -> Result<Changed> {
    if !person.may(Act::Decide) {
        return Err(Error::Forbidden);
    }
    if seen.is_empty() || seen.len() > UNDO_MAX {
        return Err(Error::Invalid { field: "items", why: format!("1 to {UNDO_MAX} exhibits") });
    }
    let mut out = Changed::default();
    let mut known = Vec::new();
    let mut tx = app.db.read().await?;
    for one in seen {
        match db::exhibits::numbered(&mut tx, appeal.id, &[one.number]).await?.pop() {
            Some(e) => known.push((e.id, *one)),
            None => out.left.push(one.number),
        }
    }
    drop(tx);
    known.sort_by_key(|k| k.0);
    for batch in known.chunks(BATCH) {
        let mut tx = app.db.begin_apart().await?;
        db::families::take_turn(&mut tx, appeal.id).await?;
        for (id, one) in batch {
            let e = match db::exhibits::lock(&mut tx, *id).await {
                Ok(e) if e.version == one.version => e,
                Ok(_) | Err(Error::NotFound) => {
                    out.left.push(one.number);
                    continue;
                }
                Err(other) => return Err(other),
            };
            match withdraw(app, &mut tx, person, &e).await? {
                Some(state) => out.changed.push((one.number, state, e.version + 1)),
                None => out.left.push(one.number),
            }
        }
        tx.commit().await?;
    }
    Ok(out)
}
