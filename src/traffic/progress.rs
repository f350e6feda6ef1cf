//! How far each submission has come while it is sent, for the page that shows it without script.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::domain::value::{Id, Utc};

#[derive(Default)]
pub struct Progress {
    seen: Mutex<HashMap<Id, Seen>>,
    pruned: AtomicI64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// Bytes of the file that is coming now.
    pub bytes: u64,
    /// Files that arrived whole since the server started.
    pub files: u64,
    pub at: Option<Utc>,
}

/// Submissions that nobody has sent to for this long are forgotten.
const PRUNE_EVERY_US: i64 = 60_000_000;
const FORGET_US: i64 = 3_600_000_000;
/// Entries before the forgotten ones are looked for.
const CROWD: usize = 4_096;

impl Progress {
    pub fn bytes(&self, submission: Id, more: u64, now: Utc) {
        self.change(submission, now, |seen| seen.bytes += more);
    }

    pub fn file(&self, submission: Id, now: Utc) {
        self.change(submission, now, |seen| {
            seen.files += 1;
            seen.bytes = 0;
        });
    }

    pub fn of(&self, submission: Id) -> Seen {
        self.seen.lock().ok().and_then(|seen| seen.get(&submission).copied()).unwrap_or_default()
    }

    fn change(&self, submission: Id, now: Utc, how: impl FnOnce(&mut Seen)) {
        let Ok(mut seen) = self.seen.lock() else { return };
        // Not for every chunk: looking through all of them takes a while.
        let pruned = self.pruned.load(Ordering::Relaxed);
        if seen.len() > CROWD && now.micros() - pruned > PRUNE_EVERY_US {
            self.pruned.store(now.micros(), Ordering::Relaxed);
            seen.retain(|_, s| s.at.is_some_and(|at| now.micros() - at.micros() < FORGET_US));
        }
        let entry = seen.entry(submission).or_default();
        entry.at = Some(now);
        how(entry);
    }
}
