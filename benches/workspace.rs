//! The workspace's figures. `benches/README.md` says how to run this.
//!
//! - a filter with all its counts among 1,000,000 exhibits, on both databases, beside a plain loop over as many numbers;
//! - the workspace in a browser at 133,000 and 1,000,000: opening, jumps, gestures, memory;
//! - a Vienna-shaped appeal, fed and examined: how many contents a person must open.

#[allow(dead_code)]
mod harness;

use std::process::Command;
use std::time::Instant;

use harness::filled::{filled, p95, token, wait_for_jobs};
use harness::{median, number, runtime, submission, temoin};
use image::{Rgb, RgbImage};

fn main() {
    let parts: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let asked = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    runtime().block_on(async {
        let admin = std::env::var("TEMOIN_TEST_POSTGRES").ok();
        if asked("filter") {
            filter(None).await;
            match &admin {
                Some(admin) => filter(Some(admin)).await,
                None => println!("filter on PostgreSQL: not measured, run with infra/servers.sh"),
            }
        }
        if asked("grid") {
            for exhibits in [133_000, number("TEMOIN_BENCH_EXHIBITS", 1_000_000)] {
                grid(exhibits).await;
            }
        }
        if asked("vienna") {
            vienna().await;
        }
    });
}

/// The floor: one pass over as many lines of as many bytes, counting what lies in a stretch.
fn floor(lines: usize) -> f64 {
    let data: Vec<[u64; 16]> = (0..lines as u64).map(|n| [n; 16]).collect();
    let mut times = Vec::new();
    for round in 0..20 {
        let start = Instant::now();
        let n = std::hint::black_box(&data).iter().filter(|l| l[3] > round && l[7] < 900_000).count();
        std::hint::black_box(n);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    median(times)
}

async fn filter(admin: Option<&String>) {
    let exhibits = number("TEMOIN_BENCH_EXHIBITS", 1_000_000);
    let engine = if admin.is_some() { "PostgreSQL" } else { "SQLite" };
    let server = filled(admin, exhibits, true).await;
    let token = token(&server);
    let client = reqwest::Client::new();
    let ask = async |path: &str| {
        let start = Instant::now();
        let answer = client.get(format!("{}/api/v1/appeals/BENCH/{path}", server.base)).bearer_auth(&token).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let bytes = answer.bytes().await.unwrap();
        (start.elapsed().as_secs_f64() * 1e3, bytes)
    };
    // Rows that came by SQL just now are asked again for five minutes, as those that arrive are: a quiet appeal is measured, and the
    // database knows that it is one.
    server.sql("UPDATE exhibit SET changed_at = 1");
    server.sql("ANALYZE");
    let (first, packed) = ask("exhibits.index").await;
    println!(
        "{exhibits} exhibits on {engine}: the index, read and packed the first time, {first:.0} ms, {:.2} MB",
        packed.len() as f64 / 1e6
    );
    let (again, _) = ask("exhibits.index").await;
    println!("  again {again:.0} ms; the server has {:.0} MB", server.rss_mb().0);
    println!(
        "  a filter with all counts over HTTP, ms median and 95th percentile of 60; the floor, one pass over the lines: {:.1} ms",
        floor(exhibits)
    );
    for (words, query) in [
        ("no filter", ""),
        ("30 minutes", "from=2026-07-14T22:00:00Z&to=2026-07-14T22:30:00Z"),
        ("300 m", "near=48.85,2.35&radius_m=300"),
        ("each content once, photos, ready", "family=best&kind=photo&state=ready"),
        (
            "a polygon of twelve and 30 minutes",
            "from=2026-07-14T22:00:00Z&to=2026-07-14T22:30:00Z&within=48.84,2.33;48.85,2.32;48.86,2.33;48.87,2.34;48.86,2.35;48.87,2.36;48.86,2.37;48.85,2.38;48.84,2.37;48.845,2.36;48.84,2.35;48.835,2.34",
        ),
    ] {
        let mut times = Vec::new();
        for _ in 0..60 {
            times.push(ask(&format!("exhibits.counts?{query}")).await.0);
        }
        println!("  {words:<36} {:>7.1} {:>7.1}", median(times.clone()), p95(times));
    }
    println!("  a page of 50 with its custody event, ms median and 95th percentile of 40");
    for (words, query) in [
        ("no filter", ""),
        ("300 m and 30 minutes, by time", "near=48.85,2.35&radius_m=300&from=2026-07-14T22:00:00Z&to=2026-07-14T22:30:00Z&order=time"),
    ] {
        let mut times = Vec::new();
        for _ in 0..40 {
            times.push(ask(&format!("exhibits?{query}")).await.0);
        }
        println!("  {words:<36} {:>7.1} {:>7.1}", median(times.clone()), p95(times));
    }
}

async fn grid(exhibits: usize) {
    let server = filled(None, exhibits, true).await;
    server.sql("UPDATE exhibit SET changed_at = 1");
    server.cli(&["user", "add", "b", "--role", "investigator", "--password-stdin"], "correct horse battery");
    println!("the workspace of {exhibits} exhibits in headless Chromium, tiles without pictures");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/grid.mjs");
    let done = Command::new("node").args([script, &server.base, &exhibits.to_string()]).status().unwrap();
    assert!(done.success());
}

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn even(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A picture that nobody took: a sky, a row of houses with windows, people.
fn drawn(seed: u64) -> RgbImage {
    let mut c = Chance(seed.wrapping_mul(77_777_777) + 5);
    let (w, h) = (800u32, 600u32);
    let horizon = (0.3 + 0.4 * c.even()) * f64::from(h);
    let sky = 40.0 + 160.0 * c.even();
    let houses: Vec<(f64, f64, f64, f64)> = (0..9)
        .map(|n| {
            (f64::from(n) * 90.0 + 30.0 * c.even(), 60.0 + 90.0 * c.even(), horizon - 40.0 - 260.0 * c.even(), 30.0 + 200.0 * c.even())
        })
        .collect();
    let things: Vec<(f64, f64, f64, f64)> =
        (0..16).map(|_| (c.even() * 800.0, c.even() * 600.0, 10.0 + 70.0 * c.even(), c.even() * 255.0)).collect();
    RgbImage::from_fn(w, h, |x, y| {
        let (fx, fy) = (f64::from(x), f64::from(y));
        let mut v = if fy < horizon { sky + 50.0 * fy / horizon } else { 90.0 + 60.0 * (fy - horizon) / (f64::from(h) - horizon) };
        for (from, width, top, grey) in &houses {
            if fx >= *from && fx < from + width && fy > *top && fy < horizon {
                v = if (fx - from) as u32 % 24 < 10 && (fy - top) as u32 % 34 < 16 { 235.0 - grey / 3.0 } else { *grey };
            }
        }
        for (a, b, r, grey) in &things {
            if (fx - a).abs() < *r && (fy - b).abs() < r * 0.7 {
                v = *grey;
            }
        }
        let v = v.clamp(0.0, 255.0) as u8;
        Rgb([v, v.saturating_sub(12), v.saturating_add(9)])
    })
}

fn jpeg(picture: &RgbImage, quality: u8) -> Vec<u8> {
    let mut out = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut out, quality).encode_image(picture).unwrap();
    out
}

/// One way in which a picture goes round.
fn passed_on(picture: &RgbImage, how: u64) -> Vec<u8> {
    let small = |px: u32| image::imageops::resize(picture, px, px * 3 / 4, image::imageops::FilterType::Triangle);
    match how % 5 {
        // The same file.
        0 | 1 => jpeg(picture, 90),
        // A messenger's copy, and one of that.
        2 => jpeg(&small(640), 70),
        3 => jpeg(&small(480), 60),
        // A bit is lost at the edge.
        _ => jpeg(&image::imageops::crop_imm(picture, 4, 3, 792, 594).to_image(), 80),
    }
}

/// Vienna 2020: 24,000 uploads, single ones up to a hundred times. Here the content of rank n comes 100/√n times, a quarter of all uploads
/// are repeats; how large is set, and the shape stays: the head grows with the root of it.
async fn vienna() {
    let uploads = number("TEMOIN_BENCH_UPLOADS", 2_000);
    let server = temoin(None, &[]).await;
    let mut c = Chance(2020);
    let mut copies: Vec<usize> = Vec::new();
    let mut left = uploads;
    let most = (100.0 * (uploads as f64 / 24_000.0).sqrt()).round().max(2.0);
    for rank in 1u32.. {
        if left == 0 {
            break;
        }
        let n = ((most / f64::from(rank).sqrt()) as usize).max(1).min(left);
        copies.push(n);
        left -= n;
    }
    let mut queue: Vec<(u64, u64)> =
        copies.iter().enumerate().flat_map(|(content, n)| (0..*n).map(move |k| (content as u64, k as u64))).collect();
    for n in (1..queue.len()).rev() {
        queue.swap(n, (c.next() % (n as u64 + 1)) as usize);
    }
    let client = reqwest::Client::new();
    let door = submission(&server).await;
    let start = Instant::now();
    for (content, copy) in queue {
        let picture = drawn(content);
        let body = if copy == 0 { jpeg(&picture, 90) } else { passed_on(&picture, content.wrapping_mul(31) + copy) };
        let sent = client.post(&door.0).bearer_auth(&door.1).body(body).send().await.unwrap();
        assert!(sent.status().is_success(), "{}", sent.status());
    }
    wait_for_jobs(&server).await;
    let seconds = start.elapsed().as_secs_f64();
    let token = token(&server);
    let counts: serde_json::Value = client
        .get(format!("{}/api/v1/appeals/BENCH/exhibits.counts?family=best", server.base))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let found = counts["found"].as_u64().unwrap() as f64;
    println!("{uploads} uploads of {} contents, the most frequent {most} times, examined in {seconds:.0} s", copies.len());
    println!(
        "  contents to open: {found} ({:.1} % of the uploads; {:.1} % more than there are)",
        100.0 * found / uploads as f64,
        100.0 * (found / copies.len() as f64 - 1.0)
    );
    println!("  at ten seconds each: {:.1} hours instead of {:.1}", found * 10.0 / 3600.0, uploads as f64 * 10.0 / 3600.0);
}
