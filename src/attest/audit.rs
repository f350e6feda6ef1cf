//! The audit that runs on the server: the whole log recomputed, its openings and its rows held against it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::append;
use crate::app::App;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::merkle::{Edge, TILE_WIDTH, TileAt, leaf_hash, tile_level};
use crate::domain::custody::{Checkpoint, Draft, EventType, Opening, SubjectKind, commitment, signed_by};
use crate::domain::retention::Standing;
use crate::domain::value::{Id, Sha256};
use crate::error::{Error, Result};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// A stable word for what is wrong.
    pub what: Cow<'static, str>,
    pub detail: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub entries: u64,
    pub root: String,
    pub exhibits: u64,
    pub blobs: u64,
    pub bytes: u64,
    /// Empty: nothing contradicts anything.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn add(&mut self, what: &'static str, detail: impl Into<String>) {
        self.findings.push(Finding { what: what.into(), detail: detail.into() });
    }
}

const PAGE: u64 = 1_000;

/// Recomputes the log from its entries: leaves, tiles, head, checkpoints, subject chains, openings, and
/// the exhibits' rows against their `exhibit.received`. Reads one consistent view; changes nothing.
pub async fn audit(app: &App) -> Result<Report> {
    // Listed before the view is opened: what is published while it is read is beyond it.
    let published = super::publish::sizes(app).await?;
    let mut tx = app.db.read().await?;
    let mut report = Report::default();
    let mut edge = Edge::default();
    let mut tiles: HashMap<TileAt, Vec<u8>> = HashMap::new();
    let mut chains: HashMap<(String, String), (u64, Sha256)> = HashMap::new();
    let mut roots: HashMap<u64, Sha256> = HashMap::new();
    // Roots are made only where somebody signed one.
    let mut signed: HashSet<u64> = db::log::checkpoint_sizes(&mut tx).await?.into_iter().collect();
    signed.extend(&published);
    let seen = db::anchors::times(&mut tx).await?;
    let rows: HashMap<Id, (Sha256, u64)> = db::exhibits::received(&mut tx).await?.into_iter().collect();
    let mut replayed = Replayed::default();
    loop {
        let page = db::log::entries(&mut tx, edge.size(), PAGE).await?;
        let Some(last) = page.last().map(|e| e.index) else { break };
        let mut openings: HashMap<u64, Vec<Opening>> = HashMap::new();
        for (index, opening) in db::log::openings_within(&mut tx, edge.size(), last + 1).await? {
            openings.entry(index).or_default().push(opening);
        }
        for entry in page {
            if entry.index != edge.size() {
                report.add("missing-entry", format!("entry {} is missing", edge.size()));
                return Ok(report);
            }
            let leaf = leaf_hash(&entry.bytes);
            if leaf != entry.leaf {
                report.add("entry-changed", format!("entry {} is not what was hashed", entry.index));
            }
            match serde_json::from_slice::<Value>(&entry.bytes) {
                Ok(envelope) => {
                    if let Some(problem) = super::anchor::out_of_time(&seen, &envelope, entry.index) {
                        report.add("time-impossible", problem);
                    }
                    chain(&mut report, &mut chains, &envelope, entry.index, leaf);
                    check_openings(
                        &mut report,
                        &rows,
                        &mut replayed,
                        &envelope,
                        entry.index,
                        openings.get(&entry.index).map_or(&[], Vec::as_slice),
                    );
                }
                Err(_) => report.add("entry-unreadable", format!("entry {} is not JSON", entry.index)),
            }
            edge.push(leaf, |height, index, hash| {
                if let Some(level) = tile_level(height) {
                    tiles.entry((level, index / TILE_WIDTH)).or_default().extend_from_slice(hash.bytes());
                }
            });
            if signed.contains(&edge.size()) {
                roots.insert(edge.size(), edge.root());
            }
        }
        if last + 1 != edge.size() {
            break;
        }
    }
    report.entries = edge.size();
    report.root = edge.root().base64();
    let waiting = db::log::pending_count(&mut tx).await?;
    if waiting == 0 {
        replayed.check_rows(&mut report, &rows);
        replayed.check_holds(&mut report, &db::retention::held(&mut tx).await?.into_iter().collect());
    }
    for exhibit in replayed.standing.iter().filter(|(_, s)| s.erased).map(|(id, _)| id) {
        let left = db::log::openings_of_subject(&mut tx, SubjectKind::Exhibit.as_str(), &exhibit.to_string()).await?;
        if left > 0 {
            report.add("erased-still-there", format!("exhibit {exhibit} was erased, and {left} openings of its events are left"));
        }
    }
    let decided = replayed.decided;
    if waiting == 0 {
        let stands: BTreeMap<String, String> =
            db::exhibits::decided(&mut tx).await?.into_iter().map(|(id, state)| (id.to_string(), state.as_str().to_owned())).collect();
        for exhibit in decided.keys().chain(stands.keys()).collect::<BTreeSet<_>>() {
            let (in_log, in_table) = (decided.get(exhibit), stands.get(exhibit));
            if in_log != in_table {
                let said = |s: Option<&String>| s.map_or("nothing", String::as_str).to_owned();
                report.add(
                    "decision-differs",
                    format!("exhibit {exhibit}: the table says {}, the log last said {}", said(in_table), said(in_log)),
                );
            }
        }
    }
    if db::log::head(&mut tx).await? != edge {
        report.add("head-differs", "the stored head is not the head of these entries");
    }
    for (at, hashes) in tiles {
        if db::log::tile(&mut tx, at).await?.as_deref() != Some(&hashes[..]) {
            report.add("tile-differs", format!("tile {}/{} is not made of these entries", at.0, at.1));
        }
    }
    let key = app.signer.verifier();
    for note in db::log::checkpoints(&mut tx).await? {
        let fits = Checkpoint::parse(&note).is_some_and(|c| c.size == 0 || roots.get(&c.size) == Some(&c.root));
        if !fits || !signed_by(&note, &key) {
            report.add("checkpoint-differs", note.lines().take(2).collect::<Vec<_>>().join(" "));
        }
    }
    for problem in super::anchor::contradicted(app, &mut tx, &roots).await? {
        report.add("anchor-differs", problem);
    }
    drop(tx);
    for size in super::publish::contradicted(app, &published, &roots).await? {
        report.add("published-differs", format!("the published checkpoint of {size} entries is not one of this log"));
    }
    Ok(report)
}

/// Follows each subject's own chain: numbers without gaps, each pointing at the leaf before.
fn chain(report: &mut Report, chains: &mut HashMap<(String, String), (u64, Sha256)>, envelope: &Value, index: u64, leaf: Sha256) {
    for subject in envelope.get("subj").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| subject.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = (text("k"), text("id"));
        let expected = chains.get(&key).copied();
        let n = subject.get("n").and_then(Value::as_u64);
        let previous = subject.get("p").and_then(Value::as_str).and_then(Sha256::from_base64);
        let holds = match expected {
            None => n == Some(0) && previous.is_none(),
            Some((count, before)) => n == Some(count) && previous == Some(before),
        };
        if !holds {
            report.add("chain-broken", format!("entry {index} does not follow in the history of {} {}", key.0, key.1));
        }
        let count = expected.map_or(0, |e| e.0);
        chains.insert(key, (count + 1, leaf));
    }
}

/// What the log says of exhibits, taken event by event.
#[derive(Default)]
struct Replayed {
    /// The last decision on each, where it is disclosed.
    decided: BTreeMap<String, String>,
    received: HashSet<Id>,
    /// Holds and erasures, of those that have any.
    standing: HashMap<Id, Standing>,
}

impl Replayed {
    /// Every received exhibit has its row, unless it was erased; then it has none.
    fn check_rows(&self, report: &mut Report, rows: &HashMap<Id, (Sha256, u64)>) {
        let erased = |id: &Id| self.standing.get(id).is_some_and(|s| s.erased);
        for id in &self.received {
            match (rows.contains_key(id), erased(id)) {
                (false, false) => report.add("exhibit-missing", format!("exhibit {id} is in the log and not in the database")),
                (true, true) => report.add("erased-still-there", format!("exhibit {id} was erased, and is in the database")),
                _ => {}
            }
        }
        let unknown = rows.keys().filter(|id| !self.received.contains(id)).count();
        if unknown > 0 {
            report.add("event-missing", format!("{unknown} exhibits were never received in the log"));
        }
    }

    fn check_holds(&self, report: &mut Report, held: &HashSet<Id>) {
        let in_log: HashSet<Id> = self.standing.iter().filter(|(_, s)| s.held() && !s.erased).map(|(id, _)| *id).collect();
        for id in in_log.symmetric_difference(held) {
            report.add("hold-differs", format!("exhibit {id}: the table and the log do not agree on its hold"));
        }
    }
}

/// An entry's openings against its commitments, and an exhibit's row against what was received.
fn check_openings(
    report: &mut Report,
    rows: &HashMap<Id, (Sha256, u64)>,
    replayed: &mut Replayed,
    envelope: &Value,
    index: u64,
    openings: &[Opening],
) {
    let committed: Vec<&str> =
        envelope.get("d").and_then(Value::as_array).map(|d| d.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
    for opening in openings {
        if !committed.contains(&commitment(opening).base64().as_str()) {
            report.add("opening-differs", format!("entry {index}: {} is not what was committed to", opening.path));
        }
    }
    let opened = |path: &str| openings.iter().find(|o| o.path == path).map(|o| &o.value);
    let subject = envelope.pointer("/subj/0/id").and_then(Value::as_str).and_then(|t| t.parse::<Id>().ok());
    match (envelope.get("type").and_then(Value::as_str), subject) {
        (Some("exhibit.decided"), Some(exhibit)) => {
            if let Some(decision) = opened("decision").and_then(Value::as_str) {
                replayed.decided.insert(exhibit.to_string(), decision.to_owned());
            }
        }
        (Some("exhibit.received"), Some(exhibit)) => {
            report.exhibits += 1;
            replayed.received.insert(exhibit);
            match rows.get(&exhibit) {
                Some((sha256, size))
                    if opened("sha256").and_then(Value::as_str) != Some(&sha256.to_string())
                        || opened("size").and_then(Value::as_u64) != Some(*size) =>
                {
                    report.add("row-differs", format!("exhibit {exhibit} has another hash or size than was received"));
                }
                _ => {}
            }
        }
        (Some(kind), Some(exhibit)) if kind.starts_with("hold.") || kind.starts_with("erasure.") => {
            let actor = envelope.pointer("/actor/ref").and_then(Value::as_str).unwrap_or_default();
            let standing = replayed.standing.entry(exhibit).or_default();
            if let Err(rule) = standing.take(kind, actor) {
                report.add("erasure-unlawful", format!("entry {index}, exhibit {exhibit}: {rule}"));
            }
            if standing.erased {
                replayed.decided.remove(&exhibit.to_string());
            }
        }
        _ => {}
    }
}

/// The scheduled replay, with its result in the log.
pub async fn audit_scheduled(app: &App) -> Result<()> {
    let report = audit(app).await?;
    record_run(app, Actor::System, "log", &report).await
}

/// Whether somebody has to look at the record: an outsider who should vouch does not, or the last replay or reading of the store
/// found a contradiction.
pub async fn alarm(app: &App) -> Result<bool> {
    let mut tx = app.db.read().await?;
    for kind in ["log", "fixity"] {
        if db::audits::last(&mut tx, kind).await?.is_some_and(|run| run.findings > 0) {
            return Ok(true);
        }
    }
    Ok(super::anchor::standing(app, &mut tx).await?.iter().any(|a| a.red))
}

/// Writes a run down: its report for the pages, and its event.
pub async fn record_run(app: &App, actor: Actor, kind: &'static str, report: &Report) -> Result<()> {
    /// Findings that are kept with the run; the count is whole.
    const KEPT: usize = 200;
    if !report.findings.is_empty() {
        tracing::error!(kind, findings = report.findings.len(), "an audit found contradictions");
    }
    let mut kept = report.clone();
    kept.findings.truncate(KEPT);
    let mut tx = app.db.begin().await?;
    db::audits::add(&mut tx, app.new_id(), kind, serde_json::to_string(&kept).map_err(Error::internal)?, report.findings.len(), app.now())
        .await?;
    let draft = Draft::new(EventType::AuditRun, actor)
        .fact("audit", kind)
        .fact("findings", report.findings.len())
        .fact("entries", report.entries)
        .fact("blobs", report.blobs)
        .fact("bytes", report.bytes);
    append(app, &mut tx, draft).await?;
    tx.commit().await
}
