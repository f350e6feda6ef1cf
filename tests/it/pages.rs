//! Every page in every language, with the headers that each must carry.

use reqwest::StatusCode;

use crate::files::jpeg;
use crate::support::{Pair, Server, on_both};

on_both!(pages_are_complete_in_both_languages);

async fn pages_are_complete_in_both_languages(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("PAGES", &[]);
    let s = server.submission("PAGES", None).await;
    let id = server.sent(&s, "a.jpg", jpeg(1, 64, 48)).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    for role in ["investigator", "supervisor", "auditor", "administrator"] {
        server.user(role, role);
    }
    let (investigator, auditor, administrator) =
        (server.signed_in("investigator").await, server.signed_in("auditor").await, server.signed_in("administrator").await);
    let supervisor = server.signed_in("supervisor").await;
    let pages = [
        (&server.http, "/".to_owned(), "Témoin", "Témoin"),
        (&server.http, "/a/PAGES".into(), "Send photos", "Envoyer des photos"),
        (&server.http, format!("/r/{}/send", s.receipt), "Did you film", "filmé vous-même"),
        (&server.http, format!("/r/{}", s.receipt), "Received. Thank you.", "Bien reçu. Merci."),
        (&server.http, "/login".into(), "Sign in", "Se connecter"),
        (&server.http, "/nowhere".into(), "Not found", "Introuvable"),
        (&investigator, "/appeals".into(), "Appeals", "Appels à témoins"),
        (&investigator, "/appeals/PAGES/exhibits".into(), "Filter", "Filtre"),
        (&investigator, format!("/exhibits/{id}"), "Claims of time", "Indications d"),
        (&server.http, "/verify".into(), "Nothing that you choose is sent", "Rien de ce que vous choisissez"),
        (&investigator, "/purpose".into(), "Why are you looking?", "Pourquoi regardez-vous"),
        (&investigator, "/appeals/PAGES/export".into(), "Make the bundle", "Constituer le dossier"),
        (&investigator, "/exports".into(), "Nobody has asked for a bundle", "Personne n"),
        (&supervisor, "/erasures".into(), "Nobody has asked for an erasure", "Personne n"),
        (&supervisor, format!("/exhibits/{id}"), "Put under a hold", "Placer sous conservation"),
        (&auditor, "/audit/verify".into(), "Check a receipt", "Vérifier un reçu"),
        (&auditor, "/audit/log".into(), "Events that begin with", "Événements qui commencent"),
        (&auditor, "/audit/compare".into(), "Put in two checkpoints", "Donnez deux points"),
        (&auditor, format!("/audit/exhibits/{id}"), "none missing", "aucun ne manque"),
        (&auditor, "/audit".into(), "Integrity", "Intégrité"),
        (&administrator, "/accounts".into(), "New account", "Nouveau compte"),
    ];
    for (client, path, en, fr) in pages {
        for (language, words) in [("en", en), ("fr", fr)] {
            let answer = client.get(server.url(&path)).header("accept-language", language).send().await.unwrap();
            let status = answer.status();
            assert!(status == StatusCode::OK || path == "/nowhere", "{path} {status}");
            let h = answer.headers().clone();
            assert!(h["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'; script-src 'self'"), "{path}");
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("cache-control", if path == "/a/PAGES" { "public, max-age=60, stale-if-error=86400" } else { "no-store" }),
            ] {
                assert_eq!(h[name], value, "{path}");
            }
            let html = answer.text().await.unwrap();
            assert!(html.contains(words), "{path} in {language}: {html}");
            assert!(html.contains(&format!("<html lang=\"{language}\"")), "{path}");
            assert!(!html.contains("No localization"), "{path}");
            let inline = html.replace("<script type=\"module\" src=\"/assets/", "").replace("<script type=\"application/json\"", "");
            assert!(!html.contains("style=\"") && !inline.contains("<script"), "{path}: nothing inline runs");
        }
    }
    // The language of the address wins, and stays.
    let answer = server.http.get(server.url("/a/PAGES?lang=fr")).header("accept-language", "en").send().await.unwrap();
    assert!(answer.headers()["set-cookie"].to_str().unwrap().starts_with("lang=fr"));
    let html = answer.text().await.unwrap();
    assert!(!html.contains("DEMO DATA"), "no demonstration here");
    // An investigator decides by form alone.
    let form = [("decision", "relevant"), ("note", "line one\nline two"), ("version", "0")];
    let post = || investigator.post(server.url(&format!("/exhibits/{id}/decision"))).form(&form).send();
    assert_eq!(post().await.unwrap().status(), StatusCode::SEE_OTHER);
    assert_eq!(post().await.unwrap().status(), StatusCode::CONFLICT, "on an older version");
    let html = investigator.get(server.url(&format!("/exhibits/{id}"))).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("line one\nline two") && html.contains("state relevant"));
}
