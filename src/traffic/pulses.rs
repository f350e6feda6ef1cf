//! One answer for everybody who asks the same within a moment: counters of an appeal are worked out once, however many pages show them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::domain::value::Id;
use crate::error::Result;

type Kept<T> = Arc<tokio::sync::Mutex<Option<(Instant, Arc<T>)>>>;

pub struct Pulses<T> {
    kept: Mutex<HashMap<Id, Kept<T>>>,
}

impl<T> Default for Pulses<T> {
    fn default() -> Self {
        Self { kept: Mutex::default() }
    }
}

impl<T> Pulses<T> {
    /// What was worked out less than `fresh` ago, or what `work` says now. Those who ask meanwhile wait for it.
    pub async fn get(&self, appeal: Id, fresh: Duration, work: impl Future<Output = Result<T>>) -> Result<Arc<T>> {
        let slot = match self.kept.lock() {
            Ok(mut kept) => Arc::clone(kept.entry(appeal).or_default()),
            Err(_) => Kept::default(),
        };
        let mut slot = slot.lock().await;
        if let Some((_, known)) = slot.as_ref().filter(|(at, _)| at.elapsed() < fresh) {
            return Ok(Arc::clone(known));
        }
        let known = Arc::new(work.await?);
        *slot = Some((Instant::now(), Arc::clone(&known)));
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::value::Utc;

    #[tokio::test]
    async fn worked_out_once_for_all_who_ask() {
        let pulses = Pulses::default();
        let id = |n| Id::new(Utc::from_micros(0), [n; 10]);
        let hour = Duration::from_secs(3600);
        assert_eq!(*pulses.get(id(1), hour, async { Ok(1) }).await.unwrap(), 1);
        assert_eq!(*pulses.get(id(1), hour, async { Ok(2) }).await.unwrap(), 1);
        assert_eq!(*pulses.get(id(2), hour, async { Ok(3) }).await.unwrap(), 3, "each appeal by itself");
        assert_eq!(*pulses.get(id(1), Duration::ZERO, async { Ok(4) }).await.unwrap(), 4);
    }
}
