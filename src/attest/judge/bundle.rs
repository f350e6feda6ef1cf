//! A bundle judged offline: nothing is asked of anybody, nothing in it is believed before it is checked against the tree, and
//! the tree against a key that the reader brought along.
//!
//! Bounded whatever the bundle says: lines, entries and proofs have limits, files are read in pieces, links are not followed,
//! and nothing is ever written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;
use sha2::{Digest as _, Sha512};

use super::files::Files;
use super::{Exit, Finding, GivenFile, Trust, Verdict, signature, stamps};
use crate::attest::bundle::{DERIVATIVES, EventLine, NAMESPACE, ORIGINALS, moment};
use crate::domain::custody::timestamp::Roots;
use crate::domain::custody::{Checkpoint, LogProof, Policy, VerifierKey, bag, commitment, merkle, strict};
use crate::domain::derivative::Variant;
use crate::domain::value::{Sha256, Utc};

const TEXT_BYTES_MAX: u64 = 64 << 20;
/// Events of one bundle, and bytes of one timestamp.
const EVENTS_MAX: usize = 5_000_000;
const TOKEN_BYTES_MAX: usize = 64 << 10;
/// What cannot list itself.
const IN_NO_MANIFEST: [&str; 3] = ["tagmanifest-sha256.txt", "tagmanifest-sha512.txt", "tagmanifest-sha256.txt.sig"];
const LINE_BYTES_MAX: usize = 1 << 20;
const ENTRY_BYTES_MAX: usize = 64 << 10;
/// Of one kind; the rest is counted.
const FINDINGS_MAX: usize = 20;
/// How far the times of neighbouring entries may go back: clocks of several nodes.
const SKEW_US: i64 = 5 * 60 * 1_000_000;

/// Checks everything. `progress` hears of every byte of payload.
///
/// `given` are other files, of which it says whether they are an original of the bundle, a picture made of one, or neither.
pub fn verify_bundle(path: &Path, given: &[GivenFile], trust: Trust<'_>, mut progress: impl FnMut(u64)) -> Verdict {
    let mut report = Report::default();
    let judged = Files::open(path).and_then(|files| run(&files, given, trust, &mut report, &mut progress));
    if let Err(why) = judged {
        report.add("format", Exit::Unusable, why);
    }
    report.verdict()
}

#[derive(Default)]
struct Report {
    findings: Vec<Finding>,
    counts: HashMap<(&'static str, u8), usize>,
}

impl Report {
    fn add(&mut self, check: &'static str, result: Exit, detail: impl Into<String>) {
        let count = self.counts.entry((check, result as u8)).or_default();
        *count += 1;
        if *count <= FINDINGS_MAX {
            self.findings.push(Finding { check, result, detail: detail.into() });
        }
    }

    fn contradicts(&mut self, check: &'static str, detail: impl Into<String>) {
        self.add(check, Exit::Contradicted, detail);
    }

    /// Says that a check held, if it never failed.
    fn held(&mut self, check: &'static str, detail: impl Into<String>) {
        if !self.findings.iter().any(|f| f.check == check) {
            self.add(check, Exit::Proven, detail);
        }
    }

    fn verdict(mut self) -> Verdict {
        for ((check, result), count) in std::mem::take(&mut self.counts) {
            if count > FINDINGS_MAX
                && let Some(like) = self.findings.iter().rposition(|f| f.check == check && f.result as u8 == result)
            {
                let result = self.findings[like].result;
                self.findings.insert(like + 1, Finding { check, result, detail: format!("and {} more", count - FINDINGS_MAX) });
            }
        }
        Verdict::of(self.findings, None)
    }
}

/// One disclosed event, proven to stand in the log or not.
struct Event {
    leaf: Sha256,
    envelope: Value,
    openings: BTreeMap<String, Value>,
}

impl Event {
    fn kind(&self) -> &str {
        self.envelope.get("type").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether this event says that a picture with this hash was made.
    fn makes(&self, sha256: &str) -> bool {
        self.kind() == "derivative.created" && Variant::ALL.iter().any(|v| self.opened(v.opening()) == Some(sha256))
    }

    fn exhibit(&self) -> &str {
        self.envelope.pointer("/subj/0/id").and_then(Value::as_str).unwrap_or_default()
    }

    fn opened(&self, path: &str) -> Option<&str> {
        self.openings.get(path).and_then(Value::as_str)
    }
}

fn run(folder: &Files, given: &[GivenFile], trust: Trust<'_>, report: &mut Report, progress: &mut impl FnMut(u64)) -> Result<(), String> {
    if text(folder, "bagit.txt")? != bag::DECLARATION {
        return Err("bagit.txt is not that of a BagIt 1.0 bag".into());
    }
    let manifest_text = text(folder, "manifest-sha256.txt")?;
    let manifest = bag::parse(&manifest_text).map_err(|e| format!("manifest-sha256.txt: {e}"))?;
    let tags_text = text(folder, "tagmanifest-sha256.txt")?;
    let tags = bag::parse(&tags_text).map_err(|e| format!("tagmanifest-sha256.txt: {e}"))?;
    files(folder, report, &manifest, &tags, progress)?;

    let note = text(folder, "custody/checkpoint")?;
    let checkpoint = Checkpoint::parse(&note).ok_or("custody/checkpoint cannot be read")?;
    // The signature of the bundle, by a key that counts for this log at this size.
    let own = custody_key(folder);
    let signed = text(folder, "tagmanifest-sha256.txt.sig")?;
    let signs = |key: &VerifierKey| key.signed_file(&signed, NAMESPACE, tags_text.as_bytes());
    let known = trust.policy.is_some_and(|policy| policy.logs.iter().any(|l| l.key.name == checkpoint.origin));
    let (result, detail) = match (trust.policy, &own) {
        (Some(policy), _) if policy.keys_for(&checkpoint).any(&signs) => (Exit::Proven, "the bundle is signed by a key of the policy"),
        (_, Some(own)) if !known && signs(own) => (Exit::Undecided, "the bundle is signed only by the key that it brings along"),
        _ => (Exit::Contradicted, "no key that counts here signed tagmanifest-sha256.txt"),
    };
    report.add("bundle", result, detail);

    let hint = own.as_ref().map(ToString::to_string).unwrap_or_default();
    let (result, detail) = signature(&note, &checkpoint, &hint, trust.policy);
    report.add("signature", result, detail);
    let stamped = match trust.authorities {
        Some(roots) => timestamps(folder, report, &note, roots)?,
        None => None,
    };

    let events = events(folder, report, &note, &checkpoint)?;
    report.held("inclusion", format!("{} events stand in the tree of {}", events.len(), checkpoint.size));
    report.held("opening", "every disclosed fact is the one that was committed to");
    times(report, &events, stamped);
    histories(report, &events, &manifest, Sha256::of(manifest_text.as_bytes()));
    report.held("history", "each exhibit's history is complete up to its leaving");
    report.held("payload", "every file is the one that was received");
    report.held("export", "the log holds this manifest, for these exhibits");
    for file in given {
        let (result, detail) = what_it_is(&events, file);
        report.add("file", result, detail);
    }
    Ok(())
}

/// A small text inside the bundle.
fn text(files: &Files, path: &str) -> Result<String, String> {
    String::from_utf8(bytes(files, path)?).map_err(|_| format!("{path}: not UTF-8"))
}

fn bytes(files: &Files, path: &str) -> Result<Vec<u8>, String> {
    let (length, reader) = files.open_file(path).map_err(|e| format!("{path}: {e}"))?;
    if length > TEXT_BYTES_MAX {
        return Err(format!("{path}: not a file of a reasonable size"));
    }
    let mut bytes = Vec::new();
    reader.take(TEXT_BYTES_MAX).read_to_end(&mut bytes).map_err(|e| format!("{path}: {e}"))?;
    Ok(bytes)
}

/// The key that the bundle brings along: a hint.
fn custody_key(folder: &Files) -> Option<VerifierKey> {
    let policy = Policy::parse(&text(folder, "custody/policy").ok()?).ok()?;
    policy.logs.into_iter().next().map(|l| l.key)
}

/// Every listed file is there with its hash, and nothing else is.
fn files(
    bundle: &Files,
    report: &mut Report,
    manifest: &[(String, Sha256)],
    tags: &[(String, Sha256)],
    progress: &mut impl FnMut(u64),
) -> Result<(), String> {
    let mut listed: BTreeSet<&str> = BTreeSet::new();
    let payload = manifest.iter().map(|file| (file, true));
    // The second manifest of what is not payload stands in no other: it has to follow from the files.
    let mut seconds: BTreeSet<String> = BTreeSet::new();
    for ((path, expected), payload) in payload.chain(tags.iter().map(|file| (file, false))) {
        if payload != path.starts_with("data/") {
            report.contradicts("bag", format!("{path} stands in the wrong manifest"));
        }
        listed.insert(path);
        let mut second = (!payload).then(Sha512::new);
        let read = hash(bundle, path, |piece| match &mut second {
            Some(second) => second.update(piece),
            None => progress(piece.len() as u64),
        });
        seconds.extend(second.map(|second| bag::line(&HEXLOWER.encode(&second.finalize()), path)));
        match read {
            Ok(found) if found == *expected => {}
            Ok(_) => {
                report.contradicts("bag", format!("{path} was changed"));
                if payload {
                    report.contradicts("payload", format!("{path} is not what the manifest lists"));
                }
            }
            Err(e) => {
                report.contradicts("bag", format!("{path}: {e}"));
                if payload {
                    report.contradicts("payload", format!("{path} cannot be read whole"));
                }
            }
        }
    }
    if text(bundle, "tagmanifest-sha512.txt")?.split_inclusive('\n').map(str::to_owned).collect::<BTreeSet<_>>() != seconds {
        report.contradicts("bag", "tagmanifest-sha512.txt is not that of these files");
    }
    let (plain, odd) = bundle.list()?;
    for name in odd {
        report.contradicts("bag", format!("{name} is not a plain file, or stands twice"));
    }
    for name in plain {
        if !listed.contains(name.as_str()) && !IN_NO_MANIFEST.contains(&name.as_str()) {
            report.contradicts("bag", format!("{name} is in no manifest"));
        }
    }
    report.held("bag", format!("{} files, each with its hash", listed.len()));
    Ok(())
}

fn hash(files: &Files, path: &str, read: impl FnMut(&[u8])) -> Result<Sha256, String> {
    let (_, reader) = files.open_file(path)?;
    Sha256::of_reader(reader, read).map(|(sha256, _)| sha256).map_err(|e| e.to_string())
}

/// Reads the events, and checks each against the tree and its openings against it.
fn events(folder: &Files, report: &mut Report, note: &str, checkpoint: &Checkpoint) -> Result<BTreeMap<u64, Event>, String> {
    let (_, reader) = folder.open_file("custody/events.jsonl").map_err(|e| format!("custody/events.jsonl: {e}"))?;
    let mut lines = BufReader::new(reader);
    let mut events = BTreeMap::new();
    loop {
        let mut line = Vec::new();
        let n = lines.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
        if n == 0 {
            return Ok(events);
        }
        let read = line.ends_with(b"\n").then(|| strict::parse_as::<EventLine>(&line)).flatten();
        let Some(line) = read else {
            report.contradicts("inclusion", format!("line {} of events.jsonl cannot be read", events.len() + 1));
            continue;
        };
        let entry = BASE64.decode(line.entry.as_bytes()).ok().filter(|e| e.len() <= ENTRY_BYTES_MAX);
        let Some((entry, envelope)) = entry.and_then(|e| strict::parse(&e).map(|v| (e, v))) else {
            report.contradicts("inclusion", format!("entry {} cannot be read", line.index));
            continue;
        };
        let leaf = merkle::leaf_hash(&entry);
        let proof = text(folder, &format!("custody/proofs/{}.tlog-proof", line.index)).ok().and_then(|t| LogProof::parse(&t));
        let proven = proof.is_some_and(|p| {
            p.index == line.index
                && p.checkpoint == note
                && merkle::verify_inclusion(leaf, p.index, checkpoint.size, &p.hashes, checkpoint.root)
        });
        if !proven {
            report.contradicts("inclusion", format!("entry {} is not proven to stand in the log", line.index));
            continue;
        }
        if events.len() == EVENTS_MAX {
            return Err("custody/events.jsonl has more events than any bundle".into());
        }
        let committed: Vec<&str> = envelope.get("d").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut openings = BTreeMap::new();
        for o in &line.openings {
            let held = committed.contains(&commitment(o).base64().as_str());
            if !held || openings.insert(o.path.clone(), o.value.clone()).is_some() {
                report.contradicts("opening", format!("entry {}: {} is not what was committed to", line.index, o.path));
            }
        }
        if line.openings.len().checked_add(line.withheld) != Some(committed.len()) {
            report.contradicts(
                "opening",
                format!(
                    "entry {}: {} facts are committed to, {} are accounted for",
                    line.index,
                    committed.len(),
                    line.openings.len().saturating_add(line.withheld)
                ),
            );
        }
        if events.insert(line.index, Event { leaf, envelope, openings }).is_some() {
            report.contradicts("inclusion", format!("entry {} stands twice", line.index));
        }
    }
}

/// The timestamps in the bundle, judged; the earliest time that one of them states.
fn timestamps(folder: &Files, report: &mut Report, note: &str, roots: &Roots) -> Result<Option<Utc>, String> {
    const TOKENS_MAX: usize = 32;
    let (plain, _) = folder.list()?;
    let token = |path: &String| Some(path.strip_prefix("custody/anchors/")?.strip_suffix(".tst")?.to_owned());
    let mut names: Vec<String> = plain.iter().filter_map(token).take(TOKENS_MAX).collect();
    names.sort_unstable();
    let mut tokens = Vec::new();
    for name in &names {
        let token = bytes(folder, &format!("custody/anchors/{name}.tst"))?;
        if token.len() <= TOKEN_BYTES_MAX {
            tokens.push((name.as_str(), token));
        }
    }
    let (at, said) = stamps(note, tokens.into_iter(), roots);
    for (result, detail) in said {
        report.add("timestamp", result, detail);
    }
    Ok(at)
}

/// The times of the entries rise with their places, within the skew of clocks, and none lies behind the time at which somebody
/// outside saw them.
fn times(report: &mut Report, events: &BTreeMap<u64, Event>, stamped: Option<Utc>) {
    let mut latest = i64::MIN;
    for (index, event) in events {
        let Some(at) = moment(&event.envelope) else {
            report.contradicts("time", format!("entry {index} says no time"));
            continue;
        };
        if at.micros().saturating_add(SKEW_US) < latest {
            report.contradicts("time", format!("entry {index} claims {at}, minutes before an entry that stands before it"));
        }
        if let Some(seen) = stamped.filter(|seen| at.micros() > seen.micros().saturating_add(SKEW_US)) {
            report.contradicts("time", format!("entry {index} claims {at}, and was seen outside at {seen}"));
        }
        latest = latest.max(at.micros());
    }
    report.held("time", "the times of the entries rise with their places");
}

/// What a file is that somebody offers beside the bundle: its role comes from the log, not from its name.
fn what_it_is(events: &BTreeMap<u64, Event>, file: &GivenFile) -> (Exit, String) {
    let sha256 = file.sha256.to_string();
    for (index, event) in events {
        if event.kind() == "exhibit.received" && event.opened("sha256") == Some(&sha256) {
            return (Exit::Proven, format!("{} is the original of exhibit {} (entry {index})", file.name, event.exhibit()));
        }
        if event.makes(&sha256) {
            let text = format!(
                "{} is a derivative of exhibit {}, not an original: a picture made of it (entry {index})",
                file.name,
                event.exhibit()
            );
            return (Exit::Proven, text);
        }
    }
    if events.values().any(|e| e.kind() == "exhibit.received" && e.opened("sha256").is_none()) {
        return (Exit::Undecided, format!("{}: the hashes of some originals are withheld", file.name));
    }
    (Exit::Contradicted, format!("{} is neither an original of this bundle nor a picture made of one", file.name))
}

/// Per exhibit: numbers from 0 without a gap, each bound to the leaf before, closed by its export, which commits to this
/// manifest; and the file in the bundle is the one that was received.
fn histories(report: &mut Report, events: &BTreeMap<u64, Event>, manifest: &[(String, Sha256)], manifest_hash: Sha256) {
    let manifest_hash = manifest_hash.to_string();
    let made: Vec<&Event> =
        events.values().filter(|e| e.kind() == "export.created" && e.opened("manifest_sha256") == Some(&manifest_hash)).collect();
    let [made] = made.as_slice() else {
        report.contradicts("export", format!("{} events of the log hold this manifest, not one", made.len()));
        return;
    };
    let export = made.opened("export").unwrap_or_default();
    let said: BTreeSet<&str> =
        made.openings.get("exhibits").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut chains: BTreeMap<&str, Vec<(u64, &Event)>> = said.iter().map(|id| (*id, Vec::new())).collect();
    for (index, event) in events {
        let mut ours = event.kind() == "export.created";
        for subject in event.envelope.get("subj").and_then(Value::as_array).into_iter().flatten() {
            if let (Some("exhibit"), Some(id)) = (subject.get("k").and_then(Value::as_str), subject.get("id").and_then(Value::as_str)) {
                // One event can be about several exhibits, of which not all are here.
                if let Some(chain) = chains.get_mut(id) {
                    chain.push((*index, event));
                    ours = true;
                }
            }
        }
        if !ours {
            report.contradicts("export", format!("entry {index} is about nothing that the log says left in this bundle"));
        }
    }
    if chains.values().any(Vec::is_empty) {
        report.contradicts("export", "the exhibits of the bundle are not those that the log says left in it");
    }
    let mut files: HashMap<&str, Vec<&Sha256>> = HashMap::new();
    let mut pictures = 0;
    for (path, hash) in manifest {
        if let Some((id, _)) = path.strip_prefix(ORIGINALS).and_then(|name| name.split_once("__")) {
            files.entry(id).or_default().push(hash);
            continue;
        }
        let id = path.strip_prefix(DERIVATIVES).and_then(|name| name.split_once("-D1-VIEW__")).map(|(id, _)| id);
        let made = id.and_then(|id| chains.get(id)).into_iter().flatten();
        pictures += 1;
        if !made.into_iter().any(|(_, event)| event.makes(&hash.to_string())) {
            report.contradicts("payload", format!("{path} is neither an original nor a picture that the log says was made of one"));
        }
    }
    if files.len() != chains.len() {
        report.contradicts("payload", format!("{} originals for {} exhibits", files.len(), chains.len()));
    }
    if pictures > 0 {
        report.held("derivative", format!("{pictures} pictures are marked as made from the originals; they are not originals"));
    }
    for (id, chain) in chains {
        for (n, (index, event)) in chain.iter().enumerate() {
            let subject = event
                .envelope
                .get("subj")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .find(|s| s.get("id").and_then(Value::as_str) == Some(id));
            let numbered = subject.and_then(|s| s.get("n")?.as_u64()) == Some(n as u64);
            let before = subject.and_then(|s| Sha256::from_base64(s.get("p")?.as_str()?));
            let bound = match n.checked_sub(1) {
                None => before.is_none(),
                Some(last) => before == Some(chain[last].1.leaf),
            };
            if !numbered || !bound {
                report.contradicts("history", format!("exhibit {id}: entry {index} does not follow; an event is missing or was exchanged"));
            }
        }
        let Some((first, last)) = chain.first().zip(chain.last()) else { continue };
        let closed = last.1.kind() == "exhibit.exported"
            && last.1.opened("export") == Some(export)
            && last.1.opened("manifest_sha256") == Some(&manifest_hash);
        if !closed {
            report.contradicts("history", format!("exhibit {id}: its history does not end with this export"));
        }
        match (files.get(id).map_or(&[][..], Vec::as_slice), first.1.kind(), first.1.opened("sha256")) {
            ([hash], "exhibit.received", Some(received)) if hash.to_string() == received => {}
            ([hash], "exhibit.received", Some(_)) => {
                let made = chain.iter().find(|(_, event)| event.makes(&hash.to_string()));
                let what = made.map_or_else(String::new, |(index, _)| format!(" but a picture made of it (entry {index})"));
                report.contradicts("payload", format!("exhibit {id}: the file is not the one that was received{what}"))
            }
            ([_], "exhibit.received", None) => {
                report.add("payload", Exit::Undecided, format!("exhibit {id}: the hash of what was received is withheld"))
            }
            _ => report.contradicts("payload", format!("exhibit {id}: no one file, or no record of its receipt")),
        }
    }
}
