//! Holds and erasures: on what ground something may be erased, who has to agree, and the rule that the log is replayed
//! against, so that a tombstone that nobody was entitled to write is found.

use std::collections::BTreeSet;

/// Different people who have to agree, none of them the one who asked.
pub const APPROVALS: usize = 2;

/// Why an agreement does not count.
pub const SAME_PERSON: &str = "the same person agrees twice";

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
