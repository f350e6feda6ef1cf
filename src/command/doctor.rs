//! `temoin doctor`: what is wrong, in words.

use std::process::ExitCode;

use serde_json::json;

use crate::app::App;
use crate::attest;
use crate::blobs::Trait;
use crate::config::{Config, Flags, SecondFactor};
use crate::db;
use crate::domain::value::SECOND_US;
use crate::error::Result;
use crate::examine;
use crate::maps;

struct Check {
    name: &'static str,
    ok: bool,
    words: String,
}

pub async fn doctor(flags: &Flags, as_json: bool) -> Result<ExitCode> {
    let mut checks = Vec::new();
    let mut add = |name, ok, words: String| checks.push(Check { name, ok, words });
    match Config::load(flags) {
        Err(e) => add("configuration", false, e.to_string()),
        Ok(config) => {
            add("configuration", true, format!("data in {}, public address {}", config.data.display(), config.public_url));
            if !config.https() {
                add(
                    "https",
                    !config.public_url.contains("://0.0.0.0"),
                    "the public address is not https: fine on this machine, not in public".into(),
                );
            }
            if let Err(e) = examine::check(&config.examine) {
                add("examination", false, e.to_string());
            }
            match App::open_existing(config).await {
                Err(e) => add("start", false, e.to_string()),
                Ok(app) => examine_app(&app, &mut add).await?,
            }
        }
    }
    let ffmpeg = tokio::process::Command::new("ffmpeg").arg("-version").output().await.is_ok_and(|o| o.status.success());
    add(
        "ffmpeg",
        ffmpeg,
        if ffmpeg {
            "found: videos get pictures, and a copy where browsers do not play them".into()
        } else {
            "not found: videos are received, examined and played, but have no pictures and no copies. Install ffmpeg".into()
        },
    );
    let sound = checks.iter().all(|c| c.ok || c.name == "ffmpeg");
    for c in &checks {
        if as_json {
            say!("{}", json!({"check": c.name, "ok": c.ok, "words": c.words}));
        } else {
            say!("{} {:<14} {}", if c.ok { "ok  " } else { "LOOK" }, c.name, c.words);
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn examine_app(app: &App, add: &mut impl FnMut(&'static str, bool, String)) -> Result<()> {
    let mut tx = app.db.read().await?;
    let waiting = db::log::pending_count(&mut tx).await?;
    let (jobs, failed) = db::jobs::waiting(&mut tx, app.now()).await?;
    let size = db::log::head(&mut tx).await?.size();
    for a in attest::anchor_standing(app, &mut tx).await? {
        let last = a.last.map_or("never vouched".to_owned(), |(size, at)| format!("vouched for {size} entries at {at}"));
        let problem = a.problem.map(|p| format!("; now {p}")).unwrap_or_default();
        let late = a.waiting_since.map(|since| format!("; waiting since {since}")).unwrap_or_default();
        add("anchor", !a.red, format!("{} {}: {last}{problem}{late}", a.kind.as_str(), a.name));
    }
    if app.config.anchors.timestamps.is_empty() && app.config.anchors.witnesses.is_empty() {
        add("anchor", true, "none: nobody outside vouches for the log; see docs/operate/README.md".into());
    }
    drop(tx);
    add("database", true, format!("{} answers, and commits are durable", app.db.name()));
    let store = app.blobs.ping().await;
    add("blobs", store.is_ok(), format!("{} {}", app.blobs.name(), if store.is_ok() { "answers" } else { "does not answer" }));
    for (name, store) in [("store", &app.blobs), ("published", &app.published)] {
        match store.probe().await {
            // (What matters of the one is the lock, of the other everything else.)
            Ok(traits) => {
                for t in traits.into_iter().filter(|t| (t.name == "object-lock") == (name == "published")) {
                    add(name, t.does || !t.matters, trait_in_words(t));
                }
            }
            Err(e) => add(name, false, format!("it could not be tried out, what it refuses and honours is not known: {e}")),
        }
    }
    if app.blobs.free_bytes().is_some() {
        match &app.ring {
            Some(ring) => {
                let keys = ring.len()?;
                let older = if keys > 1 { "; older ones are still there: `temoin media seal --forget-older`" } else { "" };
                let open = app.blobs.holds_unsealed().await?;
                let words = if open { "what came before there was a key lies open: run `temoin media seal`" } else { "media are sealed" };
                add("at rest", !open, format!("{words}, current key {}{older}", ring.current()?));
            }
            None => add("at rest", true, "media lie as they came: the disk has to encrypt itself, or `temoin media make-key`".into()),
        }
    }
    if let Some(free) = app.blobs.free_bytes() {
        let least = app.config.limits.free_bytes_min;
        add("space", free > least, format!("{} GB free; uploads stop below {} GB", free / 1_000_000_000, least / 1_000_000_000));
    }
    let key_here = app.config.vault.key_file.exists();
    add(
        "vault",
        true,
        if key_here {
            format!(
                "contacts are sealed, and the key that opens them lies here ({}): take it away, and they are read only where somebody brings it",
                app.config.vault.key_file.display()
            )
        } else {
            "contacts are sealed, and the key that opens them is not on this server".into()
        },
    );
    if app.config.accounts.second_factor == SecondFactor::Optional {
        add("second factor", true, "a password alone is enough where somebody has no second factor (accounts.second_factor)".into());
    }
    if app.passkeys.is_none() {
        add("passkeys", true, "browsers offer none at this address: they want a name and https (public_url)".into());
    }
    let guarded = attest::guard(app).await;
    add("published", guarded.is_ok(), guarded.map_or_else(|e| e.to_string(), |()| "the database and the published log agree".into()));
    add("log", waiting < 10_000, format!("{size} entries, {waiting} events waiting, key {}", app.signer.verifier()));
    add("jobs", failed == 0, format!("{jobs} waiting, {failed} of them failed before"));
    let confined = examine::confinement(&app.config.examine).await.unwrap_or_default();
    let all = ["limits", "namespaces", "landlock", "seccomp"];
    let absent: Vec<&str> = all.into_iter().filter(|c| !confined.iter().any(|have| have == c)).collect();
    let mut words =
        if absent.is_empty() { String::new() } else { format!("; this kernel or container does not allow {}", absent.join(", ")) };
    let files_kept = !absent.contains(&"landlock");
    if !files_kept {
        words.push_str(": what a hostile file takes over could read what the server's own account can");
    }
    add("confinement", confined.len() > 1 && files_kept, format!("files are read by a process confined by {}{words}", confined.join(", ")));
    if !app.config.examine.scanner.is_empty() {
        let scanner = examine::scanner_version(&app.config.examine.scanner).await;
        add("scanner", scanner.is_ok(), scanner.unwrap_or_else(|_| "the virus scanner does not answer: files wait to be scanned".into()));
    }
    let maps = maps::look(&app.config.data).await;
    for problem in &maps.problems {
        add("maps", false, format!("not used: {problem}"));
    }
    if maps.has_map || !maps.plans.is_empty() {
        add("maps", true, format!("{}, {} plans", if maps.has_map { "map.pmtiles" } else { "no map.pmtiles" }, maps.plans.len()));
    }
    let apart = app.wall().micros() - app.now().micros();
    let words = if app.db.is_shared() {
        format!("network time: {}; this machine's clock is {} ms from the database's, which counts", app.stamp.clock, apart / 1_000)
    } else {
        format!("network time: {}", app.stamp.clock)
    };
    add("clock", apart.abs() < 5 * SECOND_US, words);
    Ok(())
}

/// What a store was seen to do or not to do, and what follows.
fn trait_in_words(t: Trait) -> String {
    let (does, does_not) = match t.name {
        "wrong-checksum" => (
            "it refuses bytes that are not what their SHA-256 says",
            "it ignores the SHA-256 beside the bytes: they are signed instead, which costs another pass over them",
        ),
        "if-none-match" => (
            "it refuses to write over what lies there (If-None-Match)",
            "it ignores If-None-Match: what is published is looked at before and after instead",
        ),
        "lists-multiparts" => (
            "it lists unfinished uploads, so that they are swept",
            "it does not list unfinished uploads: give the bucket a rule that removes them after a few days",
        ),
        "versions" => (
            "the bucket keeps versions: erasing removes them all",
            "the bucket keeps no versions: nothing that is deleted by hand comes back",
        ),
        "object-lock" => ("what is published is locked", "what is published is not locked (log.published with &lock_days=…)"),
        _ => ("it encrypts as it was asked to (sse)", "it is not asked to encrypt (sse): what lies there is as its disks keep it"),
    };
    if t.does { does.into() } else { does_not.into() }
}
