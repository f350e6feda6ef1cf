//! Rules of the house that a test can see.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    // Asked when the test runs: one target folder serves several checkouts, and this one may not be where it was built.
    PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap())
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn every_source() -> Vec<(String, String)> {
    let (root, mut out) = (root().join("src"), Vec::new());
    sources(&root, &mut out);
    out.into_iter().map(|p| (p.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), fs::read_to_string(&p).unwrap())).collect()
}

#[test]
fn imports_go_downward() {
    const VERBS: [&str; 4] = ["intake", "examine", "review", "attest"];
    for (file, text) in every_source() {
        let room = file.split(['/', '.']).next().unwrap();
        let uses = |module: &str| text.lines().any(|l| l.trim_start().starts_with(&format!("use crate::{module}")));
        let forbidden: Vec<&str> = match room {
            "domain" => vec!["db", "blobs", "app", "web", "attest", "intake", "examine", "review", "worker", "config", "error"],
            "db" | "blobs" => vec!["web", "attest", "intake", "examine", "review", "worker"],
            "attest" => vec!["web", "intake", "examine", "review", "worker"],
            verb if VERBS.contains(&verb) => {
                ["web", "worker"].into_iter().chain(VERBS.into_iter().filter(|v| *v != verb && *v != "attest")).collect()
            }
            _ => vec![],
        };
        for module in forbidden {
            assert!(!uses(module), "{file} imports {module}");
        }
    }
}

#[test]
fn tools_stay_in_their_rooms() {
    for (file, text) in every_source() {
        assert!(file.starts_with("db/") || !text.contains("sqlx::"), "{file} names sqlx");
        assert!(file.starts_with("blobs/s3/") || !text.contains("aws_sdk_s3"), "{file} names the S3 SDK");
        assert!(file == "db/log.rs" || !text.contains("INSERT INTO log_"), "{file} writes the log");
        assert!(file == "attest/append.rs" || !text.contains("add_pending(") || file == "db/log.rs", "{file} writes a custody event");
        for statement in ["UPDATE log_entry", "DELETE FROM log_entry"] {
            assert!(!text.contains(statement), "{file}: {statement}");
        }
        assert!(!text.contains("println!("), "{file} uses println!, which panics on a full disk");
    }
}

#[test]
fn the_map_is_the_territory() {
    let map = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    for (file, _) in every_source() {
        let shown = file.trim_end_matches("/mod.rs");
        let name = Path::new(shown).file_name().unwrap().to_string_lossy();
        assert!(map.contains(&*name), "docs/ARCHITECTURE.md does not know src/{file}");
    }
}

#[test]
fn the_log_s_names_are_documented() {
    let format = fs::read_to_string(root().join("docs/custody-format.md")).unwrap();
    let events = fs::read_to_string(root().join("src/domain/custody/event.rs")).unwrap();
    for line in events.lines().filter(|l| l.contains(" = \"") && l.trim_end().ends_with("\",")) {
        let name = line.split('"').nth(1).unwrap();
        assert!(format.contains(&format!("`{name}`")), "docs/custody-format.md does not know {name}");
    }
}

#[test]
fn every_attack_is_a_test() {
    let page = fs::read_to_string(root().join("docs/custody-attacks.md")).unwrap();
    let mut tests = Vec::new();
    sources(&root().join("tests/it"), &mut tests);
    let text: String = tests.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for n in 1..=41 {
        let row = page.lines().find(|l| l.starts_with(&format!("| T{n:02} |"))).unwrap_or_else(|| panic!("T{n:02} is not told of"));
        let named: Vec<&str> = row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "T{n:02} names no test");
        for test in named {
            assert!(text.contains(&format!("fn {test}(")), "T{n:02}: there is no test {test}");
        }
    }
}

#[test]
fn both_languages_say_the_same_things() {
    let keys = |language: &str| {
        let text = fs::read_to_string(root().join(format!("src/web/locales/{language}/temoin.ftl"))).unwrap();
        let mut keys: Vec<String> =
            text.lines().filter(|l| !l.starts_with(' ') && l.contains(" =")).map(|l| l.split(" =").next().unwrap().to_owned()).collect();
        keys.sort();
        // Of a key that stands twice only one is ever said.
        assert!(keys.is_sorted_by(|a, b| a < b), "a key stands twice in {language}");
        // A brace too many is one message less, and the program only says so in its log.
        let (opened, closed) = (text.lines().filter(|l| l.ends_with("->")).count(), text.lines().filter(|l| *l == "}").count());
        assert_eq!(opened, closed, "choices that begin and end in {language}");
        keys
    };
    assert_eq!(keys("en"), keys("fr"));
}
