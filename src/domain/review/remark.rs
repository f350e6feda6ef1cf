//! A note or a mark on an exhibit: words, and for which moments and which part of the picture they are meant. It lies beside the exhibit and
//! is drawn over it, never into it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::NOTE_CHARS_MAX;

/// Milliseconds of the longest clip that is marked: a day.
const MS_MAX: u64 = 86_400_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    pub words: String,
    /// From which millisecond of a clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<u64>,
    /// To which; the same moment when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<u64>,
    /// Left, top, width and height, in thousandths of the picture's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<[u16; 4]>,
}

impl Remark {
    /// Why it cannot be kept.
    pub fn wrong(&self) -> Option<(&'static str, &'static str)> {
        if self.words.trim().is_empty() || self.words.chars().count() > NOTE_CHARS_MAX {
            return Some(("words", "1 to 4000 characters"));
        }
        let moments = (self.from_ms, self.to_ms);
        if matches!(moments, (None, Some(_))) || moments.0.zip(moments.1).is_some_and(|(a, b)| a > b) {
            return Some(("to_ms", "ends before it begins"));
        }
        if moments.0.max(moments.1).is_some_and(|ms| ms > MS_MAX) {
            return Some(("from_ms", "milliseconds within a day"));
        }
        let inside = |[x, y, w, h]: [u16; 4]| w > 0 && h > 0 && u32::from(x) + u32::from(w) <= 1000 && u32::from(y) + u32::from(h) <= 1000;
        self.region.is_some_and(|r| !inside(r)).then_some(("region", "left, top, width, height in thousandths, within the picture"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_lie_within_the_clip_and_the_picture() {
        let note = |words: &str| Remark { words: words.into(), from_ms: None, to_ms: None, region: None };
        assert_eq!(note("A white van").wrong(), None);
        assert_eq!(note(" ").wrong().unwrap().0, "words");
        assert_eq!(Remark { to_ms: Some(3), ..note("x") }.wrong().unwrap().0, "to_ms");
        assert_eq!(Remark { from_ms: Some(4), to_ms: Some(3), ..note("x") }.wrong().unwrap().0, "to_ms");
        assert_eq!(Remark { from_ms: Some(u64::MAX), ..note("x") }.wrong().unwrap().0, "from_ms");
        assert_eq!(Remark { region: Some([900, 0, 101, 10]), ..note("x") }.wrong().unwrap().0, "region");
        assert_eq!(Remark { region: Some([0, 0, 1000, 1000]), from_ms: Some(3), ..note("x") }.wrong(), None);
    }
}
