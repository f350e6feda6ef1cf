//! Passkeys, as a page's script asks for them: begun by one request, answered by another.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use webauthn_rs::prelude::{PublicKeyCredential, RegisterPublicKeyCredential};

use super::login::{proved, signed_in};
use super::within;
use crate::accounts::Passkeys;
use crate::domain::actor::Proof;
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Body, PathId, Peer, SignedIn, Who};

fn passkeys(app: &AppState) -> Result<&Passkeys> {
    app.passkeys.as_ref().ok_or(Error::NotFound)
}

/// For an account of one's own, by somebody who has just proved who they are.
pub async fn begin_new(State(app): State<AppState>, who: SignedIn) -> Result<Json<Value>> {
    let who = who.fresh(&app)?;
    let asked = passkeys(&app)?.begin_new(&app, &who.person).await?;
    Ok(Json(json!({"ticket": asked.ticket, "options": asked.options})))
}

#[derive(Deserialize)]
pub struct NewAnswer {
    ticket: String,
    #[serde(default)]
    name: String,
    credential: RegisterPublicKeyCredential,
}

pub async fn finish_new(State(app): State<AppState>, who: SignedIn, Body(given): Body<NewAnswer>) -> Result<Response> {
    let who = who.fresh(&app)?;
    passkeys(&app)?.finish_new(&app, &who.person, &given.ticket, &given.credential, &given.name).await?;
    // Who has just made one has shown it.
    proved(&app, &who, Proof::Passkey, StatusCode::NO_CONTENT).await
}

pub async fn remove(State(app): State<AppState>, who: SignedIn, PathId(id): PathId) -> Result<Response> {
    let who = who.fresh(&app)?;
    Passkeys::remove(&app, &who.person, id).await?;
    Ok(Redirect::to("/account").into_response())
}

pub async fn begin_login(State(app): State<AppState>, Peer(peer): Peer) -> Result<Json<Value>> {
    app.traffic.gate.knock(peer)?;
    let asked = passkeys(&app)?.begin_login(&app).await?;
    Ok(Json(json!({"ticket": asked.ticket, "options": asked.options})))
}

#[derive(Deserialize)]
pub struct LoginAnswer {
    ticket: String,
    credential: PublicKeyCredential,
    #[serde(default)]
    to: String,
}

/// Signs in; or, for who is signed in, proves once more that it is them.
pub async fn finish_login(
    State(app): State<AppState>,
    Who(person): Who,
    headers: HeaderMap,
    Peer(peer): Peer,
    Body(given): Body<LoginAnswer>,
) -> Result<Response> {
    app.traffic.gate.knock(peer)?;
    let there = person.as_ref().map(|p| p.id);
    let login = match passkeys(&app)?.finish_login(&app, &given.ticket, &given.credential, there).await {
        Ok(login) => login,
        Err(e) => {
            super::login::failed(&app, "").await?;
            return Err(e);
        }
    };
    let to = if given.to.is_empty() { "/" } else { within(&given.to) };
    let answer = Json(json!({"to": to})).into_response();
    match person {
        Some(person) => {
            let who = SignedIn::of(&app, &headers, person)?;
            proved(&app, &who, login.proof, answer).await
        }
        None => signed_in(&app, login.account, login.proof, &headers, answer).await,
    }
}
