//! Resumable uploads, in both protocols, as clients meet them: the cases of the public conformance suites, restated, and
//! what phones do to a connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use data_encoding::BASE64;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::json;

use crate::support::{PATIENCE, Pair, Server, Submission, nothing_is_staged, on_both, sha256, until};

on_both!(
    tus_core_and_creation,
    tus_checksum_expiration_termination,
    the_ietf_draft,
    a_cut_and_a_kill_lose_no_acknowledged_byte,
    a_silent_connection_gives_way,
    two_writers_at_once,
    a_lost_last_answer,
    announcements_are_refused_before_bytes,
    nobody_learns_or_takes_what_is_not_theirs,
    half_sent_files_are_listed_and_swept,
    what_is_said_later_reaches_the_files,
    a_large_file_in_pieces,
    what_is_half_sent_counts_and_the_disk_keeps_its_reserve,
    a_file_beyond_four_gigabytes_is_cut_and_goes_on,
    a_header_that_stands_twice_is_refused,
);

const OCTETS: &str = "application/offset+octet-stream";

/// A tus client that says what it is told to and no more.
struct Tus<'a> {
    server: &'a Server,
    s: Submission,
}

impl<'a> Tus<'a> {
    async fn new(server: &'a Server, code: &str) -> Self {
        Self { server, s: server.submission(code, None).await }
    }

    fn ask(&self, method: &str, url: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.server.http.request(method, url).bearer_auth(&self.s.token).header("tus-resumable", "1.0.0")
    }

    fn post(&self) -> RequestBuilder {
        self.ask("POST", &self.server.url("/api/v1/uploads"))
    }

    async fn create(&self, length: u64) -> String {
        let answer = self.post().header("upload-length", length).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
        header(&answer, "location").unwrap()
    }

    fn patch(&self, url: &str, offset: u64, bytes: impl Into<reqwest::Body>) -> RequestBuilder {
        self.ask("PATCH", url).header("content-type", OCTETS).header("upload-offset", offset).body(bytes)
    }

    /// Status and offset.
    async fn head(&self, url: &str) -> (u16, Option<u64>) {
        let answer = self.ask("HEAD", url).send().await.unwrap();
        (answer.status().as_u16(), header(&answer, "upload-offset").map(|o| o.parse().unwrap()))
    }

    async fn files(&self) -> Vec<serde_json::Value> {
        let (_, shown) = self.server.get(&self.s.token, &format!("/api/v1/submissions/{}", self.s.id)).await;
        shown["files"].as_array().unwrap().clone()
    }
}

fn header(answer: &Response, name: &str) -> Option<String> {
    answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned())
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut x = seed | 1;
    (0..length)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as u8
        })
        .collect()
}

async fn tus_core_and_creation(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("TUS", &[]);
    let tus = Tus::new(&server, "TUS").await;
    let base = server.url("/api/v1/uploads");

    let options = server.http.request(Method::OPTIONS, &base).send().await.unwrap();
    assert_eq!(options.status(), 200);
    assert_eq!(header(&options, "tus-version").unwrap(), "1.0.0");
    for extension in ["creation", "creation-with-upload", "creation-defer-length", "checksum", "expiration", "termination"] {
        assert!(header(&options, "tus-extension").unwrap().split(',').any(|e| e == extension), "{extension}");
    }
    assert!(header(&options, "tus-checksum-algorithm").unwrap().split(',').any(|a| a == "sha1"));

    // Versions.
    for version in [None, Some("99.99.99"), Some("0.0.1")] {
        let mut ask = server.http.post(&base).bearer_auth(&tus.s.token).header("upload-length", 1);
        if let Some(version) = version {
            ask = ask.header("tus-resumable", version);
        }
        let answer = ask.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "tus-version").as_deref()), (412, Some("1.0.0")));
    }
    let url = tus.create(12).await;
    assert!(url.starts_with("http://"), "{url}");
    for method in ["HEAD", "PATCH", "DELETE"] {
        let ask = server.http.request(Method::from_bytes(method.as_bytes()).unwrap(), &url).header("content-type", OCTETS);
        let answer = ask.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "tus-version").as_deref()), (412, Some("1.0.0")), "{method}");
    }

    // Creation: lengths and metadata.
    for wrong in ["-1", "1e9", "", "99999999999999999999", "9223372036854775808", "+5", "0x10"] {
        assert_eq!(tus.post().header("upload-length", wrong).send().await.unwrap().status(), 400, "{wrong:?}");
    }
    assert_eq!(tus.post().send().await.unwrap().status(), 400, "no length");
    assert_eq!(tus.post().header("upload-length", 5).header("upload-defer-length", 1).send().await.unwrap().status(), 400);
    assert_eq!(tus.post().header("upload-defer-length", 2).send().await.unwrap().status(), 400);
    assert_eq!(tus.post().header("upload-length", 5).header("upload-concat", "partial").send().await.unwrap().status(), 400);
    assert_eq!(tus.post().header("upload-length", 1u64 << 50).send().await.unwrap().status(), 413);
    for (metadata, status) in [
        ("filename %%%", 400),
        ("filename YQ==,filename YQ==", 400),
        ("sha256 YQ==", 400),
        ("bare", 201),
        ("filename ZS5qcGc=,filetype aW1hZ2UvanBlZw==", 201),
        ("filename Li4vLi4vZXRjL3Bhc3N3ZA==", 201),
    ] {
        let answer = tus.post().header("upload-length", 3).header("upload-metadata", metadata).send().await.unwrap();
        assert_eq!(answer.status(), status, "{metadata}");
    }
    // A megabyte of metadata is more than all headers may have together.
    let mut socket = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    let flood = format!("POST /api/v1/uploads HTTP/1.1\r\nHost: x\r\nUpload-Metadata: a {}\r\n\r\n", "A".repeat(1 << 20));
    let _ = socket.write_all(flood.as_bytes());
    let mut answer = [0; 12];
    if socket.read_exact(&mut answer).is_ok() {
        assert_eq!(&answer, b"HTTP/1.1 431");
    }

    // What is told of a new upload.
    let metadata = "filename w6kuanBn,x eA==";
    let ask = tus.post().header("upload-length", 12).header("upload-metadata", format!("{metadata},token c2VjcmV0")).send().await.unwrap();
    let url = header(&ask, "location").unwrap();
    let head = tus.ask("HEAD", &url).send().await.unwrap();
    assert_eq!(head.status(), 200);
    for (name, value) in [
        ("upload-offset", "0"),
        ("upload-length", "12"),
        ("upload-metadata", metadata),
        ("cache-control", "no-store"),
        ("tus-resumable", "1.0.0"),
    ] {
        assert_eq!(header(&head, name).unwrap(), value, "{name}");
    }

    // Appending.
    for content_type in [None, Some("text/plain")] {
        let mut ask = tus.ask("PATCH", &url).header("upload-offset", 0).body("x");
        if let Some(t) = content_type {
            ask = ask.header("content-type", t);
        }
        assert_eq!(ask.send().await.unwrap().status(), 415);
    }
    assert_eq!(tus.ask("PATCH", &url).header("content-type", OCTETS).body("x").send().await.unwrap().status(), 400, "no offset");
    let answer = tus.patch(&url, 5, "x").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "upload-offset").as_deref()), (409, Some("0")));
    assert_eq!(header(&answer, "tus-resumable").as_deref(), Some("1.0.0"));
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((problem["expected-offset"].as_u64(), problem["provided-offset"].as_u64()), (Some(0), Some(5)));
    assert_eq!(tus.patch(&url, 0, "much too long for it").send().await.unwrap().status(), 413);
    assert_eq!(tus.head(&url).await, (200, Some(0)));
    for (at, piece) in [(0u64, "Hello"), (5, ", "), (7, "tus!\n")] {
        let answer = tus.patch(&url, at, piece).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "upload-offset").unwrap()), (204, (at + piece.len() as u64).to_string()));
        assert_eq!(tus.patch(&url, at, piece).send().await.unwrap().status(), 409, "a stale offset");
    }
    let head = tus.ask("HEAD", &url).send().await.unwrap();
    assert_eq!((header(&head, "upload-offset").unwrap(), header(&head, "upload-length").unwrap()), ("12".into(), "12".into()));
    let files = tus.files().await;
    assert_eq!(files.len(), 1);
    assert_eq!((files[0]["name"].as_str(), files[0]["sha256"].as_str()), (Some("é.jpg"), Some(&*sha256(b"Hello, tus!\n"))));

    // With the first bytes, whole and in part; nothing at all; a length said later.
    let answer = tus.post().header("upload-length", 3).header("content-type", "text/plain").body("abc").send().await.unwrap();
    assert_eq!(answer.status(), 415);
    for (body, length) in [("abc", 3), ("abc", 10)] {
        let answer = tus.post().header("upload-length", length).header("content-type", OCTETS).body(body).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "upload-offset").as_deref()), (201, Some("3")));
        assert_eq!(answer.headers().contains_key("repr-digest"), length == 3, "a whole file is acknowledged with its digest");
        assert_eq!(tus.head(&header(&answer, "location").unwrap()).await, (200, Some(3)));
    }
    assert_eq!(tus.post().header("upload-length", 2).header("content-type", OCTETS).body("abc").send().await.unwrap().status(), 413);
    let empty = tus.create(0).await;
    assert_eq!(tus.head(&empty).await, (200, Some(0)));
    assert_eq!(tus.files().await.len(), 3);
    let later = tus.post().header("upload-defer-length", 1).send().await.unwrap();
    let later = header(&later, "location").unwrap();
    let head = tus.ask("HEAD", &later).send().await.unwrap();
    assert_eq!((header(&head, "upload-defer-length").as_deref(), header(&head, "upload-length")), (Some("1"), None));
    assert_eq!(tus.patch(&later, 0, "12345").header("upload-length", 12).send().await.unwrap().status(), 204);
    assert_eq!(tus.patch(&later, 5, "x").header("upload-length", 200).send().await.unwrap().status(), 400, "a changed length");
    assert_eq!(tus.patch(&later, 5, "6789012").send().await.unwrap().status(), 204);
    assert_eq!(tus.files().await.len(), 4);

    // Where only GET and POST get through.
    let url = tus.create(2).await;
    let answer = tus
        .ask("POST", &url)
        .header("x-http-method-override", "PATCH")
        .header("content-type", OCTETS)
        .header("upload-offset", 0)
        .body("ok");
    assert_eq!(answer.send().await.unwrap().status(), 204);
    assert_eq!(tus.ask("POST", &url).send().await.unwrap().status(), 405);
    server.settled().await;
    server.assert_sound();
}

async fn tus_checksum_expiration_termination(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("SUM", &[]);
    let tus = Tus::new(&server, "SUM").await;
    let text = b"Hello, tus!\n";
    let url = tus.create(12).await;
    let sum = |algorithm: &str, digest: &[u8]| format!("{algorithm} {}", BASE64.encode(digest));
    let right = sum("sha256", &data_encoding::HEXLOWER.decode(sha256(text).as_bytes()).unwrap());
    let wrong = sum("sha256", &[0; 32]);
    for (checksum, status) in
        [("unknownalgo AAAAAAAAAA", 400), ("sha256", 400), ("sha256 ***", 400), (&*wrong, 460), ("sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAAA", 460)]
    {
        let answer = tus.patch(&url, 0, &text[..]).header("upload-checksum", checksum).send().await.unwrap();
        assert_eq!(answer.status(), status, "{checksum}");
        assert_eq!(tus.head(&url).await, (200, Some(0)), "{checksum}: nothing of it counts");
    }
    assert_eq!(tus.patch(&url, 0, &text[..]).header("upload-checksum", &right).send().await.unwrap().status(), 204);
    // In the creation, and after bytes that stay. One that fails leaves nothing that would hold a place.
    let spoilt = tus.post().header("upload-length", 12).header("content-type", OCTETS).header("upload-checksum", &wrong).body(&text[..]);
    assert_eq!(spoilt.send().await.unwrap().status(), 460);
    let (_, shown) = server.get(&tus.s.token, &format!("/api/v1/submissions/{}", tus.s.id)).await;
    assert_eq!(shown["unfinished"], json!([]));
    let answer = tus
        .post()
        .header("upload-length", 12)
        .header("content-type", OCTETS)
        .header("upload-checksum", "sha1 E7X121m3do5RTtnrOi5XTG9Uq0A=");
    assert_eq!(answer.body(&text[..]).send().await.unwrap().status(), 201);
    let url = tus.create(24).await;
    assert_eq!(tus.patch(&url, 0, &text[..]).send().await.unwrap().status(), 204);
    assert_eq!(tus.patch(&url, 12, &text[..]).header("upload-checksum", &wrong).send().await.unwrap().status(), 460);
    assert_eq!(tus.head(&url).await, (200, Some(12)));
    assert_eq!(tus.patch(&url, 12, &text[..]).header("upload-checksum", &right).send().await.unwrap().status(), 204);
    let twice = [&text[..], &text[..]].concat();
    assert!(tus.files().await.iter().any(|f| f["sha256"] == sha256(&twice)));

    // The whole file's digest, said in advance.
    for (digest, status) in [(sha256(text), 204), (sha256(b"another"), 422)] {
        let metadata = format!("sha256 {}", BASE64.encode(digest.as_bytes()));
        let answer = tus.post().header("upload-length", 12).header("upload-metadata", metadata).send().await.unwrap();
        let url = header(&answer, "location").unwrap();
        assert_eq!(tus.patch(&url, 0, &text[..]).send().await.unwrap().status(), status);
        assert_eq!(tus.head(&url).await.0, if status == 204 { 200 } else { 410 });
    }

    // Every answer says until when.
    let url = tus.create(12).await;
    for answer in [tus.ask("HEAD", &url).send().await.unwrap(), tus.patch(&url, 0, "Hello").send().await.unwrap()] {
        assert!(header(&answer, "upload-expires").unwrap().ends_with(" GMT"));
    }

    // Given up.
    assert_eq!(tus.ask("DELETE", &url).send().await.unwrap().status(), 204);
    assert_eq!(tus.head(&url).await.0, 410);
    assert_eq!(tus.patch(&url, 5, "x").send().await.unwrap().status(), 410);
    assert_eq!(tus.ask("DELETE", &url).send().await.unwrap().status(), 410);
    assert_eq!(tus.ask("DELETE", &server.url("/api/v1/uploads/nothing")).send().await.unwrap().status(), 404);
    // A file that arrived whole is an exhibit: only its upload's address goes.
    let before = tus.files().await.len();
    let url = tus.create(2).await;
    assert_eq!(tus.patch(&url, 0, "ok").send().await.unwrap().status(), 204);
    assert_eq!(tus.ask("DELETE", &url).send().await.unwrap().status(), 204);
    assert_eq!(tus.head(&url).await.0, 410);
    assert_eq!(tus.files().await.len(), before + 1);
    server.settled().await;
    server.assert_sound();
}

async fn the_ietf_draft(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("IETF", &["--file-bytes-max", "1000000"]);
    let s = server.submission("IETF", None).await;
    let base = server.url("/api/v1/uploads");
    let ask = |method: &str, url: &str| server.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url).bearer_auth(&s.token);
    let create = |complete: &str, length: Option<u64>, body: &'static str| {
        let mut r = ask("POST", &base).header("upload-complete", complete).body(body);
        if let Some(length) = length {
            r = r.header("upload-length", length);
        }
        r
    };
    let patch = |url: &str, offset: &str, complete: &str, body: Vec<u8>| {
        ask("PATCH", url)
            .header("content-type", "application/partial-upload")
            .header("upload-offset", offset)
            .header("upload-complete", complete)
            .body(body)
    };
    let head = async |url: &str| {
        let answer = ask("HEAD", url).send().await.unwrap();
        (answer.status().as_u16(), header(&answer, "upload-offset"), header(&answer, "upload-complete"), header(&answer, "upload-length"))
    };
    let problem = async |answer: Response, status: u16, name: &str| {
        assert_eq!(answer.status(), status);
        assert_eq!(header(&answer, "upload-complete").as_deref(), Some("?0"));
        let body: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(body["type"], format!("https://iana.org/assignments/http-problem-types#{name}"));
        body
    };

    let options = ask("OPTIONS", &base).send().await.unwrap();
    assert!(options.status().is_success() && header(&options, "upload-limit").unwrap().contains("min-size=0"));

    // Begun without bytes, carried on, whole when the client says so.
    let begun = create("?0", Some(100), "")
        .header("content-disposition", "inline; filename=\"é.mp4\"; filename*=UTF-8''%C3%A9.mp4")
        .send()
        .await
        .unwrap();
    assert_eq!((begun.status().as_u16(), header(&begun, "upload-complete").as_deref()), (201, Some("?0")));
    assert!(begun.headers().contains_key("upload-limit"));
    let url = header(&begun, "location").unwrap();
    assert_eq!(head(&url).await, (204, Some("0".into()), Some("?0".into()), Some("100".into())));
    assert_eq!(ask("GET", &url).send().await.unwrap().status(), 204);
    for wrong in ["upload-offset", "upload-complete"] {
        assert_eq!(ask("HEAD", &url).header(wrong, "?0").send().await.unwrap().status(), 400, "{wrong}");
    }
    assert_eq!(patch(&url, "0", "?0", vec![1; 32]).send().await.unwrap().status(), 204);
    let body = problem(patch(&url, "99", "?0", vec![1; 32]).send().await.unwrap(), 409, "mismatching-upload-offset").await;
    assert_eq!((body["expected-offset"].as_u64(), body["provided-offset"].as_u64()), (Some(32), Some(99)));
    for wrong in ["abc", "-1", "\"0\""] {
        assert_eq!(patch(&url, wrong, "?0", vec![1]).send().await.unwrap().status(), 400, "{wrong}");
    }
    assert_eq!(patch(&url, "32", "true", vec![1]).send().await.unwrap().status(), 400);
    let wrapped =
        ask("PATCH", &url).header("content-type", "text/plain").header("upload-offset", 32).header("upload-complete", "?0").body("x");
    assert_eq!(wrapped.send().await.unwrap().status(), 415);
    problem(patch(&url, "32", "?0", vec![1; 8]).header("upload-length", 50).send().await.unwrap(), 400, "inconsistent-upload-length").await;
    assert_eq!(patch(&url, "32", "?0", Vec::new()).send().await.unwrap().status(), 204, "nothing more, not yet whole");
    let done = patch(&url, "32", "?1", vec![1; 68]).send().await.unwrap();
    assert_eq!((done.status().as_u16(), header(&done, "upload-complete").as_deref()), (201, Some("?1")));
    let said: serde_json::Value = done.json().await.unwrap();
    assert_eq!((said["sha256"].as_str(), said["size"].as_u64()), (Some(&*sha256(&[1; 100])), Some(100)));
    assert_eq!(head(&url).await, (204, Some("100".into()), Some("?1".into()), Some("100".into())));
    let again = patch(&url, "100", "?1", Vec::new()).send().await.unwrap();
    assert_eq!((again.status().as_u16(), again.json::<serde_json::Value>().await.unwrap()), (201, said), "a lost answer is given again");
    assert_eq!(patch(&url, "100", "?0", vec![1]).send().await.unwrap().status(), 400);

    // In one go, with and without a length; too much; a wrong length; no length until the end.
    let whole = create("?1", Some(5), "hello").send().await.unwrap();
    assert_eq!((whole.status().as_u16(), header(&whole, "upload-complete").as_deref()), (201, Some("?1")));
    assert_eq!(create("?1", None, "hello").send().await.unwrap().status(), 201);
    assert_eq!(create("?1", Some(0), "").send().await.unwrap().status(), 201);
    problem(create("?1", Some(100), "hello").send().await.unwrap(), 400, "inconsistent-upload-length").await;
    let large = create("?0", Some(1_000_001), "").send().await.unwrap();
    assert_eq!(large.status(), 413);
    assert!(header(&large, "upload-limit").unwrap().contains("max-size=1000000"));
    assert_eq!(create("maybe", Some(5), "hello").send().await.unwrap().status(), 400);
    let open = header(&create("?0", None, "").send().await.unwrap(), "location").unwrap();
    assert_eq!(head(&open).await.3, None);
    assert_eq!(patch(&open, "0", "?1", vec![2; 50]).send().await.unwrap().status(), 201);
    assert_eq!(head(&open).await.3.as_deref(), Some("50"));
    // Bytes beyond the length end the upload for good.
    let over = header(&create("?0", Some(50), "").send().await.unwrap(), "location").unwrap();
    problem(patch(&over, "0", "?0", vec![3; 100]).send().await.unwrap(), 400, "inconsistent-upload-length").await;
    assert_eq!(head(&over).await.0, 410);

    // Digests of one request and of the whole.
    let digest = |bytes: &[u8]| format!("sha-256=:{}:", BASE64.encode(&data_encoding::HEXLOWER.decode(sha256(bytes).as_bytes()).unwrap()));
    assert_eq!(create("?1", None, "hello").header("content-digest", digest(b"hello")).send().await.unwrap().status(), 201);
    problem(create("?1", None, "hello").header("content-digest", digest(b"other")).send().await.unwrap(), 400, "digest-mismatched-values")
        .await;
    assert_eq!(create("?1", None, "hello").header("repr-digest", digest(b"hello")).send().await.unwrap().status(), 201);
    assert_eq!(create("?1", None, "hello").header("repr-digest", digest(b"other")).send().await.unwrap().status(), 422);

    // Given up.
    let url = header(&create("?0", Some(10), "").send().await.unwrap(), "location").unwrap();
    assert_eq!(ask("DELETE", &url).send().await.unwrap().status(), 204);
    assert_eq!(head(&url).await.0, 410);
    assert_eq!(patch(&url, "0", "?0", vec![1]).send().await.unwrap().status(), 410);
    assert_eq!(ask("DELETE", &format!("{base}/nothing")).send().await.unwrap().status(), 404);
    server.settled().await;
    server.assert_sound();
}

async fn a_cut_and_a_kill_lose_no_acknowledged_byte(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("CUT", &[]);
    let s = server.submission("CUT", None).await;
    // More than one part on S3, and a tail.
    let file = noise(7, 21_000_003);
    let url = {
        let tus = Tus { server: &server, s: s.clone() };
        tus.create(file.len() as u64).await
    };
    let mut offset = 0u64;
    for (n, cut) in [700_001usize, 9_000_000, 123, 5_000_000].into_iter().enumerate() {
        let tus = Tus { server: &server, s: s.clone() };
        let end = (offset as usize + cut).min(file.len() - 1);
        Hanging::patch(&server, &s, &url, offset, file.len() as u64 - offset, &file[offset as usize..end]).await.close();
        let (status, kept) = tus.head(&url).await;
        let kept = kept.unwrap();
        assert_eq!(status, 200);
        // A question ends a request that is still being read; what it had read is kept, and nothing else.
        assert!((offset..=end as u64).contains(&kept), "{offset}..{end}: {kept}");
        assert!(kept > offset || cut < 1000, "something was kept");
        offset = kept;
        if n % 2 == 1 {
            // What was told stays true when the server dies right after.
            server.kill();
            server.run().await;
            let tus = Tus { server: &server, s: s.clone() };
            assert_eq!(tus.head(&url).await, (200, Some(offset)));
        }
    }
    let tus = Tus { server: &server, s: s.clone() };
    let done = tus.patch(&url, offset, file[offset as usize..].to_vec()).send().await.unwrap();
    assert_eq!(done.status(), 204);
    let files = tus.files().await;
    assert_eq!(files.len(), 1);
    assert_eq!(files[0]["sha256"], sha256(&file));
    server.settled().await;
    server.assert_sound();
    if pair == Pair::Grown {
        another_node_takes_over(&server).await;
    } else {
        nothing_is_staged(&server).await;
    }
}

/// Two nodes on one database and one bucket: what one has acknowledged, the other goes on with.
async fn another_node_takes_over(server: &Server) {
    let other = server.beside().await;
    let here = Tus::new(server, "CUT").await;
    let there = Tus { server: &other, s: here.s.clone() };
    let file = noise(8, 10_000_000);
    let url = here.create(file.len() as u64).await;
    assert_eq!(here.patch(&url, 0, file[..9_000_000].to_vec()).send().await.unwrap().status(), 204);
    let path = url.split_once("/api/").unwrap().1;
    let there_url = other.url(&format!("/api/{path}"));
    assert_eq!(there.head(&there_url).await, (200, Some(9_000_000)));
    assert_eq!(there.patch(&there_url, 9_000_000, file[9_000_000..].to_vec()).send().await.unwrap().status(), 204);
    assert_eq!(here.files().await[0]["sha256"], sha256(&file));
    // A node that still holds an old connection can write nothing more.
    let url = here.create(100).await;
    let stale = Hanging::patch(server, &here.s, &url, 0, 100, b"0123456789").await;
    let there_url = other.url(&format!("/api/{}", url.split_once("/api/").unwrap().1));
    assert_eq!(there.patch(&there_url, 0, vec![9; 60]).send().await.unwrap().status(), 204);
    stale.close();
    assert_eq!(there.head(&there_url).await, (200, Some(60)));
    assert_eq!(here.patch(&url, 60, vec![9; 40]).send().await.unwrap().status(), 204);
    assert!(here.files().await.iter().any(|f| f["sha256"] == sha256(&[9; 100])));
}

/// A phone that lost its network: the connection is open, half a body is sent, and nothing more comes.
struct Hanging(TcpStream);

impl Hanging {
    async fn patch(server: &Server, s: &Submission, url: &str, offset: u64, length: u64, bytes: &[u8]) -> Self {
        let mut socket = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
        let path = &url[url.find("/api/").unwrap()..];
        let head = format!(
            "PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nAuthorization: Bearer {}\r\nContent-Type: {OCTETS}\r\nUpload-Offset: {offset}\r\nContent-Length: {length}\r\n\r\n",
            s.token
        );
        let generation = || server.query(&format!("SELECT generation FROM upload WHERE id = {}", blob(server.pair, &uuid_of(url))));
        let (before, told) = (generation(), Self::told(server, s).await);
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(bytes).unwrap();
        // Whoever asks next ends it: so not before it has begun, and has taken what came. (The witness is told of more than some bytes.)
        until("it has begun", async || generation() != before).await;
        if bytes.len() >= 1000 {
            until("it has taken something", async || Self::told(server, s).await != told).await;
        }
        Self(socket)
    }

    /// What the witness is told of how far it is.
    async fn told(server: &Server, s: &Submission) -> String {
        let mut page = server.http.get(server.url(&format!("/r/{}/progress?lang=en", s.receipt))).send().await.unwrap();
        assert_eq!(page.status(), 200);
        String::from_utf8(page.chunk().await.unwrap().unwrap().to_vec()).unwrap()
    }

    fn close(self) {
        drop(self.0);
    }
}

async fn a_silent_connection_gives_way(pair: Pair) {
    // Nobody waits that long: who takes over does not wait for the old one to time out.
    let server = Server::start_with(pair, &[("TEMOIN_LIMITS__IDLE_SECONDS", "600")]).await;
    server.appeal("HANG", &[]);
    let tus = Tus::new(&server, "HANG").await;
    let file = noise(9, 300_000);
    let url = tus.create(file.len() as u64).await;
    let stale = Hanging::patch(&server, &tus.s, &url, 0, file.len() as u64, &file[..100_000]).await;
    until("it has taken all that came", async || Hanging::told(&server, &tus.s).await.contains("100.0\u{a0}kB")).await;
    let (status, offset) = tokio::time::timeout(PATIENCE, tus.head(&url)).await.expect("the stale connection holds the upload");
    assert_eq!((status, offset), (200, Some(100_000)));
    assert_eq!(tus.patch(&url, 100_000, file[100_000..200_000].to_vec()).send().await.unwrap().status(), 204);
    // And without a question in between.
    let second = Hanging::patch(&server, &tus.s, &url, 200_000, 100_000, &[]).await;
    assert_eq!(tus.patch(&url, 200_000, file[200_000..].to_vec()).send().await.unwrap().status(), 204);
    assert_eq!(tus.files().await[0]["sha256"], sha256(&file));
    // What the stale one still has to say counts for nothing.
    for mut old in [stale, second] {
        let _ = old.0.write_all(&file[100_000..150_000]);
    }
    assert_eq!(tus.head(&url).await, (200, Some(300_000)));
    server.settled().await;
    server.assert_sound();
}

async fn two_writers_at_once(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("RACE", &[]);
    let tus = Tus::new(&server, "RACE").await;
    let mut whole = 0;
    for round in 0..5u8 {
        let url = tus.create(200_000).await;
        let asks: Vec<_> = (0..4u8).map(|n| tus.patch(&url, 0, vec![round * 4 + n; 200_000]).send()).collect();
        let answers: Vec<u16> = futures_util::future::join_all(asks).await.into_iter().map(|a| a.unwrap().status().as_u16()).collect();
        let winners = answers.iter().filter(|s| **s == 204).count();
        assert!(winners <= 1 && answers.iter().all(|s| [204, 409].contains(s)), "{answers:?}");
        let files = tus.files().await;
        assert_eq!(files.len(), whole + winners);
        whole += winners;
        if let Some(winner) = answers.iter().position(|s| *s == 204) {
            // Not a byte of another writer's.
            assert_eq!(files.last().unwrap()["sha256"], sha256(&vec![round * 4 + winner as u8; 200_000]));
        } else {
            // One was ended by a newer one when it had written a part: what it wrote stands, and is told.
            let (status, offset) = tus.head(&url).await;
            assert!(status == 200 && offset.is_some_and(|o| o < 200_000), "{offset:?}");
        }
    }
    // HEAD, PATCH and DELETE on top of one another: each has one of its answers, and the end is one of two.
    for _ in 0..5 {
        let url = tus.create(1_000_000).await;
        let (patch, head, delete) =
            tokio::join!(tus.patch(&url, 0, vec![1; 1_000_000]).send(), tus.ask("HEAD", &url).send(), tus.ask("DELETE", &url).send());
        assert!([204, 409, 410].contains(&patch.unwrap().status().as_u16()));
        assert!([200, 409, 410].contains(&head.unwrap().status().as_u16()));
        assert!([204, 409].contains(&delete.unwrap().status().as_u16()));
    }
    server.settled().await;
    server.assert_sound();
}

async fn a_lost_last_answer(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("LOST", &[]);
    let s = server.submission("LOST", None).await;
    let tus = Tus { server: &server, s: s.clone() };
    let url = tus.create(5).await;
    let first = tus.patch(&url, 0, "hello").send().await.unwrap();
    let receipt = [header(&first, "temoin-exhibit"), header(&first, "repr-digest"), header(&first, "temoin-received-at")];
    server.kill();
    server.run().await;
    let tus = Tus { server: &server, s };
    let again = tus.patch(&url, 5, "").send().await.unwrap();
    assert_eq!(again.status(), 204);
    assert_eq!([header(&again, "temoin-exhibit"), header(&again, "repr-digest"), header(&again, "temoin-received-at")], receipt);
    assert_eq!(tus.patch(&url, 5, "more").send().await.unwrap().status(), 409);
    assert_eq!(tus.files().await.len(), 1, "one file, one exhibit");
    // A server that died between the last byte and the end: the question for the offset makes up for it.
    let url = tus.create(6).await;
    assert_eq!(tus.patch(&url, 0, "hello").send().await.unwrap().status(), 204);
    server.sql(&format!("UPDATE upload SET length = 5 WHERE id = {}", blob(pair, &uuid_of(&url))));
    assert_eq!(tus.head(&url).await, (200, Some(5)));
    assert_eq!(tus.files().await.len(), 2);
    server.settled().await;
    server.assert_sound();
}

async fn announcements_are_refused_before_bytes(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal(
        "BUDGET",
        &["--file-bytes-max", "1000", "--submission-bytes-max", "2500", "--submission-files-max", "4", "--only", "photo,video"],
    );
    let tus = Tus::new(&server, "BUDGET").await;
    let begin = async |length: u64, filetype: &str| {
        let metadata = format!("filetype {}", BASE64.encode(filetype.as_bytes()));
        let answer = tus.post().header("upload-length", length).header("upload-metadata", metadata).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap())
    };
    let (status, text) = begin(1001, "video/mp4").await;
    assert_eq!(status, 413, "{text}");
    assert!(text.contains("\"max_bytes\":1000"), "{text}");
    let (status, text) = begin(10, "audio/ogg").await;
    assert_eq!(status, 415, "{text}");
    assert!(text.contains("/problems/kind-refused"), "{text}");
    // Announcements count before their bytes come.
    assert_eq!(begin(1000, "video/mp4").await.0, 201);
    assert_eq!(begin(1000, "application/octet-stream").await.0, 201);
    assert_eq!(begin(1000, "image/jpeg").await.0, 413);
    assert_eq!(begin(100, "image/jpeg").await.0, 201);
    assert_eq!(begin(100, "image/jpeg").await.0, 201);
    let (status, text) = begin(1, "image/jpeg").await;
    assert_eq!((status, text.contains("\"quota\":\"files\"")), (413, true), "{text}");
    // The same rule for a file in one request.
    let plain = server.http.post(server.url(&format!("/api/v1/submissions/{}/files", tus.s.id))).bearer_auth(&tus.s.token);
    assert_eq!(plain.header("content-type", "audio/ogg").body("x").send().await.unwrap().status(), 415);
    // Refusals are in the log.
    server.settled().await;
    server.assert_sound();
    // A closed appeal, and one that is only written.
    assert!(server.cli(&["appeal", "close", "BUDGET"]).status.success());
    let (status, text) = begin(1, "image/jpeg").await;
    assert_eq!((status, text.contains("appeal-closed")), (410, true));
    // No room on the disk.
    if pair == Pair::Lite {
        let full = Server::start_with(pair, &[("TEMOIN_LIMITS__FREE_BYTES_MIN", "9000000000000000000")]).await;
        full.appeal("FULL", &[]);
        let tus = Tus::new(&full, "FULL").await;
        let answer = tus.post().header("upload-length", 1).send().await.unwrap();
        assert_eq!(answer.status(), 507);
        assert!(answer.headers().contains_key("retry-after"));
    }
}

async fn nobody_learns_or_takes_what_is_not_theirs(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("MINE", &[]);
    let (mine, other) = (Tus::new(&server, "MINE").await, Tus::new(&server, "MINE").await);
    let url = mine.create(5).await;
    let (place, key) = url.rsplit_once('/').unwrap();
    // Another's secret, a wrong digest of the right id, an unknown id: one answer, byte for byte.
    let wrong_mac = format!("{place}/{}{}", &key[..32], "0".repeat(32));
    let unknown = format!("{place}/{}", "ab".repeat(32));
    let mut seen = Vec::new();
    for (tus, url) in [(&other, &url), (&mine, &wrong_mac), (&mine, &unknown), (&mine, &format!("{place}/x"))] {
        for method in ["HEAD", "PATCH", "DELETE"] {
            let answer = tus.ask(method, url).header("content-type", OCTETS).header("upload-offset", 0).send().await.unwrap();
            assert_eq!(answer.status(), 404, "{method} {url}");
            if method == "PATCH" {
                seen.push(answer.text().await.unwrap());
            }
        }
    }
    assert!(seen.iter().all(|s| *s == seen[0]), "{seen:?}");
    for method in ["POST", "PATCH"] {
        let wrong = server
            .http
            .request(Method::from_bytes(method.as_bytes()).unwrap(), server.url("/api/v1/uploads"))
            .header("tus-resumable", "1.0.0");
        let answer = wrong.bearer_auth("wrong").header("upload-length", 5).send().await.unwrap();
        assert_eq!(answer.status(), if method == "POST" { 404 } else { 405 });
    }
    // A submission id that is not the secret's own.
    let metadata = format!("submission {}", BASE64.encode(other.s.id.as_bytes()));
    assert_eq!(mine.post().header("upload-length", 5).header("upload-metadata", metadata).send().await.unwrap().status(), 404);
    // The address alone is enough, and so is the receipt; the token may stand in the metadata.
    let bare =
        server.http.patch(&url).header("tus-resumable", "1.0.0").header("content-type", OCTETS).header("upload-offset", 0).body("he");
    assert_eq!(bare.send().await.unwrap().status(), 204);
    let by_receipt = server.http.patch(&url).bearer_auth(&mine.s.receipt).header("tus-resumable", "1.0.0").header("content-type", OCTETS);
    assert_eq!(by_receipt.header("upload-offset", 2).body("llo").send().await.unwrap().status(), 204);
    let metadata = format!("token {}", BASE64.encode(other.s.token.as_bytes()));
    let answer = server.http.post(server.url("/api/v1/uploads")).header("tus-resumable", "1.0.0").header("upload-length", 5);
    let answer = answer.header("upload-metadata", metadata).header("content-type", OCTETS).body("hello").send().await.unwrap();
    // The same bytes as another's: nothing tells that they are known.
    assert_eq!(answer.status(), 201);
    let names: Vec<String> = answer.headers().keys().map(ToString::to_string).collect();
    let fresh = other.post().header("upload-length", 5).header("content-type", OCTETS).body("fresh").send().await.unwrap();
    assert_eq!(names, fresh.headers().keys().map(ToString::to_string).collect::<Vec<_>>());
    server.settled().await;
    server.assert_sound();
}

async fn half_sent_files_are_listed_and_swept(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("HALF", &["--half-sent-hours", "5"]);
    let tus = Tus::new(&server, "HALF").await;
    let ask = |name: &str| {
        tus.post()
            .header("upload-length", 20_000_000)
            .header("upload-metadata", format!("filename {},fingerprint bWFyaw==", BASE64.encode(name.as_bytes())))
    };
    let file = noise(3, 20_000_000);
    let url = header(&ask("half.mp4").send().await.unwrap(), "location").unwrap();
    assert_eq!(tus.patch(&url, 0, file[..9_000_000].to_vec()).send().await.unwrap().status(), 204);
    let kept = header(&ask("kept.mp4").send().await.unwrap(), "location").unwrap();
    assert_eq!(tus.patch(&kept, 0, file[..9_000_000].to_vec()).send().await.unwrap().status(), 204);

    // For the witness with the receipt, from any device.
    let (status, shown) = server.get(&tus.s.receipt, &format!("/api/v1/submissions/{}", tus.s.id)).await;
    assert_eq!(status, 200);
    let listed = &shown["unfinished"][0];
    assert_eq!(
        (listed["name"].as_str(), listed["offset"].as_u64(), listed["fingerprint"].as_str()),
        (Some("half.mp4"), Some(9_000_000), Some("mark"))
    );
    assert!(url.ends_with(listed["upload"].as_str().unwrap()));
    // For the operator.
    let lines = String::from_utf8(server.cli(&["appeal", "half-sent", "--json"]).stdout).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert!(lines.contains("\"name\":\"half.mp4\"") && lines.contains("9000000"), "{lines}");

    // Its time is over; the other's is not.
    let id = uuid_of(&url);
    server.sql(&format!("UPDATE upload SET expires_at = 1 WHERE id = {}", blob(pair, &id)));
    until("it is swept", async || {
        // (The first one may still run, and plan the next for later when it ends.)
        server.sql("UPDATE job SET run_at = 1 WHERE kind = 'sweep'");
        tus.head(&url).await.0 == 410
    })
    .await;
    assert_eq!(tus.head(&kept).await, (200, Some(9_000_000)));
    assert_eq!(tus.patch(&kept, 9_000_000, file[9_000_000..].to_vec()).send().await.unwrap().status(), 204);
    assert_eq!(tus.files().await[0]["sha256"], sha256(&file));
    server.settled().await;
    server.assert_sound();
    if pair == Pair::Lite {
        nothing_is_staged(&server).await;
    }
}

/// The id in an upload's address, in hexadecimal.
fn uuid_of(url: &str) -> String {
    url.rsplit('/').next().unwrap()[..32].to_owned()
}

fn blob(pair: Pair, hex: &str) -> String {
    match pair {
        Pair::Lite => format!("x'{hex}'"),
        Pair::Grown => format!("'\\x{hex}'::bytea"),
    }
}

async fn what_is_said_later_reaches_the_files(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("SAID", &[]);
    let token = server.token("investigator");
    let tus = Tus::new(&server, "SAID").await;
    let answer = tus.post().header("upload-length", 5).header("content-type", OCTETS).body("hello").send().await.unwrap();
    let exhibit = header(&answer, "temoin-exhibit").unwrap();
    let place = async || {
        server.settled().await;
        let (_, shown) = server.get(&token, &format!("/api/v1/exhibits/{exhibit}")).await;
        (shown["place"]["lat"].as_f64(), shown["place_claims"].as_array().map(Vec::len))
    };
    assert_eq!(place().await.0, None);
    let say = async |lat: f64| {
        let url = server.url(&format!("/api/v1/submissions/{}/statement", tus.s.id));
        let said = json!({"at_place": "no", "lat": lat, "lon": 2.4, "from": "2026-07-14T20:00:00Z"});
        let answer = server.http.put(url).bearer_auth(&tus.s.receipt).json(&said).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    };
    say(48.9).await;
    assert_eq!(place().await, (Some(48.9), Some(1)));
    // Said again: nothing new. Said otherwise: the last word counts, and the first stays.
    say(48.9).await;
    assert_eq!(place().await, (Some(48.9), Some(1)));
    say(48.8).await;
    assert_eq!(place().await, (Some(48.8), Some(2)));
    // What is not named stays: a page that cannot show a contact or a time again does not erase it.
    let url = server.url(&format!("/api/v1/submissions/{}/statement", tus.s.id));
    let answer = server.http.put(&url).bearer_auth(&tus.s.token).json(&json!({"contact": "0123", "words": "a van"})).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    let form = reqwest::multipart::Form::new().text("own", "yes").text("words", "a white van");
    let sent = server.http.post(server.url(&format!("/r/{}/send", tus.s.receipt))).multipart(form).send().await.unwrap();
    assert_eq!(sent.status(), 303);
    assert_eq!(place().await, (Some(48.8), Some(2)));
    // What is said is kept whole or refused, by its name: half an address would be none.
    for (field, chars) in [("words", 4_000), ("place_words", 4_000), ("contact", 200)] {
        let say = async |n: usize| {
            let body = json!({ field: "é".repeat(n) });
            let answer = server.http.put(&url).bearer_auth(&tus.s.token).json(&body).send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        };
        let (status, said) = say(chars + 1).await;
        assert!(status == 422 && said.contains(field) && said.contains(&chars.to_string()), "{field}: {status} {said}");
        assert_eq!(say(chars).await.0, 204, "{field}");
    }
    for body in [json!({"when": "0001-01-01T00:00"}), json!({"from": "0000-01-01T00:00:00+12:00"}), json!({"to": "1899-12-31T23:59:59Z"})] {
        assert_eq!(server.http.put(&url).bearer_auth(&tus.s.token).json(&body).send().await.unwrap().status(), 422, "{body}");
    }
    // A line break is one character, however it comes.
    let most = json!({"words": format!("{}x", "ab\r\n".repeat(1_333))});
    assert_eq!(server.http.put(&url).bearer_auth(&tus.s.token).json(&most).send().await.unwrap().status(), 204);
    let said = json!({"contact": "0123", "words": "a white van\r\nand a red one"});
    assert_eq!(server.http.put(&url).bearer_auth(&tus.s.token).json(&said).send().await.unwrap().status(), 204);
    server.sql("CREATE TABLE kept (n BIGINT CHECK (n = 1))");
    server.sql("INSERT INTO kept SELECT COUNT(*) FROM submission s JOIN identity i ON i.submission_id = s.id WHERE statement NOT LIKE '%0123%' AND statement LIKE '%a white van_nand a red one%' AND statement LIKE '%2026-07-14T20:00%'");
    server.assert_sound();
}

/// Several parts, many requests, a checksum on each: what the page's own client does with a video.
async fn a_large_file_in_pieces(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("BIG", &[]);
    let tus = Tus::new(&server, "BIG").await;
    let file = noise(11, 40_000_000);
    let url = tus.create(file.len() as u64).await;
    for (n, piece) in file.chunks(3_000_000).enumerate() {
        let sum = data_encoding::HEXLOWER.decode(sha256(piece).as_bytes()).unwrap();
        let ask =
            tus.patch(&url, n as u64 * 3_000_000, piece.to_vec()).header("upload-checksum", format!("sha256 {}", BASE64.encode(&sum)));
        assert_eq!(ask.send().await.unwrap().status(), 204, "piece {n}");
    }
    assert_eq!(tus.files().await[0]["sha256"], sha256(&file));
    // The same bytes again cost no stored byte, and are their own exhibit.
    let other = Tus::new(&server, "BIG").await;
    let url = other.create(file.len() as u64).await;
    assert_eq!(other.patch(&url, 0, file.clone()).send().await.unwrap().status(), 204);
    assert_eq!(other.files().await[0]["sha256"], sha256(&file));
    server.settled().await;
    server.assert_sound();
}

async fn what_is_half_sent_counts_and_the_disk_keeps_its_reserve(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("TIGHT", &["--appeal-bytes-max", "1000000"]);
    let (a, b) = (Tus::new(&server, "TIGHT").await, Tus::new(&server, "TIGHT").await);
    let (first, second) = (a.create(900_000).await, b.create(900_000).await);
    let file = noise(5, 900_000);
    assert_eq!(a.patch(&first, 0, file[..500_000].to_vec()).send().await.unwrap().status(), 204);
    // The other is told before its bytes flow, and the half-sent one is finished.
    let refused = b.patch(&second, 0, file.clone()).send().await.unwrap();
    assert_eq!(refused.status(), 413);
    assert!(refused.text().await.unwrap().contains("quota-exceeded"));
    let plain = server.send(&b.s, "late.jpg", vec![1; 600_000]).await;
    assert_eq!(plain.status(), 413, "nor by a file in one request");
    assert_eq!(a.patch(&first, 500_000, file[500_000..].to_vec()).send().await.unwrap().status(), 204);
    assert_eq!(a.files().await[0]["sha256"], sha256(&file));
    assert_eq!(b.post().header("upload-length", 200_000).send().await.unwrap().status(), 413, "nothing is left");
    if pair == Pair::Lite {
        // A length that the disk cannot hold beside its reserve.
        let free: u64 = {
            let said = std::process::Command::new("df").args(["--output=avail", "-B1"]).arg(server.dir.path()).output().unwrap();
            String::from_utf8_lossy(&said.stdout).lines().nth(1).unwrap().trim().parse().unwrap()
        };
        // Wide enough for what other tests write meanwhile.
        let margin = 15_000_000_000.min(free / 2);
        let reserve = (free - margin).to_string();
        let tight = Server::start_with(pair, &[("TEMOIN_LIMITS__FREE_BYTES_MIN", &reserve)]).await;
        // (Too much for the disk, and not for the appeal.)
        let wide = (4 * free).to_string();
        tight.appeal("DISK", &["--file-bytes-max", &wide, "--submission-bytes-max", &wide, "--appeal-bytes-max", &wide]);
        let tus = Tus::new(&tight, "DISK").await;
        assert_eq!(tus.post().header("upload-length", 2 * free).send().await.unwrap().status(), 507);
        assert_eq!(tus.post().header("upload-length", 1_000).send().await.unwrap().status(), 201);
    }
}

/// Numbers of more than 32 bits, a cut in the middle of them, and the same digest at the end.
async fn a_file_beyond_four_gigabytes_is_cut_and_goes_on(pair: Pair) {
    // A tenth on the S3 server of the tests, which is the slow part there.
    let (bytes, cut) = if pair == Pair::Lite { ((4u64 << 30) + 12_345, (4u64 << 30) + 5) } else { (400 << 20, 300 << 20) };
    let server = Server::start(pair).await;
    server.appeal("HUGE", &[]);
    let tus = Tus::new(&server, "HUGE").await;
    let url = tus.create(bytes).await;
    let piece = bytes::Bytes::from(noise(7, 1 << 20));
    let from = |start: u64, end: u64| {
        let piece = piece.clone();
        let starts = std::iter::successors(Some(start), move |at| Some(at - at % (1 << 20) + (1 << 20)).filter(|next| *next < end));
        let pieces = starts.map(move |at| {
            let begin = (at % (1 << 20)) as usize;
            let take = ((1 << 20) - begin).min((end - at) as usize);
            Ok::<_, std::io::Error>(piece.slice(begin..begin + take))
        });
        reqwest::Body::wrap_stream(futures_util::stream::iter(pieces))
    };
    // The body ends sooner than it says: a connection that broke.
    let broken = tus.patch(&url, 0, from(0, cut)).header("content-length", bytes).send().await;
    assert!(broken.is_err() || !broken.unwrap().status().is_success());
    let (_, offset) = tus.head(&url).await;
    let offset = offset.unwrap();
    assert!(offset > 0 && offset <= cut, "{offset}");
    assert_eq!(tus.patch(&url, offset, from(offset, bytes)).header("content-length", bytes - offset).send().await.unwrap().status(), 204);
    let mut hash = <sha2::Sha256 as sha2::Digest>::new();
    let mut at = 0;
    while at < bytes {
        let take = (bytes - at).min(1 << 20);
        sha2::Digest::update(&mut hash, &piece[..take as usize]);
        at += take;
    }
    let expected = data_encoding::HEXLOWER.encode(&sha2::Digest::finalize(hash));
    let files = tus.files().await;
    assert_eq!((files[0]["sha256"].as_str(), files[0]["size"].as_u64()), (Some(&*expected), Some(bytes)));
}

async fn a_header_that_stands_twice_is_refused(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("TWICE", &[]);
    let tus = Tus::new(&server, "TWICE").await;
    assert_eq!(tus.post().header("upload-length", 5).header("upload-length", 6).send().await.unwrap().status(), 400);
    let url = tus.create(5).await;
    let twice = tus.patch(&url, 0, "hello").header("upload-offset", 3).send().await.unwrap();
    assert_eq!(twice.status(), 400);
    assert_eq!(tus.head(&url).await, (200, Some(0)));
}
