//! `/exhibits/{id}`: one exhibit with everything that is known of it. Opening the page is an event.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;
use serde_json::Value;

use super::queue::when_words;
use super::{kind_words, state_words};
use crate::db;
use crate::domain::actor::{Act, may};
use crate::domain::capture::{PlaceClaim, PlaceStatus, TimeClaim};
use crate::domain::exhibit::Kind;
use crate::domain::media::playable;
use crate::domain::purpose::PurposeCode;
use crate::domain::retention::Basis;
use crate::domain::review::Decision;
use crate::domain::submission::Statement;
use crate::error::{Error, Result};
use crate::review::{self, Look};
use crate::web::account::purpose_words;
use crate::web::extract::{AppState, Decider, Frame, Params, PathId, Reviewer, own_appeal};
use crate::web::respond::page;
use crate::web::supervisor::basis_words;
use crate::web::witness::size_words;

struct Event {
    index: u64,
    at: String,
    kind: String,
    who: String,
    detail: String,
}

struct Earlier {
    by: String,
    decision: String,
    note: String,
    at: String,
}

#[derive(Template)]
#[template(path = "exhibit.html")]
struct ExhibitPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    zone: String,
    id: String,
    name: String,
    name_truncated: bool,
    size: String,
    sha256: String,
    media_type: String,
    kind: String,
    state: String,
    state_class: &'static str,
    quarantine: Option<&'static str>,
    received_at: String,
    when: String,
    place: String,
    view: Option<String>,
    record: String,
    play: bool,
    is_video: bool,
    version: u64,
    statement: Statement,
    times: Vec<TimeClaim>,
    places: Vec<PlaceClaim>,
    notes: Vec<String>,
    raw: Vec<(String, String)>,
    events: Vec<Event>,
    earlier: Vec<Earlier>,
    /// By whom, when, why.
    hold: Option<(String, String, String)>,
    /// Whether its erasure is asked for.
    erasure: bool,
    may_retain: bool,
    bases: Vec<(&'static str, String)>,
    /// What the submission is called, for a witness without a receipt.
    reference: String,
    contact_given: bool,
    purposes: Vec<(&'static str, String)>,
}

impl ExhibitPage {
    fn place_status(&self, status: PlaceStatus) -> String {
        let t = self.t;
        match status {
            PlaceStatus::Stated => fl!(t, "place-stated"),
            PlaceStatus::RemovedByPhone => fl!(t, "place-removed"),
            PlaceStatus::Zero => fl!(t, "place-zero"),
            PlaceStatus::Impossible => fl!(t, "place-impossible"),
        }
    }

    fn problem(&self, word: &str) -> String {
        let t = self.t;
        match word {
            "clock-not-set" => fl!(t, "time-clock-not-set"),
            "in-the-future" => fl!(t, "time-in-the-future"),
            _ => fl!(t, "time-unreadable"),
        }
    }
}

pub async fn show(State(app): State<AppState>, Reviewer(person): Reviewer, frame: Frame, PathId(id): PathId) -> Result<Response> {
    let looked = review::look(&app, &person, id, Look::Record).await?;
    let e = looked.exhibit;
    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let appeal = db::appeals::by_id(&mut tx, e.appeal).await?;
    let mut statement = db::submissions::by_id(&mut tx, e.submission).await?.statement;
    // How to reach the witness is not part of an exhibit: reading it is an act of its own.
    let contact_given = !std::mem::take(&mut statement.contact).is_empty();
    let (times, places) = db::exhibits::claims(&mut tx, e.id).await?;
    let x = db::contents::examination(&mut tx, e.agency, e.sha256).await?;
    let decisions = db::exhibits::decisions(&mut tx, e.id).await?;
    let names: Vec<(String, String)> = db::accounts::list(&mut tx).await?.into_iter().map(|a| (a.id.to_string(), a.name)).collect();
    let entries = db::log::of_subject(&mut tx, "exhibit", &e.id.to_string()).await?;
    let hold = db::retention::hold(&mut tx, e.id).await?;
    let erasure = db::retention::open_for(&mut tx, e.id).await?.is_some();
    drop(tx);
    let viewable = e.quarantine.is_none() && x.as_ref().is_some_and(|x| x.view_key.is_some());
    let can_play = playable(&e.media_type) && e.quarantine.is_none();
    let (notes, raw) = x.map_or_else(Default::default, |x| (x.notes, serde_json::from_str(&x.raw).unwrap_or_default()));
    page(&ExhibitPage {
        t,
        code: appeal.code,
        id: e.id.to_string(),
        name_truncated: e.name_truncated,
        size: size_words(e.size, frame.language),
        sha256: e.sha256.to_string(),
        kind: kind_words(t, e.kind),
        state: state_words(t, e.state),
        state_class: e.state.as_str(),
        quarantine: e.quarantine.map(|q| q.as_str()),
        received_at: e.received_at.in_zone(&appeal.zone),
        when: when_words(t, e.when, &appeal.zone),
        place: e.place.map_or_else(
            || fl!(t, "place-unknown"),
            |p| format!("{:.5}, {:.5} ± {:.0} m ({})", p.point.lat, p.point.lon, p.radius_m, p.source.as_str()),
        ),
        view: viewable.then_some(looked.view),
        record: looked.record,
        play: can_play,
        is_video: e.kind == Kind::Video,
        version: e.version,
        statement,
        times,
        places,
        notes,
        raw,
        events: entries.into_iter().map(|entry| event(&entry, &names, &appeal.zone)).collect(),
        earlier: decisions
            .into_iter()
            .map(|d| Earlier { by: d.by, decision: state_words(t, d.decision.state()), note: d.note, at: d.at.in_zone(&appeal.zone) })
            .collect(),
        hold: hold.map(|h| (h.by, h.at.in_zone(&appeal.zone), h.reason)),
        erasure,
        may_retain: may(person.role, Act::Retain),
        bases: Basis::ALL.map(|b| (b.as_str(), basis_words(t, b))).to_vec(),
        reference: app.reference(e.submission),
        contact_given,
        purposes: PurposeCode::ALL.map(|p| (p.as_str(), purpose_words(t, p))).to_vec(),
        zone: appeal.zone,
        media_type: e.media_type,
        name: e.name,
        frame,
    })
}

fn event(entry: &db::log::Entry, names: &[(String, String)], zone: &str) -> Event {
    let said: Value = serde_json::from_slice(&entry.bytes).unwrap_or_default();
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let who = text("/actor/ref");
    let name = names.iter().find(|(id, _)| *id == who).map(|(_, name)| name.clone());
    Event {
        index: entry.index,
        at: text("/t").parse::<crate::domain::value::Utc>().map(|t| t.in_zone(zone)).unwrap_or_default(),
        kind: text("/type"),
        who: name.unwrap_or_else(|| text("/actor/k")),
        detail: match said.pointer("/f/ranges").and_then(Value::as_array) {
            Some(ranges) => ranges.iter().filter_map(|r| clock_words(r.as_str()?)).collect::<Vec<_>>().join(", "),
            None => text("/f/variant"),
        },
    }
}

/// `65000-90500` as people read it on a clip: `1:05–1:30`.
fn clock_words(stretch: &str) -> Option<String> {
    let clock = |ms: &str| ms.parse::<u64>().ok().map(|ms| format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60));
    let (from, to) = stretch.split_once('-')?;
    Some(format!("{}\u{2013}{}", clock(from)?, clock(to)?))
}

#[derive(Deserialize)]
pub struct ContactForm {
    #[serde(default)]
    purpose: String,
    #[serde(default)]
    reason: String,
}

#[derive(Template)]
#[template(path = "contact.html")]
struct ContactPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    id: String,
    reference: String,
    contact: String,
}

/// How to reach the witness, once it is on record who asks and why.
pub async fn contact(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    mut frame: Frame,
    PathId(id): PathId,
    Form(asked): Form<ContactForm>,
) -> Result<Response> {
    let read = review::unmask(&app, &person, id, &asked.purpose, &asked.reason).await?;
    let (reference, contact) = (app.reference(read.submission), read.contact);
    // In another language it is asked for again.
    frame.here = format!("/exhibits/{id}");
    page(&ContactPage { t: frame.language.texts(), id: id.to_string(), reference, contact, frame })
}

#[derive(Deserialize)]
pub struct Named {
    #[serde(default)]
    reference: String,
    #[serde(default, rename = "lang")]
    _lang: String,
}

/// Leads from the reference that a witness names to what they gave.
pub async fn by_reference(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path(code): Path<String>,
    Params(named): Params<Named>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code).await?;
    let exhibit = review::by_reference(&app, &person, &appeal, &named.reference).await?;
    Ok(Redirect::to(&format!("/exhibits/{exhibit}")).into_response())
}

#[derive(Deserialize)]
pub struct DecisionForm {
    decision: String,
    #[serde(default)]
    note: String,
    version: u64,
}

pub async fn decide(
    State(app): State<AppState>,
    Decider(person): Decider,
    PathId(id): PathId,
    Form(form): Form<DecisionForm>,
) -> Result<Response> {
    let decision = Decision::parse(&form.decision).ok_or(Error::Invalid { field: "decision", why: "no such decision".into() })?;
    review::decide(&app, &person, id, decision, &form.note, Some(form.version)).await?;
    Ok(Redirect::to(&format!("/exhibits/{id}#decision")).into_response())
}
