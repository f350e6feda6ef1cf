//! The lines of appeals that somebody works on, in memory: a filter with all its counts is answered from them in milliseconds, whatever the
//! database. What changed is asked of the database before each answer, so that nodes need not tell one another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::domain::review::{Line, merge};
use crate::domain::value::{Id, Utc};

/// Appeals that are kept at once; the one that nobody asked about for longest makes room.
const APPEALS_MAX: usize = 8;

#[derive(Default)]
pub struct Lines {
    pub lines: Arc<Vec<Line>>,
    /// When they were read; nothing was yet.
    pub asked_at: Option<Utc>,
}

impl Lines {
    /// Takes changed and new lines in.
    pub fn take(&mut self, changed: Vec<Line>, asked_at: Utc) {
        self.asked_at = Some(asked_at);
        let same = |l: &Line| self.lines.binary_search_by_key(&l.number, |k| k.number).is_ok_and(|at| self.lines[at] == *l);
        let news: Vec<Line> = changed.into_iter().filter(|l| !same(l)).collect();
        if !news.is_empty() {
            merge(Arc::make_mut(&mut self.lines), news);
        }
    }
}

type Slot = Arc<tokio::sync::Mutex<Lines>>;

#[derive(Default)]
pub struct Held {
    appeals: Mutex<HashMap<Id, (u64, Slot)>>,
}

impl Held {
    /// The lines of an appeal; whoever has them brings them up to date.
    pub fn of(&self, appeal: Id) -> Slot {
        let Ok(mut appeals) = self.appeals.lock() else { return Slot::default() };
        let turn = appeals.values().map(|(turn, _)| *turn).max().unwrap_or(0) + 1;
        if appeals.len() >= APPEALS_MAX && !appeals.contains_key(&appeal) {
            let oldest = appeals.iter().min_by_key(|(_, (turn, _))| *turn).map(|(id, _)| *id);
            oldest.and_then(|id| appeals.remove(&id));
        }
        let slot = appeals.entry(appeal).or_default();
        slot.0 = turn;
        Arc::clone(&slot.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_nobody_asked_about_makes_room() {
        let held = Held::default();
        let id = |n: usize| Id::new(Utc::from_micros(0), [u8::try_from(n).unwrap(); 10]);
        let first = held.of(id(0));
        for n in 1..APPEALS_MAX {
            held.of(id(n));
        }
        assert!(Arc::ptr_eq(&first, &held.of(id(0))), "kept, and asked about again");
        held.of(id(APPEALS_MAX));
        assert!(Arc::ptr_eq(&first, &held.of(id(0))));
        assert_eq!(held.appeals.lock().unwrap().len(), APPEALS_MAX);
        assert!(!held.appeals.lock().unwrap().contains_key(&id(1)));
    }
}
