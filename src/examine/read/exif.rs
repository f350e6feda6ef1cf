//! EXIF (Exif 2.32, CIPA DC-008): times, place and device of a picture, out of a block that a container's reader found.
//!
//! kamadak-exif reads it leniently, [`super::ifd`] a second time; it is never handed the file (it would read a damaged one to its
//! end, whatever its size).

use exif::{In, Reader};

use super::ifd::{self, Field, Ifd, Value};
use super::when::{exif_date, minutes_east};
use crate::domain::capture::{Device, PlaceFound, PlaceStatus, Source, TimeFound};
use crate::domain::value::{Point, shown};
use crate::examine::Outcome;

/// Bytes of an EXIF block; real ones end at 64 KiB in JPEG and stay near it elsewhere.
const BLOCK_BYTES_MAX: usize = 16 << 20;
/// Of all values together, as the directories declare them; raw files' are the largest.
const DECLARED_BYTES_MAX: u64 = 64 << 20;
const VALUE_CHARS_MAX: usize = 400;
const FIELDS_MAX: usize = 600;
const DISPLAYED_MAX: usize = 2_000;

/// What both readers found.
pub struct Fields {
    first: Vec<Field>,
    second: Vec<Field>,
}

/// Reads a block, which begins with `II` or `MM` or with `Exif\0\0`, and writes down every field as it stands there.
pub fn fields(block: &[u8], out: &mut Outcome) -> Fields {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    let block = &block[..block.len().min(BLOCK_BYTES_MAX)];
    if ifd::declared(block) > DECLARED_BYTES_MAX {
        // Values that lie over one another would be copied out many times over.
        out.notes.push("exif-damaged".into());
        return Fields { first: Vec::new(), second: ifd::fields(block) };
    }
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    let read = reader.read_raw(block.to_vec()).or_else(|e| e.distill_partial_result(|_| out.notes.push("exif-damaged".into())));
    let mut first = Vec::new();
    match read {
        Ok(exif) => {
            for field in exif.fields().take(FIELDS_MAX) {
                let name = format!("{}:{}", if field.ifd_num == In::PRIMARY { "EXIF" } else { "EXIF-thumbnail" }, field.tag);
                out.raw.push((name, displayed(field)));
                first.extend(as_ours(field));
            }
        }
        Err(_) => out.notes.push("exif-unreadable".into()),
    }
    let fields = Fields { first, second: ifd::fields(block) };
    if READ_TWICE.iter().any(|(ifd, tag)| fields.differ(*ifd, *tag)) {
        out.notes.push("readers-disagree".into());
    }
    fields
}

/// A value as people read it; of long ones only how long they are, since writing them out takes their length many times over.
fn displayed(field: &exif::Field) -> String {
    let length = match &field.value {
        exif::Value::Byte(b) | exif::Value::Undefined(b, _) => b.len(),
        exif::Value::Ascii(parts) => parts.iter().map(Vec::len).sum(),
        exif::Value::SByte(v) => v.len(),
        exif::Value::Short(v) => v.len(),
        exif::Value::Long(v) => v.len(),
        exif::Value::SShort(v) => v.len(),
        exif::Value::SLong(v) => v.len(),
        exif::Value::Rational(v) => v.len(),
        exif::Value::SRational(v) => v.len(),
        exif::Value::Float(v) => v.len(),
        exif::Value::Double(v) => v.len(),
        exif::Value::Unknown(..) => 0,
    };
    if length > DISPLAYED_MAX { format!("({length} values)") } else { shown(&field.display_value().to_string(), VALUE_CHARS_MAX) }
}

/// What is held against one another: dates, place, device.
const READ_TWICE: [(Ifd, u16); 8] = [
    (Ifd::Exif, 0x9003),
    (Ifd::Exif, 0x9004),
    (Ifd::Exif, 0x9011),
    (Ifd::Gps, 0x02),
    (Ifd::Gps, 0x04),
    (Ifd::Main, 0x10f),
    (Ifd::Main, 0x110),
    (Ifd::Main, 0x112),
];

fn as_ours(field: &exif::Field) -> Option<Field> {
    let ifd = match (field.ifd_num, field.tag.context()) {
        (In::PRIMARY, exif::Context::Tiff) => Ifd::Main,
        (In::PRIMARY, exif::Context::Exif) => Ifd::Exif,
        (In::PRIMARY, exif::Context::Gps) => Ifd::Gps,
        (In::THUMBNAIL, exif::Context::Tiff) => Ifd::Thumbnail,
        _ => return None,
    };
    let value = match &field.value {
        exif::Value::Ascii(parts) => Value::Text(parts.first()?.clone()),
        exif::Value::Undefined(bytes, _) => Value::Text(bytes.clone()),
        exif::Value::Rational(r) => Value::Numbers(r.iter().map(|r| (i64::from(r.num), i64::from(r.denom))).collect()),
        exif::Value::SRational(r) => Value::Numbers(r.iter().map(|r| (i64::from(r.num), i64::from(r.denom))).collect()),
        other => Value::Numbers(other.iter_uint()?.map(|n| (i64::from(n), 1)).collect()),
    };
    Some(Field { ifd, tag: field.tag.number(), value })
}

impl Fields {
    /// A field as the first reader has it, else as the second.
    pub fn get(&self, ifd: Ifd, tag: u16) -> Option<&Value> {
        let find = |list: &'_ [Field]| list.iter().position(|f| f.ifd == ifd && f.tag == tag);
        find(&self.first).map(|n| &self.first[n].value).or_else(|| find(&self.second).map(|n| &self.second[n].value))
    }

    fn differ(&self, ifd: Ifd, tag: u16) -> bool {
        let of = |list: &[Field]| list.iter().find(|f| f.ifd == ifd && f.tag == tag).map(|f| words(&f.value));
        of(&self.first).zip(of(&self.second)).is_some_and(|(a, b)| a != b)
    }

    pub fn text(&self, ifd: Ifd, tag: u16) -> Option<String> {
        match self.get(ifd, tag)? {
            Value::Text(bytes) => Some(clean(bytes)).filter(|t| !t.is_empty()),
            Value::Numbers(_) => None,
        }
    }

    pub fn number(&self, ifd: Ifd, tag: u16) -> Option<f64> {
        self.numbers(ifd, tag).map(|[n]: [f64; 1]| n)
    }

    fn numbers<const N: usize>(&self, ifd: Ifd, tag: u16) -> Option<[f64; N]> {
        match self.get(ifd, tag)? {
            Value::Numbers(parts) => {
                let numbers: Vec<f64> = parts.iter().map(|(n, d)| *n as f64 / *d as f64).collect();
                numbers.try_into().ok().filter(|n: &[f64; N]| n.iter().all(|v| v.is_finite()))
            }
            Value::Text(_) => None,
        }
    }

    /// Whether every denominator is zero: bytes that were there and have been overwritten with nothing.
    fn emptied(&self, tag: u16) -> bool {
        matches!(self.get(Ifd::Gps, tag), Some(Value::Numbers(parts)) if !parts.is_empty() && parts.iter().all(|p| *p == (0, 0)))
    }

    /// The orientation as the file states it, 1 to 8.
    pub fn orientation(&self) -> Option<u8> {
        let stated = self.number(Ifd::Main, 0x112).filter(|o| (1.0..=8.0).contains(o) && o.fract() == 0.0)?;
        (1..=8).find(|o| f64::from(*o) == stated)
    }
}

/// Up to the first NUL, without the spaces that cameras fill up with.
fn clean(bytes: &[u8]) -> String {
    let text = bytes.split(|b| *b == 0).next().unwrap_or_default();
    shown(String::from_utf8_lossy(text).trim(), VALUE_CHARS_MAX)
}

fn words(value: &Value) -> String {
    match value {
        Value::Text(bytes) => clean(bytes),
        Value::Numbers(parts) => format!("{parts:?}"),
    }
}

/// Writes times, place and device into `out`.
pub fn facts(fields: &Fields, out: &mut Outcome) {
    times(fields, out);
    out.found.places.extend(place(fields));
    let device = &mut out.found.device;
    let first = |places: &[(Ifd, u16)]| places.iter().find_map(|(ifd, tag)| fields.text(*ifd, *tag));
    *device = Device {
        make: device.make.take().or_else(|| first(&[(Ifd::Main, 0x10f), (Ifd::Exif, 0x10f)])),
        model: device.model.take().or_else(|| first(&[(Ifd::Main, 0x110), (Ifd::Exif, 0x110)])),
        serial: device
            .serial
            .take()
            .or_else(|| first(&[(Ifd::Exif, 0xa431), (Ifd::Main, 0xc62f), (Ifd::Main, 0xfde9), (Ifd::Main, 0xa431)])),
        software: device.software.take().or_else(|| first(&[(Ifd::Main, 0x131), (Ifd::Exif, 0x131)])),
        lens: device.lens.take().or_else(|| first(&[(Ifd::Exif, 0xa434)])),
        unique: device.unique.take().or_else(|| first(&[(Ifd::Exif, 0xa420)]).filter(|u| u.chars().any(|c| c != '0'))),
    };
    out.found.shape.orientation = fields.orientation().or(out.found.shape.orientation);
}

fn times(f: &Fields, out: &mut Outcome) {
    // OffsetTime belongs to the last change; it counts when that is the moment of the picture as well.
    let changed = f.text(Ifd::Main, 0x132);
    let stated = f.text(Ifd::Exif, 0x9010);
    // (Date, its fraction, its offset.) Some programs keep them in the main directory.
    let sets = [
        (Source::ExifOriginal, "DateTimeOriginal", 0x9003, 0x9291, 0x9011),
        (Source::ExifDigitized, "DateTimeDigitized", 0x9004, 0x9292, 0x9012),
    ];
    for (source, name, date, fraction, offset) in sets {
        let Some((ifd, raw)) = [Ifd::Exif, Ifd::Main].into_iter().find_map(|ifd| Some((ifd, f.text(ifd, date)?))) else { continue };
        let fraction: String = f.text(ifd, fraction).unwrap_or_default().chars().take_while(char::is_ascii_digit).take(9).collect();
        let offset = f.text(ifd, offset).or_else(|| stated.clone().filter(|_| changed.as_ref() == Some(&raw)));
        let (local, own) = exif_date(&raw, &fraction).unzip();
        out.found.times.push(TimeFound {
            source,
            local,
            offset_min: offset.as_deref().and_then(minutes_east).or(own.flatten()),
            raw: shown(&[raw, offset.unwrap_or_default()].join(" "), VALUE_CHARS_MAX).trim().to_owned(),
            path: format!("EXIF:{name}"),
            date_only: false,
        });
    }
    if let (Some(date), Some([h, m, s])) = (f.text(Ifd::Gps, 0x1d), f.numbers::<3>(Ifd::Gps, 0x07)) {
        // Each of the three may have a fraction: together they are seconds of the day.
        let of_day = Some(h * 3_600.0 + m * 60.0 + s).filter(|t| [h, m, s].iter().all(|v| *v >= 0.0) && *t < 86_400.0);
        let clock = of_day.map(|t| {
            let whole = t.floor();
            format!("{:02.0}:{:02.0}:{:02.0}", (whole / 3_600.0).floor(), (whole % 3_600.0 / 60.0).floor(), whole % 60.0)
        });
        out.found.times.push(TimeFound {
            source: Source::ExifGps,
            raw: shown(&format!("{date} {h}:{m}:{s}"), VALUE_CHARS_MAX),
            path: "EXIF:GPSDateStamp+GPSTimeStamp".into(),
            local: clock.and_then(|c| exif_date(&format!("{date} {c}"), &fraction_of(of_day?))).map(|(local, _)| local),
            offset_min: Some(0),
            date_only: false,
        });
    }
}

/// The digits after the point of some seconds, to the millisecond.
fn fraction_of(seconds: f64) -> String {
    let millis = (seconds.fract() * 1_000.0).round().min(999.0);
    if millis > 0.0 { format!("{millis:03}") } else { String::new() }
}

fn place(f: &Fields) -> Option<PlaceFound> {
    let latitude = f.get(Ifd::Gps, 0x02);
    // Position fields may be gone with only their references left.
    let raw = match latitude {
        Some(_) => [(0x02, 0x01), (0x04, 0x03)].map(|(tag, side)| told(f, tag, side)).join(" ").trim().to_owned(),
        None => f.text(Ifd::Gps, 0x01)?,
    };
    let mut found = PlaceFound {
        raw: shown(&raw, VALUE_CHARS_MAX),
        path: "EXIF:GPSLatitude+GPSLongitude".into(),
        ..PlaceFound::of(Source::ExifGps, PlaceStatus::Impossible)
    };
    if f.emptied(0x02) && f.emptied(0x04) {
        found.status = PlaceStatus::RemovedByPhone;
        return Some(found);
    }
    latitude?;
    let (Some((lat, lat_step)), Some((lon, lon_step))) = (degrees(f, 0x02), degrees(f, 0x04)) else { return Some(found) };
    // Without its hemisphere a number is in two places.
    let sign = |tag, positive: char, negative: char| {
        let letter = f.text(Ifd::Gps, tag)?.chars().next()?.to_ascii_uppercase();
        if letter == positive { Some(1.0) } else { (letter == negative).then_some(-1.0) }
    };
    let (north, east) = (sign(0x01, 'N', 'S'), sign(0x03, 'E', 'W'));
    // 1: below the sea; Exif 3.0 adds 3, below the ellipsoid. Some write the digit.
    let below = match f.get(Ifd::Gps, 0x05) {
        Some(Value::Numbers(n)) => matches!(n.first(), Some((1 | 3, 1))),
        Some(Value::Text(t)) => matches!(t.first(), Some(1 | 3 | b'1' | b'3')),
        None => false,
    };
    // (No minus before zero.)
    found.altitude_m = f.number(Ifd::Gps, 0x06).map(|a| if below { -a.abs() } else { a } + 0.0);
    found.direction_deg = f.number(Ifd::Gps, 0x11).filter(|d| (0.0..=360.0).contains(d));
    found.magnetic = f.text(Ifd::Gps, 0x10).is_some_and(|r| r.eq_ignore_ascii_case("m"));
    if lat == 0.0 && lon == 0.0 {
        found.status = PlaceStatus::Zero;
        return Some(found);
    }
    let (Some(north), Some(east)) = (north, east) else {
        found.status = PlaceStatus::NoHemisphere;
        return Some(found);
    };
    found.point = Point::new(lat * north, lon * east);
    found.status = if found.point.is_some() { PlaceStatus::Stated } else { PlaceStatus::Impossible };
    let stated = f.number(Ifd::Gps, 0x1f).filter(|r| *r > 0.0);
    // Without a stated error, at least the step in which it is written: whole minutes are a nautical mile.
    let step_m = lat_step.max(lon_step) * crate::domain::value::METRES_PER_DEGREE;
    found.radius_m = stated.or_else(|| (step_m > 50.0).then(|| step_m.round()));
    Some(found)
}

/// An angle as the file has it, for people: `48° 51′ 23.76″ N`.
fn told(f: &Fields, tag: u16, side: u16) -> String {
    let side = f.text(Ifd::Gps, side).unwrap_or_default();
    let parts = match f.get(Ifd::Gps, tag) {
        Some(Value::Numbers(parts)) => parts,
        Some(text) => return format!("{} {side}", words(text)),
        None => return side,
    };
    let number = |(n, d): &(i64, i64)| if *d == 0 { format!("{n}/0") } else { format!("{}", (*n as f64 / *d as f64 * 1e7).round() / 1e7) };
    let marks = ["°", "′", "″"].into_iter().chain(std::iter::repeat(""));
    let told: Vec<String> = parts.iter().take(6).zip(marks).map(|(part, mark)| format!("{}{mark}", number(part))).collect();
    format!("{} {side}", told.join(" "))
}

/// Degrees, minutes and seconds as whole numbers in a text. (More numbers than three could mean several places: they mean none.)
fn texted(text: &str) -> Option<Vec<(i64, i64)>> {
    let parts: Vec<&str> = text.split([',', ' ', ';']).map(str::trim).filter(|p| !p.is_empty()).collect();
    let whole = |t: &str| t.parse::<i64>().ok().filter(|n| *n >= 0).map(|n| (n, 1));
    match parts[..] {
        [d, m, s] => [d, m, s].map(whole).into_iter().collect(),
        _ => None,
    }
}

/// Degrees of up to three rationals, and the step in degrees of the finest that is used. Programs that write a sign as well as a
/// hemisphere mean the hemisphere.
fn degrees(f: &Fields, tag: u16) -> Option<(f64, f64)> {
    // A few programs write them as text: `52 0 50`.
    let parts = match f.get(Ifd::Gps, tag)? {
        Value::Numbers(parts) => parts.clone(),
        Value::Text(text) => texted(&clean(text))?,
    };
    let units = [1.0, 1.0 / 60.0, 1.0 / 3600.0];
    let (mut sum, mut step) = (0.0, 1.0);
    for (n, ((numerator, denominator), unit)) in parts.iter().take(3).zip(units).enumerate() {
        if *denominator == 0 {
            // Minutes or seconds that are not there; degrees have to be.
            if n == 0 || *numerator != 0 {
                return None;
            }
            continue;
        }
        sum += (*numerator as f64 / *denominator as f64).abs() * unit;
        if *numerator != 0 || n == 0 {
            step = unit / (*denominator as f64).abs();
        }
    }
    Some((sum, step))
}

#[cfg(test)]
mod tests {
    use super::super::raw::written;
    use super::*;
    use crate::domain::capture::Found;

    fn read(all: Vec<(Ifd, u16, Value)>) -> Found {
        let block = written(&all.into_iter().map(|(ifd, tag, value)| Field { ifd, tag, value }).collect::<Vec<_>>());
        let mut out = Outcome::default();
        facts(&fields(&block, &mut out), &mut out);
        out.found
    }

    fn text(t: &str) -> Value {
        Value::Text([t.as_bytes(), b"\0"].concat())
    }

    fn ratios(r: &[(i64, i64)]) -> Value {
        Value::Numbers(r.to_vec())
    }

    #[test]
    fn satellite_time_may_be_written_in_fractions() {
        for (clock, wanted) in [
            ([(20, 1), (10, 1), (301, 10)], Some("2026-07-14T20:10:30.100")),
            ([(20, 1), (1_075, 100), (0, 1)], Some("2026-07-14T20:10:45")),
            ([(205, 10), (0, 1), (0, 1)], Some("2026-07-14T20:30:00")),
            ([(25, 1), (0, 1), (0, 1)], None),
        ] {
            let found = read(vec![(Ifd::Gps, 0x1d, text("2026:07:14")), (Ifd::Gps, 0x07, ratios(&clock))]);
            assert_eq!(found.times[0].local.as_deref(), wanted, "{clock:?}");
        }
    }

    #[test]
    fn below_the_sea_is_below() {
        let at = |reference: Value| {
            let angle = || ratios(&[(48, 1), (51, 1), (2_376, 100)]);
            read(vec![
                (Ifd::Gps, 0x01, text("s")),
                (Ifd::Gps, 0x02, angle()),
                (Ifd::Gps, 0x03, text("E")),
                (Ifd::Gps, 0x04, angle()),
                (Ifd::Gps, 0x05, reference),
                (Ifd::Gps, 0x06, ratios(&[(24, 2)])),
            ])
            .places
            .remove(0)
        };
        for (reference, wanted) in [(ratios(&[(0, 1)]), 12.0), (ratios(&[(1, 1)]), -12.0), (ratios(&[(3, 1)]), -12.0), (text("1"), -12.0)] {
            let place = at(reference);
            assert_eq!(place.altitude_m, Some(wanted));
            assert!(place.point.unwrap().lat < 0.0 && place.raw.starts_with("48° 51′ 23.76″ s"), "{}", place.raw);
        }
    }

    #[test]
    fn a_date_may_bring_its_zone() {
        let found = read(vec![(Ifd::Exif, 0x9003, text("2026:07:14 22:10:03+02:00"))]);
        assert_eq!((found.times[0].local.as_deref(), found.times[0].offset_min), (Some("2026-07-14T22:10:03"), Some(120)));
    }
}
