//! The sequencer: moves waiting events into the Merkle log and signs what it then holds.
//!
//! Any number may run; the lock on the head row lets one work at a time, and the batch transaction
//! makes entries, tiles, head and checkpoint appear together or not at all. A crash anywhere leaves the
//! drafts in the outbox, to be sequenced again; Ed25519 is deterministic, so the same tree always has
//! the same signature.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::append;
use super::growth::Growth;
use super::publish::{guard, publish};
use crate::app::App;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, checkpoint_body, sequence, subjects_of};
use crate::domain::value::{SECOND_US, Utc};
use crate::error::{Error, Result};

/// Entries of one batch: one transaction, one checkpoint.
const BATCH: i64 = 1_000;
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
        if let Err(e) = sequence_all(&app).await {
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
    publish(app).await?;
    while batch(app).await? {
        publish(app).await?;
    }
    publish(app).await
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
    let mut tx = app.db.begin_apart().await?;
    let mut growth = Growth::on(db::log::lock_head(&mut tx).await?);
    let waiting = db::log::pending(&mut tx, BATCH).await?;
    let full = waiting.len() == usize::try_from(BATCH).unwrap_or(usize::MAX);
    growth.know(&mut tx, waiting.iter().flat_map(|draft| subjects_of(&draft.draft))).await?;
    for draft in &waiting {
        let entry = sequence(&draft.draft, |kind, id| growth.head(kind, id))
            .ok_or_else(|| Error::Internal(format!("the waiting event {} is not an envelope", draft.event)))?;
        growth.add(&mut tx, draft.event, entry).await?;
    }
    db::log::remove_pending(&mut tx, &waiting.iter().map(|draft| draft.seq).collect::<Vec<_>>()).await?;
    let edge = growth.write(&mut tx).await?;
    let note = app.signer.sign(&checkpoint_body(app.signer.origin(), edge.size(), edge.root()));
    db::log::add_checkpoint(&mut tx, edge.size(), &note, app.now()).await?;
    tx.commit().await?;
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
