//! Accounts, on the running server: two factors, sessions, ways back in, tokens; several agencies and what they share; witnesses' contacts.

use hmac::{KeyInit as _, Mac as _};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::files::jpeg;
use crate::support::{Pair, Server, on_both};

on_both!(
    a_password_alone_opens_nothing,
    a_stolen_session_does_nothing_dangerous_and_is_ended,
    a_lost_account_takes_two_people,
    one_administrator_is_no_crowd,
    guesses_and_look_alikes_get_nowhere,
    a_copied_session_ends_with_the_next_proof,
    tokens_do_what_they_were_made_for,
    nobody_else_s_page_begins_a_single_sign_on,
    a_contact_without_a_file_is_forgotten,
    agencies_are_apart_and_share_what_they_say,
    contacts_are_sealed_and_two_people_open_them,
    contacts_from_before_are_sealed,
);

/// The code that an authenticator shows now, or so many steps from now (RFC 6238).
#[allow(clippy::disallowed_methods)] // It is another device, with a clock of its own.
fn code(secret: &str, steps: i64) -> String {
    let key = data_encoding::BASE32_NOPAD.decode(secret.replace(' ', "").as_bytes()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64 / 30 + steps;
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(&key).unwrap();
    mac.update(&now.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let at = usize::from(digest[19] & 15);
    let number = u32::from_be_bytes(digest[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn browser() -> Client {
    Client::builder().cookie_store(true).redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn post(server: &Server, client: &Client, path: &str, form: &[(&str, &str)]) -> (u16, String, String) {
    let answer = client.post(server.url(path)).form(form).send().await.unwrap();
    let to = answer.headers().get("location").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), to, answer.text().await.unwrap())
}

async fn get(server: &Server, client: &Client, path: &str) -> (u16, String, String) {
    let answer = client.get(server.url(path)).header("accept-language", "en").send().await.unwrap();
    let to = answer.headers().get("location").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), to, answer.text().await.unwrap())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1.split_once(after).unwrap().0
}

async fn login(server: &Server, name: &str, code: &str) -> (Client, u16) {
    let client = browser();
    let (status, ..) = post(server, &client, "/login", &[("name", name), ("password", Server::PASSWORD), ("code", code)]).await;
    (client, status)
}

/// Gives an account an authenticator: its secret, and the code by which it was shown that they have it, which is used up.
async fn with_authenticator(server: &Server, client: &Client) -> (String, String) {
    let (status, _, page) = get(server, client, "/account/authenticator").await;
    assert_eq!(status, 200);
    let secret = between(&page, "id=\"totp-secret\">", "<").to_owned();
    let ticket = between(&page, "name=\"ticket\" value=\"", "\"").to_owned();
    let used = code(&secret, 0);
    let (status, to, _) = post(server, client, "/account/authenticator", &[("act", "confirm"), ("ticket", &ticket), ("code", &used)]).await;
    assert_eq!((status, to.as_str()), (303, "/account"));
    (secret, used)
}

async fn a_password_alone_opens_nothing(pair: Pair) {
    let server = Server::start_with(pair, &[("TEMOIN_ACCOUNTS__SECOND_FACTOR", "required")]).await;
    server.appeal("FACTOR", &[]);
    server.user("ines", "investigator");
    let (ines, status) = login(&server, "ines", "").await;
    assert_eq!(status, 303);
    // Everything leads to the page on which a factor is added.
    for path in ["/", "/appeals", "/appeals/FACTOR", "/purpose"] {
        let (status, to, _) = get(&server, &ines, path).await;
        assert_eq!((status, to.as_str()), (303, "/account"), "{path}");
    }
    let (status, _, page) = get(&server, &ines, "/account").await;
    assert!(status == 200 && page.contains("A password alone opens nothing here"));
    // A wrong code, one of another ticket, and one that is used twice are not taken.
    let (_, _, page) = get(&server, &ines, "/account/authenticator").await;
    let first = between(&page, "name=\"ticket\" value=\"", "\"").to_owned();
    let offered = between(&page, "id=\"totp-secret\">", "<").to_owned();
    let (status, _, again) =
        post(&server, &ines, "/account/authenticator", &[("act", "confirm"), ("ticket", &first), ("code", "000000")]).await;
    assert_eq!((status, between(&again, "id=\"totp-secret\">", "<")), (422, offered.as_str()), "the authenticator has this one by now");
    let ticket = between(&again, "name=\"ticket\" value=\"", "\"").to_owned();
    assert_ne!(ticket, first);
    // One that comes too late is told so, and has to take another secret.
    server.sql("UPDATE ceremony SET good_until = 1");
    let late = [("act", "confirm"), ("ticket", &*ticket), ("code", &*code(&offered, 0))];
    let (status, _, again) = post(&server, &ines, "/account/authenticator", &late).await;
    assert!(status == 422 && again.contains("That took too long"), "{status} {again}");
    assert_ne!(between(&again, "id=\"totp-secret\">", "<"), offered);
    let (secret, used) = with_authenticator(&server, &ines).await;
    assert_eq!(get(&server, &ines, "/").await.1, "/purpose", "let in whole");
    assert_eq!(login(&server, "ines", "").await.1, 401);
    assert_eq!(login(&server, "ines", &used).await.1, 401, "each code works once");
    assert_eq!(login(&server, "ines", "123456").await.1, 401);
    let next = code(&secret, 1);
    let (again, status) = login(&server, "ines", &next).await;
    assert_eq!((status, get(&server, &again, "/").await.1.as_str()), (303, "/purpose"));
    assert_eq!(login(&server, "ines", &next).await.1, 401);
    // Whose account it is finds all of that on its page.
    server.settled().await;
    let (_, _, page) = get(&server, &again, "/account").await;
    let lately = between(&page, "id=\"lately\"", "</section>");
    assert_eq!(lately.matches("<strong>Signing in failed</strong>").count(), 2, "those in a row are one line: {lately}");
    assert!(lately.contains("times, since"), "{lately}");
    assert!(lately.contains("Signed in") && lately.contains("What an account signs in with was changed"), "{lately}");
    // Neither the database nor the log has the secret.
    let plain = secret.replace(' ', "");
    let bytes = data_encoding::BASE32_NOPAD.decode(plain.as_bytes()).unwrap();
    let hex = data_encoding::HEXLOWER.encode(&bytes);
    let column = if pair == Pair::Lite { "lower(hex(totp))" } else { "encode(totp, 'hex')" };
    let kept = server.query(&format!("SELECT {column} FROM account WHERE name = 'ines'"));
    assert!(kept.len() > 60 && !kept.contains(&hex), "{kept}");
    // A row that is copied to another account opens nothing there.
    server.user("omar", "investigator");
    server.sql("UPDATE account SET totp = (SELECT totp FROM account WHERE name = 'ines') WHERE name = 'omar'");
    assert_ne!(login(&server, "omar", &code(&secret, 1)).await.1, 303);
    let events = server.events().await;
    let changed: Vec<&Value> = events.iter().filter(|e| e["type"] == "account.factor_changed").collect();
    assert_eq!((changed.len(), &changed[0]["f"]["factor"]), (1, &json!("totp")));
    assert!(events.iter().any(|e| e["type"] == "access.login" && e["f"]["auth"] == "password+code"));
    server.assert_sound();
}

async fn a_stolen_session_does_nothing_dangerous_and_is_ended(pair: Pair) {
    let mut server = Server::start_with(pair, &[("TEMOIN_ACCOUNTS__PROOF_MINUTES", "15")]).await;
    server.appeal("STOLEN", &[]);
    let s = server.submission("STOLEN", Some(json!({"contact": "jeanne@example.org"}))).await;
    let id = server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    server.user("chief", "supervisor");
    let chief = server.signed_in("chief").await;
    // Time goes by: what was proved is stale.
    let stale = "UPDATE session SET proved_at = proved_at - 3600000000";
    server.sql(stale);
    let contact = [("purpose", "investigation"), ("reason", "Affaire 12/2026")];
    for (path, form, page) in [
        (format!("/exhibits/{id}/contact"), &contact[..], format!("/exhibits/{id}")),
        (format!("/exhibits/{id}/hold"), &[("act", "set"), ("reason", "Affaire 12")][..], format!("/exhibits/{id}")),
        ("/appeals/STOLEN/sharing".into(), &[("with", "x"), ("level", "look"), ("days", "1")][..], "/appeals/STOLEN/sharing".into()),
        ("/appeals/STOLEN/export".into(), &[("reason", "x")][..], "/appeals/STOLEN".into()),
        (format!("/exhibits/{id}/original"), &[("reason", "Copie de travail")][..], format!("/exhibits/{id}")),
    ] {
        let (status, to, text) = post(&server, &chief, &path, form).await;
        assert_eq!((status, to), (303, format!("/prove?to={page}")), "{path}");
        assert!(!text.contains("jeanne"));
    }
    assert_eq!(get(&server, &chief, "/account/authenticator").await.1, "/prove?to=/account/authenticator");
    // Looking goes on; it is what the work is.
    assert_eq!(get(&server, &chief, &format!("/exhibits/{id}")).await.0, 200);
    let wrong = post(&server, &chief, "/prove", &[("password", "not the password at all"), ("to", "/appeals")]).await;
    assert_eq!(wrong.0, 422);
    let right = post(&server, &chief, "/prove", &[("password", Server::PASSWORD), ("to", "//evil.example")]).await;
    assert_eq!((right.0, right.1.as_str()), (303, "/appeals"));
    assert_eq!(post(&server, &chief, &format!("/exhibits/{id}/hold"), &[("act", "set"), ("reason", "Affaire 12")]).await.0, 303);
    // Where one is signed in, and ending it: one, then all others, then everything by the administrator.
    let thief = server.signed_in("chief").await;
    let (_, _, page) = get(&server, &chief, "/account").await;
    let session = between(&page, "name=\"session\" value=\"", "\"").to_owned();
    assert_eq!(post(&server, &chief, "/account/sessions", &[("session", &session)]).await.0, 303);
    assert_eq!(get(&server, &thief, "/appeals").await.1, "/login", "at once");
    assert_eq!(post(&server, &chief, "/account/sessions", &[("session", &session)]).await.0, 404);
    let thief = server.signed_in("chief").await;
    assert_eq!(post(&server, &chief, "/account/sessions", &[]).await.0, 303);
    assert_eq!((get(&server, &thief, "/appeals").await.0, get(&server, &chief, "/appeals").await.0), (303, 200));
    // Another password ends every other session; an easy one is refused.
    let thief = server.signed_in("chief").await;
    let change = async |old: &str, new: &str| post(&server, &chief, "/account/password", &[("old", old), ("new", new)]).await.0;
    assert_eq!(change("not the password at all", "le zèbre mange douze lampes").await, 422);
    assert_eq!(change(Server::PASSWORD, "passwordpasswordpassword").await, 422);
    assert_eq!(change(Server::PASSWORD, "le zèbre mange douze lampes").await, 303);
    assert_eq!((get(&server, &thief, "/appeals").await.0, get(&server, &chief, "/appeals").await.0), (303, 200));
    assert_eq!(login(&server, "chief", "").await.1, 401);
    // An administrator disables an account: nothing of it works any more, and nobody disables themselves.
    server.user("root", "administrator");
    let root = server.signed_in("root").await;
    let (_, _, page) = get(&server, &root, "/accounts").await;
    let account = between(&page, "action=\"/accounts/", "\"").to_owned();
    let act = async |id: &str, act: &str| post(&server, &root, &format!("/accounts/{id}"), &[("act", act)]).await.0;
    assert_eq!((act(&account, "disable").await, act(&account, "disable").await), (303, 409));
    assert_eq!(get(&server, &chief, "/appeals").await.1, "/login");
    assert_eq!(act(&account, "enable").await, 303);
    let me = server.query(if pair == Pair::Lite {
        "SELECT lower(hex(id)) FROM account WHERE name = 'root'"
    } else {
        "SELECT encode(id, 'hex') FROM account WHERE name = 'root'"
    });
    let me = me.trim();
    let me = format!("{}-{}-{}-{}-{}", &me[..8], &me[8..12], &me[12..16], &me[16..20], &me[20..]);
    assert_eq!(act(&me, "disable").await, 409);
    let events = server.events().await;
    for kind in ["access.proved", "account.sessions_ended", "account.factor_changed", "account.disabled", "account.enabled"] {
        assert!(events.iter().any(|e| e["type"] == kind), "{kind}");
    }
    // Idle and absolute limits.
    server.sql("UPDATE session SET last_seen_at = last_seen_at - 1801000000");
    assert_eq!(get(&server, &root, "/accounts").await.1, "/login");
    server.kill();
    server.run().await;
    server.assert_sound();
}

async fn a_lost_account_takes_two_people(pair: Pair) {
    let server = Server::start(pair).await;
    for (name, role) in [("root", "administrator"), ("vera", "administrator"), ("chief", "supervisor"), ("ines", "investigator")] {
        server.user(name, role);
    }
    let (root, vera, ines) = (server.signed_in("root").await, server.signed_in("vera").await, server.signed_in("ines").await);
    let (secret, _) = with_authenticator(&server, &ines).await;
    let token = server.cli_ok(&["token", "add", "ines", "--purpose", "investigation", "--reason", "Affaire 12/2026"], "");
    let (_, _, page) = get(&server, &root, "/accounts").await;
    let row = page.split("<tr").find(|row| row.contains("<td>ines")).unwrap();
    let account = between(row, "action=\"/accounts/", "\"").to_owned();
    let ask = async |reason: &str| post(&server, &root, &format!("/accounts/{account}"), &[("act", "recover"), ("reason", reason)]).await.0;
    assert_eq!((ask(" . ").await, ask("Seen in person, phone lost").await, ask("Seen in person, phone lost").await), (422, 303, 409));
    let (_, _, page) = get(&server, &root, "/recoveries").await;
    let recovery = between(&page, "action=\"/recoveries/", "\"").to_owned();
    let judge = async |who: &Client, act: &str| post(&server, who, &format!("/recoveries/{recovery}"), &[("act", act)]).await;
    assert_eq!(judge(&ines, "agree").await.0, 403);
    assert_eq!(judge(&root, "agree").await.0, 409, "who asked does not agree");
    assert_eq!(judge(&root, "link").await.0, 409, "not before somebody agrees");
    assert_eq!(judge(&vera, "agree").await.0, 303);
    assert_eq!(judge(&vera, "link").await.0, 409, "the link is for who asked");
    let (status, _, page) = judge(&root, "link").await;
    assert_eq!(status, 200);
    let link = between(&page, "id=\"recovery-link\">", "<").trim_start_matches(&server.base).to_owned();
    assert_eq!(get(&server, &browser(), &link).await.0, 200);
    assert_eq!(post(&server, &browser(), &link, &[("password", "passwordpassword")]).await.0, 422);
    assert_eq!(post(&server, &browser(), &link, &[("password", "le zèbre mange douze lampes")]).await.1, "/login");
    assert_eq!(post(&server, &browser(), &link, &[("password", "le zèbre mange douze lampes")]).await.0, 404, "it works once");
    // What there was before is over: session, token, authenticator, password.
    assert_eq!(get(&server, &ines, "/appeals").await.1, "/login");
    assert_eq!(server.get(&token, "/api/v1/appeals/X/exhibits").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(login(&server, "ines", &code(&secret, 1)).await.1, 401);
    let again = browser();
    let form = [("name", "ines"), ("password", "le zèbre mange douze lampes")];
    assert_eq!(post(&server, &again, "/login", &form).await.0, 303);
    // The operator needs nobody, and is named.
    let said = server.cli_ok(&["user", "recover", "ines", "--reason", "No second administrator on duty"], "");
    assert!(said.starts_with(&format!("{}/recover/", server.base)), "{said}");
    let events = server.events().await;
    let of = |kind: &str| events.iter().filter(|e| e["type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("account.recovery_requested").len(), 2);
    assert_eq!(of("account.recovery_requested")[1]["actor"]["k"], "operator");
    assert_eq!((of("account.recovery_approved").len(), of("account.recovered").len()), (1, 1));
    assert!(!serde_json::to_string(&events).unwrap().contains("phone lost"));
    server.assert_sound();
}

/// Rules of two and three people mean people: whoever an administrator makes to agree with them waits for somebody else's word.
async fn one_administrator_is_no_crowd(pair: Pair) {
    let server = Server::start(pair).await;
    server.user("root", "administrator");
    let root = server.signed_in("root").await;
    let make = async |who: &Client, name: &str, role: &str| {
        post(&server, who, "/accounts", &[("name", name), ("role", role), ("password", Server::PASSWORD)]).await.0
    };
    // The first colleague of an agency has nobody else who could know them.
    assert_eq!(make(&root, "first", "supervisor").await, 303);
    // From then on one who may agree to things waits; one who may not does not. Nor does it help to disable who could know them.
    let (_, _, page) = get(&server, &root, "/accounts").await;
    let at = between(page.split("first</td>").nth(1).unwrap(), "action=\"/accounts/", "\"").to_owned();
    assert_eq!(post(&server, &root, &format!("/accounts/{at}"), &[("act", "disable")]).await.0, 303);
    assert_eq!(make(&root, "Cne Faux", "supervisor").await, 303);
    assert_eq!(login(&server, "Cne Faux", "").await.1, 401);
    assert_eq!(post(&server, &root, &format!("/accounts/{at}"), &[("act", "enable")]).await.0, 303);
    let first = server.signed_in("first").await;
    server.chooses_password(&first).await;
    assert_eq!(make(&root, "Cne Petit", "supervisor").await, 303);
    assert_eq!(make(&root, "spare", "administrator").await, 303);
    assert_eq!(make(&root, "ines", "investigator").await, 303);
    assert_eq!(
        (login(&server, "Cne Petit", "").await.1, login(&server, "spare", "").await.1, login(&server, "ines", "").await.1),
        (401, 401, 303)
    );
    server.chooses_password(&server.signed_in("ines").await).await;
    let (_, _, page) = get(&server, &first, "/recoveries").await;
    assert!(page.contains("Cne Petit") && page.contains("Made by"), "{page}");
    let id = server.query(match pair {
        Pair::Lite => "SELECT lower(hex(id)) FROM account WHERE name = 'Cne Petit'",
        Pair::Grown => "SELECT encode(id, 'hex') FROM account WHERE name = 'Cne Petit'",
    });
    let id = id.trim();
    let id = format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]);
    let vouch = format!("/accounts/{id}/vouch");
    assert_eq!(post(&server, &root, &vouch, &[]).await.0, 409, "not who made it");
    assert_eq!(post(&server, &root, &format!("/accounts/{id}"), &[("act", "enable")]).await.0, 409, "nor by another door");
    assert_eq!(post(&server, &root, &format!("/accounts/{id}"), &[("act", "recover"), ("reason", "Perdu")]).await.0, 409);
    assert_eq!(post(&server, &server.signed_in("ines").await, &vouch, &[]).await.0, 403);
    assert_eq!(post(&server, &first, &vouch, &[]).await.0, 303);
    assert_eq!(post(&server, &first, &vouch, &[]).await.0, 409, "once");
    assert_eq!((login(&server, "Cne Petit", "").await.1, login(&server, "spare", "").await.1), (303, 401));
    // Of one that nobody knows somebody says so: it opens by no door any more.
    let (_, _, page) = get(&server, &first, "/recoveries").await;
    let spare = between(page.split("spare · ").nth(1).unwrap(), "action=\"", "/vouch").to_owned();
    assert_eq!(post(&server, &server.signed_in("ines").await, &format!("{spare}/vouch"), &[("act", "refuse")]).await.0, 403);
    for status in [303, 409] {
        assert_eq!(post(&server, &first, &format!("{spare}/vouch"), &[("act", "refuse")]).await.0, status);
    }
    assert_eq!(post(&server, &first, &format!("{spare}/vouch"), &[]).await.0, 409);
    assert_eq!(post(&server, &root, &spare, &[("act", "enable")]).await.0, 409);
    // The name is free for the one whom somebody does know.
    assert_eq!(make(&root, "spare", "auditor").await, 303);
    assert!(!get(&server, &first, "/recoveries").await.2.contains("spare ·") && login(&server, "spare", "").await.1 == 303);
    // An auditor finds by a name what was done to its account, and its sign-ins, in which it was nobody yet.
    server.user("ada", "auditor");
    let ada = server.signed_in("ada").await;
    server.settled().await;
    let (_, _, page) = get(&server, &ada, "/audit/log?who=Cne%20Petit").await;
    for kind in ["account.created", "account.vouched", "access.login"] {
        assert!(page.contains(kind), "{kind}: {page}");
    }
    let events = server.events().await;
    let of = |kind: &str| events.iter().filter(|e| e["type"] == kind).collect::<Vec<_>>();
    assert_eq!((of("account.vouched").len(), of("account.refused").len()), (1, 1));
    let waits: Vec<&Value> = of("account.created").iter().map(|e| &e["f"]["waits"]).collect();
    assert_eq!(waits.iter().filter(|w| **w == &json!(true)).count(), 3, "{waits:?}");
    server.assert_sound();
}

async fn guesses_and_look_alikes_get_nowhere(pair: Pair) {
    let server =
        Server::start_with(pair, &[("TEMOIN_ACCOUNTS__SECOND_FACTOR", "required"), ("TEMOIN_TRUSTED_PROXIES", "[\"127.0.0.0/8\"]")]).await;
    for (name, role) in [("ines", "investigator"), ("root", "administrator")] {
        server.user(name, role);
    }
    let (ines, _) = login(&server, "ines", "").await;
    let (secret, _) = with_authenticator(&server, &ines).await;
    let tried = async |from: String, password: &str, code: &str| {
        let form = [("name", "ines"), ("password", password), ("code", code)];
        server.http.post(server.url("/login")).header("x-forwarded-for", from).form(&form).send().await.unwrap().status().as_u16()
    };
    // One house of addresses (IPv6 gives everybody more than can be counted) has one budget of passwords, and a name is not locked for others.
    let mut last = 0;
    for n in 1..=40 {
        last = tried(format!("2001:db8:1:2::{n:x}"), "wrong", "").await;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
    assert_eq!(tried("2001:db8:ffff::1".into(), Server::PASSWORD, &code(&secret, 1)).await, 303, "its owner, elsewhere");
    // Who has the password guesses codes from everywhere: for a while, and then slowly.
    let mut answers = Vec::new();
    for n in 1..=40 {
        answers.push(tried(format!("198.51.100.{n}"), Server::PASSWORD, "000000").await);
    }
    assert!(answers.iter().all(|a| *a == 401), "that the password was right is not told: {answers:?}");
    assert_eq!(tried("203.0.113.9".into(), Server::PASSWORD, &code(&secret, 0)).await, 401, "nor does a guess that is right help any more");
    server.sql("UPDATE account SET totp_step = 0");
    assert_eq!(tried("203.0.113.10".into(), Server::PASSWORD, &code(&secret, 0)).await, 401, "and not because it was used");
    // A password alone, of somebody who has a second factor, changes nothing of theirs.
    server.sql("UPDATE session SET proof = 'password'");
    assert_eq!(post(&server, &ines, "/account/sessions", &[]).await.1, "/prove?to=/account");
    let change = [("old", Server::PASSWORD), ("new", "another horse battery staple")];
    assert_eq!(post(&server, &ines, "/account/password", &change).await.1, "/prove?to=/account");
    // Nor does anything of a session whose time is over, however lately it was used.
    server.sql("UPDATE session SET expires_at = 1");
    assert_eq!(get(&server, &ines, "/account").await.1, "/login");
    // Nobody is made to look like somebody else.
    let (root, _) = login(&server, "root", "").await;
    with_authenticator(&server, &root).await;
    for (name, status) in [("Ines", 409), ("ines\u{200b}", 422), ("\u{456}nes", 422), ("ines  m", 422), ("In\u{e8}s", 303)] {
        let form = [("name", name), ("role", "investigator"), ("password", Server::PASSWORD)];
        assert_eq!(post(&server, &root, "/accounts", &form).await.0, status, "{name:?}");
    }
    server.assert_sound();
}

async fn tokens_do_what_they_were_made_for(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("TOKENS", &[]);
    let s = server.submission("TOKENS", None).await;
    let id = server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    server.user("ines", "investigator");
    server.user("remy", "auditor");
    let add = |user: &str, extra: &[&str]| {
        server.cli_ok(&[&["token", "add", user, "--purpose", "investigation", "--reason", "Affaire 12/2026"], extra].concat(), "")
    };
    let look = add("ines", &["--scope", "look", "--name", "map"]);
    let decides = add("ines", &["--scope", "look,decide"]);
    let decide = async |token: &str| {
        let request = server.http.post(server.url(&format!("/api/v1/exhibits/{id}/decision"))).bearer_auth(token);
        request.json(&json!({"decision": "relevant"})).send().await.unwrap().status().as_u16()
    };
    let list = async |token: &str| server.get(token, "/api/v1/appeals/TOKENS/exhibits").await.0.as_u16();
    assert_eq!((list(&look).await, decide(&look).await), (200, 403));
    assert_eq!((list(&decides).await, decide(&decides).await), (200, 200));
    // A scope gives nothing that its owner may not.
    let audit = add("remy", &["--scope", "look,audit"]);
    assert_eq!((list(&audit).await, server.get(&audit, "/audit").await.0.as_u16()), (403, 200));
    // No token is a person: contacts, accounts and one's own account are closed to every one.
    let contact = server.http.post(server.url(&format!("/exhibits/{id}/contact"))).bearer_auth(&decides);
    assert_eq!(contact.form(&[("purpose", "investigation"), ("reason", "Affaire 12")]).send().await.unwrap().status().as_u16(), 403);
    assert_eq!(server.get(&decides, "/account").await.0.as_u16(), 403);
    for wrong in [&["--scope", "everything"][..], &["--days", "0"], &["--days", "99999"]] {
        assert_eq!(server.cli(&[&["token", "add", "ines"], wrong].concat()).status.code(), Some(3), "{wrong:?}");
    }
    // Ended by its id, by its owner, by its day.
    let listed = server.cli_ok(&["token", "list", "ines", "--json"], "");
    let ids: Vec<Value> = listed.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((ids.len(), &ids[0]["name"], &ids[0]["scopes"]), (2, &json!("map"), &json!(["look"])));
    server.cli_ok(&["token", "revoke", "ines", ids[0]["id"].as_str().unwrap()], "");
    assert_eq!((list(&look).await, list(&decides).await), (401, 200));
    let ines = server.signed_in("ines").await;
    let own = format!("/account/tokens/{}", ids[1]["id"].as_str().unwrap());
    assert_eq!((post(&server, &ines, &own, &[]).await.0, post(&server, &ines, &own, &[]).await.0), (303, 404));
    assert_eq!(list(&decides).await, 401);
    let short = add("ines", &["--days", "1"]);
    assert_eq!(list(&short).await, 200);
    server.sql("UPDATE api_token SET expires_at = 1 WHERE revoked_at IS NULL");
    assert_eq!(list(&short).await, 401);
    assert_eq!(server.events().await.iter().filter(|e| e["type"] == "account.token_revoked").count(), 2);
}

async fn agencies_are_apart_and_share_what_they_say(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("SHARED", &[]);
    server.agency("Gendarmerie");
    let s = server.submission("SHARED", Some(json!({"contact": "jeanne@example.org"}))).await;
    let id = server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    server.user("chief", "supervisor");
    server.user_of("Gendarmerie", "marc", "investigator");
    server.user_of("Gendarmerie", "nina", "auditor");
    let (chief, marc) = (server.signed_in("chief").await, server.signed_in("marc").await);
    let look = async || get(&server, &marc, &format!("/exhibits/{id}")).await.0;
    let decide = async || {
        let request = marc.post(server.url(&format!("/api/v1/exhibits/{id}/decision"))).json(&json!({"decision": "relevant"}));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((look().await, decide().await), (404, 404));
    assert!(!get(&server, &marc, "/appeals").await.2.contains("SHARED"));
    let share = async |with: &str, level: &str, days: &str| {
        post(&server, &chief, "/appeals/SHARED/sharing", &[("with", with), ("level", level), ("days", days)]).await.0
    };
    for (with, level, days) in
        [("Nobody", "look", "1"), ("Gendarmerie", "everything", "1"), ("Gendarmerie", "look", "0"), ("Police", "look", "1")]
    {
        assert_eq!(share(with, level, days).await, 422, "{with} {level} {days}");
    }
    assert_eq!(share("Gendarmerie", "look", "30").await, 303);
    assert_eq!((look().await, decide().await), (200, 403));
    assert!(get(&server, &marc, "/appeals").await.2.contains("shared by"));
    assert_eq!(get(&server, &marc, "/appeals/SHARED").await.0, 200);
    // Nothing leaves, is erased, or is known of the witness through a partner.
    let page = get(&server, &marc, &format!("/exhibits/{id}")).await.2;
    assert!(!page.contains("/contact\"") && !page.contains("/original\"") && !page.contains("/erasure\""));
    for (path, form) in [
        (format!("/exhibits/{id}/contact"), &[("purpose", "investigation"), ("reason", "Affaire 12/2026")][..]),
        (format!("/exhibits/{id}/original"), &[("reason", "Copie de travail")][..]),
        ("/appeals/SHARED/export".into(), &[("reason", "Copie")][..]),
    ] {
        let (status, _, text) = post(&server, &marc, &path, form).await;
        assert!(status == 403 && !text.contains("jeanne"), "{path}: {status}");
    }
    let (status, ..) = post(&server, &marc, &format!("/exhibits/{id}/erasure"), &[("basis", "order"), ("reason", "Ordonnance 12")]).await;
    assert_eq!(status, 404, "an erasure is the owner's to ask for");
    assert_eq!(share("Gendarmerie", "decide", "30").await, 303);
    assert_eq!(decide().await, 200);
    // The partner's auditor knows names of its own and of those it works with, and nothing else of this agency's accounts.
    let nina = server.signed_in("nina").await;
    assert_eq!(get(&server, &nina, &format!("/audit/exhibits/{id}")).await.0, 404);
    // Revoked, from the next request on; and one that is over by itself.
    let (_, _, page) = get(&server, &chief, "/appeals/SHARED/sharing").await;
    let ends: Vec<&str> = page.split("action=\"/appeals/SHARED/sharing/").skip(1).map(|t| &t[..36]).collect();
    assert_eq!(ends.len(), 2);
    // (A page that stays open is told nothing more, either.)
    let stream = marc.get(server.url("/api/v1/appeals/SHARED/events")).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(post(&server, &chief, &format!("/appeals/SHARED/sharing/{}", ends[0]), &[]).await.0, 303);
    server.sql("UPDATE appeal_share SET expires_at = 1 WHERE ended_at IS NULL");
    let rest = tokio::time::timeout(std::time::Duration::from_secs(40), stream.bytes()).await;
    assert!(rest.is_ok(), "the stream goes on after the share has ended");
    assert_eq!(post(&server, &chief, &format!("/appeals/SHARED/sharing/{}", ends[0]), &[]).await.0, 409);
    assert_eq!((look().await, decide().await), (404, 404));
    let events = server.events().await;
    let of = |kind: &str| events.iter().filter(|e| e["type"] == kind).count();
    assert_eq!((of("appeal.shared"), of("appeal.unshared"), of("agency.created")), (2, 1, 1));
    let theirs = events.iter().filter(|e| e["type"] == "exhibit.viewed").count();
    assert!(theirs >= 2, "every look of a partner is in the record");
    assert!(events.iter().any(|e| e["type"] == "access.denied" && e["f"]["why"] == "not-found"));
    server.assert_sound();
}

async fn contacts_are_sealed_and_two_people_open_them(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("VAULT", &[]);
    let s = server.submission("VAULT", Some(json!({"own": "yes", "contact": "jeanne@example.org, le soir"}))).await;
    let id = server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    // Nothing of it is in the database, the log or the server's files, but for what is sealed.
    let tables = match pair {
        Pair::Lite => server.query("SELECT name FROM sqlite_master WHERE type = 'table'"),
        Pair::Grown => server.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"),
    };
    for table in tables.lines() {
        assert!(!server.query(&format!("SELECT * FROM {table}")).contains("jeanne"), "{table}");
    }
    assert!(!server.log().contains("jeanne"));
    server.cli_ok(&["agency", "set", "Police", "--two-persons", "on"], "");
    for (name, role) in [("ines", "investigator"), ("chief", "supervisor"), ("boss", "supervisor")] {
        server.user(name, role);
    }
    let (ines, chief, boss) = (server.signed_in("ines").await, server.signed_in("chief").await, server.signed_in("boss").await);
    let ask = async |who: &Client| {
        post(&server, who, &format!("/exhibits/{id}/contact"), &[("purpose", "prosecution"), ("reason", "Convocation, affaire 12/2026")])
            .await
    };
    let (status, _, page) = ask(&ines).await;
    assert!(status == 200 && !page.contains("jeanne"), "another person has to agree");
    let (a, b, c, d) = tokio::join!(ask(&ines), ask(&ines), ask(&ines), ask(&ines));
    for (.., page) in [a, b, c, d] {
        assert!(!page.contains("jeanne"));
    }
    assert_eq!(server.query("SELECT COUNT(*) FROM identity_request").trim(), "1", "asking again, at the same moment too, is one request");
    assert!(!ask(&chief).await.2.contains("jeanne"), "a supervisor asks, too");
    let (_, _, waiting) = get(&server, &chief, "/identities").await;
    let request = between(&waiting, "action=\"/identities/", "\"").to_owned();
    assert_eq!(waiting.matches("action=\"/identities/").count(), 1, "nobody agrees with themselves");
    let judge = async |who: &Client, act: &str| post(&server, who, &format!("/identities/{request}"), &[("act", act)]).await.0;
    assert_eq!((judge(&ines, "agree").await, judge(&chief, "maybe").await), (403, 422));
    assert_eq!((judge(&chief, "agree").await, judge(&boss, "agree").await), (303, 409), "a colleague was faster");
    assert!(ask(&ines).await.2.contains("jeanne@example.org, le soir"));
    assert!(!ask(&chief).await.2.contains("jeanne"), "who agreed reads nothing by it");
    server.sql("UPDATE identity_request SET good_until = 1");
    assert!(!ask(&ines).await.2.contains("jeanne"), "and not for ever");
    // Without the key on this server, what is sealed is handed out, and opens elsewhere.
    server.cli_ok(&["agency", "set", "Police", "--two-persons", "off"], "");
    let key = server.path("taken-away.key");
    std::fs::rename(server.path("keys/vault.key"), &key).unwrap();
    let (status, _, page) = ask(&boss).await;
    assert!(status == 200 && !page.contains("jeanne"));
    let sealed = format!("-----BEGIN AGE{}", between(&page, "-----BEGIN AGE", "</pre>")).replace("&#43;", "+").replace("&#x2b;", "+");
    let opened = server.cli_with(&["vault", "open", "--key", key.to_str().unwrap()], &sealed);
    assert_eq!(
        String::from_utf8_lossy(&opened.stdout).trim(),
        "jeanne@example.org, le soir",
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
    let other = server.path("other.key");
    server.cli_ok(&["vault", "make-key", other.to_str().unwrap()], "");
    assert_eq!(server.cli_with(&["vault", "open", "--key", other.to_str().unwrap()], &sealed).status.code(), Some(3));
    // The server starts and takes contacts without the key.
    server.kill();
    server.run().await;
    let other = server.submission("VAULT", Some(json!({"contact": "omar@example.org"}))).await;
    // Taken back, on the page or by a program, it is gone; sent again with nothing in the field, it stays.
    let page = format!("/r/{}/send", other.receipt);
    let (_, _, shown) = get(&server, &browser(), &page).await;
    assert!(shown.contains("name=\"no_contact\"") && shown.contains("a way to reach you") && !shown.contains("omar@"), "{shown}");
    for (form, left) in [(&[("contact", "")][..], "2"), (&[("contact", ""), ("no_contact", "yes")][..], "1")] {
        let form = form.iter().fold(reqwest::multipart::Form::new(), |form, (name, value)| form.text(*name, *value));
        let sent = browser().post(server.url(&page)).multipart(form).send().await.unwrap();
        assert!(sent.status().is_success() || sent.status().is_redirection(), "{}", sent.status());
        assert_eq!(server.query("SELECT COUNT(*) FROM identity").trim(), left);
    }
    assert!(!get(&server, &browser(), &page).await.2.contains("name=\"no_contact\""));
    server.submission("VAULT", Some(json!({"contact": "omar@example.org"}))).await;
    let put = server.http.put(server.url(&format!("/api/v1/submissions/{}/statement", s.id))).bearer_auth(&s.token);
    assert_eq!(put.json(&json!({"contact": ""})).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(server.query("SELECT COUNT(*) FROM identity").trim(), "1");
    let events = server.events().await;
    let of = |kind: &str| events.iter().filter(|e| e["type"] == kind).count();
    assert_eq!((of("identity.requested"), of("identity.approved"), of("identity.unmasked")), (3, 1, 2));
    server.assert_sound();
}

async fn contacts_from_before_are_sealed(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("OLD", &[]);
    let s = server.submission("OLD", Some(json!({"words": "a red van"}))).await;
    let id = server.sent(&s, "a.jpg", jpeg(1, 40, 40)).await["exhibit"].as_str().unwrap().to_owned();
    server.settled().await;
    server.kill();
    server.sql("UPDATE submission SET statement = replace(statement, '\"words\"', '\"contact\":\"jeanne@example.org\",\"words\"')");
    server.run().await;
    let statement = server.query("SELECT statement FROM submission");
    assert!(!statement.contains("jeanne") && statement.contains("a red van"), "{statement}");
    server.user("ines", "investigator");
    let ines = server.signed_in("ines").await;
    let form = [("purpose", "prosecution"), ("reason", "Convocation, affaire 12/2026")];
    assert!(post(&server, &ines, &format!("/exhibits/{id}/contact"), &form).await.2.contains("jeanne@example.org"));
    server.assert_sound();
}

async fn nobody_else_s_page_begins_a_single_sign_on(pair: Pair) {
    let server = Server::start_with(pair, &[("TEMOIN_OIDC__ISSUER", "http://127.0.0.1:1"), ("TEMOIN_OIDC__CLIENT_ID", "temoin")]).await;
    let ask = async |site: &str| {
        let answer = browser().get(server.url("/login/sso")).header("sec-fetch-site", site).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default())
    };
    for site in ["cross-site", "same-site", "nonsense"] {
        assert_eq!(ask(site).await, (303, "/login".to_owned()), "{site}");
    }
    // From our own page it goes on, to a provider that is not there: said, and no fault of the program.
    let (status, to) = ask("same-origin").await;
    assert!(to != "/login" && (400..504).contains(&status) && status != 500, "{status} {to}");
}

async fn a_contact_without_a_file_is_forgotten(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("EMPTY", &[]);
    let contact = || Some(json!({"contact": "jeanne@example.org"}));
    server.submission("EMPTY", contact()).await;
    let kept = server.submission("EMPTY", contact()).await;
    server.sent(&kept, "a.jpg", jpeg(1, 40, 40)).await;
    server.settled().await;
    let count = |server: &Server| server.query("SELECT COUNT(*) FROM identity").trim().to_owned();
    assert_eq!(count(&server), "2");
    server.kill();
    server.run().await;
    server.settled().await;
    assert_eq!(count(&server), "2", "not before its days are over");
    server.sql("UPDATE identity SET sealed_at = sealed_at - 8 * 86400000000");
    server.kill();
    server.run().await;
    crate::support::until("it is forgotten", async || count(&server) == "1").await;
}

async fn a_copied_session_ends_with_the_next_proof(pair: Pair) {
    let server = Server::start(pair).await;
    server.user("chief", "supervisor");
    // Who proves who they are gets another secret: whoever had copied the one before has nothing.
    let bare = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let cookie = async |path: &str, before: &str, form: &[(&str, &str)]| {
        let answer = bare.post(server.url(path)).header("cookie", before).form(form).send().await.unwrap();
        let set = answer.headers().get_all("set-cookie").iter().map(|c| c.to_str().unwrap().to_owned());
        set.filter(|c| c.starts_with("temoin=")).map(|c| c.split(';').next().unwrap().to_owned()).next().unwrap()
    };
    let at = async |cookie: &str| {
        let answer = bare.get(server.url("/appeals")).header("cookie", cookie).send().await.unwrap();
        answer.headers().get("location").map_or_else(String::new, |to| to.to_str().unwrap().to_owned())
    };
    let copied = cookie("/login", "", &[("name", "chief"), ("password", Server::PASSWORD)]).await;
    assert_ne!(at(&copied).await, "/login");
    let fresh = cookie("/prove", &copied, &[("password", Server::PASSWORD), ("to", "/appeals")]).await;
    assert!(fresh != copied && at(&fresh).await != "/login" && at(&copied).await == "/login", "{copied} {fresh}");
}
