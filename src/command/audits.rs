//! `temoin audit`, `temoin fixity` and `temoin log recover`.

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use crate::app::App;
use crate::attest::{self, AuditReport};
use crate::config::{Config, Flags};
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType};
use crate::error::{Error, Result};

pub async fn audit(flags: &Flags, json: bool) -> Result<ExitCode> {
    let app = App::open(Config::load(flags)?).await?;
    // A log that may not be extended can still be judged.
    if let Err(e) = attest::sequence_all(&app).await {
        tracing::error!(cause = %e, "the log was not extended");
    }
    let report = attest::audit(&app).await?;
    say_report(&app, "log", &report, json).await
}

/// `temoin log recover`.
pub async fn recover(flags: &Flags) -> Result<ExitCode> {
    let app = App::open(Config::load(flags)?).await?;
    let done = attest::recover(&app).await?;
    attest::sequence_all(&app).await?;
    match done.to - done.from {
        0 => say!("nothing was missing: {} entries", done.to),
        n => say!(
            "{n} entries were put back, {} to {}. Now run `temoin audit`: it names what they tell of and is lost",
            done.from,
            done.to - 1
        ),
    }
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

pub async fn fixity(flags: &Flags, json: bool) -> Result<ExitCode> {
    let app = App::open(Config::load(flags)?).await?;
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
    let report = attest::fixity(&app, |bytes| bar.set_message(format!("{} MB read", bytes / 1_000_000))).await?;
    bar.finish_and_clear();
    say_report(&app, "fixity", &report, json).await
}

/// Findings printed for people.
const FINDINGS_SHOWN: usize = 50;

/// Prints a report and writes the audit itself into the log.
async fn say_report(app: &App, what: &'static str, report: &AuditReport, json: bool) -> Result<ExitCode> {
    let mut tx = app.db.begin().await?;
    let draft = Draft::new(EventType::AuditRun, Actor::Operator).fact("audit", what).fact("findings", report.findings.len());
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    if json {
        say!("{}", serde_json::to_string(report).map_err(Error::internal)?);
    } else {
        for f in report.findings.iter().take(FINDINGS_SHOWN) {
            say!("{}: {}", f.what, f.detail);
        }
        if report.findings.len() > FINDINGS_SHOWN {
            say!("… and {} more; --json lists them all", report.findings.len() - FINDINGS_SHOWN);
        }
        if what == "log" {
            say!("{} entries, {} exhibits, root {}", report.entries, report.exhibits, report.root);
        } else {
            say!("{} blobs, {} bytes", report.blobs, report.bytes);
        }
        say!("{}", if report.findings.is_empty() { "sound" } else { "CONTRADICTED" });
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
