//! Formats made of chunks: PNG (W3C), RIFF (WebP, WAV, AVI), GIF's comments and extensions.

use std::io::Read as _;

/// Chunks that are looked at: more are in no picture.
const CHUNKS_MAX: usize = 200_000;
/// Bytes of a compressed text when unpacked.
const TEXT_BYTES_MAX: u64 = 4 << 20;
/// Of all texts together.
const TEXTS_BYTES_MAX: usize = 16 << 20;

/// A picture's metadata blocks, and what makes the picture.
#[derive(Default)]
pub struct Parts<'a> {
    pub exif: Option<Vec<u8>>,
    pub xmp: Vec<Vec<u8>>,
    /// Named texts.
    pub texts: Vec<(String, String)>,
    pub credentials: bool,
    pub size: Option<(u32, u32)>,
    /// The chunks that make the picture.
    pub essence: Vec<&'a [u8]>,
    pub after: &'a [u8],
    /// It ends before its structure says so.
    pub cut: bool,
}

/// A PNG's chunks.
pub fn png(bytes: &[u8]) -> Parts<'_> {
    let mut p = Parts::default();
    let (mut at, mut unpacked) = (8usize, 0);
    for _ in 0..CHUNKS_MAX {
        let Some((kind, body)) = png_chunk(bytes, at) else {
            p.cut = true;
            break;
        };
        match kind {
            b"IHDR" => {
                let side = |n: usize| body.get(n..n + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
                p.size = side(0).zip(side(4));
            }
            b"eXIf" => p.exif = Some(body.to_vec()),
            b"tEXt" | b"zTXt" | b"iTXt" if unpacked < TEXTS_BYTES_MAX => unpacked += png_text(kind, body, &mut p),
            b"tIME" => {
                if let [y0, y1, m, d, h, i, s] = body {
                    let year = u16::from_be_bytes([*y0, *y1]);
                    p.texts.push(("tIME".into(), format!("{year:04}-{m:02}-{d:02}T{h:02}:{i:02}:{s:02}Z")));
                }
            }
            b"caBX" => p.credentials = true,
            _ => {}
        }
        if matches!(kind, b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" | b"fcTL" | b"fdAT") {
            p.essence.push(body);
        }
        at += 12 + body.len();
        if kind == b"IEND" {
            p.after = bytes.get(at..).unwrap_or_default();
            break;
        }
    }
    p
}

fn png_chunk(bytes: &[u8], at: usize) -> Option<(&[u8; 4], &[u8])> {
    let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
    let kind = bytes.get(at + 4..at + 8)?.try_into().ok()?;
    Some((kind, bytes.get(at + 8..at.checked_add(8)?.checked_add(length)?)?))
}

/// Takes in a text; tells how long it is unpacked.
fn png_text(kind: &[u8; 4], body: &[u8], p: &mut Parts<'_>) -> usize {
    let Some(end) = body.iter().position(|b| *b == 0) else { return 0 };
    let name = String::from_utf8_lossy(&body[..end]).into_owned();
    let rest = &body[end + 1..];
    let value = match kind {
        b"tEXt" => Some(rest.to_vec()),
        b"zTXt" => rest.get(1..).and_then(inflated),
        _ => {
            // Compression flag and method, language, translated name, text.
            let compressed = rest.first() == Some(&1);
            let text = rest.get(2..).and_then(|r| r.splitn(3, |b| *b == 0).nth(2));
            text.and_then(|t| if compressed { inflated(t) } else { Some(t.to_vec()) })
        }
    };
    let Some(value) = value else { return 0 };
    let length = value.len();
    if name == "XML:com.adobe.xmp" {
        p.xmp.push(value);
    } else if let Some(profile) = name.strip_prefix("Raw profile type ") {
        // As ImageMagick keeps profiles: name, length, hexadecimal digits.
        if let Some(raw) = raw_profile(&value) {
            match profile {
                "exif" | "APP1" if raw.starts_with(b"http://ns.adobe.com/xap/1.0/\0") => p.xmp.push(raw[29..].to_vec()),
                "exif" | "APP1" => p.exif = p.exif.take().or(Some(raw)),
                "xmp" => p.xmp.push(raw),
                _ => {}
            }
        }
    } else {
        p.texts.push((name, String::from_utf8_lossy(&value[..length.min(64 << 10)]).into_owned()));
    }
    length
}

fn inflated(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::ZlibDecoder::new(bytes).take(TEXT_BYTES_MAX).read_to_end(&mut out).ok()?;
    Some(out)
}

fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = text.trim_start_matches('\n').lines();
    lines.next()?;
    let length: usize = lines.next()?.trim().parse().ok()?;
    let digits: String = lines.flat_map(str::chars).filter(char::is_ascii_hexdigit).collect();
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.get(..digits.len() & !1)?.as_bytes()).ok()?;
    bytes.get(..length.min(bytes.len())).map(<[u8]>::to_vec)
}

/// The chunks directly inside some bytes of a RIFF file: name and body.
pub fn riff(bytes: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut at = 0usize;
    std::iter::from_fn(move || {
        let kind = bytes.get(at..at + 4)?.try_into().ok()?;
        let length = u32::from_le_bytes(bytes.get(at + 4..at + 8)?.try_into().ok()?) as usize;
        let start = at + 8;
        let end = start.checked_add(length)?.min(bytes.len());
        at = end.checked_add(length % 2)?;
        Some((kind, &bytes[start..end]))
    })
    .take(CHUNKS_MAX)
}

/// A WebP's chunks.
pub fn webp(bytes: &[u8]) -> Parts<'_> {
    let mut p = Parts::default();
    let u24 = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], 0]);
    for (kind, body) in riff(bytes.get(12..).unwrap_or_default()) {
        match (kind, body.len()) {
            (b"EXIF", _) => p.exif = p.exif.take().or(Some(body.to_vec())),
            (b"XMP ", _) => p.xmp.push(body.to_vec()),
            (b"C2PA", _) => p.credentials = true,
            (b"VP8X", 10..) => p.size = Some((u24(&body[4..]) + 1, u24(&body[7..]) + 1)),
            (b"VP8 ", 10..) if p.size.is_none() && body[3..6] == [0x9d, 0x01, 0x2a] => {
                let side = |n: usize| u32::from(u16::from_le_bytes([body[n], body[n + 1]]) & 0x3fff);
                p.size = Some((side(6), side(8)));
            }
            (b"VP8L", 5..) if p.size.is_none() && body[0] == 0x2f => {
                let bits = u32::from_le_bytes([body[1], body[2], body[3], body[4]]);
                p.size = Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1));
            }
            _ => {}
        }
        if matches!(kind, b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ANMF") {
            p.essence.push(body);
        }
    }
    let declared = bytes.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    p.after = bytes.get(declared.saturating_add(8 + declared % 2)..).unwrap_or_default();
    p
}

/// A GIF's comments and XMP; its size.
pub fn gif(bytes: &[u8]) -> Parts<'_> {
    let mut p = Parts::default();
    let side = |n: usize| bytes.get(n..n + 2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]])));
    p.size = side(6).zip(side(8));
    if let Some(at) = bytes.windows(14).position(|w| w == b"\x21\xff\x0bXMP DataXMP") {
        let rest = &bytes[at + 14..];
        let end = rest.windows(2).position(|w| w == b"\x01\xff").unwrap_or(0);
        p.xmp.push(rest[..end].to_vec());
    }
    p
}
