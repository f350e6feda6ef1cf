//! `/recover/{token}`: the link that works once, for who lost everything they proved themselves with.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::accounts;
use crate::db;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Frame};
use crate::web::respond::page;

#[derive(Template)]
#[template(path = "recover.html")]
struct RecoverPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    token: String,
    name: String,
}

pub async fn show(State(app): State<AppState>, frame: Frame, Path(token): Path<String>) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let found = db::recoveries::by_link(&mut tx, Sha256::of(token.as_bytes()), app.now()).await?;
    let (_, name) = found.ok_or(Error::NotFound)?;
    page(&RecoverPage { t: frame.language.texts(), frame, token, name })
}

#[derive(Deserialize)]
pub struct NewPassword {
    password: String,
}

pub async fn recover(State(app): State<AppState>, Path(token): Path<String>, Form(given): Form<NewPassword>) -> Result<Response> {
    accounts::recover(&app, &token, given.password).await?;
    Ok(Redirect::to("/login").into_response())
}
