//! Search at size. `benches/README.md` says how to run this.
//!
//! A page of 50 in each order, and counts with histogram and clusters, among 1,000,000 and 5,000,000 exhibits on both databases: for a tight, a
//! usual and a broad question. Over HTTP, on a warm cache; beside it, the smallest answer the same server gives. `-- sqlite` or `-- postgres`: one
//! of them alone.

#[allow(dead_code)]
mod harness;

use std::time::Instant;

use harness::filled::{filled, p95, token};
use harness::{median, number, runtime};

fn main() {
    let sizes = match number("TEMOIN_BENCH_EXHIBITS", 0) {
        0 => vec![1_000_000, 5_000_000],
        one => vec![one],
    };
    let named: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wanted = |engine: &str| named.is_empty() || named.iter().any(|n| n == engine);
    runtime().block_on(async {
        let admin = std::env::var("TEMOIN_TEST_POSTGRES").ok();
        if admin.is_none() && wanted("postgres") {
            println!("PostgreSQL: not measured, run with infra/servers.sh");
        }
        for size in sizes {
            if wanted("sqlite") {
                search(None, size).await;
            }
            if let Some(admin) = admin.as_ref().filter(|_| wanted("postgres")) {
                search(Some(admin), size).await;
            }
        }
    });
}

async fn search(admin: Option<&String>, exhibits: usize) {
    let engine = if admin.is_some() { "PostgreSQL" } else { "SQLite" };
    let server = filled(admin, exhibits, false).await;
    let token = token(&server);
    let client = reqwest::Client::new();
    let ask = async |path: &str| {
        let start = Instant::now();
        let answer = client.get(format!("{}{path}", server.base)).bearer_auth(&token).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let bytes = answer.bytes().await.unwrap();
        (start.elapsed().as_secs_f64() * 1e3, bytes)
    };
    let timed = async |path: String| {
        let mut times = Vec::new();
        let mut last = bytes::Bytes::new();
        for _ in 0..30 {
            let (took, answer) = ask(&path).await;
            times.push(took);
            last = answer;
        }
        (median(times.clone()), p95(times), last)
    };
    let (floor, ..) = timed("/version".into()).await;
    println!("\n{exhibits} exhibits on {engine}; ms, median and 95th percentile of 30; the smallest answer takes {floor:.2}");
    println!("  {:<30} {:>9} {:>15} {:>15} {:>15} {:>15}", "", "found", "by closeness", "by time", "by arrival", "overview");
    for (words, query) in [
        ("100 m and 5 minutes", "near=48.85,2.35&radius_m=100&from=2026-07-14T22:10:00Z&to=2026-07-14T22:15:00Z"),
        ("300 m and 30 minutes", "near=48.85,2.35&radius_m=300&from=2026-07-14T22:00:00Z&to=2026-07-14T22:30:00Z"),
        (
            "300 m, 30 minutes, ready photos",
            "near=48.85,2.35&radius_m=300&from=2026-07-14T22:00:00Z&to=2026-07-14T22:30:00Z&kind=photo&state=ready",
        ),
        ("30 minutes", "from=2026-07-14T22:00:00Z&to=2026-07-14T22:30:00Z"),
        ("3 km and 6 hours", "near=48.85,2.35&radius_m=3000&from=2026-07-14T19:00:00Z&to=2026-07-15T01:00:00Z"),
        ("everything", "a=b"),
    ] {
        let query = if query == "a=b" { "lang=en" } else { query };
        let mut line = String::new();
        for order in ["closeness", "time", "received"] {
            let (p50, p95, _) = timed(format!("/api/v1/appeals/BENCH/exhibits?{query}&order={order}")).await;
            line += &format!(" {:>15}", format!("{p50:.1} {p95:.1}"));
        }
        let (p50, p95, answer) = timed(format!("/api/v1/appeals/BENCH/exhibits.overview?{query}")).await;
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        println!("  {words:<30} {:>9}{line} {:>15}", answer["found"].as_u64().unwrap(), format!("{p50:.1} {p95:.1}"));
    }
}
