//! `/prove`: somebody who is signed in shows once more that it is them, before an act that a stolen session must not be enough for.

use askama::Template;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use super::within;
use crate::accounts;
use crate::db;
use crate::error::Result;
use crate::web::account::login::{failed, proved};
use crate::web::extract::{AppState, Frame, Params, Peer, SignedIn};
use crate::web::respond::{page, page_with};

#[derive(Template)]
#[template(path = "prove.html")]
struct ProvePage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    to: String,
    wrong: bool,
    totp: bool,
    passkeys: bool,
    sso: Option<String>,
}

#[derive(Deserialize, Default)]
pub struct To {
    #[serde(default)]
    to: String,
    #[serde(default, rename = "lang")]
    _lang: String,
}

async fn asked(app: &AppState, who: &SignedIn, frame: Frame, to: &str, wrong: bool) -> Result<ProvePage> {
    let mut tx = app.db.read().await?;
    let totp = db::accounts::by_id(&mut tx, who.person.id).await?.is_some_and(|a| a.totp.is_some());
    let passkeys = !db::factors::passkeys_of(&mut tx, who.person.id).await?.is_empty() && app.passkeys.is_some();
    let sso = app.provider.as_ref().map(|p| p.name().to_owned());
    Ok(ProvePage { t: frame.language.texts(), frame, to: within(to).to_owned(), wrong, totp, passkeys, sso })
}

pub async fn show(State(app): State<AppState>, who: SignedIn, frame: Frame, Params(query): Params<To>) -> Result<Response> {
    page(&asked(&app, &who, frame, &query.to, false).await?)
}

#[derive(Deserialize)]
pub struct Given {
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    to: String,
}

pub async fn prove(
    State(app): State<AppState>,
    who: SignedIn,
    frame: Frame,
    Peer(peer): Peer,
    Form(given): Form<Given>,
) -> Result<Response> {
    app.traffic.gate.login(peer, &who.person.name)?;
    let mut tx = app.db.read().await?;
    let account = db::accounts::by_id(&mut tx, who.person.id).await?;
    drop(tx);
    let Some((_, proof)) = accounts::prove_by_password(&app, account, given.password, &given.code).await? else {
        failed(&app, &who.person.name).await?;
        return page_with(StatusCode::UNPROCESSABLE_ENTITY, &asked(&app, &who, frame, &given.to, true).await?);
    };
    proved(&app, &who, proof, Redirect::to(within(&given.to))).await
}
