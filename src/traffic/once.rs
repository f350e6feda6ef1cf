//! Work on the same thing is done once: whoever comes second waits, and then finds it done.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use tokio::sync::OwnedMutexGuard;

type Lock = Arc<tokio::sync::Mutex<()>>;

pub struct Once<K> {
    running: Mutex<HashMap<K, Lock>>,
}

impl<K> Default for Once<K> {
    fn default() -> Self {
        Self { running: Mutex::default() }
    }
}

impl<K: Hash + Eq> Once<K> {
    /// Held while the work is done.
    pub async fn turn(&self, what: K) -> OwnedMutexGuard<()> {
        let lock = {
            let mut running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // What nobody holds nor waits for is forgotten.
            running.retain(|_, lock| Arc::strong_count(lock) > 1);
            running.entry(what).or_default().clone()
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_waits_and_others_do_not() {
        let once = Arc::new(Once::<u8>::default());
        let first = once.turn(1).await;
        let _other = once.turn(2).await;
        let second = tokio::spawn({
            let once = once.clone();
            async move {
                let _turn = once.turn(1).await;
            }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap();
    }
}
