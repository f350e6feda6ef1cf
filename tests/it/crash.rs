//! `kill -9` at random moments of a stream of uploads, then a restart: nothing acknowledged is missing, nothing
//! unacknowledged is shown, the log verifies.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::files::jpeg;
use crate::support::{Pair, Server, on_both, sha256, until};

on_both!(twenty_kills_lose_nothing, a_demonstration_goes_on);

const KILLS: u64 = 20;

async fn twenty_kills_lose_nothing(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("CRASH", &["--submission-files-max", "100000"]);
    let s = server.submission("CRASH", None).await;
    let acknowledged: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let attempted: Arc<Mutex<Vec<String>>> = Arc::default();
    for kill in 0..KILLS {
        let mut senders = Vec::new();
        for lane in 0..3u64 {
            let (acknowledged, attempted) = (acknowledged.clone(), attempted.clone());
            let (http, s) = (server.http.clone(), s.clone());
            let url = server.url(&format!("/api/v1/submissions/{}/files", s.id));
            senders.push(tokio::spawn(async move {
                for n in 0.. {
                    // Every third upload repeats bytes that are known already.
                    let seed = if n % 3 == 2 { 1 } else { kill * 100_000 + lane * 1_000 + n };
                    let bytes = jpeg(seed as u32, 40, 40);
                    let sha = sha256(&bytes);
                    attempted.lock().await.push(sha.clone());
                    let Ok(answer) = http.post(&url).bearer_auth(&s.token).body(bytes).send().await else { return };
                    if answer.status() != 201 {
                        return;
                    }
                    let Ok(body) = answer.json::<serde_json::Value>().await else { return };
                    assert_eq!(body["sha256"], sha);
                    acknowledged.lock().await.push((body["exhibit"].as_str().unwrap().to_owned(), sha));
                }
            }));
        }
        // Moments that differ from kill to kill, without a clock that decides the outcome: every second one comes when something was taken.
        if kill % 2 == 1 {
            let before = acknowledged.lock().await.len();
            until("somebody is served", async || acknowledged.lock().await.len() > before + 2).await;
        }
        tokio::time::sleep(Duration::from_millis(40 + kill * 37 % 260)).await;
        server.kill();
        for sender in senders {
            sender.await.unwrap();
        }
        server.run().await;
    }
    server.settled().await;
    let (_, shown) = server.get(&s.token, &format!("/api/v1/submissions/{}", s.id)).await;
    let shown: Vec<(String, String)> = shown["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["exhibit"].as_str().unwrap().to_owned(), f["sha256"].as_str().unwrap().to_owned()))
        .collect();
    let acknowledged = acknowledged.lock().await;
    let attempted = attempted.lock().await;
    assert!(acknowledged.len() > 20, "only {} uploads got through", acknowledged.len());
    for (id, sha) in acknowledged.iter() {
        assert!(shown.contains(&(id.clone(), sha.clone())), "acknowledged and lost: {id}");
    }
    // What is shown beyond that was committed, and its answer lost with the server: whole, and once an attempt.
    for (id, sha) in &shown {
        assert!(attempted.contains(sha), "{id} was never sent whole");
    }
    assert!(shown.len() <= attempted.len());
    server.assert_sound();
}

/// The demonstration is fed in the background: ended in its middle, the next start hands over the rest, and nothing twice.
async fn a_demonstration_goes_on(pair: Pair) {
    let mut server = Server::start_with(pair, &[("TEMOIN_DEMO", "true"), ("TEMOIN_NO_WORKER", "true")]).await;
    let fed = |server: &Server| server.query("SELECT COUNT(*) FROM exhibit").trim().parse::<u32>().unwrap();
    until("it is being fed", async || fed(&server) > 3).await;
    server.kill();
    if pair == Pair::Grown {
        // A commit that was asked for may still come.
        until("its connections have ended", async || {
            server.query("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'temoin'").trim()
                == "0"
        })
        .await;
    }
    let before = fed(&server);
    assert!(before < 304, "it was over before");
    server.run().await;
    // As long as it takes, while it becomes more.
    let mut now = before;
    while now < 304 {
        until("it goes on", async || fed(&server) > now).await;
        now = fed(&server);
    }
    assert!(server.log().contains(&format!("It was interrupted after {before} files, and goes on.")), "{}", server.log());
    assert_eq!(server.query("SELECT COUNT(DISTINCT name) FROM exhibit").trim(), "304");
    server.kill();
    server.run().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(fed(&server), 304, "it is there once");
}
