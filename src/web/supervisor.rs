//! The supervisor's page: what is to be erased, and who agrees. And the forms on an exhibit's page that ask for it, or forbid it, or take
//! an exhibit out from behind glass after a virus scanner's false alarm.

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::db;
use crate::domain::retention::{APPROVALS, Basis};
use crate::error::{Error, Result};
use crate::retain;
use crate::review;
use crate::web::extract::{AppState, Frame, PathId, Requesting, Retaining};
use crate::web::respond::page;

/// Rows of the page; what waits for somebody comes first.
const ROWS: i64 = 200;

struct Row {
    id: String,
    exhibit: String,
    words: String,
    state: String,
    waits: bool,
    /// Whether the reader may agree: neither asked for it nor agreed before.
    may_agree: bool,
    basis: String,
    reason: String,
    requester: String,
    at: String,
    agreed: Vec<String>,
}

#[derive(Template)]
#[template(path = "erasures.html")]
struct ErasuresPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    needed: usize,
    /// There are more than the page shows.
    more: bool,
    rows: Vec<Row>,
}

pub fn basis_words(t: &FluentLanguageLoader, basis: Basis) -> String {
    match basis {
        Basis::Withdrawn => fl!(t, "basis-withdrawn"),
        Basis::Retention => fl!(t, "basis-retention"),
        Basis::Order => fl!(t, "basis-order"),
        Basis::Unlawful => fl!(t, "basis-unlawful"),
    }
}

pub async fn erasures(State(app): State<AppState>, Retaining(person): Retaining, frame: Frame) -> Result<Response> {
    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let list = db::retention::list(&mut tx, person.agency, ROWS).await?;
    let more = i64::try_from(list.len()).is_ok_and(|n| n >= ROWS);
    let rows = list
        .into_iter()
        .map(|e| Row {
            id: e.id.to_string(),
            exhibit: e.exhibit.to_string(),
            words: e.number.map_or_else(|| e.appeal.clone(), |n| format!("{} · {}", e.appeal, fl!(t, "exhibit-number", n = n))),
            state: match e.state.as_str() {
                "requested" => fl!(t, "erasure-requested"),
                "approved" => fl!(t, "erasure-approved"),
                "refused" => fl!(t, "erasure-refused"),
                _ => fl!(t, "erasure-executed"),
            },
            waits: e.state == "requested",
            may_agree: e.waits_for(person.id),
            basis: basis_words(t, e.basis),
            reason: e.reason,
            requester: e.requester.map_or_else(|| fl!(t, "erasure-by-schedule"), |(_, name)| name),
            at: e.requested_at.in_zone(&e.zone),
            agreed: e.approvals.into_iter().map(|(_, name)| name).collect(),
        })
        .collect();
    drop(tx);
    page(&ErasuresPage { t, needed: APPROVALS, more, rows, frame })
}

#[derive(Deserialize)]
pub struct Judged {
    pub act: String,
    #[serde(default)]
    pub reason: String,
}

pub async fn judge(
    State(app): State<AppState>,
    Retaining(person): Retaining,
    PathId(id): PathId,
    Form(given): Form<Judged>,
) -> Result<Response> {
    match given.act.as_str() {
        "approve" => {
            retain::approve(&app, &person, id).await?;
        }
        "refuse" => retain::refuse(&app, &person, id, &given.reason).await?,
        _ => return Err(Error::Invalid { field: "act", why: "approve or refuse".into() }),
    }
    Ok(Redirect::to("/erasures").into_response())
}

#[derive(Deserialize)]
pub struct HoldForm {
    act: String,
    #[serde(default)]
    reason: String,
}

pub async fn hold(
    State(app): State<AppState>,
    Retaining(person): Retaining,
    PathId(id): PathId,
    Form(given): Form<HoldForm>,
) -> Result<Response> {
    match given.act.as_str() {
        "set" => retain::hold(&app, &person, id, &given.reason).await?,
        "release" => retain::release(&app, &person, id, &given.reason).await?,
        _ => return Err(Error::Invalid { field: "act", why: "set or release".into() }),
    }
    Ok(Redirect::to(&format!("/exhibits/{id}#retention")).into_response())
}

#[derive(Deserialize)]
pub struct ReleaseForm {
    #[serde(default)]
    reason: String,
}

/// What a virus scanner put behind glass comes out again.
pub async fn release(
    State(app): State<AppState>,
    Retaining(person): Retaining,
    PathId(id): PathId,
    Form(given): Form<ReleaseForm>,
) -> Result<Response> {
    review::release(&app, &person, id, &given.reason).await?;
    Ok(Redirect::to(&format!("/exhibits/{id}#scan")).into_response())
}

#[derive(Deserialize)]
pub struct ErasureForm {
    #[serde(default)]
    basis: String,
    #[serde(default)]
    reason: String,
}

pub async fn request(
    State(app): State<AppState>,
    Requesting(person): Requesting,
    PathId(id): PathId,
    Form(given): Form<ErasureForm>,
) -> Result<Response> {
    let basis = Basis::parse(&given.basis).ok_or(Error::Invalid { field: "basis", why: "no such ground".into() })?;
    retain::request(&app, &person, id, basis, &given.reason).await?;
    Ok(Redirect::to(&format!("/exhibits/{id}#retention")).into_response())
}
