//! `/a/{code}/privacy`, `/a/{code}/accessibility`, `/a/{code}/genuine`: what stands at the foot of a witness's pages. What they say is what the program
//! does under its configuration, and what the agency says of itself.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;

use super::{is_same_for_all, kept_a_minute};
use crate::db;
use crate::domain::appeal::Appeal;
use crate::domain::notice::Notice;
use crate::domain::retention::{Category, Periods};
use crate::error::Result;
use crate::web::extract::{AppState, Frame, public_appeal};
use crate::web::respond::page;

#[derive(Template)]
#[template(path = "witness_privacy.html")]
struct PrivacyPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    appeal: Appeal,
    notice: Notice,
    two_persons: bool,
    /// Whether what opens contacts lies on this server.
    key_here: bool,
    /// Who else is told an address: where the map's pictures come from.
    map_host: Option<String>,
    source_days: i64,
    periods: Vec<String>,
}

#[derive(Template)]
#[template(path = "witness_accessibility.html")]
struct AccessibilityPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    appeal: Appeal,
    notice: Notice,
}

#[derive(Template)]
#[template(path = "witness_genuine.html")]
struct GenuinePage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    address: String,
    https: bool,
    appeal: Appeal,
    notice: Notice,
}

pub async fn privacy(State(app): State<AppState>, frame: Frame, Path(code): Path<String>, uri: Uri) -> Result<Response> {
    let appeal = public_appeal(&app, &code).await?;
    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let notice = db::agencies::notice(&mut tx, appeal.agency).await?;
    let two_persons = db::agencies::by_id(&mut tx, appeal.agency).await?.two_persons;
    let (periods, _) = db::periods::of(&mut tx, appeal.id).await?;
    drop(tx);
    let cacheable = is_same_for_all(&frame, &uri);
    let key_here = tokio::fs::try_exists(&app.config.vault.key_file).await.unwrap_or(true);
    let map_host = map_host(&app.config.map_tiles);
    let source_days = app.config.privacy.source_days.max(0);
    let periods = period_words(t, &periods);
    Ok(kept_a_minute(page(&PrivacyPage { t, appeal, notice, two_persons, key_here, map_host, source_days, periods, frame })?, cacheable))
}

pub async fn accessibility(State(app): State<AppState>, frame: Frame, Path(code): Path<String>, uri: Uri) -> Result<Response> {
    let (appeal, notice) = said_by(&app, &code).await?;
    let cacheable = is_same_for_all(&frame, &uri);
    Ok(kept_a_minute(page(&AccessibilityPage { t: frame.language.texts(), appeal, notice, frame })?, cacheable))
}

pub async fn genuine(State(app): State<AppState>, frame: Frame, Path(code): Path<String>, uri: Uri) -> Result<Response> {
    let (appeal, notice) = said_by(&app, &code).await?;
    let cacheable = is_same_for_all(&frame, &uri);
    let address = format!("{}/", app.config.public_url);
    let https = address.starts_with("https://");
    Ok(kept_a_minute(page(&GenuinePage { t: frame.language.texts(), address, https, appeal, notice, frame })?, cacheable))
}

async fn said_by(app: &AppState, code: &str) -> Result<(Appeal, Notice)> {
    let appeal = public_appeal(app, code).await?;
    let mut tx = app.db.read().await?;
    let notice = db::agencies::notice(&mut tx, appeal.agency).await?;
    Ok((appeal, notice))
}

/// The host of the address that tiles come from.
fn map_host(tiles: &str) -> Option<String> {
    tiles.split_once("://").and_then(|(_, rest)| rest.split('/').next()).map(str::to_owned)
}

/// How long each category is kept, in words; what has no end says so.
fn period_words(t: &FluentLanguageLoader, periods: &Periods) -> Vec<String> {
    let words = |category, days: Option<u32>| match (category, days) {
        (Category::Kept, Some(n)) => fl!(t, "privacy-kept", n = n),
        (Category::Kept, None) => fl!(t, "privacy-kept-open"),
        (Category::Undecided, Some(n)) => fl!(t, "privacy-undecided", n = n),
        (Category::Undecided, None) => fl!(t, "privacy-undecided-open"),
        (Category::Declined, Some(n)) => fl!(t, "privacy-declined", n = n),
        (Category::Declined, None) => fl!(t, "privacy-declined-open"),
    };
    Category::ALL.into_iter().map(|category| words(category, periods.days(category))).collect()
}
