//! Several nodes on one database and one store: any of them, all the same, and none of them missed.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::crowd::Crowd;
use crate::cluster::Cluster;
use crate::files::jpeg;
use crate::support::{Pair, Server, sha256, until};

const GROWN: Pair = Pair::Grown;

async fn two(code: &str) -> (Server, Server, crate::support::Submission) {
    let server = Server::start(GROWN).await;
    server.appeal(code, &["--submission-files-max", "100000"]);
    let s = server.submission(code, None).await;
    let second = server.beside().await;
    (server, second, s)
}

async fn sequences(server: &Server) -> bool {
    server.get("", "/readyz").await.1["sequences"] == json!(true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_sequences_and_another_follows_it() {
    let (mut server, mut second, s) = two("DUTY").await;
    until("one of them sequences", async || sequences(&server).await != sequences(&second).await).await;
    let crowd = Crowd::begin(&[server.base.clone(), second.base.clone()], &s, 4);
    for stop in 0..2 {
        crowd.served(5).await;
        let (old, new) = if sequences(&server).await { (&mut server, &second) } else { (&mut second, &server) };
        let begun = Instant::now();
        if stop == 0 {
            // Asked to end, it gives its duty back.
            old.terminate().await;
            until("the other one sequences", async || sequences(new).await).await;
            assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        } else {
            // Killed, it is followed when its lease ends.
            old.kill();
            until("the other one sequences", async || sequences(new).await).await;
        }
        old.run().await;
    }
    crowd.served(5).await;
    drop(second);
    crowd.end(&mut server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_accept_the_same_file_at_the_same_moment() {
    let (mut server, second, s) = two("SAME").await;
    for round in 0..5u32 {
        let bytes = if round % 2 == 0 { jpeg(90_000 + round, 60, 60) } else { vec![round as u8; 9 << 20] };
        let sends = (0..8).map(|n| {
            let node = if n % 2 == 0 { &server } else { &second };
            node.send(&s, "same.jpg", bytes.clone())
        });
        for answer in futures_util::future::join_all(sends).await {
            assert_eq!(answer.status(), 201);
            assert_eq!(answer.json::<Value>().await.unwrap()["sha256"], sha256(&bytes));
        }
        let kept = server.query(&format!("SELECT COUNT(*) FROM content WHERE encode(sha256, 'hex') = '{}'", sha256(&bytes)));
        assert_eq!(kept.trim(), "1", "stored once");
    }
    assert_eq!(server.query("SELECT COUNT(*) FROM exhibit").trim(), "40", "testimony never");
    server.settled().await;
    drop(second);
    server.assert_sound();
    super::crowd::nothing_is_left_over(&mut server).await;
}

/// Nodes are replaced one after the other, while large files come in many requests.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_no_upload() {
    let (mut server, mut second, s) = two("ROLL").await;
    let bases = [server.base.clone(), second.base.clone()];
    let uploads: Vec<_> = (0..3u8)
        .map(|n| {
            let (bases, s) = (bases.clone(), s.clone());
            tokio::spawn(async move { slowly(&bases, &s, vec![n + 1; 30 << 20], usize::from(n)).await })
        })
        .collect();
    let crowd = Crowd::begin(&bases, &s, 2);
    for _ in 0..2 {
        for node in [&mut server, &mut second] {
            crowd.served(3).await;
            node.terminate().await;
            node.run().await;
        }
    }
    for (n, upload) in uploads.into_iter().enumerate() {
        let (cuts, sent_again) = upload.await.unwrap();
        assert!(sent_again <= cuts * 70_000_000, "upload {n}");
        crowd.also_sent(&sha256(&vec![n as u8 + 1; 30 << 20]), 1).await;
    }
    drop(second);
    crowd.end(&mut server).await;
}

/// A phone on a slow line: a resumable upload that goes on with whichever node answers. Returns how often it was cut, and how many bytes went
/// over the line twice.
async fn slowly(bases: &[String], s: &crate::support::Submission, bytes: Vec<u8>, first: usize) -> (u64, u64) {
    let http = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(Duration::from_secs(60)).build().unwrap();
    let ask = |method: reqwest::Method, url: String| http.request(method, url).bearer_auth(&s.token).header("tus-resumable", "1.0.0");
    let metadata = format!("submission {}", data_encoding::BASE64.encode(s.id.as_bytes()));
    let mut at = first;
    let location = loop {
        let url = format!("{}/api/v1/uploads", bases[at % bases.len()]);
        let made = ask(reqwest::Method::POST, url).header("upload-length", bytes.len()).header("upload-metadata", &metadata).send().await;
        if let Some(location) = made.ok().filter(|a| a.status() == 201).and_then(|a| a.headers().get("location").cloned()) {
            break location.to_str().unwrap().to_owned();
        }
        at += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let path = location[location.find("/api/").unwrap()..].to_owned();
    let (mut cuts, mut again, mut reached) = (0, 0, 0u64);
    loop {
        let url = format!("{}{path}", bases[at % bases.len()]);
        let asked = ask(reqwest::Method::HEAD, url.clone()).send().await;
        let offset = asked.ok().and_then(|a| a.headers().get("upload-offset")?.to_str().ok()?.parse::<u64>().ok());
        let Some(offset) = offset else {
            at += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if offset == bytes.len() as u64 {
            return (cuts, again);
        }
        again += reached.saturating_sub(offset);
        let rest = bytes[offset as usize..].to_vec();
        let sent = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(offset));
        let counted = sent.clone();
        let chunks = futures_util::stream::unfold(rest, move |mut rest| {
            let counted = counted.clone();
            async move {
                if rest.is_empty() {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(60)).await;
                let more = rest.split_off(rest.len().min(256 * 1024));
                counted.fetch_add(rest.len() as u64, std::sync::atomic::Ordering::SeqCst);
                Some((Ok::<_, std::io::Error>(rest), more))
            }
        });
        let patch = ask(reqwest::Method::PATCH, url)
            .header("content-type", "application/offset+octet-stream")
            .header("upload-offset", offset)
            .header("content-length", bytes.len() as u64 - offset)
            .body(reqwest::Body::wrap_stream(chunks))
            .send()
            .await;
        if !patch.is_ok_and(|a| a.status().is_success()) {
            cuts += 1;
            at += 1;
        }
        reached = reached.max(sent.load(std::sync::atomic::Ordering::SeqCst));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn budgets_are_one_budget() {
    let mut server = Server::start(GROWN).await;
    server.kill();
    server.set("TEMOIN_LIMITS__OPENINGS_PER_BLOCK_HOUR", Some("20"));
    server.run().await;
    server.appeal("BUDGET", &[]);
    let second = server.beside().await;
    let opened =
        async |node: &Server| node.http.post(node.url("/api/v1/appeals/BUDGET/submissions")).send().await.unwrap().status().as_u16();
    for _ in 0..20 {
        assert_eq!(opened(&server).await, 201);
    }
    assert_eq!(opened(&server).await, 429);
    // The other one has heard of it within seconds, and lets in no twenty more.
    let mut let_in = 0;
    until("the other node has heard of it", async || {
        // (One a second: at its own pace it would be at its own end before it can have heard.)
        tokio::time::sleep(Duration::from_secs(1)).await;
        let status = opened(&second).await;
        let_in += i32::from(status == 201);
        status == 429
    })
    .await;
    assert!(let_in < 20, "{let_in}");
    // Passwords are tried on all nodes together, too.
    server.user("ines", "investigator");
    let client = server.signed_in("ines").await;
    let tried = async |node: &Server| {
        let form = [("name", "ines"), ("password", "wrong")];
        node.http.post(node.url("/login")).form(&form).send().await.unwrap().status().as_u16()
    };
    while tried(&server).await == 401 {}
    until("the other node has heard of it", async || tried(&second).await == 429).await;
    // And who is signed in on one is on the other.
    let cookie_goes_along = client.get(second.url("/appeals")).send().await.unwrap().status();
    assert_eq!(cookie_goes_along, 200);
}

/// One node's clock is years ahead, another one's hours behind: nothing waits for either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_are_wrong_hold_nobody_up() {
    let library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
        .map(|folder| format!("{folder}/faketime/libfaketime.so.1"))
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
        .expect("faketime is missing: infra/tools.sh installs it");
    let (mut server, mut ahead, s) = two("CLOCK").await;
    ahead.kill();
    ahead.set("LD_PRELOAD", Some(&library));
    ahead.set("FAKETIME", Some("+4y"));
    ahead.set("FAKETIME_DONT_FAKE_MONOTONIC", Some("1"));
    ahead.run().await;
    let crowd = Crowd::begin(&[ahead.base.clone(), server.base.clone()], &s, 3);
    crowd.served(10).await;
    // It dies with jobs and the duty in its hands.
    ahead.kill();
    crowd.served(5).await;
    ahead.set("FAKETIME", Some("-7h"));
    ahead.run().await;
    crowd.served(10).await;
    ahead.kill();
    server.settled().await;
    let years: Vec<String> = server.events().await.iter().map(|e| e["t"].as_str().unwrap()[..4].to_owned()).collect();
    assert!(years.iter().all(|y| *y == years[0]), "events by the clock of the database: {years:?}");
    crowd.end(&mut server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_another_version_is_refused_in_words() {
    let mut server = Server::start(GROWN).await;
    server.appeal("SCHEMA", &[]);
    server.kill();
    server.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'later', true, ''::bytea, 0)",
    );
    let newer = server.cli(&["serve"]);
    let said = String::from_utf8_lossy(&newer.stderr).into_owned();
    assert!(newer.status.code() == Some(3) && said.contains("schema 999") && said.contains("newer"), "{said}");
    let migrate = server.cli(&["migrate"]);
    assert_eq!(migrate.status.code(), Some(3), "and not migrated down");
    server.sql("DELETE FROM _sqlx_migrations WHERE version = 999");
    // An older one: the newest migration undone by hand. Who adds the next one undoes that one here.
    let newest = std::fs::read_dir("migrations").unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).max().unwrap();
    assert_eq!(newest, "0015_schedule.sql", "this test undoes another one than the newest");
    for text in [
        "ALTER TABLE account DROP COLUMN given",
        "ALTER TABLE agency DROP COLUMN notice",
        "ALTER TABLE appeal DROP COLUMN periods_by",
        "DROP INDEX erasure_asked",
        "ALTER TABLE erasure DROP COLUMN periods_by, ALTER COLUMN requested_by SET NOT NULL",
        "DELETE FROM _sqlx_migrations WHERE version = 15",
    ] {
        server.sql(text);
    }
    let older = server.cli(&["serve"]);
    let said = String::from_utf8_lossy(&older.stderr).into_owned();
    assert!(older.status.code() == Some(3) && said.contains("schema 14") && said.contains("temoin migrate"), "{said}");
    assert!(server.cli(&["migrate"]).status.success());
    server.run().await;
    until("it is ready", async || server.get("", "/readyz").await.0 == 200).await;
}

/// A network of two: this machine, and a room that a test can close.
struct Room {
    name: String,
    here: String,
    there: String,
}

fn ip(args: &[&str]) {
    let done = Command::new("ip").args(args).output().expect("iproute2 is missing: infra/tools.sh installs it");
    assert!(done.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Room {
    fn new() -> Self {
        let id = std::process::id() % 250;
        let (name, here, there) = (format!("temoin{id}"), format!("10.231.{id}.1"), format!("10.231.{id}.2"));
        ip(&["netns", "add", &name]);
        ip(&["link", "add", &format!("th{id}"), "type", "veth", "peer", "name", &format!("tr{id}")]);
        ip(&["link", "set", &format!("tr{id}"), "netns", &name]);
        ip(&["addr", "add", &format!("{here}/30"), "dev", &format!("th{id}")]);
        ip(&["link", "set", &format!("th{id}"), "up"]);
        let inside = |args: &[&str]| ip(&[&["-n", &name], args].concat());
        inside(&["addr", "add", &format!("{there}/30"), "dev", &format!("tr{id}")]);
        inside(&["link", "set", &format!("tr{id}"), "up"]);
        inside(&["link", "set", "lo", "up"]);
        Self { name, here, there }
    }

    /// Packets vanish; nobody is told.
    fn close(&self) {
        ip(&["-n", &self.name, "route", "add", "blackhole", &format!("{}/32", self.here), "metric", "1"]);
    }

    fn open(&self) {
        ip(&["-n", &self.name, "route", "del", "blackhole", &format!("{}/32", self.here)]);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// A node holds leases (the sequencer's, and jobs') and is cut off from the database, in a network of its own: no reset, no end, just nothing.
/// The others go on within seconds; when it is back it has done no harm, and works again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_cut_off_holds_nobody_up() {
    let room = Room::new();
    let cluster = Cluster::begun_for(&format!("{}/32", room.there));
    cluster.sql("CREATE DATABASE agency");
    let mut server = Server::start(GROWN).await;
    server.kill();
    server.reset();
    server.set("TEMOIN_DATABASE", Some(&cluster.url("agency")));
    server.run().await;
    server.appeal("ROOM", &["--submission-files-max", "100000"]);
    let s = server.submission("ROOM", None).await;
    let blobs = server.blobs_url();
    let (_, options) = blobs.split_once("endpoint=http://127.0.0.1:").unwrap();
    let store: u16 = options.split('&').next().unwrap().parse().unwrap();
    let line = super::relay::Line::at(&room.here, store).await;
    let blobs = blobs.replace(&format!("127.0.0.1:{store}"), &format!("{}:{}", room.here, line.port));
    let database = cluster.url("agency").replace("127.0.0.1", &room.here);
    let mut apart = server.beside_in((&room.name, &room.there), &database, &blobs).await;
    // It gets the duty: the other one is started again, and is not asked to wait for it.
    server.terminate().await;
    until("the node apart sequences", async || sequences(&apart).await).await;
    server.run().await;
    let crowd = Crowd::begin(&[apart.base.clone(), server.base.clone()], &s, 4);
    crowd.served(10).await;
    room.close();
    let cut = Instant::now();
    until("the other one sequences", async || sequences(&server).await).await;
    let took = cut.elapsed();
    assert!(took < Duration::from_secs(25), "the others waited {took:?}");
    // (By when a witness who still waits for the vanished node has given it up, too.)
    crowd.served(10).await;
    let signed = server.log_size().await;
    until("the log goes on without it", async || server.log_size().await > signed).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    room.open();
    until("the node apart is ready again", async || {
        let asked = apart.http.get(apart.url("/readyz")).timeout(Duration::from_secs(6)).send().await;
        asked.is_ok_and(|a| a.status() == 200)
    })
    .await;
    crowd.served(10).await;
    apart.kill();
    crowd.end(&mut server).await;
}
