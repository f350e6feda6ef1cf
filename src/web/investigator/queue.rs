//! `/appeals/{code}/exhibits`: the queue as a grid, with its filter in the address.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{kind_words, state_words};
use crate::domain::actor::Act;
use crate::domain::capture::Effective;
use crate::domain::exhibit::{Kind, State as ExhibitState};
use crate::domain::review::{GRAPHIC_BIT, RawFilter};
use crate::error::Result;
use crate::review;
use crate::web::extract::{AppState, Frame, Params, Reviewer, own_appeal};
use crate::web::respond::page;
use crate::web::words;

/// What a value of the filter does not carry as it is: times, places and lists stay legible.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b',').remove(b':');

struct Tile {
    id: String,
    name: String,
    kind: String,
    state: String,
    state_class: &'static str,
    when: String,
    place: String,
    /// Shown when somebody opens it and asks.
    graphic: bool,
    thumbnail: Option<String>,
    /// Why it is kept behind glass.
    behind_glass: Option<String>,
    /// What could not be read or shown of it.
    notes: Vec<String>,
}

struct Choice {
    value: &'static str,
    words: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    title: String,
    zone: String,
    window: (String, String),
    centre: String,
    raw: RawFilter,
    states: Vec<Choice>,
    kinds: Vec<Choice>,
    orders: Vec<Choice>,
    tiles: Vec<Tile>,
    next: Option<String>,
}

impl QueuePage {
    fn value<'a>(&self, field: &'a Option<String>) -> &'a str {
        field.as_deref().unwrap_or_default()
    }

    /// Questions that the form has no field for.
    fn kept(&self) -> Vec<(&'static str, &str)> {
        [("within", &self.raw.within), ("grade", &self.raw.grade), ("family", &self.raw.family)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref().filter(|v| !v.is_empty())?)))
            .collect()
    }

    fn is_unknown(&self, field: &Option<String>) -> bool {
        field.as_deref() == Some("unknown")
    }
}

pub async fn show(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    frame: Frame,
    Path(code): Path<String>,
    Params(raw): Params<RawFilter>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let found = review::page(&app, &person, &appeal, &raw).await?;
    let t = frame.language.texts();
    let tiles = found
        .rows
        .into_iter()
        .map(|(e, token)| Tile {
            id: e.id.to_string(),
            kind: kind_words(t, e.kind),
            state: state_words(t, e.state),
            state_class: e.state.as_str(),
            when: when_words(t, e.when, &appeal.zone),
            place: e.place.map_or_else(
                || fl!(t, "place-unknown"),
                |p| {
                    let metres = appeal.area.centre.metres_to(p.point);
                    // Far away the plane that distances are measured on is not the Earth any more.
                    if metres > 100_000.0 {
                        return fl!(t, "place-far");
                    }
                    fl!(t, "place-distance", metres = format!("{metres:.0}"), doubt = format!("{:.0}", p.radius_m))
                },
            ),
            graphic: e.tags & GRAPHIC_BIT != 0,
            thumbnail: (e.has_thumbnail && !e.is_behind_glass() && e.tags & GRAPHIC_BIT == 0).then_some(token),
            behind_glass: e.glass().map(|why| words::quarantine_words(t, why)),
            // (That nothing was opened is said already.)
            notes: e.notes.iter().filter(|n| *n != "not-previewed").map(|n| words::note_words(t, n)).collect(),
            name: e.name,
        })
        .collect();
    let chosen = |field: &Option<String>, value: &str| field.as_deref().unwrap_or_default().split(',').any(|v| v == value);
    let mut states: Vec<Choice> = ExhibitState::ALL
        .into_iter()
        .map(|s| Choice { value: s.as_str(), words: state_words(t, s), chosen: chosen(&raw.state, s.as_str()) })
        .collect();
    states.push(Choice { value: "quarantined", words: fl!(t, "state-quarantined"), chosen: chosen(&raw.state, "quarantined") });
    let kinds = Kind::ALL
        .into_iter()
        .map(|k| Choice { value: k.as_str(), words: kind_words(t, k), chosen: chosen(&raw.kind, k.as_str()) })
        .collect();
    let orders = [("closeness", fl!(t, "order-closeness")), ("time", fl!(t, "order-time")), ("received", fl!(t, "order-received"))]
        .into_iter()
        .map(|(value, words)| Choice { value, words, chosen: chosen(&raw.order, value) })
        .collect();
    let next = found.next.map(|cursor| next_address(&appeal.code, &raw, cursor));
    page(&QueuePage {
        title: appeal.text(frame.language.tag()).title.clone(),
        zone: appeal.zone.clone(),
        window: (appeal.from.to_string(), appeal.to.to_string()),
        centre: format!("{:.5},{:.5}", appeal.area.centre.lat, appeal.area.centre.lon),
        code: appeal.code,
        t,
        raw,
        states,
        kinds,
        orders,
        tiles,
        next,
        frame,
    })
}

/// A time with its zone and its doubt, or that it is unknown.
pub fn when_words(t: &FluentLanguageLoader, when: Option<Effective>, zone: &str) -> String {
    let Some(w) = when else { return fl!(t, "time-unknown") };
    let middle = w.from.plus((w.to.micros() - w.from.micros()) / 2);
    let doubt_s = (w.to.micros() - w.from.micros()) / 2_000_000;
    let doubt = if doubt_s < 120 { format!("{doubt_s} s") } else { format!("{} min", doubt_s / 60) };
    format!("{} ± {doubt} ({})", middle.in_zone(zone), w.grade.as_str())
}

fn next_address(code: &str, raw: &RawFilter, cursor: String) -> String {
    let raw = RawFilter { cursor: Some(cursor), ..raw.clone() };
    let fields = [
        ("from", raw.from),
        ("to", raw.to),
        ("bbox", raw.bbox),
        ("near", raw.near),
        ("radius_m", raw.radius_m),
        ("within", raw.within),
        ("state", raw.state),
        ("kind", raw.kind),
        ("grade", raw.grade),
        ("family", raw.family),
        ("time", raw.time),
        ("place", raw.place),
        ("order", raw.order),
        ("limit", raw.limit),
        ("cursor", raw.cursor),
    ];
    let query: Vec<String> = fields
        .into_iter()
        .filter_map(|(name, value)| value.filter(|v| !v.is_empty()).map(|v| format!("{name}={}", utf8_percent_encode(&v, VALUE))))
        .collect();
    format!("/appeals/{code}/exhibits?{}", query.join("&"))
}
