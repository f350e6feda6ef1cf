//! Two real stores, Garage (which the whole suite runs on) and Ceph's gateway, which differ in what they check, ignore and refuse: everything that
//! is sent, cut, finished, read in parts, encrypted and swept on one must hold on the other.

use serde_json::Value;

use crate::faults::crowd::Crowd;
use crate::files::jpeg;
use crate::support::{Pair, Server, Submission, sha256, unique};

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with infra/test.sh, which starts Ceph"))
}

/// The settings that lead to Ceph's gateway, a prefix of its own within the bucket that is named.
fn on_ceph(server: &mut Server, variable: &str, more: &str) {
    let url = env(variable).replace("PREFIX", &unique()) + more;
    server.set("TEMOIN_BLOBS", Some(&url));
    server.set("AWS_ACCESS_KEY_ID", Some(&env("CEPH_ACCESS_KEY_ID")));
    server.set("AWS_SECRET_ACCESS_KEY", Some(&env("CEPH_SECRET_ACCESS_KEY")));
}

async fn empty() -> Server {
    let mut server = Server::start(Pair::Grown).await;
    server.kill();
    server.reset();
    server
}

async fn original(server: &Server, token: &str, exhibit: &str, range: Option<&str>) -> (u16, Vec<u8>) {
    let mut ask = server.http.get(server.url(&format!("/api/v1/exhibits/{exhibit}/original"))).bearer_auth(token);
    if let Some(range) = range {
        ask = ask.header("range", range);
    }
    let answer = ask.send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

/// A witness's files of all sizes, in one request and in several, repeated, read back whole and in part, examined; nothing left over.
async fn works(mut server: Server) {
    server.run().await;
    server.appeal("STORES", &["--submission-files-max", "100000"]);
    let s = server.submission("STORES", None).await;
    let token = server.token("investigator");
    let sizes = [0usize, 1, 700_000, 8 << 20, (8 << 20) + 1, 21 << 20];
    let mut sent = Vec::new();
    for (n, size) in sizes.into_iter().enumerate() {
        let bytes: Vec<u8> = (0..size).map(|k| (k.wrapping_mul(31).wrapping_add(n) >> 3) as u8).collect();
        let body = server.sent(&s, "file.bin", bytes.clone()).await;
        assert_eq!(body["sha256"], sha256(&bytes));
        sent.push((body["exhibit"].as_str().unwrap().to_owned(), bytes));
    }
    for (exhibit, bytes) in &sent {
        let (status, back) = original(&server, &token, exhibit, None).await;
        assert!(status == 200 && back == *bytes, "{} bytes came back as {}", bytes.len(), back.len());
    }
    // Across the edge between two parts.
    let (exhibit, bytes) = &sent[5];
    let (from, to) = ((8 << 20) - 1_000, (8 << 20) + 1_000);
    let (status, part) = original(&server, &token, exhibit, Some(&format!("bytes={from}-{to}"))).await;
    assert!(status == 206 && part == bytes[from..=to]);
    // In many requests, cut between and within parts.
    let whole: Vec<u8> = (0..18_000_000u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let finished = in_pieces(&server, &s, &whole, &[3_000_000, 9_000_000, 9_000_001, 17_500_000]).await;
    assert_eq!(finished, sha256(&whole));
    // A photo has its pictures.
    let photo = server.sent(&s, "p.jpg", jpeg(4_242, 300, 200)).await;
    server.settled().await;
    let (_, shown) = server.get(&token, &format!("/api/v1/exhibits/{}", photo["exhibit"].as_str().unwrap())).await;
    assert!(shown["thumbnail"].is_string(), "{shown}");
    let crowd = Crowd::begin(&[server.base.clone()], &s, 3);
    for bytes in sent.iter().map(|(_, b)| b).chain([&whole]) {
        crowd.also_sent(&sha256(bytes), 1).await;
    }
    crowd.served(20).await;
    crowd.also_sent(photo["sha256"].as_str().unwrap(), 1).await;
    crowd.end(&mut server).await;
}

/// Sends a file over tus in as many requests as there are places to stop at; returns the hash that the server came to.
async fn in_pieces(server: &Server, s: &Submission, bytes: &[u8], stops: &[usize]) -> String {
    let ask =
        |method: reqwest::Method, url: String| server.http.request(method, url).bearer_auth(&s.token).header("tus-resumable", "1.0.0");
    let made = ask(reqwest::Method::POST, server.url("/api/v1/uploads")).header("upload-length", bytes.len()).send().await.unwrap();
    let url = made.headers()["location"].to_str().unwrap().to_owned();
    let mut at = 0;
    for stop in stops.iter().copied().chain([bytes.len()]) {
        let patch = ask(reqwest::Method::PATCH, url.clone())
            .header("content-type", "application/offset+octet-stream")
            .header("upload-offset", at)
            .body(bytes[at..stop].to_vec())
            .send()
            .await
            .unwrap();
        assert_eq!(patch.status(), 204);
        at = stop;
    }
    let (_, shown) = server.get(&s.token, &format!("/api/v1/submissions/{}", s.id)).await;
    shown["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f: &Value| f["sha256"].as_str().unwrap())
        .find(|h| *h == sha256(bytes))
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_garage() {
    works(empty().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_ceph_s_gateway() {
    let mut server = empty().await;
    on_ceph(&mut server, "TEMOIN_TEST_CEPH", "");
    // What it ignores is told: a SHA-256 beside the bytes. What it honours, too.
    let doctor = String::from_utf8(server.cli(&["doctor"]).stdout).unwrap();
    assert!(
        doctor.contains("ignores the SHA-256") && doctor.contains("signed instead") && doctor.contains("refuses to write over"),
        "{doctor}"
    );
    works(server).await;
}

/// With a key of ours the store cannot read what it keeps; without it nobody can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_our_own_key_on_both() {
    let key = data_encoding::BASE64.encode(&[9; 32]);
    for ceph in [false, true] {
        let mut server = empty().await;
        if ceph {
            on_ceph(&mut server, "TEMOIN_TEST_CEPH", "&sse=C");
        } else {
            let url = server.blobs_url() + "&sse=C";
            server.set("TEMOIN_BLOBS", Some(&url));
        }
        let refused = server.cli(&["serve"]);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("AWS_SSE_CUSTOMER_KEY"), "a key is asked for");
        server.set("AWS_SSE_CUSTOMER_KEY", Some(&key));
        server.run().await;
        server.appeal("SEALED", &[]);
        let s = server.submission("SEALED", None).await;
        let token = server.token("investigator");
        let large = vec![b'A'; 17 << 20];
        let small = server.sent(&s, "small.jpg", jpeg(3, 80, 80)).await;
        let big = server.sent(&s, "large.bin", large.clone()).await;
        let pieces: Vec<u8> = (0..10_000_000u32).map(|k| (k >> 7) as u8).collect();
        assert_eq!(in_pieces(&server, &s, &pieces, &[4_000_000]).await, sha256(&pieces));
        server.settled().await;
        assert_eq!(original(&server, &token, big["exhibit"].as_str().unwrap(), None).await, (200, large));
        assert_eq!(original(&server, &token, small["exhibit"].as_str().unwrap(), None).await.1, jpeg(3, 80, 80));
        server.assert_sound();
        // Another key, and it is no damage but a mistake, and said so.
        server.set("AWS_SSE_CUSTOMER_KEY", Some(&data_encoding::BASE64.encode(&[8; 32])));
        assert_ne!(server.cli(&["fixity"]).status.code(), Some(0));
        server.set("AWS_SSE_CUSTOMER_KEY", Some(&key));
        server.assert_sound();
    }
}

/// With a key of the store's key service; one that the service has not got stops the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_key_service_s_key_on_ceph() {
    let mut server = empty().await;
    on_ceph(&mut server, "TEMOIN_TEST_CEPH", "&sse=aws:kms&kms_key=nobody-s");
    let refused = server.cli(&["serve"]);
    assert_eq!(refused.status.code(), Some(3), "{}", String::from_utf8_lossy(&refused.stderr));
    let mut server = empty().await;
    on_ceph(&mut server, "TEMOIN_TEST_CEPH", "&sse=aws:kms&kms_key=temoin-key");
    let url = server.blobs_url();
    works(server).await;
    // The store itself says of each that it is sealed, and with which key: of what came in one request, in parts, and what we made.
    let (bucket, prefix, client) = crate::faults::store::client(&url);
    let all = client.list_objects_v2().bucket(&bucket).prefix(&prefix).send().await.unwrap();
    let keys: Vec<&str> = all.contents().iter().filter_map(|o| o.key()).filter(|k| k.contains("/blobs/")).collect();
    assert!(keys.len() > 8, "{keys:?}");
    for key in keys {
        let head = client.head_object().bucket(&bucket).key(key).send().await.unwrap();
        let sealed = (head.server_side_encryption().map(|s| s.as_str().to_owned()), head.ssekms_key_id().map(str::to_owned));
        assert_eq!(sealed, (Some("aws:kms".into()), Some("temoin-key".into())), "{key}");
    }
}

/// An encryption that was asked for and does not happen is not believed in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_store_does_not_encrypt_is_refused() {
    let mut server = empty().await;
    let url = server.blobs_url() + "&sse=AES256";
    server.set("TEMOIN_BLOBS", Some(&url));
    let refused = server.cli(&["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(3) && said.contains("does not encrypt"), "{said}");
    on_ceph(&mut server, "TEMOIN_TEST_CEPH", "&sse=AES256");
    let refused = server.cli(&["serve"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("does not encrypt"));
    server.set("TEMOIN_BLOBS", Some(&(env("TEMOIN_TEST_CEPH") + "&sse=rot13")));
    assert!(String::from_utf8_lossy(&server.cli(&["serve"]).stderr).contains("sse is AES256"));
}

/// What is published into a bucket with Object Lock stays: on a store that takes a lock seriously.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_log_stays_on_ceph() {
    let mut server = empty().await;
    on_ceph(&mut server, "TEMOIN_TEST_CEPH", "");
    let published = env("TEMOIN_TEST_CEPH_LOCKED").replace("PREFIX", &format!("log_{}", unique())) + "&lock_days=2";
    server.set("TEMOIN_LOG__PUBLISHED", Some(&published));
    server.run().await;
    server.appeal("LOCKED", &[]);
    let s = server.submission("LOCKED", None).await;
    server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await;
    server.events().await;
    let (bucket, prefix, client) = crate::faults::store::client(&published);
    let versions = client.list_object_versions().bucket(&bucket).prefix(&prefix).send().await.unwrap();
    assert!(versions.versions().len() > 2, "entries and checkpoints");
    for version in versions.versions().iter().filter(|v| v.key().unwrap().contains("/published/")) {
        let gone =
            client.delete_object().bucket(&bucket).key(version.key().unwrap()).version_id(version.version_id().unwrap()).send().await;
        assert!(gone.is_err(), "{} was deleted", version.key().unwrap());
    }
    server.assert_sound();
}
