//! `temoin backup`: the database and every byte it refers to, in a folder (`restore.rs` puts it back).
//!
//! One kind of backup for both engines and both stores: what was made of SQLite and a folder can be restored into PostgreSQL and a bucket, and
//! the other way round, without one hash, receipt or place in the log becoming another (`db/copy.rs`). That is also how a deployment moves.
//!
//! The database is copied first, as one consistent view, then the blobs that are referred to a moment later (blobs are written once, and
//! what was erased in between is not missed), and the published log. Where media in folders are sealed, so are the backup's. The log's key is **not** in a backup (whoever has both could forge): keep it
//! elsewhere.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::attest;
use crate::blobs::seal::{Content, Ring, wrap_anew};
use crate::config::{Config, Flags};
use crate::db::{self, Db};
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType};
use crate::domain::upload::Midstate;
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

#[derive(clap::Args)]
pub struct Backup {
    /// A folder: an empty one, or one with an older backup, of which only the media that are still referred to stay
    to: PathBuf,
    /// Believe the media that an older run has left by their size, instead of reading them all again
    #[arg(long)]
    quick: bool,
}

#[derive(Serialize, Deserialize)]
pub struct Contents {
    pub database: String,
    pub log_size: u64,
    pub made_at: String,
    pub blobs: Vec<Kept>,
    /// What the copy refers to and was erased before it could be copied.
    #[serde(default)]
    pub erased: Vec<String>,
    /// The key of the media on disk by which its media are sealed, by its id; empty when they lie open. (Each file tells for itself, so that
    /// a backup that broke off between the two is whole.)
    #[serde(default)]
    pub sealed: String,
}

impl Contents {
    /// What opens its media.
    pub fn ring(&self, config: &Config) -> Result<Option<Arc<Ring>>> {
        let ring = Ring::open(&config.media.key_file)?;
        if !self.sealed.is_empty() && !ring.as_ref().map_or(Ok(false), |ring| ring.has(&self.sealed))? {
            return Err(Error::Internal(format!(
                "the media of this backup are sealed: say where their key {} is (media.key_file)",
                self.sealed
            )));
        }
        Ok(ring)
    }
}

#[derive(Serialize, Deserialize)]
pub struct Kept {
    pub key: String,
    pub sha256: String,
    pub size: u64,
}

pub const CONTENTS: &str = "backup.json";
/// Lies in a folder while a first backup is written into it.
const BEGUN: &str = "backup.begun";

pub fn bar() -> ProgressBar {
    ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner())
}

pub async fn backup(flags: &Flags, asked: &Backup) -> Result<ExitCode> {
    let app = App::open_existing(Config::load(flags)?).await?;
    attest::guard(&app).await?;
    attest::sequence_all(&app).await?;
    let before = own_folder(&app, &asked.to)?;
    fs::create_dir_all(asked.to.join("media"))?;
    fs::write(asked.to.join(BEGUN), "temoin backup\n")?;
    app.db.copy_to(&asked.to).await?;
    // What this copy refers to, and not what came while it was made.
    let (log_size, keys) = db::backup::contents_of_copy(&asked.to).await?;
    let bar = bar();
    let ring = app.ring.as_deref();
    let mut blobs = Vec::new();
    let (mut wanted, mut erased) = (HashSet::new(), Vec::new());
    for (n, (key, expected)) in keys.iter().enumerate() {
        let name = key.replace('/', "_");
        let target = asked.to.join("media").join(&name);
        if !wanted.insert(name.clone()) {
            continue;
        }
        // What an older run has left is believed only while it is what was received.
        let listed = before.get(&name);
        let left = if !sealed_as_wanted(&target, ring)? {
            None
        } else if asked.quick {
            listed.filter(|kept| same_size(&target, kept.size, ring)).map(|k| (k.sha256.clone(), k.size))
        } else {
            known(&target, ring)?
        };
        // (Of a picture the database may not know the hash; then the list of the older run does.)
        let left = left.filter(|(sha256, _)| expected.is_some() || listed.is_some_and(|kept| kept.sha256 == *sha256));
        let kept = match left {
            Some((sha256, size)) if expected.is_none_or(|e| e.to_string() == sha256) => Kept { key: key.clone(), sha256, size },
            _ => match fetch(&app, key, *expected, &target).await? {
                Some(kept) => kept,
                None => {
                    erased.push(key.clone());
                    continue;
                }
            },
        };
        blobs.push(kept);
        bar.set_message(format!("{} of {} files", n + 1, keys.len()));
    }
    published(&app, &asked.to).await?;
    bar.finish_and_clear();
    let contents = Contents {
        database: app.db.name().to_owned(),
        log_size,
        made_at: app.now().to_string(),
        blobs,
        erased,
        sealed: ring.map_or(Ok(String::new()), Ring::current)?,
    };
    // Last, and together: until here an older backup in the same folder is whole.
    let beside = asked.to.join("backup.part");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(&contents).map_err(Error::internal)?)?;
    file.sync_all()?;
    Db::keep_copy(&asked.to)?;
    fs::rename(beside, asked.to.join(CONTENTS))?;
    File::open(&asked.to)?.sync_all()?;
    // What was erased since an older backup into the same folder must not stay in it.
    for entry in fs::read_dir(asked.to.join("media"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if before.contains_key(&name) && !wanted.contains(&name) {
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
fn own_folder(app: &App, to: &Path) -> Result<HashMap<String, Kept>> {
    fs::create_dir_all(to).map_err(|e| Error::Internal(format!("{}: {e}", to.display())))?;
    let (to_real, data) = (to.canonicalize()?, app.config.data.canonicalize()?);
    if data.starts_with(&to_real) {
        return Err(Error::Invalid { field: "to", why: "the data folder itself: a backup belongs on another disk".into() });
    }
    match fs::read(to.join(CONTENTS)) {
        Ok(text) => {
            let contents: Contents = serde_json::from_slice(&text).map_err(Error::internal)?;
            Ok(contents.blobs.into_iter().map(|kept| (kept.key.replace('/', "_"), kept)).collect())
        }
        Err(_) if to.join(BEGUN).exists() || fs::read_dir(to)?.next().is_none() => Ok(HashMap::new()),
        Err(_) => Err(Error::Invalid { field: "to", why: format!("{} is neither empty nor a backup", to.display()) }),
    }
}

fn same_size(path: &Path, size: u64, ring: Option<&Ring>) -> bool {
    File::open(path).is_ok_and(|file| Content::either(file, ring).is_ok_and(|content| content.len().is_ok_and(|length| length == size)))
}

/// Whether what an older run has left is sealed where it should be, under the current key; one that is under an older key is wrapped anew.
fn sealed_as_wanted(path: &Path, ring: Option<&Ring>) -> Result<bool> {
    let Some(ring) = ring else { return Ok(true) };
    let Ok(file) = File::options().read(true).write(true).open(path) else { return Ok(false) };
    Ok(wrap_anew(&file, ring).is_ok())
}

/// Hash and size of a file that an older backup has left, when there is one that can be read.
pub fn known(path: &Path, ring: Option<&Ring>) -> Result<Option<(String, u64)>> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    let (sha256, size) = Sha256::of_reader(Content::either(file, ring)?, |_| {})?;
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
    let _ = fs::remove_file(&beside);
    let (mut file, mut hash) = (Content::create(&beside, app.ring.as_deref())?, Midstate::default());
    let mut reader = app.blobs.open_range(key, 0, size).await?;
    while let Some(chunk) = reader.next().await {
        let chunk: Bytes = chunk?;
        hash.update(&chunk);
        file.write_all(&chunk)?;
    }
    file.file().sync_all()?;
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
