//! A stored exhibit becomes searchable: its times and places as claims, pictures for people to look at, fingerprints and the family that
//! they lead to, indicators.
//!
//! All of it is read from hostile bytes in a confined process of its own; what that process cannot read, or dies of, becomes an honest
//! note, and the exhibit stays in the queue. The server itself parses no media. Bytes are examined once for all exhibits that have them.

mod cage;
mod child;
mod confine;
mod credentials;
mod families;
mod outcome;
mod picture;
mod read;
mod scan;
mod zones;

use bytes::Bytes;
use data_encoding::BASE64;

use crate::app::App;
use crate::attest;
use crate::config;
use crate::db::{self, contents::Examination};
use crate::domain::actor::Actor;
use crate::domain::appeal::Appeal;
use crate::domain::capture::{self, effective_place, effective_time, place_claims, time_claims};
use crate::domain::contradiction;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::derivative::{Derivative, Variant};
use crate::domain::exhibit::{Exhibit, Quarantine};
use crate::domain::family::merit;
use crate::domain::job::Job;
use crate::domain::likeness::Prints;
use crate::domain::review::{closeness, signs};
use crate::domain::scan::ScanState;
use crate::domain::value::{Id, Sha256};
use crate::error::{Error, Result};
use crate::keeping::{self, Kept, keep, keep_all};

pub use child::run as run_child;
pub use confine::{SUBCOMMAND, confinement, of_file};
pub use families::similar;
pub use outcome::{Made, Outcome};
pub use scan::{catch_up as catch_up_scans, scan, version as scanner_version};
pub use zones::there as zone_there;

/// Proxies are made when nobody waits for a picture.
const PRIORITY_PROXY: i64 = 150;
const PRIORITY_SCAN: i64 = 60;

/// What cannot work as it is configured, said at the start rather than beside every exhibit.
pub fn check(config: &config::Examine) -> Result<()> {
    credentials::check_trust_list(&config.trust_list)?;
    scan::check_address(&config.scanner)
}

/// Tool and version that every claim and event names.
pub fn reader() -> String {
    format!("temoin-examine/{}", env!("CARGO_PKG_VERSION"))
}

/// Examines one exhibit. Run twice, it finds its facts already there and changes nothing.
pub async fn examine(app: &App, exhibit: Id) -> Result<()> {
    let mut tx = app.db.read().await?;
    let Some(e) = db::exhibits::by_id(&mut tx, exhibit).await? else { return Ok(()) };
    if e.examined {
        return Ok(());
    }
    let appeal = db::appeals::by_id(&mut tx, e.appeal).await?;
    drop(tx);
    // The same bytes often come many times at once.
    let _turn = app.traffic.examining.turn((e.agency, e.sha256)).await;
    let mut tx = app.db.read().await?;
    let known = db::contents::examination(&mut tx, e.agency, e.sha256).await?;
    let made = db::derivatives::of(&mut tx, e.agency, e.sha256).await?;
    let key = db::contents::blob_key(&mut tx, e.agency, e.sha256).await?;
    drop(tx);
    let looked = match (known, key) {
        (Some(examination), _) => Looked { examination, made, kept: Vec::new(), new: false, confined: Vec::new() },
        (None, Some(key)) => look(app, &e, &key).await?,
        (None, None) => return Err(Error::Internal(format!("exhibit {exhibit} has no content"))),
    };
    let written = write_down(app, &appeal, exhibit, &looked).await;
    if written.is_ok() {
        return Ok(());
    }
    if looked.new && matches!(written, Err(Error::NotFound)) {
        // Erased meanwhile: the pictures that were just made go, too.
        let mut tx = app.db.begin().await?;
        for d in &looked.made {
            db::retention::doom(&mut tx, &d.key, app.now()).await?;
        }
        return tx.commit().await;
    }
    written
}

/// What is known of some bytes.
struct Looked {
    examination: Examination,
    made: Vec<Derivative>,
    /// Those that were made just now, until rows refer to them.
    kept: Vec<Kept>,
    /// Found out just now.
    new: bool,
    confined: Vec<String>,
}

/// Runs the confined process and keeps the pictures that it made.
async fn look(app: &App, e: &Exhibit, key: &str) -> Result<Looked> {
    let outcome = if e.quarantine.is_some() {
        Outcome { notes: vec!["not-previewed".into()], ..Outcome::default() }
    } else {
        confine::run(app, key, e.size, &e.media_type).await?
    };
    let decoded: Vec<_> = outcome.made.iter().filter_map(|m| Some((m, Bytes::from(BASE64.decode(m.bytes.as_bytes()).ok()?)))).collect();
    let kept = keep_all(app, decoded.iter().map(|(_, bytes)| bytes.clone()).collect()).await?;
    let made = decoded.into_iter().zip(&kept).map(|((m, bytes), kept)| Derivative {
        variant: m.variant,
        sha256: Some(Sha256::of(&bytes)),
        size: bytes.len() as u64,
        media_type: "image/jpeg".into(),
        width: m.width,
        height: m.height,
        how: m.how.clone(),
        key: kept.key.clone(),
    });
    let made = made.collect();
    let prints = outcome.prints.as_ref().and_then(|p| BASE64.decode(p.as_bytes()).ok()).unwrap_or_default();
    let device = outcome.found.device.key().map(|key| Sha256::from_bytes(app.mac(format!("device|{}|{key}", e.agency).as_bytes())));
    let reader = std::iter::once(reader()).chain(outcome.tools).collect::<Vec<_>>().join(" ");
    let examination = Examination {
        found: outcome.found,
        raw: serde_json::to_string(&outcome.raw).map_err(Error::internal)?,
        notes: outcome.notes,
        reader,
        prints: Prints::from_bytes(&prints),
        essence: outcome.essence,
        device,
    };
    Ok(Looked { examination, made, kept, new: true, confined: outcome.confined })
}

/// One transaction: facts, claims, family, state, custody event.
async fn write_down(app: &App, appeal: &Appeal, exhibit: Id, looked: &Looked) -> Result<()> {
    let (now, x) = (app.now(), &looked.examination);
    let zone_there = zones::there(&x.found);
    let near = families::look(app, appeal.id, &x.prints).await?;
    let mut tx = app.db.begin().await?;
    // First the appeal's turn, then the exhibit, here and wherever both are held: families and corrected clocks concern several exhibits.
    db::families::take_turn(&mut tx, appeal.id).await?;
    let mut e = db::exhibits::lock(&mut tx, exhibit).await?;
    if e.examined {
        // Committed, because what was read may be another's that is not yet.
        return tx.commit().await;
    }
    if looked.new {
        for d in &looked.made {
            // The same picture may have been destroyed with another exhibit since we kept it.
            db::retention::lock_blob(&mut tx, &d.key).await?;
            keeping::still_there(app, &mut tx, &d.key, None).await?;
        }
        if !db::contents::insert_examination(&mut tx, e.agency, e.sha256, x, now).await? {
            // Another node was faster: what it found counts.
            return Err(Error::TryLater);
        }
        for d in &looked.made {
            db::derivatives::insert(&mut tx, e.agency, e.sha256, d, now).await?;
        }
        for kept in &looked.kept {
            kept.settle(&mut tx).await?;
        }
    }
    let (mut times, mut places) = db::exhibits::claims(&mut tx, exhibit).await?;
    let frame = capture::Frame { zone: &appeal.zone, zone_there, received_at: e.received_at, reader: &x.reader };
    let mut new = time_claims(&x.found, &frame);
    if let Some(device) = x.device {
        let so_far: Vec<_> = times.iter().chain(&new).cloned().collect();
        let corrections = db::clocks::of_device(&mut tx, appeal.id, device).await?;
        new.extend(corrections.iter().filter_map(|c| c.claim(&so_far)));
    }
    for claim in new {
        db::exhibits::add_time_claim(&mut tx, app.new_id(), exhibit, &claim, now).await?;
        times.push(claim);
    }
    for claim in place_claims(&x.found, &x.reader) {
        db::exhibits::add_place_claim(&mut tx, app.new_id(), exhibit, &claim, now).await?;
        places.push(claim);
    }
    e.when = effective_time(&times);
    e.place = effective_place(&places);
    e.state = e.state.examined();
    e.notes.clone_from(&x.notes);
    e.has_thumbnail = looked.made.iter().any(|d| d.variant == Variant::Thumbnail);
    let seen = contradiction::all(&e.name, &x.found, &times, &places, 0);
    let merit = merit(&x.found, &seen);
    e.signs = signs(&db::submissions::by_id(&mut tx, e.submission).await?.statement, &seen);
    e.device = device(app, &mut tx, &e, x).await?;
    db::exhibits::set_examined(&mut tx, &e, closeness(appeal, &e), merit, now).await?;
    let digest = Sha256::of(serde_json::to_string(&(&x.found, &x.raw, &x.notes)).map_err(Error::internal)?.as_bytes());
    let draft = Draft::new(EventType::ExhibitExamined, Actor::System)
        .about(SubjectKind::Exhibit, exhibit)
        .fact("tool", x.reader.clone())
        .fact("rule", capture::RULE_VERSION)
        .fact("notes", x.notes.clone())
        .fact("confined", looked.confined.clone())
        .private("result", digest.to_string())
        .private("claims", db::exhibits::claims_digest(&mut tx, exhibit).await?.to_string())
        .private("stands", capture::stands_as(e.when, e.place));
    attest::append(app, &mut tx, draft).await?;
    if let Some(draft) = made(&e, &x.reader, &looked.made) {
        attest::append(app, &mut tx, draft).await?;
    }
    families::place(app, &mut tx, &e, x, &near).await?;
    db::families::regroup(&mut tx, e.appeal, e.agency, &[e.sha256], now).await?;
    follow_up(app, &mut tx, &e, looked).await?;
    tx.commit().await?;
    app.work.notify_one();
    Ok(())
}

/// By which number the device (or the model, where nothing tells one device from another) is called in this appeal; 0 when nothing names it.
async fn device(app: &App, tx: &mut db::Tx, e: &Exhibit, x: &Examination) -> Result<u64> {
    let Some(words) = x.found.device.words() else { return Ok(0) };
    let key = x.device.unwrap_or_else(|| Sha256::from_bytes(app.mac(format!("model|{}|{}", e.agency, words.to_lowercase()).as_bytes())));
    db::devices::number(tx, e.appeal, e.number, key, &words, x.device.is_some()).await
}

/// What is to be done besides: a proxy, a scan; or a quarantine for bytes that were found infected before.
async fn follow_up(app: &App, tx: &mut db::Tx, e: &Exhibit, looked: &Looked) -> Result<()> {
    let has_proxy = looked.made.iter().any(|d| d.variant == Variant::Proxy);
    if e.quarantine.is_none() && !has_proxy && picture::needs_proxy(&e.media_type, &looked.examination.found) {
        db::jobs::enqueue(tx, app.new_id(), Job::Proxy(e.id), PRIORITY_PROXY, app.now()).await?;
    }
    match db::scans::of(tx, e.agency, e.sha256).await? {
        None if !app.config.examine.scanner.is_empty() => {
            db::jobs::enqueue(tx, app.new_id(), Job::Scan(e.id), PRIORITY_SCAN, app.now()).await
        }
        Some(scan) if scan.state == ScanState::Infected && e.quarantine != Some(Quarantine::Infected) => {
            db::exhibits::set_quarantine(tx, e.id, Some(Quarantine::Infected), app.now()).await?;
            let draft = Draft::new(EventType::ExhibitQuarantined, Actor::System).about(SubjectKind::Exhibit, e.id);
            attest::append(app, tx, draft.fact("why", Quarantine::Infected.as_str())).await?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What was made of it for eyes: which pictures, by what, and (closed) what they are and were made of.
fn made(e: &Exhibit, tool: &str, derivatives: &[Derivative]) -> Option<Draft> {
    let mut known: Vec<_> = derivatives.iter().filter_map(|d| Some((d, d.sha256?))).collect();
    known.sort_by_key(|(d, _)| d.variant);
    if known.is_empty() {
        return None;
    }
    let mut draft = Draft::new(EventType::DerivativeCreated, Actor::System)
        .about(SubjectKind::Exhibit, e.id)
        .fact("tool", tool)
        .fact("media", known.iter().map(|(d, _)| d.media_type.clone()).collect::<Vec<_>>())
        .fact("variants", known.iter().map(|(d, _)| d.variant.as_str()).collect::<Vec<_>>())
        .fact("how", known.iter().map(|(d, _)| d.how.clone()).collect::<Vec<_>>())
        .private("source_sha256", e.sha256.to_string());
    for (d, sha256) in known {
        draft = draft.private(d.variant.opening(), sha256.to_string());
    }
    Some(draft)
}

/// Makes the copy that browsers play, with its event in the history of every exhibit that has these bytes.
pub async fn proxy(app: &App, exhibit: Id) -> Result<()> {
    let mut tx = app.db.read().await?;
    let Some(e) = db::exhibits::by_id(&mut tx, exhibit).await? else { return Ok(()) };
    let there = db::derivatives::one(&mut tx, e.agency, e.sha256, Variant::Proxy).await?;
    let Some(key) = db::contents::blob_key(&mut tx, e.agency, e.sha256).await? else { return Ok(()) };
    drop(tx);
    if e.quarantine.is_some() || there.is_some() {
        return Ok(());
    }
    let mut staged = app.blobs.stage(None).await?;
    let (sha256, size) = match confine::proxy(app, &key, e.size, &e.media_type, &mut staged).await {
        Ok(made) => made,
        // The store or the disk: later.
        Err(Error::TryLater) => {
            staged.discard().await;
            return Err(Error::TryLater);
        }
        Err(why) => {
            staged.discard().await;
            // Trying again would end the same: the page says that there is none.
            tracing::warn!(cause = %why, %exhibit, "no proxy was made");
            return Ok(());
        }
    };
    let kept = keep(app, &mut staged, sha256, size).await?;
    let key = kept.key.clone();
    staged.discard().await;
    let sound = e.media_type.starts_with("audio/");
    let proxy = Derivative {
        variant: Variant::Proxy,
        key,
        sha256: Some(sha256),
        size,
        media_type: if sound { "audio/mp4" } else { "video/mp4" }.into(),
        width: 0,
        height: 0,
        how: picture::proxy_how(sound),
    };
    let mut tx = app.db.begin().await?;
    let there = db::exhibits::lock(&mut tx, exhibit).await;
    db::retention::lock_blob(&mut tx, &proxy.key).await?;
    keeping::still_there(app, &mut tx, &proxy.key, None).await?;
    kept.settle(&mut tx).await?;
    // Erased meanwhile, or another node was faster: this copy goes.
    if matches!(there, Err(Error::NotFound)) || !db::derivatives::insert(&mut tx, e.agency, e.sha256, &proxy, app.now()).await? {
        db::retention::doom(&mut tx, &proxy.key, app.now()).await?;
        tx.commit().await?;
        return Ok(());
    }
    there?;
    for (with, _) in db::exhibits::with_bytes(&mut tx, e.agency, e.sha256).await? {
        let holder = db::exhibits::by_id(&mut tx, with).await?.ok_or(Error::NotFound)?;
        if let Some(draft) = made(&holder, &reader(), std::slice::from_ref(&proxy)) {
            attest::append(app, &mut tx, draft).await?;
        }
    }
    tx.commit().await
}
