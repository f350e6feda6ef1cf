//! Another key, another epoch, and the end of the program at each step of the sequencer. Cases that custody's design numbers (T10,
//! T20, T29, T36) bear their number.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::files::jpeg;
use crate::support::{Pair, Server, Submission, on_both, sha256, verify};

on_both!(
    a_replaced_key_signs_nothing_more,
    a_lost_log_goes_on_under_another_name,
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

    // A server that is not told signs nothing more.
    let turned = server.cli(&["log", "rotate-key"]);
    assert!(turned.status.success(), "{}", String::from_utf8_lossy(&turned.stderr));
    assert_ne!(fs::read_to_string(server.path("keys/log.seed")).unwrap(), thief);
    assert_eq!(server.cli(&["log", "rotate-key"]).status.code(), Some(3), "one after the other");
    let before = fetched(&server, "/log/checkpoint").await;
    send(&server, &s, 2).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(fetched(&server, "/log/checkpoint").await, before, "the old process signs nothing: {}", server.log());
    assert!(server.log().contains("start again with its key file"));
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
    server.kill();
    crate::attacks::keep(&server);
    server.run().await;
    let lost = send(&server, &s, 2).await;
    let gone = receipt(&server, &s, &lost, "lost.tlog-proof").await;
    let told = server.events().await.len();
    server.kill();
    crate::attacks::put_back(&server);
    assert_eq!(server.cli(&["serve"]).status.code(), Some(3), "T10: nothing is signed behind what was published");
    // The newest checkpoint still lies there, the entries do not: they cannot be put back.
    fs::remove_dir_all(published.join("published/entries")).unwrap();
    assert_eq!(server.cli(&["log", "recover"]).status.code(), Some(3));
    assert_eq!(server.cli(&["log", "new-epoch", "--reason", "."]).status.code(), Some(3), "a reason of no content is refused");
    let opened = server.cli(&["log", "new-epoch", "--reason", "the store burnt down"]);
    let said = String::from_utf8_lossy(&opened.stdout).into_owned();
    assert!(opened.status.success(), "{said}{}", String::from_utf8_lossy(&opened.stderr));
    assert!(said.contains("/custody/2") && said.contains(&format!("to {}", told - 1)), "T10: the loss is listed: {said}");
    server.run().await;
    let events = server.events().await;
    let first = events.iter().find(|e| e["type"] == "log.epoch_opened").unwrap();
    let kept_entries = first["f"]["kept"].as_u64().unwrap() as usize;
    assert_eq!(first["f"]["lost"].as_u64().unwrap() as usize, told - kept_entries);
    assert_eq!(events[kept_entries]["type"], "log.epoch_opened", "the first of the new epoch");
    assert!(first["f"]["last_checkpoint"].as_str().unwrap().contains(&format!("\n{told}\n")));
    let policy = written(&server, "policy", &fetched(&server, "/log/policy").await);
    assert_eq!(verify(&[&old], Some(&policy)), 0, "receipts of the closed log stay proven");
    assert_eq!(verify(&[&old], Some(&old_policy)), 0);
    let upgrade = async |receipt: &PathBuf| {
        let answer = server.http.post(server.url("/api/v1/log/upgrade")).body(fs::read(receipt).unwrap()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, newer) = upgrade(&old).await;
    assert_eq!(status, 200, "{newer}");
    let newer = written(&server, "newer.tlog-proof", &newer);
    assert_eq!(verify(&[&newer], Some(&policy)), 0, "and lead over into the new one");
    assert_eq!(verify(&[&newer], Some(&old_policy)), 2, "which nobody knows who was not told");
    assert_eq!(upgrade(&gone).await.0, 422, "what is lost is not pretended");
    let again = send(&server, &s, 3).await;
    let fresh = receipt(&server, &s, &again, "fresh.tlog-proof").await;
    assert_eq!(verify(&[&fresh], Some(&policy)), 0);
    server.assert_sound();
    server.kill();
    server.run().await;
    server.assert_sound();
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
            server.kill();
            server.set("TEMOIN_TEST_END_AT", Some(&format!("{step}:{time}")));
            server.start_unasked();
            // It ends by itself at some event of these, or already at its start.
            for _ in 0..40 {
                seed += 1;
                let bytes = jpeg(seed, 24, 24);
                let hash = sha256(&bytes);
                match server.try_send(&s, bytes).await {
                    Some(exhibit) => acknowledged.push((exhibit, hash)),
                    None if server.has_ended() => break,
                    None => {}
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
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
