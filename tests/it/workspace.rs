//! The workspace's own questions: the index of an appeal, tiles by number, decisions on families, and decisions taken back.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::files::{Gps, jpeg, with_exif};
use crate::support::{Pair, Server, on_both};

on_both!(an_index_tells_all_exhibits_and_what_changed, a_family_is_decided_at_once_and_taken_back, what_makes_no_sense_is_refused);

/// The header of an index, and its columns by name.
async fn index(server: &Server, token: &str, query: &str) -> (Value, impl Fn(&str, usize) -> u32 + use<>) {
    let answer =
        server.http.get(server.url(&format!("/api/v1/appeals/WORK/exhibits.index{query}"))).bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let packed = answer.bytes().await.unwrap();
    let mut bytes = Vec::new();
    if packed.starts_with(&[0x1f, 0x8b]) {
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut bytes).unwrap();
    } else {
        bytes = packed.to_vec();
    }
    let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[4..4 + length]).unwrap();
    let (told, rows) = (header.clone(), header["rows"].as_u64().unwrap() as usize);
    let value = move |name: &str, row: usize| {
        let mut at = 4 + length;
        for column in told["columns"].as_array().unwrap() {
            let width = column[1].as_u64().unwrap() as usize;
            if column[0] == name {
                let raw = |row: usize| (0..width).map(|p| u32::from(bytes[at + p * rows + row]) << (8 * p)).sum::<u32>();
                return if column[2] == "delta" { (0..=row).fold(0, |sum: u32, r| sum.wrapping_add(raw(r))) } else { raw(row) };
            }
            at += width * rows;
        }
        panic!("no column {name}");
    };
    (header, value)
}

async fn post(server: &Server, token: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let answer = server.http.post(server.url(&format!("/api/v1/appeals/WORK/{path}"))).bearer_auth(token).json(&body).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn an_index_tells_all_exhibits_and_what_changed(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("WORK", &[]);
    let token = server.token("investigator");
    let (header, _) = index(&server, &token, "").await;
    assert_eq!((header["rows"].as_u64(), header["all"].as_u64()), (Some(0), Some(0)), "an empty appeal has an index too");
    let s = server.submission("WORK", None).await;
    let placed = with_exif(&jpeg(1, 320, 240), "2026:07:14 22:10:00", Some("+02:00"), 1, &Gps::At(48.85, 2.35));
    server.sent(&s, "a.jpg", placed).await;
    server.sent(&s, "b.jpg", jpeg(2, 320, 240)).await;
    server.sent(&s, "c.bin", b"nothing that anybody knows".to_vec()).await;
    server.settled().await;
    let (header, value) = index(&server, &token, "").await;
    assert_eq!((header["rows"].as_u64(), header["all"].as_u64()), (Some(3), Some(3)), "{header}");
    assert_eq!([value("number", 0), value("number", 1), value("number", 2)], [1, 2, 3]);
    let at = 1_784_059_800;
    assert!(value("t", 0).abs_diff(at) <= 1, "{} against {at}", value("t", 0));
    assert_eq!(value("t", 1), u32::MAX, "an unknown time is not the time of receipt");
    assert_eq!((value("lat", 0), value("lon", 0)), (488_500_000, 23_500_000));
    assert_eq!(value("lat", 1).cast_signed(), i32::MIN);
    let word = |list: &str, code: u32| header[list][code as usize - 1].as_str().unwrap().to_owned();
    assert_eq!((word("kinds", value("kind", 0)), word("states", value("state", 0))), ("photo".into(), "ready".into()));
    assert_eq!([value("flags", 0), value("flags", 2)], [3, 5], "best copy with a thumbnail; best copy behind glass");

    // Pictures come by number, and are on record; what is not there is left out.
    let (status, tiles) = post(&server, &token, "tiles", json!({"numbers": [2, 99, 1]})).await;
    assert_eq!(status, 200);
    let items = tiles["items"].as_array().unwrap();
    assert_eq!(items.iter().map(|i| i["number"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 1]);
    let thumbnail = server.http.get(server.url(items[0]["thumbnail"].as_str().unwrap())).bearer_auth(&token).send().await.unwrap();
    assert_eq!((thumbnail.status().as_u16(), thumbnail.headers()["content-type"].to_str().unwrap()), (200, "image/jpeg"));
    server.settled().await;
    let viewed: Vec<Value> = server.events().await.into_iter().filter(|e| e["type"] == "grid.viewed").collect();
    assert_eq!((viewed.len(), viewed[0]["f"]["count"].as_u64()), (1, Some(2)), "{viewed:?}");

    // Later only what changed.
    let since = header["asked_at"].as_i64().unwrap() + 600_000_000;
    let (later, _) = index(&server, &token, &format!("?since={since}")).await;
    assert_eq!((later["rows"].as_u64(), later["all"].as_u64()), (Some(0), Some(3)));
    server.sent(&s, "d.jpg", jpeg(3, 320, 240)).await;
    let (later, value) = index(&server, &token, &format!("?since={}", header["asked_at"])).await;
    assert_eq!(later["all"], 4);
    let rows = later["rows"].as_u64().unwrap() as usize;
    assert_eq!(value("number", rows - 1), 4);
    server.assert_sound();
}

async fn a_family_is_decided_at_once_and_taken_back(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("WORK", &[]);
    let (token, supervisor) = (server.token("investigator"), server.token("supervisor"));
    let s = server.submission("WORK", None).await;
    let picture = jpeg(7, 640, 480);
    server.sent(&s, "IMG-20260714-WA0001.jpg", picture.clone()).await;
    server.settled().await;
    let tagged = with_exif(&picture, "2026:07:14 22:10:00", Some("+02:00"), 1, &Gps::Absent);
    server.sent(&s, "IMG_0001.jpg", tagged).await;
    server.settled().await;
    server.sent(&s, "again.jpg", picture.clone()).await;
    server.sent(&s, "other.jpg", jpeg(8, 640, 480)).await;
    server.settled().await;
    let state = async |token: &str| {
        let (_, page) = server.get(token, "/api/v1/appeals/WORK/exhibits?order=received").await;
        let mut all: Vec<(u64, u64, bool, String, u64)> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| {
                let n = |name: &str| i[name].as_u64().unwrap();
                (n("number"), n("family"), i["lead"].as_bool().unwrap(), i["state"].as_str().unwrap().to_owned(), n("version"))
            })
            .collect();
        all.sort();
        all
    };
    let ready = "ready".to_owned();
    let whole =
        vec![(1, 1, false, ready.clone(), 0), (2, 1, true, ready.clone(), 0), (3, 1, false, ready.clone(), 0), (4, 4, true, ready, 0)];
    assert_eq!(state(&token).await, whole, "the camera's own file is the best copy of three");
    let (_, best) = server.get(&token, "/api/v1/appeals/WORK/exhibits?family=best").await;
    assert_eq!(best["items"].as_array().unwrap().len(), 2);
    let (_, family) = server.get(&token, "/api/v1/appeals/WORK/exhibits?family=1").await;
    assert_eq!(family["items"].as_array().unwrap().len(), 3);

    // A colleague has decided on one of the family: that stands.
    let (status, _) =
        post(&server, &supervisor, "decisions", json!({"items": [{"number": 3, "version": 0}], "decision": "undecided"})).await;
    assert_eq!(status, 200);
    let act = json!({"items": [{"number": 2, "version": 0}], "decision": "relevant", "rest": "not_relevant", "note": "Best of three"});
    let (status, done) = post(&server, &token, "decisions", act.clone()).await;
    assert_eq!((status.as_u16(), done["changed"].as_array().unwrap().len(), &done["left"]), (200, 2, &json!([])), "{done}");
    assert_eq!(done["stands"], json!([3]), "{done}");
    let words = |all: &[(u64, u64, bool, String, u64)]| all.iter().map(|e| e.3.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(words(&state(&token).await), "not_relevant relevant undecided ready");
    // Whoever saw it as it was before is told, and changes nothing.
    let (_, late) = post(&server, &supervisor, "decisions", act).await;
    assert_eq!((late["changed"].as_array().unwrap().len(), &late["left"]), (0, &json!([2])), "{late}");

    // Nor does anything of its family change.
    let stale = json!({"items": [{"number": 2, "version": 0}], "decision": "undecided", "rest": "same"});
    let (_, late) = post(&server, &supervisor, "decisions", stale).await;
    assert_eq!((&late["changed"], &late["left"]), (&json!([]), &json!([2])), "{late}");

    // Only one's own last decision is taken back, by an event; nothing is erased.
    let items = done["changed"].clone();
    let items: Vec<Value> = items.as_array().unwrap().iter().map(|c| json!({"number": c["number"], "version": c["version"]})).collect();
    let (_, not_mine) = post(&server, &supervisor, "decisions/undo", json!({"items": items})).await;
    assert_eq!(not_mine["changed"], json!([]), "{not_mine}");
    let (_, back) = post(&server, &token, "decisions/undo", json!({"items": items})).await;
    assert_eq!(back["changed"].as_array().unwrap().len(), 2, "{back}");
    assert_eq!(words(&state(&token).await), "ready ready undecided ready");
    let (_, twice) = post(&server, &token, "decisions/undo", json!({"items": items})).await;
    assert_eq!(twice["changed"], json!([]));
    let (_, again) = post(&server, &token, "decisions", json!({"items": [{"number": 2, "version": 2}], "decision": "relevant"})).await;
    assert_eq!(again["changed"][0]["version"], 3);
    let (_, over) = post(&server, &token, "decisions", json!({"items": [{"number": 2, "version": 3}], "decision": "undecided"})).await;
    assert_eq!(over["changed"][0]["state"], "undecided");
    let (_, back) = post(&server, &token, "decisions/undo", json!({"items": [{"number": 2, "version": 4}]})).await;
    assert_eq!(back["changed"][0]["state"], "relevant", "what was decided before holds again: {back}");
    // Who corrects themselves corrects the copies on which they had decided the same; a colleague's decision stands.
    let same = |version: u64, decision: &str| json!({"items": [{"number": 2, "version": version}], "decision": decision, "rest": "same"});
    let (_, first) = post(&server, &token, "decisions", same(5, "relevant")).await;
    assert_eq!((first["changed"].as_array().map(Vec::len), &first["stands"]), (Some(2), &json!([3])), "{first}");
    let (_, corrected) = post(&server, &token, "decisions", same(6, "not_relevant")).await;
    assert_eq!((corrected["changed"].as_array().map(Vec::len), &corrected["stands"]), (Some(2), &json!([3])), "{corrected}");
    assert_eq!(words(&state(&token).await), "not_relevant not_relevant undecided ready");
    let (_, others) = post(&server, &supervisor, "decisions", same(7, "relevant")).await;
    assert_eq!(
        (others["changed"].as_array().map(Vec::len), &others["stands"]),
        (Some(1), &json!([1, 3])),
        "nobody corrects another: {others}"
    );
    server.settled().await;
    let kinds: Vec<String> = server.events().await.iter().map(|e| e["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds.iter().filter(|k| *k == "exhibit.decision_undone").count(), 3);
    server.assert_sound();
}

async fn what_makes_no_sense_is_refused(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("WORK", &[]);
    let (token, auditor) = (server.token("investigator"), server.token("auditor"));
    for (path, body) in [
        ("tiles", json!({"numbers": []})),
        ("tiles", json!({"numbers": vec![1; 201]})),
        ("decisions", json!({"items": [], "decision": "relevant"})),
        ("decisions", json!({"items": [{"number": 1, "version": 0}], "decision": "fake"})),
        ("decisions", json!({"items": [{"number": 1}], "decision": "relevant"})),
        ("decisions/undo", json!({"items": []})),
    ] {
        let (status, problem) = post(&server, &token, path, body).await;
        assert!(status == 422 || status == 400, "{path}: {status} {problem}");
        let (status, _) = post(&server, &auditor, path, json!({"numbers": [1], "items": [], "decision": "relevant"})).await;
        assert_eq!(status, 403, "{path}");
    }
    let (status, gone) = post(&server, &token, "decisions", json!({"items": [{"number": 7, "version": 0}], "decision": "relevant"})).await;
    assert_eq!((status.as_u16(), &gone["left"]), (200, &json!([7])), "what is gone is left alone");
    for query in ["within=1,2;3,4", "within=x", "grade=E", "family=none", "from=1960-01-01T00:00:00Z"] {
        let (status, _) = server.get(&token, &format!("/api/v1/appeals/WORK/exhibits?{query}")).await;
        assert_eq!(status, 422, "{query}");
    }
    let (status, _) = server.get(&token, "/api/v1/appeals/WORK/exhibits.index?since=yesterday").await;
    assert!(status.is_client_error());
    let (status, _) = server.get(&token, "/api/v1/appeals/NONE/exhibits.index").await;
    assert_eq!(status, 404);
}
