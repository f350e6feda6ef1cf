//! The readers: bytes in, facts out. They decode nothing, start nothing and know nothing of appeals; whatever the bytes, they end, in a
//! time that the file's length bounds. Every value keeps the path under which it stood in the file.

mod boxes;
mod chunks;
mod exif;
mod heif;
mod ifd;
mod jpeg;
mod making;
mod matroska;
mod movie;
mod raw;
mod recordings;
mod sps;
mod when;
mod xmp;

use std::io::{Read, Seek};

use sha2::Digest as _;

use super::Outcome;
use crate::domain::capture::{Source, TimeFound};
use crate::domain::indicator::{Indicator, Seen};
use crate::domain::value::{Sha256, shown};

pub use heif::size as heif_size;
pub use jpeg::{length as jpeg_length, modest as jpeg_modest};
pub use making::is_generated;
pub use raw::{is_raw, preview};

const TEXT_CHARS_MAX: usize = 400;
/// Bytes after a picture's end that nobody need wonder about: padding.
const AFTER_BYTES: usize = 64;
/// What cameras write there for themselves is short.
const TRAILER_BYTES: usize = 4_096;

/// What those who make pictures need to know of a photo.
#[derive(Default)]
pub struct Picture<'a> {
    /// The orientation to apply, 1 to 8.
    pub orientation: u8,
    /// What makes the picture, when that can be told apart from what tells of it. Of a JPEG it is whole after [`tail`].
    pub essence: Vec<&'a [u8]>,
    /// A JPEG's picture, with whatever follows it.
    scans: Option<&'a [u8]>,
    /// The small picture in it.
    pub thumbnail: Option<Vec<u8>>,
    /// Whether content credentials lie in it.
    pub credentials: bool,
}

/// Whether a picture's structure is of a size that pictures have: what is not is read here, and given to no decoder.
pub fn modest(bytes: &[u8], media_type: &str) -> bool {
    match media_type {
        "image/jpeg" => jpeg::modest(bytes),
        "image/heic" | "image/avif" => heif::modest(bytes),
        _ if bytes.starts_with(b"II") || bytes.starts_with(b"MM") => raw::modest(bytes),
        _ => true,
    }
}

/// Reads what a picture says of itself into `out`.
pub fn photo<'a>(bytes: &'a [u8], media_type: &str, out: &mut Outcome) -> Picture<'a> {
    let mut picture = Picture::default();
    let (mut block, mut packets, mut tables) = (None, Vec::new(), None);
    match media_type {
        "image/jpeg" => {
            let p = jpeg::parts(bytes);
            (out.found.shape.width, out.found.shape.height) = p.size.unzip();
            packets = p.xmp.iter().map(|x| x.to_vec()).collect();
            tables = p.quantisation.as_ref().and_then(jpeg::standard_quality);
            if let Some(resources) = p.resources {
                iptc(resources, out);
            }
            for comment in p.comments.iter().take(4) {
                out.raw.push(("JPEG:comment".into(), shown(&String::from_utf8_lossy(comment), TEXT_CHARS_MAX)));
            }
            if let Some(quality) = tables {
                out.raw.push(("JPEG:quantisation".into(), format!("as the common library's at quality {quality}")));
            }
            if p.stray > 0 {
                out.notes.push("stray-bytes".into());
            }
            block = p.exif.map(<[u8]>::to_vec);
            // Tables alone are no picture.
            picture.essence = if p.scans.is_some() { p.tables } else { Vec::new() };
            (picture.scans, picture.credentials) = (p.scans, p.credentials);
        }
        "image/png" => chunked(chunks::png(bytes), &mut block, &mut packets, &mut picture, out),
        "image/webp" => chunked(chunks::webp(bytes), &mut block, &mut packets, &mut picture, out),
        "image/gif" => chunked(chunks::gif(bytes), &mut block, &mut packets, &mut picture, out),
        "image/heic" | "image/avif" => {
            block = heif::exif(bytes);
            packets.extend(heif::xmp(bytes));
            if let Some(size) = heif::size(bytes) {
                let shape = &mut out.found.shape;
                (shape.width, shape.height, shape.rotation) = (Some(size.width), Some(size.height), Some(size.rotation));
            }
            movie::read_sequence(bytes, out);
            picture.essence = heif::essence(bytes);
            picture.credentials = heif::has_credentials(bytes);
        }
        _ => {
            let raw = raw::blocks(bytes, media_type);
            packets.extend(raw.xmp);
            block = raw.exif;
            out.found.shape = raw.shape;
            picture.credentials = raw.credentials;
        }
    }
    if let Some(block) = block {
        let fields = exif::fields(&block, out);
        exif::facts(&fields, out);
        picture.orientation = fields.orientation().unwrap_or(1);
        picture.thumbnail = raw::thumbnail(&fields, &block);
    }
    for packet in packets.iter().take(8) {
        xmp::facts(packet, out);
    }
    if let Some(software) = out.found.device.software.clone() {
        making::editor(&software, "EXIF:Software", out);
    }
    making::shape(media_type, tables, out);
    out.found.seen.dedup_by(|a, b| a.what == b.what && a.seen == b.seen);
    // HEIF decoders apply the container's own rotation; applying EXIF's again would turn it twice.
    if matches!(media_type, "image/heic" | "image/avif") {
        picture.orientation = 1;
    }
    picture.orientation = picture.orientation.max(1);
    out.found.checked.push("metadata".into());
    picture
}

fn chunked<'a>(
    parts: chunks::Parts<'a>,
    block: &mut Option<Vec<u8>>,
    packets: &mut Vec<Vec<u8>>,
    picture: &mut Picture<'a>,
    out: &mut Outcome,
) {
    (out.found.shape.width, out.found.shape.height) = parts.size.unzip();
    *block = parts.exif;
    *packets = parts.xmp;
    picture.essence = parts.essence;
    picture.credentials = parts.credentials;
    for (name, value) in parts.texts.iter().take(100) {
        making::generator_text(name, value, out);
        if matches!(name.as_str(), "Creation Time" | "tIME" | "date:create") && name != "date:create" {
            let read = when::iso(value);
            // The time of the last change is not that of the picture: it is shown, and nothing is made of it.
            if name == "Creation Time" {
                out.found.times.push(TimeFound {
                    source: Source::RecordedText,
                    raw: shown(value, TEXT_CHARS_MAX),
                    path: format!("PNG:{name}"),
                    offset_min: read.as_ref().and_then(|r| r.1),
                    date_only: read.as_ref().is_some_and(|r| r.2),
                    local: read.map(|r| r.0),
                });
            }
        }
        out.raw.push((format!("text:{}", shown(name, 80)), shown(value, TEXT_CHARS_MAX)));
    }
    if parts.cut {
        out.notes.push("cut-off".into());
    }
    after(parts.after, out);
}

/// Walks a JPEG to its end, which is most of the file and none of its metadata: what makes the picture, and what follows it.
pub fn tail(picture: &mut Picture<'_>, out: &mut Outcome) {
    let Some(rest) = picture.scans.take() else { return };
    let end = jpeg::picture_end(rest);
    if end.is_none() {
        out.notes.push("cut-off".into());
    }
    let (scans, behind) = rest.split_at(end.unwrap_or(rest.len()));
    picture.essence.push(scans);
    after(behind, out);
}

/// One digest of some pieces, none of nothing.
pub fn digest(parts: &[&[u8]]) -> Option<Sha256> {
    if parts.is_empty() {
        return None;
    }
    let mut hash = sha2::Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    Some(Sha256::from_bytes(hash.finalize().into()))
}

/// Something behind the picture: a clip of a moving photo, a second picture, or an archive.
fn after(bytes: &[u8], out: &mut Outcome) {
    let Some(start) = bytes.iter().position(|b| *b != 0).map(|at| &bytes[at..]).filter(|rest| rest.len() > AFTER_BYTES) else { return };
    // Samsung's cameras keep a few entries of their own there.
    if start.len() <= TRAILER_BYTES && start.ends_with(b"SEFT") {
        return out.raw.push(("JPEG:trailer".into(), "SEFT".into()));
    }
    let what = match start {
        _ if start.get(4..8) == Some(b"ftyp") => "video/mp4",
        _ if start.starts_with(b"\xff\xd8\xff") => "image/jpeg",
        _ if start.starts_with(b"PK\x03\x04") => "application/zip",
        _ if start.starts_with(b"%PDF") => "application/pdf",
        _ if start.starts_with(b"<") => "text/html",
        _ => "application/octet-stream",
    };
    out.found.seen.push(Seen::new(Indicator::DataAfterEnd, format!("{} B, {what}", start.len()), "EOI +"));
}

/// Photoshop's resources: IPTC's date and time of creation (IIM 2:55, 2:60).
fn iptc(resources: &[u8], out: &mut Outcome) {
    let Some(at) = resources.windows(6).position(|w| w == b"8BIM\x04\x04") else { return };
    let data = resources.get(at + 6..).unwrap_or_default();
    let value = |number: u8| {
        let at = data.windows(3).position(|w| w == [0x1c, 2, number])?;
        let length = usize::from(u16::from_be_bytes(data.get(at + 3..at + 5)?.try_into().ok()?));
        data.get(at + 5..at + 5 + length.min(64)).map(|v| String::from_utf8_lossy(v).into_owned())
    };
    let Some(date) = value(55).filter(|d| d.len() == 8 && d.is_ascii()) else { return };
    let time = value(60).filter(|t| t.len() >= 6 && t.is_ascii());
    let day = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..8]);
    let text = time.as_ref().map_or_else(|| day.clone(), |t| format!("{day}T{}:{}:{}{}", &t[..2], &t[2..4], &t[4..6], &t[6..]));
    let read = when::iso(&text);
    out.found.times.push(TimeFound {
        source: Source::IptcCreated,
        raw: shown(&[date, time.unwrap_or_default()].join(" "), TEXT_CHARS_MAX),
        path: "IPTC:DateCreated+TimeCreated".into(),
        offset_min: read.as_ref().and_then(|r| r.1),
        date_only: read.as_ref().is_some_and(|r| r.2),
        local: read.map(|r| r.0),
    });
}

/// Reads what a recording says of itself into `out`.
pub fn recording(file: &mut (impl Read + Seek), media_type: &str, out: &mut Outcome) {
    match media_type {
        "video/mp4" | "video/quicktime" | "video/3gpp" | "audio/mp4" => movie::read_movie(file, out),
        "video/webm" | "video/x-matroska" => matroska::read(file, out),
        "video/x-msvideo" | "audio/wav" => recordings::riff_file(file, out),
        "video/mp2t" => recordings::transport_stream(file, out),
        "audio/mpeg" => recordings::id3(file, out),
        "audio/ogg" | "audio/flac" => recordings::vorbis(file, out),
        _ => return out.notes.push("metadata-not-read".into()),
    }
    out.found.checked.push("metadata".into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole<'a>(bytes: &'a [u8], media_type: &str, out: &mut Outcome) -> Picture<'a> {
        let mut picture = photo(bytes, media_type, out);
        tail(&mut picture, out);
        picture
    }

    #[test]
    fn no_cut_or_bent_head_makes_a_reader_panic() {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize
        };
        let jpeg =
            [&b"\xff\xd8\xff\xe1\x00\x20Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"[..], b"\xff\xd9"].concat();
        for round in 0..20_000 {
            let mut bytes = jpeg.clone();
            for _ in 0..1 + round % 4 {
                let at = next() % bytes.len();
                bytes[at] = (next() & 0xff) as u8;
            }
            bytes.truncate(next() % (bytes.len() + 1));
            for kind in ["image/jpeg", "image/png", "image/webp", "image/heic", "image/tiff", "image/gif"] {
                whole(&bytes, kind, &mut Outcome::default());
            }
        }
    }

    #[test]
    fn what_is_cut_off_and_what_is_strewn_in_is_told() {
        let notes = |bytes: &[u8], kind: &str| {
            let mut out = Outcome::default();
            whole(bytes, kind, &mut out);
            out.notes
        };
        assert!(notes(b"\xff\xd8\xff\xda\x00\x02\x12\x34\xff\xd9", "image/jpeg").is_empty());
        assert_eq!(notes(b"\xff\xd8\xff\xda\x00\x02\x12\x34", "image/jpeg"), ["cut-off"]);
        assert_eq!(notes(b"\xff\xd8\xff\xfe\x00\x03c\0\0\0\xff\xda\x00\x02\x12\xff\xd9", "image/jpeg"), ["stray-bytes"]);
        assert_eq!(notes(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0", "image/png"), ["cut-off"]);
    }

    #[test]
    fn scans_without_end_go_to_no_decoder() {
        let picture = |scans: usize, side: u8| {
            let head = [&b"\xff\xd8\xff\xc2\x00\x0b\x08"[..], &[side, 0, side, 0], b"\x01\x01\x11\x00"].concat();
            [head, b"\xff\xda\x00\x02".repeat(scans), b"\xff\xd9".to_vec()].concat()
        };
        assert!(jpeg_modest(&picture(10, 0x10)) && jpeg_modest(b"\xff\xd8"));
        assert!(!jpeg_modest(&picture(101, 0x10)), "as many as no camera writes");
        assert!(!jpeg_modest(&picture(20, 0x40)), "fewer, of a very large picture");
        assert!(!modest(&picture(2_000, 0x3e), "image/jpeg"));
    }

    #[test]
    fn what_follows_a_picture_is_told() {
        let picture = [&b"\xff\xd8\xff\xda\x00\x02\x12\x34\xff\xd9"[..], b"PK\x03\x04", &[7; 100]].concat();
        let mut out = Outcome::default();
        whole(&picture, "image/jpeg", &mut out);
        assert!(out.found.seen.iter().any(|s| s.what == Indicator::DataAfterEnd && s.seen.contains("zip")));
    }

    #[test]
    fn metadata_change_nothing_of_the_essence() {
        let with = b"\xff\xd8\xff\xe1\x00\x04ab\xff\xfe\x00\x03c\xff\xdb\x00\x03q\xff\xda\x00\x02\x12\x34\xff\xd9";
        let without = b"\xff\xd8\xff\xdb\x00\x03q\xff\xda\x00\x02\x12\x34\xff\xd9";
        let essence = |bytes: &[u8]| digest(&whole(bytes, "image/jpeg", &mut Outcome::default()).essence);
        assert!(essence(with).is_some());
        assert_eq!(essence(with), essence(without));
    }
}
