//! What should not come, and comes. Answers are problem+json with a stable type for programs, plain pages for people;
//! never a 500, never a panic, never a lost acknowledged file.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::files::{Gps, jpeg, png_bomb, with_exif};
use crate::support::{Pair, Server, on_both, sha256};

on_both!(
    odd_files_are_kept_and_marked,
    odd_names_are_data,
    bodies_that_lie_leave_nothing,
    closed_unknown_and_spent,
    digests_are_checked,
    filters_and_json_that_make_no_sense,
    the_listener_is_strict,
    a_cut_form_keeps_what_was_whole
);

async fn problem(answer: reqwest::Response) -> (StatusCode, String) {
    let status = answer.status();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"], status.as_u16());
    (status, body["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned())
}

async fn odd_files_are_kept_and_marked(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("ODD", &[]);
    let token = server.token("investigator");
    let s = server.submission("ODD", None).await;
    let whole = jpeg(1, 200, 100);
    let loops = {
        // An IFD whose next IFD is itself.
        let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0".to_vec();
        tiff.extend(8u32.to_le_bytes());
        let length = (tiff.len() as u16 + 8).to_be_bytes();
        [&whole[..2], b"\xff\xe1", &length, b"Exif\0\0", &tiff, &whole[2..]].concat()
    };
    let hls = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n".to_vec();
    let files: Vec<(&str, Vec<u8>, Option<&str>, &str)> = vec![
        ("empty.jpg", vec![], Some("empty"), ""),
        ("truncated.jpg", whole[..whole.len() / 2].to_vec(), None, ""),
        ("page.jpg", b"<!DOCTYPE html><script>alert(1)</script>".to_vec(), Some("active-content"), "not-previewed"),
        ("drawing.jpg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec(), Some("active-content"), "not-previewed"),
        ("list.mp4", hls, Some("active-content"), "not-previewed"),
        ("polyglot.jpg", [whole.clone(), b"PK\x03\x04<script>alert(1)</script>".to_vec()].concat(), None, ""),
        ("bomb.png", png_bomb(), None, "refused-pixels"),
        ("loops.jpg", loops, None, ""),
        ("nan.jpg", with_exif(&whole, "0000:00:00 00:00:00", Some("+99:99"), 99, &Gps::Raw([(1, 0), (0, 0), (7, 0)])), None, ""),
        ("pole.jpg", with_exif(&whole, "2026:07:14 22:10:00", None, 1, &Gps::At(91.0, 181.0)), None, ""),
        ("null-island.jpg", with_exif(&whole, "2026:07:14 22:10:00", None, 1, &Gps::At(0.0, 0.0)), None, ""),
        ("junk.bin", (0..5_000u32).map(|n| (n * 7) as u8).collect(), Some("unknown-type"), "not-previewed"),
        ("box.mp4", b"\0\0\0\x18ftypisom\0\0\0\0isommp42\0\0\0\x01moov\0\0\0\0\0\0\0\x01".to_vec(), None, "no-moov"),
    ];
    let mut ids = Vec::new();
    for (name, bytes, ..) in &files {
        ids.push(server.sent(&s, name, bytes.clone()).await["exhibit"].as_str().unwrap().to_owned());
    }
    server.settled().await;
    for ((name, bytes, quarantine, note), id) in files.iter().zip(&ids) {
        let (status, one) = server.get(&token, &format!("/api/v1/exhibits/{id}")).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(one["state"], "ready", "{name}");
        assert_eq!(one["quarantine"].as_str(), *quarantine, "{name}");
        assert_eq!(one["sha256"], sha256(bytes), "{name}");
        assert!(note.is_empty() || one["notes"].to_string().contains(note), "{name}: {}", one["notes"]);
        // Whatever it is, it leaves as data, never as something that runs.
        let original = server.http.get(server.url(&format!("/exhibits/{id}/original"))).bearer_auth(&token).send().await.unwrap();
        assert_eq!(original.headers()["content-type"], "application/octet-stream");
        assert_eq!(original.headers()["x-content-type-options"], "nosniff");
        assert!(original.headers()["content-security-policy"].to_str().unwrap().starts_with("sandbox"));
        assert_eq!(&original.bytes().await.unwrap()[..], &bytes[..], "{name}");
        if quarantine.is_some() {
            for look in ["view", "thumbnail", "play"] {
                let answer = server.http.get(server.url(&format!("/exhibits/{id}/{look}"))).bearer_auth(&token).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{name} {look}");
            }
        }
    }
    let (_, pole) = server.get(&token, &format!("/api/v1/exhibits/{}", ids[9])).await;
    assert_eq!((&pole["place"], &pole["place_claims"][0]["status"]), (&Value::Null, &json!("impossible")));
    let (_, zero) = server.get(&token, &format!("/api/v1/exhibits/{}", ids[10])).await;
    assert_eq!((&zero["place"], &zero["place_claims"][0]["status"]), (&Value::Null, &json!("zero")));
    let (_, page) = server.get(&token, "/api/v1/appeals/ODD/exhibits?state=quarantined").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 5);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

async fn odd_names_are_data(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("NAMES", &[]);
    let token = server.token("investigator");
    let s = server.submission("NAMES", None).await;
    let long = "é".repeat(5_000);
    let encoded = |bytes: &[u8]| bytes.iter().map(|b| format!("%{b:02X}")).collect::<String>();
    let names: Vec<(Vec<u8>, &str)> = vec![
        (b"".to_vec(), "unnamed"),
        (b"../../etc/passwd".to_vec(), "passwd"),
        (b"a\0b.jpg".to_vec(), "a\u{2400}b.jpg"),
        (b"a\r\nSet-Cookie: x=1".to_vec(), "a\u{240d}\u{240a}Set-Cookie: x=1"),
        ("a\u{202e}gpj.exe".into(), "a\u{fffd}gpj.exe"),
        (b"\"><img src=x onerror=alert(1)>".to_vec(), "\"><img src=x onerror=alert(1)>"),
        (b"\xff\xfe.jpg".to_vec(), "\u{fffd}\u{fffd}.jpg"),
        (long.clone().into_bytes(), &long[..510]),
    ];
    for (n, (raw, expected)) in names.iter().enumerate() {
        let answer = server
            .http
            .post(server.url(&format!("/api/v1/submissions/{}/files", s.id)))
            .bearer_auth(&s.token)
            .header("content-disposition", format!("attachment; filename*=UTF-8''{}", encoded(raw)))
            .body(jpeg(n as u32, 16, 16))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let id = answer.json::<Value>().await.unwrap()["exhibit"].as_str().unwrap().to_owned();
        let (_, one) = server.get(&token, &format!("/api/v1/exhibits/{id}")).await;
        assert_eq!(one["name"].as_str().unwrap(), *expected);
        let page = server.http.get(server.url(&format!("/exhibits/{id}"))).bearer_auth(&token).send().await.unwrap().text().await.unwrap();
        assert!(!page.contains("<img src=x"), "escaped");
    }
    // The witness's own page shows them harmlessly, too.
    let page = server.http.get(server.url(&format!("/r/{}", s.receipt))).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    assert!(!page.text().await.unwrap().contains("<img src=x"));
    server.settled().await;
    server.assert_sound();
}

async fn bodies_that_lie_leave_nothing(pair: Pair) {
    let server = Server::start_with(pair, &[("TEMOIN_LIMITS__IDLE_SECONDS", "2")]).await;
    server.appeal("LIES", &[]);
    let s = server.submission("LIES", None).await;
    let host = server.base.trim_start_matches("http://").to_owned();
    let head = |length: usize| {
        format!(
            "POST /api/v1/submissions/{}/files HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Length: {length}\r\n\r\n",
            s.id, s.token
        )
    };
    // Shorter than announced, then gone.
    let mut socket = TcpStream::connect(&host).unwrap();
    socket.write_all(head(1_000).as_bytes()).unwrap();
    socket.write_all(&[1; 500]).unwrap();
    drop(socket);
    // Shorter than announced, then silent.
    let mut socket = TcpStream::connect(&host).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(head(1_000).as_bytes()).unwrap();
    socket.write_all(&[1; 500]).unwrap();
    let mut answer = [0; 200];
    let n = socket.read(&mut answer).unwrap();
    assert!(String::from_utf8_lossy(&answer[..n]).starts_with("HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer[..n]));
    // Longer than announced: what is over is not the file's.
    let mut socket = TcpStream::connect(&host).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(head(4).as_bytes()).unwrap();
    socket.write_all(b"\xff\xd8\xff\xe0over and over\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("\"size\":4"), "{answer}");
    let (_, shown) = server.get(&s.token, &format!("/api/v1/submissions/{}", s.id)).await;
    assert_eq!(shown["files"].as_array().unwrap().len(), 1, "only what was acknowledged is shown");
    if pair == Pair::Lite {
        crate::support::nothing_is_staged(&server).await;
    }
}

async fn closed_unknown_and_spent(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("TINY", &["--file-bytes-max", "10000", "--submission-bytes-max", "15000", "--submission-files-max", "3"]);
    let open = |code: &str| server.http.post(server.url(&format!("/api/v1/appeals/{code}/submissions"))).send();
    for code in ["NOTHERE", "..", "a%00b"] {
        assert_eq!(problem(open(code).await.unwrap()).await, (StatusCode::NOT_FOUND, "not-found".into()));
    }
    assert!(
        server
            .cli(&[
                "appeal",
                "new",
                "DRAFT",
                "--title",
                "t",
                "--what",
                "w",
                "--place",
                "p",
                "--from",
                "2026-01-01T00:00:00Z",
                "--to",
                "2026-01-01T01:00:00Z",
                "--near",
                "-1,-2"
            ])
            .status
            .success()
    );
    assert_eq!(problem(open("DRAFT").await.unwrap()).await.1, "not-found", "a draft does not exist for the public");
    assert_eq!(server.http.get(server.url("/a/DRAFT")).send().await.unwrap().status(), StatusCode::NOT_FOUND);

    let s = server.submission("TINY", None).await;
    // Refused before bytes flow, where the length is known.
    assert_eq!(problem(server.send(&s, "big.jpg", vec![1; 10_001]).await).await, (StatusCode::PAYLOAD_TOO_LARGE, "too-large".into()));
    // And while they flow, where it is not.
    let stream = futures_util::stream::iter((0..30).map(|_| Ok::<_, std::io::Error>(bytes::Bytes::from_static(&[1; 1_000]))));
    let answer = server
        .http
        .post(server.url(&format!("/api/v1/submissions/{}/files", s.id)))
        .bearer_auth(&s.token)
        .body(reqwest::Body::wrap_stream(stream))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(answer).await.1, "too-large");
    server.sent(&s, "a.jpg", jpeg(1, 16, 16)).await;
    server.sent(&s, "b.jpg", vec![7; 9_000]).await;
    assert_eq!(problem(server.send(&s, "c.jpg", vec![8; 9_000]).await).await.1, "quota-exceeded");
    server.sent(&s, "d.jpg", vec![9; 10]).await;
    assert_eq!(problem(server.send(&s, "e.jpg", vec![1; 10]).await).await.1, "quota-exceeded", "three files and no more");

    // A wrong token and an unknown submission get the same answer, byte for byte.
    let mut wrong = s.clone();
    wrong.token = "x".repeat(43);
    let one = server.send(&wrong, "x", vec![1]).await;
    let mut unknown = s.clone();
    unknown.id = "01a206cd-9599-7a56-884b-5a134c28b40d".into();
    let two = server.send(&unknown, "x", vec![1]).await;
    assert_eq!((one.status(), one.text().await.unwrap()), (two.status(), two.text().await.unwrap()));
    for path in ["/r/AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-A", "/r/short", "/r/%00", "/exhibits/x"] {
        let status = server.http.get(server.url(path)).send().await.unwrap().status();
        assert!(status == StatusCode::NOT_FOUND || status == StatusCode::SEE_OTHER, "{path} {status}");
    }

    // Closed in the meantime.
    let s = server.submission("TINY", None).await;
    assert!(server.cli(&["appeal", "close", "TINY"]).status.success());
    assert_eq!(problem(server.send(&s, "late.jpg", vec![1]).await).await, (StatusCode::GONE, "appeal-closed".into()));
    assert_eq!(problem(open("TINY").await.unwrap()).await.1, "appeal-closed");
    let page = server.http.get(server.url("/a/TINY?lang=fr")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("clos"), "a closed appeal thanks");
    assert!(!server.cli(&["appeal", "open", "TINY"]).status.success(), "a closed appeal stays closed");
}

async fn digests_are_checked(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("DIGEST", &[]);
    let s = server.submission("DIGEST", None).await;
    let send = |name: &'static str, value: String| {
        server
            .http
            .post(server.url(&format!("/api/v1/submissions/{}/files", s.id)))
            .bearer_auth(&s.token)
            .header(name, value)
            .body("hello")
            .send()
    };
    let right = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
    let wrong = "sha-256=:AAAAul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
    for name in ["repr-digest", "content-digest"] {
        assert_eq!(send(name, right.into()).await.unwrap().status(), StatusCode::CREATED);
        assert_eq!(problem(send(name, wrong.into()).await.unwrap()).await, (StatusCode::UNPROCESSABLE_ENTITY, "digest-mismatch".into()));
        assert_eq!(problem(send(name, "sha-256=zzz".into()).await.unwrap()).await.1, "invalid-body");
        assert_eq!(problem(send(name, format!("{right}, {wrong}")).await.unwrap()).await.1, "digest-mismatch", "two that disagree");
        assert_eq!(send(name, "md5=:AAAA:".into()).await.unwrap().status(), StatusCode::CREATED, "others are ignored, as RFC 9530 allows");
    }
    let (_, shown) = server.get(&s.token, &format!("/api/v1/submissions/{}", s.id)).await;
    assert_eq!(shown["files"].as_array().unwrap().len(), 4);
}

async fn filters_and_json_that_make_no_sense(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("FILTER", &[]);
    let token = server.token("investigator");
    for query in [
        "from=2026-07-14T22:00:00Z&to=2026-07-14T21:00:00Z",
        "from=yesterday",
        "bbox=1,2,3",
        "bbox=0,91,1,92",
        "bbox=a,b,c,d",
        "near=1,2",
        "near=91,0&radius_m=5",
        "near=1,2&radius_m=NaN",
        "near=1,2&radius_m=-1",
        "state=fake",
        "kind=fake",
        "order=random",
        "limit=0",
        "limit=201",
        "limit=x",
        "time=known",
        "place=unknown&bbox=1,2,3,4",
        "agency_id=1",
        "from=a&from=b",
    ] {
        let answer =
            server.http.get(server.url(&format!("/api/v1/appeals/FILTER/exhibits?{query}"))).bearer_auth(&token).send().await.unwrap();
        assert_eq!(problem(answer).await, (StatusCode::UNPROCESSABLE_ENTITY, "invalid-filter".into()), "{query}");
    }
    for cursor in ["x", "%25", "e30", "eyJmIjoiMCIsImtleSI6MCwiaWQiOiIwIn0"] {
        let answer = server
            .http
            .get(server.url(&format!("/api/v1/appeals/FILTER/exhibits?cursor={cursor}")))
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_eq!(problem(answer).await, (StatusCode::BAD_REQUEST, "bad-cursor".into()), "{cursor}");
    }
    // A box across the antimeridian works.
    let s = server.submission("FILTER", Some(json!({"lat": -17.0, "lon": 179.95}))).await;
    server.sent(&s, "fiji.jpg", jpeg(1, 16, 16)).await;
    server.settled().await;
    for (query, hits) in [("bbox=179,-20,-179,-10", 1), ("bbox=-179,-20,179,-10", 0), ("near=-17,-179.95&radius_m=20000", 1)] {
        let (_, page) = server.get(&token, &format!("/api/v1/appeals/FILTER/exhibits?{query}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), hits, "{query}");
    }
    let post = |body: &'static str, kind: &'static str| {
        server.http.post(server.url("/api/v1/appeals/FILTER/submissions")).header("content-type", kind).body(body).send()
    };
    for (body, kind, code) in [
        ("{", "application/json", "malformed"),
        ("{\"agency_id\":1}", "application/json", "invalid-body"),
        ("{\"own\":\"yes\",\"own\":\"no\"}", "application/json", "invalid-body"),
        ("{\"lat\":91,\"lon\":0}", "application/json", "invalid-body"),
        ("{\"from\":\"x\"}", "application/json", "invalid-body"),
        ("hello", "text/plain", "malformed"),
        ("[[[[[[", "application/json", "malformed"),
        ("[null, null]", "application/json", "invalid-body"),
    ] {
        assert_eq!(problem(post(body, kind).await.unwrap()).await.1, code, "{body}");
    }
    let answer = server
        .http
        .post(server.url("/api/v1/exhibits/01a206cd-9599-7a56-884b-5a134c28b40d/decision"))
        .bearer_auth(&token)
        .json(&json!({"decision": "fake"}))
        .send()
        .await
        .unwrap();
    assert_eq!(problem(answer).await.1, "invalid-body");
    assert!(!server.log().contains("our fault"), "{}", server.log());
}

async fn the_listener_is_strict(pair: Pair) {
    let server = Server::start_with(pair, &[("TEMOIN_LIMITS__HEADER_SECONDS", "2")]).await;
    let host = server.base.trim_start_matches("http://").to_owned();
    let ask = |text: &str| {
        let mut socket = TcpStream::connect(&host).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let _ = socket.write_all(text.as_bytes());
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    };
    assert!(ask("GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").contains("400"), "no Host");
    assert!(ask("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n").contains("400"), "two Hosts");
    assert!(
        ask("POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello").contains("400")
    );
    assert!(ask("POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\nConnection: close\r\n\r\n").contains("400"));
    let long = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\nConnection: close\r\n\r\n", "y".repeat(100_000));
    // A client that is still sending may be reset before it reads the 431.
    let answer = ask(&long);
    assert!(answer.contains("431") || answer.is_empty(), "{answer}");
    // Headers that never end are given up.
    assert_eq!(ask("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "), "");
    assert_eq!(server.http.get(server.url("/login")).header("range", "bytes=0-0,1-1,2-2").send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(
        server.http.request(reqwest::Method::TRACE, server.url("/login")).send().await.unwrap().status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    let cross = server
        .http
        .post(server.url("/login"))
        .header("sec-fetch-site", "cross-site")
        .form(&[("name", "a"), ("password", "b")])
        .send()
        .await
        .unwrap();
    assert_eq!(cross.status(), StatusCode::FORBIDDEN);
    // Nor is anything of ours put into another site's page; following a link from there is something else.
    server.user("ines", "investigator");
    let ines = server.signed_in("ines").await;
    let from_elsewhere = async |mode: &str| {
        let asked = ines.get(server.url("/appeals")).header("sec-fetch-site", "cross-site").header("sec-fetch-mode", mode);
        asked.send().await.unwrap().status()
    };
    assert_eq!((from_elsewhere("no-cors").await, from_elsewhere("navigate").await), (StatusCode::FORBIDDEN, StatusCode::OK));
}

async fn a_cut_form_keeps_what_was_whole(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("FORM", &["--file-bytes-max", "20000"]);
    let s = server.submission("FORM", None).await;
    let host = server.base.trim_start_matches("http://").to_owned();
    let photo = jpeg(5, 32, 32);
    let part = |name: &str, bytes: &[u8]| {
        [format!("--B\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\n").as_bytes(), bytes, b"\r\n"].concat()
    };
    let body = [
        b"--B\r\nContent-Disposition: form-data; name=\"own\"\r\n\r\nyes\r\n".to_vec(),
        part("one.jpg", &photo),
        part("two.jpg", &photo),
        part("cut.jpg", &photo[..50]),
    ]
    .concat();
    let mut socket = TcpStream::connect(&host).unwrap();
    let head = format!(
        "POST /r/{}/send HTTP/1.1\r\nHost: {host}\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: 1000000\r\n\r\n",
        s.receipt
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(&body[..body.len() - 2]).unwrap();
    socket.flush().unwrap();
    // Each finished part is committed while the connection is still open.
    let path = format!("/api/v1/submissions/{}", s.id);
    crate::support::until("both are there", async || server.get(&s.token, &path).await.1["files"].as_array().unwrap().len() == 2).await;
    drop(socket);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (_, shown) = server.get(&s.token, &path).await;
    let names: Vec<&str> = shown["files"].as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["one.jpg", "two.jpg"]);
    // One file too large among good ones: it is named, the others count, the unused input does not.
    let form = Form::new()
        .text("own", "yes")
        .part("files", Part::bytes(jpeg(6, 32, 32)).file_name("good.jpg"))
        .part("files", Part::bytes(vec![1; 20_001]).file_name("huge.jpg"))
        .part("files", Part::bytes(jpeg(7, 32, 32)).file_name("after.jpg"))
        .part("files", Part::bytes(vec![]).file_name(""));
    let answer = server.http.post(server.url(&format!("/r/{}/send?lang=fr", s.receipt))).multipart(form).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = answer.text().await.unwrap();
    assert!(page.contains("huge.jpg") && page.contains("trop gros") && page.contains("good.jpg") && page.contains("after.jpg"));
    let (_, shown) = server.get(&s.token, &format!("/api/v1/submissions/{}", s.id)).await;
    assert_eq!(shown["files"].as_array().unwrap().len(), 4);
    // A form that never shows a boundary, and one whose part headers never end, are ended before they fill anything.
    for start in ["", "--B\r\nX: "] {
        let mut body = start.as_bytes().to_vec();
        body.resize(3 << 20, b'a');
        let answer = server
            .http
            .post(server.url(&format!("/r/{}/send", s.receipt)))
            .header("content-type", "multipart/form-data; boundary=B")
            .body(body)
            .send()
            .await;
        assert!(answer.is_err() || answer.unwrap().status() == StatusCode::BAD_REQUEST);
    }
    let not_a_form = server.http.post(server.url(&format!("/r/{}/send", s.receipt))).body("x").send().await.unwrap();
    assert_eq!(not_a_form.status(), StatusCode::BAD_REQUEST);
    assert!(not_a_form.text().await.unwrap().contains("<h1>"), "people get a page");
}
