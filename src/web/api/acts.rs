//! One act on many exhibits, for programs too.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::workspace::ChangedAnswer;
use crate::domain::actor::Act;
use crate::domain::review::What;
use crate::domain::value::Id;
use crate::error::{Error, Result};
use crate::review::{self, Asked};
use crate::web::extract::{AppState, Body, Decider, own_appeal};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActBody {
    /// Up to 5,000; more go under the same act.
    numbers: Vec<u64>,
    /// And everything of their families.
    #[serde(default)]
    families: bool,
    what: What,
    #[serde(default)]
    reason: String,
    /// An act of one's own that goes on.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Uuid)]
    under: Option<Id>,
}

impl ActBody {
    fn asked(self) -> (Asked, Option<Id>) {
        (Asked { numbers: self.numbers, families: self.families, what: self.what, reason: self.reason }, self.under)
    }
}

/// In numbers of exhibits.
#[derive(Serialize, ToSchema)]
pub struct PreviewAnswer {
    changes: u64,
    /// It is so already.
    already: u64,
    /// Somebody has decided, or it is somebody else's: that stands.
    stands: u64,
    /// A colleague has it before them.
    held: u64,
    gone: u64,
}

/// What an act would do. Nothing is written
#[utoipa::path(post, path = "/api/v1/appeals/{code}/acts/preview", tag = "review", security(("account" = [])), params(("code" = String, Path)),
    request_body = ActBody, responses((status = 200, body = PreviewAnswer), (status = 422, description = "It makes no sense")))]
pub async fn preview(
    State(app): State<AppState>,
    Decider(person): Decider,
    Path(code): Path<String>,
    Body(body): Body<ActBody>,
) -> Result<Json<PreviewAnswer>> {
    let appeal = own_appeal(&app, &person, &code, Act::Decide).await?;
    let p = review::preview(&app, &person, &appeal, &body.asked().0).await?;
    Ok(Json(PreviewAnswer { changes: p.changes, already: p.already, stands: p.stands, held: p.held, gone: p.gone }))
}

#[derive(Serialize, ToSchema)]
pub struct DoneAnswer {
    /// With which it goes on, or is taken back.
    #[schema(value_type = String, format = Uuid)]
    act: Id,
    changed: Vec<ChangedAnswer>,
    /// How many were left as they were.
    left: u64,
}

impl From<review::Done> for DoneAnswer {
    fn from(d: review::Done) -> Self {
        Self { act: d.act, changed: d.changed.into_iter().map(ChangedAnswer::from).collect(), left: d.left }
    }
}

/// Act on many. Each exhibit has its own event
#[utoipa::path(post, path = "/api/v1/appeals/{code}/acts", tag = "review", security(("account" = [])), params(("code" = String, Path)),
    request_body = ActBody, responses((status = 200, body = DoneAnswer), (status = 409, description = "The act under which it goes asked for something else, or was taken back"), (status = 422, description = "It makes no sense")))]
pub async fn act(
    State(app): State<AppState>,
    Decider(person): Decider,
    Path(code): Path<String>,
    Body(body): Body<ActBody>,
) -> Result<Json<DoneAnswer>> {
    let appeal = own_appeal(&app, &person, &code, Act::Decide).await?;
    let (asked, under) = body.asked();
    Ok(Json(review::act(&app, &person, &appeal, &asked, under).await?.into()))
}

/// Take one's own act back, where nobody has changed since what it changed. An event each; nothing is erased
#[utoipa::path(post, path = "/api/v1/appeals/{code}/acts/{act}/undo", tag = "review", security(("account" = [])),
    params(("code" = String, Path), ("act" = String, Path)), responses((status = 200, body = DoneAnswer), (status = 404, description = "None of one's own"), (status = 409, description = "It was taken back before")))]
pub async fn undo(
    State(app): State<AppState>,
    Decider(person): Decider,
    Path((code, act)): Path<(String, String)>,
) -> Result<Json<DoneAnswer>> {
    let appeal = own_appeal(&app, &person, &code, Act::Decide).await?;
    let act = act.parse().map_err(|()| Error::NotFound)?;
    Ok(Json(review::undo_act(&app, &person, &appeal, act).await?.into()))
}
