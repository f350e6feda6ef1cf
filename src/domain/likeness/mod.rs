//! Likeness: fingerprints of pictures, how far apart two are, and an index that finds the near ones among a million.
//!
//! The fingerprint is PDQ (Facebook's ThreatExchange, `pdq/README.md`): 256 bits from the low frequencies of a picture, which survive
//! recompression and resizing. Its own addition here: the eight ways of turning and mirroring on the asking side, a fingerprint
//! without flat borders (screenshots), and nine windows of nine tenths (small crops). What it cannot see stands in
//! `docs/families.md`. This folder knows nothing of the rest of the program, so that benchmarks measure the very same code.

mod index;
mod pdq;

pub use index::{Index, Match};
pub use pdq::{Gray, Hash, Printed, turned};

/// At most so many bits apart: near-identical, joined.
pub const NEAR: u32 = 31;
/// Up to so many: similar, shown for comparing, never joined.
pub const SIMILAR: u32 = 60;
/// What is flatter than this is never matched: skies and darkness look like one another.
pub const QUALITY_MIN: u8 = 50;

/// Which of a picture's fingerprints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The whole, upright or in one of the seven other ways (0: upright).
    Whole(u8),
    /// Without its flat borders.
    Trimmed(u8),
    /// One of nine windows.
    Window(u8),
    /// A frame of a clip.
    Frame,
}

impl Part {
    const fn code(self) -> u8 {
        match self {
            Part::Whole(n) => n & 7,
            Part::Trimmed(n) => 8 | n & 7,
            Part::Window(n) => 16 | n & 15,
            Part::Frame => 32,
        }
    }

    const fn read(code: u8) -> Option<Self> {
        match code {
            0..8 => Some(Part::Whole(code)),
            8..16 => Some(Part::Trimmed(code & 7)),
            16..32 => Some(Part::Window(code & 15)),
            32 => Some(Part::Frame),
            _ => None,
        }
    }
}

/// All fingerprints of one content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prints(pub Vec<(Part, Printed)>);

const RECORD: usize = 34;

impl Prints {
    /// Each as its part, its quality and its 32 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(part, p)| [part.code(), p.quality].into_iter().chain(p.hash.to_bytes())).collect()
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        let read = |r: &[u8]| Some((Part::read(r[0])?, Printed { quality: r[1], hash: Hash::from_bytes(r.get(2..)?.try_into().ok()?) }));
        Self(bytes.chunks_exact(RECORD).filter_map(read).collect())
    }

    pub fn frames(&self) -> usize {
        self.0.iter().filter(|(part, p)| *part == Part::Frame && p.quality >= QUALITY_MIN).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_keep_their_bytes() {
        let p = |n: u8| Printed { hash: Hash::from_bytes([n; 32]), quality: n };
        let prints = Prints(vec![(Part::Whole(3), p(1)), (Part::Trimmed(0), p(2)), (Part::Window(8), p(3)), (Part::Frame, p(99))]);
        assert_eq!(Prints::from_bytes(&prints.to_bytes()), prints);
        assert_eq!(prints.frames(), 1);
        assert_eq!(Prints::from_bytes(&[200; 40]).0.len(), 0);
    }
}
