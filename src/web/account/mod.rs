//! The front door, signing in (`login.rs`, `passkey.rs`, `sso.rs`), proving anew who one is (`prove.rs`), one's own account (`mine.rs`), a way back in
//! (`recover.rs`), and saying why one looks.

pub mod login;
pub mod mine;
pub mod passkey;
pub mod prove;
pub mod recover;
pub mod sso;

use askama::Template;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::accounts::{self, Access};
use crate::domain::actor::{Act, Person, Role};
use crate::domain::purpose::PurposeCode;
use crate::domain::value::Utc;
use crate::error::Result;
use crate::web::extract::{AppState, Frame, Insider, Params, SignedIn};
use crate::web::respond::{page, page_with};

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    unknown: bool,
}

pub async fn home(State(app): State<AppState>, frame: Frame) -> Result<Response> {
    match &frame.person {
        None => page(&HomePage { t: frame.language.texts(), unknown: frame.here.contains("receipt=unknown"), frame }),
        Some(person) => Ok(Redirect::to(start_of(&app, person)).into_response()),
    }
}

/// Where a person's work begins.
fn start_of(app: &AppState, person: &Person) -> &'static str {
    if accounts::access(app, person) == Access::OwnAccount {
        return "/account";
    }
    match person.role {
        Role::Investigator | Role::Supervisor if person.may(Act::SeeExhibits) && person.purpose.is_none() => "/purpose",
        Role::Investigator | Role::Supervisor => "/appeals",
        Role::Auditor => "/audit",
        Role::Administrator => "/accounts",
    }
}

/// A purpose for people.
pub fn purpose_words(t: &FluentLanguageLoader, code: PurposeCode) -> String {
    match code {
        PurposeCode::Investigation => fl!(t, "purpose-investigation"),
        PurposeCode::Prosecution => fl!(t, "purpose-prosecution"),
        PurposeCode::Disclosure => fl!(t, "purpose-disclosure"),
        PurposeCode::Quality => fl!(t, "purpose-quality"),
        PurposeCode::Rights => fl!(t, "purpose-rights"),
    }
}

#[derive(Template)]
#[template(path = "purpose.html")]
struct PurposePage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    to: String,
    codes: Vec<(PurposeCode, String)>,
    empty: bool,
    reason: String,
    chosen: Option<PurposeCode>,
}

#[derive(Deserialize, Default)]
pub struct PurposeQuery {
    #[serde(default)]
    to: String,
    /// Language of the page.
    #[serde(default, rename = "lang")]
    _lang: String,
}

/// An address of ours, or the front door.
pub fn within(to: &str) -> &str {
    if to.starts_with('/') && !to.starts_with("//") && !to.contains(|c: char| c == '\\' || c.is_control()) { to } else { "/appeals" }
}

impl PurposePage {
    fn new(frame: Frame, to: &str, chosen: Option<PurposeCode>) -> Self {
        let t = frame.language.texts();
        let codes = PurposeCode::ALL.map(|c| (c, purpose_words(t, c))).to_vec();
        Self { t, frame, to: within(to).to_owned(), codes, empty: false, reason: String::new(), chosen }
    }
}

/// A moment as a list shows it, to the minute.
pub fn short(at: Utc) -> String {
    let text = at.to_string();
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

/// Asks why exhibits are looked at, once in a session.
pub async fn purpose_page(
    State(_): State<AppState>,
    Insider(person): Insider,
    frame: Frame,
    Params(query): Params<PurposeQuery>,
) -> Result<Response> {
    page(&PurposePage::new(frame, &query.to, person.purpose))
}

#[derive(Deserialize)]
pub struct PurposeForm {
    #[serde(default)]
    purpose: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    to: String,
}

pub async fn purpose(
    State(app): State<AppState>,
    Insider(_): Insider,
    SignedIn { person, session }: SignedIn,
    frame: Frame,
    Form(given): Form<PurposeForm>,
) -> Result<Response> {
    let Ok((code, words)) = accounts::purpose(&given.purpose, &given.reason) else {
        let chosen = PurposeCode::parse(&given.purpose);
        let asked = PurposePage { empty: true, reason: given.reason, ..PurposePage::new(frame, &given.to, chosen) };
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &asked);
    };
    accounts::state_purpose(&app, &person, session, code, words).await?;
    Ok(Redirect::to(within(&given.to)).into_response())
}
