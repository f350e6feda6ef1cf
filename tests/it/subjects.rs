//! What people ask about data of theirs: each kind of request from its opening to its answer, and who gets nowhere with one.

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::files::jpeg;
use crate::support::{Pair, Server, on_both};

on_both!(
    people_are_answered_step_by_step,
    a_request_is_its_agency_s_and_makes_sense,
    what_was_said_goes_with_the_last_file,
    a_restored_backup_restricts_again,
);

struct House {
    server: Server,
    receipt: String,
    exhibits: Vec<String>,
    ada: Client,
}

impl House {
    async fn build(pair: Pair) -> Self {
        let server = Server::start(pair).await;
        server.appeal("ASKED", &[]);
        let s = server.submission("ASKED", Some(json!({"words": "A white van", "contact": "jeanne@example.org"}))).await;
        let mut exhibits = Vec::new();
        for n in 0..3 {
            exhibits.push(server.sent(&s, "mine.jpg", jpeg(n, 64, 48)).await["exhibit"].as_str().unwrap().to_owned());
        }
        // Somebody else's.
        let other = server.submission("ASKED", Some(json!({"words": "A green van"}))).await;
        server.sent(&other, "theirs.jpg", jpeg(90, 64, 48)).await;
        server.settled().await;
        server.user("ada", "supervisor");
        let ada = server.signed_in("ada").await;
        Self { server, receipt: s.receipt, exhibits, ada }
    }

    async fn post(&self, who: &Client, path: &str, form: &[(&str, &str)]) -> (StatusCode, String, String) {
        let answer = who.post(self.server.url(path)).form(form).send().await.unwrap();
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
        (answer.status(), to, answer.text().await.unwrap())
    }

    async fn opened(&self, kind: &str) -> String {
        let form = [
            ("appeal", "asked"),
            ("of", self.receipt.as_str()),
            ("kind", kind),
            ("asked", "What do you have of me?"),
            ("identified", "Came in with the receipt"),
        ];
        let (status, to, text) = self.post(&self.ada, "/requests", &form).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{text}");
        assert!(to.starts_with("/requests/"), "{to}");
        to
    }

    /// Two supervisors who asked for nothing agree to every erasure.
    async fn all_erasures_agreed_to(&self) {
        for name in ["bea", "cleo"] {
            self.server.user(name, "supervisor");
            let who = self.server.signed_in(name).await;
            let list = who.get(self.server.url("/erasures")).send().await.unwrap().text().await.unwrap();
            let ids: Vec<&str> = list.split("action=\"/erasures/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
            for id in std::collections::BTreeSet::from_iter(ids) {
                assert_eq!(self.post(&who, &format!("/erasures/{id}"), &[("act", "approve")]).await.0, 303);
            }
        }
    }

    async fn page(&self, path: &str) -> String {
        let answer = self.ada.get(self.server.url(path)).header("accept-language", "en").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        // (Fluent isolates what it puts in.)
        answer.text().await.unwrap().replace(['\u{2068}', '\u{2069}'], "")
    }
}

async fn people_are_answered_step_by_step(pair: Pair) {
    let house = House::build(pair).await;
    let server = &house.server;

    // Access: everything of theirs, nothing of anybody else's, no contact, and on record before it is told.
    let access = house.opened("access").await;
    let page = house.page(&access).await;
    assert!(
        page.contains("3 files are held") && page.contains("A contact was left, sealed") && page.contains("Came in with the receipt"),
        "{page}"
    );
    server.sql("ALTER TABLE log_pending RENAME TO log_away");
    assert!(house.post(&house.ada, &access, &[("act", "disclose")]).await.0.is_server_error());
    server.sql("ALTER TABLE log_away RENAME TO log_pending");
    let (status, _, text) = house.post(&house.ada, &access, &[("act", "disclose")]).await;
    assert_eq!(status, StatusCode::OK);
    let held: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(held["files"].as_array().unwrap().len(), 3);
    assert!(
        text.contains("A white van") && !text.contains("A green van") && !text.contains("jeanne@") && !text.contains("theirs.jpg"),
        "{text}"
    );
    for id in &house.exhibits {
        assert!(text.contains(id));
    }
    assert_eq!(house.post(&house.ada, &access, &[("act", "close"), ("outcome", "maybe"), ("answer", "By post")]).await.0, 422);
    assert_eq!(house.post(&house.ada, &access, &[("act", "close"), ("outcome", "granted"), ("answer", "")]).await.0, 422);
    let close = [("act", "close"), ("outcome", "granted"), ("answer", "Handed over on paper")];
    assert_eq!(house.post(&house.ada, &access, &close).await.0, 303);
    assert_eq!(house.post(&house.ada, &access, &close).await.0, 409, "answered once");
    assert_eq!(house.post(&house.ada, &access, &[("act", "disclose")]).await.0, 409);
    assert!(house.page(&access).await.contains("Answered: Granted"));

    // Restriction: kept, behind glass, and taken by those alone who answer for it.
    server.user("ines", "investigator");
    let ines = server.signed_in("ines").await;
    let form =
        [("exhibits", house.exhibits[0].as_str()), ("profile", "defence"), ("recipient", "Maître Dupont"), ("reason", "art. 114 CPP")];
    assert_eq!(house.post(&ines, "/appeals/ASKED/export", &form).await.0, 303);
    server.settled().await;
    let list = ines.get(server.url("/exports")).send().await.unwrap().text().await.unwrap();
    let bundle = format!("/exports/{}", list.split("href=\"/exports/").nth(1).unwrap().split('"').next().unwrap());
    assert_eq!(ines.get(server.url(&bundle)).send().await.unwrap().status(), 303);
    let restriction = house.opened("restriction").await;
    assert_eq!(house.post(&house.ada, &restriction, &[("act", "restrict"), ("reason", "")]).await.0, 422);
    assert_eq!(house.post(&house.ada, &restriction, &[("act", "restrict"), ("reason", "Accuracy is contested")]).await.0, 303);
    let investigator = server.token("investigator");
    let original = async |token: &str| {
        let url = server.url(&format!("/api/v1/exhibits/{}/original", house.exhibits[0]));
        server.http.get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    let thumbnail = async |token: &str| {
        let url = server.url(&format!("/api/v1/exhibits/{}/thumbnail", house.exhibits[0]));
        server.http.get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(original(&investigator).await, 403);
    let why = [("reason", "For the person themselves")];
    let (status, to, _) = house.post(&house.ada, &format!("/exhibits/{}/original", house.exhibits[0]), &why).await;
    assert_eq!(status, 303, "who answers for it takes it: {to}");
    assert_eq!(house.ada.get(server.url(&to)).send().await.unwrap().status(), 200);
    // Nor by a bundle of before, nor the operator's by accident.
    assert_eq!(ines.get(server.url(&bundle)).send().await.unwrap().status(), 403);
    let out = server.path("out");
    let args = [
        "export",
        "--appeal",
        "ASKED",
        "--exhibit",
        &house.exhibits[0],
        "--recipient",
        "Tribunal de Paris",
        "--reason",
        "order 26/1234",
        "--profile",
        "defence",
        "--to",
    ];
    let args = [&args[..], &[out.to_str().unwrap()]].concat();
    let refused = server.cli(&args);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(3) && said.contains("--locked") && said.contains(&house.exhibits[0]), "{said}");
    assert!(server.cli(&[&args[..], &["--locked"]].concat()).status.success());
    let (_, page) = server.get(&investigator, "/api/v1/appeals/ASKED/exhibits?state=quarantined").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 3, "found as what is behind glass");
    assert!(page["items"].as_array().unwrap().iter().all(|i| i["thumbnail"].is_null()));
    assert!(thumbnail(&investigator).await >= 400, "no previews");
    let by = [("scope", "submission"), ("exhibit", house.exhibits[0].as_str()), ("act", "release"), ("reason", "Only looking")];
    assert_eq!(house.post(&house.ada, "/appeals/ASKED/bulk", &by).await.0, 303);
    assert_eq!(original(&investigator).await, 403, "what lifts a flood's glass does not lift this");
    assert_eq!(house.post(&house.ada, &restriction, &[("act", "lift"), ("reason", "Accuracy was settled")]).await.0, 303);
    assert_eq!((original(&investigator).await, thumbnail(&investigator).await), (200, 200));

    // Erasure: one is held, two go when two others agree to each.
    let erasure = house.opened("erasure").await;
    let hold = format!("/exhibits/{}/hold", house.exhibits[2]);
    assert_eq!(house.post(&house.ada, &hold, &[("act", "set"), ("reason", "Affaire 12/2026")]).await.0, 303);
    assert_eq!(house.post(&house.ada, &erasure, &[("act", "erase"), ("reason", "Withdrawn by its witness")]).await.0, 303);
    let page = house.page(&erasure).await;
    assert!(page.contains("2 erasures wait for two who agree") && page.contains("under a hold"), "{page}");
    house.all_erasures_agreed_to().await;
    server.settled().await;
    assert!(house.page(&erasure).await.contains("2 were erased"));
    let granted = [("act", "close"), ("outcome", "granted"), ("answer", "Everything is gone")];
    assert_eq!(house.post(&house.ada, &erasure, &granted).await.0, 422, "it is not");
    let partly = [("act", "close"), ("outcome", "partly"), ("answer", "One is evidence in a case")];
    assert_eq!(house.post(&house.ada, &erasure, &partly).await.0, 303);
    let list = house.page("/requests").await;
    assert!(list.contains("Granted in part") && list.contains(">Granted<") && list.contains(">open<"), "{list}");
    let events = server.events().await;
    let of = |kind: &str| events.iter().filter(|e| e["type"] == kind).count();
    assert_eq!((of("subject_request.opened"), of("subject_request.disclosed"), of("subject_request.closed")), (3, 1, 2));
    assert_eq!((of("exhibit.restricted"), of("exhibit.unrestricted")), (3, 3));
    assert!(!serde_json::to_string(&events).unwrap().contains("Came in with"), "words about a person are not in the log itself");
    server.assert_sound();
}

async fn a_request_is_its_agency_s_and_makes_sense(pair: Pair) {
    let house = House::build(pair).await;
    let server = &house.server;
    let form = |of: &'static str, kind: &'static str, appeal: &'static str| {
        [("appeal", appeal), ("of", of), ("kind", kind), ("asked", "What do you have of me?"), ("identified", "Came in with the receipt")]
    };
    for (of, kind, appeal, status) in [
        ("0000-0000", "access", "ASKED", 422),
        ("nonsense", "access", "ASKED", 422),
        ("AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-A", "access", "ASKED", 422),
        ("0000-0000", "everything", "ASKED", 422),
        ("0000-0000", "access", "NOWHERE", 404),
        ("0000-0000", "access", "../x", 404),
    ] {
        assert_eq!(house.post(&house.ada, "/requests", &form(of, kind, appeal)).await.0, status, "{of} {kind} {appeal}");
    }
    let request = house.opened("access").await;
    // By the reference, too, as a witness without a receipt has it.
    let page = house.page(&request).await;
    let reference = page.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let by_reference = [
        ("appeal", "ASKED"),
        ("of", reference.as_str()),
        ("kind", "erasure"),
        ("asked", "Take it back"),
        ("identified", "Known to the officer"),
    ];
    assert_eq!(house.post(&house.ada, "/requests", &by_reference).await.0, 303, "{reference}");
    // Another agency's supervisor, and our own investigator.
    server.agency("Elsewhere");
    server.user_of("Elsewhere", "zoe", "supervisor");
    let zoe = server.signed_in("zoe").await;
    let unknown = "/requests/01900000-0000-7000-8000-000000000000";
    for path in [request.as_str(), unknown] {
        assert_eq!(zoe.get(server.url(path)).send().await.unwrap().status(), 404);
        assert_eq!(house.post(&zoe, path, &[("act", "disclose")]).await.0, 404);
    }
    assert!(!zoe.get(server.url("/requests")).send().await.unwrap().text().await.unwrap().contains(&reference));
    server.user("ines", "investigator");
    let ines = server.signed_in("ines").await;
    assert_eq!(ines.get(server.url(&request)).send().await.unwrap().status(), 403);
    // What was due is said to be late.
    server.sql("UPDATE subject_request SET due_at = opened_at - 1");
    assert!(
        house.page(&request).await.contains("The answer was due on") && house.page("/requests").await.contains("<strong>late</strong>")
    );
}

async fn what_was_said_goes_with_the_last_file(pair: Pair) {
    let house = House::build(pair).await;
    let server = &house.server;
    let erasure = house.opened("erasure").await;
    assert_eq!(house.post(&house.ada, &erasure, &[("act", "erase"), ("reason", "Withdrawn by its witness")]).await.0, 303);
    house.all_erasures_agreed_to().await;
    server.settled().await;
    let close = [("act", "close"), ("outcome", "granted"), ("answer", "Everything of theirs is gone")];
    assert_eq!(house.post(&house.ada, &erasure, &close).await.0, 303);
    server.settled().await;
    for table in ["subject_request", "log_opening", "log_pending", "submission", "identity"] {
        let rows = server.query(&format!("SELECT * FROM {table}"));
        for word in ["Came in with", "Everything of theirs", "A white van", "What do you have"] {
            assert!(!rows.contains(word), "{table} has {word}");
        }
    }
    assert!(house.page("/requests").await.contains(">Granted<"), "that there was one stays");
    server.assert_sound();
}

/// A restriction outlives the database that it was made in: a backup of before does not bring back what was not to be used, nor does another
/// reason to be behind glass, that comes and goes, take it away.
async fn a_restored_backup_restricts_again(pair: Pair) {
    let mut house = House::build(pair).await;
    let backup = house.server.path("backup");
    assert!(house.server.cli(&["backup", backup.to_str().unwrap()]).status.success());
    let restriction = house.opened("restriction").await;
    assert_eq!(house.post(&house.ada, &restriction, &[("act", "restrict"), ("reason", "Accuracy is contested")]).await.0, 303);
    let restricted = |house: &House| house.server.query("SELECT COUNT(*) FROM exhibit WHERE restricted = 1").trim().to_owned();
    assert_eq!(restricted(&house), "3");
    house.server.settled().await;
    house.server.kill();
    match pair {
        Pair::Lite => {
            for file in ["temoin.db", "temoin.db-wal", "temoin.db-shm"] {
                drop(std::fs::remove_file(house.server.path(file)));
            }
        }
        Pair::Grown => house.server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public"),
    }
    let restored = house.server.cli(&["restore", backup.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    house.server.run().await;
    house.server.settled().await;
    assert_eq!(restricted(&house), "3", "{}", house.server.log());
    let investigator = house.server.token("investigator");
    let url = house.server.url(&format!("/api/v1/exhibits/{}/original", house.exhibits[0]));
    let taken = house.server.http.get(url).bearer_auth(&investigator).header("temoin-reason", "For the file").send().await.unwrap();
    assert_eq!(taken.status(), 403);
    house.server.assert_sound();
}
