//! Exhibits, their claims and decisions.

use std::collections::HashMap;

use sqlx::FromRow;

use super::{Tx, bad_row, digest, id, json, signed, to_json, unsigned};
use crate::domain::capture::{self, Effective, Grade, Place, PlaceClaim, Source, TimeClaim, stands};
use crate::domain::exhibit::{Exhibit, Kind, Quarantine, State};
use crate::domain::review::{Decision, E7};
use crate::domain::value::{Id, Point, Sha256, Utc};
use crate::error::Result;

/// Every column of [`Row`].
macro_rules! exhibit_rows {
    () => {
        "SELECT id, agency_id, appeal_id, submission_id, number, family, lead, sha256, size, name, name_truncated, media_type, kind, state,
           quarantine, restricted, received_at, t, t_hi, grade, time_source, lat, lon, acc_m, bearing, place_source, has_thumbnail, notes,
           examined_at, tags, signs, sender, device, assignee, version FROM exhibit "
    };
}

#[derive(FromRow)]
pub(super) struct Row {
    id: Vec<u8>,
    agency_id: Vec<u8>,
    appeal_id: Vec<u8>,
    submission_id: Vec<u8>,
    number: i64,
    family: i64,
    lead: i64,
    sha256: Vec<u8>,
    size: i64,
    name: String,
    name_truncated: i64,
    media_type: String,
    kind: String,
    state: String,
    quarantine: Option<String>,
    restricted: i64,
    received_at: i64,
    t: Option<i64>,
    t_hi: Option<i64>,
    grade: Option<String>,
    time_source: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
    acc_m: Option<f64>,
    bearing: Option<i64>,
    place_source: Option<String>,
    has_thumbnail: i64,
    notes: String,
    examined_at: Option<i64>,
    tags: i64,
    signs: i64,
    sender: i64,
    device: i64,
    assignee: Option<Vec<u8>>,
    version: i64,
}

impl Row {
    pub(super) fn exhibit(self) -> Result<Exhibit> {
        let source = |text: Option<String>| text.and_then(|s| Source::parse(&s)).ok_or_else(|| bad_row("source"));
        let when = match (self.t, self.t_hi) {
            (Some(from), Some(to)) => Some(Effective {
                from: Utc::from_micros(from),
                to: Utc::from_micros(to),
                grade: self.grade.as_deref().and_then(Grade::parse).ok_or_else(|| bad_row("grade"))?,
                source: source(self.time_source)?,
            }),
            _ => None,
        };
        let place = match (self.lat, self.lon) {
            (Some(lat), Some(lon)) => Some(Place {
                point: Point::new(lat, lon).ok_or_else(|| bad_row("place"))?,
                radius_m: self.acc_m.unwrap_or(0.0),
                bearing: self.bearing.and_then(|b| u16::try_from(b).ok()),
                source: source(self.place_source)?,
            }),
            _ => None,
        };
        Ok(Exhibit {
            id: id(&self.id)?,
            agency: id(&self.agency_id)?,
            appeal: id(&self.appeal_id)?,
            submission: id(&self.submission_id)?,
            number: unsigned(self.number),
            family: unsigned(self.family),
            lead: self.lead != 0,
            sha256: digest(&self.sha256)?,
            size: unsigned(self.size),
            name: self.name,
            name_truncated: self.name_truncated != 0,
            media_type: self.media_type,
            kind: Kind::parse(&self.kind).ok_or_else(|| bad_row("kind"))?,
            state: State::parse(&self.state).ok_or_else(|| bad_row("state"))?,
            quarantine: self.quarantine.as_deref().map(|q| Quarantine::parse(q).ok_or_else(|| bad_row("quarantine"))).transpose()?,
            restricted: self.restricted != 0,
            received_at: Utc::from_micros(self.received_at),
            when,
            place,
            has_thumbnail: self.has_thumbnail != 0,
            notes: self.notes.split_whitespace().map(str::to_owned).collect(),
            examined: self.examined_at.is_some(),
            tags: u32::try_from(self.tags).map_err(|_| bad_row("tag"))?,
            signs: u32::try_from(self.signs).map_err(|_| bad_row("sign"))?,
            sender: unsigned(self.sender),
            device: unsigned(self.device),
            assignee: self.assignee.as_deref().map(id).transpose()?,
            version: unsigned(self.version),
        })
    }
}

pub(super) const COLUMNS: &str = "id, agency_id, appeal_id, submission_id, number, family, lead, sha256, size, name, name_truncated, \
    media_type, kind, state, quarantine, restricted, received_at, t, t_hi, grade, time_source, lat, lon, acc_m, bearing, place_source, \
    has_thumbnail, notes, examined_at, tags, signs, sender, device, assignee, version";

pub async fn insert(tx: &mut Tx, e: &Exhibit, closeness: i64) -> Result<()> {
    sql!(run tx,
        "INSERT INTO exhibit (id, agency_id, appeal_id, submission_id, sha256, size, name, name_truncated, media_type,
           kind, state, quarantine, received_at, t, t_hi, grade, time_source, lat, lon, acc_m, place_source,
           closeness, by_time, by_arrival, number, family, lead, lat_e7, lon_e7, bearing, changed_at, signs, sender)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
           $27, $28, $29, $30, $13, $31, $32)",
        e.id.blob(), e.agency.blob(), e.appeal.blob(), e.submission.blob(), e.sha256.blob(), signed(e.size),
        e.name.clone(), i64::from(e.name_truncated), e.media_type.clone(), e.kind.as_str(), e.state.as_str(),
        e.quarantine.map(Quarantine::as_str), e.received_at.micros(),
        e.when.map(|w| w.from.micros()), e.when.map(|w| w.to.micros()), e.when.map(|w| w.grade.as_str()),
        e.when.map(|w| w.source.as_str()),
        e.place.map(|p| p.point.lat), e.place.map(|p| p.point.lon), e.place.map(|p| p.radius_m),
        e.place.map(|p| p.source.as_str()), closeness, by_time(e.when), -e.received_at.micros(), signed(e.number), signed(e.family),
        i64::from(e.lead), lat_e7(e.place), lon_e7(e.place), bearing(e.place), i64::from(e.signs), signed(e.sender))?;
    Ok(())
}

fn lat_e7(place: Option<Place>) -> Option<i64> {
    place.map(|p| E7::from(p.point).lat)
}

fn lon_e7(place: Option<Place>) -> Option<i64> {
    place.map(|p| E7::from(p.point).lon)
}

fn bearing(place: Option<Place>) -> Option<i64> {
    place.and_then(|p| p.bearing).map(i64::from)
}

fn by_time(when: Option<Effective>) -> i64 {
    when.map_or(i64::MAX, |w| w.from.micros())
}

/// What an examination changes in the row.
pub async fn set_examined(tx: &mut Tx, e: &Exhibit, closeness: i64, merit: i64, now: Utc) -> Result<()> {
    sql!(run tx,
        "UPDATE exhibit SET state = $2, t = $3, t_hi = $4, grade = $5, time_source = $6, lat = $7, lon = $8,
           acc_m = $9, place_source = $10, closeness = $11, by_time = $12, has_thumbnail = $13, examined_at = $14, notes = $15,
           lat_e7 = $16, lon_e7 = $17, bearing = $18, merit = $19, signs = $20, device = $21, changed_at = $14 WHERE id = $1",
        e.id.blob(), e.state.as_str(), e.when.map(|w| w.from.micros()), e.when.map(|w| w.to.micros()),
        e.when.map(|w| w.grade.as_str()), e.when.map(|w| w.source.as_str()),
        e.place.map(|p| p.point.lat), e.place.map(|p| p.point.lon), e.place.map(|p| p.radius_m),
        e.place.map(|p| p.source.as_str()), closeness, by_time(e.when), i64::from(e.has_thumbnail), now.micros(),
        e.notes.join(" "), lat_e7(e.place), lon_e7(e.place), bearing(e.place), merit, i64::from(e.signs), signed(e.device))?;
    Ok(())
}

/// What a later word on time and place changes in the row.
pub async fn set_capture(tx: &mut Tx, e: &Exhibit, closeness: i64, now: Utc) -> Result<()> {
    sql!(run tx,
        "UPDATE exhibit SET t = $2, t_hi = $3, grade = $4, time_source = $5, lat = $6, lon = $7, acc_m = $8, place_source = $9,
           closeness = $10, by_time = $11, lat_e7 = $12, lon_e7 = $13, bearing = $14, changed_at = $15, signs = $16 WHERE id = $1",
        e.id.blob(), e.when.map(|w| w.from.micros()), e.when.map(|w| w.to.micros()), e.when.map(|w| w.grade.as_str()),
        e.when.map(|w| w.source.as_str()), e.place.map(|p| p.point.lat), e.place.map(|p| p.point.lon),
        e.place.map(|p| p.radius_m), e.place.map(|p| p.source.as_str()), closeness, by_time(e.when), lat_e7(e.place), lon_e7(e.place),
        bearing(e.place), now.micros(), i64::from(e.signs))?;
    Ok(())
}

pub async fn by_id(tx: &mut Tx, exhibit: Id) -> Result<Option<Exhibit>> {
    sql!(maybe tx, Row,
        concat!(exhibit_rows!(), "WHERE id = $1"), exhibit.blob())?
    .map(Row::exhibit)
    .transpose()
}

/// As [`by_id`], with the row held until commit, so that two examinations or decisions take turns.
pub async fn lock(tx: &mut Tx, exhibit: Id) -> Result<Exhibit> {
    let text = tx.locking("SELECT id FROM exhibit WHERE id = $1", "SELECT id FROM exhibit WHERE id = $1 FOR UPDATE");
    sql!(one tx, (Vec<u8>,), text, exhibit.blob())?;
    by_id(tx, exhibit).await?.ok_or(crate::error::Error::NotFound)
}

/// By which number a hand-over is called, once it has an exhibit.
pub async fn first_of_submission(tx: &mut Tx, submission: Id) -> Result<Option<u64>> {
    // (All of them have the same.)
    let row = sql!(maybe tx, (i64,), "SELECT sender FROM exhibit WHERE submission_id = $1 LIMIT 1", submission.blob())?;
    Ok(row.map(|r| unsigned(r.0)))
}

pub async fn of_submission(tx: &mut Tx, submission: Id) -> Result<Vec<Exhibit>> {
    sql!(all tx, Row,
        concat!(exhibit_rows!(), "WHERE submission_id = $1 ORDER BY id"), submission.blob())?
    .into_iter()
    .map(Row::exhibit)
    .collect()
}

/// Every exhibit of an appeal, oldest first.
pub async fn of_appeal(tx: &mut Tx, appeal: Id) -> Result<Vec<Exhibit>> {
    sql!(all tx, Row,
        concat!(exhibit_rows!(), "WHERE appeal_id = $1 ORDER BY id"), appeal.blob())?
    .into_iter()
    .map(Row::exhibit)
    .collect()
}

/// Every exhibit that somebody has decided on.
pub async fn decided(tx: &mut Tx) -> Result<Vec<(Id, State)>> {
    let rows = sql!(all tx, (Vec<u8>, String), "SELECT id, state FROM exhibit WHERE state IN ('relevant', 'not_relevant', 'undecided')")?;
    rows.into_iter().map(|(e, state)| Ok((id(&e)?, State::parse(&state).ok_or_else(|| bad_row("state"))?))).collect()
}

/// Everything that came with this exhibit.
pub async fn with_submission_of(tx: &mut Tx, appeal: Id, exhibit: Id) -> Result<Vec<Id>> {
    let rows = sql!(all tx, (Vec<u8>,),
        "SELECT id FROM exhibit WHERE appeal_id = $1 AND submission_id = (SELECT submission_id FROM exhibit WHERE id = $2) ORDER BY id",
        appeal.blob(), exhibit.blob())?;
    rows.into_iter().map(|r| id(&r.0)).collect()
}

/// Everything from the source of this exhibit's submission; nothing when that is not known.
pub async fn with_source_of(tx: &mut Tx, appeal: Id, exhibit: Id) -> Result<Vec<Id>> {
    let rows = sql!(all tx, (Vec<u8>,),
        "SELECT e.id FROM exhibit e JOIN submission s ON s.id = e.submission_id WHERE e.appeal_id = $1 AND s.appeal_id = $1 AND s.source =
           (SELECT s2.source FROM exhibit e2 JOIN submission s2 ON s2.id = e2.submission_id WHERE e2.id = $2) ORDER BY e.id",
        appeal.blob(), exhibit.blob())?;
    rows.into_iter().map(|r| id(&r.0)).collect()
}

pub async fn received_within(tx: &mut Tx, appeal: Id, from: Utc, to: Utc) -> Result<Vec<Id>> {
    let rows = sql!(all tx, (Vec<u8>,),
        "SELECT id FROM exhibit WHERE appeal_id = $1 AND by_arrival BETWEEN $2 AND $3 ORDER BY id", appeal.blob(), -to.micros(), -from.micros())?;
    rows.into_iter().map(|r| id(&r.0)).collect()
}

/// Puts tags on an exhibit, or takes them off: all of them at once, as bits.
pub async fn set_tags(tx: &mut Tx, exhibit: Id, tags: u32, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE exhibit SET tags = $2, changed_at = $3 WHERE id = $1", exhibit.blob(), i64::from(tags), now.micros())?;
    Ok(())
}

pub async fn set_assignee(tx: &mut Tx, exhibit: Id, to: Option<Id>, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE exhibit SET assignee = $2, changed_at = $3 WHERE id = $1", exhibit.blob(), to.map(|t| t.blob()), now.micros())?;
    Ok(())
}

/// Its witness asked that it be kept and not used, or that is over.
pub async fn set_restricted(tx: &mut Tx, exhibit: Id, on: bool, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE exhibit SET restricted = $2, changed_at = $3 WHERE id = $1", exhibit.blob(), i64::from(on), now.micros())?;
    Ok(())
}

/// Those of an appeal whose originals are for those alone who answer for them.
pub async fn locked_of_appeal(tx: &mut Tx, appeal: Id) -> Result<Vec<Id>> {
    let mut all = sql!(all tx, (Vec<u8>,), "SELECT id FROM exhibit WHERE appeal_id = $1 AND restricted = 1", appeal.blob())?;
    all.extend(sql!(all tx, (Vec<u8>,), "SELECT id FROM exhibit WHERE appeal_id = $1 AND quarantine = 'infected'", appeal.blob())?);
    all.into_iter().map(|r| id(&r.0)).collect()
}

pub async fn set_quarantine(tx: &mut Tx, exhibit: Id, why: Option<Quarantine>, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE exhibit SET quarantine = $2, changed_at = $3 WHERE id = $1", exhibit.blob(), why.map(Quarantine::as_str), now.micros())?;
    Ok(())
}

/// Exhibits of an agency with exactly these bytes.
pub async fn with_bytes(tx: &mut Tx, agency: Id, sha256: Sha256) -> Result<Vec<(Id, Utc)>> {
    let rows = sql!(all tx, (Vec<u8>, i64),
        "SELECT id, received_at FROM exhibit WHERE agency_id = $1 AND sha256 = $2 ORDER BY id", agency.blob(), sha256.blob())?;
    rows.into_iter().map(|(i, at)| Ok((id(&i)?, Utc::from_micros(at)))).collect()
}

/// What the audit holds against the log, of one exhibit's row.
pub struct Stands {
    pub sha256: Sha256,
    pub size: u64,
    /// As [`stands`] words it.
    pub capture: String,
}

type StandsRow = (
    Vec<u8>,
    Vec<u8>,
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<String>,
);

pub async fn all_stand(tx: &mut Tx) -> Result<HashMap<Id, Stands>> {
    let rows = sql!(all tx, StandsRow,
        "SELECT id, sha256, size, t, t_hi, grade, time_source, lat, lon, acc_m, place_source FROM exhibit")?;
    rows.into_iter()
        .map(|(e, sha256, size, t, t_hi, grade, time_source, lat, lon, acc, place_source)| {
            let time =
                t.zip(t_hi).zip(grade.as_deref().zip(time_source.as_deref())).map(|((t, hi), (grade, source))| (t, hi, grade, source));
            let place = lat.zip(lon).zip(acc.zip(place_source.as_deref())).map(|((lat, lon), (acc, source))| (lat, lon, acc, source));
            Ok((id(&e)?, Stands { sha256: digest(&sha256)?, size: unsigned(size), capture: stands(time, place) }))
        })
        .collect()
}

/// SHA-256 of the claims of one exhibit.
pub async fn claims_digest(tx: &mut Tx, exhibit: Id) -> Result<Sha256> {
    let rows = sql!(all tx, (String,), "SELECT body FROM claim WHERE exhibit_id = $1", exhibit.blob())?;
    Ok(capture::claims_digest(rows.into_iter().map(|r| r.0).collect()))
}

/// The same of all.
pub async fn claims_digests(tx: &mut Tx) -> Result<HashMap<Id, Sha256>> {
    let rows = sql!(all tx, (Vec<u8>, String), "SELECT exhibit_id, body FROM claim")?;
    let mut bodies: HashMap<Id, Vec<String>> = HashMap::new();
    for (exhibit, body) in rows {
        bodies.entry(id(&exhibit)?).or_default().push(body);
    }
    Ok(bodies.into_iter().map(|(exhibit, bodies)| (exhibit, capture::claims_digest(bodies))).collect())
}

/// The family of the exhibits of an appeal with these bytes, by its number.
pub async fn family_with(tx: &mut Tx, appeal: Id, agency: Id, sha256: Sha256) -> Result<Option<u64>> {
    let row = sql!(maybe tx, (i64,),
        "SELECT family FROM exhibit WHERE agency_id = $1 AND sha256 = $2 AND appeal_id = $3 ORDER BY number LIMIT 1",
        agency.blob(), sha256.blob(), appeal.blob())?;
    Ok(row.map(|r| unsigned(r.0)))
}

/// Exhibits of an appeal by their numbers.
pub async fn numbered(tx: &mut Tx, appeal: Id, numbers: &[u64]) -> Result<Vec<Exhibit>> {
    let mut found = Vec::new();
    for number in numbers {
        let row = sql!(maybe tx, Row, concat!(exhibit_rows!(), "WHERE appeal_id = $1 AND number = $2"), appeal.blob(), signed(*number))?;
        found.extend(row.map(Row::exhibit).transpose()?);
    }
    Ok(found)
}

/// The first exhibit of an appeal with these bytes.
pub async fn first_with(tx: &mut Tx, appeal: Id, agency: Id, sha256: Sha256) -> Result<Option<Id>> {
    let row = sql!(maybe tx, (Vec<u8>,),
        "SELECT id FROM exhibit WHERE agency_id = $1 AND sha256 = $2 AND appeal_id = $3 ORDER BY received_at, id LIMIT 1",
        agency.blob(), sha256.blob(), appeal.blob())?;
    row.map(|r| id(&r.0)).transpose()
}

/// How many exhibits of an appeal have these bytes.
pub async fn count_with(tx: &mut Tx, appeal: Id, agency: Id, sha256: Sha256) -> Result<usize> {
    let (count,) = sql!(one tx, (i64,), "SELECT COUNT(*) FROM exhibit WHERE agency_id = $1 AND sha256 = $2 AND appeal_id = $3",
        agency.blob(), sha256.blob(), appeal.blob())?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// How many exhibits of an appeal are in each state.
pub async fn counts(tx: &mut Tx, appeal: Id) -> Result<Vec<(State, u64)>> {
    let rows = sql!(all tx, (String, i64), "SELECT state, COUNT(*) FROM exhibit WHERE appeal_id = $1 GROUP BY state ORDER BY state", appeal.blob())?;
    rows.into_iter().map(|(s, n)| Ok((State::parse(&s).ok_or_else(|| bad_row("state"))?, unsigned(n)))).collect()
}

pub async fn add_time_claim(tx: &mut Tx, new: Id, exhibit: Id, claim: &TimeClaim, now: Utc) -> Result<()> {
    add_claim(tx, new, exhibit, "time", to_json(claim)?, now).await
}

pub async fn add_place_claim(tx: &mut Tx, new: Id, exhibit: Id, claim: &PlaceClaim, now: Utc) -> Result<()> {
    add_claim(tx, new, exhibit, "place", to_json(claim)?, now).await
}

async fn add_claim(tx: &mut Tx, new: Id, exhibit: Id, about: &'static str, body: String, now: Utc) -> Result<()> {
    // Whoever adds claims holds the exhibit, so that no two take the same number.
    sql!(run tx,
        "INSERT INTO claim (id, exhibit_id, about, body, created_at, n)
         VALUES ($1, $2, $3, $4, $5, (SELECT COALESCE(MAX(n), 0) + 1 FROM claim WHERE exhibit_id = $2))",
        new.blob(), exhibit.blob(), about, body, now.micros())?;
    Ok(())
}

pub async fn claims(tx: &mut Tx, exhibit: Id) -> Result<(Vec<TimeClaim>, Vec<PlaceClaim>)> {
    let rows = sql!(all tx, (String, String), "SELECT about, body FROM claim WHERE exhibit_id = $1 ORDER BY n, id", exhibit.blob())?;
    let (mut times, mut places) = (Vec::new(), Vec::new());
    for (about, body) in rows {
        match about.as_str() {
            "time" => times.push(json(&body)?),
            _ => places.push(json(&body)?),
        }
    }
    Ok((times, places))
}

pub struct Decided {
    pub by: String,
    pub decision: Decision,
    pub note: String,
    pub at: Utc,
    /// When it was taken back.
    pub undone_at: Option<Utc>,
}

/// Writes a decision if the exhibit is still at `version`; false when somebody else was faster.
pub async fn decide(tx: &mut Tx, new: Id, e: &Exhibit, by: Id, decision: Decision, note: &str, now: Utc) -> Result<bool> {
    let rows = sql!(run tx, "UPDATE exhibit SET state = $3, version = version + 1, changed_at = $4 WHERE id = $1 AND version = $2",
        e.id.blob(), signed(e.version), decision.state().as_str(), now.micros())?;
    if rows != 1 {
        return Ok(false);
    }
    sql!(run tx, "INSERT INTO decision (id, exhibit_id, account_id, value, note, version, decided_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        new.blob(), e.id.blob(), by.blob(), decision.state().as_str(), note.to_owned(), signed(e.version) + 1, now.micros())?;
    Ok(true)
}

/// Whose decision holds.
pub async fn decided_by(tx: &mut Tx, exhibit: Id) -> Result<Option<Id>> {
    sql!(maybe tx, (Vec<u8>,),
        "SELECT account_id FROM decision WHERE exhibit_id = $1 AND undone_at IS NULL ORDER BY version DESC LIMIT 1", exhibit.blob())?
    .map(|(by,)| id(&by))
    .transpose()
}

/// Takes back the last decision that holds, if it is this person's; says in which state that leaves the exhibit.
pub async fn undo(tx: &mut Tx, e: &Exhibit, by: Id, now: Utc) -> Result<Option<State>> {
    let held = sql!(all tx, (i64, Vec<u8>, String),
        "SELECT version, account_id, value FROM decision WHERE exhibit_id = $1 AND undone_at IS NULL ORDER BY version DESC LIMIT 2", e.id.blob())?;
    let Some((version, _, _)) = held.first().filter(|(_, account, _)| *account == by.blob()) else { return Ok(None) };
    let state = match held.get(1) {
        Some((_, _, earlier)) => State::parse(earlier).ok_or_else(|| bad_row("decision"))?,
        None if e.examined => State::Ready,
        None => State::Received,
    };
    sql!(run tx, "UPDATE decision SET undone_at = $3 WHERE exhibit_id = $1 AND version = $2", e.id.blob(), *version, now.micros())?;
    sql!(run tx, "UPDATE exhibit SET state = $2, version = version + 1, changed_at = $3 WHERE id = $1", e.id.blob(), state.as_str(), now.micros())?;
    Ok(Some(state))
}

/// Everybody in a family, by its number: ids and numbers.
pub async fn of_family(tx: &mut Tx, appeal: Id, family: u64) -> Result<Vec<(Id, u64)>> {
    let rows = sql!(all tx, (Vec<u8>, i64), "SELECT id, number FROM exhibit WHERE appeal_id = $1 AND family = $2 ORDER BY number",
        appeal.blob(), signed(family))?;
    rows.into_iter().map(|(e, number)| Ok((id(&e)?, unsigned(number)))).collect()
}

pub async fn decisions(tx: &mut Tx, exhibit: Id) -> Result<Vec<Decided>> {
    let rows = sql!(all tx, (String, String, String, i64, Option<i64>),
        "SELECT a.name, d.value, d.note, d.decided_at, d.undone_at FROM decision d JOIN account a ON a.id = d.account_id
         WHERE d.exhibit_id = $1 ORDER BY d.version DESC", exhibit.blob())?;
    rows.into_iter()
        .map(|(by, value, note, at, undone)| {
            let decision = Decision::parse(&value).ok_or_else(|| bad_row("decision"))?;
            Ok(Decided { by, decision, note, at: Utc::from_micros(at), undone_at: undone.map(Utc::from_micros) })
        })
        .collect()
}
