//! `/appeals/{code}/bulk`: one act on everything that came from one submission, one source or one stretch of time. For
//! floods: what is put behind glass can be taken out again, what is rejected can be decided anew, and every exhibit has
//! its own event.

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::db;
use crate::domain::actor::Act;
use crate::domain::value::Utc;
use crate::error::{Error, Result};
use crate::review::{self, BURST_MIN, BulkAct, BulkScope};
use crate::web::extract::{AppState, Decider, Frame, own_appeal};
use crate::web::respond::page;

#[derive(Deserialize)]
pub struct Asked {
    exhibit: String,
}

struct Choice {
    scope: &'static str,
    words: String,
    count: u64,
}

#[derive(Template)]
#[template(path = "bulk.html")]
struct BulkPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    exhibit: String,
    received: String,
    choices: Vec<Choice>,
}

pub async fn show(
    State(app): State<AppState>,
    Decider(person): Decider,
    frame: Frame,
    Path(code): Path<String>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::Decide).await?;
    let Ok(Query(asked)) = asked else { return Err(Error::NotFound) };
    let id = asked.exhibit.parse().map_err(|()| Error::NotFound)?;
    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let e = db::exhibits::by_id(&mut tx, id).await?.filter(|e| e.appeal == appeal.id).ok_or(Error::NotFound)?;
    drop(tx);
    let mut choices = Vec::new();
    for (name, words) in
        [("submission", fl!(t, "bulk-submission")), ("source", fl!(t, "bulk-source")), ("time", fl!(t, "bulk-time", minutes = BURST_MIN))]
    {
        let count = review::bulk_count(&app, &appeal, &scope(name, &e.id.to_string(), e.received_at)?).await?;
        if count > 0 {
            choices.push(Choice { scope: name, words, count });
        }
    }
    page(&BulkPage { t, code: appeal.code, exhibit: e.id.to_string(), received: e.received_at.in_zone(&appeal.zone), choices, frame })
}

#[derive(Deserialize)]
pub struct BulkForm {
    exhibit: String,
    scope: String,
    act: String,
    reason: String,
}

pub async fn act(
    State(app): State<AppState>,
    Decider(person): Decider,
    Path(code): Path<String>,
    Form(form): Form<BulkForm>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::Decide).await?;
    let id = form.exhibit.parse().map_err(|()| Error::NotFound)?;
    let mut tx = app.db.read().await?;
    let e = db::exhibits::by_id(&mut tx, id).await?.filter(|e| e.appeal == appeal.id).ok_or(Error::NotFound)?;
    drop(tx);
    let scope = scope(&form.scope, &form.exhibit, e.received_at)?;
    let act = BulkAct::parse(&form.act).ok_or_else(|| Error::Invalid { field: "act", why: "quarantine, release or reject".into() })?;
    review::bulk(&app, &person, &appeal, &scope, act, &form.reason).await?;
    Ok(Redirect::to(&format!("/appeals/{}/exhibits", appeal.code)).into_response())
}

fn scope(name: &str, exhibit: &str, received: Utc) -> Result<BulkScope> {
    let id = exhibit.parse().map_err(|()| Error::NotFound)?;
    match name {
        "submission" => Ok(BulkScope::SubmissionOf(id)),
        "source" => Ok(BulkScope::SourceOf(id)),
        "time" => Ok(BulkScope::burst(received)),
        _ => Err(Error::Invalid { field: "scope", why: "submission, source or time".into() }),
    }
}
