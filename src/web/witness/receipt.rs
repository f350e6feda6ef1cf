//! `/r/{receipt}`: what was received, provably, and where it stands.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use super::{moment_words, size_words};
use crate::attest;
use crate::db;
use crate::domain::appeal::AppealState;
use crate::domain::custody::bag;
use crate::domain::exhibit::State as ExhibitState;
use crate::error::{Error, Result};
use crate::intake;
use crate::web::extract::{AppState, Frame, by_receipt};
use crate::web::header::disposition::attachment;
use crate::web::respond::page;

/// A file that was refused, for the page that says so.
pub struct Problem {
    pub file: String,
    pub title: String,
    pub text: String,
}

struct Sent {
    id: String,
    name: String,
    size: String,
    bytes: u64,
    sha256: String,
    at: String,
    state: String,
    behind_glass: bool,
    /// The original is asked for.
    original: bool,
}

#[derive(Template)]
#[template(path = "witness_receipt.html")]
struct ReceiptPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    title: String,
    /// The appeal's code.
    appeal: String,
    receipt: String,
    zone: String,
    open: bool,
    count: usize,
    files: Vec<Sent>,
    /// Files that were erased, and when.
    erased: Vec<(String, String)>,
    problems: Vec<Problem>,
}

#[derive(Deserialize)]
pub struct Typed {
    #[serde(default)]
    code: String,
}

/// Leads from a code that somebody types, on whatever device, to its page; from a wrong one back to where it was typed.
pub async fn find(State(app): State<AppState>, Form(typed): Form<Typed>) -> Result<Redirect> {
    match by_receipt(&app, &typed.code).await {
        Ok((_, _, code)) => Ok(Redirect::to(&format!("/r/{}", code.grouped()))),
        Err(Error::NotFound) => Ok(Redirect::to("/?receipt=unknown")),
        Err(other) => Err(other),
    }
}

pub async fn show(State(app): State<AppState>, frame: Frame, Path(receipt): Path<String>) -> Result<Response> {
    receipt_page(&app, frame, &receipt, Vec::new()).await
}

pub async fn receipt_page(app: &AppState, frame: Frame, receipt: &str, problems: Vec<Problem>) -> Result<Response> {
    let (submission, appeal, code) = by_receipt(app, receipt).await?;
    let mut tx = app.db.read().await?;
    let exhibits = db::exhibits::of_submission(&mut tx, submission.id).await?;
    let asked = db::acts::originals_asked(&mut tx, submission.id).await?;
    let erased = db::retention::erased_of_submission(&mut tx, submission.id).await?;
    drop(tx);
    let (language, t) = (frame.language, frame.language.texts());
    let files: Vec<Sent> = exhibits
        .into_iter()
        .map(|e| Sent {
            id: e.id.to_string(),
            size: size_words(e.size, language),
            bytes: e.size,
            sha256: e.sha256.to_string(),
            at: moment_words(e.received_at, &appeal.zone, language),
            state: match e.state {
                ExhibitState::Received => fl!(t, "receipt-state-received"),
                ExhibitState::Ready => fl!(t, "receipt-state-checked"),
                _ => fl!(t, "receipt-state-looked-at"),
            },
            behind_glass: e.quarantine.is_some(),
            original: asked.contains(&e.id),
            name: e.name,
        })
        .collect();
    page(&ReceiptPage {
        t,
        title: appeal.text(language.tag()).title.clone(),
        receipt: code.grouped(),
        zone: appeal.zone.clone(),
        open: appeal.state == AppealState::Open,
        appeal: appeal.code,
        count: files.len(),
        files,
        erased: erased.into_iter().map(|(id, at)| (id.to_string(), moment_words(at, &appeal.zone, language))).collect(),
        problems,
        frame,
    })
}

/// One file's proof, for the witness to keep.
pub async fn proof(State(app): State<AppState>, Path((receipt, exhibit)): Path<(String, String)>) -> Result<Response> {
    let (submission, _, _) = by_receipt(&app, &receipt).await?;
    let exhibit = exhibit.parse().map_err(|()| Error::NotFound)?;
    let text = attest::issue_receipt(&app, submission.id, exhibit).await?.ok_or(Error::TryLater)?;
    // Beside the file, under the file's own name, as `temoin verify FILE` looks for it.
    let mut tx = app.db.read().await?;
    let of = db::exhibits::by_id(&mut tx, exhibit).await?;
    drop(tx);
    let of = of.map_or_else(|| format!("receipt-{exhibit}"), |e| bag::portable_name(&e.name));
    let name = attachment(&format!("{of}.tlog-proof"));
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)], text).into_response())
}

#[derive(Template)]
#[template(path = "witness_forgotten.html")]
struct ForgottenPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    /// Told once, and in no address: histories and proxies keep those.
    reference: String,
}

/// The witness wants no receipt: what leads here is forgotten, on the server and in this browser.
pub async fn forget(State(app): State<AppState>, mut frame: Frame, Path(receipt): Path<String>) -> Result<Response> {
    let (submission, _, _) = by_receipt(&app, &receipt).await?;
    intake::decline_receipt(&app, submission.id).await?;
    // The page's language links must not lead back here.
    frame.here = "/forgotten".into();
    let mut response = page(&ForgottenPage { t: frame.language.texts(), reference: app.reference(submission.id), frame })?;
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(response)
}

/// The same page in another language.
pub async fn forgotten(frame: Frame) -> Result<Response> {
    page(&ForgottenPage { t: frame.language.texts(), reference: String::new(), frame })
}
