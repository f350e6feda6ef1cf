//! What the workspace holds of an appeal, for programs too.

use std::collections::BTreeMap;
use std::io::Write as _;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::exhibits::ExhibitAnswer;
use crate::domain::actor::Act;
use crate::domain::capture::Grade;
use crate::domain::exhibit::{Kind, State as ExhibitState};
use crate::domain::review::{Decision, RawFilter, Sign, encode};
use crate::domain::value::{SECOND_US, Utc};
use crate::error::{Error, Result};
use crate::review;
use crate::web::extract::{AppState, Body, Decider, Params, Reviewer, own_appeal};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Since {
    /// `asked_at` of an earlier answer: only what may have changed since then.
    since: Option<i64>,
}

/// The index of all exhibits of an appeal: time, place, state, family; no names, ids or pictures
///
/// Column after column, as `src/domain/review/columns.rs` describes; compressed.
#[utoipa::path(get, path = "/api/v1/appeals/{code}/exhibits.index", tag = "review", security(("account" = [])),
    params(("code" = String, Path), Since), responses((status = 200, content_type = "application/octet-stream")))]
pub async fn index(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path(code): Path<String>,
    Params(asked): Params<Since>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let found = review::lines(&app, &appeal, asked.since.map(Utc::from_micros)).await?;
    let made = tokio::task::spawn_blocking(move || {
        let bytes = encode(&appeal, &found.lines, &found.about);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&bytes)?;
        encoder.finish()
    });
    let packed = made.await.map_err(Error::internal)?.map_err(Error::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream"), (header::CONTENT_ENCODING, "gzip")], packed).into_response())
}

#[derive(Serialize, ToSchema)]
pub struct OverviewAnswer {
    found: u64,
    state: BTreeMap<&'static str, u64>,
    kind: BTreeMap<&'static str, u64>,
    /// Stretches of time in which something begins, in order.
    histogram: Vec<StretchAnswer>,
    stretch_seconds: i64,
    /// Squares of the map in which something lies.
    clusters: Vec<ClusterAnswer>,
    /// How high and wide a square is, in degrees.
    square_degrees: f64,
    /// In the area, and nobody knows when: it may belong to the answer.
    maybe_in_time: u64,
    /// At the time, and nobody knows where: likewise.
    maybe_in_place: u64,
}

#[derive(Serialize, ToSchema)]
pub struct StretchAnswer {
    #[schema(value_type = String, format = DateTime)]
    from: Utc,
    count: u64,
}

/// South-west corner in degrees, and how many.
#[derive(Serialize, ToSchema)]
pub struct ClusterAnswer {
    lat: f64,
    lon: f64,
    count: u64,
}

/// What all that a filter finds looks like: counts, a histogram of times, clusters of places, and what may belong to it
///
/// Answered from indexes: its cost grows with what is found, not with what there is. It shows no exhibit, so no custody event is written.
#[utoipa::path(get, path = "/api/v1/appeals/{code}/exhibits.overview", tag = "review", security(("account" = [])),
    params(("code" = String, Path), RawFilter), responses((status = 200, body = OverviewAnswer), (status = 422, description = "A filter that makes no sense")))]
pub async fn overview(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path(code): Path<String>,
    Params(raw): Params<RawFilter>,
) -> Result<Json<OverviewAnswer>> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let o = review::overview(&app, &person, &appeal, &raw).await?;
    #[allow(clippy::cast_precision_loss)]
    let degrees = |e7: i64| e7 as f64 / 1e7;
    Ok(Json(OverviewAnswer {
        found: o.found,
        state: o.states.into_iter().map(|(s, n)| (s.as_str(), n)).collect(),
        kind: o.kinds.into_iter().map(|(k, n)| (k.as_str(), n)).collect(),
        histogram: o.histogram.into_iter().map(|(from, count)| StretchAnswer { from, count }).collect(),
        stretch_seconds: o.stretch_us / SECOND_US,
        clusters: o.clusters.into_iter().map(|(at, count)| ClusterAnswer { lat: degrees(at.lat), lon: degrees(at.lon), count }).collect(),
        square_degrees: degrees(o.square_e7),
        maybe_in_time: o.maybe_in_time,
        maybe_in_place: o.maybe_in_place,
    }))
}

#[derive(Serialize, ToSchema)]
pub struct CountsAnswer {
    /// That all questions hold.
    found: u64,
    state: BTreeMap<&'static str, u64>,
    kind: BTreeMap<&'static str, u64>,
    grade: BTreeMap<&'static str, u64>,
    tag: BTreeMap<String, u64>,
    sign: BTreeMap<&'static str, u64>,
    time_unknown: u64,
    place_unknown: u64,
}

/// How many exhibits a filter finds, and how many of each state, kind, grade, tag and sign there are of what its other questions leave
///
/// It shows no exhibit, so no custody event is written.
#[utoipa::path(get, path = "/api/v1/appeals/{code}/exhibits.counts", tag = "review", security(("account" = [])),
    params(("code" = String, Path), RawFilter), responses((status = 200, body = CountsAnswer), (status = 422, description = "A filter that makes no sense")))]
pub async fn counts(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path(code): Path<String>,
    Params(raw): Params<RawFilter>,
) -> Result<Json<CountsAnswer>> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let (c, words) = review::counts(&app, &person, &appeal, &raw).await?;
    Ok(Json(CountsAnswer {
        found: c.found,
        state: ExhibitState::ALL.iter().zip(c.states).map(|(s, n)| (s.as_str(), n)).collect(),
        kind: Kind::ALL.iter().zip(c.kinds).map(|(k, n)| (k.as_str(), n)).collect(),
        grade: Grade::ALL.iter().zip(c.grades).map(|(g, n)| (g.as_str(), n)).collect(),
        tag: words.into_iter().zip(c.tags).collect(),
        sign: Sign::ALL.iter().zip(c.signs).map(|(s, n)| (s.as_str(), n)).collect(),
        time_unknown: c.time_unknown,
        place_unknown: c.place_unknown,
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TilesBody {
    /// Up to 200.
    numbers: Vec<u64>,
}

#[derive(Serialize, ToSchema)]
pub struct TilesAnswer {
    /// In the order that was asked for, without those that are gone.
    items: Vec<ExhibitAnswer>,
}

/// Exhibits by their numbers. Each answer is one `grid.viewed` event
#[utoipa::path(post, path = "/api/v1/appeals/{code}/tiles", tag = "review", security(("account" = [])), params(("code" = String, Path)),
    request_body = TilesBody, responses((status = 200, body = TilesAnswer), (status = 422, description = "None, or too many")))]
pub async fn tiles(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path(code): Path<String>,
    Body(body): Body<TilesBody>,
) -> Result<Json<TilesAnswer>> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let rows = review::tiles(&app, &person, &appeal, &body.numbers).await?;
    Ok(Json(TilesAnswer { items: rows.into_iter().map(|(e, token)| ExhibitAnswer::new(e, &token)).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeenBody {
    number: u64,
    /// The version that was looked at; a newer one is left alone.
    version: u64,
}

fn seen(items: Vec<SeenBody>) -> Vec<review::Seen> {
    items.into_iter().map(|i| review::Seen { number: i.number, version: i.version }).collect()
}

/// What becomes of the rest of each family.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestBody {
    /// Nothing.
    #[default]
    Left,
    /// The same, where nobody has decided.
    Same,
    /// Not relevant, where nobody has decided: what is named stands for them.
    NotRelevant,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionsBody {
    /// Up to 200.
    items: Vec<SeenBody>,
    decision: Decision,
    #[serde(default)]
    rest: RestBody,
    #[serde(default)]
    note: String,
}

#[derive(Serialize, ToSchema)]
pub struct ChangedAnswer {
    number: u64,
    state: ExhibitState,
    version: u64,
}

#[derive(Serialize, ToSchema)]
pub struct ChangesAnswer {
    changed: Vec<ChangedAnswer>,
    /// Numbers of those that somebody had decided meanwhile, or that are gone; their families are left alone too.
    left: Vec<u64>,
    /// Numbers of others of a family that somebody had decided before: that stands.
    stands: Vec<u64>,
    /// Numbers of those that a colleague has before them; their families are left alone too.
    held: Vec<u64>,
}

impl From<(u64, ExhibitState, u64)> for ChangedAnswer {
    fn from((number, state, version): (u64, ExhibitState, u64)) -> Self {
        Self { number, state, version }
    }
}

impl From<review::Changed> for ChangesAnswer {
    fn from(c: review::Changed) -> Self {
        let changed = c.changed.into_iter().map(ChangedAnswer::from).collect();
        Self { changed, left: c.left, stands: c.stands, held: c.held }
    }
}

/// Decide on several, each with its family if asked. Each exhibit has its own event
#[utoipa::path(post, path = "/api/v1/appeals/{code}/decisions", tag = "review", security(("account" = [])), params(("code" = String, Path)),
    request_body = DecisionsBody, responses((status = 200, body = ChangesAnswer), (status = 422, description = "None, or too many")))]
pub async fn decide(
    State(app): State<AppState>,
    Decider(person): Decider,
    Path(code): Path<String>,
    Body(body): Body<DecisionsBody>,
) -> Result<Json<ChangesAnswer>> {
    let appeal = own_appeal(&app, &person, &code, Act::Decide).await?;
    let rest = match body.rest {
        RestBody::Left => review::Rest::Left,
        RestBody::Same => review::Rest::Same,
        RestBody::NotRelevant => review::Rest::NotRelevant,
    };
    Ok(Json(review::decide_several(&app, &person, &appeal, &seen(body.items), body.decision, rest, &body.note).await?.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoBody {
    /// Up to 10,000, as `changed` told them.
    items: Vec<SeenBody>,
}

/// Take back one's own last decisions, where nobody has decided since. An event each; nothing is erased
#[utoipa::path(post, path = "/api/v1/appeals/{code}/decisions/undo", tag = "review", security(("account" = [])), params(("code" = String, Path)),
    request_body = UndoBody, responses((status = 200, body = ChangesAnswer)))]
pub async fn undo(
    State(app): State<AppState>,
    Decider(person): Decider,
    Path(code): Path<String>,
    Body(body): Body<UndoBody>,
) -> Result<Json<ChangesAnswer>> {
    let appeal = own_appeal(&app, &person, &code, Act::Decide).await?;
    Ok(Json(review::undo(&app, &person, &appeal, &seen(body.items)).await?.into()))
}
