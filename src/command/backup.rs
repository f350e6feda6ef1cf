//! `temoin backup` and `temoin restore`: the database and every byte it refers to, in a folder.
//!
//! The database is copied first, as one consistent view, and then the blobs that this copy refers to: blobs are written once, so
//! that whatever is copied later is what it was then. The log's key is **not** in a backup (whoever has both could forge): keep it
//! elsewhere. Restoring puts back the published entries that the backup lacks, and destroys again what was erased since.

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
use crate::config::{Config, Flags};
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType};
use crate::domain::upload::Midstate;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};
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

fn bar() -> ProgressBar {
    ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner())
}

pub async fn backup(flags: &Flags, asked: &Backup) -> Result<ExitCode> {
    let app = App::open(Config::load(flags)?).await?;
    attest::guard(&app).await?;
    attest::sequence_all(&app).await?;
    fs::create_dir_all(asked.to.join("media"))?;
    let _ = fs::remove_file(asked.to.join(CONTENTS));
    app.db.copy_to(&app.config.database, &asked.to).await?;
    let mut tx = app.db.read().await?;
    let log_size = db::log::head(&mut tx).await?.size();
    let keys = db::contents::blob_keys(&mut tx).await?;
    drop(tx);
    let bar = bar();
    let mut blobs = Vec::new();
    for (n, (key,)) in keys.iter().enumerate() {
        let target = asked.to.join("media").join(key.replace('/', "_"));
        let kept = match known(&target)? {
            Some((sha256, size)) => Kept { key: key.clone(), sha256, size },
            None => fetch(&app, key, &target).await?,
        };
        blobs.push(kept);
        bar.set_message(format!("{} of {} files", n + 1, keys.len()));
    }
    bar.finish_and_clear();
    // What was erased since an older backup into the same folder must not stay in it.
    let wanted: std::collections::HashSet<String> = keys.iter().map(|(k,)| k.replace('/', "_")).collect();
    for entry in fs::read_dir(asked.to.join("media"))? {
        let entry = entry?;
        if !wanted.contains(entry.file_name().to_string_lossy().as_ref()) {
            fs::remove_file(entry.path())?;
        }
    }
    let contents = Contents { database: app.db.name().to_owned(), log_size, made_at: app.now().to_string(), blobs };
    // Last: a folder without it is no backup.
    let mut file = File::create(asked.to.join(CONTENTS))?;
    file.write_all(&serde_json::to_vec_pretty(&contents).map_err(Error::internal)?)?;
    file.sync_all()?;
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

/// Hash and size of a file that an older backup has left, when there is one.
fn known(path: &Path) -> Result<Option<(String, u64)>> {
    let Ok(mut file) = File::open(path) else { return Ok(None) };
    let (mut hash, mut size, mut buffer) = (Midstate::default(), 0u64, vec![0; 1 << 20]);
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(Some((hash.finish().to_string(), size)));
        }
        hash.update(&buffer[..n]);
        size += n as u64;
    }
}

async fn fetch(app: &App, key: &str, target: &Path) -> Result<Kept> {
    let size = app.blobs.length(key).await?.ok_or_else(|| Error::Internal(format!("the blob {key} is missing: run `temoin fixity`")))?;
    let beside = target.with_extension("part");
    let (mut file, mut hash) = (File::create(&beside)?, Midstate::default());
    let mut reader = app.blobs.open_range(key, 0, size).await?;
    while let Some(chunk) = reader.next().await {
        let chunk: Bytes = chunk?;
        hash.update(&chunk);
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    fs::rename(beside, target)?;
    Ok(Kept { key: key.to_owned(), sha256: hash.finish().to_string(), size })
}

pub async fn restore(flags: &Flags, asked: &Restore) -> Result<ExitCode> {
    let config = Config::load(flags)?;
    let text = fs::read(asked.from.join(CONTENTS))
        .map_err(|_| Error::Internal(format!("{} holds no whole backup: {CONTENTS} is missing", asked.from.display())))?;
    let contents: Contents = serde_json::from_slice(&text).map_err(Error::internal)?;
    db::restore(&config.database, &asked.from, &contents.database).await?;
    let app = App::open(config).await?;
    let bar = bar();
    for (n, kept) in contents.blobs.iter().enumerate() {
        let path = asked.from.join("media").join(kept.key.replace('/', "_"));
        if app.blobs.length(&kept.key).await? != Some(kept.size) {
            put_back(&app, kept, &path).await?;
        }
        bar.set_message(format!("{} of {} files", n + 1, contents.blobs.len()));
    }
    bar.finish_and_clear();
    let back = attest::recover(&app).await;
    let replayed = retain::replay(&app).await?;
    let mut tx = app.db.begin().await?;
    let draft = Draft::new(EventType::BackupRestored, Actor::Operator).fact("size", contents.log_size).fact("erased_again", replayed);
    attest::append(&app, &mut tx, draft).await?;
    tx.commit().await?;
    attest::sequence_all(&app).await?;
    match back {
        Ok(r) if r.to > r.from => say!("{} published events came after this backup and were put back", r.to - r.from),
        Ok(_) => {}
        Err(e) => say!("No published events were put back: {e}"),
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
