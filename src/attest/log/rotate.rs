//! Another key for the log, and another epoch.
//!
//! A key is replaced without a gap: `key.rotated` names both, and while the new one becomes known both sign (`temoin log rotate-key`),
//! until the old one is destroyed (`--finish`). It never signs alone what is larger than the log was: verifiers are told by `#until`.
//!
//! A log that cannot be gone on with (published entries are lost for good, or somebody else had the key) is closed. Its next epoch has
//! another name and another key, begins with `log.epoch_opened`, and carries on with every entry that the database still has, so that
//! receipts of the closed one can still be proven, and renewed up to that point.

use super::growth::Growth;
use super::publish::{guard, published_end};
use super::sequence_all;
use crate::app::App;
use crate::attest::append;
use crate::db::{self, Tx};
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, Waiting, checkpoint_body};
use crate::domain::value::Id;
use crate::error::{Error, Result};

/// The log gets another key; the one that it had signs along. Returns the new one.
pub async fn rotate_key(app: &App) -> Result<String> {
    if app.keys.has_old() {
        return Err(Error::Internal("a key is being replaced already; `temoin log rotate-key --finish` ends that".into()));
    }
    sequence_all(app).await?;
    let keys = app.keys.successor(true)?;
    let new = keys.signer(app.signer.origin()).verifier().to_string();
    let mut tx = app.db.begin_apart().await?;
    let until = db::log::lock_head(&mut tx).await?.size();
    still_ours(app, &mut tx).await?;
    db::log::replace_key(&mut tx, app.signer.origin(), &new, until, app.now()).await?;
    let draft = Draft::new(EventType::KeyRotated, Actor::Operator)
        .fact("old", app.signer.verifier().to_string())
        .fact("new", new.clone())
        .fact("until", until);
    append(app, &mut tx, draft).await?;
    tx.commit().await?;
    keys.take_place()?;
    Ok(new)
}

/// The key that signed along is destroyed.
pub async fn retire_key(app: &App) -> Result<()> {
    if !app.keys.has_old() {
        return Err(Error::Internal("no key is being replaced".into()));
    }
    sequence_all(app).await?;
    let keys = app.keys.alone()?;
    let mut tx = app.db.begin().await?;
    let draft = Draft::new(EventType::KeyRetired, Actor::Operator).fact("key", app.signer.verifier().to_string());
    append(app, &mut tx, draft).await?;
    tx.commit().await?;
    keys.take_place()
}

/// Refuses when the log has another key by now: this process must not sign any more.
pub async fn still_ours(app: &App, tx: &mut Tx) -> Result<()> {
    let (_, vkey) = db::log::identity(tx).await?;
    if vkey == app.signer.verifier().to_string() {
        return Ok(());
    }
    Err(Error::Internal(format!("the log's key is {vkey} now: start again with its key file. Nothing is signed with another")))
}

/// What a new epoch begins with.
pub struct Epoch {
    pub origin: String,
    pub key: String,
    /// Entries that it carries on with.
    pub kept: u64,
    /// Entries that were published and are lost.
    pub lost: u64,
}

/// Closes the log and opens its next epoch.
pub async fn new_epoch(app: &App, reason: &str) -> Result<Epoch> {
    if app.keys.has_old() {
        return Err(Error::Internal("a key is being replaced; `temoin log rotate-key --finish` ends that".into()));
    }
    // What the published log says of itself is told, not believed.
    let (published, note) = published_end(app).await;
    if guard(app).await.is_ok() {
        sequence_all(app).await?;
    }
    let keys = app.keys.successor(false)?;
    let origin = next_origin(app.signer.origin());
    let signer = keys.signer(&origin);
    let mut tx = app.db.begin_apart().await?;
    let mut growth = Growth::on(db::log::lock_head(&mut tx).await?);
    still_ours(app, &mut tx).await?;
    let kept = growth.edge.size();
    let told = db::log::published(&mut tx).await?.max(published);
    db::log::replace_key(&mut tx, &origin, &signer.verifier().to_string(), kept, app.now()).await?;
    db::log::open_epoch(&mut tx, kept).await?;
    let draft = Draft::new(EventType::EpochOpened, Actor::Operator)
        .fact("previous", app.signer.origin())
        .fact("previous_key", app.signer.verifier().to_string())
        .fact("last_checkpoint", note)
        .fact("kept", kept)
        .fact("lost", told.saturating_sub(kept))
        .private("reason", reason);
    let event = append(app, &mut tx, draft).await?;
    place_first(&mut tx, &mut growth, event).await?;
    let edge = growth.write(&mut tx).await?;
    let note = signer.sign(&checkpoint_body(&origin, edge.size(), edge.root()));
    db::log::add_checkpoint(&mut tx, edge.size(), &note, app.now()).await?;
    tx.commit().await?;
    keys.take_place()?;
    Ok(Epoch { origin, key: signer.verifier().to_string(), kept, lost: told.saturating_sub(kept) })
}

/// An event's place in front of everything that waits.
async fn place_first(tx: &mut Tx, growth: &mut Growth, event: Id) -> Result<()> {
    let unreadable = || Error::Internal(format!("the waiting event {event} is not an envelope"));
    let waiting = db::log::pending_event(tx, event).await?.ok_or_else(unreadable)?;
    let mut waiting = Waiting::read(&waiting).ok_or_else(unreadable)?;
    growth.know(tx, waiting.subjects.iter().cloned()).await?;
    let entry = waiting.place(|kind, id| growth.head(kind, id)).ok_or_else(unreadable)?;
    growth.add(tx, event, entry, waiting.subjects).await?;
    db::log::remove_pending_event(tx, event).await
}

/// `HOST/custody/1` is followed by `HOST/custody/2`.
fn next_origin(origin: &str) -> String {
    match origin.rsplit_once('/').and_then(|(name, n)| Some((name, n.parse::<u64>().ok()?))) {
        Some((name, n)) => format!("{name}/{}", n + 1),
        None => format!("{origin}/2"),
    }
}

#[cfg(test)]
mod tests {
    use super::next_origin;

    #[test]
    fn epochs_are_counted() {
        assert_eq!(next_origin("police.example/custody/1"), "police.example/custody/2");
        assert_eq!(next_origin("police.example/custody/9"), "police.example/custody/10");
        assert_eq!(next_origin("police.example/log"), "police.example/log/2");
    }
}
