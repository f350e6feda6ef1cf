//! How often each person looked within a minute, on this node: a session that goes through everything is told of.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::domain::value::{Id, MINUTE_US, Utc};

#[derive(Default)]
pub struct Looks {
    minutes: Mutex<HashMap<Id, Minute>>,
}

#[derive(Default)]
struct Minute {
    number: i64,
    looks: u64,
    told: bool,
}

impl Looks {
    fn within<T>(&self, who: Id, now: Utc, what: impl FnOnce(&mut Minute) -> T) -> Option<T> {
        let mut minutes = self.minutes.lock().ok()?;
        let minute = minutes.entry(who).or_default();
        if minute.number != now.micros() / MINUTE_US {
            *minute = Minute { number: now.micros() / MINUTE_US, ..Minute::default() };
        }
        Some(what(minute))
    }

    /// Counts some more. How many they are in this minute, if that is more than the limit and was not told of yet.
    pub fn count(&self, who: Id, looks: u64, limit: u64, now: Utc) -> Option<u64> {
        self.within(who, now, |minute| {
            minute.looks = minute.looks.saturating_add(looks);
            (minute.looks > limit && !minute.told).then_some(minute.looks)
        })?
    }

    /// It is on record.
    pub fn told(&self, who: Id, now: Utc) {
        self.within(who, now, |minute| minute.told = true);
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
        assert_eq!([1, 1, 1, 1].map(|n| looks.count(who(1), n, 2, at(0))), [None, None, Some(3), Some(4)], "until it is on record");
        looks.told(who(1), at(0));
        assert_eq!(looks.count(who(1), 50, 2, at(0)), None);
        assert_eq!((looks.count(who(2), 2, 2, at(0)), looks.count(who(1), 3, 2, at(1))), (None, Some(3)));
    }
}
