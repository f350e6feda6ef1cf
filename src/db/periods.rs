//! For how long an appeal's exhibits are kept, and which of them are over their time.

use super::retention::waits_for_person;
use super::{Tx, id, json, to_json, unsigned};
use crate::domain::retention::{Category, Periods};
use crate::domain::value::{Id, Utc};
use crate::error::Result;

/// An appeal's periods, and when somebody last looked at it: at the latest when it was made.
pub async fn of(tx: &mut Tx, appeal: Id) -> Result<(Periods, Utc)> {
    let (text, reviewed, created) = sql!(one tx, (String, Option<i64>, i64),
        "SELECT retention, reviewed_at, created_at FROM appeal WHERE id = $1", appeal.blob())?;
    Ok((json(&text)?, Utc::from_micros(reviewed.unwrap_or(created))))
}

pub async fn set(tx: &mut Tx, appeal: Id, periods: &Periods) -> Result<()> {
    sql!(run tx, "UPDATE appeal SET retention = $2 WHERE id = $1", appeal.blob(), to_json(periods)?)?;
    Ok(())
}

/// Whose the periods are; `None` is the operator.
pub async fn set_by(tx: &mut Tx, appeal: Id, by: Option<Id>) -> Result<()> {
    sql!(run tx, "UPDATE appeal SET periods_by = $2 WHERE id = $1", appeal.blob(), by.map(|by| by.blob()))?;
    Ok(())
}

pub async fn by(tx: &mut Tx, appeal: Id) -> Result<Option<Id>> {
    sql!(one tx, (Option<Vec<u8>>,), "SELECT periods_by FROM appeal WHERE id = $1", appeal.blob())?.0.as_deref().map(id).transpose()
}

pub async fn reviewed(tx: &mut Tx, appeal: Id, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE appeal SET reviewed_at = $2 WHERE id = $1", appeal.blob(), now.micros())?;
    Ok(())
}

/// How many appeals nobody has looked at for longer than their periods say.
pub async fn reviews_overdue(tx: &mut Tx, now: Utc) -> Result<u64> {
    let rows = sql!(all tx, (String, Option<i64>, i64), "SELECT retention, reviewed_at, created_at FROM appeal")?;
    let mut overdue = 0;
    for (text, reviewed, created) in rows {
        let periods: Periods = json(&text)?;
        let due = periods.review_due(Utc::from_micros(reviewed.unwrap_or(created)));
        overdue += u64::from(due.is_some_and(|at| at <= now));
    }
    Ok(overdue)
}

/// One of three, as many states as a category has at the most.
fn states(category: Category) -> [&'static str; 3] {
    let states = category.states();
    [0, 1, 2].map(|n| states[n.min(states.len() - 1)].as_str())
}

/// How many of a category came before a moment: free to go, and under a hold or asked for already; and the oldest free one.
pub async fn due(tx: &mut Tx, appeal: Id, category: Category, before: Utc) -> Result<(u64, u64, Option<Utc>)> {
    let [a, b, c] = states(category);
    let (all, free, oldest) = sql!(one tx, (i64, i64, Option<i64>),
        "SELECT COUNT(*), CAST(COALESCE(SUM(free), 0) AS BIGINT), MIN(CASE WHEN free = 1 THEN received_at END) FROM
           (SELECT e.received_at, CASE WHEN EXISTS (SELECT 1 FROM hold h WHERE h.exhibit_id = e.id AND h.released_at IS NULL)
              OR EXISTS (SELECT 1 FROM erasure x WHERE x.exhibit_id = e.id AND x.state IN ('requested', 'approved')) THEN 0 ELSE 1 END AS free
            FROM exhibit e WHERE e.appeal_id = $1 AND e.state IN ($2, $3, $4) AND e.received_at < $5) d",
        appeal.blob(), a, b, c, before.micros())?;
    Ok((unsigned(free), unsigned(all - free), oldest.map(Utc::from_micros)))
}

/// The oldest of those that are free to go; without those that somebody said no to since then, when their time was over before.
pub async fn free(tx: &mut Tx, appeal: Id, category: Category, before: Utc, refused_since: Option<Utc>, limit: i64) -> Result<Vec<Id>> {
    let [a, b, c] = states(category);
    sql!(all tx, (Vec<u8>,),
        "SELECT e.id FROM exhibit e WHERE e.appeal_id = $1 AND e.state IN ($2, $3, $4) AND e.received_at < $5
           AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.exhibit_id = e.id AND h.released_at IS NULL)
           AND NOT EXISTS (SELECT 1 FROM erasure x WHERE x.exhibit_id = e.id AND x.state IN ('requested', 'approved'))
           AND NOT EXISTS (SELECT 1 FROM erasure x WHERE x.exhibit_id = e.id AND x.state = 'refused' AND x.basis = 'retention' AND x.ended_at >= $6)
         ORDER BY e.received_at, e.id LIMIT $7",
        appeal.blob(), a, b, c, before.micros(), refused_since.map_or(i64::MAX, |at| at.micros()), limit)?
    .into_iter()
    .map(|r| id(&r.0))
    .collect()
}

/// Erasures of an appeal that were asked for because its time is over, and that wait for this person, too.
pub async fn waiting_for(tx: &mut Tx, appeal: Id, person: Id, limit: i64) -> Result<Vec<Id>> {
    sql!(all tx, (Vec<u8>,),
        concat!("SELECT e.id FROM erasure e WHERE e.appeal_id = $1 AND e.basis = 'retention' AND ", waits_for_person!(), "
         ORDER BY e.requested_at, e.id LIMIT $3"),
        appeal.blob(), person.blob(), limit)?
    .into_iter()
    .map(|r| id(&r.0))
    .collect()
}
