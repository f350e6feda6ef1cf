//! A ZIP file laid out without being written (APPNOTE 6.3.10): stored members in order, ZIP64 where something is too large for
//! less. Since every size and CRC-32 is known, the length of the whole is, and any range of it can be sent again.

/// One file.
pub struct Member<S> {
    /// Path inside, with `/`.
    pub name: String,
    pub size: u64,
    pub crc32: u32,
    /// Where its bytes are.
    pub source: S,
}

/// A stretch of the ZIP file.
pub enum Piece<S> {
    Bytes(Vec<u8>),
    Member { source: S, size: u64 },
}

impl<S> Piece<S> {
    pub const fn len(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Member { size, .. } => *size,
        }
    }
}

/// What fits into 32 bits, and what says that the ZIP64 field has it.
const BIG: u64 = 0xffff_ffff;
/// 1 January 1980, 00:00: the times that count stand in the custody log.
const DATE: [u8; 4] = [0, 0, 0x21, 0];
/// Names are UTF-8.
const FLAGS: u16 = 0x0800;

fn short(n: u64) -> [u8; 4] {
    u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes()
}

fn length(n: usize) -> [u8; 2] {
    u16::try_from(n).unwrap_or(u16::MAX).to_le_bytes()
}

/// Tag 1, then these numbers; nothing when there are none.
fn zip64(numbers: &[u64]) -> Vec<u8> {
    if numbers.is_empty() {
        return Vec::new();
    }
    let mut extra = vec![1, 0];
    extra.extend(length(numbers.len() * 8));
    extra.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
    extra
}

/// The fields that a member's two headers share: version, flags, method, time, CRC-32, both sizes, length of the name.
fn common<S>(m: &Member<S>, size: u64, version: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(version.to_le_bytes());
    bytes.extend(FLAGS.to_le_bytes());
    bytes.extend([0, 0]);
    bytes.extend(DATE);
    bytes.extend(m.crc32.to_le_bytes());
    bytes.extend([short(size), short(size)].concat());
    bytes.extend(length(m.name.len()));
    bytes
}

/// What stands before a member's bytes.
fn header<S>(m: &Member<S>) -> Vec<u8> {
    let big = m.size >= BIG;
    let extra = zip64(&if big { vec![m.size; 2] } else { Vec::new() });
    let mut header = b"PK\x03\x04".to_vec();
    header.extend(common(m, if big { BIG } else { m.size }, if big { 45 } else { 20 }));
    header.extend(length(extra.len()));
    header.extend(m.name.as_bytes());
    header.extend(extra);
    header
}

/// The pieces of the ZIP file, in order.
pub fn layout<S>(members: Vec<Member<S>>) -> Vec<Piece<S>> {
    let (mut pieces, mut central, mut offset) = (Vec::new(), Vec::new(), 0u64);
    let count = members.len() as u64;
    for m in members {
        let big = m.size >= BIG;
        let shown = if big { BIG } else { m.size };
        let header = header(&m);
        let far = offset >= BIG;
        let mut numbers = if big { vec![m.size; 2] } else { Vec::new() };
        numbers.extend(far.then_some(offset));
        let extra = zip64(&numbers);
        central.extend(b"PK\x01\x02");
        // Made on UNIX, by version 4.5.
        central.extend([45, 3]);
        central.extend(common(&m, shown, if big || far { 45 } else { 20 }));
        central.extend(length(extra.len()));
        // No comment, first disk, no internal attributes; a plain file that everybody may read.
        central.extend([0; 6]);
        central.extend((0o100_644u32 << 16).to_le_bytes());
        central.extend(short(if far { BIG } else { offset }));
        central.extend(m.name.as_bytes());
        central.extend(extra);

        offset += header.len() as u64 + m.size;
        pieces.push(Piece::Bytes(header));
        pieces.push(Piece::Member { source: m.source, size: m.size });
    }
    let size = central.len() as u64;
    let mut end = central;
    if count >= 0xffff || offset >= BIG || size >= BIG {
        let at = offset + size;
        end.extend(b"PK\x06\x06");
        end.extend(44u64.to_le_bytes());
        end.extend([45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        end.extend([count, count, size, offset].iter().flat_map(|n| n.to_le_bytes()));
        end.extend(b"PK\x06\x07\0\0\0\0");
        end.extend(at.to_le_bytes());
        end.extend(1u32.to_le_bytes());
    }
    end.extend(b"PK\x05\x06\0\0\0\0");
    let count = u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
    end.extend([count, count].concat());
    end.extend([short(size), short(offset)].concat());
    end.extend([0, 0]);
    pieces.push(Piece::Bytes(end));
    pieces
}

/// Where the central directory lies, and how many members it names.
pub struct Directory {
    pub offset: u64,
    pub size: u64,
    count: u64,
}

/// Bytes at the end of a ZIP file: the records behind its directory.
pub const TAIL_BYTES: u64 = 22 + 20 + 56;

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(bytes.get(at..at.checked_add(N)?)?);
    Some(u64::from_le_bytes(wide))
}

/// Reads the end of a ZIP file of `length` bytes as [`layout`] makes it: the end record is the end, and nothing lies between it and the
/// directory. `None` when it is another: readers of ZIP files differ, and what one of them would take for something else is not judged.
pub fn directory(tail: &[u8], length: u64) -> Option<Directory> {
    let end = tail.len().checked_sub(22).filter(|at| tail[*at..].starts_with(b"PK\x05\x06"))?;
    let base = length.checked_sub(tail.len() as u64)?;
    let (found, behind) = match end.checked_sub(20).filter(|at| tail[*at..].starts_with(b"PK\x06\x07")) {
        Some(locator) => {
            let far = locator.checked_sub(56).filter(|at| tail[*at..].starts_with(b"PK\x06\x06"))?;
            let wide = |at| number::<8>(tail, far + at);
            (Directory { count: wide(32)?, size: wide(40)?, offset: wide(48)? }, far)
        }
        None => {
            let (count, size, offset) = (number::<2>(tail, end + 10)?, number::<4>(tail, end + 12)?, number::<4>(tail, end + 16)?);
            (Directory { count, size, offset }, end)
        }
    };
    (found.offset.checked_add(found.size)? == base + behind as u64).then_some(found)
}

/// A member as the directory tells it.
pub struct Listed {
    pub name: String,
    pub size: u64,
    /// Where its own header begins.
    pub header: u64,
    crc32: u32,
}

impl Directory {
    /// The members, of everything from the directory to the end of the file. `None` unless [`layout`] would write the very same.
    pub fn members(&self, ending: &[u8]) -> Option<Vec<Listed>> {
        let central = ending.get(..usize::try_from(self.size).ok()?)?;
        let (mut at, mut all) = (0usize, Vec::new());
        for _ in 0..self.count {
            let fixed = central.get(at..at.checked_add(46)?)?;
            let length = |from| Some(usize::try_from(number::<2>(fixed, from)?).unwrap_or(0));
            let name_end = at + 46 + length(28)?;
            let end = name_end + length(30)?;
            let name = std::str::from_utf8(central.get(at + 46..name_end)?).ok()?.to_owned();
            let mut far = wide(central.get(name_end..end)?)?.into_iter();
            let size = number::<4>(fixed, 24)?;
            let size = if size == BIG { far.next()? } else { size };
            all.push(Listed { name, size, header: 0, crc32: u32::try_from(number::<4>(fixed, 16)?).ok()? });
            at = end;
        }
        let mut next = 0u64;
        for listed in &mut all {
            listed.header = next;
            next = listed.start()?.checked_add(listed.size)?;
        }
        let member = |l: &Listed| Member { name: l.name.clone(), size: l.size, crc32: l.crc32, source: () };
        let Some(Piece::Bytes(again)) = layout(all.iter().map(member).collect()).pop() else { return None };
        (again == ending && next == self.offset).then_some(all)
    }
}

/// The numbers of the one extra field that [`layout`] writes.
fn wide(extra: &[u8]) -> Option<Vec<u64>> {
    if extra.is_empty() {
        return Some(Vec::new());
    }
    let length = usize::try_from(number::<2>(extra, 2)?).ok()?;
    (number::<2>(extra, 0)? == 1 && length + 4 == extra.len() && length % 8 == 0)
        .then(|| (0..length / 8).filter_map(|n| number::<8>(extra, 4 + n * 8)).collect())
}

impl Listed {
    /// The member's own header as [`layout`] writes it; whatever else stands there, another reader may take for another file.
    pub fn header_bytes(&self) -> Vec<u8> {
        header(&Member { name: self.name.clone(), size: self.size, crc32: self.crc32, source: () })
    }

    /// Where its bytes begin.
    pub fn start(&self) -> Option<u64> {
        self.header.checked_add(self.header_bytes().len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use super::*;

    fn written(members: Vec<Member<Vec<u8>>>) -> Vec<u8> {
        let mut out = Vec::new();
        for piece in layout(members) {
            match piece {
                Piece::Bytes(bytes) => out.extend(bytes),
                Piece::Member { source, .. } => out.extend(source),
            }
        }
        out
    }

    fn member(name: &str, bytes: &[u8]) -> Member<Vec<u8>> {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        Member { name: name.into(), size: bytes.len() as u64, crc32: crc.sum(), source: bytes.to_vec() }
    }

    #[test]
    fn another_reader_reads_it() {
        let files = [("a/bagit.txt", &b"BagIt"[..]), ("a/data/é 100%.jpg", &[7; 5000]), ("a/empty", b"")];
        let zip = written(files.iter().map(|(n, b)| member(n, b)).collect());
        let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
        assert_eq!(archive.len(), 3);
        for (name, bytes) in files {
            let mut found = Vec::new();
            archive.by_name(name).unwrap().read_to_end(&mut found).unwrap();
            assert_eq!(found, bytes, "{name}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let files = [("a/bagit.txt", &b"BagIt"[..]), ("a/data/\u{e9} 100%.jpg", &[7; 5000]), ("a/empty", b"")];
        let zip = written(files.iter().map(|(n, b)| member(n, b)).collect());
        let read = |zip: &[u8]| {
            let tail = &zip[zip.len().saturating_sub(TAIL_BYTES as usize)..];
            let found = directory(tail, zip.len() as u64)?;
            let mut all = Vec::new();
            for listed in found.members(zip.get(usize::try_from(found.offset).ok()?..)?)? {
                let (header, start) = (usize::try_from(listed.header).ok()?, usize::try_from(listed.start()?).ok()?);
                (zip.get(header..start)? == listed.header_bytes()).then_some(())?;
                all.push((listed.name, zip.get(start..start + usize::try_from(listed.size).ok()?)?.to_vec()));
            }
            Some(all)
        };
        let expected: Vec<_> = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        assert_eq!(read(&zip), Some(expected.clone()));
        // Cut anywhere it is none; changed in any byte it is none, or says that something in it has another name, sum or content.
        for cut in 0..zip.len() {
            assert_eq!(read(&zip[..cut]), None, "cut at {cut}");
        }
        for at in 0..zip.len() {
            let mut other = zip.clone();
            other[at] ^= 0x01;
            assert_ne!(read(&other), Some(expected.clone()), "byte {at}");
        }
        assert_eq!(read(&[&zip[..], b"x"].concat()), None);
        assert_eq!(read(&[b"x", &zip[..]].concat()), None);
    }

    #[test]
    fn many_and_large_members_are_zip64() {
        let zip = written((0..70_000).map(|n| member(&format!("{n}"), b"x")).collect());
        assert_eq!(zip::ZipArchive::new(Cursor::new(zip)).unwrap().len(), 70_000);
        // Sizes beyond 32 bits: the headers say so, without anybody writing eight gigabytes.
        let large = |name: &str| Member { name: name.into(), size: 5_000_000_000, crc32: 1, source: () };
        let pieces = layout(vec![large("a"), large("b")]);
        let total: u64 = pieces.iter().map(Piece::len).sum();
        assert!(total > 10_000_000_000);
        let Some(Piece::Bytes(end)) = pieces.last() else { panic!() };
        assert!(end.windows(4).any(|w| w == b"PK\x06\x06") && end.windows(8).any(|w| w == 5_000_000_000u64.to_le_bytes()));
    }
}
