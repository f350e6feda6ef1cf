//! `/exhibits/{id}/family`: parting what the program joined, joining what it did not.

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::review;
use crate::web::extract::{AppState, Decider, PathId};

#[derive(Deserialize)]
pub struct FamilyForm {
    act: String,
    #[serde(default)]
    other: String,
    #[serde(default)]
    reason: String,
}

pub async fn act(
    State(app): State<AppState>,
    Decider(person): Decider,
    PathId(id): PathId,
    Form(form): Form<FamilyForm>,
) -> Result<Response> {
    match form.act.as_str() {
        "part" => review::part(&app, &person, id, &form.reason).await?,
        "join" => {
            // An address as it stands in the browser will do.
            let other = form.other.trim().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let other =
                other.parse().map_err(|()| Error::Invalid { field: "other", why: "the number of an exhibit, or its address".into() })?;
            review::join(&app, &person, id, other, &form.reason).await?;
        }
        _ => return Err(Error::Invalid { field: "act", why: "part or join".into() }),
    }
    Ok(Redirect::to(&format!("/exhibits/{id}#family")).into_response())
}
