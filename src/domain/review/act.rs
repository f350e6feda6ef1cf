//! What can be done to many exhibits in one act, and taken back in one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Decision;
use crate::domain::exhibit::{Exhibit, Quarantine, State};
use crate::domain::value::{Id, Utc};

/// Exhibits that one request names; a larger act goes on under its own id.
pub const ACT_ITEMS_MAX: usize = 5_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "act", rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// Where nobody has decided.
    Decide {
        decision: Decision,
    },
    Tag {
        tag: String,
    },
    Untag {
        tag: String,
    },
    /// To review; nobody's without `to`.
    Assign {
        #[serde(default)]
        #[schema(value_type = Option<String>, format = Uuid)]
        to: Option<Id>,
        /// Only what is nobody's.
        #[serde(default)]
        free_only: bool,
    },
    /// Put behind glass.
    Quarantine,
    /// Take out again what [`What::Quarantine`] put there, and nothing else.
    Release,
    /// State when or where it was taken.
    Correct {
        #[serde(default)]
        #[schema(value_type = Option<String>, format = DateTime)]
        from: Option<Utc>,
        #[serde(default)]
        #[schema(value_type = Option<String>, format = DateTime)]
        to: Option<Utc>,
        #[serde(default)]
        lat: Option<f64>,
        #[serde(default)]
        lon: Option<f64>,
        #[serde(default)]
        radius_m: Option<f64>,
    },
    /// Ask the witness, on the page that their receipt opens, to keep the original and bring it.
    AskOriginal,
}

/// What an act would do to one exhibit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    Changes,
    /// It is so already.
    Already,
    /// Somebody has decided, or it is somebody else's: that stands.
    Stands,
}

impl What {
    /// What of an exhibit it changes: acts with the same one undo one another.
    pub fn field(&self) -> String {
        match self {
            What::Decide { .. } => "decision".into(),
            What::Tag { tag } | What::Untag { tag } => format!("tag {tag}"),
            What::Assign { .. } => "assignee".into(),
            What::Quarantine | What::Release => "glass".into(),
            What::Correct { .. } => "capture".into(),
            What::AskOriginal => "original".into(),
        }
    }

    /// Whether a colleague who has the content before them keeps it from happening.
    pub const fn waits_for_others(&self) -> bool {
        matches!(self, What::Decide { .. } | What::Quarantine)
    }

    /// Whether it has to be said why.
    pub const fn needs_reason(&self) -> bool {
        matches!(self, What::Quarantine | What::Release | What::Correct { .. } | What::AskOriginal)
    }

    /// What it would do to this exhibit. `bit` is the tag's; `asked` whether the original was asked for.
    pub fn effect(&self, e: &Exhibit, bit: Option<u8>, asked: bool) -> Effect {
        let so = |already: bool| if already { Effect::Already } else { Effect::Changes };
        let tagged = bit.is_some_and(|b| e.tags & 1 << b != 0);
        match self {
            What::Decide { decision } if e.state == decision.state() => Effect::Already,
            What::Decide { .. } if !matches!(e.state, State::Received | State::Ready) => Effect::Stands,
            What::Decide { .. } | What::Correct { .. } => Effect::Changes,
            What::Tag { .. } => so(tagged),
            What::Untag { .. } => so(!tagged),
            What::Assign { to, .. } if e.assignee == *to => Effect::Already,
            What::Assign { free_only: true, .. } if e.assignee.is_some() => Effect::Stands,
            What::Assign { .. } => Effect::Changes,
            What::Quarantine => so(e.quarantine.is_some()),
            What::Release => match e.quarantine {
                Some(Quarantine::Flood) => Effect::Changes,
                Some(_) => Effect::Stands,
                None => Effect::Already,
            },
            What::AskOriginal => so(asked),
        }
    }
}
