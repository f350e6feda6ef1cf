//! `/exhibits/{id}/capture` and `/exhibits/{id}/clock`: what an investigator states about time and place. Times are those of the appeal's
//! zone, as the page shows them.

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use super::queue::when_words;

use crate::access;
use crate::db;
use crate::domain::actor::Act;
use crate::domain::actor::Person;
use crate::domain::capture::in_zone;
use crate::domain::value::{Id, Point, SECOND_US, Utc};
use crate::error::{Error, Result};
use crate::review::{self, Stated};
use crate::web::extract::{AppState, Decider, Frame, PathId};
use crate::web::respond::page;

#[derive(Deserialize)]
pub struct CaptureForm {
    #[serde(default)]
    act: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    point: String,
    #[serde(default)]
    radius_m: String,
    #[serde(default)]
    reason: String,
}

async fn zone_of(app: &AppState, person: &Person, exhibit: Id) -> Result<String> {
    let mut tx = app.db.read().await?;
    let e = db::exhibits::by_id(&mut tx, exhibit).await?.ok_or(Error::NotFound)?;
    access::to_exhibit(app, &mut tx, person, &e, Act::Decide).await?;
    Ok(db::appeals::by_id(&mut tx, e.appeal).await?.zone)
}

/// Both readings of an hour that happens twice.
fn local(text: &str, zone: &str, field: &'static str) -> Result<(Utc, Utc)> {
    in_zone(text.trim(), zone).ok_or_else(|| Error::Invalid { field, why: "a date and a time, as 2026-07-14T22:10:00".into() })
}

pub async fn state(
    State(app): State<AppState>,
    Decider(person): Decider,
    PathId(id): PathId,
    Form(form): Form<CaptureForm>,
) -> Result<Response> {
    let zone = zone_of(&app, &person, id).await?;
    let withdraw = form.act == "withdraw";
    let time = match (form.from.trim(), form.to.trim()) {
        _ if withdraw => None,
        ("", "") => None,
        (from, "") => Some(local(from, &zone, "from")?),
        (from, to) => Some((local(from, &zone, "from")?.0, local(to, &zone, "to")?.1)),
    };
    let place = match form.point.trim() {
        _ if withdraw => None,
        "" => None,
        text => {
            let wrong = || Error::Invalid { field: "point", why: "latitude and longitude in degrees, as 48.8566, 2.3522".into() };
            let (lat, lon) = text.split_once([',', ' ']).ok_or_else(wrong)?;
            let number = |t: &str| t.trim().trim_start_matches(',').trim().parse::<f64>().map_err(|_| wrong());
            let point = Point::new(number(lat)?, number(lon)?).ok_or_else(wrong)?;
            let radius = if form.radius_m.trim().is_empty() { Ok(50.0) } else { form.radius_m.trim().parse::<f64>() };
            let radius = radius.ok().filter(|r| (1.0..=100_000.0).contains(r));
            Some((point, radius.ok_or(Error::Invalid { field: "radius_m", why: "metres, 1 to 100000".into() })?))
        }
    };
    review::state(&app, &person, id, Stated { time, place, withdraw, reason: form.reason }).await?;
    Ok(Redirect::to(&format!("/exhibits/{id}#times")).into_response())
}

#[derive(Deserialize)]
pub struct ClockForm {
    #[serde(default)]
    act: String,
    #[serde(default)]
    truth: String,
    #[serde(default)]
    doubt_s: String,
    #[serde(default)]
    reason: String,
}

struct Touched {
    id: String,
    number: u64,
    before: String,
    after: String,
}

/// What a correction would change, with the form that does it.
#[derive(Template)]
#[template(path = "clock.html")]
struct ClockPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    id: String,
    delta: String,
    form: ClockForm,
    touched: Vec<Touched>,
}

pub async fn clock(
    State(app): State<AppState>,
    Decider(person): Decider,
    mut frame: Frame,
    PathId(id): PathId,
    Form(form): Form<ClockForm>,
) -> Result<Response> {
    if form.act == "withdraw" {
        review::withdraw_clock(&app, &person, id, &form.reason).await?;
    } else {
        let (truth, later) = local(&form.truth, &zone_of(&app, &person, id).await?, "truth")?;
        let doubt: i64 = form.doubt_s.trim().parse().map_err(|_| Error::Invalid { field: "doubt_s", why: "seconds".into() })?;
        let doubt_us = doubt.checked_mul(SECOND_US).ok_or(Error::Invalid { field: "doubt_s", why: "seconds".into() })?;
        // An hour that happens twice adds to the doubt.
        let doubt_us = doubt_us.saturating_add(later.micros() - truth.micros());
        if form.act == "preview" {
            let found = review::preview_clock(&app, &person, id, truth, doubt_us).await?;
            let t = frame.language.texts();
            // In another language it is asked for again.
            frame.here = format!("/exhibits/{id}");
            let zone = zone_of(&app, &person, id).await?;
            let touched = found.touched.into_iter().map(|(e, after)| Touched {
                before: when_words(t, e.when, &zone),
                after: when_words(t, after, &zone),
                number: e.number,
                id: e.id.to_string(),
            });
            let delta = fl!(t, "clock-delta", seconds = format!("{:+}", found.delta_us / SECOND_US));
            return page(&ClockPage { t, id: id.to_string(), delta, form, touched: touched.collect(), frame });
        }
        review::correct_clock(&app, &person, id, truth, doubt_us, &form.reason).await?;
    }
    Ok(Redirect::to(&format!("/exhibits/{id}#times")).into_response())
}
