//! A receipt judged, and two checkpoints.

use data_encoding::BASE64;
use serde_json::Value;

use super::{Exit, Finding, GivenFile, Trust, Verdict, signature, stamps};
use crate::domain::custody::{
    Checkpoint, EventType, LogProof, Policy, Receipt, Since, Tombstone, commitment,
    merkle::{self, leaf_hash},
    strict,
};
use crate::domain::value::Sha256;

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
    // Of another name it may be: a log that was closed, which this one carries on with. The trees decide.
    let same = old.size == new.size && old.root == new.root;
    if !same && !merkle::verify_consistency(old.size, new.size, &hashes, old.root, new.root) {
        return (Exit::Contradicted, format!("the log of {} entries does not contain that of {}", new.size, old.size));
    }
    match signature(&since.checkpoint, &old, "", policy) {
        (Exit::Proven, _) if old.origin != new.origin => {
            (Exit::Proven, format!("it carries on with the {} entries of {}, unchanged", old.size, old.origin))
        }
        (Exit::Proven, _) => (Exit::Proven, format!("it contains the log of {} entries, unchanged", old.size)),
        _ => (Exit::Undecided, format!("it contains a log of {} entries that the policy does not know", old.size)),
    }
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

/// What a server gave to show that the log of `old` entries is the beginning of that of `new`.
pub struct ConsistencyProof {
    pub old: u64,
    pub new: u64,
    pub hashes: Vec<Sha256>,
}

/// Holds two checkpoints of one log against each other: whether the newer contains the older, or whether somebody has signed
/// two histories, which these two files then prove to everybody.
pub fn compare(one: &str, other: &str, proof: Option<&ConsistencyProof>, policy: Option<&Policy>) -> Verdict {
    let mut findings = Vec::new();
    let mut note = |check, result, detail: String| findings.push(Finding { check, result, detail });
    let (Some(a), Some(b)) = (Checkpoint::parse(one), Checkpoint::parse(other)) else {
        note("format", Exit::Unusable, "not two checkpoints".into());
        return Verdict::of(findings, None);
    };
    // Two names may be one log, closed and carried on: the trees decide, if the reader trusts both.
    let epochs =
        a.origin != b.origin && [&a, &b].into_iter().all(|c| policy.is_some_and(|p| p.logs.iter().any(|l| l.key.name == c.origin)));
    if a.origin != b.origin && !epochs {
        note("log", Exit::Unusable, format!("two different logs: {} and {}", a.origin, b.origin));
        return Verdict::of(findings, None);
    }
    let mut signed = true;
    for (text, checkpoint) in [(one, &a), (other, &b)] {
        let (result, detail) = signature(text, checkpoint, "", policy);
        signed &= !matches!(result, Exit::Contradicted | Exit::Unusable);
        note("signature", result, format!("{} entries: {detail}", checkpoint.size));
    }
    if !signed {
        // Anybody can write down a root. Of two histories there is no word unless the log signed both.
        note("history", Exit::Undecided, "one of them is not the log's: nothing follows from it".into());
        return Verdict::of(findings, None);
    }
    let ((old, old_root), (new, new_root)) =
        if a.size <= b.size { ((a.size, a.root), (b.size, b.root)) } else { ((b.size, b.root), (a.size, a.root)) };
    let (result, detail) = match proof {
        _ if old == new && old_root == new_root => (Exit::Proven, "the same log at the same size".to_owned()),
        _ if old == new => (Exit::Contradicted, format!("TWO HISTORIES: the same log signed two different roots at {old} entries")),
        Some(proof) if (proof.old, proof.new) != (old, new) => {
            (Exit::Undecided, format!("the proof is from {} to {}, and not from {old} to {new}", proof.old, proof.new))
        }
        Some(proof) if merkle::verify_consistency(old, new, &proof.hashes, old_root, new_root) => {
            (Exit::Proven, format!("the log of {new} entries contains that of {old}, unchanged"))
        }
        Some(_) => (Exit::Contradicted, format!("the proof does not show that the log of {new} entries contains that of {old}")),
        None => (Exit::Undecided, format!("needs the proof from {old} to {new}: /api/v1/log/consistency?old={old}&new={new}")),
    };
    note("history", result, detail);
    Verdict::of(findings, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::actor::Actor;
    use crate::domain::custody::{Draft, EventType, Signer, Stamp, SubjectKind, Waiting, checkpoint_body};
    use crate::domain::value::{Id, Utc};

    fn receipt() -> (String, Policy, GivenFile) {
        let file = GivenFile { name: "a.jpg".into(), sha256: Sha256::of(b"photo"), size: 5 };
        let stamp = Stamp { node: "n".into(), app: "t".into(), clock: "unknown" };
        let id = Id::new(Utc::from_micros(1), [1; 10]);
        let (draft, openings) = Draft::new(EventType::ExhibitReceived, Actor::System)
            .about(SubjectKind::Exhibit, id)
            .private("sha256", file.sha256.to_string())
            .private("size", file.size)
            .seal(id, Utc::from_micros(1), &stamp, || [5; 16]);
        let entry = Waiting::read(&draft).unwrap().place(|_, _| (0, None)).unwrap();
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
        let by = |hash: Sha256| ConsistencyProof { old: 1, new: 2, hashes: vec![hash] };
        assert_eq!(compare(&one, &two, Some(&by(y)), Some(&policy)).exit, Exit::Proven);
        assert_eq!(compare(&two, &one, Some(&by(y)), Some(&policy)).exit, Exit::Proven, "in either order");
        assert_eq!(compare(&one, &two, Some(&by(z)), Some(&policy)).exit, Exit::Contradicted);
        assert_eq!(compare(&one, &two, None, Some(&policy)).exit, Exit::Undecided);
        assert_eq!(compare(&two, &fork, None, Some(&policy)).exit, Exit::Contradicted, "T19");
        assert_eq!(compare(&two, &two, None, Some(&policy)).exit, Exit::Proven);
        let other = Signer::new("log.example", &[9; 32]).sign(&checkpoint_body("log.example", 2, x));
        assert_eq!(compare(&one, &other, Some(&by(y)), Some(&policy)).exit, Exit::Contradicted, "another key");
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
