//! The form on an exhibit's page that decides, or takes one's own decision back.

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::domain::review::Decision;
use crate::error::{Error, Result};
use crate::review;
use crate::web::extract::{AppState, Decider, PathId};

#[derive(Deserialize)]
pub struct DecisionForm {
    /// A decision, or `undo`.
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
    if form.decision == "undo" {
        review::take_back(&app, &person, id, form.version).await?;
    } else {
        let decision = Decision::parse(&form.decision).ok_or(Error::Invalid { field: "decision", why: "no such decision".into() })?;
        review::decide(&app, &person, id, decision, &form.note, Some(form.version)).await?;
    }
    Ok(Redirect::to(&format!("/exhibits/{id}#decision")).into_response())
}
