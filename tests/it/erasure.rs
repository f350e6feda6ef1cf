//! Holds and erasures, and what a backup does to them. Cases that custody's design numbers (T16, T31, T32, T39) bear their number.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::files::jpeg;
use crate::support::{PATIENCE, Pair, Server, Submission, on_both, sha256, verify};

on_both!(two_people_erase_and_nothing_else_changes, a_hold_forbids_it_and_a_forged_tombstone_is_found, a_restored_backup_erases_again,);

struct Case {
    server: Server,
    /// An investigator and two supervisors, signed in.
    people: [Client; 3],
    submissions: Vec<Submission>,
    exhibits: Vec<String>,
    policy: PathBuf,
}

/// What the witnesses send: the first two the same bytes.
fn bytes(n: usize) -> Vec<u8> {
    jpeg([1, 1, 2][n], 64, 48)
}

impl Case {
    async fn new(pair: Pair) -> Self {
        let server = Server::start(pair).await;
        server.appeal("ERASE", &[]);
        for (name, role) in [("ines", "investigator"), ("sam", "supervisor"), ("sue", "supervisor")] {
            server.user(name, role);
        }
        let people = [server.signed_in("ines").await, server.signed_in("sam").await, server.signed_in("sue").await];
        let (mut submissions, mut exhibits) = (Vec::new(), Vec::new());
        for n in 0..3 {
            let s = server.submission("ERASE", Some(json!({"own": "yes", "words": format!("words of witness {n}")}))).await;
            let sent = server.sent(&s, &format!("name-of-{n}.jpg"), bytes(n)).await;
            exhibits.push(sent["exhibit"].as_str().unwrap().to_owned());
            submissions.push(s);
        }
        server.settled().await;
        let policy = server.path("policy");
        let text = server.http.get(server.url("/log/policy")).send().await.unwrap().text().await.unwrap();
        fs::write(&policy, text).unwrap();
        Self { server, people, submissions, exhibits, policy }
    }

    async fn post(&self, who: usize, path: &str, form: &[(&str, &str)]) -> StatusCode {
        self.people[who].post(self.server.url(path)).form(form).send().await.unwrap().status()
    }

    async fn request(&self, who: usize, n: usize) -> StatusCode {
        let form = [("basis", "withdrawn"), ("reason", "the witness asks for it")];
        self.post(who, &format!("/exhibits/{}/erasure", self.exhibits[n]), &form).await
    }

    /// The ids of the erasures that wait for somebody, as a supervisor's page shows them.
    async fn waiting(&self) -> Vec<String> {
        let page = self.people[1].get(self.server.url("/erasures")).send().await.unwrap().text().await.unwrap();
        let mut ids: Vec<String> = page.split("action=\"/erasures/").skip(1).map(|t| t[..36].to_owned()).collect();
        ids.dedup();
        ids
    }

    async fn approve(&self, who: usize, id: &str) -> StatusCode {
        self.post(who, &format!("/erasures/{id}"), &[("act", "approve")]).await
    }

    async fn erase(&self, n: usize) {
        assert_eq!(self.request(0, n).await, StatusCode::SEE_OTHER);
        let id = self.waiting().await.remove(0);
        assert_eq!(self.approve(1, &id).await, StatusCode::SEE_OTHER);
        assert_eq!(self.approve(2, &id).await, StatusCode::SEE_OTHER);
        let until = Instant::now() + PATIENCE;
        while self.page(n).await != StatusCode::GONE {
            assert!(Instant::now() < until, "it is still there: {}", self.server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.server.settled().await;
    }

    async fn page(&self, n: usize) -> StatusCode {
        self.people[0].get(self.server.url(&format!("/exhibits/{}", self.exhibits[n]))).send().await.unwrap().status()
    }

    async fn proof(&self, n: usize, name: &str) -> PathBuf {
        let path = format!("/r/{}/proof/{}", self.submissions[n].receipt, self.exhibits[n]);
        let answer = self.server.http.get(self.server.url(&path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let to = self.server.path(name);
        fs::write(&to, answer.bytes().await.unwrap()).unwrap();
        to
    }

    fn file(&self, n: usize) -> PathBuf {
        let to = self.server.path(&format!("own-{n}.jpg"));
        fs::write(&to, bytes(n)).unwrap();
        to
    }

    /// Everything that the database holds, as text and bytes.
    fn database(&self) -> Vec<u8> {
        match self.server.pair {
            Pair::Lite => ["temoin.db", "temoin.db-wal"].iter().flat_map(|f| fs::read(self.server.path(f)).unwrap_or_default()).collect(),
            Pair::Grown => Command::new("pg_dump").arg(&self.server.database).output().unwrap().stdout,
        }
    }

    fn holds(&self, text: &[u8]) -> bool {
        self.database().windows(text.len()).any(|w| w == text)
    }
}

async fn two_people_erase_and_nothing_else_changes(pair: Pair) {
    let case = Case::new(pair).await;
    let before = [case.proof(0, "before-0").await, case.proof(1, "before-1").await, case.proof(2, "before-2").await];
    let checkpoint = case.server.http.get(case.server.url("/log/checkpoint")).send().await.unwrap().text().await.unwrap();
    let digest = sha256(&bytes(2));
    let raw = data_encoding::HEXLOWER.decode(digest.as_bytes()).unwrap();
    let traces: Vec<Vec<u8>> = match pair {
        Pair::Lite => vec![digest.clone().into_bytes(), raw, b"name-of-2".to_vec(), b"words of witness 2".to_vec()],
        Pair::Grown => vec![digest.clone().into_bytes(), b"name-of-2".to_vec(), b"words of witness 2".to_vec()],
    };
    for trace in &traces {
        assert!(case.holds(trace), "it is there before");
    }
    // Nobody alone, and not who asks.
    assert_eq!(case.post(0, &format!("/exhibits/{}/erasure", case.exhibits[2]), &[("basis", "withdrawn"), ("reason", " .")]).await, 422);
    assert_eq!(case.post(0, &format!("/exhibits/{}/erasure", case.exhibits[2]), &[("basis", "whim"), ("reason", "for fun")]).await, 422);
    assert_eq!(case.request(1, 2).await, StatusCode::SEE_OTHER);
    assert_eq!(case.request(0, 2).await, StatusCode::CONFLICT, "asked for already");
    let id = case.waiting().await.remove(0);
    assert_eq!(case.approve(1, &id).await, StatusCode::CONFLICT, "who asks does not agree");
    assert_eq!(case.approve(0, &id).await, StatusCode::FORBIDDEN, "an investigator does not agree");
    assert_eq!(case.approve(2, &id).await, StatusCode::SEE_OTHER);
    assert_eq!(case.approve(2, &id).await, StatusCode::CONFLICT, "nobody agrees twice");
    assert_eq!(case.page(2).await, StatusCode::OK, "one is not enough");
    assert_eq!(
        case.post(2, &format!("/erasures/{id}"), &[("act", "refuse"), ("reason", "ask again properly")]).await,
        StatusCode::SEE_OTHER
    );
    assert!(case.waiting().await.is_empty());

    // T31: it goes, and so does everything that was written about it.
    case.erase(2).await;
    for trace in &traces {
        assert!(!case.holds(trace), "{:?} is left", String::from_utf8_lossy(trace));
    }
    if pair == Pair::Lite {
        let left = Command::new("grep").arg("-rl").arg(&digest).arg(case.server.path("media")).output().unwrap();
        assert!(left.stdout.is_empty(), "{}", String::from_utf8_lossy(&left.stdout));
        assert!(!case.server.path("media").join("blobs").join(&digest[..2]).join(&digest[2..4]).join(&digest).exists());
    }
    case.server.assert_sound();
    // The root that was signed before is contained in today's, and every receipt given before still holds with its file.
    let old = case.server.path("old-checkpoint");
    fs::write(&old, &checkpoint).unwrap();
    let new = case.server.path("new-checkpoint");
    fs::write(&new, case.server.http.get(case.server.url("/log/checkpoint")).send().await.unwrap().text().await.unwrap()).unwrap();
    let size = |text: &str| text.lines().nth(1).unwrap().to_owned();
    let sizes = format!("/api/v1/log/consistency?old={}&new={}", size(&checkpoint), size(&fs::read_to_string(&new).unwrap()));
    let consistency = case.server.path("consistency");
    fs::write(&consistency, case.server.http.get(case.server.url(&sizes)).send().await.unwrap().text().await.unwrap()).unwrap();
    let compared = case.server.cli(&[
        "log",
        "compare",
        old.to_str().unwrap(),
        new.to_str().unwrap(),
        "--proof",
        consistency.to_str().unwrap(),
        "--trust",
        case.policy.to_str().unwrap(),
    ]);
    assert_eq!(compared.status.code(), Some(0), "{}", String::from_utf8_lossy(&compared.stdout));
    for (n, proof) in before.iter().enumerate() {
        assert_eq!(verify(&[proof, &case.file(n)], Some(&case.policy)), 0, "the receipt of {n}");
    }
    // Asked for again, the erased one's says so, provably.
    let after = case.proof(2, "after-2").await;
    let said = case.server.cli(&["verify", after.to_str().unwrap(), "--trust", case.policy.to_str().unwrap(), "--json"]);
    let verdict: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(0), "{verdict}");
    assert!(verdict["findings"].as_array().unwrap().iter().any(|f| f["check"] == "erased" && f["result"] == "proven"), "{verdict}");
    assert_eq!(verify(&[&after, &case.file(2)], Some(&case.policy)), 2, "the file's hash is gone, so nothing is said of it");
    let page = case.server.http.get(case.server.url(&format!("/r/{}", case.submissions[2].receipt))).header("accept-language", "en");
    assert!(page.send().await.unwrap().text().await.unwrap().contains("A file that was erased"));

    // An auditor who asks for it afterwards leaves nothing behind that would have to be erased again.
    case.server.user("aude", "auditor");
    let aude = case.server.signed_in("aude").await;
    for path in [format!("/audit/log?exhibit={}", case.exhibits[2]), format!("/audit/exhibits/{}", case.exhibits[2])] {
        assert_eq!(aude.get(case.server.url(&path)).send().await.unwrap().status(), StatusCode::OK, "{path}");
    }
    // One look-up is in the history of both exhibits with these bytes, and its opening goes with the first.
    let form = reqwest::multipart::Form::new().text("hash", sha256(&bytes(0)));
    assert_eq!(aude.post(case.server.url("/audit/verify")).multipart(form).send().await.unwrap().status(), StatusCode::OK);
    case.server.settled().await;
    case.server.assert_sound();

    // T39: the same bytes came from two witnesses; erasing the first's leaves the second's whole.
    case.erase(0).await;
    assert_eq!(case.page(1).await, StatusCode::OK);
    let path = format!("/exhibits/{}/original", case.exhibits[1]);
    let original = case.people[0].get(case.server.url(&path)).send().await.unwrap();
    assert_eq!(original.bytes().await.unwrap(), bytes(1));
    assert_eq!(verify(&[&case.proof(1, "after-1").await, &case.file(1)], Some(&case.policy)), 0);
    case.server.assert_sound();
    let bundle = case.server.path("bundle");
    let made = case.server.cli(&[
        "export",
        "--appeal",
        "ERASE",
        "--exhibit",
        &case.exhibits[1],
        "--profile",
        "prosecution",
        "--recipient",
        "Tribunal de Paris",
        "--reason",
        "order 26/1234",
        "--to",
        bundle.to_str().unwrap(),
    ]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(verify(&[&bundle], Some(&case.policy)), 0, "a bundle of the second, whose history lost an opening with the first");
    // What was erased can be received again, as something new.
    let sent = case.server.sent(&case.submissions[2], "again.jpg", bytes(2)).await;
    assert_ne!(sent["exhibit"].as_str().unwrap(), case.exhibits[2]);
    case.server.settled().await;
    case.server.assert_sound();
}

async fn a_hold_forbids_it_and_a_forged_tombstone_is_found(pair: Pair) {
    let case = Case::new(pair).await;
    let hold = format!("/exhibits/{}/hold", case.exhibits[0]);
    assert_eq!(case.post(0, &hold, &[("act", "set"), ("reason", "appeal pending")]).await, StatusCode::FORBIDDEN);
    assert_eq!(case.post(1, &hold, &[("act", "set"), ("reason", "..")]).await, StatusCode::UNPROCESSABLE_ENTITY);
    // Asked for first, agreed to by one, then held: nobody can agree any more.
    assert_eq!(case.request(0, 0).await, StatusCode::SEE_OTHER);
    let id = case.waiting().await.remove(0);
    assert_eq!(case.approve(1, &id).await, StatusCode::SEE_OTHER);
    assert_eq!(case.post(1, &hold, &[("act", "set"), ("reason", "appeal pending")]).await, StatusCode::SEE_OTHER);
    assert_eq!(case.post(2, &hold, &[("act", "set"), ("reason", "twice")]).await, StatusCode::CONFLICT);
    assert_eq!(case.approve(2, &id).await, StatusCode::CONFLICT);
    assert_eq!(case.page(0).await, StatusCode::OK);
    // Nor can a hand in the database.
    let id_of = |n: usize| case.exhibits[n].replace('-', "");
    let remove = match pair {
        Pair::Lite => format!("PRAGMA foreign_keys=OFF; DELETE FROM exhibit WHERE id = x'{}'", id_of(0)),
        Pair::Grown => {
            format!("SET session_replication_role = origin; DELETE FROM claim; DELETE FROM exhibit WHERE id = '\\x{}'", id_of(0))
        }
    };
    let tried = match pair {
        Pair::Lite => Command::new("sqlite3").args(["-cmd", ".timeout 120000"]).arg(case.server.path("temoin.db")).arg(&remove).output(),
        Pair::Grown => Command::new("psql").args([&case.server.database, "-1", "-v", "ON_ERROR_STOP=1", "-qc", &remove]).output(),
    }
    .unwrap();
    assert!(
        !tried.status.success() && String::from_utf8_lossy(&tried.stderr).contains("hold"),
        "{}",
        String::from_utf8_lossy(&tried.stderr)
    );
    case.server.assert_sound();

    // A hand that writes "approved" into the table gets nothing erased either: the log is asked.
    let decided = match pair {
        Pair::Lite => "randomblob(16)",
        Pair::Grown => "decode(md5(random()::text), 'hex')",
    };
    assert_eq!(case.request(0, 2).await, StatusCode::SEE_OTHER);
    let id = case.waiting().await.into_iter().next_back().unwrap();
    let open = |n: usize| {
        format!(
            "(SELECT id FROM erasure WHERE exhibit_id = {})",
            match pair {
                Pair::Lite => format!("x'{}'", id_of(n)),
                Pair::Grown => format!("'\\x{}'", id_of(n)),
            }
        )
    };
    case.server.sql(&format!("UPDATE erasure SET state = 'approved' WHERE id = {}", open(2)));
    let subject = match pair {
        Pair::Lite => format!(
            "(SELECT lower(substr(hex(id),1,8)||'-'||substr(hex(id),9,4)||'-'||substr(hex(id),13,4)||'-'||substr(hex(id),17,4)||'-'||substr(hex(id),21)) FROM erasure WHERE id = {})",
            open(2)
        ),
        Pair::Grown => format!("(SELECT encode(id, 'hex')::uuid::text FROM erasure WHERE id = {})", open(2)),
    };
    case.server
        .sql(&format!("INSERT INTO job (id, kind, subject, priority, run_at, created_at) VALUES ({decided}, 'erase', {subject}, 1, 0, 0)"));
    case.server.settled().await;
    assert_eq!(case.page(2).await, StatusCode::OK, "{id}");
    case.server.assert_sound();

    // T16: tombstones that were never agreed to, written by somebody who can write to the outbox.
    for (n, why) in [(0, "under a hold"), (1, "without two people")] {
        let event = format!("00000000-0000-7000-8000-00000000000{n}");
        let draft = json!({
            "v": 1, "type": "erasure.executed", "id": event, "t": "2026-07-15T00:00:00.000000Z", "clk": "unknown", "node": "n1",
            "app": "x", "actor": {"k": "system"}, "subj": [{"k": "exhibit", "id": case.exhibits[n]}], "f": {}, "d": [], "salt": "AAAAAAAAAAAAAAAAAAAAAA==",
        });
        let bytes = data_encoding::HEXLOWER.encode(draft.to_string().as_bytes());
        let event = event.replace('-', "");
        case.server.sql(&match pair {
            Pair::Lite => format!("INSERT INTO log_pending (event_id, draft) VALUES (x'{event}', x'{bytes}')"),
            Pair::Grown => format!("INSERT INTO log_pending (event_id, draft) VALUES ('\\x{event}', '\\x{bytes}')"),
        });
        case.server.settled().await;
        let (code, report) = case.server.audit();
        assert_eq!(code, 1, "{report}");
        let found = report["findings"].as_array().unwrap();
        assert!(found.iter().any(|f| f["what"] == "erasure-unlawful" && f["detail"].as_str().unwrap().contains(why)), "{why}: {report}");
    }
}

async fn a_restored_backup_erases_again(pair: Pair) {
    let mut case = Case::new(pair).await;
    let backup = case.server.path("backup");
    let done = case.server.cli(&["backup", backup.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!backup.join("keys").exists() && backup.join("backup.json").exists());
    let policy = case.policy.clone();
    let receipts = [case.proof(0, "b0").await, case.proof(2, "b2").await];
    case.erase(2).await;
    let later = case.server.sent(&case.submissions[0], "later.jpg", jpeg(9, 40, 40)).await;
    // A receipt that is forgotten stays so.
    let forgotten = format!("/r/{}", case.submissions[1].receipt);
    let answer = case.server.http.post(case.server.url(&format!("{forgotten}/forget"))).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    case.server.settled().await;
    case.server.kill();
    // T32: the database is lost, and yesterday's put back; it still has what was erased today.
    let refused = case.server.cli(&["restore", backup.to_str().unwrap()]);
    assert!(!refused.status.success(), "not over a database that is there");
    match pair {
        Pair::Lite => ["temoin.db", "temoin.db-wal", "temoin.db-shm"].iter().for_each(|f| drop(fs::remove_file(case.server.path(f)))),
        Pair::Grown => case.server.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public"),
    }
    if pair == Pair::Lite {
        // The disk is gone, too, and a file has rotted in the backup: it is named, and does not become the original.
        fs::remove_dir_all(case.server.path("media/blobs")).unwrap();
        let rotten = fs::read_dir(backup.join("media")).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_file()).unwrap();
        let whole = fs::read(&rotten).unwrap();
        fs::write(&rotten, [&whole[..whole.len() - 1], &[whole[whole.len() - 1] ^ 1]].concat()).unwrap();
        let refused = case.server.cli(&["restore", backup.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(rotten.file_name().unwrap().to_str().unwrap()), "{said}");
        fs::write(&rotten, whole).unwrap();
        ["temoin.db", "temoin.db-wal", "temoin.db-shm"].iter().for_each(|f| drop(fs::remove_file(case.server.path(f))));
    }
    let done = case.server.cli(&["restore", backup.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said} {}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("1 exhibits were erased again"), "{said}");
    case.server.run().await;
    assert_eq!(case.server.http.get(case.server.url(&forgotten)).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    let ines = case.server.signed_in("ines").await;
    let status = async |n: usize| ines.get(case.server.url(&format!("/exhibits/{}", case.exhibits[n]))).send().await.unwrap().status();
    assert_eq!(status(2).await, StatusCode::GONE);
    assert_eq!((status(0).await, status(1).await), (StatusCode::OK, StatusCode::OK));
    for trace in [sha256(&bytes(2)).as_bytes(), b"name-of-2"] {
        assert!(!case.holds(trace), "{}", String::from_utf8_lossy(trace));
    }
    // The log has lost nothing; the audit names the one file that came after the backup, and nothing else.
    let (code, report) = case.server.audit();
    assert_eq!(code, 1, "{report}");
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{report}");
    assert!(
        findings[0]["what"] == "exhibit-missing" && findings[0]["detail"].as_str().unwrap().contains(later["exhibit"].as_str().unwrap())
    );
    assert_eq!(case.server.fixity().0, 0);
    // Its witness still learns that it was erased, although the backup knew nothing of it, and gets the proof.
    let receipt = &case.submissions[2].receipt;
    let fetch = async |path: &str| case.server.http.get(case.server.url(path)).send().await.unwrap().text().await.unwrap();
    assert!(fetch(&format!("/r/{receipt}")).await.contains(&case.exhibits[2]));
    let proof = case.server.path("after-restore.tlog-proof");
    fs::write(&proof, fetch(&format!("/r/{receipt}/proof/{}", case.exhibits[2])).await).unwrap();
    assert_eq!(verify(&[&proof], Some(&policy)), 0);
    assert!(fs::read_to_string(&proof).unwrap().len() > 1_000);
    for (receipt, n) in receipts.iter().zip([0, 2]) {
        assert_eq!(verify(&[receipt, &case.file(n)], Some(&policy)), 0);
    }
}
