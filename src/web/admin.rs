//! The administrator's pages: the first account, the accounts, and ways back in for who lost everything.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use crate::accounts::{self, Change};
use crate::db;
use crate::domain::actor::{Actor, Person, Role};
use crate::error::{Error, Result};
use crate::web::account::short;
use crate::web::extract::{Administering, AppState, Frame, JudgingRecovery, PathId};
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
    if !accounts::setup_is_open(&app, &mut tx, &token).await? {
        return Err(Error::NotFound);
    }
    page(&SetupPage { t: frame.language.texts(), frame, token })
}

pub async fn setup(State(app): State<AppState>, Path(token): Path<String>, Form(given): Form<NewPerson>) -> Result<Response> {
    accounts::set_up(&app, &token, &given.name, given.password).await?;
    Ok(Redirect::to("/login").into_response())
}

struct Row {
    id: String,
    name: String,
    role: String,
    created_at: String,
    disabled: bool,
    waits: bool,
    refused: bool,
    me: bool,
    /// What they prove themselves with.
    factors: String,
    sso: String,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    rows: Vec<Row>,
    roles: Vec<(&'static str, String)>,
    sso: bool,
}

pub fn role_words(t: &FluentLanguageLoader, role: Role) -> String {
    match role {
        Role::Investigator => fl!(t, "role-investigator"),
        Role::Supervisor => fl!(t, "role-supervisor"),
        Role::Auditor => fl!(t, "role-auditor"),
        Role::Administrator => fl!(t, "role-administrator"),
    }
}

fn factor_words(t: &FluentLanguageLoader, a: &db::accounts::Account) -> String {
    let mut all = Vec::new();
    if a.passkeys > 0 {
        all.push(fl!(t, "factors-passkeys", n = a.passkeys));
    }
    if a.totp {
        all.push(fl!(t, "factors-totp"));
    }
    if all.is_empty() { fl!(t, "factors-none") } else { all.join(", ") }
}

pub async fn accounts_page(State(app): State<AppState>, Administering(person): Administering, frame: Frame) -> Result<Response> {
    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let rows = db::accounts::list(&mut tx, person.agency)
        .await?
        .into_iter()
        .map(|a| Row {
            id: a.id.to_string(),
            role: role_words(t, a.role),
            created_at: short(a.created_at),
            disabled: a.disabled,
            waits: a.waits && !a.refused,
            refused: a.refused,
            me: a.id == person.id,
            factors: factor_words(t, &a),
            sso: a.sso.clone().unwrap_or_default(),
            name: a.name,
        })
        .collect();
    drop(tx);
    let sso = app.provider.is_some();
    page(&AccountsPage { t, rows, roles: Role::ALL.map(|r| (r.as_str(), role_words(t, r))).to_vec(), sso, frame })
}

pub async fn create_account(
    State(app): State<AppState>,
    Administering(person): Administering,
    Form(given): Form<NewPerson>,
) -> Result<Response> {
    let role = Role::parse(&given.role).ok_or(Error::Invalid { field: "role", why: "no such role".into() })?;
    let hash = accounts::hash_password(&app, &given.name, given.password).await?;
    let mut tx = app.db.begin().await?;
    accounts::create(&app, &mut tx, Actor::from(&person), person.agency, &given.name, role, hash).await?;
    tx.commit().await?;
    Ok(Redirect::to("/accounts").into_response())
}

#[derive(Deserialize)]
pub struct ChangeForm {
    act: String,
    #[serde(default)]
    sso_name: String,
    #[serde(default)]
    reason: String,
}

pub async fn change(
    State(app): State<AppState>,
    Administering(person): Administering,
    PathId(id): PathId,
    Form(given): Form<ChangeForm>,
) -> Result<Response> {
    let change = match given.act.as_str() {
        "disable" => Change::Disable,
        "enable" => Change::Enable,
        "end-sessions" => Change::EndSessions,
        "sso" => Change::SsoName(given.sso_name),
        "recover" => {
            accounts::ask_recovery(&app, Some(&person), id, &given.reason).await?;
            return Ok(Redirect::to("/recoveries").into_response());
        }
        _ => return Err(Error::Invalid { field: "act", why: "disable, enable, end-sessions, sso or recover".into() }),
    };
    accounts::change(&app, &person, id, change).await?;
    Ok(Redirect::to("/accounts").into_response())
}

struct RecoveryRow {
    id: String,
    name: String,
    asker: String,
    reason: String,
    at: String,
    agreed: bool,
    /// Whether the reader may agree; whether they may make the link.
    may_agree: bool,
    mine: bool,
}

#[derive(Template)]
#[template(path = "recoveries.html")]
struct RecoveriesPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    rows: Vec<RecoveryRow>,
    /// The link that was made just now, shown once.
    link: Option<String>,
    /// Accounts that wait for somebody to vouch for them.
    new: Vec<NewRow>,
}

struct NewRow {
    id: String,
    name: String,
    role: String,
    maker: String,
    at: String,
    /// Whether the reader made it: then somebody else has to.
    mine: bool,
}

async fn recoveries_with(app: &AppState, person: &Person, frame: Frame, link: Option<String>) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let rows = db::recoveries::open(&mut tx, person.agency)
        .await?
        .into_iter()
        .map(|r| RecoveryRow {
            id: r.id.to_string(),
            may_agree: r.state == "asked" && r.asked_by != Some(person.id) && r.account != person.id,
            mine: r.asked_by == Some(person.id),
            agreed: r.state == "agreed",
            name: r.name,
            asker: r.asker,
            reason: r.reason,
            at: short(r.asked_at),
        })
        .collect();
    let t = frame.language.texts();
    let all = db::accounts::list(&mut tx, person.agency).await?;
    drop(tx);
    let maker = |a: &db::accounts::Account| all.iter().find(|m| Some(m.id) == a.made_by).map_or_else(String::new, |m| m.name.clone());
    let new = all.iter().filter(|a| a.waits && !a.refused).map(|a| NewRow {
        id: a.id.to_string(),
        name: a.name.clone(),
        role: role_words(t, a.role),
        maker: maker(a),
        at: short(a.created_at),
        mine: a.made_by == Some(person.id),
    });
    page(&RecoveriesPage { t, rows, link, new: new.collect(), frame })
}

pub async fn recoveries(State(app): State<AppState>, JudgingRecovery(person): JudgingRecovery, frame: Frame) -> Result<Response> {
    recoveries_with(&app, &person, frame, None).await
}

#[derive(Deserialize)]
pub struct VouchForm {
    #[serde(default)]
    act: String,
}

/// Says that there is such a colleague, or none.
pub async fn vouch(
    State(app): State<AppState>,
    JudgingRecovery(person): JudgingRecovery,
    PathId(id): PathId,
    Form(given): Form<VouchForm>,
) -> Result<Response> {
    match given.act.as_str() {
        "" | "vouch" => accounts::vouch(&app, &person, id).await?,
        "refuse" => accounts::refuse_colleague(&app, &person, id).await?,
        _ => return Err(Error::Invalid { field: "act", why: "vouch or refuse".into() }),
    }
    Ok(Redirect::to("/recoveries").into_response())
}

#[derive(Deserialize)]
pub struct JudgeForm {
    act: String,
}

pub async fn judge_recovery(
    State(app): State<AppState>,
    JudgingRecovery(person): JudgingRecovery,
    mut frame: Frame,
    PathId(id): PathId,
    Form(given): Form<JudgeForm>,
) -> Result<Response> {
    match given.act.as_str() {
        "agree" => accounts::agree_to_recovery(&app, &person, id).await?,
        "refuse" => accounts::refuse_recovery(&app, &person, id).await?,
        "link" => {
            let link = accounts::recovery_link(&app, &person, id).await?;
            frame.here = "/recoveries?lang=".to_owned();
            return recoveries_with(&app, &person, frame, Some(format!("{}/recover/{link}", app.config.public_url))).await;
        }
        _ => return Err(Error::Invalid { field: "act", why: "agree, refuse or link".into() }),
    }
    Ok(Redirect::to("/recoveries").into_response())
}
