//! Several people on one appeal: who looks at what, acts on many and back, notes and marks, samples decided again, what is told meanwhile.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::files::{Gps, jpeg, with_exif};
use crate::support::{PATIENCE, Pair, Server, on_both};

on_both!(
    a_content_is_before_one_person_at_a_time,
    an_act_on_many_is_previewed_done_and_taken_back,
    what_is_stated_of_many_is_a_claim_and_goes_away_alone,
    the_witness_is_asked_for_the_original,
    notes_and_marks_stay_in_the_record,
    a_sample_is_decided_again_by_somebody_who_does_not_know,
    filters_are_saved_and_tags_can_be_asked_for,
    a_page_that_stays_open_is_told,
    what_makes_no_sense_is_refused,
    how_it_came_can_be_asked_and_the_first_hand_comes_first,
    what_somebody_changed_since_is_not_taken_back,
    the_operators_own_maps_are_served
);

async fn post(server: &Server, token: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let answer = server.http.post(server.url(&format!("/api/v1/appeals/WORK/{path}"))).bearer_auth(token).json(&body).send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or(Value::Null))
}

/// Numbers, states, tags' words are asked as a program asks them.
async fn list(server: &Server, token: &str, query: &str) -> Vec<Value> {
    let (status, page) = server.get(token, &format!("/api/v1/appeals/WORK/exhibits?order=received&{query}")).await;
    assert_eq!(status, 200, "{page}");
    let mut items = page["items"].as_array().unwrap().clone();
    items.sort_by_key(|i| i["number"].as_u64());
    items
}

async fn numbers(server: &Server, token: &str, query: &str) -> Vec<u64> {
    list(server, token, query).await.iter().map(|i| i["number"].as_u64().unwrap()).collect()
}

async fn kinds(server: &Server) -> Vec<String> {
    server.events().await.iter().map(|e| e["type"].as_str().unwrap().to_owned()).collect()
}

/// The id of an account, as the index names those who may review.
async fn account(server: &Server, token: &str, name: &str) -> String {
    let answer = server.http.get(server.url("/api/v1/appeals/WORK/exhibits.index")).bearer_auth(token).send().await.unwrap();
    let packed = answer.bytes().await.unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut bytes).unwrap();
    let length = u32::from_le_bytes(bytes[..4].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[4..4 + length]).unwrap();
    let people = header["people"].as_array().unwrap();
    people.iter().find(|p| p[1] == name).unwrap()[0].as_str().unwrap().to_owned()
}

/// An appeal with so many pictures that show different things.
async fn with_pictures(pair: Pair, n: u32) -> Server {
    let server = Server::start(pair).await;
    server.appeal("WORK", &[]);
    let s = server.submission("WORK", None).await;
    for k in 0..n {
        server.sent(&s, &format!("{k}.jpg"), jpeg(k + 1, 320, 240)).await;
    }
    server.settled().await;
    server
}

async fn a_content_is_before_one_person_at_a_time(pair: Pair) {
    let server = with_pictures(pair, 2).await;
    let (ines, omar) = (server.token("investigator"), server.token("supervisor"));
    let (status, mine) = post(&server, &ines, "leases", json!({"families": [1]})).await;
    assert_eq!((status.as_u16(), &mine["held"]), (200, &json!([])), "{mine}");
    let (_, theirs) = post(&server, &omar, "leases", json!({"families": [1, 2]})).await;
    assert_eq!(theirs["held"][0]["family"], 1, "{theirs}");
    // Whoever does not have it does not decide on it, alone or among many.
    let decide = |n: u64| json!({"items": [{"number": n, "version": 0}], "decision": "relevant"});
    let (status, left) = post(&server, &omar, "decisions", decide(1)).await;
    assert_eq!((status.as_u16(), &left["changed"], &left["held"]), (200, &json!([]), &json!([1])), "{left}");
    let many = json!({"numbers": [1, 2], "what": {"act": "decide", "decision": "not_relevant"}});
    let (_, preview) = post(&server, &omar, "acts/preview", many.clone()).await;
    assert_eq!((&preview["changes"], &preview["held"]), (&json!(1), &json!(1)), "{preview}");
    let id = list(&server, &omar, "family=1").await[0]["id"].as_str().unwrap().to_owned();
    let alone = server
        .http
        .post(server.url(&format!("/api/v1/exhibits/{id}/decision")))
        .bearer_auth(&omar)
        .json(&json!({"decision": "relevant", "version": 0}))
        .send()
        .await
        .unwrap();
    assert_eq!(alone.status(), 409);
    assert!(alone.json::<Value>().await.unwrap()["type"].as_str().unwrap().ends_with("leased"));
    // It can be taken over, and is let go of with the next one.
    let (_, over) = post(&server, &omar, "leases", json!({"families": [1], "over": true})).await;
    assert_eq!(over["held"], json!([]));
    let (_, now_mine) = post(&server, &omar, "decisions", decide(1)).await;
    assert_eq!(now_mine["changed"].as_array().unwrap().len(), 1, "{now_mine}");
    post(&server, &omar, "leases", json!({"families": []})).await;
    let (_, back) = post(&server, &ines, "decisions", json!({"items": [{"number": 1, "version": 1}], "decision": "undecided"})).await;
    assert_eq!(back["changed"].as_array().unwrap().len(), 1, "{back}");
    server.assert_sound();
}

async fn an_act_on_many_is_previewed_done_and_taken_back(pair: Pair) {
    let server = with_pictures(pair, 4).await;
    let (ines, omar) = (server.token("investigator"), server.token("supervisor"));
    let tag = json!({"numbers": [1, 2, 3], "what": {"act": "tag", "tag": "white  van"}});
    let (_, preview) = post(&server, &ines, "acts/preview", tag.clone()).await;
    assert_eq!((&preview["changes"], &preview["already"]), (&json!(3), &json!(0)));
    server.settled().await;
    assert!(!kinds(&server).await.iter().any(|k| k == "exhibit.tagged"), "looking at what would happen writes nothing");
    let (status, done) = post(&server, &ines, "acts", tag.clone()).await;
    assert_eq!((status.as_u16(), done["changed"].as_array().unwrap().len()), (200, 3), "{done}");
    assert_eq!(numbers(&server, &ines, "tag=white+van").await, [1, 2, 3]);
    let (_, again) = post(&server, &ines, "acts/preview", tag).await;
    assert_eq!((&again["changes"], &again["already"]), (&json!(0), &json!(3)));
    // A larger act goes on under its own id, and is taken back as one; what a colleague changed since stays.
    let more = json!({"numbers": [4], "what": {"act": "tag", "tag": "white van"}, "under": done["act"]});
    let (status, _) = post(&server, &ines, "acts", more.clone()).await;
    assert_eq!(status, 200);
    let (status, _) = post(&server, &omar, "acts", more).await;
    assert_eq!(status, 404, "an act is its author's");
    let (_, untag) = post(&server, &omar, "acts", json!({"numbers": [2], "what": {"act": "untag", "tag": "white van"}})).await;
    assert_eq!(untag["changed"].as_array().unwrap().len(), 1);
    let act = done["act"].as_str().unwrap();
    let (status, _) = post(&server, &omar, &format!("acts/{act}/undo"), json!({})).await;
    assert_eq!(status, 404);
    let (_, undone) = post(&server, &ines, &format!("acts/{act}/undo"), json!({})).await;
    assert_eq!((undone["changed"].as_array().unwrap().len(), &undone["left"]), (3, &json!(1)), "{undone}");
    let (status, _) = post(&server, &ines, &format!("acts/{act}/undo"), json!({})).await;
    assert_eq!(status, 409, "once");
    assert!(numbers(&server, &ines, "tag=white+van").await.is_empty());

    // To review: pulled by one, not given twice, handed over, handed back.
    let me = |items: &[Value]| items.iter().map(|i| i["number"].as_u64().unwrap()).collect::<Vec<_>>();
    let who = account(&server, &ines, "investigator").await;
    let (_, pulled) =
        post(&server, &ines, "acts", json!({"numbers": [1, 2], "what": {"act": "assign", "to": who, "free_only": true}})).await;
    assert_eq!(pulled["changed"].as_array().unwrap().len(), 2);
    assert_eq!(me(&list(&server, &ines, "assigned=me").await), [1, 2]);
    let other = account(&server, &ines, "supervisor").await;
    let (_, second) =
        post(&server, &omar, "acts", json!({"numbers": [2, 3], "what": {"act": "assign", "to": other, "free_only": true}})).await;
    assert_eq!((second["changed"].as_array().unwrap().len(), &second["left"]), (1, &json!(1)));
    post(&server, &ines, "acts", json!({"numbers": [1], "what": {"act": "assign", "to": other}})).await;
    assert_eq!(numbers(&server, &omar, "assigned=me").await, [1, 3]);
    assert_eq!(numbers(&server, &omar, "assigned=nobody").await, [4]);
    let pulled = pulled["act"].as_str().unwrap();
    let (_, back) = post(&server, &ines, &format!("acts/{pulled}/undo"), json!({})).await;
    assert_eq!((back["changed"].as_array().unwrap().len(), &back["left"]), (1, &json!(1)), "what was handed over stays so: {back}");

    // Decided and put behind glass by the dozen, where nobody had decided; and back.
    post(&server, &omar, "decisions", json!({"items": [{"number": 4, "version": 0}], "decision": "relevant"})).await;
    let reject = json!({"numbers": [1, 2, 3, 4], "what": {"act": "decide", "decision": "not_relevant"}, "reason": "Test pattern"});
    let (_, done) = post(&server, &ines, "acts", reject).await;
    assert_eq!((done["changed"].as_array().unwrap().len(), &done["left"]), (3, &json!(1)), "{done}");
    let glass = json!({"numbers": [1], "what": {"act": "quarantine"}});
    let (status, problem) = post(&server, &ines, "acts", glass).await;
    assert_eq!(
        (status.as_u16(), problem["detail"].as_str().unwrap_or_default().is_empty()),
        (422, false),
        "a reason is asked for: {problem}"
    );
    let (_, glass) =
        post(&server, &ines, "acts", json!({"numbers": [1], "what": {"act": "quarantine"}, "reason": "A flood of copies"})).await;
    assert_eq!(numbers(&server, &ines, "state=quarantined").await, [1]);
    for act in [&done["act"], &glass["act"]] {
        let (status, _) = post(&server, &ines, &format!("acts/{}/undo", act.as_str().unwrap()), json!({})).await;
        assert_eq!(status, 200);
    }
    assert_eq!(numbers(&server, &ines, "state=ready").await, [1, 2, 3]);
    assert!(numbers(&server, &ines, "state=quarantined").await.is_empty());
    server.settled().await;
    let all = kinds(&server).await;
    for (kind, n) in
        [("exhibit.tagged", 4), ("exhibit.untagged", 4), ("exhibit.assigned", 5), ("exhibit.decision_undone", 3), ("exhibit.released", 1)]
    {
        assert_eq!(all.iter().filter(|k| *k == kind).count(), n, "{kind}");
    }
    server.assert_sound();
}

async fn what_is_stated_of_many_is_a_claim_and_goes_away_alone(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("WORK", &[]);
    let s = server.submission("WORK", None).await;
    server.sent(&s, "a.jpg", with_exif(&jpeg(1, 320, 240), "2026:07:14 22:10:00", Some("+02:00"), 1, &Gps::At(48.85, 2.35))).await;
    server.sent(&s, "b.jpg", jpeg(2, 320, 240)).await;
    server.settled().await;
    let ines = server.token("investigator");
    let state = |from: &str, lat: f64| json!({"numbers": [1, 2], "what": {"act": "correct", "from": from, "lat": lat, "lon": 2.36, "radius_m": 20.0}, "reason": "Clock tower in sight"});
    let (status, first) = post(&server, &ines, "acts", state("2026-07-14T21:00:00Z", 48.86)).await;
    assert_eq!((status.as_u16(), first["changed"].as_array().unwrap().len()), (200, 2), "{first}");
    let (_, second) = post(&server, &ines, "acts", state("2026-07-14T21:30:00Z", 48.87)).await;
    let stands = async || {
        let items = list(&server, &ines, "").await;
        items.iter().map(|i| (i["time"]["from"].as_str().unwrap_or("?").to_owned(), i["place"]["lat"].as_f64())).collect::<Vec<_>>()
    };
    let at = |t: &str, lat: f64| (t.to_owned(), Some(lat));
    assert_eq!(stands().await, vec![at("2026-07-14T21:30:00.000000Z", 48.87); 2]);
    // The later is taken back: the earlier holds again, then the file's own.
    for (act, left) in [
        (&second, vec![at("2026-07-14T21:00:00.000000Z", 48.86); 2]),
        (&first, vec![at("2026-07-14T20:09:59.000000Z", 48.85), ("?".into(), None)]),
    ] {
        let (status, undone) = post(&server, &ines, &format!("acts/{}/undo", act["act"].as_str().unwrap()), json!({})).await;
        assert_eq!((status.as_u16(), undone["changed"].as_array().unwrap().len()), (200, 2), "{undone}");
        let now = stands().await;
        assert_eq!(now[1], left[1]);
        assert_eq!(now[0].1, left[0].1);
        assert!(now[0].0.starts_with(&left[0].0[..18]), "{now:?} {left:?}");
    }
    server.settled().await;
    server.assert_sound();
}

async fn the_witness_is_asked_for_the_original(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("WORK", &[]);
    let s = server.submission("WORK", None).await;
    server.sent(&s, "a.jpg", jpeg(1, 320, 240)).await;
    server.settled().await;
    let ines = server.token("investigator");
    let page = async || server.http.get(server.url(&format!("/r/{}?lang=en", s.receipt))).send().await.unwrap().text().await.unwrap();
    assert!(!page().await.contains("keep the original of this file"));
    let (_, done) =
        post(&server, &ines, "acts", json!({"numbers": [1], "what": {"act": "ask_original"}, "reason": "Place was stripped"})).await;
    assert_eq!(done["changed"].as_array().unwrap().len(), 1, "{done}");
    assert!(page().await.contains("keep the original of this file"));
    post(&server, &ines, &format!("acts/{}/undo", done["act"].as_str().unwrap()), json!({})).await;
    assert!(!page().await.contains("keep the original of this file"));
    server.settled().await;
    let all = kinds(&server).await;
    assert!(all.iter().any(|k| k == "original.requested") && all.iter().any(|k| k == "original.request_withdrawn"));
    server.assert_sound();
}

async fn notes_and_marks_stay_in_the_record(pair: Pair) {
    let server = with_pictures(pair, 1).await;
    let (ines, omar) = (server.token("investigator"), server.token("supervisor"));
    let id = list(&server, &ines, "").await[0]["id"].as_str().unwrap().to_owned();
    let url = server.url(&format!("/api/v1/exhibits/{id}/remarks"));
    let write = async |token: &str, body: Value| {
        let answer = server.http.post(&url).bearer_auth(token).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, first) = write(&ines, json!({"remark": {"words": "A white van", "region": [100, 200, 300, 400]}})).await;
    assert_eq!(status, 201, "{first}");
    let (status, _) = write(&omar, json!({"remark": {"words": "No van"}, "instead_of": first["id"]})).await;
    assert_eq!(status, 409, "nobody corrects what a colleague wrote");
    let (status, second) = write(&ines, json!({"remark": {"words": "A grey van", "from_ms": 1500}, "instead_of": first["id"]})).await;
    assert_eq!(status, 201);
    for wrong in
        [json!({"words": " "}), json!({"words": "x", "region": [0, 0, 0, 5]}), json!({"words": "x", "to_ms": 5}), json!({"text": "x"})]
    {
        let (status, _) = write(&ines, json!({"remark": wrong})).await;
        assert_eq!(status, 422, "{wrong}");
    }
    let (_, all) = server.get(&omar, &format!("/api/v1/exhibits/{id}/remarks")).await;
    let told: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["words"].as_str().unwrap(), r["superseded_at"].is_null(), r["mine"].as_bool().unwrap()))
        .collect();
    assert_eq!(told, [("A white van", false, false), ("A grey van", true, false)]);
    let away = async |token: &str| {
        let url = format!("{url}/{}", second["id"].as_str().unwrap());
        server.http.delete(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(away(&omar).await, 409);
    assert_eq!(away(&ines).await, 204);
    assert_eq!(away(&ines).await, 409);
    server.settled().await;
    let all = kinds(&server).await;
    assert_eq!((all.iter().filter(|k| *k == "note.added").count(), all.iter().filter(|k| *k == "note.superseded").count()), (2, 2));
    server.assert_sound();
}

async fn a_sample_is_decided_again_by_somebody_who_does_not_know(pair: Pair) {
    let server = with_pictures(pair, 3).await;
    let (ines, _) = (server.token("investigator"), server.token("supervisor"));
    let ines_page = server.signed_in("investigator").await;
    let chief = server.signed_in("supervisor").await;
    let draw = async |percent: &str| {
        chief.post(server.url("/appeals/WORK/samples")).form(&[("percent", percent)]).send().await.unwrap().status().as_u16()
    };
    assert_eq!(draw("10").await, 422, "nothing stands not relevant yet");
    let items: Vec<Value> = (1..=3).map(|n| json!({"number": n, "version": 0})).collect();
    post(&server, &ines, "decisions", json!({"items": items, "decision": "not_relevant"})).await;
    for wrong in ["0", "101", "half"] {
        assert_eq!(draw(wrong).await, 422, "{wrong}");
    }
    assert_eq!(ines_page.post(server.url("/appeals/WORK/samples")).form(&[("percent", "10")]).send().await.unwrap().status(), 403);
    assert!(draw("50").await < 400);
    let board = chief.get(server.url("/appeals/WORK/board?lang=en")).send().await.unwrap().text().await.unwrap();
    assert!(board.replace(['\u{2068}', '\u{2069}'], "").contains("2 of 3"), "{board}");
    let at = board.find("/appeals/WORK/samples/").unwrap();
    let path = board[at..].split('"').next().unwrap().to_owned();
    let mut opinions = ["relevant", "not_relevant"].into_iter();
    for _ in 0..2 {
        let page = chief.get(server.url(&format!("{path}?lang=en"))).send().await.unwrap().text().await.unwrap();
        assert!(!page.contains("state not_relevant"), "nobody is told what was decided");
        let at = page.find("name=\"exhibit\" value=\"").unwrap() + 22;
        let id = &page[at..at + 36];
        let form = [("exhibit", id), ("decision", opinions.next().unwrap())];
        let done = chief.post(server.url(&path)).form(&form).send().await.unwrap();
        assert!(done.status().as_u16() < 400, "{}", done.status());
        let twice = chief.post(server.url(&path)).form(&form).send().await.unwrap();
        assert_eq!(twice.status(), 409);
    }
    let page = chief.get(server.url(&format!("{path}?lang=en"))).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Nothing of this sample is left"), "{page}");
    let board = chief.get(server.url("/appeals/WORK/board?lang=en")).send().await.unwrap().text().await.unwrap();
    assert!(board.replace(['\u{2068}', '\u{2069}'], "").contains("agreement 50 %"), "{board}");
    assert_eq!(numbers(&server, &ines, "state=not_relevant").await, [1, 2, 3], "a second opinion changes nothing");
    server.settled().await;
    let events = server.events().await;
    let drawn = events.iter().find(|e| e["type"] == "sample.drawn").unwrap();
    assert_eq!(
        (drawn["f"]["population"].as_u64(), drawn["f"]["count"].as_u64(), drawn["f"]["seed"].as_str().map(str::len)),
        (Some(3), Some(2), Some(32))
    );
    server.assert_sound();
}

async fn filters_are_saved_and_tags_can_be_asked_for(pair: Pair) {
    let server = with_pictures(pair, 2).await;
    let (ines, omar) = (server.token("investigator"), server.token("supervisor"));
    post(&server, &ines, "acts", json!({"numbers": [2], "what": {"act": "tag", "tag": "second-look"}})).await;
    assert_eq!(numbers(&server, &omar, "tag=second-look").await, [2]);
    let (status, made) = post(&server, &ines, "filters", json!({"name": "Mine", "query": "assigned=me&kind=photo"})).await;
    assert_eq!(status, 201, "{made}");
    let (status, shared) =
        post(&server, &ines, "filters", json!({"name": "Second looks", "query": "tag=second-look", "shared": true})).await;
    assert_eq!(status, 201);
    for wrong in [
        json!({"name": " ", "query": ""}),
        json!({"name": "x", "query": "kind=fake"}),
        json!({"name": "x", "query": "shoe=42"}),
        json!({"name": "x", "query": "tag=never"}),
    ] {
        let (status, _) = post(&server, &ines, "filters", wrong.clone()).await;
        assert_eq!(status, 422, "{wrong}");
    }
    let (_, all) = server.get(&omar, "/api/v1/appeals/WORK/filters").await;
    let names: Vec<_> = all.as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Second looks"], "others see what is shared");
    let delete = async |token: &str, id: &Value| {
        let url = server.url(&format!("/api/v1/appeals/WORK/filters/{}", id.as_str().unwrap()));
        server.http.delete(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    assert_eq!([delete(&omar, &shared["id"]).await, delete(&ines, &shared["id"]).await, delete(&ines, &made["id"]).await], [404, 204, 204]);
}

async fn a_page_that_stays_open_is_told(pair: Pair) {
    let server = with_pictures(pair, 1).await;
    let (ines, omar) = (server.token("investigator"), server.token("supervisor"));
    let open = async || server.http.get(server.url("/api/v1/appeals/WORK/events")).bearer_auth(&ines).send().await.unwrap();
    let mut stream = open().await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let begun = std::time::Instant::now();
    let mut text = String::new();
    let mut pulses = async |until: &str| {
        while !text.contains(until) {
            match stream.chunk().await {
                Ok(Some(chunk)) => text.push_str(&String::from_utf8_lossy(&chunk)),
                // It ends now and then, and the page opens it again.
                _ => stream = open().await,
            }
            assert!(begun.elapsed() < PATIENCE, "nothing tells {until}: {text}");
        }
        text.clone()
    };
    let first = pulses("\n\n").await;
    assert!(first.contains("event: pulse") && first.contains("\"waiting\":1") && first.contains("\"looking\":[]"), "{first}");
    post(&server, &omar, "leases", json!({"families": [1]})).await;
    pulses("\"looking\":[[1,").await;
    post(&server, &omar, "decisions", json!({"items": [{"number": 1, "version": 0}], "decision": "relevant"})).await;
    pulses("\"waiting\":0").await;
    let auditor = server.token("auditor");
    let refused = server.http.get(server.url("/api/v1/appeals/WORK/events")).bearer_auth(&auditor).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    // It ends by itself, so that who is signed out is told nothing more.
    let ended =
        tokio::time::timeout(std::time::Duration::from_secs(40), async { while stream.chunk().await.unwrap_or(None).is_some() {} }).await;
    assert!(ended.is_ok());
}

async fn what_makes_no_sense_is_refused(pair: Pair) {
    let server = with_pictures(pair, 1).await;
    let (ines, auditor) = (server.token("investigator"), server.token("auditor"));
    for body in [
        json!({"numbers": [], "what": {"act": "quarantine"}, "reason": "A flood of copies"}),
        json!({"numbers": [1], "what": {"act": "erase"}}),
        json!({"numbers": [1], "what": {"act": "tag", "tag": "a,b"}}),
        json!({"numbers": [1], "what": {"act": "tag", "tag": "x".repeat(41)}}),
        json!({"numbers": [1], "what": {"act": "assign", "to": "01890000-0000-7000-8000-000000000000"}}),
        json!({"numbers": [1], "what": {"act": "correct"}, "reason": "No reason at all"}),
        json!({"numbers": [1], "what": {"act": "correct", "lat": 91.0, "lon": 0.0}, "reason": "Beyond the pole"}),
        json!({"numbers": [1], "what": {"act": "correct", "from": "2026-07-14T22:00:00Z", "to": "2026-07-14T21:00:00Z"}, "reason": "Back in time"}),
        json!({"numbers": vec![1; 5001], "what": {"act": "tag", "tag": "x"}}),
    ] {
        for path in ["acts", "acts/preview"] {
            let (status, problem) = post(&server, &ines, path, body.clone()).await;
            assert_eq!(status, 422, "{path} {body}: {problem}");
        }
        let (status, _) = post(&server, &auditor, "acts", body).await;
        assert_eq!(status, 403);
    }
    let (status, gone) = post(&server, &ines, "acts", json!({"numbers": [99], "what": {"act": "tag", "tag": "x"}})).await;
    assert_eq!((status.as_u16(), &gone["left"]), (200, &json!(1)));
    let (status, _) = post(&server, &ines, "leases", json!({"families": vec![1; 201]})).await;
    assert_eq!(status, 422);
    for path in ["/appeals/WORK/compare?n=1", "/appeals/WORK/compare?n=1,2,3,4,5", "/appeals/WORK/compare?n=x,y"] {
        let page = server.signed_in("investigator").await;
        assert_eq!(page.get(server.url(path)).send().await.unwrap().status(), 422, "{path}");
    }
}

async fn how_it_came_can_be_asked_and_the_first_hand_comes_first(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("WORK", &[]);
    let camera = |seed| with_exif(&jpeg(seed, 320, 240), "2026:07:14 22:10:00", Some("+02:00"), 1, &Gps::At(48.85, 2.35));
    // The same time and place: what was got from somebody, what looks like it, what a witness filmed.
    let got = server.submission("WORK", Some(json!({"own": "no"}))).await;
    server.sent(&got, "a.jpg", camera(1)).await;
    server.sent(&got, "b.jpg", camera(2)).await;
    let unsaid = server.submission("WORK", None).await;
    server.sent(&unsaid, "IMG-20260714-WA0003.jpg", camera(3)).await;
    let own = server.submission("WORK", Some(json!({"own": "yes"}))).await;
    server.sent(&own, "c.jpg", camera(4)).await;
    server.settled().await;
    let ines = server.token("investigator");
    assert_eq!(numbers(&server, &ines, "sign=own").await, [4]);
    assert_eq!(numbers(&server, &ines, "sign=received").await, [1, 2]);
    assert_eq!(numbers(&server, &ines, "sign=received,messenger").await, [1, 2, 3]);
    assert_eq!(numbers(&server, &ines, "submission=1").await, [1, 2]);
    assert_eq!(numbers(&server, &ines, "submission=3").await, [3]);
    let (_, closest) = server.get(&ines, "/api/v1/appeals/WORK/exhibits").await;
    let order: Vec<u64> = closest["items"].as_array().unwrap().iter().map(|i| i["number"].as_u64().unwrap()).collect();
    assert_eq!(order[0], 4, "first-hand before forwarded: {order:?}");
    let (_, counts) = server.get(&ines, "/api/v1/appeals/WORK/exhibits.counts?submission=1").await;
    assert_eq!((&counts["found"], &counts["sign"]["received"], &counts["sign"]["own"]), (&json!(2), &json!(2), &json!(0)), "{counts}");
    // Said later, it counts from then on.
    let told = server
        .http
        .put(server.url(&format!("/api/v1/submissions/{}/statement", unsaid.id)))
        .bearer_auth(&unsaid.token)
        .json(&json!({"own": "yes"}))
        .send()
        .await
        .unwrap();
    assert!(told.status().is_success(), "{}", told.status());
    server.settled().await;
    assert_eq!(numbers(&server, &ines, "sign=own").await, [3, 4]);
    for wrong in ["sign=fake", "submission=x", "device=-1"] {
        let (status, _) = server.get(&ines, &format!("/api/v1/appeals/WORK/exhibits?{wrong}")).await;
        assert_eq!(status, 422, "{wrong}");
    }
    server.assert_sound();
}

async fn what_somebody_changed_since_is_not_taken_back(pair: Pair) {
    let server = with_pictures(pair, 1).await;
    let (ines, omar) = (server.token("investigator"), server.token("supervisor"));
    let me = account(&server, &ines, "investigator").await;
    let give = |to: Option<&str>| match to {
        Some(to) => json!({"numbers": [1], "what": {"act": "assign", "to": to}}),
        None => json!({"numbers": [1], "what": {"act": "assign"}}),
    };
    let (_, first) = post(&server, &ines, "acts", give(Some(&me))).await;
    // A colleague gives it back, and then to her on purpose: it stands as she left it, and is not hers to take back.
    post(&server, &omar, "acts", give(None)).await;
    post(&server, &omar, "acts", give(Some(&me))).await;
    let undo = format!("acts/{}/undo", first["act"].as_str().unwrap());
    let (status, undone) = post(&server, &ines, &undo, json!({})).await;
    assert_eq!((status.as_u16(), &undone["changed"], &undone["left"]), (200, &json!([]), &json!(1)), "{undone}");
    assert_eq!(numbers(&server, &ines, "assigned=me").await, [1]);
    let (status, _) = post(&server, &ines, &undo, json!({})).await;
    assert_eq!(status, 409, "settled once");
    // An act that was taken back does not go on.
    let (_, tagged) = post(&server, &ines, "acts", json!({"numbers": [1], "what": {"act": "tag", "tag": "van"}})).await;
    post(&server, &ines, &format!("acts/{}/undo", tagged["act"].as_str().unwrap()), json!({})).await;
    let more = json!({"numbers": [1], "what": {"act": "tag", "tag": "van"}, "under": tagged["act"]});
    assert_eq!(post(&server, &ines, "acts", more).await.0, 409);
    // Whoever swaps contents with a colleague takes what was let go of, and lets go of no more than they say.
    post(&server, &ines, "leases", json!({"families": [1, 7]})).await;
    let (_, kept) = post(&server, &ines, "leases", json!({"families": [], "let_go": [7]})).await;
    assert_eq!(kept["held"], json!([]));
    let (_, theirs) = post(&server, &omar, "leases", json!({"families": [1, 7]})).await;
    assert_eq!(theirs["held"].as_array().unwrap().iter().map(|h| h["family"].as_u64().unwrap()).collect::<Vec<_>>(), [1]);
    // The flood's own page waits for colleagues, too.
    let id = list(&server, &omar, "").await[0]["id"].as_str().unwrap().to_owned();
    let chief = server.signed_in("supervisor").await;
    let form = [("act", "reject"), ("scope", "submission"), ("exhibit", id.as_str()), ("reason", "Test pattern")];
    let done = chief.post(server.url("/appeals/WORK/bulk")).form(&form).send().await.unwrap();
    assert!(done.status().as_u16() < 400, "{}", done.status());
    assert_eq!(numbers(&server, &ines, "state=ready").await, [1]);
    server.settled().await;
    server.assert_sound();
}

async fn the_operators_own_maps_are_served(pair: Pair) {
    let server = with_pictures(pair, 1).await;
    server.token("investigator");
    let get = async |client: &reqwest::Client, path: &str| client.get(server.url(path)).send().await.unwrap();
    assert_eq!(get(&server.http, "/maps/map.pmtiles").await.status(), 404);
    let folder = server.path("maps");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("map.pmtiles"), [7; 1000]).unwrap();
    std::fs::write(folder.join("hall.png"), b"picture").unwrap();
    std::fs::write(
        folder.join("hall.json"),
        r#"{"name": "Hall <1>", "pins": [{"x": 0, "y": 0, "lat": 48.85, "lon": 2.35}, {"x": 9, "y": 0, "lat": 48.85, "lon": 2.36}]}"#,
    )
    .unwrap();
    let part = server.http.get(server.url("/maps/map.pmtiles")).header("range", "bytes=10-19").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.headers()["content-range"].to_str().unwrap()), (206, "bytes 10-19/1000"));
    assert_eq!(part.bytes().await.unwrap().len(), 10);
    // Plans are for those who review.
    assert!(get(&server.http, "/maps/hall.png").await.status().as_u16() >= 300);
    let page = server.signed_in("investigator").await;
    let plan = get(&page, "/maps/hall.png").await;
    assert_eq!((plan.status().as_u16(), plan.headers()["content-type"].to_str().unwrap()), (200, "image/png"));
    for wrong in ["/maps/hall.json", "/maps/..%2ftemoin.db", "/maps/temoin.db", "/maps/none.png"] {
        assert_eq!(get(&page, wrong).await.status(), 404, "{wrong}");
    }
    let workspace = get(&page, "/appeals/WORK").await.text().await.unwrap();
    assert!(workspace.contains("/maps/map.pmtiles") && workspace.contains("hall.png") && !workspace.contains("Hall <1>"), "{workspace}");
    let said = String::from_utf8(server.cli(&["doctor"]).stdout).unwrap();
    assert!(said.contains("map.pmtiles, 1 plans"), "{said}");
}
