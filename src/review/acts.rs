//! One act on many exhibits: previewed, recorded on each, taken back in one.
//!
//! An act has an id; a client goes on under it when there are more exhibits than one request names, and takes all of it back with it.
//! Lock order: the appeal's turn, then exhibits.

use serde::{Deserialize, Serialize};

use super::correct;
use crate::app::App;
use crate::attest;
use crate::db::{self, Tx, acts::Act};
use crate::domain::actor::{Act as Right, Actor, Person};
use crate::domain::appeal::Appeal;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::{Exhibit, Quarantine, State};
use crate::domain::purpose::worded;
use crate::domain::review::{ACT_ITEMS_MAX, Effect, GRAPHIC, NOTE_CHARS_MAX, SECOND_LOOK, TagBook, What, tag_word};
use crate::domain::value::{Id, shown};
use crate::error::{Error, Result};

/// What is to be done to which exhibits.
pub struct Asked {
    /// By their numbers.
    pub numbers: Vec<u64>,
    /// And everything of their families.
    pub families: bool,
    pub what: What,
    pub reason: String,
}

/// What an act would do, in numbers of exhibits.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Preview {
    pub changes: u64,
    pub already: u64,
    pub stands: u64,
    /// A colleague has it before them.
    pub held: u64,
    pub gone: u64,
}

/// What an act did.
pub struct Done {
    pub act: Id,
    pub changed: Vec<(u64, State, u64)>,
    pub left: u64,
}

/// Exhibits per transaction.
const BATCH: usize = 100;

/// How an exhibit stood before an act.
#[derive(Default, Serialize, Deserialize)]
struct Before {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assignee: Option<Id>,
}

/// What an act needs to know besides the exhibit.
struct Round<'a> {
    app: &'a App,
    person: &'a Person,
    appeal: &'a Appeal,
    /// Under which it goes.
    act: Id,
    what: What,
    reason: String,
    bit: Option<u8>,
}

async fn checked(app: &App, person: &Person, appeal: &Appeal, asked: &Asked) -> Result<(What, String)> {
    if !person.may(Right::Decide) {
        return Err(Error::Forbidden);
    }
    if asked.numbers.is_empty() || asked.numbers.len() > ACT_ITEMS_MAX {
        return Err(Error::Invalid { field: "numbers", why: format!("1 to {ACT_ITEMS_MAX} exhibits") });
    }
    let wrong_tag = || Error::Invalid { field: "tag", why: "1 to 40 characters, no commas".into() };
    let what = match &asked.what {
        What::Tag { tag } => What::Tag { tag: tag_word(tag).ok_or_else(wrong_tag)? },
        What::Untag { tag } => What::Untag { tag: tag_word(tag).ok_or_else(wrong_tag)? },
        What::Correct { .. } => {
            correct::stated(&asked.what)?;
            asked.what.clone()
        }
        What::Assign { to: Some(to), .. } => {
            let mut tx = app.db.read().await?;
            let known = db::accounts::of_agency(&mut tx, appeal.agency).await?;
            if !known.iter().any(|(id, _, may)| id == to && *may) {
                return Err(Error::Invalid { field: "to", why: "nobody who reviews here".into() });
            }
            asked.what.clone()
        }
        other => other.clone(),
    };
    let reason = shown(asked.reason.trim(), NOTE_CHARS_MAX);
    Ok((what, reason))
}

async fn bit_of(tx: &mut Tx, appeal: &Appeal, what: &What) -> Result<Option<u8>> {
    let (What::Tag { tag } | What::Untag { tag }) = what else { return Ok(None) };
    Ok(db::tags::book(tx, appeal.id).await?.bit(tag))
}

/// The exhibits that are asked for, with their families if wished, each once. And how many are gone.
async fn members(tx: &mut Tx, appeal: &Appeal, asked: &Asked) -> Result<(Vec<Exhibit>, u64)> {
    let mut numbers = asked.numbers.clone();
    numbers.sort_unstable();
    numbers.dedup();
    let mut found = db::exhibits::numbered(tx, appeal.id, &numbers).await?;
    let gone = (numbers.len() - found.len()) as u64;
    if asked.families {
        let mut families: Vec<u64> = found.iter().map(|e| e.family).collect();
        families.sort_unstable();
        families.dedup();
        let mut others = Vec::new();
        for family in families {
            let all = db::exhibits::of_family(tx, appeal.id, family).await?;
            others.extend(all.into_iter().map(|(_, number)| number).filter(|n| numbers.binary_search(n).is_err()));
        }
        found.extend(db::exhibits::numbered(tx, appeal.id, &others).await?);
    }
    found.sort_by_key(|e| e.id);
    Ok((found, gone))
}

/// What an act would do. Nothing is written.
pub async fn preview(app: &App, person: &Person, appeal: &Appeal, asked: &Asked) -> Result<Preview> {
    let (what, _) = checked(app, person, appeal, asked).await?;
    let mut tx = app.db.read().await?;
    let bit = bit_of(&mut tx, appeal, &what).await?;
    let (found, gone) = members(&mut tx, appeal, asked).await?;
    let held = held(app, &mut tx, person, appeal, &what).await?;
    let mut out = Preview { gone, ..Preview::default() };
    for e in found {
        let asked_before = matches!(what, What::AskOriginal) && db::acts::original_asked(&mut tx, e.id).await?.is_some();
        match what.effect(&e, bit, asked_before) {
            Effect::Already => out.already += 1,
            Effect::Stands => out.stands += 1,
            Effect::Changes if held.contains(&e.family) => out.held += 1,
            Effect::Changes => out.changes += 1,
        }
    }
    Ok(out)
}

/// Families that colleagues have before them, where that keeps the act from happening.
async fn held(app: &App, tx: &mut Tx, person: &Person, appeal: &Appeal, what: &What) -> Result<Vec<u64>> {
    if !what.waits_for_others() {
        return Ok(Vec::new());
    }
    let leases = db::leases::of_appeal(tx, appeal.id, app.now()).await?;
    Ok(leases.into_iter().filter(|l| l.by != person.id).map(|l| l.family).collect())
}

/// Acts, under a new id or one's own earlier one that asked for the same.
pub async fn act(app: &App, person: &Person, appeal: &Appeal, asked: &Asked, under: Option<Id>) -> Result<Done> {
    let (what, reason) = checked(app, person, appeal, asked).await?;
    if what.needs_reason() && !worded(&reason) {
        return Err(Error::Invalid { field: "reason", why: "say why, in a few words".into() });
    }
    let mut tx = app.db.begin().await?;
    let id = match under {
        None => {
            let act = Act { id: app.new_id(), appeal: appeal.id, by: person.id, what: what.clone(), undone: false };
            db::acts::insert(&mut tx, &act, &reason, app.now()).await?;
            act.id
        }
        Some(id) => {
            let act = db::acts::by_id(&mut tx, id).await?.filter(|a| a.by == person.id && a.appeal == appeal.id).ok_or(Error::NotFound)?;
            if act.undone || act.what != what {
                return Err(Error::Conflict);
            }
            id
        }
    };
    tx.commit().await?;
    // (Read apart: thousands of rows, while others write.)
    let mut tx = app.db.read().await?;
    let (found, gone) = members(&mut tx, appeal, asked).await?;
    let known = bit_of(&mut tx, appeal, &what).await?;
    drop(tx);
    let bit = match &what {
        What::Tag { tag } if known.is_none() && !found.is_empty() => {
            let mut tx = app.db.begin().await?;
            db::families::take_turn(&mut tx, appeal.id).await?;
            let bit = bit_for(&mut tx, appeal, tag).await?;
            tx.commit().await?;
            Some(bit)
        }
        _ => known,
    };
    let round = Round { app, person, appeal, act: id, what, reason, bit };
    let mut done = Done { act: id, changed: Vec::new(), left: gone };
    for batch in found.chunks(BATCH) {
        let mut tx = app.db.begin_apart().await?;
        db::families::take_turn(&mut tx, appeal.id).await?;
        // Taken back while it still went on: then it ends here.
        if db::acts::by_id(&mut tx, id).await?.is_none_or(|a| a.undone) {
            done.left += batch.len() as u64;
            continue;
        }
        let held = held(app, &mut tx, person, appeal, &round.what).await?;
        for e in batch {
            let e = match db::exhibits::lock(&mut tx, e.id).await {
                Ok(e) => e,
                Err(Error::NotFound) => {
                    done.left += 1;
                    continue;
                }
                Err(other) => return Err(other),
            };
            let asked_before = matches!(round.what, What::AskOriginal) && db::acts::original_asked(&mut tx, e.id).await?.is_some();
            if held.contains(&e.family) || round.what.effect(&e, round.bit, asked_before) != Effect::Changes {
                done.left += 1;
                continue;
            }
            let before = round.change(&mut tx, &e).await?;
            let after = db::exhibits::by_id(&mut tx, e.id).await?.ok_or(Error::NotFound)?;
            let before = serde_json::to_string(&before).map_err(Error::internal)?;
            db::acts::add_item(&mut tx, id, e.id, &before, after.version, app.now()).await?;
            done.changed.push((e.number, after.state, after.version));
        }
        tx.commit().await?;
    }
    Ok(done)
}

/// The bit of a word, a new one if it has none yet.
async fn bit_for(tx: &mut Tx, appeal: &Appeal, word: &str) -> Result<u8> {
    let book: TagBook = db::tags::book(tx, appeal.id).await?;
    if let Some(bit) = book.bit(word) {
        return Ok(bit);
    }
    let full = || Error::Invalid { field: "tag", why: format!("an appeal has up to {} tags: use one that exists", book.words().len()) };
    let bit = book.next().ok_or_else(full)?;
    db::tags::add(tx, appeal.id, bit, word).await?;
    Ok(bit)
}

impl Round<'_> {
    /// Under which name what this act states can be withdrawn, and nothing else.
    fn path(&self) -> String {
        format!("investigator/{}", self.act)
    }

    async fn append(&self, tx: &mut Tx, e: &Exhibit, kind: EventType, with: impl FnOnce(Draft) -> Draft) -> Result<()> {
        let mut draft = Draft::new(kind, Actor::from(self.person)).about(SubjectKind::Exhibit, e.id);
        if !self.reason.is_empty() {
            draft = draft.private("note", self.reason.clone());
        }
        attest::append(self.app, tx, with(draft)).await?;
        Ok(())
    }

    /// Changes one exhibit, which is held until commit, and says how it stood.
    async fn change(&self, tx: &mut Tx, e: &Exhibit) -> Result<Before> {
        let (app, now) = (self.app, self.app.now());
        match &self.what {
            What::Decide { decision } => {
                if !db::exhibits::decide(tx, app.new_id(), e, self.person.id, *decision, &self.reason, now).await? {
                    return Err(Error::Conflict);
                }
                self.append(tx, e, EventType::ExhibitDecided, |d| {
                    d.fact("bulk", true)
                        .fact("noted", !self.reason.is_empty())
                        .private("decision", decision.state().as_str())
                        .private("previous", e.state.as_str())
                })
                .await?;
            }
            What::Tag { tag } => self.set_tag(tx, e, tag, true).await?,
            What::Untag { tag } => self.set_tag(tx, e, tag, false).await?,
            What::Assign { to, .. } => {
                db::exhibits::set_assignee(tx, e.id, *to, now).await?;
                self.assigned(tx, e, *to).await?;
                return Ok(Before { assignee: e.assignee });
            }
            What::Quarantine => self.glass(tx, e, true).await?,
            What::Release => self.glass(tx, e, false).await?,
            What::Correct { .. } => {
                let said = correct::stated(&self.what)?;
                correct::state_under(app, tx, self.person, self.appeal, e.id, &self.path(), said, &self.reason).await?;
            }
            What::AskOriginal => {
                db::acts::ask_original(tx, e.id, self.person.id, now).await?;
                self.append(tx, e, EventType::OriginalRequested, |d| d).await?;
            }
        }
        Ok(Before::default())
    }

    async fn set_tag(&self, tx: &mut Tx, e: &Exhibit, tag: &str, on: bool) -> Result<()> {
        let Some(bit) = self.bit else { return Ok(()) };
        let tags = if on { e.tags | 1 << bit } else { e.tags & !(1 << bit) };
        db::exhibits::set_tags(tx, e.id, tags, self.app.now()).await?;
        let kind = if on { EventType::ExhibitTagged } else { EventType::ExhibitUntagged };
        // The program's own two say nothing of anybody.
        let own = [SECOND_LOOK, GRAPHIC].contains(&tag);
        self.append(tx, e, kind, |d| if own { d.fact("tag", tag) } else { d.private("tag", tag) }).await
    }

    async fn assigned(&self, tx: &mut Tx, e: &Exhibit, to: Option<Id>) -> Result<()> {
        self.append(tx, e, EventType::ExhibitAssigned, |d| match to {
            Some(to) => d.about(SubjectKind::Account, to),
            None => d,
        })
        .await
    }

    async fn glass(&self, tx: &mut Tx, e: &Exhibit, on: bool) -> Result<()> {
        db::exhibits::set_quarantine(tx, e.id, on.then_some(Quarantine::Flood), self.app.now()).await?;
        let kind = if on { EventType::ExhibitQuarantined } else { EventType::ExhibitReleased };
        self.append(tx, e, kind, |d| d.fact("bulk", true)).await
    }

    /// Puts one exhibit back as it stood, if it still is as the act left it.
    async fn back(&self, tx: &mut Tx, e: &Exhibit, before: Before, version: u64) -> Result<bool> {
        let (app, now) = (self.app, self.app.now());
        if db::acts::changed_since(tx, self.act, e.id, &self.what.field()).await? {
            return Ok(false);
        }
        let tagged = self.bit.is_some_and(|b| e.tags & 1 << b != 0);
        match &self.what {
            What::Decide { .. } => {
                if e.version != version {
                    return Ok(false);
                }
                let Some(state) = db::exhibits::undo(tx, e, self.person.id, now).await? else { return Ok(false) };
                self.append(tx, e, EventType::DecisionUndone, |d| {
                    d.private("decision", state.as_str()).private("previous", e.state.as_str())
                })
                .await?;
            }
            What::Tag { tag } if tagged => self.set_tag(tx, e, tag, false).await?,
            What::Untag { tag } if !tagged => self.set_tag(tx, e, tag, true).await?,
            What::Assign { to, .. } if e.assignee == *to => {
                db::exhibits::set_assignee(tx, e.id, before.assignee, now).await?;
                self.assigned(tx, e, before.assignee).await?;
            }
            What::Quarantine if e.quarantine == Some(Quarantine::Flood) => self.glass(tx, e, false).await?,
            What::Release if e.quarantine.is_none() => self.glass(tx, e, true).await?,
            What::Correct { .. } => {
                return correct::withdraw_under(app, tx, self.person, self.appeal, e.id, &self.path()).await;
            }
            What::AskOriginal if db::acts::unask_original(tx, e.id).await? => {
                self.append(tx, e, EventType::OriginalRequestWithdrawn, |d| d).await?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Takes one's own act back, where nobody has changed since what it changed: an event each; nothing is erased.
pub async fn undo_act(app: &App, person: &Person, appeal: &Appeal, act: Id) -> Result<Done> {
    if !person.may(Right::Decide) {
        return Err(Error::Forbidden);
    }
    let mut tx = app.db.begin().await?;
    // An act that still goes on sees, at its next piece, that it is taken back.
    db::families::take_turn(&mut tx, appeal.id).await?;
    let found = db::acts::by_id(&mut tx, act).await?.filter(|a| a.by == person.id && a.appeal == appeal.id).ok_or(Error::NotFound)?;
    let bit = bit_of(&mut tx, appeal, &found.what).await?;
    let items = db::acts::items(&mut tx, act).await?;
    // (One that broke off in the middle goes on where it was.)
    if !db::acts::set_undone(&mut tx, act, app.now()).await? && items.is_empty() {
        return Err(Error::Conflict);
    }
    tx.commit().await?;
    let round = Round { app, person, appeal, act, what: found.what, reason: String::new(), bit };
    let mut done = Done { act, changed: Vec::new(), left: 0 };
    for batch in items.chunks(BATCH) {
        let mut tx = app.db.begin_apart().await?;
        db::families::take_turn(&mut tx, appeal.id).await?;
        for (id, before, version) in batch {
            let e = match db::exhibits::lock(&mut tx, *id).await {
                Ok(e) => e,
                Err(Error::NotFound) => {
                    done.left += 1;
                    continue;
                }
                Err(other) => return Err(other),
            };
            let before: Before = serde_json::from_str(before).map_err(Error::internal)?;
            if round.back(&mut tx, &e, before, *version).await? {
                let after = db::exhibits::by_id(&mut tx, *id).await?.ok_or(Error::NotFound)?;
                done.changed.push((after.number, after.state, after.version));
            } else {
                done.left += 1;
            }
            db::acts::settle_item(&mut tx, act, *id).await?;
        }
        tx.commit().await?;
    }
    Ok(done)
}
