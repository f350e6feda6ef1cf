//! The custody log's tables: outbox, entries, tiles, head, checkpoints, openings.
//!
//! Only `attest` calls these. Nothing here updates or deletes an entry; the schema refuses it too.

use super::{Tx, bad_row, digest, id, signed, to_json, unsigned};
use crate::domain::custody::merkle::{Edge, TileAt};
use crate::domain::custody::{EventType, Opening};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

pub async fn add_pending(tx: &mut Tx, event: Id, draft: &[u8], openings: &[Opening]) -> Result<()> {
    sql!(run tx, "INSERT INTO log_pending (event_id, draft) VALUES ($1, $2)", event.blob(), draft.to_vec())?;
    let rows = openings.iter().map(|o| Ok((o, to_json(&o.value)?))).collect::<Result<Vec<_>>>()?;
    many!(run tx, "INSERT INTO log_opening (event_id, path, salt, value)", rows,
        |(o, value)| blob event.blob(), text o.path.clone(), text o.salt.clone(), text value.clone(); "");
    Ok(())
}

pub struct Pending {
    pub seq: i64,
    pub event: Id,
    pub draft: Vec<u8>,
}

/// The head, locked until commit: whoever holds it is the sequencer.
pub async fn lock_head(tx: &mut Tx) -> Result<Edge> {
    let text = tx.locking("SELECT size, edge FROM log_head WHERE id = 1", "SELECT size, edge FROM log_head WHERE id = 1 FOR UPDATE");
    let (size, edge) = sql!(one tx, (i64, Vec<u8>), text)?;
    Edge::from_parts(unsigned(size), &edge).ok_or_else(|| bad_row("log head"))
}

/// How many entries the log has, if nothing waits to be placed, signed or published; in one statement, because it is asked several times a second.
pub async fn rests_at(tx: &mut Tx) -> Result<Option<u64>> {
    let row = sql!(maybe tx, (i64,),
        "SELECT h.size FROM log_head h WHERE h.id = 1 AND h.published = h.size AND NOT EXISTS (SELECT 1 FROM log_pending)
           AND EXISTS (SELECT 1 FROM log_checkpoint c WHERE c.size = h.size)")?;
    Ok(row.map(|r| unsigned(r.0)))
}

/// The log's identity and public key, empty before the first start has fixed them.
pub async fn identity(tx: &mut Tx) -> Result<(String, String)> {
    sql!(one tx, (String, String), "SELECT origin, vkey FROM log_head WHERE id = 1")
}

/// The log's number among its epochs, from 1, and with how many entries it began.
pub async fn epoch(tx: &mut Tx) -> Result<(u64, u64)> {
    let (epoch, start) = sql!(one tx, (i64, i64), "SELECT epoch, epoch_start FROM log_head WHERE id = 1")?;
    Ok((unsigned(epoch), unsigned(start)))
}

/// The next epoch begins with so many entries; of it nothing is published yet.
pub async fn open_epoch(tx: &mut Tx, start: u64) -> Result<()> {
    sql!(run tx, "UPDATE log_head SET epoch = epoch + 1, epoch_start = $1, published = $1 WHERE id = 1", signed(start))?;
    // Of what is not there any more.
    sql!(run tx, "DELETE FROM log_checkpoint WHERE size > $1", signed(start))?;
    Ok(())
}

/// The log has another key from here on, and perhaps another name.
pub async fn replace_key(tx: &mut Tx, origin: &str, vkey: &str, until: u64, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO log_key (vkey, until, replaced_at) SELECT vkey, $1, $2 FROM log_head WHERE id = 1", signed(until), now.micros())?;
    sql!(run tx, "UPDATE log_head SET origin = $1, vkey = $2 WHERE id = 1", origin.to_owned(), vkey.to_owned())?;
    Ok(())
}

/// Keys that signed before, newest first, and the size beyond which they do not count.
pub async fn replaced_keys(tx: &mut Tx) -> Result<Vec<(String, u64)>> {
    let rows = sql!(all tx, (String, i64), "SELECT vkey, until FROM log_key ORDER BY replaced_at DESC")?;
    Ok(rows.into_iter().map(|(vkey, until)| (vkey, unsigned(until))).collect())
}

/// Those that do not sign along any more.
pub async fn retired_keys(tx: &mut Tx) -> Result<Vec<String>> {
    let rows = sql!(all tx, (String,), "SELECT vkey FROM log_key WHERE retired_at IS NOT NULL")?;
    Ok(rows.into_iter().map(|r| r.0).collect())
}

pub async fn retire_key(tx: &mut Tx, vkey: &str, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE log_key SET retired_at = $2 WHERE vkey = $1 AND retired_at IS NULL", vkey.to_owned(), now.micros())?;
    Ok(())
}

/// A draft that waits.
pub async fn pending_event(tx: &mut Tx, event: Id) -> Result<Option<Vec<u8>>> {
    Ok(sql!(maybe tx, (Vec<u8>,), "SELECT draft FROM log_pending WHERE event_id = $1", event.blob())?.map(|r| r.0))
}

/// Fixes identity and key; false when another node was faster.
pub async fn fix_identity(tx: &mut Tx, origin: &str, vkey: &str) -> Result<bool> {
    let rows = sql!(run tx, "UPDATE log_head SET origin = $1, vkey = $2 WHERE id = 1 AND origin = ''", origin.to_owned(), vkey.to_owned())?;
    Ok(rows == 1)
}

pub async fn head(tx: &mut Tx) -> Result<Edge> {
    let (size, edge) = sql!(one tx, (i64, Vec<u8>), "SELECT size, edge FROM log_head WHERE id = 1")?;
    Edge::from_parts(unsigned(size), &edge).ok_or_else(|| bad_row("log head"))
}

pub async fn set_head(tx: &mut Tx, edge: &Edge) -> Result<()> {
    sql!(run tx, "UPDATE log_head SET size = $1, edge = $2 WHERE id = 1", signed(edge.size()), edge.to_bytes())?;
    Ok(())
}

pub async fn pending(tx: &mut Tx, limit: i64) -> Result<Vec<Pending>> {
    let rows = sql!(all tx, (i64, Vec<u8>, Vec<u8>), "SELECT seq, event_id, draft FROM log_pending ORDER BY seq LIMIT $1", limit)?;
    rows.into_iter().map(|(seq, event, draft)| Ok(Pending { seq, event: id(&event)?, draft })).collect()
}

/// Takes drafts between two numbers out of the outbox that stand in the log now. Others between them may belong to transactions that
/// had not committed when the batch was read.
pub async fn remove_sequenced(tx: &mut Tx, first: i64, last: i64) -> Result<()> {
    sql!(run tx,
        "DELETE FROM log_pending WHERE seq >= $1 AND seq <= $2
           AND EXISTS (SELECT 1 FROM log_entry e WHERE e.event_id = log_pending.event_id)", first, last)?;
    Ok(())
}

pub async fn add_entries(tx: &mut Tx, entries: &[Entry]) -> Result<()> {
    many!(run tx, "INSERT INTO log_entry (idx, event_id, leaf, bytes)", entries,
        |e| int signed(e.index), blob e.event.blob(), blob e.leaf.blob(), blob e.bytes.clone(); "");
    Ok(())
}

/// How many events each of these subjects has, and the leaf of the last; those without any are left out.
pub async fn subject_heads(tx: &mut Tx, subjects: &[(String, String)]) -> Result<Vec<((String, String), (u64, Option<Sha256>))>> {
    let rows = many!(all tx, (String, String, i64, Vec<u8>), "WITH asked (kind, id) AS (", subjects,
        |(kind, id)| text kind.clone(), text id.clone();
        ") SELECT s.kind, s.id, s.n, s.leaf FROM asked JOIN log_subject s ON s.kind = asked.kind AND s.id = asked.id
           WHERE s.n = (SELECT MAX(n) FROM log_subject x WHERE x.kind = asked.kind AND x.id = asked.id)");
    rows.into_iter().map(|(kind, id, n, leaf)| Ok(((kind, id), (unsigned(n) + 1, Some(digest(&leaf)?))))).collect()
}

/// An entry's place in one subject's history.
pub struct Place {
    pub kind: String,
    pub id: String,
    pub n: u64,
    pub index: u64,
    pub leaf: Sha256,
}

pub async fn add_subjects(tx: &mut Tx, places: &[Place]) -> Result<()> {
    many!(run tx, "INSERT INTO log_subject (kind, id, n, idx, leaf)", places,
        |p| text p.kind.clone(), text p.id.clone(), int signed(p.n), int signed(p.index), blob p.leaf.blob(); "");
    Ok(())
}

pub async fn tile(tx: &mut Tx, at: TileAt) -> Result<Option<Vec<u8>>> {
    let row = sql!(maybe tx, (Vec<u8>,), "SELECT hashes FROM log_tile WHERE level = $1 AND idx = $2", i64::from(at.0), signed(at.1))?;
    Ok(row.map(|r| r.0))
}

pub async fn put_tile(tx: &mut Tx, at: TileAt, hashes: Vec<u8>) -> Result<()> {
    sql!(run tx,
        "INSERT INTO log_tile (level, idx, hashes) VALUES ($1, $2, $3)
         ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes",
        i64::from(at.0), signed(at.1), hashes)?;
    Ok(())
}

pub async fn add_checkpoint(tx: &mut Tx, size: u64, note: &str, now: Utc) -> Result<()> {
    sql!(run tx, "INSERT INTO log_checkpoint (size, note, created_at) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING",
        signed(size), note.to_owned(), now.micros())?;
    Ok(())
}

/// The newest checkpoint that may be given out: one that lies where the database cannot change it.
pub async fn last_checkpoint(tx: &mut Tx) -> Result<Option<(u64, String)>> {
    let row = sql!(maybe tx, (i64, String),
        "SELECT size, note FROM log_checkpoint WHERE size <= (SELECT published FROM log_head WHERE id = 1) ORDER BY size DESC LIMIT 1")?;
    Ok(row.map(|(size, note)| (unsigned(size), note)))
}

pub async fn checkpoint_at(tx: &mut Tx, size: u64) -> Result<Option<String>> {
    Ok(sql!(maybe tx, (String,), "SELECT note FROM log_checkpoint WHERE size = $1", signed(size))?.map(|r| r.0))
}

/// The checkpoint to publish next: the largest of up to `to` entries beyond `from`, else the next one at all.
pub async fn next_checkpoint(tx: &mut Tx, from: u64, to: u64) -> Result<Option<(u64, String)>> {
    let within = sql!(maybe tx, (i64, String),
        "SELECT size, note FROM log_checkpoint WHERE size > $1 AND size <= $2 ORDER BY size DESC LIMIT 1", signed(from), signed(to))?;
    let next = match within {
        Some(row) => Some(row),
        None => sql!(maybe tx, (i64, String), "SELECT size, note FROM log_checkpoint WHERE size > $1 ORDER BY size LIMIT 1", signed(from))?,
    };
    Ok(next.map(|(size, note)| (unsigned(size), note)))
}

/// How many entries of an epoch are published; it only grows.
pub async fn set_published(tx: &mut Tx, epoch: u64, size: u64) -> Result<()> {
    sql!(run tx, "UPDATE log_head SET published = $1 WHERE id = 1 AND published < $1 AND epoch = $2", signed(size), signed(epoch))?;
    Ok(())
}

/// How many entries are published.
pub async fn published(tx: &mut Tx) -> Result<u64> {
    Ok(unsigned(sql!(one tx, (i64,), "SELECT published FROM log_head WHERE id = 1")?.0))
}

/// Takes a draft out of the outbox whose event stands in the log already.
pub async fn remove_pending_event(tx: &mut Tx, event: Id) -> Result<()> {
    sql!(run tx, "DELETE FROM log_pending WHERE event_id = $1", event.blob())?;
    Ok(())
}

pub async fn checkpoints(tx: &mut Tx) -> Result<Vec<String>> {
    Ok(sql!(all tx, (String,), "SELECT note FROM log_checkpoint ORDER BY size")?.into_iter().map(|r| r.0).collect())
}

pub struct Entry {
    pub index: u64,
    pub event: Id,
    pub leaf: Sha256,
    pub bytes: Vec<u8>,
}

type EntryRow = (i64, Vec<u8>, Vec<u8>, Vec<u8>);

fn entry(r: EntryRow) -> Result<Entry> {
    Ok(Entry { index: unsigned(r.0), event: id(&r.1)?, leaf: digest(&r.2)?, bytes: r.3 })
}

/// Entries from `from` on, in order.
pub async fn entries(tx: &mut Tx, from: u64, limit: u64) -> Result<Vec<Entry>> {
    sql!(all tx, EntryRow, "SELECT idx, event_id, leaf, bytes FROM log_entry WHERE idx >= $1 ORDER BY idx LIMIT $2", signed(from), signed(limit))?
        .into_iter().map(entry).collect()
}

/// Events of one subject, oldest first.
pub async fn of_subject(tx: &mut Tx, kind: &str, subject: &str) -> Result<Vec<Entry>> {
    sql!(all tx, EntryRow,
        "SELECT e.idx, e.event_id, e.leaf, e.bytes FROM log_subject s JOIN log_entry e ON e.idx = s.idx
         WHERE s.kind = $1 AND s.id = $2 ORDER BY s.n", kind.to_owned(), subject.to_owned())?
    .into_iter()
    .map(entry)
    .collect()
}

/// The newest events of one subject, newest first.
pub async fn newest_of_subject(tx: &mut Tx, kind: &str, subject: &str, limit: i64) -> Result<Vec<Entry>> {
    sql!(all tx, EntryRow,
        "SELECT e.idx, e.event_id, e.leaf, e.bytes FROM log_subject s JOIN log_entry e ON e.idx = s.idx
         WHERE s.kind = $1 AND s.id = $2 ORDER BY s.n DESC LIMIT $3", kind.to_owned(), subject.to_owned(), limit)?
    .into_iter()
    .map(entry)
    .collect()
}

/// The first event of one subject: for an exhibit, its receipt.
pub async fn first_of_subject(tx: &mut Tx, kind: &str, subject: &str) -> Result<Option<Entry>> {
    sql!(maybe tx, EntryRow,
        "SELECT e.idx, e.event_id, e.leaf, e.bytes FROM log_subject s JOIN log_entry e ON e.idx = s.idx
         WHERE s.kind = $1 AND s.id = $2 AND s.n = 0", kind.to_owned(), subject.to_owned())?
    .map(entry)
    .transpose()
}

/// The last event of one type in a subject's history.
pub async fn last_of_subject(tx: &mut Tx, kind: &str, subject: &str, wanted: EventType) -> Result<Option<Entry>> {
    let all = of_subject(tx, kind, subject).await?;
    let is = |e: &Entry| serde_json::from_slice::<serde_json::Value>(&e.bytes).is_ok_and(|v| v["type"] == wanted.as_str());
    Ok(all.into_iter().rev().find(is))
}

/// How many openings are left of the events about a subject.
pub async fn openings_of_subject(tx: &mut Tx, kind: &str, subject: &str) -> Result<u64> {
    let row = sql!(one tx, (i64,),
        "SELECT COUNT(*) FROM log_subject s JOIN log_entry e ON e.idx = s.idx JOIN log_opening o ON o.event_id = e.event_id
         WHERE s.kind = $1 AND s.id = $2", kind.to_owned(), subject.to_owned())?;
    Ok(unsigned(row.0))
}

/// Whether an event about a subject opens this value.
pub async fn opens(tx: &mut Tx, kind: &str, subject: &str, path: &str, value: &serde_json::Value) -> Result<bool> {
    let row = sql!(maybe tx, (i64,),
        "SELECT s.n FROM log_subject s JOIN log_entry e ON e.idx = s.idx JOIN log_opening o ON o.event_id = e.event_id
         WHERE s.kind = $1 AND s.id = $2 AND o.path = $3 AND o.value = $4 LIMIT 1",
        kind.to_owned(), subject.to_owned(), path.to_owned(), to_json(value)?)?;
    Ok(row.is_some())
}

/// The openings of one event, for those who may see them.
pub async fn openings(tx: &mut Tx, event: Id) -> Result<Vec<Opening>> {
    let rows = sql!(all tx, (String, String, String), "SELECT path, salt, value FROM log_opening WHERE event_id = $1 ORDER BY path", event.blob())?;
    rows.into_iter().map(|(path, salt, value)| Ok(Opening { path, salt, value: super::json(&value)? })).collect()
}

/// Whether any event waits. (Counting them all takes a while when there are many.)
pub async fn any_pending(tx: &mut Tx) -> Result<bool> {
    Ok(sql!(one tx, (i64,), "SELECT CAST(CASE WHEN EXISTS (SELECT 1 FROM log_pending) THEN 1 ELSE 0 END AS BIGINT)")?.0 == 1)
}

pub async fn pending_count(tx: &mut Tx) -> Result<u64> {
    Ok(unsigned(sql!(one tx, (i64,), "SELECT COUNT(*) FROM log_pending")?.0))
}

/// The openings of the events from one place to before another, each with its event's place.
pub async fn openings_within(tx: &mut Tx, from: u64, to: u64) -> Result<Vec<(u64, Opening)>> {
    let rows = sql!(all tx, (i64, String, String, String),
        "SELECT e.idx, o.path, o.salt, o.value FROM log_entry e JOIN log_opening o ON o.event_id = e.event_id
         WHERE e.idx >= $1 AND e.idx < $2 ORDER BY e.idx, o.path", signed(from), signed(to))?;
    rows.into_iter().map(|(index, path, salt, value)| Ok((unsigned(index), Opening { path, salt, value: super::json(&value)? }))).collect()
}

/// The openings of events that wait to be sequenced.
pub async fn openings_waiting(tx: &mut Tx) -> Result<Vec<(Id, Opening)>> {
    let rows = sql!(all tx, (Vec<u8>, String, String, String),
        "SELECT o.event_id, o.path, o.salt, o.value FROM log_pending p JOIN log_opening o ON o.event_id = p.event_id ORDER BY p.seq, o.path")?;
    rows.into_iter().map(|(event, path, salt, value)| Ok((id(&event)?, Opening { path, salt, value: super::json(&value)? }))).collect()
}

/// Notes that an exhibit's tombstone came back into the log.
pub async fn add_replayable(tx: &mut Tx, exhibit: Id) -> Result<()> {
    sql!(run tx, "INSERT INTO log_erased (exhibit_id) VALUES ($1) ON CONFLICT DO NOTHING", exhibit.blob())?;
    Ok(())
}

/// Exhibits whose tombstones came back into the log, and that were not destroyed again yet.
pub async fn replayable(tx: &mut Tx) -> Result<Vec<Id>> {
    sql!(all tx, (Vec<u8>,), "SELECT exhibit_id FROM log_erased")?.into_iter().map(|r| id(&r.0)).collect()
}

pub async fn replayed(tx: &mut Tx, exhibit: Id) -> Result<()> {
    sql!(run tx, "DELETE FROM log_erased WHERE exhibit_id = $1", exhibit.blob())?;
    Ok(())
}

/// Sizes at which there is a checkpoint.
pub async fn checkpoint_sizes(tx: &mut Tx) -> Result<Vec<u64>> {
    Ok(sql!(all tx, (i64,), "SELECT size FROM log_checkpoint")?.into_iter().map(|r| unsigned(r.0)).collect())
}
