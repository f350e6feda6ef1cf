//! Holds and erasures: on what ground something may be erased, who has to agree, and the rule that the log is replayed
//! against, so that a tombstone that nobody was entitled to write is found.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::exhibit::State;
use super::value::{DAY_US, Utc};

/// Different people who have to agree, none of them the one who asked.
pub const APPROVALS: usize = 2;

/// Why an agreement does not count.
const SAME_PERSON: &str = "the same person agrees twice";

/// On what ground an exhibit is erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Basis {
    /// The witness takes it back.
    Withdrawn,
    /// Its time is over.
    Retention,
    /// A court or an authority orders it.
    Order,
    /// It should never have been kept.
    Unlawful,
}

impl Basis {
    pub const ALL: [Self; 4] = [Self::Withdrawn, Self::Retention, Self::Order, Self::Unlawful];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::Retention => "retention",
            Self::Order => "order",
            Self::Unlawful => "unlawful",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|b| b.as_str() == text)
    }
}

/// What is kept for one time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Category {
    /// Found relevant.
    Kept,
    /// Nobody has decided, or nobody could.
    Undecided,
    /// Found not relevant.
    Declined,
}

impl Category {
    pub const ALL: [Self; 3] = [Self::Kept, Self::Undecided, Self::Declined];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Undecided => "undecided",
            Self::Declined => "declined",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == text)
    }

    pub fn of(state: State) -> Self {
        match state {
            State::Relevant => Self::Kept,
            State::Received | State::Ready | State::Undecided => Self::Undecided,
            State::NotRelevant => Self::Declined,
        }
    }

    pub const fn states(self) -> &'static [State] {
        match self {
            Self::Kept => &[State::Relevant],
            Self::Undecided => &[State::Received, State::Ready, State::Undecided],
            Self::Declined => &[State::NotRelevant],
        }
    }
}

/// Days from the receipt of a file; `None`: no end is set. And after how many days somebody looks whether the appeal is still needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Periods {
    pub kept_days: Option<u32>,
    pub undecided_days: Option<u32>,
    pub declined_days: Option<u32>,
    pub review_days: Option<u32>,
}

impl Periods {
    /// A hundred years.
    pub const DAYS_MAX: u32 = 36_525;

    pub const fn days(&self, category: Category) -> Option<u32> {
        match category {
            Category::Kept => self.kept_days,
            Category::Undecided => self.undecided_days,
            Category::Declined => self.declined_days,
        }
    }

    /// What was received before this is over its time.
    pub fn limit(&self, category: Category, now: Utc) -> Option<Utc> {
        self.days(category).map(|days| now.plus(-i64::from(days) * DAY_US))
    }

    /// Whether what was received then, and stands so now, is over its time.
    pub fn are_over(&self, state: State, received: Utc, now: Utc) -> bool {
        self.limit(Category::of(state), now).is_some_and(|limit| received < limit)
    }

    /// Whether any category has an end.
    pub const fn have_an_end(&self) -> bool {
        self.kept_days.is_some() || self.undecided_days.is_some() || self.declined_days.is_some()
    }

    /// When somebody should look again.
    pub fn review_due(&self, last: Utc) -> Option<Utc> {
        self.review_days.map(|days| last.plus(i64::from(days) * DAY_US))
    }
}

/// Where one exhibit stands, as its own events tell it.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    holds: u64,
    asked_by: Option<String>,
    agreed: BTreeSet<String>,
    pub erased: bool,
}

impl Standing {
    pub const fn held(&self) -> bool {
        self.holds > 0
    }

    /// Takes the next event of the exhibit's history: its type, and the random id of the person behind it. `Err` says which
    /// rule it breaks.
    pub fn take(&mut self, kind: &str, actor: &str) -> Result<(), &'static str> {
        match kind {
            "hold.set" => self.holds += 1,
            "hold.released" => self.holds = self.holds.checked_sub(1).ok_or("a hold is released that was never set")?,
            "erasure.requested" => (self.asked_by, self.agreed) = (Some(actor.to_owned()), BTreeSet::new()),
            "erasure.refused" => self.asked_by = None,
            "erasure.approved" => match &self.asked_by {
                None => return Err("an erasure is agreed to that nobody asked for"),
                Some(asked) if asked == actor => return Err("who asked for an erasure agrees to it"),
                Some(_) if !self.agreed.insert(actor.to_owned()) => return Err(SAME_PERSON),
                Some(_) => {}
            },
            "erasure.executed" => {
                self.erased = true;
                if self.holds > 0 {
                    return Err("erased under a hold");
                }
                if self.asked_by.is_none() || self.agreed.len() < APPROVALS {
                    return Err("erased without two people who agree");
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(events: &[(&str, &str)]) -> Result<Standing, &'static str> {
        let mut standing = Standing::default();
        for (kind, actor) in events {
            standing.take(kind, actor)?;
        }
        Ok(standing)
    }

    #[test]
    fn periods_begin_with_the_receipt() {
        let periods = Periods { declined_days: Some(90), review_days: Some(365), ..Periods::default() };
        let now = Utc::from_micros(400 * DAY_US);
        assert_eq!(periods.limit(Category::Declined, now), Some(Utc::from_micros(310 * DAY_US)));
        assert_eq!(periods.limit(Category::Kept, now), None, "no end is set");
        assert_eq!(periods.review_due(Utc::from_micros(0)), Some(Utc::from_micros(365 * DAY_US)));
        let mut states: Vec<&str> = Category::ALL.iter().flat_map(|c| c.states()).map(|s| s.as_str()).collect();
        states.sort_unstable();
        let mut all: Vec<&str> = State::ALL.iter().map(|s| s.as_str()).collect();
        all.sort_unstable();
        assert_eq!(states, all, "every state is of one category");
        assert!(State::ALL.iter().all(|s| Category::of(*s).states().contains(s)));
        let received = Utc::from_micros(309 * DAY_US);
        assert!(periods.are_over(State::NotRelevant, received, now) && !periods.are_over(State::Relevant, received, now));
        assert_eq!(serde_json::from_str::<Periods>("{}").unwrap(), Periods::default());
    }

    #[test]
    fn two_others_have_to_agree_and_nothing_may_hold_it() {
        let lawful = [("erasure.requested", "a"), ("erasure.approved", "b"), ("erasure.approved", "c"), ("erasure.executed", "")];
        assert!(replay(&lawful).unwrap().erased);
        for forged in [
            &[("erasure.executed", "")][..],
            &[("erasure.requested", "a"), ("erasure.approved", "b"), ("erasure.executed", "")],
            &[("erasure.requested", "a"), ("erasure.approved", "a")],
            &[("erasure.requested", "a"), ("erasure.approved", "b"), ("erasure.approved", "b")],
            &[("erasure.approved", "b")],
            &[("erasure.requested", "a"), ("erasure.approved", "b"), ("erasure.refused", "c"), ("erasure.approved", "d")],
            &[("hold.set", "x"), lawful[0], lawful[1], lawful[2], lawful[3]],
            &[("hold.released", "x")],
        ] {
            assert!(replay(forged).is_err(), "{forged:?}");
        }
        assert!(replay(&[("hold.set", "x"), ("hold.released", "y"), lawful[0], lawful[1], lawful[2], lawful[3]]).is_ok());
    }
}
