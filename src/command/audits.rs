//! `temoin audit`, `temoin fixity` and `temoin log recover`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::app::App;
use crate::attest::{self, AuditReport, FixityScope};
use crate::config::{Config, Flags};
use crate::domain::actor::Actor;
use crate::domain::purpose::worded;
use crate::domain::value::HOUR_US;
use crate::error::{Error, Result};

pub async fn audit(flags: &Flags, json: bool) -> Result<ExitCode> {
    let app = App::open_existing(Config::load(flags)?).await?;
    // A log that may not be extended can still be judged.
    if let Err(e) = attest::sequence_all(&app).await {
        tracing::error!(cause = %e, "the log was not extended");
    }
    let report = attest::audit(&app).await?;
    say_report(&app, "log", &report, json).await
}

/// `temoin log recover`.
pub async fn recover(flags: &Flags) -> Result<ExitCode> {
    let app = App::open_behind(Config::load(flags)?).await?;
    let done = attest::recover(&app).await?;
    app.db.close().await;
    // With the keys as the entries told of them.
    let app = App::open_existing(Config::load(flags)?).await?;
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

/// `temoin log rotate-key`.
pub async fn rotate_key(flags: &Flags, finish: bool) -> Result<ExitCode> {
    let app = App::open_existing(Config::load(flags)?).await?;
    if finish {
        attest::retire_key(&app).await?;
        app.db.close().await;
        attest::sequence_all(&*App::open_existing(Config::load(flags)?).await?).await?;
        say!("the old key is destroyed here; copy {} to every other node and start them", app.config.log.seed_file);
        return Ok(ExitCode::SUCCESS);
    }
    let new = attest::rotate_key(&app).await?;
    app.db.close().await;
    let app = App::open_existing(Config::load(flags)?).await?;
    attest::sequence_all(&app).await?;
    say!("{new}");
    say!("Copy {} to every node and start them. Hand out {}/log/policy;", app.config.log.seed_file, app.config.public_url);
    say!("when everybody who verifies has it: temoin log rotate-key --finish");
    Ok(ExitCode::SUCCESS)
}

/// `temoin log new-epoch`.
pub async fn new_epoch(flags: &Flags, reason: &str) -> Result<ExitCode> {
    if !worded(reason) {
        return Err(Error::Invalid { field: "reason", why: "in words".into() });
    }
    let app = App::open_existing(Config::load(flags)?).await?;
    let epoch = attest::new_epoch(&app, reason).await?;
    app.db.close().await;
    say!("{} is closed. {} carries on with {} of its entries", app.signer.origin(), epoch.origin, epoch.kept);
    if epoch.lost > 0 {
        say!("{} published entries are lost: numbers {} to {}", epoch.lost, epoch.kept, epoch.kept + epoch.lost - 1);
    }
    say!("{}", epoch.key);
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args)]
pub struct Fixity {
    /// Only what was not read for so many hours: an interrupted run goes on with this
    #[arg(long, value_name = "HOURS")]
    unread_for: Option<u32>,
    /// No faster than so many megabytes per second
    #[arg(long, value_name = "MB")]
    rate: Option<u64>,
    /// Write the report there as JSON, and its signature by the log's key beside it (FILE.sig; `ssh-keygen -Y verify`,
    /// namespace fixity-report)
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

pub async fn fixity(flags: &Flags, asked: &Fixity) -> Result<ExitCode> {
    let app = App::open_existing(Config::load(flags)?).await?;
    let bar = ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner());
    let begun = app.now();
    let scope = FixityScope {
        unread_since: begun.plus(-i64::from(asked.unread_for.unwrap_or(0)) * HOUR_US),
        bytes_per_second: asked.rate.map(|mb| mb.saturating_mul(1_000_000)),
        bytes_max: u64::MAX,
    };
    let report = attest::fixity(&app, scope, |bytes| bar.set_message(format!("{} MB read", bytes / 1_000_000))).await?;
    bar.finish_and_clear();
    if let Some(path) = &asked.report {
        let said = json!({"log": app.signer.origin(), "program": app.stamp.app, "begun_at": begun, "ended_at": app.now(), "unread_since": scope.unread_since, "report": report});
        let text = serde_json::to_vec_pretty(&said).map_err(Error::internal)?;
        fs::write(path, &text)?;
        fs::write(format!("{}.sig", path.display()), app.signer.sign_file(FIXITY_NAMESPACE, &text))?;
    }
    say_report(&app, "fixity", &report, asked.json).await
}

/// Keeps signatures of fixity reports apart from every other use of the key.
const FIXITY_NAMESPACE: &str = "fixity-report";

/// Findings printed for people.
const FINDINGS_SHOWN: usize = 50;

/// Prints a report and writes the audit itself into the log.
async fn say_report(app: &App, what: &'static str, report: &AuditReport, json: bool) -> Result<ExitCode> {
    attest::record_run(app, Actor::Operator, what, report).await?;
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
