//! The rule that picks the effective time and place, and the texts by which custody events commit to what it picked.

use super::{Grade, PlaceClaim, PlaceStatus, Source, TimeClaim};
use crate::domain::value::{Point, Sha256, Utc};

/// Version of the rule; stored with what it chose, so that it can be computed again.
pub const RULE_VERSION: u32 = 5;

/// The time that the queue sorts and filters by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effective {
    pub from: Utc,
    pub to: Utc,
    pub grade: Grade,
    pub source: Source,
}

/// The place that the queue sorts and filters by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub point: Point,
    pub radius_m: f64,
    /// Where the camera looked, in degrees from north.
    pub bearing: Option<u16>,
    pub source: Source,
}

/// The effective time: what an investigator states; else a corrected clock; else the best grade that has no problem; among equals
/// the order of sources; among those the first in the file, but the last of what a person said.
pub fn effective_time(claims: &[TimeClaim]) -> Option<Effective> {
    claims
        .iter()
        .enumerate()
        .filter(|(n, c)| c.problem.is_none() && counts(*n, claims, |c| (c.source, &c.path, c.problem.as_deref() == Some(WITHDRAWN))))
        .filter_map(|(n, c)| Some((n, c, c.from?, c.to?)))
        .min_by_key(|(n, c, _, _)| (precedence(c.source), c.grade, source_rank(c.source), turn(c.source, *n)))
        .map(|(_, c, from, to)| Effective { from, to, grade: c.grade, source: c.source })
}

/// The effective place: what an investigator states; else what the file states before what the witness tells.
pub fn effective_place(claims: &[PlaceClaim]) -> Option<Place> {
    claims
        .iter()
        .enumerate()
        .filter(|(_, c)| c.status == PlaceStatus::Stated)
        .filter(|(n, _)| counts(*n, claims, |c| (c.source, &c.path, c.status == PlaceStatus::Withdrawn)))
        .filter_map(|(n, c)| Some((n, c, Point::new(c.lat?, c.lon?)?)))
        .min_by_key(|(n, c, _)| (precedence(c.source), source_rank(c.source), turn(c.source, *n)))
        .map(|(_, c, point)| Place {
            point,
            radius_m: c.radius_m.unwrap_or(50.0),
            bearing: c.direction_deg.filter(|d| d.is_finite()).map(|d| (d.rem_euclid(360.0).round() as u16) % 360),
            source: c.source,
        })
}

/// The problem of a claim that takes back what was claimed before under the same path.
pub const WITHDRAWN: &str = "withdrawn";

/// Whether a claim was not taken back by a later one: claims are only ever added.
fn counts<C>(n: usize, claims: &[C], of: impl Fn(&C) -> (Source, &String, bool)) -> bool {
    let Some((source, path, _)) = claims.get(n).map(&of) else { return false };
    !matches!(source, Source::InvestigatorStatement | Source::ClockCorrection)
        || !claims[n..].iter().map(of).any(|(s, p, withdrawn)| withdrawn && s == source && p == path)
}

const fn precedence(source: Source) -> u8 {
    match source {
        Source::InvestigatorStatement => 0,
        Source::ClockCorrection => 1,
        _ => 2,
    }
}

/// Files are read from the front; of a person's words the last count.
const fn turn(source: Source, n: usize) -> isize {
    match source {
        Source::WitnessStatement | Source::InvestigatorStatement | Source::ClockCorrection => -n.cast_signed(),
        _ => n.cast_signed(),
    }
}

const fn source_rank(source: Source) -> u8 {
    match source {
        Source::InvestigatorStatement => 0,
        Source::ClockCorrection => 1,
        Source::QuicktimeCreationdate => 2,
        Source::ExifOriginal => 3,
        Source::ExifGps => 4,
        Source::ExifDigitized => 5,
        Source::RecordedText => 6,
        Source::XmpGps => 7,
        Source::ContainerLocation => 8,
        Source::ContainerHeader => 9,
        // Programs write these, on other computers.
        Source::XmpCreated => 10,
        Source::IptcCreated => 11,
        Source::FileName => 12,
        Source::WitnessStatement => 13,
    }
}

/// How an exhibit stands in time and place, as one text that custody events commit to, so that no row can be changed in silence.
/// The arguments are the row's columns: start and end, grade, source; latitude, longitude, accuracy, source.
pub fn stands(time: Option<(i64, i64, &str, &str)>, place: Option<(f64, f64, f64, &str)>) -> String {
    let time = time.map_or_else(|| "-".to_owned(), |(from, to, grade, source)| format!("{from} {to} {grade} {source}"));
    // (A minus before zero is lost in one of the databases.)
    let place =
        place.map_or_else(|| "-".to_owned(), |(lat, lon, radius, source)| format!("{} {} {} {source}", lat + 0.0, lon + 0.0, radius + 0.0));
    format!("{time} | {place}")
}

/// The same, of what was worked out.
pub fn stands_as(when: Option<Effective>, place: Option<Place>) -> String {
    stands(
        when.map(|w| (w.from.micros(), w.to.micros(), w.grade.as_str(), w.source.as_str())),
        place.map(|p| (p.point.lat, p.point.lon, p.radius_m, p.source.as_str())),
    )
}

/// SHA-256 of claims as they are kept, whatever their order.
pub fn claims_digest(mut bodies: Vec<String>) -> Sha256 {
    bodies.sort_unstable();
    Sha256::of(bodies.join("\n").as_bytes())
}
