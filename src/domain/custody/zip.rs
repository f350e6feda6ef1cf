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

/// The pieces of the ZIP file, in order.
pub fn layout<S>(members: Vec<Member<S>>) -> Vec<Piece<S>> {
    let (mut pieces, mut central, mut offset) = (Vec::new(), Vec::new(), 0u64);
    let count = members.len() as u64;
    for m in members {
        let big = m.size >= BIG;
        let shown = if big { BIG } else { m.size };
        let version = if big { 45 } else { 20 };
        let sizes = if big { vec![m.size; 2] } else { Vec::new() };
        let extra = zip64(&sizes);
        let mut header = b"PK\x03\x04".to_vec();
        header.extend(common(&m, shown, version));
        header.extend(length(extra.len()));
        header.extend(m.name.as_bytes());
        header.extend(extra);

        let far = offset >= BIG;
        let mut numbers = sizes;
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

/// Bytes at the end of a ZIP file among which its directory's place is looked for: the longest comment, and the records before it.
pub const TAIL_BYTES: u64 = 66_000;

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(bytes.get(at..at.checked_add(N)?)?);
    Some(u64::from_le_bytes(wide))
}

/// Reads the end of a ZIP file. `None` when it is none.
pub fn directory(tail: &[u8]) -> Option<Directory> {
    let end = tail.len().checked_sub(22)?;
    let end = (0..=end).rev().find(|at| tail[*at..].starts_with(b"PK\x05\x06"))?;
    let far = end.checked_sub(20).filter(|at| tail[*at..].starts_with(b"PK\x06\x07")).and_then(|at| at.checked_sub(56));
    match far {
        Some(far) if tail[far..].starts_with(b"PK\x06\x06") => Some(Directory {
            count: number::<8>(tail, far + 32)?,
            size: number::<8>(tail, far + 40)?,
            offset: number::<8>(tail, far + 48)?,
        }),
        _ => Some(Directory {
            count: number::<2>(tail, end + 10)?,
            size: number::<4>(tail, end + 12)?,
            offset: number::<4>(tail, end + 16)?,
        }),
    }
}

/// A member as the directory tells it.
pub struct Listed {
    pub name: String,
    pub size: u64,
    /// Where its own header begins.
    pub header: u64,
}

impl Directory {
    /// The members, all of them stored; `None` when it is not one, when something is compressed, or when there is more in it than it says.
    pub fn members(&self, central: &[u8]) -> Option<Vec<Listed>> {
        let (mut at, mut all) = (0, Vec::new());
        for _ in 0..self.count {
            let method = number::<2>(central, at + 10)?;
            if !central.get(at..)?.starts_with(b"PK\x01\x02") || method != 0 {
                return None;
            }
            let field = |from| Some(usize::try_from(number::<2>(central, from)?).unwrap_or(0));
            let (name_end, extra, comment) = (at + 46 + field(at + 28)?, field(at + 30)?, field(at + 32)?);
            let name = std::str::from_utf8(central.get(at + 46..name_end)?).ok()?.to_owned();
            let (mut size, mut header) = (number::<4>(central, at + 24)?, number::<4>(central, at + 42)?);
            let mut x = name_end;
            while x + 4 <= name_end + extra {
                if number::<2>(central, x)? == 1 {
                    let mut far = x + 4;
                    if size == BIG {
                        size = number::<8>(central, far)?;
                        far += 16;
                    }
                    if header == BIG {
                        header = number::<8>(central, far)?;
                    }
                }
                x += 4 + field(x + 2)?;
            }
            all.push(Listed { name, size, header });
            at = name_end + extra + comment;
        }
        (at == central.len()).then_some(all)
    }
}

/// Length of a member's own header, when it is the one of this name: what another reader would take it for.
pub const fn header_bytes(name: usize) -> usize {
    30 + name + HEADER_EXTRA_MAX
}

const HEADER_EXTRA_MAX: usize = 64;

/// Where the bytes behind a member's own header begin, when it tells the same as the directory.
pub fn data_start(header: &[u8], listed: &Listed) -> Option<u64> {
    let (name, extra) = (number::<2>(header, 26)?, number::<2>(header, 28)?);
    let name_end = 30 + usize::try_from(name).ok()?;
    let same = header.starts_with(b"PK\x03\x04") && header.get(30..name_end)? == listed.name.as_bytes() && number::<2>(header, 8)? == 0;
    same.then_some(listed.header + 30 + name + extra)
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
        let found = directory(&zip).unwrap();
        let central = &zip[found.offset as usize..(found.offset + found.size) as usize];
        for (listed, (name, bytes)) in found.members(central).unwrap().iter().zip(files) {
            let header = &zip[listed.header as usize..];
            let start = data_start(&header[..header_bytes(name.len()).min(header.len())], listed).unwrap() as usize;
            assert_eq!((listed.name.as_str(), &zip[start..start + listed.size as usize]), (name, bytes));
        }
        // Cut anywhere, or changed anywhere in its directory, it is none, or another, and nothing panics.
        for cut in 0..zip.len() {
            let _ = directory(&zip[..cut]).map(|d| d.members(&zip[..cut]).is_some());
        }
        let from = found.offset as usize;
        for at in from..zip.len() {
            let mut other = zip.clone();
            other[at] ^= 0xff;
            let _ = directory(&other).map(|d| d.members(central).is_some());
            let _ = found.members(&other[from..from + found.size as usize]).map(|all| all.len());
        }
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
