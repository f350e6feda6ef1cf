//! `/audit`: the record at a glance. Head, last replay, how much of the store was read again, who outside vouches; and "check now".

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;

use super::record;
use crate::attest::{self, AuditReport};
use crate::db;
use crate::domain::job::Job;
use crate::domain::value::{DAY_US, Utc};
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Auditing, Frame};
use crate::web::respond::page;

struct Run {
    at: String,
    /// When an earlier one last found something.
    bad: Option<String>,
    findings: u64,
    said: Vec<(String, String)>,
    /// What it went through: entries or bytes.
    amount: String,
}

struct Anchor {
    kind: &'static str,
    name: String,
    last: String,
    problem: String,
    red: bool,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct IntegrityPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    size: u64,
    root: String,
    checkpoint: String,
    key: String,
    waiting: u64,
    log: Option<Run>,
    fixity: Option<Run>,
    contents: u64,
    never: u64,
    oldest: String,
    anchors: Vec<Anchor>,
    /// Who looked at more in a minute than people do: name, looks, when.
    unusual: Vec<(String, u64, String)>,
    asked: bool,
}

/// How far back unusual access is shown, and how much of it; the log has all.
const UNUSUAL_US: i64 = 30 * DAY_US;
const UNUSUAL_ROWS: i64 = 50;

fn run(found: Option<db::audits::Run>, bad: Option<Utc>, amount: impl Fn(&AuditReport) -> String) -> Option<Run> {
    let found = found?;
    let report: AuditReport = serde_json::from_str(&found.report).unwrap_or_default();
    Some(Run {
        at: found.at.to_the_second(),
        bad: bad.filter(|at| *at != found.at).map(Utc::to_the_second),
        findings: found.findings,
        amount: amount(&report),
        said: report.findings.into_iter().map(|f| (f.what.to_string(), f.detail)).collect(),
    })
}

pub async fn show(State(app): State<AppState>, Auditing(person): Auditing, frame: Frame) -> Result<Response> {
    record(&app, &person, "integrity", |draft| draft).await?;
    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let head = db::log::head(&mut tx).await?;
    let checkpoint = db::log::last_checkpoint(&mut tx).await?.map(|(_, note)| note).unwrap_or_default();
    let coverage = db::audits::coverage(&mut tx).await?;
    let anchors = attest::anchor_standing(&app, &mut tx).await?;
    let waiting = db::log::pending_count(&mut tx).await?;
    let log = run(db::audits::last(&mut tx, "log").await?, db::audits::last_bad(&mut tx, "log").await?, |r| {
        fl!(t, "audit-entries", n = r.entries)
    });
    let fixity = run(db::audits::last(&mut tx, "fixity").await?, db::audits::last_bad(&mut tx, "fixity").await?, |r| {
        fl!(t, "audit-blobs", n = r.blobs)
    });
    let unusual = db::accounts::unusual_since(&mut tx, person.agency, app.now().plus(-UNUSUAL_US), UNUSUAL_ROWS).await?;
    let due = db::jobs::by_kind(&mut tx, app.now()).await?;
    let checking = due.iter().any(|(kind, due, ..)| *due > 0 && [Job::Audit.kind(), Job::Fixity.kind()].contains(&kind.as_str()));
    drop(tx);
    let anchors = anchors.into_iter().map(|a| Anchor {
        kind: a.kind.as_str(),
        last: a.last.map_or_else(|| fl!(t, "anchor-never"), |(size, at)| fl!(t, "anchor-last", size = size, at = at.to_the_second())),
        problem: match (&a.problem, a.waiting_since) {
            (Some(problem), _) => problem.clone(),
            (None, Some(since)) if a.red => fl!(t, "anchor-late", since = since.to_the_second()),
            _ => String::new(),
        },
        red: a.red,
        name: a.name,
    });
    page(&IntegrityPage {
        t,
        size: head.size(),
        root: head.root().base64(),
        checkpoint,
        key: app.signer.verifier().to_string(),
        waiting,
        log,
        fixity,
        contents: coverage.contents,
        never: coverage.never,
        oldest: coverage.oldest.map(Utc::to_the_second).unwrap_or_default(),
        anchors: anchors.collect(),
        unusual: unusual.into_iter().map(|(name, looks, at)| (name, looks, at.to_the_second())).collect(),
        // Said while it is so.
        asked: frame.here.contains("asked=") && checking,
        frame,
    })
}

#[derive(Deserialize)]
pub struct What {
    what: String,
}

/// Asks a worker to check now; what it finds is in the log and on the page.
pub async fn check_now(State(app): State<AppState>, Auditing(person): Auditing, Form(given): Form<What>) -> Result<Response> {
    let job = match given.what.as_str() {
        "log" => Job::Audit,
        "fixity" => Job::Fixity,
        _ => return Err(Error::Invalid { field: "what", why: "log or fixity".into() }),
    };
    record(&app, &person, "check-now", |draft| draft.fact("audit", job.kind())).await?;
    let mut tx = app.db.begin().await?;
    db::jobs::bring_forward(&mut tx, app.new_id(), job, app.now()).await?;
    tx.commit().await?;
    app.work.notify_one();
    Ok(Redirect::to("/audit?asked=1").into_response())
}
