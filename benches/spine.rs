//! The spine's figures, as ratios measured side by side in one run. `benches/README.md` says how to run this.
//!
//! - exhibits examined per second;
//! - a page of the queue at 100,000 exhibits, on both databases.

#[allow(dead_code)]
mod harness;

use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Running, median, runtime, submission, temoin};

const EXHIBITS: usize = 100_000;

fn main() {
    runtime().block_on(async {
        examinations().await;
        queue(None).await;
        match std::env::var("TEMOIN_TEST_POSTGRES") {
            Ok(admin) => queue(Some(admin)).await,
            Err(_) => println!("queue on PostgreSQL: not measured, run with infra/servers.sh"),
        }
    });
}

async fn examinations() {
    let server = temoin(None, &[]).await;
    let door = submission(&server).await;
    let client = reqwest::Client::new();
    let count = 60u32;
    for n in 0..count {
        let picture = image::RgbImage::from_fn(4_000, 3_000, |x, y| image::Rgb([(x ^ y ^ n) as u8, (x / 16) as u8, (y / 16) as u8]));
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 85).encode_image(&picture).unwrap();
        client.post(&door.0).bearer_auth(&door.1).body(jpeg).send().await.unwrap();
        if n == 0 {
            // What one examination costs alone is in the first; the rest shows how they share the processors.
            wait_for_jobs(&server).await;
        }
    }
    let start = Instant::now();
    server.sql(
        "DELETE FROM claim; UPDATE exhibit SET examined_at = NULL, state = 'received'; DELETE FROM examination; \
         INSERT INTO job (id, kind, subject, priority, run_at, created_at) SELECT randomblob(16), 'examine', \
         lower(substr(hex(id),1,8)||'-'||substr(hex(id),9,4)||'-'||substr(hex(id),13,4)||'-'||substr(hex(id),17,4)||'-'||substr(hex(id),21)), \
         1, 0, 0 FROM exhibit WHERE true ON CONFLICT DO NOTHING",
    );
    wait_for_jobs(&server).await;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "examinations of 12 Mpx JPEGs, {} processes: {:.1} per second",
        std::thread::available_parallelism().unwrap(),
        f64::from(count) / seconds
    );
}

async fn wait_for_jobs(server: &Running) {
    loop {
        let ready: serde_json::Value = reqwest::get(format!("{}/readyz", server.base)).await.unwrap().json().await.unwrap();
        if ready["jobs_waiting"].as_u64().unwrap() <= 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn queue(admin: Option<String>) {
    let database = admin.map(|admin| {
        let name = format!("bench_{}", std::process::id());
        assert!(Command::new("psql").args([&admin, "-qc", &format!("CREATE DATABASE {name}")]).status().unwrap().success());
        format!("{}/{name}", admin.rsplit_once('/').unwrap().0)
    });
    let engine = if database.is_some() { "PostgreSQL" } else { "SQLite" };
    let server = temoin(database, &[]).await;
    let door = submission(&server).await;
    let client = reqwest::Client::new();
    client.post(&door.0).bearer_auth(&door.1).body("one").send().await.unwrap();
    wait_for_jobs(&server).await;
    let start = 1_784_059_200_000_000i64;
    // Like a real appeal: 12 % without a time, 40 % without a place, most near the window and the area.
    let (series, id, chance) = if server.database.is_some() {
        (format!("generate_series(1, {EXHIBITS}) AS n"), "decode(md5(random()::text), 'hex')", "random()")
    } else {
        (
            format!("(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {EXHIBITS}) SELECT n FROM s) AS n"),
            "randomblob(16)",
            "((random() & 1048575) / 1048576.0)",
        )
    };
    server.sql(&format!(
        "INSERT INTO exhibit (id, agency_id, appeal_id, submission_id, sha256, size, name, media_type, kind, state, received_at, t, t_hi, grade, \
           time_source, lat, lon, acc_m, place_source, closeness, by_time, by_arrival, examined_at) \
         SELECT {id}, agency_id, appeal_id, submission_id, sha256, size, name, media_type, 'photo', 'ready', received_at, \
           CASE WHEN r < 0.12 THEN NULL ELSE k END, CASE WHEN r < 0.12 THEN NULL ELSE k + 60000000 END, 'C', 'exif_original', \
           CASE WHEN p < 0.4 THEN NULL ELSE 48.85 + (p - 0.7) / 20 END, CASE WHEN p < 0.4 THEN NULL ELSE 2.35 + (q - 0.5) / 10 END, 5, 'exif_gps', \
           CAST(q * 400000 AS BIGINT), k, -received_at, 1 \
         FROM (SELECT e.*, {chance} AS r, {chance} AS p, {chance} AS q, CAST({start} + ({chance} - 0.3) * 10800000000 AS BIGINT) AS k FROM exhibit e, {series}) x"
    ));
    server.sql("ANALYZE");
    server.cli(&["user", "add", "b", "--role", "investigator", "--password-stdin"], "correct horse battery");
    let token = server.cli(&["token", "add", "b", "--purpose", "quality", "--reason", "benchmark"], "");
    println!("a page of 50 among {EXHIBITS} exhibits, {engine}, over HTTP with its custody event, ms median (worst of 30)");
    for (words, query) in [
        ("no filter, by closeness", ""),
        ("30 minutes", "from=2026-07-14T22:00:00Z&to=2026-07-14T22:30:00Z"),
        ("300 m", "near=48.85,2.35&radius_m=300"),
        ("300 m and 30 minutes, by time", "near=48.85,2.35&radius_m=300&from=2026-07-14T22:00:00Z&to=2026-07-14T22:30:00Z&order=time"),
        ("nothing found", "near=10,10&radius_m=300"),
        ("time unknown", "time=unknown"),
    ] {
        let url = format!("{}/api/v1/appeals/BENCH/exhibits?{query}", server.base);
        let mut times = Vec::new();
        for _ in 0..30 {
            let start = Instant::now();
            let answer = client.get(&url).bearer_auth(&token).send().await.unwrap();
            assert!(answer.status().is_success());
            answer.bytes().await.unwrap();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let worst = times.iter().copied().fold(0.0, f64::max);
        println!("  {words:<32} {:>7.1} ({worst:.1})", median(times));
    }
}
