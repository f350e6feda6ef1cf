//! Another key for the log, and another epoch.
//!
//! A key is replaced without a gap: `key.rotated` names both, and while the new one becomes known both sign (`temoin log rotate-key`),
//! until the old one is destroyed (`--finish`). It never signs alone what is larger than the log was: verifiers are told by `#until`.
//!
//! A log that cannot be gone on with (published entries are lost for good, or somebody else had the key) is closed. Its next epoch has
//! another name and another key, begins with `log.epoch_opened`, and carries on with every entry that the database still has, so that
//! receipts of the closed one can still be proven, and renewed up to that point.

use super::growth::Growth;
use super::publish::{guard, published_end, published_note, sizes};
use super::recover::salvage;
use super::sequence_all;
use crate::app::App;
use crate::attest::append;
use crate::db::{self, Tx};
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, Waiting, checkpoint_body};
use crate::domain::value::Id;
use crate::error::{Error, Result};
use crate::steps::reached;

/// The log gets another key; the one that it had signs along. Returns the new one.
pub async fn rotate_key(app: &App) -> Result<String> {
    if app.keys.old(app.signer.origin()).is_some() {
        return Err(Error::Internal("a key is being replaced already; `temoin log rotate-key --finish` ends that".into()));
    }
    sequence_all(app).await?;
    let keys = app.keys.successor();
    let new = keys.signer(app.signer.origin()).verifier().to_string();
    let mut tx = app.db.begin_apart().await?;
    let until = db::log::lock_head(&mut tx).await?.size();
    still_ours(app, &mut tx).await?;
    keys.write_beside()?;
    reached("key-beside");
    db::log::replace_key(&mut tx, app.signer.origin(), &new, until, app.now()).await?;
    let draft = Draft::new(EventType::KeyRotated, Actor::Operator)
        .fact("old", app.signer.verifier().to_string())
        .fact("new", new.clone())
        .fact("until", until);
    append(app, &mut tx, draft).await?;
    tx.commit().await?;
    reached("key-replaced");
    keys.take_place()?;
    Ok(new)
}

/// The key that signed along is destroyed.
pub async fn retire_key(app: &App) -> Result<()> {
    let Some(old) = app.keys.old(app.signer.origin()) else {
        return Err(Error::Internal("no key is being replaced".into()));
    };
    sequence_all(app).await?;
    let keys = app.keys.alone();
    let mut tx = app.db.begin_apart().await?;
    db::log::lock_head(&mut tx).await?;
    still_ours(app, &mut tx).await?;
    keys.write_beside()?;
    db::log::retire_key(&mut tx, &old.to_string(), app.now()).await?;
    append(app, &mut tx, Draft::new(EventType::KeyRetired, Actor::Operator).fact("key", old.to_string())).await?;
    tx.commit().await?;
    reached("key-retired");
    keys.take_place()
}

/// Refuses when the log has another key or another epoch by now, or when a key signs along that must not any more: this process
/// must not sign, nor publish.
pub async fn still_ours(app: &App, tx: &mut Tx) -> Result<()> {
    let (origin, vkey) = db::log::identity(tx).await?;
    let stale = match app.keys.old(&origin) {
        Some(old) => db::log::retired_keys(tx).await?.contains(&old.to_string()),
        None => false,
    };
    if vkey == app.signer.verifier().to_string() && db::log::epoch(tx).await? == app.epoch && !stale {
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
    // What the published log says of itself is told, not believed.
    let (published, note) = published_end(app).await?;
    if guard(app).await.is_ok() {
        sequence_all(app).await?;
    } else {
        salvage(app).await?;
    }
    let keys = app.keys.stranger();
    let origin = next_origin(app.signer.origin());
    let signer = keys.signer(&origin);
    let mut tx = app.db.begin_apart().await?;
    let mut growth = Growth::on(db::log::lock_head(&mut tx).await?);
    still_ours(app, &mut tx).await?;
    let kept = growth.edge.size();
    let told = db::log::published(&mut tx).await?.max(published);
    let until = agreed(app, &mut tx, kept).await?;
    keys.write_beside()?;
    db::log::replace_key(&mut tx, &origin, &signer.verifier().to_string(), until, app.now()).await?;
    db::log::open_epoch(&mut tx, kept).await?;
    let draft = Draft::new(EventType::EpochOpened, Actor::Operator)
        .fact("previous", app.signer.origin())
        .fact("previous_key", app.signer.verifier().to_string())
        .fact("last_checkpoint", note)
        .fact("kept", kept)
        .fact("agreed", until)
        .fact("lost", told.saturating_sub(kept))
        .private("reason", reason);
    let event = append(app, &mut tx, draft).await?;
    place_first(&mut tx, &mut growth, event).await?;
    let edge = growth.write(&mut tx).await?;
    let note = signer.sign(&checkpoint_body(&origin, edge.size(), edge.root()));
    db::log::add_checkpoint(&mut tx, edge.size(), &note, app.now()).await?;
    tx.commit().await?;
    reached("epoch-opened");
    keys.take_place()?;
    Ok(Epoch { origin, key: signer.verifier().to_string(), kept, lost: told.saturating_sub(kept) })
}

/// Up to which size the closed log's key counts: where what was published and what is kept still say the same.
async fn agreed(app: &App, tx: &mut Tx, kept: u64) -> Result<u64> {
    let mut within: Vec<u64> = sizes(app).await?.into_iter().filter(|size| *size <= kept).collect();
    within.sort_unstable();
    let last = within.last().copied();
    while let Some(size) = within.pop() {
        if db::log::checkpoint_at(tx, size).await? == Some(published_note(app, size).await?) {
            // Beyond the last one nothing was published that could say otherwise.
            return Ok(if Some(size) == last { kept } else { size });
        }
    }
    Ok(if last.is_none() { kept } else { 0 })
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
