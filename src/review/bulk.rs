//! One act on many exhibits, recorded on each.

use super::lease;
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::appeal::Appeal;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::{Quarantine, State};
use crate::domain::purpose::worded;
use crate::domain::review::{Decision, NOTE_CHARS_MAX};
use crate::domain::value::{Id, MINUTE_US, Utc, shown};
use crate::error::{Error, Result};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BulkAct {
    /// Put behind glass: no previews, out of nobody's way but the queue's.
    Quarantine,
    /// Take out again what [`BulkAct::Quarantine`] put there, and nothing else.
    Release,
    /// Decide that it is not relevant, where nobody has decided yet.
    Reject,
}

/// Minutes around an exhibit's arrival that count as the same burst.
pub const BURST_MIN: i64 = 5;

impl BulkScope {
    pub fn burst(received_at: Utc) -> Self {
        Self::Received { from: received_at.plus(-BURST_MIN * MINUTE_US), to: received_at.plus(BURST_MIN * MINUTE_US) }
    }
}

impl BulkAct {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "quarantine" => Some(Self::Quarantine),
            "release" => Some(Self::Release),
            "reject" => Some(Self::Reject),
            _ => None,
        }
    }
}

/// What an act is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BulkScope {
    /// The submission that this exhibit came with.
    SubmissionOf(Id),
    /// Every submission from the same address block as this exhibit's.
    SourceOf(Id),
    Received {
        from: Utc,
        to: Utc,
    },
}

/// Exhibits that an act would touch.
pub async fn bulk_count(app: &App, appeal: &Appeal, scope: &BulkScope) -> Result<u64> {
    Ok(members(app, appeal, scope).await?.len() as u64)
}

async fn members(app: &App, appeal: &Appeal, scope: &BulkScope) -> Result<Vec<Id>> {
    let mut tx = app.db.read().await?;
    match *scope {
        BulkScope::SubmissionOf(exhibit) => db::exhibits::with_submission_of(&mut tx, appeal.id, exhibit).await,
        BulkScope::SourceOf(exhibit) => db::exhibits::with_source_of(&mut tx, appeal.id, exhibit).await,
        BulkScope::Received { from, to } => db::exhibits::received_within(&mut tx, appeal.id, from, to).await,
    }
}

/// Exhibits per transaction.
const BATCH: usize = 100;

/// Acts, and returns how many exhibits changed. Those that are so already are left alone; a second run goes on where the
/// first one broke off.
pub async fn bulk(app: &App, person: &Person, appeal: &Appeal, scope: &BulkScope, act: BulkAct, reason: &str) -> Result<u64> {
    if !person.may(Act::Decide) {
        return Err(Error::Forbidden);
    }
    let reason = shown(reason.trim(), NOTE_CHARS_MAX);
    if !worded(&reason) {
        return Err(Error::Invalid { field: "reason", why: "say why, in a few words".into() });
    }
    let mut changed = 0;
    for batch in members(app, appeal, scope).await?.chunks(BATCH) {
        let mut tx = app.db.begin_apart().await?;
        db::families::take_turn(&mut tx, appeal.id).await?;
        for id in batch {
            let e = db::exhibits::lock(&mut tx, *id).await?;
            if act != BulkAct::Release && lease::other(app, &mut tx, person, &e).await?.is_some() {
                continue;
            }
            let event = match act {
                BulkAct::Quarantine if e.quarantine.is_none() => {
                    db::exhibits::set_quarantine(&mut tx, e.id, Some(Quarantine::Flood), app.now()).await?;
                    Draft::new(EventType::ExhibitQuarantined, Actor::from(person))
                }
                BulkAct::Release if e.quarantine == Some(Quarantine::Flood) => {
                    db::exhibits::set_quarantine(&mut tx, e.id, None, app.now()).await?;
                    Draft::new(EventType::ExhibitReleased, Actor::from(person))
                }
                // What a person has looked at and decided is not overruled by the dozen.
                BulkAct::Reject if matches!(e.state, State::Received | State::Ready) => {
                    let decision = Decision::NotRelevant;
                    if !db::exhibits::decide(&mut tx, app.new_id(), &e, person.id, decision, &reason, app.now()).await? {
                        continue;
                    }
                    Draft::new(EventType::ExhibitDecided, Actor::from(person))
                        .fact("noted", true)
                        .private("decision", decision.state().as_str())
                        .private("previous", e.state.as_str())
                }
                _ => continue,
            };
            let draft = event.about(SubjectKind::Exhibit, e.id).fact("bulk", true).private("note", reason.clone());
            attest::append(app, &mut tx, draft).await?;
            changed += 1;
        }
        tx.commit().await?;
    }
    Ok(changed)
}
