//! The closed list of background jobs. Each is enqueued in the transaction that makes it necessary,
//! and may run twice.

use super::value::Id;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    /// Read an exhibit's time and place, and make its pictures.
    Examine(Id),
    /// Give the files of a submission what their witness has said since.
    Restate(Id),
    /// Carry out an erasure that was agreed to.
    Erase(Id),
    /// Replay the custody log.
    Audit,
    /// Read a share of the stored bytes again.
    Fixity,
    /// Ask outsiders to vouch for the log.
    Anchor,
    /// Make a bundle that somebody asked for.
    Bundle(Id),
    /// Make the copy of a clip that browsers play.
    Proxy(Id),
    /// Have a virus scanner read an exhibit.
    Scan(Id),
    /// Ask for the erasure of what is over its time.
    Schedule,
    /// Throw away staged bytes that no acknowledged upload refers to.
    Sweep,
}

impl Job {
    /// Every kind.
    pub const KINDS: [&'static str; 11] =
        ["examine", "restate", "erase", "audit", "fixity", "anchor", "bundle", "proxy", "scan", "schedule", "sweep"];

    /// The kinds that read a lot, and may take long.
    pub const LONG: [&'static str; 5] = ["audit", "fixity", "bundle", "proxy", "schedule"];

    pub fn is_long(&self) -> bool {
        Self::LONG.contains(&self.kind())
    }

    pub const fn kind(&self) -> &'static str {
        match self {
            Job::Examine(_) => "examine",
            Job::Restate(_) => "restate",
            Job::Erase(_) => "erase",
            Job::Audit => "audit",
            Job::Fixity => "fixity",
            Job::Anchor => "anchor",
            Job::Bundle(_) => "bundle",
            Job::Proxy(_) => "proxy",
            Job::Scan(_) => "scan",
            Job::Schedule => "schedule",
            Job::Sweep => "sweep",
        }
    }

    pub fn subject(&self) -> String {
        match self {
            Job::Examine(id) | Job::Restate(id) | Job::Erase(id) | Job::Bundle(id) | Job::Proxy(id) | Job::Scan(id) => id.to_string(),
            Job::Audit | Job::Fixity | Job::Anchor | Job::Schedule | Job::Sweep => String::new(),
        }
    }

    pub fn parse(kind: &str, subject: &str) -> Option<Self> {
        match kind {
            "examine" => subject.parse().ok().map(Job::Examine),
            "restate" => subject.parse().ok().map(Job::Restate),
            "bundle" => subject.parse().ok().map(Job::Bundle),
            "proxy" => subject.parse().ok().map(Job::Proxy),
            "scan" => subject.parse().ok().map(Job::Scan),
            "erase" => subject.parse().ok().map(Job::Erase),
            "audit" => Some(Job::Audit),
            "fixity" => Some(Job::Fixity),
            "anchor" => Some(Job::Anchor),
            "schedule" => Some(Job::Schedule),
            "sweep" => Some(Job::Sweep),
            _ => None,
        }
    }
}
