//! The whole story on the real program: a witness sends, the worker examines, an investigator filters and decides,
//! an auditor verifies offline, and a flipped byte anywhere is found.

use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::files::{Gps, jpeg, movie, with_exif};
use crate::support::{Pair, Server, on_both, sha256, verify};

on_both!(
    a_photo_from_the_phone_to_the_verdict,
    real_files_are_received_examined_and_sound,
    every_look_is_an_event_before_bytes_flow,
    pages_of_the_queue_are_stable,
    a_lost_or_foreign_key_is_refused,
);

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap()).collect()
}

async fn a_photo_from_the_phone_to_the_verdict(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("STORY", &[]);
    let investigator = server.token("investigator");

    // The witness.
    let s = server.submission("story", Some(json!({"own": "yes", "words": "A white van", "contact": "me@example.org"}))).await;
    let near = with_exif(&jpeg(1, 640, 480), "2026:07:14 22:10:00", Some("+02:00"), 6, &Gps::At(48.8501, 2.3501));
    let far = with_exif(&jpeg(2, 64, 48), "2026:07:15 12:00:00", Some("+02:00"), 1, &Gps::At(48.9, 2.5));
    let stripped = with_exif(&jpeg(3, 64, 48), "2026:07:14 22:05:00", None, 1, &Gps::Emptied);
    let nowhere = jpeg(4, 64, 48);
    let clip = movie(u32::try_from(1_784_060_400i64 + 2_082_844_800).unwrap(), "+48.8502+002.3502/");
    let mut sent = Vec::new();
    for (name, bytes) in
        [("near.jpg", &near), ("far.jpg", &far), ("stripped.jpg", &stripped), ("nowhere.jpg", &nowhere), ("clip.mov", &clip)]
    {
        let answer = server.sent(&s, name, bytes.clone()).await;
        assert_eq!(answer["sha256"], sha256(bytes));
        assert_eq!(answer["size"], bytes.len());
        sent.push(answer["exhibit"].as_str().unwrap().to_owned());
    }
    // The same bytes again: stored once, and an exhibit of its own.
    let twin = server.sent(&s, "again.jpg", near.clone()).await["exhibit"].as_str().unwrap().to_owned();
    assert_ne!(twin, sent[0]);
    server.settled().await;

    // The investigator: what is there, by time, by place, and what is not known.
    let list = |query: &str| {
        let path = format!("/api/v1/appeals/STORY/exhibits?{query}");
        let (server, token) = (&server, investigator.clone());
        async move {
            let (status, page) = server.get(&token, &path).await;
            assert_eq!(status, StatusCode::OK, "{page}");
            page
        }
    };
    let all = list("").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 6);
    assert_eq!(all["items"][5]["id"], sent[1], "the far one comes last");
    let window = list("from=2026-07-14T22:09:00%2B02:00&to=2026-07-14T22:11:00%2B02:00&kind=photo").await;
    assert!(ids(&window).contains(&sent[0].as_str()) && ids(&window).contains(&twin.as_str()));
    assert!(!ids(&window).contains(&sent[1].as_str()));
    let circle = list("near=48.85,2.35&radius_m=100").await;
    assert_eq!(ids(&circle).len(), 3, "near, its twin, the clip: {circle}");
    let boxed = list("bbox=2.4,48.8,2.6,49").await;
    assert_eq!(ids(&boxed), [sent[1].as_str()]);
    assert_eq!(ids(&list("time=unknown").await), [sent[3].as_str()]);
    assert_eq!(ids(&list("place=unknown").await).len(), 2);
    assert_eq!(ids(&list("kind=video").await), [sent[4].as_str()]);
    let (_, geo) = server.get(&investigator, "/api/v1/appeals/STORY/exhibits.geojson?place=unknown").await;
    assert_eq!(geo["features"][0]["geometry"], Value::Null);

    // One exhibit, with its claims.
    let (_, one) = server.get(&investigator, &format!("/api/v1/exhibits/{}", sent[2])).await;
    assert_eq!(one["place_claims"][0]["status"], "removed_by_phone");
    assert_eq!(one["time"]["grade"], "C");
    let (_, one) = server.get(&investigator, &format!("/api/v1/exhibits/{}", sent[0])).await;
    assert_eq!(one["time"]["grade"], "A");
    assert_eq!(one["time_claims"][0]["source"], "exif_original");
    assert!(one["raw"].as_array().unwrap().iter().any(|f| f[1].as_str().unwrap().contains("script")), "raw metadata is there, as text");
    assert!(!one.to_string().contains("example.org"), "the contact is no part of an exhibit");

    // The thumbnail is upright: 640 × 480 with orientation 6 stands on its short side.
    let path = one["thumbnail"].as_str().unwrap();
    let picture = server.http.get(server.url(path)).bearer_auth(&investigator).send().await.unwrap();
    assert_eq!(picture.headers()["content-type"], "image/jpeg");
    assert_eq!(picture.headers()["content-security-policy"], "sandbox; default-src 'none'; frame-ancestors 'none'");
    let picture = image::load_from_memory(&picture.bytes().await.unwrap()).unwrap();
    assert_eq!((picture.width(), picture.height()), (384, 512));

    // The decision, and the colleague who was slower.
    let decide = |body: Value| {
        server.http.post(server.url(&format!("/api/v1/exhibits/{}/decision", sent[0]))).bearer_auth(&investigator).json(&body).send()
    };
    let answer = decide(json!({"decision": "relevant", "note": "the van", "version": 0})).await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap(), json!({"state": "relevant", "version": 1}));
    assert_eq!(decide(json!({"decision": "not_relevant", "version": 0})).await.unwrap().status(), StatusCode::CONFLICT);
    assert_eq!(ids(&list("state=relevant").await), [sent[0].as_str()]);

    // The original leaves byte for byte.
    let original =
        server.http.get(server.url(&format!("/api/v1/exhibits/{}/original", sent[0]))).bearer_auth(&investigator).send().await.unwrap();
    assert_eq!(original.headers()["content-type"], "application/octet-stream");
    assert!(original.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(original.bytes().await.unwrap(), near);

    // The auditor: a receipt, offline.
    server.settled().await;
    let proof = server.http.get(server.url(&format!("/r/{}/proof/{}", s.receipt, sent[0]))).send().await.unwrap();
    let kept_as = proof.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(kept_as.contains("filename=\"near.jpg.tlog-proof\""), "beside its file: {kept_as}");
    let proof = proof.text().await.unwrap();
    let policy = server.http.get(server.url("/log/policy")).send().await.unwrap().text().await.unwrap();
    let (receipt, photo, trust) = (server.path("near.jpg.tlog-proof"), server.path("near.jpg"), server.path("policy"));
    std::fs::write(&receipt, &proof).unwrap();
    std::fs::write(&photo, &near).unwrap();
    std::fs::write(&trust, &policy).unwrap();
    assert_eq!(verify(&[&receipt, &photo], Some(&trust)), 0);
    // A clerk with nothing but openssl can check the checkpoint's signature.
    let checkpoint = server.http.get(server.url("/log/checkpoint")).send().await.unwrap().text().await.unwrap();
    assert!(openssl_accepts(&server, &checkpoint, &policy));
    let swollen = checkpoint.lines().nth(1).unwrap().to_owned();
    assert!(!openssl_accepts(&server, &checkpoint.replacen(&swollen, &format!("{swollen}0"), 1), &policy));
    assert_eq!(verify(&[&photo], Some(&trust)), 0, "a receipt beside its file is found");
    assert_eq!(verify(&[&receipt, &photo], None), 2, "without a policy it cannot be decided");
    assert_eq!(verify(&[Path::new("/dev/null")], Some(&trust)), 3);
    let other = server.path("other.jpg");
    std::fs::write(&other, &far).unwrap();
    assert_eq!(verify(&[&receipt, &other], Some(&trust)), 1);
    // A byte of the proof.
    let mut bent = proof.clone().into_bytes();
    let at = proof.find("index ").unwrap() + 12;
    bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
    std::fs::write(&receipt, bent).unwrap();
    assert_ne!(verify(&[&receipt, &photo], Some(&trust)), 0);
    server.assert_sound();

    // A byte of a blob.
    server.kill();
    match pair {
        Pair::Lite => {
            let sha = sha256(&near);
            let blob = server.path(&format!("media/blobs/{}/{}/{sha}", &sha[..2], &sha[2..4]));
            let mut bytes = std::fs::read(&blob).unwrap();
            bytes[100] ^= 1;
            std::fs::write(&blob, bytes).unwrap();
        }
        // The bucket cannot be edited from here; the row that says which bytes were received can.
        Pair::Grown => server.sql(&format!(
            "UPDATE content SET blob_key = (SELECT blob_key FROM content WHERE sha256 = '\\x{}') WHERE sha256 = '\\x{}'",
            sha256(&far),
            sha256(&near)
        )),
    }
    let (code, report) = server.fixity();
    assert_eq!((code, report["findings"][0]["what"].as_str()), (1, Some("blob-changed")), "{report}");

    // A byte of an entry: the database refuses it, and a hand that goes around that is found.
    match pair {
        Pair::Lite => server.sql("DROP TRIGGER log_entry_no_update; UPDATE log_entry SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"v\":1', '\"v\":2') AS BLOB) WHERE idx = 2;"),
        Pair::Grown => server.sql("ALTER TABLE log_entry DISABLE TRIGGER ALL; UPDATE log_entry SET bytes = overlay(bytes PLACING '\\x58' FROM 40) WHERE idx = 2;"),
    }
    let (code, report) = server.audit();
    let found: Vec<&str> = report["findings"].as_array().unwrap().iter().map(|f| f["what"].as_str().unwrap()).collect();
    assert_eq!(code, 1);
    for what in ["entry-changed", "head-differs", "checkpoint-differs", "tile-differs"] {
        assert!(found.contains(&what), "{what} in {found:?}");
    }
}

/// Photos and videos that nobody here made, when they are at hand beside the checkout.
async fn real_files_are_received_examined_and_sound(pair: Pair) {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("../shared/media");
    let server = Server::start(pair).await;
    server.appeal("REAL", &[]);
    let token = server.token("investigator");
    let s = server.submission("REAL", None).await;
    let mut files: Vec<(String, Vec<u8>)> =
        vec![("made.jpg".into(), with_exif(&jpeg(9, 320, 200), "2026:07:14 22:10:00", None, 3, &Gps::Absent))];
    for sub in ["exif-orientation-examples", "nom-exif", "mp4parse-rust", "exif-rs"] {
        let Ok(read) = std::fs::read_dir(folder.join(sub)) else { continue };
        let mut paths: Vec<_> = read.map(|e| e.unwrap().path()).filter(|p| p.metadata().unwrap().len() < 4_000_000).collect();
        paths.sort();
        for path in paths.into_iter().take(8) {
            files.push((path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()));
        }
    }
    for (name, bytes) in &files {
        server.sent(&s, name, bytes.clone()).await;
    }
    server.settled().await;
    let (_, page) = server.get(&token, "/api/v1/appeals/REAL/exhibits?limit=200").await;
    let items = page["items"].as_array().unwrap();
    assert_eq!(items.len(), files.len());
    assert!(items.iter().all(|i| i["state"] == "ready"), "nothing is stuck: {page}");
    assert!(items.iter().any(|i| i["thumbnail"].is_string()));
    server.assert_sound();
}

async fn every_look_is_an_event_before_bytes_flow(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("LOOK", &[]);
    let token = server.token("investigator");
    let s = server.submission("LOOK", None).await;
    let id = server.sent(&s, "a.jpg", jpeg(1, 64, 48)).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    let events = || async {
        server.settled().await;
        let (_, events) = server.get(&token, &format!("/api/v1/exhibits/{id}/events")).await;
        let kinds: Vec<String> = events
            .as_array()
            .unwrap()
            .iter()
            .map(|e| format!("{} {}", e["entry"]["type"].as_str().unwrap(), e["entry"]["f"]["variant"].as_str().unwrap_or_default()))
            // (To read an exhibit's events is a look of its own, as `routes.rs` shows.)
            .filter(|kind| kind != "exhibit.viewed record")
            .collect();
        kinds
    };
    assert_eq!(events().await, ["exhibit.received ", "exhibit.examined ", "derivative.created "]);
    let (_, page) = server.get(&token, "/api/v1/appeals/LOOK/exhibits").await;
    let thumbnail = page["items"][0]["thumbnail"].as_str().unwrap().to_owned();
    let fetch = |path: String| server.http.get(server.url(&path)).bearer_auth(&token).send();
    // The page was recorded, so its thumbnail costs no second event.
    assert_eq!(fetch(thumbnail.clone()).await.unwrap().status(), StatusCode::OK);
    assert_eq!(events().await.len(), 3);
    // Without the page's token, or with a bent one, the look is recorded by itself.
    assert_eq!(fetch(format!("/api/v1/exhibits/{id}/thumbnail")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(fetch(thumbnail.replace("look=", "look=7")).await.unwrap().status(), StatusCode::OK);
    assert_eq!(events().await[3..], ["exhibit.viewed thumbnail", "exhibit.viewed thumbnail"]);
    let records = async || {
        let all = server.events().await;
        all.iter().filter(|e| e["type"] == "exhibit.viewed" && e["f"]["variant"] == "record").count()
    };
    let before = records().await;
    server.get(&token, &format!("/api/v1/exhibits/{id}")).await;
    assert_eq!(records().await, before + 1);
    fetch(format!("/api/v1/exhibits/{id}/original")).await.unwrap();
    assert_eq!(events().await[5..], ["exhibit.downloaded original"]);
    // Playing an original is an event, and its ranges come under the token that it gave.
    let clip = server.sent(&s, "clip.mov", movie(3_000_000_000, "+48.85+002.35/")).await["exhibit"].as_str().unwrap().to_owned();
    let led = fetch(format!("/exhibits/{clip}/play")).await.unwrap();
    assert_eq!(led.status(), StatusCode::SEE_OTHER);
    let path = led.headers()["location"].to_str().unwrap().to_owned();
    let range = server.http.get(server.url(&path)).bearer_auth(&token).header("range", "bytes=0-7").send().await.unwrap();
    assert_eq!((range.status(), range.headers()["content-type"].to_str().unwrap()), (StatusCode::PARTIAL_CONTENT, "video/mp4"));
    assert_eq!(range.bytes().await.unwrap().len(), 8);
    server.settled().await;
    let (_, played) = server.get(&token, &format!("/api/v1/exhibits/{clip}/events")).await;
    let plays = played.as_array().unwrap().iter().filter(|e| e["entry"]["f"]["variant"] == "play").count();
    assert_eq!(plays, 1, "the range came under the event that led to it");
    // What of it was before somebody's eyes is told when they turn away; nonsense is not.
    let page = fetch(format!("/exhibits/{clip}")).await.unwrap().text().await.unwrap();
    let looked = page.split("data-look=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let seen = async |ranges: &str| {
        let form = [("ranges", ranges), ("look", &looked)];
        server
            .http
            .post(server.url(&format!("/exhibits/{clip}/seen")))
            .bearer_auth(&token)
            .form(&form)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    let unseen = server.http.post(server.url(&format!("/exhibits/{clip}/seen"))).bearer_auth(&token).form(&[("ranges", "0-1500")]);
    assert_eq!(unseen.send().await.unwrap().status(), 403, "who has not opened it has seen nothing");
    assert_eq!(seen("0-1500 2000-3000").await, 204);
    for wrong in ["", "5-1", "0-9 3-12", "x"] {
        assert_eq!(seen(wrong).await, 422, "{wrong}");
    }
    server.settled().await;
    let (_, played) = server.get(&token, &format!("/api/v1/exhibits/{clip}/events")).await;
    let told: Vec<_> = played.as_array().unwrap().iter().filter(|e| e["entry"]["type"] == "exhibit.view_ended").collect();
    assert_eq!((told.len(), &told[0]["entry"]["f"]["ranges"]), (1, &json!(["0-1500", "2000-3000"])));
    // If the event cannot be written, nothing is shown.
    server.sql("ALTER TABLE log_pending RENAME TO log_away");
    for path in [format!("/api/v1/exhibits/{id}/original"), format!("/api/v1/exhibits/{id}"), "/api/v1/appeals/LOOK/exhibits".to_owned()] {
        let answer = fetch(path).await.unwrap();
        assert!(answer.status().is_server_error());
        assert!(!answer.bytes().await.unwrap().starts_with(b"\xff\xd8"));
    }
}

async fn pages_of_the_queue_are_stable(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("PAGES", &[]);
    let token = server.token("investigator");
    let s = server.submission("PAGES", None).await;
    for n in 0..25 {
        server.sent(&s, "x.jpg", jpeg(n, 16, 16)).await;
    }
    server.settled().await;
    for order in ["closeness", "time", "received"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, page) = server.get(&token, &format!("/api/v1/appeals/PAGES/exhibits?limit=4&order={order}&cursor={cursor}")).await;
            assert_eq!(status, StatusCode::OK);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            // Somebody else's upload between two pages moves nothing that was not seen yet out of reach.
            if seen.len() == 8 {
                server.sent(&s, "late.jpg", jpeg(1_000, 16, 16)).await;
            }
            match page["next"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => break,
            }
        }
        let mut unique = seen.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), seen.len(), "no exhibit twice");
        assert!(seen.len() >= 25, "none left out");
        let (status, problem) = server.get(&token, &format!("/api/v1/appeals/PAGES/exhibits?kind=video&cursor={cursor}")).await;
        assert_eq!((status, problem["type"].as_str()), (StatusCode::BAD_REQUEST, Some("/problems/bad-cursor")));
    }
}

async fn a_lost_or_foreign_key_is_refused(pair: Pair) {
    let server = Server::start(pair).await;
    let seed = server.path("keys/log.seed");
    let own = std::fs::read_to_string(&seed).unwrap();
    for other in [None, Some("00".repeat(32))] {
        std::fs::remove_file(&seed).unwrap();
        if let Some(other) = &other {
            std::fs::write(&seed, other).unwrap();
        }
        let done = server.cli(&["audit"]);
        assert_eq!(done.status.code(), Some(3), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(String::from_utf8_lossy(&done.stderr).contains("key"));
        std::fs::write(&seed, &own).unwrap();
    }
    server.assert_sound();
}

/// The Ed25519 signature of a checkpoint, checked by openssl: the key from the policy in its SPKI wrapping, the note's
/// text, and the last 64 bytes of its signature line.
fn openssl_accepts(server: &Server, checkpoint: &str, policy: &str) -> bool {
    use data_encoding::BASE64;
    let vkey = policy.lines().find_map(|l| l.strip_prefix("log ")).unwrap().split(' ').next().unwrap();
    let key = BASE64.decode(vkey.splitn(3, '+').nth(2).unwrap().as_bytes()).unwrap();
    let spki = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &key[1..]].concat();
    let (text, signature) = checkpoint.split_once("\n\n").unwrap();
    let signature = BASE64.decode(signature.trim().rsplit(' ').next().unwrap().as_bytes()).unwrap();
    let (pem, note, sig) = (server.path("key.pem"), server.path("note"), server.path("sig"));
    std::fs::write(&pem, format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64.encode(&spki))).unwrap();
    std::fs::write(&note, format!("{text}\n")).unwrap();
    std::fs::write(&sig, &signature[4..]).unwrap();
    let done = std::process::Command::new("openssl")
        .args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"])
        .arg(&pem)
        .arg("-in")
        .arg(&note)
        .arg("-sigfile")
        .arg(&sig)
        .output()
        .unwrap();
    done.status.success()
}
