//! Memory does not grow with what is sent.

use reqwest::StatusCode;

use crate::support::{Pair, Server, on_both};

on_both!(a_large_upload_stays_small_in_memory);

/// 4 GiB on the disk; a tenth on the S3 server of the tests, which is the slow part there.
const LITE_BYTES: u64 = 4 << 30;
const GROWN_BYTES: u64 = 400 << 20;
const PEAK_ABOVE_IDLE_KB: u64 = 100 * 1024;

fn status_kb(pid: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|l| l.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn a_large_upload_stays_small_in_memory(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("LARGE", &[]);
    let s = server.submission("LARGE", None).await;
    server.sent(&s, "warm.bin", vec![1; 1 << 20]).await;
    server.settled().await;
    let bytes = if pair == Pair::Lite { LITE_BYTES } else { GROWN_BYTES };
    let idle = status_kb(server.pid(), "VmRSS");
    let chunk = bytes::Bytes::from(vec![0x5a; 1 << 20]);
    let stream = futures_util::stream::iter((0..bytes >> 20).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let answer = server
        .http
        .post(server.url(&format!("/api/v1/submissions/{}/files", s.id)))
        .bearer_auth(&s.token)
        .header("content-length", bytes)
        .body(reqwest::Body::wrap_stream(stream))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
    let peak = status_kb(server.pid(), "VmHWM");
    assert!(peak - idle < PEAK_ABOVE_IDLE_KB, "{} kB above idle", peak - idle);
    println!("{pair:?}: peak {} kB above idle", peak - idle);
}
