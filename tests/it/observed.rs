//! What an operator sees from outside: numbers, traces, health, words; and what nobody must see there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::files::jpeg;
use crate::support::{Pair, Port, Server, on_both, until};

on_both!(numbers_are_on_a_listener_of_their_own, logs_name_nobody, health_and_doctor_say_what_is_wrong, traces_go_to_a_collector,);

async fn numbers_are_on_a_listener_of_their_own(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.kill();
    let held = Port::new();
    let port = held.number;
    server.set("TEMOIN_METRICS__LISTEN", Some(&format!("127.0.0.1:{port}")));
    server.run().await;
    server.appeal("COUNT", &[]);
    let s = server.submission("COUNT", None).await;
    for n in 0..3 {
        server.sent(&s, "a.jpg", jpeg(n, 60, 60)).await;
    }
    assert_eq!(server.send(&s, "empty", Vec::new()).await.status().as_u16() / 100, 2);
    assert_eq!(server.http.post(server.url("/api/v1/submissions/nobody/files")).body("x").send().await.unwrap().status().as_u16() / 100, 4);
    // What browsers report, in either form; and what strangers make up names no new series.
    for (report, kind) in [
        (r#"{"csp-report":{"effective-directive":"script-src-elem","document-uri":"https://x/r/SECRET"}}"#, "application/csp-report"),
        (
            r#"[{"type":"csp-violation","body":{"effectiveDirective":"script-src-elem"}},{"body":{"effectiveDirective":"x\"y"}}]"#,
            "application/reports+json",
        ),
        ("[[[", "application/csp-report"),
        ("", "text/plain"),
    ] {
        let sent = server.http.post(server.url("/policy-reports")).header("content-type", kind).body(report).send().await.unwrap();
        assert_eq!(sent.status(), 204, "{report}");
    }
    let huge = server.http.post(server.url("/policy-reports")).body("x".repeat(200_000)).send().await;
    assert!(huge.is_err() || huge.unwrap().status() == 413);
    server.settled().await;
    assert_eq!(server.cli(&["audit"]).status.code(), Some(0));
    server.settled().await;
    assert_eq!(server.http.get(server.url("/metrics")).send().await.unwrap().status(), 404, "never the public one");
    let text = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.unwrap().text().await.unwrap();
    let value = |line: &str| -> f64 {
        let found = text.lines().find(|l| l.starts_with(line)).unwrap_or_else(|| panic!("{line} is missing in {text}"));
        found.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!((value("temoin_exhibits_received_total ") - 4.0).abs() < 0.1);
    assert!(value("temoin_received_bytes_total ") > 1_000.0);
    assert!((value("temoin_receipt_seconds_count ") - 4.0).abs() < 0.1);
    assert!(value("temoin_http_requests_total{route=\"/api/v1/submissions/{id}/files\",method=\"POST\",status=\"201\"}") > 3.0);
    assert!(value("temoin_refusals_total{code=") > 0.0);
    assert!((value("temoin_policy_violations_total{directive=\"script-src-elem\"}") - 2.0).abs() < 0.1);
    assert!((value("temoin_policy_violations_total{directive=\"other\"}") - 1.0).abs() < 0.1 && !text.contains("SECRET"));
    assert!(value("temoin_jobs_done_total{kind=\"examine\",outcome=\"ok\"}") > 3.0);
    assert!((value("temoin_log_size ") - value("temoin_log_published_size ")).abs() < 0.1 && value("temoin_log_size ") > 5.0);
    assert!(value("temoin_log_lag_seconds_count ") > 5.0 && value("temoin_log_lag_seconds_bucket{le=\"+Inf\"}") > 5.0);
    for (line, wanted) in
        [("temoin_log_sequencer ", 1.0), ("temoin_log_stopped ", 0.0), ("temoin_database_up ", 1.0), ("temoin_audit_findings ", 0.0)]
    {
        assert!((value(line) - wanted).abs() < 0.1, "{line}");
    }
    assert!(value("temoin_store_request_seconds_count{what=\"keep\"}") > 3.0);
    assert!(value("process_resident_memory_bytes ") > 1e6);
    // Nothing that comes from people is a label.
    assert!(!text.contains("COUNT") && !text.contains(&s.id) && !text.contains("a.jpg"));
    // A worker has one, too.
    server.kill();
    let worker = server.cli_in_background(&["worker"]);
    until("the worker is counted", async || {
        let asked = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await;
        match asked {
            Ok(answer) => answer.text().await.unwrap().contains("temoin_database_up 1"),
            Err(_) => false,
        }
    })
    .await;
    drop(worker);
}

/// Whatever goes wrong, the log has no name of a file or a person, no words of a witness, no address, no receipt.
async fn logs_name_nobody(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.kill();
    server.set("RUST_LOG", Some("debug,hyper=info,sqlx=debug,aws=info,h2=info,rustls=info"));
    server.set("TEMOIN_TRUSTED_PROXIES", Some("[\"127.0.0.1/32\"]"));
    server.run().await;
    server.appeal("PRIVATE", &[]);
    let statement = json!({"words": "a red van", "place_words": "behind the Zebrafink bakery", "contact": "quokka@witness.example"});
    let s = server.submission("PRIVATE", Some(statement)).await;
    let from = |path: &str| server.http.post(server.url(path)).header("x-forwarded-for", "203.0.113.77");
    let file = format!("/api/v1/submissions/{}/files", s.id);
    let named = "attachment; filename=\"Wombat-Marsupial.jpg\"";
    let sent = from(&file).bearer_auth(&s.token).header("content-disposition", named).body(jpeg(1, 60, 60)).send().await.unwrap();
    assert_eq!(sent.status(), 201);
    // A file that no reader likes, a wrong digest, a wrong token, a login that fails.
    from(&file).bearer_auth(&s.token).header("content-disposition", named).body(&b"\xff\xd8\xff\xe0broken"[..]).send().await.unwrap();
    from(&file)
        .bearer_auth(&s.token)
        .header("content-disposition", named)
        .header("repr-digest", "sha-256=:AAAA:")
        .body("x")
        .send()
        .await
        .unwrap();
    from(&file).bearer_auth("wrong").body("x").send().await.unwrap();
    from("/login").form(&[("name", "Numbat-Echidna"), ("password", "Thylacine1936!")]).send().await.unwrap();
    server.http.get(server.url(&format!("/r/{}", s.receipt))).send().await.unwrap();
    server.settled().await;
    let log = server.log();
    assert!(log.len() > 1_000, "it logs something");
    for word in ["Wombat", "Zebrafink", "quokka", "203.0.113.77", "Numbat", "Thylacine", &s.receipt, &s.token, Server::PASSWORD] {
        assert!(!log.contains(word), "the log has {word}");
    }
    // Lines are for programs.
    let lines = log.lines().filter(|l| l.starts_with('{'));
    assert!(lines.clone().count() > 0 && lines.into_iter().all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()));
}

async fn health_and_doctor_say_what_is_wrong(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("HEALTH", &[]);
    assert_eq!(server.cli(&["health", &server.base]).status.code(), Some(0));
    let doctor = |server: &Server| {
        let done = server.cli(&["doctor", "--json"]);
        let text = String::from_utf8(done.stdout).unwrap();
        (done.status.code().unwrap(), text.lines().map(|l| serde_json::from_str(l).unwrap()).collect::<Vec<serde_json::Value>>())
    };
    let (_, checks) = doctor(&server);
    let words = |checks: &[serde_json::Value], name: &str| {
        checks.iter().filter(|c| c["check"] == name).map(|c| c["words"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
    };
    if pair == Pair::Grown {
        // Garage checks checksums and ignores conditions: it is told, not believed.
        let store = words(&checks, "store");
        assert!(store.contains("refuses bytes") && store.contains("ignores If-None-Match"), "{store}");
        assert!(words(&checks, "clock").contains("from the database's"), "{}", words(&checks, "clock"));
    }
    // Asked to end, it says so at once, and goes on meanwhile.
    server.kill();
    server.set("TEMOIN_LIMITS__DRAIN_SECONDS", Some("20"));
    server.run().await;
    std::process::Command::new("kill").arg(server.pid().to_string()).status().unwrap();
    until("it says that it is about to end", async || server.http.get(server.url("/readyz")).send().await.unwrap().status() == 503).await;
    assert_eq!(server.http.get(server.url("/healthz")).send().await.unwrap().status(), 200);
    let s = server.submission("HEALTH", None).await;
    assert_eq!(server.send(&s, "late.jpg", jpeg(5, 40, 40)).await.status(), 201, "for as long as balancers need");
    assert!(server.waits_for_end().await);
    assert_eq!(server.cli(&["health", &server.base]).status.code(), Some(1));
    // A store that is not there.
    server.set("TEMOIN_BLOBS", Some("s3://nowhere?endpoint=http://127.0.0.1:1&region=x"));
    let (code, checks) = doctor(&server);
    assert!(code == 1 && words(&checks, "start").contains("cannot be reached"), "{checks:?}");
}

async fn traces_go_to_a_collector(pair: Pair) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got: Arc<Mutex<Vec<u8>>> = Arc::default();
    let to = got.clone();
    let router = axum::Router::new().route(
        "/v1/traces",
        axum::routing::post(move |body: axum::body::Bytes| {
            let to = to.clone();
            async move {
                to.lock().unwrap().extend_from_slice(&body);
            }
        }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut server = Server::start(pair).await;
    server.kill();
    server.set("OTEL_EXPORTER_OTLP_ENDPOINT", Some(&format!("http://127.0.0.1:{port}")));
    server.run().await;
    server.appeal("TRACED", &[]);
    let s = server.submission("TRACED", None).await;
    server.sent(&s, "Wombat.jpg", jpeg(5, 40, 40)).await;
    server.settled().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.terminate().await;
    let got = got.lock().unwrap();
    let has = |word: &str| got.windows(word.len()).any(|w| w == word.as_bytes());
    assert!(has("/api/v1/submissions/{id}/files") && has("http.response.status_code") && has("examine"), "built without the feature otlp?");
    assert!(!has("TRACED") && !has(&s.id) && !has("Wombat"), "spans name nobody");
}
