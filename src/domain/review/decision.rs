//! What is decided.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::exhibit::State;

/// What an investigator says of an exhibit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Relevant,
    NotRelevant,
    Undecided,
}

impl Decision {
    pub const fn state(self) -> State {
        match self {
            Decision::Relevant => State::Relevant,
            Decision::NotRelevant => State::NotRelevant,
            Decision::Undecided => State::Undecided,
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
    }
}

/// Characters of a note beside a decision.
pub const NOTE_CHARS_MAX: usize = 4_000;
