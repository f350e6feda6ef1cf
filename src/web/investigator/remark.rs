//! The form on an exhibit's page for notes and marks.

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::domain::review::Remark;
use crate::error::{Error, Result};
use crate::review;
use crate::web::extract::{AppState, Decider, PathId};

#[derive(Deserialize)]
pub struct RemarkForm {
    #[serde(default)]
    words: String,
    /// Seconds.
    #[serde(default)]
    from_s: String,
    #[serde(default)]
    to_s: String,
    /// Left, top, width and height in thousandths.
    #[serde(default)]
    region: String,
    /// A remark of one's own.
    #[serde(default)]
    take_away: String,
}

/// Writes a note or a mark, or takes one's own away.
pub async fn remark(
    State(app): State<AppState>,
    Decider(person): Decider,
    PathId(id): PathId,
    Form(form): Form<RemarkForm>,
) -> Result<Response> {
    if form.take_away.is_empty() {
        review::remark(&app, &person, id, read_remark(form)?, None).await?;
    } else {
        review::unremark(&app, &person, id, form.take_away.parse().map_err(|()| Error::NotFound)?).await?;
    }
    Ok(Redirect::to(&format!("/exhibits/{id}#remarks")).into_response())
}

fn read_remark(form: RemarkForm) -> Result<Remark> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let moment = |text: &str, field: &'static str| match text.trim() {
        "" => Ok(None),
        text => match text.replace(',', ".").parse::<f64>() {
            Ok(s) if (0.0..=86_400.0).contains(&s) => Ok(Some((s * 1000.0).round() as u64)),
            _ => Err(Error::Invalid { field, why: "seconds, as 12.5".into() }),
        },
    };
    let region = match form.region.trim() {
        "" => None,
        text => {
            let numbers: Option<Vec<u16>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
            let four = numbers.and_then(|n| <[u16; 4]>::try_from(n).ok());
            Some(four.ok_or(Error::Invalid { field: "region", why: "left, top, width, height in thousandths".into() })?)
        }
    };
    Ok(Remark { from_ms: moment(&form.from_s, "from_s")?, to_ms: moment(&form.to_s, "to_s")?, region, words: form.words })
}
