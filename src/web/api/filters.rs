//! Saved filters: questions under a name, one's own or for everybody.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::actor::Act;
use crate::domain::value::Id;
use crate::error::{Error, Result};
use crate::review;
use crate::web::extract::{AppState, Body, Reviewer, own_appeal};

#[derive(Serialize, ToSchema)]
pub struct SavedAnswer {
    #[schema(value_type = String, format = Uuid)]
    id: Id,
    name: String,
    /// As in the address of the workspace.
    query: String,
    shared: bool,
    mine: bool,
    by: String,
}

/// One's own saved filters and those that are shared
#[utoipa::path(get, path = "/api/v1/appeals/{code}/filters", tag = "review", security(("account" = [])), params(("code" = String, Path)),
    responses((status = 200, body = Vec<SavedAnswer>)))]
pub async fn list(State(app): State<AppState>, Reviewer(person): Reviewer, Path(code): Path<String>) -> Result<Json<Vec<SavedAnswer>>> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let all = review::saved_filters(&app, &person, &appeal).await?;
    let answer =
        |f: crate::db::filters::Saved| SavedAnswer { id: f.id, name: f.name, query: f.query, shared: f.shared, mine: f.mine, by: f.by };
    Ok(Json(all.into_iter().map(answer).collect()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SaveBody {
    name: String,
    query: String,
    #[serde(default)]
    shared: bool,
}

#[derive(Serialize, ToSchema)]
pub struct MadeAnswer {
    #[schema(value_type = String, format = Uuid)]
    id: Id,
}

impl MadeAnswer {
    pub const fn of(id: Id) -> Self {
        Self { id }
    }
}

/// Save a filter
#[utoipa::path(post, path = "/api/v1/appeals/{code}/filters", tag = "review", security(("account" = [])), params(("code" = String, Path)),
    request_body = SaveBody, responses((status = 201, body = MadeAnswer), (status = 422, description = "A filter that makes no sense")))]
pub async fn save(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path(code): Path<String>,
    Body(body): Body<SaveBody>,
) -> Result<(StatusCode, Json<MadeAnswer>)> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let asked =
        axum::extract::Query::try_from_uri(&format!("/?{}", body.query).parse().map_err(|_| wrong_query())?).map_err(|_| wrong_query())?;
    let id = review::save_filter(&app, &person, &appeal, &body.name, &body.query, &asked.0, body.shared).await?;
    Ok((StatusCode::CREATED, Json(MadeAnswer { id })))
}

fn wrong_query() -> Error {
    Error::InvalidFilter { field: "query", why: "an unknown or doubled parameter" }
}

/// Delete one's own saved filter
#[utoipa::path(delete, path = "/api/v1/appeals/{code}/filters/{filter}", tag = "review", security(("account" = [])),
    params(("code" = String, Path), ("filter" = String, Path)), responses((status = 204), (status = 404, description = "None of one's own")))]
pub async fn delete(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path((code, filter)): Path<(String, String)>,
) -> Result<StatusCode> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    review::delete_filter(&app, &person, &appeal, filter.parse().map_err(|()| Error::NotFound)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
