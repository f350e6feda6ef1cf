//! Anchors: real timestamp answers from openssl, a witness on Go's own checksum-database code, and both lying. Cases that custody's
//! design numbers (T04, T05, T17, T33, T34, T40) bear their number.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::files::jpeg;
use crate::support::{PATIENCE, Pair, Server, on_both, oracle, verify, verify_with};

on_both!(
    outsiders_vouch_and_their_failures_are_seen,
    what_outsiders_saw_cannot_be_told_otherwise,
    receipts_are_upgraded_and_judged_by_others,
);

/// A helper process that says in its first line where it is.
struct Helper {
    child: Child,
    said: String,
}

impl Helper {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert!(!said.is_empty(), "{command:?} said nothing");
        Self { child, said: said.trim().to_owned() }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Case {
    server: Server,
    authority: Helper,
    witness: Helper,
    policy: PathBuf,
    ca: PathBuf,
}

impl Case {
    /// A server with one authority and one witness, that asks them every second.
    async fn new(pair: Pair) -> Self {
        let mut server = Server::start(pair).await;
        server.appeal("ANCHOR", &[]);
        let key = Self::key(&server).await;
        server.kill();
        let folder = server.path("authority");
        let authority = Helper::start(Command::new("python3").arg("tests/oracle/tsa.py").arg(&folder));
        let witness = Helper::start(Command::new(oracle()).args(["witness", "witness.example", &key]));
        let (vkey, url) = witness.said.split_once(' ').unwrap();
        let ca = folder.join("root.pem");
        let stamps = format!("[{{name=\"authority\",url=\"{}\",ca=\"{}\"}}]", authority.said, ca.display());
        let witnesses = format!("[{{key=\"{vkey}\",url=\"{url}\"}}]");
        server.set("TEMOIN_ANCHORS__TIMESTAMPS", Some(&stamps));
        server.set("TEMOIN_ANCHORS__WITNESSES", Some(&witnesses));
        server.set("TEMOIN_ANCHORS__WITNESS_QUORUM", Some("1"));
        server.set("TEMOIN_ANCHORS__EVERY_SECONDS", Some("1"));
        server.run().await;
        let policy = server.path("policy");
        let text = server.http.get(server.url("/log/policy")).send().await.unwrap().text().await.unwrap();
        assert!(text.contains("quorum witnesses"), "{text}");
        fs::write(&policy, text).unwrap();
        Self { server, authority, witness, policy, ca }
    }

    async fn key(server: &Server) -> String {
        let policy = server.http.get(server.url("/log/policy")).send().await.unwrap().text().await.unwrap();
        policy.lines().find_map(|l| l.strip_prefix("log ")).unwrap().split(' ').next().unwrap().to_owned()
    }

    async fn mode(&self, authority: &str, witness: &str) {
        self.server.http.post(format!("{}/mode/{authority}", self.authority.said)).send().await.unwrap();
        let url = self.witness.said.split_once(' ').unwrap().1;
        self.server.http.get(format!("{url}/mode/{witness}")).send().await.unwrap();
    }

    /// A photo, and its receipt once this many outsiders vouch for it.
    async fn photo(&self, n: u8, name: &str, vouchers: usize) -> (PathBuf, PathBuf) {
        let s = self.server.submission("ANCHOR", None).await;
        let bytes = jpeg(n.into(), 40, 40);
        let exhibit = self.server.sent(&s, name, bytes.clone()).await["exhibit"].as_str().unwrap().to_owned();
        let (file, receipt) = (self.server.path(name), self.server.path(&format!("{name}.tlog-proof")));
        fs::write(&file, bytes).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            let url = self.server.url(&format!("/r/{}/proof/{exhibit}", s.receipt));
            let answer = self.server.http.get(url).send().await.unwrap();
            if answer.status() == 200 {
                let text = answer.text().await.unwrap();
                let extra = text.lines().nth(1).unwrap().strip_prefix("extra ").unwrap();
                let told: Value = serde_json::from_slice(&data_encoding::BASE64.decode(extra.as_bytes()).unwrap()).unwrap();
                let stamps = told["timestamps"].as_array().map_or(0, Vec::len);
                let lines = text.rsplit("\n\n").next().unwrap().lines().count();
                if stamps + lines > vouchers {
                    fs::write(&receipt, text).unwrap();
                    return (file, receipt);
                }
            }
            assert!(Instant::now() < until, "nobody vouches: {}", self.server.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Problems of the last tries and whose they are, as `/readyz` tells the operator.
    async fn problems(&self) -> Vec<(String, String)> {
        let (_, ready) = self.server.get("", "/readyz").await;
        let told = |a: &Value| Some((a["name"].as_str()?.to_owned(), a["problem"].as_str()?.to_owned()));
        // (Asked again where it was too busy to say.)
        ready["anchors"].as_array().map_or_else(Vec::new, |all| all.iter().filter_map(told).collect())
    }

    /// By name and words: one who failed before may have failed with the same words as the one who fails now.
    async fn wait_for_problems(&self, wanted: &[(&str, &str)]) {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = self.problems().await;
            if found.len() == wanted.len() && found.iter().zip(wanted).all(|((n, f), (name, w))| n == name && f.contains(w)) {
                return;
            }
            assert!(Instant::now() < until, "{found:?} and not {wanted:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn outsiders_vouch_and_their_failures_are_seen(pair: Pair) {
    let case = Case::new(pair).await;
    let (file, receipt) = case.photo(1, "a.jpg", 2).await;
    assert_eq!(verify_with(&[&receipt, &file], &["--trust", case.policy.to_str().unwrap(), "--tsa-ca", case.ca.to_str().unwrap()]), 0);
    // Roots of somebody else prove nothing.
    let stranger = case.ca.with_file_name("stranger.pem");
    assert_eq!(verify_with(&[&receipt, &file], &["--trust", case.policy.to_str().unwrap(), "--tsa-ca", stranger.to_str().unwrap()]), 2);
    // T33 and T34: away, lying, answering another question: nothing is believed, everything is said, and the service goes on.
    for (n, (authority, witness, wanted)) in [
        ("down", "ok", vec![("authority", "it answers 503")]),
        ("ok", "down", vec![("witness.example", "it answers 503")]),
        ("junk", "garbage", vec![("authority", "not a timestamp token"), ("witness.example", "does not hold")]),
        ("replay", "other", vec![("authority", "it covers other bytes"), ("witness.example", "does not hold")]),
        ("stranger", "ok", vec![("authority", "its certificate is not trusted")]),
    ]
    .into_iter()
    .enumerate()
    {
        case.mode(authority, witness).await;
        let s = case.server.submission("ANCHOR", None).await;
        case.server.sent(&s, "b.jpg", jpeg(10 + u32::try_from(n).unwrap(), 40, 40)).await;
        case.wait_for_problems(&wanted).await;
        let doctor = String::from_utf8(case.server.cli(&["doctor"]).stdout).unwrap();
        assert!(doctor.lines().any(|l| l.starts_with("LOOK anchor") && l.contains(wanted[0].0) && l.contains(wanted[0].1)), "{doctor}");
    }
    case.mode("ok", "ok").await;
    case.wait_for_problems(&[]).await;
    let (file, receipt) = case.photo(3, "c.jpg", 2).await;
    assert_eq!(verify_with(&[&receipt, &file], &["--trust", case.policy.to_str().unwrap(), "--tsa-ca", case.ca.to_str().unwrap()]), 0);
    let events = case.server.events().await;
    let failed: Vec<&str> = events.iter().filter(|e| e["type"] == "anchor.failed").map(|e| e["f"]["problem"].as_str().unwrap()).collect();
    for wanted in ["not a timestamp token", "covers other bytes", "not trusted", "cosignature does not hold"] {
        assert!(failed.iter().any(|f| f.contains(wanted)), "{wanted}: {failed:?}");
    }
    assert!(failed.len() <= 12, "the same failure again is no new event: {failed:?}");
    case.server.assert_sound();
}

async fn what_outsiders_saw_cannot_be_told_otherwise(pair: Pair) {
    let mut case = Case::new(pair).await;
    let (file, receipt) = case.photo(1, "a.jpg", 2).await;
    case.server.settled().await;
    // T17: a moment two days back, written into the outbox by somebody who can.
    let event = "00000000-0000-7000-8000-000000000017";
    let draft = serde_json::json!({
        "v": 1, "type": "grid.viewed", "id": event, "t": "2026-01-01T00:00:00.000000Z", "clk": "unknown", "node": "n1", "app": "x",
        "actor": {"k": "system"}, "subj": [], "f": {}, "d": [], "salt": "AAAAAAAAAAAAAAAAAAAAAA==",
    });
    let (event, bytes) = (event.replace('-', ""), data_encoding::HEXLOWER.encode(draft.to_string().as_bytes()));
    case.server.sql(&match pair {
        Pair::Lite => format!("INSERT INTO log_pending (event_id, draft) VALUES (x'{event}', x'{bytes}')"),
        Pair::Grown => format!("INSERT INTO log_pending (event_id, draft) VALUES ('\\x{event}', '\\x{bytes}')"),
    });
    case.server.settled().await;
    let (code, report) = case.server.audit();
    let words: Vec<&str> = report["findings"].as_array().unwrap().iter().map(|f| f["what"].as_str().unwrap()).collect();
    assert!(code == 1 && words.contains(&"time-impossible"), "{report}");

    // T05: somebody with the database *and* the key starts over: an empty log under the same name. What outsiders saw stands
    // against it: the witness refuses, the old receipt and the new checkpoint are two histories.
    let old = case.server.path("old-checkpoint");
    fs::write(&old, case.server.http.get(case.server.url("/log/checkpoint")).send().await.unwrap().text().await.unwrap()).unwrap();
    case.server.kill();
    case.server.sql(match pair {
        Pair::Lite => {
            "DROP TRIGGER log_entry_no_delete; DELETE FROM log_entry; DELETE FROM log_subject; DELETE FROM log_tile; DELETE FROM log_checkpoint;
             DELETE FROM anchor; DELETE FROM log_opening; UPDATE log_head SET size = 0, edge = x'', published = 0"
        }
        Pair::Grown => {
            "ALTER TABLE log_entry DISABLE TRIGGER ALL; DELETE FROM log_entry; DELETE FROM log_subject; DELETE FROM log_tile; DELETE FROM log_checkpoint;
             DELETE FROM anchor; DELETE FROM log_opening; UPDATE log_head SET size = 0, edge = '', published = 0"
        }
    });
    // And the published copies are taken away, too: the store is theirs as well.
    let elsewhere = format!("file:{}", case.server.path("another").display());
    case.server.set("TEMOIN_LOG__PUBLISHED", Some(&elsewhere));
    case.server.run().await;
    for n in 20..26 {
        let s = case.server.submission("ANCHOR", None).await;
        for _ in 0..4 {
            case.server.sent(&s, "x.jpg", jpeg(n, 40, 40)).await;
        }
    }
    let until = Instant::now() + PATIENCE;
    while !case.problems().await.iter().any(|(_, p)| p.contains("it has seen")) {
        assert!(Instant::now() < until, "{:?}", case.problems().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    case.server.settled().await;
    let new = case.server.path("new-checkpoint");
    fs::write(&new, case.server.http.get(case.server.url("/log/checkpoint")).send().await.unwrap().text().await.unwrap()).unwrap();
    let size = |path: &Path| fs::read_to_string(path).unwrap().lines().nth(1).unwrap().parse::<u64>().unwrap();
    assert!(size(&new) > size(&receipt_checkpoint(&receipt, &case.server)), "the forged log has grown beyond the receipt");
    let sizes = format!("/api/v1/log/consistency?old={}&new={}", size(&receipt_checkpoint(&receipt, &case.server)), size(&new));
    let proof = case.server.path("consistency");
    fs::write(&proof, case.server.http.get(case.server.url(&sizes)).send().await.unwrap().text().await.unwrap()).unwrap();
    let compared = case.server.cli(&[
        "log",
        "compare",
        receipt.to_str().unwrap(),
        new.to_str().unwrap(),
        "--proof",
        proof.to_str().unwrap(),
        "--trust",
        case.policy.to_str().unwrap(),
    ]);
    assert_eq!(compared.status.code(), Some(1), "{}", String::from_utf8_lossy(&compared.stdout));
    // The receipt itself still holds, against all of it; the forged checkpoint is cosigned by nobody (T04: and so undecided).
    assert_eq!(verify(&[&receipt, &file], Some(&case.policy)), 0);
    let upgrade = case.server.http.post(case.server.url("/api/v1/log/upgrade")).body(fs::read(&receipt).unwrap()).send().await.unwrap();
    assert_eq!(upgrade.status(), 422, "the forged log knows nothing of it");
}

/// The checkpoint inside a receipt, as a file.
fn receipt_checkpoint(receipt: &Path, server: &Server) -> PathBuf {
    let text = fs::read_to_string(receipt).unwrap();
    let to = server.path("receipt-checkpoint");
    fs::write(&to, text.split_once("\n\n").unwrap().1).unwrap();
    to
}

async fn receipts_are_upgraded_and_judged_by_others(pair: Pair) {
    let case = Case::new(pair).await;
    let key = Case::key(&case.server).await;
    let judged = |args: &[&str]| Command::new(oracle()).args(args).output().unwrap().status.code().unwrap();
    let (file, old) = case.photo(1, "a.jpg", 2).await;
    let (_, _) = case.photo(2, "b.jpg", 2).await;
    let answer = case.server.http.post(case.server.url("/api/v1/log/upgrade")).body(fs::read(&old).unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let new = case.server.path("new.tlog-proof");
    fs::write(&new, answer.bytes().await.unwrap()).unwrap();
    let trust = ["--trust", case.policy.to_str().unwrap(), "--tsa-ca", case.ca.to_str().unwrap(), "--json"];
    let said = case.server.cli(&[&["verify", new.to_str().unwrap(), file.to_str().unwrap()], &trust[..]].concat());
    let verdict: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(0), "{verdict}");
    for check in ["since", "timestamp", "signature", "inclusion"] {
        assert!(
            verdict["findings"].as_array().unwrap().iter().any(|f| f["check"] == check && f["result"] == "proven"),
            "{check}: {verdict}"
        );
    }
    // Whoever holds less is told no more: without openings, none come back; with an invented checkpoint, nothing does.
    let text = fs::read_to_string(&old).unwrap();
    let extra = text.lines().nth(1).unwrap().strip_prefix("extra ").unwrap();
    let mut told: Value = serde_json::from_slice(&data_encoding::BASE64.decode(extra.as_bytes()).unwrap()).unwrap();
    told["openings"] = serde_json::json!([]);
    let bare = text.replace(extra, &data_encoding::BASE64.encode(told.to_string().as_bytes()));
    let answer =
        case.server.http.post(case.server.url("/api/v1/log/upgrade")).body(bare.clone()).send().await.unwrap().text().await.unwrap();
    let extra = answer.lines().nth(1).unwrap().strip_prefix("extra ").unwrap();
    let told: Value = serde_json::from_slice(&data_encoding::BASE64.decode(extra.as_bytes()).unwrap()).unwrap();
    assert_eq!(told["openings"], serde_json::json!([]));
    let invented = format!(
        "{}\n\n{}\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n",
        bare.split_once("\n\n").unwrap().0,
        text.split("\n\n").nth(1).unwrap().lines().next().unwrap()
    );
    for wrong in ["", "hello", &invented, &fs::read_to_string(&old).unwrap().replace("index ", "index 9")] {
        let answer = case.server.http.post(case.server.url("/api/v1/log/upgrade")).body(wrong.to_owned()).send().await.unwrap();
        assert_eq!(answer.status(), 422, "{wrong:.40}");
    }

    // T40: Go's own code accepts receipts and growth, and rejects each when a byte of it is changed.
    for receipt in [&old, &new] {
        assert_eq!(judged(&["receipt", &key, receipt.to_str().unwrap()]), 0);
        let text = fs::read_to_string(receipt).unwrap();
        let bent = case.server.path("bent");
        let line = text.lines().position(|l| l.starts_with("index ")).unwrap();
        let index = text.lines().nth(line).unwrap();
        for changed in [text.replacen(index, &format!("{index}1"), 1), flipped(&text, "\n\n", 60), flipped(&text, "extra ", 40)] {
            fs::write(&bent, changed).unwrap();
            assert_ne!(judged(&["receipt", &key, bent.to_str().unwrap()]), 0);
            assert_ne!(verify(&[&bent], Some(&case.policy)), 0);
        }
    }
    let (a, b) = (case.server.path("old-checkpoint"), case.server.path("new-checkpoint"));
    for (receipt, to) in [(&old, &a), (&new, &b)] {
        fs::copy(receipt_checkpoint(receipt, &case.server), to).unwrap();
    }
    let size = |path: &Path| fs::read_to_string(path).unwrap().lines().nth(1).unwrap().to_owned();
    assert_ne!(size(&a), size(&b));
    let sizes = format!("/api/v1/log/consistency?old={}&new={}", size(&a), size(&b));
    let text = case.server.http.get(case.server.url(&sizes)).send().await.unwrap().text().await.unwrap();
    let proof = case.server.path("consistency");
    fs::write(&proof, &text).unwrap();
    let tree = || judged(&["tree", &key, a.to_str().unwrap(), b.to_str().unwrap(), proof.to_str().unwrap()]);
    assert_eq!(tree(), 0);
    fs::write(&proof, flipped(&text, "hashes\":[\"", 14)).unwrap();
    assert_ne!(tree(), 0);

    // openssl judges the timestamp in a bundle by the bundle's own words, and the bundle as a whole is proven.
    let token = case.server.token("investigator");
    let (_, queue) = case.server.get(&token, "/api/v1/appeals/ANCHOR/exhibits").await;
    let exhibit = queue["items"][0]["id"].as_str().unwrap();
    let bundle = case.server.path("bundle");
    let made = case.server.cli(&[
        "export",
        "--appeal",
        "ANCHOR",
        "--exhibit",
        exhibit,
        "--profile",
        "prosecution",
        "--recipient",
        "Tribunal de Paris",
        "--reason",
        "order 26/1234",
        "--to",
        bundle.to_str().unwrap(),
    ]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(verify_with(&[&bundle], &["--trust", case.policy.to_str().unwrap(), "--tsa-ca", case.ca.to_str().unwrap()]), 0);
    let readme = fs::read_to_string(bundle.join("README.txt")).unwrap();
    let command = readme.lines().find(|l| l.trim().starts_with("openssl ts")).expect("the bundle says how to check its timestamp").trim();
    let run = |command: &str| {
        let command = command.replace("ROOTS.pem", case.ca.to_str().unwrap());
        Command::new("sh").arg("-c").arg(&command).current_dir(&bundle).output().unwrap().status.success()
    };
    assert!(run(command), "{command}");
    let checkpoint = bundle.join("custody/anchors/checkpoint");
    let kept = fs::read_to_string(&checkpoint).unwrap();
    fs::write(&checkpoint, flipped(&kept, "\n", 3)).unwrap();
    assert!(!run(command), "a changed checkpoint");
}

/// The text with the byte changed that lies so far behind the first mark.
fn flipped(text: &str, mark: &str, behind: usize) -> String {
    let at = text.find(mark).unwrap() + behind;
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}
