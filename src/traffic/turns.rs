//! One request at a time at each upload, and the newest wins: a phone that changed networks opens a new connection while
//! its old one still hangs, and must not wait for it. Order is the order of arrival, not of who gets the lock: a stale
//! request that starts late loses against the live one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};

use crate::domain::value::Id;
use crate::error::{Error, Result};

#[derive(Default)]
pub struct Turns {
    arrivals: AtomicU64,
    slots: Arc<Mutex<HashMap<Id, Arc<Slot>>>>,
}

struct Slot {
    /// The newest arrival.
    newest: watch::Sender<u64>,
    busy: Arc<AsyncMutex<()>>,
}

/// The right to work at an upload, until it is dropped. Holders end soon after [`Turn::overtaken`] resolves.
pub struct Turn {
    id: Id,
    arrival: u64,
    newest: watch::Receiver<u64>,
    slot: Arc<Slot>,
    slots: Arc<Mutex<HashMap<Id, Arc<Slot>>>>,
    held: Option<OwnedMutexGuard<()>>,
}

/// A request's place in the order of arrival.
#[derive(Clone, Copy)]
pub struct Arrival(u64);

impl Turns {
    /// Called when a request arrives, before anything else is asked or read for it: that may take one longer than the next.
    pub fn arrive(&self) -> Arrival {
        Arrival(self.arrivals.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// Resolves when everybody before has let go. `Conflict` when somebody newer came meanwhile.
    pub async fn take(&self, id: Id, Arrival(arrival): Arrival) -> Result<Turn> {
        let slot = {
            let mut slots = self.slots.lock().map_err(Error::internal)?;
            let new = || Arc::new(Slot { newest: watch::Sender::new(0), busy: Arc::default() });
            slots.entry(id).or_insert_with(new).clone()
        };
        slot.newest.send_if_modified(|newest| {
            let newer = arrival > *newest;
            *newest = arrival.max(*newest);
            newer
        });
        let mut turn = Turn { id, arrival, newest: slot.newest.subscribe(), slots: self.slots.clone(), held: None, slot: slot.clone() };
        tokio::select! {
            biased;
            () = turn.overtaken() => Err(Error::Conflict),
            held = slot.busy.clone().lock_owned() => {
                turn.held = Some(held);
                Ok(turn)
            }
        }
    }
}

impl Turns {
    /// Whether nobody works at an upload.
    pub fn idle(&self) -> bool {
        self.slots.lock().is_ok_and(|slots| slots.is_empty())
    }
}

impl Turn {
    /// Resolves when a newer request wants this upload.
    pub async fn overtaken(&mut self) {
        let arrival = self.arrival;
        // The sender lives in our own slot, so that this cannot fail.
        let _ = self.newest.wait_for(|newest| *newest > arrival).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held = None;
        if let Ok(mut slots) = self.slots.lock() {
            // The map's own and ours: nobody else waits.
            if Arc::strong_count(&self.slot) <= 2 {
                slots.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::value::Utc;

    fn id(n: u8) -> Id {
        Id::new(Utc::from_micros(0), [n; 10])
    }

    #[tokio::test]
    async fn the_newest_wins_and_the_older_is_told() {
        let turns = Arc::new(Turns::default());
        let mut first = turns.take(id(1), turns.arrive()).await.unwrap();
        let other = turns.take(id(2), turns.arrive()).await.unwrap();
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(id(1), turns.arrive()).await.map(|_| ()) }
        });
        first.overtaken().await;
        // A third one arrives while the second still waits: the second loses without ever having held it.
        let third = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(id(1), turns.arrive()).await }
        });
        assert!(matches!(waiting.await.unwrap(), Err(Error::Conflict)));
        drop(first);
        let third = third.await.unwrap().unwrap();
        drop((third, other));
        assert!(turns.slots.lock().unwrap().is_empty(), "nothing is left behind");
    }

    /// The older one was slow to find out what it is about.
    #[tokio::test]
    async fn who_came_first_and_starts_late_loses() {
        let turns = Turns::default();
        let (older, newer) = (turns.arrive(), turns.arrive());
        let mut live = turns.take(id(1), newer).await.unwrap();
        assert!(matches!(turns.take(id(1), older).await, Err(Error::Conflict)));
        assert!(tokio::time::timeout(Duration::from_millis(50), live.overtaken()).await.is_err());
    }

    #[tokio::test]
    async fn nobody_is_overtaken_by_silence() {
        let turns = Turns::default();
        let mut turn = turns.take(id(1), turns.arrive()).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), turn.overtaken()).await.is_err());
    }
}
