//! The virus scanner, clamd, where one is configured. Bytes go to it as a stream; what it did not read to the end is not called clean.
//! While it is away the job waits, and the exhibit's page says so.

use std::time::Duration;

use clamav_client::tokio as clamd;
use futures_util::StreamExt as _;

use crate::app::App;
use crate::attest;
use crate::blobs::Reader;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::Quarantine;
use crate::domain::job::Job;
use crate::domain::scan::{Scan, ScanState, read_answer};
use crate::domain::value::{Id, shown};
use crate::error::{Error, Result};

use super::PRIORITY_SCAN;

/// How long a scanner may take to say what it is, and to read the largest file.
const GREETING: Duration = Duration::from_secs(10);
/// Exhibits per transaction.
const BATCH: i64 = 500;
const SCAN: Duration = Duration::from_secs(600);

/// What came before there was a scanner is scanned, too.
pub async fn catch_up(app: &App) -> Result<()> {
    if app.config.examine.scanner.is_empty() {
        return Ok(());
    }
    let mut after = Id::FIRST;
    loop {
        let mut tx = app.db.begin().await?;
        let ids = db::scans::unscanned(&mut tx, after, BATCH).await?;
        for id in &ids {
            db::jobs::enqueue(&mut tx, app.new_id(), Job::Scan(*id), PRIORITY_SCAN, app.now()).await?;
        }
        tx.commit().await?;
        match ids.last() {
            Some(last) => after = *last,
            None => return Ok(()),
        }
    }
}

/// Scans an exhibit's bytes, once for all exhibits that have them.
pub async fn scan(app: &App, exhibit: Id) -> Result<()> {
    if app.config.examine.scanner.is_empty() {
        return Ok(());
    }
    let mut tx = app.db.read().await?;
    let Some(e) = db::exhibits::by_id(&mut tx, exhibit).await? else { return Ok(()) };
    drop(tx);
    let _turn = app.traffic.scanning.turn((e.agency, e.sha256)).await;
    let mut tx = app.db.read().await?;
    let known = db::scans::of(&mut tx, e.agency, e.sha256).await?;
    let Some(key) = db::contents::blob_key(&mut tx, e.agency, e.sha256).await? else { return Ok(()) };
    drop(tx);
    let scan = match known {
        Some(scan) => scan,
        None => {
            let bytes = app.blobs.open_range(&key, 0, e.size).await?;
            let (state, signature) = ask(&app.config.examine.scanner, bytes).await?;
            Scan { state, signature, engine: version(&app.config.examine.scanner).await?, at: app.now() }
        }
    };
    let mut tx = app.db.begin().await?;
    let e = db::exhibits::lock(&mut tx, exhibit).await?;
    db::scans::set(&mut tx, e.agency, e.sha256, &scan).await?;
    let draft = Draft::new(EventType::ExhibitScanned, Actor::System)
        .about(SubjectKind::Exhibit, e.id)
        .fact("state", scan.state.as_str())
        .fact("tool", scan.engine.clone())
        .private("signature", scan.signature.clone());
    attest::append(app, &mut tx, draft).await?;
    if scan.state == ScanState::Infected && e.quarantine != Some(Quarantine::Infected) {
        db::exhibits::set_quarantine(&mut tx, e.id, Some(Quarantine::Infected), scan.at).await?;
        let draft = Draft::new(EventType::ExhibitQuarantined, Actor::System).about(SubjectKind::Exhibit, e.id);
        attest::append(app, &mut tx, draft.fact("why", Quarantine::Infected.as_str())).await?;
    }
    tx.commit().await
}

pub fn check_address(address: &str) -> Result<()> {
    if address.is_empty() { Ok(()) } else { connect(address).map(|_| ()) }
}

/// Whether the scanner answers, and what it is: for people who look after it.
pub async fn version(address: &str) -> Result<String> {
    let ask = async {
        match connect(address)? {
            To::Socket(path) => clamd::get_version(clamd::Socket { socket_path: path }).await,
            To::Host(host) => clamd::get_version(clamd::Tcp { host_address: host }).await,
        }
        .map_err(|e| away(&e))
    };
    let answer = tokio::time::timeout(GREETING, ask).await.map_err(|e| away(&e))??;
    Ok(shown(String::from_utf8_lossy(&answer).trim_matches(['\0', '\n', ' ']), 100))
}

enum To<'a> {
    Socket(&'a str),
    Host(&'a str),
}

fn connect(address: &str) -> Result<To<'_>> {
    match address.split_once(':') {
        Some(("unix", path)) => Ok(To::Socket(path)),
        Some(("tcp", host)) => Ok(To::Host(host)),
        _ => Err(Error::Internal("examine.scanner is unix:PATH or tcp:HOST:PORT".into())),
    }
}

fn away(e: &dyn std::fmt::Display) -> Error {
    tracing::warn!(cause = %e, "the virus scanner is away");
    Error::TryLater
}

async fn ask(address: &str, bytes: Reader) -> Result<(ScanState, String)> {
    let bytes = bytes.map(|piece| piece.map_err(|e| std::io::Error::other(e.to_string())));
    // It answers first of all whether it is there.
    version(address).await?;
    let ask = async {
        match connect(address)? {
            To::Socket(path) => Ok::<_, Error>(clamd::scan_stream(bytes, clamd::Socket { socket_path: path }, None).await),
            To::Host(host) => Ok(clamd::scan_stream(bytes, clamd::Tcp { host_address: host }, None).await),
        }
    };
    let answer = match tokio::time::timeout(SCAN, ask).await.map_err(|e| away(&e))?? {
        Ok(answer) => String::from_utf8_lossy(&answer).into_owned(),
        // It closes the connection on what is larger than it takes, often before its answer can be read.
        Err(e) if matches!(e.kind(), std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset) => {
            version(address).await?;
            return Ok((ScanState::TooLarge, String::new()));
        }
        Err(e) => return Err(away(&e)),
    };
    read_answer(&answer).ok_or_else(|| away(&shown(&answer, 100)))
}
