//! What a page that stays open is told, and what it tells: who looks at which content.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::response::sse::{Event, Sse};
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::domain::actor::Act;
use crate::domain::appeal::Appeal;
use crate::domain::value::{Id, Utc};
use crate::error::Result;
use crate::review::{self, LetGo, RATE_MIN};
use crate::web::extract::{AppState, Body, Reviewer, own_appeal};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseBody {
    /// Up to 200 families by their numbers.
    families: Vec<u64>,
    /// Up to 200 families that are let go of; every other one when it is absent.
    #[serde(default)]
    let_go: Option<Vec<u64>>,
    /// Take them from whoever has them.
    #[serde(default)]
    over: bool,
}

#[derive(Serialize, ToSchema)]
pub struct HeldAnswer {
    family: u64,
    by: String,
}

#[derive(Serialize, ToSchema)]
pub struct LeasedAnswer {
    #[schema(value_type = String, format = DateTime)]
    until: Utc,
    /// Asked for, and a colleague's.
    held: Vec<HeldAnswer>,
}

/// Say which contents one has before oneself, for a quarter of an hour, and let go of every other
#[utoipa::path(post, path = "/api/v1/appeals/{code}/leases", tag = "review", security(("account" = [])), params(("code" = String, Path)),
    request_body = LeaseBody, responses((status = 200, body = LeasedAnswer), (status = 422, description = "Too many")))]
pub async fn lease(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path(code): Path<String>,
    Body(body): Body<LeaseBody>,
) -> Result<Json<LeasedAnswer>> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let go = body.let_go.as_deref().map_or(LetGo::Others, LetGo::These);
    let leased = review::lease(&app, &person, &appeal, &body.families, go, body.over).await?;
    let held = leased.held.into_iter().map(|h| HeldAnswer { family: h.family, by: h.by }).collect();
    Ok(Json(LeasedAnswer { until: leased.until, held }))
}

/// How often it is looked whether anything changed.
const LOOK: Duration = Duration::from_secs(1);
/// How old counters may be.
const FRESH: Duration = Duration::from_secs(5);
/// A stream ends so soon that who was signed out meanwhile is told nothing more, and that a server which stops waits for nobody; the
/// browser asks again by itself.
const LIFE: Duration = Duration::from_secs(15);

struct Told {
    app: AppState,
    me: Id,
    appeal: Appeal,
    until: Instant,
    last: String,
}

/// What changes in an appeal while a page is open, as server-sent events
///
/// `pulse`: `changed_at` (when to ask the index again), `all`, `waiting`, `oldest`, `arrived` within `minutes`, and `looking`: families that
/// colleagues have before them. It shows no exhibit, so no custody event is written.
#[utoipa::path(get, path = "/api/v1/appeals/{code}/events", tag = "review", security(("account" = [])), params(("code" = String, Path)),
    responses((status = 200, content_type = "text/event-stream")))]
pub async fn events(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path(code): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let told = Told { app, me: person.id, appeal, until: Instant::now() + LIFE, last: String::new() };
    Ok(Sse::new(stream::unfold(told, |mut told| async move {
        loop {
            // (An answer always comes first: a page that was away is brought up to date at once.)
            if !told.last.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
            if Instant::now() > told.until {
                return None;
            }
            // The database is away: the stream ends, and the browser asks again.
            let said = pulse(&told).await.ok()?;
            if said != told.last {
                told.last.clone_from(&said);
                let event = Event::default().event("pulse").retry(Duration::from_millis(300)).data(said);
                return Some((Ok(event), told));
            }
        }
    })))
}

async fn pulse(told: &Told) -> Result<String> {
    let (app, appeal) = (&told.app, &told.appeal);
    let stir = app.traffic.stirs.get(appeal.id, LOOK / 2, review::stir(app, appeal)).await?;
    let counted = app.traffic.pulses.get(appeal.id, FRESH, review::pulse(app, appeal)).await?;
    let looking: Vec<_> = stir.1.iter().filter(|l| l.by != told.me).map(|l| json!([l.family, l.name])).collect();
    let said = json!({
        "changed_at": stir.0.micros(),
        "all": counted.all,
        "waiting": counted.waiting,
        "oldest": counted.oldest.map(|at| at.micros() / 1_000_000),
        "arrived": counted.arrived,
        "minutes": RATE_MIN,
        "looking": looking,
    });
    Ok(said.to_string())
}
