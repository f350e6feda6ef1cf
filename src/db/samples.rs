//! Samples of what was decided, decided again by somebody who does not know.

use super::{Tx, bad_row, id, signed, unsigned};
use crate::domain::review::Decision;
use crate::domain::value::{Id, Utc};
use crate::error::Result;

pub struct Sample {
    pub id: Id,
    pub seed: String,
    pub percent: u64,
    pub population: u64,
    pub by: String,
    pub drawn_at: Utc,
}

pub struct Item {
    pub exhibit: Id,
    pub number: u64,
    pub first: Decision,
    pub first_by: String,
    pub second: Option<(Decision, String)>,
}

/// The exhibits of an appeal that were found not relevant and stand so, with who said it last.
pub async fn not_relevant(tx: &mut Tx, appeal: Id) -> Result<Vec<(Id, Id)>> {
    let rows = sql!(all tx, (Vec<u8>, Vec<u8>),
        "SELECT e.id, d.account_id FROM exhibit e JOIN decision d ON d.exhibit_id = e.id AND d.undone_at IS NULL
         WHERE e.appeal_id = $1 AND e.state = 'not_relevant' AND d.version =
           (SELECT MAX(l.version) FROM decision l WHERE l.exhibit_id = e.id AND l.undone_at IS NULL) ORDER BY e.id", appeal.blob())?;
    rows.into_iter().map(|(e, by)| Ok((id(&e)?, id(&by)?))).collect()
}

pub async fn insert(tx: &mut Tx, s: &Sample, appeal: Id, by: Id) -> Result<()> {
    sql!(run tx, "INSERT INTO sample (id, appeal_id, account_id, seed, percent, population, drawn_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        s.id.blob(), appeal.blob(), by.blob(), s.seed.clone(), signed(s.percent), signed(s.population), s.drawn_at.micros())?;
    Ok(())
}

/// What was drawn, in its order, with who decided it the first time.
pub async fn add_items(tx: &mut Tx, sample: Id, first: Decision, drawn: &[(Id, Id)]) -> Result<()> {
    let rows: Vec<(i64, Id, Id)> = (0..).zip(drawn).map(|(rank, (exhibit, by))| (rank, *exhibit, *by)).collect();
    many!(run tx, "INSERT INTO sample_item (sample_id, exhibit_id, rank, first_value, first_by)", rows,
        |(rank, exhibit, by)| blob sample.blob(), blob exhibit.blob(), int *rank, text first.state().as_str(), blob by.blob(); "");
    Ok(())
}

pub async fn of_appeal(tx: &mut Tx, appeal: Id) -> Result<Vec<Sample>> {
    let rows = sql!(all tx, (Vec<u8>, String, i64, i64, String, i64),
        "SELECT s.id, s.seed, s.percent, s.population, a.name, s.drawn_at FROM sample s JOIN account a ON a.id = s.account_id
         WHERE s.appeal_id = $1 ORDER BY s.drawn_at DESC", appeal.blob())?;
    rows.into_iter()
        .map(|(i, seed, percent, population, by, at)| {
            Ok(Sample {
                id: id(&i)?,
                seed,
                percent: unsigned(percent),
                population: unsigned(population),
                by,
                drawn_at: Utc::from_micros(at),
            })
        })
        .collect()
}

/// Which appeal a sample was drawn from.
pub async fn appeal(tx: &mut Tx, sample: Id) -> Result<Option<Id>> {
    let row = sql!(maybe tx, (Vec<u8>,), "SELECT appeal_id FROM sample WHERE id = $1", sample.blob())?;
    row.map(|r| id(&r.0)).transpose()
}

pub async fn items(tx: &mut Tx, sample: Id) -> Result<Vec<Item>> {
    let rows = sql!(all tx, (Vec<u8>, i64, String, String, Option<String>, Option<String>),
        "SELECT i.exhibit_id, e.number, i.first_value, a.name, i.second_value, b.name FROM sample_item i JOIN exhibit e ON e.id = i.exhibit_id
         JOIN account a ON a.id = i.first_by LEFT JOIN account b ON b.id = i.second_by WHERE i.sample_id = $1 ORDER BY i.rank", sample.blob())?;
    rows.into_iter()
        .map(|(e, number, first, first_by, second, second_by)| {
            let read = |text: &str| Decision::parse(text).ok_or_else(|| bad_row("decision"));
            let second = second.zip(second_by).map(|(value, by)| Ok::<_, crate::error::Error>((read(&value)?, by))).transpose()?;
            Ok(Item { exhibit: id(&e)?, number: unsigned(number), first: read(&first)?, first_by, second })
        })
        .collect()
}

/// The next that this person has never decided, and nobody the second time.
pub async fn next(tx: &mut Tx, sample: Id, person: Id) -> Result<Option<Id>> {
    let row = sql!(maybe tx, (Vec<u8>,),
        "SELECT exhibit_id FROM sample_item WHERE sample_id = $1 AND second_value IS NULL AND first_by <> $2
           AND NOT EXISTS (SELECT 1 FROM decision d WHERE d.exhibit_id = sample_item.exhibit_id AND d.account_id = $2) ORDER BY rank LIMIT 1",
        sample.blob(), person.blob())?;
    row.map(|r| id(&r.0)).transpose()
}

/// False when somebody did before, or this person ever decided it.
pub async fn decide(tx: &mut Tx, sample: Id, exhibit: Id, by: Id, decision: Decision, now: Utc) -> Result<bool> {
    let rows = sql!(run tx,
        "UPDATE sample_item SET second_value = $3, second_by = $4, decided_at = $5
         WHERE sample_id = $1 AND exhibit_id = $2 AND second_value IS NULL AND first_by <> $4
           AND NOT EXISTS (SELECT 1 FROM decision d WHERE d.exhibit_id = sample_item.exhibit_id AND d.account_id = $4)",
        sample.blob(), exhibit.blob(), decision.state().as_str(), by.blob(), now.micros())?;
    Ok(rows == 1)
}
