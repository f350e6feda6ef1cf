//! The rows of an appeal's index (`domain::review::Line`).

use sqlx::FromRow;

use super::{Tx, bad_row, id, unsigned};
use crate::domain::capture::{Grade, Source};
use crate::domain::exhibit::{Kind, State};
use crate::domain::review::{Line, Spot};
use crate::domain::value::{Id, Utc};
use crate::error::Result;

#[derive(FromRow)]
struct Row {
    number: i64,
    family: i64,
    lead: i64,
    has_thumbnail: i64,
    quarantined: i64,
    kind: String,
    state: String,
    t: Option<i64>,
    t_hi: Option<i64>,
    grade: Option<String>,
    time_source: Option<String>,
    lat_e7: Option<i64>,
    lon_e7: Option<i64>,
    acc_m: Option<f64>,
    bearing: Option<i64>,
    place_source: Option<String>,
    received_at: i64,
    tags: i64,
    signs: i64,
    sender: i64,
    device: i64,
    assignee: Option<Vec<u8>>,
    version: i64,
}

impl Row {
    fn line(self) -> Result<Line> {
        let source = |text: Option<&str>| text.and_then(Source::parse).ok_or_else(|| bad_row("source"));
        let time = match (self.t, self.t_hi) {
            (Some(from), Some(to)) => {
                let grade = self.grade.as_deref().and_then(Grade::parse).ok_or_else(|| bad_row("grade"))?;
                Some((Utc::from_micros(from), Utc::from_micros(to), grade, source(self.time_source.as_deref())?))
            }
            _ => None,
        };
        let place = match (self.lat_e7, self.lon_e7) {
            (Some(lat_e7), Some(lon_e7)) => Some(Spot {
                lat_e7,
                lon_e7,
                radius_m: self.acc_m.unwrap_or(0.0),
                bearing: self.bearing.and_then(|b| u16::try_from(b).ok()),
                source: source(self.place_source.as_deref())?,
            }),
            _ => None,
        };
        Ok(Line {
            number: unsigned(self.number),
            family: unsigned(self.family),
            lead: self.lead != 0,
            has_thumbnail: self.has_thumbnail != 0,
            quarantined: self.quarantined != 0,
            kind: Kind::parse(&self.kind).ok_or_else(|| bad_row("kind"))?,
            state: State::parse(&self.state).ok_or_else(|| bad_row("state"))?,
            time,
            place,
            received_at: Utc::from_micros(self.received_at),
            tags: u32::try_from(self.tags).map_err(|_| bad_row("tag"))?,
            signs: u32::try_from(self.signs).map_err(|_| bad_row("sign"))?,
            sender: unsigned(self.sender),
            device: unsigned(self.device),
            assignee: self.assignee.as_deref().map(id).transpose()?,
            version: unsigned(self.version),
        })
    }
}

/// Every line of an appeal that changed at or after a moment, in the order of their numbers.
pub async fn changed_since(tx: &mut Tx, appeal: Id, since: Utc) -> Result<Vec<Line>> {
    // (Ordered here: asked to order, both databases walk all numbers of the appeal to find the few that changed.)
    let rows = sql!(all tx, Row,
        "SELECT number, family, lead, has_thumbnail, CAST(CASE WHEN quarantine IS NULL AND restricted = 0 THEN 0 ELSE 1 END AS BIGINT) AS quarantined, kind, state, t, t_hi, grade,
           time_source, lat_e7, lon_e7, acc_m, bearing, place_source, received_at, tags, signs, sender, device, assignee, version
         FROM exhibit WHERE appeal_id = $1 AND changed_at >= $2", appeal.blob(), since.micros())?;
    let mut lines = rows.into_iter().map(Row::line).collect::<Result<Vec<Line>>>()?;
    lines.sort_unstable_by_key(|l| l.number);
    Ok(lines)
}

/// When one of an appeal's exhibits changed last.
pub async fn last_change(tx: &mut Tx, appeal: Id) -> Result<Utc> {
    let (last,) = sql!(one tx, (Option<i64>,), "SELECT MAX(changed_at) FROM exhibit WHERE appeal_id = $1", appeal.blob())?;
    Ok(Utc::from_micros(last.unwrap_or(0)))
}

/// How many exhibits an appeal has.
pub async fn count(tx: &mut Tx, appeal: Id) -> Result<u64> {
    Ok(unsigned(sql!(one tx, (i64,), "SELECT files_received - files_erased FROM appeal WHERE id = $1", appeal.blob())?.0))
}
