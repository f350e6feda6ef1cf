//! For operation: alive, ready, which build.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::App;
use crate::attest;
use crate::db;
use crate::error::{Error, Result};
use crate::web::extract::AppState;

pub async fn alive() -> &'static str {
    "ok\n"
}

/// A load balancer asks every few seconds, and gives up sooner than a database does that is cut off.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ready means: the database answers, the blob store answers, and this process is not about to end.
pub async fn ready(State(app): State<AppState>) -> Result<Json<Value>> {
    if app.draining.load(Ordering::SeqCst) {
        return Err(Error::TryLater);
    }
    tokio::time::timeout(PATIENCE, look(&app)).await.unwrap_or(Err(Error::TryLater)).map(Json)
}

async fn look(app: &App) -> Result<Value> {
    let mut tx = app.db.read().await?;
    let waiting = db::log::pending_count(&mut tx).await?;
    let unpublished = db::log::head(&mut tx).await?.size() - db::log::published(&mut tx).await?;
    let (jobs, failed) = db::jobs::waiting(&mut tx, app.now()).await?;
    let anchors: Vec<Value> = attest::anchor_standing(app, &mut tx)
        .await?
        .into_iter()
        .map(|a| json!({"kind": a.kind.as_str(), "name": a.name, "size": a.last.map(|l| l.0), "at": a.last.map(|l| l.1), "problem": a.problem, "red": a.red}))
        .collect();
    drop(tx);
    app.blobs.ping().await.map_err(|_| Error::TryLater)?;
    let stopped = app.stopped.lock().ok().and_then(|s| s.clone());
    Ok(json!({
        "log_stopped": stopped,
        "database": app.db.name(),
        "blobs": app.blobs.name(),
        "events_waiting": waiting + unpublished,
        "jobs_waiting": jobs,
        "jobs_failed_before": failed,
        "anchors": anchors,
        "sequences": app.sequences.load(Ordering::Relaxed),
    }))
}

pub async fn version(State(app): State<AppState>) -> Json<Value> {
    Json(json!({"version": env!("CARGO_PKG_VERSION"), "build": app.stamp.app}))
}
