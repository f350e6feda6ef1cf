//! The operator's own listener: `/metrics` for Prometheus. Apart from the public one, because numbers tell a stranger how large a case is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::job::Job;
use crate::domain::value::SECOND_US;
use crate::error::{Error, Result};
use crate::observe::{self, shows, shows_of};

/// Prometheus gives a target ten seconds: what the database does not say until then stays as it was, and `temoin_database_up` is 0.
const PATIENCE: Duration = Duration::from_secs(5);
const TIDY: Duration = Duration::from_secs(5);

/// Begins to count and to answer, if an address is configured.
pub async fn begin(app: &Arc<App>) -> Result<()> {
    let address = &app.config.metrics.listen;
    if address.is_empty() {
        return Ok(());
    }
    let listener = TcpListener::bind(address).await.map_err(|e| Error::Internal(format!("metrics: cannot listen on {address}: {e}")))?;
    observe::begin()?;
    let router = Router::new().route("/metrics", get(metrics)).with_state(app.clone());
    // (No deadlines as on the public listener: whoever reaches this one is the operator.)
    tokio::spawn(async move { axum::serve(listener, router).await });
    tokio::spawn(async {
        loop {
            tokio::time::sleep(TIDY).await;
            observe::tidy();
        }
    });
    Ok(())
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let up = matches!(tokio::time::timeout(PATIENCE, look(&app)).await, Ok(Ok(())));
    shows("temoin_database_up", if up { 1.0 } else { 0.0 });
    match observe::text() {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What is not counted as it happens.
#[allow(clippy::cast_precision_loss)]
async fn look(app: &App) -> Result<()> {
    shows_of("temoin_build_info", &[("version", env!("CARGO_PKG_VERSION").into()), ("node", app.config.node.clone())], 1.0);
    shows("temoin_uploads_in_progress", app.traffic.gate.uploads_under_way() as f64);
    shows("temoin_log_sequencer", f64::from(u8::from(app.sequences.load(Ordering::Relaxed))));
    shows("temoin_log_stopped", f64::from(u8::from(app.stopped.lock().is_ok_and(|s| s.is_some()))));
    if let Some(free) = app.blobs.free_bytes() {
        shows("temoin_store_free_bytes", free as f64);
    }
    for (pool, open, idle) in app.db.connections() {
        let label = |state: &str| [("pool", pool.to_owned()), ("state", state.to_owned())];
        shows_of("temoin_database_connections", &label("idle"), idle as f64);
        shows_of("temoin_database_connections", &label("busy"), f64::from(open) - idle as f64);
    }
    let now = app.now();
    let ago = |micros: i64| (now.micros() - micros).max(0) as f64 / SECOND_US as f64;
    let mut tx = app.db.read().await?;
    shows("temoin_log_size", db::log::head(&mut tx).await?.size() as f64);
    shows("temoin_log_published_size", db::log::published(&mut tx).await? as f64);
    shows("temoin_log_waiting_events", db::log::pending_count(&mut tx).await? as f64);
    let oldest = db::log::pending(&mut tx, 1).await?.first().map_or(0.0, |p| ago(p.event.at().micros()));
    shows("temoin_log_oldest_waiting_seconds", oldest);
    let waiting = db::jobs::by_kind(&mut tx, now).await?;
    // Every kind each time, or one that is done with would be shown as it last was.
    for kind in Job::KINDS {
        let (ready, since, failing) = waiting.iter().find(|w| w.0 == kind).map_or((0, 0, 0), |w| (w.1, w.2, w.3));
        let label = [("kind", kind.to_owned())];
        shows_of("temoin_jobs_ready", &label, ready as f64);
        shows_of("temoin_jobs_oldest_ready_seconds", &label, if since > 0 { ago(since) } else { 0.0 });
        shows_of("temoin_jobs_failing", &label, failing as f64);
    }
    if let Some(run) = db::audits::last(&mut tx, "log").await? {
        shows("temoin_audit_last_seconds", run.at.micros() as f64 / SECOND_US as f64);
        shows("temoin_audit_findings", run.findings as f64);
    }
    if let Some(run) = db::audits::last(&mut tx, "fixity").await? {
        shows("temoin_fixity_damaged", run.findings as f64);
    }
    if let Some(oldest) = db::audits::coverage(&mut tx).await?.oldest {
        shows("temoin_fixity_oldest_check_seconds", ago(oldest.micros()));
    }
    let (erasures, since) = db::retention::unanswered(&mut tx).await?;
    shows("temoin_erasures_waiting", erasures as f64);
    shows("temoin_erasures_oldest_waiting_seconds", since.map_or(0.0, |at| ago(at.micros())));
    shows("temoin_reviews_overdue", db::periods::reviews_overdue(&mut tx, now).await? as f64);
    for anchor in attest::anchor_standing(app, &mut tx).await? {
        let label = [("kind", anchor.kind.as_str().to_owned()), ("name", anchor.name)];
        if let Some((_, at)) = anchor.last {
            shows_of("temoin_anchor_age_seconds", &label, ago(at.micros()));
        }
    }
    Ok(())
}
