//! Test vectors that hold the program and the browser's verifier (`src/web/islands/custody.ts`) to the same answers:
//! `tests/golden/custody-vectors.json`. `tests/browser/verify.test.js` reads the same file.
//!
//! Each case is a receipt, the file that it is checked against, and a policy, with the verdict that a verifier must come to. They
//! are made of fixed keys and bytes, so that making them again gives the same file; `TEMOIN_TEST_BLESS=1` writes it.

use std::fs;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::verify;

const ORIGIN: &str = "log.example/custody/1";

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|p| hasher.update(p));
    hasher.finalize().into()
}

/// RFC 6962 §2.1, by its definition.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => hash(&[]),
        [one] => *one,
        many => {
            let k = many.len().next_power_of_two() / 2;
            hash(&[&[1], &root(&many[..k]), &root(&many[k..])])
        }
    }
}

fn path(m: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut below, beside) =
        if m < k { (path(m, &leaves[..k]), root(&leaves[k..])) } else { (path(m - k, &leaves[k..]), root(&leaves[..k])) };
    below.push(beside);
    below
}

fn growth(m: usize, leaves: &[[u8; 32]], whole: bool) -> Vec<[u8; 32]> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let k = leaves.len().next_power_of_two() / 2;
    let (mut below, beside) = if m <= k {
        (growth(m, &leaves[..k], whole), root(&leaves[k..]))
    } else {
        (growth(m - k, &leaves[k..], false), root(&leaves[..k]))
    };
    below.push(beside);
    below
}

struct Key(SigningKey, &'static str, u8);

impl Key {
    fn id(&self) -> [u8; 4] {
        hash(&[self.1.as_bytes(), b"\n", &[self.2], self.0.verifying_key().as_bytes()])[..4].try_into().unwrap()
    }

    fn public(&self) -> String {
        let bytes = [&[self.2][..], self.0.verifying_key().as_bytes()].concat();
        format!("{}+{}+{}", self.1, HEXLOWER.encode(&self.id()), BASE64.encode(&bytes))
    }

    fn line(&self, text: &str) -> String {
        let bytes = if self.2 == 4 {
            let time = 1_700_000_000u64;
            let signed = self.0.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes()).to_bytes();
            [&self.id()[..], &time.to_be_bytes(), &signed].concat()
        } else {
            [&self.id()[..], &self.0.sign(text.as_bytes()).to_bytes()].concat()
        };
        format!("\u{2014} {} {}\n", self.1, BASE64.encode(&bytes))
    }
}

fn commitment(salt: &str, path: &str, value: &Value) -> String {
    BASE64.encode(&hash(&[b"evidence-commit/v1\0", json!([salt, path, value]).to_string().as_bytes()]))
}

const FILE: &[u8] = b"a photo, as far as anybody here is concerned";

fn vectors() -> Value {
    let log = Key(SigningKey::from_bytes(&[3; 32]), ORIGIN, 1);
    let next = Key(SigningKey::from_bytes(&[4; 32]), ORIGIN, 1);
    let stranger = Key(SigningKey::from_bytes(&[5; 32]), ORIGIN, 1);
    let witness = Key(SigningKey::from_bytes(&[6; 32]), "witness.example", 4);
    let policy = |lines: &str| format!("{lines}quorum none\n");
    let trusted = policy(&format!("log {}\n", log.public()));
    let openings: Vec<Value> = [
        ("sha256", json!(HEXLOWER.encode(&hash(&[FILE])))),
        ("size", json!(FILE.len())),
        ("name", json!("été \"1\"\n\u{1f4f7}\u{7}.jpg")),
        ("exhibits", json!(["a", null, 7])),
    ]
    .into_iter()
    .map(|(path, value)| json!({"path": path, "salt": "CQkJCQkJCQkJCQkJCQkJCQ==", "value": value}))
    .collect();
    let mut d: Vec<String> =
        openings.iter().map(|o| commitment(o["salt"].as_str().unwrap(), o["path"].as_str().unwrap(), &o["value"])).collect();
    d.sort_unstable();
    let entry = json!({"actor": {"k": "system"}, "d": d, "f": {}, "id": "x", "subj": [{"id": "e1", "k": "exhibit", "n": 0}], "t": "2026-07-14T20:00:00.000000Z", "type": "exhibit.received", "v": 1}).to_string();
    let stone = json!({"d": [], "subj": [{"id": "e1", "k": "exhibit", "n": 1}], "type": "erasure.executed", "v": 1}).to_string();
    let leaf = |bytes: &[u8]| hash(&[&[0], bytes]);
    let leaves: Vec<[u8; 32]> = (0..11usize)
        .map(|n| match n {
            5 => leaf(entry.as_bytes()),
            9 => leaf(stone.as_bytes()),
            n => leaf(format!("other {n}").as_bytes()),
        })
        .collect();
    let text = |size: usize| format!("{ORIGIN}\n{size}\n{}\n", BASE64.encode(&root(&leaves[..size])));
    let signed = |size: usize, keys: &[&Key]| {
        let text = text(size);
        keys.iter().fold(format!("{text}\n"), |note, key| note + &key.line(&text))
    };
    let base64 = |hashes: Vec<[u8; 32]>| hashes.iter().map(|h| BASE64.encode(h)).collect::<Vec<_>>();
    let receipt = |size: usize, keys: &[&Key], change: &dyn Fn(&mut Value)| {
        let mut extra = json!({"entry": BASE64.encode(entry.as_bytes()), "openings": openings, "vkey": log.public(), "server": "x"});
        change(&mut extra);
        let hashes: String = base64(path(5, &leaves[..size])).iter().map(|h| format!("{h}\n")).collect();
        format!("c2sp.org/tlog-proof@v1\nextra {}\nindex 5\n{hashes}\n{}", BASE64.encode(extra.to_string().as_bytes()), signed(size, keys))
    };
    let plain = |_: &mut Value| {};
    let honest = receipt(11, &[&log], &plain);
    let since = |e: &mut Value| e["since"] = json!({"checkpoint": signed(7, &[&log]), "hashes": base64(growth(7, &leaves, true))});
    let erased = |e: &mut Value| {
        e["openings"] = json!([]);
        e["erased"] = json!({"index": 9, "entry": BASE64.encode(stone.as_bytes()), "hashes": base64(path(9, &leaves))});
    };
    let quorum = format!("log {}\nwitness w {}\ngroup g 1 w\nquorum g\n", log.public(), witness.public());
    let rotated = policy(&format!("#until 8\nlog {}\nlog {}\n", log.public(), next.public()));
    let case = |name: &str, receipt: &str, file: Option<&[u8]>, policy: Option<&str>, verdict: &str| json!({"name": name, "receipt": receipt, "file": file.map(|f| BASE64.encode(f)), "policy": policy, "verdict": verdict});
    let own = Some(trusted.as_str());
    let mut cases = vec![
        case("honest", &honest, Some(FILE), own, "proven"),
        case("without a file", &honest, None, own, "proven"),
        case("another file", &honest, Some(b"another"), own, "contradicted"),
        case("without a policy", &honest, Some(FILE), None, "undecided"),
        case("signed by a stranger", &receipt(11, &[&stranger], &plain), Some(FILE), own, "contradicted"),
        case(
            "a policy that knows another log",
            &honest,
            Some(FILE),
            Some(&policy(&format!("log {}\n", Key(SigningKey::from_bytes(&[8; 32]), "other.example", 1).public()))),
            "undecided",
        ),
        case("an older size", &receipt(6, &[&log], &plain), Some(FILE), own, "proven"),
        case("grown since", &receipt(11, &[&log], &since), Some(FILE), own, "proven"),
        case(
            "not grown from that",
            &receipt(11, &[&log], &|e| {
                since(e);
                e["since"]["checkpoint"] = json!(signed(6, &[&log]));
            }),
            Some(FILE),
            own,
            "contradicted",
        ),
        case("erased", &receipt(11, &[&log], &erased), None, own, "proven"),
        case("erased, with the file", &receipt(11, &[&log], &erased), Some(FILE), own, "undecided"),
        case(
            "another's tombstone",
            &receipt(11, &[&log], &|e| {
                erased(e);
                e["erased"]["index"] = json!(8);
            }),
            None,
            own,
            "contradicted",
        ),
        case("not cosigned", &honest, Some(FILE), Some(&quorum), "undecided"),
        case("cosigned", &receipt(11, &[&log, &witness], &plain), Some(FILE), Some(&quorum), "proven"),
        case("T36: the old key after its time", &honest, Some(FILE), Some(&rotated), "contradicted"),
        case("the old key in its time", &receipt(8, &[&log], &plain), Some(FILE), Some(&rotated), "proven"),
        case("the new key", &receipt(11, &[&next], &plain), Some(FILE), Some(&rotated), "proven"),
        case("nothing at all", "hello", None, own, "unusable"),
        case("torn", &honest[..honest.len() / 3], None, own, "contradicted"),
    ];
    // What a stranger may not do: a key that stands twice, of which two readers would believe different ones.
    let doubled = {
        let extra = honest.lines().nth(1).unwrap().strip_prefix("extra ").unwrap();
        let inner = String::from_utf8(BASE64.decode(extra.as_bytes()).unwrap()).unwrap();
        let twice = inner.replacen('{', "{\"server\":\"y\",", 1);
        honest.replace(extra, &BASE64.encode(twice.as_bytes()))
    };
    cases.push(case("a key that stands twice", &doubled, Some(FILE), own, "contradicted"));
    // Every line of the proof, bent.
    for (n, line) in honest.lines().enumerate().skip(2).filter(|(_, l)| l.len() > 20 && *l != ORIGIN) {
        let mut bent: Vec<String> = honest.lines().map(str::to_owned).collect();
        let at = line.len() / 2;
        let other = if line.as_bytes()[at] == b'A' { "B" } else { "A" };
        bent[n].replace_range(at..=at, other);
        cases.push(case(&format!("line {n} bent"), &format!("{}\n", bent.join("\n")), Some(FILE), own, "contradicted"));
    }
    json!({
        "commitments": openings.iter().map(|o| json!({"opening": o, "commitment": commitment(o["salt"].as_str().unwrap(), o["path"].as_str().unwrap(), &o["value"])})).collect::<Vec<_>>(),
        "inclusion": (1..=11usize).flat_map(|size| (0..size).map(move |index| (index, size))).map(|(index, size)| json!({
            "index": index, "size": size, "leaf": BASE64.encode(&leaves[index]), "root": BASE64.encode(&root(&leaves[..size])), "hashes": base64(path(index, &leaves[..size])),
        })).collect::<Vec<_>>(),
        "consistency": (1..=11usize).flat_map(|new| (1..=new).map(move |old| (old, new))).map(|(old, new)| json!({
            "old": old, "new": new, "old_root": BASE64.encode(&root(&leaves[..old])), "root": BASE64.encode(&root(&leaves[..new])), "hashes": base64(growth(old, &leaves[..new], true)),
        })).collect::<Vec<_>>(),
        "receipts": cases,
    })
}

#[test]
fn the_program_answers_the_vectors() {
    let vectors = vectors();
    let path = "tests/golden/custody-vectors.json";
    let written = format!("{}\n", serde_json::to_string_pretty(&vectors).unwrap());
    if std::env::var_os("TEMOIN_TEST_BLESS").is_some() {
        fs::write(path, &written).unwrap();
    }
    assert!(fs::read_to_string(path).unwrap_or_default() == written, "the vectors are not what their source makes: TEMOIN_TEST_BLESS=1");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for case in vectors["receipts"].as_array().unwrap() {
        fs::write(at("r.tlog-proof"), case["receipt"].as_str().unwrap()).unwrap();
        let mut args = vec![at("r.tlog-proof")];
        if let Some(file) = case["file"].as_str() {
            fs::write(at("file"), BASE64.decode(file.as_bytes()).unwrap()).unwrap();
            args.push(at("file"));
        }
        let policy = case["policy"].as_str().map(|text| {
            fs::write(at("policy"), text).unwrap();
            at("policy")
        });
        let args: Vec<&std::path::Path> = args.iter().map(std::path::PathBuf::as_path).collect();
        let expected = ["proven", "contradicted", "undecided", "unusable"].iter().position(|v| case["verdict"] == *v).unwrap();
        assert_eq!(verify(&args, policy.as_deref()), i32::try_from(expected).unwrap(), "{}", case["name"]);
    }
}
