//! Signing in and out, and the front door.

use std::num::NonZeroU32;
use std::sync::LazyLock;

use askama::Template;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::accounts;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Role, may};
use crate::domain::custody::{Draft, EventType};
use crate::domain::purpose::PurposeCode;
use crate::domain::value::{Sha256, shown};
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Frame, Insider, Params, Peer, Who, session_cookie};
use crate::web::language::cookie;
use crate::web::respond::{page, page_with};

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
}

pub async fn home(State(_): State<AppState>, frame: Frame) -> Result<Response> {
    match frame.person.as_ref().map(|p| p.role) {
        None => page(&HomePage { t: frame.language.texts(), frame }),
        Some(role) if may(role, Act::SeeExhibits) && frame.person.as_ref().is_some_and(|p| p.purpose.is_none()) => {
            Ok(Redirect::to("/purpose").into_response())
        }
        Some(role) => Ok(Redirect::to(start_of(role)).into_response()),
    }
}

/// Where a person's work begins.
const fn start_of(role: Role) -> &'static str {
    match role {
        Role::Investigator | Role::Supervisor => "/appeals",
        Role::Auditor => "/audit",
        Role::Administrator => "/accounts",
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    failed: bool,
}

pub async fn login_page(State(_): State<AppState>, frame: Frame) -> Result<Response> {
    page(&LoginPage { t: frame.language.texts(), frame, failed: false })
}

#[derive(Deserialize)]
pub struct Credentials {
    name: String,
    password: String,
}

/// Tries from one address, and for one name from one address: a stranger elsewhere cannot lock anybody out.
static TRIES: LazyLock<DefaultKeyedRateLimiter<String>> = LazyLock::new(|| {
    const BURST: NonZeroU32 = NonZeroU32::new(10).unwrap();
    RateLimiter::keyed(Quota::per_minute(BURST))
});

/// All names together: enough for an office behind one address.
static TRIES_OF_PEER: LazyLock<DefaultKeyedRateLimiter<String>> = LazyLock::new(|| {
    const BURST: NonZeroU32 = NonZeroU32::new(60).unwrap();
    RateLimiter::keyed(Quota::per_minute(BURST))
});

pub async fn login(State(app): State<AppState>, frame: Frame, Peer(peer): Peer, Form(given): Form<Credentials>) -> Result<Response> {
    let name = shown(given.name.trim(), 100);
    let tried = |key: String, tries: &DefaultKeyedRateLimiter<String>| tries.check_key(&key).is_err();
    if tried(peer.to_string(), &TRIES_OF_PEER) || tried(format!("{peer}/{name}"), &TRIES) {
        TRIES.retain_recent();
        TRIES_OF_PEER.retain_recent();
        return Err(Error::TooMany { retry_after_s: 60 });
    }
    let mut tx = app.db.read().await?;
    let account = db::accounts::by_name(&mut tx, &name).await?;
    drop(tx);
    let (id, hash) = account.map_or((None, None), |(id, hash)| (Some(id), Some(hash)));
    let right = accounts::password_is(&app, given.password, hash).await?;
    let Some(id) = id.filter(|_| right) else {
        let draft = Draft::new(EventType::AccessLoginFailed, Actor::Stranger).private("name", name.clone());
        let mut tx = app.db.begin().await?;
        attest::append(&app, &mut tx, draft).await?;
        tx.commit().await?;
        return page_with(StatusCode::UNAUTHORIZED, &LoginPage { t: frame.language.texts(), frame, failed: true });
    };
    let secret = accounts::open_session(&app, id).await?;
    let secure = if app.config.https() { "; Secure" } else { "" };
    let value = format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}", session_cookie(&app));
    let mut response = Redirect::to("/").into_response();
    response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_str(&value).map_err(Error::internal)?);
    Ok(response)
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
fn within(to: &str) -> &str {
    if to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\r', '\n']) { to } else { "/appeals" }
}

impl PurposePage {
    fn new(frame: Frame, to: &str, chosen: Option<PurposeCode>) -> Self {
        let t = frame.language.texts();
        let codes = PurposeCode::ALL.map(|c| (c, purpose_words(t, c))).to_vec();
        Self { t, frame, to: within(to).to_owned(), codes, empty: false, reason: String::new(), chosen }
    }
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
    Insider(person): Insider,
    frame: Frame,
    headers: HeaderMap,
    Form(given): Form<PurposeForm>,
) -> Result<Response> {
    let session = cookie(&headers, session_cookie(&app)).ok_or(Error::Unauthorized)?;
    let Ok((code, words)) = accounts::purpose(&given.purpose, &given.reason) else {
        let chosen = PurposeCode::parse(&given.purpose);
        let asked = PurposePage { empty: true, reason: given.reason, ..PurposePage::new(frame, &given.to, chosen) };
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &asked);
    };
    accounts::state_purpose(&app, &person, Sha256::of(session.as_bytes()), code, words).await?;
    Ok(Redirect::to(within(&given.to)).into_response())
}

pub async fn logout(State(app): State<AppState>, Who(_): Who, headers: HeaderMap) -> Result<Response> {
    let name = session_cookie(&app);
    if let Some(secret) = cookie(&headers, name) {
        let mut tx = app.db.begin().await?;
        db::accounts::end_session(&mut tx, Sha256::of(secret.as_bytes())).await?;
        tx.commit().await?;
    }
    let mut response = Redirect::to("/login").into_response();
    let secure = if app.config.https() { "; Secure" } else { "" };
    let value = format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}");
    response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_str(&value).map_err(Error::internal)?);
    Ok(response)
}
