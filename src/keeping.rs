//! Keeping bytes so that they can be found again: each blob is written down before it is kept (`db/keeping.rs`), and taken off that list by
//! the transaction that refers to it. What stays on the list, whoever died meanwhile, was kept in vain, and is swept.

use bytes::Bytes;

use crate::app::App;
use crate::blobs::Staged;
use crate::db;
use crate::domain::value::{Id, Sha256};
use crate::error::{Error, Result};
use crate::steps::reached;

/// A blob that is kept and that no row refers to yet. The transaction that does calls [`Kept::settle`].
pub struct Kept {
    pub key: String,
    noted: Id,
}

impl Kept {
    /// Takes the blob off the list, in the transaction that refers to it or dooms it. False when it did not stand there any more.
    pub async fn settle(&self, tx: &mut db::Tx) -> Result<bool> {
        db::keeping::done(tx, self.noted).await
    }
}

/// Refuses to refer to a blob that an erasure destroyed after it was kept. Asked under the lock of its key, in the transaction that refers to it.
/// Where a key can come back, what lies there now counts: of this length, if one is known.
pub async fn still_there(app: &App, tx: &mut db::Tx, key: &str, size: Option<u64>) -> Result<()> {
    if !db::retention::was_destroyed(tx, app.blob_mark(key)).await? {
        return Ok(());
    }
    let length = if app.blobs.keys_are_unique() { None } else { app.blobs.length(key).await? };
    if length.is_some_and(|length| size.is_none_or(|size| size == length)) { Ok(()) } else { Err(Error::TryLater) }
}

/// Keeps staged bytes. What was parked stays until the caller discards it.
pub async fn keep(app: &App, staged: &mut Staged, sha256: Sha256, size: u64) -> Result<Kept> {
    let mut kept = Kept { key: staged.target(sha256), noted: app.new_id() };
    db::keeping::note(&app.db, &[(kept.noted, kept.key.clone())], app.now()).await?;
    reached("noted-keeping");
    let begun = app.now();
    kept.key = staged.keep(sha256, size).await?;
    reached("kept");
    // A machine that stood still may come to it when the note is long swept.
    if app.now().micros() - begun.micros() > i64::try_from(app.config.limits.sweep_after().as_micros() / 2).unwrap_or(i64::MAX) {
        db::keeping::note(&app.db, &[(kept.noted, kept.key.clone())], app.now()).await?;
    }
    Ok(kept)
}

/// Keeps some small blobs.
pub async fn keep_all(app: &App, blobs: Vec<Bytes>) -> Result<Vec<Kept>> {
    if blobs.is_empty() {
        return Ok(Vec::new());
    }
    let mut staged = Vec::new();
    for bytes in blobs {
        let (sha256, size) = (Sha256::of(&bytes), bytes.len() as u64);
        let mut one = app.blobs.stage(Some(size)).await?;
        one.append(bytes).await?;
        let kept = Kept { key: one.target(sha256), noted: app.new_id() };
        staged.push((one, sha256, size, kept));
    }
    let notes: Vec<_> = staged.iter().map(|(.., kept)| (kept.noted, kept.key.clone())).collect();
    db::keeping::note(&app.db, &notes, app.now()).await?;
    let mut all = Vec::new();
    for (mut one, sha256, size, mut kept) in staged {
        kept.key = one.keep(sha256, size).await?;
        one.discard().await;
        all.push(kept);
    }
    Ok(all)
}
