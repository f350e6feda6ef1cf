//! What the log has published, and what it may not go back behind.
//!
//! Every batch of entries and every checkpoint is also written, once and never over, to a store that is not the database:
//! `published/entries/FROM-TO` and `published/checkpoints/SIZE`. A proof is given out only from a checkpoint that lies there. A
//! database that is behind it, or says something else, was restored or changed by hand: then nothing is signed, and
//! [`recover`] puts the entries back, byte for byte.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::Value;

use super::growth::Growth;
use crate::app::App;
use crate::attest::append;
use crate::blobs::Published;
use crate::db::{self, Tx};
use crate::domain::actor::Actor;
use crate::domain::custody::{Checkpoint, Draft, EventType, Signed, subjects_in};
use crate::domain::value::{Id, Sha256};
use crate::error::{Error, Result};
use crate::steps::reached;

const CHECKPOINTS: &str = "checkpoints";
const ENTRIES: &str = "entries";
/// Entries of one published file.
const FILE_ENTRIES: u64 = 4_000;

/// Where an epoch's files of one kind lie.
fn folder_of(epoch: u64, kind: &str) -> String {
    match epoch {
        0 | 1 => kind.to_owned(),
        epoch => format!("epoch-{epoch}/{kind}"),
    }
}

fn folder(app: &App, kind: &str) -> String {
    folder_of(app.epoch.0, kind)
}

/// The folders of all that was ever published, entries before the checkpoints over them.
pub fn published_folders(app: &App) -> Vec<String> {
    (1..=app.epoch.0).flat_map(|epoch| [folder_of(epoch, ENTRIES), folder_of(epoch, CHECKPOINTS)]).collect()
}

fn checkpoint_name(app: &App, size: u64) -> String {
    format!("{}/{size:020}", folder(app, CHECKPOINTS))
}

/// The newest published checkpoint: its size and note.
async fn newest(app: &App) -> Result<Option<(u64, String)>> {
    let checkpoints = folder(app, CHECKPOINTS);
    let Some(name) = app.published.list_published(&checkpoints).await?.pop() else { return Ok(None) };
    let bytes = app.published.published(&format!("{checkpoints}/{name}")).await?.ok_or(Error::TryLater)?;
    let note = String::from_utf8(bytes.to_vec()).map_err(Error::internal)?;
    let ours = |c: &Checkpoint| c.origin == app.signer.origin() && app.trust.signed(&note, c) == Signed::Yes;
    let checkpoint = Checkpoint::parse(&note).filter(ours);
    let checkpoint = checkpoint.ok_or_else(|| Error::Internal(format!("the published checkpoint {name} is not this log's")))?;
    Ok(Some((checkpoint.size, note)))
}

/// What the published log says last of itself, believed or not: a size and a note.
pub async fn published_end(app: &App) -> (u64, String) {
    let checkpoints = folder(app, CHECKPOINTS);
    let Some(name) = app.published.list_published(&checkpoints).await.ok().and_then(|mut all| all.pop()) else {
        return (0, String::new());
    };
    let bytes = app.published.published(&format!("{checkpoints}/{name}")).await.ok().flatten().unwrap_or_default();
    let note: String = String::from_utf8_lossy(&bytes).chars().take(NOTE_CHARS_MAX).collect();
    (Checkpoint::parse(&note).map_or(0, |c| c.size), note)
}

/// Of a note that nobody vouches for.
const NOTE_CHARS_MAX: usize = 2_000;

/// The rollback guard: refuses while the database is behind what was published, or contradicts it. Asked once at the start;
/// afterwards the size is known.
pub async fn guard(app: &App) -> Result<()> {
    let known = app.published_size.load(Ordering::SeqCst);
    let mut tx = app.db.read().await?;
    let head = db::log::head(&mut tx).await?;
    if known >= 0 {
        return if head.size() < known.unsigned_abs() { Err(behind(known.unsigned_abs(), head.size())) } else { Ok(()) };
    }
    let found = newest(app).await?;
    let (told, there) = (db::log::published(&mut tx).await?, found.as_ref().map_or(app.epoch.1, |(size, _)| *size));
    let published = match found {
        None => app.epoch.1,
        Some((size, _)) if head.size() < size => return Err(behind(size, head.size())),
        Some((size, note)) => {
            if db::log::checkpoint_at(&mut tx, size).await?.as_ref() != Some(&note) {
                return Err(Error::Internal(format!(
                    "the database and the published checkpoint of {size} entries tell two different histories; nothing is signed. See docs/operate.md"
                )));
            }
            size
        }
    };
    drop(tx);
    if there < told {
        return Err(Error::Internal(format!(
            "{told} entries were published, and the published log (log.published) has {there}: it was lost, or is another one. Nothing is signed. See docs/operate.md"
        )));
    }
    let mut tx = app.db.begin().await?;
    db::log::set_published(&mut tx, published).await?;
    tx.commit().await?;
    app.published_size.store(i64::try_from(published).unwrap_or(i64::MAX), Ordering::SeqCst);
    Ok(())
}

fn behind(published: u64, database: u64) -> Error {
    Error::Internal(format!(
        "the database holds {database} entries of the custody log and {published} are published: it was restored from a backup or cut. Nothing is signed. `temoin log recover` puts the entries back"
    ))
}

/// Publishes what the database has beyond what is published. Entries first, then the checkpoint over them.
pub async fn publish(app: &App) -> Result<()> {
    loop {
        let mut tx = app.db.read().await?;
        // Another node may have been faster.
        let from = db::log::published(&mut tx).await?;
        app.published_size.fetch_max(i64::try_from(from).unwrap_or(i64::MAX), Ordering::SeqCst);
        let Some((size, note)) = db::log::next_checkpoint(&mut tx, from, from + FILE_ENTRIES).await? else { return Ok(()) };
        let entries = db::log::entries(&mut tx, from, size - from).await?;
        drop(tx);
        if size > from {
            let mut bundle = Vec::new();
            for entry in &entries {
                bundle.extend_from_slice(&u16::try_from(entry.bytes.len()).map_err(Error::internal)?.to_be_bytes());
                bundle.extend_from_slice(&entry.bytes);
            }
            once(app, &format!("{}/{from:020}-{size:020}", folder(app, ENTRIES)), bundle.into()).await?;
        }
        reached("entries-published");
        once(app, &checkpoint_name(app, size), note.into_bytes().into()).await?;
        reached("checkpoint-published");
        let mut tx = app.db.begin().await?;
        db::log::set_published(&mut tx, size).await?;
        tx.commit().await?;
        reached("noted");
        app.published_size.store(i64::try_from(size).unwrap_or(i64::MAX), Ordering::SeqCst);
        app.sequenced.notify_waiters();
    }
}

async fn once(app: &App, name: &str, bytes: Bytes) -> Result<()> {
    match app.published.publish(name, bytes, app.now()).await? {
        Published::Now | Published::Before => Ok(()),
        // Two histories of one log: somebody else signs with this key, or the database was changed under us.
        Published::Otherwise => {
            Err(Error::Internal(format!("another history of this log was published already: {name}. Nothing more is signed")))
        }
    }
}

/// What was put back.
pub struct Recovered {
    pub from: u64,
    pub to: u64,
}

/// Puts back the published entries that the database lacks: the very bytes, at the very places, under the very checkpoint.
/// What they tell of (files, decisions) is not in them and may be lost; `temoin audit` then names it.
pub async fn recover(app: &App) -> Result<Recovered> {
    let Some((size, note)) = newest(app).await? else { return Err(Error::Internal("nothing was published".into())) };
    let root = Checkpoint::parse(&note).ok_or(Error::TryLater)?.root;
    let mut tx = app.db.begin_apart().await?;
    let mut growth = Growth::on(db::log::lock_head(&mut tx).await?);
    let from = growth.edge.size();
    let entries = folder(app, ENTRIES);
    for name in app.published.list_published(&entries).await? {
        let (first, end) =
            name.split_once('-').and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?))).ok_or(Error::TryLater)?;
        if end <= growth.edge.size() || first >= size {
            continue;
        }
        let bytes = app.published.published(&format!("{entries}/{name}")).await?.ok_or(Error::TryLater)?;
        let mut rest = &bytes[..];
        for index in first..end {
            let torn = || Error::Internal(format!("the published file {name} is torn"));
            let (length, more) = rest.split_first_chunk::<2>().ok_or_else(torn)?;
            let (entry, more) = more.split_at_checked(u16::from_be_bytes(*length).into()).ok_or_else(torn)?;
            rest = more;
            if index == growth.edge.size() && index < size {
                let envelope: Value = serde_json::from_slice(entry).map_err(|_| torn())?;
                let event: Id = envelope["id"].as_str().and_then(|t| t.parse().ok()).ok_or_else(torn)?;
                if envelope["type"] == EventType::ErasureExecuted.as_str()
                    && let Some(exhibit) = envelope.pointer("/subj/0/id").and_then(Value::as_str).and_then(|t| t.parse().ok())
                {
                    db::log::add_replayable(&mut tx, exhibit).await?;
                }
                hold_again(app, &mut tx, &envelope).await?;
                let subjects = subjects_in(&envelope).ok_or_else(torn)?;
                growth.know(&mut tx, subjects.iter().cloned()).await?;
                growth.add(&mut tx, event, entry.to_vec(), subjects).await?;
                db::log::remove_pending_event(&mut tx, event).await?;
            }
        }
    }
    if growth.edge.size() < size || growth.edge.size() == size && growth.edge.root() != root {
        return Err(Error::Internal("the published entries do not make the published checkpoint; nothing was put back".into()));
    }
    growth.write(&mut tx).await?;
    db::log::add_checkpoint(&mut tx, size, &note, app.now()).await?;
    db::log::set_published(&mut tx, size).await?;
    if size > from {
        let draft = Draft::new(EventType::LogRecovered, Actor::Operator).fact("from", from).fact("to", size);
        append(app, &mut tx, draft).await?;
    }
    tx.commit().await?;
    app.published_size.store(-1, Ordering::SeqCst);
    Ok(Recovered { from, to: size.max(from) })
}

/// A hold that the database has forgotten holds again, and one that was released is released. (Its reason is lost with its opening.)
async fn hold_again(app: &App, tx: &mut Tx, envelope: &Value) -> Result<()> {
    let id = |at: &str| envelope.pointer(at).and_then(Value::as_str).and_then(|t| t.parse::<Id>().ok());
    let (Some(exhibit), Some(by)) = (id("/subj/0/id"), id("/actor/ref")) else { return Ok(()) };
    match envelope["type"].as_str() {
        Some("hold.set") => db::retention::set_hold(tx, app.new_id(), exhibit, by, "", app.now()).await,
        Some("hold.released") => db::retention::release_hold(tx, exhibit, by, app.now()).await.map(drop),
        _ => Ok(()),
    }
}

/// The sizes of which a checkpoint is published.
pub async fn sizes(app: &App) -> Result<Vec<u64>> {
    Ok(app.published.list_published(&folder(app, CHECKPOINTS)).await?.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Of these published checkpoints, those that the log of these roots contradicts, for the audit.
pub async fn contradicted(app: &App, sizes: &[u64], roots: &HashMap<u64, Sha256>) -> Result<Vec<u64>> {
    let mut wrong = Vec::new();
    for &size in sizes {
        let bytes = app.published.published(&checkpoint_name(app, size)).await?.unwrap_or_default();
        let note = String::from_utf8_lossy(&bytes);
        let told = |c: &Checkpoint| c.size == size && (size == 0 || roots.get(&size) == Some(&c.root));
        if !Checkpoint::parse(&note).is_some_and(|c| told(&c) && app.trust.signed(&note, &c) == Signed::Yes) {
            wrong.push(size);
        }
    }
    Ok(wrong)
}
