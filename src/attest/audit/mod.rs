//! The record is watched: the log replayed against the tables and the store, the store read again, and what comes of it written down.

mod asked;
mod copy;
mod fixity;
mod replay;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::append;
use super::log::anchor;
use crate::app::App;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType};
use crate::error::{Error, Result};

pub use asked::{Received, check_receipt, look_up};
pub use copy::audit_copy;
pub use fixity::{Scope, checked, fixity, fixity_slice};
pub use replay::audit;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// A stable word for what is wrong.
    pub what: Cow<'static, str>,
    pub detail: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub entries: u64,
    pub root: String,
    pub exhibits: u64,
    pub blobs: u64,
    pub bytes: u64,
    /// Empty: nothing contradicts anything.
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn add(&mut self, what: &'static str, detail: impl Into<String>) {
        self.findings.push(Finding { what: what.into(), detail: detail.into() });
    }
}

/// The scheduled replay, with its result in the log.
pub async fn audit_scheduled(app: &App) -> Result<()> {
    let report = audit(app).await?;
    record_run(app, Actor::System, "log", &report).await
}

/// Whether somebody has to look at the record: it is not extended, an outsider who should vouch does not, or the last replay or reading of the store
/// found a contradiction.
pub async fn alarm(app: &App) -> Result<bool> {
    if app.stopped.lock().is_ok_and(|stopped| stopped.is_some()) {
        return Ok(true);
    }
    let mut tx = app.db.read().await?;
    for kind in ["log", "fixity"] {
        if db::audits::last(&mut tx, kind).await?.is_some_and(|run| run.findings > 0) {
            return Ok(true);
        }
    }
    Ok(anchor::standing(app, &mut tx).await?.iter().any(|a| a.red))
}

/// Writes a run down: its report for the pages, and its event.
pub async fn record_run(app: &App, actor: Actor, kind: &'static str, report: &Report) -> Result<()> {
    /// Findings that are kept with the run; the count is whole.
    const KEPT: usize = 200;
    if !report.findings.is_empty() {
        tracing::error!(kind, findings = report.findings.len(), "an audit found contradictions");
    }
    let mut kept = report.clone();
    kept.findings.truncate(KEPT);
    let mut tx = app.db.begin().await?;
    db::audits::add(&mut tx, app.new_id(), kind, serde_json::to_string(&kept).map_err(Error::internal)?, report.findings.len(), app.now())
        .await?;
    let draft = Draft::new(EventType::AuditRun, actor)
        .fact("audit", kind)
        .fact("findings", report.findings.len())
        .fact("entries", report.entries)
        .fact("blobs", report.blobs)
        .fact("bytes", report.bytes);
    append(app, &mut tx, draft).await?;
    tx.commit().await
}
