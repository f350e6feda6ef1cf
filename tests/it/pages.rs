//! Every page in every language, with the headers that each must carry.

use reqwest::{Client, StatusCode};

use crate::files::jpeg;
use crate::support::{Pair, Server, on_both};

on_both!(pages_are_complete_in_both_languages);

/// Without the marks around what is put into a sentence.
fn plain(html: &str) -> String {
    html.replace(['\u{2068}', '\u{2069}'], "")
}

async fn pages_are_complete_in_both_languages(pair: Pair) {
    let settings = [("TEMOIN_SECURITY_CONTACT", "mailto:cert@police.example"), ("TEMOIN_ACCOUNTS__BANNER", "Accès réservé <b>")];
    let mut server = Server::start_with(pair, &settings).await;
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
        (&server.http, "/a/PAGES/privacy".into(), "kept for 7 days, against floods", "gardée 7 jours, contre les vagues"),
        (&server.http, "/a/PAGES/accessibility".into(), "Ask it how else it takes", "Demandez-lui comment remettre"),
        (&server.http, "/a/PAGES/genuine".into(), "letter by letter", "lettre pour lettre"),
        (&server.http, "/?receipt=unknown".into(), "There is no receipt with this code", "Aucun reçu ne porte ce code"),
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
        (&administrator, "/recoveries".into(), "Nobody has asked", "Personne n"),
        (&supervisor, "/retention".into(), "over its time", "dont le délai est passé"),
        (&supervisor, "/identities".into(), "Nobody waits for you", "Personne ne vous attend"),
        (&supervisor, "/appeals/PAGES/sharing".into(), "Shared with nobody", "Partagé avec personne"),
        (&investigator, "/account".into(), "Where you are signed in", "Où vous êtes connecté"),
        (&investigator, "/account/authenticator".into(), "Scan this", "Scannez ceci"),
        (&investigator, "/prove".into(), "Is it still you?", "Est-ce toujours vous"),
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
                ("cache-control", if path.starts_with("/a/PAGES") { "public, max-age=60, stale-if-error=86400" } else { "no-store" }),
            ] {
                assert_eq!(h[name], value, "{path}");
            }
            let html = plain(&answer.text().await.unwrap());
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
    // What the agency says of itself, and for how long it keeps what it gets.
    server.cli_ok(
        &["agency", "say", "Police", "--contact", "7 rue Neuve, Rennes", "--officer", "dpo@police.example", "--assistance", ""],
        "",
    );
    server.cli_ok(&["appeal", "periods", "PAGES", "--declined-days", "90"], "");
    let html = plain(&server.http.get(server.url("/a/PAGES/privacy?lang=en")).send().await.unwrap().text().await.unwrap());
    for words in [
        "7 rue Neuve, Rennes",
        "dpo@police.example",
        "not relevant: 90 days after",
        "relevant: as long as the inquiry",
        "must say why, and it is recorded",
        "The key lies on this server",
    ] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(!html.contains("You can complain to<"), "what is not said has no line");
    // Whose maps they are shown, if others hear of them by that.
    assert!(!html.contains("tiles.example"));
    server.kill();
    server.set("TEMOIN_MAP_TILES", Some("https://tiles.example/{z}/{x}/{y}.png"));
    server.run().await;
    let html = plain(&server.http.get(server.url("/a/PAGES/privacy?lang=en")).send().await.unwrap().text().await.unwrap());
    assert!(html.contains("The pictures of the map come from tiles.example"), "{html}");
    assert!(!server.cli(&["agency", "say", "Police"]).status.success(), "nothing is said");
    // A receipt's code opens its page, however it is typed.
    let visitor = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for (code, to) in
        [(s.receipt.to_lowercase().replace('-', " "), format!("/r/{}", s.receipt)), ("AAAA".into(), "/?receipt=unknown".into())]
    {
        let answer = visitor.post(server.url("/r")).form(&[("code", &code)]).send().await.unwrap();
        assert_eq!((answer.status(), answer.headers()["location"].to_str().unwrap()), (StatusCode::SEE_OTHER, to.as_str()));
    }
    // Who found a weakness finds whom to tell, and who signs in what the house wants read.
    let told = server.http.get(server.url("/.well-known/security.txt")).send().await.unwrap().text().await.unwrap();
    assert!(
        told.starts_with("Contact: mailto:cert@police.example\nExpires: 2") && told.contains("T") && told.contains("Z\nPreferred"),
        "{told}"
    );
    let login = server.http.get(server.url("/login")).send().await.unwrap().text().await.unwrap();
    assert!(login.contains("Accès réservé &#60;b&#62;"), "{login}");
    server.set("TEMOIN_SECURITY_CONTACT", Some("javascript:alert(1)"));
    let doctor = server.cli(&["doctor"]);
    let said = [doctor.stdout, doctor.stderr].concat();
    assert!(!doctor.status.success() && String::from_utf8_lossy(&said).contains("security_contact is not"));
    // An error leads back to where it came from.
    let answer = investigator
        .post(server.url(&format!("/exhibits/{id}/decision")))
        .form(&[("decision", "perhaps"), ("version", "0")])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().await.unwrap().contains(&format!("href=\"/exhibits/{id}\"")));
    // An investigator decides by form alone.
    let form = [("decision", "relevant"), ("note", "line one\nline two"), ("version", "0")];
    let post = || investigator.post(server.url(&format!("/exhibits/{id}/decision"))).form(&form).send();
    assert_eq!(post().await.unwrap().status(), StatusCode::SEE_OTHER);
    assert_eq!(post().await.unwrap().status(), StatusCode::CONFLICT, "on an older version");
    let html = investigator.get(server.url(&format!("/exhibits/{id}"))).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("line one\nline two") && html.contains("state relevant"));
    // And takes it back; a colleague cannot.
    let take_back = |who: &Client, version: &'static str| {
        who.post(server.url(&format!("/exhibits/{id}/decision"))).form(&[("decision", "undo"), ("version", version)]).send()
    };
    assert!(html.contains("value=\"undo\""));
    let seen = supervisor.get(server.url(&format!("/exhibits/{id}"))).send().await.unwrap().text().await.unwrap();
    assert!(!seen.contains("value=\"undo\""), "it is not theirs");
    assert_eq!(take_back(&supervisor, "1").await.unwrap().status(), StatusCode::CONFLICT);
    assert_eq!(take_back(&investigator, "0").await.unwrap().status(), StatusCode::CONFLICT, "on an older version");
    assert_eq!(take_back(&investigator, "1").await.unwrap().status(), StatusCode::SEE_OTHER);
    let html = investigator.get(server.url(&format!("/exhibits/{id}"))).send().await.unwrap().text().await.unwrap();
    assert!(html.contains("state ready") && !html.contains("value=\"undo\""));
}
