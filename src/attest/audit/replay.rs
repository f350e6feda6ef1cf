//! The audit that runs on the server: the whole log recomputed, its openings and its rows held against it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::Report;
use crate::app::App;
use crate::attest::log::{anchor, publish};
use crate::db;
use crate::db::Tx;
use crate::db::exhibits::Stands;
use crate::domain::capture::claims_digest;
use crate::domain::custody::merkle::{Edge, TILE_WIDTH, TileAt, leaf_hash, tile_level};
use crate::domain::custody::{Checkpoint, EventType, Opening, Signed, SubjectKind, commitment};
use crate::domain::derivative::Variant;
use crate::domain::retention::Standing;
use crate::domain::value::{Id, Sha256};
use crate::error::Result;

const PAGE: u64 = 1_000;

/// Recomputes the log from its entries: leaves, tiles, head, checkpoints, subject chains, openings, and
/// the exhibits' rows against their `exhibit.received`. Reads one consistent view; changes nothing.
pub async fn audit(app: &App) -> Result<Report> {
    // Listed before the view is opened: what is published while it is read is beyond it.
    let published = publish::sizes(app).await?;
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
    let rows = db::exhibits::all_stand(&mut tx).await?;
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
                    if let Some(problem) = anchor::out_of_time(&seen, &envelope, entry.index) {
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
    take_waiting(&mut tx, &mut report, &rows, &mut replayed, edge.size()).await?;
    replayed.check_rows(&mut report, &rows);
    replayed.check_captures(&mut report, &rows, &db::exhibits::claims_digests(&mut tx).await?);
    replayed.check_unopened(&mut report);
    replayed.check_pictures(&mut report, &rows, &db::derivatives::hashes(&mut tx).await?);
    replayed.check_holds(&mut report, &db::retention::held(&mut tx).await?.into_iter().collect());
    for exhibit in replayed.standing.iter().filter(|(_, s)| s.erased).map(|(id, _)| id) {
        let left = db::log::openings_of_subject(&mut tx, SubjectKind::Exhibit.as_str(), &exhibit.to_string()).await?;
        if left > 0 {
            report.add("erased-still-there", format!("exhibit {exhibit} was erased, and {left} openings of its events are left"));
        }
    }
    let decided = replayed.decided;
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
    if db::log::head(&mut tx).await? != edge {
        report.add("head-differs", "the stored head is not the head of these entries");
    }
    for (at, hashes) in tiles {
        if db::log::tile(&mut tx, at).await?.as_deref() != Some(&hashes[..]) {
            report.add("tile-differs", format!("tile {}/{} is not made of these entries", at.0, at.1));
        }
    }
    for note in db::log::checkpoints(&mut tx).await? {
        let told = |c: &Checkpoint| c.size == 0 || roots.get(&c.size) == Some(&c.root);
        if !Checkpoint::parse(&note).is_some_and(|c| told(&c) && app.trust.signed(&note, &c) == Signed::Yes) {
            report.add("checkpoint-differs", note.lines().take(2).collect::<Vec<_>>().join(" "));
        }
    }
    for problem in anchor::contradicted(app, &mut tx, &roots).await? {
        report.add("anchor-differs", problem);
    }
    let told = db::log::published(&mut tx).await?;
    drop(tx);
    for lost in publish::missing(app, told).await? {
        report.add("published-lost", lost);
    }
    for size in publish::contradicted(app, &published, &roots).await? {
        report.add("published-differs", format!("the published checkpoint of {size} entries is not one of this log"));
    }
    Ok(report)
}

/// Events that wait for their place say as much of the rows as those that have one: on a busy server some always wait.
async fn take_waiting(tx: &mut Tx, report: &mut Report, rows: &HashMap<Id, Stands>, replayed: &mut Replayed, size: u64) -> Result<()> {
    let mut openings: HashMap<Id, Vec<Opening>> = HashMap::new();
    for (event, opening) in db::log::openings_waiting(tx).await? {
        openings.entry(event).or_default().push(opening);
    }
    for (place, draft) in (size..).zip(db::log::pending(tx, i64::MAX).await?) {
        match serde_json::from_slice::<Value>(&draft.draft) {
            Ok(envelope) => {
                let opened = openings.get(&draft.event).map_or(&[][..], Vec::as_slice);
                check_openings(report, rows, replayed, &envelope, place, opened);
            }
            Err(_) => report.add("entry-unreadable", "an event that waits for its place is not JSON".to_owned()),
        }
    }
    Ok(())
}

/// Follows each subject's own chain: numbers without gaps, each pointing at the leaf before.
pub(super) fn chain(
    report: &mut Report,
    chains: &mut HashMap<(String, String), (u64, Sha256)>,
    envelope: &Value,
    index: u64,
    leaf: Sha256,
) {
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
    /// Entries about exhibits of which openings are missing, and what was put back into the log without any.
    unopened: Vec<(u64, Vec<Id>)>,
    recovered: Vec<(u64, u64)>,
    /// How many files each submission handed over.
    handed_over: HashMap<Id, u64>,
    /// The pictures that were made of each exhibit: thumbnail and view.
    pictured: HashMap<Id, BTreeMap<Variant, String>>,
    /// Where each exhibit was left in time and place, and the digest of its claims.
    captured: HashMap<Id, (String, String)>,
    /// Holds and erasures, of those that have any.
    standing: HashMap<Id, Standing>,
}

impl Replayed {
    /// Every received exhibit has its row, unless it was erased; then it has none.
    fn check_rows(&self, report: &mut Report, rows: &HashMap<Id, Stands>) {
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

    /// Nobody closes what is said of an exhibit but its erasure.
    fn check_unopened(&self, report: &mut Report) {
        for (index, exhibits) in &self.unopened {
            let erased = exhibits.iter().any(|id| self.standing.get(id).is_some_and(|s| s.erased));
            if !erased && !self.recovered.iter().any(|(from, to)| (*from..*to).contains(index)) {
                report.add("opening-missing", format!("entry {index}: what it commits to was closed, and nothing was erased"));
            }
        }
    }

    /// Time, place and what they rest on are as the log last said.
    fn check_captures(&self, report: &mut Report, rows: &HashMap<Id, Stands>, claims: &HashMap<Id, Sha256>) {
        let none = claims_digest(Vec::new());
        for (id, (stands, digest)) in &self.captured {
            let Some(row) = rows.get(id) else { continue };
            if row.capture != *stands {
                report.add("capture-differs", format!("exhibit {id}: the table says {}, the log last said {stands}", row.capture));
            }
            if claims.get(id).unwrap_or(&none).to_string() != *digest {
                report.add("claims-differ", format!("exhibit {id}: its claims of time and place are not those that the log knows"));
            }
        }
    }

    /// What people look at is what the log says was made.
    fn check_pictures(&self, report: &mut Report, rows: &HashMap<Id, Stands>, pictures: &HashMap<(Sha256, Variant), Option<Sha256>>) {
        for (id, made) in &self.pictured {
            let Some(row) = rows.get(id) else { continue };
            let stands = |v| pictures.get(&(row.sha256, v)).copied().flatten().map(|s| s.to_string());
            if made.iter().any(|(variant, made)| stands(*variant).as_ref() != Some(made)) {
                report.add("picture-differs", format!("exhibit {id}: the table names another picture than the log says was made"));
            }
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
    rows: &HashMap<Id, Stands>,
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
    let exhibits = envelope.get("subj").and_then(Value::as_array).into_iter().flatten().filter(|s| s["k"] == "exhibit");
    let exhibits: Vec<Id> = exhibits.filter_map(|s| s["id"].as_str()?.parse().ok()).collect();
    if !exhibits.is_empty() && openings.len() < committed.len() {
        // Of what was exported with something erased since, one opening is lawfully gone: the manifest's.
        let kind = envelope.get("type").and_then(Value::as_str).unwrap_or_default();
        let likeness = kind == EventType::DuplicateLinked.as_str();
        let spared = usize::from(likeness || kind == EventType::ExhibitExported.as_str());
        if openings.len() + spared < committed.len() {
            replayed.unopened.push((index, exhibits.clone()));
        }
    }
    if envelope["type"] == EventType::LogRecovered.as_str() {
        let number = |at: &str| envelope.pointer(at).and_then(Value::as_u64).unwrap_or(0);
        replayed.recovered.push((number("/f/from"), number("/f/to")));
    }
    let opened = |path: &str| openings.iter().find(|o| o.path == path).map(|o| &o.value);
    let subject = envelope.pointer("/subj/0/id").and_then(Value::as_str).and_then(|t| t.parse::<Id>().ok());
    // Whoever says something about time and place says where that leaves it; the last word counts.
    if let Some(exhibit) = subject {
        let text = |path: &str| opened(path).and_then(Value::as_str).map(str::to_owned);
        if let Some((stands, claims)) = text("stands").zip(text("claims")) {
            replayed.captured.insert(exhibit, (stands, claims));
        }
    }
    if let Some(exhibit) = subject.filter(|_| envelope["type"] == EventType::DerivativeCreated.as_str()) {
        let made = Variant::ALL.into_iter().filter_map(|v| Some((v, opened(v.opening())?.as_str()?.to_owned())));
        replayed.pictured.entry(exhibit).or_default().extend(made);
    }
    match (envelope.get("type").and_then(Value::as_str), subject) {
        (Some("submission.closed"), Some(submission)) => {
            let (said, came) = (envelope.pointer("/f/files").and_then(Value::as_u64), replayed.handed_over.get(&submission).copied());
            if said != Some(came.unwrap_or(0)) {
                report.add(
                    "submission-differs",
                    format!(
                        "entry {index}: submission {submission} stood at {} files, {} were received",
                        said.unwrap_or(0),
                        came.unwrap_or(0)
                    ),
                );
            }
        }
        (Some("exhibit.decided"), Some(exhibit)) => {
            if let Some(decision) = opened("decision").and_then(Value::as_str) {
                replayed.decided.insert(exhibit.to_string(), decision.to_owned());
            }
        }
        (Some("exhibit.decision_undone"), Some(exhibit)) => match opened("decision").and_then(Value::as_str) {
            Some("ready" | "received") => {
                replayed.decided.remove(&exhibit.to_string());
            }
            Some(earlier) => {
                replayed.decided.insert(exhibit.to_string(), earlier.to_owned());
            }
            None => {}
        },
        (Some("exhibit.received"), Some(exhibit)) => {
            report.exhibits += 1;
            replayed.received.insert(exhibit);
            if let Some(submission) = envelope.pointer("/actor/ref").and_then(Value::as_str).and_then(|t| t.parse().ok()) {
                *replayed.handed_over.entry(submission).or_default() += 1;
            }
            match rows.get(&exhibit) {
                Some(row)
                    if opened("sha256").and_then(Value::as_str) != Some(&row.sha256.to_string())
                        || opened("size").and_then(Value::as_u64) != Some(row.size) =>
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
