//! EXIF out of JPEG, PNG, WebP, HEIF and TIFF.
//!
//! Our own readers find the EXIF block, kamadak-exif reads it leniently; it is never handed the file
//! (it would read a damaged one to its end, whatever its size). Fields: Exif 2.32, CIPA DC-008.

use exif::{Exif, In, Reader, Tag, Value};

use super::{Outcome, isobmff};
use crate::domain::capture::{PlaceFound, PlaceStatus, Source, TimeFound};
use crate::domain::value::{Point, shown};

/// Bytes of an EXIF block; real ones end at 64 KiB in JPEG and stay near it elsewhere.
const BLOCK_BYTES_MAX: usize = 8 << 20;
const VALUE_CHARS_MAX: usize = 400;
const FIELDS_MAX: usize = 600;

/// Reads what the picture says of itself into `out`; returns the orientation to apply, 1 to 8.
pub fn read(bytes: &[u8], media_type: &str, out: &mut Outcome) -> u32 {
    let block = match media_type {
        "image/jpeg" => in_jpeg(bytes),
        "image/png" => in_png(bytes),
        "image/webp" => in_webp(bytes),
        "image/heic" | "image/avif" => isobmff::exif_item(bytes),
        "image/tiff" => Some(bytes),
        _ => None,
    };
    let Some(block) = block else { return 1 };
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    let read = reader
        .read_raw(block[..block.len().min(BLOCK_BYTES_MAX)].to_vec())
        .or_else(|e| e.distill_partial_result(|_| out.notes.push("exif-damaged".into())));
    let Ok(exif) = read else {
        out.notes.push("exif-unreadable".into());
        return 1;
    };
    for field in exif.fields().take(FIELDS_MAX) {
        let name = format!("{}:{}", if field.ifd_num == In::PRIMARY { "EXIF" } else { "EXIF-thumbnail" }, field.tag);
        let value = field.display_value().to_string();
        out.raw.push((name, shown(&value, VALUE_CHARS_MAX)));
    }
    times(&exif, out);
    if let Some(place) = place(&exif) {
        out.found.places.push(place);
    }
    // HEIF decoders apply the container's own rotation; applying EXIF's again would turn it twice.
    if media_type == "image/heic" || media_type == "image/avif" {
        return 1;
    }
    exif.get_field(Tag::Orientation, In::PRIMARY).and_then(|f| f.value.get_uint(0)).filter(|o| (1..=8).contains(o)).unwrap_or(1)
}

/// The first APP1 segment with EXIF, before the image data begins.
fn in_jpeg(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 2;
    while let Some([0xff, marker]) = bytes.get(at..at + 2) {
        match marker {
            0xff => at += 1,
            0xd8 | 0x01 | 0xd0..=0xd7 => at += 2,
            0xda | 0xd9 => return None,
            _ => {
                let length = usize::from(u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]));
                let end = (at + 2 + length.max(2)).min(bytes.len());
                let body = bytes.get(at + 4..end)?;
                if *marker == 0xe1 && body.starts_with(b"Exif\0") {
                    return body.get(6..);
                }
                at = end;
            }
        }
    }
    None
}

fn in_png(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 8usize;
    loop {
        let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
        let body = at.checked_add(8)?..at.checked_add(8)?.checked_add(length)?;
        if bytes.get(at + 4..at + 8)? == b"eXIf" {
            return bytes.get(body);
        }
        at = body.end.checked_add(4)?;
    }
}

fn in_webp(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 12usize;
    loop {
        let length = u32::from_le_bytes(bytes.get(at + 4..at + 8)?.try_into().ok()?) as usize;
        let body = at.checked_add(8)?..at.checked_add(8)?.checked_add(length)?;
        if bytes.get(at..at + 4)? == b"EXIF" {
            return bytes.get(body);
        }
        at = body.end.checked_add(length % 2)?;
    }
}

fn text(exif: &Exif, tag: Tag) -> Option<String> {
    match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Ascii(parts) => {
            let text = String::from_utf8_lossy(parts.first()?).trim_matches(['\0', ' ']).to_owned();
            (!text.is_empty()).then_some(text)
        }
        _ => None,
    }
}

fn times(exif: &Exif, out: &mut Outcome) {
    let stated = text(exif, Tag::OffsetTime);
    let sets = [
        (Source::ExifOriginal, Tag::DateTimeOriginal, Tag::SubSecTimeOriginal, Tag::OffsetTimeOriginal),
        (Source::ExifDigitized, Tag::DateTimeDigitized, Tag::SubSecTimeDigitized, Tag::OffsetTimeDigitized),
    ];
    for (source, date, fraction, offset) in sets {
        let Some(raw) = text(exif, date) else { continue };
        let fraction: String = text(exif, fraction).unwrap_or_default().chars().take_while(char::is_ascii_digit).take(9).collect();
        let offset = text(exif, offset).or_else(|| stated.clone());
        out.found.times.push(TimeFound {
            source,
            local: exif_date(&raw, &fraction),
            offset_min: offset.as_deref().and_then(minutes_east),
            raw: shown(&[raw, offset.unwrap_or_default()].join(" "), VALUE_CHARS_MAX).trim().to_owned(),
            path: format!("EXIF:{date}"),
        });
    }
    if let (Some(date), Some([h, m, s])) = (text(exif, Tag::GPSDateStamp), rationals(exif, Tag::GPSTimeStamp)) {
        let local = exif_date(&format!("{date} {h:02.0}:{m:02.0}:{:02.0}", s.floor()), "");
        out.found.times.push(TimeFound {
            source: Source::ExifGps,
            raw: shown(&format!("{date} {h}:{m}:{s}"), VALUE_CHARS_MAX),
            path: "EXIF:GPSDateStamp+GPSTimeStamp".into(),
            local,
            offset_min: Some(0),
        });
    }
}

/// `YYYY:MM:DD HH:MM:SS` to `YYYY-MM-DDTHH:MM:SS[.fraction]`, if it is a real date.
fn exif_date(raw: &str, fraction: &str) -> Option<String> {
    let (date, time) = raw.trim().split_once([' ', 'T'])?;
    let date = date.replace([':', '/', '.'], "-");
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    let local = format!("{date}T{}{fraction}", time.trim());
    local.parse::<jiff::civil::DateTime>().ok().map(|_| local)
}

/// `+02:00` in minutes.
fn minutes_east(text: &str) -> Option<i32> {
    let text = text.trim();
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..=14).contains(&hours) && (0..60).contains(&minutes)).then_some(sign * (hours * 60 + minutes))
}

fn rationals<const N: usize>(exif: &Exif, tag: Tag) -> Option<[f64; N]> {
    match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Rational(parts) => {
            let numbers: Vec<f64> = parts.iter().map(exif::Rational::to_f64).collect();
            numbers.try_into().ok().filter(|n: &[f64; N]| n.iter().all(|v| v.is_finite()))
        }
        // Some programs write coordinates as signed rationals; their sign still comes from the reference.
        Value::SRational(parts) => {
            let numbers: Vec<f64> = parts.iter().map(|r| r.to_f64().abs()).collect();
            numbers.try_into().ok().filter(|n: &[f64; N]| n.iter().all(|v| v.is_finite()))
        }
        _ => None,
    }
}

/// Whether every denominator is zero: bytes that were there and have been overwritten with nothing.
fn emptied(exif: &Exif, tag: Tag) -> bool {
    match exif.get_field(tag, In::PRIMARY).map(|f| &f.value) {
        Some(Value::Rational(parts)) => !parts.is_empty() && parts.iter().all(|r| r.num == 0 && r.denom == 0),
        _ => false,
    }
}

fn place(exif: &Exif) -> Option<PlaceFound> {
    let latitude = exif.get_field(Tag::GPSLatitude, In::PRIMARY);
    let raw = match latitude {
        Some(f) => f.display_value().to_string(),
        // Position fields are gone and only their references or other fields are left.
        None => {
            let reference = exif.get_field(Tag::GPSLatitudeRef, In::PRIMARY)?;
            reference.display_value().to_string()
        }
    };
    let mut found = PlaceFound {
        source: Source::ExifGps,
        raw: shown(&raw, VALUE_CHARS_MAX),
        path: "EXIF:GPSLatitude+GPSLongitude".into(),
        status: PlaceStatus::Impossible,
        point: None,
        radius_m: None,
        altitude_m: None,
        direction_deg: None,
    };
    if emptied(exif, Tag::GPSLatitude) && emptied(exif, Tag::GPSLongitude) {
        found.status = PlaceStatus::RemovedByPhone;
        return Some(found);
    }
    latitude?;
    let degrees = |tag| rationals(exif, tag).map(|[d, m, s]: [f64; 3]| d + m / 60.0 + s / 3600.0);
    let signed = |value: f64, tag, negative: &str| {
        if text(exif, tag).is_some_and(|r| r.eq_ignore_ascii_case(negative)) { -value } else { value }
    };
    let (Some(lat), Some(lon)) = (degrees(Tag::GPSLatitude), degrees(Tag::GPSLongitude)) else {
        return Some(found);
    };
    let (lat, lon) = (signed(lat, Tag::GPSLatitudeRef, "S"), signed(lon, Tag::GPSLongitudeRef, "W"));
    found.point = Point::new(lat, lon);
    found.status = match found.point {
        Some(p) if p.lat == 0.0 && p.lon == 0.0 => PlaceStatus::Zero,
        Some(_) => PlaceStatus::Stated,
        None => PlaceStatus::Impossible,
    };
    let number = |tag| rationals(exif, tag).map(|[v]: [f64; 1]| v);
    found.radius_m = number(Tag::GPSHPositioningError).filter(|r| *r > 0.0);
    found.altitude_m = number(Tag::GPSAltitude);
    found.direction_deg = number(Tag::GPSImgDirection).filter(|d| (0.0..=360.0).contains(d));
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets() {
        assert_eq!(minutes_east("+02:00"), Some(120));
        assert_eq!(minutes_east("-03:30"), Some(-210));
        for wrong in ["", "02:00", "+2", "+99:00", "+é"] {
            assert_eq!(minutes_east(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(exif_date("2026:07:14 22:10:03", "12").as_deref(), Some("2026-07-14T22:10:03.12"));
        for wrong in ["0000:00:00 00:00:00", "    :  :     :  :  ", "2026:02:30 10:00:00", ""] {
            assert_eq!(exif_date(wrong, ""), None, "{wrong}");
        }
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
            for kind in ["image/jpeg", "image/png", "image/webp", "image/heic", "image/tiff"] {
                read(&bytes, kind, &mut Outcome::default());
            }
        }
    }
}
