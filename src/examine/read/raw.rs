//! TIFF and what cameras build on it: DNG, NEF, CR2, ARW and their like, CR3, RAF. Their pictures are not developed here: the
//! camera's own preview inside is shown, and called that.

use super::boxes::Boxes;
use super::exif::Fields;
use super::ifd::{self, Field, Ifd, Value};
use crate::domain::capture::Shape;

/// Bytes of a preview; the largest real ones are full-size JPEGs.
const PREVIEW_BYTES_MAX: usize = 64 << 20;
/// The `uuid` box in which Canon keeps its metadata.
const CANON: [u8; 16] = [0x85, 0xc0, 0xb6, 0x87, 0x82, 0x0f, 0x11, 0xe0, 0x81, 0x11, 0xf4, 0xce, 0x46, 0x2b, 0x6a, 0x48];

#[derive(Default)]
pub struct Blocks {
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
    pub shape: Shape,
    pub credentials: bool,
}

/// Whether this is a camera's raw file.
pub fn is_raw(media_type: &str) -> bool {
    media_type.starts_with("image/x-") && media_type != "image/x-icon"
}

/// The metadata of a TIFF or raw file.
pub fn blocks(bytes: &[u8], media_type: &str) -> Blocks {
    match media_type {
        "image/x-canon-cr3" => Blocks { exif: canon(bytes), ..Blocks::default() },
        "image/x-fuji-raf" => {
            Blocks { exif: inner_jpeg(bytes).and_then(|j| super::jpeg::parts(j).exif).map(<[u8]>::to_vec), ..Blocks::default() }
        }
        _ if bytes.starts_with(b"II") || bytes.starts_with(b"MM") => {
            let read = ifd::fields(bytes);
            let main = |tag| read.iter().find(|f| f.ifd == Ifd::Main && f.tag == tag);
            let side = |tag| match main(tag).map(|f| &f.value) {
                Some(Value::Numbers(n)) => n.first().and_then(|(n, _)| u32::try_from(*n).ok()),
                _ => None,
            };
            let xmp = main(0x2bc).map(|f| match &f.value {
                Value::Text(t) => t.clone(),
                Value::Numbers(n) => n.iter().filter_map(|(b, _)| u8::try_from(*b).ok()).collect(),
            });
            Blocks {
                exif: Some(bytes.to_vec()),
                xmp,
                shape: Shape { width: side(0x100), height: side(0x101), ..Shape::default() },
                credentials: has_tag(bytes, 0xcd41),
            }
        }
        _ => Blocks::default(),
    }
}

/// Whether its chain of directories ends before long.
pub fn modest(bytes: &[u8]) -> bool {
    const DIRECTORIES_MAX: usize = 1_000;
    let little = bytes.starts_with(b"II");
    let number = |at: usize, n: usize| {
        let b = bytes.get(at..at.checked_add(n)?)?;
        let digits = b.iter().map(|b| usize::from(*b));
        Some(if little { digits.rev().fold(0, |v, b| v << 8 | b) } else { digits.fold(0, |v, b| v << 8 | b) })
    };
    let mut next = number(4, 4);
    for _ in 0..DIRECTORIES_MAX {
        match next {
            None | Some(0) => return true,
            Some(at) => next = number(at, 2).and_then(|count| number(at + 2 + count * 12, 4)),
        }
    }
    false
}

/// Whether the main directory has a field, however long what it points to.
fn has_tag(bytes: &[u8], tag: u16) -> bool {
    let little = bytes.starts_with(b"II");
    let u16_at =
        |at: usize| bytes.get(at..at + 2).map(|b| if little { u16::from_le_bytes([b[0], b[1]]) } else { u16::from_be_bytes([b[0], b[1]]) });
    let u32_at = |at: usize| {
        u16_at(at)
            .zip(u16_at(at + 2))
            .map(|(a, b)| if little { u32::from(a) | u32::from(b) << 16 } else { u32::from(a) << 16 | u32::from(b) })
    };
    let Some(at) = u32_at(4).map(|at| at as usize).filter(|at| *at < bytes.len()) else { return false };
    let count = usize::from(u16_at(at).unwrap_or(0));
    (0..count).any(|n| u16_at(at + 2 + n * 12) == Some(tag))
}

/// Canon's CR3: TIFF blocks `CMT1` (main), `CMT2` (Exif) and `CMT4` (GPS). They are put together as one that a reader understands.
fn canon(bytes: &[u8]) -> Option<Vec<u8>> {
    let moov = Boxes(bytes).take(64).find(|(kind, _)| kind == b"moov")?.1;
    let (_, body) = Boxes(moov).take(64).find(|(kind, body)| kind == b"uuid" && body.starts_with(&CANON))?;
    let block = |name: &[u8; 4]| Boxes(body.get(16..)?).take(64).find(|(kind, _)| kind == name).map(|(_, b)| b);
    let mut all = Vec::new();
    for (name, ifd) in [(b"CMT1", Ifd::Main), (b"CMT2", Ifd::Exif), (b"CMT4", Ifd::Gps)] {
        all.extend(block(name).map(ifd::fields).unwrap_or_default().into_iter().filter(|f| f.ifd == Ifd::Main).map(|f| Field { ifd, ..f }));
    }
    (!all.is_empty()).then(|| written(&all))
}

/// Fields as a TIFF block.
pub(super) fn written(all: &[Field]) -> Vec<u8> {
    let of = |ifd: Ifd| all.iter().filter(|f| f.ifd == ifd && !matches!(f.tag, 0x8769 | 0x8825)).collect::<Vec<_>>();
    let (main, exif, gps) = (of(Ifd::Main), of(Ifd::Exif), of(Ifd::Gps));
    let size = |n: usize| 6 + 12 * n;
    let at_exif = 8 + size(main.len() + 2);
    let at_gps = at_exif + size(exif.len());
    let mut data_at = at_gps + size(gps.len());
    let (mut out, mut data) = (b"II*\0\x08\0\0\0".to_vec(), Vec::new());
    let short = |n: usize| u16::try_from(n).unwrap_or(0).to_le_bytes();
    let long = |n: usize| u32::try_from(n).unwrap_or(0).to_le_bytes();
    for (list, pointers) in [(&main, vec![(0x8769u16, at_exif), (0x8825, at_gps)]), (&exif, vec![]), (&gps, vec![])] {
        out.extend(short(list.len() + pointers.len()));
        for f in list {
            let (kind, count, bytes) = match &f.value {
                Value::Text(t) => (2usize, t.len(), t.clone()),
                Value::Numbers(n) if n.iter().all(|(_, d)| *d == 1) => {
                    (4, n.len(), n.iter().flat_map(|(n, _)| u32::try_from(*n).unwrap_or(0).to_le_bytes()).collect())
                }
                Value::Numbers(n) => {
                    (5, n.len(), n.iter().flat_map(|(n, d)| [*n, *d]).flat_map(|v| u32::try_from(v).unwrap_or(0).to_le_bytes()).collect())
                }
            };
            out.extend(f.tag.to_le_bytes());
            out.extend(short(kind));
            out.extend(long(count));
            if bytes.len() <= 4 {
                out.extend(bytes.iter().copied().chain([0; 4]).take(4));
            } else {
                out.extend(long(data_at));
                data_at += bytes.len();
                data.extend(bytes);
            }
        }
        for (tag, at) in pointers {
            out.extend(tag.to_le_bytes());
            out.extend(short(4));
            out.extend(long(1));
            out.extend(long(at));
        }
        out.extend([0; 4]);
    }
    out.extend(data);
    out
}

/// Fuji's RAF: a JPEG whose place the header tells.
fn inner_jpeg(bytes: &[u8]) -> Option<&[u8]> {
    let number = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    let (at, length) = (number(84)? as usize, number(88)? as usize);
    bytes.get(at..at.checked_add(length)?)
}

/// The largest JPEG that a raw file holds for showing.
pub fn preview<'a>(bytes: &'a [u8], media_type: &str) -> Option<&'a [u8]> {
    match media_type {
        "image/x-fuji-raf" => inner_jpeg(bytes),
        // In `mdat` the full-size picture comes first.
        "image/x-canon-cr3" => {
            let full =
                Boxes(bytes).take(64).find(|(kind, body)| kind == b"mdat" && body.starts_with(b"\xff\xd8\xff")).map(|(_, body)| body);
            // A smaller one stands in a box of its own.
            let smaller = || {
                let (_, body) = Boxes(bytes).take(64).find(|(kind, b)| kind == b"uuid" && b.windows(4).take(64).any(|w| w == b"PRVW"))?;
                body.windows(3).take(256).position(|w| w == b"\xff\xd8\xff").map(|at| &body[at..])
            };
            full.or_else(smaller).map(|jpeg| &jpeg[..jpeg.len().min(PREVIEW_BYTES_MAX)])
        }
        _ => {
            let read = ifd::fields(bytes);
            let number = |f: &Field| match &f.value {
                Value::Numbers(n) if n.len() == 1 => usize::try_from(n[0].0).ok(),
                _ => None,
            };
            // Where and how long, as neighbours in the same directory.
            let pairs = [(0x201, 0x202), (0x111, 0x117)];
            let starts =
                read.iter().enumerate().flat_map(|(n, f)| pairs.iter().filter(move |(at, _)| f.tag == *at).map(move |(_, len)| (n, *len)));
            starts
                .filter_map(|(n, length_tag)| {
                    let length = read[n..].iter().take(40).find(|f| f.tag == length_tag && f.ifd == read[n].ifd).and_then(number)?;
                    let at = number(&read[n])?;
                    bytes.get(at..at.checked_add(length)?)
                })
                .filter(|jpeg| jpeg.starts_with(b"\xff\xd8\xff") && jpeg.len() <= PREVIEW_BYTES_MAX && decodes(jpeg))
                .max_by_key(|jpeg| jpeg.len())
        }
    }
}

/// Baseline or progressive: the sensor's own data are lossless JPEG, which shows nothing.
fn decodes(jpeg: &[u8]) -> bool {
    !jpeg.windows(2).take(4_096).any(|w| w == [0xff, 0xc3])
}

/// The small picture that EXIF keeps in its second directory.
pub fn thumbnail(fields: &Fields, block: &[u8]) -> Option<Vec<u8>> {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let number = |tag| fields.number(Ifd::Thumbnail, tag).filter(|n| *n >= 0.0 && n.fract() == 0.0).map(|n| n as usize);
    let (at, length) = (number(0x201)?, number(0x202)?);
    block.get(at..at.checked_add(length)?.min(block.len())).filter(|jpeg| jpeg.starts_with(b"\xff\xd8")).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::super::exif::fields;
    use super::*;
    use crate::examine::Outcome;

    #[test]
    fn blocks_put_together_read_as_they_were() {
        let all = [
            Field { ifd: Ifd::Main, tag: 0x110, value: Value::Text(b"EOS R\0".to_vec()) },
            Field { ifd: Ifd::Exif, tag: 0x9003, value: Value::Text(b"2026:07:14 22:10:03\0".to_vec()) },
            Field { ifd: Ifd::Gps, tag: 0x02, value: Value::Numbers(vec![(48, 1), (51, 1), (2376, 100)]) },
        ];
        let fields = fields(&written(&all), &mut Outcome::default());
        assert_eq!(fields.text(Ifd::Main, 0x110).as_deref(), Some("EOS R"));
        assert_eq!(fields.text(Ifd::Exif, 0x9003).as_deref(), Some("2026:07:14 22:10:03"));
        assert!(fields.get(Ifd::Gps, 0x02).is_some());
    }
}
