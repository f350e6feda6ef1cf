//! `/requests`: what people ask about data of theirs, as a task that leads from step to step.

use askama::Template;
use axum::extract::{Form, State};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::domain::actor::Act;
use crate::domain::subject::{Kind, Outcome};
use crate::error::{Error, Result};
use crate::retain;
use crate::web::account::short;
use crate::web::extract::{AppState, Frame, PathId, Retaining, own_appeal};
use crate::web::respond::page;

/// Rows of the list; what is open comes first.
const ROWS: i64 = 200;

struct Row {
    id: String,
    kind: String,
    reference: String,
    opened: String,
    due: String,
    late: bool,
    outcome: Option<String>,
}

#[derive(Template)]
#[template(path = "requests.html")]
struct RequestsPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    kinds: Vec<(&'static str, String)>,
    rows: Vec<Row>,
}

fn kind_words(t: &FluentLanguageLoader, kind: Kind) -> String {
    match kind {
        Kind::Access => fl!(t, "request-access"),
        Kind::Rectification => fl!(t, "request-rectification"),
        Kind::Erasure => fl!(t, "request-erasure"),
        Kind::Restriction => fl!(t, "request-restriction"),
    }
}

fn outcome_words(t: &FluentLanguageLoader, outcome: Outcome) -> String {
    match outcome {
        Outcome::Granted => fl!(t, "request-granted"),
        Outcome::Partly => fl!(t, "request-partly"),
        Outcome::Refused => fl!(t, "request-refused"),
    }
}

pub async fn show(State(app): State<AppState>, Retaining(person): Retaining, frame: Frame) -> Result<Response> {
    let (t, now) = (frame.language.texts(), app.now());
    let rows = retain::requests(&app, &person, ROWS).await?.into_iter().map(|r| Row {
        id: r.id.to_string(),
        kind: kind_words(t, r.kind),
        reference: app.reference(r.submission),
        opened: short(r.opened_at),
        due: short(r.due_at),
        late: r.closed.is_none() && r.due_at < now,
        outcome: r.closed.map(|(outcome, _)| outcome_words(t, outcome)),
    });
    let rows = rows.collect();
    page(&RequestsPage { t, kinds: Kind::ALL.into_iter().map(|k| (k.as_str(), kind_words(t, k))).collect(), rows, frame })
}

#[derive(Deserialize)]
pub struct OpenForm {
    #[serde(default)]
    appeal: String,
    #[serde(default)]
    of: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    asked: String,
    #[serde(default)]
    identified: String,
}

pub async fn open(State(app): State<AppState>, Retaining(person): Retaining, Form(given): Form<OpenForm>) -> Result<Response> {
    let kind =
        Kind::parse(&given.kind).ok_or(Error::Invalid { field: "kind", why: "access, rectification, erasure or restriction".into() })?;
    let appeal = own_appeal(&app, &person, &given.appeal, Act::Retain).await?;
    let id = retain::open_request(&app, &person, &appeal, &given.of, kind, &given.asked, &given.identified).await?;
    Ok(Redirect::to(&format!("/requests/{id}")).into_response())
}

struct File {
    exhibit: String,
    number: u64,
    marks: Vec<String>,
}

#[derive(Template)]
#[template(path = "request.html")]
struct RequestPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    id: String,
    kind: &'static str,
    kind_words: String,
    code: String,
    reference: String,
    asked: String,
    identified: String,
    opener: String,
    opened: String,
    due: String,
    late: bool,
    files: Vec<File>,
    erased: usize,
    /// How many could still be asked to be erased, and how many wait for two to agree.
    free: usize,
    waiting: usize,
    restricted: usize,
    contact: bool,
    outcomes: Vec<(&'static str, String)>,
    /// What it was answered with, when, and in which words.
    closed: Option<(String, String, String)>,
}

pub async fn task(State(app): State<AppState>, Retaining(person): Retaining, frame: Frame, PathId(id): PathId) -> Result<Response> {
    let t = frame.language.texts();
    let task = retain::task(&app, &person, id).await?;
    let files: Vec<File> =
        task.files.iter().map(|f| File { exhibit: f.exhibit.to_string(), number: f.number, marks: marks(t, f) }).collect();
    let r = task.request;
    page(&RequestPage {
        t,
        id: id.to_string(),
        kind: r.kind.as_str(),
        kind_words: kind_words(t, r.kind),
        code: task.appeal.code,
        reference: app.reference(r.submission),
        asked: r.asked,
        identified: r.identified,
        opener: r.opener,
        opened: short(r.opened_at),
        due: short(r.due_at),
        late: r.closed.is_none() && r.due_at < app.now(),
        files,
        erased: task.erased,
        free: task.files.iter().filter(|f| !f.held && !f.erasure_asked).count(),
        waiting: task.files.iter().filter(|f| f.erasure_asked).count(),
        restricted: task.files.iter().filter(|f| f.restricted).count(),
        contact: task.contact,
        outcomes: Outcome::ALL.into_iter().map(|o| (o.as_str(), outcome_words(t, o))).collect(),
        closed: r.closed.map(|(outcome, at)| (outcome_words(t, outcome), short(at), r.answer)),
        frame,
    })
}

fn marks(t: &FluentLanguageLoader, file: &retain::FileStanding) -> Vec<String> {
    let all = [
        (file.held, fl!(t, "request-held")),
        (file.erasure_asked, fl!(t, "request-erasure-asked")),
        (file.restricted, fl!(t, "request-restricted")),
    ];
    all.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words).collect()
}

#[derive(Deserialize)]
pub struct ActForm {
    act: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    answer: String,
}

pub async fn act(
    State(app): State<AppState>,
    Retaining(person): Retaining,
    PathId(id): PathId,
    Form(given): Form<ActForm>,
) -> Result<Response> {
    match given.act.as_str() {
        "disclose" => {
            let held = retain::disclose(&app, &person, id).await?;
            let text = serde_json::to_string_pretty(&held).map_err(Error::internal)?;
            let name = format!("attachment; filename=\"held-{id}.json\"");
            let kind = "application/json; charset=utf-8".to_owned();
            let headers: [(HeaderName, String); 2] = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)];
            return Ok((headers, text).into_response());
        }
        "erase" => {
            retain::erase_all(&app, &person, id, &given.reason).await?;
        }
        "restrict" => {
            retain::restrict(&app, &person, id, true, &given.reason).await?;
        }
        "lift" => {
            retain::restrict(&app, &person, id, false, &given.reason).await?;
        }
        "close" => {
            let outcome =
                Outcome::parse(&given.outcome).ok_or(Error::Invalid { field: "outcome", why: "granted, partly or refused".into() })?;
            retain::close_request(&app, &person, id, outcome, &given.answer).await?;
        }
        _ => return Err(Error::Invalid { field: "act", why: "disclose, erase, restrict, lift or close".into() }),
    }
    Ok(Redirect::to(&format!("/requests/{id}")).into_response())
}
