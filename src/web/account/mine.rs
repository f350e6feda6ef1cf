//! `/account`: what one proves oneself with, where one is signed in, and one's tokens.

use askama::Template;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use data_encoding::BASE64;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::accounts::{self, By, Did};
use crate::db;
use crate::domain::actor::{Actor, Proof};
use crate::domain::value::{Id, MINUTE_US};
use crate::error::{Error, Result};
use crate::web::account::login::{failed, proved};
use crate::web::account::short;
use crate::web::extract::{AppState, Frame, PathId, Peer, SignedIn};
use crate::web::respond::{page, page_with};
use crate::web::words::{actor_words, event_words};

struct SessionRow {
    id: String,
    this: bool,
    how: String,
    agent: String,
    since: String,
    seen: String,
}

struct PasskeyRow {
    id: String,
    name: String,
    since: String,
    used: Option<String>,
}

struct TokenRow {
    id: Option<String>,
    name: String,
    scopes: String,
    since: String,
    until: Option<String>,
    revoked: bool,
}

/// Something that was done with the account lately.
struct Lately {
    at: String,
    words: String,
    /// Who did it, where it was somebody else.
    by: String,
    /// How often in a row, and since when, where somebody tried to sign in and could not; otherwise 0.
    failed: usize,
    since: String,
}

fn lately_words(t: &FluentLanguageLoader, did: Did) -> Lately {
    Lately {
        words: event_words(t, &did.kind),
        by: match did.by {
            By::Owner => String::new(),
            By::Operator => actor_words(t, "operator"),
            By::Person(name) => name,
        },
        failed: did.failed,
        since: did.since.map(short).unwrap_or_default(),
        at: short(did.at),
    }
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    name: String,
    /// Nothing else is open to them before they add a second factor, or sign in with the one that they have.
    half: bool,
    /// Somebody else chose the password.
    given: bool,
    has_factor: bool,
    totp: bool,
    passkeys_here: bool,
    passkeys: Vec<PasskeyRow>,
    sessions: Vec<SessionRow>,
    tokens: Vec<TokenRow>,
    lately: Vec<Lately>,
    wrong: Option<String>,
}

pub fn proof_words(t: &FluentLanguageLoader, proof: &str) -> String {
    match Proof::parse(proof) {
        Some(Proof::Password) => fl!(t, "proof-password"),
        Some(Proof::PasswordAndCode) => fl!(t, "proof-code"),
        Some(Proof::Passkey) => fl!(t, "proof-passkey"),
        Some(Proof::Sso { .. }) => fl!(t, "proof-sso"),
        Some(Proof::ApiToken) | None => fl!(t, "proof-token"),
    }
}

async fn mine(app: &AppState, who: &SignedIn, frame: Frame, wrong: Option<String>) -> Result<AccountPage> {
    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let account = db::accounts::by_id(&mut tx, who.person.id).await?.ok_or(Error::Unauthorized)?;
    let idle = app.config.sessions.idle_minutes * MINUTE_US;
    let passkeys: Vec<PasskeyRow> = db::factors::passkeys_of(&mut tx, who.person.id)
        .await?
        .into_iter()
        .map(|p| PasskeyRow { id: p.id.to_string(), name: p.name, since: short(p.created_at), used: p.used_at.map(short) })
        .collect();
    let sessions = db::sessions::of_account(&mut tx, who.person.id, who.session, app.now(), idle)
        .await?
        .into_iter()
        .map(|s| SessionRow {
            id: s.id.to_string(),
            this: s.this,
            how: proof_words(t, &s.proof),
            agent: s.agent,
            since: short(s.created_at),
            seen: short(s.seen_at),
        })
        .collect();
    let tokens = db::sessions::tokens_of(&mut tx, who.person.id)
        .await?
        .into_iter()
        .map(|k| TokenRow {
            id: k.id.map(|id| id.to_string()),
            name: k.name,
            scopes: k.scopes.names().join(", "),
            since: short(k.created_at),
            until: k.expires_at.map(short),
            revoked: k.revoked,
        })
        .collect();
    let half = accounts::lacks_factor(app, &who.person);
    // Who has only half a proof may not be who they say.
    let lately = if half { Vec::new() } else { accounts::lately(&mut tx, &who.person).await? };
    Ok(AccountPage {
        t,
        lately: lately.into_iter().map(|did| lately_words(t, did)).collect(),
        name: who.person.name.clone(),
        half,
        given: accounts::has_given_password(&who.person),
        has_factor: account.totp.is_some() || !passkeys.is_empty(),
        totp: account.totp.is_some(),
        passkeys_here: app.passkeys.is_some(),
        passkeys,
        sessions,
        tokens,
        wrong,
        frame,
    })
}

pub async fn show(State(app): State<AppState>, who: SignedIn, frame: Frame) -> Result<Response> {
    page(&mine(&app, &who, frame, None).await?)
}

#[derive(Deserialize)]
pub struct PasswordForm {
    old: String,
    new: String,
}

pub async fn password(
    State(app): State<AppState>,
    who: SignedIn,
    frame: Frame,
    Peer(peer): Peer,
    Form(given): Form<PasswordForm>,
) -> Result<Response> {
    let who = who.whole(&app)?;
    app.traffic.gate.login(peer, &who.person.name)?;
    match accounts::change_password(&app, &who.person, who.session, given.old, given.new).await {
        Ok(()) => Ok(Redirect::to("/account").into_response()),
        Err(Error::Invalid { field, .. }) => {
            if field == "old" {
                failed(&app, &who.person.name).await?;
            }
            let t = frame.language.texts();
            let wrong = if field == "old" { fl!(t, "password-old-wrong") } else { fl!(t, "password-refused") };
            page_with(StatusCode::UNPROCESSABLE_ENTITY, &mine(&app, &who, frame, Some(wrong)).await?)
        }
        Err(other) => Err(other),
    }
}

#[derive(Deserialize)]
pub struct SessionForm {
    /// Which one; empty: all others.
    #[serde(default)]
    session: String,
}

pub async fn sessions(State(app): State<AppState>, who: SignedIn, Form(given): Form<SessionForm>) -> Result<Response> {
    let who = who.fresh(&app)?;
    if given.session.is_empty() {
        accounts::end_other_sessions(&app, &who.person, who.session).await?;
    } else {
        let session: Id = given.session.parse().map_err(|()| Error::NotFound)?;
        accounts::end_session(&app, &who.person, session).await?;
    }
    Ok(Redirect::to("/account").into_response())
}

#[derive(Template)]
#[template(path = "authenticator.html")]
struct OfferPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    ticket: String,
    secret: String,
    picture: String,
    /// The code was wrong; or it came too late.
    wrong: bool,
    late: bool,
}

fn offered(offer: &accounts::Offer, frame: Frame, tried: bool) -> OfferPage {
    let picture = format!("data:image/svg+xml;base64,{}", BASE64.encode(offer.picture.as_bytes()));
    // In groups, for typing.
    let secret = offer.secret.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
    OfferPage {
        t: frame.language.texts(),
        frame,
        ticket: offer.ticket.clone(),
        secret,
        picture,
        wrong: offer.again,
        late: tried && !offer.again,
    }
}

pub async fn offer_totp(State(app): State<AppState>, who: SignedIn, frame: Frame) -> Result<Response> {
    let who = who.fresh(&app)?;
    page(&offered(&accounts::begin_totp(&app, &who.person).await?, frame, false))
}

#[derive(Deserialize)]
pub struct CodeForm {
    #[serde(default)]
    act: String,
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    code: String,
}

/// Adds an authenticator, takes it away, or shows its code to be let in whole.
pub async fn totp(State(app): State<AppState>, who: SignedIn, frame: Frame, Form(given): Form<CodeForm>) -> Result<Response> {
    match given.act.as_str() {
        "remove" => {
            let who = who.fresh(&app)?;
            accounts::remove_totp(&app, &who.person).await?;
        }
        "confirm" => {
            let who = who.fresh(&app)?;
            if let Some(again) = accounts::confirm_totp(&app, &who.person, &given.ticket, &given.code).await? {
                return page_with(StatusCode::UNPROCESSABLE_ENTITY, &offered(&again, frame, true));
            }
            return proved(&app, &who, Proof::PasswordAndCode, Redirect::to("/account")).await;
        }
        _ => return Err(Error::Invalid { field: "act", why: "confirm or remove".into() }),
    }
    Ok(Redirect::to("/account").into_response())
}

/// Ends a token of one's own.
pub async fn revoke(State(app): State<AppState>, who: SignedIn, PathId(token): PathId) -> Result<Response> {
    let who = who.fresh(&app)?;
    accounts::revoke_token(&app, Actor::from(&who.person), who.person.id, token).await?;
    Ok(Redirect::to("/account").into_response())
}
