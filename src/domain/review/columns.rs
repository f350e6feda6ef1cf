//! The index of a whole appeal, as the browser holds it: one row for each exhibit, column after column, so that a brush, a map or a facet
//! is answered without asking again. It carries neither names nor ids nor pictures: those are asked for by number, and on record.
//!
//! ```text
//! u32 (little endian)  length of the header
//! header               JSON: rows, what the words of coded columns are, which columns follow, the appeal's window and area
//! columns              each value in as many bytes as its type has; all lowest bytes first, then all second ones, … (they compress
//!                      better apart)
//! ```
//!
//! `delta` columns hold the difference from the row before, modulo 2³².

use serde_json::{Value, json};

use super::area::Circle;
use super::closeness::{seconds_down, seconds_up};
use super::signs::Sign;
use crate::domain::appeal::Appeal;
use crate::domain::capture::{Grade, Source};
use crate::domain::exhibit::{Kind, State};
use crate::domain::value::{Id, Utc};

/// One exhibit, as far as it is sorted, filtered and drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub number: u64,
    pub family: u64,
    pub lead: bool,
    pub has_thumbnail: bool,
    pub quarantined: bool,
    pub kind: Kind,
    pub state: State,
    /// The effective time.
    pub time: Option<(Utc, Utc, Grade, Source)>,
    pub place: Option<Spot>,
    pub received_at: Utc,
    /// Bits of the appeal's tags.
    pub tags: u32,
    /// Bits of its signs.
    pub signs: u32,
    /// By which its hand-over is called.
    pub sender: u64,
    /// By which its device is called; 0 when nothing tells.
    pub device: u64,
    pub assignee: Option<Id>,
    pub version: u64,
}

/// The effective place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    pub lat_e7: i64,
    pub lon_e7: i64,
    pub radius_m: f64,
    pub bearing: Option<u16>,
    pub source: Source,
}

/// No time, no place, no bearing.
const NO_TIME: u32 = u32::MAX;
const NO_PLACE: i32 = i32::MIN;
const NO_BEARING: u16 = u16::MAX;

/// What one exhibit costs before it is compressed.
const LINE_BYTES: usize = 56;

const LEAD: u8 = 1;
const THUMBNAIL: u8 = 2;
const QUARANTINED: u8 = 4;

fn code<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|o| o == one).and_then(|n| u8::try_from(n + 1).ok()).unwrap_or(0)
}

fn clamped(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0)).unwrap_or(NO_TIME - 1).min(NO_TIME - 1)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn number(n: u64) -> u32 {
    n.min(u64::from(u32::MAX)) as u32
}

/// Values of up to four bytes each, lowest bytes first.
fn planes(out: &mut Vec<u8>, bytes: usize, values: impl Iterator<Item = u32> + Clone) {
    for plane in 0..bytes {
        out.extend(values.clone().map(|v| v.to_le_bytes()[plane]));
    }
}

fn deltas(values: impl Iterator<Item = u32> + Clone) -> impl Iterator<Item = u32> + Clone {
    let before = std::iter::once(0).chain(values.clone());
    values.zip(before).map(|(v, b)| v.wrapping_sub(b))
}

/// What an index says besides its lines.
pub struct About {
    /// How many exhibits the appeal has.
    pub all: u64,
    /// When they were read.
    pub asked_at: Utc,
    /// Words of tags, in the order of their bits.
    pub tags: Vec<String>,
    /// What devices are called: numbers, words, and whether it is one device and not a model.
    pub devices: Vec<(u64, String, bool)>,
    /// Everybody of the agency, new ones last, and whether they may review.
    pub people: Vec<(Id, String, bool)>,
}

/// The index of `lines`, which are in the order of their numbers.
pub fn encode(appeal: &Appeal, lines: &[Line], about: &About) -> Vec<u8> {
    let area = Circle::new(appeal.area.centre, appeal.area.radius_m);
    let names = |words: &mut dyn Iterator<Item = &'static str>| Value::from(words.collect::<Vec<_>>());
    let header = json!({
        "version": 1,
        "rows": lines.len(),
        "all": about.all,
        "asked_at": about.asked_at.micros(),
        "tags": about.tags,
        "people": about.people,
        "devices": about.devices,
        "from": seconds_down(appeal.from),
        "to": seconds_up(appeal.to),
        "centre": [area.centre.lat, area.centre.lon],
        "shrink": area.shrink,
        "radius_m": appeal.area.radius_m,
        "zone": appeal.zone,
        "kinds": names(&mut Kind::ALL.iter().map(|k| k.as_str())),
        "states": names(&mut State::ALL.iter().map(|s| s.as_str())),
        "grades": names(&mut Grade::ALL.iter().map(|g| g.as_str())),
        "signs": names(&mut Sign::ALL.iter().map(|s| s.as_str())),
        "sources": names(&mut Source::ALL.iter().map(|s| s.as_str())),
        "columns": [["number", 4, "delta"], ["family", 4, "back"], ["t", 4, ""], ["t_hi", 4, "after t"], ["lat", 4, ""], ["lon", 4, ""],
            ["radius", 2, ""], ["bearing", 2, ""], ["received", 4, "delta"], ["version", 2, ""], ["kind", 1, ""], ["state", 1, ""],
            ["grade", 1, ""], ["time_source", 1, ""], ["place_source", 1, ""], ["flags", 1, ""], ["tags", 4, ""], ["assignee", 2, ""],
            ["signs", 2, ""], ["sender", 4, "back"], ["device", 4, ""]],
    });
    let header = header.to_string().into_bytes();
    let mut out = Vec::with_capacity(header.len() + 4 + lines.len() * LINE_BYTES);
    out.extend(number(header.len() as u64).to_le_bytes());
    out.extend(header);
    let t = |l: &Line| l.time.map_or(NO_TIME, |t| clamped(seconds_up(t.0)));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let e7 = |value: Option<i64>| value.map_or(NO_PLACE, |v| v as i32).cast_unsigned();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let metres = |l: &Line| l.place.map_or(0, |p| p.radius_m.clamp(0.0, 65_535.0) as u32);
    planes(&mut out, 4, deltas(lines.iter().map(|l| number(l.number))));
    planes(&mut out, 4, lines.iter().map(|l| number(l.number.wrapping_sub(l.family))));
    planes(&mut out, 4, lines.iter().map(t));
    planes(&mut out, 4, lines.iter().map(|l| l.time.map_or(0, |end| clamped(seconds_down(end.1)).wrapping_sub(t(l)))));
    planes(&mut out, 4, lines.iter().map(|l| e7(l.place.map(|p| p.lat_e7))));
    planes(&mut out, 4, lines.iter().map(|l| e7(l.place.map(|p| p.lon_e7))));
    planes(&mut out, 2, lines.iter().map(metres));
    planes(&mut out, 2, lines.iter().map(|l| u32::from(l.place.and_then(|p| p.bearing).unwrap_or(NO_BEARING))));
    planes(&mut out, 4, deltas(lines.iter().map(|l| clamped(seconds_down(l.received_at)))));
    planes(&mut out, 2, lines.iter().map(|l| number(l.version.min(65_535))));
    planes(&mut out, 1, lines.iter().map(|l| u32::from(code(&Kind::ALL, &l.kind))));
    planes(&mut out, 1, lines.iter().map(|l| u32::from(code(&State::ALL, &l.state))));
    planes(&mut out, 1, lines.iter().map(|l| u32::from(l.time.map_or(0, |t| code(&Grade::ALL, &t.2)))));
    planes(&mut out, 1, lines.iter().map(|l| u32::from(l.time.map_or(0, |t| code(Source::ALL, &t.3)))));
    planes(&mut out, 1, lines.iter().map(|l| u32::from(l.place.map_or(0, |p| code(Source::ALL, &p.source)))));
    let flag = |on: bool, bit: u8| if on { bit } else { 0 };
    planes(
        &mut out,
        1,
        lines.iter().map(|l| u32::from(flag(l.lead, LEAD) | flag(l.has_thumbnail, THUMBNAIL) | flag(l.quarantined, QUARANTINED))),
    );
    planes(&mut out, 4, lines.iter().map(|l| l.tags));
    let whose =
        |to: &Id| about.people.iter().position(|(id, ..)| id == to).and_then(|n| u32::try_from(n + 1).ok()).unwrap_or(0).min(65_535);
    planes(&mut out, 2, lines.iter().map(|l| l.assignee.as_ref().map_or(0, whose)));
    planes(&mut out, 2, lines.iter().map(|l| l.signs));
    planes(&mut out, 4, lines.iter().map(|l| number(l.number.wrapping_sub(l.sender))));
    planes(&mut out, 4, lines.iter().map(|l| number(l.device)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_and_differences() {
        let mut out = Vec::new();
        planes(&mut out, 2, [0x0102, 0x0304].into_iter());
        assert_eq!(out, [2, 4, 1, 3]);
        assert_eq!(deltas([5, 7, 6].into_iter()).collect::<Vec<_>>(), [5, 2, u32::MAX]);
    }

    #[test]
    fn each_exhibit_costs_fifty_six_bytes_before_it_is_compressed() {
        let at = Utc::from_micros(1_784_059_200_000_001);
        let appeal = Appeal::sample(at, at.plus(1_800_000_000), "Europe/Paris");
        let line = Line {
            number: 7,
            family: 7,
            lead: true,
            has_thumbnail: false,
            quarantined: false,
            kind: Kind::Photo,
            state: State::Ready,
            time: Some((at, at, Grade::A, Source::ExifGps)),
            place: None,
            received_at: at,
            tags: 2,
            signs: 1,
            sender: 7,
            device: 0,
            assignee: None,
            version: 0,
        };
        let about =
            About { all: 2, asked_at: at, tags: vec!["second-look".into(), "graphic".into()], devices: Vec::new(), people: Vec::new() };
        let bytes = encode(&appeal, &[line.clone(), line], &about);
        let header = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
        assert_eq!(bytes.len(), 4 + header + 2 * LINE_BYTES);
        let header: Value = serde_json::from_slice(&bytes[4..4 + header]).unwrap();
        let each: u64 = header["columns"].as_array().unwrap().iter().map(|c| c[1].as_u64().unwrap()).sum();
        assert_eq!((each, header["rows"].as_u64(), header["from"].as_i64()), (LINE_BYTES as u64, Some(2), Some(1_784_059_200)));
    }
}
