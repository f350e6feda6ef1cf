//! Families: contents of one appeal that show the same. Bytes that are equal are one content already; here are the copies that are not:
//! with other metadata, recompressed, resized, turned, cut, filmed off a screen.
//!
//! Joining saves a reviewer time and decides nothing: every member stays an exhibit with its own history. A content that is near several
//! families joins the nearest, and families are never merged by the program, so that a chain of likenesses does not draw strangers
//! together. What an investigator parts stays apart.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::capture::Found;
use super::indicator::{Indicator, Seen};
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

/// How good a copy is among those that show the same, larger is better: what is no picture of a screen and no messenger's copy comes
/// first, then by pixels, since what is recompressed on its way is made smaller; then whether the file itself tells a time and a place.
/// Among equals the one that came first. Of the file alone, so that nothing said later changes which copy stands for the others.
pub fn merit(found: &Found, seen: &[Seen]) -> i64 {
    const FIRST_HAND: i64 = 1 << 40;
    let copied = seen.iter().any(|s| matches!(s.what, Indicator::Screenshot | Indicator::ScreenRecording | Indicator::MessengerCopy));
    let pixels = i64::from(found.shape.width.unwrap_or(0)) * i64::from(found.shape.height.unwrap_or(0));
    let first_hand = if copied { 0 } else { FIRST_HAND };
    first_hand + (pixels / 1_000) * 4 + i64::from(!found.times.is_empty()) * 2 + i64::from(!found.places.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::capture::{Shape, TimeFound, time_in_name};

    #[test]
    fn the_best_copy_is_first_hand_then_the_largest_then_the_best_told() {
        let of = |width, told: bool, seen: &[Indicator]| {
            let times: Vec<TimeFound> = if told { time_in_name("IMG_20260714_221000.jpg").into_iter().collect() } else { Vec::new() };
            let found = Found { times, shape: Shape { width: Some(width), height: Some(3_000), ..Shape::default() }, ..Found::default() };
            merit(&found, &seen.iter().map(|i| Seen::new(*i, String::new(), "")).collect::<Vec<_>>())
        };
        assert!(of(800, false, &[]) > of(4_000, true, &[Indicator::Screenshot]));
        assert!(of(4_000, false, &[]) > of(1_600, true, &[]));
        assert!(of(4_000, true, &[]) > of(4_000, false, &[]));
    }

    #[test]
    fn what_was_parted_stays_apart() {
        let near = |text: &str| Candidate { sha256: Sha256::of(text.as_bytes()), relation: Relation::NearIdentical, distance: 3 };
        let candidates = [near("a"), near("b")];
        assert_eq!(chosen(&candidates, &[]), Some(candidates[0]));
        assert_eq!(chosen(&candidates, &[candidates[0].sha256]), Some(candidates[1]));
        assert_eq!(chosen(&candidates, &[candidates[0].sha256, candidates[1].sha256]), None);
    }
}
