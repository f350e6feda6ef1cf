//! The queue and one exhibit, for programs.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::db;
use crate::domain::actor::Act;
use crate::domain::capture::{Device, PlaceClaim, Shape, Stream, TimeClaim};
use crate::domain::contradiction;
use crate::domain::exhibit::{Exhibit, Kind, Quarantine, State as ExhibitState};
use crate::domain::family::Relation;
use crate::domain::indicator::Seen;
use crate::domain::review::{Decision, RawFilter};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::{Error, Result};
use crate::review::{self, Look};
use crate::web::extract::{AppState, Body, Decider, Params, PathId, Reviewer, own_appeal};
use crate::web::media;

#[derive(Serialize, ToSchema)]
pub struct ExhibitAnswer {
    #[schema(value_type = String, format = Uuid)]
    id: Id,
    /// In the order of arrival within the appeal, from 1.
    number: u64,
    /// Number of the first exhibit of its family; its own when it is alone.
    family: u64,
    /// Whether it is its family's best copy.
    lead: bool,
    name: String,
    #[schema(value_type = String)]
    sha256: Sha256,
    size: u64,
    media_type: String,
    kind: Kind,
    state: ExhibitState,
    quarantine: Option<Quarantine>,
    /// Its witness asked that it be kept and not used: no previews, and the original for supervisors.
    restricted: bool,
    #[schema(value_type = String, format = DateTime)]
    received_at: Utc,
    /// The effective time, or null: never the time of receipt.
    time: Option<TimeAnswer>,
    place: Option<PlaceAnswer>,
    /// Rises with every decision.
    version: u64,
    /// Address of the thumbnail; the look that it shows is recorded already.
    thumbnail: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct TimeAnswer {
    #[schema(value_type = String, format = DateTime)]
    from: Utc,
    #[schema(value_type = String, format = DateTime)]
    to: Utc,
    /// A (own clock with zone) to D (told or implied).
    grade: &'static str,
    source: &'static str,
}

#[derive(Serialize, ToSchema)]
pub struct PlaceAnswer {
    lat: f64,
    lon: f64,
    radius_m: f64,
    /// Where the camera looked, in degrees from north.
    bearing: Option<u16>,
    source: &'static str,
}

impl ExhibitAnswer {
    pub fn new(e: Exhibit, token: &str) -> Self {
        Self {
            thumbnail: (e.has_thumbnail && !e.is_behind_glass()).then(|| format!("/api/v1/exhibits/{}/thumbnail?look={token}", e.id)),
            time: e.when.map(|w| TimeAnswer { from: w.from, to: w.to, grade: w.grade.as_str(), source: w.source.as_str() }),
            place: e.place.map(|p| PlaceAnswer {
                lat: p.point.lat,
                lon: p.point.lon,
                radius_m: p.radius_m,
                bearing: p.bearing,
                source: p.source.as_str(),
            }),
            id: e.id,
            number: e.number,
            family: e.family,
            lead: e.lead,
            name: e.name,
            sha256: e.sha256,
            size: e.size,
            media_type: e.media_type,
            kind: e.kind,
            state: e.state,
            quarantine: e.quarantine,
            restricted: e.restricted,
            received_at: e.received_at,
            version: e.version,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct PageAnswer {
    items: Vec<ExhibitAnswer>,
    /// Cursor of the next page; null on the last.
    next: Option<String>,
    /// True in a demonstration: nothing here is real.
    demo_data: bool,
}

/// A page of an appeal's exhibits
///
/// Closest to the incident first, unless `order` says otherwise. Each page is one `grid.viewed` event.
#[utoipa::path(get, path = "/api/v1/appeals/{code}/exhibits", tag = "review", security(("account" = [])),
    params(("code" = String, Path), RawFilter), responses((status = 200, body = PageAnswer), (status = 400, description = "A cursor of another filter"), (status = 422, description = "A filter that makes no sense")))]
pub async fn list(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path(code): Path<String>,
    Params(raw): Params<RawFilter>,
) -> Result<Json<PageAnswer>> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let page = review::page(&app, &person, &appeal, &raw).await?;
    let items = page.rows.into_iter().map(|(e, token)| ExhibitAnswer::new(e, &token)).collect();
    Ok(Json(PageAnswer { items, next: page.next, demo_data: appeal.demo }))
}

/// The same page as GeoJSON (RFC 7946); an unknown place is a null geometry
#[utoipa::path(get, path = "/api/v1/appeals/{code}/exhibits.geojson", tag = "review", security(("account" = [])),
    params(("code" = String, Path), RawFilter), responses((status = 200, content_type = "application/geo+json")))]
pub async fn geojson(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path(code): Path<String>,
    Params(raw): Params<RawFilter>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let page = review::page(&app, &person, &appeal, &raw).await?;
    let features: Vec<Value> = page
        .rows
        .into_iter()
        .map(|(e, token)| {
            let geometry = e.place.map(|p| json!({"type": "Point", "coordinates": [p.point.lon, p.point.lat]}));
            json!({"type": "Feature", "id": e.id, "geometry": geometry, "properties": ExhibitAnswer::new(e, &token)})
        })
        .collect();
    let body = json!({"type": "FeatureCollection", "features": features, "next": page.next, "demo_data": appeal.demo});
    Ok(([(header::CONTENT_TYPE, "application/geo+json")], body.to_string()).into_response())
}

#[derive(Serialize, ToSchema)]
pub struct OneAnswer {
    #[serde(flatten)]
    exhibit: ExhibitAnswer,
    time_claims: Vec<TimeClaim>,
    place_claims: Vec<PlaceClaim>,
    /// Stable words for what examination could not read.
    notes: Vec<String>,
    /// What made it, as the file says.
    device: Device,
    /// Size as stored, orientation, rotation.
    shape: Shape,
    duration_us: Option<i64>,
    streams: Vec<Stream>,
    /// Observations about how it was made; never a verdict.
    indicators: Vec<Seen>,
    /// Other contents of its family, up to 200: first exhibit, relation, bits apart.
    family: Vec<RelativeAnswer>,
    /// How many contents its family has, this one included; 1 without one.
    family_size: usize,
    /// Tool and version that read it.
    reader: Option<String>,
    /// Raw metadata as (path, value).
    #[schema(value_type = Vec<Vec<String>>)]
    raw: Value,
}

const RELATIVES_MAX: usize = 200;

#[derive(Serialize, ToSchema)]
pub struct RelativeAnswer {
    #[schema(value_type = String)]
    exhibit: Id,
    relation: Relation,
    distance: u32,
}

/// One exhibit: every claim of time and place, and the raw metadata
#[utoipa::path(get, path = "/api/v1/exhibits/{id}", tag = "review", security(("account" = [])), params(("id" = String, Path)), responses((status = 200, body = OneAnswer)))]
pub async fn one(State(app): State<AppState>, Reviewer(person): Reviewer, PathId(id): PathId) -> Result<Json<OneAnswer>> {
    let looked = review::look(&app, &person, id, Look::Record).await?;
    let e = looked.exhibit;
    let mut tx = app.db.read().await?;
    let (time_claims, place_claims) = db::exhibits::claims(&mut tx, e.id).await?;
    let x = db::contents::examination(&mut tx, e.agency, e.sha256).await?;
    let (mut family, mut family_size) = (Vec::new(), 1);
    if let Some(own) = db::families::member(&mut tx, e.appeal, e.sha256).await? {
        let members = db::families::members(&mut tx, own.family).await?;
        family_size = members.len();
        for m in members.into_iter().filter(|m| m.sha256 != e.sha256).take(RELATIVES_MAX) {
            let first = db::exhibits::first_with(&mut tx, e.appeal, e.agency, m.sha256).await?;
            family.extend(first.map(|exhibit| RelativeAnswer { exhibit, relation: m.relation, distance: m.distance }));
        }
    }
    let others = match x.as_ref().and_then(|x| x.device) {
        Some(device) => db::contents::submissions_with_device(&mut tx, e.appeal, e.agency, device, e.submission).await?,
        None => 0,
    };
    drop(tx);
    let indicators = x.as_ref().map(|x| contradiction::all(&e.name, &x.found, &time_claims, &place_claims, others)).unwrap_or_default();
    let raw = x.as_ref().map_or_else(|| Value::Array(Vec::new()), |x| serde_json::from_str(&x.raw).unwrap_or_default());
    let reader = x.as_ref().map(|x| x.reader.clone());
    let (notes, found) = x.map(|x| (x.notes, x.found)).unwrap_or_default();
    Ok(Json(OneAnswer {
        exhibit: ExhibitAnswer::new(e, &looked.thumbnail),
        time_claims,
        place_claims,
        notes,
        device: found.device,
        shape: found.shape,
        duration_us: found.duration_us,
        streams: found.streams,
        indicators,
        family,
        family_size,
        reader,
        raw,
    }))
}

#[derive(Serialize, ToSchema)]
pub struct EventAnswer {
    /// Place in the log.
    index: u64,
    /// SHA-256 of the leaf, base64.
    leaf: String,
    /// The entry as it stands in the log.
    #[schema(value_type = Object)]
    entry: Value,
}

/// The custody events of one exhibit, oldest first
#[utoipa::path(get, path = "/api/v1/exhibits/{id}/events", tag = "review", security(("account" = [])), params(("id" = String, Path)), responses((status = 200, body = Vec<EventAnswer>)))]
pub async fn events(State(app): State<AppState>, Reviewer(person): Reviewer, PathId(id): PathId) -> Result<Json<Vec<EventAnswer>>> {
    review::look(&app, &person, id, review::Look::Record).await?;
    let mut tx = app.db.read().await?;
    let entries = db::log::of_subject(&mut tx, "exhibit", &id.to_string()).await?;
    Ok(Json(
        entries
            .into_iter()
            .map(|e| EventAnswer { index: e.index, leaf: e.leaf.base64(), entry: serde_json::from_slice(&e.bytes).unwrap_or_default() })
            .collect(),
    ))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    decision: Decision,
    #[serde(default)]
    note: String,
    /// The version that was looked at; a newer one is a conflict (409).
    version: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub struct DecisionAnswer {
    state: ExhibitState,
    version: u64,
}

/// Decide: relevant, not relevant, or undecided
#[utoipa::path(post, path = "/api/v1/exhibits/{id}/decision", tag = "review", security(("account" = [])), params(("id" = String, Path)),
    request_body = DecisionBody, responses((status = 200, body = DecisionAnswer), (status = 409, description = "Somebody was faster")))]
pub async fn decide(
    State(app): State<AppState>,
    Decider(person): Decider,
    PathId(id): PathId,
    Body(body): Body<DecisionBody>,
) -> Result<Json<DecisionAnswer>> {
    let version = review::decide(&app, &person, id, body.decision, &body.note, body.version).await?;
    Ok(Json(DecisionAnswer { state: body.decision.state(), version }))
}

/// The original, byte for byte. One `exhibit.downloaded` event, before the first byte
#[utoipa::path(get, path = "/api/v1/exhibits/{id}/original", tag = "review", security(("account" = [])),
    params(("id" = String, Path), ("Temoin-Reason" = String, Header, description = "Why it is taken away, in UTF-8")),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206, description = "A range"),
        (status = 422, description = "No reason that says anything")))]
pub async fn original(
    state: State<AppState>,
    who: Reviewer,
    id: PathId,
    token: Params<media::Token>,
    headers: HeaderMap,
) -> Result<Response> {
    media::original(state, who, id, token, headers).await
}

/// The thumbnail, a JPEG of up to 512 px
#[utoipa::path(get, path = "/api/v1/exhibits/{id}/thumbnail", tag = "review", security(("account" = [])), params(("id" = String, Path)),
    responses((status = 200, content_type = "image/jpeg"), (status = 404, description = "There is none")))]
pub async fn thumbnail(state: State<AppState>, who: Reviewer, id: PathId, token: Params<media::Token>) -> Result<Response, Error> {
    media::thumbnail(state, who, id, token).await
}
