//! The fingerprints of each appeal, in memory: read from the database when first asked for, and what came since before each question.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::domain::family::{Candidate, Relation};
use crate::domain::likeness::{Index, Match, Prints};
use crate::domain::value::{Id, Sha256};

/// The fingerprints of one appeal's contents, up to a place in its order.
#[derive(Default)]
pub struct Known {
    index: Index,
    contents: Vec<Sha256>,
    pub upto: i64,
}

impl Known {
    pub fn add(&mut self, seq: i64, sha256: Sha256, prints: &Prints) {
        self.index.add(u32::try_from(self.contents.len()).unwrap_or(u32::MAX), prints);
        self.contents.push(sha256);
        self.upto = seq;
    }

    fn candidates(&self, matches: Vec<Match>) -> Vec<Candidate> {
        let named = |m: Match| {
            Some(Candidate { sha256: *self.contents.get(m.owner as usize)?, relation: Relation::of(m.part), distance: m.distance })
        };
        matches.into_iter().filter_map(named).collect()
    }

    /// Who is near-identical, best first.
    pub fn near(&mut self, prints: &Prints) -> Vec<Candidate> {
        let matches = self.index.near(prints);
        self.candidates(matches)
    }

    /// Who is similar, for comparing, best first.
    pub fn similar(&self, prints: &Prints) -> Vec<Candidate> {
        self.candidates(self.index.similar(prints))
    }
}

#[derive(Default)]
pub struct Likenesses {
    appeals: Mutex<HashMap<Id, Arc<tokio::sync::Mutex<Known>>>>,
}

impl Likenesses {
    pub fn of(&self, appeal: Id) -> Arc<tokio::sync::Mutex<Known>> {
        let mut appeals = self.appeals.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        appeals.entry(appeal).or_default().clone()
    }
}
