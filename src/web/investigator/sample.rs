//! `/appeals/{code}/samples/{id}`: one exhibit after the other is decided again, by somebody who is not told what was decided.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use super::kind_words;
use super::queue::when_words;
use crate::db;
use crate::domain::actor::Act;
use crate::domain::derivative::Variant;
use crate::domain::exhibit::Kind;
use crate::domain::media::playable;
use crate::domain::review::{Decision, GRAPHIC_BIT};
use crate::error::{Error, Result};
use crate::review;
use crate::web::extract::{AppState, Decider, Frame, own_appeal};
use crate::web::respond::page;

struct Next {
    id: String,
    number: u64,
    kind: String,
    when: String,
    place: String,
    view: Option<String>,
    sheet: Option<String>,
    record: String,
    play: bool,
    graphic: bool,
}

#[derive(Template)]
#[template(path = "sample.html")]
struct SamplePage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    sample: String,
    next: Option<Next>,
}

pub async fn show(
    State(app): State<AppState>,
    Decider(person): Decider,
    frame: Frame,
    Path((code, sample)): Path<(String, String)>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::Decide).await?;
    let id = sample.parse().map_err(|()| Error::NotFound)?;
    let looked = review::next_of_sample(&app, &person, &appeal, id).await?;
    let t = frame.language.texts();
    let next = match looked {
        None => None,
        Some(looked) => {
            let e = looked.exhibit;
            let mut tx = app.db.read().await?;
            let made = db::derivatives::of(&mut tx, e.agency, e.sha256).await?;
            let shown = |variant| !e.is_behind_glass() && made.iter().any(|d| d.variant == variant);
            Some(Next {
                kind: kind_words(t, e.kind),
                when: when_words(t, e.when, &appeal.zone),
                place: e
                    .place
                    .map_or_else(|| fl!(t, "place-unknown"), |p| format!("{:.5}, {:.5} ± {:.0} m", p.point.lat, p.point.lon, p.radius_m)),
                view: shown(Variant::View).then_some(looked.view),
                sheet: shown(Variant::Sheet).then_some(looked.sheet),
                record: looked.record,
                play: e.kind == Kind::Video && !e.is_behind_glass() && (playable(&e.media_type) || shown(Variant::Proxy)),
                graphic: e.tags & GRAPHIC_BIT != 0,
                number: e.number,
                id: e.id.to_string(),
            })
        }
    };
    page(&SamplePage { t, code: appeal.code, sample, next, frame })
}

#[derive(Deserialize)]
pub struct AgainForm {
    exhibit: String,
    decision: String,
}

pub async fn decide(
    State(app): State<AppState>,
    Decider(person): Decider,
    Path((code, sample)): Path<(String, String)>,
    Form(form): Form<AgainForm>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::Decide).await?;
    let read = |text: &str| text.parse().map_err(|()| Error::NotFound);
    let decision = Decision::parse(&form.decision).ok_or(Error::Invalid { field: "decision", why: "no such decision".into() })?;
    review::decide_again(&app, &person, &appeal, read(&sample)?, read(&form.exhibit)?, decision).await?;
    Ok(Redirect::to(&format!("/appeals/{}/samples/{sample}", appeal.code)).into_response())
}
