//! Every address of the program, from its own table: who gets in, what another agency learns (nothing), and that whatever shows media or a
//! witness's contact has written its event. An address that is not in the table below fails the test.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::files::jpeg;
use crate::support::{Pair, Server, on_both};

on_both!(every_address_knows_who_may, a_partner_reaches_what_is_shared_and_no_other_appeal, nothing_is_seen_without_a_trace);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    /// Everybody: nothing of it is secret.
    Public,
    /// Whoever holds the secret that is in the address, or the submission's token.
    Secret,
    /// Whoever is signed in, for their own account.
    Own,
    /// By role: investigator, supervisor, auditor, administrator.
    Roles([bool; 4]),
}

const REVIEW: Who = Who::Roles([true, true, false, false]);
const SUPERVISOR: Who = Who::Roles([false, true, false, false]);
const AUDITOR: Who = Who::Roles([false, false, true, false]);
const ADMINISTRATOR: Who = Who::Roles([false, false, false, true]);
const ALL: Who = Who::Roles([true; 4]);

/// Method, address, who, and the event without which it shows nothing.
const TABLE: &[(&str, &str, Who, &str)] = &[
    ("GET", "/", Who::Public, ""),
    ("GET", "/a/{code}", Who::Public, ""),
    ("POST", "/a/{code}", Who::Public, ""),
    ("GET", "/a/{code}/privacy", Who::Public, ""),
    ("GET", "/a/{code}/accessibility", Who::Public, ""),
    ("GET", "/a/{code}/genuine", Who::Public, ""),
    ("POST", "/r", Who::Public, ""),
    ("GET", "/r/{receipt}", Who::Secret, ""),
    ("GET", "/r/{receipt}/send", Who::Secret, ""),
    ("POST", "/r/{receipt}/send", Who::Secret, ""),
    ("GET", "/r/{receipt}/progress", Who::Secret, ""),
    ("GET", "/r/{receipt}/proof/{exhibit}", Who::Secret, ""),
    ("POST", "/r/{receipt}/forget", Who::Secret, ""),
    ("GET", "/forgotten", Who::Public, ""),
    ("GET", "/verify", Who::Public, ""),
    ("GET", "/verify/offline", Who::Public, ""),
    ("GET", "/login", Who::Public, ""),
    ("POST", "/login", Who::Public, ""),
    ("POST", "/login/passkey", Who::Public, ""),
    ("POST", "/login/passkey/answer", Who::Public, ""),
    ("GET", "/login/sso", Who::Public, ""),
    ("GET", "/login/sso/back", Who::Public, ""),
    ("POST", "/logout", Who::Public, ""),
    ("GET", "/prove", Who::Own, ""),
    ("POST", "/prove", Who::Own, ""),
    ("GET", "/recover/{token}", Who::Secret, ""),
    ("POST", "/recover/{token}", Who::Secret, ""),
    ("GET", "/setup/{token}", Who::Secret, ""),
    ("POST", "/setup/{token}", Who::Secret, ""),
    ("GET", "/account", Who::Own, ""),
    ("POST", "/account/password", Who::Own, ""),
    ("POST", "/account/sessions", Who::Own, ""),
    ("GET", "/account/authenticator", Who::Own, ""),
    ("POST", "/account/authenticator", Who::Own, ""),
    ("POST", "/account/passkeys", Who::Own, ""),
    ("POST", "/account/passkeys/answer", Who::Own, ""),
    ("POST", "/account/passkeys/{id}", Who::Own, ""),
    ("POST", "/account/tokens/{id}", Who::Own, ""),
    ("GET", "/purpose", ALL, ""),
    ("POST", "/purpose", ALL, ""),
    ("GET", "/appeals", ALL, ""),
    ("GET", "/appeals/{code}", REVIEW, ""),
    ("GET", "/appeals/{code}/board", REVIEW, ""),
    ("POST", "/appeals/{code}/samples", SUPERVISOR, ""),
    ("GET", "/appeals/{code}/samples/{id}", REVIEW, "exhibit.viewed"),
    ("POST", "/appeals/{code}/samples/{id}", REVIEW, ""),
    ("GET", "/appeals/{code}/compare", REVIEW, "exhibit.viewed"),
    ("GET", "/appeals/{code}/exhibits", REVIEW, "grid.viewed"),
    ("GET", "/appeals/{code}/reference", REVIEW, ""),
    ("GET", "/appeals/{code}/bulk", REVIEW, ""),
    ("POST", "/appeals/{code}/bulk", REVIEW, ""),
    ("GET", "/appeals/{code}/export", REVIEW, ""),
    ("POST", "/appeals/{code}/export", REVIEW, ""),
    ("GET", "/appeals/{code}/sharing", SUPERVISOR, ""),
    ("POST", "/appeals/{code}/sharing", SUPERVISOR, ""),
    ("POST", "/appeals/{code}/sharing/{id}", SUPERVISOR, ""),
    ("GET", "/exports", REVIEW, ""),
    ("POST", "/exports/{id}", SUPERVISOR, ""),
    ("GET", "/exports/{id}/bundle.zip", REVIEW, "export.delivered"),
    ("GET", "/exhibits/{id}", REVIEW, "exhibit.viewed"),
    ("POST", "/exhibits/{id}/remarks", REVIEW, ""),
    ("POST", "/exhibits/{id}/decision", REVIEW, ""),
    ("GET", "/exhibits/{id}/original", REVIEW, "exhibit.downloaded"),
    ("POST", "/exhibits/{id}/original", REVIEW, ""),
    ("POST", "/exhibits/{id}/contact", REVIEW, "identity.unmasked"),
    ("POST", "/exhibits/{id}/hold", SUPERVISOR, ""),
    ("POST", "/exhibits/{id}/release", SUPERVISOR, ""),
    ("POST", "/exhibits/{id}/erasure", REVIEW, ""),
    ("GET", "/exhibits/{id}/thumbnail", REVIEW, "exhibit.viewed"),
    ("GET", "/exhibits/{id}/view", REVIEW, "exhibit.viewed"),
    ("GET", "/exhibits/{id}/sheet", REVIEW, "exhibit.viewed"),
    ("GET", "/exhibits/{id}/play", REVIEW, "exhibit.viewed"),
    ("POST", "/exhibits/{id}/family", REVIEW, ""),
    ("POST", "/exhibits/{id}/capture", REVIEW, ""),
    ("POST", "/exhibits/{id}/clock", REVIEW, ""),
    ("POST", "/exhibits/{id}/seen", REVIEW, ""),
    ("GET", "/retention", SUPERVISOR, ""),
    ("POST", "/retention/{code}", SUPERVISOR, ""),
    ("GET", "/requests", SUPERVISOR, ""),
    ("POST", "/requests", SUPERVISOR, ""),
    ("GET", "/requests/{id}", SUPERVISOR, ""),
    ("POST", "/requests/{id}", SUPERVISOR, ""),
    ("GET", "/erasures", SUPERVISOR, ""),
    ("POST", "/erasures/{id}", SUPERVISOR, ""),
    ("GET", "/identities", SUPERVISOR, ""),
    ("POST", "/identities/{id}", SUPERVISOR, ""),
    ("GET", "/audit", AUDITOR, ""),
    ("POST", "/audit/now", AUDITOR, ""),
    ("GET", "/audit/log", AUDITOR, ""),
    ("GET", "/audit/exhibits/{id}", AUDITOR, ""),
    ("GET", "/audit/compare", AUDITOR, ""),
    ("POST", "/audit/compare", AUDITOR, ""),
    ("GET", "/audit/verify", AUDITOR, ""),
    ("POST", "/audit/verify", AUDITOR, ""),
    ("GET", "/accounts", ADMINISTRATOR, ""),
    ("POST", "/accounts", ADMINISTRATOR, ""),
    ("POST", "/accounts/{id}", ADMINISTRATOR, ""),
    ("POST", "/accounts/{id}/vouch", Who::Roles([false, true, false, true]), ""),
    ("GET", "/recoveries", Who::Roles([false, true, false, true]), ""),
    ("POST", "/recoveries/{id}", Who::Roles([false, true, false, true]), ""),
    ("GET", "/log/checkpoint", Who::Public, ""),
    ("GET", "/log/policy", Who::Public, ""),
    ("GET", "/log/tile/entries/{*path}", AUDITOR, ""),
    ("GET", "/log/tile/{level}/{*path}", Who::Public, ""),
    ("POST", "/policy-reports", Who::Public, ""),
    ("GET", "/.well-known/security.txt", Who::Public, ""),
    ("GET", "/healthz", Who::Public, ""),
    ("GET", "/readyz", Who::Public, ""),
    ("GET", "/version", Who::Public, ""),
    ("GET", "/assets/{file}", Who::Public, ""),
    ("GET", "/maps/map.pmtiles", Who::Public, ""),
    ("GET", "/maps/{file}", REVIEW, ""),
    ("GET", "/api/v1/openapi.json", Who::Public, ""),
    ("POST", "/api/v1/appeals/{code}/submissions", Who::Public, ""),
    ("GET", "/api/v1/appeals/{code}/work", Who::Public, ""),
    ("GET", "/api/v1/submissions/{id}", Who::Secret, ""),
    ("PUT", "/api/v1/submissions/{id}/statement", Who::Secret, ""),
    ("POST", "/api/v1/submissions/{id}/files", Who::Secret, ""),
    ("GET", "/api/v1/submissions/{id}/files/{exhibit}/proof", Who::Secret, ""),
    ("POST", "/api/v1/uploads", Who::Secret, ""),
    ("GET", "/api/v1/log/consistency", Who::Public, ""),
    ("POST", "/api/v1/log/upgrade", Who::Public, ""),
    ("GET", "/api/v1/appeals/{code}/exhibits", REVIEW, "grid.viewed"),
    ("GET", "/api/v1/appeals/{code}/exhibits.geojson", REVIEW, "grid.viewed"),
    ("GET", "/api/v1/appeals/{code}/exhibits.index", REVIEW, ""),
    ("GET", "/api/v1/appeals/{code}/exhibits.counts", REVIEW, ""),
    ("GET", "/api/v1/appeals/{code}/exhibits.overview", REVIEW, ""),
    ("POST", "/api/v1/appeals/{code}/tiles", REVIEW, "grid.viewed"),
    ("POST", "/api/v1/appeals/{code}/decisions", REVIEW, ""),
    ("POST", "/api/v1/appeals/{code}/decisions/undo", REVIEW, ""),
    ("POST", "/api/v1/appeals/{code}/acts/preview", REVIEW, ""),
    ("POST", "/api/v1/appeals/{code}/acts", REVIEW, ""),
    ("POST", "/api/v1/appeals/{code}/acts/{act}/undo", REVIEW, ""),
    ("POST", "/api/v1/appeals/{code}/leases", REVIEW, ""),
    ("GET", "/api/v1/appeals/{code}/events", REVIEW, ""),
    ("GET", "/api/v1/appeals/{code}/filters", REVIEW, ""),
    ("POST", "/api/v1/appeals/{code}/filters", REVIEW, ""),
    ("DELETE", "/api/v1/appeals/{code}/filters/{filter}", REVIEW, ""),
    ("GET", "/api/v1/exhibits/{id}", REVIEW, "exhibit.viewed"),
    ("GET", "/api/v1/exhibits/{id}/events", REVIEW, "exhibit.viewed"),
    ("POST", "/api/v1/exhibits/{id}/decision", REVIEW, ""),
    ("GET", "/api/v1/exhibits/{id}/original", REVIEW, "exhibit.downloaded"),
    ("GET", "/api/v1/exhibits/{id}/thumbnail", REVIEW, "exhibit.viewed"),
    ("GET", "/api/v1/exhibits/{id}/remarks", REVIEW, "exhibit.viewed"),
    ("POST", "/api/v1/exhibits/{id}/remarks", REVIEW, ""),
    ("DELETE", "/api/v1/exhibits/{id}/remarks/{remark}", REVIEW, ""),
];

/// Addresses and methods as the program has them: the table of pages in its source, and the API's own description.
fn declared(openapi: &Value) -> BTreeSet<(String, String)> {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let source = std::fs::read_to_string(format!("{root}/src/web/routes.rs")).unwrap();
    let mut all = BTreeSet::new();
    for line in source.lines().map(str::trim).filter(|l| l.starts_with(".route(\"")) {
        let path = line.split('"').nth(1).unwrap();
        for method in ["get", "post", "put", "patch", "delete"] {
            if line.contains(&format!(" {method}(")) || line.contains(&format!(".{method}(")) {
                all.insert((method.to_uppercase(), path.to_owned()));
            }
        }
    }
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|m| ["get", "post", "put", "patch", "delete"].contains(&m.as_str())) {
            all.insert((method.to_uppercase(), path.clone()));
        }
    }
    all
}

/// An appeal with one exhibit of our own agency, everybody there, and everybody in another agency.
struct House {
    server: Server,
    exhibit: String,
    ours: Vec<Client>,
    theirs: Vec<Client>,
    places: BTreeMap<&'static str, String>,
    serious: bool,
}

const ROLES: [&str; 4] = ["investigator", "supervisor", "auditor", "administrator"];
const UNKNOWN: &str = "01900000-0000-7000-8000-000000000000";

impl House {
    async fn build(pair: Pair) -> Self {
        let server = Server::start(pair).await;
        server.appeal("ROUTES", &[]);
        server.agency("Elsewhere");
        let s = server.submission("ROUTES", Some(json!({"contact": "jeanne@example.org"}))).await;
        let exhibit = server.sent(&s, "a.jpg", jpeg(1, 64, 48)).await["exhibit"].as_str().unwrap().to_owned();
        server.settled().await;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for role in ROLES {
            server.user(role, role);
            ours.push(server.signed_in(role).await);
            let other = format!("other-{role}");
            server.user_of("Elsewhere", &other, role);
            theirs.push(server.signed_in(&other).await);
        }
        let places = BTreeMap::from([
            ("{code}", "ROUTES".to_owned()),
            ("{receipt}", s.receipt.clone()),
            ("{exhibit}", exhibit.clone()),
            ("{token}", "nonsense".to_owned()),
            ("{file}", "app.css".to_owned()),
            ("{level}", "0".to_owned()),
            ("{*path}", "000.p/1".to_owned()),
            ("{act}", UNKNOWN.to_owned()),
            ("{remark}", UNKNOWN.to_owned()),
            ("{filter}", UNKNOWN.to_owned()),
        ]);
        Self { server, exhibit, ours, theirs, places, serious: false }
    }

    fn at(&self, path: &str, id: &str) -> String {
        let filled = self.places.iter().fold(path.to_owned(), |path, (place, value)| path.replace(place, value)).replace("{id}", id);
        let query = match path {
            "/appeals/{code}/compare" => "?n=1,1",
            "/api/v1/log/consistency" => "?old=1",
            "/appeals/{code}/reference" => "?reference=0000-0000",
            "/appeals/{code}/bulk" => "?by=submission",
            _ => "",
        };
        self.server.url(&(filled + query))
    }

    async fn ask(&self, client: &Client, method: &str, path: &str, id: &str) -> (StatusCode, String) {
        let request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), self.at(path, id));
        let request = match (method, path.starts_with("/api/")) {
            ("POST" | "PUT", true) => request.json(&body(path)),
            ("POST", false) => request.form(&if self.serious { serious(path).unwrap_or_else(|| form(path)) } else { form(path) }),
            _ => request,
        };
        let answer = request.send().await.unwrap();
        let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (answer.status(), to.unwrap_or_else(|| "-".to_owned()))
    }
}

/// What makes sense enough to get past the door.
fn body(path: &str) -> Value {
    match path.rsplit('/').next().unwrap() {
        "tiles" => json!({"numbers": [1]}),
        "decisions" => json!({"items": [{"number": 1, "version": 99}], "decision": "relevant"}),
        "undo" if path.contains("decisions") => json!({"items": [{"number": 1, "version": 99}]}),
        "decision" => json!({"decision": "relevant", "version": 99}),
        "leases" => json!({"families": []}),
        _ => json!({}),
    }
}

fn form(path: &str) -> Vec<(&'static str, &'static str)> {
    match path.rsplit('/').next().unwrap() {
        "contact" => vec![("purpose", "investigation"), ("reason", "Affaire 12/2026")],
        "decision" => vec![("decision", "relevant"), ("version", "99")],
        "purpose" => vec![("purpose", "investigation"), ("reason", "Affaire 12/2026")],
        "hold" => vec![("act", "set"), ("reason", "")],
        "sharing" => vec![("with", "nobody"), ("level", "look"), ("days", "1")],
        _ => vec![("act", "none"), ("reason", "")],
    }
}

async fn every_address_knows_who_may(pair: Pair) {
    let house = House::build(pair).await;
    let openapi: Value = house.server.http.get(house.server.url("/api/v1/openapi.json")).send().await.unwrap().json().await.unwrap();
    let tested: BTreeSet<(String, String)> = TABLE.iter().map(|(m, p, ..)| ((*m).to_owned(), (*p).to_owned())).collect();
    let declared = declared(&openapi);
    let untested: Vec<_> = declared.difference(&tested).collect();
    let gone: Vec<_> = tested.difference(&declared).collect();
    assert!(untested.is_empty() && gone.is_empty(), "not in the table: {untested:?}; not in the program: {gone:?}");
    for (method, path, who, _) in TABLE {
        let (program, id) = (["/api/", "/log/"].iter().any(|p| path.starts_with(p)), house.exhibit.as_str());
        let turned_away =
            |(status, to): &(StatusCode, String)| *status == StatusCode::UNAUTHORIZED || *status == StatusCode::SEE_OTHER && to == "/login";
        let stranger = house.ask(&house.server.http, method, path, id).await;
        match who {
            Who::Public => {}
            Who::Secret => assert!(!turned_away(&stranger) || program, "{method} {path}: {stranger:?}"),
            Who::Own | Who::Roles(_) => assert!(turned_away(&stranger), "a stranger, {method} {path}: {stranger:?}"),
        }
        let Who::Roles(table) = who else { continue };
        for ((client, role), allowed) in house.ours.iter().zip(ROLES).zip(table) {
            let (status, to) = house.ask(client, method, path, id).await;
            // (What was played is taken from who has the exhibit's page open, by a ticket.)
            if path.ends_with("/seen") {
                assert_eq!(status, StatusCode::FORBIDDEN);
                continue;
            }
            assert_eq!(status != StatusCode::FORBIDDEN && to != "/login", *allowed, "{role}, {method} {path}: {status} {to}");
        }
        // Another agency: as for what was never there, to the letter. (Lists are their own, and the log is everybody's.)
        let lists = !path.contains("{id}") && !path.contains("{code}");
        if lists || path.starts_with("/log/") || path.starts_with("/maps/") {
            continue;
        }
        for ((client, role), allowed) in house.theirs.iter().zip(ROLES).zip(table) {
            let (status, to) = house.ask(client, method, path, id).await;
            assert!(!status.is_success(), "{role} of another agency, {method} {path}: {status}");
            if *allowed && path.contains("{id}") && !path.contains("{code}") {
                let unknown = house.ask(client, method, path, UNKNOWN).await;
                assert_eq!((status, to), unknown, "{role} of another agency, {method} {path}");
            }
        }
    }
    // That somebody asked is on record.
    let denied = house.server.events().await.into_iter().filter(|e| e["type"] == "access.denied" && e["f"]["why"] == "not-found").count();
    assert!(denied >= 30, "{denied}");
    house.server.assert_sound();
}

/// What an investigator of a partner agency gets into at an appeal that is shared to be looked at.
const LOOK: &[&str] = &[
    "GET /appeals/{code}",
    "GET /appeals/{code}/board",
    "GET /appeals/{code}/exhibits",
    "GET /exhibits/{id}",
    "GET /exhibits/{id}/thumbnail",
    "GET /exhibits/{id}/view",
    "GET /api/v1/appeals/{code}/exhibits",
    "GET /api/v1/appeals/{code}/exhibits.geojson",
    "GET /api/v1/appeals/{code}/exhibits.index",
    "GET /api/v1/appeals/{code}/exhibits.counts",
    "GET /api/v1/appeals/{code}/exhibits.overview",
    "POST /api/v1/appeals/{code}/tiles",
    // (Tells who has what, and takes nothing: below.)
    "POST /api/v1/appeals/{code}/leases",
    "GET /api/v1/appeals/{code}/events",
    "GET /api/v1/appeals/{code}/filters",
    "GET /api/v1/exhibits/{id}",
    "GET /api/v1/exhibits/{id}/events",
    "GET /api/v1/exhibits/{id}/thumbnail",
    "GET /api/v1/exhibits/{id}/remarks",
];

/// And what more, where it is shared to be decided on, too: nothing that takes something away, erases, shares, or tells of a witness.
const DECIDE: &[&str] = &[
    "POST /exhibits/{id}/decision",
    "POST /exhibits/{id}/remarks",
    "POST /exhibits/{id}/family",
    "POST /exhibits/{id}/capture",
    "POST /exhibits/{id}/clock",
    "GET /appeals/{code}/bulk",
    "POST /appeals/{code}/bulk",
    "POST /api/v1/exhibits/{id}/decision",
    "POST /api/v1/exhibits/{id}/remarks",
    "DELETE /api/v1/exhibits/{id}/remarks/{remark}",
    "POST /api/v1/appeals/{code}/decisions",
    "POST /api/v1/appeals/{code}/decisions/undo",
    "POST /api/v1/appeals/{code}/acts/preview",
    "POST /api/v1/appeals/{code}/acts",
];

/// What is meant seriously, so that only the door can refuse it.
fn serious(path: &str) -> Option<Vec<(&'static str, &'static str)>> {
    Some(match path.rsplit('/').next().unwrap() {
        "hold" => vec![("act", "set"), ("reason", "Affaire 12/2026")],
        "release" | "original" => vec![("reason", "Affaire 12/2026")],
        "erasure" => vec![("basis", "withdrawn"), ("reason", "Affaire 12/2026")],
        "remarks" => vec![("words", "Une voiture blanche")],
        "capture" => vec![("act", "state"), ("point", "48.85,2.35"), ("radius_m", "50"), ("reason", "Affaire 12/2026")],
        "samples" => vec![("percent", "10")],
        "export" => vec![("profile", "disclosure"), ("recipient", "Parquet"), ("reason", "Affaire 12/2026"), ("purpose", "prosecution")],
        _ => return None,
    })
}

/// The axes that are left: an appeal that is shared, at each level, and another one of the same agency that is not.
async fn a_partner_reaches_what_is_shared_and_no_other_appeal(pair: Pair) {
    let mut house = House::build(pair).await;
    house.serious = true;
    house.server.appeal("HIDDEN", &[]);
    let s = house.server.submission("HIDDEN", None).await;
    let hidden = house.server.sent(&s, "b.jpg", jpeg(2, 64, 48)).await["exhibit"].as_str().unwrap().to_owned();
    house.server.settled().await;
    let supervisor = &house.ours[1];
    let (mut wrong, mut decided) = (Vec::new(), BTreeSet::new());
    for level in ["look", "decide"] {
        let form = [("with", "Elsewhere"), ("level", level), ("days", "1")];
        let shared = supervisor.post(house.server.url("/appeals/ROUTES/sharing")).form(&form).send().await.unwrap();
        assert_eq!(shared.status(), StatusCode::SEE_OTHER);
        // Who may only look keeps nobody from deciding.
        let lease = json!({"families": [1], "over": true});
        let asked = house.theirs[0].post(house.server.url("/api/v1/appeals/ROUTES/leases")).json(&lease).send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::OK);
        assert_eq!(house.server.query("SELECT COUNT(*) FROM lease").trim(), if level == "look" { "0" } else { "1" });
        house.server.sql("DELETE FROM lease");
        for (method, path, who, _) in TABLE.iter().filter(|(_, path, ..)| path.contains("{code}") || path.contains("exhibits/{id}")) {
            let Who::Roles(table) = who else { continue };
            let name = format!("{method} {path}");
            for ((client, role), allowed) in house.theirs.iter().zip(ROLES).zip(table) {
                let (status, to) = house.ask(client, method, path, &house.exhibit).await;
                // (409: it was let in, and what it asked for had changed.)
                let got_in = status.is_success() || status.is_redirection() && !to.ends_with("/login") || status == StatusCode::CONFLICT;
                let (looks, decides) = (LOOK.contains(&name.as_str()), level == "decide" && DECIDE.contains(&name.as_str()));
                if got_in && !(*allowed && (looks || decides)) || !got_in && *allowed && looks {
                    wrong.push(format!("{role} of a partner to whom it is shared to {level}, {name}: {status} {to}"));
                }
                if got_in && decides {
                    decided.insert(name.clone());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let at_least = |name: &&&str| name.contains("decision") || name.starts_with("POST /exhibits/{id}/remarks");
    let at_least: BTreeSet<String> = DECIDE.iter().filter(at_least).map(|name| (*name).to_owned()).collect();
    assert!(decided.is_superset(&at_least), "who may decide does: {decided:?}");
    // The same people, the same agency's other appeal: as if it were not there.
    house.places.insert("{code}", "HIDDEN".to_owned());
    for (method, path, who, _) in TABLE.iter().filter(|(_, path, ..)| path.contains("{code}") || path.contains("exhibits/{id}")) {
        let Who::Roles(table) = who else { continue };
        for ((client, role), allowed) in house.theirs.iter().zip(ROLES).zip(table) {
            let there = house.ask(client, method, path, &hidden).await;
            assert!(!there.0.is_success() && !there.0.is_redirection(), "{role}, {method} {path}: {there:?}");
            if *allowed && path.contains("{code}") {
                house.places.insert("{code}", "NOWHERE".to_owned());
                let nowhere = house.ask(client, method, path, UNKNOWN).await;
                house.places.insert("{code}", "HIDDEN".to_owned());
                assert_eq!(there, nowhere, "{role}, {method} {path}");
            } else if *allowed {
                assert_eq!(there, house.ask(client, method, path, UNKNOWN).await, "{role}, {method} {path}");
            }
        }
    }
    house.server.assert_sound();
}

async fn nothing_is_seen_without_a_trace(pair: Pair) {
    let house = House::build(pair).await;
    // Everybody who may.
    let may = |who: &Who| -> Vec<&Client> {
        let Who::Roles(roles) = who else { return Vec::new() };
        house.ours.iter().zip(roles).filter(|(_, may)| **may).map(|(person, _)| person).collect()
    };
    let mut seen = 0;
    for (method, path, who, event) in TABLE.iter().filter(|(.., event)| !event.is_empty()) {
        for person in may(who) {
            let before = house.server.events().await.len();
            let (status, to) = house.ask(person, method, path, &house.exhibit).await;
            let events = house.server.events().await;
            let told = events[before..].iter().any(|e| e["type"] == *event);
            // What shows nothing here (a sample that was never drawn, a sheet of a photo) needs to tell nothing.
            let shows = status.is_success() || status == StatusCode::SEE_OTHER && to.contains("look=");
            assert!(told || !shows, "{method} {path} answered {status} without {event}");
            seen += usize::from(shows);
        }
    }
    assert!(seen >= 25, "{seen}");
    // Without its event nothing is shown at all.
    house.server.sql("ALTER TABLE log_pending RENAME TO log_away");
    for (method, path, who, _) in TABLE.iter().filter(|(.., event)| !event.is_empty()) {
        for person in may(who) {
            let (status, _) = house.ask(person, method, path, &house.exhibit).await;
            assert!(status.is_server_error() || status.is_client_error(), "{method} {path}: {status}");
        }
    }
    house.server.sql("ALTER TABLE log_away RENAME TO log_pending");
    // What needs no event shows no picture and no contact.
    for (method, path, who, _) in TABLE.iter().filter(|(m, .., event)| event.is_empty() && *m == "GET") {
        if path.ends_with("/events") && path.contains("appeals") {
            continue;
        }
        for person in may(who) {
            let answer =
                person.request(Method::from_bytes(method.as_bytes()).unwrap(), house.at(path, &house.exhibit)).send().await.unwrap();
            let kind = answer.headers().get("content-type").map(|k| k.to_str().unwrap().to_owned()).unwrap_or_default();
            assert!(!["image/", "video/", "audio/"].iter().any(|k| kind.starts_with(k)), "{path}: {kind}");
            assert!(!answer.text().await.unwrap().contains("jeanne@example.org"), "{path}");
        }
    }
}
