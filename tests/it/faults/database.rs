//! A PostgreSQL that restarts, refuses, is full, hangs, or is another one from now on.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use super::crowd::Crowd;
use super::relay::{Line, Mode};
use crate::cluster::Cluster;
use crate::support::{Pair, Server, Submission};

/// A server on a database of its own, reached over a line, and real S3.
async fn on(cluster: &Cluster, code: &str) -> (Server, Line, Submission) {
    cluster.sql("CREATE DATABASE agency");
    let line = Line::to(cluster.port).await;
    let mut server = Server::start(Pair::Grown).await;
    server.kill();
    server.reset();
    server.set("TEMOIN_DATABASE", Some(&format!("postgres://temoin@127.0.0.1:{}/agency", line.port)));
    server.run().await;
    server.appeal(code, &["--submission-files-max", "100000"]);
    let s = server.submission(code, None).await;
    (server, line, s)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_in_mid_transaction() {
    let cluster = Cluster::begun();
    let (mut server, _line, s) = on(&cluster, "RESTART").await;
    let crowd = Crowd::begin(&[server.base.clone()], &s, 4);
    for _ in 0..4 {
        crowd.served(6).await;
        cluster.stop();
        cluster.start();
    }
    crowd.served(3).await;
    assert!(crowd.end(&mut server).await >= 27);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_and_then_does_not_answer() {
    let cluster = Cluster::begun();
    let (mut server, line, s) = on(&cluster, "REFUSE").await;
    let crowd = Crowd::begin(&[server.base.clone()], &s, 4);
    crowd.served(3).await;
    line.set(Mode::Refuse);
    line.cut();
    crate::support::until("it says that it is not ready", async || {
        server.http.get(server.url("/readyz")).send().await.unwrap().status() == 503
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(server.http.get(server.url("/healthz")).send().await.unwrap().status(), 200, "and lives");
    line.set(Mode::Pass);
    crowd.served(3).await;
    // Worse: the connections stay, and nothing comes.
    line.set(Mode::Stall);
    let asked = std::time::Instant::now();
    assert_eq!(server.http.get(server.url("/readyz")).send().await.unwrap().status(), 503);
    assert!(asked.elapsed() < Duration::from_secs(15), "a load balancer would wait for {:?}", asked.elapsed());
    tokio::time::sleep(Duration::from_secs(2)).await;
    line.set(Mode::Pass);
    crowd.served(3).await;
    crowd.end(&mut server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn has_no_connection_left() {
    let cluster = Cluster::begun();
    cluster.sql("ALTER SYSTEM SET max_connections = 40");
    cluster.stop();
    cluster.start();
    let (mut server, _line, s) = on(&cluster, "FULL").await;
    let crowd = Crowd::begin(&[server.base.clone()], &s, 4);
    crowd.served(3).await;
    // Somebody else takes them all: whatever the server lets go of, too.
    let mut taken = vec![PgConnection::connect(&cluster.url("postgres")).await.unwrap()];
    let mut in_vain = 0;
    while in_vain < 20 {
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'temoin'")
            .execute(&mut taken[0])
            .await
            .unwrap();
        match PgConnection::connect(&cluster.url("postgres")).await {
            Ok(connection) => {
                in_vain = 0;
                taken.push(connection);
            }
            Err(_) => {
                in_vain += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    assert!(taken.len() > 30, "{}", taken.len());
    crate::support::until("it says that it is not ready", async || {
        server.http.get(server.url("/readyz")).send().await.unwrap().status() == 503
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(taken);
    crowd.served(3).await;
    crowd.end(&mut server).await;
}

/// The primary dies under load, its standby takes its place, and has everything that was acknowledged: commits waited for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fails_over_to_a_synchronous_standby() {
    let primary = Cluster::begun();
    let (mut server, line, s) = on(&primary, "FAILOVER").await;
    let standby = primary.standby();
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    primary.sql("SELECT pg_reload_conf()");
    crate::support::until("commits wait for the standby", async || {
        primary.sql("SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
    })
    .await;
    let second = server.beside().await;
    let crowd = Crowd::begin(&[server.base.clone(), second.base.clone()], &s, 4);
    crowd.served(8).await;
    primary.stop();
    standby.sql("SELECT pg_promote()");
    line.lead_to(standby.port);
    crowd.served(8).await;
    drop(second);
    crowd.end(&mut server).await;
}

/// The primary dies, and a standby that lacks the last commits takes its place under a server that goes on running: it signs no second history,
/// says so, and puts the published entries back when it is asked to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fails_over_to_a_standby_that_lacks_commits() {
    let primary = Cluster::begun();
    let (mut server, line, s) = on(&primary, "LACKS").await;
    let standby = primary.standby();
    server.sent(&s, "a.jpg", crate::files::jpeg(1, 40, 40)).await;
    server.settled().await;
    let at = primary.sql("SELECT pg_current_wal_lsn()");
    crate::support::until("the standby has it", async || standby.sql(&format!("SELECT pg_last_wal_replay_lsn() >= '{at}'")) == "t").await;
    standby.sql("SELECT pg_wal_replay_pause()");
    crate::support::until("the standby stands", async || standby.sql("SELECT pg_get_wal_replay_pause_state()") == "paused").await;
    crate::support::until("the line is cut", async || {
        primary.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
        primary.sql("SELECT COUNT(*) FROM pg_stat_replication") == "0"
    })
    .await;
    server.sent(&s, "later.jpg", crate::files::jpeg(2, 40, 40)).await;
    server.settled().await;
    let published = || async {
        let (bucket, prefix, client) = super::store::client(&server.blobs_url());
        let listed = client.list_objects_v2().bucket(&bucket).prefix(format!("{prefix}published/")).send().await.unwrap();
        listed.contents().iter().map(|o| o.key().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = published().await;
    primary.stop();
    standby.sql("SELECT pg_wal_replay_resume()");
    standby.sql("SELECT pg_promote()");
    line.lead_to(standby.port);
    // It goes on taking files, and does not sign what would be another history.
    let mut sent = 0;
    crate::support::until("files are taken again", async || {
        sent += u32::from(server.try_send(&s, crate::files::jpeg(300 + sent, 40, 40)).await.is_some());
        sent > 3
    })
    .await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let (_, ready) = server.get("", "/readyz").await;
    let why = ready["log_stopped"].as_str().unwrap_or_default();
    assert!(why.contains("published"), "{ready}");
    assert_eq!(published().await, before, "nothing more was signed");
    server.kill();
    let recovered = server.cli(&["log", "recover"]);
    assert!(recovered.status.success(), "{}", String::from_utf8_lossy(&recovered.stderr));
    server.run().await;
    server.settled().await;
    let (code, report) = server.audit();
    let words: Vec<&str> = report["findings"].as_array().unwrap().iter().map(|f| f["what"].as_str().unwrap()).collect();
    assert!(
        code == 1 && words.iter().all(|w| *w == "exhibit-missing") && words.len() == 1,
        "the one that the standby lacked is named: {report}"
    );
}
