//! When and where a file says it was taken: claims, each with its source and doubt, and the rule that
//! picks the effective one.
//!
//! Claims are only ever added. Nothing is invented: an unknown time stays unknown and is never the
//! time of receipt. "Removed by the phone", "zero" and "impossible" are different facts from silence.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::appeal::Appeal;
use super::submission::{Answer, Statement};
use super::value::{DAY_US, HOUR_US, MINUTE_US, Point, SECOND_US, Sha256, Utc};

/// Version of the rule below; stored with what it chose, so that it can be computed again.
pub const RULE_VERSION: u32 = 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    ExifOriginal,
    ExifDigitized,
    ExifGps,
    QuicktimeCreationdate,
    ContainerHeader,
    ContainerLocation,
    FileName,
    WitnessStatement,
}

impl Source {
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::ExifOriginal => "exif_original",
            Source::ExifDigitized => "exif_digitized",
            Source::ExifGps => "exif_gps",
            Source::QuicktimeCreationdate => "quicktime_creationdate",
            Source::ContainerHeader => "container_header",
            Source::ContainerLocation => "container_location",
            Source::FileName => "file_name",
            Source::WitnessStatement => "witness_statement",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
    }
}

/// How good a time is, best first. Shown beside every time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
pub enum Grade {
    /// The device's own clock with its own zone, or satellite time.
    A,
    /// The zone was derived from two clocks in the file.
    B,
    /// The zone was assumed from the appeal, or the clock's meaning is uncertain.
    C,
    /// Told by a person or implied by a name.
    D,
}

impl Grade {
    pub const fn as_str(self) -> &'static str {
        match self {
            Grade::A => "A",
            Grade::B => "B",
            Grade::C => "C",
            Grade::D => "D",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Grade::A, Grade::B, Grade::C, Grade::D].into_iter().find(|g| g.as_str() == text)
    }
}

/// What a reader found about time, before any zone is assumed. Readers know nothing of appeals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeFound {
    pub source: Source,
    /// As it stands in the file.
    pub raw: String,
    /// Where in the file.
    pub path: String,
    /// Wall-clock reading `YYYY-MM-DDTHH:MM:SS[.fff]`, when the raw text is one.
    pub local: Option<String>,
    /// Minutes east of UTC, when the file says so.
    pub offset_min: Option<i32>,
}

/// What a reader found about place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaceFound {
    pub source: Source,
    pub raw: String,
    pub path: String,
    pub status: PlaceStatus,
    pub point: Option<Point>,
    pub radius_m: Option<f64>,
    pub altitude_m: Option<f64>,
    pub direction_deg: Option<f64>,
}

/// Why a place claim has a point, or has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlaceStatus {
    Stated,
    /// The fields are there and emptied: what Android does to photos chosen in a web page.
    RemovedByPhone,
    /// Exactly 0°, 0°: a receiver without a fix.
    Zero,
    /// Outside the Earth, or not a number.
    Impossible,
}

/// A claim of time: its interval when it has one, else what is wrong with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimeClaim {
    pub source: Source,
    pub raw: String,
    pub path: String,
    pub reader: String,
    #[schema(value_type = Option<String>)]
    pub from: Option<Utc>,
    #[schema(value_type = Option<String>)]
    pub to: Option<Utc>,
    pub grade: Grade,
    /// Where the zone came from: `stated`, `gps`, `appeal`, `utc` or `none`.
    pub zone_from: String,
    /// Why this claim cannot be used, in one stable word.
    pub problem: Option<String>,
}

/// A claim of place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlaceClaim {
    pub source: Source,
    pub raw: String,
    pub path: String,
    pub reader: String,
    pub status: PlaceStatus,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub radius_m: Option<f64>,
    pub altitude_m: Option<f64>,
    pub direction_deg: Option<f64>,
}

/// The time that the queue sorts and filters by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effective {
    pub from: Utc,
    pub to: Utc,
    pub grade: Grade,
    pub source: Source,
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

/// The place that the queue sorts and filters by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub point: Point,
    pub radius_m: f64,
    pub source: Source,
}

/// Everything that a reader found in one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub times: Vec<TimeFound>,
    pub places: Vec<PlaceFound>,
    pub duration_us: Option<i64>,
}

/// What the appeal lends to a claim that lacks it.
pub struct Frame<'a> {
    pub zone: &'a str,
    pub received_at: Utc,
    pub reader: &'a str,
}

/// Times before this are clocks that were never set. 1990-01-01.
const EARLIEST: Utc = Utc::from_micros(631_152_000 * SECOND_US);

/// Turns what was found into claims of time.
///
/// A wall clock with an offset is grade A; satellite time is grade A; a wall clock whose difference
/// from satellite time is a whole quarter of an hour (±2 min) is grade B; one without any zone takes
/// the appeal's and is grade C with an hour's doubt; a container's header clock is meant to be UTC,
/// often is not and may be stamped at either end, so it is grade C, wide by its duration.
pub fn time_claims(found: &Found, frame: &Frame<'_>) -> Vec<TimeClaim> {
    let gps = found.times.iter().find(|t| t.source == Source::ExifGps).and_then(|t| t.local.as_deref()).and_then(|l| to_utc(l, 0));
    let duration = found.duration_us.unwrap_or(0).max(0);
    found
        .times
        .iter()
        .map(|t| {
            let (interval, grade, zone_from) = interval_of(t, gps, duration, frame.zone);
            let problem = match interval {
                None => Some("unreadable"),
                Some((from, _)) if from < EARLIEST => Some("clock-not-set"),
                Some((from, _)) if from > frame.received_at.plus(DAY_US) => Some("in-the-future"),
                Some(_) => None,
            };
            TimeClaim {
                source: t.source,
                raw: t.raw.clone(),
                path: t.path.clone(),
                reader: frame.reader.to_owned(),
                from: interval.map(|i| i.0),
                to: interval.map(|i| i.1),
                grade,
                zone_from: zone_from.to_owned(),
                problem: problem.map(str::to_owned),
            }
        })
        .collect()
}

type Interval = (Utc, Utc);

fn interval_of(t: &TimeFound, gps: Option<Utc>, duration: i64, zone: &str) -> (Option<Interval>, Grade, &'static str) {
    let Some(local) = t.local.as_deref() else {
        return (None, Grade::C, "none");
    };
    let around = |at: Utc, before: i64, after: i64| Some((at.plus(-before), at.plus(after)));
    match t.source {
        Source::ExifGps => (to_utc(local, 0).and_then(|at| around(at, SECOND_US, SECOND_US)), Grade::A, "utc"),
        Source::ContainerHeader => {
            let doubt = duration.max(MINUTE_US);
            (to_utc(local, 0).and_then(|at| around(at, doubt, doubt)), Grade::C, "utc")
        }
        Source::FileName => (
            in_zone(local, zone).and_then(|(a, b)| Some((around(a, MINUTE_US, 0)?.0, around(b, 0, MINUTE_US + duration)?.1))),
            Grade::D,
            "appeal",
        ),
        _ => {
            if let Some(offset) = t.offset_min {
                let at = to_utc(local, offset);
                return (at.and_then(|at| around(at, SECOND_US, SECOND_US + duration)), Grade::A, "stated");
            }
            if let Some(offset) = gps.and_then(|g| derived_offset(local, g)) {
                let at = to_utc(local, offset);
                return (at.and_then(|at| around(at, 2 * MINUTE_US, 2 * MINUTE_US + duration)), Grade::B, "gps");
            }
            (in_zone(local, zone).map(|(a, b)| (a.plus(-HOUR_US), b.plus(HOUR_US + duration))), Grade::C, "appeal")
        }
    }
}

/// The zone offset in minutes that explains the distance between a wall clock and satellite time, if
/// it is a whole quarter of an hour within 14 hours. Otherwise the file's two clocks disagree.
fn derived_offset(local: &str, gps: Utc) -> Option<i32> {
    let difference = to_utc(local, 0)?.micros() - gps.micros();
    let quarter = 15 * MINUTE_US;
    let steps = (difference + quarter / 2).div_euclid(quarter);
    let rest = (difference - steps * quarter).abs();
    (rest <= 2 * MINUTE_US && steps.abs() <= 14 * 4).then(|| i32::try_from(steps * 15).ok())?
}

fn to_utc(local: &str, offset_min: i32) -> Option<Utc> {
    let civil: jiff::civil::DateTime = local.parse().ok()?;
    let at = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(Utc::from_micros(at.as_microsecond()).plus(-i64::from(offset_min) * MINUTE_US))
}

/// A wall clock in a named zone. An hour that happens twice, or not at all, widens to both readings.
fn in_zone(local: &str, zone: &str) -> Option<Interval> {
    let civil: jiff::civil::DateTime = local.parse().ok()?;
    let zone = jiff::tz::TimeZone::get(zone).ok()?;
    let ambiguous = zone.to_ambiguous_zoned(civil);
    let earlier = ambiguous.clone().earlier().ok()?.timestamp().as_microsecond();
    let later = ambiguous.later().ok()?.timestamp().as_microsecond();
    Some((Utc::from_micros(earlier.min(later)), Utc::from_micros(earlier.max(later))))
}

pub fn place_claims(found: &Found, reader: &str) -> Vec<PlaceClaim> {
    found
        .places
        .iter()
        .map(|p| PlaceClaim {
            source: p.source,
            raw: p.raw.clone(),
            path: p.path.clone(),
            reader: reader.to_owned(),
            status: p.status,
            lat: p.point.map(|q| q.lat),
            lon: p.point.map(|q| q.lon),
            radius_m: p.radius_m,
            altitude_m: p.altitude_m,
            direction_deg: p.direction_deg,
        })
        .collect()
}

/// The effective time: the best grade that has no problem; among equals the order of sources; among
/// those the first in the file, but the last of what a person said.
pub fn effective_time(claims: &[TimeClaim]) -> Option<Effective> {
    claims
        .iter()
        .filter(|c| c.problem.is_none())
        .enumerate()
        .filter_map(|(n, c)| Some((n, c, c.from?, c.to?)))
        .min_by_key(|(n, c, _, _)| (c.grade, source_rank(c.source), turn(c.source, *n)))
        .map(|(_, c, from, to)| Effective { from, to, grade: c.grade, source: c.source })
}

/// The effective place: what the file states before what the witness tells.
pub fn effective_place(claims: &[PlaceClaim]) -> Option<Place> {
    claims
        .iter()
        .filter(|c| c.status == PlaceStatus::Stated)
        .enumerate()
        .filter_map(|(n, c)| Some((n, c, Point::new(c.lat?, c.lon?)?)))
        .min_by_key(|(n, c, _)| (source_rank(c.source), turn(c.source, *n)))
        .map(|(_, c, point)| Place { point, radius_m: c.radius_m.unwrap_or(50.0), source: c.source })
}

/// Files are read from the front; of a person's words the last count.
const fn turn(source: Source, n: usize) -> isize {
    match source {
        Source::WitnessStatement => -n.cast_signed(),
        _ => n.cast_signed(),
    }
}

const fn source_rank(source: Source) -> u8 {
    match source {
        Source::QuicktimeCreationdate => 0,
        Source::ExifOriginal => 1,
        Source::ExifGps => 2,
        Source::ExifDigitized => 3,
        Source::ContainerLocation => 4,
        Source::ContainerHeader => 5,
        Source::FileName => 6,
        Source::WitnessStatement => 7,
    }
}

/// Claims that need no look into the file: what the witness stated, and what the name implies.
pub fn told_claims(statement: &Statement, appeal: &Appeal, name: &str, frame: &Frame<'_>) -> (Vec<TimeClaim>, Vec<PlaceClaim>) {
    let named = Found { times: time_in_name(name).into_iter().collect(), ..Found::default() };
    let mut times = time_claims(&named, frame);
    if let (Some(from), Some(to)) = (statement.from, statement.to) {
        times.push(TimeClaim {
            source: Source::WitnessStatement,
            raw: format!("{from}/{to}"),
            path: "statement".into(),
            reader: frame.reader.to_owned(),
            from: Some(from),
            to: Some(to),
            grade: Grade::D,
            zone_from: "stated".into(),
            problem: (from > frame.received_at.plus(DAY_US)).then(|| "in-the-future".to_owned()),
        });
    }
    let told = match (statement.point, statement.at_place) {
        (Some(point), _) => Some((point, statement.radius_m.unwrap_or(100.0))),
        (None, Answer::Yes) => Some((appeal.area.centre, appeal.area.radius_m)),
        (None, _) => None,
    };
    let places = told.map(|(point, radius)| PlaceClaim {
        source: Source::WitnessStatement,
        raw: statement.place_words.clone(),
        path: "statement".into(),
        reader: frame.reader.to_owned(),
        status: PlaceStatus::Stated,
        lat: Some(point.lat),
        lon: Some(point.lon),
        radius_m: Some(radius),
        altitude_m: None,
        direction_deg: None,
    });
    (times, places.into_iter().collect())
}

/// Date and time in a name such as `IMG_20260714_221003.jpg` or `2026-07-14 22.10.03.mp4`.
pub fn time_in_name(name: &str) -> Option<TimeFound> {
    let digits: Vec<(usize, char)> = name.char_indices().filter(|(_, c)| c.is_ascii_digit()).collect();
    for window in digits.windows(14) {
        let (first, last) = (window.first()?.0, window.last()?.0);
        let span = &name[first..=last];
        let before = name[..first].chars().next_back();
        if span.len() > 19
            || before.is_some_and(|c| c.is_ascii_digit())
            || span.chars().any(|c| !c.is_ascii_digit() && !matches!(c, '-' | '_' | '.' | ' ' | 'T'))
        {
            continue;
        }
        let d: String = window.iter().map(|(_, c)| c).collect();
        let local = format!("{}-{}-{}T{}:{}:{}", &d[..4], &d[4..6], &d[6..8], &d[8..10], &d[10..12], &d[12..14]);
        if local.parse::<jiff::civil::DateTime>().is_ok() && ("1990".."2100").contains(&&d[..4]) {
            return Some(TimeFound {
                source: Source::FileName,
                raw: span.to_owned(),
                path: "name".into(),
                local: Some(local),
                offset_min: None,
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Utc {
        text.parse().unwrap()
    }

    fn frame() -> Frame<'static> {
        Frame { zone: "Europe/Paris", received_at: at("2026-07-15T00:00:00Z"), reader: "test" }
    }

    fn time(source: Source, local: &str, offset_min: Option<i32>) -> TimeFound {
        TimeFound { source, raw: local.into(), path: "x".into(), local: Some(local.into()), offset_min }
    }

    #[test]
    fn an_offset_in_the_file_beats_the_appeals_zone() {
        let found = Found { times: vec![time(Source::ExifOriginal, "2026-07-14T22:10:00", Some(120))], ..Found::default() };
        let e = effective_time(&time_claims(&found, &frame())).unwrap();
        assert_eq!((e.grade, e.from.plus(SECOND_US)), (Grade::A, at("2026-07-14T20:10:00Z")));
    }

    #[test]
    fn no_zone_takes_the_appeals_with_doubt() {
        let found = Found { times: vec![time(Source::ExifOriginal, "2026-07-14T22:10:00", None)], ..Found::default() };
        let e = effective_time(&time_claims(&found, &frame())).unwrap();
        assert_eq!(e.grade, Grade::C);
        assert_eq!((e.from, e.to), (at("2026-07-14T19:10:00Z"), at("2026-07-14T21:10:00Z")));
    }

    #[test]
    fn two_clocks_give_the_zone_or_disagree() {
        let gps = time(Source::ExifGps, "2026-07-14T20:10:30", None);
        let camera = |local: &str| Found { times: vec![time(Source::ExifOriginal, local, None), gps.clone()], ..Found::default() };
        let claims = time_claims(&camera("2026-07-14T22:10:00"), &frame());
        assert_eq!((claims[0].grade, claims[0].zone_from.as_str()), (Grade::B, "gps"));
        let claims = time_claims(&camera("2026-07-14T22:17:30"), &frame());
        assert_eq!(claims[0].grade, Grade::C, "seven minutes off is no zone");
    }

    #[test]
    fn an_hour_that_happens_twice_widens() {
        let (a, b) = in_zone("2026-10-25T02:30:00", "Europe/Paris").unwrap();
        assert_eq!(b.micros() - a.micros(), HOUR_US);
    }

    #[test]
    fn clocks_never_set_and_future_ones_are_kept_but_not_used() {
        for (local, why) in [("1970-01-01T00:00:00", "clock-not-set"), ("2038-01-01T00:00:00", "in-the-future")] {
            let found = Found { times: vec![time(Source::ExifOriginal, local, None)], ..Found::default() };
            let claims = time_claims(&found, &frame());
            assert_eq!(claims[0].problem.as_deref(), Some(why));
            assert_eq!(effective_time(&claims), None);
        }
    }

    #[test]
    fn names_that_hold_a_time() {
        for name in ["IMG_20260714_221003.jpg", "2026-07-14 22.10.03.mp4", "PXL_20260714_221003123.MP.jpg"] {
            assert_eq!(time_in_name(name).unwrap().local.unwrap(), "2026-07-14T22:10:03", "{name}");
        }
        for name in ["IMG_1234.jpg", "99999999999999999.jpg", "IMG_20261314_221003.jpg", ""] {
            assert_eq!(time_in_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_removed_place_is_a_claim_without_a_point() {
        let found = Found {
            places: vec![PlaceFound {
                source: Source::ExifGps,
                raw: "0/0".into(),
                path: "GPS".into(),
                status: PlaceStatus::RemovedByPhone,
                point: None,
                radius_m: None,
                altitude_m: None,
                direction_deg: None,
            }],
            ..Found::default()
        };
        let claims = place_claims(&found, "test");
        assert_eq!(claims[0].status, PlaceStatus::RemovedByPhone);
        assert_eq!(effective_place(&claims), None);
    }
}
