//! A copy of a database, judged by itself and before anything is put back: is the log in it whole, and is it what its keys signed. It needs
//! neither the log's private key nor a server. (Rows are held against the log by `temoin audit`, after a restore.)

use std::collections::HashMap;

use super::Report;
use super::replay::chain;
use crate::db::{self, Db};
use crate::domain::custody::merkle::{Edge, leaf_hash};
use crate::domain::custody::{Checkpoint, Policy, Signed, VerifierKey};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

const PAGE: u64 = 1_000;

/// Recomputes the log of a copy. The report says with which root and how many entries; the key is the one that the copy itself names, for
/// the reader to compare.
pub async fn audit_copy(db: &Db) -> Result<(Report, String)> {
    let mut report = Report::default();
    let mut tx = db.read().await?;
    let (_, vkey) = db::log::identity(&mut tx).await?;
    let key = |text: &str| VerifierKey::parse(text).ok_or_else(|| Error::Internal(format!("{text} is not a key")));
    let mut trust = Policy::of(key(&vkey)?);
    for (replaced, until) in db::log::replaced_keys(&mut tx).await? {
        trust = trust.with_replaced(key(&replaced)?, until);
    }
    let (mut edge, mut chains) = (Edge::default(), HashMap::new());
    let mut roots: HashMap<u64, Sha256> = HashMap::new();
    let sizes: std::collections::HashSet<u64> = db::log::checkpoint_sizes(&mut tx).await?.into_iter().collect();
    loop {
        let page = db::log::entries(&mut tx, edge.size(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        for entry in page {
            if entry.index != edge.size() {
                report.add("missing-entry", format!("entry {} is missing", edge.size()));
                return Ok((report, vkey));
            }
            let leaf = leaf_hash(&entry.bytes);
            if leaf != entry.leaf {
                report.add("entry-changed", format!("entry {} is not what was hashed", entry.index));
            }
            match serde_json::from_slice(&entry.bytes) {
                Ok(envelope) => chain(&mut report, &mut chains, &envelope, entry.index, leaf),
                Err(_) => report.add("entry-unreadable", format!("entry {} is not JSON", entry.index)),
            }
            edge.push(leaf, |_, _, _| {});
            if sizes.contains(&edge.size()) {
                roots.insert(edge.size(), edge.root());
            }
        }
    }
    report.entries = edge.size();
    report.root = edge.root().base64();
    if db::log::head(&mut tx).await? != edge {
        report.add("head-differs", "the stored head is not the head of these entries");
    }
    for note in db::log::checkpoints(&mut tx).await? {
        let told = |c: &Checkpoint| c.size == 0 || roots.get(&c.size) == Some(&c.root);
        if !Checkpoint::parse(&note).is_some_and(|c| told(&c) && trust.signed(&note, &c) == Signed::Yes) {
            report.add("checkpoint-differs", note.lines().take(2).collect::<Vec<_>>().join(" "));
        }
    }
    Ok((report, vkey))
}
