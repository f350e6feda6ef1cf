//! `/audit/exhibits/{id}`: one exhibit's custody from its receipt on, each entry recomputed before the reader's eyes. No media, and
//! nothing that a commitment hides.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde_json::Value;

use super::{Row, names, record, row};
use crate::db;
use crate::domain::custody::SubjectKind;
use crate::domain::custody::merkle::leaf_hash;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Auditing, Frame, PathId};
use crate::web::respond::page;

struct Step {
    row: Row,
    n: u64,
    leaf: String,
    /// Facts that only a commitment tells of, and how many of them are still kept beside the log.
    hidden: usize,
    kept: usize,
    /// Whether the bytes have this leaf, the number follows, and the leaf before is the one that it names.
    holds: bool,
}

#[derive(Template)]
#[template(path = "audit_custody.html")]
struct CustodyPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    id: String,
    steps: Vec<Step>,
    whole: bool,
}

pub async fn show(State(app): State<AppState>, Auditing(person): Auditing, frame: Frame, PathId(id): PathId) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let known = db::log::first_of_subject(&mut tx, SubjectKind::Exhibit.as_str(), &id.to_string()).await?.is_some();
    let agency = db::exhibits::by_id(&mut tx, id).await?.map(|e| e.agency);
    drop(tx);
    // Erased ones have no row any more; their history is still there for whoever audits.
    if !known || agency.is_some_and(|a| a != person.agency) {
        return Err(Error::NotFound);
    }
    record(&app, &person, "custody", |draft| draft.about(SubjectKind::Exhibit, id)).await?;
    let mut tx = app.db.read().await?;
    let (t, names) = (frame.language.texts(), names(&mut tx, &person).await?);
    let mut before: Option<Sha256> = None;
    let mut steps = Vec::new();
    for (n, entry) in db::log::of_subject(&mut tx, SubjectKind::Exhibit.as_str(), &id.to_string()).await?.iter().enumerate() {
        let said: Value = serde_json::from_slice(&entry.bytes).unwrap_or_default();
        let own = said["subj"].as_array().into_iter().flatten().find(|s| s["id"] == id.to_string().as_str()).cloned().unwrap_or_default();
        let leaf = leaf_hash(&entry.bytes);
        let follows = own["n"].as_u64() == Some(n as u64) && own["p"].as_str().and_then(Sha256::from_base64) == before;
        steps.push(Step {
            row: row(t, entry, &names),
            n: n as u64,
            leaf: leaf.base64(),
            hidden: said["d"].as_array().map_or(0, Vec::len),
            kept: db::log::openings(&mut tx, entry.event).await?.len(),
            holds: leaf == entry.leaf && follows,
        });
        before = Some(leaf);
    }
    drop(tx);
    page(&CustodyPage { t, id: id.to_string(), whole: steps.iter().all(|s| s.holds), steps, frame })
}
