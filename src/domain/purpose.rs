//! Why somebody looks: a code from a short list, which every event of theirs carries, and words, which only a commitment
//! tells of. The Law Enforcement Directive (EU 2016/680, art. 25) asks for the justification of every consultation and
//! disclosure.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PurposeCode {
    /// Finding out what happened.
    Investigation,
    /// Preparing a case for a court.
    Prosecution,
    /// Handing something to somebody who is entitled to it: the defence, a court, another authority.
    Disclosure,
    /// Checking the work of others.
    Quality,
    /// Answering a complaint, or the rights of a person concerned.
    Rights,
}

impl PurposeCode {
    pub const ALL: [Self; 5] = [Self::Investigation, Self::Prosecution, Self::Disclosure, Self::Quality, Self::Rights];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Investigation => "investigation",
            Self::Prosecution => "prosecution",
            Self::Disclosure => "disclosure",
            Self::Quality => "quality",
            Self::Rights => "rights",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == text)
    }
}

/// Whether a reason says anything: dots, one letter again and again, or what people type to get past a field is no reason.
pub fn worded(text: &str) -> bool {
    const NOTHING: [&str; 12] =
        ["test", "tests", "asdf", "qwertz", "qwerty", "azerty", "none", "todo", "reason", "raison", "rien", "because"];
    let letters: Vec<char> = text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    let mut different = letters.clone();
    different.sort_unstable();
    different.dedup();
    different.len() >= 3 && letters.len() >= 4 && !NOTHING.contains(&letters.iter().collect::<String>().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back_and_empty_words_are_no_reason() {
        for code in PurposeCode::ALL {
            assert_eq!(PurposeCode::parse(code.as_str()), Some(code));
        }
        for empty in ["", " ", "...", "x", "-- --", "a b", "aaa", "xxx yyy", "ok ok", "Test", "asdf"] {
            assert!(!worded(empty), "{empty:?}");
        }
        assert!(worded("Affaire 12/2026") && worded("案件一二"));
    }
}
