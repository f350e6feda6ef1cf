//! Families: contents of one appeal that show the same. Bytes that are equal are one content already; here are the copies that are not:
//! with other metadata, recompressed, resized, turned, cut, filmed off a screen.
//!
//! Joining saves a reviewer time and decides nothing: every member stays an exhibit with its own history. A content that is near several
//! families joins the nearest, and families are never merged by the program, so that a chain of likenesses does not draw strangers
//! together. What an investigator parts stays apart.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::likeness::Part;
use super::value::{Id, Sha256};

/// Why a content is in its family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The one that was there first.
    First,
    /// The same picture or samples, packed with other metadata.
    SameMedia,
    /// The fingerprints of the pictures are at most 31 bits apart.
    NearIdentical,
    /// Clips with frames in common.
    SameClip,
    /// An investigator said so.
    Stated,
}

impl Relation {
    pub const ALL: [Relation; 5] = [Relation::First, Relation::SameMedia, Relation::NearIdentical, Relation::SameClip, Relation::Stated];

    pub const fn as_str(self) -> &'static str {
        match self {
            Relation::First => "first",
            Relation::SameMedia => "same_media",
            Relation::NearIdentical => "near_identical",
            Relation::SameClip => "same_clip",
            Relation::Stated => "stated",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == text)
    }

    pub const fn of(part: Part) -> Self {
        match part {
            Part::Frame => Relation::SameClip,
            _ => Relation::NearIdentical,
        }
    }
}

/// A content's place in a family.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub sha256: Sha256,
    pub family: Id,
    pub relation: Relation,
    /// To which content it was found to be near.
    pub via: Option<Sha256>,
    pub distance: u32,
}

/// Somebody near, as the index found them: best first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    pub sha256: Sha256,
    pub relation: Relation,
    pub distance: u32,
}

/// Which of the candidates a content joins: the first that nobody has parted it from.
pub fn chosen(candidates: &[Candidate], apart: &[Sha256]) -> Option<Candidate> {
    candidates.iter().find(|c| !apart.contains(&c.sha256)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_parted_stays_apart() {
        let near = |text: &str| Candidate { sha256: Sha256::of(text.as_bytes()), relation: Relation::NearIdentical, distance: 3 };
        let candidates = [near("a"), near("b")];
        assert_eq!(chosen(&candidates, &[]), Some(candidates[0]));
        assert_eq!(chosen(&candidates, &[candidates[0].sha256]), Some(candidates[1]));
        assert_eq!(chosen(&candidates, &[candidates[0].sha256, candidates[1].sha256]), None);
    }
}
