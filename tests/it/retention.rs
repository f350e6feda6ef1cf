//! Whose time is over: shown by a dry run, asked for by one, agreed to by two others; holds stay.

use reqwest::Client;
use serde_json::{Value, json};

use crate::files::jpeg;
use crate::support::{Pair, Server, on_both, until};

on_both!(what_is_over_its_time_goes_when_three_people_say_so, the_schedule_asks_by_itself);

async fn what_is_over_its_time_goes_when_three_people_say_so(pair: Pair) {
    let server = Server::start(pair).await;
    server.appeal("PERIODS", &[]);
    let s = server.submission("PERIODS", None).await;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(server.sent(&s, "a.jpg", jpeg(n, 40, 40)).await["exhibit"].as_str().unwrap().to_owned());
    }
    server.settled().await;
    for name in ["ada", "bea", "cleo"] {
        server.user(name, "supervisor");
    }
    let (ada, bea, cleo) = (server.signed_in("ada").await, server.signed_in("bea").await, server.signed_in("cleo").await);
    let post = async |who: &Client, path: &str, form: &[(&str, &str)]| {
        who.post(server.url(path)).form(form).send().await.unwrap().status().as_u16()
    };
    for id in &ids[..3] {
        let decided = ada.post(server.url(&format!("/api/v1/exhibits/{id}/decision"))).json(&json!({"decision": "not_relevant"}));
        assert_eq!(decided.send().await.unwrap().status().as_u16(), 200);
    }
    let act = async |who: &Client, form: &[(&str, &str)]| post(who, "/retention/PERIODS", form).await;
    for wrong in ["0", "99999", "soon", "-1"] {
        assert_eq!(act(&ada, &[("act", "periods"), ("declined", wrong)]).await, 422, "{wrong}");
    }
    assert_eq!(act(&ada, &[("act", "periods"), ("declined", "90"), ("kept", "1825"), ("review", "365")]).await, 303);
    let due =
        || -> Vec<Value> { server.cli_ok(&["appeal", "due", "--json"], "").lines().map(|l| serde_json::from_str(l).unwrap()).collect() };
    let declined = |key: &str| due().into_iter().find(|d| d["category"] == "declined").unwrap()[key].clone();
    assert_eq!((declined("due"), declined("soon"), declined("days")), (json!(0), json!(0), json!(90)));
    // Ninety days go by for all of them but the last; one is held.
    let day = 86_400_000_000_i64;
    server.sql(&format!("UPDATE exhibit SET received_at = received_at - {} WHERE number < 4", 91 * day));
    assert_eq!(post(&ada, &format!("/exhibits/{}/hold", ids[2]), &[("act", "set"), ("reason", "Affaire 12/2026")]).await, 303);
    assert_eq!((declined("due"), declined("bound")), (json!(2), json!(1)));
    assert_eq!(due().iter().map(|d| d["due"].as_u64().unwrap()).sum::<u64>(), 2, "a dry run changes nothing");
    assert_eq!(act(&ada, &[("act", "ask"), ("category", "everything"), ("reason", "Délai")]).await, 422);
    assert_eq!(act(&ada, &[("act", "ask"), ("category", "declined"), ("reason", "Délai de 90 jours")]).await, 303);
    assert_eq!((declined("due"), declined("bound")), (json!(0), json!(3)));
    let page = async |who: &Client| who.get(server.url("/retention?lang=en")).send().await.unwrap().text().await.unwrap();
    assert!(!page(&ada).await.contains("wait for you") && page(&bea).await.contains("erasures that wait for you"));
    assert_eq!(act(&ada, &[("act", "agree")]).await, 303, "nothing waits for who asked");
    assert_eq!(act(&bea, &[("act", "agree")]).await, 303);
    assert_eq!(server.query("SELECT COUNT(*) FROM exhibit").trim(), "4", "two have to agree");
    assert_eq!(act(&cleo, &[("act", "agree")]).await, 303);
    server.settled().await;
    assert_eq!(server.query("SELECT COUNT(*) FROM exhibit").trim(), "2");
    // Looking whether it is still needed.
    server.sql(&format!("UPDATE appeal SET created_at = created_at - {}", 400 * day));
    assert!(page(&ada).await.contains("class=\"alert\" role=\"alert\">Look whether this appeal is still needed"));
    assert_eq!(act(&ada, &[("act", "reviewed")]).await, 303);
    assert!(!page(&ada).await.contains("class=\"alert\" role=\"alert\">Look whether"));
    let events = server.events().await;
    let of = |kind: &str| events.iter().filter(|e| e["type"] == kind).count();
    assert_eq!((of("erasure.requested"), of("erasure.approved"), of("erasure.executed"), of("appeal.reviewed")), (2, 4, 2, 1));
    let set = events.iter().find(|e| e["type"] == "appeal.changed").unwrap();
    assert_eq!((&set["f"]["declined_days"], &set["f"]["undecided_days"]), (&json!(90), &Value::Null));
}

async fn the_schedule_asks_by_itself(pair: Pair) {
    let mut server = Server::start(pair).await;
    server.appeal("SCHEDULE", &[]);
    let s = server.submission("SCHEDULE", None).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(server.sent(&s, "a.jpg", jpeg(n, 40, 40)).await["exhibit"].as_str().unwrap().to_owned());
    }
    server.settled().await;
    for name in ["ada", "bea", "cleo"] {
        server.user(name, "supervisor");
    }
    let (ada, bea, cleo) = (server.signed_in("ada").await, server.signed_in("bea").await, server.signed_in("cleo").await);
    let post = async |server: &Server, who: &Client, path: &str, form: &[(&str, &str)]| {
        who.post(server.url(path)).form(form).send().await.unwrap().status().as_u16()
    };
    let page = async |server: &Server, who: &Client, path: &str| {
        let html = who.get(server.url(&format!("{path}?lang=en"))).send().await.unwrap().text().await.unwrap();
        html.replace(['\u{2068}', '\u{2069}'], "")
    };
    assert_eq!(post(&server, &ada, "/retention/SCHEDULE", &[("act", "periods"), ("undecided", "90")]).await, 303);
    assert_eq!(post(&server, &ada, &format!("/exhibits/{}/hold", ids[2]), &[("act", "set"), ("reason", "Affaire 12/2026")]).await, 303);
    let asked = |server: &Server| server.query("SELECT COUNT(*) FROM erasure WHERE state = 'requested'").trim().to_owned();
    server.sql(&format!("UPDATE exhibit SET received_at = received_at - {} WHERE number < 5", 91 * 86_400_000_000_i64));
    // Its turn comes once a day, and at each start.
    server.kill();
    server.run().await;
    until("it has asked", async || asked(&server) == "3").await;
    server.settled().await;
    assert_eq!(asked(&server), "3", "neither what is held nor what has time");
    // Who set the periods agrees to nothing that comes of them; two others do.
    assert!(
        page(&server, &ada, "/appeals").await.contains(">Erasures<") && page(&server, &bea, "/appeals").await.contains(">Erasures (3)<")
    );
    let list = page(&server, &bea, "/erasures").await;
    assert!(list.contains("The appeal’s schedule") && list.contains("SCHEDULE · exhibit"), "{list}");
    assert_eq!(post(&server, &ada, "/retention/SCHEDULE", &[("act", "agree")]).await, 303);
    assert_eq!(server.query("SELECT COUNT(*) FROM erasure_approval").trim(), "0");
    // What is found relevant since is not over its time any more, whoever agrees.
    let relevant = &ids[3];
    let decided = cleo.post(server.url(&format!("/api/v1/exhibits/{relevant}/decision"))).json(&json!({"decision": "relevant"}));
    assert_eq!(decided.send().await.unwrap().status().as_u16(), 200);
    let of_relevant = list.split("<section").find(|part| part.contains(relevant.as_str())).unwrap();
    let of_relevant = of_relevant.split("action=\"/erasures/").nth(1).unwrap()[..36].to_owned();
    assert_eq!(post(&server, &bea, &format!("/erasures/{of_relevant}"), &[("act", "approve")]).await, 409);
    assert_eq!(asked(&server), "2");
    let list = page(&server, &bea, "/erasures").await;
    let erasures: Vec<&str> = list.split("action=\"/erasures/").skip(1).map(|at| &at[..36]).collect();
    assert_eq!(post(&server, &ada, &format!("/erasures/{}", erasures[0]), &[("act", "approve")]).await, 409);
    // One is refused, and not asked for again the next day.
    let of_first = list.split("<section").find(|part| part.contains(erasures[0])).unwrap();
    let (kept, gone) = if of_first.contains(&ids[0]) { (&ids[0], &ids[1]) } else { (&ids[1], &ids[0]) };
    assert_eq!(post(&server, &bea, &format!("/erasures/{}", erasures[0]), &[("act", "refuse"), ("reason", "Encore utile")]).await, 303);
    server.kill();
    server.run().await;
    server.settled().await;
    assert_eq!(asked(&server), "1");
    for who in [&bea, &cleo] {
        assert_eq!(post(&server, who, "/retention/SCHEDULE", &[("act", "agree")]).await, 303);
    }
    server.settled().await;
    assert_eq!(server.query("SELECT COUNT(*) FROM exhibit").trim(), "4");
    let token = server.token("investigator");
    assert_eq!(server.get(&token, &format!("/api/v1/exhibits/{gone}")).await.0, 410);
    assert_eq!(server.get(&token, &format!("/api/v1/exhibits/{kept}")).await.0, 200);
    // A month later it is asked for again.
    server.sql(&format!("UPDATE erasure SET ended_at = ended_at - {} WHERE state = 'refused'", 31 * 86_400_000_000_i64));
    server.kill();
    server.run().await;
    until("it has asked again", async || asked(&server) == "1").await;
    server.settled().await;
    assert_eq!(asked(&server), "1");
    let events = server.events().await;
    let by: Vec<&Value> = events.iter().filter(|e| e["type"] == "erasure.requested").map(|e| &e["actor"]["k"]).collect();
    assert_eq!(by, [&json!("system"); 4]);
    // A person who asks on another ground takes its place.
    let form = [("basis", "withdrawn"), ("reason", "Le témoin le demande")];
    assert_eq!(post(&server, &ada, &format!("/exhibits/{kept}/erasure"), &form).await, 303);
    assert_eq!(server.query("SELECT basis FROM erasure WHERE state = 'requested'").trim(), "withdrawn");
    assert_eq!(post(&server, &ada, &format!("/exhibits/{kept}/erasure"), &form).await, 409, "once");
    server.cli_ok(&["audit"], "");
}
