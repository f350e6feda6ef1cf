//! What the queue can be asked.

use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::area::{Bbox, Circle, E7, Polygon, e7};
use super::closeness::{seconds_down, seconds_up};
use super::signs::Sign;
use super::tags::TagBook;
use crate::domain::capture::Grade;
#[cfg(test)]
use crate::domain::exhibit::Exhibit;
use crate::domain::exhibit::{Kind, State};
use crate::domain::value::{Id, Point, SECOND_US, Sha256, Utc};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// Closest to the incident first.
    #[default]
    Closeness,
    /// By effective time, earliest first; unknown times last.
    Time,
    /// By arrival, newest first.
    Received,
}

/// Whose exhibits are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Assigned {
    Nobody,
    To(Id),
}

/// What the queue is asked. Built only by [`Filter::read`], so that every one in use makes sense.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub from: Option<Utc>,
    pub to: Option<Utc>,
    pub bbox: Option<Bbox>,
    pub near: Option<Circle>,
    pub within: Option<Polygon>,
    pub states: Vec<State>,
    pub kinds: Vec<Kind>,
    pub grades: Vec<Grade>,
    pub quarantined: bool,
    /// Bits of tags, of which it has one or more; none asks nothing.
    pub tags: u32,
    /// Bits of signs, of which it has one or more; none asks nothing.
    pub signs: u32,
    /// One hand-over, by its number.
    pub sender: Option<u64>,
    /// One device, by its number.
    pub device: Option<u64>,
    pub assigned: Option<Assigned>,
    /// Of each family the best copy only.
    pub best_only: bool,
    /// One family, by its number.
    pub family: Option<u64>,
    pub time_unknown: bool,
    pub place_unknown: bool,
    pub order: Order,
}

/// The query parameters of the queue, as they come.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RawFilter {
    /// RFC 3339, from 1970 on, rounded down to a second: exhibits whose time may lie at or after this.
    pub from: Option<String>,
    /// RFC 3339, rounded up to a second: exhibits whose time may lie at or before this.
    pub to: Option<String>,
    /// `west,south,east,north` in degrees; may cross the antimeridian.
    pub bbox: Option<String>,
    /// `lat,lon` in degrees, with `radius_m`.
    pub near: Option<String>,
    /// Metres around `near`, up to 500,000.
    pub radius_m: Option<String>,
    /// `lat,lon;lat,lon;…` in degrees: the corners of a polygon, 3 to 64.
    pub within: Option<String>,
    /// `received`, `ready`, `relevant`, `not_relevant`, `undecided` or `quarantined`; several with commas.
    pub state: Option<String>,
    /// `photo`, `video`, `audio`, `document` or `other`; several with commas.
    pub kind: Option<String>,
    /// `A` to `D`, how good the time is; several with commas.
    pub grade: Option<String>,
    /// Tags, of which it has one or more; several with commas.
    pub tag: Option<String>,
    /// Signs, of which it has one or more, several with commas: `own`, `received` (by the witness's word), `messenger`, `screen`, `edited`,
    /// `clock`, `place`, `credentials`, `broken`, `generated`.
    pub sign: Option<String>,
    /// One hand-over, by the number of its first exhibit.
    pub submission: Option<String>,
    /// One device (or model), by the number of the first exhibit that it made.
    pub device: Option<String>,
    /// `nobody`, `me`, or the id of the person whose it is to review.
    pub assigned: Option<String>,
    /// `all` (default); `best`: of each family the best copy only; a number: that family.
    pub family: Option<String>,
    /// `unknown`: only exhibits whose time is not known.
    pub time: Option<String>,
    /// `unknown`: only exhibits whose place is not known.
    pub place: Option<String>,
    /// `closeness` (default), `time` or `received`.
    pub order: Option<String>,
    /// Rows of a page, 1 to 200; 50 unless said.
    pub limit: Option<String>,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Language of the page; ignored by programs.
    pub lang: Option<String>,
}

pub const LIMIT_DEFAULT: u32 = 50;
pub const LIMIT_MAX: u32 = 200;
pub const RADIUS_M_MAX: f64 = 500_000.0;
/// Seconds since 1970 that fit into 32 bits, with which the browser works; one less, which stands for an unknown time.
pub const SECONDS_MAX: i64 = 4_294_967_294;

/// Which parameter is wrong, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wrong {
    pub field: &'static str,
    pub why: &'static str,
}

fn wrong<T>(field: &'static str, why: &'static str) -> Result<T, Wrong> {
    Err(Wrong { field, why })
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty())
}

fn numbers<const N: usize>(text: &str) -> Option<[f64; N]> {
    let parts: Vec<f64> = text.split(',').map(|p| p.trim().parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn list<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(|t| parse(t.trim())).collect()
}

impl Filter {
    /// Reads query parameters; empty ones count as absent (a form sends them so).
    pub fn read(raw: &RawFilter, book: &TagBook) -> Result<Self, Wrong> {
        let time = |field, text: Option<&str>| match text.map(str::parse::<Utc>) {
            None => Ok(None),
            Some(Ok(t)) => Ok(Some(t)),
            Some(Err(())) => wrong(field, "not an RFC 3339 time with an offset"),
        };
        let from = time("from", filled(&raw.from))?.map(|t| Utc::from_micros(seconds_down(t) * SECOND_US));
        let to = time("to", filled(&raw.to))?.map(|t| Utc::from_micros(seconds_up(t) * SECOND_US));
        for (field, at) in [("from", from), ("to", to)] {
            if at.is_some_and(|t| !(0..=SECONDS_MAX).contains(&seconds_down(t))) {
                return wrong(field, "before 1970 or after 2105");
            }
        }
        if from.zip(to).is_some_and(|(a, b)| a > b) {
            return wrong("to", "the range ends before it starts");
        }
        let unknown = |field, text: Option<&str>| match text {
            None => Ok(false),
            Some("unknown") => Ok(true),
            Some(_) => wrong(field, "only the value 'unknown' exists"),
        };
        let time_unknown = unknown("time", filled(&raw.time))?;
        if time_unknown && (from.is_some() || to.is_some()) {
            return wrong("time", "an unknown time lies in no range");
        }
        let place_unknown = unknown("place", filled(&raw.place))?;
        let bbox = filled(&raw.bbox).map(read_bbox).transpose()?;
        let near = read_near(filled(&raw.near), filled(&raw.radius_m))?;
        let within = filled(&raw.within).map(read_polygon).transpose()?;
        if place_unknown && (bbox.is_some() || near.is_some() || within.is_some()) {
            return wrong("place", "an unknown place lies in no area");
        }
        let words = filled(&raw.state).unwrap_or_default();
        let quarantined = words.split(',').any(|w| w.trim() == "quarantined");
        let plain: Vec<&str> = words.split(',').map(str::trim).filter(|w| !w.is_empty() && *w != "quarantined").collect();
        let Some(states) = plain.iter().map(|w| State::parse(w)).collect::<Option<Vec<_>>>() else {
            return wrong("state", "no such state");
        };
        let Some(kinds) = filled(&raw.kind).map_or(Some(Vec::new()), |t| list(t, Kind::parse)) else {
            return wrong("kind", "no such kind");
        };
        let Some(grades) = filled(&raw.grade).map_or(Some(Vec::new()), |t| list(t, Grade::parse)) else {
            return wrong("grade", "A, B, C or D");
        };
        let words = filled(&raw.tag).map(|t| t.split(',').map(|w| w.trim().to_owned()).collect::<Vec<_>>()).unwrap_or_default();
        if words.iter().any(|w| book.bit(w).is_none()) {
            return wrong("tag", "no exhibit of this appeal has such a tag");
        }
        let tags = book.mask(&words);
        let Some(signs) = filled(&raw.sign).map_or(Some(Vec::new()), |t| list(t, Sign::parse)) else {
            return wrong("sign", "no such sign");
        };
        let signs = signs.into_iter().fold(0, |bits, s| bits | s.bit());
        let numbered = |field, text: Option<&str>| match text.map(str::parse::<u64>) {
            None => Ok(None),
            Some(Ok(n)) if n > 0 => Ok(Some(n)),
            Some(_) => wrong(field, "the number of an exhibit"),
        };
        let sender = numbered("submission", filled(&raw.submission))?;
        let device = numbered("device", filled(&raw.device))?;
        let assigned = match filled(&raw.assigned) {
            None => None,
            Some("nobody") => Some(Assigned::Nobody),
            Some(person) => match person.parse() {
                Ok(id) => Some(Assigned::To(id)),
                Err(()) => return wrong("assigned", "'nobody', 'me' or a person's id"),
            },
        };
        let (best_only, family) = match filled(&raw.family) {
            None | Some("all") => (false, None),
            Some("best") => (true, None),
            Some(number) => match number.parse() {
                Ok(number) if number > 0 => (false, Some(number)),
                _ => return wrong("family", "'all', 'best' or a family's number"),
            },
        };
        let order = match filled(&raw.order) {
            None | Some("closeness") => Order::Closeness,
            Some("time") => Order::Time,
            Some("received") => Order::Received,
            Some(_) => return wrong("order", "no such order"),
        };
        Ok(Self {
            from,
            to,
            bbox,
            near,
            within,
            states,
            kinds,
            grades,
            quarantined,
            tags,
            signs,
            sender,
            device,
            assigned,
            best_only,
            family,
            time_unknown,
            place_unknown,
            order,
        })
    }

    pub fn limit(raw: &RawFilter) -> Result<u32, Wrong> {
        match filled(&raw.limit).map(str::parse::<u32>) {
            None => Ok(LIMIT_DEFAULT),
            Some(Ok(n)) if (1..=LIMIT_MAX).contains(&n) => Ok(n),
            Some(_) => wrong("limit", "a whole number from 1 to 200"),
        }
    }

    /// A short fingerprint that ties a cursor to the filter that made it.
    pub fn fingerprint(&self) -> String {
        Sha256::of(format!("{self:?}").as_bytes()).to_string()[..16].to_owned()
    }

    /// Whether an exhibit belongs in the answer: what `db::search` says in SQL, for the test that holds the two
    /// equal.
    #[cfg(test)]
    pub fn holds(&self, e: &Exhibit) -> bool {
        let when = match (e.when, self.time_unknown) {
            (None, true) => true,
            (Some(_), true) => false,
            (None, false) => self.from.is_none() && self.to.is_none(),
            (Some(w), false) => self.from.is_none_or(|f| w.to >= f) && self.to.is_none_or(|t| w.from <= t),
        };
        let place = match (e.place, self.place_unknown) {
            (None, true) => true,
            (Some(_), true) => false,
            (None, false) => self.bbox.is_none() && self.near.is_none() && self.within.is_none(),
            (Some(p), false) => {
                let at = p.point.into();
                self.bbox.is_none_or(|b| b.holds(at))
                    && self.near.is_none_or(|c| c.holds(at))
                    && self.within.as_ref().is_none_or(|w| w.holds(at))
            }
        };
        when && place
            && (self.states.is_empty() || self.states.contains(&e.state))
            && (self.kinds.is_empty() || self.kinds.contains(&e.kind))
            && (self.grades.is_empty() || e.when.is_some_and(|w| self.grades.contains(&w.grade)))
            && (!self.quarantined || e.is_behind_glass())
            && (self.tags == 0 || e.tags & self.tags != 0)
            && (self.signs == 0 || e.signs & self.signs != 0)
            && self.sender.is_none_or(|n| n == e.sender)
            && self.device.is_none_or(|n| n == e.device)
            && self.assigned.is_none_or(|a| a == e.assignee.map_or(Assigned::Nobody, Assigned::To))
            && (!self.best_only || e.lead)
            && self.family.is_none_or(|f| f == e.family)
    }
}

fn read_bbox(text: &str) -> Result<Bbox, Wrong> {
    let Some([west, south, east, north]) = numbers(text) else {
        return wrong("bbox", "four numbers: west,south,east,north");
    };
    if Point::new(south, west).is_none() || Point::new(north, east).is_none() {
        return wrong("bbox", "outside the Earth");
    }
    if south > north {
        return wrong("bbox", "south lies north of north");
    }
    Ok(Bbox { west: e7(west), south: e7(south), east: e7(east), north: e7(north) })
}

fn read_polygon(text: &str) -> Result<Polygon, Wrong> {
    let corner = |t: &str| numbers(t).and_then(|[lat, lon]: [f64; 2]| Point::new(lat, lon)).map(E7::from);
    let Some(corners) = text.split(';').map(corner).collect::<Option<Vec<E7>>>() else {
        return wrong("within", "corners on the Earth: lat,lon;lat,lon;lat,lon");
    };
    Polygon::new(corners).map_or_else(|| wrong("within", "3 to 64 corners, not around the far side of the Earth"), Ok)
}

fn read_near(near: Option<&str>, radius: Option<&str>) -> Result<Option<Circle>, Wrong> {
    let (near, radius) = match (near, radius) {
        (None, None) => return Ok(None),
        (Some(n), Some(r)) => (n, r),
        (None, Some(_)) => return wrong("near", "a radius needs a centre"),
        (Some(_), None) => return wrong("radius_m", "a circle needs a radius in metres"),
    };
    let Some(point) = numbers(near).and_then(|[lat, lon]: [f64; 2]| Point::new(lat, lon)) else {
        return wrong("near", "two numbers on the Earth: lat,lon");
    };
    match radius.parse::<f64>() {
        Ok(r) if r > 0.0 && r <= RADIUS_M_MAX => Ok(Some(Circle::new(point, r))),
        _ => wrong("radius_m", "metres, more than 0 and up to 500000"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(set: impl FnOnce(&mut RawFilter)) -> RawFilter {
        let mut raw = RawFilter::default();
        set(&mut raw);
        raw
    }

    #[test]
    fn filters_that_make_no_sense_are_named() {
        type Set = fn(&mut RawFilter);
        let cases: [(Set, &str); 17] = [
            (|r| r.sign = Some("fake".into()), "sign"),
            (|r| r.submission = Some("-1".into()), "submission"),
            (|r| r.device = Some("0".into()), "device"),
            (|r| r.tag = Some("graphic,unheard".into()), "tag"),
            (|r| r.assigned = Some("somebody".into()), "assigned"),
            (|r| r.from = Some("1969-07-20T20:17:00Z".into()), "from"),
            (|r| r.within = Some("1,2;3,4".into()), "within"),
            (|r| r.grade = Some("E".into()), "grade"),
            (|r| r.family = Some("0".into()), "family"),
            (
                |r| {
                    r.from = Some("2026-07-14T22:00:00Z".into());
                    r.to = Some("2026-07-14T21:00:00Z".into())
                },
                "to",
            ),
            (|r| r.from = Some("yesterday".into()), "from"),
            (|r| r.bbox = Some("1,2,3".into()), "bbox"),
            (|r| r.bbox = Some("1,91,3,92".into()), "bbox"),
            (|r| r.near = Some("1,2".into()), "radius_m"),
            (
                |r| {
                    r.near = Some("1,2".into());
                    r.radius_m = Some("NaN".into())
                },
                "radius_m",
            ),
            (|r| r.state = Some("fake".into()), "state"),
            (
                |r| {
                    r.place = Some("unknown".into());
                    r.bbox = Some("1,2,3,4".into())
                },
                "place",
            ),
        ];
        for (set, field) in cases {
            assert_eq!(Filter::read(&raw(set), &TagBook::default()).unwrap_err().field, field);
        }
    }

    #[test]
    fn empty_fields_of_a_form_are_absent() {
        let filter = Filter::read(
            &raw(|r| {
                r.from = Some(" ".into());
                r.state = Some(String::new())
            }),
            &TagBook::default(),
        )
        .unwrap();
        assert_eq!(filter, Filter::default());
    }
}
