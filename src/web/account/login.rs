//! Signing in with a password, and the code of an authenticator where there is one; signing out.

use askama::Template;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::accounts;
use crate::attest;
use crate::db;
use crate::domain::actor::{Actor, Proof};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::value::{Id, Sha256, shown};
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Frame, Peer, SignedIn, Who, session_cookie};
use crate::web::language::cookie;
use crate::web::respond::{page, page_with};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    failed: bool,
    /// Whether browsers allow passkeys at this address; what the button for single sign-on says.
    passkeys: bool,
    sso: Option<String>,
    banner: String,
}

impl LoginPage {
    fn new(app: &AppState, frame: Frame, failed: bool) -> Self {
        let sso = app.provider.as_ref().map(|p| p.name().to_owned());
        Self { t: frame.language.texts(), frame, failed, passkeys: app.passkeys.is_some(), sso, banner: app.config.accounts.banner.clone() }
    }
}

pub async fn show(State(app): State<AppState>, frame: Frame) -> Result<Response> {
    page(&LoginPage::new(&app, frame, false))
}

#[derive(Deserialize)]
pub struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    code: String,
}

pub async fn login(
    State(app): State<AppState>,
    frame: Frame,
    Peer(peer): Peer,
    headers: HeaderMap,
    Form(given): Form<Credentials>,
) -> Result<Response> {
    let name = shown(given.name.trim(), 100);
    app.traffic.gate.login(peer, &name)?;
    let mut tx = app.db.read().await?;
    let account = db::accounts::by_name(&mut tx, &name).await?;
    drop(tx);
    let Some((account, proof)) = accounts::prove_by_password(&app, account, given.password, &given.code).await? else {
        failed(&app, &name).await?;
        return page_with(StatusCode::UNAUTHORIZED, &LoginPage::new(&app, frame, true));
    };
    signed_in(&app, account, proof, &headers, Redirect::to("/").into_response()).await
}

/// Writes down that somebody tried to be this person, and was not. Whoever it was finds it on their account's page.
pub async fn failed(app: &AppState, name: &str) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let mut draft = Draft::new(EventType::AccessLoginFailed, Actor::Stranger).private("name", name);
    if let Some(account) = db::accounts::by_name(&mut tx, name).await? {
        draft = draft.about(SubjectKind::Account, account.id);
    }
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// Opens a session, and gives it to the browser with an answer.
pub async fn signed_in(app: &AppState, account: Id, proof: Proof, headers: &HeaderMap, mut response: Response) -> Result<Response> {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let secret = accounts::open_session(app, account, proof, agent).await?;
    // A session that this browser had before is over: its secret does not outlive the sign-in.
    if let Some(old) = cookie(headers, session_cookie(app)) {
        let mut tx = app.db.begin().await?;
        db::sessions::end(&mut tx, Sha256::of(old.as_bytes())).await?;
        tx.commit().await?;
    }
    give(app, &secret, &mut response)?;
    Ok(response)
}

fn give(app: &AppState, secret: &str, response: &mut Response) -> Result<()> {
    let secure = if app.config.https() { "; Secure" } else { "" };
    let value = format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}", session_cookie(app));
    response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_str(&value).map_err(Error::internal)?);
    Ok(())
}

/// Notes that somebody who is signed in has proved once more who they are, and gives their browser the session's new secret.
pub async fn proved(app: &AppState, who: &SignedIn, proof: Proof, response: impl IntoResponse) -> Result<Response> {
    let secret = accounts::prove(app, &who.person, who.session, proof).await?;
    let mut response = response.into_response();
    give(app, &secret, &mut response)?;
    Ok(response)
}

pub async fn logout(State(app): State<AppState>, Who(person): Who, headers: HeaderMap) -> Result<Response> {
    let name = session_cookie(&app);
    if let Some(secret) = cookie(&headers, name) {
        let mut tx = app.db.begin().await?;
        db::sessions::end(&mut tx, Sha256::of(secret.as_bytes())).await?;
        // (A token that came with it is somebody, and not whose session this is.)
        if let Some(person) = person.filter(|p| p.proof != Proof::ApiToken) {
            attest::append(&app, &mut tx, Draft::new(EventType::AccessLogout, Actor::from(&person)).about(SubjectKind::Account, person.id))
                .await?;
        }
        tx.commit().await?;
    }
    let mut response = Redirect::to("/login").into_response();
    let secure = if app.config.https() { "; Secure" } else { "" };
    let h = response.headers_mut();
    let value = format!("{name}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0{secure}");
    h.append(header::SET_COOKIE, HeaderValue::from_str(&value).map_err(Error::internal)?);
    // Nothing of what was seen stays in the browser. (Browsers take this word over https alone.)
    h.insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(response)
}
