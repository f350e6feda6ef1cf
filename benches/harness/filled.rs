//! A server whose appeal has as many exhibits as a figure needs, put there by SQL.

use std::process::Command;
use std::time::Duration;

use super::{Running, submission, temoin};

/// A server whose appeal BENCH has so many exhibits, shaped like a real one: 12 % without a time, 40 % without a place, most near the
/// window and the area; a family for every four. `recent`: all of them have changed a moment ago.
pub async fn filled(admin: Option<&String>, exhibits: usize, recent: bool) -> Running {
    let database = admin.map(|admin| {
        let name = format!("bench_{}_{exhibits}", std::process::id());
        assert!(Command::new("psql").args([admin, "-qc", &format!("CREATE DATABASE {name}")]).status().unwrap().success());
        format!("{}/{name}", admin.rsplit_once('/').unwrap().0)
    });
    let mut server = temoin(database, &[]).await;
    let door = submission(&server).await;
    reqwest::Client::new().post(&door.0).bearer_auth(&door.1).body("one").send().await.unwrap();
    // All others have its bytes: examined later, it would be examined for all of them.
    while server.query("SELECT COUNT(*) FROM job WHERE kind = 'examine'").trim() != "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Nobody writes beside what takes minutes.
    server.stop();
    let start = 1_784_059_200_000_000i64;
    let (series, id, chance) = if server.database.is_some() {
        (format!("generate_series(2, {exhibits}) AS s(n)"), "decode(md5(random()::text || n::text), 'hex')", "random()")
    } else {
        (
            format!("(WITH RECURSIVE s(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM s WHERE n < {exhibits}) SELECT n FROM s) s"),
            "randomblob(16)",
            "((random() & 1048575) / 1048576.0)",
        )
    };
    let changed = if recent { "received_at" } else { "1" };
    server.sql(&format!(
        "INSERT INTO exhibit (id, agency_id, appeal_id, submission_id, sha256, size, name, media_type, kind, state, received_at, t, t_hi, grade, \
           time_source, lat, lon, acc_m, place_source, closeness, by_time, by_arrival, examined_at, number, family, lead, lat_e7, lon_e7, \
           changed_at) \
         WITH x AS MATERIALIZED (SELECT e.*, s.n AS n, {chance} AS r, {chance} AS p, {chance} AS q, \
               CAST({start} + ({chance} - 0.3) * 10800000000 AS BIGINT) AS k FROM exhibit e, {series}) \
         SELECT {id}, agency_id, appeal_id, submission_id, sha256, size, name, media_type, CASE WHEN q < 0.1 THEN 'video' ELSE 'photo' END, \
           CASE WHEN r < 0.3 THEN 'not_relevant' ELSE 'ready' END, received_at + n, \
           CASE WHEN r < 0.12 THEN NULL ELSE k END, CASE WHEN r < 0.12 THEN NULL ELSE k + 60000000 END, \
           CASE WHEN r < 0.12 THEN NULL ELSE 'C' END, CASE WHEN r < 0.12 THEN NULL ELSE 'exif_original' END, \
           CASE WHEN p < 0.4 THEN NULL ELSE 48.85 + (p - 0.7) / 20 END, CASE WHEN p < 0.4 THEN NULL ELSE 2.35 + (q - 0.5) / 10 END, 5, \
           CASE WHEN p < 0.4 THEN NULL ELSE 'exif_gps' END, \
           CAST(q * 400000 AS BIGINT), k, -received_at - n, 1, n, n - n % 4 + 1, CASE WHEN n % 4 = 1 THEN 1 ELSE 0 END, \
           CASE WHEN p < 0.4 THEN NULL ELSE CAST((48.85 + (p - 0.7) / 20) * 10000000 AS BIGINT) END, \
           CASE WHEN p < 0.4 THEN NULL ELSE CAST((2.35 + (q - 0.5) / 10) * 10000000 AS BIGINT) END, {changed} \
         FROM x"
    ));
    server.sql(&format!("UPDATE appeal SET files_received = {exhibits}"));
    server.sql(if server.database.is_some() { "VACUUM ANALYZE exhibit" } else { "ANALYZE" });
    server.start_again().await;
    // What every start does once, among so many.
    wait_for_jobs(&server).await;
    server
}

pub async fn wait_for_jobs(server: &Running) {
    loop {
        let ready: serde_json::Value = reqwest::get(format!("{}/readyz", server.base)).await.unwrap().json().await.unwrap();
        if ready["jobs_waiting"].as_u64().unwrap() <= 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn token(server: &Running) -> String {
    server.cli(&["user", "add", "b", "--role", "investigator", "--password-stdin"], "correct horse battery");
    // A first look over millions of rows may hold the database for longer than a command waits.
    loop {
        let token = server.cli(&["token", "add", "b", "--purpose", "quality", "--reason", "benchmark"], "");
        if !token.is_empty() {
            return token;
        }
        server.cli(&["user", "add", "b", "--role", "investigator", "--password-stdin"], "correct horse battery");
    }
}

pub fn p95(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v[(v.len() * 95 / 100).min(v.len() - 1)]
}
