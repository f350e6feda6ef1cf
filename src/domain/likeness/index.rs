//! Fingerprints in memory, and who has ones near another's.
//!
//! Near ones (up to 31 bits) are found by bands: of 16 bands of 16 bits, one at least differs in no more than one bit, so that 272
//! short lists are all that need be read (Norouzi, Punjani and Fleet, "Fast Exact Search in Hamming Space", 2014). The wider band
//! is a plain scan.

use super::{Hash, NEAR, Part, Prints, QUALITY_MIN, SIMILAR};

const BANDS: usize = 16;
const VALUES: usize = 1 << 16;
/// Frames of a clip that have to be near before the clips are one family; also a third of the shorter clip's.
const FRAMES_MIN: usize = 2;

/// Stored fingerprints of one kind: hashes side by side, and whose they are.
#[derive(Default)]
struct Shelf {
    hashes: Vec<Hash>,
    /// Their first halves again: what is asked of many is kept small.
    halves: Vec<[u64; 2]>,
    owners: Vec<u32>,
    /// The places of the first `banded`, ordered by the value of each band in turn; made when there are enough for it to pay.
    places: Vec<u32>,
    /// Where in `places` each value of each band begins.
    starts: Vec<u32>,
    banded: usize,
}

impl Shelf {
    /// So many not yet in lists are scanned: quicker than making the lists anew.
    const SCANNED: usize = 4_096;

    fn add(&mut self, owner: u32, hash: Hash) {
        self.halves.push([hash.0[0], hash.0[1]]);
        self.hashes.push(hash);
        self.owners.push(owner);
    }

    fn near(&mut self, asked: &Hash, mut found: impl FnMut(u32, u32)) {
        // They are made anew when a sixty-fourth more has come: an arrival's share in that does not grow with their number.
        if self.hashes.len() - self.banded > Self::SCANNED.max(self.banded / 64) {
            self.make_lists();
        }
        let mut candidates = Vec::new();
        for band in 0..if self.banded == 0 { 0 } else { BANDS } {
            let value = asked.band(band);
            for list in std::iter::once(value).chain((0..16).map(|bit| value ^ (1 << bit))) {
                let list = band * VALUES + usize::from(list);
                candidates.extend_from_slice(&self.places[self.starts[list] as usize..self.starts[list + 1] as usize]);
            }
        }
        for at in candidates {
            let at = at as usize;
            // Strangers differ in some sixty bits of the first half alone.
            let [first, second] = self.halves[at];
            if (first ^ asked.0[0]).count_ones() + (second ^ asked.0[1]).count_ones() <= NEAR {
                let distance = self.hashes[at].distance(asked);
                if distance <= NEAR {
                    found(self.owners[at], distance);
                }
            }
        }
        self.scan(self.banded, asked, NEAR, found);
    }

    /// Sorts by counting, band by band.
    fn make_lists(&mut self) {
        let count = self.hashes.len();
        self.places = vec![0; BANDS * count];
        self.starts = vec![0; BANDS * VALUES + 1];
        for hash in &self.hashes {
            for band in 0..BANDS {
                self.starts[band * VALUES + usize::from(hash.band(band)) + 1] += 1;
            }
        }
        for list in 1..self.starts.len() {
            self.starts[list] += self.starts[list - 1];
        }
        let mut next = self.starts.clone();
        for band in 0..BANDS {
            for (at, hash) in (0u32..).zip(&self.hashes) {
                let place = &mut next[band * VALUES + usize::from(hash.band(band))];
                self.places[*place as usize] = at;
                *place += 1;
            }
        }
        self.banded = count;
    }

    /// Asks all from the given place on.
    fn scan(&self, from: usize, asked: &Hash, within: u32, mut found: impl FnMut(u32, u32)) {
        for (hash, owner) in self.hashes[from..].iter().zip(&self.owners[from..]) {
            let distance = hash.distance(asked);
            if distance <= within {
                found(*owner, distance);
            }
        }
    }
}

/// Somebody whose picture or clip is like the one asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Match {
    pub owner: u32,
    /// Bits apart, of the nearest two fingerprints.
    pub distance: u32,
    /// Of clips: how many frames match.
    pub frames: u32,
    /// Which of the asked fingerprints it was.
    pub part: Part,
}

/// The fingerprints of an appeal's contents. Owners are numbers that the caller gives.
#[derive(Default)]
pub struct Index {
    wholes: Shelf,
    windows: Shelf,
    frames: Shelf,
    /// How many frames each owner has.
    lengths: std::collections::HashMap<u32, u32>,
}

impl Index {
    pub fn add(&mut self, owner: u32, prints: &Prints) {
        for (part, printed) in prints.0.iter().filter(|(_, p)| p.quality >= QUALITY_MIN) {
            match part {
                Part::Whole(0) | Part::Trimmed(0) => self.wholes.add(owner, printed.hash),
                Part::Window(_) => self.windows.add(owner, printed.hash),
                Part::Frame => {
                    self.frames.add(owner, printed.hash);
                    *self.lengths.entry(owner).or_default() += 1;
                }
                Part::Whole(_) | Part::Trimmed(_) => {}
            }
        }
    }

    /// Whom this is near-identical to: pictures turned, mirrored, bordered or a little cropped, and clips with frames in common. Best
    /// first.
    pub fn near(&mut self, prints: &Prints) -> Vec<Match> {
        let mut best = Best::default();
        let mut frames = Frames::default();
        for (n, (part, printed)) in prints.0.iter().enumerate().filter(|(_, (_, p))| p.quality >= QUALITY_MIN) {
            match part {
                Part::Frame => self.frames.near(&printed.hash, |owner, distance| frames.see(owner, n, distance)),
                _ => {
                    self.wholes.near(&printed.hash, |owner, distance| best.see(owner, distance, *part));
                    if matches!(part, Part::Whole(0) | Part::Trimmed(0)) {
                        self.windows.near(&printed.hash, |owner, distance| best.see(owner, distance, *part));
                    }
                }
            }
        }
        let own = prints.frames();
        let shared = frames.0.into_iter().filter_map(|(owner, (matched, distance))| {
            let shorter = own.min(self.lengths.get(&owner).copied().unwrap_or(0) as usize);
            let enough = matched.len() >= FRAMES_MIN.min(shorter) && matched.len() * 3 >= shorter;
            let count = u32::try_from(matched.len()).unwrap_or(u32::MAX);
            enough.then_some(Match { owner, distance, frames: count, part: Part::Frame })
        });
        let mut all: Vec<Match> = best.0.into_values().chain(shared).collect();
        all.sort_by_key(|m| (m.distance, std::cmp::Reverse(m.frames), m.owner));
        all
    }

    /// Whom a picture resembles without being near-identical: for people to compare. Best first.
    pub fn similar(&self, prints: &Prints) -> Vec<Match> {
        let mut best = Best::default();
        for (part, printed) in prints.0.iter().filter(|(_, p)| p.quality >= QUALITY_MIN) {
            if matches!(part, Part::Whole(_) | Part::Trimmed(_)) {
                self.wholes.scan(0, &printed.hash, SIMILAR, |owner, distance| best.see(owner, distance, *part));
            }
        }
        let mut all: Vec<Match> = best.0.into_values().collect();
        all.sort_by_key(|m| (m.distance, m.owner));
        all
    }
}

/// The nearest of each owner.
#[derive(Default)]
struct Best(std::collections::HashMap<u32, Match>);

impl Best {
    fn see(&mut self, owner: u32, distance: u32, part: Part) {
        let known = self.0.entry(owner).or_insert(Match { owner, distance, frames: 0, part });
        if distance < known.distance {
            (known.distance, known.part) = (distance, part);
        }
    }
}

/// Which of the asked frames each owner has, and how near the nearest is.
#[derive(Default)]
struct Frames(std::collections::HashMap<u32, (std::collections::HashSet<usize>, u32)>);

impl Frames {
    fn see(&mut self, owner: u32, frame: usize, distance: u32) {
        let known = self.0.entry(owner).or_insert_with(|| (std::collections::HashSet::new(), distance));
        known.0.insert(frame);
        known.1 = known.1.min(distance);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Printed;
    use super::*;

    struct Chance(u64);

    impl Chance {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }
        fn hash(&mut self) -> Hash {
            Hash([self.next(), self.next(), self.next(), self.next()])
        }
        /// The same, so many bits off.
        fn off(&mut self, mut hash: Hash, bits: u32) -> Hash {
            let mut flipped = std::collections::HashSet::new();
            while flipped.len() < bits as usize {
                let bit = (self.next() % 256) as usize;
                if flipped.insert(bit) {
                    hash.0[bit / 64] ^= 1 << (bit % 64);
                }
            }
            hash
        }
    }

    fn whole(hash: Hash) -> Prints {
        Prints(vec![(Part::Whole(0), Printed { hash, quality: 100 })])
    }

    #[test]
    fn bands_find_all_that_a_scan_finds() {
        let (mut chance, mut index) = (Chance(1), Index::default());
        let known: Vec<Hash> = (0..20_000).map(|_| chance.hash()).collect();
        for (n, hash) in (0u32..).zip(&known) {
            index.add(n, &whole(*hash));
        }
        for bits in [0, 1, 16, 30, 31] {
            for n in [0u32, 7, 19_999] {
                let asked = whole(chance.off(known[n as usize], bits));
                let found = index.near(&asked);
                assert_eq!((found.len(), found[0].owner, found[0].distance), (1, n, bits));
            }
        }
        for bits in [32, 60] {
            let asked = whole(chance.off(known[5], bits));
            assert!(index.near(&asked).is_empty());
            assert_eq!(index.similar(&asked)[0].distance, bits);
        }
        assert!(index.near(&whole(chance.hash())).is_empty());
    }

    #[test]
    fn clips_need_frames_in_common_and_flat_ones_never_count() {
        let (mut chance, mut index) = (Chance(2), Index::default());
        let frames: Vec<Hash> = (0..10).map(|_| chance.hash()).collect();
        let clip = |hashes: &[Hash], quality| Prints(hashes.iter().map(|h| (Part::Frame, Printed { hash: *h, quality })).collect());
        index.add(1, &clip(&frames, 100));
        assert_eq!(index.near(&clip(&frames[4..8], 100))[0].frames, 4);
        assert!(index.near(&clip(&[frames[0], chance.hash(), chance.hash(), chance.hash(), chance.hash()], 100)).is_empty(), "one of five");
        assert!(index.near(&clip(&frames, 20)).is_empty(), "too flat to tell");
    }
}
