//! What is counted of this process for its operator, under names that dashboards rely on (`docs/operate/metrics.md`). Numbers only: no name, no
//! place, no id of anybody or anything ever becomes a label.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::error::{Error, Result};

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Upper bounds of what is timed, in seconds.
const SECONDS: [f64; 15] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 120.0, 600.0, 3600.0];

/// Begins to count. Without it, counting costs nothing and shows nowhere.
pub fn begin() -> Result<()> {
    let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS).map_err(Error::internal)?;
    let handle = builder.install_recorder().map_err(Error::internal)?;
    let _ = RECORDER.set(handle);
    describe_counter!("temoin_http_requests_total", "Requests that were answered, by route, method and status");
    describe_histogram!("temoin_http_request_seconds", "Until an answer began");
    describe_counter!("temoin_received_bytes_total", "Bytes of exhibits that were acknowledged");
    describe_counter!("temoin_exhibits_received_total", "Exhibits that were acknowledged");
    describe_histogram!("temoin_receipt_seconds", "From a file's last byte to its acknowledgement");
    describe_gauge!("temoin_uploads_in_progress", "Requests that bring a file");
    describe_counter!("temoin_refusals_total", "Refusals, by their code");
    describe_counter!("temoin_policy_violations_total", "What pages tried that their policy forbids, as browsers report it, by directive");
    describe_gauge!("temoin_log_size", "Entries of the custody log");
    describe_gauge!("temoin_log_published_size", "Entries of the custody log that are published");
    describe_gauge!("temoin_log_waiting_events", "Events that wait for their place in the log");
    describe_gauge!("temoin_log_oldest_waiting_seconds", "How long the oldest of them waits");
    describe_histogram!("temoin_log_lag_seconds", "From an event to the published checkpoint over it");
    describe_gauge!("temoin_log_sequencer", "1 on the node that sequences");
    describe_gauge!("temoin_log_stopped", "1 while the log is not extended");
    describe_gauge!("temoin_jobs_ready", "Jobs that are due, by kind");
    describe_gauge!("temoin_jobs_oldest_ready_seconds", "How long the oldest due job waits, by kind");
    describe_gauge!("temoin_jobs_failing", "Jobs that failed before and will be tried again, by kind");
    describe_counter!("temoin_jobs_done_total", "Jobs that ended, by kind and outcome");
    describe_histogram!("temoin_job_seconds", "How long a job took, by kind");
    describe_histogram!("temoin_store_request_seconds", "How long the blob store took, by what was asked");
    describe_counter!("temoin_store_errors_total", "Requests to the blob store that failed, by what was asked");
    describe_gauge!("temoin_store_free_bytes", "Room that is left on the disk of the blob store");
    describe_counter!("temoin_database_errors_total", "Times that the database was away or could not write");
    describe_gauge!("temoin_database_up", "1 while the database answers");
    describe_gauge!("temoin_database_connections", "Connections to the database, by pool and state");
    describe_gauge!("temoin_audit_last_seconds", "When the log was last replayed, in seconds since 1970");
    describe_gauge!("temoin_audit_findings", "Contradictions that the last replay found");
    describe_gauge!("temoin_fixity_oldest_check_seconds", "How long ago the bytes were read again that wait longest for it");
    describe_gauge!("temoin_fixity_damaged", "Contradictions that the last reading of the store found");
    describe_gauge!("temoin_anchor_age_seconds", "How long ago an outsider last vouched for the log, by kind and name");
    describe_gauge!("temoin_erasures_waiting", "Erasures that are asked for and that not enough people have answered");
    describe_gauge!("temoin_erasures_oldest_waiting_seconds", "How long the oldest of them waits");
    describe_gauge!("temoin_reviews_overdue", "Appeals that somebody should have looked at: whether they are still needed");
    describe_gauge!("temoin_build_info", "Always 1, with the version and the node");
    metrics_process::Collector::default().describe();
    Ok(())
}

/// Everything, in the text format of Prometheus; `None` where nothing is counted.
pub fn text() -> Option<String> {
    let handle = RECORDER.get()?;
    metrics_process::Collector::default().collect();
    Some(handle.render())
}

/// Called now and then, or what is timed piles up until somebody asks.
pub fn tidy() {
    if let Some(handle) = RECORDER.get() {
        handle.run_upkeep();
    }
}

pub fn request(route: String, method: &'static str, status: u16, took: Duration) {
    counter!("temoin_http_requests_total", "route" => route.clone(), "method" => method, "status" => status.to_string()).increment(1);
    histogram!("temoin_http_request_seconds", "route" => route).record(took.as_secs_f64());
}

pub fn received(bytes: u64, took: Duration) {
    counter!("temoin_exhibits_received_total").increment(1);
    counter!("temoin_received_bytes_total").increment(bytes);
    histogram!("temoin_receipt_seconds").record(took.as_secs_f64());
}

pub fn refused(code: &'static str) {
    counter!("temoin_refusals_total", "code" => code).increment(1);
}

pub fn policy_violated(directive: &'static str) {
    counter!("temoin_policy_violations_total", "directive" => directive).increment(1);
}

pub fn published(lag_us: i64) {
    #[allow(clippy::cast_precision_loss)]
    histogram!("temoin_log_lag_seconds").record(lag_us.max(0) as f64 / 1e6);
}

pub fn job(kind: &'static str, ok: bool, took: Duration) {
    counter!("temoin_jobs_done_total", "kind" => kind, "outcome" => if ok { "ok" } else { "failed" }).increment(1);
    histogram!("temoin_job_seconds", "kind" => kind).record(took.as_secs_f64());
}

pub fn store(what: &'static str, took: Duration) {
    histogram!("temoin_store_request_seconds", "what" => what).record(took.as_secs_f64());
}

pub fn store_error(what: &'static str) {
    counter!("temoin_store_errors_total", "what" => what).increment(1);
}

pub fn database_error() {
    counter!("temoin_database_errors_total").increment(1);
}

/// Something that is looked at when somebody asks.
pub fn shows(name: &'static str, value: f64) {
    gauge!(name).set(value);
}

/// The same of one kind among several.
pub fn shows_of(name: &'static str, labels: &[(&'static str, String)], value: f64) {
    let labels: Vec<metrics::Label> = labels.iter().map(|(key, value)| metrics::Label::new(*key, value.clone())).collect();
    gauge!(name, labels).set(value);
}
