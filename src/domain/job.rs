//! The closed list of background jobs. Each is enqueued in the transaction that makes it necessary,
//! and may run twice.

use super::value::Id;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    /// Read an exhibit's time and place, and make its pictures.
    Examine(Id),
    /// Throw away staged bytes that no acknowledged upload refers to.
    Sweep,
}

impl Job {
    pub const fn kind(&self) -> &'static str {
        match self {
            Job::Examine(_) => "examine",
            Job::Sweep => "sweep",
        }
    }

    pub fn subject(&self) -> String {
        match self {
            Job::Examine(exhibit) => exhibit.to_string(),
            Job::Sweep => String::new(),
        }
    }

    pub fn parse(kind: &str, subject: &str) -> Option<Self> {
        match kind {
            "examine" => subject.parse().ok().map(Job::Examine),
            "sweep" => Some(Job::Sweep),
            _ => None,
        }
    }
}
