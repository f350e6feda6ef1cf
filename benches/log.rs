//! The custody log at a million entries. `benches/README.md` says how to run this.
//!
//! - events that the sequencer places, signs and publishes per second, from a full outbox, on both databases;
//! - the whole audit; a proof; a start.
//! - fixity beside a plain sequential SHA-256 reader over the same files.

#[allow(dead_code)]
mod harness;

use std::io::Read as _;
use std::time::{Duration, Instant};

use harness::{Running, median, runtime, submission, temoin};

fn main() {
    let entries = std::env::var("TEMOIN_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    runtime().block_on(async {
        log(None, entries).await;
        match std::env::var("TEMOIN_TEST_POSTGRES") {
            Ok(admin) => log(Some(admin), entries).await,
            Err(_) => println!("PostgreSQL: not measured, run with infra/servers.sh"),
        }
        fixity().await;
    });
}

/// Looks at a hundred thousand exhibits, straight into the outbox: what the sequencer reads is what the program writes.
fn fill(entries: usize, lite: bool) -> String {
    let draft = "'{\"actor\":{\"k\":\"system\"},\"app\":\"bench\",\"clk\":\"unknown\",\"d\":[],\"f\":{\"variant\":\"record\"},\"id\":\"0198f000-0000-7000-8000-'||N||'\",\"node\":\"n1\",\"salt\":\"AAAAAAAAAAAAAAAAAAAAAA==\",\"subj\":[{\"id\":\"0198f000-0000-7000-9000-'||S||'\",\"k\":\"exhibit\"}],\"t\":\"2026-07-14T20:00:00.000000Z\",\"type\":\"exhibit.viewed\",\"v\":1}'";
    if lite {
        let draft = draft.replace("'||N||'", "'||printf('%012d',i)||'").replace("'||S||'", "'||printf('%012d',i%100000)||'");
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < {entries}) INSERT INTO log_pending (event_id, draft) SELECT randomblob(16), CAST({draft} AS BLOB) FROM n"
        )
    } else {
        let draft = draft.replace("'||N||'", "'||lpad(i::text,12,'0')||'").replace("'||S||'", "'||lpad((i%100000)::text,12,'0')||'");
        format!(
            "INSERT INTO log_pending (event_id, draft) SELECT decode(md5(i::text),'hex'), convert_to({draft},'UTF8') FROM generate_series(1,{entries}) i"
        )
    }
}

async fn log(admin: Option<String>, entries: usize) {
    let database = admin.map(|admin| {
        let name = format!("bench_log_{}", std::process::id());
        let done = std::process::Command::new("psql").args([&admin, "-qc", &format!("CREATE DATABASE {name}")]).status();
        assert!(done.unwrap().success());
        admin.rsplit_once('/').unwrap().0.to_owned() + "/" + &name
    });
    let engine = if database.is_some() { "PostgreSQL" } else { "SQLite" };
    let mut server = temoin(database, &[("TEMOIN_NO_WORKER", "1".into())]).await;
    wait(&server).await;
    server.stop();
    server.sql(&fill(entries, server.database.is_none()));
    let cpu = server.start_again().await;
    let start = Instant::now();
    wait(&server).await;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{engine}: {entries} events placed, signed and published in {seconds:.1} s, {:.0} per second, {:.1} CPU-s of ours",
        entries as f64 / seconds,
        server.cpu_s() - cpu
    );
    let mut proofs = Vec::new();
    let client = reqwest::Client::new();
    for n in 1..=200u64 {
        let url = format!("{}/api/v1/log/consistency?old={}&new={entries}", server.base, n * (entries as u64 / 201));
        let start = Instant::now();
        assert!(client.get(url).send().await.unwrap().status().is_success());
        proofs.push(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("{engine}: a consistency proof over HTTP {:.2} ms", median(proofs));
    server.stop();
    let start = Instant::now();
    server.start_again().await;
    println!("{engine}: a start {:.2} s", start.elapsed().as_secs_f64());
    server.stop();
    let start = Instant::now();
    let report = server.cli(&["audit", "--json"], "");
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report}");
    println!("{engine}: the whole audit of {} entries {:.1} s", report["entries"], start.elapsed().as_secs_f64());
}

async fn wait(server: &Running) {
    loop {
        let ready: serde_json::Value = reqwest::get(format!("{}/readyz", server.base)).await.unwrap().json().await.unwrap();
        if ready["events_waiting"] == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn fixity() {
    const FILES: usize = 200;
    let server = temoin(None, &[("TEMOIN_NO_WORKER", "1".into()), ("TEMOIN_LIMITS__FREE_BYTES_MIN", "0".into())]).await;
    let door = submission(&server).await;
    let client = reqwest::Client::new();
    for n in 0..FILES as u32 {
        let mut bytes = vec![0x5a; 10 << 20];
        bytes[..4].copy_from_slice(&n.to_be_bytes());
        assert!(client.post(&door.0).bearer_auth(&door.1).body(bytes).send().await.unwrap().status().is_success());
    }
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let start = Instant::now();
        let mut folders = vec![server.dir.path().join("media/blobs")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let (mut file, mut hash, mut buffer) =
                    (std::fs::File::open(path).unwrap(), <sha2::Sha256 as sha2::Digest>::new(), vec![0; 1 << 20]);
                loop {
                    let n = file.read(&mut buffer).unwrap();
                    if n == 0 {
                        break;
                    }
                    sha2::Digest::update(&mut hash, &buffer[..n]);
                }
                std::hint::black_box(sha2::Digest::finalize(hash));
            }
        }
        plain.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        server.cli(&["fixity", "--json"], "");
        ours.push(start.elapsed().as_secs_f64());
    }
    let (plain, ours) = (median(plain), median(ours));
    let mb = FILES as f64 * 10.48576;
    println!("fixity: {:.0} MB/s, a plain reader {:.0} MB/s, ratio {:.2}", mb / ours, mb / plain, plain / ours);
}
