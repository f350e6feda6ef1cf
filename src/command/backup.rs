//! `temoin backup` and `temoin restore`: the database and every byte it refers to, in a folder.
//!
//! The database is copied first, as one consistent view, then the blobs that are referred to a moment later (blobs are written once, and
//! what was erased in between is not missed), and the published log. The log's key is **not** in a backup (whoever has both could forge): keep it
//! elsewhere. Restoring puts back the published entries that the backup lacks, and destroys again what was erased since.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::Bytes;
use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::attest;
use crate::blobs::{Blobs, Published};
use crate::config::{Config, Flags};
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType};
use crate::domain::upload::Midstate;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};
use crate::keys::LogKeys;
use crate::retain;

#[derive(clap::Args)]
pub struct Backup {
    /// A folder: an empty one, or one with an older backup, of which only the media that are still referred to stay
    to: PathBuf,
}

#[derive(clap::Args)]
pub struct Restore {
    /// A folder that `temoin backup` has written
    from: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Contents {
    database: String,
    log_size: u64,
    made_at: String,
    blobs: Vec<Kept>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    key: String,
    sha256: String,
    size: u64,
}

const CONTENTS: &str = "backup.json";
/// Lies in a folder while a first backup is written into it.
const BEGUN: &str = "backup.begun";

fn bar() -> ProgressBar {
    ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner())
}

pub async fn backup(flags: &Flags, asked: &Backup) -> Result<ExitCode> {
    let app = App::open_existing(Config::load(flags)?).await?;
    attest::guard(&app).await?;
    attest::sequence_all(&app).await?;
    let before = own_folder(&app, &asked.to)?;
    fs::create_dir_all(asked.to.join("media"))?;
    fs::write(asked.to.join(BEGUN), "temoin backup\n")?;
    app.db.copy_to(&app.config.database, &asked.to).await?;
    let mut tx = app.db.read().await?;
    let log_size = db::log::head(&mut tx).await?.size();
    let keys = db::contents::blob_keys(&mut tx).await?;
    drop(tx);
    let bar = bar();
    let mut blobs = Vec::new();
    let mut wanted = HashSet::new();
    for (n, (key, expected)) in keys.iter().enumerate() {
        let name = key.replace('/', "_");
        let target = asked.to.join("media").join(&name);
        if !wanted.insert(name) {
            continue;
        }
        // What an older run has left is believed only while it is what was received.
        let kept = match known(&target)? {
            Some((sha256, size)) if expected.is_none_or(|e| e.to_string() == sha256) => Kept { key: key.clone(), sha256, size },
            _ => match fetch(&app, key, *expected, &target).await? {
                Some(kept) => kept,
                None => continue,
            },
        };
        blobs.push(kept);
        bar.set_message(format!("{} of {} files", n + 1, keys.len()));
    }
    published(&app, &asked.to).await?;
    bar.finish_and_clear();
    let contents = Contents { database: app.db.name().to_owned(), log_size, made_at: app.now().to_string(), blobs };
    // Last, and together: until here an older backup in the same folder is whole.
    let beside = asked.to.join("backup.part");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(&contents).map_err(Error::internal)?)?;
    file.sync_all()?;
    app.db.keep_copy(&asked.to)?;
    fs::rename(beside, asked.to.join(CONTENTS))?;
    File::open(&asked.to)?.sync_all()?;
    // What was erased since an older backup into the same folder must not stay in it.
    for entry in fs::read_dir(asked.to.join("media"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if before.contains(&name) && !wanted.contains(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    let _ = fs::remove_file(asked.to.join(BEGUN));
    let mut tx = app.db.begin().await?;
    let draft = Draft::new(EventType::BackupMade, Actor::Operator).fact("size", log_size).fact("blobs", contents.blobs.len());
    attest::append(&app, &mut tx, draft).await?;
    tx.commit().await?;
    attest::sequence_all(&app).await?;
    say!(
        "{} files and the database at {log_size} events are in {}. The log's key is not: keep it elsewhere",
        contents.blobs.len(),
        asked.to.display()
    );
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// A folder that is ours to write into, and the names of the media that an older backup keeps in it: nobody else's files are touched.
fn own_folder(app: &App, to: &Path) -> Result<HashSet<String>> {
    fs::create_dir_all(to).map_err(|e| Error::Internal(format!("{}: {e}", to.display())))?;
    let (to_real, data) = (to.canonicalize()?, app.config.data.canonicalize()?);
    if data.starts_with(&to_real) {
        return Err(Error::Invalid { field: "to", why: "the data folder itself: a backup belongs on another disk".into() });
    }
    match fs::read(to.join(CONTENTS)) {
        Ok(text) => {
            let contents: Contents = serde_json::from_slice(&text).map_err(Error::internal)?;
            Ok(contents.blobs.iter().map(|kept| kept.key.replace('/', "_")).collect())
        }
        Err(_) if to.join(BEGUN).exists() || fs::read_dir(to)?.next().is_none() => Ok(HashSet::new()),
        Err(_) => Err(Error::Invalid { field: "to", why: format!("{} is neither empty nor a backup", to.display()) }),
    }
}

/// Hash and size of a file that an older backup has left, when there is one.
fn known(path: &Path) -> Result<Option<(String, u64)>> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    let (sha256, size) = Sha256::of_reader(file, |_| {})?;
    Ok(Some((sha256.to_string(), size)))
}

/// Copies a blob; `None` when it was erased meanwhile. One that is not what was received stops the backup: an older copy of it, if
/// there is one, is worth more.
async fn fetch(app: &App, key: &str, expected: Option<Sha256>, target: &Path) -> Result<Option<Kept>> {
    let Some(size) = app.blobs.length(key).await? else {
        let mut tx = app.db.read().await?;
        return match db::contents::hash_of_blob(&mut tx, key).await? {
            Some(_) => Err(Error::Internal(format!("the blob {key} is missing: run `temoin fixity`"))),
            None => Ok(None),
        };
    };
    let beside = target.with_extension("part");
    let (mut file, mut hash) = (File::create(&beside)?, Midstate::default());
    let mut reader = app.blobs.open_range(key, 0, size).await?;
    while let Some(chunk) = reader.next().await {
        let chunk: Bytes = chunk?;
        hash.update(&chunk);
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    let found = hash.finish();
    if expected.is_some_and(|e| e != found) {
        fs::remove_file(beside)?;
        return Err(Error::Internal(format!("the blob {key} is not what was received: run `temoin fixity`")));
    }
    fs::rename(beside, target)?;
    Ok(Some(Kept { key: key.to_owned(), sha256: found.to_string(), size }))
}

/// Copies the published log: without it a restored database could go on as if nothing had come after it.
async fn published(app: &App, to: &Path) -> Result<()> {
    for folder in attest::published_folders(app) {
        let at = to.join("published").join(&folder);
        fs::create_dir_all(&at)?;
        for name in app.published.list_published(&folder).await? {
            if !at.join(&name).exists()
                && let Some(bytes) = app.published.published(&format!("{folder}/{name}")).await?
            {
                let beside = at.join("part");
                fs::write(&beside, &bytes)?;
                File::open(&beside)?.sync_all()?;
                fs::rename(beside, at.join(&name))?;
            }
        }
    }
    Ok(())
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
    let config = Config::load(flags)?;
    let text = fs::read(asked.from.join(CONTENTS))
        .map_err(|_| Error::Internal(format!("{} holds no whole backup: {CONTENTS} is missing", asked.from.display())))?;
    let contents: Contents = serde_json::from_slice(&text).map_err(Error::internal)?;
    // What cannot go well is said before anything takes its place.
    if LogKeys::read(Path::new(&config.log.seed_file))?.is_none() {
        return Err(Error::Internal(format!("put the log's key to {} first: it is in no backup", config.log.seed_file)));
    }
    let store = Blobs::open(&config.blobs, config.limits.buffer_bytes_max).await?;
    for kept in &contents.blobs {
        let path = asked.from.join("media").join(kept.key.replace('/', "_"));
        if store.length(&kept.key).await? != Some(kept.size) && known(&path)?.is_none_or(|(sha256, _)| sha256 != kept.sha256) {
            return Err(Error::Internal(format!("{} is not what was backed up; nothing was restored", path.display())));
        }
    }
    db::restore(&config.database, &asked.from, &contents.database).await?;
    let app = App::open_behind(config).await?;
    let bar = bar();
    for (n, kept) in contents.blobs.iter().enumerate() {
        let path = asked.from.join("media").join(kept.key.replace('/', "_"));
        if app.blobs.length(&kept.key).await? != Some(kept.size) {
            put_back(&app, kept, &path).await?;
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

/// Puts a blob back under its key; one whose bytes are not what they were is named.
async fn put_back(app: &App, kept: &Kept, path: &Path) -> Result<()> {
    let found = known(path)?;
    if found.as_ref().map(|f| f.0.as_str()) != Some(&kept.sha256) {
        return Err(Error::Internal(format!("{} is not what was backed up", path.display())));
    }
    let mut tx = app.db.read().await?;
    if db::contents::hash_of_blob(&mut tx, &kept.key).await?.is_some_and(|e| e.to_string() != kept.sha256) {
        return Err(Error::Internal(format!("{} is not what was received", path.display())));
    }
    drop(tx);
    let sha256 = Sha256::from_hex(&kept.sha256).ok_or_else(|| Error::Internal(format!("{CONTENTS} is damaged")))?;
    let (mut file, mut buffer) = (File::open(path)?, vec![0; 1 << 20]);
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
