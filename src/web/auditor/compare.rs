//! `/audit/compare`: two checkpoints, or receipts that contain them, held against each other: one history that grew, or two.

use askama::Template;
use axum::extract::{Form, State};
use axum::response::Response;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use super::{Said, record, said, verdict_words};
use crate::attest::{self, ConsistencyProof, compare};
use crate::db;
use crate::domain::custody::{Checkpoint, LogProof};
use crate::error::Result;
use crate::web::extract::{AppState, Auditing, Frame};
use crate::web::respond::page;

#[derive(Template)]
#[template(path = "audit_compare.html")]
struct ComparePage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    one: String,
    other: String,
    verdict: Option<(String, &'static str)>,
    findings: Vec<Said>,
}

#[derive(Deserialize, Default)]
pub struct Given {
    #[serde(default)]
    one: String,
    #[serde(default)]
    other: String,
}

pub async fn show(State(app): State<AppState>, Auditing(person): Auditing, frame: Frame) -> Result<Response> {
    record(&app, &person, "compare", |draft| draft).await?;
    let mut tx = app.db.read().await?;
    let today = db::log::last_checkpoint(&mut tx).await?.map(|(_, note)| note).unwrap_or_default();
    page(&ComparePage { t: frame.language.texts(), frame, one: String::new(), other: today, verdict: None, findings: Vec::new() })
}

/// A checkpoint, or the one inside a receipt, as a form sends it.
fn checkpoint(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let text = format!("{}\n", text.trim());
    LogProof::parse(&text).map_or(text, |proof| proof.checkpoint)
}

pub async fn judge(State(app): State<AppState>, Auditing(person): Auditing, frame: Frame, Form(given): Form<Given>) -> Result<Response> {
    record(&app, &person, "compare", |draft| draft).await?;
    let t = frame.language.texts();
    let (one, other) = (checkpoint(&given.one), checkpoint(&given.other));
    let sizes = |text: &str| Checkpoint::parse(text).map(|c| c.size);
    let mut tx = app.db.read().await?;
    let today = db::log::head(&mut tx).await?.size();
    let proof = match (sizes(&one), sizes(&other)) {
        (Some(a), Some(b)) if a.max(b) <= today => {
            let (old, new) = (a.min(b), a.max(b));
            attest::consistency(&mut tx, old, new).await?.map(|hashes| ConsistencyProof { old, new, hashes })
        }
        _ => None,
    };
    drop(tx);
    let verdict = compare(&one, &other, proof.as_ref(), Some(&app.trust));
    page(&ComparePage {
        t,
        frame,
        one,
        other,
        verdict: Some(verdict_words(t, verdict.exit)),
        findings: said(t, "compare", verdict.findings),
    })
}
