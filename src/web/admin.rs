//! The administrator's pages: the first account, and the accounts.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::accounts;
use crate::db;
use crate::domain::actor::{Actor, Role};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};
use crate::web::extract::{Administering, AppState, Frame};
use crate::web::respond::page;

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    token: String,
}

#[derive(Deserialize)]
pub struct NewPerson {
    name: String,
    password: String,
    #[serde(default)]
    role: String,
}

pub async fn setup_page(State(app): State<AppState>, frame: Frame, Path(token): Path<String>) -> Result<Response> {
    let mut tx = app.db.read().await?;
    if !db::accounts::setup_link_is_open(&mut tx, Sha256::of(token.as_bytes())).await? {
        return Err(Error::NotFound);
    }
    page(&SetupPage { t: frame.language.texts(), frame, token })
}

pub async fn setup(State(app): State<AppState>, Path(token): Path<String>, Form(given): Form<NewPerson>) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let open = db::accounts::setup_link_is_open(&mut tx, Sha256::of(token.as_bytes())).await?;
    let empty = db::accounts::count(&mut tx).await? == 0;
    drop(tx);
    if !open || !empty {
        return Err(Error::NotFound);
    }
    let hash = accounts::hash_password(&app, given.password).await?;
    let mut tx = app.db.begin().await?;
    if !db::accounts::use_setup_link(&mut tx, Sha256::of(token.as_bytes()), app.now()).await? {
        return Err(Error::NotFound);
    }
    accounts::create(&app, &mut tx, Actor::Operator, &given.name, Role::Administrator, hash).await?;
    tx.commit().await?;
    Ok(Redirect::to("/login").into_response())
}

struct Row {
    name: String,
    role: String,
    created_at: String,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    rows: Vec<Row>,
    roles: Vec<(&'static str, String)>,
}

fn role_words(t: &FluentLanguageLoader, role: Role) -> String {
    match role {
        Role::Investigator => fl!(t, "role-investigator"),
        Role::Supervisor => fl!(t, "role-supervisor"),
        Role::Auditor => fl!(t, "role-auditor"),
        Role::Administrator => fl!(t, "role-administrator"),
    }
}

pub async fn accounts_page(State(app): State<AppState>, Administering(_): Administering, frame: Frame) -> Result<Response> {
    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let rows = db::accounts::list(&mut tx)
        .await?
        .into_iter()
        .map(|a| Row { name: a.name, role: role_words(t, a.role), created_at: a.created_at.to_string() })
        .collect();
    drop(tx);
    page(&AccountsPage { t, rows, roles: Role::ALL.map(|r| (r.as_str(), role_words(t, r))).to_vec(), frame })
}

pub async fn create_account(
    State(app): State<AppState>,
    Administering(person): Administering,
    Form(given): Form<NewPerson>,
) -> Result<Response> {
    let role = Role::parse(&given.role).ok_or(Error::Invalid { field: "role", why: "no such role".into() })?;
    let hash = accounts::hash_password(&app, given.password).await?;
    let mut tx = app.db.begin().await?;
    accounts::create(&app, &mut tx, Actor::from(&person), &given.name, role, hash).await?;
    tx.commit().await?;
    Ok(Redirect::to("/accounts").into_response())
}
