//! Reading the store again: every original's SHA-256 against the one under which it was received, what was read longest ago first.
//! Each page of reads is written down, so that an interrupted run goes on where it was.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::audit::Report;
use super::{append, record_run};
use crate::app::App;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::value::{DAY_US, Id, Sha256, Utc};
use crate::error::{Error, Result};

/// Blobs that are read at the same time.
const AT_ONCE: usize = 2;
/// Blobs that are written down together.
const PAGE: i64 = 200;
/// Exhibits of one event: an entry has its limit.
const SUBJECTS: usize = 40;

/// What is read, and how fast.
#[derive(Clone, Copy)]
pub struct Scope {
    /// Only what was not read since.
    pub unread_since: Utc,
    pub bytes_per_second: Option<u64>,
    /// After that the rest is left for another run.
    pub bytes_max: u64,
}

/// Reads, and reports. `progress` hears of the bytes so far.
pub async fn fixity(app: &App, scope: Scope, mut progress: impl FnMut(u64)) -> Result<Report> {
    let mut report = Report::default();
    let begun = Instant::now();
    while report.bytes < scope.bytes_max {
        let mut tx = app.db.read().await?;
        let page = db::audits::unread_since(&mut tx, scope.unread_since, PAGE).await?;
        drop(tx);
        if page.is_empty() {
            break;
        }
        let reads = page
            .into_iter()
            .map(|(agency, expected, size, key)| async move { (agency, expected, size, app.blobs.digest(&key, size).await) });
        let mut reads = futures_util::stream::iter(reads).buffered(AT_ONCE);
        let mut done = Vec::new();
        while let Some((agency, expected, size, read)) = reads.next().await {
            let found = match read {
                Ok((found, bytes)) if found == expected && bytes == size => None,
                Ok((found, bytes)) => {
                    report.add("blob-changed", format!("{expected}: {bytes} bytes of {size}, now {found}"));
                    Some(found.to_string())
                }
                // A store that is away contradicts nothing.
                Err(Error::TryLater) => return Err(Error::TryLater),
                Err(e) => {
                    report.add("blob-unreadable", format!("{expected}: {e}"));
                    Some("unreadable".to_owned())
                }
            };
            done.push((agency, expected, found));
            report.blobs += 1;
            report.bytes += size;
            progress(report.bytes);
            if let Some(rate) = scope.bytes_per_second.filter(|r| *r > 0) {
                let due = Duration::from_millis(report.bytes.saturating_mul(1_000) / rate);
                tokio::time::sleep(due.saturating_sub(begun.elapsed())).await;
            }
            if report.bytes >= scope.bytes_max {
                break;
            }
        }
        write_down(app, done).await?;
    }
    Ok(report)
}

/// One transaction: when these were read, and an event for each that is not what it was.
async fn write_down(app: &App, done: Vec<(Id, Sha256, Option<String>)>) -> Result<()> {
    let mut tx = app.db.begin_apart().await?;
    for (agency, sha256, wrong) in done {
        db::audits::set_read(&mut tx, agency, sha256, app.now()).await?;
        let Some(found) = wrong else { continue };
        for group in db::exhibits::with_bytes(&mut tx, agency, sha256).await?.chunks(SUBJECTS) {
            let draft = Draft::new(EventType::FixityFailed, Actor::System).private("found", found.clone());
            let draft = group.iter().fold(draft, |draft, (exhibit, _)| draft.about(SubjectKind::Exhibit, *exhibit));
            append(app, &mut tx, draft).await?;
        }
    }
    tx.commit().await
}

/// The scheduled slice: a share of what is due, at the configured rate, with its result in the log.
pub async fn fixity_slice(app: &App) -> Result<()> {
    let f = &app.config.fixity;
    let scope = Scope {
        unread_since: app.now().plus(-i64::try_from(f.days).unwrap_or(30) * DAY_US),
        bytes_per_second: Some(f.bytes_per_second),
        // A quarter of an hour's worth: the next slice comes soon, and a restart loses little.
        bytes_max: f.bytes_per_second.saturating_mul(900),
    };
    let report = fixity(app, scope, |_| {}).await?;
    if report.blobs > 0 {
        record_run(app, Actor::System, "fixity", &report).await?;
    }
    Ok(())
}
