//! What an investigator states about time and place, and how wrong they found a device's clock to be. Claims are added beside the file's and
//! the witness's; nothing that was there is changed, and each statement can be withdrawn.

use crate::access;
use crate::app::App;
use crate::attest;
use crate::db::{self, Tx};
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::appeal::Appeal;
use crate::domain::capture::{
    Effective, Grade, PlaceClaim, PlaceStatus, RULE_VERSION, Source, TimeClaim, WITHDRAWN, effective_place, effective_time, stands_as,
};
use crate::domain::clock::{CORRECTION_US_MAX, Correction};
use crate::domain::contradiction;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::Exhibit;
use crate::domain::purpose::worded;
use crate::domain::review::{NOTE_CHARS_MAX, What, closeness, signs};
use crate::domain::value::{Id, Point, Utc, shown};
use crate::error::{Error, Result};

const PATH: &str = "investigator";
const READER: &str = "review";

/// What somebody states. What is absent is not stated.
#[derive(Default)]
pub struct Stated {
    pub time: Option<(Utc, Utc)>,
    pub place: Option<(Point, f64)>,
    /// Takes back what was stated before.
    pub withdraw: bool,
    pub reason: String,
}

fn reason_of(person: &Person, reason: &str) -> Result<String> {
    if !person.may(Act::Decide) {
        return Err(Error::Forbidden);
    }
    let reason = shown(reason.trim(), NOTE_CHARS_MAX);
    if worded(&reason) { Ok(reason) } else { Err(Error::Invalid { field: "reason", why: "say how this is known, in words".into() }) }
}

/// States time or place of one exhibit, or withdraws what was stated.
pub async fn state(app: &App, person: &Person, exhibit: Id, said: Stated) -> Result<()> {
    let reason = reason_of(person, &said.reason)?;
    if said.time.is_none() && said.place.is_none() && !said.withdraw {
        return Err(Error::Invalid { field: "from", why: "state a time or a place".into() });
    }
    if said.time.is_some_and(|(from, to)| from > to) {
        return Err(Error::Invalid { field: "to", why: "ends before it begins".into() });
    }
    let mut tx = app.db.begin().await?;
    let e = db::exhibits::lock(&mut tx, exhibit).await?;
    access::to_exhibit(app, &mut tx, person, &e, Act::Decide).await?;
    let appeal = db::appeals::by_id(&mut tx, e.appeal).await?;
    let (times, places) = db::exhibits::claims(&mut tx, exhibit).await?;
    let mut new_times: Vec<TimeClaim> = said.time.map(|(from, to)| time(PATH, Some((from, to)), &reason)).into_iter().collect();
    let mut new_places: Vec<PlaceClaim> =
        said.place.map(|(point, radius)| place(PATH, Some((point, radius)), &reason)).into_iter().collect();
    if said.withdraw {
        // What was stated of many at once has a path of its own.
        let mut paths: Vec<&String> = times.iter().filter(|c| c.source == Source::InvestigatorStatement).map(|c| &c.path).collect();
        paths.dedup();
        new_times.extend(paths.iter().map(|path| time(path, None, "")));
        let mut paths: Vec<&String> = places.iter().filter(|c| c.source == Source::InvestigatorStatement).map(|c| &c.path).collect();
        paths.dedup();
        new_places.extend(paths.iter().map(|path| place(path, None, "")));
        if new_times.is_empty() && new_places.is_empty() {
            return Err(Error::Conflict);
        }
    }
    let how = if said.withdraw { "withdrawn" } else { "stated" };
    add(app, &mut tx, person, &appeal, exhibit, Added { times: new_times, places: new_places, how, reason }).await?;
    tx.commit().await
}

/// What an act on many states; refused when it makes no sense.
pub(super) fn stated(what: &What) -> Result<Stated> {
    let What::Correct { from, to, lat, lon, radius_m } = what else { return Ok(Stated::default()) };
    let time = match (*from, *to) {
        (None, None) => None,
        (Some(from), to) if to.is_none_or(|to| from <= to) => Some((from, to.unwrap_or(from))),
        _ => return Err(Error::Invalid { field: "to", why: "from a moment to a later one".into() }),
    };
    let place = match (*lat, *lon) {
        (None, None) => None,
        (Some(lat), Some(lon)) => {
            let point = Point::new(lat, lon).ok_or(Error::Invalid { field: "lat", why: "a point on the Earth, in degrees".into() })?;
            let radius = radius_m.unwrap_or(50.0);
            let fits = (1.0..=100_000.0).contains(&radius).then_some(radius);
            Some((point, fits.ok_or(Error::Invalid { field: "radius_m", why: "metres, 1 to 100000".into() })?))
        }
        _ => return Err(Error::Invalid { field: "lon", why: "latitude and longitude".into() }),
    };
    if time.is_none() && place.is_none() {
        return Err(Error::Invalid { field: "from", why: "state a time or a place".into() });
    }
    Ok(Stated { time, place, ..Stated::default() })
}

/// States time or place of one exhibit under a path by which it can be withdrawn alone.
#[allow(clippy::too_many_arguments)]
pub(super) async fn state_under(
    app: &App,
    tx: &mut Tx,
    person: &Person,
    appeal: &Appeal,
    exhibit: Id,
    path: &str,
    said: Stated,
    reason: &str,
) -> Result<()> {
    let times = said.time.map(|interval| time(path, Some(interval), reason)).into_iter().collect();
    let places = said.place.map(|stated| place(path, Some(stated), reason)).into_iter().collect();
    add(app, tx, person, appeal, exhibit, Added { times, places, how: "stated", reason: reason.to_owned() }).await
}

/// Withdraws what was stated under a path; false when nothing was. What was stated before holds again.
pub(super) async fn withdraw_under(app: &App, tx: &mut Tx, person: &Person, appeal: &Appeal, exhibit: Id, path: &str) -> Result<bool> {
    let (times, places) = db::exhibits::claims(tx, exhibit).await?;
    let times: Vec<TimeClaim> = times.iter().any(|c| c.path == path).then(|| time(path, None, "")).into_iter().collect();
    let places: Vec<PlaceClaim> = places.iter().any(|c| c.path == path).then(|| place(path, None, "")).into_iter().collect();
    let any = !times.is_empty() || !places.is_empty();
    if any {
        add(app, tx, person, appeal, exhibit, Added { times, places, how: "withdrawn", reason: String::new() }).await?;
    }
    Ok(any)
}

fn time(path: &str, interval: Option<(Utc, Utc)>, reason: &str) -> TimeClaim {
    TimeClaim {
        source: Source::InvestigatorStatement,
        raw: reason.to_owned(),
        path: path.into(),
        reader: READER.into(),
        from: interval.map(|i| i.0),
        to: interval.map(|i| i.1),
        grade: Grade::D,
        zone_from: if interval.is_some() { "stated" } else { "none" }.into(),
        problem: interval.is_none().then(|| WITHDRAWN.to_owned()),
    }
}

fn place(path: &str, stated: Option<(Point, f64)>, reason: &str) -> PlaceClaim {
    PlaceClaim {
        source: Source::InvestigatorStatement,
        raw: reason.to_owned(),
        path: path.into(),
        reader: READER.into(),
        status: if stated.is_some() { PlaceStatus::Stated } else { PlaceStatus::Withdrawn },
        lat: stated.map(|s| s.0.lat),
        lon: stated.map(|s| s.0.lon),
        radius_m: stated.map(|s| s.1),
        altitude_m: None,
        direction_deg: None,
        magnetic: false,
    }
}

struct Added {
    times: Vec<TimeClaim>,
    places: Vec<PlaceClaim>,
    how: &'static str,
    reason: String,
}

/// Adds claims to one exhibit, and writes down where that leaves it.
async fn add(app: &App, tx: &mut Tx, person: &Person, appeal: &Appeal, exhibit: Id, added: Added) -> Result<()> {
    let now = app.now();
    let mut e = db::exhibits::lock(tx, exhibit).await?;
    let (mut times, mut places) = db::exhibits::claims(tx, exhibit).await?;
    for claim in added.times {
        db::exhibits::add_time_claim(tx, app.new_id(), exhibit, &claim, now).await?;
        times.push(claim);
    }
    for claim in added.places {
        db::exhibits::add_place_claim(tx, app.new_id(), exhibit, &claim, now).await?;
        places.push(claim);
    }
    e.when = effective_time(&times);
    e.place = effective_place(&places);
    let told = db::submissions::by_id(tx, e.submission).await?.statement;
    let found = db::contents::examination(tx, e.agency, e.sha256).await?.map(|x| x.found).unwrap_or_default();
    e.signs = signs(&told, &contradiction::all(&e.name, &found, &times, &places, 0));
    db::exhibits::set_capture(tx, &e, closeness(appeal, &e), now).await?;
    let draft = Draft::new(EventType::ExhibitCorrected, Actor::from(person))
        .about(SubjectKind::Exhibit, exhibit)
        .fact("how", added.how)
        .fact("rule", RULE_VERSION)
        .private("reason", added.reason)
        .private("claims", db::exhibits::claims_digest(tx, exhibit).await?.to_string())
        .private("stands", stands_as(e.when, e.place));
    attest::append(app, tx, draft).await?;
    Ok(())
}

/// A device's clock, as one exhibit shows it, and what is known to be true.
struct Clock {
    appeal: Appeal,
    correction: Correction,
    /// Corrections of the device that count until now.
    earlier: Vec<Correction>,
    /// Every exhibit of the device in the appeal.
    files: Vec<Id>,
}

impl Clock {
    /// Claims that the correction adds to an exhibit with these times.
    fn claims(&self, times: &[TimeClaim]) -> Vec<TimeClaim> {
        let mut new = withdrawn(&self.earlier, times);
        new.extend(self.correction.claim(times));
        new
    }
}

/// Works out how wrong the clock of the device that made an exhibit is: `truth` is what the time was when its own best clock said what it
/// says.
async fn clock(app: &App, tx: &mut Tx, person: &Person, e: &Exhibit, truth: Utc, doubt_us: i64, reason: &str) -> Result<Clock> {
    access::to_exhibit(app, tx, person, e, Act::Decide).await?;
    let device = db::contents::examination(tx, e.agency, e.sha256).await?.and_then(|x| x.device);
    let device = device.ok_or(Error::Invalid { field: "truth", why: "this file names no device".into() })?;
    let (times, _) = db::exhibits::claims(tx, e.id).await?;
    let mut correction = Correction {
        id: app.new_id(),
        device,
        delta_us: 0,
        doubt_us,
        basis: e.id,
        reason: reason.to_owned(),
        by: person.name.clone(),
        at: app.now(),
    };
    // With no delta the claim is the clock's own.
    let own = Correction { doubt_us: 0, ..correction.clone() }.claim(&times).and_then(|c| c.from.zip(c.to));
    let (from, to) = own.ok_or(Error::Invalid { field: "truth", why: "this file has no clock of its own".into() })?;
    correction.delta_us = truth.micros() - (from.micros() + (to.micros() - from.micros()) / 2);
    if correction.delta_us.abs() > CORRECTION_US_MAX || !(0..=CORRECTION_US_MAX).contains(&doubt_us) {
        return Err(Error::Invalid { field: "truth", why: "too far from what the clock says".into() });
    }
    Ok(Clock {
        appeal: db::appeals::by_id(tx, e.appeal).await?,
        correction,
        earlier: db::clocks::of_device(tx, e.appeal, device).await?,
        files: db::contents::exhibits_of_device(tx, e.appeal, e.agency, device).await?,
    })
}

/// What a correction would change: each exhibit of the device with its time before and after, and how wrong the clock is.
pub struct ClockPreview {
    pub delta_us: i64,
    pub touched: Vec<(Exhibit, Option<Effective>)>,
}

/// What correcting the clock of the device that made an exhibit would do. Nothing is written.
pub async fn preview_clock(app: &App, person: &Person, exhibit: Id, truth: Utc, doubt_us: i64) -> Result<ClockPreview> {
    if !person.may(Act::Decide) {
        return Err(Error::Forbidden);
    }
    let mut tx = app.db.read().await?;
    let e = db::exhibits::by_id(&mut tx, exhibit).await?.ok_or(Error::NotFound)?;
    let found = clock(app, &mut tx, person, &e, truth, doubt_us, "").await?;
    let mut touched = Vec::new();
    for file in &found.files {
        let Some(one) = db::exhibits::by_id(&mut tx, *file).await? else { continue };
        let (mut times, _) = db::exhibits::claims(&mut tx, *file).await?;
        times.extend(found.claims(&times));
        touched.push((one, effective_time(&times)));
    }
    Ok(ClockPreview { delta_us: found.correction.delta_us, touched })
}

/// Corrects the clock of the device that made an exhibit. Every file of the device in this appeal gets the claim, those that come later as
/// well. Returns to how many it was given.
pub async fn correct_clock(app: &App, person: &Person, exhibit: Id, truth: Utc, doubt_us: i64, reason: &str) -> Result<usize> {
    let reason = reason_of(person, reason)?;
    let mut tx = app.db.begin_apart().await?;
    let seen = db::exhibits::by_id(&mut tx, exhibit).await?.ok_or(Error::NotFound)?;
    db::families::take_turn(&mut tx, seen.appeal).await?;
    let e = db::exhibits::lock(&mut tx, exhibit).await?;
    let found = clock(app, &mut tx, person, &e, truth, doubt_us, &reason).await?;
    // One correction of a device counts at a time.
    for old in &found.earlier {
        db::clocks::withdraw(&mut tx, e.appeal, old.id, app.now()).await?;
    }
    db::clocks::insert(&mut tx, e.appeal, person.id, &found.correction).await?;
    for file in &found.files {
        let (times, _) = db::exhibits::claims(&mut tx, *file).await?;
        let new = found.claims(&times);
        if !new.is_empty() {
            let added = Added { times: new, places: Vec::new(), how: "clock", reason: reason.clone() };
            add(app, &mut tx, person, &found.appeal, *file, added).await?;
        }
    }
    tx.commit().await?;
    Ok(found.files.len())
}

fn withdrawn(corrections: &[Correction], times: &[TimeClaim]) -> Vec<TimeClaim> {
    corrections.iter().filter(|c| times.iter().any(|t| t.path == c.path())).map(Correction::withdrawal).collect()
}

/// Withdraws the corrections of the device that made an exhibit.
pub async fn withdraw_clock(app: &App, person: &Person, exhibit: Id, reason: &str) -> Result<usize> {
    let reason = reason_of(person, reason)?;
    let mut tx = app.db.begin_apart().await?;
    let seen = db::exhibits::by_id(&mut tx, exhibit).await?.ok_or(Error::NotFound)?;
    db::families::take_turn(&mut tx, seen.appeal).await?;
    let e = db::exhibits::lock(&mut tx, exhibit).await?;
    access::to_exhibit(app, &mut tx, person, &e, Act::Decide).await?;
    let device = db::contents::examination(&mut tx, e.agency, e.sha256).await?.and_then(|x| x.device).ok_or(Error::Conflict)?;
    let earlier = db::clocks::of_device(&mut tx, e.appeal, device).await?;
    if earlier.is_empty() {
        return Err(Error::Conflict);
    }
    for old in &earlier {
        db::clocks::withdraw(&mut tx, e.appeal, old.id, app.now()).await?;
    }
    let appeal = db::appeals::by_id(&mut tx, e.appeal).await?;
    let files = db::contents::exhibits_of_device(&mut tx, e.appeal, e.agency, device).await?;
    for file in &files {
        let (times, _) = db::exhibits::claims(&mut tx, *file).await?;
        let new = withdrawn(&earlier, &times);
        if !new.is_empty() {
            add(
                app,
                &mut tx,
                person,
                &appeal,
                *file,
                Added { times: new, places: Vec::new(), how: "clock-withdrawn", reason: reason.clone() },
            )
            .await?;
        }
    }
    tx.commit().await?;
    Ok(files.len())
}
