//! Bundles: made by the real program, judged by tools that are not ours, and attacked. Cases that custody's design numbers
//! (T21 to T25, T35, T38, T40) bear their number.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::files::{Gps, jpeg, with_exif};
use crate::support::{Pair, Server, Submission, on_both, sha256, verify};

on_both!(
    a_third_party_checks_a_bundle_by_its_own_readme,
    the_defence_sees_that_something_is_withheld,
    what_was_changed_in_a_bundle_is_found,
    an_interrupted_export_goes_on,
    a_bundle_is_asked_for_in_a_page_and_fetched_in_pieces,
    a_bundle_of_many_takes_a_second_person,
);

struct Case {
    server: Server,
    submission: Submission,
    /// Three exhibits, the first with two looks and a decision.
    exhibits: Vec<String>,
    policy: PathBuf,
}

impl Case {
    async fn new(pair: Pair) -> Self {
        let server = Server::start(pair).await;
        server.appeal("BUNDLE", &[]);
        let investigator = server.token("investigator");
        let submission = server.submission("BUNDLE", Some(json!({"own": "yes", "words": "seen by Jeanne at the window"}))).await;
        let photo = with_exif(&jpeg(1, 64, 48), "2026:07:14 22:10:00", Some("+02:00"), 1, &Gps::At(48.8501, 2.3501));
        let mut exhibits = Vec::new();
        for (name, bytes) in [("Jeanne's 100%: view.jpg", photo), ("b.jpg", jpeg(2, 32, 32)), ("c.jpg", jpeg(3, 32, 32))] {
            exhibits.push(server.sent(&submission, name, bytes).await["exhibit"].as_str().unwrap().to_owned());
        }
        server.settled().await;
        for _ in 0..2 {
            assert_eq!(server.get(&investigator, &format!("/api/v1/exhibits/{}", exhibits[0])).await.0, 200);
        }
        let policy = server.path("policy");
        let text = server.http.get(server.url("/log/policy")).send().await.unwrap().text().await.unwrap();
        fs::write(&policy, text).unwrap();
        Self { server, submission, exhibits, policy }
    }

    fn try_export(&self, to: &Path, extra: &[&str]) -> std::process::Output {
        let to = to.to_string_lossy().into_owned();
        let mut args = vec!["export", "--appeal", "BUNDLE", "--recipient", "Tribunal de Paris", "--reason", "order 26/1234", "--to", &to];
        args.extend(extra);
        self.server.cli(&args)
    }

    fn export(&self, name: &str, profile: &str, exhibits: &[usize]) -> PathBuf {
        let to = self.server.path(name);
        let mut extra = vec!["--profile", profile];
        for n in exhibits {
            extra.extend(["--exhibit", &self.exhibits[*n]]);
        }
        let done = self.try_export(&to, &extra);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        to
    }
}

fn events(bundle: &Path) -> Vec<Value> {
    fs::read_to_string(bundle.join("custody/events.jsonl")).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn payload(bundle: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(bundle.join("data/original")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

/// Commands as a person would copy them from the bundle's README; ours is pointed at the program under test.
fn readme_commands(bundle: &Path, policy: &Path) -> Vec<String> {
    let text = fs::read_to_string(bundle.join("README.txt")).unwrap().replace("\\\n", " ");
    let lines = text.lines().filter_map(|l| l.strip_prefix("     ")).map(str::trim);
    let commands = lines
        .filter(|l| ["sha256sum", "bagit.py", "ssh-keygen", "head", "sed", "openssl", "temoin"].contains(&l.split(' ').next().unwrap()));
    let scratch = bundle.parent().unwrap().join("checkpoint");
    let files = payload(bundle)[0].to_string_lossy().into_owned();
    commands
        .map(|c| {
            c.replace("temoin ", &format!("{} ", env!("CARGO_BIN_EXE_temoin")))
                .replace("POLICY", &policy.to_string_lossy())
                .replace("FILE\u{2026}", &format!("'{}'", files.replace('\'', "'\\''")))
                .replace("/tmp/checkpoint", &scratch.to_string_lossy())
        })
        .collect()
}

fn oracles() -> String {
    let folder = std::env::var("TEMOIN_TEST_ORACLES").expect("infra/servers.sh names the judges of bundles");
    format!("{folder}:{}", std::env::var("PATH").unwrap())
}

/// Runs one command in the bundle's folder; whether it succeeded, and what it said.
fn run(bundle: &Path, command: &str) -> (bool, String) {
    let done = Command::new("sh").args(["-c", command]).current_dir(bundle).env("PATH", oracles()).output().unwrap();
    (done.status.success(), format!("{command}\n{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)))
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Writes both tag manifests anew, as somebody without the key could.
fn rewrite_manifests(bundle: &Path) {
    let script = "find data -type f -print0 | sort -z | xargs -0 sha256sum > manifest-sha256.txt
        find data -type f -print0 | sort -z | xargs -0 sha512sum > manifest-sha512.txt
        for n in 256 512; do find . -type f ! -path './data/*' ! -name 'tagmanifest-*' -printf '%P\\0' | sort -z | xargs -0 sha${n}sum > ../tags-$n; mv ../tags-$n tagmanifest-sha$n.txt; done
        sed -i \"s/^Payload-Oxum.*/Payload-Oxum: $(find data -type f -printf '%s\\n' | awk '{s+=$1} END {print s}').$(find data -type f | wc -l)/\" bag-info.txt
        for n in 256 512; do find . -type f ! -path './data/*' ! -name 'tagmanifest-*' -printf '%P\\0' | sort -z | xargs -0 sha${n}sum > ../tags-$n; mv ../tags-$n tagmanifest-sha$n.txt; done";
    let (ok, said) = run(bundle, script);
    assert!(ok, "{said}");
}

/// T40, as far as it concerns bundles; and the end of the whole story.
async fn a_third_party_checks_a_bundle_by_its_own_readme(pair: Pair) {
    let case = Case::new(pair).await;
    let bundle = case.export("bundle", "prosecution", &[0, 1]);
    let commands = readme_commands(&bundle, &case.policy);
    assert_eq!(commands.len(), 9, "{commands:#?}");
    for command in &commands {
        let (ok, said) = run(&bundle, command);
        assert!(ok, "{said}");
    }
    assert_eq!(verify(&[&bundle], Some(&case.policy)), 0);
    assert_eq!(verify(&[&bundle], None), 2, "a bundle that vouches for itself proves nothing");
    // T24: what was made of an original is told apart, by the log and not by its name.
    let views: Vec<PathBuf> = fs::read_dir(bundle.join("data/derivative")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(views.len(), 2);
    assert!(views.iter().all(|v| v.to_string_lossy().contains("-D1-VIEW__")));
    let presented = case.server.path("original.jpg");
    let told = |bytes: Vec<u8>| {
        fs::write(&presented, bytes).unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_temoin"))
            .arg("verify")
            .args([&bundle, &presented])
            .arg("--trust")
            .arg(&case.policy)
            .output()
            .unwrap();
        (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
    };
    let (code, said) = told(fs::read(&views[0]).unwrap());
    assert!(code == 0 && said.contains("original.jpg is a derivative of exhibit"), "T24: {said}");
    let (code, said) = told(fs::read(&payload(&bundle)[0]).unwrap());
    assert!(code == 0 && said.contains("original.jpg is the original of exhibit"), "{said}");
    let (code, said) = told(jpeg(77, 10, 10));
    assert!(code == 1 && said.contains("neither"), "{said}");
    // What stands in it.
    let files = payload(&bundle);
    assert_eq!(files.len(), 2);
    let original = case.server.get(&case.server.token("supervisor"), &format!("/api/v1/exhibits/{}", case.exhibits[0])).await.1;
    assert!(files.iter().any(|f| sha256(&fs::read(f).unwrap()) == original["sha256"].as_str().unwrap()));
    let kinds: Vec<String> = events(&bundle)
        .iter()
        .map(|e| serde_json::from_slice::<Value>(&data_encoding::BASE64.decode(e["entry"].as_str().unwrap().as_bytes()).unwrap()).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    for kind in ["exhibit.received", "exhibit.examined", "exhibit.viewed", "exhibit.exported", "export.created"] {
        assert!(kinds.iter().any(|k| k == kind), "{kind}: {kinds:?}");
    }
    let report = fs::read_to_string(bundle.join("report/report.html")).unwrap();
    assert!(
        report.contains("Tribunal de Paris")
            && report.contains("order 26/1234")
            && report.contains("exif_gps")
            && !report.contains("<script"),
        "{report}"
    );
    let schedule = fs::read_to_string(bundle.join("report/schedule.html")).unwrap();
    assert!(schedule.contains(&case.exhibits[2]) && !schedule.contains(&case.exhibits[0]), "the third one was not used");
    for exhibit in &case.exhibits[..2] {
        let (ok, said) = run(&bundle, &format!("case_validate report/case/{exhibit}.jsonld"));
        assert!(ok, "{said}");
    }
    // The same bundle is not made twice into one folder, and the log knows of the first.
    assert_eq!(case.try_export(&bundle, &["--profile", "prosecution", "--exhibit", &case.exhibits[0]]).status.code(), Some(3));
    case.server.assert_sound();
    // Each judge rejects its own tampered variant.
    let bent = case.server.path("bent");
    for (judge, file) in [
        ("sha256sum -c --strict manifest", "data"),
        ("sha256sum -c --strict tagmanifest", "custody/events.jsonl"),
        ("bagit.py", "data"),
        ("ssh-keygen", "tagmanifest-sha256.txt"),
        ("openssl", "custody/checkpoint"),
        ("temoin", "custody/events.jsonl"),
        ("temoin", "data"),
    ] {
        copy(&bundle, &bent);
        let at = if file == "data" { payload(&bent)[0].clone() } else { bent.join(file) };
        let mut bytes = fs::read(&at).unwrap();
        let place = if file == "custody/checkpoint" { bytes.iter().position(|b| *b == b'\n').unwrap() + 1 } else { bytes.len() / 2 };
        bytes[place] ^= 1;
        fs::write(&at, bytes).unwrap();
        let mut commands = readme_commands(&bent, &case.policy);
        commands.retain(|c| c.contains(judge) || (judge == "openssl" && (c.starts_with("head") || c.starts_with("tail"))));
        let last = commands.pop().unwrap();
        for before in commands {
            run(&bent, &before);
        }
        let (ok, said) = run(&bent, &last);
        assert!(!ok, "{judge} took a bent {file}: {said}");
        // And nobody reads both that a file was changed and that every file is what was received.
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            judge != "temoin" || file != "data" || words.contains("contradicted payload") && !words.contains("proven payload"),
            "{said}"
        );
    }
}

async fn the_defence_sees_that_something_is_withheld(pair: Pair) {
    let case = Case::new(pair).await;
    let bundle = case.export("defence", "defence", &[0]);
    assert_eq!(verify(&[&bundle], Some(&case.policy)), 0, "complete and proven all the same");
    let mut all = String::new();
    let (_, listed) = run(&bundle, "find . -type f ! -path './data/*' -exec cat {} +; find . -type f");
    all.push_str(&listed);
    for event in events(&bundle) {
        for opening in event["openings"].as_array().unwrap() {
            all.push_str(&opening.to_string());
        }
    }
    for secret in ["Jeanne", "window", &case.submission.receipt, &case.submission.token] {
        assert!(!all.contains(secret), "{secret} went along");
    }
    let withheld: u64 = events(&bundle).iter().map(|e| e["withheld"].as_u64().unwrap()).sum();
    assert!(withheld >= 3, "{withheld}");
    assert!(fs::read_to_string(bundle.join("report/report.html")).unwrap().contains("is withheld"));
    // Nor can one more be withheld without a word.
    let path = bundle.join("custody/events.jsonl");
    let mut lines = events(&bundle);
    lines[0]["openings"].as_array_mut().unwrap().pop();
    fs::write(&path, lines.iter().map(|l| format!("{l}\n")).collect::<String>()).unwrap();
    rewrite_manifests(&bundle);
    assert_eq!(verify(&[&bundle], Some(&case.policy)), 1);
}

async fn what_was_changed_in_a_bundle_is_found(pair: Pair) {
    let case = Case::new(pair).await;
    let bundle = case.export("bundle", "prosecution", &[0, 1]);
    let bent = case.server.path("bent");
    let judged = |how: &dyn Fn(&Path)| {
        copy(&bundle, &bent);
        how(&bent);
        verify(&[&bent], Some(&case.policy))
    };
    let write_events = |at: &Path, lines: &[Value]| {
        fs::write(at.join("custody/events.jsonl"), lines.iter().map(|l| format!("{l}\n")).collect::<String>()).unwrap();
        rewrite_manifests(at);
    };
    assert_eq!(judged(&|_| {}), 0);
    // Manifests alone, rewritten over the same content, lose only the signature: and that is found.
    assert_eq!(judged(&rewrite_manifests_only), 1);
    // T21: each event in turn is left out.
    for n in 0..events(&bundle).len() {
        let code = judged(&|at| {
            let mut lines = events(at);
            lines.remove(n);
            write_events(at, &lines);
        });
        assert_eq!(code, 1, "T21: event {n} is missing");
    }
    // T22: media changed and every manifest rewritten. BagIt's own judge is content; ours is not.
    let code = judged(&|at| {
        let file = payload(at)[0].clone();
        fs::write(&file, jpeg(9, 64, 48)).unwrap();
        rewrite_manifests(at);
        let (ok, said) = run(at, "bagit.py --validate .");
        assert!(ok, "T22: {said}");
    });
    assert_eq!(code, 1, "T22");
    // T24: a picture put into its original's place, with every manifest rewritten and the signature lost; and one of nobody's.
    for swap in [true, false] {
        let code = judged(&|at| {
            let view = fs::read_dir(at.join("data/derivative")).unwrap().next().unwrap().unwrap().path();
            let id = view.file_name().unwrap().to_string_lossy()[..36].to_owned();
            let original = payload(at).into_iter().find(|f| f.to_string_lossy().contains(&id)).unwrap();
            if swap {
                fs::copy(&view, &original).unwrap()
            } else {
                fs::copy(&original, &view).unwrap()
            };
            rewrite_manifests(at);
        });
        assert_eq!(code, 1, "T24");
    }
    // T23: made anew from end to end with another log and key, and offered under the real policy.
    let other = Case::new(pair).await;
    let foreign = other.export("foreign", "prosecution", &[0]);
    assert_eq!(verify(&[&foreign], Some(&other.policy)), 0);
    // Undecided, since the policy knows nothing of that log; with its name forged it would be contradicted. Never proven.
    assert_eq!(verify(&[&foreign], Some(&case.policy)), 2, "T23, T38");
    assert_eq!(verify(&[&foreign], None), 2, "T23");
    // Two exhibits change places; one is left out with its history; a file too many.
    for how in [
        &(|at: &Path| {
            let files = payload(at);
            let (a, b) = (fs::read(&files[0]).unwrap(), fs::read(&files[1]).unwrap());
            fs::write(&files[0], b).unwrap();
            fs::write(&files[1], a).unwrap();
            rewrite_manifests(at);
        }) as &dyn Fn(&Path),
        &|at| {
            let first = &case.exhibits[0];
            fs::remove_file(payload(at).into_iter().find(|f| f.to_string_lossy().contains(first)).unwrap()).unwrap();
            let lines: Vec<Value> = events(at).into_iter().filter(|l| !decoded(l).contains(first)).collect();
            write_events(at, &lines);
        },
        &|at| fs::write(at.join("data/original/extra.jpg"), b"x").unwrap(),
        &|at| {
            // A proof of another entry.
            let proofs: Vec<PathBuf> = fs::read_dir(at.join("custody/proofs")).unwrap().map(|e| e.unwrap().path()).collect();
            fs::copy(&proofs[0], &proofs[1]).unwrap();
            rewrite_manifests(at);
        },
        &|at| {
            let mut lines = events(at);
            let twice = lines[0].clone();
            lines.push(twice);
            write_events(at, &lines);
        },
    ] {
        assert_eq!(judged(how), 1);
    }
    // T25: an opening says something else; T35: what is hostile in form.
    let code = judged(&|at| {
        let mut lines = events(at);
        lines[0]["openings"][0]["value"] = json!("something else");
        write_events(at, &lines);
    });
    assert_eq!(code, 1, "T25");
    for (what, how) in [
        (
            "doubled key",
            &(|at: &Path| edit(at, "custody/events.jsonl", |t| t.replacen("{\"index\":", "{\"index\":0,\"index\":", 1))) as &dyn Fn(&Path),
        ),
        ("path outside", &|at| edit(at, "manifest-sha256.txt", |t| format!("{t}{}  ../../etc/passwd\n", "0".repeat(64)))),
        ("absolute path", &|at| edit(at, "tagmanifest-sha256.txt", |t| format!("{t}{}  /etc/passwd\n", "0".repeat(64)))),
        ("symlink", &|at| {
            let file = payload(at)[0].clone();
            fs::remove_file(&file).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
        }),
        ("endless line", &|at| fs::write(at.join("custody/events.jsonl"), vec![b'['; 3 << 20]).unwrap()),
        ("a million proof lines", &|at| {
            let proof = fs::read_dir(at.join("custody/proofs")).unwrap().next().unwrap().unwrap().path();
            edit(at, proof.strip_prefix(at).unwrap().to_str().unwrap(), |t| {
                t.replacen("index", &format!("{}\nindex", "A".repeat(44)).repeat(20_000), 1)
            });
        }),
        ("not a bag", &|at| fs::remove_file(at.join("bagit.txt")).unwrap()),
        ("nothing at all", &|at| fs::remove_dir_all(at.join("custody")).unwrap()),
    ] {
        let code = judged(how);
        assert!(code == 1 || code == 3, "T35 {what}: {code}");
    }
}

fn decoded(line: &Value) -> String {
    String::from_utf8(data_encoding::BASE64.decode(line["entry"].as_str().unwrap().as_bytes()).unwrap()).unwrap()
}

fn edit(bundle: &Path, file: &str, how: impl Fn(String) -> String) {
    let at = bundle.join(file);
    fs::write(&at, how(fs::read_to_string(&at).unwrap())).unwrap();
}

fn rewrite_manifests_only(bundle: &Path) {
    edit(bundle, "bag-info.txt", |t| t + "Contact-Name: somebody\n");
    rewrite_manifests(bundle);
}

async fn an_interrupted_export_goes_on(pair: Pair) {
    let case = Case::new(pair).await;
    let whole = case.export("whole", "prosecution", &[0, 1, 2]);
    // As it was left by a power cut: some originals there, one torn, no manifests.
    let torn = case.server.path("torn");
    fs::create_dir_all(torn.join("data/original")).unwrap();
    let files = payload(&whole);
    fs::copy(&files[0], torn.join("data/original").join(files[0].file_name().unwrap())).unwrap();
    fs::write(torn.join("data/original").join(files[1].file_name().unwrap()), b"torn").unwrap();
    let asked = json!({"appeal": "BUNDLE", "exhibits": case.exhibits, "profile": "prosecution", "recipient": "Tribunal de Paris", "reason": "order 26/1234"});
    let state = json!({"export": "01930000-0000-7000-8000-000000000001", "begun_at": "2026-11-23T00:00:00.000000Z", "asked": asked, "manifest": null});
    fs::write(torn.join("unfinished.json"), state.to_string()).unwrap();
    let mut extra = vec!["--profile", "prosecution"];
    for id in &case.exhibits {
        extra.extend(["--exhibit", id]);
    }
    let other = case.try_export(&torn, &["--profile", "defence", "--exhibit", &case.exhibits[0]]);
    assert_eq!(other.status.code(), Some(3), "another question does not go on with it");
    let done = case.try_export(&torn, &extra);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(verify(&[&torn], Some(&case.policy)), 0);
    for wrong in [
        vec!["--profile", "prosecution", "--exhibit", "nonsense"],
        vec!["--profile", "prosecution", "--decided", "ready"],
        vec!["--profile", "prosecution", "--decided", "relevant"],
        vec!["--profile", "press", "--exhibit", &case.exhibits[0]],
    ] {
        assert!(!case.try_export(&case.server.path("none"), &wrong).status.success(), "{wrong:?}");
    }
    let done = case.server.cli(&[
        "export",
        "--appeal",
        "BUNDLE",
        "--recipient",
        ".",
        "--reason",
        " ",
        "--profile",
        "defence",
        "--exhibit",
        &case.exhibits[0],
        "--to",
        "x",
    ]);
    assert_eq!(done.status.code(), Some(3), "a reason of no content is refused");
    // T12: stored bytes that were exchanged do not leave, and that is on record.
    if let Pair::Lite = pair {
        let blob = walk(&case.server.dir.path().join("media/blobs"))
            .into_iter()
            .find(|f| sha256(&fs::read(f).unwrap()) == sha256(&fs::read(&files[1]).unwrap()))
            .unwrap();
        fs::write(&blob, jpeg(8, 32, 32)).unwrap();
        let refused = case.try_export(&case.server.path("bad"), &extra);
        assert_eq!(refused.status.code(), Some(3));
        assert!(case.server.events().await.iter().any(|e| e["type"] == "fixity.failed"), "T12");
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

async fn a_bundle_is_asked_for_in_a_page_and_fetched_in_pieces(pair: Pair) {
    let case = Case::new(pair).await;
    case.server.user("ines", "investigator");
    let ines = case.server.signed_in("ines").await;
    let ask = async |exhibits: &str, recipient: &str, reason: &str| {
        let form = [("exhibits", exhibits), ("profile", "defence"), ("recipient", recipient), ("reason", reason)];
        ines.post(case.server.url("/appeals/BUNDLE/export")).form(&form).send().await.unwrap().status()
    };
    let both = format!("{}\n{}", case.exhibits[0], case.exhibits[1]);
    for (exhibits, recipient, reason) in [
        ("", "Maître Dupont", "art. 114 CPP"),
        (both.as_str(), "..", "art. 114 CPP"),
        (both.as_str(), "Maître Dupont", " - "),
        ("nonsense", "Maître Dupont", "art. 114 CPP"),
        ("00000000-0000-7000-8000-000000000000", "Maître Dupont", "art. 114 CPP"),
    ] {
        assert_eq!(ask(exhibits, recipient, reason).await, 422, "{exhibits} {recipient} {reason}");
    }
    assert_eq!(ask(&both, "Maître Dupont", "art. 114 CPP").await, 303);
    case.server.settled().await;
    let page = ines.get(case.server.url("/exports")).send().await.unwrap().text().await.unwrap();
    let path = page.split("href=\"/exports/").nth(1).map(|t| format!("/exports/{}", t.split('"').next().unwrap())).expect(&page);
    // T28: a fetch that cannot be written down brings no byte.
    case.server.sql("ALTER TABLE log_pending RENAME TO log_away");
    let refused = ines.get(case.server.url(&path)).send().await.unwrap();
    assert!(refused.status().is_server_error() && !refused.bytes().await.unwrap().starts_with(b"PK"), "T28");
    case.server.sql("ALTER TABLE log_away RENAME TO log_pending");
    let led = ines.get(case.server.url(&path)).header("range", "bytes=1-").send().await.unwrap();
    assert_eq!(led.status(), 303, "no byte before its event");
    let url = case.server.url(led.headers()["location"].to_str().unwrap());
    let whole = ines.get(&url).send().await.unwrap();
    assert_eq!((whole.status().as_u16(), whole.headers()["content-type"].to_str().unwrap()), (200, "application/zip"));
    let whole = whole.bytes().await.unwrap();
    // A broken download goes on, wherever it broke.
    let mut pieces = Vec::new();
    while pieces.len() < whole.len() {
        let to = (pieces.len() + 1 + whole.len() / 7).min(whole.len()) - 1;
        let piece = ines.get(&url).header("range", format!("bytes={}-{to}", pieces.len())).send().await.unwrap();
        assert_eq!(piece.status(), 206);
        pieces.extend_from_slice(&piece.bytes().await.unwrap());
    }
    assert!(pieces == whole, "the pieces are not the whole");
    // Other people's tools unpack it, and it is a bundle like any other.
    let zip = case.server.path("bundle.zip");
    fs::write(&zip, &whole).unwrap();
    // Ours judges it as it came, too; with a byte changed anywhere in it, or cut, never as proven.
    assert_eq!(verify(&[&zip], Some(&case.policy)), 0);
    assert_eq!(verify(&[&zip], None), 2);
    let other = case.server.path("other.zip");
    for n in 0..24 {
        let mut bytes = whole.to_vec();
        let at = n * (bytes.len() - 1) / 23;
        bytes[at] ^= 0x20;
        fs::write(&other, &bytes).unwrap();
        let code = verify(&[&other], Some(&case.policy));
        assert!(matches!(code, 1 | 3), "byte {at}: {code}");
        fs::write(&other, &whole[..at]).unwrap();
        assert_eq!(verify(&[&other], Some(&case.policy)), 3, "cut at {at}");
    }
    let doubled = Command::new("python3")
        .args(["-c", "import sys,zipfile,warnings; warnings.simplefilter('ignore'); a=zipfile.ZipFile(sys.argv[1]); b=zipfile.ZipFile(sys.argv[2],'w')
for i in a.infolist(): b.writestr(i, a.read(i))
b.writestr(a.infolist()[0], b'another')"])
        .args([&zip, &other])
        .output()
        .unwrap();
    assert!(doubled.status.success(), "{}", String::from_utf8_lossy(&doubled.stderr));
    assert_eq!(verify(&[&other], Some(&case.policy)), 3, "one name, two files: readers differ on what that is");
    fs::write(&other, [&whole[..], b"behind the end"].concat()).unwrap();
    assert_eq!(verify(&[&other], Some(&case.policy)), 3);
    let to = case.server.path("unpacked");
    let done = Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&zip).arg(&to).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let bundle = fs::read_dir(&to).unwrap().next().unwrap().unwrap().path();
    assert_eq!(verify(&[&bundle], Some(&case.policy)), 0);
    for command in readme_commands(&bundle, &case.policy) {
        let (ok, said) = run(&bundle, &command);
        assert!(ok, "{said}");
    }
    assert!(!fs::read_to_string(bundle.join("custody/events.jsonl")).unwrap().contains("Jeanne"), "the defence profile");
    // Who may not make bundles may not fetch them, and nobody without an event.
    case.server.user("auditor", "auditor");
    let auditor = case.server.signed_in("auditor").await;
    assert_eq!(auditor.get(&url).send().await.unwrap().status(), 403);
    let events = case.server.events().await;
    let count = |kind: &str| events.iter().filter(|e| e["type"] == kind).count();
    assert_eq!((count("export.created"), count("exhibit.exported")), (1, 2));
    assert_eq!(count("export.delivered"), 1, "one fetch, in however many pieces");
    let created = events.iter().find(|e| e["type"] == "export.created").unwrap();
    assert_eq!(created["actor"]["role"], "investigator");
    case.server.assert_sound();
}

async fn a_bundle_of_many_takes_a_second_person(pair: Pair) {
    let mut case = Case::new(pair).await;
    case.server.kill();
    case.server.set("TEMOIN_ACCOUNTS__BUNDLE_ALONE_MAX", Some("1"));
    case.server.run().await;
    for (name, role) in [("ines", "investigator"), ("ada", "supervisor"), ("bea", "supervisor")] {
        case.server.user(name, role);
    }
    let (ines, ada, bea) = (case.server.signed_in("ines").await, case.server.signed_in("ada").await, case.server.signed_in("bea").await);
    let post = async |who: &reqwest::Client, path: &str, form: &[(&str, &str)]| {
        who.post(case.server.url(path)).form(form).send().await.unwrap().status().as_u16()
    };
    let page = async |who: &reqwest::Client| {
        who.get(case.server.url("/exports")).header("accept-language", "en").send().await.unwrap().text().await.unwrap()
    };
    let ask = async |who: &reqwest::Client, exhibits: &str| {
        let form = [("exhibits", exhibits), ("profile", "defence"), ("recipient", "Maître Dupont"), ("reason", "art. 114 CPP")];
        assert_eq!(post(who, "/appeals/BUNDLE/export", &form).await, 303);
        case.server.settled().await;
    };
    let ids = |page: &str| -> Vec<String> {
        page.split("action=\"/exports/").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    // One exhibit: alone.
    ask(&ines, &case.exhibits[0]).await;
    assert!(page(&ines).await.contains("bundle.zip"));
    // Another one on the same day: not any more, or many would leave one by one.
    ask(&ines, &case.exhibits[1]).await;
    assert!(page(&ines).await.contains("Waits for a second person"));
    let one = ids(&page(&bea).await)[0].clone();
    assert_eq!(post(&bea, &format!("/exports/{one}"), &[("act", "refuse"), ("reason", "pas nécessaire")]).await, 303);
    // Two: not alone, and not by oneself twice over, whoever one is.
    ask(&ada, &format!("{} {}", case.exhibits[0], case.exhibits[1])).await;
    assert!(
        page(&ada).await.contains("Waits for a second person") && ids(&page(&ada).await).is_empty() && ids(&page(&ines).await).is_empty()
    );
    let id = ids(&page(&bea).await)[0].clone();
    let agree = [("act", "agree")];
    assert_eq!(post(&ada, &format!("/exports/{id}"), &agree).await, 409, "not who asked");
    assert_eq!(post(&ines, &format!("/exports/{id}"), &agree).await, 403, "a supervisor");
    assert_eq!(bea.get(case.server.url(&format!("/exports/{id}/bundle.zip"))).send().await.unwrap().status(), 404, "nothing is there yet");
    assert_eq!(post(&bea, &format!("/exports/{id}"), &agree).await, 303);
    assert_eq!(post(&bea, &format!("/exports/{id}"), &agree).await, 409, "once");
    case.server.settled().await;
    // Fetching it wants a fresh proof of who does.
    let path = format!("/exports/{id}/bundle.zip");
    let led = async || ada.get(case.server.url(&path)).send().await.unwrap().headers()["location"].to_str().unwrap().to_owned();
    case.server.sql("UPDATE session SET proved_at = proved_at - 3600000000");
    assert!(led().await.starts_with("/prove?to="));
    case.server.sql("UPDATE session SET proved_at = proved_at + 3600000000");
    let fetched = ada.get(case.server.url(&led().await)).send().await.unwrap();
    assert!(fetched.bytes().await.unwrap().starts_with(b"PK"));
    // Refused, in words that who asked reads.
    ask(&ines, &format!("{} {}", case.exhibits[0], case.exhibits[2])).await;
    let id = ids(&page(&bea).await)[0].clone();
    assert_eq!(post(&bea, &format!("/exports/{id}"), &[("act", "refuse"), ("reason", "")]).await, 422);
    assert_eq!(post(&bea, &format!("/exports/{id}"), &[("act", "refuse"), ("reason", "Nobody asked for the third")]).await, 303);
    assert!(page(&ines).await.contains("Nobody asked for the third"));
    let events = case.server.events().await;
    let of = |kind: &str| events.iter().filter(|e| e["type"] == kind).count();
    assert_eq!((of("export.requested"), of("export.approved"), of("export.refused"), of("export.created")), (3, 1, 2, 2));
    case.server.assert_sound();
}
