//! A bundle for those who trust nobody: the originals, their whole custody history, the proofs of it, and what to check it
//! with, as a BagIt bag (RFC 8493) that `temoin verify` and other people's tools can judge offline.
//!
//! Order, so that nothing has to contain its own hash: originals and their manifest; the events `export.created` and, in
//! each exhibit's own history, `exhibit.exported`, which commit to that manifest; then proofs, reports, the manifest of all
//! these, and its signature. Interrupted, it goes on where it stands when it is asked again with the same folder.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

use super::asked::Asked;
use super::payload::{derivative, name_of, original, take};
use super::report::{self, Shown};
use crate::app::App;
use crate::attest::append;
use crate::attest::log::anchor::{self, anchor_checkpoint};
use crate::attest::log::rotate::still_ours;
use crate::attest::log::sequence_all;
use crate::attest::receipt::inclusion;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::appeal::Appeal;
use crate::domain::custody::{Draft, EventType, LogProof, Opening, SubjectKind, bag, sshsig};
use crate::domain::exhibit::Exhibit;
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::{Error, Result};

/// Keeps signatures of bundles apart from every other use of the key.
pub const NAMESPACE: &str = "evidence-export";
/// What an unfinished bundle is about, so that it can be gone on with. Not part of a finished one.
const UNFINISHED: &str = "unfinished.json";

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Unfinished {
    export: Id,
    begun_at: String,
    asked: Asked,
}

/// One line of `custody/events.jsonl`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    pub index: u64,
    /// The entry's exact bytes, base64.
    pub entry: String,
    pub openings: Vec<Opening>,
    /// Commitments whose openings stay behind.
    pub withheld: usize,
}

/// What becomes of the originals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload {
    /// They are copied into the folder.
    Copied,
    /// They stay in the store, and are only hashed again. The export has this id, whoever goes on with it and wherever.
    Left(Id),
}

/// A file that stayed in the store.
pub struct Left {
    pub path: String,
    pub key: String,
    pub size: u64,
    pub crc32: u32,
    /// Exhibit and SHA-256 of an original; none of what was made of one.
    pub original: Option<(Id, String)>,
}

/// What became of it.
pub struct Exported {
    pub left: Vec<Left>,
    pub export: Id,
    pub files: usize,
    pub bytes: u64,
}

/// Writes a bundle into a folder. `progress` hears of every byte.
pub async fn export(
    app: &App,
    actor: &Actor,
    appeal: &Appeal,
    asked: Asked,
    folder: &Path,
    payload: Payload,
    mut progress: impl FnMut(u64),
) -> Result<Exported> {
    asked.check()?;
    let mut state = begin(app, &asked, folder, payload)?;
    let asked = state.asked.clone();
    let exhibits = chosen(app, appeal, &asked).await?;
    let mut hashes = Hashes::default();
    let (mut bytes, mut left, mut derived) = (0, Vec::new(), HashMap::new());
    for e in &exhibits {
        let original = original(app, e, asked.profile).await?;
        let derivative = derivative(app, e, asked.profile).await?;
        for (source, is_original) in [(Some(original), true), (derivative, false)] {
            let Some(source) = source else { continue };
            let target = (payload == Payload::Copied).then(|| folder.join(&source.path));
            let (sha512, crc32) = take(app, &source, target.as_deref(), &mut progress).await?;
            hashes.add(source.path.clone(), source.sha256, sha512);
            bytes += source.size;
            if !is_original {
                derived.insert(e.id, (source.path.clone(), source.sha256.to_string()));
            }
            if matches!(payload, Payload::Left(_)) {
                let original = is_original.then(|| (e.id, source.sha256.to_string()));
                left.push(Left { path: source.path, key: source.key, size: source.size, crc32, original });
            }
        }
    }
    let files = hashes.0.len();
    let (manifest256, manifest512) = hashes.manifests();
    put(folder, "manifest-sha256.txt", manifest256.as_bytes())?;
    put(folder, "manifest-sha512.txt", manifest512.as_bytes())?;
    let manifest = Sha256::of(manifest256.as_bytes()).to_string();
    let mut tx = app.db.read().await?;
    let recorded = db::bundles::recorded(&mut tx, state.export).await?;
    drop(tx);
    if recorded.as_ref() != Some(&manifest) {
        if recorded.is_some() {
            // A picture was made since: what is on record of the first try is another bundle.
            state.export = app.new_id();
            remember(folder, &state)?;
        }
        record(app, actor, appeal, &asked, state.export, &manifest, &exhibits).await?;
    }
    sequence_all(app).await?;

    let mut tx = app.db.read().await?;
    let (size, note) = db::log::last_checkpoint(&mut tx).await?.ok_or_else(|| Error::Internal("the log has no checkpoint".into()))?;
    drop(tx);
    // What leaves is vouched for by as many outsiders as answer; those who do not are named in the log, and hold nothing up.
    anchor_checkpoint(app, size, &note, true).await?;
    let (checkpoint, stamps) = outsiders(app, folder, size, &note).await?;
    let mut shown = histories(app, &asked, &state, appeal, &exhibits, folder, (size, &checkpoint)).await?;
    for (e, shown) in exhibits.iter().zip(&mut shown) {
        shown.derivative = derived.remove(&e.id);
    }
    let key = app.signer.verifier();
    put(folder, "custody/checkpoint", checkpoint.as_bytes())?;
    put(
        folder,
        "custody/policy",
        format!("# A hint. Trust a copy that came another way.\n{}quorum none\n", app.trust.log_lines("")).as_bytes(),
    )?;
    put(folder, "custody/log-key.pem", key.pem().as_bytes())?;
    put(folder, "custody/allowed_signers", sshsig::allowed_signer(&key.name, NAMESPACE, key.public()).as_bytes())?;
    let others = unused(app, appeal, &asked).await?;
    let facts = report::Facts {
        stamps,
        export: state.export.to_string(),
        demo: appeal.demo,
        appeal: asked.appeal.clone(),
        agency: appeal.agency_name.clone(),
        profile: asked.profile.as_str(),
        recipient: asked.recipient.clone(),
        reason: asked.reason.clone(),
        begun_at: state.begun_at.clone(),
        program: app.stamp.app.clone(),
        origin: key.name.clone(),
        key: key.to_string(),
        manifest,
        bytes,
        exhibits: shown,
        others,
    };
    for (path, text) in report::pages(&facts)? {
        put(folder, &path, text.as_bytes())?;
    }
    put(folder, "bagit.txt", bag::DECLARATION.as_bytes())?;
    put(folder, "bag-info.txt", report::bag_info(&facts, files).as_bytes())?;
    seal(app, folder).await?;
    fs::remove_file(folder.join(UNFINISHED))?;
    File::open(folder)?.sync_all()?;
    Ok(Exported { left, export: state.export, files: exhibits.len(), bytes })
}

/// An empty folder, or one that an earlier run with the same question left unfinished.
fn begin(app: &App, asked: &Asked, folder: &Path, payload: Payload) -> Result<Unfinished> {
    fs::create_dir_all(folder)?;
    match fs::read(folder.join(UNFINISHED)) {
        Ok(bytes) => {
            let state: Unfinished = serde_json::from_slice(&bytes).map_err(Error::internal)?;
            // What was decided meanwhile belongs into the next bundle, not into one that was begun.
            let same = Asked { exhibits: state.asked.exhibits.clone(), ..asked.clone() } == state.asked;
            if state.asked != *asked && !(same && asked.decided.is_some()) {
                return Err(Error::Invalid { field: "to", why: "another bundle was begun in this folder".into() });
            }
            Ok(state)
        }
        Err(_) if fs::read_dir(folder)?.next().is_none() => {
            let export = if let Payload::Left(id) = payload { id } else { app.new_id() };
            let state = Unfinished { export, begun_at: app.now().to_string(), asked: asked.clone() };
            remember(folder, &state)?;
            Ok(state)
        }
        Err(_) => Err(Error::Invalid { field: "to", why: "the folder is not empty".into() }),
    }
}

fn remember(folder: &Path, state: &Unfinished) -> Result<()> {
    put(folder, UNFINISHED, &serde_json::to_vec(state).map_err(Error::internal)?)
}

/// A file in the bundle, durable, in one piece.
fn put(folder: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let target = folder.join(path);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let beside = PathBuf::from(format!("{}.part", target.display()));
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(fs::rename(beside, target)?)
}

async fn chosen(app: &App, appeal: &Appeal, asked: &Asked) -> Result<Vec<Exhibit>> {
    let mut tx = app.db.read().await?;
    let mut exhibits = Vec::new();
    for id in &asked.exhibits {
        let found = db::exhibits::by_id(&mut tx, *id).await?.filter(|e| e.appeal == appeal.id);
        exhibits.push(found.ok_or_else(|| Error::Invalid { field: "exhibits", why: format!("{id} is not an exhibit of this appeal") })?);
    }
    exhibits.sort_by_key(|e| e.id);
    exhibits.dedup_by_key(|e| e.id);
    Ok(exhibits)
}

pub(super) fn hash_file(path: &Path) -> Result<(Sha256, String)> {
    let mut long = Sha512::new();
    let (sha256, _) = Sha256::of_reader(File::open(path)?, |piece| long.update(piece))?;
    Ok((sha256, HEXLOWER.encode(&long.finalize())))
}

/// Two manifests of the same files, in the order of their paths.
#[derive(Default)]
struct Hashes(BTreeMap<String, (Sha256, String)>);

impl Hashes {
    fn add(&mut self, path: String, sha256: Sha256, sha512: String) {
        self.0.insert(path, (sha256, sha512));
    }

    fn manifests(&self) -> (String, String) {
        let a = self.0.iter().map(|(path, h)| bag::line(&h.0.to_string(), path)).collect();
        let b = self.0.iter().map(|(path, h)| bag::line(&h.1, path)).collect();
        (a, b)
    }
}

/// One transaction: that a bundle was made, for whom and why, and in each exhibit's history that it left in it.
async fn record(app: &App, actor: &Actor, appeal: &Appeal, asked: &Asked, export: Id, manifest: &str, exhibits: &[Exhibit]) -> Result<()> {
    let mut tx = app.db.begin_apart().await?;
    if !db::bundles::set_recorded(&mut tx, export, manifest).await? {
        // Another node makes the same bundle.
        return Err(Error::TryLater);
    }
    let items: Vec<Value> = exhibits.iter().map(|e| json!(e.id.to_string())).collect();
    let created = Draft::new(EventType::ExportCreated, actor.clone())
        .about(SubjectKind::Appeal, appeal.id)
        .fact("profile", asked.profile.as_str())
        .fact("count", exhibits.len())
        .private("export", export.to_string())
        .private("manifest_sha256", manifest)
        .private("exhibits", Value::Array(items))
        .private("recipient", asked.recipient.clone())
        .private("reason", asked.reason.clone());
    append(app, &mut tx, created).await?;
    for e in exhibits {
        // It may have been erased while its bytes were read.
        db::exhibits::lock(&mut tx, e.id).await?;
        let exported = Draft::new(EventType::ExhibitExported, actor.clone())
            .about(SubjectKind::Exhibit, e.id)
            .fact("profile", asked.profile.as_str())
            .private("export", export.to_string())
            .private("manifest_sha256", manifest);
        append(app, &mut tx, exported).await?;
    }
    tx.commit().await
}

/// Writes every event of the exhibits' histories up to their leaving, and of the export itself, each with its proof in one
/// checkpoint. Returns what the report shows.
async fn histories(
    app: &App,
    asked: &Asked,
    state: &Unfinished,
    appeal: &Appeal,
    exhibits: &[Exhibit],
    folder: &Path,
    (size, checkpoint): (u64, &str),
) -> Result<Vec<Shown>> {
    let mut tx = app.db.read().await?;
    let mut lines = Vec::new();
    let mut shown = Vec::new();
    let mut subjects: Vec<(&'static str, Id, Option<&Exhibit>)> = vec![(SubjectKind::Appeal.as_str(), appeal.id, None)];
    subjects.extend(exhibits.iter().map(|e| (SubjectKind::Exhibit.as_str(), e.id, Some(e))));
    for (kind, id, exhibit) in subjects {
        let mut events = Vec::new();
        let mut closed = false;
        for entry in db::log::of_subject(&mut tx, kind, &id.to_string()).await?.into_iter().filter(|e| e.index < size) {
            if exhibit.is_none() && !entry_is(&entry, EventType::ExportCreated) {
                continue;
            }
            let openings = db::log::openings(&mut tx, entry.event).await?;
            let ours = openings.iter().any(|o| o.path == "export" && o.value == json!(state.export.to_string()));
            // Of the appeal's own history only the making of this bundle goes along.
            if exhibit.is_some() || ours {
                let said: Value = serde_json::from_slice(&entry.bytes).unwrap_or_default();
                let kind = said["type"].as_str().unwrap_or_default();
                let disclosed: Vec<Opening> = openings.into_iter().filter(|o| asked.profile.discloses(kind, &o.path)).collect();
                events.push(report::event(&entry, &disclosed));
                let proof = LogProof {
                    extra: None,
                    index: entry.index,
                    hashes: inclusion(&mut tx, entry.index, size).await?,
                    checkpoint: checkpoint.to_owned(),
                };
                put(folder, &format!("custody/proofs/{}.tlog-proof", entry.index), proof.to_string().as_bytes())?;
                // Whatever is not opened here is closed here: withheld, or erased since.
                let withheld = said["d"].as_array().map_or(0, Vec::len).saturating_sub(disclosed.len());
                lines.push(EventLine { index: entry.index, entry: BASE64.encode(&entry.bytes), openings: disclosed, withheld });
            }
            if ours {
                closed = true;
                break;
            }
        }
        if !closed {
            return Err(Error::TryLater);
        }
        if let Some(e) = exhibit {
            let (times, places) = db::exhibits::claims(&mut tx, e.id).await?;
            shown.push(report::shown(e, &name_of(e, asked.profile), asked.profile, &times, &places, events));
        }
    }
    lines.sort_by_key(|l| l.index);
    let mut text = String::new();
    for line in &lines {
        text.push_str(&serde_json::to_string(line).map_err(Error::internal)?);
        text.push('\n');
    }
    put(folder, "custody/events.jsonl", text.as_bytes())?;
    Ok(shown)
}

/// Writes what outsiders say of the checkpoint beside it, and returns it with its cosignatures, and the names of the timestamps.
async fn outsiders(app: &App, folder: &Path, size: u64, note: &str) -> Result<(String, Vec<String>)> {
    let mut tx = app.db.read().await?;
    let tokens = anchor::timestamps(&mut tx, size).await?;
    if !tokens.is_empty() {
        put(folder, "custody/anchors/checkpoint", note.as_bytes())?;
    }
    let mut names = Vec::new();
    for (name, token) in tokens {
        let name = anchor::file_name(&name);
        put(folder, &format!("custody/anchors/{name}.tst"), &token)?;
        names.push(name);
    }
    Ok((anchor::cosigned(&mut tx, size, note).await?, names))
}

fn entry_is(entry: &db::log::Entry, kind: EventType) -> bool {
    serde_json::from_slice::<Value>(&entry.bytes).is_ok_and(|e| e["type"] == kind.as_str())
}

/// The appeal's exhibits that are not in the bundle: the schedule of what was not used.
async fn unused(app: &App, appeal: &Appeal, asked: &Asked) -> Result<Vec<report::Other>> {
    let mut tx = app.db.read().await?;
    let mut others = Vec::new();
    for e in db::exhibits::of_appeal(&mut tx, appeal.id).await? {
        if !asked.exhibits.contains(&e.id) {
            others.push(report::Other {
                id: e.id.to_string(),
                kind: e.kind.as_str(),
                state: report::decided(e.state),
                size: e.size,
                received_at: e.received_at.to_string(),
            });
        }
    }
    Ok(others)
}

/// The manifest of everything that is not payload, and its signature.
async fn seal(app: &App, folder: &Path) -> Result<()> {
    let mut tx = app.db.read().await?;
    still_ours(app, &mut tx).await?;
    drop(tx);
    let mut hashes = Hashes::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at)? {
            let path = entry?.path();
            let within = path.strip_prefix(folder).map_err(Error::internal)?.to_string_lossy().into_owned();
            if within == "data" || within.starts_with("tagmanifest-") || within == UNFINISHED {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if within.ends_with(".part") {
                fs::remove_file(path)?;
            } else {
                let (a, b) = hash_file(&path)?;
                hashes.add(within, a, b);
            }
        }
    }
    let (a, b) = hashes.manifests();
    put(folder, "tagmanifest-sha256.txt", a.as_bytes())?;
    put(folder, "tagmanifest-sha512.txt", b.as_bytes())?;
    put(folder, "tagmanifest-sha256.txt.sig", app.signer.sign_file(NAMESPACE, a.as_bytes()).as_bytes())
}

/// The moment of an event's envelope, for people.
pub fn moment(envelope: &Value) -> Option<Utc> {
    envelope.get("t")?.as_str()?.parse().ok()
}
