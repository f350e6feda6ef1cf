//! The Merkle tree of RFC 6962: hashes, the growing right edge, tiles, proofs and their checks.
//!
//! Proof checks follow RFC 9162 §2.1.3.2 and §2.1.4.2; tiles follow C2SP tlog-tiles (height 8).

use std::collections::{BTreeSet, HashMap};

use crate::domain::value::Sha256;

/// Hashes in a full tile.
pub const TILE_WIDTH: u64 = 256;
const TILE_HEIGHT: u32 = 8;
/// No honest proof in a tree of fewer than 2^63 leaves is longer.
pub const PROOF_HASHES_MAX: usize = 64;

pub fn leaf_hash(entry: &[u8]) -> Sha256 {
    let mut bytes = Vec::with_capacity(entry.len() + 1);
    bytes.push(0);
    bytes.extend_from_slice(entry);
    Sha256::of(&bytes)
}

pub fn node_hash(left: Sha256, right: Sha256) -> Sha256 {
    let mut bytes = [1u8; 65];
    bytes[1..33].copy_from_slice(left.bytes());
    bytes[33..].copy_from_slice(right.bytes());
    Sha256::of(&bytes)
}

/// The root of the empty tree.
pub fn empty_root() -> Sha256 {
    Sha256::of(b"")
}

/// The right edge of a tree: the roots of its complete subtrees, largest first. It is all that is
/// needed to append.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edge {
    size: u64,
    roots: Vec<Sha256>,
}

impl Edge {
    /// Rebuilds an edge from what was stored. `None` when the hashes cannot belong to that size.
    pub fn from_parts(size: u64, hashes: &[u8]) -> Option<Self> {
        let roots: Vec<Sha256> = hashes.chunks(32).filter_map(Sha256::from_slice).collect();
        (hashes.len().is_multiple_of(32) && roots.len() == size.count_ones() as usize).then_some(Self { size, roots })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.roots.iter().flat_map(|h| *h.bytes()).collect()
    }

    /// Appends a leaf; `grown` hears of each subtree that is now complete: height, index, hash.
    pub fn push(&mut self, leaf: Sha256, mut grown: impl FnMut(u32, u64, Sha256)) {
        let mut hash = leaf;
        let mut height = 0;
        grown(0, self.size, hash);
        while self.size >> height & 1 == 1 {
            // A one bit in the size means a complete subtree of that height waits on the edge.
            let Some(left) = self.roots.pop() else { break };
            hash = node_hash(left, hash);
            height += 1;
            grown(height, self.size >> height, hash);
        }
        self.roots.push(hash);
        self.size += 1;
    }

    pub fn root(&self) -> Sha256 {
        self.roots.iter().rev().copied().reduce(|right, left| node_hash(left, right)).unwrap_or_else(empty_root)
    }
}

/// A place in the tile grid: level and index.
pub type TileAt = (u32, u64);

/// The tile level that a complete subtree of this height is written to, if any.
pub const fn tile_level(height: u32) -> Option<u32> {
    if height.is_multiple_of(TILE_HEIGHT) { Some(height / TILE_HEIGHT) } else { None }
}

/// Some tiles of a tree, enough to answer the questions asked of them.
#[derive(Default)]
pub struct Tiles(HashMap<TileAt, Vec<Sha256>>);

impl Tiles {
    pub fn insert(&mut self, at: TileAt, hashes: &[u8]) {
        self.0.insert(at, hashes.chunks_exact(32).filter_map(Sha256::from_slice).collect());
    }

    /// Root of the complete subtree of `height` at `index`.
    fn node(&self, height: u32, index: u64) -> Option<Sha256> {
        let (level, rest) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let first = index << rest;
        let tile = self.0.get(&(level, first / TILE_WIDTH))?;
        let from = usize::try_from(first % TILE_WIDTH).ok()?;
        let mut hashes = tile.get(from..from + (1 << rest))?.to_vec();
        while hashes.len() > 1 {
            hashes = hashes.chunks(2).map(|p| node_hash(p[0], p[1])).collect();
        }
        hashes.first().copied()
    }
}

/// A hash in a proof: the root over leaves `lo..hi`, made of complete subtrees.
type Span = (u64, u64);

/// Largest power of two smaller than `n` (n ≥ 2).
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// The complete subtrees that make up `lo..hi`, left to right, as (height, index).
fn subtrees(mut lo: u64, hi: u64) -> Vec<(u32, u64)> {
    let mut out = Vec::new();
    while lo < hi {
        let aligned = if lo == 0 { 63 } else { lo.trailing_zeros() };
        let height = aligned.min(63 - (hi - lo).leading_zeros());
        out.push((height, lo >> height));
        lo += 1 << height;
    }
    out
}

/// RFC 6962 PATH(m, D[n]).
fn inclusion_spans(index: u64, size: u64) -> Vec<Span> {
    let (mut lo, mut hi, mut out) = (0, size, Vec::new());
    while hi - lo > 1 {
        let mid = lo + split(hi - lo);
        if index < mid {
            out.push((mid, hi));
            hi = mid;
        } else {
            out.push((lo, mid));
            lo = mid;
        }
    }
    out.reverse();
    out
}

/// RFC 6962 PROOF(m, D[n]).
fn consistency_spans(old: u64, new: u64) -> Vec<Span> {
    let (mut lo, mut hi, mut out) = (0, new, Vec::new());
    loop {
        if hi == old {
            if lo != 0 {
                out.push((lo, hi));
            }
            break;
        }
        let mid = lo + split(hi - lo);
        if old <= mid {
            out.push((mid, hi));
            hi = mid;
        } else {
            out.push((lo, mid));
            lo = mid;
        }
    }
    out.reverse();
    out
}

fn tiles_of(spans: &[Span]) -> BTreeSet<TileAt> {
    spans
        .iter()
        .flat_map(|&(lo, hi)| subtrees(lo, hi))
        .map(|(height, index)| {
            let first = index << (height % TILE_HEIGHT);
            (height / TILE_HEIGHT, first / TILE_WIDTH)
        })
        .collect()
}

fn hashes_of(spans: &[Span], tiles: &Tiles) -> Option<Vec<Sha256>> {
    spans
        .iter()
        .map(|&(lo, hi)| {
            let parts = subtrees(lo, hi).into_iter().map(|(h, i)| tiles.node(h, i)).collect::<Option<Vec<_>>>()?;
            parts.into_iter().rev().reduce(|right, left| node_hash(left, right))
        })
        .collect()
}

/// Which tiles an inclusion proof needs. `index < size`.
pub fn tiles_for_inclusion(index: u64, size: u64) -> BTreeSet<TileAt> {
    tiles_of(&inclusion_spans(index, size))
}

/// Which tiles a consistency proof needs. `0 < old <= new`.
pub fn tiles_for_consistency(old: u64, new: u64) -> BTreeSet<TileAt> {
    tiles_of(&consistency_spans(old, new))
}

/// The inclusion proof, leaf's sibling first. `None` when a tile is missing or short.
pub fn inclusion_proof(index: u64, size: u64, tiles: &Tiles) -> Option<Vec<Sha256>> {
    (index < size).then(|| hashes_of(&inclusion_spans(index, size), tiles))?
}

/// The proof that the tree of `old` leaves is a prefix of the tree of `new`.
pub fn consistency_proof(old: u64, new: u64, tiles: &Tiles) -> Option<Vec<Sha256>> {
    (0 < old && old <= new).then(|| hashes_of(&consistency_spans(old, new), tiles))?
}

/// RFC 9162 §2.1.3.2.
pub fn verify_inclusion(leaf: Sha256, index: u64, size: u64, proof: &[Sha256], root: Sha256) -> bool {
    if index >= size || proof.len() > PROOF_HASHES_MAX {
        return false;
    }
    let (mut fn_, mut sn, mut r) = (index, size - 1, leaf);
    for &p in proof {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            r = node_hash(p, r);
            if fn_ & 1 == 0 {
                while fn_ & 1 == 0 && fn_ != 0 {
                    fn_ >>= 1;
                    sn >>= 1;
                }
            }
        } else {
            r = node_hash(r, p);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && r == root
}

/// Whether the tree of `old` leaves is a prefix of that of `new` (RFC 9162 §2.1.4.2).
pub fn verify_consistency(old: u64, new: u64, proof: &[Sha256], old_root: Sha256, new_root: Sha256) -> bool {
    if old == 0 || old > new || proof.len() > PROOF_HASHES_MAX {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    let mut path = proof.iter().copied();
    let first = if old.is_power_of_two() { Some(old_root) } else { path.next() };
    let Some(first) = first else { return false };
    let (mut fn_, mut sn) = (old - 1, new - 1);
    while fn_ & 1 == 1 {
        fn_ >>= 1;
        sn >>= 1;
    }
    let (mut fr, mut sr) = (first, first);
    for c in path {
        if sn == 0 {
            return false;
        }
        if fn_ & 1 == 1 || fn_ == sn {
            fr = node_hash(c, fr);
            sr = node_hash(c, sr);
            while fn_ & 1 == 0 && fn_ != 0 {
                fn_ >>= 1;
                sn >>= 1;
            }
        } else {
            sr = node_hash(sr, c);
        }
        fn_ >>= 1;
        sn >>= 1;
    }
    sn == 0 && fr == old_root && sr == new_root
}

/// A tile's index and width as tlog-tiles writes them: `x001/x234/067` or `000.p/5`.
/// `None` for anything that is not the one canonical spelling.
pub fn parse_tile_path(path: &str) -> Option<(u64, Option<u64>)> {
    let (index, width) = match path.split_once(".p/") {
        Some((index, width)) => {
            let w: u64 = width.parse().ok()?;
            ((1..TILE_WIDTH).contains(&w) && w.to_string() == width).then_some(())?;
            (index, Some(w))
        }
        None => (path, None),
    };
    let mut n: u64 = 0;
    let parts: Vec<&str> = index.split('/').collect();
    for (i, part) in parts.iter().enumerate() {
        let digits = if i + 1 < parts.len() { part.strip_prefix('x')? } else { part };
        (digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
        n = n.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    (parts.len() == 1 || !parts[0].ends_with("000")).then_some((n, width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A tree grown leaf by leaf, with all its tiles.
    fn grow(size: u64) -> (Edge, Tiles, Vec<Sha256>) {
        let (mut edge, mut tiles, mut roots) = (Edge::default(), Tiles::default(), vec![empty_root()]);
        for i in 0..size {
            edge.push(leaf_hash(&i.to_be_bytes()), |height, index, hash| {
                if let Some(level) = tile_level(height) {
                    tiles.0.entry((level, index / TILE_WIDTH)).or_default().push(hash);
                }
            });
            roots.push(edge.root());
        }
        (edge, tiles, roots)
    }

    #[test]
    fn roots_equal_an_independent_implementation() {
        let mut other = ct_merkle::mem_backed_tree::MemoryBackedTree::<sha2::Sha256, [u8; 8]>::new();
        let (_, _, roots) = grow(600);
        for i in 0..600u64 {
            other.push(i.to_be_bytes());
            let theirs = other.root();
            assert_eq!(roots[i as usize + 1].bytes()[..], theirs.as_bytes()[..], "size {}", i + 1);
        }
    }

    #[test]
    fn every_proof_of_small_trees_verifies_and_no_other() {
        let (_, tiles, roots) = grow(70);
        for size in 1..=70u64 {
            for index in 0..size {
                let proof = inclusion_proof(index, size, &tiles).unwrap();
                let leaf = leaf_hash(&index.to_be_bytes());
                let root = roots[size as usize];
                assert!(verify_inclusion(leaf, index, size, &proof, root));
                assert!(!verify_inclusion(leaf, index ^ 1, size, &proof, root) || size == 1);
                assert!(!verify_inclusion(leaf_hash(b"x"), index, size, &proof, root));
            }
            for old in 1..=size {
                let proof = consistency_proof(old, size, &tiles).unwrap();
                let (a, b) = (roots[old as usize], roots[size as usize]);
                assert!(verify_consistency(old, size, &proof, a, b), "{old} {size}");
                assert!(!verify_consistency(old, size, &proof, b, a) || old == size);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn proofs_across_tiles(size in 257u64..1_500, a in 0u64..1_500, flip in 0usize..4_000) {
            let (edge, tiles, roots) = grow(size);
            let index = a % size;
            let proof = inclusion_proof(index, size, &tiles).unwrap();
            let leaf = leaf_hash(&index.to_be_bytes());
            prop_assert!(verify_inclusion(leaf, index, size, &proof, edge.root()));
            let mut bent: Vec<[u8; 32]> = proof.iter().map(|h| *h.bytes()).collect();
            let at = flip % (bent.len() * 32);
            bent[at / 32][at % 32] ^= 1;
            let bent: Vec<_> = bent.into_iter().map(Sha256::from_bytes).collect();
            prop_assert!(!verify_inclusion(leaf, index, size, &bent, edge.root()));
            let old = index + 1;
            let proof = consistency_proof(old, size, &tiles).unwrap();
            prop_assert!(verify_consistency(old, size, &proof, roots[old as usize], edge.root()));
            let again = Edge::from_parts(size, &edge.to_bytes()).unwrap();
            prop_assert_eq!(again.root(), edge.root());
        }
    }

    #[test]
    fn tile_paths_have_one_spelling() {
        assert_eq!(parse_tile_path("x001/x234/067"), Some((1_234_067, None)));
        assert_eq!(parse_tile_path("000.p/5"), Some((0, Some(5))));
        for wrong in ["0", "x000/001", "001/002", "000.p/0", "000.p/256", "000.p/05", "x001/234/", "-01"] {
            assert_eq!(parse_tile_path(wrong), None, "{wrong}");
        }
    }
}
