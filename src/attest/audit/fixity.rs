//! Reading the store again: every original's SHA-256 against the one under which it was received, what was read longest ago first.
//! Each page of reads is written down, so that an interrupted run goes on where it was.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::time::Instant;

use super::{Report, record_run};
use crate::app::App;
use crate::attest::append;
use crate::blobs::Reader;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::upload::Midstate;
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
        let reads = page.into_iter().map(|(agency, expected, size, key)| async move {
            let read = app.blobs.digest(&key, size).await;
            (agency, expected, size, read, pictures(app, agency, expected).await)
        });
        let mut reads = futures_util::stream::iter(reads).buffered(AT_ONCE);
        let mut done = Vec::new();
        while let Some((agency, expected, size, read, pictures)) = reads.next().await {
            let found = match read {
                Ok((found, bytes)) if found == expected && bytes == size => None,
                Ok((found, _)) => Some(found.to_string()),
                // A store that is away, or breaks off, contradicts nothing; one that answers, but not for this, does.
                Err(Error::TryLater) => return Err(Error::TryLater),
                Err(_) if app.blobs.ping().await.is_err() => return Err(Error::TryLater),
                Err(_) => Some("unreadable".to_owned()),
            };
            let found = match found {
                Some(found) => match named(app, agency, expected).await? {
                    // Erased while it was read.
                    None => None,
                    Some(exhibit) => {
                        let what = if found == "unreadable" { "blob-unreadable" } else { "blob-changed" };
                        report.add(what, format!("the bytes of exhibit {exhibit} are not what was received: {found}"));
                        Some(found)
                    }
                },
                None => None,
            };
            let picture = match pictures? {
                Some(variant) => match named(app, agency, expected).await? {
                    None => None,
                    Some(exhibit) => {
                        report.add("picture-changed", format!("the {variant} of exhibit {exhibit} is not the one that was made"));
                        Some(variant)
                    }
                },
                None => None,
            };
            done.push(Read { agency, sha256: expected, found, picture });
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

/// What came of reading one content: what was found instead of it, and which of its pictures is not what was made.
struct Read {
    agency: Id,
    sha256: Sha256,
    found: Option<String>,
    picture: Option<&'static str>,
}

/// Reads the pictures that were made of some bytes; the first one that is not what was made.
async fn pictures(app: &App, agency: Id, sha256: Sha256) -> Result<Option<&'static str>> {
    let mut tx = app.db.read().await?;
    let derivatives = db::derivatives::of(&mut tx, agency, sha256).await?;
    drop(tx);
    for d in derivatives {
        let (variant, key) = (d.variant.as_str(), d.key);
        let Some(made) = d.sha256 else { continue };
        let read = match app.blobs.length(&key).await {
            Ok(Some(size)) => app.blobs.digest(&key, size).await.map(|(found, _)| found == made),
            Ok(None) => Ok(false),
            Err(e) => Err(e),
        };
        match read {
            Ok(true) => {}
            Err(Error::TryLater) => return Err(Error::TryLater),
            Err(_) if app.blobs.ping().await.is_err() => return Err(Error::TryLater),
            _ => return Ok(Some(variant)),
        }
    }
    Ok(None)
}

/// The first exhibit with these bytes, if there still is one. Reports name it rather than the hash, which an erasure has to be able to
/// take away.
async fn named(app: &App, agency: Id, sha256: Sha256) -> Result<Option<Id>> {
    let mut tx = app.db.read().await?;
    Ok(db::exhibits::with_bytes(&mut tx, agency, sha256).await?.first().map(|(id, _)| *id))
}

/// One transaction: when these were read, and an event for each that is not what it was.
async fn write_down(app: &App, done: Vec<Read>) -> Result<()> {
    let mut tx = app.db.begin_apart().await?;
    for read in done {
        db::audits::set_read(&mut tx, read.agency, read.sha256, app.now()).await?;
        let failed = || Draft::new(EventType::FixityFailed, Actor::System);
        let wrong =
            [read.found.map(|found| failed().private("found", found)), read.picture.map(|variant| failed().fact("derivative", variant))];
        for draft in wrong.into_iter().flatten() {
            for group in db::exhibits::with_bytes(&mut tx, read.agency, read.sha256).await?.chunks(SUBJECTS) {
                let draft = group.iter().fold(draft.clone(), |draft, (exhibit, _)| draft.about(SubjectKind::Exhibit, *exhibit));
                append(app, &mut tx, draft).await?;
            }
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
        bytes_max: if f.bytes_per_second == 0 { u64::MAX } else { f.bytes_per_second.saturating_mul(900) },
    };
    let report = fixity(app, scope, |_| {}).await?;
    if report.blobs > 0 {
        record_run(app, Actor::System, "fixity", &report).await?;
    }
    Ok(())
}

/// The bytes of an original on their way out, hashed as they go. The last piece is held back until the hash is known to be the one
/// under which they were received; if it is not, the stream breaks off, and that it did is an event.
pub fn checked(app: Arc<App>, exhibit: Id, expected: Sha256, bytes: Reader) -> Reader {
    let state = (bytes, Midstate::default(), None::<Bytes>, false);
    stream::try_unfold(state, move |(mut bytes, mut hash, mut held, done)| {
        let app = app.clone();
        async move {
            if done {
                return Ok(None);
            }
            loop {
                match bytes.next().await {
                    Some(chunk) => {
                        let chunk = chunk?;
                        hash.update(&chunk);
                        if let Some(before) = held.replace(chunk) {
                            return Ok(Some((before, (bytes, hash, held, false))));
                        }
                    }
                    None => {
                        let found = std::mem::take(&mut hash).finish();
                        if found != expected {
                            let mut tx = app.db.begin().await?;
                            let draft = Draft::new(EventType::FixityFailed, Actor::System)
                                .about(SubjectKind::Exhibit, exhibit)
                                .private("found", found.to_string());
                            append(&app, &mut tx, draft).await?;
                            tx.commit().await?;
                            return Err(Error::Internal(format!("the stored bytes of exhibit {exhibit} are not what was received")));
                        }
                        return Ok(held.map(|last| (last, (bytes, hash, None, true))));
                    }
                }
            }
        }
    })
    .boxed()
}
