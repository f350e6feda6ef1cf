//! Every act on an exhibit is an event: those that are not covered where the act itself is tested.

use serde_json::{Value, json};

use crate::files::{Gps, jpeg, with_exif};
use crate::support::{Pair, Server, on_both};

on_both!(
    what_happens_to_an_exhibit_is_an_event,
    a_quiet_submission_is_counted,
    settings_and_roles_are_events,
    who_a_witness_is_takes_a_reason,
    a_witness_may_want_no_receipt,
    a_changed_decision_shows_both,
    many_looks_in_a_minute_are_told,
    the_record_is_watched_by_itself,
    what_the_log_cannot_see_is_said,
);

fn of<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|e| e["type"] == kind).collect()
}

fn about(event: &Value, n: usize) -> &str {
    event["subj"][n]["id"].as_str().unwrap()
}

/// What an event commits to, opened by somebody with a hand in the database.
fn opened(server: &Server, path: &str) -> Vec<String> {
    let text = server.query(&format!("SELECT value FROM log_opening WHERE path = '{path}' ORDER BY event_id"));
    text.lines().map(|l| serde_json::from_str::<String>(l).unwrap()).collect()
}

async fn what_happens_to_an_exhibit_is_an_event(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("ACTS", &[]);
    let photo = with_exif(&jpeg(1, 900, 700), "2026:07:14 22:10:00", Some("+02:00"), 1, &Gps::Absent);
    let (first, second) = (server.submission("ACTS", None).await, server.submission("ACTS", None).await);
    let a = server.sent(&first, "a.jpg", photo.clone()).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    let b = server.sent(&second, "b.jpg", photo).await["exhibit"].as_str().unwrap().to_owned();
    let said = server
        .http
        .put(server.url(&format!("/api/v1/submissions/{}/statement", first.id)))
        .bearer_auth(&first.token)
        .json(&json!({"own": "yes", "lat": 48.85, "lon": 2.35}))
        .send()
        .await
        .unwrap();
    assert!(said.status().is_success(), "{}", said.text().await.unwrap());
    let events = server.events().await;
    let linked = of(&events, "duplicate.linked");
    assert_eq!(linked.len(), 1, "the first of its kind is no duplicate");
    assert_eq!(about(linked[0], 0), b);
    assert_eq!(opened(&server, "of").join(" "), a);
    assert!(!linked[0].to_string().contains(&a), "which one it is like is not in clear");
    let restated = of(&events, "exhibit.restated");
    assert_eq!(restated.iter().map(|e| about(e, 0)).collect::<Vec<_>>(), [a.as_str()], "only what was said of it, and once");
    let made = of(&events, "derivative.created");
    assert_eq!(made.len(), 2, "the same picture, in both histories");
    assert_eq!(made[0]["f"]["variants"], json!(["thumbnail", "view"]));
    assert!(made[0]["f"]["how"][0].as_str().unwrap().ends_with("JPEG quality 80"));
    assert_eq!(made[0]["f"]["media"], json!(["image/jpeg", "image/jpeg"]));
    assert!(made[0]["f"]["tool"].as_str().unwrap().starts_with("temoin-examine/"));
    let view = opened(&server, "view_sha256");
    assert_eq!((view.len(), view[0].len()), (2, 64));
    let investigator = server.token("investigator");
    let shown = server.http.get(server.url(&format!("/exhibits/{a}/view"))).bearer_auth(&investigator).send().await.unwrap();
    assert_eq!(crate::support::sha256(&shown.bytes().await.unwrap()), view[0], "it is the picture that people see");
    server.assert_sound();
}

/// T08: whoever takes a file's record away before it has its place has to take the count away, too.
async fn a_quiet_submission_is_counted(pair: Pair) {
    let server = Server::start_with(pair, &[("TEMOIN_LIMITS__QUIET_MINUTES", "0")]).await;
    server.appeal("QUIET", &[]);
    let s = server.submission("QUIET", None).await;
    for n in 0..2 {
        server.sent(&s, "a.jpg", jpeg(n, 40, 40)).await;
    }
    // Counts so far, once the last is this one. (The sweep of the start may have come between two files.)
    let swept = async |last: u64| {
        let counts =
            async || of(&server.events().await, "submission.closed").iter().map(|e| e["f"]["files"].as_u64().unwrap()).collect::<Vec<_>>();
        crate::support::until("it is counted", async || {
            server.sql("UPDATE job SET run_at = 1 WHERE kind = 'sweep'");
            counts().await.last() == Some(&last)
        })
        .await;
        counts().await
    };
    let before = swept(2).await;
    server.sent(&s, "a.jpg", jpeg(9, 40, 40)).await;
    assert_eq!(swept(3).await, [before.clone(), vec![3]].concat(), "counted again once it went on, and only then");
    server.assert_sound();
    // A file was counted whose record never reached the log.
    server.sql("UPDATE submission SET files = files + 1");
    assert_eq!(swept(4).await, [before, vec![3, 4]].concat());
    let (code, report) = server.audit();
    assert_eq!(code, 1);
    assert!(report.to_string().contains("submission-differs"), "T08: {report}");
}

async fn settings_and_roles_are_events(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("ROLES", &[]);
    let s = server.submission("ROLES", None).await;
    let exhibit = server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await["exhibit"].as_str().unwrap().to_owned();
    assert!(of(&server.events().await, "config.changed").is_empty());
    server.kill();
    server.run().await;
    assert!(of(&server.events().await, "config.changed").is_empty(), "the same settings are no change");
    server.kill();
    server.set("TEMOIN_LIMITS__IDLE_SECONDS", Some("29"));
    server.run().await;
    let events = server.events().await;
    let changed = of(&events, "config.changed");
    assert_eq!(changed.len(), 1);
    assert_ne!(changed[0]["f"]["from"], changed[0]["f"]["to"]);

    let token = server.token("investigator");
    let look = async || server.get(&token, &format!("/api/v1/exhibits/{exhibit}")).await.0.as_u16();
    assert_eq!(look().await, 200);
    assert!(server.cli(&["user", "role", "investigator", "auditor"]).status.success());
    assert_eq!(look().await, 403, "from the next request on");
    assert_eq!(server.cli(&["user", "role", "investigator", "king"]).status.code(), Some(3));
    assert_eq!(server.cli(&["user", "role", "nobody", "auditor"]).status.code(), Some(3));
    assert!(server.cli(&["user", "role", "investigator", "auditor"]).status.success());
    let events = server.events().await;
    let roles = of(&events, "account.role_changed");
    assert_eq!(roles.len(), 1, "what changes nothing is no event");
    assert_eq!((&roles[0]["f"]["from"], &roles[0]["f"]["to"]), (&json!("investigator"), &json!("auditor")));
}

async fn who_a_witness_is_takes_a_reason(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("WHO", &[]);
    let s = server.submission("WHO", Some(json!({"own": "yes", "contact": "Jeanne <jeanne@example.org> & +33 6"}))).await;
    let exhibit = server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    server.user("ines", "investigator");
    server.user("remy", "auditor");
    let ines = server.signed_in("ines").await;
    let page = ines.get(server.url(&format!("/exhibits/{exhibit}"))).send().await.unwrap().text().await.unwrap();
    assert!(!page.contains("jeanne") && page.contains("/contact"), "that there is one is told, and no more");
    let ask = async |client: &reqwest::Client, purpose: &str, reason: &str| {
        let form = [("purpose", purpose), ("reason", reason)];
        let answer = client.post(server.url(&format!("/exhibits/{exhibit}/contact"))).form(&form).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for (purpose, reason) in [("", ""), ("investigation", " . "), ("curiosity", "Affaire 12/2026")] {
        let (status, page) = ask(&ines, purpose, reason).await;
        assert_eq!(status, 422, "{purpose} {reason}");
        assert!(!page.contains("jeanne"));
    }
    let remy = server.signed_in("remy").await;
    assert_eq!(ask(&remy, "rights", "plainte 3/2026").await.0, 403, "who audits does not look");
    let (status, page) = ask(&ines, "prosecution", "Convocation, affaire 12/2026").await;
    assert_eq!(status, 200);
    assert!(
        page.contains("Jeanne &#60;jeanne@example.org&#62; &#38; +33 6") || page.contains("Jeanne &lt;jeanne@example.org&gt; &amp; +33 6"),
        "{page}"
    );
    let events = server.events().await;
    let read = of(&events, "identity.unmasked");
    assert_eq!(read.len(), 1);
    assert_eq!((about(read[0], 0), about(read[0], 1)), (exhibit.as_str(), s.id.as_str()));
    assert_eq!((&read[0]["actor"]["purpose"], &read[0]["f"]["given"]), (&json!("prosecution"), &json!(true)));
    let refused = of(&events, "access.denied");
    assert_eq!(refused.iter().filter(|e| e["f"]["act"] == "Identity").count(), 3);
    let openings = server.query("SELECT value FROM log_opening");
    assert!(!openings.contains("jeanne@example") && openings.contains("Convocation"));
    // T28: without its event nothing is read.
    server.sql("ALTER TABLE log_pending RENAME TO log_away");
    let (status, page) = ask(&ines, "prosecution", "Convocation, affaire 12/2026").await;
    assert!(status >= 500 && !page.contains("jeanne"), "{status}");
    server.sql("ALTER TABLE log_away RENAME TO log_pending");
}

async fn a_witness_may_want_no_receipt(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("NONE", &[]);
    let s = server.submission("NONE", None).await;
    let exhibit = server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await["exhibit"].as_str().unwrap().to_owned();
    let page = server.http.get(server.url(&format!("/r/{}", s.receipt))).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("/forget"));
    // Something is still on its way.
    let begun = server.http.post(server.url("/api/v1/uploads")).bearer_auth(&s.token).header("tus-resumable", "1.0.0");
    let begun = begun.header("upload-length", "1000").send().await.unwrap();
    assert_eq!(begun.status(), 201, "{}", begun.text().await.unwrap());
    let upload = begun.headers()["location"].to_str().unwrap().to_owned();
    let upload = if upload.starts_with('/') { server.url(&upload) } else { upload };
    let forget = || server.http.post(server.url(&format!("/r/{}/forget", s.receipt))).send();
    let answer = forget().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["clear-site-data"].to_str().unwrap().contains("storage"));
    let page = answer.text().await.unwrap();
    let other = server.http.get(server.url("/forgotten?lang=fr")).send().await.unwrap().text().await.unwrap();
    assert!(other.contains("oublié"));
    let reference = page.split("class=\"code\">").nth(1).unwrap()[..9].to_owned();
    assert!(!page.contains(&s.receipt) && !s.id.to_uppercase().ends_with(&reference.replace('-', "")), "nothing in a bundle tells it");
    assert_eq!(forget().await.unwrap().status(), 404, "there is nothing left to forget");
    for path in [format!("/r/{}", s.receipt), format!("/r/{}/send", s.receipt), format!("/r/{}/proof/{exhibit}", s.receipt)] {
        assert_eq!(server.http.get(server.url(&path)).send().await.unwrap().status(), 404, "{path}");
    }
    assert_eq!(server.send(&s, "b.jpg", jpeg(2, 40, 40)).await.status(), 404);
    let on = server.http.patch(&upload).header("tus-resumable", "1.0.0").header("upload-offset", "0");
    let on = on.header("content-type", "application/offset+octet-stream").body(vec![1; 1000]).send().await.unwrap();
    assert_eq!(on.status(), 410, "nothing more is added");
    server.settled().await;
    server.user("ines", "investigator");
    let page = server.signed_in("ines").await.get(server.url(&format!("/exhibits/{exhibit}"))).send().await.unwrap().text().await.unwrap();
    assert!(page.contains(&reference), "what was given stays, and can be named");
    let ines = server.signed_in("ines").await;
    let named = async |text: &str| {
        let answer = ines.get(server.url(&format!("/appeals/NONE/reference?reference={text}"))).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().get("location").map(|l| l.to_str().unwrap().to_owned()))
    };
    assert_eq!(named(&reference.to_lowercase()).await, (303, Some(format!("/exhibits/{exhibit}"))));
    assert_eq!((named("0000-0000").await.0, named("nonsense").await.0), (404, 422));
    let events = server.events().await;
    assert_eq!(of(&events, "receipt.declined").iter().map(|e| about(e, 0)).collect::<Vec<_>>(), [s.id.as_str()]);
    server.assert_sound();
}

/// T27: who decides otherwise to hide what they had decided only adds to it.
async fn a_changed_decision_shows_both(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("TWICE", &[]);
    let s = server.submission("TWICE", None).await;
    let exhibit = server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    server.user("ines", "investigator");
    let ines = server.signed_in("ines").await;
    for (version, decision, note) in [("0", "relevant", "the van is in it"), ("1", "not_relevant", "nothing")] {
        let form = [("decision", decision), ("note", note), ("version", version)];
        let answer = ines.post(server.url(&format!("/exhibits/{exhibit}/decision"))).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 303);
    }
    let page = ines.get(server.url(&format!("/exhibits/{exhibit}"))).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("the van is in it") && page.contains("nothing"), "T27: both are shown");
    assert_eq!(opened(&server, "decision"), ["relevant", "not_relevant"]);
    assert_eq!(opened(&server, "previous"), ["ready", "relevant"]);
    server.assert_sound();
    // T27: and by hand in the tables it is found.
    server.sql("DELETE FROM decision WHERE version = 0");
    server.sql("UPDATE exhibit SET state = 'relevant'");
    let (code, report) = server.audit();
    assert!(code == 1 && report.to_string().contains("decision-differs"), "T27: {report}");
}

/// T26: somebody (or something with their session) goes through everything.
async fn many_looks_in_a_minute_are_told(pair: Pair) {
    let server = Server::start_with(pair, &[("TEMOIN_SESSIONS__LOOKS_PER_MINUTE", "20")]).await;
    server.appeal("RATE", &[]);
    let s = server.submission("RATE", None).await;
    let exhibit = server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    let token = server.token("investigator");
    for _ in 0..50 {
        assert_eq!(server.get(&token, &format!("/api/v1/exhibits/{exhibit}")).await.0, 200, "nobody is kept from working");
    }
    let events = server.events().await;
    assert_eq!(of(&events, "exhibit.viewed").len(), 50, "T26: each is an event");
    let told = of(&events, "access.unusual").len();
    assert!((1..=2).contains(&told), "T26: told once a minute, not with every look: {told}");
    server.user("remy", "auditor");
    let remy = server.signed_in("remy").await;
    let page = remy.get(server.url("/audit")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("investigator"), "T26: and who reads the record sees it: {page}");
}

/// The replay that nobody asked for, the report that the key signs, the bar on every page of staff, and the pace that spares a disk.
async fn the_record_is_watched_by_itself(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("WATCH", &[]);
    let s = server.submission("WATCH", None).await;
    for n in 0..3 {
        server.sent(&s, "a.bin", vec![n; 1_000_000]).await;
    }
    server.settled().await;
    let policy = server.http.get(server.url("/log/policy")).send().await.unwrap().text().await.unwrap();
    server.sql("UPDATE job SET run_at = 1 WHERE kind = 'audit'");
    let ran = async || of(&server.events().await, "audit.run").iter().any(|e| e["actor"]["k"] == "system" && e["f"]["audit"] == "log");
    crate::support::until("the log is replayed by itself", ran).await;

    let report = server.path("report.json");
    let begun = std::time::Instant::now();
    let done = server.cli(&["fixity", "--rate", "1", "--report", report.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(begun.elapsed().as_secs_f64() > 1.5, "three megabytes, no faster than one in a second");
    let said: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!((&said["report"]["blobs"], &said["report"]["bytes"]), (&json!(3), &json!(3_000_000)));
    // Judged by OpenSSH, under the key that the policy names.
    let name = said["log"].as_str().unwrap();
    let key = policy.lines().find(|l| l.starts_with("log ")).unwrap().split(' ').nth(1).unwrap();
    let raw = data_encoding::BASE64.decode(key.splitn(3, '+').nth(2).unwrap().as_bytes()).unwrap();
    let blob = [&[0, 0, 0, 11], &b"ssh-ed25519"[..], &[0, 0, 0, 32], &raw[1..]].concat();
    let allowed = format!("{name} namespaces=\"fixity-report\" ssh-ed25519 {}\n", data_encoding::BASE64.encode(&blob));
    std::fs::write(server.path("allowed"), allowed).unwrap();
    let judged = || {
        let signature = server.path("report.json.sig");
        std::process::Command::new("ssh-keygen")
            .args(["-Y", "verify", "-n", "fixity-report", "-I", name, "-f"])
            .arg(server.path("allowed"))
            .arg("-s")
            .arg(signature)
            .stdin(std::fs::File::open(&report).unwrap())
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(judged());
    std::fs::write(&report, std::fs::read_to_string(&report).unwrap().replace("3000000", "3000001")).unwrap();
    assert!(!judged());

    server.user("sami", "supervisor");
    let sami = server.signed_in("sami").await;
    let bar = async || sami.get(server.url("/appeals")).send().await.unwrap().text().await.unwrap().contains("class=\"alarm\"");
    assert!(!bar().await);
    server.sql("UPDATE exhibit SET size = size + 1");
    assert_eq!(server.audit().0, 1);
    assert!(bar().await, "everybody whose business it is sees it");
    server.sql("UPDATE exhibit SET size = size - 1");
    assert_eq!(server.audit().0, 0);
    assert!(!bar().await);
}

/// T41: somebody reads the bytes straight from the disk. The log does not see it, and the auditor's page says so.
async fn what_the_log_cannot_see_is_said(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("LIMIT", &[]);
    let s = server.submission("LIMIT", None).await;
    server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await;
    let about_it = async || server.events().await.iter().filter(|e| e["subj"][0]["k"] == "exhibit").count();
    let before = about_it().await;
    if let Pair::Lite = pair {
        let mut folders = vec![server.path("media/blobs")];
        let mut read = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { read += std::fs::read(path).unwrap().len() }
            }
        }
        assert!(read > 0);
    }
    assert_eq!(about_it().await, before, "T41: nothing tells of it");
    server.assert_sound();
    let said = std::fs::read_to_string("docs/audit.md").unwrap();
    assert!(said.contains("reads the disk or the bucket directly leaves no entry"), "T41: and that is said");
}
