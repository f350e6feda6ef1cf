//! The sequencer: moves waiting events into the Merkle log and signs what it then holds.
//!
//! Where several nodes share a database, one of them has the duty of sequencing, by a lease on the database's own clock; each batch
//! proves in its own transaction that the lease was not taken over (`db/duties.rs`). Beneath that the lock on the head row lets one work
//! at a time, whoever it is (a backup at the command line sequences too), and the batch transaction
//! makes entries, tiles, head and checkpoint appear together or not at all. A crash anywhere leaves the
//! drafts in the outbox, to be sequenced again; Ed25519 is deterministic, so the same tree always has
//! the same signature.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::growth::Growth;
use super::publish::{self, guard, guard_anew, publish};
use super::rotate::still_ours;
use crate::app::App;
use crate::attest::append;
use crate::db;
use crate::db::duties::Held;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, Waiting, checkpoint_body};
use crate::domain::value::{SECOND_US, Utc};
use crate::error::{Error, Result};
use crate::steps::reached;

/// Entries of one batch: one transaction, one checkpoint.
const BATCH: i64 = 4_000;
/// How long the sequencer gathers after it was rung, so that a flood shares its commits.
const GATHER: Duration = Duration::from_millis(30);
/// The same after a batch that was of many: each costs a transaction, two published files and their syncs, however many it holds.
const GATHER_MANY: Duration = Duration::from_millis(200);
const MANY: usize = 16;
/// It looks by itself this often: other nodes ring their own bells only.
const POLL: Duration = Duration::from_millis(500);
const POLL_SHARED: Duration = Duration::from_millis(100);
const DUTY: &str = "sequencer";
/// A node that dies or is cut off is followed by another after this; one that stops gives its duty back.
const DUTY_US: i64 = 6 * SECOND_US;
const RENEW: Duration = Duration::from_secs(2);
/// How often the others ask whether the duty is free.
const ASK: Duration = Duration::from_millis(500);
/// How long a node that failed at it leaves it to others.
const AFTER_TROUBLE: Duration = Duration::from_secs(2);

/// Runs until the process ends.
pub async fn run_sequencer(app: Arc<App>) {
    let mut clock = Clock::now(&app);
    let mut duty = Duty::default();
    if let Err(e) = begin(&app).await {
        tracing::warn!(cause = %e, "the duty of an earlier run comes back when its lease ends");
    }
    loop {
        // Who only looks on is not woken by what is written here.
        if !app.db.is_shared() || duty.held.is_some() {
            let poll = if app.db.is_shared() { POLL_SHARED } else { POLL };
            let _ = tokio::time::timeout(poll, app.sequence.notified()).await;
        } else {
            tokio::time::sleep(POLL_SHARED).await;
        }
        if let Err(e) = clock.watch(&app).await {
            tracing::error!(cause = %e, "that the clock was set could not be written down");
        }
        tokio::time::sleep(if duty.placed < MANY { GATHER } else { GATHER_MANY }).await;
        let done = duty.work(&app).await;
        if let Ok(mut stopped) = app.stopped.lock() {
            match &done {
                Err(e) => *stopped = Some(e.to_string()),
                Ok(true) => *stopped = None,
                // It failed here, and nobody else has gone on yet.
                Ok(false) => {}
            }
        }
        if let Err(e) = done {
            tracing::error!(cause = %e, "the custody log could not be extended; events wait in the outbox");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Takes back what an earlier process of this node and command held when it died.
async fn begin(app: &App) -> Result<()> {
    let of_this_node = app.instance.rsplit_once('/').map_or("", |(node, _)| node);
    let mut tx = app.db.begin().await?;
    db::duties::free(&mut tx, DUTY, &format!("{of_this_node}/")).await?;
    tx.commit().await
}

/// Gives the duty back when the process ends, so that another node goes on at once.
pub async fn let_go(app: &App) -> Result<()> {
    let mut tx = app.db.begin().await?;
    if let Some(held) = db::duties::take(&mut tx, DUTY, &app.instance, app.now(), DUTY_US).await? {
        db::duties::give_back(&mut tx, DUTY, held).await?;
    }
    tx.commit().await
}

/// Whether this node sequences, as far as it knows.
#[derive(Default)]
struct Duty {
    held: Option<Held>,
    asked: Option<Instant>,
    /// How long to leave it to others before asking again.
    wait: Duration,
    /// Whether it failed here last, and nobody else was seen to go on.
    troubled: bool,
    /// Entries that were placed the last time.
    placed: usize,
    /// Whether everything was looked at since the duty is this node's.
    looked: bool,
}

impl Duty {
    /// Sequences if it is this node's to do. Alone on a database it always is. False: nobody does, as far as this node knows.
    async fn work(&mut self, app: &App) -> Result<bool> {
        if !app.db.is_shared() {
            app.sequences.store(true, Ordering::Relaxed);
            self.placed = sequence(app, None, !self.looked).await?;
            self.looked = true;
            return Ok(true);
        }
        if let Err(e) = self.ask(app).await {
            // Who only looks on has not stopped the log; who had the duty does not know any more whether it has.
            let had = self.held.is_some();
            *self = Self { troubled: self.troubled || had, ..Self::default() };
            app.sequences.store(false, Ordering::Relaxed);
            return if had { Err(e) } else { Ok(!self.troubled) };
        }
        app.sequences.store(self.held.is_some(), Ordering::Relaxed);
        let Some(held) = self.held else {
            // Another node publishes; proofs are given out here, too.
            let mut tx = app.db.glance().await?;
            let published = db::log::published(&mut tx).await?;
            publish::seen(app, published);
            return Ok(!self.troubled);
        };
        let done = sequence(app, Some(held), !self.looked).await;
        if done.is_err() {
            // It may be this node's own trouble: another one has a key, a line or a store that this one lacks.
            let _ = let_go(app).await;
            *self = Self { held: None, asked: Some(Instant::now()), wait: AFTER_TROUBLE, troubled: true, ..Self::default() };
        }
        self.troubled = done.is_err();
        self.placed = done?;
        self.looked = true;
        Ok(true)
    }

    /// Takes the duty if it is free, or renews it.
    async fn ask(&mut self, app: &App) -> Result<()> {
        let wait = if self.held.is_some() { RENEW } else { self.wait };
        if self.asked.is_some_and(|asked| asked.elapsed() < wait) {
            return Ok(());
        }
        // Looked at first: asking for it would wait for whoever works under it.
        if self.held.is_none() {
            let mut tx = app.db.read().await?;
            if !db::duties::is_free(&mut tx, DUTY, &app.instance, app.now(), DUTY_US).await? {
                // Somebody else has it.
                *self = Self { held: None, asked: Some(Instant::now()), wait: ASK, ..Self::default() };
                return Ok(());
            }
        }
        let mut tx = app.db.begin().await?;
        tx.hurry().await?;
        let held = db::duties::take(&mut tx, DUTY, &app.instance, app.now(), DUTY_US).await?;
        tx.commit().await?;
        if held.is_some() != self.held.is_some() {
            // Everything is looked at once: this node may lack the key, or the log may be another one.
            self.looked = false;
            tracing::info!(mine = held.is_some(), "the sequencer's duty has changed hands");
        }
        *self = Self { held, asked: Some(Instant::now()), wait: ASK, ..*self };
        Ok(())
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
        Self { wall: app.wall(), steady: Instant::now() }
    }

    async fn watch(&mut self, app: &App) -> Result<()> {
        let now = Self::now(app);
        let by = step(now.wall.micros() - self.wall.micros(), now.steady.duration_since(self.steady));
        *self = now;
        let Some(by) = by else { return Ok(()) };
        tracing::error!(by_ms = by / 1_000, "the clock was set");
        let mut tx = app.db.begin().await?;
        // (Where nodes share a database, jobs go by its clock.)
        if by < 0 && !app.db.is_shared() {
            db::jobs::bring_all_forward(&mut tx).await?;
        }
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
    sequence(app, None, false).await.map(drop)
}

/// Whether there is nothing to do, and nothing wrong that was seen before: most looks find that.
async fn rests(app: &App) -> Result<bool> {
    let known = app.published_size.load(Ordering::SeqCst);
    if known < 0 || app.stopped.lock().is_ok_and(|stopped| stopped.is_some()) {
        return Ok(false);
    }
    let mut tx = app.db.glance().await?;
    Ok(db::log::rests_at(&mut tx).await? == Some(known.unsigned_abs()))
}

/// The same, only as long as the duty is held, where there is one, and `thoroughly` where there seems nothing to do. Tells how many entries were
/// placed.
async fn sequence(app: &App, duty: Option<Held>, thoroughly: bool) -> Result<usize> {
    if !thoroughly && rests(app).await? {
        return Ok(0);
    }
    guard(app).await?;
    let (mut renewed, mut placed) = (Instant::now(), 0);
    loop {
        if duty.is_some() && renewed.elapsed() > RENEW {
            let mut tx = app.db.begin().await?;
            tx.hurry().await?;
            db::duties::take(&mut tx, DUTY, &app.instance, app.now(), DUTY_US).await?;
            tx.commit().await?;
            renewed = Instant::now();
        }
        // What was sequenced is published while the next batch is made: the one waits for the disk, the other for the processor.
        let (done, published) = tokio::join!(batch(app, duty), publish(app));
        published?;
        let (count, more) = done?;
        placed += count;
        if !more {
            publish(app).await?;
            return Ok(placed);
        }
    }
}

/// Sequences one batch: how many entries it has, and whether more may wait.
async fn batch(app: &App, duty: Option<Held>) -> Result<(usize, bool)> {
    let mut tx = app.db.read().await?;
    let head = db::log::head(&mut tx).await?.size();
    let nothing = !db::log::any_pending(&mut tx).await? && db::log::checkpoint_at(&mut tx, head).await?.is_some();
    drop(tx);
    if nothing {
        return Ok((0, false));
    }
    reached("waiting");
    let mut tx = app.db.begin_apart().await?;
    tx.hurry().await?;
    tx.wait_long().await?;
    if let Some(held) = duty
        && !db::duties::still(&mut tx, DUTY, held).await?
    {
        return Err(Error::Internal("another node has taken the sequencer's duty over".into()));
    }
    let head = db::log::lock_head(&mut tx).await?;
    // After a failover the database may be another one, which lacks what was published.
    let server = db::server(&mut tx).await?;
    if app.server.load(Ordering::SeqCst) != server {
        drop(tx);
        guard_anew(app).await?;
        // Only now: one that was refused is asked again.
        app.server.store(server, Ordering::SeqCst);
        return Ok((0, true));
    }
    let published = db::log::published(&mut tx).await?.max(app.published_size.load(Ordering::SeqCst).unsigned_abs());
    if head.size() < published {
        return Err(Error::Internal(format!("{published} entries are published, and the database has {}: nothing is signed", head.size())));
    }
    let mut growth = Growth::on(head);
    still_ours(app, &mut tx).await?;
    let waiting = db::log::pending(&mut tx, BATCH).await?;
    let count = waiting.len();
    let full = count == usize::try_from(BATCH).unwrap_or(usize::MAX);
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
    Ok((count, full))
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
