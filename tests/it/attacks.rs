//! Attacks on the custody record by somebody with a hand in the database, the store or the backups. Each bears the number that
//! custody's design gives it.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::files::{Gps, jpeg, with_exif};
use crate::support::{PATIENCE, Pair, Server, on_both};

on_both!(
    changed_rows_and_entries_are_found,
    a_restored_backup_is_refused_and_the_log_recovered,
    a_second_history_is_refused,
    no_look_without_its_event,
    lost_and_exchanged_bytes_are_found,
    two_sequencers_make_one_log,
    a_clock_that_jumps_is_told_of,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_lost_rows_is_refused() {
    promoted().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_entries_are_locked_by_the_store() {
    locked(Pair::Lite).await;
    locked(Pair::Grown).await;
}

/// A picture that says when it was taken.
fn photo(n: u32) -> Vec<u8> {
    with_exif(&jpeg(n, 40, 40), "2026:07:14 22:10:00", Some("+02:00"), 1, &Gps::Absent)
}

async fn case(pair: Pair) -> (Server, Vec<String>) {
    let server = Server::start(pair).await;
    server.appeal("ATTACK", &[]);
    let s = server.submission("ATTACK", None).await;
    let mut exhibits = Vec::new();
    for n in 0..3 {
        exhibits.push(server.sent(&s, "a.jpg", photo(n)).await["exhibit"].as_str().unwrap().to_owned());
    }
    server.settled().await;
    (server, exhibits)
}

fn words(report: &Value) -> Vec<String> {
    report["findings"].as_array().unwrap().iter().map(|f| f["what"].as_str().unwrap().to_owned()).collect()
}

/// As a database administrator would: the guards are taken away first.
fn unguard(server: &Server) {
    server.sql(match server.pair {
        Pair::Lite => "DROP TRIGGER log_entry_no_update; DROP TRIGGER log_entry_no_delete",
        Pair::Grown => "ALTER TABLE log_entry DISABLE TRIGGER ALL",
    });
}

async fn changed_rows_and_entries_are_found(pair: Pair) {
    let text = |column: &str| match pair {
        Pair::Lite => format!("CAST(replace(CAST({column} AS TEXT), '\"clk\"', '\"CLK\"') AS BLOB)"),
        Pair::Grown => format!("convert_to(replace(convert_from({column}, 'UTF8'), '\"clk\"', '\"CLK\"'), 'UTF8')"),
    };
    let renumber = "DELETE FROM log_entry WHERE idx = 3; UPDATE log_entry SET idx = -idx WHERE idx > 3; UPDATE log_entry SET idx = -idx - 1 WHERE idx < 0";
    let swap = "UPDATE log_entry SET idx = -4 WHERE idx = 4; UPDATE log_entry SET idx = 4 WHERE idx = 5; UPDATE log_entry SET idx = 5 WHERE idx = -4";
    for (case_id, sql, found) in [
        ("T01 a decision", "UPDATE exhibit SET state = 'not_relevant'".to_owned(), "decision-differs"),
        (
            "T01 a time",
            "UPDATE exhibit SET t = COALESCE(t, 0) + 1, t_hi = COALESCE(t_hi, 0) + 1, grade = 'A', time_source = 'exif_original'"
                .to_owned(),
            "capture-differs",
        ),
        ("T01 a place", "UPDATE exhibit SET lat = 1, lon = 2, acc_m = 3, place_source = 'exif_gps'".to_owned(), "capture-differs"),
        (
            "T01 a time, its openings closed",
            "DELETE FROM log_opening WHERE path IN ('stands', 'claims'); UPDATE exhibit SET t = 1, t_hi = 1".to_owned(),
            "opening-missing",
        ),
        ("the published log, forgotten", "UPDATE log_head SET published = published + 1000".to_owned(), "published-lost"),
        ("T13 a picture", "UPDATE derivative SET blob_sha256 = sha256".to_owned(), "picture-differs"),
        ("T01 a claim", "UPDATE claim SET body = replace(body, '2', '3')".to_owned(), "claims-differ"),
        ("T01 a size", "UPDATE exhibit SET size = size + 1".to_owned(), "row-differs"),
        ("T02 an entry", format!("UPDATE log_entry SET bytes = {} WHERE idx = 3", text("bytes")), "entry-changed"),
        (
            "T03 an entry and its leaf",
            format!("UPDATE log_entry SET bytes = {}, leaf = (SELECT leaf FROM log_entry WHERE idx = 4) WHERE idx = 3", text("bytes")),
            "entry-changed",
        ),
        ("T06 one deleted, the rest renumbered", renumber.to_owned(), "published-differs"),
        ("T07 the tail", "DELETE FROM log_entry WHERE idx >= (SELECT MAX(idx) FROM log_entry)".to_owned(), "head-differs"),
        ("T09 two exchanged", swap.to_owned(), "published-differs"),
        ("T13 an opening", "UPDATE log_opening SET value = '1' WHERE path = 'size'".to_owned(), "opening-differs"),
        ("a checkpoint", "UPDATE log_checkpoint SET note = 'x' || note".to_owned(), "checkpoint-differs"),
        ("a tile", "UPDATE log_tile SET hashes = substr(hashes, 33)".to_owned(), "tile-differs"),
        ("T08 an exhibit without its event", "DELETE FROM log_entry WHERE idx >= 0".to_owned(), "event-missing"),
    ] {
        let (mut server, _) = case(pair).await;
        assert_eq!(server.audit().0, 0, "{case_id}: sound before");
        server.settled().await;
        server.kill();
        unguard(&server);
        server.sql(&sql);
        let (code, report) = server.audit();
        assert_eq!(code, 1, "{case_id}: {report}");
        assert!(words(&report).iter().any(|w| w == found), "{case_id}: {report}");
    }
}

/// The whole database as it is now, kept aside or put back. The server must not run.
pub fn keep(server: &Server) {
    match server.pair {
        Pair::Lite => {
            for end in ["", "-wal", "-shm"] {
                let from = server.path(&format!("temoin.db{end}"));
                if from.exists() {
                    fs::copy(from, server.path(&format!("kept.db{end}"))).unwrap();
                }
            }
        }
        Pair::Grown => admin(server, &[format!("CREATE DATABASE {0}_kept TEMPLATE {0}", name(server))]),
    }
}

pub fn put_back(server: &Server) {
    match server.pair {
        Pair::Lite => {
            for end in ["", "-wal", "-shm"] {
                let (from, to) = (server.path(&format!("kept.db{end}")), server.path(&format!("temoin.db{end}")));
                let _ = fs::remove_file(&to);
                if from.exists() {
                    fs::copy(from, to).unwrap();
                }
            }
        }
        Pair::Grown => admin(
            server,
            &[format!("DROP DATABASE {} WITH (FORCE)", name(server)), format!("CREATE DATABASE {0} TEMPLATE {0}_kept", name(server))],
        ),
    }
}

fn name(server: &Server) -> String {
    server.database.rsplit('/').next().unwrap().to_owned()
}

fn admin(server: &Server, statements: &[String]) {
    let admin = format!("{}/postgres", server.database.rsplit_once('/').unwrap().0);
    for statement in statements {
        // A killed server's sessions end a moment later, and a database in use cannot be copied.
        let until = std::time::Instant::now() + PATIENCE;
        loop {
            let done = Command::new("psql").args([&admin, "-qc", statement]).output().unwrap();
            if done.status.success() {
                break;
            }
            assert!(std::time::Instant::now() < until, "{}", String::from_utf8_lossy(&done.stderr));
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }
}

/// T10, T11: and the log is whole again afterwards, byte for byte.
async fn a_restored_backup_is_refused_and_the_log_recovered(pair: Pair) {
    let (mut server, _) = case(pair).await;
    server.events().await;
    server.kill();
    keep(&server);
    server.run().await;
    let s = server.submission("ATTACK", None).await;
    server.sent(&s, "later.jpg", jpeg(9, 40, 40)).await;
    let before = server.events().await;
    server.kill();
    put_back(&server);
    let refused = server.cli(&["worker"]);
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("temoin log recover") && said.contains(&before.len().to_string()), "both sizes are told: {said}");
    assert_eq!(server.cli(&["serve"]).status.code(), Some(3), "nothing is served from a log that went back");
    let recovered = server.cli(&["log", "recover"]);
    assert!(recovered.status.success(), "{}", String::from_utf8_lossy(&recovered.stderr));
    server.run().await;
    let after = server.events().await;
    assert_eq!(after[..before.len()], before[..], "every published entry, byte for byte");
    assert!(after[before.len()..].iter().any(|e| e["type"] == "log.recovered"));
    // What the entries tell of is lost, and that is said.
    let (code, report) = server.audit();
    assert_eq!((code, words(&report)), (1, vec!["exhibit-missing".to_owned()]), "{report}");
    assert!(server.cli(&["log", "recover"]).status.success(), "doing it twice changes nothing");
}

/// T03 to T05, T19: somebody with the database and the key goes on from an old copy and tells another history.
async fn a_second_history_is_refused(pair: Pair) {
    let (mut server, _) = case(pair).await;
    server.events().await;
    server.kill();
    keep(&server);
    server.run().await;
    let s = server.submission("ATTACK", None).await;
    let checkpoint = |server: &Server| server.http.get(server.url("/log/checkpoint")).send();
    let early = checkpoint(&server).await.unwrap().text().await.unwrap();
    server.sent(&s, "true.jpg", jpeg(7, 40, 40)).await;
    let told = server.events().await.len();
    let late = checkpoint(&server).await.unwrap().text().await.unwrap();
    let size = |note: &str| note.lines().nth(1).unwrap().to_owned();
    let proof = format!("/api/v1/log/consistency?old={}&new={}", size(&early), size(&late));
    let proof = server.http.get(server.url(&proof)).send().await.unwrap().text().await.unwrap();
    let policy = server.http.get(server.url("/log/policy")).send().await.unwrap().text().await.unwrap();
    for (name, text) in [("early", &early), ("late", &late), ("proof", &proof), ("policy", &policy)] {
        fs::write(server.path(name), text).unwrap();
    }
    let compare = |server: &Server, args: &[&str]| server.cli(&[&["log", "compare", "--trust", "policy"], args].concat()).status.code();
    assert_eq!(compare(&server, &["early", "late", "--proof", "proof"]), Some(0));
    assert_eq!(compare(&server, &["early", "late"]), Some(2));
    // What is no proof of these two shows nothing about them, and what the log did not sign nothing about the log.
    fs::write(server.path("wrong"), "{}").unwrap();
    assert_eq!(compare(&server, &["early", "late", "--proof", "wrong"]), Some(3));
    fs::write(server.path("wrong"), proof.replacen(&format!("\"old\":{}", size(&early)), "\"old\":1", 1)).unwrap();
    assert_eq!(compare(&server, &["early", "late", "--proof", "wrong"]), Some(2));
    let root = late.lines().nth(2).unwrap().to_owned();
    fs::write(server.path("wrong"), late.replace(&root, &format!("{}=", "A".repeat(43)))).unwrap();
    let said = server.cli(&["log", "compare", "late", "wrong", "--trust", "policy"]);
    assert!(said.status.code() == Some(1) && !String::from_utf8_lossy(&said.stdout).contains("TWO HISTORIES"), "nobody is accused");
    server.kill();
    put_back(&server);
    // Published elsewhere, nothing contradicts: this is the limit (T04). Only those who hold something else can tell.
    let elsewhere = format!("file:{}", server.path("elsewhere").display());
    server.set("TEMOIN_LOG__PUBLISHED", Some(&elsewhere));
    server.sql("UPDATE log_head SET published = 0");
    server.run().await;
    let s = server.submission("ATTACK", None).await;
    while server.events().await.len() <= told {
        server.sent(&s, "false.jpg", jpeg(8, 40, 40)).await;
    }
    // T19: whoever kept a checkpoint of the first history can show it to everybody.
    let forged = checkpoint(&server).await.unwrap().text().await.unwrap();
    fs::write(server.path("forged"), &forged).unwrap();
    let proof = format!("/api/v1/log/consistency?old={}&new={}", size(&late), size(&forged));
    let proof = server.http.get(server.url(&proof)).send().await.unwrap().text().await.unwrap();
    fs::write(server.path("proof"), proof).unwrap();
    assert_eq!(compare(&server, &["late", "forged", "--proof", "proof"]), Some(1), "T19");
    server.kill();
    // Held against what was published before, it is refused.
    server.set("TEMOIN_LOG__PUBLISHED", None);
    let refused = server.cli(&["worker"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("two different histories"), "{}", String::from_utf8_lossy(&refused.stderr));
    let (code, report) = server.audit();
    assert_eq!(code, 1);
    assert!(words(&report).iter().any(|w| w == "published-differs"), "{report}");
}

/// T28: the record cannot be written, so nothing is shown.
async fn no_look_without_its_event(pair: Pair) {
    let (server, exhibits) = case(pair).await;
    let investigator = server.token("investigator");
    let look = |path: &str| {
        let (server, token, path) = (&server, investigator.clone(), format!("/api/v1/exhibits/{}{path}", exhibits[0]));
        async move { server.http.get(server.url(&path)).bearer_auth(token).send().await.unwrap() }
    };
    assert_eq!(look("/original").await.status(), 200);
    server.sql("ALTER TABLE log_pending RENAME TO log_away");
    for path in ["", "/original", "/thumbnail"] {
        let answer = look(path).await;
        let status = answer.status();
        assert!(status.is_server_error(), "{path}: {status}");
        assert!(!answer.bytes().await.unwrap().starts_with(&[0xff, 0xd8]), "{path}: no picture");
    }
    server.sql("ALTER TABLE log_away RENAME TO log_pending");
    assert_eq!(look("/original").await.status(), 200);
}

/// T12, T14, T15, on a disk, where a test can reach the bytes. (On S3 the same code reads them.)
async fn lost_and_exchanged_bytes_are_found(pair: Pair) {
    let Pair::Lite = pair else {
        // The bucket's own tools would be needed; the sweep of what `fixity` reads is covered by the story on both pairs.
        let (server, _) = case(pair).await;
        assert_eq!(server.fixity().0, 0);
        return;
    };
    let whole = photo(0);
    for (case_id, how) in [
        ("T12 another picture", (|f: &std::path::Path| fs::write(f, jpeg(5, 40, 40)).unwrap()) as fn(&std::path::Path)),
        ("T14 a flipped bit", |f| {
            let mut bytes = fs::read(f).unwrap();
            bytes[100] ^= 1;
            fs::write(f, bytes).unwrap();
        }),
        ("T14 cut short", |f| fs::write(f, &fs::read(f).unwrap()[..50]).unwrap()),
        ("T14 longer", |f| fs::write(f, [fs::read(f).unwrap(), b"x".to_vec()].concat()).unwrap()),
        ("T15 gone", |f| fs::remove_file(f).unwrap()),
    ] {
        let (server, _) = case(pair).await;
        assert_eq!(server.fixity().0, 0);
        let hash = crate::support::sha256(&whole);
        how(&server.path(&format!("media/blobs/{}/{}/{hash}", &hash[..2], &hash[2..4])));
        let (code, report) = server.fixity();
        assert_eq!(code, 1, "{case_id}: {report}");
        assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{case_id}: {report}");
        // A picture that people look at, likewise.
        let made = server.query("SELECT lower(hex(blob_sha256)) FROM derivative WHERE variant = 'view' LIMIT 1").trim().to_owned();
        how(&server.path(&format!("media/blobs/{}/{}/{made}", &made[..2], &made[2..4])));
        let (code, report) = server.fixity();
        assert!(code == 1 && words(&report).iter().any(|w| w == "picture-changed"), "{case_id}: {report}");
    }
}

/// T30 and T37: two nodes sequence the same outbox, one of them is stopped in the middle and wakes up again, and every tenth
/// transaction is rolled back: the log has every event once, in one unbroken row.
async fn two_sequencers_make_one_log(pair: Pair) {
    let (server, _) = case(pair).await;
    let other = server.beside().await;
    let s = server.submission("ATTACK", None).await;
    let pid = server.pid().to_string();
    let signal = move |name: &str| assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    let mut received = 0;
    for round in 0..6u32 {
        let node = if round % 2 == 0 { &other } else { &server };
        if round == 2 {
            // While it holds what it holds, for a while.
            signal("STOP");
            let signal = signal.clone();
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_secs(2)).await;
                signal("CONT");
            });
        }
        let sends = (0..10u32).map(|n| {
            // A digest that does not hold: written, then refused and rolled back.
            let wrong = n == 9;
            let mut request = node.http.post(node.url(&format!("/api/v1/submissions/{}/files", s.id))).bearer_auth(&s.token).body(jpeg(
                100 + round * 10 + n,
                40,
                40,
            ));
            if wrong {
                request = request.header("repr-digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:");
            }
            async move { (wrong, request.send().await.unwrap().status()) }
        });
        for (wrong, status) in futures_util::future::join_all(sends).await {
            assert_eq!(status, if wrong { 422 } else { 201 }, "round {round}");
            received += u32::from(!wrong);
        }
        if round == 2 {
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        }
    }
    other.settled().await;
    let events = other.events().await;
    let exhibits: Vec<&str> =
        events.iter().filter(|e| e["type"] == "exhibit.received").map(|e| e["subj"][0]["id"].as_str().unwrap()).collect();
    assert_eq!(exhibits.len() as u32, received + 3);
    let once: std::collections::HashSet<&&str> = exhibits.iter().collect();
    assert_eq!(once.len(), exhibits.len());
    let (code, report) = other.audit();
    assert_eq!(code, 0, "{report}");
    assert_eq!(server.audit().0, 0);
}

/// T18: the machine's clock is set, forth and back. Events say so, and keep their order by their place.
async fn a_clock_that_jumps_is_told_of(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("CLOCK", &[]);
    server.kill();
    let library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
        .into_iter()
        .map(|folder| format!("{folder}/faketime/libfaketime.so.1"))
        .find(|path| fs::exists(path).unwrap())
        .expect("faketime is missing: infra/tools.sh installs it");
    let clock = server.path("clock");
    let set = |by: &str| fs::write(&clock, by).unwrap();
    set("+0");
    server.set("LD_PRELOAD", Some(&library));
    server.set("FAKETIME_TIMESTAMP_FILE", Some(clock.to_str().unwrap()));
    server.set("FAKETIME_NO_CACHE", Some("1"));
    server.set("FAKETIME_DONT_FAKE_MONOTONIC", Some("1"));
    server.run().await;
    server.set("LD_PRELOAD", None);
    let s = server.submission("CLOCK", None).await;
    server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await;
    let steps = async || {
        let events = server.events().await;
        events.iter().filter(|e| e["type"] == "clock.stepped").map(|e| e["f"]["by_ms"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert!(steps().await.is_empty());
    for (n, (by, expected)) in [("+3600", 3_600_000), ("-60", -3_660_000)].into_iter().enumerate() {
        set(by);
        crate::support::until("the step is told of", async || steps().await.len() > n).await;
        let told = steps().await[n];
        assert!((told - expected).abs() < 10_000, "T18: {told} for {expected}");
        server.sent(&s, "b.jpg", jpeg(10 + n as u32, 40, 40)).await;
    }
    let events = server.events().await;
    let received: Vec<&str> = events.iter().filter(|e| e["type"] == "exhibit.received").map(|e| e["t"].as_str().unwrap()).collect();
    assert_eq!(received.len(), 3, "T18: no entry is lost");
    match pair {
        Pair::Lite => assert!(received[1] > received[2], "T18: the order is that of the log, whatever the clock says: {received:?}"),
        // Where nodes share a database, its clock counts, and this node's does no harm.
        Pair::Grown => assert!(received.is_sorted(), "T18: {received:?}"),
    }
    assert_eq!(server.audit().0, 0);
}

/// T11: a real standby falls behind, the primary dies, the standby is promoted: rows that were committed are gone.
async fn promoted() {
    let primary = Cluster::begun();
    primary.sql("CREATE DATABASE agency");
    let standby = primary.standby();

    let mut server = Server::start(Pair::Lite).await;
    server.kill();
    server.reset();
    server.set("TEMOIN_DATABASE", Some(&primary.url("agency")));
    server.run().await;
    server.appeal("REPLICA", &[]);
    let s = server.submission("REPLICA", None).await;
    server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await;
    server.events().await;
    let at = primary.sql("SELECT pg_current_wal_lsn()");
    crate::support::until("the standby has it", async || standby.sql(&format!("SELECT pg_last_wal_replay_lsn() >= '{at}'")) == "t").await;
    standby.sql("SELECT pg_wal_replay_pause()");
    crate::support::until("the standby stands", async || standby.sql("SELECT pg_get_wal_replay_pause_state()") == "paused").await;
    // Its receiver would still fetch what it does not replay: the line to the primary is cut.
    crate::support::until("the line is cut", async || {
        primary.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
        primary.sql("SELECT COUNT(*) FROM pg_stat_replication") == "0"
    })
    .await;
    server.sent(&s, "later.jpg", jpeg(9, 40, 40)).await;
    let before = server.events().await;
    server.settled().await;
    server.kill();
    primary.stop();
    standby.sql("SELECT pg_wal_replay_resume()");
    standby.sql("SELECT pg_promote()");
    server.set("TEMOIN_DATABASE", Some(&standby.url("agency")));
    server.start_unasked();
    assert!(server.waits_for_end().await, "T11: it serves from a database that went back");
    let said = server.log();
    assert!(said.contains("temoin log recover") && said.contains(&before.len().to_string()), "T11: {said}");
    let recovered = server.cli(&["log", "recover"]);
    assert!(recovered.status.success(), "{}", String::from_utf8_lossy(&recovered.stderr));
    server.run().await;
    let after = server.events().await;
    assert_eq!(after[..before.len()], before[..], "T11: every published entry, byte for byte");
    let (code, report) = server.audit();
    assert_eq!((code, words(&report)), (1, vec!["exhibit-missing".to_owned()]), "{report}");
}

/// What is published into a bucket with Object Lock is the store's to keep: not even its owner's key takes it away. (The store is moto,
/// which is another program's reading of the same interface.)
async fn locked(pair: Pair) {
    let oracles = std::env::var("TEMOIN_TEST_ORACLES").expect("infra/servers.sh names the judges");
    let held = crate::support::Port::new();
    let port = held.number;
    struct Store(std::process::Child);
    impl Drop for Store {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let mut command = Command::new(format!("{oracles}/moto_server"));
    command.args(["-p", &port.to_string()]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let _store = Store(command.spawn().unwrap());
    let python = |script: &str| {
        let head = format!(
            "import boto3,sys\nfrom botocore.exceptions import ClientError\ns=boto3.client('s3',endpoint_url='http://127.0.0.1:{port}',region_name='us-east-1')\n"
        );
        let done = Command::new(format!("{oracles}/python")).args(["-c", &(head + script)]).output().unwrap();
        (done.status.success(), format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)))
    };
    crate::support::until("the store answers", async || {
        python("s.create_bucket(Bucket='locked',ObjectLockEnabledForBucket=True); s.create_bucket(Bucket='open')").0
    })
    .await;
    let mut server = Server::start(pair).await;
    server.kill();
    server.reset();
    let place = |bucket: &str| format!("s3://{bucket}/log?endpoint=http://127.0.0.1:{port}&region=us-east-1&lock_days=30");
    server.set("TEMOIN_LOG__PUBLISHED", Some(&place("open")));
    let refused = server.cli(&["serve"]);
    assert!(refused.status.code() == Some(3) && String::from_utf8_lossy(&refused.stderr).contains("no Object Lock"), "not believed in");
    server.set("TEMOIN_LOG__PUBLISHED", Some(&place("locked")));
    server.run().await;
    server.appeal("LOCK", &[]);
    server.events().await;
    let (ok, said) = python(
        "
from datetime import datetime, timedelta, timezone
names=[o['Key'] for o in s.list_objects_v2(Bucket='locked',Prefix='log/published/')['Contents']]
assert any('/checkpoints/' in n for n in names) and any('/entries/' in n for n in names), names
for n in names:
    r=s.head_object(Bucket='locked',Key=n)
    assert r['ObjectLockMode']=='COMPLIANCE' and r['ObjectLockRetainUntilDate']>datetime.now(timezone.utc)+timedelta(days=29), r
    version=r['VersionId']
    try:
        s.delete_object(Bucket='locked',Key=n,VersionId=version,BypassGovernanceRetention=True)
        sys.exit('deleted '+n)
    except ClientError as e:
        assert e.response['Error']['Code']=='AccessDenied', e
",
    );
    assert!(ok, "{said}");
    assert_eq!(server.audit().0, 0);
}
