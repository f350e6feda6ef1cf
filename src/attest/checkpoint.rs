//! The sequencer: moves waiting events into the Merkle log and signs what it then holds.
//!
//! Any number may run; the lock on the head row lets one work at a time, and the batch transaction
//! makes entries, tiles, head and checkpoint appear together or not at all. A crash anywhere leaves the
//! drafts in the outbox, to be sequenced again; Ed25519 is deterministic, so the same tree always has
//! the same signature.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use super::publish::{guard, publish};
use crate::app::App;
use crate::db::{self, Tx};
use crate::domain::custody::merkle::{Edge, TILE_WIDTH, TileAt, leaf_hash, tile_level};
use crate::domain::custody::{checkpoint_body, sequence, subjects_of};
use crate::domain::value::{Id, Sha256};
use crate::error::{Error, Result};

/// Entries of one batch: one transaction, one checkpoint.
const BATCH: i64 = 1_000;
/// How long the sequencer gathers after it was rung, so that a flood shares its commits.
const GATHER: Duration = Duration::from_millis(30);
/// It looks by itself this often: other nodes ring their own bells only.
const POLL: Duration = Duration::from_millis(500);

/// Runs until the process ends.
pub async fn run_sequencer(app: Arc<App>) {
    loop {
        let _ = tokio::time::timeout(POLL, app.sequence.notified()).await;
        tokio::time::sleep(GATHER).await;
        if let Err(e) = sequence_all(&app).await {
            tracing::error!(cause = %e, "the custody log could not be extended; events wait in the outbox");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Sequences and publishes everything that waits, unless the database is behind what was published.
pub async fn sequence_all(app: &App) -> Result<()> {
    guard(app).await?;
    publish(app).await?;
    while batch(app).await? {
        publish(app).await?;
    }
    publish(app).await
}

/// Sequences one batch; whether more may wait.
async fn batch(app: &App) -> Result<bool> {
    let mut tx = app.db.read().await?;
    let head = db::log::head(&mut tx).await?.size();
    let nothing = db::log::pending_count(&mut tx).await? == 0 && db::log::checkpoint_at(&mut tx, head).await?.is_some();
    drop(tx);
    if nothing {
        return Ok(false);
    }
    let mut tx = app.db.begin_apart().await?;
    let mut edge = db::log::lock_head(&mut tx).await?;
    let waiting = db::log::pending(&mut tx, BATCH).await?;
    let full = waiting.len() == usize::try_from(BATCH).unwrap_or(usize::MAX);
    let mut subjects = HashMap::new();
    let mut tiles = HashMap::new();
    for draft in waiting {
        for (kind, id) in subjects_of(&draft.draft) {
            if let Entry::Vacant(unseen) = subjects.entry((kind.clone(), id.clone())) {
                unseen.insert(db::log::subject_head(&mut tx, &kind, &id).await?);
            }
        }
        let entry = sequence(&draft.draft, |kind, id| subjects.get(&(kind.to_owned(), id.to_owned())).copied().unwrap_or((0, None)))
            .ok_or_else(|| Error::Internal(format!("the waiting event {} is not an envelope", draft.event)))?;
        place(&mut tx, &mut edge, &mut subjects, &mut tiles, draft.event, entry).await?;
        db::log::remove_pending(&mut tx, draft.seq).await?;
    }
    for (at, hashes) in tiles {
        db::log::put_tile(&mut tx, at, hashes).await?;
    }
    db::log::set_head(&mut tx, &edge).await?;
    let note = app.signer.sign(&checkpoint_body(app.signer.origin(), edge.size(), edge.root()));
    db::log::add_checkpoint(&mut tx, edge.size(), &note, app.now()).await?;
    tx.commit().await?;
    Ok(full)
}

/// How many events each subject has, and the leaf of the last, as far as it was asked.
pub(super) type Heads = HashMap<(String, String), (u64, Option<Sha256>)>;

/// Gives an entry its place: at the end of the tree, and in the history of each of its subjects.
pub(super) async fn place(
    tx: &mut Tx,
    edge: &mut Edge,
    heads: &mut Heads,
    tiles: &mut HashMap<TileAt, Vec<u8>>,
    event: Id,
    entry: Vec<u8>,
) -> Result<()> {
    let (index, leaf) = (edge.size(), leaf_hash(&entry));
    for (kind, id) in subjects_of(&entry) {
        let head = match heads.entry((kind.clone(), id.clone())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unseen) => unseen.insert(db::log::subject_head(tx, &kind, &id).await?),
        };
        db::log::add_subject(tx, &kind, &id, head.0, index, leaf).await?;
        *head = (head.0 + 1, Some(leaf));
    }
    grow(tx, edge, leaf, tiles).await?;
    db::log::add_entry(tx, index, event, leaf, entry).await
}

/// Appends a leaf, and to each tile the subtree that it completed.
async fn grow(tx: &mut Tx, edge: &mut Edge, leaf: Sha256, tiles: &mut HashMap<TileAt, Vec<u8>>) -> Result<()> {
    let mut grown = Vec::new();
    edge.push(leaf, |height, index, hash| {
        if let Some(level) = tile_level(height) {
            grown.push(((level, index / TILE_WIDTH), hash));
        }
    });
    for (at, hash) in grown {
        let tile = match tiles.entry(at) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unseen) => unseen.insert(db::log::tile(tx, at).await?.unwrap_or_default()),
        };
        tile.extend_from_slice(hash.bytes());
    }
    Ok(())
}
