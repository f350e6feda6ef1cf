//! One received file. Bytes are stored once, testimony never: the same bytes handed over twice are
//! two exhibits with two histories.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::capture::{Effective, Place};
use super::value::{Id, Sha256, Utc};

/// What sort of thing a file is, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Photo,
    Video,
    Audio,
    Document,
    Other,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Photo, Kind::Video, Kind::Audio, Kind::Document, Kind::Other];

    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Photo => "photo",
            Kind::Video => "video",
            Kind::Audio => "audio",
            Kind::Document => "document",
            Kind::Other => "other",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }
}

/// Where an exhibit is on its way. Examination makes a received one ready; a decision can be taken
/// at any time and taken again, and no later examination undoes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Stored, hashed, in the log; not yet examined.
    Received,
    /// Examined, waiting for a decision.
    Ready,
    Relevant,
    NotRelevant,
    /// Looked at, and left open on purpose.
    Undecided,
}

impl State {
    pub const ALL: [State; 5] = [State::Received, State::Ready, State::Relevant, State::NotRelevant, State::Undecided];

    pub const fn as_str(self) -> &'static str {
        match self {
            State::Received => "received",
            State::Ready => "ready",
            State::Relevant => "relevant",
            State::NotRelevant => "not_relevant",
            State::Undecided => "undecided",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// The state after an examination has ended.
    pub const fn examined(self) -> Self {
        match self {
            State::Received => State::Ready,
            decided => decided,
        }
    }
}

/// Why a file is kept behind glass: stored and acknowledged like any other, never previewed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quarantine {
    /// HTML, SVG, PDF, playlists, programs: things that a viewer would *run*.
    ActiveContent,
    /// Archives: what is inside has not been looked at.
    Archive,
    /// Nothing that we know by its first bytes.
    UnknownType,
    /// No bytes at all.
    Empty,
    /// Put there by a person, with what came beside it in a flood.
    Flood,
    /// A virus scanner found something known in it.
    Infected,
}

impl Quarantine {
    pub const ALL: [Quarantine; 6] = [
        Quarantine::ActiveContent,
        Quarantine::Archive,
        Quarantine::UnknownType,
        Quarantine::Empty,
        Quarantine::Flood,
        Quarantine::Infected,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Quarantine::ActiveContent => "active-content",
            Quarantine::Archive => "archive",
            Quarantine::UnknownType => "unknown-type",
            Quarantine::Empty => "empty",
            Quarantine::Flood => "flood",
            Quarantine::Infected => "infected",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|q| q.as_str() == text)
    }
}

/// What stands for [`Exhibit::restricted`] where a word says why something is behind glass.
pub const RESTRICTED: &str = "restricted";

impl Exhibit {
    /// Whether it is never previewed.
    pub const fn is_behind_glass(&self) -> bool {
        self.restricted || self.quarantine.is_some()
    }

    /// Why it is, in a word.
    pub fn glass(&self) -> Option<&'static str> {
        if self.restricted { Some(RESTRICTED) } else { self.quarantine.map(Quarantine::as_str) }
    }

    /// Whether its original is for those alone who answer for it.
    pub const fn is_locked(&self) -> bool {
        self.restricted || matches!(self.quarantine, Some(Quarantine::Infected))
    }
}

/// Characters of a file name that are kept beside the exhibit; the whole name is an opening.
pub const NAME_CHARS_MAX: usize = 255;

/// A file name fit to be kept, shown and put into a header, and whether it had to be shortened.
/// Names are data: no path is ever made of one.
pub fn kept_name(raw: &[u8]) -> (String, bool) {
    let text = String::from_utf8_lossy(raw);
    let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown = super::value::shown(last, NAME_CHARS_MAX);
    let truncated = last.chars().count() > NAME_CHARS_MAX;
    if shown.trim().is_empty() || shown.trim_matches('.').is_empty() {
        return ("unnamed".to_owned(), truncated);
    }
    (shown, truncated)
}

/// A row of the queue.
#[derive(Clone, Debug)]
pub struct Exhibit {
    pub id: Id,
    pub appeal: Id,
    pub agency: Id,
    pub submission: Id,
    /// In the order of arrival within the appeal, from 1; never given twice.
    pub number: u64,
    /// The number of the first exhibit of its family; its own when it is alone.
    pub family: u64,
    /// Whether it is its family's best copy.
    pub lead: bool,
    pub sha256: Sha256,
    pub size: u64,
    pub name: String,
    pub name_truncated: bool,
    pub media_type: String,
    pub kind: Kind,
    pub state: State,
    pub quarantine: Option<Quarantine>,
    /// Its witness asked that it be kept and not used.
    pub restricted: bool,
    pub received_at: Utc,
    pub when: Option<Effective>,
    pub place: Option<Place>,
    pub has_thumbnail: bool,
    /// Stable words for what could not be read or shown of it.
    pub notes: Vec<String>,
    /// Whether an examination has ended, well or not.
    pub examined: bool,
    /// Bits of the appeal's tags.
    pub tags: u32,
    /// Bits of its signs (`domain/review/signs.rs`).
    pub signs: u32,
    /// The number of the first exhibit of its hand-over.
    pub sender: u64,
    /// By which its device is called in this appeal; 0 when nothing tells.
    pub device: u64,
    /// Whose it is to review.
    pub assignee: Option<Id>,
    /// Rises with every decision; a decision on an older version is refused.
    pub version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_teeth() {
        assert_eq!(kept_name(b"../../etc/passwd").0, "passwd");
        assert_eq!(kept_name(b"C:\\x\\a.jpg").0, "a.jpg");
        assert_eq!(kept_name(b"").0, "unnamed");
        assert_eq!(kept_name(b"..").0, "unnamed");
        assert_eq!(kept_name(b"a\0b.jpg").0, "a\u{2400}b.jpg");
        assert_eq!(kept_name(&[0xff, b'a']).0, "\u{fffd}a");
        let (name, cut) = kept_name("é".repeat(5_000).as_bytes());
        assert_eq!((name.chars().count(), cut), (255, true));
    }

    #[test]
    fn an_examination_never_undoes_a_decision() {
        assert_eq!(State::Received.examined(), State::Ready);
        assert_eq!(State::Relevant.examined(), State::Relevant);
    }
}
