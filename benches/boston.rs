//! A Boston day, replayed. `benches/README.md` says how to run this.
//!
//! 113,000 photos and 10,000 videos within 24 hours, along the curve of Vienna's night (four fifths within the first four hours), 30 % of them
//! repeats of what came before; scaled in number, in time and in bytes. Everything is sent by the program's own door, examined, sequenced and
//! published, on one machine with everything else: SQLite and a disk; PostgreSQL and S3 with one node; the same with three.
//!
//! - `day`: at the day's own pace, compressed: how long a witness waits for the receipt, until it is found, until it can be looked at;
//! - `rate`: as fast as it goes, received only: one node on each pair, and two and three nodes.

#[allow(dead_code)]
mod harness;

use std::collections::HashMap;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use harness::{Door, Running, cpu_of_all, grown, median, number, runtime, submission, temoin};

const PHOTOS: usize = 113_000;
const VIDEOS: usize = 10_000;
const ROUNDS: usize = 5;

fn main() {
    let parts: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let asked = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    runtime().block_on(async {
        if asked("day") {
            day().await;
        }
        if asked("rate") {
            rate().await;
        }
    });
}

/// SplitMix64: the same day in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A drawn photo with an EXIF-less head, whose bytes differ with `n`; padded to a length as a camera's would be.
fn photo(base: &[u8], n: u64, length: usize) -> Bytes {
    let mut out = Vec::with_capacity(length.max(base.len() + 64));
    out.extend_from_slice(&base[..2]);
    // Comments, of which a JPEG may have many; each up to 65,533 bytes.
    let mut left = length.saturating_sub(base.len()).max(16);
    let mut chance = Chance(n);
    while left > 0 {
        let take = left.min(65_000);
        out.extend_from_slice(&[0xff, 0xfe]);
        out.extend_from_slice(&u16::try_from(take + 2).unwrap().to_be_bytes());
        let mut noise = Vec::with_capacity(take + 8);
        while noise.len() < take {
            noise.extend_from_slice(&chance.next().to_be_bytes());
        }
        out.extend_from_slice(&noise[..take]);
        left -= take;
    }
    out.extend_from_slice(&base[2..]);
    out.into()
}

/// A clip with a box of noise behind it, which players skip.
fn clip(base: &[u8], n: u64, length: usize) -> Bytes {
    let more = length.saturating_sub(base.len()).max(64);
    let mut out = base.to_vec();
    out.extend_from_slice(&u32::try_from(more).unwrap().to_be_bytes());
    out.extend_from_slice(b"free");
    let mut chance = Chance(n);
    while out.len() < base.len() + more {
        out.extend_from_slice(&chance.next().to_be_bytes());
    }
    out.truncate(base.len() + more);
    out.into()
}

fn base_photos() -> Vec<Vec<u8>> {
    (0..24u32)
        .map(|k| {
            let picture = image::RgbImage::from_fn(1600, 1200, |x, y| {
                let (a, b) = ((x * (k + 3) / 97 + y / 41) % 256, (y * (k + 5) / 61 + x / 53) % 256);
                image::Rgb([a as u8, b as u8, ((x ^ y) >> 2) as u8])
            });
            let mut bytes = Vec::new();
            image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&picture).unwrap();
            bytes
        })
        .collect()
}

/// Three seconds of H.264 that browsers play; of every fourth HEVC-like kind a copy has to be made, so MPEG-4 Part 2 stands for it.
fn base_clips(folder: &std::path::Path) -> [Vec<u8>; 2] {
    ["libx264", "mpeg4"].map(|codec| {
        let path = folder.join(format!("{codec}.mp4"));
        let done = Command::new("ffmpeg")
            .args([
                "-v",
                "error",
                "-y",
                "-f",
                "lavfi",
                "-i",
                "testsrc2=duration=3:size=640x360:rate=25",
                "-c:v",
                codec,
                "-pix_fmt",
                "yuv420p",
            ])
            .arg(&path)
            .status()
            .expect("ffmpeg");
        assert!(done.success());
        std::fs::read(path).unwrap()
    })
}

struct Sent {
    at: f64,
    bytes: Bytes,
}

/// The day in the order of arrival: when (0 to 1) and what. Four fifths come within the first sixth, as in Vienna.
fn plan(files: usize, photo_bytes: usize, video_bytes: usize) -> Vec<Sent> {
    let folder = tempfile::tempdir().unwrap();
    let (photos, clips) = (base_photos(), base_clips(folder.path()));
    let mut chance = Chance(1);
    let mut times: Vec<f64> =
        (0..files).map(|_| if chance.part() < 0.8 { chance.part() / 6.0 } else { 1.0 / 6.0 + chance.part() * 5.0 / 6.0 }).collect();
    times.sort_by(f64::total_cmp);
    let mut all: Vec<Sent> = Vec::new();
    for (n, at) in times.into_iter().enumerate() {
        let bytes = if n > 10 && chance.part() < 0.3 {
            // Few things are sent very often: an earlier one, the earlier the likelier.
            let back = (chance.part().powi(2) * n as f64) as usize;
            all[back].bytes.clone()
        } else if chance.part() < VIDEOS as f64 / (PHOTOS + VIDEOS) as f64 {
            let length = (video_bytes as f64 * (0.3 + 1.4 * chance.part())) as usize;
            clip(&clips[usize::from(n % 4 == 0)], n as u64 + 1, length)
        } else {
            let length = (photo_bytes as f64 * (0.3 + 1.4 * chance.part())) as usize;
            photo(&photos[n % photos.len()], n as u64 + 1, length)
        };
        all.push(Sent { at, bytes });
    }
    all
}

fn percentile(mut v: Vec<f64>, p: f64) -> f64 {
    if v.is_empty() {
        return f64::NAN;
    }
    v.sort_by(f64::total_cmp);
    v[((v.len() - 1) as f64 * p) as usize]
}

/// The nodes of one deployment; the first one has the data folder.
struct Deployment {
    nodes: Vec<Running>,
    pair: Pair,
}

#[derive(Clone, Copy, PartialEq)]
enum Pair {
    Lite,
    /// PostgreSQL with a folder: what the database costs, without the store.
    Between,
    Grown,
}

impl Deployment {
    async fn of(nodes: usize, pair: Pair, settings: &[(&str, String)]) -> Option<Self> {
        let (database, mut settings) = match pair {
            Pair::Lite => (None, settings.to_vec()),
            Pair::Between => (Some(grown("boston")?.0), settings.to_vec()),
            Pair::Grown => {
                let (database, blobs) = grown("boston")?;
                (Some(database), [settings, &[("TEMOIN_BLOBS", blobs)]].concat())
            }
        };
        // Everybody here comes from one address.
        settings.push(("TEMOIN_LIMITS__UPLOADS_PER_BLOCK_MAX", "1024".into()));
        settings.push(("TEMOIN_LIMITS__BYTES_PER_BLOCK_HOUR", "4000000000000000".into()));
        settings.push(("TEMOIN_LIMITS__OPENINGS_PER_BLOCK_HOUR", "4000000000".into()));
        settings.push(("TEMOIN_LIMITS__FILES_PER_BLOCK_HOUR", "4000000000".into()));
        let mut all = vec![temoin(database, &settings).await];
        for n in 1..nodes {
            let next = all[0].beside(&format!("n{}", n + 1)).await;
            all.push(next);
        }
        Some(Self { nodes: all, pair })
    }

    fn name(&self) -> String {
        let pair = match self.pair {
            Pair::Lite => "SQLite + disk",
            Pair::Between => "PostgreSQL + disk",
            Pair::Grown => "PostgreSQL + S3",
        };
        format!("{pair}, {} node{}", self.nodes.len(), if self.nodes.len() == 1 { "" } else { "s" })
    }

    /// As many witnesses' submissions, each by its door at one of the nodes in turn.
    async fn doors(&self, witnesses: usize) -> Vec<Door> {
        let mut doors = Vec::new();
        for n in 0..witnesses {
            let Door(url, token) = submission(&self.nodes[0]).await;
            let path = url.trim_start_matches(&self.nodes[0].base).to_owned();
            doors.push(Door(format!("{}{path}", self.nodes[n % self.nodes.len()].base), token));
        }
        doors
    }

    fn cpu(&self) -> (f64, f64) {
        let ours = self.nodes.iter().map(Running::cpu_with_children_s).sum();
        (ours, if self.pair != Pair::Lite { cpu_of_all("postgres") + cpu_of_all("garage") } else { 0.0 })
    }

    async fn settled(&self) {
        loop {
            let ready = reqwest::get(format!("{}/readyz", self.nodes[0].base)).await.unwrap();
            let ready: serde_json::Value = ready.json().await.unwrap_or_default();
            if ready["jobs_waiting"] == 0 && ready["events_waiting"] == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

async fn day() {
    let files = number("TEMOIN_BENCH_FILES", 1_230);
    let seconds = number("TEMOIN_BENCH_DAY_SECONDS", 240) as f64;
    let (photo_bytes, video_bytes) = (number("TEMOIN_BENCH_PHOTO_BYTES", 600_000), number("TEMOIN_BENCH_VIDEO_BYTES", 6_000_000));
    println!(
        "A Boston day of {files} files (1/{:.0}) in {seconds:.0} s, photos of {:.1} MB and videos of {:.1} MB in the mean, 30 % repeats; the busiest sixth brings {:.1} files/s",
        (PHOTOS + VIDEOS) as f64 / files as f64,
        photo_bytes as f64 / 1e6,
        video_bytes as f64 / 1e6,
        files as f64 * 0.8 / (seconds / 6.0)
    );
    let plan = plan(files, photo_bytes, video_bytes);
    for (nodes, pair) in [(1, Pair::Lite), (1, Pair::Grown), (3, Pair::Grown)] {
        match Deployment::of(nodes, pair, &[]).await {
            Some(deployment) => one_day(&deployment, &plan, seconds).await,
            None => println!("PostgreSQL + S3: not measured, run with infra/servers.sh"),
        }
    }
}

async fn one_day(deployment: &Deployment, plan: &[Sent], seconds: f64) {
    let doors = deployment.doors(plan.len().div_ceil(5)).await;
    let before = deployment.cpu();
    let http = reqwest::Client::new();
    let begun = Instant::now();
    let mut sends = Vec::new();
    for (n, sent) in plan.iter().enumerate() {
        let (door, http, bytes, at) = (doors[n % doors.len()].clone(), http.clone(), sent.bytes.clone(), sent.at * seconds);
        sends.push(tokio::spawn(async move {
            tokio::time::sleep_until(tokio::time::Instant::from_std(begun + Duration::from_secs_f64(at))).await;
            // Who is refused comes again, as the page does.
            loop {
                let asked = Instant::now();
                let answer = http.post(&door.0).bearer_auth(&door.1).body(bytes.clone()).send().await;
                match answer {
                    Ok(answer) if answer.status() == 201 => {
                        let body: serde_json::Value = answer.json().await.unwrap();
                        return (asked.elapsed().as_secs_f64(), body["exhibit"].as_str().unwrap().to_owned());
                    }
                    _ => tokio::time::sleep(Duration::from_millis(500)).await,
                }
            }
        }));
    }
    let mut receipts = Vec::new();
    let mut acknowledged = Vec::new();
    for send in sends {
        let (took, exhibit) = send.await.unwrap();
        receipts.push(took);
        acknowledged.push(exhibit);
    }
    let received = begun.elapsed().as_secs_f64();
    deployment.settled().await;
    let done = begun.elapsed().as_secs_f64();
    let after = deployment.cpu();
    let bytes: usize = plan.iter().map(|s| s.bytes.len()).sum();
    let first = &deployment.nodes[0];
    let seconds_between =
        |text: &str| -> Vec<f64> { first.query(text).lines().filter_map(|l| l.parse::<f64>().ok()).map(|us| us / 1e6).collect() };
    let searchable = seconds_between("SELECT examined_at - received_at FROM exhibit WHERE examined_at IS NOT NULL");
    // What a person looks at: the view of a photo; of a clip that browsers do not play, the copy.
    let viewable = seconds_between(
        "SELECT MAX(d.created_at) - MIN(e.received_at) FROM exhibit e JOIN derivative d ON d.agency_id = e.agency_id AND d.sha256 = e.sha256
         WHERE d.variant IN ('view', 'proxy') GROUP BY e.sha256",
    );
    let lags = lags(first);
    let thousand = plan.len() as f64 / 1_000.0;
    let lost = acknowledged.len() as i64 - first.query("SELECT COUNT(*) FROM exhibit").trim().parse::<i64>().unwrap();
    println!("\n{}", deployment.name());
    println!(
        "  received in {received:.0} s, everything done in {done:.0} s: {:.1} files/s, {:.1} MB/s",
        plan.len() as f64 / received,
        bytes as f64 / received / 1e6
    );
    println!("  to the receipt       p50 {:.3} s, p95 {:.3} s", percentile(receipts.clone(), 0.5), percentile(receipts, 0.95));
    println!("  to be found          p50 {:.2} s, p95 {:.2} s", percentile(searchable.clone(), 0.5), percentile(searchable, 0.95));
    println!("  to be looked at      p50 {:.2} s, p95 {:.2} s", percentile(viewable.clone(), 0.5), percentile(viewable, 0.95));
    println!(
        "  from an event to its checkpoint: p50 {:.2} s, p99 {:.2} s of {}",
        percentile(lags.clone(), 0.5),
        percentile(lags.clone(), 0.99),
        lags.len()
    );
    println!(
        "  processor seconds per 1,000 files: {:.0} ours, {:.0} of PostgreSQL and the store",
        (after.0 - before.0) / thousand,
        (after.1 - before.1) / thousand
    );
    let (rows, size) = weight(first);
    println!("  database: {:.0} rows and {:.1} kB a file; lost: {lost}", rows / plan.len() as f64, size / plan.len() as f64 / 1e3);
}

/// From each event (its id has its millisecond) to the checkpoint that first has it.
fn lags(node: &Running) -> Vec<f64> {
    let hex = if node.database.is_some() { "encode(event_id, 'hex')" } else { "hex(event_id)" };
    let checkpoints: Vec<(u64, f64)> = node
        .query("SELECT size, created_at FROM log_checkpoint ORDER BY size")
        .lines()
        .filter_map(|l| l.split_once('|').map(|(size, at)| (size.parse().unwrap(), at.parse::<f64>().unwrap() / 1e6)))
        .collect();
    let entries = node.query(&format!("SELECT idx, {hex} FROM log_entry ORDER BY idx"));
    entries
        .lines()
        .filter_map(|l| {
            let (index, id) = l.split_once('|')?;
            let at = i64::from_str_radix(&id[..12], 16).ok()? as f64 / 1e3;
            let index: u64 = index.parse().ok()?;
            let covered = checkpoints.partition_point(|(size, _)| *size <= index);
            checkpoints.get(covered).map(|(_, then)| (then - at).max(0.0))
        })
        .collect()
}

/// Rows of all tables, and bytes of the whole database.
fn weight(node: &Running) -> (f64, f64) {
    let names = match node.database {
        None => node.query("SELECT name FROM sqlite_master WHERE type = 'table'"),
        Some(_) => node.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"),
    };
    let rows = names.lines().map(|name| node.query(&format!("SELECT COUNT(*) FROM {name}")).trim().parse::<f64>().unwrap()).sum();
    let size = match node.database {
        None => std::fs::metadata(node.dir.path().join("temoin.db")).unwrap().len() as f64,
        Some(_) => node.query("SELECT pg_database_size(current_database())").trim().parse().unwrap(),
    };
    (rows, size)
}

/// Files a second of each deployment, in turn, round after round.
async fn rate() {
    let (files, bytes, lanes) = (number("TEMOIN_BENCH_RATE_FILES", 600), number("TEMOIN_BENCH_RATE_BYTES", 1_000_000), 32);
    println!(
        "\nAs fast as it goes: {files} files of {:.1} MB over {lanes} connections, received only (no worker); medians of {ROUNDS} rounds in turn",
        bytes as f64 / 1e6
    );
    // As photos are: a store that packs what it keeps finds nothing to pack.
    let noise = std::sync::Arc::new(noise(bytes));
    let mut deployments = Vec::new();
    for (nodes, pair) in [(1, Pair::Lite), (1, Pair::Between), (1, Pair::Grown), (2, Pair::Grown), (3, Pair::Grown)] {
        deployments.extend(Deployment::of(nodes, pair, &[("TEMOIN_NO_WORKER", "true".into())]).await);
    }
    let mut alone = Vec::new();
    let mut seconds: HashMap<usize, Vec<f64>> = HashMap::new();
    let mut ours: HashMap<usize, Vec<f64>> = HashMap::new();
    // Of PostgreSQL and of the store.
    let mut theirs: HashMap<usize, [Vec<f64>; 2]> = HashMap::new();
    let each = || [cpu_of_all("postgres"), cpu_of_all("garage")];
    for round in 0..ROUNDS {
        for (at, deployment) in deployments.iter().enumerate() {
            let doors = deployment.doors(lanes).await;
            let (cpu, before) = (deployment.cpu(), each());
            let begun = Instant::now();
            let lanes = (0..lanes).map(|lane| {
                let (door, noise) = (doors[lane].clone(), noise.clone());
                tokio::spawn(async move {
                    let http = reqwest::Client::new();
                    for n in (lane..files).step_by(32) {
                        let mut body = noise.as_ref().clone();
                        body[..16].copy_from_slice(&((round * 1_000_000 + n) as u128 + 1).to_be_bytes());
                        let answer = http.post(&door.0).bearer_auth(&door.1).body(body).send().await.unwrap();
                        assert_eq!(answer.status(), 201);
                    }
                })
            });
            for lane in lanes.collect::<Vec<_>>() {
                lane.await.unwrap();
            }
            seconds.entry(at).or_default().push(begun.elapsed().as_secs_f64());
            let after = deployment.cpu();
            for ((all, now), then) in theirs.entry(at).or_default().iter_mut().zip(each()).zip(before) {
                all.push((now - then) / files as f64 * 1e3);
            }
            ours.entry(at).or_default().push((after.0 - cpu.0) / (files * bytes) as f64 * 1e9);
            println!("  round {round}, {}: {:.0} files/s", deployment.name(), files as f64 / begun.elapsed().as_secs_f64());
        }
        alone.extend(store_alone(files, &noise, round).await);
    }
    let rate = |at: usize| files as f64 / median(seconds[&at].clone());
    for (at, deployment) in deployments.iter().enumerate() {
        println!(
            "  {:<26} {:>5.0} files/s, {:>4.0} MB/s, {:.2} of SQLite + disk, {:.2} CPU-s/GB ours; {:.1} ms a file PostgreSQL, {:.1} the store",
            deployment.name(),
            rate(at),
            rate(at) * bytes as f64 / 1e6,
            rate(at) / rate(0),
            median(ours[&at].clone()),
            median(theirs[&at][0].clone()),
            median(theirs[&at][1].clone())
        );
    }
    if !alone.is_empty() {
        let store = files as f64 / median(alone);
        println!(
            "  {:<26} {store:>5.0} files/s, {:>4.0} MB/s, {:.2} of SQLite + disk",
            "the store alone",
            store * bytes as f64 / 1e6,
            store / rate(0)
        );
    }
}

/// Bytes in which nobody finds a pattern (xorshift64*).
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(bytes).collect()
}

/// The floor of S3: the same bytes put straight into the same store over as many connections, with no program between. Seconds.
async fn store_alone(files: usize, noise: &[u8], round: usize) -> Option<f64> {
    let url = std::env::var("TEMOIN_TEST_S3").ok()?;
    let (bucket, rest) = url.strip_prefix("s3://")?.split_once('/')?;
    let endpoint = rest.split_once("endpoint=")?.1.split('&').next()?.to_owned();
    let keys = (std::env::var("AWS_ACCESS_KEY_ID").ok()?, std::env::var("AWS_SECRET_ACCESS_KEY").ok()?);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(aws_sdk_s3::config::BehaviorVersion::latest())
        .region(aws_sdk_s3::config::Region::new("garage"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(aws_sdk_s3::config::Credentials::new(keys.0, keys.1, None, None, "bench"))
        .request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired)
        .http_client(
            aws_smithy_http_client::Builder::new()
                .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring))
                .build_https(),
        )
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let begun = Instant::now();
    let lanes = (0..32).map(|lane| {
        let (client, bucket, noise) = (client.clone(), bucket.to_owned(), noise.to_vec());
        tokio::spawn(async move {
            for n in (lane..files).step_by(32) {
                let mut body = noise.clone();
                body[..16].copy_from_slice(&((round * 1_000_000 + n) as u128 + 1).to_be_bytes());
                let put = client.put_object().bucket(&bucket).key(format!("alone/{round}/{n}")).body(body.into());
                put.customize().disable_payload_signing().send().await.unwrap();
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
    Some(begun.elapsed().as_secs_f64())
}
