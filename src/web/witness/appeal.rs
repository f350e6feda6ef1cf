//! `/a/{code}`: the appeal. Its one button opens a submission and leads to the submission's own secret
//! page, so that a send that breaks can go on there and nothing is lost.
//!
//! The page is the same for everybody and may be kept by caches for a minute: it stands while everything else drowns.

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use super::{is_same_for_all, kept_a_minute, moment_words};
use crate::domain::appeal::{Appeal, AppealState, Text};
use crate::error::{Error, Result};
use crate::intake;
use crate::traffic::Block;
use crate::web::extract::{AppState, Frame, Peer, public_appeal};
use crate::web::respond::{page, page_with};

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

pub async fn show(State(app): State<AppState>, frame: Frame, Path(code): Path<String>, uri: Uri) -> Result<Response> {
    let appeal = public_appeal(&app, &code).await?;
    let language = frame.language;
    let cacheable = is_same_for_all(&frame, &uri);
    let response = page(&AppealPage {
        t: language.texts(),
        text: appeal.text(language.tag()),
        translated: appeal.texts.contains_key(language.tag()),
        open: appeal.state == AppealState::Open,
        from: moment_words(appeal.from, &appeal.zone, language),
        to: moment_words(appeal.to, &appeal.zone, language),
        appeal: &appeal,
        frame,
    })?;
    Ok(kept_a_minute(response, cacheable))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct BeginForm {
    challenge: Option<String>,
    answer: Option<String>,
}

pub async fn begin(
    State(app): State<AppState>,
    peer: Peer,
    frame: Frame,
    Path(code): Path<String>,
    form: Result<Form<BeginForm>, FormRejection>,
) -> Result<Response> {
    let appeal = public_appeal(&app, &code).await?;
    let Form(form) = form.unwrap_or_default();
    let answer = form.answer.as_deref().filter(|a| !a.is_empty());
    match intake::admit(&app, &appeal, form.challenge.as_deref(), answer).await {
        Ok(()) => {}
        Err(Error::WorkMissing) => return waiting(&app, &appeal, frame, None),
        Err(Error::Busy { .. }) => return waiting(&app, &appeal, frame, form.challenge),
        Err(e) => return Err(e),
    }
    let opened = intake::open(&app, &appeal, intake::Origin::Public(Block::of(peer.0))).await?;
    Ok(Redirect::to(&format!("/r/{}/send", opened.receipt.grouped())).into_response())
}

#[derive(Template)]
#[template(path = "witness_flood.html")]
struct FloodPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    title: String,
    challenge: String,
    bits: u32,
    seconds: u64,
}

/// The page on which a browser works for its place, and a person without script waits for it. A challenge that was
/// shown before is kept: its age is what counts.
fn waiting(app: &AppState, appeal: &Appeal, frame: Frame, challenge: Option<String>) -> Result<Response> {
    let status = if challenge.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mut response = page_with(
        status,
        &FloodPage {
            t: frame.language.texts(),
            code: appeal.code.clone(),
            title: appeal.text(frame.language.tag()).title.clone(),
            challenge: challenge.unwrap_or_else(|| intake::challenge(app, appeal)),
            bits: app.config.limits.flood_work_bits,
            seconds: intake::WAIT_S,
            frame,
        },
    )?;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(intake::WAIT_S));
    }
    Ok(response)
}
