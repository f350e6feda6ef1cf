//! Checking decisions: a seeded sample of what was found not relevant is decided again by somebody who does not know what was decided. It
//! changes no exhibit: where opinions differ a supervisor looks, and decides as anybody decides.

use std::collections::HashMap;

use serde_json::json;

use super::look::{Look, Looked, look};
use crate::app::{App, random};
use crate::attest;
use crate::db::{self, samples::Sample};
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::appeal::Appeal;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::review::{Decision, draw};
use crate::domain::value::Id;
use crate::error::{Error, Result};

/// Draws a sample. The seed goes into the log: whoever has the list of what stood not relevant can draw it again.
pub async fn draw_sample(app: &App, person: &Person, appeal: &Appeal, percent: u64) -> Result<Id> {
    if !person.may(Act::Retain) {
        return Err(Error::Forbidden);
    }
    if !(1..=100).contains(&percent) {
        return Err(Error::Invalid { field: "percent", why: "1 to 100".into() });
    }
    let seed = data_encoding::HEXLOWER.encode(&random::<16>());
    let mut tx = app.db.begin_apart().await?;
    db::families::take_turn(&mut tx, appeal.id).await?;
    let population = db::samples::not_relevant(&mut tx, appeal.id).await?;
    let ids: Vec<Id> = population.iter().map(|(id, _)| *id).collect();
    let drawn = draw(&seed, &ids, percent);
    if drawn.is_empty() {
        return Err(Error::Invalid { field: "percent", why: "nothing stands not relevant yet".into() });
    }
    let sample = Sample {
        id: app.new_id(),
        seed: seed.clone(),
        percent,
        population: ids.len() as u64,
        by: person.name.clone(),
        drawn_at: app.now(),
    };
    db::samples::insert(&mut tx, &sample, appeal.id, person.id).await?;
    let first_by: HashMap<Id, Id> = population.into_iter().collect();
    let items: Vec<(Id, Id)> = drawn.iter().map(|e| (*e, first_by.get(e).copied().unwrap_or(person.id))).collect();
    db::samples::add_items(&mut tx, sample.id, Decision::NotRelevant, &items).await?;
    let draft = Draft::new(EventType::SampleDrawn, Actor::from(person))
        .about(SubjectKind::Appeal, appeal.id)
        .fact("sample", sample.id.to_string())
        .fact("seed", seed)
        .fact("percent", percent)
        .fact("population", ids.len())
        .fact("count", drawn.len())
        .private("exhibits", json!(drawn.iter().map(Id::to_string).collect::<Vec<_>>()));
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(sample.id)
}

/// The next exhibit of a sample for this person, on record as looked at; `None` when nothing is left for them.
pub async fn next_of_sample(app: &App, person: &Person, appeal: &Appeal, sample: Id) -> Result<Option<Looked>> {
    let mut tx = app.db.read().await?;
    db::samples::appeal(&mut tx, sample).await?.filter(|a| *a == appeal.id).ok_or(Error::NotFound)?;
    let next = db::samples::next(&mut tx, sample, person.id).await?;
    drop(tx);
    match next {
        Some(exhibit) => Ok(Some(look(app, person, exhibit, Look::Record).await?)),
        None => Ok(None),
    }
}

/// The second opinion on one exhibit of a sample.
pub async fn decide_again(app: &App, person: &Person, appeal: &Appeal, sample: Id, exhibit: Id, decision: Decision) -> Result<()> {
    if !person.may(Act::Decide) {
        return Err(Error::Forbidden);
    }
    let mut tx = app.db.begin().await?;
    db::samples::appeal(&mut tx, sample).await?.filter(|a| *a == appeal.id).ok_or(Error::NotFound)?;
    db::exhibits::lock(&mut tx, exhibit).await?;
    if !db::samples::decide(&mut tx, sample, exhibit, person.id, decision, app.now()).await? {
        return Err(Error::Conflict);
    }
    let draft = Draft::new(EventType::SampleDecided, Actor::from(person))
        .about(SubjectKind::Exhibit, exhibit)
        .fact("sample", sample.to_string())
        .private("decision", decision.state().as_str());
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}
