//! `temoin restore`: a backup put back into an empty place, or judged as it lies (`--check`).
//!
//! Restoring puts back the published entries that the backup lacks, and destroys again what was erased since. Checking needs no key but that of sealed media, changes
//! nothing, and says of every event and every file whether it is what was backed up.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::Bytes;

use super::backup::{CONTENTS, Contents, Kept, bar, known};
use crate::app::App;
use crate::attest;
use crate::blobs::seal::{Content, Ring};
use crate::blobs::{Blobs, Published};
use crate::config::{Config, Flags};
use crate::db::{self, Db};
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};
use crate::keys::LogKeys;
use crate::retain;

#[derive(clap::Args)]
pub struct Restore {
    /// A folder that `temoin backup` has written
    from: PathBuf,
    /// Put nothing back: read the whole backup, recompute its log and compare every byte with its hash. Exit code: 0 sound, 1 not
    #[arg(long)]
    check: bool,
    /// With --check: print the report as JSON
    #[arg(long, requires = "check")]
    json: bool,
}

/// Puts back what is missing of the published log; what lies there already stays.
async fn publish_again(app: &App, from: &Path) -> Result<()> {
    for folder in attest::published_folders(app) {
        for entry in fs::read_dir(from.join("published").join(&folder))? {
            let entry = entry?;
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if app.published.publish(&name, fs::read(entry.path())?.into(), app.now()).await? == Published::Otherwise {
                return Err(Error::Internal(format!(
                    "{name} is published already, and says something else: this is the backup of another log"
                )));
            }
        }
    }
    Ok(())
}

pub async fn restore(flags: &Flags, asked: &Restore) -> Result<ExitCode> {
    if asked.check {
        return check(flags, &asked.from, asked.json).await;
    }
    let config = Config::load(flags)?;
    let text = fs::read(asked.from.join(CONTENTS))
        .map_err(|_| Error::Internal(format!("{} holds no whole backup: {CONTENTS} is missing", asked.from.display())))?;
    let contents: Contents = serde_json::from_slice(&text).map_err(Error::internal)?;
    // What cannot go well is said before anything takes its place.
    if LogKeys::read(Path::new(&config.log.seed_file))?.is_none() {
        return Err(Error::Internal(format!("put the log's key to {} first: it is in no backup", config.log.seed_file)));
    }
    let ring = contents.ring(&config)?;
    let store = Blobs::open(&config.blobs, config.limits.buffer_bytes_max, Ring::open(&config.media.key_file)?).await?;
    for kept in &contents.blobs {
        let path = asked.from.join("media").join(kept.key.replace('/', "_"));
        if store.length(&kept.key).await? != Some(kept.size)
            && known(&path, ring.as_deref())?.is_none_or(|(sha256, _)| sha256 != kept.sha256)
        {
            return Err(Error::Internal(format!("{} is not what was backed up; nothing was restored", path.display())));
        }
    }
    db::backup::restore(&config.database, &asked.from).await?;
    let app = App::open_behind(config).await?;
    let bar = bar();
    for (n, kept) in contents.blobs.iter().enumerate() {
        let path = asked.from.join("media").join(kept.key.replace('/', "_"));
        if app.blobs.length(&kept.key).await? != Some(kept.size) {
            put_back(&app, kept, &path, ring.as_deref()).await?;
        }
        bar.set_message(format!("{} of {} files", n + 1, contents.blobs.len()));
    }
    bar.finish_and_clear();
    publish_again(&app, &asked.from).await?;
    let back = attest::recover(&app).await?;
    app.db.close().await;
    // With the keys as the entries told of them.
    let app = App::open(Config::load(flags)?).await?;
    let replayed = retain::replay(&app).await?;
    let mut tx = app.db.begin().await?;
    db::keeping::forget(&mut tx).await?;
    db::bundles::forget_ready(&mut tx).await?;
    let draft = Draft::new(EventType::BackupRestored, Actor::Operator).fact("size", contents.log_size).fact("erased_again", replayed);
    attest::append(&app, &mut tx, draft).await?;
    tx.commit().await?;
    attest::sequence_all(&app).await?;
    if back.to > back.from {
        say!("{} published events came after this backup and were put back", back.to - back.from);
    }
    say!(
        "restored: {} files, {} events; {replayed} exhibits were erased again. Now run `temoin audit` and `temoin fixity`",
        contents.blobs.len(),
        contents.log_size
    );
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Reads a whole backup and says what is wrong with it. Nothing is changed, and the log's key is not needed.
async fn check(flags: &Flags, from: &Path, as_json: bool) -> Result<ExitCode> {
    let text = fs::read(from.join(CONTENTS))
        .map_err(|_| Error::Internal(format!("{} holds no whole backup: {CONTENTS} is missing", from.display())))?;
    let contents: Contents = serde_json::from_slice(&text).map_err(Error::internal)?;
    let ring = if contents.sealed.is_empty() { None } else { contents.ring(&Config::load(flags)?)? };
    let scratch = db::backup::scratch_copy(from)?;
    let judged = async {
        let db = Db::open(&format!("sqlite:{}", scratch.display())).await?;
        let (report, vkey) = attest::audit_copy(&db).await?;
        let mut tx = db.read().await?;
        let keys = db::contents::blob_keys(&mut tx).await?;
        drop(tx);
        db.close().await;
        Ok::<_, Error>((report, vkey, keys))
    };
    let judged = judged.await;
    db::backup::remove_scratch(&scratch);
    let (mut report, vkey, keys) = judged?;
    if report.entries < contents.log_size {
        report.add("entries-missing", format!("the backup says {} entries, and has {}", contents.log_size, report.entries));
    }
    let listed: HashMap<&str, &Kept> = contents.blobs.iter().map(|kept| (kept.key.as_str(), kept)).collect();
    for (key, expected) in &keys {
        match listed.get(key.as_str()) {
            None if contents.erased.contains(key) => {}
            None => report.add("blob-missing", format!("{key} is referred to, and is not in the list")),
            Some(kept) if expected.is_some_and(|e| e.to_string() != kept.sha256) => {
                report.add("blob-changed", format!("{key}: the list has another hash than the database"));
            }
            Some(_) => {}
        }
    }
    let bar = bar();
    for (n, kept) in contents.blobs.iter().enumerate() {
        match known(&from.join("media").join(kept.key.replace('/', "_")), ring.as_deref())? {
            None => report.add("blob-missing", format!("{} is not there", kept.key)),
            Some((sha256, size)) if sha256 != kept.sha256 || size != kept.size => {
                report.add("blob-changed", format!("{} is not what was backed up", kept.key));
            }
            Some((_, size)) => report.bytes += size,
        }
        report.blobs += 1;
        bar.set_message(format!("{} of {} files", n + 1, contents.blobs.len()));
    }
    bar.finish_and_clear();
    if as_json {
        say!("{}", serde_json::to_string(&report).map_err(Error::internal)?);
    } else {
        for finding in &report.findings {
            say!("{}: {}", finding.what, finding.detail);
        }
        say!("{} entries, root {}, key {vkey}", report.entries, report.root);
        say!("{} files, {} bytes, made {} of {}", report.blobs, report.bytes, contents.made_at, contents.database);
        say!("{}", if report.findings.is_empty() { "sound" } else { "NOT sound" });
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Puts a blob back under its key; one whose bytes are not what they were is named.
async fn put_back(app: &App, kept: &Kept, path: &Path, ring: Option<&Ring>) -> Result<()> {
    let found = known(path, ring)?;
    if found.as_ref().map(|f| f.0.as_str()) != Some(&kept.sha256) {
        return Err(Error::Internal(format!("{} is not what was backed up", path.display())));
    }
    let mut tx = app.db.read().await?;
    if db::contents::hash_of_blob(&mut tx, &kept.key).await?.is_some_and(|e| e.to_string() != kept.sha256) {
        return Err(Error::Internal(format!("{} is not what was received", path.display())));
    }
    drop(tx);
    let sha256 = Sha256::from_hex(&kept.sha256).ok_or_else(|| Error::Internal(format!("{CONTENTS} is damaged")))?;
    let (mut file, mut buffer) = (Content::either(File::open(path)?, ring)?, vec![0; 1 << 20]);
    let mut staged = app.blobs.stage(Some(kept.size)).await?;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        staged.append(Bytes::copy_from_slice(&buffer[..n])).await?;
    }
    let key = staged.keep(sha256, kept.size).await?;
    staged.discard().await;
    // A store may give the same bytes another key.
    let mut tx = app.db.begin().await?;
    db::contents::move_blob(&mut tx, &kept.key, &key).await?;
    tx.commit().await
}
