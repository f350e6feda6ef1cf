//! Purposes, the first account, and tries at passwords. (Who may what at which address: `routes.rs`.)

use reqwest::StatusCode;

use crate::files::jpeg;
use crate::support::{Pair, Server, on_both};

on_both!(nothing_is_shown_without_a_purpose, the_first_administrator, logins_are_throttled);

async fn nothing_is_shown_without_a_purpose(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("WHY", &[]);
    let s = server.submission("WHY", None).await;
    let id = server.sent(&s, "a.jpg", jpeg(1, 64, 48)).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    server.user("ines", "investigator");
    let add = |extra: &[&str]| server.cli(&[&["token", "add", "ines"], extra].concat());
    assert!(!add(&["--purpose", "curiosity", "--reason", "Affaire 12"]).status.success(), "no such code");
    assert!(!add(&["--purpose", "investigation", "--reason", " .. "]).status.success(), "no reason at all");
    let bare = String::from_utf8(add(&[]).stdout).unwrap().trim().to_owned();
    let purposeful = String::from_utf8(add(&["--purpose", "prosecution", "--reason", "Affaire 12"]).stdout).unwrap().trim().to_owned();
    let plain = reqwest::Client::new();
    let ask = async |token: &str, path: &str, reason: Option<&str>| {
        let mut request = plain.get(server.url(path)).bearer_auth(token);
        if let Some(reason) = reason {
            request = request.header("temoin-reason", reason);
        }
        request.send().await.unwrap()
    };
    let (record, original) = (format!("/api/v1/exhibits/{id}"), format!("/api/v1/exhibits/{id}/original"));
    let refused = ask(&bare, &record, None).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().await.unwrap().contains("reason-required"));
    assert_eq!(ask(&purposeful, &record, None).await.status(), StatusCode::OK);
    // T26: taking an original away needs a reason of its own, however often it is asked for.
    for empty in [None, Some(""), Some("  ."), Some("x")] {
        assert_eq!(ask(&purposeful, &original, empty).await.status(), StatusCode::UNPROCESSABLE_ENTITY, "{empty:?}");
    }
    assert_eq!(ask(&purposeful, &original, Some("Copie pour le juge d'instruction")).await.status(), StatusCode::OK);

    // In a browser: asked once, led on, and an empty reason is asked for again.
    let client = reqwest::Client::builder().cookie_store(true).redirect(reqwest::redirect::Policy::none()).build().unwrap();
    client.post(server.url("/login")).form(&[("name", "ines"), ("password", Server::PASSWORD)]).send().await.unwrap();
    let page = format!("/exhibits/{id}");
    let led = client.get(server.url(&page)).send().await.unwrap();
    assert_eq!(
        (led.status(), led.headers()["location"].to_str().unwrap()),
        (StatusCode::SEE_OTHER, format!("/purpose?to={page}").as_str())
    );
    // Who types an original's address is led to where its reason is asked.
    let led = client.get(server.url(&format!("{page}/original"))).send().await.unwrap();
    assert_eq!((led.status(), led.headers()["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, page.as_str()));
    let say = async |purpose: &str, reason: &str, to: &str| {
        client.post(server.url("/purpose")).form(&[("purpose", purpose), ("reason", reason), ("to", to)]).send().await.unwrap()
    };
    for (purpose, reason) in [("investigation", " "), ("", "Affaire 12"), ("curiosity", "Affaire 12")] {
        assert_eq!(say(purpose, reason, &page).await.status(), StatusCode::UNPROCESSABLE_ENTITY, "{purpose} {reason}");
    }
    assert_eq!(client.get(server.url(&page)).send().await.unwrap().status(), StatusCode::SEE_OTHER);
    assert_eq!(say("quality", "Affaire 12", "//evil.example/").await.headers()["location"], "/appeals");
    assert_eq!(say("quality", "Affaire 12", &page).await.headers()["location"], page.as_str());
    assert_eq!(client.get(server.url(&page)).send().await.unwrap().status(), StatusCode::OK);
    let take = async |reason: &str| client.post(server.url(&format!("{page}/original"))).form(&[("reason", reason)]).send().await.unwrap();
    assert_eq!(take("").await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let to = take("Agrandir à l'atelier").await.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(client.get(server.url(&to)).header("range", "bytes=0-9").send().await.unwrap().status(), StatusCode::PARTIAL_CONTENT);
    // Only if it is still what somebody has a mark of: nothing here has marks, so they get all of it.
    let still = client.get(server.url(&to)).header("range", "bytes=0-9").header("if-range", "\"x\"").send().await.unwrap();
    assert_eq!(still.status(), StatusCode::OK);
    assert_eq!(client.get(server.url(&to)).send().await.unwrap().status(), StatusCode::OK);

    // Every event says for what purpose; a refusal is one, too; the words stay out of the log.
    let events = server.events().await;
    let of = |kind: &str| events.iter().filter(|e| e["type"] == kind).collect::<Vec<_>>();
    let viewed: Vec<&str> = of("exhibit.viewed").iter().map(|e| e["actor"]["purpose"].as_str().unwrap()).collect();
    assert_eq!(viewed, ["prosecution", "quality"]);
    assert_eq!(of("exhibit.downloaded").len(), 2, "one for each reason, none for each range");
    assert!(of("access.denied").len() >= 6, "{}", of("access.denied").len());
    assert_eq!(of("access.purpose").len(), 2);
    let log = serde_json::to_string(&events).unwrap();
    assert!(!log.contains("Affaire 12") && !log.contains("Agrandir") && !log.contains("juge"));
    server.assert_sound();
}

async fn the_first_administrator(pair: Pair) {
    let server = Server::start(pair).await;
    let line = server.said("/setup/").expect("a one-time link is printed");
    let path = line.trim().strip_prefix(&server.base).unwrap().to_owned();
    let post = |password: &'static str| server.http.post(server.url(&path)).form(&[("name", "chief"), ("password", password)]).send();
    // It is good for a day, whoever finds it in a log afterwards.
    server.sql("UPDATE setup_link SET created_at = created_at - 86400000001");
    assert_eq!(server.http.get(server.url(&path)).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(post(Server::PASSWORD).await.unwrap().status(), StatusCode::NOT_FOUND);
    server.sql("UPDATE setup_link SET created_at = created_at + 86400000001");
    assert_eq!(server.http.get(server.url(&path)).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(post("short").await.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(post(Server::PASSWORD).await.unwrap().status(), StatusCode::SEE_OTHER);
    assert_eq!(post(Server::PASSWORD).await.unwrap().status(), StatusCode::NOT_FOUND, "it works once");
    assert_eq!(server.http.get(server.url(&path)).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let chief = server.signed_in("chief").await;
    let page = chief.get(server.url("/accounts")).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("chief"));
    let made = chief
        .post(server.url("/accounts"))
        .form(&[("name", "ines"), ("role", "investigator"), ("password", Server::PASSWORD)])
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), StatusCode::SEE_OTHER);
    let again = chief
        .post(server.url("/accounts"))
        .form(&[("name", "ines"), ("role", "auditor"), ("password", Server::PASSWORD)])
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::CONFLICT, "a name is one person");
    // A password that somebody else knows opens nothing but the page where another one is chosen.
    let ines = server.signed_in("ines").await;
    let half = ines.get(server.url("/appeals")).send().await.unwrap();
    assert_eq!((half.status(), half.headers()["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, "/account"));
    let page = ines.get(server.url("/account?lang=en")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Somebody else chose your password"), "{page}");
    let same = [("old", Server::PASSWORD), ("new", Server::PASSWORD)];
    let kept = ines.post(server.url("/account/password")).form(&same).send().await.unwrap();
    assert_eq!(kept.status(), StatusCode::UNPROCESSABLE_ENTITY, "the same again");
    server.chooses_password(&ines).await;
    assert_eq!(ines.get(server.url("/appeals")).send().await.unwrap().status(), StatusCode::OK);
    ines.post(server.url("/logout")).send().await.unwrap();
    assert_eq!(ines.get(server.url("/appeals")).send().await.unwrap().status(), StatusCode::SEE_OTHER, "signed out");
}

async fn logins_are_throttled(pair: Pair) {
    let server = Server::start(pair).await;
    server.user("ines", "investigator");
    for (name, password) in [("a\0b", "x"), ("", ""), ("ines", &*"y".repeat(5_000))] {
        let answer = server.http.post(server.url("/login")).form(&[("name", name), ("password", password)]).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let broken = server.http.post(server.url("/login")).form(&[("name", "ines")]).send().await.unwrap();
    assert_eq!(broken.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(broken.text().await.unwrap().contains("<h1>"), "people get a page");
    let mut last = StatusCode::OK;
    for _ in 0..40 {
        last = server.http.post(server.url("/login")).form(&[("name", "ines"), ("password", "wrong")]).send().await.unwrap().status();
        if last == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    // Another name from the same place still gets its answer.
    let other = server.http.post(server.url("/login")).form(&[("name", "omar"), ("password", "wrong")]).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::UNAUTHORIZED);
}
