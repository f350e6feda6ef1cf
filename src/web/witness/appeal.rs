//! `/a/{code}`: the appeal. Its one button opens a submission and leads to the submission's own secret
//! page, so that a send that breaks can go on there and nothing is lost.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;

use super::moment_words;
use crate::domain::appeal::{Appeal, AppealState, Text};
use crate::error::Result;
use crate::intake;
use crate::web::extract::{AppState, Frame, public_appeal};
use crate::web::respond::page;

#[derive(Template)]
#[template(path = "witness_appeal.html")]
struct AppealPage<'a> {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    appeal: &'a Appeal,
    text: &'a Text,
    translated: bool,
    open: bool,
    from: String,
    to: String,
}

pub async fn show(State(app): State<AppState>, frame: Frame, Path(code): Path<String>) -> Result<Response> {
    let appeal = public_appeal(&app, &code).await?;
    let language = frame.language;
    page(&AppealPage {
        t: language.texts(),
        text: appeal.text(language.tag()),
        translated: appeal.texts.contains_key(language.tag()),
        open: appeal.state == AppealState::Open,
        from: moment_words(appeal.from, &appeal.zone, language),
        to: moment_words(appeal.to, &appeal.zone, language),
        appeal: &appeal,
        frame,
    })
}

pub async fn begin(State(app): State<AppState>, Path(code): Path<String>) -> Result<Response> {
    let appeal = public_appeal(&app, &code).await?;
    let opened = intake::open(&app, &appeal).await?;
    Ok(Redirect::to(&format!("/r/{}/send", opened.receipt.grouped())).into_response())
}
