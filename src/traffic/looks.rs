//! How often each person looked within a minute, on this node: a session that goes through everything is told of.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::domain::value::{Id, MINUTE_US, Utc};

#[derive(Default)]
pub struct Looks {
    /// The minute, and how many looks in it.
    counts: Mutex<HashMap<Id, (i64, u64)>>,
}

impl Looks {
    /// Counts one more; how many they are in this minute.
    pub fn count(&self, who: Id, now: Utc) -> u64 {
        let minute = now.micros() / MINUTE_US;
        let Ok(mut counts) = self.counts.lock() else { return 0 };
        let count = counts.entry(who).or_insert((minute, 0));
        if count.0 != minute {
            *count = (minute, 0);
        }
        count.1 += 1;
        count.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_minute_and_each_person_by_itself() {
        let looks = Looks::default();
        let who = |n| Id::new(Utc::from_micros(0), [n; 10]);
        let at = |minute: i64| Utc::from_micros(minute * MINUTE_US + 5);
        assert_eq!((1..=3).map(|_| looks.count(who(1), at(0))).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((looks.count(who(2), at(0)), looks.count(who(1), at(1))), (1, 1));
    }
}
