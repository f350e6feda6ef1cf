//! Proofs given out: a witness's receipt, a newer one for an older one, and the two kinds of proof that they are made of.

use data_encoding::BASE64;

use super::append;
use super::log::anchor;
use crate::app::App;
use crate::db::{self, Tx};
use crate::domain::actor::Actor;
use crate::domain::custody::merkle::{
    self, Tiles, consistency_proof, inclusion_proof, leaf_hash, tiles_for_consistency, tiles_for_inclusion,
};
use crate::domain::custody::{Checkpoint, Draft, EventType, LogProof, Receipt, Signed, Since, SubjectKind, Timestamp, Tombstone, strict};
use crate::domain::value::{Id, Sha256};
use crate::error::{Error, Result};

async fn load(tx: &mut Tx, wanted: impl IntoIterator<Item = merkle::TileAt>) -> Result<Tiles> {
    let mut tiles = Tiles::default();
    for at in wanted {
        if let Some(hashes) = db::log::tile(tx, at).await? {
            tiles.insert(at, &hashes);
        }
    }
    Ok(tiles)
}

/// The receipt of an exhibit: its `exhibit.received` entry, proven in the newest checkpoint that outsiders vouch for, else in the
/// newest. `None` until the sequencer has been by.
async fn proof_of_receipt(app: &App, tx: &mut Tx, exhibit: Id) -> Result<Option<String>> {
    Ok(receipt_of(app, tx, exhibit, None).await?.map(|proof| proof.to_string()))
}

/// As [`proof_of_receipt`], for the witness of this submission to take along, also of what was erased since; the first time is an
/// event.
pub async fn issue_receipt(app: &App, submission: Id, exhibit: Id) -> Result<Option<String>> {
    let mut tx = app.db.read().await?;
    let erased = db::retention::erased_of_submission(&mut tx, submission).await?.iter().any(|(id, _)| *id == exhibit);
    if !erased && db::exhibits::by_id(&mut tx, exhibit).await?.is_none_or(|e| e.submission != submission) {
        return Err(Error::NotFound);
    }
    let Some(text) = proof_of_receipt(app, &mut tx, exhibit).await? else { return Ok(None) };
    let (kind, subject) = (SubjectKind::Exhibit.as_str(), exhibit.to_string());
    let issued = db::log::last_of_subject(&mut tx, kind, &subject, EventType::ReceiptIssued).await?.is_some();
    drop(tx);
    if !issued && !erased {
        let mut tx = app.db.begin().await?;
        append(app, &mut tx, Draft::new(EventType::ReceiptIssued, Actor::Witness(submission)).about(SubjectKind::Exhibit, exhibit)).await?;
        tx.commit().await?;
    }
    Ok(Some(text))
}

/// A newer receipt for an older one: newer checkpoint, proof that it contains the older one, and what outsiders have said since.
pub async fn upgraded(app: &App, tx: &mut Tx, text: &str) -> Result<String> {
    let wrong = |why: &str| Error::Invalid { field: "receipt", why: why.into() };
    let old = LogProof::parse(text).ok_or_else(|| wrong("not a readable tlog-proof"))?;
    let checkpoint = Checkpoint::parse(&old.checkpoint).ok_or_else(|| wrong("without a checkpoint"))?;
    match app.trust.signed(&old.checkpoint, &checkpoint) {
        Signed::Yes => {}
        Signed::Unknown => return Err(wrong("of another log")),
        Signed::No | Signed::Replaced => return Err(wrong("its checkpoint was not signed by this log")),
    }
    if checkpoint.origin != app.signer.origin() && checkpoint.size > app.epoch.1 {
        return Err(wrong("of a part of this log that was lost when its last epoch was closed"));
    }
    let receipt = old.extra.as_deref().and_then(Receipt::parse).ok_or_else(|| wrong("without an entry"))?;
    let entry = BASE64.decode(receipt.entry.as_bytes()).map_err(|_| wrong("without an entry"))?;
    let stands = db::log::entries(tx, old.index, 1).await?.first().is_some_and(|e| e.leaf == leaf_hash(&entry));
    let said = strict::parse(&entry).filter(|e| stands && e["type"] == EventType::ExhibitReceived.as_str());
    let exhibit = said.and_then(|e| e.pointer("/subj/0/id")?.as_str()?.parse::<Id>().ok()).ok_or_else(|| wrong("not in this log"))?;
    let mut newer = receipt_of(app, tx, exhibit, Some((&checkpoint, old.checkpoint.clone()))).await?.ok_or(Error::TryLater)?;
    // Whoever asks is told again what they hold, and nothing more.
    if let Some(mut told) = newer.extra.as_deref().and_then(Receipt::parse) {
        told.openings.retain(|o| receipt.openings.contains(o));
        newer.extra = Some(told.to_bytes());
    }
    Ok(newer.to_string())
}

async fn receipt_of(app: &App, tx: &mut Tx, exhibit: Id, since: Option<(&Checkpoint, String)>) -> Result<Option<LogProof>> {
    let subject = exhibit.to_string();
    let Some(entry) = db::log::first_of_subject(tx, SubjectKind::Exhibit.as_str(), &subject).await? else {
        return Ok(None);
    };
    let end = db::log::last_of_subject(tx, SubjectKind::Exhibit.as_str(), &subject, EventType::ErasureExecuted).await?;
    // It has to contain everything that the receipt speaks of.
    let beyond = entry.index.max(end.as_ref().map_or(0, |e| e.index)).max(since.as_ref().map_or(0, |(c, _)| c.size.saturating_sub(1)));
    let anchored = match db::anchors::best_beyond(tx, beyond).await? {
        Some(size) => db::log::checkpoint_at(tx, size).await?.map(|note| (size, note)),
        None => None,
    };
    let newest = match anchored {
        Some(anchored) => Some(anchored),
        None => db::log::last_checkpoint(tx).await?,
    };
    let Some((size, note)) = newest.filter(|(size, _)| entry.index < *size) else { return Ok(None) };
    let checkpoint = anchor::cosigned(tx, size, &note).await?;
    let tokens = anchor::timestamps(tx, size).await?;
    let since = match since {
        Some((old, _)) if old.size > size => return Err(Error::Invalid { field: "receipt", why: "newer than this log".into() }),
        Some((old, text)) => {
            let hashes = consistency(tx, old.size, size).await?.unwrap_or_default();
            Some(Since { checkpoint: text, hashes: hashes.iter().map(|h| h.base64()).collect() })
        }
        None => None,
    };
    let hashes = inclusion(tx, entry.index, size).await?;
    let erased = match end {
        Some(end) if end.index < size => Some(Tombstone {
            index: end.index,
            entry: BASE64.encode(&end.bytes),
            hashes: inclusion(tx, end.index, size).await?.iter().map(|h| h.base64()).collect(),
        }),
        _ => None,
    };
    let receipt = Receipt {
        erased,
        timestamps: tokens.into_iter().map(|(name, token)| Timestamp { name, token: BASE64.encode(&token) }).collect(),
        since,
        entry: BASE64.encode(&entry.bytes),
        openings: db::log::openings(tx, entry.event).await?,
        vkey: Checkpoint::parse(&note).and_then(|c| app.trust.signer_of(&note, &c)).unwrap_or(&app.signer.verifier()).to_string(),
        server: app.config.public_url.clone(),
    };
    Ok(Some(LogProof { extra: Some(receipt.to_bytes()), index: entry.index, hashes, checkpoint }))
}

/// The proof that an entry stands in the log of `size`.
pub async fn inclusion(tx: &mut Tx, index: u64, size: u64) -> Result<Vec<Sha256>> {
    let tiles = load(tx, tiles_for_inclusion(index, size)).await?;
    inclusion_proof(index, size, &tiles).ok_or_else(|| Error::Internal("the log's tiles are not whole".into()))
}

/// The proof that the log of `old` entries is a prefix of today's.
pub async fn consistency(tx: &mut Tx, old: u64, new: u64) -> Result<Option<Vec<Sha256>>> {
    if old == 0 || old > new {
        return Ok(None);
    }
    let tiles = load(tx, tiles_for_consistency(old, new)).await?;
    Ok(consistency_proof(old, new, &tiles))
}
