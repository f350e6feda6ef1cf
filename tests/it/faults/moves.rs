//! A deployment moves from one machine to PostgreSQL and S3 and back, by backup and restore: no hash, no receipt and no place in the log becomes
//! another. And a backup that is not what it was is told from one that is.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::files::jpeg;
use crate::support::{Pair, Server, verify};

fn ok(done: &std::process::Output) {
    assert!(done.status.success(), "{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
}

/// What must not change: every event, every file with its hash, and the newest checkpoint's root.
async fn standing(server: &Server, code: &str, token: &str) -> (Vec<Value>, Vec<(String, String)>) {
    let events = server.events().await;
    let (status, page) = server.get(token, &format!("/api/v1/appeals/{code}/exhibits?order=received&limit=200")).await;
    assert_eq!(status, 200);
    let of = |i: &Value, k: &str| i[k].as_str().unwrap().to_owned();
    (events, page["items"].as_array().unwrap().iter().map(|i| (of(i, "id"), of(i, "sha256"))).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_one_machine_to_many_and_back() {
    let mut server = Server::start(Pair::Lite).await;
    server.appeal("MOVE", &[]);
    let s = server.submission("MOVE", None).await;
    server.sent(&s, "a.jpg", jpeg(1, 60, 60)).await;
    server.sent(&s, "b.jpg", jpeg(2, 50, 50)).await;
    let twin = server.sent(&s, "copy of a.jpg", jpeg(1, 60, 60)).await;
    let large = vec![3u8; 20 << 20];
    server.sent(&s, "large.bin", large.clone()).await;
    server.settled().await;
    let token = server.token("investigator");
    let policy = server.path("policy");
    fs::write(&policy, server.http.get(server.url("/log/policy")).send().await.unwrap().bytes().await.unwrap()).unwrap();
    let proof_of = async |server: &Server, name: &str| {
        let url = format!("/r/{}/proof/{}", s.receipt, twin["exhibit"].as_str().unwrap());
        let bytes = server.http.get(server.url(&url)).send().await.unwrap().bytes().await.unwrap();
        let path = server.path(name);
        fs::write(&path, &bytes).unwrap();
        path
    };
    let receipt = proof_of(&server, "before.tlog-proof").await;
    let photo = server.path("photo.jpg");
    fs::write(&photo, jpeg(1, 60, 60)).unwrap();
    assert_eq!(verify(&[&receipt, &photo], Some(&policy)), 0);
    let before = standing(&server, "MOVE", &token).await;
    let key = fs::read(server.path("keys/log.seed")).unwrap();
    let backup = server.path("backup");
    ok(&server.cli(&["backup", backup.to_str().unwrap()]));
    ok(&server.cli(&["restore", backup.to_str().unwrap(), "--check"]));

    // To PostgreSQL and S3.
    let mut grown = Server::start(Pair::Grown).await;
    grown.kill();
    grown.reset();
    fs::create_dir_all(grown.path("keys")).unwrap();
    fs::write(grown.path("keys/log.seed"), &key).unwrap();
    ok(&Command::new("chmod").args(["600", grown.path("keys/log.seed").to_str().unwrap()]).output().unwrap());
    server.kill();
    ok(&grown.cli(&["restore", backup.to_str().unwrap()]));
    grown.run().await;
    let on_many = standing(&grown, "MOVE", &token).await;
    assert_eq!(on_many.0[..before.0.len()], before.0[..], "every event, byte for byte, at its place");
    assert_eq!(on_many.1, before.1, "every exhibit with its hash");
    grown.assert_sound();
    assert_eq!(verify(&[&receipt, &photo], Some(&policy)), 0, "the receipt of before");
    let later = proof_of(&grown, "after.tlog-proof").await;
    assert_eq!(verify(&[&later, &photo], Some(&policy)), 0, "a receipt fetched now, against the policy of before");
    // It goes on there: more files, and a backup of the same kind.
    grown.sent(&s, "c.jpg", jpeg(33, 60, 60)).await;
    grown.sent(&s, "the same large one.bin", large).await;
    grown.settled().await;
    let grown_standing = standing(&grown, "MOVE", &token).await;
    let back = grown.path("back");
    ok(&grown.cli(&["backup", back.to_str().unwrap()]));
    ok(&grown.cli(&["restore", back.to_str().unwrap(), "--check"]));

    // And back.
    server.reset();
    fs::create_dir_all(server.path("keys")).unwrap();
    fs::write(server.path("keys/log.seed"), &key).unwrap();
    grown.kill();
    ok(&server.cli(&["restore", back.to_str().unwrap()]));
    server.run().await;
    let home = standing(&server, "MOVE", &token).await;
    assert_eq!(home.0[..grown_standing.0.len()], grown_standing.0[..]);
    assert_eq!(home.1, grown_standing.1);
    server.assert_sound();
    server.sent(&s, "d.jpg", jpeg(44, 60, 60)).await;
    server.assert_sound();
    drop((receipt, photo));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_changed_is_told() {
    let server = Server::start(Pair::Lite).await;
    server.appeal("CHECK", &[]);
    let s = server.submission("CHECK", None).await;
    for n in 0..3 {
        server.sent(&s, "a.jpg", jpeg(100 + n, 60, 60)).await;
    }
    server.settled().await;
    let backup = server.path("backup");
    let at = backup.to_str().unwrap();
    ok(&server.cli(&["backup", at]));
    let check = || {
        let done = server.cli(&["restore", at, "--check", "--json"]);
        let report: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
        let mut words: Vec<String> =
            report["findings"].as_array().unwrap().iter().map(|f| f["what"].as_str().unwrap().to_owned()).collect();
        words.dedup();
        (done.status.code().unwrap(), words)
    };
    assert_eq!(check(), (0, vec![]));
    // More came: only the news are copied, and the rest is as it was.
    let when = |name: &std::path::Path| fs::metadata(name).unwrap().modified().unwrap();
    let old = fs::read_dir(backup.join("media")).unwrap().next().unwrap().unwrap().path();
    let written = when(&old);
    server.sent(&s, "d.jpg", jpeg(104, 60, 60)).await;
    server.settled().await;
    for quick in [&["backup", at][..], &["backup", at, "--quick"]] {
        ok(&server.cli(quick));
        assert_eq!(when(&old), written, "what is there is not written again");
        assert_eq!(check(), (0, vec![]));
    }
    // A byte of a file, a file, an entry of the log, an exhibit's hash.
    let good = fs::read(&old).unwrap();
    let mut bad = good.clone();
    bad[20] ^= 1;
    fs::write(&old, &bad).unwrap();
    assert_eq!(check(), (1, vec!["blob-changed".into()]));
    fs::remove_file(&old).unwrap();
    assert_eq!(check(), (1, vec!["blob-missing".into()]));
    fs::write(&old, &good).unwrap();
    let database = backup.join("database.sqlite");
    let whole = fs::read(&database).unwrap();
    let sql = |text: &str| {
        let done = Command::new("sqlite3").arg(&database).arg(text).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    sql(
        "DROP TRIGGER log_entry_no_update; UPDATE log_entry SET bytes = CAST(replace(CAST(bytes AS TEXT), 'type', 'Type') AS BLOB) WHERE idx = 2",
    );
    let (code, words) = check();
    assert!(code == 1 && words.iter().any(|w| w == "entry-changed" || w == "chain-broken"), "{words:?}");
    fs::write(&database, &whole).unwrap();
    sql("DROP TRIGGER log_entry_no_delete; DELETE FROM log_entry WHERE idx = (SELECT MAX(idx) FROM log_entry)");
    let (code, words) = check();
    assert!(code == 1 && words.iter().any(|w| w == "head-differs"), "{words:?}");
    fs::write(&database, &whole).unwrap();
    sql(
        "UPDATE content SET sha256 = zeroblob(32) WHERE sha256 = (SELECT MIN(sha256) FROM content) AND 0; UPDATE content SET blob_key = 'elsewhere' WHERE sha256 = (SELECT MIN(sha256) FROM content)",
    );
    assert_eq!(check(), (1, vec!["blob-missing".into()]));
}
