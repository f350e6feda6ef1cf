//! Movies in ISO base media files (ISO/IEC 14496-12): MP4, MOV, M4V and 3GP; sound in M4A.
//!
//! Every length is checked against what holds it, every loop moves forward, and only `moov` is read
//! into memory, up to a cap: a hostile file costs bounded time.

use std::io::{Read, Seek, SeekFrom};

use super::boxes::{Boxes, child, u16_at, u32_at, u64_at};
use super::when::iso;
use crate::domain::capture::{PlaceFound, PlaceStatus, Source, Stream, TimeFound};
use crate::domain::value::{Point, SECOND_US, Utc, shown};
use crate::examine::Outcome;

const MOOV_BYTES_MAX: u64 = 64 << 20;
const TOP_BOXES_MAX: usize = 100_000;
const VALUE_CHARS_MAX: usize = 400;
const VALUES_MAX: usize = 300;
const TRACKS_MAX: usize = 1_000;
/// Seconds from 1904-01-01, the epoch of these files, to 1970-01-01.
const EPOCH_1904_S: i64 = 2_082_844_800;

/// The same of a picture that moves, whose bytes are at hand: an AVIF or HEIF sequence.
pub fn read_sequence(bytes: &[u8], out: &mut Outcome) {
    if let Some((_, moov)) = Boxes(bytes).take(TRACKS_MAX).find(|(kind, _)| kind == b"moov") {
        movie(moov, out);
    }
}

/// Reads a movie's times and places into `out`.
pub fn read_movie(file: &mut (impl Read + Seek), out: &mut Outcome) {
    match find_moov(file) {
        Ok((Some(moov), whole)) => {
            movie(&moov, out);
            if !whole {
                out.notes.push("cut-off".into());
            }
        }
        Ok((None, _)) => out.notes.push("no-moov".into()),
        Err(_) => out.notes.push("unreadable".into()),
    }
}

/// Walks the top boxes by seeking, so that gigabytes of samples are never read. Tells besides whether the last of them ends within the file.
fn find_moov(file: &mut (impl Read + Seek)) -> std::io::Result<(Option<Vec<u8>>, bool)> {
    let size = file.seek(SeekFrom::End(0))?;
    let (mut at, mut moov) = (0u64, None);
    for _ in 0..TOP_BOXES_MAX {
        // (A length may lead anywhere; a few bytes behind the last box are padding.)
        if at.saturating_add(8) > size {
            return Ok((moov, at <= size));
        }
        file.seek(SeekFrom::Start(at))?;
        let mut header = [0; 16];
        file.read_exact(&mut header[..8])?;
        let (mut header_len, mut length) = (8, u64::from(u32_at(&header, 0).unwrap_or(0)));
        if length == 1 && at.saturating_add(16) <= size {
            file.read_exact(&mut header[8..])?;
            (header_len, length) = (16, u64_at(&header, 8).unwrap_or(0));
        } else if length == 0 {
            length = size - at;
        }
        if length < header_len {
            // Zeros, or words: what other programs put behind the last box is not a box.
            return Ok((moov, true));
        }
        if &header[4..8] == b"moov" && moov.is_none() {
            let body = (length - header_len).min(MOOV_BYTES_MAX).min(size - at);
            let mut bytes = Vec::new();
            file.by_ref().take(body).read_to_end(&mut bytes)?;
            moov = Some(bytes);
        } else if moov.is_some()
            && at.saturating_add(length) > size
            && !matches!(&header[4..8], b"mdat" | b"moof" | b"free" | b"moov" | b"skip" | b"wide")
        {
            // Nor is this.
            return Ok((moov, true));
        }
        at = at.saturating_add(length);
    }
    Ok((moov, true))
}

fn movie(moov: &[u8], out: &mut Outcome) {
    if let Some(mvhd) = child(moov, b"mvhd") {
        header(mvhd, out);
    }
    for (kind, body) in Boxes(moov).take(TRACKS_MAX) {
        if &kind == b"trak" {
            track(body, out);
        }
    }
    for holder in [Some(moov), child(moov, b"udta")].into_iter().flatten() {
        if let Some(meta) = child(holder, b"meta") {
            listed_values(meta, out);
        }
    }
    if let Some(udta) = child(moov, b"udta") {
        user_data(udta, out);
    }
    // Phones' systems write UTC, and so does the library that most programs use.
    let known = |(name, value): &(String, String)| {
        name.contains(":com.android.") || name.contains(":com.apple.quicktime.") || name.ends_with("\u{a9}too") && value.starts_with("Lav")
    };
    if out.raw.iter().any(known) {
        for time in out.found.times.iter_mut().filter(|t| t.source == Source::ContainerHeader) {
            time.offset_min = Some(0);
        }
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
        // (None: it is told with each fragment.)
        out.found.duration_us = i64::try_from(us).ok().filter(|us| *us > 0);
        out.raw.push(("mvhd:duration".into(), format!("{} ms", us / 1000)));
    }
    out.raw.push(("mvhd:creation_time".into(), created.to_string()));
    let Some(created) = i64::try_from(created).ok().filter(|c| *c > 0) else { return };
    // Some programs count from 1970: read as 1904 that would be before films had sound.
    let seconds = if created >= EPOCH_1904_S { created - EPOCH_1904_S } else { created };
    let at = Utc::from_micros(seconds.saturating_mul(SECOND_US)).to_string();
    out.found.times.push(TimeFound {
        source: Source::ContainerHeader,
        raw: format!("{created} ({})", at.get(..19).unwrap_or_default()),
        path: "moov/mvhd".into(),
        local: at.get(..19).map(str::to_owned),
        // Meant as UTC; whether its writer knew that is seen from what else it writes.
        offset_min: None,
        date_only: false,
    });
}

/// A track: what kind, which codec, and of a picture its size and how it is turned.
fn track(trak: &[u8], out: &mut Outcome) {
    let Some(mdia) = child(trak, b"mdia") else { return };
    let kind = match child(mdia, b"hdlr").and_then(|h| h.get(8..12)) {
        // Sequences of pictures call themselves that.
        Some(b"vide" | b"pict") => "video",
        Some(b"soun") => "audio",
        Some(other) => return out.raw.push(("trak:handler".into(), String::from_utf8_lossy(other).into_owned())),
        None => return,
    };
    let stsd = child(mdia, b"minf").and_then(|b| child(b, b"stbl")).and_then(|b| child(b, b"stsd"));
    let entry = stsd.and_then(|s| Boxes(s.get(8..)?).next());
    let codec = entry.map(|(kind, _)| String::from_utf8_lossy(&kind).trim().to_owned()).unwrap_or_default();
    out.found.streams.push(Stream { kind: kind.into(), codec: shown(&codec, 8) });
    let shape = &mut out.found.shape;
    if kind != "video" || shape.width.is_some() {
        return;
    }
    let Some(tkhd) = child(trak, b"tkhd") else { return };
    let matrix = if tkhd.first() == Some(&1) { 52 } else { 40 };
    let coded = entry.and_then(|(_, e)| Some((u32::from(u16_at(e, 24)?), u32::from(u16_at(e, 26)?)))).filter(|(w, h)| *w > 0 && *h > 0);
    let told = u32_at(tkhd, matrix + 36).zip(u32_at(tkhd, matrix + 40)).map(|(w, h)| (w >> 16, h >> 16)).filter(|(w, h)| *w > 0 && *h > 0);
    // The header's size may be nonsense; what the codec says is what there is to see.
    if let Some((width, height)) = told.filter(|(w, h)| coded.is_none_or(|c| w.max(h) <= &(4 * c.0.max(c.1)))).or(coded) {
        (shape.width, shape.height) = (Some(width), Some(height));
    }
    let cell = |n: usize| u32_at(tkhd, matrix + 4 * n).map(u32::cast_signed);
    shape.rotation = match (cell(0), cell(1), cell(3), cell(4)) {
        (Some(0), Some(b), Some(c), Some(0)) if b > 0 && c < 0 => Some(90),
        (Some(a), Some(0), Some(0), Some(d)) if a < 0 && d < 0 => Some(180),
        (Some(0), Some(b), Some(c), Some(0)) if b < 0 && c > 0 => Some(270),
        (Some(a), Some(0), Some(0), Some(d)) if a > 0 && d > 0 => Some(0),
        // Mirrored or slanted: no angle says that.
        _ => None,
    };
}

/// `udta`: QuickTime's international texts, above all the place (`©xyz`, ISO 6709); 3GPP's `loci`.
fn user_data(udta: &[u8], out: &mut Outcome) {
    for (kind, body) in Boxes(udta).take(VALUES_MAX) {
        match &kind {
            b"loci" => location_box(body, out),
            b"date" => recorded(body, out),
            [0xa9, name @ ..] => {
                let length = usize::from(u16_at(body, 0).unwrap_or(0));
                let text = body.get(4..(4 + length).min(body.len())).unwrap_or_default();
                let value = String::from_utf8_lossy(text).into_owned();
                if name == b"xyz" {
                    // Emptied, its length is gone as well: then all of it counts.
                    let emptied = !body.is_empty() && body.iter().all(|b| *b == 0);
                    place(&value, if emptied { body } else { text }, "moov/udta/©xyz", out);
                }
                told(&format!("©{}", String::from_utf8_lossy(name)), &value, "moov/udta", out);
            }
            b"manu" | b"modl" | b"auth" | b"SDLN" | b"vndr" => {
                // 3GPP's texts: version and flags, language, text. Others' are texts alone.
                let text = if body.starts_with(&[0, 0, 0, 0]) { body.get(6..) } else { Some(body) };
                let value = text.map(|t| String::from_utf8_lossy(t).trim_end_matches('\0').to_owned()).unwrap_or_default();
                told(&String::from_utf8_lossy(&kind), &value, "moov/udta", out);
            }
            _ => {}
        }
    }
}

/// When it was recorded, as some phones and cameras write it: ISO 8601 with its zone, plain or behind 3GPP's version and language.
fn recorded(body: &[u8], out: &mut Outcome) {
    let text = if body.starts_with(&[0, 0, 0, 0]) { body.get(6..).unwrap_or_default() } else { body };
    let value = shown(String::from_utf8_lossy(text).trim_matches(['\0', ' ']), VALUE_CHARS_MAX);
    let read = iso(&value);
    out.found.times.push(TimeFound {
        source: Source::RecordedText,
        raw: value.clone(),
        path: "moov/udta/date".into(),
        offset_min: read.as_ref().and_then(|r| r.1),
        date_only: read.as_ref().is_some_and(|r| r.2),
        local: read.map(|r| r.0),
    });
    out.raw.push(("moov/udta:date".into(), value));
}

/// A named value of whichever list.
fn told(name: &str, value: &str, list: &str, out: &mut Outcome) {
    let value = shown(value.trim_end_matches('\0').trim(), VALUE_CHARS_MAX);
    let device = &mut out.found.device;
    let slot = match name {
        "com.apple.quicktime.make" | "com.android.manufacturer" | "©mak" | "manu" => Some(&mut device.make),
        "com.apple.quicktime.model" | "com.android.model" | "©mod" | "modl" => Some(&mut device.model),
        "com.apple.quicktime.software" | "©swr" => Some(&mut device.software),
        "com.apple.quicktime.content.identifier" => Some(&mut device.unique),
        _ => None,
    };
    if let Some(slot) = slot.filter(|s| s.is_none() && !value.is_empty()) {
        *slot = Some(value.clone());
    }
    match name {
        "com.apple.quicktime.creationdate" => created(&value, out),
        "©day" => {
            let read = iso(&value);
            out.found.times.push(TimeFound {
                source: Source::RecordedText,
                raw: value.clone(),
                path: format!("{list}/©day"),
                offset_min: read.as_ref().and_then(|r| r.1),
                date_only: read.as_ref().is_some_and(|r| r.2),
                local: read.map(|r| r.0),
            });
        }
        "©too" | "©enc" => super::making::encoder(&value, &format!("{list}/{name}"), out),
        _ => {}
    }
    out.raw.push((format!("{list}:{}", shown(name, 100)), value));
}

/// `meta` with `ilst`: Apple's and Android's values, named by `keys` or by four letters.
fn listed_values(meta: &[u8], out: &mut Outcome) {
    // QuickTime's `meta` has no version field, ISO's has one.
    let body = if child(meta, b"hdlr").is_some() { meta } else { meta.get(4..).unwrap_or_default() };
    let Some(ilst) = child(body, b"ilst") else { return };
    let names: Option<Vec<String>> = child(body, b"keys").map(|keys| {
        Boxes(keys.get(8..).unwrap_or_default()).take(VALUES_MAX).map(|(_, name)| String::from_utf8_lossy(name).into_owned()).collect()
    });
    let mut radius = None;
    let places = out.found.places.len();
    for (index, item) in Boxes(ilst).take(VALUES_MAX) {
        let name = match &names {
            Some(names) => (u32::from_be_bytes(index) as usize).checked_sub(1).and_then(|i| names.get(i)).cloned(),
            // Four letters, the first of which may be the copyright sign in Latin-1.
            None => Some(index.iter().map(|b| char::from(*b)).collect()),
        };
        let (Some(name), Some(data)) = (name, child(item, b"data")) else { continue };
        // Only texts: the rest is numbers and pictures.
        let (kind, data) = (u32_at(data, 0).unwrap_or(0), data.get(8..).unwrap_or_default());
        if !matches!(kind, 1 | 2) && data.len() > 16 {
            continue;
        }
        let value = match kind {
            // (Type 2 of QuickTime's well-known types.)
            2 => String::from_utf16_lossy(&data.chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]])).collect::<Vec<_>>()),
            _ => String::from_utf8_lossy(data).into_owned(),
        };
        match name.as_str() {
            "com.apple.quicktime.location.ISO6709" | "com.android.location" => place(&value, data, &format!("moov/meta/{name}"), out),
            "com.apple.quicktime.location.accuracy.horizontal" => radius = value.trim().parse().ok(),
            _ => {}
        }
        told(&name, &value, "moov/meta", out);
    }
    for claim in &mut out.found.places[places..] {
        claim.radius_m = radius.filter(|r: &f64| r.is_finite() && *r > 0.0);
    }
}

/// 3GPP TS 26.244: name, role, longitude, latitude and altitude in 16.16 fixed point.
fn location_box(body: &[u8], out: &mut Outcome) {
    if body.len() > 12 && body.iter().all(|b| *b == 0) {
        let emptied = PlaceFound::of(Source::ContainerLocation, PlaceStatus::RemovedByPhone);
        return out.found.places.push(PlaceFound { path: "moov/udta/loci".into(), ..emptied });
    }
    let rest = body.get(6..).unwrap_or_default();
    let Some(end) = rest.iter().position(|b| *b == 0) else { return };
    let fixed = |n: usize| u32_at(rest, end + 2 + 4 * n).map(|v| f64::from(v.cast_signed()) / 65_536.0);
    let (Some(lon), Some(lat), Some(altitude)) = (fixed(0), fixed(1), fixed(2)) else { return };
    let status = if lat == 0.0 && lon == 0.0 { PlaceStatus::Zero } else { PlaceStatus::Stated };
    let point = Point::new(lat, lon);
    out.found.places.push(PlaceFound {
        raw: format!("{lat:.5} {lon:.5}"),
        path: "moov/udta/loci".into(),
        point: point.filter(|_| status == PlaceStatus::Stated),
        altitude_m: Some(altitude),
        ..PlaceFound::of(Source::ContainerLocation, if point.is_some() { status } else { PlaceStatus::Impossible })
    });
}

/// `2026-07-14T22:10:03+0200`.
fn created(value: &str, out: &mut Outcome) {
    let read = iso(value);
    out.found.times.push(TimeFound {
        source: Source::QuicktimeCreationdate,
        raw: shown(value, VALUE_CHARS_MAX),
        path: "moov/meta/com.apple.quicktime.creationdate".into(),
        offset_min: read.as_ref().and_then(|r| r.1),
        date_only: read.as_ref().is_some_and(|r| r.2),
        local: read.map(|r| r.0),
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
        raw: shown(value, VALUE_CHARS_MAX),
        path: path.to_owned(),
        point: point.and_then(|(lat, lon, _)| Point::new(lat, lon)).filter(|_| status == PlaceStatus::Stated),
        altitude_m: point.and_then(|p| p.2),
        ..PlaceFound::of(Source::ContainerLocation, status)
    });
}

/// `+48.8566+002.3522+035.0/`: degrees; with two digits more, degrees and minutes; with four more, and seconds (ISO 6709, Annex H).
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
    match parts.as_slice() {
        [lat, lon] => Some((angle(lat, 2)?, angle(lon, 3)?, None)),
        [lat, lon, alt] => Some((angle(lat, 2)?, angle(lon, 3)?, Some(alt.parse().ok()?))),
        _ => None,
    }
}

/// An angle whose degrees have so many digits. Fewer digits, as some write them, are degrees.
fn angle(text: &str, digits: usize) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let whole = text.trim_start_matches(['+', '-']).split('.').next()?.len();
    let a = value.abs();
    let (degrees, minutes, seconds) = match whole.checked_sub(digits) {
        None | Some(0) => (a, 0.0, 0.0),
        Some(2) => ((a / 100.0).floor(), a % 100.0, 0.0),
        Some(4) => ((a / 10_000.0).floor(), (a / 100.0).floor() % 100.0, a % 100.0),
        _ => return None,
    };
    (minutes < 60.0 && seconds < 60.0).then(|| (degrees + minutes / 60.0 + seconds / 3_600.0).copysign(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_iso_6709() {
        assert_eq!(iso6709("+48.8566+002.3522/"), Some((48.8566, 2.3522, None)));
        assert_eq!(iso6709("-33.9-070.5+012.0/"), Some((-33.9, -70.5, Some(12.0))));
        assert_eq!(iso6709("+4851.0-00221.0/"), Some((48.85, -2.35, None)));
        assert_eq!(iso6709("-485136+0022106/").map(|p| (p.0 * 1_000.0).round()), Some(-48_860.0));
        for wrong in ["", "48,2", "+é", "+1", "+4899.0+00221.0/", "+485+002/"] {
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
        // A length that leads past every file.
        let far = [&b"\0\0\0\x14ftyp\x01\0\0\x01\x90\0\x01\0\0\0\0\0\0\0\0\x01abcd"[..], &[0xff; 60]].concat();
        assert!(find_moov(&mut std::io::Cursor::new(far)).unwrap().0.is_none());
        // The samples end before their box does.
        let cut = [&b"\0\0\0\x0amoov\0\0\0\0\x01\0mdat"[..], &[7; 20]].concat();
        assert!(matches!(find_moov(&mut std::io::Cursor::new(&cut)).unwrap(), (Some(_), false)));
        assert!(matches!(find_moov(&mut std::io::Cursor::new(&cut[..10])).unwrap(), (Some(_), true)));
        for bytes in [&b"\0\0\0\0moov"[..], b"\0\0\0\x04moov", b"\0\0\0\x01moov\0\0\0\0\0\0\0\0", b"\xff\xff\xff\xffmoov", b"mo"] {
            assert!(Boxes(bytes).count() <= 1);
            assert!(crate::examine::read::heif::exif(bytes).is_none());
            movie(bytes, &mut Outcome::default());
        }
    }
}
