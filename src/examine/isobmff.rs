//! ISO base media files (ISO/IEC 14496-12): MP4, MOV and 3GP movies, and the EXIF item of HEIF.
//!
//! Every length is checked against what holds it, every loop moves forward, and only `moov` is read
//! into memory, up to a cap: a hostile file costs bounded time.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use super::Outcome;
use crate::domain::capture::{PlaceFound, PlaceStatus, Source, TimeFound};
use crate::domain::value::{Point, SECOND_US, Utc, shown};

const MOOV_BYTES_MAX: u64 = 64 << 20;
const TOP_BOXES_MAX: usize = 100_000;
const VALUE_CHARS_MAX: usize = 400;
/// Seconds from 1904-01-01, the epoch of these files, to 1970-01-01.
const EPOCH_1904_S: i64 = 2_082_844_800;

/// Boxes directly inside some bytes: type and body.
struct Boxes<'a>(&'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);
    fn next(&mut self) -> Option<Self::Item> {
        let data = self.0;
        let short = u64::from(u32_at(data, 0)?);
        let kind = data.get(4..8)?.try_into().ok()?;
        let (header, length) = match short {
            0 => (8, data.len() as u64),
            1 => (16, u64_at(data, 8)?),
            n => (8, n),
        };
        let end = usize::try_from(length).ok()?.min(data.len());
        if end < header {
            self.0 = &[];
            return None;
        }
        self.0 = &data[end..];
        Some((kind, &data[header..end]))
    }
}

fn u16_at(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(b.get(at..at + 2)?.try_into().ok()?))
}
fn u32_at(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(b.get(at..at + 4)?.try_into().ok()?))
}
fn u64_at(b: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(b.get(at..at + 8)?.try_into().ok()?))
}

fn child<'a>(body: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes(body).find(|(k, _)| k == kind).map(|(_, b)| b)
}

/// Reads a movie's times and places into `out`.
pub fn read_movie(file: &mut File, out: &mut Outcome) {
    match find_moov(file) {
        Ok(Some(moov)) => movie(&moov, out),
        Ok(None) => out.notes.push("no-moov".into()),
        Err(_) => out.notes.push("unreadable".into()),
    }
}

/// Walks the top boxes by seeking, so that gigabytes of samples are never read.
fn find_moov(file: &mut File) -> std::io::Result<Option<Vec<u8>>> {
    let size = file.metadata()?.len();
    let mut at = 0;
    for _ in 0..TOP_BOXES_MAX {
        if at + 8 > size {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; 16];
        file.read_exact(&mut header[..8])?;
        let (mut header_len, mut length) = (8, u64::from(u32_at(&header, 0).unwrap_or(0)));
        if length == 1 && at + 16 <= size {
            file.read_exact(&mut header[8..])?;
            (header_len, length) = (16, u64_at(&header, 8).unwrap_or(0));
        } else if length == 0 {
            length = size - at;
        }
        if length < header_len {
            return Ok(None);
        }
        if &header[4..8] == b"moov" {
            let body = (length - header_len).min(MOOV_BYTES_MAX).min(size - at);
            let mut moov = Vec::new();
            file.take(body).read_to_end(&mut moov)?;
            return Ok(Some(moov));
        }
        at = at.saturating_add(length);
    }
    Ok(None)
}

fn movie(moov: &[u8], out: &mut Outcome) {
    if let Some(mvhd) = child(moov, b"mvhd") {
        header(mvhd, out);
    }
    for holder in [Some(moov), child(moov, b"udta")].into_iter().flatten() {
        if let Some(meta) = child(holder, b"meta") {
            keyed_values(meta, out);
        }
    }
    if let Some(udta) = child(moov, b"udta") {
        user_data(udta, out);
    }
}

fn header(mvhd: &[u8], out: &mut Outcome) {
    let version = mvhd.first().copied().unwrap_or(0);
    let fields = if version == 1 {
        (u64_at(mvhd, 4), u32_at(mvhd, 20), u64_at(mvhd, 24))
    } else {
        (u32_at(mvhd, 4).map(u64::from), u32_at(mvhd, 12), u32_at(mvhd, 16).map(u64::from))
    };
    let (Some(created), Some(scale), Some(duration)) = fields else { return };
    if scale > 0 && duration != u64::from(u32::MAX) && duration != u64::MAX {
        let us = u128::from(duration) * 1_000_000 / u128::from(scale);
        out.found.duration_us = i64::try_from(us).ok();
        out.raw.push(("mvhd:duration".into(), format!("{} ms", us / 1000)));
    }
    out.raw.push(("mvhd:creation_time".into(), created.to_string()));
    let Some(created) = i64::try_from(created).ok().filter(|c| *c > 0) else { return };
    // Some programs count from 1970: read as 1904 that would be before films had sound.
    let seconds = if created >= EPOCH_1904_S { created - EPOCH_1904_S } else { created };
    let at = Utc::from_micros(seconds.saturating_mul(SECOND_US)).to_string();
    out.found.times.push(TimeFound {
        source: Source::ContainerHeader,
        raw: created.to_string(),
        path: "moov/mvhd".into(),
        local: at.get(..19).map(str::to_owned),
        offset_min: Some(0),
    });
}

/// `udta`: QuickTime's international text atoms, above all the place (`©xyz`, ISO 6709).
fn user_data(udta: &[u8], out: &mut Outcome) {
    for (kind, body) in Boxes(udta) {
        if kind[0] != 0xa9 {
            continue;
        }
        let length = usize::from(u16_at(body, 0).unwrap_or(0));
        let text = body.get(4..(4 + length).min(body.len())).unwrap_or_default();
        let name = format!("udta:©{}", String::from_utf8_lossy(&kind[1..]));
        let value = String::from_utf8_lossy(text).into_owned();
        if &kind[1..] == b"xyz" {
            place(&value, text, "moov/udta/©xyz", out);
        }
        out.raw.push((name, shown(&value, VALUE_CHARS_MAX)));
    }
}

/// `meta` with `keys` and `ilst`: Apple's and Android's named values.
fn keyed_values(meta: &[u8], out: &mut Outcome) {
    // QuickTime's `meta` has no version field, ISO's has one.
    let body = if child(meta, b"hdlr").is_some() { meta } else { meta.get(4..).unwrap_or_default() };
    let (Some(keys), Some(ilst)) = (child(body, b"keys"), child(body, b"ilst")) else { return };
    let names: Vec<String> = Boxes(keys.get(8..).unwrap_or_default()).map(|(_, name)| String::from_utf8_lossy(name).into_owned()).collect();
    let mut radius = None;
    for (index, item) in Boxes(ilst) {
        let index = u32::from_be_bytes(index) as usize;
        let Some(name) = index.checked_sub(1).and_then(|i| names.get(i)) else { continue };
        let Some(data) = child(item, b"data").and_then(|d| d.get(8..)) else { continue };
        let value = String::from_utf8_lossy(data).into_owned();
        match name.as_str() {
            "com.apple.quicktime.creationdate" => created(&value, out),
            "com.apple.quicktime.location.ISO6709" | "com.android.location" => {
                place(&value, data, &format!("moov/meta/{name}"), out);
            }
            "com.apple.quicktime.location.accuracy.horizontal" => radius = value.trim().parse().ok(),
            _ => {}
        }
        out.raw.push((shown(name, 100), shown(&value, VALUE_CHARS_MAX)));
    }
    if let Some(claim) = out.found.places.last_mut() {
        claim.radius_m = radius.filter(|r: &f64| r.is_finite() && *r > 0.0);
    }
}

/// `2026-07-14T22:10:03+0200`.
fn created(value: &str, out: &mut Outcome) {
    let split = value.get(..19).zip(value.get(19..));
    let (local, offset) = match split {
        Some((local, rest)) => {
            let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
            let minutes =
                digits.get(..2).zip(digits.get(2..4)).and_then(|(h, m)| Some(h.parse::<i32>().ok()? * 60 + m.parse::<i32>().ok()?));
            let sign = if rest.contains('-') { -1 } else { 1 };
            let offset = if rest.starts_with('Z') { Some(0) } else { minutes.map(|m| sign * m) };
            (local.parse::<jiff::civil::DateTime>().ok().map(|_| local.to_owned()), offset)
        }
        None => (None, None),
    };
    out.found.times.push(TimeFound {
        source: Source::QuicktimeCreationdate,
        raw: shown(value, VALUE_CHARS_MAX),
        path: "moov/meta/com.apple.quicktime.creationdate".into(),
        local,
        offset_min: offset.filter(|o| o.abs() <= 14 * 60),
    });
}

fn place(value: &str, bytes: &[u8], path: &str, out: &mut Outcome) {
    let point = iso6709(value);
    let status = match point {
        _ if !bytes.is_empty() && bytes.iter().all(|b| *b == 0) => PlaceStatus::RemovedByPhone,
        Some((lat, lon, _)) if lat == 0.0 && lon == 0.0 => PlaceStatus::Zero,
        Some((lat, lon, _)) if Point::new(lat, lon).is_some() => PlaceStatus::Stated,
        _ => PlaceStatus::Impossible,
    };
    out.found.places.push(PlaceFound {
        source: Source::ContainerLocation,
        raw: shown(value, VALUE_CHARS_MAX),
        path: path.to_owned(),
        status,
        point: point.and_then(|(lat, lon, _)| Point::new(lat, lon)),
        radius_m: None,
        altitude_m: point.and_then(|p| p.2),
        direction_deg: None,
    });
}

/// `+48.8566+002.3522+035.0/`, in decimal degrees.
fn iso6709(text: &str) -> Option<(f64, f64, Option<f64>)> {
    let text = text.trim_end_matches('\0').split(['/', 'C']).next()?;
    let mut parts = Vec::new();
    for c in text.chars() {
        match (c, parts.last_mut()) {
            ('+' | '-', _) => parts.push(String::from(c)),
            (_, Some(part)) => part.push(c),
            (_, None) => return None,
        }
    }
    let numbers: Vec<f64> = parts.iter().map(|p| p.parse().ok()).collect::<Option<_>>()?;
    match numbers[..] {
        [lat, lon] => Some((lat, lon, None)),
        [lat, lon, alt] => Some((lat, lon, Some(alt))),
        _ => None,
    }
}

/// The EXIF item of a HEIF or AVIF picture: the one that describes the primary item, else the first.
pub fn exif_item(bytes: &[u8]) -> Option<&[u8]> {
    let meta = child(bytes, b"meta")?.get(4..)?;
    let primary = child(meta, b"pitm").and_then(|p| match p.first()? {
        0 => u16_at(p, 4).map(u32::from),
        _ => u32_at(p, 4),
    });
    let items = exif_items(child(meta, b"iinf")?);
    let described = child(meta, b"iref").map(|r| describing(r, primary)).unwrap_or_default();
    let id = items.iter().find(|i| described.contains(i)).or(items.first())?;
    let (offset, length) = location(child(meta, b"iloc")?, *id)?;
    let data = bytes.get(offset..offset.checked_add(length)?)?;
    // The item begins with the distance from its next byte to the TIFF header.
    let skip = usize::try_from(u32_at(data, 0)?).ok()?;
    data.get(4usize.checked_add(skip)?..)
}

fn exif_items(iinf: &[u8]) -> Vec<u32> {
    let start = if iinf.first() == Some(&0) { 6 } else { 8 };
    Boxes(iinf.get(start..).unwrap_or_default())
        .filter(|(kind, _)| kind == b"infe")
        .filter_map(|(_, b)| {
            let (id, kind) = match b.first()? {
                2 => (u32::from(u16_at(b, 4)?), b.get(8..12)?),
                3 => (u32_at(b, 4)?, b.get(10..14)?),
                _ => return None,
            };
            (kind == b"Exif").then_some(id)
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

/// Offset and length of an item whose data is in one piece in the file.
fn location(iloc: &[u8], wanted: u32) -> Option<(usize, usize)> {
    let version = *iloc.first()?;
    let sizes = u16_at(iloc, 4)?;
    let size = |shift: u16| usize::from(sizes >> shift & 0xf);
    let (offset_size, length_size, base_size) = (size(12), size(8), size(4));
    let index_size = if version == 0 { 0 } else { size(0) };
    let number = |at: usize, n: usize| -> Option<usize> {
        let bytes = iloc.get(at..at + n)?;
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
        if id == usize::try_from(wanted).ok()? {
            (method == 0 && extents == 1).then_some(())?;
            let offset = number(at + index_size, offset_size)?;
            let length = number(at + index_size + offset_size, length_size)?;
            return Some((base.checked_add(offset)?, length));
        }
        at = at.checked_add(extents.checked_mul(index_size + offset_size + length_size)?)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_iso_6709() {
        assert_eq!(iso6709("+48.8566+002.3522/"), Some((48.8566, 2.3522, None)));
        assert_eq!(iso6709("-33.9-070.5+012.0/"), Some((-33.9, -70.5, Some(12.0))));
        for wrong in ["", "48,2", "+é", "+1"] {
            assert_eq!(iso6709(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn apple_dates_keep_their_zone() {
        let mut out = Outcome::default();
        created("2026-07-14T22:10:03+0200", &mut out);
        created("nonsense", &mut out);
        assert_eq!(out.found.times[0].offset_min, Some(120));
        assert_eq!(out.found.times[1].local, None);
    }

    #[test]
    fn bent_boxes_end() {
        for bytes in [&b"\0\0\0\0moov"[..], b"\0\0\0\x04moov", b"\0\0\0\x01moov\0\0\0\0\0\0\0\0", b"\xff\xff\xff\xffmoov", b"mo"] {
            assert!(Boxes(bytes).count() <= 1);
            assert!(exif_item(bytes).is_none());
            movie(bytes, &mut Outcome::default());
        }
    }
}
