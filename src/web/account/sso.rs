//! Single sign-on: away to the identity provider, and back.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use super::login::{failed, proved, signed_in};
use super::within;
use crate::accounts;
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Frame, Params, Peer, SignedIn, Who};
use crate::web::language::cookie;
use crate::web::respond::page;

/// Ties what comes back to the browser that went away. Lax: it has to come along when the provider sends the browser here.
const COOKIE: &str = "temoin-sso";

fn cookie_name(app: &AppState) -> String {
    if app.config.https() { format!("__Host-{COOKIE}") } else { COOKIE.to_owned() }
}

fn set(app: &AppState, value: &str, seconds: u32) -> Result<HeaderValue> {
    let secure = if app.config.https() { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}", cookie_name(app)))
        .map_err(Error::internal)
}

#[derive(Deserialize)]
pub struct To {
    #[serde(default)]
    to: String,
    #[serde(default, rename = "lang")]
    _lang: String,
}

/// Only from a page of ours, or typed: nobody else's page signs somebody in here.
pub async fn away(
    State(app): State<AppState>,
    Who(person): Who,
    Peer(peer): Peer,
    headers: HeaderMap,
    Params(query): Params<To>,
) -> Result<Response> {
    let provider = app.provider.as_ref().ok_or(Error::NotFound)?;
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return Ok(Redirect::to("/login").into_response());
    }
    app.traffic.gate.knock(peer)?;
    let to = if query.to.is_empty() { "/" } else { within(&query.to) };
    let away = provider.begin(&app, to, person.is_some()).await?;
    let mut response = Redirect::to(&away.url).into_response();
    response.headers_mut().append(header::SET_COOKIE, set(&app, &away.cookie, 600)?);
    Ok(response)
}

#[derive(Deserialize)]
pub struct Back {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
}

#[derive(Template)]
#[template(path = "signed_in.html")]
struct SignedInPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    to: String,
}

/// (A page that leads on, and no redirect: after one that began at another site the browser would keep the new session's cookie back.)
pub async fn back(
    State(app): State<AppState>,
    Who(person): Who,
    mut frame: Frame,
    headers: HeaderMap,
    Peer(peer): Peer,
    axum::extract::Query(given): axum::extract::Query<Back>,
) -> Result<Response> {
    let provider = app.provider.as_ref().ok_or(Error::NotFound)?;
    app.traffic.gate.knock(peer)?;
    let secret = cookie(&headers, &cookie_name(&app)).unwrap_or_default();
    let login = match accounts::sso_login(&app, provider, secret, &given.state, &given.code, person.as_ref().map(|p| p.id)).await {
        Ok(login) => login,
        Err(Error::Unauthorized) => {
            failed(&app, "").await?;
            return Err(Error::SsoFailed);
        }
        Err(other) => return Err(other),
    };
    frame.here = "/?lang=".to_owned();
    let answer = page(&SignedInPage { t: frame.language.texts(), to: login.to.clone(), frame })?;
    let mut answer = match person {
        Some(person) => {
            let who = SignedIn::of(&app, &headers, person)?;
            proved(&app, &who, login.proof, answer).await?
        }
        None => signed_in(&app, login.account, login.proof, &headers, answer).await?,
    };
    answer.headers_mut().append(header::SET_COOKIE, set(&app, "", 0)?);
    Ok(answer)
}
