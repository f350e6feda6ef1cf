//! Published entries put back into a database that is behind them.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::growth::Growth;
use super::publish::{CHECKPOINTS, ENTRIES, folder, folder_of, newest, published_note, sizes};
use super::rotate::still_ours;
use crate::app::App;
use crate::attest::append;
use crate::db::{self, Tx};
use crate::domain::actor::Actor;
use crate::domain::custody::merkle::leaf_hash;
use crate::domain::custody::{Checkpoint, Draft, EventType, Signed, subjects_in};
use crate::domain::value::Id;
use crate::error::{Error, Result};

/// What was put back.
pub struct Recovered {
    pub from: u64,
    pub to: u64,
}

/// Puts back the published entries that the database lacks: the very bytes, at the very places, under the very checkpoint.
/// What they tell of (files, decisions) is not in them and may be lost; `temoin audit` then names it.
///
/// The keys that they tell of follow: what they lead to has to be the key that this process was given.
pub async fn recover(app: &App) -> Result<Recovered> {
    let later = folder_of(app.epoch.0 + 1, CHECKPOINTS);
    if !app.published.list_published(&later).await?.is_empty() {
        return Err(Error::Internal(format!(
            "this database is from before epoch {}, which the published log has: entries cannot be put back across epochs. See docs/operate/README.md",
            app.epoch.0 + 1
        )));
    }
    let Some((size, note)) = newest(app).await? else { return Err(Error::Internal("nothing was published".into())) };
    put_back(app, size, &note).await
}

/// The same, up to one published checkpoint.
async fn put_back(app: &App, size: u64, note: &str) -> Result<Recovered> {
    let root = Checkpoint::parse(note).ok_or(Error::TryLater)?.root;
    let files = files(app).await?;
    let mut tx = app.db.begin_apart().await?;
    let mut growth = Growth::on(db::log::lock_head(&mut tx).await?);
    let from = growth.edge.size();
    for (first, end, name) in files {
        if end <= growth.edge.size() || first >= size {
            continue;
        }
        for (index, entry) in read_file(app, first, end, &name).await? {
            if index == growth.edge.size() && index < size {
                let torn = || Error::Internal(format!("the published file {name} is torn"));
                let envelope: Value = serde_json::from_slice(&entry).map_err(|_| torn())?;
                let event: Id = envelope["id"].as_str().and_then(|t| t.parse().ok()).ok_or_else(torn)?;
                follow(app, &mut tx, &envelope).await?;
                let subjects = subjects_in(&envelope).ok_or_else(torn)?;
                growth.know(&mut tx, subjects.iter().cloned()).await?;
                growth.add(&mut tx, event, entry, subjects).await?;
                db::log::remove_pending_event(&mut tx, event).await?;
            }
        }
    }
    if growth.edge.size() < size || growth.edge.size() == size && growth.edge.root() != root {
        return Err(Error::Internal("the published entries do not make the published checkpoint; nothing was put back".into()));
    }
    growth.write(&mut tx).await?;
    db::log::add_checkpoint(&mut tx, size, note, app.now()).await?;
    db::log::set_published(&mut tx, app.epoch.0, size).await?;
    still_ours(app, &mut tx).await?;
    if size > from {
        // What was being kept when this database was copied may have become somebody's evidence since.
        db::keeping::forget(&mut tx).await?;
        let draft = Draft::new(EventType::LogRecovered, Actor::Operator).fact("from", from).fact("to", size);
        append(app, &mut tx, draft).await?;
    }
    tx.commit().await?;
    app.published_size.store(-1, Ordering::SeqCst);
    Ok(Recovered { from, to: size.max(from) })
}

/// The files of entries of this epoch, in order: from, to before, and the name.
async fn files(app: &App) -> Result<Vec<(u64, u64, String)>> {
    let entries = folder(app, ENTRIES);
    let named = |name: String| {
        let (from, to) = name.split_once('-')?;
        Some((from.parse().ok()?, to.parse().ok()?, format!("{entries}/{name}")))
    };
    app.published.list_published(&entries).await?.into_iter().map(|name| named(name).ok_or(Error::TryLater)).collect()
}

/// The entries in one file, with their places.
async fn read_file(app: &App, first: u64, end: u64, name: &str) -> Result<Vec<(u64, Vec<u8>)>> {
    let bytes = app.published.published(name).await?.ok_or(Error::TryLater)?;
    let torn = || Error::Internal(format!("the published file {name} is torn"));
    let (mut rest, mut all) = (&bytes[..], Vec::new());
    for index in first..end {
        let (length, more) = rest.split_first_chunk::<2>().ok_or_else(torn)?;
        let (entry, more) = more.split_at_checked(u16::from_be_bytes(*length).into()).ok_or_else(torn)?;
        rest = more;
        all.push((index, entry.to_vec()));
    }
    Ok(all)
}

/// What tables forgot and an entry tells: that something was erased or is held, that a submission handed a file over, that the log
/// has another key.
async fn follow(app: &App, tx: &mut Tx, envelope: &Value) -> Result<()> {
    forbid_and_erase(app, tx, envelope).await?;
    let id = |at: &str| envelope.pointer(at).and_then(Value::as_str).and_then(|t| t.parse::<Id>().ok());
    let text = |at: &str| envelope.pointer(at).and_then(Value::as_str).unwrap_or_default();
    match envelope["type"].as_str() {
        Some("exhibit.received") => match (id("/subj/0/id"), id("/actor/ref")) {
            (Some(exhibit), Some(submission)) if db::exhibits::by_id(tx, exhibit).await?.is_none() => {
                db::submissions::count_again(tx, submission).await
            }
            _ => Ok(()),
        },
        Some("key.rotated") => {
            let (origin, vkey) = db::log::identity(tx).await?;
            if vkey == text("/f/old") {
                let until = envelope.pointer("/f/until").and_then(Value::as_u64).unwrap_or(0);
                db::log::replace_key(tx, &origin, text("/f/new"), until, app.now()).await?;
            }
            Ok(())
        }
        Some("key.retired") => db::log::retire_key(tx, text("/f/key"), app.now()).await,
        _ => Ok(()),
    }
}

/// What was erased goes again before anything is served; a receipt that was declined opens nothing. A hold or a restriction that the database has forgotten holds again, and one that
/// was ended is ended. (Its reason is lost with its opening.)
async fn forbid_and_erase(app: &App, tx: &mut Tx, envelope: &Value) -> Result<()> {
    let id = |at: &str| envelope.pointer(at).and_then(Value::as_str).and_then(|t| t.parse::<Id>().ok());
    // (An exhibit, but for a receipt that was declined.)
    let Some(exhibit) = id("/subj/0/id") else { return Ok(()) };
    match (envelope["type"].as_str(), id("/actor/ref")) {
        (Some("erasure.executed"), _) => db::log::add_replayable(tx, exhibit).await,
        // (Of a submission.) What was to be forgotten is not brought back by a backup.
        (Some("receipt.declined"), _) => {
            for upload in db::uploads::open_of(tx, exhibit).await? {
                db::uploads::end(tx, upload.id, upload.generation, app.now()).await?;
            }
            db::submissions::forget_receipt(tx, exhibit, app.new_secret().1, app.new_receipt().hash()).await
        }
        (Some("hold.set"), Some(by)) => db::retention::set_hold(tx, app.new_id(), exhibit, by, "", app.now()).await,
        (Some("exhibit.restricted"), _) => db::exhibits::set_restricted(tx, exhibit, true, app.now()).await,
        (Some("exhibit.unrestricted"), _) => db::exhibits::set_restricted(tx, exhibit, false, app.now()).await,
        (Some("hold.released"), Some(by)) => db::retention::release_hold(tx, exhibit, by, app.now()).await.map(drop),
        _ => Ok(()),
    }
}

/// Of a published log that is not whole any more, what can be saved before it is closed: the entries up to the last published
/// checkpoint that they still make, and of the readable rest what was erased or held.
pub async fn salvage(app: &App) -> Result<()> {
    let mut tx = app.db.read().await?;
    let mut edge = db::log::head(&mut tx).await?;
    drop(tx);
    let (mut best, mut rest) = (None, Vec::new());
    let signed: HashSet<u64> = sizes(app).await?.into_iter().collect();
    for (first, end, name) in files(app).await? {
        if end <= edge.size() {
            continue;
        }
        let Ok(entries) = read_file(app, first, end, &name).await else { continue };
        for (index, entry) in entries {
            if index != edge.size() {
                rest.push((index, entry));
                continue;
            }
            edge.push(leaf_hash(&entry), |_, _, _| {});
            rest.push((index, entry));
            if signed.contains(&edge.size()) {
                let note = published_note(app, edge.size()).await?;
                let fits = |c: &Checkpoint| c.root == edge.root() && app.trust.signed(&note, c) == Signed::Yes;
                if Checkpoint::parse(&note).is_some_and(|c| fits(&c)) {
                    best = Some((edge.size(), note));
                }
            }
        }
    }
    let saved = best.as_ref().map_or(0, |(size, _)| *size);
    if let Some((size, note)) = &best {
        put_back(app, *size, note).await?;
    }
    let mut tx = app.db.begin().await?;
    for (_, entry) in rest.iter().filter(|(index, _)| *index >= saved) {
        if let Ok(envelope) = serde_json::from_slice::<Value>(entry) {
            forbid_and_erase(app, &mut tx, &envelope).await?;
        }
    }
    tx.commit().await
}
