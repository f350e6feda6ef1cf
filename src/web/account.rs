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
use crate::domain::actor::{Actor, Role};
use crate::domain::custody::{Draft, EventType};
use crate::domain::value::{Sha256, shown};
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Frame, Peer, Who, session_cookie};
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
