//! `/appeals/{code}/sharing`: which partner agencies see an appeal, how far, and until when.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::agencies;
use crate::db;
use crate::domain::actor::{Act, Level};
use crate::error::{Error, Result};
use crate::web::account::short;
use crate::web::extract::{AppState, Frame, Sharing, own_appeal};
use crate::web::respond::page;

struct Row {
    id: String,
    with: String,
    level: String,
    since: String,
    until: String,
    holds: bool,
}

#[derive(Template)]
#[template(path = "sharing.html")]
struct SharingPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    rows: Vec<Row>,
}

fn level_words(t: &FluentLanguageLoader, level: Level) -> String {
    match level {
        Level::Look => fl!(t, "share-look"),
        Level::Decide => fl!(t, "share-decide"),
    }
}

pub async fn show(State(app): State<AppState>, Sharing(person): Sharing, frame: Frame, Path(code): Path<String>) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::Share).await?;
    let (t, now) = (frame.language.texts(), app.now());
    let mut tx = app.db.read().await?;
    let rows = db::shares::of_appeal(&mut tx, appeal.id).await?.into_iter().map(|s| Row {
        id: s.id.to_string(),
        with: s.with,
        level: level_words(t, s.level),
        since: short(s.shared_at),
        until: short(s.expires_at),
        holds: !s.ended && s.expires_at > now,
    });
    let rows = rows.collect();
    drop(tx);
    page(&SharingPage { t, code: appeal.code, rows, frame })
}

#[derive(Deserialize)]
pub struct ShareForm {
    with: String,
    level: String,
    days: i64,
}

pub async fn share(
    State(app): State<AppState>,
    Sharing(person): Sharing,
    Path(code): Path<String>,
    Form(given): Form<ShareForm>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::Share).await?;
    let level = Level::parse(&given.level).ok_or(Error::Invalid { field: "level", why: "look or decide".into() })?;
    agencies::share(&app, &person, &appeal, &given.with, level, given.days).await?;
    Ok(Redirect::to(&format!("/appeals/{}/sharing", appeal.code)).into_response())
}

pub async fn end(State(app): State<AppState>, Sharing(person): Sharing, Path((code, id)): Path<(String, String)>) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::Share).await?;
    let share = id.parse().map_err(|()| Error::NotFound)?;
    agencies::unshare(&app, &person, &appeal, share).await?;
    Ok(Redirect::to(&format!("/appeals/{}/sharing", appeal.code)).into_response())
}
