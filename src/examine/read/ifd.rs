//! A second reader of EXIF's directories (TIFF 6.0, Exif 2.32), beside kamadak-exif: small, and indifferent to what is bent
//! around the few fields that time, place and device need. What the first reader misses it supplies; where the two
//! disagree, that is told.

use std::collections::HashSet;

/// Directories that are followed; a picture has five.
const DIRECTORIES_MAX: usize = 32;
const ENTRIES_MAX: u16 = 1_000;
const VALUE_BYTES_MAX: usize = 64 << 10;
/// Of all values together: they may lie over one another.
const VALUES_BYTES_MAX: usize = 2 << 20;

/// Which directory a field stands in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ifd {
    Main,
    Exif,
    Gps,
    Thumbnail,
    /// Of a raw file: the larger pictures in it.
    Sub,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    Text(Vec<u8>),
    /// Numerators and denominators; whole numbers have 1 below.
    Numbers(Vec<(i64, i64)>),
}

#[derive(Clone, PartialEq, Debug)]
pub struct Field {
    pub ifd: Ifd,
    pub tag: u16,
    pub value: Value,
}

struct Tiff<'a> {
    data: &'a [u8],
    little: bool,
}

impl Tiff<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        let b = self.data.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.little { u16::from_le_bytes(b) } else { u16::from_be_bytes(b) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let b = self.data.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) })
    }
}

/// How many bytes the values of all directories declare together, as a reader that copies each would take.
pub fn declared(data: &[u8]) -> u64 {
    let little = match data.get(..2) {
        Some(b"II") => true,
        Some(b"MM") => false,
        _ => return 0,
    };
    let tiff = Tiff { data, little };
    let (mut total, mut seen) = (0u64, HashSet::new());
    let mut waiting: Vec<usize> = tiff.u32(4).map(|at| at as usize).into_iter().collect();
    while let Some(at) = waiting.pop() {
        if seen.len() >= DIRECTORIES_MAX || !seen.insert(at) {
            continue;
        }
        let Some(count) = tiff.u16(at) else { continue };
        for n in 0..usize::from(count) {
            let entry = at + 2 + n * 12;
            let (Some(tag), Some(kind), Some(values), Some(offset)) =
                (tiff.u16(entry), tiff.u16(entry + 2), tiff.u32(entry + 4), tiff.u32(entry + 8))
            else {
                break;
            };
            let each = match kind {
                3 | 8 => 2,
                4 | 9 | 11 | 13 => 4,
                5 | 10 | 12 => 8,
                _ => 1,
            };
            let bytes = u64::from(values) * each;
            // (What leads past the block is copied by nobody.)
            if bytes <= data.len() as u64 {
                total += bytes;
            }
            if matches!(tag, 0x8769 | 0x8825 | 0xa005 | 0x014a) {
                waiting.push(offset as usize);
            }
        }
        waiting.extend(tiff.u32(at + 2 + usize::from(count) * 12).map(|next| next as usize).filter(|next| *next > 0));
    }
    total
}

/// Every field of the directories that matter, in the file's order.
pub fn fields(data: &[u8]) -> Vec<Field> {
    let little = match data.get(..2) {
        Some(b"II") => true,
        Some(b"MM") => false,
        _ => return Vec::new(),
    };
    let tiff = Tiff { data, little };
    let mut out = Vec::new();
    let (mut seen, mut total) = (HashSet::new(), 0);
    let mut waiting: Vec<(Ifd, usize)> = tiff.u32(4).map(|at| (Ifd::Main, at as usize)).into_iter().collect();
    while let Some((ifd, at)) = waiting.pop() {
        if seen.len() >= DIRECTORIES_MAX || !seen.insert(at) {
            continue;
        }
        let Some(count) = tiff.u16(at) else { continue };
        for n in 0..count.min(ENTRIES_MAX) {
            let Some((tag, value)) = entry(&tiff, at + 2 + usize::from(n) * 12) else { continue };
            total += match &value {
                Value::Text(bytes) => bytes.len(),
                Value::Numbers(numbers) => 16 * numbers.len(),
            };
            if total > VALUES_BYTES_MAX {
                return out;
            }
            if let Value::Numbers(numbers) = &value {
                let to = |ifd| numbers.iter().take(8).filter_map(move |(n, _)| Some((ifd, usize::try_from(*n).ok()?)));
                match (ifd, tag) {
                    (Ifd::Main | Ifd::Sub, 0x8769) => waiting.extend(to(Ifd::Exif)),
                    (Ifd::Main | Ifd::Exif, 0x8825) => waiting.extend(to(Ifd::Gps)),
                    (Ifd::Main, 0x014a) => waiting.extend(to(Ifd::Sub)),
                    _ => {}
                }
            }
            out.push(Field { ifd, tag, value });
        }
        if ifd == Ifd::Main
            && let Some(next) = tiff.u32(at + 2 + usize::from(count) * 12).filter(|next| *next > 0)
        {
            waiting.insert(0, (Ifd::Thumbnail, next as usize));
        }
    }
    out
}

fn entry(tiff: &Tiff<'_>, at: usize) -> Option<(u16, Value)> {
    let (tag, kind, count) = (tiff.u16(at)?, tiff.u16(at + 2)?, tiff.u32(at + 4)? as usize);
    let size = match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 => 8,
        _ => return None,
    };
    let length = count.checked_mul(size).filter(|l| *l <= VALUE_BYTES_MAX)?;
    let start = if length <= 4 { at + 8 } else { tiff.u32(at + 8)? as usize };
    let end = start.checked_add(length)?;
    // A text may be cut off by the block's end.
    let bytes = tiff.data.get(start..if kind == 2 { end.min(tiff.data.len()) } else { end })?;
    let many = |n: usize, read: &dyn Fn(usize) -> Option<(i64, i64)>| (0..n).map(|i| read(start + i * size)).collect::<Option<Vec<_>>>();
    let value = match kind {
        2 | 7 => Value::Text(bytes.to_vec()),
        1 => Value::Numbers(bytes.iter().map(|b| (i64::from(*b), 1)).collect()),
        6 => Value::Numbers(bytes.iter().map(|b| (i64::from(b.cast_signed()), 1)).collect()),
        3 => Value::Numbers(many(count, &|at| Some((i64::from(tiff.u16(at)?), 1)))?),
        8 => Value::Numbers(many(count, &|at| Some((i64::from(tiff.u16(at)?.cast_signed()), 1)))?),
        4 | 13 => Value::Numbers(many(count, &|at| Some((i64::from(tiff.u32(at)?), 1)))?),
        9 => Value::Numbers(many(count, &|at| Some((i64::from(tiff.u32(at)?.cast_signed()), 1)))?),
        5 => Value::Numbers(many(count, &|at| Some((i64::from(tiff.u32(at)?), i64::from(tiff.u32(at + 4)?))))?),
        10 => {
            Value::Numbers(many(count, &|at| Some((i64::from(tiff.u32(at)?.cast_signed()), i64::from(tiff.u32(at + 4)?.cast_signed()))))?)
        }
        _ => return None,
    };
    Some((tag, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with one orientation, then one that points back to itself.
    #[test]
    fn reads_fields_and_never_walks_in_circles() {
        let tiff = b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\x69\x87\x0d\0\x01\0\0\0\x08\0\0\0\x08\0\0\0";
        let read = fields(tiff);
        assert_eq!(read[0], Field { ifd: Ifd::Main, tag: 0x112, value: Value::Numbers(vec![(6, 1)]) });
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn nonsense_is_nothing() {
        for bytes in [&b""[..], b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"XX*\0\x08\0\0\0"] {
            assert!(fields(bytes).is_empty());
        }
    }
}
