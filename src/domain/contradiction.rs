//! What contradicts what, of one exhibit: the file's clocks among themselves, its places, what its witness said, what its name says.
//! Computed from claims alone, so that anybody can compute it again.

use super::capture::{Device, Found, PlaceClaim, PlaceStatus, Source, TimeClaim, messenger, of_a_screen};
use super::indicator::{Indicator, Seen};
use super::value::{MINUTE_US, Point, Utc};

/// Version of these rules; shown beside what they found.
pub const RULE_VERSION: u32 = 2;

/// Two clocks of one file may differ by so much: fixes are old, recordings are stamped at their end.
const CLOCKS_US: i64 = 10 * MINUTE_US;

/// What follows from an exhibit's claims and its name. `others`: how many other submissions have files of the same device.
pub fn all(name: &str, found: &Found, times: &[TimeClaim], places: &[PlaceClaim], others: u64) -> Vec<Seen> {
    let mut seen = found.seen.clone();
    if let Some(which) = messenger(name) {
        seen.push(Seen::new(Indicator::MessengerCopy, format!("{name} ({which})"), "name"));
    }
    if of_a_screen(name) {
        let recording = found.duration_us.is_some();
        seen.retain(|s| s.what != Indicator::Screenshot);
        seen.push(Seen::new(if recording { Indicator::ScreenRecording } else { Indicator::Screenshot }, name.to_owned(), "name"));
    }
    seen.extend(clocks(times));
    seen.extend(wrong_clock(times));
    seen.extend(two_places(places));
    seen.extend(time_told(times));
    seen.extend(place_told(places));
    if others > 0 {
        seen.push(Seen::new(Indicator::SameDevice, format!("{} · {others}", named(&found.device)), "EXIF:BodySerialNumber"));
    }
    seen.sort_by_key(|s| (s.what.rank(), s.what));
    seen.dedup();
    seen
}

fn named(device: &Device) -> String {
    [&device.make, &device.model].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")
}

/// How far apart two intervals are.
fn gap(a: (Utc, Utc), b: (Utc, Utc)) -> i64 {
    (b.0.micros() - a.1.micros()).max(a.0.micros() - b.1.micros()).max(0)
}

const fn of_the_file(source: Source) -> bool {
    !matches!(source, Source::FileName | Source::WitnessStatement | Source::InvestigatorStatement | Source::ClockCorrection)
}

fn usable(c: &TimeClaim) -> Option<(Utc, Utc)> {
    if c.problem.is_none() { c.from.zip(c.to) } else { None }
}

fn clocks(times: &[TimeClaim]) -> Option<Seen> {
    let own: Vec<_> = times.iter().filter(|c| of_the_file(c.source)).filter_map(|c| Some((c, usable(c)?))).collect();
    // (A disputed satellite time reaches over both clocks: how far is how much they disagree.)
    let apart = |a: &TimeClaim, b: &TimeClaim, (x, y): ((Utc, Utc), (Utc, Utc))| {
        let camera = |c: &TimeClaim| c.source == Source::ExifOriginal;
        let wide = [(a, b, x), (b, a, y)].into_iter().find(|(c, other, _)| c.zone_from == "disputed" && camera(other));
        gap(x, y).max(wide.map_or(0, |(_, _, i)| i.1.micros() - i.0.micros()))
    };
    let pairs = own.iter().enumerate().flat_map(|(n, a)| own[n + 1..].iter().map(move |b| (a, b, apart(a.0, b.0, (a.1, b.1)))));
    let (a, b, apart) = pairs.max_by_key(|p| p.2).filter(|p| p.2 > CLOCKS_US)?;
    Some(Seen::new(
        Indicator::ClocksDisagree,
        format!("{} ↔ {} ({})", a.0.raw, b.0.raw, distance(apart)),
        &format!("{} ↔ {}", a.0.path, b.0.path),
    ))
}

/// How far apart two times are, in the largest unit that says it: minutes, hours, days.
fn distance(us: i64) -> String {
    let minutes = us / MINUTE_US;
    match minutes {
        0..=180 => format!("{minutes} min"),
        181..=4_320 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}

fn wrong_clock(times: &[TimeClaim]) -> Option<Seen> {
    let wrong = |c: &&TimeClaim| of_the_file(c.source) && matches!(c.problem.as_deref(), Some("clock-not-set" | "in-the-future"));
    times.iter().find(wrong).map(|c| Seen::new(Indicator::ClockWrong, c.raw.clone(), &c.path))
}

fn point(c: &PlaceClaim) -> Option<(Point, f64)> {
    if c.status != PlaceStatus::Stated {
        return None;
    }
    Some((Point::new(c.lat?, c.lon?)?, c.radius_m.unwrap_or(50.0)))
}

fn two_places(places: &[PlaceClaim]) -> Option<Seen> {
    let own: Vec<_> = places.iter().filter(|c| of_the_file(c.source)).filter_map(|c| Some((c, point(c)?))).collect();
    let pairs = own.iter().enumerate().flat_map(|(n, a)| own[n + 1..].iter().map(move |b| (a, b)));
    pairs.map(|(a, b)| (a, b, a.1.0.metres_to(b.1.0) - a.1.1 - b.1.1)).find(|p| p.2 > 200.0).map(|(a, b, apart)| {
        Seen::new(Indicator::PlacesDisagree, format!("{} ↔ {} ({apart:.0} m)", a.0.raw, b.0.raw), &format!("{} ↔ {}", a.0.path, b.0.path))
    })
}

/// A witness's word beside the file's own: what each says, and how far apart they are beyond both doubts.
#[derive(Clone, Debug, PartialEq)]
pub struct Beside<'a, C> {
    pub told: Option<&'a C>,
    pub own: Option<&'a C>,
    /// Microseconds, or metres; nothing when there are not two.
    pub apart: Option<i64>,
}

/// What the witness said of the time, and the best that the file says.
pub fn times_beside(times: &[TimeClaim]) -> Beside<'_, TimeClaim> {
    let told = times.iter().rfind(|c| c.source == Source::WitnessStatement);
    let own = times.iter().filter(|c| of_the_file(c.source) && usable(c).is_some()).min_by_key(|c| c.grade);
    let apart = told.and_then(usable).zip(own.and_then(usable)).map(|(a, b)| gap(a, b));
    Beside { told, own, apart }
}

/// The same of the place.
pub fn places_beside(places: &[PlaceClaim]) -> Beside<'_, PlaceClaim> {
    let told = places.iter().rfind(|c| c.source == Source::WitnessStatement);
    let own = places.iter().filter(|c| of_the_file(c.source)).find(|c| point(c).is_some());
    #[allow(clippy::cast_possible_truncation)]
    let apart = told.and_then(point).zip(own.and_then(point)).map(|(a, b)| (a.0.metres_to(b.0) - a.1 - b.1).max(0.0) as i64);
    Beside { told, own, apart }
}

fn time_told(times: &[TimeClaim]) -> Option<Seen> {
    let told = usable(times.iter().rfind(|c| c.source == Source::WitnessStatement)?)?;
    let best = times.iter().filter(|c| of_the_file(c.source) && usable(c).is_some()).min_by_key(|c| c.grade)?;
    let apart = gap(usable(best)?, told);
    (apart > 30 * MINUTE_US).then(|| Seen::new(Indicator::TimeAndWitness, format!("{} ({} min)", best.raw, apart / MINUTE_US), &best.path))
}

fn place_told(places: &[PlaceClaim]) -> Option<Seen> {
    let (told, told_radius) = point(places.iter().rfind(|c| c.source == Source::WitnessStatement)?)?;
    let (own, (at, radius)) = places.iter().filter(|c| of_the_file(c.source)).find_map(|c| Some((c, point(c)?)))?;
    let apart = at.metres_to(told) - radius - told_radius;
    (apart > 500.0).then(|| Seen::new(Indicator::PlaceAndWitness, format!("{apart:.0} m"), &own.path))
}

#[cfg(test)]
mod tests {
    use super::super::capture::{Frame, PlaceFound, TimeFound, place_claims, time_claims};
    use super::*;

    fn time(source: Source, local: &str) -> TimeFound {
        TimeFound {
            source,
            raw: local.into(),
            path: source.as_str().into(),
            local: Some(local.into()),
            offset_min: Some(0),
            date_only: false,
        }
    }

    fn seen(found: &Found, name: &str, others: u64) -> Vec<Indicator> {
        let frame = Frame { zone: "UTC", zone_there: None, received_at: "2026-07-15T00:00:00Z".parse().unwrap(), reader: "test" };
        all(name, found, &time_claims(found, &frame), &place_claims(found, "test"), others).into_iter().map(|s| s.what).collect()
    }

    #[test]
    fn clocks_that_disagree_are_told_and_those_that_agree_are_not() {
        let two = |gps: &str| Found {
            times: vec![time(Source::ExifOriginal, "2026-07-14T22:10:00"), time(Source::ExifGps, gps)],
            ..Found::default()
        };
        assert!(seen(&two("2026-07-14T22:09:30"), "a.jpg", 0).is_empty());
        assert_eq!(seen(&two("2026-07-13T22:10:00"), "a.jpg", 0), [Indicator::ClocksDisagree]);
        let unset = Found { times: vec![time(Source::ExifOriginal, "1970-01-01T00:00:00")], ..Found::default() };
        assert_eq!(seen(&unset, "a.jpg", 0), [Indicator::ClockWrong]);
    }

    #[test]
    fn places_names_and_devices() {
        let at = |lat| PlaceFound { point: Point::new(lat, 2.0), ..PlaceFound::of(Source::ContainerLocation, PlaceStatus::Stated) };
        let found = Found { places: vec![at(48.0), at(48.1)], ..Found::default() };
        assert_eq!(
            seen(&found, "IMG-20260714-WA0001.jpg", 3),
            [Indicator::PlacesDisagree, Indicator::MessengerCopy, Indicator::SameDevice]
        );
        assert!(seen(&Found { places: vec![at(48.0), at(48.0001)], ..Found::default() }, "a.mp4", 0).is_empty());
        assert_eq!(seen(&Found::default(), "Screenshot_20260714.png", 0), [Indicator::Screenshot]);
    }
}
