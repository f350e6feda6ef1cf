//! Another key, another epoch, and the end of the program at each step of the sequencer. Cases that custody's design numbers (T10,
//! T20, T29, T36) bear their number.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::files::jpeg;
use crate::support::{PATIENCE, Pair, Server, Submission, on_both, sha256, until, verify};

on_both!(
    a_replaced_key_signs_nothing_more,
    a_lost_log_goes_on_under_another_name,
    a_key_survives_a_crash,
    an_operator_s_mistakes_are_said_and_cost_nothing,
    two_events_of_one_number_are_found,
    the_sequencer_may_end_at_any_step,
);

async fn fetched(server: &Server, path: &str) -> String {
    server.http.get(server.url(path)).send().await.unwrap().text().await.unwrap()
}

fn written(server: &Server, name: &str, text: &str) -> PathBuf {
    fs::write(server.path(name), text).unwrap();
    server.path(name)
}

fn words(report: &Value) -> Vec<String> {
    report["findings"].as_array().unwrap().iter().map(|f| f["what"].as_str().unwrap().to_owned()).collect()
}

fn of<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events.iter().find(|e| e["type"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// What somebody with an old key makes of a bundle: another report, tag manifests that fit, and a signature.
fn edit_and_sign(server: &Server, bundle: &Path, seed: &str) {
    let report = bundle.join("report/report.html");
    fs::write(&report, fs::read_to_string(&report).unwrap().replace("Tribunal", "Tribuna1")).unwrap();
    let script = "for n in 256 512; do find . -type f ! -path './data/*' ! -name 'tagmanifest-*' -printf '%P\\0' | sort -z | xargs -0 sha${n}sum > ../tags; mv ../tags tagmanifest-sha$n.txt; done
        python3 - \"$1\" > ../old-key <<'END'
import base64, struct, sys
from hashlib import sha512
seed = bytes.fromhex(sys.argv[1])
import subprocess
pem = b'-----BEGIN PRIVATE KEY-----\\n' + base64.b64encode(bytes.fromhex('302e020100300506032b657004220420') + seed) + b'\\n-----END PRIVATE KEY-----\\n'
pub = subprocess.run(['openssl', 'pkey', '-pubout', '-outform', 'DER'], input=pem, capture_output=True).stdout[-32:]
s = lambda b: struct.pack('>I', len(b)) + b
blob = s(b'ssh-ed25519') + s(pub)
private = b'\\0\\0\\0\\1' * 2 + s(b'ssh-ed25519') + s(pub) + s(seed + pub) + s(b'')
private += bytes(range(1, 1 + -len(private) % 8))
out = b'openssh-key-v1\\0' + s(b'none') + s(b'none') + s(b'') + struct.pack('>I', 1) + s(blob) + s(private)
print('-----BEGIN OPENSSH PRIVATE KEY-----\\n' + base64.encodebytes(out).decode() + '-----END OPENSSH PRIVATE KEY-----')
END
        chmod 600 ../old-key; rm -f tagmanifest-sha256.txt.sig; ssh-keygen -q -Y sign -f ../old-key -n evidence-export tagmanifest-sha256.txt";
    let script = script.replace("\\\\", "\\");
    let done = Command::new("bash").args(["-ec", &script, "sign", seed]).current_dir(bundle).output().unwrap();
    assert!(
        done.status.success() && server.path("bundle/tagmanifest-sha256.txt.sig").exists(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

async fn receipt(server: &Server, s: &Submission, exhibit: &str, name: &str) -> PathBuf {
    server.settled().await;
    let text = fetched(server, &format!("/r/{}/proof/{exhibit}", s.receipt)).await;
    assert!(text.starts_with("c2sp.org/tlog-proof@v1"), "{text}");
    written(server, name, &text)
}

async fn send(server: &Server, s: &Submission, seed: u32) -> String {
    server.sent(s, "a.jpg", jpeg(seed, 40, 40)).await["exhibit"].as_str().unwrap().to_owned()
}

async fn a_replaced_key_signs_nothing_more(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("KEYS", &[]);
    let s = server.submission("KEYS", None).await;
    let first = send(&server, &s, 1).await;
    let early = receipt(&server, &s, &first, "early.tlog-proof").await;
    let old_policy = written(&server, "old-policy", &fetched(&server, "/log/policy").await);
    let started = fetched(&server, "/log/checkpoint").await;
    // A thief has the key, and the database as it was.
    let thief = fs::read_to_string(server.path("keys/log.seed")).unwrap();
    let upload = format!("/r/{}", s.receipt);

    // What was backed up before is put back under the key that came after, further down.
    assert!(server.cli(&["backup", server.path("backup").to_str().unwrap()]).status.success());
    // A server that is not told signs nothing more.
    let turned = server.cli(&["log", "rotate-key"]);
    assert!(turned.status.success(), "{}", String::from_utf8_lossy(&turned.stderr));
    assert_ne!(fs::read_to_string(server.path("keys/log.seed")).unwrap(), thief);
    let backup = server.path("backup");
    assert_eq!(server.cli(&["log", "rotate-key"]).status.code(), Some(3), "one after the other");
    let before = fetched(&server, "/log/checkpoint").await;
    send(&server, &s, 2).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(fetched(&server, "/log/checkpoint").await, before, "the old process signs nothing: {}", server.log());
    until("it says why", async || server.log().contains("start again with its key file")).await;
    assert_eq!(fetched(&server, "/log/checkpoint").await, before, "nor afterwards");
    server.kill();
    server.run().await;
    let second = send(&server, &s, 3).await;
    let during = receipt(&server, &s, &second, "during.tlog-proof").await;
    let new_policy = written(&server, "new-policy", &fetched(&server, "/log/policy").await);
    assert!(fs::read_to_string(&new_policy).unwrap().contains("#until "));
    assert_eq!(server.http.get(server.url(&upload)).send().await.unwrap().status(), 200, "addresses do not change with the key");
    for (proof, policy, what) in [
        (&early, &old_policy, "old, old"),
        (&early, &new_policy, "old, new"),
        (&during, &old_policy, "both sign"),
        (&during, &new_policy, "new, new"),
    ] {
        assert_eq!(verify(&[proof], Some(policy)), 0, "{what}");
    }
    assert_eq!(started.lines().next(), fetched(&server, "/log/checkpoint").await.lines().next(), "the name stays");
    let events = server.events().await;
    let turned = events.iter().find(|e| e["type"] == "key.rotated").unwrap();
    assert_ne!(turned["f"]["old"], turned["f"]["new"]);
    server.kill();
    assert!(server.cli(&["log", "rotate-key", "--finish"]).status.success());
    assert_eq!(server.cli(&["log", "rotate-key", "--finish"]).status.code(), Some(3), "nothing is left to finish");
    server.run().await;
    let seed = fs::read_to_string(server.path("keys/log.seed")).unwrap();
    assert!(!seed.contains(thief.trim()), "nothing of the old key is left");
    let events = server.events().await;
    let (turned, retired) = (of(&events, "key.rotated"), of(&events, "key.retired"));
    assert_eq!(turned["f"]["old"], retired["f"]["key"], "the old one was retired, not the new one");
    let third = send(&server, &s, 4).await;
    let after = receipt(&server, &s, &third, "after.tlog-proof").await;
    assert_eq!(verify(&[&after], Some(&new_policy)), 0);
    assert_eq!(verify(&[&after], Some(&old_policy)), 1, "who was not told sees that something is wrong");
    let upgraded = server.http.post(server.url("/api/v1/log/upgrade")).body(fs::read(&early).unwrap()).send().await.unwrap();
    assert_eq!(upgraded.status(), 200);
    let upgraded = written(&server, "upgraded.tlog-proof", &upgraded.text().await.unwrap());
    assert_eq!(verify(&[&upgraded], Some(&new_policy)), 0);
    let bundle = server.path("bundle");
    let to = bundle.to_string_lossy().into_owned();
    let done = server.cli(&[
        "export",
        "--appeal",
        "KEYS",
        "--recipient",
        "Tribunal",
        "--reason",
        "order 1",
        "--to",
        &to,
        "--profile",
        "prosecution",
        "--exhibit",
        &first,
    ]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(verify(&[&bundle], Some(&new_policy)), 0);
    server.assert_sound();
    // A bundle that the old key signed anew over a changed report is not what the log's key says.
    edit_and_sign(&server, &bundle, thief.trim());
    assert_eq!(verify(&[&bundle], Some(&old_policy)), 1, "T36: the checkpoint is not its any more");
    assert_eq!(verify(&[&bundle], Some(&new_policy)), 1, "T36: nor is the bundle");
    let told = server.events().await;
    server.kill();

    // The database is lost; the backup is from before the key was replaced.
    match pair {
        Pair::Lite => ["temoin.db", "temoin.db-wal", "temoin.db-shm"].iter().for_each(|f| drop(fs::remove_file(server.path(f)))),
        Pair::Grown => server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public"),
    }
    let restored = server.cli(&["restore", backup.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    server.run().await;
    let events = server.events().await;
    assert_eq!(events[..told.len()], told[..], "every published entry, under both keys");
    let (_, report) = server.audit();
    assert!(words(&report).iter().all(|w| w == "exhibit-missing"), "{report}");
    assert_eq!(verify(&[&early], Some(&written(&server, "again", &fetched(&server, "/log/policy").await))), 0);
    server.kill();

    // T36: the thief goes on with the old key, from the log as it stood when the key was replaced.
    let mut forger = Server::start(pair).await;
    let origin = started.lines().next().unwrap().to_owned();
    forger.kill();
    forger.reset();
    forger.set("TEMOIN_LOG__ORIGIN", Some(&origin));
    fs::create_dir_all(forger.path("keys")).unwrap();
    fs::write(forger.path("keys/log.seed"), &thief).unwrap();
    forger.run().await;
    forger.appeal("KEYS", &[]);
    let t = forger.submission("KEYS", None).await;
    let mut last = String::new();
    let size = |note: &str| note.lines().nth(1).unwrap().parse::<u64>().unwrap();
    let now = size(&fetched(&forger, "/log/checkpoint").await);
    for n in 0..(size(&started) + 20).saturating_sub(now) {
        last = send(&forger, &t, 100 + n as u32).await;
    }
    let forged = receipt(&forger, &t, &last, "forged.tlog-proof").await;
    assert_eq!(verify(&[&forged], Some(&old_policy)), 0, "the old key is the old key");
    assert_eq!(verify(&[&forged], Some(&new_policy)), 1, "T36");
}

/// What could be saved of the log tells of a file whose row was lost with the database, and of nothing else.
fn sound_but_for_one(server: &Server) {
    let (code, report) = server.audit();
    assert_eq!((code, words(&report)), (1, vec!["exhibit-missing".to_owned()]), "{report}");
    assert_eq!(server.fixity().0, 0);
}

/// T10, the part without a way back: what was published is lost as well as the newest part of the database.
async fn a_lost_log_goes_on_under_another_name(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.kill();
    server.reset();
    let published = server.path("published");
    server.set("TEMOIN_LOG__PUBLISHED", Some(&format!("file:{}", published.display())));
    server.run().await;
    server.appeal("EPOCH", &[]);
    let s = server.submission("EPOCH", None).await;
    let kept = send(&server, &s, 1).await;
    let old = receipt(&server, &s, &kept, "kept.tlog-proof").await;
    let old_policy = written(&server, "old-policy", &fetched(&server, "/log/policy").await);
    let before_loss = fetched(&server, "/log/checkpoint").await.lines().nth(1).unwrap().parse::<usize>().unwrap();
    server.kill();
    crate::attacks::keep(&server);
    server.run().await;
    server.settled().await;
    let lost = send(&server, &s, 2).await;
    let saved = receipt(&server, &s, &lost, "saved.tlog-proof").await;
    server.events().await;
    let lost = send(&server, &s, 5).await;
    let gone = receipt(&server, &s, &lost, "lost.tlog-proof").await;
    let from: u64 = fs::read_to_string(&gone).unwrap().lines().find_map(|l| l.strip_prefix("index ")).unwrap().parse().unwrap();
    let told = server.events().await.len();
    server.kill();
    crate::attacks::put_back(&server);
    assert_eq!(server.cli(&["serve"]).status.code(), Some(3), "T10: nothing is signed behind what was published");
    // The newest checkpoint still lies there, and from that file's entry on the entries do not: they cannot all be put back.
    for entry in fs::read_dir(published.join("published/entries")).unwrap() {
        let path = entry.unwrap().path();
        let end: u64 = path.file_name().unwrap().to_str().unwrap().split('-').nth(1).unwrap().parse().unwrap();
        if end > from {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(server.cli(&["log", "recover"]).status.code(), Some(3));
    assert_eq!(server.cli(&["log", "new-epoch", "--reason", "."]).status.code(), Some(3), "a reason of no content is refused");
    let opened = server.cli(&["log", "new-epoch", "--reason", "the store burnt down"]);
    let said = String::from_utf8_lossy(&opened.stdout).into_owned();
    assert!(opened.status.success(), "{said}{}", String::from_utf8_lossy(&opened.stderr));
    assert!(said.contains("/custody/2") && said.contains(&format!("to {}", told - 1)), "T10: the loss is listed: {said}");
    server.run().await;
    let events = server.events().await;
    let first = of(&events, "log.epoch_opened");
    let kept_entries = first["f"]["kept"].as_u64().unwrap() as usize;
    assert!(kept_entries > before_loss, "what could still be read was put back: {kept_entries} of {told}, {before_loss} in the database");
    assert_eq!(first["f"]["lost"].as_u64().unwrap() as usize, told - kept_entries);
    assert_eq!(events[kept_entries]["type"], "log.epoch_opened", "the first of the new epoch");
    assert!(first["f"]["last_checkpoint"].as_str().unwrap().contains(&format!("\n{told}\n")));
    let policy = written(&server, "policy", &fetched(&server, "/log/policy").await);
    assert_eq!(verify(&[&old], Some(&policy)), 0, "receipts of the closed log stay proven");
    assert_eq!(verify(&[&old], Some(&old_policy)), 0);
    let (http, url) = (server.http.clone(), server.url("/api/v1/log/upgrade"));
    let upgrade = async |receipt: &PathBuf| {
        let answer = http.post(&url).body(fs::read(receipt).unwrap()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, newer) = upgrade(&old).await;
    assert_eq!(status, 200, "{newer}");
    let newer = written(&server, "newer.tlog-proof", &newer);
    assert_eq!(verify(&[&newer], Some(&policy)), 0, "and lead over into the new one");
    assert_eq!(verify(&[&newer], Some(&old_policy)), 2, "which nobody knows who was not told");
    assert_eq!(upgrade(&saved).await.0, 200, "what could still be read is there");
    assert_eq!(upgrade(&gone).await.0, 422, "what is lost is not pretended");
    let again = send(&server, &s, 3).await;
    let fresh = receipt(&server, &s, &again, "fresh.tlog-proof").await;
    assert_eq!(verify(&[&fresh], Some(&policy)), 0);
    sound_but_for_one(&server);
    // A third epoch, while the server goes on: nothing is lost, and what still runs in the closed name signs and publishes nothing.
    let second_policy = policy;
    let opened = server.cli(&["log", "new-epoch", "--reason", "somebody else had the key"]);
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    assert!(String::from_utf8_lossy(&opened.stdout).contains("/custody/3"));
    server.sent(&s, "late.jpg", jpeg(40, 40, 40)).await;
    until("it says why", async || server.log().contains("start again with its key file")).await;
    server.kill();
    server.run().await;
    let late = send(&server, &s, 41).await;
    let late = receipt(&server, &s, &late, "late.tlog-proof").await;
    let policy = written(&server, "third-policy", &fetched(&server, "/log/policy").await);
    assert_eq!((verify(&[&late], Some(&policy)), verify(&[&late], Some(&second_policy))), (0, 2));
    let (status, newer) = upgrade(&old).await;
    assert_eq!(status, 200, "{newer}");
    assert_eq!(verify(&[&written(&server, "newest.tlog-proof", &newer)], Some(&policy)), 0, "across two epochs");
    // Two checkpoints of two epochs are held against each other like any two.
    let size = |path: &Path| fs::read_to_string(path).unwrap().lines().rev().find_map(|l| l.parse::<u64>().ok()).unwrap();
    let (one, two) = (size(&fresh), size(&late));
    let proof = written(&server, "proof", &fetched(&server, &format!("/api/v1/log/consistency?old={one}&new={two}")).await);
    let held = |trust: &Path| {
        let paths = [&fresh, &late, &proof].map(|p| p.to_string_lossy().into_owned());
        server.cli(&["log", "compare", &paths[0], &paths[1], "--proof", &paths[2], "--trust", trust.to_str().unwrap()]).status.code()
    };
    assert_eq!((held(&policy), held(&second_policy)), (Some(0), Some(3)));
    sound_but_for_one(&server);
}

/// A crash at each step of replacing the key, of destroying the old one, of opening an epoch: the next start knows which key it is.
async fn a_key_survives_a_crash(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("CRASH", &[]);
    let s = server.submission("CRASH", None).await;
    send(&server, &s, 1).await;
    server.kill();
    let epoch = ["log", "new-epoch", "--reason", "a drill"];
    for (n, (step, command)) in [
        ("key-beside", &["log", "rotate-key"][..]),
        ("key-replaced", &["log", "rotate-key"]),
        ("key-retired", &["log", "rotate-key", "--finish"]),
        ("epoch-opened", &epoch),
    ]
    .into_iter()
    .enumerate()
    {
        server.set("TEMOIN_TEST_END_AT", Some(&format!("{step}:1")));
        assert_eq!(server.cli(command).status.code(), None, "{step} ends it");
        server.set("TEMOIN_TEST_END_AT", None);
        server.run().await;
        send(&server, &s, 10 + n as u32).await;
        server.assert_sound();
        server.kill();
    }
    assert_eq!(server.cli(&["log", "rotate-key", "--finish"]).status.code(), Some(3), "nothing is left half done");
    server.run().await;
    let events = server.events().await;
    let count = |kind: &str| events.iter().filter(|e| e["type"] == kind).count();
    assert_eq!((count("key.rotated"), count("key.retired"), count("log.epoch_opened")), (1, 1, 1));
}

/// T20: a sequencer that lies gives two events of one exhibit the same number, under the log's own key.
async fn two_events_of_one_number_are_found(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("FORK", &[]);
    let s = server.submission("FORK", None).await;
    let exhibit = send(&server, &s, 1).await;
    let token = server.token("investigator");
    let look = async || assert_eq!(server.get(&token, &format!("/api/v1/exhibits/{exhibit}")).await.0, 200);
    look().await;
    server.settled().await;
    assert_eq!(server.audit().0, 0);
    server.sql(&format!(
        "DELETE FROM log_subject WHERE kind = 'exhibit' AND id = '{exhibit}' AND n = (SELECT MAX(n) FROM log_subject WHERE kind = 'exhibit' AND id = '{exhibit}')"
    ));
    look().await;
    let events = server.events().await;
    let numbers: Vec<u64> = events
        .iter()
        .filter(|e| e["type"] == "exhibit.viewed")
        .flat_map(|e| e["subj"].as_array().unwrap().clone())
        .map(|s| s["n"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers[0], numbers[1], "the fork is there, and signed");
    let (code, report) = server.audit();
    assert_eq!(code, 1);
    assert!(words(&report).iter().any(|w| w == "chain-broken"), "T20: {report}");
}

/// T29: the process ends at each step between an event's commit and its published checkpoint, again and again.
async fn the_sequencer_may_end_at_any_step(pair: Pair) {
    const TIMES: u32 = 3;
    let mut server = Server::start(pair).await;
    server.appeal("STEPS", &["--submission-files-max", "100000"]);
    let s = server.submission("STEPS", None).await;
    let mut acknowledged = Vec::new();
    let mut seed = 0;
    let mut seen: Vec<Value> = Vec::new();
    for step in ["waiting", "placed", "committed", "entries-published", "checkpoint-published", "noted"] {
        for time in 1..=TIMES {
            // Its event may still wait for its place when the server is gone.
            seed += 1;
            let waiting = jpeg(seed, 24, 24);
            let sent = server.sent(&s, "waiting.jpg", waiting.clone()).await;
            acknowledged.push((sent["exhibit"].as_str().unwrap().to_owned(), sha256(&waiting)));
            server.kill();
            server.set("TEMOIN_TEST_END_AT", Some(&format!("{step}:{time}")));
            server.start_unasked();
            // It ends by itself at some event of these, or already at its start. How many share a batch is a matter of its speed: so
            // files come until it has ended.
            let until = Instant::now() + PATIENCE;
            while Instant::now() < until {
                seed += 1;
                let bytes = jpeg(seed, 24, 24);
                let hash = sha256(&bytes);
                match server.try_send(&s, bytes).await {
                    Some(exhibit) => acknowledged.push((exhibit, hash)),
                    None if server.has_ended() => break,
                    None => {}
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!(server.waits_for_end().await, "{step}:{time} was never reached");
            server.set("TEMOIN_TEST_END_AT", None);
            server.run().await;
            let events = server.events().await;
            assert_eq!(events[..seen.len()], seen[..], "T29 {step}: what had its place keeps it");
            seen = events;
        }
    }
    server.settled().await;
    for (exhibit, hash) in &acknowledged {
        let received = seen.iter().filter(|e| e["type"] == "exhibit.received" && e["subj"][0]["id"] == exhibit.as_str()).count();
        assert_eq!(received, 1, "T29: {exhibit} {hash} has its one event");
    }
    assert!(acknowledged.len() > 10, "only {} files were acknowledged", acknowledged.len());
    server.assert_sound();
}

/// Mistakes of an operator: each is said in words, with exit code 3, and nothing is made, lost or called sound by it.
async fn an_operator_s_mistakes_are_said_and_cost_nothing(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("WRONG", &[]);
    let s = server.submission("WRONG", None).await;
    let exhibit = send(&server, &s, 1).await;
    let proof = receipt(&server, &s, &exhibit, "a.tlog-proof").await;
    // Somebody's own folder is no place for a backup.
    let own = server.path("holiday");
    fs::create_dir_all(own.join("media")).unwrap();
    fs::write(own.join("media/beach.jpg"), "mine").unwrap();
    assert_eq!(server.cli(&["backup", own.to_str().unwrap()]).status.code(), Some(3));
    assert_eq!(fs::read_to_string(own.join("media/beach.jpg")).unwrap(), "mine");
    assert_eq!(server.cli(&["backup", server.dir.path().to_str().unwrap()]).status.code(), Some(3));
    // What looks at a log makes none.
    let nowhere = server.path("nowhere.db");
    let elsewhere = format!("sqlite:{}", nowhere.display());
    for command in [&["audit"][..], &["fixity"]] {
        assert_eq!(server.cli(&[&["--database", &elsewhere], command].concat()).status.code(), Some(3), "{command:?}");
    }
    assert!(!nowhere.exists());
    assert_eq!(server.cli(&["--database", &elsewhere, "doctor"]).status.code(), Some(1), "which makes none, either");
    assert!(!nowhere.exists());
    // What nobody can mean is refused by its name, before anything is made of it.
    for (name, value, word) in [
        ("TEMOIN_LIMITS__CONNECTIONS_MAX", "0", "connections_max"),
        ("TEMOIN_SESSIONS__IDLE_MINUTES", "99999999999999", "idle_minutes"),
        ("TEMOIN_SESSIONS__ABSOLUTE_HOURS", "0", "absolute_hours"),
        ("TEMOIN_PUBLIC_URL", "ftp://x", "public_url"),
    ] {
        server.set(name, Some(value));
        for command in [&["serve"][..], &["audit"]] {
            let said = server.cli(command);
            let words = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(said.status.code() == Some(3) && words.contains(word) && !words.contains("internal"), "{name}: {words}");
        }
        server.set(name, None);
    }
    let base = ["appeal", "new", "EMPTY", "--from", "2026-07-14T22:00:00Z", "--to", "2026-07-14T22:30:00Z", "--near", "48.85,2.35"];
    for (title, most) in [("", "1000"), ("Essai", "0")] {
        let more = ["--title", title, "--what", "x", "--place", "x", "--file-bytes-max", most];
        assert_eq!(server.cli(&[&base[..], &more].concat()).status.code(), Some(3), "{title:?} {most}");
    }
    // A mistake on the command line is not "undecided".
    assert_eq!(server.cli(&["verify", "--no-such-option"]).status.code(), Some(3));
    assert_eq!(verify(&[&proof], None), 2);
    server.assert_sound();
}
