//! When more comes than can be taken: budgets of addresses, work for a place, polite refusals, and what investigators do
//! with the rest. And what officers bring in by hand.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use crate::files::jpeg;
use crate::support::{PATIENCE, Pair, Port, Server, on_both, sha256, until};

on_both!(
    addresses_have_budgets_and_only_named_proxies_are_believed,
    a_place_in_a_flood_is_worked_or_waited_for,
    drowned_intake_answers_politely_and_the_appeal_stands,
    what_came_together_is_put_behind_glass_together,
    unannounced_bytes_are_charged_however_they_end,
    what_is_announced_and_does_not_come_costs_nobody,
    a_stick_and_a_zip_are_taken_in,
    progress_without_script,
    who_takes_no_answer_is_given_up,
);

async fn opened_from(server: &Server, forwarded: &str) -> StatusCode {
    let ask = server.http.post(server.url("/api/v1/appeals/BLOCK/submissions")).header("x-forwarded-for", forwarded);
    let answer = ask.send().await.unwrap();
    assert_eq!(answer.status() == StatusCode::TOO_MANY_REQUESTS, answer.headers().contains_key("retry-after"));
    answer.status()
}

async fn addresses_have_budgets_and_only_named_proxies_are_believed(pair: Pair) {
    let limit = ("TEMOIN_LIMITS__OPENINGS_PER_BLOCK_HOUR", "2");
    let open = Server::start_with(pair, &[limit]).await;
    open.appeal("BLOCK", &[]);
    // Nobody in front is trusted: whatever the header says, it is one and the same address.
    let mut seen = Vec::new();
    for n in 0..3 {
        seen.push(opened_from(&open, &format!("198.51.100.{n}")).await.as_u16());
    }
    assert_eq!(seen, [201, 201, 429]);
    let behind = Server::start_with(pair, &[limit, ("TEMOIN_TRUSTED_PROXIES", "[\"127.0.0.0/8\"]")]).await;
    behind.appeal("BLOCK", &[]);
    let mut seen = Vec::new();
    // The last two say the same true address behind different inventions.
    for forwarded in
        ["198.51.100.1", "198.51.100.2", "198.51.100.2", "1.1.1.1, 198.51.100.2", "2001:db8::1", "2001:db8:0:ff::2", "2001:db8:0:1::3"]
    {
        seen.push(opened_from(&behind, forwarded).await.as_u16());
    }
    assert_eq!(seen, [201, 201, 201, 429, 201, 201, 429]);
}

async fn a_place_in_a_flood_is_worked_or_waited_for(pair: Pair) {
    let server = Server::start_with(pair, &[("TEMOIN_LIMITS__FLOOD_WORK_BITS", "8")]).await;
    server.appeal("FLOOD", &[]);
    assert!(server.cli(&["appeal", "flood", "FLOOD", "on"]).status.success());
    let open = async |work: Option<String>| {
        let mut ask = server.http.post(server.url("/api/v1/appeals/FLOOD/submissions"));
        if let Some(work) = work {
            ask = ask.header("temoin-work", work);
        }
        ask.send().await.unwrap()
    };
    let problem: Value = open(None).await.json().await.unwrap();
    assert_eq!((problem["status"].as_u64(), problem["type"].as_str()), (Some(403), Some("/problems/work-missing")));
    let (_, asked) = server.get("", "/api/v1/appeals/FLOOD/work").await;
    assert_eq!((asked["needed"].as_bool(), asked["bits"].as_u64()), (Some(true), Some(8)));
    let challenge = asked["challenge"].as_str().unwrap();
    let solve = |challenge: &str, wanted: bool| {
        let zeros = |n: &u32| sha256(format!("{challenge}:{n}").as_bytes()).starts_with("00") == wanted;
        (0..100_000u32).find(zeros).unwrap().to_string()
    };
    // Not done, not ours, done, done twice.
    let young = open(Some(format!("{challenge}:{}", solve(challenge, false)))).await;
    assert_eq!(young.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(young.headers().contains_key("retry-after"));
    let forged = challenge.replace('.', "1.");
    assert_eq!(open(Some(format!("{forged}:{}", solve(&forged, true)))).await.status(), StatusCode::FORBIDDEN);
    let done = format!("{challenge}:{}", solve(challenge, true));
    assert_eq!(open(Some(done.clone())).await.status(), StatusCode::CREATED);
    assert_eq!(open(Some(done)).await.status(), StatusCode::FORBIDDEN);

    // The page: without script it asks to wait, and keeps the same place.
    let page = server.http.post(server.url("/a/FLOOD")).header("accept-language", "en").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let html = page.text().await.unwrap();
    assert!(html.contains("Please wait"), "{html}");
    let challenge = html.split("name=\"challenge\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let form =
        |answer: String| server.http.post(server.url("/a/FLOOD")).form(&[("challenge", challenge.clone()), ("answer", answer)]).send();
    let early = form(String::new()).await.unwrap();
    assert_eq!(early.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(early.text().await.unwrap().contains(&challenge));
    assert_eq!(form(solve(&challenge, true)).await.unwrap().status(), StatusCode::SEE_OTHER);

    assert!(server.cli(&["appeal", "flood", "FLOOD", "off"]).status.success());
    assert_eq!(open(None).await.status(), StatusCode::CREATED);
    server.settled().await;
    server.assert_sound();
}

async fn drowned_intake_answers_politely_and_the_appeal_stands(pair: Pair) {
    let metrics = Port::new();
    let limits = [
        ("TEMOIN_LIMITS__UPLOADS_MAX", "2"),
        ("TEMOIN_LIMITS__FLOOD_LARGE_MAX", "1"),
        ("TEMOIN_LIMITS__FLOOD_LARGE_BYTES", "1000"),
        ("TEMOIN_METRICS__LISTEN", &format!("127.0.0.1:{}", metrics.number)),
    ];
    let server = Server::start_with(pair, &limits).await;
    server.appeal("DROWN", &[]);
    let s = server.submission("DROWN", None).await;
    let mut hanging = Vec::new();
    for _ in 0..2 {
        let mut socket = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
        let head = format!(
            "POST /api/v1/submissions/{}/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 1000000\r\n\r\nsome",
            s.id, s.token
        );
        socket.write_all(head.as_bytes()).unwrap();
        hanging.push(socket);
    }
    until("both are let in", async || server.under_way(&metrics).await == 2).await;
    let refused = server.send(&s, "x.jpg", jpeg(1, 10, 10)).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "/problems/busy");
    // A person is told in words, in their language.
    let form = reqwest::multipart::Form::new().part("files", reqwest::multipart::Part::bytes(jpeg(1, 10, 10)).file_name("x.jpg"));
    let page = server
        .http
        .post(server.url(&format!("/r/{}/send", s.receipt)))
        .header("accept-language", "fr")
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.headers().contains_key("retry-after"));
    assert!(page.text().await.unwrap().contains("Beaucoup de gens envoient"));
    // The appeal stands, and caches may keep it; what greets somebody by name they may not.
    let appeal = server.http.get(server.url("/a/DROWN")).send().await.unwrap();
    assert_eq!(appeal.status(), StatusCode::OK);
    assert!(appeal.headers()["cache-control"].to_str().unwrap().starts_with("public, max-age=60"));
    assert_eq!(appeal.headers()["vary"], "Accept-Language, Cookie");
    assert!(!appeal.headers().contains_key("set-cookie"));
    let chosen = server.http.get(server.url("/a/DROWN?lang=fr")).send().await.unwrap();
    assert_eq!(chosen.headers()["cache-control"], "no-store");
    server.user("investigator", "investigator");
    let person = server.signed_in("investigator").await;
    assert_eq!(person.get(server.url("/a/DROWN")).send().await.unwrap().headers()["cache-control"], "no-store");
    // When the hanging ones have gone, everybody is welcome again; in a flood the small ones before the large.
    drop(hanging);
    until("there is room", async || server.send(&s, "x.jpg", jpeg(1, 10, 10)).await.status() == StatusCode::CREATED).await;
    until("they have gone", async || server.under_way(&metrics).await == 0).await;
    assert!(server.cli(&["appeal", "flood", "DROWN", "on"]).status.success());
    let mut socket = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /api/v1/submissions/{}/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 5000\r\n\r\nsome",
        s.id, s.token
    );
    socket.write_all(head.as_bytes()).unwrap();
    until("it is let in", async || server.under_way(&metrics).await == 1).await;
    assert_eq!(server.send(&s, "large.bin", vec![1; 5000]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.send(&s, "small.bin", vec![1; 500]).await.status(), StatusCode::CREATED);
}

async fn what_came_together_is_put_behind_glass_together(pair: Pair) {
    let server = Server::start_with(pair, &[("TEMOIN_TRUSTED_PROXIES", "[\"127.0.0.0/8\"]")]).await;
    server.appeal("BULK", &[]);
    let token = server.token("investigator");
    let investigator = server.signed_in("investigator").await;
    let mut ids = Vec::new();
    // Two submissions from one address, one from another.
    for (n, address) in ["198.51.100.1", "198.51.100.1", "198.51.100.9"].into_iter().enumerate() {
        let answer =
            server.http.post(server.url("/api/v1/appeals/BULK/submissions")).header("x-forwarded-for", address).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        for k in 0..2 {
            let url = server.url(&format!("/api/v1/submissions/{}/files", body["id"].as_str().unwrap()));
            let sent = server
                .http
                .post(url)
                .bearer_auth(body["token"].as_str().unwrap())
                .body(jpeg((n * 2 + k) as u32, 30, 30))
                .send()
                .await
                .unwrap();
            ids.push(sent.json::<Value>().await.unwrap()["exhibit"].as_str().unwrap().to_owned());
        }
    }
    server.settled().await;
    let page = investigator
        .get(server.url(&format!("/appeals/BULK/bulk?exhibit={}", ids[0])))
        .header("accept-language", "en")
        .send()
        .await
        .unwrap();
    let html = page.text().await.unwrap().replace(['\u{2068}', '\u{2069}'], "");
    for (scope, count) in [("submission", "2 files"), ("source", "4 files"), ("time", "6 files")] {
        let line = html.lines().find(|l| l.contains(&format!("value=\"{scope}\""))).unwrap_or_else(|| panic!("{scope}: {html}"));
        assert!(line.contains(count), "{scope}: {line}");
    }
    let act = async |scope: &str, act: &str, reason: &str| {
        let form = [("exhibit", ids[0].as_str()), ("scope", scope), ("act", act), ("reason", reason)];
        investigator.post(server.url("/appeals/BULK/bulk")).form(&form).send().await.unwrap().status()
    };
    let states = async || {
        let (_, shown) = server.get(&token, "/api/v1/appeals/BULK/exhibits").await;
        let of = |id: &String| shown["items"].as_array().unwrap().iter().find(|e| e["id"] == *id).cloned().unwrap();
        ids.iter().map(of).collect::<Vec<Value>>()
    };
    assert_eq!(act("source", "quarantine", " . ").await, StatusCode::UNPROCESSABLE_ENTITY, "a reason of no content");
    assert_eq!(act("source", "quarantine", "copies of one film poster").await, StatusCode::SEE_OTHER);
    let seen = states().await;
    assert!(seen[..4].iter().all(|e| e["quarantine"] == "flood" && e["thumbnail"].is_null()), "{seen:?}");
    assert!(seen[4..].iter().all(|e| e["quarantine"].is_null()));
    let picture = server.http.get(server.url(&format!("/api/v1/exhibits/{}/thumbnail", ids[0]))).bearer_auth(&token).send().await.unwrap();
    assert_eq!(picture.status(), StatusCode::NOT_FOUND);
    assert_eq!(act("submission", "release", "looked again").await, StatusCode::SEE_OTHER);
    assert_eq!(act("time", "reject", "posters, all of them").await, StatusCode::SEE_OTHER);
    let seen = states().await;
    assert_eq!(seen.iter().filter(|e| e["quarantine"].is_null()).count(), 4);
    assert!(seen.iter().all(|e| e["state"] == "not_relevant"));
    server.settled().await;
    let (_, events) = server.get(&token, &format!("/api/v1/exhibits/{}/events", ids[0])).await;
    let text = events.to_string();
    for name in ["exhibit.quarantined", "exhibit.released", "exhibit.decided"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    // Auditors cannot.
    server.user("auditor", "auditor");
    let auditor = server.signed_in("auditor").await;
    let form = [("exhibit", ids[0].as_str()), ("scope", "time"), ("act", "reject"), ("reason", "because")];
    assert_eq!(auditor.post(server.url("/appeals/BULK/bulk")).form(&form).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    server.assert_sound();
}

async fn a_stick_and_a_zip_are_taken_in(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("STICK", &["--file-bytes-max", "100000", "--submission-files-max", "2"]);
    let token = server.token("investigator");
    let stick = server.path("stick");
    std::fs::create_dir_all(stick.join("DCIM/100")).unwrap();
    let files = [
        ("DCIM/100/a.jpg", jpeg(1, 40, 40)),
        ("notes.txt", b"a note".to_vec()),
        ("copy of a.jpg", jpeg(1, 40, 40)),
        ("large.bin", vec![7; 100_001]),
    ];
    for (name, bytes) in &files {
        std::fs::write(stick.join(name), bytes).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", stick.join("link")).unwrap();
    // A name that is no text, from an old camera.
    let odd = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xe9t\xe9.jpg");
    std::fs::write(stick.join(odd), jpeg(2, 40, 40)).unwrap();
    let take = |path: &str, extra: &[&str]| {
        let mut args = vec!["import", path, "--appeal", "STICK", "--officer", "Lt. Martin", "--source", "USB stick of the baker", "--json"];
        args.extend(extra);
        let done = server.cli(&args);
        let lines: Vec<Value> = String::from_utf8_lossy(&done.stdout).lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
        (done.status.code().unwrap(), lines)
    };
    let path = stick.to_string_lossy().into_owned();
    let (code, lines) = take(&path, &[]);
    assert_eq!((code, lines.len()), (1, 6), "one is too large, and a link is no file: {lines:?}");
    assert!(lines.iter().any(|l| l["path"] == "link" && l["error"] == "invalid-body"), "{lines:?}");
    assert!(lines.iter().any(|l| l["sha256"] == sha256(&jpeg(2, 40, 40))), "the one with the odd name: {lines:?}");
    let refused = server.events().await.iter().filter(|e| e["type"] == "upload.rejected").count();
    assert_eq!(refused, 1, "a refusal is an event here, too");
    let opened = server.events().await.iter().filter(|e| e["type"] == "submission.opened").count();
    assert_eq!(opened, 2, "what one hand-over cannot hold goes on in the next");
    for (name, bytes) in &files {
        let line = lines.iter().find(|l| l["path"] == *name).unwrap_or_else(|| panic!("{name}: {lines:?}"));
        if *name == "large.bin" {
            assert_eq!(line["error"], "too-large");
        } else {
            assert_eq!(line["sha256"], sha256(bytes));
        }
    }
    // A ZIP of the same, with a path that wants out: a name is only a name.
    let zip = server.path("mail.zip");
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED)\n\
        z.writestr('inbox/1/photo.jpg', open(sys.argv[2], 'rb').read())\nz.writestr('../../evil.txt', 'x')\nz.writestr('empty', '')\nz.close()";
    let made = std::process::Command::new("python3").args(["-c", script]).arg(&zip).arg(stick.join("DCIM/100/a.jpg")).status().unwrap();
    assert!(made.success());
    let (code, lines) = take(&zip.to_string_lossy(), &[]);
    assert_eq!((code, lines.len()), (0, 3), "{lines:?}");
    assert!(!server.dir.path().parent().unwrap().join("evil.txt").exists());
    // Two members of one name: all of it, or none of it in words.
    let twice = server.path("twice.zip");
    let script = "import sys, warnings, zipfile\nwarnings.simplefilter('ignore')\nz = zipfile.ZipFile(sys.argv[1], 'w')\n\
        z.writestr('dup.txt', 'd1')\nz.writestr('dup.txt', 'd2')\nz.close()";
    assert!(std::process::Command::new("python3").args(["-c", script]).arg(&twice).status().unwrap().success());
    // More members than anybody hands in.
    let many = server.path("many.zip");
    let script = "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1], 'w')\nfor n in range(200001): z.writestr(str(n), b'')\nz.close()";
    assert!(std::process::Command::new("python3").args(["-c", script]).arg(&many).status().unwrap().success());
    for wrong in ["/no/such/place", "/etc/hostname", many.to_str().unwrap(), twice.to_str().unwrap()] {
        assert_eq!(take(wrong, &[]).0, 3, "{wrong}");
    }
    server.settled().await;
    let (_, shown) = server.get(&token, "/api/v1/appeals/STICK/exhibits").await;
    assert_eq!(shown["items"].as_array().unwrap().len(), 7);
    server.assert_sound();
    assert!(server.cli(&["appeal", "close", "STICK"]).status.success());
    assert_eq!(take(&path, &[]).0, 3, "a closed appeal takes nothing");
}

async fn progress_without_script(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("FRAME", &[]);
    let s = server.submission("FRAME", None).await;
    let mut frame =
        server.http.get(server.url(&format!("/r/{}/progress", s.receipt))).header("accept-language", "en").send().await.unwrap();
    let policy = frame.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("frame-ancestors 'self'") && policy.contains("default-src 'none'"), "{policy}");
    assert_eq!(frame.headers()["x-frame-options"], "SAMEORIGIN");
    let mut seen = String::new();
    let mut wait_for = async |mark: &str, frame: &mut reqwest::Response| {
        while !seen.contains(mark) {
            let chunk = tokio::time::timeout(PATIENCE, frame.chunk()).await.unwrap_or_else(|_| panic!("no {mark} in {seen}"));
            seen.push_str(&String::from_utf8_lossy(&chunk.unwrap().unwrap()).replace(['\u{2068}', '\u{2069}'], ""));
        }
    };
    wait_for("Nothing has arrived yet", &mut frame).await;
    server.sent(&s, "a.bin", vec![1; 1000]).await;
    wait_for("1 file received", &mut frame).await;
    let mut socket = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /api/v1/submissions/{}/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 200000\r\n\r\n",
        s.id, s.token
    );
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(&[2; 100_000]).unwrap();
    wait_for("100.0\u{a0}kB so far", &mut frame).await;
    socket.write_all(&[2; 100_000]).unwrap();
    wait_for("2 files received", &mut frame).await;
}

async fn who_takes_no_answer_is_given_up(pair: Pair) {
    const BYTES: usize = 40_000_000;
    let mut server = Server::start_with(pair, &[("TEMOIN_LIMITS__WRITE_SECONDS", "2")]).await;
    server.appeal("READ", &[]);
    let token = server.token("investigator");
    let s = server.submission("READ", None).await;
    let exhibit = server.sent(&s, "large.bin", vec![5; BYTES]).await["exhibit"].as_str().unwrap().to_owned();
    let mut socket = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    socket
        .write_all(
            format!("GET /api/v1/exhibits/{exhibit}/original HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nTemoin-Reason: Copie de travail\r\n\r\n").as_bytes(),
        )
        .unwrap();
    // Far longer than the limit, and nothing is read meanwhile.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let mut taken = Vec::new();
    let end = socket.read_to_end(&mut taken);
    assert!(end.is_err() || taken.len() < BYTES, "the connection was kept for {} bytes", taken.len());
    assert!(taken.starts_with(b"HTTP/1.1 200"));
    // Who reads gets everything (of a server that gives this test's own pauses time, too).
    server.kill();
    server.set("TEMOIN_LIMITS__WRITE_SECONDS", None);
    server.run().await;
    let whole = server.http.get(server.url(&format!("/api/v1/exhibits/{exhibit}/original"))).bearer_auth(&token).send().await.unwrap();
    assert_eq!(whole.bytes().await.unwrap().len(), BYTES);
}

/// Who announces much and sends nothing takes nothing from those behind the same address.
async fn what_is_announced_and_does_not_come_costs_nobody(pair: Pair) {
    let server = Server::start_with(pair, &[("TEMOIN_LIMITS__BYTES_PER_BLOCK_HOUR", "20000000")]).await;
    server.appeal("ANNOUNCED", &[]);
    let (stranger, witness) = (server.submission("ANNOUNCED", None).await, server.submission("ANNOUNCED", None).await);
    for length in [999_000_000_000u64, 19_000_000, 999_000_000_000, 19_000_000] {
        let mut socket = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "POST /api/v1/submissions/{}/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n",
            stranger.id, stranger.token
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).unwrap();
        let wanted: &[u8] = if length > 20_000_000 { b"HTTP/1.1 413" } else { b"HTTP/1.1 100" };
        assert_eq!(answer, wanted, "{length}");
    }
    server.sent(&witness, "clip.mp4", vec![7; 10_000_000]).await;
    // What has come is paid for.
    server.sent(&witness, "last.mp4", vec![8; 10_000_000]).await;
    assert_eq!(server.send(&witness, "more.mp4", vec![9; 10_000_000]).await.status(), StatusCode::TOO_MANY_REQUESTS);
}

async fn unannounced_bytes_are_charged_however_they_end(pair: Pair) {
    for (name, file_max, first) in [("CHUNKS", "100000000", StatusCode::CREATED), ("SMALL", "3000000", StatusCode::PAYLOAD_TOO_LARGE)] {
        let server = Server::start_with(pair, &[("TEMOIN_LIMITS__BYTES_PER_BLOCK_HOUR", "6000000")]).await;
        server.appeal(name, &["--file-bytes-max", file_max]);
        let s = server.submission(name, None).await;
        let send = || {
            let pieces = (0..8u8).map(|n| Ok::<_, std::io::Error>(vec![n; 1_000_000]));
            let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
            server.http.post(server.url(&format!("/api/v1/submissions/{}/files", s.id))).bearer_auth(&s.token).body(body).send()
        };
        assert_eq!(send().await.unwrap().status(), first, "{name}: a body without a length is taken once");
        // A refusal ends the body early: what came until then is what is charged.
        let mut last = first;
        for _ in 0..3 {
            if last != StatusCode::TOO_MANY_REQUESTS {
                last = send().await.unwrap().status();
            }
        }
        assert_eq!(last, StatusCode::TOO_MANY_REQUESTS, "{name}: and then paid for");
    }
}
