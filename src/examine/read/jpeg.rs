//! JPEG (ITU-T T.81) and its application segments: where the metadata blocks lie, what the picture itself is, and whether
//! anything follows it. Nothing is decoded here.

/// Segments that are looked at; real files have under a hundred.
const SEGMENTS_MAX: usize = 4_096;
/// Bytes that may lie between two segments.
const STRAY_BYTES_MAX: usize = 4_096;
/// Scans of a progressive picture: cameras write ten. Each is a walk over all of it, however few bytes it has.
const SCANS_MAX: usize = 100;
const SCANNED_PIXELS_MAX: u64 = 4_000_000_000;

/// What a JPEG is made of.
#[derive(Default)]
pub struct Parts<'a> {
    pub exif: Option<&'a [u8]>,
    pub xmp: Vec<&'a [u8]>,
    /// Photoshop's image resources, among them IPTC.
    pub resources: Option<&'a [u8]>,
    pub comments: Vec<&'a [u8]>,
    /// Content credentials lie in it.
    pub credentials: bool,
    pub size: Option<(u32, u32)>,
    /// The first luminance quantisation table, in the file's order.
    pub quantisation: Option<[u8; 64]>,
    /// The tables that make the picture, nothing that tells of it.
    pub tables: Vec<&'a [u8]>,
    /// The picture, and whatever follows it.
    pub scans: Option<&'a [u8]>,
    /// Bytes between the segments that belong to none.
    pub stray: usize,
}

/// Walks the segments up to the first scan: the metadata stand before it, and the rest is most of the file.
pub fn parts(bytes: &[u8]) -> Parts<'_> {
    let mut p = Parts::default();
    let mut at = 2;
    for _ in 0..SEGMENTS_MAX {
        // Some programs leave bytes between segments; decoders go on at the next one.
        if bytes.get(at).is_some_and(|b| *b != 0xff) {
            let Some(skip) = bytes.get(at..).and_then(|rest| memchr::memchr(0xff, &rest[..rest.len().min(STRAY_BYTES_MAX)])) else {
                return p;
            };
            p.stray += skip;
            at += skip;
        }
        let Some([0xff, marker]) = bytes.get(at..at + 2) else { return p };
        let marker = *marker;
        match marker {
            0xff => at += 1,
            // (A zero makes it a byte of a stray stretch, not a marker.)
            0x00 => {
                p.stray += 2;
                at += 2;
            }
            0xd8 | 0x01 | 0xd0..=0xd7 => at += 2,
            0xd9 => return p,
            _ => {
                let Some([high, low]) = bytes.get(at + 2..at + 4) else { return p };
                let length = usize::from(u16::from_be_bytes([*high, *low])).max(2);
                let end = (at + 2 + length).min(bytes.len());
                let Some(body) = bytes.get(at + 4..end) else { return p };
                segment(marker, body, &mut p);
                if !matches!(marker, 0xe0..=0xef | 0xfe) {
                    p.tables.push(&bytes[at..end]);
                }
                at = end;
                if marker == 0xda {
                    p.scans = bytes.get(at..);
                    return p;
                }
            }
        }
    }
    p
}

fn segment<'a>(marker: u8, body: &'a [u8], p: &mut Parts<'a>) {
    match marker {
        0xe1 if body.starts_with(b"Exif\0") => {
            p.exif = p.exif.or(body.get(6..));
        }
        0xe1 => p.xmp.extend(body.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0")),
        0xeb => p.credentials |= body.get(..2) == Some(b"JP") && body.windows(4).take(64).any(|w| w == b"jumb"),
        0xed => p.resources = p.resources.or(body.strip_prefix(b"Photoshop 3.0\0")),
        0xfe => p.comments.push(body),
        0xdb if p.quantisation.is_none() && body.first() == Some(&0) => {
            p.quantisation = body.get(1..65).and_then(|table| table.try_into().ok());
        }
        0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf if p.size.is_none() => {
            if let Some([h0, h1, w0, w1]) = body.get(1..5) {
                p.size = Some((u32::from(u16::from_be_bytes([*w0, *w1])), u32::from(u16::from_be_bytes([*h0, *h1]))));
            }
        }
        _ => {}
    }
}

/// Whether decoding it takes as long as a picture of its size may: hundreds of scans without content are a trap.
pub fn modest(bytes: &[u8]) -> bool {
    let p = parts(bytes);
    let Some(scans) = p.scans else { return true };
    let end = picture_end(scans).unwrap_or(scans.len());
    let count = 1 + memchr::memmem::find_iter(&scans[..end], b"\xff\xda").take(SCANS_MAX).count();
    let pixels = p.size.map_or(0, |(w, h)| u64::from(w) * u64::from(h));
    count <= SCANS_MAX && pixels.saturating_mul(count as u64) <= SCANNED_PIXELS_MAX
}

/// How long the JPEG is that these bytes begin with.
pub fn length(bytes: &[u8]) -> usize {
    parts(bytes).scans.map_or(bytes.len(), |scans| bytes.len() - scans.len() + picture_end(scans).unwrap_or(scans.len()))
}

/// Where the picture ends: after its end marker, which a file that was cut off does not have. Between scans there may be further tables.
pub fn picture_end(scans: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = scans.get(at..).and_then(|rest| memchr::memchr(0xff, rest)) {
        match scans.get(at + found + 1) {
            Some(0xd9) => return Some(at + found + 2),
            Some(0xff) => at += found + 1,
            Some(_) => at += found + 2,
            None => break,
        }
    }
    None
}

/// The qualities at which the common library makes exactly this table (ITU-T T.81 Annex K, scaled as libjpeg does).
pub fn standard_quality(table: &[u8; 64]) -> Option<u8> {
    (1..=100).find(|q| {
        let scale = if *q < 50 { 5_000 / u32::from(*q) } else { 200 - 2 * u32::from(*q) };
        ZIGZAG
            .iter()
            .zip(table)
            .all(|(natural, value)| u32::from(*value) == ((u32::from(LUMINANCE[usize::from(*natural)]) * scale + 50) / 100).clamp(1, 255))
    })
}

const LUMINANCE: [u8; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62, 18, 22,
    37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56,
    57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];
