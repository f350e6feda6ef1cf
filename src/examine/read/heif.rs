//! HEIF and AVIF (ISO/IEC 23008-12): the metadata items that describe the primary picture, its size, what makes it.

use super::boxes::{Boxes, child, u16_at, u32_at};

/// Tiles of a picture; the largest real ones have a few hundred.
const ITEMS_MAX: usize = 2_000;
/// Of an item that tells of the picture.
const METADATA_BYTES_MAX: usize = 16 << 20;

/// The bytes of the EXIF item, from its TIFF header on: the one that describes the primary item, else the first.
pub fn exif(bytes: &[u8]) -> Option<Vec<u8>> {
    let data = item_of(bytes, |kind, _| kind == b"Exif")?;
    // The item begins with the distance from its next byte to the TIFF header; some writers mean the one after "Exif\0\0".
    let skip = usize::try_from(u32_at(&data, 0)?).ok()?;
    let tiff = |at: usize| data.get(at..).filter(|b| b.starts_with(b"II") || b.starts_with(b"MM"));
    [4usize.checked_add(skip)?, 4, 10, 0].into_iter().find_map(tiff).map(<[u8]>::to_vec)
}

/// The XMP packet that describes the primary picture.
pub fn xmp(bytes: &[u8]) -> Option<Vec<u8>> {
    item_of(bytes, |kind, rest| kind == b"mime" && rest.windows(19).any(|w| w == b"application/rdf+xml"))
}

/// Width and height of the largest picture that is described, and how the primary one is turned.
pub struct Size {
    pub width: u32,
    pub height: u32,
    /// Degrees clockwise: 0, 90, 180 or 270.
    pub rotation: u16,
    pub mirrored: bool,
}

pub fn size(bytes: &[u8]) -> Option<Size> {
    let meta = meta(bytes)?;
    let held = child(meta, b"iprp")?;
    let properties = child(held, b"ipco")?;
    let sizes = Boxes(properties).filter(|(kind, _)| kind == b"ispe");
    let (width, height) = sizes.filter_map(|(_, b)| u32_at(b, 4).zip(u32_at(b, 8))).max_by_key(|(w, h)| u64::from(*w) * u64::from(*h))?;
    let own = primary(meta).zip(child(held, b"ipma")).map(|(id, ipma)| associated(ipma, id)).unwrap_or_default();
    let mut all = (1..).zip(Boxes(properties)).take(ITEMS_MAX).filter(|(n, _)| own.contains(n)).map(|(_, property)| property);
    let (mut counter_clockwise, mut mirrored) = (0, false);
    for (kind, body) in &mut all {
        match &kind {
            b"irot" => counter_clockwise = body.first().copied().unwrap_or(0) & 3,
            b"imir" => mirrored = true,
            _ => {}
        }
    }
    Some(Size { width, height, rotation: u16::from(4 - counter_clockwise) % 4 * 90, mirrored })
}

/// The properties of an item, by their place in the list, the first being 1.
fn associated(ipma: &[u8], wanted: u32) -> Vec<usize> {
    let read = || {
        let (version, wide) = (*ipma.first()?, ipma.get(3)? & 1 == 1);
        let mut at = 8;
        for _ in 0..u32_at(ipma, 4)?.min(100_000) {
            let (id, next) = if version == 0 { (u32::from(u16_at(ipma, at)?), at + 2) } else { (u32_at(ipma, at)?, at + 4) };
            let count = usize::from(*ipma.get(next)?);
            let step = if wide { 2 } else { 1 };
            let list = ipma.get(next + 1..next + 1 + count * step)?;
            if id == wanted {
                let number = |b: &[u8]| if wide { usize::from(u16::from_be_bytes([b[0] & 0x7f, b[1]])) } else { usize::from(b[0] & 0x7f) };
                return Some(list.chunks_exact(step).map(number).collect());
            }
            at = next + 1 + count * step;
        }
        None
    };
    read().unwrap_or_default()
}

/// Whether it has as many items and references as pictures have. Decoders compare all with all.
pub fn modest(bytes: &[u8]) -> bool {
    const PAIRS_MAX: usize = 4_000_000;
    let Some(meta) = meta(bytes) else { return true };
    let items = child(meta, b"iinf").map_or(0, |iinf| Boxes(iinf.get(6..).unwrap_or_default()).count());
    let bytes_of = |kind| child(meta, kind).map_or(0, <[u8]>::len);
    let properties = child(meta, b"iprp").map_or(0, <[u8]>::len);
    items.saturating_mul((bytes_of(b"iref") + bytes_of(b"iloc") + properties) / 2) <= PAIRS_MAX
}

fn primary(meta: &[u8]) -> Option<u32> {
    child(meta, b"pitm").and_then(|p| match p.first()? {
        0 => u16_at(p, 4).map(u32::from),
        _ => u32_at(p, 4),
    })
}

/// What makes the picture: the data of every item that is neither metadata nor a thumbnail's.
pub fn essence(bytes: &[u8]) -> Vec<&[u8]> {
    let Some(meta) = meta(bytes) else { return Vec::new() };
    let Some(iloc) = child(meta, b"iloc") else { return Vec::new() };
    let items = child(meta, b"iinf").map(items).unwrap_or_default();
    let pictures = items.iter().filter(|i| matches!(&i.kind, b"hvc1" | b"av01" | b"jpeg" | b"avc1"));
    // Pieces may lie over one another; more than the file holds is not read.
    let mut left = bytes.len();
    let mut all = Vec::new();
    for (at, length) in pictures.take(ITEMS_MAX).filter_map(|i| extents(iloc, i.id)).flatten() {
        let Some(piece) = at.checked_add(length).and_then(|end| bytes.get(at..end)).filter(|p| p.len() <= left) else { break };
        left -= piece.len();
        all.push(piece);
    }
    all
}

/// Whether content credentials lie in it: the `uuid` box that C2PA defines.
pub fn has_credentials(bytes: &[u8]) -> bool {
    const C2PA: [u8; 16] = [0xd8, 0xfe, 0xc3, 0xd6, 0x1b, 0x0e, 0x48, 0x3c, 0x92, 0x97, 0x58, 0x28, 0x87, 0x7e, 0xc4, 0x81];
    Boxes(bytes).take(10_000).any(|(kind, body)| &kind == b"uuid" && body.starts_with(&C2PA))
}

fn meta(bytes: &[u8]) -> Option<&[u8]> {
    child(bytes, b"meta")?.get(4..)
}

fn item_of(bytes: &[u8], wanted: impl Fn(&[u8; 4], &[u8]) -> bool) -> Option<Vec<u8>> {
    let meta = meta(bytes)?;
    let primary = primary(meta);
    let items: Vec<Item<'_>> = items(child(meta, b"iinf")?).into_iter().filter(|i| wanted(&i.kind, i.rest)).collect();
    let described = child(meta, b"iref").map(|r| describing(r, primary)).unwrap_or_default();
    let item = items.iter().find(|i| described.contains(&i.id)).or(items.first())?;
    let iloc = child(meta, b"iloc")?;
    let held = if in_idat(iloc, item.id) { child(meta, b"idat")? } else { bytes };
    let mut data = Vec::new();
    for (at, length) in extents(iloc, item.id)? {
        // A length of nothing means up to the end.
        let end = if length == 0 { held.len() } else { at.checked_add(length)?.min(held.len()) };
        let piece = held.get(at..end)?;
        if data.len() + piece.len() > METADATA_BYTES_MAX {
            return None;
        }
        data.extend_from_slice(piece);
    }
    Some(data)
}

struct Item<'a> {
    id: u32,
    kind: [u8; 4],
    rest: &'a [u8],
}

fn items(iinf: &[u8]) -> Vec<Item<'_>> {
    let start = if iinf.first() == Some(&0) { 6 } else { 8 };
    Boxes(iinf.get(start..).unwrap_or_default())
        .filter(|(kind, _)| kind == b"infe")
        .filter_map(|(_, b)| {
            let (id, at) = match b.first()? {
                2 => (u32::from(u16_at(b, 4)?), 8),
                3 => (u32_at(b, 4)?, 10),
                _ => return None,
            };
            Some(Item { id, kind: b.get(at..at + 4)?.try_into().ok()?, rest: b.get(at + 4..)? })
        })
        .collect()
}

/// Items with a `cdsc` reference to the primary one.
fn describing(iref: &[u8], primary: Option<u32>) -> Vec<u32> {
    let wide = iref.first() != Some(&0);
    let id_at = |b: &[u8], at: usize| if wide { u32_at(b, at) } else { u16_at(b, at).map(u32::from) };
    let step = if wide { 4 } else { 2 };
    Boxes(iref.get(4..).unwrap_or_default())
        .filter(|(kind, _)| kind == b"cdsc")
        .filter_map(|(_, b)| {
            let from = id_at(b, 0)?;
            let count = usize::from(u16_at(b, step)?);
            let to = (0..count).filter_map(|i| id_at(b, step + 2 + i * step));
            to.into_iter().any(|t| Some(t) == primary).then_some(from)
        })
        .collect()
}

/// Whether an item's data lies in the `idat` box (construction method 1).
fn in_idat(iloc: &[u8], wanted: u32) -> bool {
    located(iloc, wanted).is_some_and(|(method, _)| method == 1)
}

/// Offsets and lengths of an item's data.
fn extents(iloc: &[u8], wanted: u32) -> Option<Vec<(usize, usize)>> {
    located(iloc, wanted).filter(|(method, _)| *method < 2).map(|(_, extents)| extents)
}

fn located(iloc: &[u8], wanted: u32) -> Option<(usize, Vec<(usize, usize)>)> {
    const EXTENTS_MAX: usize = 64;
    let version = *iloc.first()?;
    let sizes = u16_at(iloc, 4)?;
    let size = |shift: u16| usize::from(sizes >> shift & 0xf);
    let (offset_size, length_size, base_size) = (size(12), size(8), size(4));
    let index_size = if version == 0 { 0 } else { size(0) };
    let number = |at: usize, n: usize| -> Option<usize> {
        let bytes = iloc.get(at..at.checked_add(n)?)?;
        usize::try_from(bytes.iter().fold(0u64, |v, b| v << 8 | u64::from(*b))).ok()
    };
    let id_size = if version < 2 { 2 } else { 4 };
    let count = number(6, id_size)?;
    let mut at = 6 + id_size;
    for _ in 0..count {
        let id = number(at, id_size)?;
        at += id_size;
        let method = if version == 0 {
            0
        } else {
            let m = number(at, 2)? & 0xf;
            at += 2;
            m
        };
        at += 2;
        let base = number(at, base_size)?;
        at += base_size;
        let extents = number(at, 2)?;
        at += 2;
        let step = index_size + offset_size + length_size;
        if id == usize::try_from(wanted).ok()? {
            let read = |n: usize| {
                let at = at + n * step + index_size;
                Some((base.checked_add(number(at, offset_size)?)?, number(at + offset_size, length_size)?))
            };
            return Some((method, (0..extents.min(EXTENTS_MAX)).map(read).collect::<Option<_>>()?));
        }
        at = at.checked_add(extents.checked_mul(step)?)?;
    }
    None
}
