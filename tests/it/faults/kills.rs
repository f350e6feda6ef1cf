//! `kill -9`: at random moments, and between every two steps of a file's way.

use std::time::{Duration, Instant};

use super::crowd::Crowd;
use crate::files::jpeg;
use crate::support::{PATIENCE, Pair, Server, on_both};

on_both!(at_random_moments, between_steps, everything_left_over_goes_in_one_sweep);

/// A dozen on each pair in every run; `TEMOIN_TEST_KILLS=500` for a long one.
fn kills() -> u64 {
    std::env::var("TEMOIN_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
}

async fn at_random_moments(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("KILL", &["--submission-files-max", "1000000"]);
    let s = server.submission("KILL", None).await;
    let mut second = if pair == Pair::Grown { Some(server.beside().await) } else { None };
    let bases: Vec<String> = std::iter::once(&server.base).chain(second.as_ref().map(|s| &s.base)).cloned().collect();
    let crowd = Crowd::begin(&bases, &s, 4);
    for kill in 0..kills() {
        // Moments that differ from kill to kill; a node is killed while the other one goes on, or goes down itself.
        if kill % 3 == 1 {
            crowd.served(2).await;
        }
        tokio::time::sleep(Duration::from_millis(150 + kill * 397 % 900)).await;
        let node = if kill % 3 == 2 { second.as_mut().unwrap_or(&mut server) } else { &mut server };
        node.kill();
        node.run().await;
    }
    crowd.served(3).await;
    drop(second);
    assert!(crowd.end(&mut server).await > 20);
}

/// However much a long day of crashes has left.
async fn everything_left_over_goes_in_one_sweep(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.kill();
    server.sql(match pair {
        Pair::Lite => {
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)
             INSERT INTO keeping (id, blob_key, since) SELECT randomblob(16), printf('%064x', i), 0 FROM n"
        }
        Pair::Grown => {
            "INSERT INTO keeping (id, blob_key, since)
             SELECT decode(md5(i::text), 'hex'), 'blobs/' || lpad(to_hex(i), 64, '0'), 0 FROM generate_series(1, 1100) i"
        }
    });
    super::crowd::run_and_sweep(&mut server).await;
    assert_eq!(server.query("SELECT COUNT(*) FROM keeping").trim(), "0");
    server.assert_sound();
}

/// The process ends by itself at a named step (`src/steps.rs`), as without power.
async fn between_steps(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("STEPS", &["--submission-files-max", "100000"]);
    let s = server.submission("STEPS", None).await;
    let mut acknowledged = Vec::new();
    let steps = [
        "noted-keeping",
        "kept",
        "accepting",
        "accepted",
        "waiting",
        "placed",
        "committed",
        "entries-published",
        "checkpoint-published",
        "noted",
    ];
    for (n, step) in steps.into_iter().enumerate() {
        server.kill();
        server.set("TEMOIN_TEST_END_AT", Some(&format!("{step}:2")));
        server.start_unasked();
        let ended = async {
            let until = Instant::now() + PATIENCE;
            let mut k = 0;
            while Instant::now() < until {
                k += 1;
                if let Some(exhibit) = server.try_send(&s, jpeg(5_000 + n as u32 * 1_000 + k, 40, 40)).await {
                    acknowledged.push(exhibit);
                }
                if server.has_ended() {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            false
        };
        assert!(ended.await, "{step} was never reached: {}", server.log());
        server.set("TEMOIN_TEST_END_AT", None);
        server.run().await;
    }
    server.settled().await;
    let (_, shown) = server.get(&s.token, &format!("/api/v1/submissions/{}", s.id)).await;
    let shown: Vec<&str> = shown["files"].as_array().unwrap().iter().map(|f| f["exhibit"].as_str().unwrap()).collect();
    for exhibit in &acknowledged {
        assert!(shown.contains(&exhibit.as_str()), "acknowledged and lost: {exhibit}");
    }
    server.assert_sound();
    super::crowd::nothing_is_left_over(&mut server).await;
}
