//! What the log has published, and what it may not go back behind.
//!
//! Every batch of entries and every checkpoint is also written, once and never over, to a store that is not the database:
//! `published/entries/FROM-TO` and `published/checkpoints/SIZE`. A proof is given out only from a checkpoint that lies there. A
//! database that is behind it, or says something else, was restored or changed by hand: then nothing is signed, and
//! `recover` puts the entries back, byte for byte.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::rotate::still_ours;
use crate::app::App;
use crate::blobs::Published;
use crate::db;
use crate::domain::custody::{Checkpoint, Signed};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};
use crate::observe;
use crate::steps::reached;

pub const CHECKPOINTS: &str = "checkpoints";
pub const ENTRIES: &str = "entries";
/// Entries of one published file.
const FILE_ENTRIES: u64 = 4_000;

/// Where an epoch's files of one kind lie.
pub fn folder_of(epoch: u64, kind: &str) -> String {
    match epoch {
        0 | 1 => kind.to_owned(),
        epoch => format!("epoch-{epoch}/{kind}"),
    }
}

pub fn folder(app: &App, kind: &str) -> String {
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
pub async fn newest(app: &App) -> Result<Option<(u64, String)>> {
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
pub async fn published_end(app: &App) -> Result<(u64, String)> {
    let checkpoints = folder(app, CHECKPOINTS);
    let Some(name) = app.published.list_published(&checkpoints).await?.pop() else { return Ok((0, String::new())) };
    let bytes = app.published.published(&format!("{checkpoints}/{name}")).await?.ok_or(Error::TryLater)?;
    let note: String = String::from_utf8_lossy(&bytes).chars().take(NOTE_CHARS_MAX).collect();
    Ok((Checkpoint::parse(&note).map_or(0, |c| c.size), note))
}

/// Of a note that nobody vouches for.
const NOTE_CHARS_MAX: usize = 2_000;

/// The published checkpoint of a size, believed or not.
pub async fn published_note(app: &App, size: u64) -> Result<String> {
    let bytes = app.published.published(&checkpoint_name(app, size)).await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The same from the beginning: the database may be another one than before.
pub async fn guard_anew(app: &App) -> Result<()> {
    app.published_size.store(-1, Ordering::SeqCst);
    guard(app).await
}

/// The rollback guard: refuses while the database is behind what was published, or contradicts it. Asked once at the start;
/// afterwards the size is known.
pub async fn guard(app: &App) -> Result<()> {
    let known = app.published_size.load(Ordering::SeqCst);
    let mut tx = app.db.read().await?;
    if known >= 0 {
        let head = db::log::head(&mut tx).await?;
        return if head.size() < known.unsigned_abs() { Err(behind(known.unsigned_abs(), head.size())) } else { Ok(()) };
    }
    let told = db::log::published(&mut tx).await?;
    let found = match newest(app).await? {
        // A store may list late what it has.
        late if told > app.epoch.1 && late.as_ref().is_none_or(|(size, _)| *size < told) => match published_note(app, told).await? {
            note if note.is_empty() => late,
            note => Some((told, note)),
        },
        found => found,
    };
    let there = found.as_ref().map_or(app.epoch.1, |(size, _)| *size);
    drop(tx);
    // Read only now: another node may have placed and published more while the store was asked, and what is published was placed before.
    let mut tx = app.db.read().await?;
    let head = db::log::head(&mut tx).await?;
    let published = match found {
        None => app.epoch.1,
        Some((size, _)) if head.size() < size => return Err(behind(size, head.size())),
        Some((size, note)) => {
            if db::log::checkpoint_at(&mut tx, size).await?.as_ref() != Some(&note) {
                return Err(Error::Internal(format!(
                    "the database and the published checkpoint of {size} entries tell two different histories; nothing is signed. See docs/operate/README.md"
                )));
            }
            size
        }
    };
    drop(tx);
    if there < told {
        return Err(Error::Internal(format!(
            "{told} entries were published, and the published log (log.published) has {there}: it was lost, or is another one. Nothing is signed. See docs/operate/README.md"
        )));
    }
    let mut tx = app.db.begin().await?;
    db::log::set_published(&mut tx, app.epoch.0, published).await?;
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
        // What another epoch, or another key, has signed is not ours to publish.
        still_ours(app, &mut tx).await?;
        // Another node may have been faster.
        let from = db::log::published(&mut tx).await?;
        seen(app, from);
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
        db::log::set_published(&mut tx, app.epoch.0, size).await?;
        tx.commit().await?;
        reached("noted");
        let now = app.now().micros();
        for entry in &entries {
            observe::published(now - entry.event.at().micros());
        }
        seen(app, size);
    }
}

/// So much is published, by whichever node. While that is not known for sure (the guard has not passed yet), it stays unknown: what a
/// database that went back says of it must not disarm the guard.
pub fn seen(app: &App, published: u64) {
    let published = i64::try_from(published).unwrap_or(i64::MAX);
    let _ = app.published_size.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |known| (known >= 0).then_some(known.max(published)));
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

/// What is missing of what was published, in words: the end, or something before it.
pub async fn missing(app: &App, told: u64) -> Result<Vec<String>> {
    let newest = sizes(app).await?.into_iter().max().unwrap_or(app.epoch.1);
    let mut words = Vec::new();
    if newest < told {
        words.push(format!("{told} entries were published, and the newest published checkpoint has {newest}"));
    }
    let mut ranges: Vec<(u64, u64)> = app
        .published
        .list_published(&folder(app, ENTRIES))
        .await?
        .iter()
        .filter_map(|name| name.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?))))
        .collect();
    ranges.sort_unstable();
    let mut end = app.epoch.1;
    for (from, to) in ranges {
        if from > end {
            words.push(format!("entries {end} to {} are not published any more", from - 1));
        }
        end = end.max(to);
    }
    if end < told.min(newest) {
        words.push(format!("entries {end} to {} are not published any more", told.min(newest) - 1));
    }
    Ok(words)
}

/// The sizes of which a checkpoint is published.
pub async fn sizes(app: &App) -> Result<Vec<u64>> {
    Ok(app.published.list_published(&folder(app, CHECKPOINTS)).await?.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Of these published checkpoints, those that the log of these roots contradicts, for the audit.
pub async fn contradicted(app: &App, sizes: &[u64], roots: &HashMap<u64, Sha256>) -> Result<Vec<u64>> {
    let mut wrong = Vec::new();
    for &size in sizes {
        let note = published_note(app, size).await?;
        let told = |c: &Checkpoint| c.size == size && (size == 0 || roots.get(&size) == Some(&c.root));
        if !Checkpoint::parse(&note).is_some_and(|c| told(&c) && app.trust.signed(&note, &c) == Signed::Yes) {
            wrong.push(size);
        }
    }
    Ok(wrong)
}
