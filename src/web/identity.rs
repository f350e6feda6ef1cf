//! How a witness can be reached: asked for on an exhibit's page, agreed to by another person where the agency says so (`/identities`), and shown
//! beside the event that says who reads it. Where the vault's key is not on this server, the page hands out what is sealed, and the reader's browser
//! opens it with the key that they bring.

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::review::{self, Contact, Unmasked};
use crate::web::account::{purpose_words, short};
use crate::web::extract::{AppState, Frame, JudgingIdentity, PathId, Unmasking};
use crate::web::respond::page;

#[derive(Deserialize)]
pub struct ContactForm {
    #[serde(default)]
    purpose: String,
    #[serde(default)]
    reason: String,
}

#[derive(Template)]
#[template(path = "contact.html")]
struct ContactPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    id: String,
    /// What the submission is called; empty while another person has to agree.
    reference: String,
    contact: Contact,
}

/// How to reach the witness, once it is on record who asks and why.
pub async fn contact(
    State(app): State<AppState>,
    Unmasking(person): Unmasking,
    mut frame: Frame,
    PathId(id): PathId,
    Form(asked): Form<ContactForm>,
) -> Result<Response> {
    // In another language it is asked for again.
    frame.here = format!("/exhibits/{id}?lang=");
    let (reference, contact) = match review::unmask(&app, &person, id, &asked.purpose, &asked.reason).await? {
        Unmasked::Given { submission, contact } => (app.reference(submission), contact),
        Unmasked::Waits => (String::new(), Contact::Nothing),
    };
    page(&ContactPage { t: frame.language.texts(), id: id.to_string(), reference, contact, frame })
}

struct Row {
    id: String,
    exhibit: String,
    asker: String,
    purpose: String,
    reason: String,
    at: String,
    mine: bool,
}

#[derive(Template)]
#[template(path = "identities.html")]
struct IdentitiesPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    rows: Vec<Row>,
}

pub async fn waiting(State(app): State<AppState>, JudgingIdentity(person): JudgingIdentity, frame: Frame) -> Result<Response> {
    let t = frame.language.texts();
    let rows = review::identity_requests(&app, &person).await?.into_iter().map(|r| Row {
        id: r.id.to_string(),
        exhibit: r.exhibit.to_string(),
        mine: r.asked_by == person.id,
        asker: r.asker,
        purpose: purpose_words(t, r.purpose),
        reason: r.reason,
        at: short(r.asked_at),
    });
    page(&IdentitiesPage { t, rows: rows.collect(), frame })
}

#[derive(Deserialize)]
pub struct JudgeForm {
    act: String,
}

pub async fn judge(
    State(app): State<AppState>,
    JudgingIdentity(person): JudgingIdentity,
    PathId(id): PathId,
    Form(given): Form<JudgeForm>,
) -> Result<Response> {
    let agree = match given.act.as_str() {
        "agree" => true,
        "refuse" => false,
        _ => return Err(Error::Invalid { field: "act", why: "agree or refuse".into() }),
    };
    review::judge_identity(&app, &person, id, agree).await?;
    Ok(Redirect::to("/identities").into_response())
}
