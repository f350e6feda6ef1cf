//! The spine's figures, as ratios measured side by side in one run. `benches/README.md` says how to run this.
//!
//! - uploads through the real server against a bare axum handler that only streams to a file, hashes, syncs and renames;
//! - exhibits examined per second;
//! - a page of the queue at 100,000 exhibits, on both databases.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::post;
use futures_util::StreamExt as _;
use sha2::Digest as _;

const PHOTO_BYTES: usize = 3 << 20;
const PHOTOS: usize = 300;
const LANES: usize = 16;
const LARGE_BYTES: u64 = 1 << 30;
const ROUNDS: usize = 5;
const EXHIBITS: usize = 100_000;

fn main() {
    if let Ok(folder) = std::env::var("TEMOIN_BENCH_FLOOR") {
        return runtime().block_on(floor(folder.into()));
    }
    runtime().block_on(async {
        uploads().await;
        examinations().await;
        queue(None).await;
        match std::env::var("TEMOIN_TEST_POSTGRES") {
            Ok(admin) => queue(Some(admin)).await,
            Err(_) => println!("queue on PostgreSQL: not measured, run with infra/servers.sh"),
        }
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// The floor: what any server that hashes and syncs must do, and nothing else.
async fn floor(folder: PathBuf) {
    let app = Router::new().route("/", post(floor_upload)).layer(axum::extract::DefaultBodyLimit::disable()).with_state(folder);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    std::io::stdout().flush().unwrap();
    axum::serve(listener, app).await.unwrap();
}

async fn floor_upload(State(folder): State<PathBuf>, body: Body) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    let path = folder.join(&name);
    let mut file = std::fs::File::create(&path).unwrap();
    let (mut stream, mut hasher) = (body.into_data_stream(), sha2::Sha256::new());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.unwrap();
        hasher.update(&chunk);
        file.write_all(&chunk).unwrap();
    }
    let sha = data_encoding::HEXLOWER.encode(&hasher.finalize());
    tokio::task::spawn_blocking(move || {
        file.sync_all().unwrap();
        std::fs::rename(&path, folder.join(format!("{name}.kept"))).unwrap();
        std::fs::File::open(&folder).unwrap().sync_all().unwrap();
    })
    .await
    .unwrap();
    sha
}

struct Running {
    child: Child,
    base: String,
    dir: tempfile::TempDir,
    database: Option<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        // utime and stime, in hundredths of a second.
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    fn cli(&self, args: &[&str], input: &str) -> String {
        let mut command = server_command(self.dir.path(), "127.0.0.1:0", self.database.as_deref());
        let mut child = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    }

    fn sql(&self, text: &str) {
        let done = match &self.database {
            None => Command::new("sqlite3").args(["-cmd", ".timeout 60000"]).arg(self.dir.path().join("temoin.db")).arg(text).status(),
            Some(url) => Command::new("psql").args([url, "-qc", text]).status(),
        };
        assert!(done.unwrap().success());
    }
}

fn server_command(dir: &Path, listen: &str, database: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_temoin"));
    command.env("TEMOIN_DATA", dir).env("TEMOIN_LISTEN", listen).env("TEMOIN_DATABASE", database.unwrap_or_default()).current_dir(dir);
    command
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::var("TEMOIN_BENCH_DIR").unwrap_or_else(|_| "/tmp".into())).unwrap()
}

async fn temoin(database: Option<String>) -> Running {
    let dir = scratch();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let child =
        server_command(dir.path(), &listen, database.as_deref()).arg("serve").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let running = Running { child, base: format!("http://{listen}"), dir, database };
    while reqwest::get(format!("{}/healthz", running.base)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.cli(
        &[
            "appeal",
            "new",
            "BENCH",
            "--title",
            "b",
            "--what",
            "b",
            "--place",
            "b",
            "--from",
            "2026-07-14T22:00:00Z",
            "--to",
            "2026-07-14T23:00:00Z",
            "--near",
            "48.85,2.35",
            "--open",
            "--submission-files-max",
            "1000000",
        ],
        "",
    );
    running
}

fn bare() -> Running {
    let dir = scratch();
    let mut child =
        Command::new(std::env::current_exe().unwrap()).env("TEMOIN_BENCH_FLOOR", dir.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    Running { child, base: format!("http://{}/", line.trim()), dir, database: None }
}

/// A place to post files to: address and bearer token.
#[derive(Clone)]
struct Door(String, String);

async fn submission(server: &Running) -> Door {
    let opened: serde_json::Value = reqwest::Client::new()
        .post(format!("{}/api/v1/appeals/BENCH/submissions", server.base))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let url = format!("{}/api/v1/submissions/{}/files", server.base, opened["id"].as_str().unwrap());
    Door(url, opened["token"].as_str().unwrap().to_owned())
}

/// Seconds for all photos over the lanes. Each photo's bytes differ, so that nothing is deduplicated.
async fn many(door: &Door, round: usize) -> f64 {
    let start = Instant::now();
    let lanes: Vec<_> = (0..LANES)
        .map(|lane| {
            let door = door.clone();
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                let mut photo = vec![0u8; PHOTO_BYTES];
                for n in (lane..PHOTOS).step_by(LANES) {
                    photo[..8].copy_from_slice(&((round * PHOTOS + n) as u64 + 1).to_be_bytes());
                    let answer = client.post(&door.0).bearer_auth(&door.1).body(photo.clone()).send().await.unwrap();
                    assert!(answer.status().is_success());
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
    start.elapsed().as_secs_f64()
}

async fn one_large(door: &Door, round: usize) -> f64 {
    let start = Instant::now();
    let chunk = bytes::Bytes::from(vec![round as u8 + 1; 256 << 10]);
    let stream = futures_util::stream::iter((0..LARGE_BYTES / (256 << 10)).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let answer = reqwest::Client::new().post(&door.0).bearer_auth(&door.1).body(reqwest::Body::wrap_stream(stream)).send().await.unwrap();
    assert!(answer.status().is_success());
    start.elapsed().as_secs_f64()
}

fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

async fn uploads() {
    let (floor, server) = (bare(), temoin(None).await);
    let (door, floor_door) = (submission(&server).await, Door(floor.base.clone(), String::new()));
    let (mut a, mut b, mut c, mut d) = (vec![], vec![], vec![], vec![]);
    let (mut cpu, mut floor_cpu) = (0.0, 0.0);
    for round in 0..ROUNDS {
        let before = (server.cpu_s(), floor.cpu_s());
        a.push(many(&floor_door, round).await);
        b.push(many(&door, round).await);
        cpu += server.cpu_s() - before.0;
        floor_cpu += floor.cpu_s() - before.1;
        c.push(one_large(&floor_door, round).await);
        d.push(one_large(&door, round).await);
    }
    let gb = (PHOTOS * PHOTO_BYTES * ROUNDS) as f64 / 1e9;
    let (a, b, c, d) = (median(a), median(b), median(c), median(d));
    println!("uploads, medians of {ROUNDS}, SQLite + disk          floor      Témoin    ratio");
    println!(
        "{PHOTOS} × 3 MiB over {LANES} connections, files/s  {:>8.0}    {:>8.0}    {:>5.2}",
        PHOTOS as f64 / a,
        PHOTOS as f64 / b,
        a / b
    );
    println!("  CPU-s/GB (examinations run beside it)      {:>8.2}    {:>8.2}", floor_cpu / gb, cpu / gb);
    let mb = LARGE_BYTES as f64 / 1e6;
    println!("one 1 GiB body, MB/s                         {:>8.0}    {:>8.0}    {:>5.2}", mb / c, mb / d, c / d);
}

async fn examinations() {
    let server = temoin(None).await;
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
    let server = temoin(database).await;
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
    let token = server.cli(&["token", "add", "b"], "");
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
