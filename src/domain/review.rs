//! The queue: what can be asked of it, in what order it answers, and what is decided.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::appeal::Appeal;
use super::capture::{Effective, Place};
/// Stretches of a clip.
const STRETCHES_MAX: usize = 32;
const CLIP_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1_000;

/// Played stretches in milliseconds, `0-15200 30000-31000`: in order, none twice. `None` when it is not that.
pub fn stretches(text: &str) -> Option<Vec<(u64, u64)>> {
    let mut all = Vec::new();
    let mut last = 0;
    for part in text.split_whitespace() {
        let (from, to) = part.split_once('-')?;
        let (from, to) = (from.parse::<u64>().ok()?, to.parse::<u64>().ok()?);
        if from < last || to <= from || to > CLIP_MS_MAX || all.len() == STRETCHES_MAX {
            return None;
        }
        last = to;
        all.push((from, to));
    }
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
use super::exhibit::Exhibit;
use super::exhibit::{Kind, State};
use super::value::{Id, MINUTE_US, Point, Sha256, Utc};

/// What an investigator says of an exhibit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Relevant,
    NotRelevant,
    Undecided,
}

impl Decision {
    pub const fn state(self) -> State {
        match self {
            Decision::Relevant => State::Relevant,
            Decision::NotRelevant => State::NotRelevant,
            Decision::Undecided => State::Undecided,
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
    }
}

/// Characters of a note beside a decision.
pub const NOTE_CHARS_MAX: usize = 4_000;

/// Closeness to the incident, smaller is closer; the stated formula of the queue's default order:
/// minutes outside the appeal's time window, plus hundreds of metres outside its area, in
/// thousandths. An unknown time counts as six hours away, an unknown place as ten kilometres:
/// behind what is known to be near, before what is known to be far.
pub fn closeness(appeal: &Appeal, when: Option<Effective>, place: Option<Place>) -> i64 {
    const UNKNOWN_MINUTES: f64 = 360.0;
    const UNKNOWN_HECTOMETRES: f64 = 100.0;
    const FAR: f64 = 1_000_000.0;
    #[allow(clippy::cast_precision_loss)]
    let minutes = when.map_or(UNKNOWN_MINUTES, |w| {
        let early = (appeal.from.micros() - w.to.micros()).max(0);
        let late = (w.from.micros() - appeal.to.micros()).max(0);
        (early.max(late) as f64 / MINUTE_US as f64).min(FAR)
    });
    let hectometres =
        place.map_or(UNKNOWN_HECTOMETRES, |p| ((appeal.area.centre.metres_to(p.point) - appeal.area.radius_m).max(0.0) / 100.0).min(FAR));
    #[allow(clippy::cast_possible_truncation)]
    let thousandths = ((minutes + hectometres) * 1_000.0).round() as i64;
    thousandths
}

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

/// A rectangle in degrees. West may lie east of east: then it crosses the antimeridian.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bbox {
    pub west: f64,
    pub south: f64,
    pub east: f64,
    pub north: f64,
}

impl Bbox {
    pub fn crosses_antimeridian(&self) -> bool {
        self.west > self.east
    }
}

/// What the queue is asked. Built only by [`Filter::read`], so that every one in use makes sense.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub from: Option<Utc>,
    pub to: Option<Utc>,
    pub bbox: Option<Bbox>,
    pub near: Option<(Point, f64)>,
    pub states: Vec<State>,
    pub kinds: Vec<Kind>,
    pub quarantined: bool,
    pub time_unknown: bool,
    pub place_unknown: bool,
    pub order: Order,
}

/// The query parameters of the queue, as they come.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RawFilter {
    /// RFC 3339: exhibits whose time may lie at or after this.
    pub from: Option<String>,
    /// RFC 3339: exhibits whose time may lie at or before this.
    pub to: Option<String>,
    /// `west,south,east,north` in degrees; may cross the antimeridian.
    pub bbox: Option<String>,
    /// `lat,lon` in degrees, with `radius_m`.
    pub near: Option<String>,
    /// Metres around `near`, up to 500,000.
    pub radius_m: Option<String>,
    /// `received`, `ready`, `relevant`, `not_relevant`, `undecided` or `quarantined`; several with commas.
    pub state: Option<String>,
    /// `photo`, `video`, `audio`, `document` or `other`; several with commas.
    pub kind: Option<String>,
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
    pub fn read(raw: &RawFilter) -> Result<Self, Wrong> {
        let time = |field, text: Option<&str>| match text.map(str::parse::<Utc>) {
            None => Ok(None),
            Some(Ok(t)) => Ok(Some(t)),
            Some(Err(())) => wrong(field, "not an RFC 3339 time with an offset"),
        };
        let from = time("from", filled(&raw.from))?;
        let to = time("to", filled(&raw.to))?;
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
        if place_unknown && (bbox.is_some() || near.is_some()) {
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
        let order = match filled(&raw.order) {
            None | Some("closeness") => Order::Closeness,
            Some("time") => Order::Time,
            Some("received") => Order::Received,
            Some(_) => return wrong("order", "no such order"),
        };
        Ok(Self { from, to, bbox, near, states, kinds, quarantined, time_unknown, place_unknown, order })
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
            (None, false) => self.bbox.is_none() && self.near.is_none(),
            (Some(p), false) => self.bbox.is_none_or(|b| in_bbox(b, p.point)) && self.near.is_none_or(|(c, r)| c.metres_to(p.point) <= r),
        };
        when && place
            && (self.states.is_empty() || self.states.contains(&e.state))
            && (self.kinds.is_empty() || self.kinds.contains(&e.kind))
            && (!self.quarantined || e.quarantine.is_some())
    }
}

#[cfg(test)]
fn in_bbox(b: Bbox, p: Point) -> bool {
    let lon = if b.crosses_antimeridian() { p.lon >= b.west || p.lon <= b.east } else { (b.west..=b.east).contains(&p.lon) };
    lon && (b.south..=b.north).contains(&p.lat)
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
    Ok(Bbox { west, south, east, north })
}

fn read_near(near: Option<&str>, radius: Option<&str>) -> Result<Option<(Point, f64)>, Wrong> {
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
        Ok(r) if r > 0.0 && r <= RADIUS_M_MAX => Ok(Some((point, r))),
        _ => wrong("radius_m", "metres, more than 0 and up to 500000"),
    }
}

/// Where a page ended. Opaque to clients, and bound to its filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    f: String,
    /// Sort key of the last row.
    pub key: i64,
    pub id: Id,
}

impl Cursor {
    pub fn after(filter: &Filter, key: i64, id: Id) -> String {
        let cursor = Self { f: filter.fingerprint(), key, id };
        data_encoding::BASE64URL_NOPAD.encode(&serde_json::to_vec(&cursor).unwrap_or_default())
    }

    /// `Err` when it is not ours, or belongs to another filter or order.
    pub fn read(text: &str, filter: &Filter) -> Result<Self, ()> {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| ())?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| ())?;
        (cursor.f == filter.fingerprint()).then_some(cursor).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_in_order() {
        assert_eq!(stretches("0-15200 30000-31000"), Some(vec![(0, 15_200), (30_000, 31_000)]));
        for wrong in ["", "5-5", "9-3", "0-9 5-12", "a-b", "1", "-3", "0-99999999999", &"1-2 ".repeat(40)] {
            assert_eq!(stretches(wrong), None, "{wrong}");
        }
    }

    fn raw(set: impl FnOnce(&mut RawFilter)) -> RawFilter {
        let mut raw = RawFilter::default();
        set(&mut raw);
        raw
    }

    #[test]
    fn filters_that_make_no_sense_are_named() {
        type Set = fn(&mut RawFilter);
        let cases: [(Set, &str); 8] = [
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
            assert_eq!(Filter::read(&raw(set)).unwrap_err().field, field);
        }
    }

    #[test]
    fn empty_fields_of_a_form_are_absent() {
        let filter = Filter::read(&raw(|r| {
            r.from = Some(" ".into());
            r.state = Some(String::new())
        }))
        .unwrap();
        assert_eq!(filter, Filter::default());
    }

    #[test]
    fn a_cursor_belongs_to_its_filter() {
        let one = Filter::default();
        let other = Filter { order: Order::Time, ..Filter::default() };
        let id = Id::new(Utc::from_micros(5), [1; 10]);
        let text = Cursor::after(&one, 42, id);
        assert_eq!(Cursor::read(&text, &one).unwrap().key, 42);
        assert!(Cursor::read(&text, &other).is_err());
        assert!(Cursor::read("%%%", &one).is_err());
    }

    #[test]
    fn a_box_may_cross_the_antimeridian() {
        let b = read_bbox("170,-30,-170,0").unwrap();
        assert!(b.crosses_antimeridian());
        assert!(in_bbox(b, Point::new(-17.0, 179.0).unwrap()));
        assert!(!in_bbox(b, Point::new(-17.0, 0.0).unwrap()));
    }
}
