//! `/appeals/{code}/compare?n=…`: two to four exhibits side by side, on one zoom and one clock. Each is on record as looked at.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use super::queue::when_words;
use super::{kind_words, state_words};
use crate::db;
use crate::domain::actor::Act;
use crate::domain::derivative::Variant;
use crate::domain::exhibit::{Exhibit, Kind};
use crate::domain::media::playable;
use crate::domain::review::GRAPHIC_BIT;
use crate::domain::value::{HOUR_US, Utc};
use crate::error::{Error, Result};
use crate::review::{self, Look};
use crate::web::extract::{AppState, Frame, Params, Reviewer, own_appeal};
use crate::web::respond::page;
use crate::web::witness::size_words;

const PANES_MAX: usize = 4;

#[derive(Deserialize)]
pub struct Which {
    /// Numbers, with commas.
    n: String,
    /// Seconds by which each begins after the common clock does, in the order of `n`: as somebody set them by hand.
    #[serde(default)]
    offset: String,
    #[serde(default, rename = "lang")]
    _lang: String,
}

struct Pane {
    id: String,
    number: u64,
    name: String,
    alt: String,
    view: Option<String>,
    play: bool,
    record: String,
    graphic: bool,
    /// Seconds after the first of them.
    offset: String,
    facts: Vec<String>,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    panes: Vec<Pane>,
    /// What is compared: a name, each one's value, whether they differ.
    rows: Vec<(String, Vec<String>, bool)>,
    clips: bool,
}

pub async fn show(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    frame: Frame,
    Path(code): Path<String>,
    Params(which): Params<Which>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let mut numbers: Vec<u64> = Vec::new();
    for text in which.n.split(',') {
        let number = text.trim().parse().map_err(|_| Error::InvalidFilter { field: "n", why: "two to four numbers, with commas" })?;
        if !numbers.contains(&number) {
            numbers.push(number);
        }
    }
    if !(2..=PANES_MAX).contains(&numbers.len()) {
        return Err(Error::InvalidFilter { field: "n", why: "two to four numbers, with commas" });
    }
    let by_hand = offsets(&which.offset, numbers.len())?;
    let mut tx = app.db.read().await?;
    let found = db::exhibits::numbered(&mut tx, appeal.id, &numbers).await?;
    drop(tx);
    if found.len() < 2 {
        return Err(Error::NotFound);
    }
    let t = frame.language.texts();
    let start = |e: &Exhibit| e.when.map(|w| w.from);
    // A clock for all, when all lie within a day.
    let first: Option<Utc> = found.iter().filter_map(start).min();
    let offset = |e: &Exhibit| {
        let apart = start(e).zip(first).map_or(0, |(a, b)| a.micros() - b.micros());
        if (0..24 * HOUR_US).contains(&apart) {
            format!("{:.3}", std::time::Duration::from_micros(apart.unsigned_abs()).as_secs_f64())
        } else {
            "0".into()
        }
    };
    let mut panes = Vec::new();
    let mut columns: Vec<Vec<String>> = Vec::new();
    for e in found {
        let looked = review::look(&app, &person, e.id, Look::Record).await?;
        let mut tx = app.db.read().await?;
        let made = db::derivatives::of(&mut tx, e.agency, e.sha256).await?;
        let shape = db::contents::examination(&mut tx, e.agency, e.sha256).await?.map(|x| x.found).unwrap_or_default();
        drop(tx);
        let shown = |variant| !e.is_behind_glass() && made.iter().any(|d| d.variant == variant);
        let place =
            e.place.map_or_else(|| fl!(t, "place-unknown"), |p| format!("{:.5}, {:.5} ± {:.0} m", p.point.lat, p.point.lon, p.radius_m));
        let device = [shape.device.make, shape.device.model].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let size = match (shape.shape.width, shape.shape.height) {
            (Some(w), Some(h)) => format!("{w} × {h}"),
            _ => "–".to_owned(),
        };
        columns.push(vec![
            when_words(t, e.when, &appeal.zone),
            place,
            size,
            size_words(e.size, frame.language),
            e.media_type.clone(),
            if device.is_empty() { "–".into() } else { device },
            state_words(t, e.state),
            e.sha256.to_string()[..16].to_owned(),
        ]);
        panes.push(Pane {
            offset: numbers
                .iter()
                .position(|n| *n == e.number)
                .and_then(|n| by_hand.get(n))
                .map_or_else(|| offset(&e), ToString::to_string),
            alt: format!("{} {}", kind_words(t, e.kind), e.number),
            view: shown(Variant::View).then_some(looked.view),
            play: e.kind == Kind::Video && !e.is_behind_glass() && (playable(&e.media_type) || shown(Variant::Proxy)),
            record: looked.record,
            graphic: e.tags & GRAPHIC_BIT != 0,
            facts: if e.lead { vec![fl!(t, "side-best")] } else { Vec::new() },
            number: e.number,
            id: e.id.to_string(),
            name: e.name,
        });
    }
    let names = [
        fl!(t, "exhibit-when"),
        fl!(t, "exhibit-where"),
        fl!(t, "side-pixels"),
        fl!(t, "side-size"),
        fl!(t, "side-type"),
        fl!(t, "side-device"),
        fl!(t, "filter-state"),
        "SHA-256".to_owned(),
    ];
    let rows = names
        .into_iter()
        .enumerate()
        .map(|(n, name)| {
            let values: Vec<String> = columns.iter().map(|c| c[n].clone()).collect();
            let differs = values.iter().any(|v| *v != values[0]);
            (name, values, differs)
        })
        .collect();
    page(&ComparePage { t, clips: panes.iter().any(|p| p.play), code: appeal.code, panes, rows, frame })
}

/// Offsets in seconds, one for each exhibit; none is no offset by hand.
fn offsets(text: &str, wanted: usize) -> Result<Vec<f64>> {
    const DAYS_S: f64 = 30.0 * 86_400.0;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let read: Option<Vec<f64>> = text.split(',').map(|p| p.trim().parse().ok().filter(|s: &f64| s.abs() <= DAYS_S)).collect();
    read.filter(|all| all.len() == wanted)
        .ok_or(Error::InvalidFilter { field: "offset", why: "one number of seconds for each, with commas" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_seconds_one_for_each() {
        assert_eq!(offsets("0,-1.5", 2).unwrap(), [0.0, -1.5]);
        assert!(offsets("", 2).unwrap().is_empty());
        for wrong in ["1", "1,2,3", "a,b", "NaN,1", "inf,0", "1,"] {
            assert!(offsets(wrong, 2).is_err(), "{wrong}");
        }
    }
}
