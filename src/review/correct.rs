//! What an investigator states about time and place, and how wrong they found a device's clock to be. Claims are added beside the file's and
//! the witness's; nothing that was there is changed, and each statement can be withdrawn.

use crate::app::App;
use crate::attest;
use crate::db::{self, Tx};
use crate::domain::actor::{Act, Actor, Person, may};
use crate::domain::appeal::Appeal;
use crate::domain::capture::{
    Grade, PlaceClaim, PlaceStatus, RULE_VERSION, Source, TimeClaim, WITHDRAWN, effective_place, effective_time, stands_as,
};
use crate::domain::clock::{CORRECTION_US_MAX, Correction};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::purpose::worded;
use crate::domain::review::{NOTE_CHARS_MAX, closeness};
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
    if !may(person.role, Act::Decide) {
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
    if e.agency != person.agency {
        return Err(Error::NotFound);
    }
    let appeal = db::appeals::by_id(&mut tx, e.appeal).await?;
    let (times, places) = db::exhibits::claims(&mut tx, exhibit).await?;
    let mut new_times: Vec<TimeClaim> = said.time.map(|(from, to)| time(Some((from, to)), &reason)).into_iter().collect();
    let mut new_places: Vec<PlaceClaim> = said.place.map(|(point, radius)| place(Some((point, radius)), &reason)).into_iter().collect();
    if said.withdraw {
        new_times.extend(times.iter().any(|c| c.source == Source::InvestigatorStatement).then(|| time(None, "")));
        new_places.extend(places.iter().any(|c| c.source == Source::InvestigatorStatement).then(|| place(None, "")));
        if new_times.is_empty() && new_places.is_empty() {
            return Err(Error::Conflict);
        }
    }
    let how = if said.withdraw { "withdrawn" } else { "stated" };
    add(app, &mut tx, person, &appeal, exhibit, Added { times: new_times, places: new_places, how, reason }).await?;
    tx.commit().await
}

fn time(interval: Option<(Utc, Utc)>, reason: &str) -> TimeClaim {
    TimeClaim {
        source: Source::InvestigatorStatement,
        raw: reason.to_owned(),
        path: PATH.into(),
        reader: READER.into(),
        from: interval.map(|i| i.0),
        to: interval.map(|i| i.1),
        grade: Grade::D,
        zone_from: if interval.is_some() { "stated" } else { "none" }.into(),
        problem: interval.is_none().then(|| WITHDRAWN.to_owned()),
    }
}

fn place(stated: Option<(Point, f64)>, reason: &str) -> PlaceClaim {
    PlaceClaim {
        source: Source::InvestigatorStatement,
        raw: reason.to_owned(),
        path: PATH.into(),
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
    db::exhibits::set_capture(tx, &e, closeness(appeal, e.when, e.place), now).await?;
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

/// Corrects the clock of the device that made an exhibit: `truth` is what the time was when its own best clock said what it says. Every file
/// of the device in this appeal gets the claim, those that come later as well. Returns to how many it was given.
pub async fn correct_clock(app: &App, person: &Person, exhibit: Id, truth: Utc, doubt_us: i64, reason: &str) -> Result<usize> {
    let reason = reason_of(person, reason)?;
    let mut tx = app.db.begin_apart().await?;
    let seen = db::exhibits::by_id(&mut tx, exhibit).await?.ok_or(Error::NotFound)?;
    db::families::take_turn(&mut tx, seen.appeal).await?;
    let e = db::exhibits::lock(&mut tx, exhibit).await?;
    if e.agency != person.agency {
        return Err(Error::NotFound);
    }
    let device = db::contents::examination(&mut tx, e.agency, e.sha256).await?.and_then(|x| x.device);
    let device = device.ok_or(Error::Invalid { field: "truth", why: "this file names no device".into() })?;
    let (times, _) = db::exhibits::claims(&mut tx, exhibit).await?;
    let mut correction = Correction {
        id: app.new_id(),
        device,
        delta_us: 0,
        doubt_us,
        basis: e.id,
        reason: reason.clone(),
        by: person.name.clone(),
        at: app.now(),
    };
    // With no delta the claim is the clock's own.
    let clock = Correction { doubt_us: 0, ..correction.clone() }.claim(&times).and_then(|c| c.from.zip(c.to));
    let (from, to) = clock.ok_or(Error::Invalid { field: "truth", why: "this file has no clock of its own".into() })?;
    correction.delta_us = truth.micros() - (from.micros() + (to.micros() - from.micros()) / 2);
    if correction.delta_us.abs() > CORRECTION_US_MAX || !(0..=CORRECTION_US_MAX).contains(&doubt_us) {
        return Err(Error::Invalid { field: "truth", why: "too far from what the clock says".into() });
    }
    // One correction of a device counts at a time.
    let earlier = db::clocks::of_device(&mut tx, e.appeal, device).await?;
    for old in &earlier {
        db::clocks::withdraw(&mut tx, e.appeal, old.id, app.now()).await?;
    }
    db::clocks::insert(&mut tx, e.appeal, person.id, &correction).await?;
    let appeal = db::appeals::by_id(&mut tx, e.appeal).await?;
    let files = db::contents::exhibits_of_device(&mut tx, e.appeal, e.agency, device).await?;
    for file in &files {
        let (times, _) = db::exhibits::claims(&mut tx, *file).await?;
        let mut new: Vec<TimeClaim> = withdrawn(&earlier, &times);
        new.extend(correction.claim(&times));
        if !new.is_empty() {
            add(app, &mut tx, person, &appeal, *file, Added { times: new, places: Vec::new(), how: "clock", reason: reason.clone() })
                .await?;
        }
    }
    tx.commit().await?;
    Ok(files.len())
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
    if e.agency != person.agency {
        return Err(Error::NotFound);
    }
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
