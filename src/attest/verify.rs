//! Proofs given out, and proofs checked. Checking needs no database, no network and no trust in us.

use data_encoding::BASE64;
use serde::Serialize;
use serde_json::Value;

use super::append;
use crate::app::App;
use crate::db::{self, Tx};
use crate::domain::actor::Actor;
use crate::domain::custody::merkle::{
    self, Tiles, consistency_proof, inclusion_proof, leaf_hash, tiles_for_consistency, tiles_for_inclusion,
};
use crate::domain::custody::timestamp::{Distrust, Roots};
use crate::domain::custody::{
    Checkpoint, Draft, EventType, LogProof, Policy, Receipt, Since, SubjectKind, Timestamp, Tombstone, VerifierKey, bare_note, commitment,
    signed_by, strict, timestamp,
};
use crate::domain::value::{Id, Sha256, Utc};
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
    let checkpoint =
        Checkpoint::parse(&old.checkpoint).filter(|c| c.origin == app.signer.origin()).ok_or_else(|| wrong("of another log"))?;
    if !signed_by(&old.checkpoint, &app.signer.verifier()) {
        return Err(wrong("its checkpoint was not signed by this log"));
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
    let checkpoint = super::anchor::cosigned(tx, size, &note).await?;
    let tokens = super::anchor::timestamps(tx, size).await?;
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
        vkey: app.signer.verifier().to_string(),
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

/// What a check comes to. The numbers are the exit codes of `temoin verify`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Everything is proven under the given trust.
    Proven = 0,
    /// It cannot be decided: an unknown key, an undisclosed field.
    Undecided = 2,
    /// A proof contradicts the data.
    Contradicted = 1,
    /// This is not something that can be checked.
    Unusable = 3,
}

#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub result: Exit,
    pub detail: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    pub exit: Exit,
    pub findings: Vec<Finding>,
    /// What the entry itself says, once it is proven to stand in the log.
    pub entry: Option<Value>,
}

impl Verdict {
    pub(super) fn of(findings: Vec<Finding>, entry: Option<Value>) -> Self {
        let worst = |f: &Finding| match f.result {
            Exit::Proven => 0,
            Exit::Undecided => 1,
            Exit::Unusable => 2,
            Exit::Contradicted => 3,
        };
        let exit = findings.iter().max_by_key(|f| worst(f)).map_or(Exit::Unusable, |f| f.result);
        Self { exit, findings, entry }
    }
}

/// What a reader brings along: whose signatures count.
#[derive(Clone, Copy, Default)]
pub struct Trust<'a> {
    /// Logs and witnesses.
    pub policy: Option<&'a Policy>,
    /// Timestamp authorities. With them, what is not timestamped is not decided.
    pub authorities: Option<&'a Roots>,
}

/// A file that a receipt is checked against.
pub struct GivenFile {
    pub name: String,
    pub sha256: Sha256,
    pub size: u64,
}

/// Checks a receipt, and files against it, under a trust policy. Without one the best answer is
/// "undecided": a receipt that vouches for itself proves nothing.
pub fn verify_receipt(text: &str, files: &[GivenFile], trust: Trust<'_>) -> Verdict {
    let mut findings = Vec::new();
    let mut note = |check, result, detail: String| findings.push(Finding { check, result, detail });
    let Some(proof) = LogProof::parse(text) else {
        let damaged = text.starts_with("c2sp.org/tlog-proof@");
        let exit = if damaged { Exit::Contradicted } else { Exit::Unusable };
        note("format", exit, "not a readable tlog-proof".into());
        return Verdict::of(findings, None);
    };
    let receipt = proof.extra.as_deref().and_then(Receipt::parse);
    let entry = receipt.as_ref().and_then(|r| BASE64.decode(r.entry.as_bytes()).ok());
    let (Some(receipt), Some(entry), Some(checkpoint)) = (receipt, entry, Checkpoint::parse(&proof.checkpoint)) else {
        note("format", Exit::Contradicted, "the receipt's entry or checkpoint cannot be read".into());
        return Verdict::of(findings, None);
    };
    let included = merkle::verify_inclusion(leaf_hash(&entry), proof.index, checkpoint.size, &proof.hashes, checkpoint.root);
    note(
        "inclusion",
        if included { Exit::Proven } else { Exit::Contradicted },
        format!("entry {} in the tree of {}", proof.index, checkpoint.size),
    );
    let (result, detail) = signature(&proof.checkpoint, &checkpoint, &receipt.vkey, trust.policy);
    note("signature", result, detail);
    if let Some(roots) = trust.authorities {
        let tokens = receipt.timestamps.iter().map(|t| (t.name.as_str(), BASE64.decode(t.token.as_bytes()).unwrap_or_default()));
        for (result, detail) in stamps(&proof.checkpoint, tokens, roots).1 {
            note("timestamp", result, detail);
        }
    }
    if let Some(since) = &receipt.since {
        let (result, detail) = grown(since, &checkpoint, trust.policy);
        note("since", result, detail);
    }
    let said: Option<Value> = strict::parse(&entry);
    let committed: Vec<&str> =
        said.as_ref().and_then(|e| e.get("d")?.as_array()).map(|d| d.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
    for opening in &receipt.openings {
        let held = committed.contains(&commitment(opening).base64().as_str());
        let result = if held { Exit::Proven } else { Exit::Contradicted };
        note("opening", result, format!("{} = {}", opening.path, opening.value));
    }
    if let Some(end) = &receipt.erased {
        let (result, detail) = tombstone(end, said.as_ref(), &checkpoint);
        note("erased", result, detail);
    }
    let opened = |path: &str| receipt.openings.iter().find(|o| o.path == path).map(|o| &o.value);
    for file in files {
        let (result, detail) = match (opened("sha256").and_then(Value::as_str), opened("size").and_then(Value::as_u64)) {
            (Some(sha), Some(size)) if sha == file.sha256.to_string() && size == file.size => {
                (Exit::Proven, format!("{} is the file that was received", file.name))
            }
            (Some(_), Some(_)) => (Exit::Contradicted, format!("{} is not the file that was received", file.name)),
            _ => (Exit::Undecided, "the receipt does not disclose the file's hash".into()),
        };
        note("file", result, detail);
    }
    Verdict::of(findings, said)
}

/// Whether the receipt's checkpoint contains an older one.
fn grown(since: &Since, new: &Checkpoint, policy: Option<&Policy>) -> (Exit, String) {
    let hashes: Option<Vec<Sha256>> = since.hashes.iter().map(|h| Sha256::from_base64(h)).collect();
    let (Some(hashes), Some(old)) = (hashes, Checkpoint::parse(&since.checkpoint)) else {
        return (Exit::Contradicted, "the older checkpoint cannot be read".into());
    };
    let same = old.size == new.size && old.root == new.root && old.origin == new.origin;
    if !same && (old.origin != new.origin || !merkle::verify_consistency(old.size, new.size, &hashes, old.root, new.root)) {
        return (Exit::Contradicted, format!("the log of {} entries does not contain that of {}", new.size, old.size));
    }
    match signature(&since.checkpoint, &old, "", policy) {
        (Exit::Proven, _) => (Exit::Proven, format!("it contains the log of {} entries, unchanged", old.size)),
        _ => (Exit::Undecided, format!("it contains a log of {} entries that the policy does not know", old.size)),
    }
}

/// Judges timestamps over a checkpoint: the earliest time that one states, and what there is to say of each.
pub(super) fn stamps<'a>(
    note: &str,
    tokens: impl Iterator<Item = (&'a str, Vec<u8>)>,
    roots: &Roots,
) -> (Option<Utc>, Vec<(Exit, String)>) {
    let imprint = Sha256::of(bare_note(note).unwrap_or_default().as_bytes());
    let (mut earliest, mut said) = (None, Vec::new());
    for (name, token) in tokens {
        said.push(match timestamp::verify(&token, imprint, None, roots) {
            Ok(at) => {
                earliest = Some(earliest.map_or(at, |e: Utc| e.min(at)));
                (Exit::Proven, format!("{name}: this checkpoint was there at {at}"))
            }
            // An authority that the reader does not know says nothing, for or against.
            Err(why @ (Distrust::Untrusted | Distrust::Unsupported)) => (Exit::Undecided, format!("{name}: {}", why.as_str())),
            Err(distrust) => (Exit::Contradicted, format!("{name}: {}", distrust.as_str())),
        });
    }
    if earliest.is_some() {
        // One good clock is enough; others that are not known do no harm.
        said.retain(|(result, _)| *result != Exit::Undecided);
    } else if said.is_empty() {
        said.push((Exit::Undecided, "nobody whom you trust has timestamped this checkpoint".into()));
    }
    (earliest, said)
}

/// Whether this entry of the same tree erased the exhibit that the receipt is about.
fn tombstone(end: &Tombstone, received: Option<&Value>, checkpoint: &Checkpoint) -> (Exit, String) {
    let hashes: Option<Vec<Sha256>> = end.hashes.iter().map(|h| Sha256::from_base64(h)).collect();
    let entry = BASE64.decode(end.entry.as_bytes()).ok();
    let (Some(hashes), Some(entry)) = (hashes, entry) else { return (Exit::Contradicted, "the tombstone cannot be read".into()) };
    let envelope: Option<Value> = strict::parse(&entry);
    let exhibit = |e: &Value| e.pointer("/subj/0/id").and_then(Value::as_str).map(str::to_owned);
    let fits =
        envelope.as_ref().is_some_and(|e| e["type"] == EventType::ErasureExecuted.as_str() && exhibit(e) == received.and_then(exhibit))
            && merkle::verify_inclusion(leaf_hash(&entry), end.index, checkpoint.size, &hashes, checkpoint.root);
    if fits {
        (Exit::Proven, format!("it was erased under entry {}: its bytes and what was said of it are gone", end.index))
    } else {
        (Exit::Contradicted, format!("entry {} did not erase it", end.index))
    }
}

/// Holds two checkpoints of one log against each other: whether the newer contains the older, or whether somebody has signed
/// two histories, which these two files then prove to everybody.
pub fn compare(one: &str, other: &str, proof: Option<&[Sha256]>, policy: Option<&Policy>) -> Verdict {
    let mut findings = Vec::new();
    let mut note = |check, result, detail: String| findings.push(Finding { check, result, detail });
    let (Some(a), Some(b)) = (Checkpoint::parse(one), Checkpoint::parse(other)) else {
        note("format", Exit::Unusable, "not two checkpoints".into());
        return Verdict::of(findings, None);
    };
    if a.origin != b.origin {
        note("log", Exit::Unusable, format!("two different logs: {} and {}", a.origin, b.origin));
        return Verdict::of(findings, None);
    }
    for (text, checkpoint) in [(one, &a), (other, &b)] {
        let (result, detail) = signature(text, checkpoint, "", policy);
        note("signature", result, format!("{} entries: {detail}", checkpoint.size));
    }
    let ((old, old_root), (new, new_root)) =
        if a.size <= b.size { ((a.size, a.root), (b.size, b.root)) } else { ((b.size, b.root), (a.size, a.root)) };
    let (result, detail) = match proof {
        _ if old == new && old_root == new_root => (Exit::Proven, "the same log at the same size".to_owned()),
        _ if old == new => (Exit::Contradicted, format!("TWO HISTORIES: the same log signed two different roots at {old} entries")),
        Some(proof) if merkle::verify_consistency(old, new, proof, old_root, new_root) => {
            (Exit::Proven, format!("the log of {new} entries contains that of {old}, unchanged"))
        }
        Some(_) => (Exit::Contradicted, format!("the proof does not show that the log of {new} entries contains that of {old}")),
        None => (Exit::Undecided, format!("needs the proof from {old} to {new}: /api/v1/log/consistency?old={old}&new={new}")),
    };
    note("history", result, detail);
    Verdict::of(findings, None)
}

pub(super) fn signature(note: &str, checkpoint: &Checkpoint, own: &str, policy: Option<&Policy>) -> (Exit, String) {
    let Some(policy) = policy else {
        let own = VerifierKey::parse(own).filter(|k| k.name == checkpoint.origin);
        return match own {
            Some(key) if signed_by(note, &key) => {
                (Exit::Undecided, "signed by the key inside the receipt only; give a policy with --trust".into())
            }
            _ => (Exit::Contradicted, "not even the receipt's own key signed this checkpoint".into()),
        };
    };
    let known: Vec<_> = policy.logs.iter().filter(|l| l.key.name == checkpoint.origin).collect();
    if known.is_empty() {
        return (Exit::Undecided, format!("the policy knows no log named {}", checkpoint.origin));
    }
    let mut signing = known.iter().filter(|l| signed_by(note, &l.key)).peekable();
    if signing.peek().is_none() {
        return (Exit::Contradicted, format!("no key that the policy trusts for {} signed this checkpoint", checkpoint.origin));
    }
    if signing.all(|l| l.until.is_some_and(|until| checkpoint.size > until)) {
        return (Exit::Contradicted, "signed only by a key that was replaced before this checkpoint".into());
    }
    if policy.witnessed(note) {
        (Exit::Proven, format!("signed by {}", checkpoint.origin))
    } else {
        (Exit::Undecided, "signed by the log, and not cosigned by the witnesses that the policy asks for".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::actor::Actor;
    use crate::domain::custody::{Draft, EventType, Signer, Stamp, checkpoint_body, sequence};

    fn receipt() -> (String, Policy, GivenFile) {
        let file = GivenFile { name: "a.jpg".into(), sha256: Sha256::of(b"photo"), size: 5 };
        let stamp = Stamp { node: "n".into(), app: "t".into(), clock: "unknown" };
        let id = Id::new(Utc::from_micros(1), [1; 10]);
        let (draft, openings) = Draft::new(EventType::ExhibitReceived, Actor::System)
            .about(SubjectKind::Exhibit, id)
            .private("sha256", file.sha256.to_string())
            .private("size", file.size)
            .seal(id, Utc::from_micros(1), &stamp, || [5; 16]);
        let entry = sequence(&draft, |_, _| (0, None)).unwrap();
        let signer = Signer::new("log.example", &[8; 32]);
        let root = leaf_hash(&entry);
        let text = LogProof {
            extra: Some(
                Receipt {
                    erased: None,
                    timestamps: Vec::new(),
                    since: None,
                    entry: BASE64.encode(&entry),
                    openings,
                    vkey: signer.verifier().to_string(),
                    server: "x".into(),
                }
                .to_bytes(),
            ),
            index: 0,
            hashes: vec![],
            checkpoint: signer.sign(&checkpoint_body("log.example", 1, root)),
        };
        let policy = Policy::parse(&format!("log {}\nquorum none\n", signer.verifier())).unwrap();
        (text.to_string(), policy, file)
    }

    #[test]
    fn proven_undecided_contradicted() {
        let (text, policy, file) = receipt();
        assert_eq!(verify_receipt(&text, &[], Trust { policy: Some(&policy), authorities: None }).exit, Exit::Proven);
        assert_eq!(verify_receipt(&text, &[], Trust::default()).exit, Exit::Undecided);
        let other = GivenFile { sha256: Sha256::of(b"other"), ..file };
        assert_eq!(verify_receipt(&text, &[other], Trust { policy: Some(&policy), authorities: None }).exit, Exit::Contradicted);
        let stranger = Signer::new("log.example", &[9; 32]).verifier();
        let wrong = Policy::parse(&format!("log {stranger}\nquorum none\n")).unwrap();
        assert_eq!(verify_receipt(&text, &[], Trust { policy: Some(&wrong), authorities: None }).exit, Exit::Contradicted);
        assert_eq!(verify_receipt("hello", &[], Trust { policy: Some(&policy), authorities: None }).exit, Exit::Unusable);
    }

    #[test]
    fn two_histories_are_told_from_one_that_grew() {
        let signer = Signer::new("log.example", &[8; 32]);
        let policy = Policy::parse(&format!("log {}\nquorum none\n", signer.verifier())).unwrap();
        let (x, y, z) = (leaf_hash(b"x"), leaf_hash(b"y"), leaf_hash(b"z"));
        let at = |size, root| signer.sign(&checkpoint_body("log.example", size, root));
        let (one, two, fork) = (at(1, x), at(2, merkle::node_hash(x, y)), at(2, merkle::node_hash(x, z)));
        assert_eq!(compare(&one, &two, Some(&[y]), Some(&policy)).exit, Exit::Proven);
        assert_eq!(compare(&two, &one, Some(&[y]), Some(&policy)).exit, Exit::Proven, "in either order");
        assert_eq!(compare(&one, &two, Some(&[z]), Some(&policy)).exit, Exit::Contradicted);
        assert_eq!(compare(&one, &two, None, Some(&policy)).exit, Exit::Undecided);
        assert_eq!(compare(&two, &fork, None, Some(&policy)).exit, Exit::Contradicted, "T19");
        assert_eq!(compare(&two, &two, None, Some(&policy)).exit, Exit::Proven);
        let other = Signer::new("log.example", &[9; 32]).sign(&checkpoint_body("log.example", 2, x));
        assert_eq!(compare(&one, &other, Some(&[y]), Some(&policy)).exit, Exit::Contradicted, "another key");
        let elsewhere = Signer::new("b.example", &[8; 32]).sign(&checkpoint_body("b.example", 2, x));
        assert_eq!(compare(&one, &elsewhere, None, Some(&policy)).exit, Exit::Unusable);
        assert_eq!(compare("", "", None, None).exit, Exit::Unusable);
    }

    #[test]
    fn no_flipped_byte_is_proven() {
        let (text, policy, file) = receipt();
        assert_eq!(
            verify_receipt(&text, std::slice::from_ref(&file), Trust { policy: Some(&policy), authorities: None }).exit,
            Exit::Proven
        );
        let mut silent = Vec::new();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(bent) = String::from_utf8(bytes) else { continue };
            let verdict = verify_receipt(&bent, std::slice::from_ref(&file), Trust { policy: Some(&policy), authorities: None });
            // The hints (`server`, `vkey`) are not evidence and are not signed.
            if verdict.exit == Exit::Proven {
                silent.push(at);
            }
        }
        let hints = text.lines().nth(1).unwrap().len();
        assert!(silent.len() < hints / 4, "{} positions pass", silent.len());
        let evidence = text.find("index ").unwrap();
        assert!(silent.iter().all(|at| *at < evidence), "a byte of the proof itself passed");
    }
}
