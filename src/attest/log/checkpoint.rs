//! The sequencer: moves waiting events into the Merkle log and signs what it then holds.
//!
//! Any number may run; the lock on the head row lets one work at a time, and the batch transaction
//! makes entries, tiles, head and checkpoint appear together or not at all. A crash anywhere leaves the
//! drafts in the outbox, to be sequenced again; Ed25519 is deterministic, so the same tree always has
//! the same signature.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::growth::Growth;
use super::publish::{guard, publish};
use super::rotate::still_ours;
use crate::app::App;
use crate::attest::append;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, Waiting, checkpoint_body};
use crate::domain::value::{SECOND_US, Utc};
use crate::error::{Error, Result};
use crate::steps::reached;

/// Entries of one batch: one transaction, one checkpoint.
const BATCH: i64 = 4_000;
/// How long the sequencer gathers after it was rung, so that a flood shares its commits.
const GATHER: Duration = Duration::from_millis(30);
/// It looks by itself this often: other nodes ring their own bells only.
const POLL: Duration = Duration::from_millis(500);

/// Runs until the process ends.
pub async fn run_sequencer(app: Arc<App>) {
    let mut clock = Clock::now(&app);
    loop {
        let _ = tokio::time::timeout(POLL, app.sequence.notified()).await;
        if let Err(e) = clock.watch(&app).await {
            tracing::error!(cause = %e, "that the clock was set could not be written down");
        }
        tokio::time::sleep(GATHER).await;
        let done = sequence_all(&app).await;
        if let Ok(mut stopped) = app.stopped.lock() {
            *stopped = done.as_ref().err().map(ToString::to_string);
        }
        if let Err(e) = done {
            tracing::error!(cause = %e, "the custody log could not be extended; events wait in the outbox");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The wall clock beside one that nobody sets. Entries keep their order by their place, whatever the clock says; that it jumped is
/// itself an event.
struct Clock {
    wall: Utc,
    steady: Instant,
}

/// How far the two may part between two looks.
const STEP_US: i64 = 2 * SECOND_US;

impl Clock {
    fn now(app: &App) -> Self {
        Self { wall: app.now(), steady: Instant::now() }
    }

    async fn watch(&mut self, app: &App) -> Result<()> {
        let now = Self::now(app);
        let by = step(now.wall.micros() - self.wall.micros(), now.steady.duration_since(self.steady));
        *self = now;
        let Some(by) = by else { return Ok(()) };
        tracing::error!(by_ms = by / 1_000, "the clock was set");
        let mut tx = app.db.begin().await?;
        append(app, &mut tx, Draft::new(EventType::ClockStepped, Actor::System).fact("by_ms", by / 1_000)).await?;
        tx.commit().await
    }
}

/// By how much the wall clock went otherwise than the steady one, when that is more than clocks drift.
fn step(wall_us: i64, steady: Duration) -> Option<i64> {
    let by = wall_us - i64::try_from(steady.as_micros()).unwrap_or(i64::MAX);
    (by.abs() > STEP_US).then_some(by)
}

/// Sequences and publishes everything that waits, unless the database is behind what was published.
pub async fn sequence_all(app: &App) -> Result<()> {
    guard(app).await?;
    loop {
        // What was sequenced is published while the next batch is made: the one waits for the disk, the other for the processor.
        let (more, published) = tokio::join!(batch(app), publish(app));
        published?;
        if !more? {
            return publish(app).await;
        }
    }
}

/// Sequences one batch; whether more may wait.
async fn batch(app: &App) -> Result<bool> {
    let mut tx = app.db.read().await?;
    let head = db::log::head(&mut tx).await?.size();
    let nothing = !db::log::any_pending(&mut tx).await? && db::log::checkpoint_at(&mut tx, head).await?.is_some();
    drop(tx);
    if nothing {
        return Ok(false);
    }
    reached("waiting");
    let mut tx = app.db.begin_apart().await?;
    let mut growth = Growth::on(db::log::lock_head(&mut tx).await?);
    still_ours(app, &mut tx).await?;
    let waiting = db::log::pending(&mut tx, BATCH).await?;
    let full = waiting.len() == usize::try_from(BATCH).unwrap_or(usize::MAX);
    let (first, last) = (waiting.first().map_or(0, |draft| draft.seq), waiting.last().map_or(0, |draft| draft.seq));
    let unreadable = |event| Error::Internal(format!("the waiting event {event} is not an envelope"));
    let read = |draft: db::log::Pending| Ok((draft.event, Waiting::read(&draft.draft).ok_or_else(|| unreadable(draft.event))?));
    let waiting = waiting.into_iter().map(read).collect::<Result<Vec<_>>>()?;
    growth.know(&mut tx, waiting.iter().flat_map(|(_, draft)| draft.subjects.iter().cloned())).await?;
    for (event, mut draft) in waiting {
        let entry = draft.place(|kind, id| growth.head(kind, id)).ok_or_else(|| unreadable(event))?;
        growth.add(&mut tx, event, entry, draft.subjects).await?;
    }
    let edge = growth.write(&mut tx).await?;
    db::log::remove_sequenced(&mut tx, first, last).await?;
    let note = app.signer.sign(&checkpoint_body(app.signer.origin(), edge.size(), edge.root()));
    db::log::add_checkpoint(&mut tx, edge.size(), &note, app.now()).await?;
    reached("placed");
    tx.commit().await?;
    reached("committed");
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_from_drift() {
        // T18
        assert_eq!(step(500_000, Duration::from_millis(500)), None);
        assert_eq!(step(1_900_000, Duration::from_millis(500)), None);
        assert_eq!(step(3_600_500_000, Duration::from_millis(500)), Some(3_600_000_000));
        assert_eq!(step(-3_599_500_000, Duration::from_millis(500)), Some(-3_600_000_000));
    }
}
