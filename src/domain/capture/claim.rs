//! Claims: what was found or told, with the doubt that belongs to it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Found, Grade, PlaceStatus, Source, TimeFound, time_in_name};
use crate::domain::appeal::Appeal;
use crate::domain::submission::{Answer, Statement};
use crate::domain::value::{DAY_US, HOUR_US, MINUTE_US, SECOND_US, Utc};

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
    /// Where the zone came from: `stated`, `gps`, `place`, `appeal`, `utc` or `none`; `utc_or_local` and `disputed` for both readings.
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
    /// Whether the direction is the compass's.
    #[serde(default)]
    pub magnetic: bool,
}

/// What the appeal lends to a claim that lacks it.
pub struct Frame<'a> {
    pub zone: &'a str,
    /// The zone at the place that the file itself states.
    pub zone_there: Option<&'a str>,
    pub received_at: Utc,
    pub reader: &'a str,
}

/// Times before this are clocks that were never set. 1990-01-01.
const EARLIEST: Utc = Utc::from_micros(631_152_000 * SECOND_US);

/// Turns what was found into claims of time.
///
/// A wall clock with an offset is grade A; satellite time is grade A; a wall clock whose difference
/// from satellite time is a whole quarter of an hour (±2 min) is grade B, and so is one that takes the zone
/// of the file's own place (clocks travel: two minutes of doubt, and both readings of an hour that happens twice);
/// what XMP and IPTC tell was written by a program and is never grade A;
/// where no zone explains the distance, satellite time is grade B and reaches over both (a fix may be old, a clock wrong), up to a day;
/// one without any zone takes the appeal's and is grade C with an hour's doubt; a container's header clock is meant
/// to be UTC and may be stamped at either end, so it is grade C, wide by its duration; where nothing says that a phone wrote it, it
/// reaches from UTC to the wall clock of the place, because recorders often write that.
pub fn time_claims(found: &Found, frame: &Frame<'_>) -> Vec<TimeClaim> {
    let gps = found.times.iter().find(|t| t.source == Source::ExifGps).and_then(|t| t.local.as_deref()).and_then(|l| to_utc(l, 0));
    let camera = found.times.iter().find(|t| t.source == Source::ExifOriginal && !t.date_only);
    let camera = camera.and_then(|t| Some((t.local.as_deref()?, t.offset_min)));
    let clocks = Clocks { gps, disputed: gps.and_then(|g| disputed(found, g, frame)), camera };
    let duration = found.duration_us.unwrap_or(0).max(0);
    found
        .times
        .iter()
        .map(|t| {
            let (interval, grade, zone_from) = interval_of(t, &clocks, duration, frame);
            // A time without seconds is all of its minute.
            let coarse = t.local.as_deref().is_some_and(|l| l.len() == "2026-07-14T22:10".len());
            let interval = interval.map(|(from, to)| (from, if coarse { to.plus(59 * SECOND_US) } else { to }));
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

/// What the file's satellite time says, and where it and the camera's own clock cannot both be right.
struct Clocks<'a> {
    gps: Option<Utc>,
    /// The camera's own wall clock, and the offset that it states.
    camera: Option<(&'a str, Option<i32>)>,
    /// How the camera's clock reads, earliest and latest.
    disputed: Option<Interval>,
}

/// Satellite time that is further from the camera's than this is an old fix, or the camera is wrong: nobody can tell which.
const AGREE_US: i64 = 2 * MINUTE_US;

fn disputed(found: &Found, gps: Utc, frame: &Frame<'_>) -> Option<Interval> {
    let camera = found.times.iter().find(|t| t.source == Source::ExifOriginal && !t.date_only)?;
    let local = camera.local.as_deref()?;
    let read = match camera.offset_min {
        Some(offset) => to_utc(local, offset).map(|at| (at, at)).filter(|(at, _)| (at.micros() - gps.micros()).abs() > AGREE_US)?,
        None if derived_offset(local, gps, frame.zone_there).is_some() => return None,
        None => frame.zone_there.and_then(|zone| in_zone(local, zone)).or_else(|| in_zone(local, frame.zone))?,
    };
    // A clock that was never set disputes nothing.
    (read.0 >= EARLIEST && read.0 <= frame.received_at.plus(DAY_US)).then_some(read)
}

fn interval_of(t: &TimeFound, clocks: &Clocks<'_>, duration: i64, frame: &Frame<'_>) -> (Option<Interval>, Grade, &'static str) {
    let Some(local) = t.local.as_deref() else {
        return (None, Grade::C, "none");
    };
    let around = |at: Utc, before: i64, after: i64| Some((at.plus(-before), at.plus(after)));
    if t.date_only {
        // Some time of that day, wherever.
        let day = in_zone(local, frame.zone).map(|(a, b)| (a.plus(-HOUR_US), b.plus(25 * HOUR_US)));
        return (day, if t.source == Source::FileName { Grade::D } else { Grade::C }, "appeal");
    }
    match t.source {
        Source::ExifGps => {
            let own = to_utc(local, 0).and_then(|at| around(at, SECOND_US, SECOND_US));
            match (own, clocks.disputed) {
                (Some((from, to)), Some((earliest, latest))) => {
                    let both = (from.min(earliest), to.max(latest));
                    let near = both.1.micros() - both.0.micros() <= DAY_US;
                    (Some(if near { both } else { (from, to) }), Grade::B, "disputed")
                }
                _ => (own, Grade::A, "utc"),
            }
        }
        Source::ContainerHeader => {
            let doubt = duration.max(MINUTE_US);
            let utc = to_utc(local, 0).and_then(|at| around(at, doubt, doubt));
            // Who wrote it is not known to mean UTC: recorders often write their wall clock.
            let wall = || in_zone(local, frame.zone_there.unwrap_or(frame.zone));
            match (utc, t.offset_min.is_none().then(wall).flatten()) {
                (Some((from, to)), Some((a, b))) => (Some((from.min(a.plus(-doubt)), to.max(b.plus(doubt)))), Grade::C, "utc_or_local"),
                (utc, _) => (utc, Grade::C, "utc"),
            }
        }
        Source::FileName if t.offset_min == Some(0) => {
            (to_utc(local, 0).and_then(|at| around(at, MINUTE_US, MINUTE_US + duration)), Grade::D, "utc")
        }
        Source::FileName => (
            in_zone(local, frame.zone).and_then(|(a, b)| Some((around(a, MINUTE_US, 0)?.0, around(b, 0, MINUTE_US + duration)?.1))),
            Grade::D,
            "appeal",
        ),
        Source::XmpCreated | Source::IptcCreated => written(t, local, clocks, duration, frame),
        _ => {
            // The same wall clock, written a second time, has the same offset.
            let again = clocks.camera.filter(|(camera, _)| *camera == local).and_then(|(_, offset)| offset);
            if let Some(offset) = t.offset_min.or(again) {
                let at = to_utc(local, offset);
                return (at.and_then(|at| around(at, SECOND_US, SECOND_US + duration)), Grade::A, "stated");
            }
            if let Some(offset) = clocks.gps.and_then(|g| derived_offset(local, g, frame.zone_there)) {
                let at = to_utc(local, offset);
                return (at.and_then(|at| around(at, 2 * MINUTE_US, 2 * MINUTE_US + duration)), Grade::B, "gps");
            }
            // (A zone that this machine's table does not know is none.)
            if let Some((a, b)) = frame.zone_there.and_then(|zone| in_zone(local, zone)) {
                let grade = if clocks.disputed.is_some() { Grade::C } else { Grade::B };
                return (Some((a.plus(-2 * MINUTE_US), b.plus(2 * MINUTE_US + duration))), grade, "place");
            }
            (in_zone(local, frame.zone).map(|(a, b)| (a.plus(-HOUR_US), b.plus(HOUR_US + duration))), Grade::C, "appeal")
        }
    }
}

/// A time that a program wrote beside the picture's own, in the zone of the computer that it ran on, or in none that anybody chose (IPTC has no
/// way to say so, and `+0000` is what many write). Where it repeats the camera's wall clock it is as good as that with the stated offset
/// beside the zone of the place; else it is some time of the file's life.
fn written(t: &TimeFound, local: &str, clocks: &Clocks<'_>, duration: i64, frame: &Frame<'_>) -> (Option<Interval>, Grade, &'static str) {
    let stated = t.offset_min.and_then(|offset| to_utc(local, offset));
    let there = frame.zone_there.and_then(|zone| in_zone(local, zone)).or_else(|| in_zone(local, frame.zone));
    let both = match (stated, there) {
        (Some(at), Some((a, b))) => Some((at.min(a), at.max(b))),
        (Some(at), None) => Some((at, at)),
        (None, there) => there,
    };
    let zone_from = match (t.offset_min, frame.zone_there) {
        (Some(_), _) => "stated",
        (None, Some(_)) => "place",
        (None, None) => "appeal",
    };
    let wall = |text: &str| to_utc(text, 0).map(Utc::micros);
    let same = clocks.camera.and_then(|(camera, _)| wall(camera)).zip(wall(local)).is_some_and(|(a, b)| (a - b).abs() <= SECOND_US);
    let (doubt, grade) = if same && t.offset_min.is_some() { (2 * MINUTE_US, Grade::B) } else { (HOUR_US, Grade::C) };
    (both.map(|(a, b)| (a.plus(-doubt), b.plus(doubt + duration))), grade, zone_from)
}

/// The zone offset in minutes that explains the distance between a wall clock and satellite time, if
/// it is a whole quarter of an hour within 14 hours. Otherwise the file's two clocks disagree.
fn derived_offset(local: &str, gps: Utc, zone_there: Option<&str>) -> Option<i32> {
    let difference = to_utc(local, 0)?.micros() - gps.micros();
    let quarter = 15 * MINUTE_US;
    let steps = (difference + quarter / 2).div_euclid(quarter);
    let rest = (difference - steps * quarter).abs();
    let minutes = i32::try_from(steps * 15).ok()?;
    // Zones are whole or half hours from UTC, but for three; and where the place is known, they are its own.
    let real = minutes % 30 == 0 || [345, 525, 765].contains(&minutes);
    let there = zone_there.and_then(|zone| in_zone(local, zone));
    let own = there.is_none_or(|(a, b)| to_utc(local, minutes).is_some_and(|at| at == a || at == b));
    (rest <= 2 * MINUTE_US && minutes.abs() <= 14 * 60 && real && own).then_some(minutes)
}

fn to_utc(local: &str, offset_min: i32) -> Option<Utc> {
    let civil: jiff::civil::DateTime = local.parse().ok()?;
    let at = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(Utc::from_micros(at.as_microsecond()).plus(-i64::from(offset_min) * MINUTE_US))
}

/// A wall clock in a named zone. An hour that happens twice, or not at all, widens to both readings.
pub fn in_zone(local: &str, zone: &str) -> Option<(Utc, Utc)> {
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
            magnetic: p.magnetic,
        })
        .collect()
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
        magnetic: false,
    });
    (times, places.into_iter().collect())
}
