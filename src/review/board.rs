//! How the review of an appeal goes, and how much each person has seen. Numbers only: no exhibit is shown.

use crate::app::App;
use crate::db::{self, board::Reversal};
use crate::domain::actor::Person;
use crate::domain::appeal::Appeal;
use crate::domain::exhibit::State;
use crate::domain::review::{Agreement, agreement};
use crate::domain::value::{DAY_US, HOUR_US, Id, Utc};
use crate::error::Result;

/// Reversals that the board lists.
const REVERSALS: i64 = 50;

/// How much a person opened.
#[derive(Clone, Copy)]
pub struct Exposure {
    pub opened: u64,
    pub graphic: u64,
    /// Opened in seven days.
    pub week: u64,
}

pub async fn exposure(app: &App, person: &Person) -> Result<Exposure> {
    exposure_of(app, person.id).await
}

async fn exposure_of(app: &App, person: Id) -> Result<Exposure> {
    let today = app.now().micros().div_euclid(DAY_US);
    let mut tx = app.db.read().await?;
    let (opened, graphic) = db::board::exposure_since(&mut tx, person, today).await?;
    let (week, _) = db::board::exposure_since(&mut tx, person, today - 6).await?;
    Ok(Exposure { opened, graphic, week })
}

pub struct Colleague {
    pub name: String,
    pub decided: u64,
    /// Within the last hour.
    pub lately: u64,
    pub assigned: u64,
    pub exposure: Exposure,
}

pub struct Sampled {
    pub id: Id,
    pub seed: String,
    pub percent: u64,
    pub population: u64,
    pub by: String,
    pub drawn_at: Utc,
    pub drawn: usize,
    pub agreement: Agreement,
    /// Where the second opinion differs: id, number, first and second with who had them.
    pub differ: Vec<(Id, u64, String, String, State)>,
    /// Whether something is left for the reader.
    pub open_for_me: bool,
}

pub struct Board {
    pub counts: Vec<(State, u64)>,
    pub waiting: u64,
    pub oldest: Option<Utc>,
    pub arrived_hour: u64,
    pub colleagues: Vec<Colleague>,
    pub samples: Vec<Sampled>,
    pub reversals: Vec<Reversal>,
}

pub async fn board(app: &App, person: &Person, appeal: &Appeal) -> Result<Board> {
    let hour = app.now().plus(-HOUR_US);
    let mut tx = app.db.read().await?;
    let counts = db::exhibits::counts(&mut tx, appeal.id).await?;
    let (waiting, oldest) = db::board::waiting(&mut tx, appeal.id).await?;
    let arrived_hour = db::board::arrived_since(&mut tx, appeal.id, hour).await?;
    let shares = db::board::shares(&mut tx, appeal.id, hour).await?;
    let reversals = db::board::reversals(&mut tx, appeal.id, REVERSALS).await?;
    let mut samples = Vec::new();
    for s in db::samples::of_appeal(&mut tx, appeal.id).await? {
        let items = db::samples::items(&mut tx, s.id).await?;
        let pairs: Vec<_> = items.iter().filter_map(|i| Some((i.first, i.second.as_ref()?.0))).collect();
        let differ = items.iter().filter_map(|i| i.second.as_ref().filter(|(value, _)| *value != i.first).map(|second| (i, second)));
        samples.push(Sampled {
            differ: differ.map(|(i, second)| (i.exhibit, i.number, i.first_by.clone(), second.1.clone(), second.0.state())).collect(),
            drawn: items.len(),
            agreement: agreement(&pairs),
            open_for_me: db::samples::next(&mut tx, s.id, person.id).await?.is_some(),
            id: s.id,
            seed: s.seed,
            percent: s.percent,
            population: s.population,
            by: s.by,
            drawn_at: s.drawn_at,
        });
    }
    drop(tx);
    let mut colleagues = Vec::new();
    for s in shares {
        let exposure = exposure_of(app, s.person).await?;
        colleagues.push(Colleague { name: s.name, decided: s.decided, lately: s.lately, assigned: s.assigned, exposure });
    }
    Ok(Board { counts, waiting, oldest, arrived_hour, colleagues, samples, reversals })
}
