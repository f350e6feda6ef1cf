//! `/appeals/{code}/board`: how the review goes. Arrivals, backlog, who did what, samples decided again, decisions overruled.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use super::state_words;
use crate::domain::actor::Act;
use crate::domain::exhibit::State as ExhibitState;
use crate::domain::review::PERCENT_DEFAULT;
use crate::error::{Error, Result};
use crate::review::{self, Colleague, Sampled};
use crate::web::extract::{AppState, Frame, Retaining, Reviewer, own_appeal};
use crate::web::respond::page;

struct Overruled {
    id: String,
    number: u64,
    first: String,
    first_by: String,
    then: String,
    then_by: String,
    at: String,
}

#[derive(Template)]
#[template(path = "board.html")]
struct BoardPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    title: String,
    zone: String,
    percent: u64,
    may_draw: bool,
    counts: Vec<(String, u64)>,
    waiting: u64,
    oldest: Option<String>,
    arrived_hour: u64,
    colleagues: Vec<Colleague>,
    samples: Vec<Sampled>,
    reversals: Vec<Overruled>,
}

impl BoardPage {
    fn state(&self, state: &ExhibitState) -> String {
        state_words(self.t, *state)
    }

    fn kappa(&self, sampled: &Sampled) -> String {
        sampled.agreement.kappa.map_or_else(|| "–".to_owned(), |k| format!("{k:.2}"))
    }

    fn share(&self, sampled: &Sampled) -> String {
        let a = sampled.agreement;
        #[allow(clippy::cast_precision_loss)]
        if a.pairs == 0 { "–".to_owned() } else { format!("{:.0} %", 100.0 * a.same as f64 / a.pairs as f64) }
    }
}

pub async fn show(State(app): State<AppState>, Reviewer(person): Reviewer, frame: Frame, Path(code): Path<String>) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let board = review::board(&app, &person, &appeal).await?;
    let t = frame.language.texts();
    let words = |text: &str| ExhibitState::parse(text).map_or_else(|| text.to_owned(), |s| state_words(t, s));
    page(&BoardPage {
        t,
        percent: PERCENT_DEFAULT,
        may_draw: person.may(Act::Retain),
        counts: board.counts.into_iter().map(|(state, n)| (state_words(t, state), n)).collect(),
        waiting: board.waiting,
        oldest: board.oldest.map(|at| at.in_zone(&appeal.zone)),
        arrived_hour: board.arrived_hour,
        colleagues: board.colleagues,
        samples: board.samples,
        reversals: board
            .reversals
            .into_iter()
            .map(|r| Overruled {
                id: r.exhibit.to_string(),
                number: r.number,
                first: words(&r.first),
                first_by: r.first_by,
                then: words(&r.then),
                then_by: r.then_by,
                at: r.at.in_zone(&appeal.zone),
            })
            .collect(),
        title: appeal.text(frame.language.tag()).title.clone(),
        code: appeal.code,
        zone: appeal.zone,
        frame,
    })
}

#[derive(Deserialize)]
pub struct DrawForm {
    #[serde(default)]
    percent: String,
}

/// A supervisor draws a sample.
pub async fn draw(
    State(app): State<AppState>,
    Retaining(person): Retaining,
    Path(code): Path<String>,
    Form(form): Form<DrawForm>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::Retain).await?;
    let percent = form.percent.trim().parse().map_err(|_| Error::Invalid { field: "percent", why: "1 to 100".into() })?;
    review::draw_sample(&app, &person, &appeal, percent).await?;
    Ok(Redirect::to(&format!("/appeals/{}/board#samples", appeal.code)).into_response())
}
