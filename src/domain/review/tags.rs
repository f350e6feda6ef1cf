//! Tags: words that colleagues put on exhibits. Each appeal has up to 31 of them, one bit each, so that a whole appeal's tags travel in one
//! column. Two mean something to the program.

use serde::{Deserialize, Serialize};

use crate::domain::value::shown;

/// Somebody wants another pair of eyes.
pub const SECOND_LOOK: &str = "second-look";
/// Not to be shown before somebody asks for it.
pub const GRAPHIC: &str = "graphic";

const RESERVED: [&str; 2] = [SECOND_LOOK, GRAPHIC];
/// Tags of one appeal, those two included.
pub const TAGS_MAX: usize = 31;
pub const TAG_CHARS_MAX: usize = 40;

/// The bit of what is not to be shown before somebody asks for it.
pub const GRAPHIC_BIT: u32 = 1 << 1;

/// A tag as it is kept: no commas (they part tags in addresses), no control characters, inner spaces once.
pub fn tag_word(text: &str) -> Option<String> {
    let word = shown(&text.split_whitespace().collect::<Vec<_>>().join(" "), TAG_CHARS_MAX + 1);
    let fits = !word.is_empty() && word.chars().count() <= TAG_CHARS_MAX && !word.contains(',');
    fits.then_some(word)
}

/// The tags of one appeal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagBook {
    /// Those of its own, with their bits.
    own: Vec<(u8, String)>,
}

impl TagBook {
    pub fn new(own: Vec<(u8, String)>) -> Self {
        Self { own }
    }

    /// All words in the order of their bits.
    pub fn words(&self) -> Vec<String> {
        let mut all: Vec<(u8, String)> = (0..).zip(RESERVED).map(|(bit, word)| (bit, word.to_owned())).collect();
        all.extend(self.own.iter().cloned());
        all.sort_by_key(|(bit, _)| *bit);
        all.into_iter().map(|(_, word)| word).collect()
    }

    pub fn bit(&self, word: &str) -> Option<u8> {
        let reserved = (0..).zip(RESERVED).find(|(_, w)| *w == word).map(|(bit, _)| bit);
        reserved.or_else(|| self.own.iter().find(|(_, w)| w == word).map(|(bit, _)| *bit))
    }

    /// The bits of some words. A word that nothing is tagged with has none.
    pub fn mask(&self, words: &[String]) -> u32 {
        words.iter().filter_map(|w| self.bit(w)).fold(0, |mask, bit| mask | 1 << bit)
    }

    /// Which bit a new word gets; `None` when the appeal has its number of tags.
    pub fn next(&self) -> Option<u8> {
        let used = RESERVED.len() + self.own.len();
        u8::try_from(used).ok().filter(|bit| usize::from(*bit) < TAGS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_made_fit_and_bits_are_never_given_twice() {
        assert_eq!(tag_word("  white   van "), Some("white van".into()));
        assert_eq!(tag_word("a,b"), None);
        assert_eq!(tag_word(" "), None);
        assert_eq!(tag_word(&"x".repeat(41)), None);
        let mut book = TagBook::default();
        for n in 2..31 {
            assert_eq!(book.next(), Some(n));
            book.own.push((n, format!("t{n}")));
        }
        assert_eq!(book.next(), None);
        assert_eq!(book.words().len(), TAGS_MAX);
        assert_eq!(book.mask(&[SECOND_LOOK.into(), "t3".into(), "unknown".into()]), 0b1001);
        assert_eq!(1 << book.bit(GRAPHIC).unwrap(), GRAPHIC_BIT);
    }
}
