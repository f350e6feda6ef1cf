//! What a file is, told from its first bytes alone; names and browsers' claims are never believed.

use super::exhibit::{Kind, Quarantine};

/// Bytes of a file's head that [`sniff`] wants to see.
const HEAD_BYTES: usize = 4_096;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sniffed {
    pub media_type: &'static str,
    pub kind: Kind,
    pub quarantine: Option<Quarantine>,
}

const fn media(media_type: &'static str, kind: Kind) -> Sniffed {
    Sniffed { media_type, kind, quarantine: None }
}

const fn kept_behind_glass(media_type: &'static str, kind: Kind, why: Quarantine) -> Sniffed {
    Sniffed { media_type, kind, quarantine: Some(why) }
}

/// Keeps what [`sniff`] wants of a file that comes in pieces.
pub fn keep_head(head: &mut Vec<u8>, piece: &[u8]) {
    let take = piece.len().min(HEAD_BYTES.saturating_sub(head.len()));
    head.extend_from_slice(&piece[..take]);
}

/// Tells a file's type from its head (up to [`HEAD_BYTES`] bytes; fewer only if the file is shorter).
pub fn sniff(head: &[u8]) -> Sniffed {
    use Kind::*;
    if head.is_empty() {
        return kept_behind_glass("application/x-empty", Other, Quarantine::Empty);
    }
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|h| h.starts_with(magic));
    if at(0, b"\xff\xd8\xff") {
        return media("image/jpeg", Photo);
    }
    if at(0, b"\x89PNG\r\n\x1a\n") {
        return media("image/png", Photo);
    }
    if at(0, b"GIF87a") || at(0, b"GIF89a") {
        return media("image/gif", Photo);
    }
    if at(0, b"RIFF") {
        if at(8, b"WEBP") {
            return media("image/webp", Photo);
        }
        if at(8, b"AVI ") {
            return media("video/x-msvideo", Video);
        }
        if at(8, b"WAVE") {
            return media("audio/wav", Audio);
        }
    }
    if at(0, b"II*\0") || at(0, b"MM\0*") {
        return media(tiff_kind(head), Photo);
    }
    for (magic, kind) in [
        // Known by its signature; nothing here reads it.
        (&b"II+\0"[..], "image/x-bigtiff"),
        (b"MM\0+", "image/x-bigtiff"),
        (b"IIU\0", "image/x-panasonic-rw2"),
        (b"IIRO", "image/x-olympus-orf"),
        (b"IIRS", "image/x-olympus-orf"),
        (b"MMOR", "image/x-olympus-orf"),
        (b"FUJIFILMCCD-RAW", "image/x-fuji-raf"),
    ] {
        if at(0, magic) {
            return media(kind, Photo);
        }
    }
    if at(0, b"BM") && at(6, &[0, 0, 0, 0]) {
        return media("image/bmp", Photo);
    }
    if at(4, b"ftyp") {
        return iso_brand(head);
    }
    if ["moov", "mdat", "wide", "free", "skip"].iter().any(|b| at(4, b.as_bytes())) {
        return media("video/quicktime", Video);
    }
    if at(0, b"\x1a\x45\xdf\xa3") {
        return if head.windows(4).take(64).any(|w| w == b"webm") { media("video/webm", Video) } else { media("video/x-matroska", Video) };
    }
    if at(0, b"\x47") && (at(188, b"\x47") && at(376, b"\x47")) || at(4, b"\x47") && at(196, b"\x47") && at(388, b"\x47") {
        return media("video/mp2t", Video);
    }
    if at(0, b"\0\0\x01\xba") || at(0, b"\0\0\x01\xb3") {
        return media("video/mpeg", Video);
    }
    if at(0, b"ID3") || at(0, b"\xff\xfb") || at(0, b"\xff\xf3") || at(0, b"\xff\xf2") {
        return media("audio/mpeg", Audio);
    }
    if at(0, b"OggS") {
        return media("audio/ogg", Audio);
    }
    if at(0, b"fLaC") {
        return media("audio/flac", Audio);
    }
    for (magic, kind, sort) in [
        (&b"#!AMR"[..], "audio/amr", Audio),
        (b"\xff\xf1", "audio/aac", Audio),
        (b"\xff\xf9", "audio/aac", Audio),
        (b"caff", "audio/x-caf", Audio),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf", Video),
        (b"FLV\x01", "video/x-flv", Video),
    ] {
        if at(0, magic) {
            return media(kind, sort);
        }
    }
    if at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) {
        return media("audio/aiff", Audio);
    }
    not_media(head, at)
}

fn not_media(head: &[u8], at: impl Fn(usize, &[u8]) -> bool) -> Sniffed {
    use Kind::*;
    use Quarantine::*;
    if head.windows(5).take(1_024).any(|w| w == b"%PDF-") {
        return kept_behind_glass("application/pdf", Document, ActiveContent);
    }
    for (magic, kind) in [
        (&b"PK\x03\x04"[..], "application/zip"),
        (b"PK\x05\x06", "application/zip"),
        (b"Rar!\x1a\x07", "application/vnd.rar"),
        (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
        (b"\x1f\x8b", "application/gzip"),
        (b"\xfd7zXZ\0", "application/x-xz"),
    ] {
        if at(0, magic) {
            return kept_behind_glass(kind, Other, Archive);
        }
    }
    if at(0, b"MZ") || at(0, b"\x7fELF") || at(0, b"#!/") || at(0, b"\xca\xfe\xba\xbe") {
        return kept_behind_glass("application/x-executable", Other, ActiveContent);
    }
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    let start = text.trim_start_matches(['\u{feff}', '\u{fffd}', ' ', '\t', '\r', '\n']);
    if start.starts_with("#extm3u") || start.starts_with("ffconcat") {
        return kept_behind_glass("application/vnd.apple.mpegurl", Other, ActiveContent);
    }
    if text.contains("<svg") {
        return kept_behind_glass("image/svg+xml", Document, ActiveContent);
    }
    if ["<!doctype", "<html", "<script", "<body", "<head", "<iframe", "<?xml", "<!--"]
        .iter()
        .any(|t| start.starts_with(t) || text.contains("<script"))
    {
        return kept_behind_glass("text/html", Document, ActiveContent);
    }
    kept_behind_glass("application/octet-stream", Other, UnknownType)
}

/// TIFF, or a camera's raw file built on it: told by its marks within the head, so far as they stand there.
fn tiff_kind(head: &[u8]) -> &'static str {
    let little = head.starts_with(b"II");
    let u16_at = |at: usize| {
        let b = head.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(b) } else { u16::from_be_bytes(b) })
    };
    let u32_at = |at: usize| {
        let b = head.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) } as usize)
    };
    if head.get(8..10) == Some(b"CR") {
        return "image/x-canon-cr2";
    }
    let tags = || {
        let first = u32_at(4)?;
        let count = usize::from(u16_at(first)?).min(200);
        Some((0..count).filter_map(move |n| Some((u16_at(first + 2 + n * 12)?, first + 2 + n * 12))).collect::<Vec<_>>())
    };
    let tags = tags().unwrap_or_default();
    let has = |tag: u16| tags.iter().any(|(t, _)| *t == tag);
    if has(0xc612) {
        return "image/x-adobe-dng";
    }
    // Directories of further pictures, in a file that a camera's maker names as its own.
    let make = tags.iter().find(|(t, _)| *t == 0x10f).and_then(|(_, at)| head.get(u32_at(at + 8)?..)).unwrap_or_default();
    match (has(0x14a), make) {
        (true, m) if m.starts_with(b"NIKON") => "image/x-nikon-nef",
        (true, m) if m.starts_with(b"SONY") => "image/x-sony-arw",
        (true, m) if m.starts_with(b"PENTAX") => "image/x-pentax-pef",
        _ => "image/tiff",
    }
}

/// ISO base media files say what they are in `ftyp`: major brand, then compatible ones.
fn iso_brand(head: &[u8]) -> Sniffed {
    use Kind::*;
    let length = head.get(..4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let brands = head.get(8..length.clamp(8, head.len())).unwrap_or_default();
    let has = |wanted: &[&[u8; 4]]| brands.chunks_exact(4).any(|b| wanted.iter().any(|w| b == *w));
    if has(&[b"avif", b"avis"]) {
        return media("image/avif", Photo);
    }
    if has(&[b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"]) {
        return media("image/heic", Photo);
    }
    if has(&[b"crx "]) {
        return media("image/x-canon-cr3", Photo);
    }
    match brands.get(..4) {
        Some(b"qt  ") => media("video/quicktime", Video),
        Some(b"M4A " | b"M4B ") => media("audio/mp4", Audio),
        Some(b) if b.starts_with(b"3g") => media("video/3gpp", Video),
        _ => media("video/mp4", Video),
    }
}

/// Types that a browser may show in place, once a look has been recorded. Everything else leaves as
/// `application/octet-stream`, as an attachment.
pub fn playable(media_type: &str) -> bool {
    matches!(
        media_type,
        "video/mp4"
            | "video/webm"
            | "video/quicktime"
            | "video/3gpp"
            | "audio/mpeg"
            | "audio/mp4"
            | "audio/ogg"
            | "audio/wav"
            | "audio/flac"
    )
}

/// The ending of a file name of our making.
pub const fn extension(media_type: &str) -> &'static str {
    match media_type.as_bytes() {
        b"image/jpeg" => "jpg",
        b"image/png" => "png",
        b"image/gif" => "gif",
        b"image/webp" => "webp",
        b"image/heic" => "heic",
        b"image/avif" => "avif",
        b"image/tiff" => "tiff",
        b"image/x-adobe-dng" => "dng",
        b"image/x-canon-cr2" => "cr2",
        b"image/x-canon-cr3" => "cr3",
        b"image/x-nikon-nef" => "nef",
        b"image/x-sony-arw" => "arw",
        b"image/x-panasonic-rw2" => "rw2",
        b"image/x-olympus-orf" => "orf",
        b"image/x-fuji-raf" => "raf",
        b"video/x-matroska" => "mkv",
        b"video/x-msvideo" => "avi",
        b"video/mp2t" => "mts",
        b"video/mp4" => "mp4",
        b"video/quicktime" => "mov",
        b"video/webm" => "webm",
        b"video/3gpp" => "3gp",
        b"video/x-ms-asf" => "wmv",
        b"video/x-flv" => "flv",
        b"audio/aac" => "aac",
        b"audio/aiff" => "aiff",
        b"audio/x-caf" => "caf",
        // Whatever could run on somebody's machine leaves as data.
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_come_from_bytes() {
        for (head, expected) in [
            (&b"\xff\xd8\xff\xe0rest"[..], "image/jpeg"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime"),
            (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video/mp4"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "video/x-ms-asf"),
            (b"FORM\0\0\0\0AIFFCOMM", "audio/aiff"),
            (b"\xff\xf1\x50\x80", "audio/aac"),
        ] {
            let s = sniff(head);
            assert_eq!((s.media_type, s.quarantine), (expected, None));
        }
    }

    #[test]
    fn what_could_run_is_kept_behind_glass() {
        for (head, expected) in [
            (&b"<!DOCTYPE html><script>alert(1)</script>"[..], Quarantine::ActiveContent),
            (b"\xef\xbb\xbf  <?xml version='1.0'?><svg xmlns='x'/>", Quarantine::ActiveContent),
            (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd", Quarantine::ActiveContent),
            (b"junk %PDF-1.4", Quarantine::ActiveContent),
            (b"PK\x03\x04", Quarantine::Archive),
            (b"\x01\x02\x03", Quarantine::UnknownType),
            (b"", Quarantine::Empty),
        ] {
            assert_eq!(sniff(head).quarantine, Some(expected), "{head:?}");
        }
    }
}
