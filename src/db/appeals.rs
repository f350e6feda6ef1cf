//! Appeals and their spent budgets.

use sqlx::FromRow;

use super::{Tx, bad_row, id, json, signed, to_json, unsigned};
use crate::domain::appeal::{Appeal, AppealState, Area, IntakeRules};
use crate::domain::value::{Id, Point, Utc};
use crate::error::Result;

#[derive(FromRow)]
struct Row {
    id: Vec<u8>,
    agency_id: Vec<u8>,
    code: String,
    state: String,
    texts: String,
    default_language: String,
    emergency_number: String,
    from_at: i64,
    to_at: i64,
    zone: String,
    lat: f64,
    lon: f64,
    radius_m: f64,
    budgets: String,
    intake: String,
    bytes_received: i64,
    files_received: i64,
    demo: i64,
    created_at: i64,
    agency_name: String,
}

impl Row {
    fn appeal(self) -> Result<Appeal> {
        Ok(Appeal {
            id: id(&self.id)?,
            agency: id(&self.agency_id)?,
            code: self.code,
            state: AppealState::parse(&self.state).ok_or_else(|| bad_row("appeal state"))?,
            texts: json(&self.texts)?,
            default_language: self.default_language,
            agency_name: self.agency_name,
            emergency_number: self.emergency_number,
            from: Utc::from_micros(self.from_at),
            to: Utc::from_micros(self.to_at),
            zone: self.zone,
            area: Area { centre: Point::new(self.lat, self.lon).ok_or_else(|| bad_row("place"))?, radius_m: self.radius_m },
            budgets: json(&self.budgets)?,
            intake: json(&self.intake)?,
            bytes_received: unsigned(self.bytes_received),
            files_received: unsigned(self.files_received),
            demo: self.demo != 0,
            created_at: Utc::from_micros(self.created_at),
        })
    }
}

/// Every column of [`Row`], by name: a node of the version before goes on while a migration adds some.
macro_rules! appeal_rows {
    () => {
        "SELECT a.id, a.agency_id, a.code, a.state, a.texts, a.default_language, a.emergency_number, a.from_at, a.to_at, a.zone, a.lat, a.lon, a.radius_m, a.budgets, a.intake, a.bytes_received, a.files_received, a.demo, a.created_at, g.name AS agency_name FROM appeal a"
    };
}

pub async fn create(tx: &mut Tx, a: &Appeal) -> Result<()> {
    sql!(run tx,
        "INSERT INTO appeal (id, agency_id, code, state, texts, default_language, emergency_number, from_at, to_at,
           zone, lat, lon, radius_m, budgets, intake, demo, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        a.id.blob(), a.agency.blob(), a.code.clone(), a.state.as_str(), to_json(&a.texts)?, a.default_language.clone(),
        a.emergency_number.clone(), a.from.micros(), a.to.micros(), a.zone.clone(), a.area.centre.lat, a.area.centre.lon,
        a.area.radius_m, to_json(&a.budgets)?, to_json(&a.intake)?, i64::from(a.demo), a.created_at.micros())?;
    Ok(())
}

pub async fn by_code(tx: &mut Tx, code: &str) -> Result<Option<Appeal>> {
    sql!(maybe tx, Row, concat!(appeal_rows!(), " JOIN agency g ON g.id = a.agency_id WHERE a.code = $1"), code.to_owned())?
        .map(Row::appeal)
        .transpose()
}

pub async fn by_id(tx: &mut Tx, appeal: Id) -> Result<Appeal> {
    sql!(one tx, Row, concat!(appeal_rows!(), " JOIN agency g ON g.id = a.agency_id WHERE a.id = $1"), appeal.blob())?.appeal()
}

pub async fn list(tx: &mut Tx, agency: Id) -> Result<Vec<Appeal>> {
    sql!(all tx, Row,
        concat!(appeal_rows!(), " JOIN agency g ON g.id = a.agency_id WHERE a.agency_id = $1 ORDER BY a.created_at DESC"),
        agency.blob())?
    .into_iter()
    .map(Row::appeal)
    .collect()
}

/// Appeals of other agencies that are shared with this one now.
pub async fn shared_with(tx: &mut Tx, agency: Id, now: Utc) -> Result<Vec<Appeal>> {
    sql!(all tx, Row,
        concat!(appeal_rows!(), " JOIN agency g ON g.id = a.agency_id WHERE a.id IN
           (SELECT s.appeal_id FROM appeal_share s WHERE s.agency_id = $1 AND s.ended_at IS NULL AND s.expires_at > $2) ORDER BY a.created_at DESC"),
        agency.blob(), now.micros())?
    .into_iter()
    .map(Row::appeal)
    .collect()
}

/// Whether any appeal here is a demonstration: then every page says so.
pub async fn any_demo(tx: &mut Tx) -> Result<bool> {
    Ok(sql!(one tx, (i64,), "SELECT COUNT(*) FROM appeal WHERE demo = 1")?.0 > 0)
}

pub async fn set_state(tx: &mut Tx, appeal: Id, from: AppealState, to: AppealState) -> Result<bool> {
    let rows = sql!(run tx, "UPDATE appeal SET state = $3 WHERE id = $1 AND state = $2", appeal.blob(), from.as_str(), to.as_str())?;
    Ok(rows == 1)
}

pub async fn set_intake(tx: &mut Tx, appeal: Id, rules: &IntakeRules) -> Result<()> {
    sql!(run tx, "UPDATE appeal SET intake = $2 WHERE id = $1", appeal.blob(), to_json(rules)?)?;
    Ok(())
}

/// Counts one file of `size` bytes against the appeal, if it is open and its budget bears it; gives the file its number.
pub async fn spend(tx: &mut Tx, appeal: Id, size: u64, bytes_max: u64) -> Result<Option<u64>> {
    let row = sql!(maybe tx, (i64,),
        "UPDATE appeal SET bytes_received = bytes_received + $2, files_received = files_received + 1
         WHERE id = $1 AND state = 'open' AND bytes_received + $2 <= $3 RETURNING files_received",
        appeal.blob(), signed(size), signed(bytes_max))?;
    Ok(row.map(|r| unsigned(r.0)))
}
