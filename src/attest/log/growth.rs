//! What a batch adds to the log: made in memory, written in a few statements. One at a time, a million entries would cost
//! four million round trips to the database.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::Value;

use crate::db::{self, Tx};
use crate::domain::custody::merkle::{Edge, TILE_WIDTH, TileAt, leaf_hash, tile_level};
use crate::domain::value::{Id, Sha256};
use crate::error::Result;

pub struct Growth {
    pub edge: Edge,
    /// How many events each subject has, and the leaf of the last, as far as it was asked.
    heads: HashMap<(String, String), (u64, Option<Sha256>)>,
    tiles: HashMap<TileAt, Vec<u8>>,
    entries: Vec<db::log::Entry>,
    subjects: Vec<db::log::Place>,
}

impl Growth {
    pub fn on(edge: Edge) -> Self {
        Self { edge, heads: HashMap::new(), tiles: HashMap::new(), entries: Vec::new(), subjects: Vec::new() }
    }

    /// Asks where the histories of these subjects stand, all in one.
    pub async fn know(&mut self, tx: &mut Tx, subjects: impl Iterator<Item = (String, String)>) -> Result<()> {
        let mut unseen: Vec<(String, String)> = subjects.filter(|s| !self.heads.contains_key(s)).collect();
        unseen.sort_unstable();
        unseen.dedup();
        let found = db::log::subject_heads(tx, &unseen).await?;
        self.heads.extend(unseen.into_iter().map(|s| (s, (0, None))));
        self.heads.extend(found);
        Ok(())
    }

    pub fn head(&self, kind: &str, id: &str) -> (u64, Option<Sha256>) {
        self.heads.get(&(kind.to_owned(), id.to_owned())).copied().unwrap_or((0, None))
    }

    /// Gives an entry its place: at the end of the tree, and in the history of each of its subjects, which must be known.
    pub async fn add(&mut self, tx: &mut Tx, event: Id, bytes: Vec<u8>, subjects: Vec<(String, String)>) -> Result<()> {
        let (index, leaf) = (self.edge.size(), leaf_hash(&bytes));
        for (kind, id) in subjects {
            let n = self.head(&kind, &id).0;
            self.heads.insert((kind.clone(), id.clone()), (n + 1, Some(leaf)));
            self.subjects.push(db::log::Place { kind, id, n, index, leaf });
        }
        let mut grown = Vec::new();
        self.edge.push(leaf, |height, index, hash| {
            if let Some(level) = tile_level(height) {
                grown.push(((level, index / TILE_WIDTH), hash));
            }
        });
        for (at, hash) in grown {
            let tile = match self.tiles.entry(at) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unseen) => unseen.insert(db::log::tile(tx, at).await?.unwrap_or_default()),
            };
            tile.extend_from_slice(hash.bytes());
        }
        self.entries.push(db::log::Entry { index, event, leaf, bytes });
        Ok(())
    }

    /// Writes everything, and the new head.
    pub async fn write(self, tx: &mut Tx) -> Result<Edge> {
        db::log::add_entries(tx, &self.entries).await?;
        db::log::add_subjects(tx, &self.subjects).await?;
        for (at, hashes) in self.tiles {
            db::log::put_tile(tx, at, hashes).await?;
        }
        db::log::set_head(tx, &self.edge).await?;
        Ok(self.edge)
    }
}

/// Whether every entry between two sizes is of a family of events.
pub async fn growth_is_only(tx: &mut Tx, from: u64, to: u64, family: &str) -> Result<bool> {
    /// More than that is no mere echo.
    const LOOK_AT: u64 = 64;
    if to - from > LOOK_AT {
        return Ok(false);
    }
    let entries = db::log::entries(tx, from, to - from).await?;
    let kind = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok().and_then(|e| Some(e["type"].as_str()?.to_owned()));
    Ok(entries.iter().all(|e| kind(&e.bytes).is_some_and(|k| k.starts_with(family))))
}
