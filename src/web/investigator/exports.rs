//! `/appeals/{code}/export` and `/exports`: asking for a bundle, how far it is, fetching it.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use super::state_words;
use crate::attest::{self, Asked, Profile};
use crate::db;
use crate::domain::actor::Act;
use crate::domain::exhibit::State as Decided;
use crate::domain::value::{Id, shown};
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Exporting, Frame, Params, PathId, Retaining, fresh, own_appeal};
use crate::web::range::Part;
use crate::web::respond::page;
use crate::web::supervisor::Judged;
use crate::web::witness::size_words;

#[derive(Template)]
#[template(path = "export.html")]
struct AskPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    exhibit: String,
    states: Vec<(&'static str, String)>,
}

#[derive(Deserialize)]
pub struct Chosen {
    #[serde(default)]
    exhibit: String,
    /// Numbers, with commas.
    #[serde(default)]
    numbers: String,
    #[serde(default, rename = "lang")]
    _lang: String,
}

/// Characters of a list of numbers in an address.
const NUMBERS_CHARS_MAX: usize = 8_000;
const DECIDED: [Decided; 3] = [Decided::Relevant, Decided::Undecided, Decided::NotRelevant];

pub async fn ask(
    State(app): State<AppState>,
    Exporting(person): Exporting,
    frame: Frame,
    Path(code): Path<String>,
    Params(chosen): Params<Chosen>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::Export).await?;
    let t = frame.language.texts();
    let states = DECIDED.map(|s| (s.as_str(), state_words(t, s))).to_vec();
    page(&AskPage { t, code: appeal.code, exhibit: named(&chosen), states, frame })
}

/// One exhibit by its id, or several by their numbers, as the field takes them.
fn named(chosen: &Chosen) -> String {
    let numbers = shown(&chosen.numbers.replace(',', " "), NUMBERS_CHARS_MAX);
    format!("{} {numbers}", shown(&chosen.exhibit, 40)).trim().to_owned()
}

#[derive(Deserialize)]
pub struct Ask {
    #[serde(default)]
    exhibits: String,
    #[serde(default)]
    decided: String,
    #[serde(default)]
    profile: String,
    #[serde(default)]
    recipient: String,
    #[serde(default)]
    reason: String,
}

pub async fn make(
    State(app): State<AppState>,
    Exporting(person): Exporting,
    Path(code): Path<String>,
    Form(given): Form<Ask>,
) -> Result<Response> {
    const TEXT_CHARS_MAX: usize = 500;
    let appeal = own_appeal(&app, &person, &code, Act::Export).await?;
    let wrong = |field, why: &str| Error::Invalid { field, why: why.into() };
    let profile = match given.profile.as_str() {
        "prosecution" => Profile::Prosecution,
        "defence" => Profile::Defence,
        _ => return Err(wrong("profile", "prosecution or defence")),
    };
    let (mut exhibits, mut numbers): (Vec<Id>, Vec<u64>) = Default::default();
    for word in given.exhibits.split_whitespace() {
        match word.parse() {
            Ok(number) => numbers.push(number),
            Err(_) => exhibits.push(word.parse().map_err(|()| wrong("exhibits", "neither an id nor a number"))?),
        }
    }
    let mut tx = app.db.read().await?;
    let found = db::exhibits::numbered(&mut tx, appeal.id, &numbers).await?;
    drop(tx);
    if found.len() < numbers.len() {
        return Err(wrong("exhibits", "a number that this appeal does not have"));
    }
    exhibits.extend(found.into_iter().map(|e| e.id));
    if !given.decided.is_empty() {
        let state = DECIDED.into_iter().find(|s| s.as_str() == given.decided).ok_or_else(|| wrong("decided", "no such decision"))?;
        exhibits.extend(attest::decided_as(&app, &appeal, state).await?);
    }
    exhibits.sort_unstable();
    exhibits.dedup();
    let text = |t: &str| shown(t.trim(), TEXT_CHARS_MAX);
    let asked = Asked {
        appeal: appeal.code.clone(),
        exhibits,
        decided: None,
        profile,
        recipient: text(&given.recipient),
        reason: text(&given.reason),
    };
    attest::ask_bundle(&app, &person, &appeal, &asked).await?;
    Ok(Redirect::to("/exports").into_response())
}

struct Row {
    id: String,
    created_at: String,
    state: String,
    ready: bool,
    waiting: bool,
    /// Waits for another person: for the reader, or not.
    awaits: bool,
    may_agree: bool,
    asker: String,
    reason: String,
    done: u64,
    all: u64,
    progress: String,
    fetch: String,
    what: String,
    problem: String,
}

#[derive(Template)]
#[template(path = "exports.html")]
struct ExportsPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    rows: Vec<Row>,
    waiting: bool,
}

/// Rows of the page.
const ROWS: i64 = 100;

pub async fn list(State(app): State<AppState>, Exporting(person): Exporting, frame: Frame) -> Result<Response> {
    let (t, language) = (frame.language.texts(), frame.language);
    let mut tx = app.db.read().await?;
    let bundles = db::bundles::list(&mut tx, person.agency, ROWS).await?;
    drop(tx);
    let rows: Vec<Row> = bundles
        .into_iter()
        .map(|b| {
            let asked: Option<Asked> = serde_json::from_str(&b.asked).ok();
            Row {
                id: b.id.to_string(),
                created_at: b.created_at.in_zone(&b.zone),
                state: match b.state.as_str() {
                    "waiting" if b.awaits => fl!(t, "export-awaits"),
                    "waiting" => {
                        fl!(t, "export-waiting", done = size_words(b.bytes_done, language), all = size_words(b.bytes_all, language))
                    }
                    "ready" => fl!(t, "export-ready"),
                    "failed" => fl!(t, "export-failed"),
                    _ => fl!(t, "export-gone"),
                },
                ready: b.state == "ready",
                waiting: b.state == "waiting" && !b.awaits,
                awaits: b.state == "waiting" && b.awaits,
                may_agree: person.may(Act::Retain) && b.by != person.id,
                done: b.bytes_done,
                all: b.bytes_all.max(1),
                progress: size_words(b.bytes_done, language),
                fetch: fl!(t, "export-fetch", size = size_words(b.size, language)),
                asker: b.asker,
                reason: asked.as_ref().map(|a| a.reason.clone()).unwrap_or_default(),
                what: asked.map_or_else(String::new, |a| {
                    format!("{} · {} · {} · {}", a.appeal, fl!(t, "export-count", n = a.exhibits.len()), a.profile.as_str(), a.recipient)
                }),
                problem: b.problem,
            }
        })
        .collect();
    page(&ExportsPage { t, waiting: rows.iter().any(|r| r.waiting), rows, frame })
}

/// Another person agrees to a bundle of many exhibits, or does not.
pub async fn judge(
    State(app): State<AppState>,
    Retaining(person): Retaining,
    PathId(id): PathId,
    Form(given): Form<Judged>,
) -> Result<Response> {
    match given.act.as_str() {
        "agree" => attest::agree_to_bundle(&app, &person, id).await?,
        "refuse" => attest::refuse_bundle(&app, &person, id, &given.reason).await?,
        _ => return Err(Error::Invalid { field: "act", why: "agree or refuse".into() }),
    }
    Ok(Redirect::to("/exports").into_response())
}

#[derive(Deserialize)]
pub struct Fetch {
    #[serde(default)]
    fetch: String,
}

/// The ZIP file, whole or one range of it: a broken download goes on. The first request writes the fetch down and leads to the
/// address under which its bytes come.
pub async fn fetch(
    State(app): State<AppState>,
    Exporting(person): Exporting,
    PathId(id): PathId,
    Params(given): Params<Fetch>,
    headers: HeaderMap,
) -> Result<Response> {
    let bundle = attest::ready_bundle(&app, &person, id).await?;
    if !attest::fetch_is_recorded(&app, &person, &bundle, &given.fetch) {
        fresh(&app, &person)?;
        let token = attest::begin_fetch(&app, &person, &bundle).await?;
        return Ok(Redirect::to(&format!("/exports/{id}/bundle.zip?fetch={token}")).into_response());
    }
    let part = Part::asked(&headers, bundle.size)?;
    let (start, length) = part.stretch();
    let delivery = attest::deliver(&Arc::clone(&app), &bundle, start, length).await?;
    let mut response = Body::from_stream(delivery.body).into_response();
    let h = response.headers_mut();
    h.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    h.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let text = |value: String| HeaderValue::from_str(&value).map_err(Error::internal);
    h.insert(header::ETAG, text(format!("\"{id}\""))?);
    h.insert(header::CONTENT_DISPOSITION, text(format!("attachment; filename=\"{}\"", delivery.name))?);
    part.describe(&mut response)?;
    Ok(response)
}
