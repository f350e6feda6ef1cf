//! `/retention`: for how long each appeal's exhibits are kept, what is over its time, and asking for its erasure.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::db;
use crate::domain::actor::Act;
use crate::domain::retention::{Category, Periods};
use crate::error::{Error, Result};
use crate::retain::{self, Standing};
use crate::web::extract::{AppState, Frame, Retaining, own_appeal};
use crate::web::respond::page;

struct Line {
    category: &'static str,
    words: String,
    days: String,
    free: u64,
    bound: u64,
    soon: u64,
    oldest: String,
}

struct Row {
    code: String,
    title: String,
    lines: Vec<Line>,
    review_days: String,
    review: Option<String>,
    review_over: bool,
    waiting: u64,
}

#[derive(Template)]
#[template(path = "retention.html")]
struct RetentionPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    rows: Vec<Row>,
}

fn category_words(t: &FluentLanguageLoader, category: Category) -> String {
    match category {
        Category::Kept => fl!(t, "retention-kept"),
        Category::Undecided => fl!(t, "retention-undecided"),
        Category::Declined => fl!(t, "retention-declined"),
    }
}

pub async fn show(State(app): State<AppState>, Retaining(person): Retaining, frame: Frame) -> Result<Response> {
    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let appeals = db::appeals::list(&mut tx, person.agency).await?;
    drop(tx);
    let text = |days: Option<u32>| days.map(|d| d.to_string()).unwrap_or_default();
    let mut rows = Vec::new();
    for appeal in appeals {
        let Standing { periods, due, review, waiting } = retain::standing(&app, &appeal, Some(&person)).await?;
        let lines = due.into_iter().map(|d| Line {
            category: d.category.as_str(),
            words: category_words(t, d.category),
            days: text(d.days),
            free: d.free,
            bound: d.bound,
            soon: d.soon,
            oldest: d.oldest.map(|at| at.in_zone(&appeal.zone)).unwrap_or_default(),
        });
        rows.push(Row {
            title: appeal.text(frame.language.tag()).title.clone(),
            lines: lines.collect(),
            review_days: text(periods.review_days),
            review_over: review.is_some_and(|at| at <= app.now()),
            review: review.map(|at| at.in_zone(&appeal.zone)),
            waiting,
            code: appeal.code,
        });
    }
    page(&RetentionPage { t, rows, frame })
}

#[derive(Deserialize)]
pub struct RetentionForm {
    act: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    kept: String,
    #[serde(default)]
    undecided: String,
    #[serde(default)]
    declined: String,
    #[serde(default)]
    review: String,
}

/// Days as somebody typed them; nothing is no end.
fn days(text: &str) -> Result<Option<u32>> {
    match text.trim() {
        "" => Ok(None),
        days => days.parse().map(Some).map_err(|_| Error::Invalid { field: "days", why: "a number of days, or nothing".into() }),
    }
}

pub async fn act(
    State(app): State<AppState>,
    Retaining(person): Retaining,
    Path(code): Path<String>,
    Form(given): Form<RetentionForm>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::Retain).await?;
    match given.act.as_str() {
        "periods" => {
            let periods = Periods {
                kept_days: days(&given.kept)?,
                undecided_days: days(&given.undecided)?,
                declined_days: days(&given.declined)?,
                review_days: days(&given.review)?,
            };
            retain::set_periods(&app, Some(&person), &appeal, &periods).await?;
        }
        "reviewed" => retain::review(&app, &person, &appeal).await?,
        "ask" => {
            let category = Category::parse(&given.category).ok_or(Error::Invalid { field: "category", why: "no such category".into() })?;
            retain::ask_due(&app, &person, &appeal, category, &given.reason).await?;
        }
        "agree" => {
            retain::agree_to_due(&app, &person, &appeal).await?;
        }
        _ => return Err(Error::Invalid { field: "act", why: "periods, reviewed, ask or agree".into() }),
    }
    Ok(Redirect::to("/retention").into_response())
}
