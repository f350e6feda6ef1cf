//! Notes and marks beside an exhibit, for programs too.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::filters::MadeAnswer;
use crate::db;
use crate::domain::review::Remark;
use crate::domain::value::{Id, Utc};
use crate::error::{Error, Result};
use crate::review;
use crate::web::extract::{AppState, Body, Decider, PathId, Reviewer};

#[derive(Serialize, ToSchema)]
pub struct RemarkAnswer {
    #[schema(value_type = String, format = Uuid)]
    id: Id,
    by: String,
    mine: bool,
    #[serde(flatten)]
    remark: Remark,
    #[schema(value_type = String, format = DateTime)]
    at: Utc,
    /// When another took its place, or it was taken away.
    #[schema(value_type = Option<String>, format = DateTime)]
    superseded_at: Option<Utc>,
}

/// All remarks on an exhibit, superseded ones included, oldest first
#[utoipa::path(get, path = "/api/v1/exhibits/{id}/remarks", tag = "review", security(("account" = [])), params(("id" = String, Path)),
    responses((status = 200, body = Vec<RemarkAnswer>)))]
pub async fn list(State(app): State<AppState>, Reviewer(person): Reviewer, PathId(id): PathId) -> Result<Json<Vec<RemarkAnswer>>> {
    // What colleagues wrote about a picture tells what is in it: reading it is a look.
    let e = review::look(&app, &person, id, review::Look::Record).await?.exhibit;
    let mut tx = app.db.read().await?;
    let all = db::remarks::of(&mut tx, e.id).await?;
    drop(tx);
    let answer = |w: db::remarks::Written| RemarkAnswer {
        id: w.id,
        mine: w.by == person.id,
        by: w.name,
        remark: w.remark,
        at: w.at,
        superseded_at: w.superseded_at,
    };
    Ok(Json(all.into_iter().map(answer).collect()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemarkBody {
    remark: Remark,
    /// One's own earlier one, in whose place it comes.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Uuid)]
    instead_of: Option<Id>,
}

/// Write a note, or mark a moment or a part of the picture
#[utoipa::path(post, path = "/api/v1/exhibits/{id}/remarks", tag = "review", security(("account" = [])), params(("id" = String, Path)),
    request_body = RemarkBody, responses((status = 201, body = MadeAnswer), (status = 409, description = "The earlier one was superseded, or is not one's own"), (status = 422, description = "It makes no sense")))]
pub async fn add(
    State(app): State<AppState>,
    Decider(person): Decider,
    PathId(id): PathId,
    Body(body): Body<RemarkBody>,
) -> Result<(StatusCode, Json<MadeAnswer>)> {
    let id = review::remark(&app, &person, id, body.remark, body.instead_of).await?;
    Ok((StatusCode::CREATED, Json(MadeAnswer::of(id))))
}

/// Take one's own remark away; it stays in the record
#[utoipa::path(delete, path = "/api/v1/exhibits/{id}/remarks/{remark}", tag = "review", security(("account" = [])),
    params(("id" = String, Path), ("remark" = String, Path)), responses((status = 204), (status = 409, description = "Superseded, or not one's own")))]
pub async fn take_away(
    State(app): State<AppState>,
    Decider(person): Decider,
    Path((id, remark)): Path<(String, String)>,
) -> Result<StatusCode> {
    let read = |text: &str| text.parse().map_err(|()| Error::NotFound);
    review::unremark(&app, &person, read(&id)?, read(&remark)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
