//! Uploads, as ratios measured side by side in one run. `benches/README.md` says how to run this.
//!
//! - three loads through the real server against the floor, in one request per file and through tus;
//! - memory above idle at 256 connections, fast and slow, and with 1,000 slow ones more;
//! - connections cut by a reset, a half-close or silence: how soon the upload goes on, and what is sent again;
//! - an evening like Vienna's (24,000 uploads, four fifths in the first third of the time, 30 % repeats), scaled to a minute;
//! - S3, where infra/servers.sh runs one.

#[allow(dead_code)]
mod harness;

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use harness::{Door, Running, bare, floor_or_go_on, median, runtime, submission, temoin, tus_server};

const ROUNDS: usize = 5;
const MIB: usize = 1 << 20;

/// Files, bytes of each, connections.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    files: usize,
    bytes: usize,
    lanes: usize,
}

fn main() {
    floor_or_go_on();
    // A quick look scales everything down: TEMOIN_BENCH_SCALE=10.
    let scale = std::env::var("TEMOIN_BENCH_SCALE").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    // `cargo bench --bench uploads -- floor cuts` runs those tables only.
    let named: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let asked = |table: &str| named.is_empty() || named.iter().any(|n| n == table);
    runtime().block_on(async {
        if asked("floor") {
            against_the_floor(scale).await;
        }
        if asked("memory") {
            memory().await;
        }
        if asked("cuts") {
            cuts().await;
        }
        if asked("evening") {
            evening(scale).await;
        }
        match std::env::var("TEMOIN_TEST_S3") {
            Ok(store) if asked("s3") => on_s3(&store, scale).await,
            Ok(_) => {}
            Err(_) => println!("S3: not measured, run with infra/servers.sh"),
        }
    });
}

fn loads(scale: usize) -> [Load; 3] {
    [
        Load { name: "one of 2 GiB", files: 1, bytes: 2048 * MIB / scale, lanes: 1 },
        Load { name: "50 of 60 MiB, 8 connections", files: (50 / scale).max(8), bytes: 60 * MIB, lanes: 8 },
        Load { name: "2,000 of 3 MiB, 32 connections", files: 2_000 / scale, bytes: 3 * MIB, lanes: 32 },
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// One request per file.
    Plain,
    /// A creation, then one PATCH.
    Tus,
}

/// Sends a load; every file's first bytes differ, so that nothing is deduplicated. Seconds.
async fn send(door: &Door, load: Load, way: Way, round: usize) -> f64 {
    let start = Instant::now();
    let lanes: Vec<_> = (0..load.lanes)
        .map(|lane| {
            let door = door.clone();
            tokio::spawn(async move {
                let client = reqwest::Client::new();
                for n in (lane..load.files).step_by(load.lanes) {
                    let head = bytes::Bytes::copy_from_slice(&((round * load.files + n) as u64 + 1).to_be_bytes());
                    let piece = bytes::Bytes::from_static(&[0x5a; 256 << 10]);
                    let mut left = load.bytes - head.len();
                    let pieces = std::iter::once(head).chain(std::iter::from_fn(move || {
                        let take = left.min(piece.len());
                        left -= take;
                        (take > 0).then(|| piece.slice(..take))
                    }));
                    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces.map(Ok::<_, std::io::Error>)));
                    let answer = match way {
                        Way::Plain => {
                            client.post(&door.0).bearer_auth(&door.1).header("content-length", load.bytes).body(body).send().await
                        }
                        Way::Tus => {
                            let url = create(&client, &door, load.bytes).await;
                            let ask = client.patch(url).header("tus-resumable", "1.0.0").header("upload-offset", 0);
                            let ask = ask.header("content-type", "application/offset+octet-stream").header("content-length", load.bytes);
                            ask.body(body).send().await
                        }
                    };
                    let answer = answer.unwrap();
                    assert!(answer.status().is_success(), "{}", answer.status());
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
    start.elapsed().as_secs_f64()
}

async fn create(client: &reqwest::Client, door: &Door, bytes: usize) -> String {
    let uploads = format!("{}/api/v1/uploads", door.0.split("/api/").next().unwrap());
    let ask = client.post(uploads).bearer_auth(&door.1).header("tus-resumable", "1.0.0").header("upload-length", bytes);
    ask.send().await.unwrap().headers()["location"].to_str().unwrap().to_owned()
}

/// Without a worker: intake is what is measured, and examinations have their own benchmark.
async fn measured_server(extra: &[(&str, String)]) -> Running {
    let mut settings = vec![("TEMOIN_LIMITS__FREE_BYTES_MIN", "0".to_owned()), ("TEMOIN_NO_WORKER", "1".to_owned())];
    settings.extend(extra.iter().cloned());
    temoin(None, &settings).await
}

async fn against_the_floor(scale: usize) {
    println!("uploads, medians of {ROUNDS}, SQLite + disk; CPU before and beside examination");
    println!(
        "{:<34}{:>11}{:>11}{:>8}{:>11}{:>8}{:>13}{:>9}{:>9}",
        "", "floor MB/s", "plain", "ratio", "tus", "ratio", "@tus/server", "floor", "plain"
    );
    println!("{:<34}{:>70}{:>9}", "", "CPU-s/GB", "");
    for load in loads(scale) {
        let (floor, server) = (bare(), measured_server(&[]).await);
        let (door, floor_door) = (submission(&server).await, Door(floor.base.clone(), String::new()));
        // It neither hashes nor syncs; it is what people would otherwise use.
        let peer = tus_server();
        let (mut a, mut b, mut c, mut d) = (vec![], vec![], vec![], vec![]);
        let (mut cpu, mut floor_cpu) = (0.0, 0.0);
        for round in 0..ROUNDS {
            let before = (server.cpu_s(), floor.cpu_s());
            a.push(send(&floor_door, load, Way::Plain, 2 * round).await);
            b.push(send(&door, load, Way::Plain, 2 * round).await);
            cpu += server.cpu_s() - before.0;
            floor_cpu += floor.cpu_s() - before.1;
            c.push(send(&door, load, Way::Tus, 2 * round + 1).await);
            if let Some(peer) = &peer {
                let door = Door(format!("{}/api/x", peer.base), "none".into());
                d.push(send(&door, load, Way::Tus, 2 * round).await);
                empty(peer.dir.path());
            }
            for folder in [floor.dir.path().to_owned(), server.dir.path().join("media/blobs")] {
                empty(&folder);
            }
        }
        let mb = (load.files * load.bytes) as f64 / 1e6;
        let gb = mb * ROUNDS as f64 / 1e3;
        let (a, b, c) = (median(a), median(b), median(c));
        let peer = if d.is_empty() { "not there".to_owned() } else { format!("{:.0}", mb / median(d)) };
        println!(
            "{:<34}{:>11.0}{:>11.0}{:>8.2}{:>11.0}{:>8.2}{:>13}{:>9.2}{:>9.2}   {:.0} files/s",
            load.name,
            mb / a,
            mb / b,
            a / b,
            mb / c,
            a / c,
            peer,
            floor_cpu / gb,
            cpu / gb,
            load.files as f64 / b
        );
    }
}

/// Gives the disk back between rounds, folder by folder.
fn empty(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            empty(&entry.path());
        } else {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn connect(server: &Running) -> TcpStream {
    TcpStream::connect(server.base.trim_start_matches("http://")).unwrap()
}

/// Opens a request and sends `bytes` of the `length` that it announces.
fn begin(server: &Running, door: &Door, length: usize, bytes: &[u8]) -> TcpStream {
    let mut socket = connect(server);
    let path = &door.0[door.0.find("/api/").unwrap()..];
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {length}\r\n\r\n", door.1);
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(bytes).unwrap();
    socket
}

async fn memory() {
    const CONNECTIONS: usize = 256;
    const SLOW_MORE: usize = 1_000;
    let settings = [("TEMOIN_LIMITS__UPLOADS_PER_BLOCK_MAX", "5000".to_owned()), ("TEMOIN_LIMITS__UPLOADS_MAX", "5000".to_owned())];
    let server = measured_server(&settings).await;
    let door = submission(&server).await;
    let warm = Load { name: "", files: 8, bytes: 3 * MIB, lanes: 4 };
    send(&door, warm, Way::Plain, 900).await;
    let (idle, _) = server.rss_mb();
    send(&door, Load { name: "", files: 2 * CONNECTIONS, bytes: 3 * MIB, lanes: CONNECTIONS }, Way::Plain, 901).await;
    let (_, fast) = server.rss_mb();

    let server = measured_server(&settings).await;
    let door = submission(&server).await;
    send(&door, warm, Way::Plain, 902).await;
    let (slow_idle, _) = server.rss_mb();
    let mut slow: Vec<TcpStream> = (0..CONNECTIONS).map(|_| begin(&server, &door, 2 * MIB, &[1; 200_000])).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (slow_now, _) = server.rss_mb();
    slow.extend((0..SLOW_MORE).map(|_| begin(&server, &door, 2 * MIB, &[1; 1_000])));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (slower, _) = server.rss_mb();
    println!(
        "memory above idle: {:.0} MB at {CONNECTIONS} fast connections, {:.0} MB at {CONNECTIONS} slow ones, {:.0} MB more with {SLOW_MORE} others",
        fast - idle,
        slow_now - slow_idle,
        slower - slow_now
    );
    drop(slow);
}

/// A phone's connection ends in the middle of a file, in one of three ways; the next one asks and goes on.
async fn cuts() {
    const FILE: usize = 8 * MIB;
    const PIECE: usize = 2 * MIB;
    let server = measured_server(&[]).await;
    let door = submission(&server).await;
    let client = reqwest::Client::new();
    for kind in ["reset", "half-close", "silence"] {
        let (mut resumes, mut again, mut complete) = (Vec::new(), 0, 0);
        for n in 0..16u8 {
            let url = create(&client, &door, FILE).await;
            let path = &url[url.find("/api/").unwrap()..];
            let (mut offset, mut kept) = (0usize, Vec::new());
            while offset + PIECE < FILE {
                let mut socket = connect(&server);
                let head = format!(
                    "PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\nContent-Length: {}\r\n\r\n",
                    FILE - offset
                );
                socket.write_all(head.as_bytes()).unwrap();
                socket.write_all(&vec![n + 1; PIECE]).unwrap();
                // What was written is in the server's buffers before the cut; a reset throws away what nobody has read.
                tokio::time::sleep(Duration::from_millis(40)).await;
                match kind {
                    "half-close" => socket.shutdown(Shutdown::Write).unwrap(),
                    "reset" => drop(std::mem::replace(&mut socket, connect(&server))),
                    _ => {}
                }
                kept.push(socket);
                let start = Instant::now();
                let answer = client.head(&url).header("tus-resumable", "1.0.0").send().await.unwrap();
                resumes.push(start.elapsed().as_secs_f64() * 1e3);
                let told: usize = answer.headers()["upload-offset"].to_str().unwrap().parse().unwrap();
                again += (offset + PIECE).saturating_sub(told);
                offset = told;
            }
            let rest = client.patch(&url).header("tus-resumable", "1.0.0").header("upload-offset", offset);
            let rest =
                rest.header("content-type", "application/offset+octet-stream").body(vec![n + 1; FILE - offset]).send().await.unwrap();
            let digest = data_encoding::BASE64.encode(&<sha2::Sha256 as sha2::Digest>::digest(vec![n + 1; FILE]));
            complete += usize::from(rest.headers()["repr-digest"].to_str().unwrap().contains(&digest));
        }
        let worst = resumes.iter().copied().fold(0.0, f64::max);
        println!(
            "cut by {kind:<11} {complete} of 16 whole and right; goes on after {:.1} ms (worst {worst:.1}); sent again {again} bytes",
            median(resumes)
        );
    }
}

/// An open-loop evening: files come when they come, whether the server is ready or not.
async fn evening(scale: usize) {
    const FILES: usize = 2_400;
    const SECONDS: f64 = 60.0;
    let (files, server) = (FILES / scale, temoin(None, &[]).await);
    let doors = [submission(&server).await, submission(&server).await, submission(&server).await];
    let picture = image::RgbImage::from_fn(640, 480, |x, y| image::Rgb([(x ^ y) as u8, (x / 3) as u8, (y / 2) as u8]));
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 85).encode_image(&picture).unwrap();
    // A photo's size behind a small picture, which is what is examined.
    jpeg.resize(MIB, 0x5a);
    let client = reqwest::Client::new();
    let begun = Instant::now();
    let senders: Vec<_> = (0..files)
        .map(|n| {
            let part = n as f64 / files as f64;
            // Four fifths within the first third.
            let at = if part < 0.8 { part / 0.8 * SECONDS / 3.0 } else { SECONDS / 3.0 + (part - 0.8) / 0.2 * SECONDS * 2.0 / 3.0 };
            let (client, door, mut bytes) = (client.clone(), doors[n % 3].clone(), jpeg.clone());
            let seed = if n % 10 < 3 { n % 24 } else { n + 1_000 };
            let end = bytes.len() - 8;
            bytes[end..].copy_from_slice(&(seed as u64).to_be_bytes());
            tokio::spawn(async move {
                tokio::time::sleep_until((begun + Duration::from_secs_f64(at)).into()).await;
                let start = Instant::now();
                loop {
                    let answer = client.post(&door.0).bearer_auth(&door.1).body(bytes.clone()).send().await.unwrap();
                    match answer.status().as_u16() {
                        201 => return Ok(start.elapsed().as_secs_f64()),
                        429 | 503 => tokio::time::sleep(Duration::from_secs(1)).await,
                        other => return Err(other),
                    }
                }
            })
        })
        .collect();
    let (mut times, mut errors) = (Vec::new(), 0);
    for sender in senders {
        match sender.await.unwrap() {
            Ok(seconds) => times.push(seconds),
            Err(_) => errors += 1,
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "an evening of {files} photos of 1 MiB in {SECONDS:.0} s (peak {:.0} per second), examined meanwhile: receipt after {:.0} ms, 95 % within {:.0} ms, all within {:.0} ms; {errors} errors",
        0.8 * files as f64 / (SECONDS / 3.0),
        at(0.5) * 1e3,
        at(0.95) * 1e3,
        at(1.0) * 1e3
    );
}

async fn on_s3(store: &str, scale: usize) {
    let blobs = store.replace("PREFIX", &format!("bench{}", std::process::id()));
    let server = measured_server(&[("TEMOIN_BLOBS", blobs)]).await;
    let door = submission(&server).await;
    for load in [
        Load { name: "one of 1 GiB", files: 1, bytes: 1024 * MIB / scale, lanes: 1 },
        Load { name: "20 of 60 MiB, 8 connections", files: (20 / scale).max(8), bytes: 60 * MIB, lanes: 8 },
        Load { name: "400 of 3 MiB, 32 connections", files: 400 / scale, bytes: 3 * MIB, lanes: 32 },
    ] {
        let before = server.cpu_s();
        let seconds = send(&door, load, Way::Plain, 0).await;
        let cpu = server.cpu_s() - before;
        let again = send(&door, load, Way::Plain, 0).await;
        let mb = (load.files * load.bytes) as f64 / 1e6;
        println!(
            "S3 (Garage): {:<30} {:>6.0} MB/s, {:.2} CPU-s/GB ours; the same bytes again {:.0} MB/s",
            load.name,
            mb / seconds,
            cpu / (mb / 1e3),
            mb / again
        );
    }
    println!("S3: peak memory {:.0} MB", server.rss_mb().1);
}
