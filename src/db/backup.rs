//! Copies of a whole database, and putting them back. A copy is an SQLite file whatever it was made of, so that it can be read without us,
//! and put back into either engine.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::engine::LiteTx;
use super::{Db, Tx, copy, migrate};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};

/// The copy's name in a backup.
pub fn file(folder: &Path) -> PathBuf {
    folder.join("database.sqlite")
}

fn part(folder: &Path) -> PathBuf {
    folder.join("database.part")
}

impl Db {
    /// Writes a copy beside an older one, which [`Db::keep_copy`] puts into its place.
    pub async fn copy_to(&self, folder: &Path) -> Result<()> {
        let beside = part(folder);
        let _ = std::fs::remove_file(&beside);
        match self {
            Db::Lite { read, .. } => {
                sqlx::query("VACUUM INTO $1").bind(beside.to_string_lossy().into_owned()).execute(read).await?;
                Ok(std::fs::File::open(&beside)?.sync_all()?)
            }
            Db::Pg { .. } => copy::to_file(self, &beside).await.map(|_| ()),
        }
    }

    /// Puts the copy that was just made into the place of an older one.
    pub fn keep_copy(folder: &Path) -> Result<()> {
        Ok(std::fs::rename(part(folder), file(folder))?)
    }
}

/// Puts a copy where `url` says, which must hold nothing yet.
pub async fn restore(url: &str, folder: &Path) -> Result<()> {
    if let Some(path) = url.strip_prefix("sqlite:").map(PathBuf::from) {
        if path.exists() {
            return Err(Error::Internal(format!("{} exists: a backup is restored into an empty place", path.display())));
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let beside = path.with_extension("restoring");
        std::fs::copy(file(folder), &beside)?;
        std::fs::File::open(&beside)?.sync_all()?;
        return Ok(std::fs::rename(beside, path)?);
    }
    let db = Db::connect(url).await?;
    if !migrate::is_empty(&db).await? {
        return Err(Error::Internal("the database has tables already: a backup is restored into an empty one".into()));
    }
    // A copy of the copy, so that the backup stays as it is.
    let scratch = scratch_copy(folder)?;
    let done = async {
        migrate::migrate(&db).await?;
        copy::from_file(&scratch, &db).await
    };
    let done = done.await;
    remove_scratch(&scratch);
    db.close().await;
    done.map(|_| ())
}

/// How many entries the copy that was just made has, and the blobs that it refers to.
pub async fn contents_of_copy(folder: &Path) -> Result<(u64, Vec<(String, Option<Sha256>)>)> {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(SqliteConnectOptions::new().filename(part(folder)).read_only(true).immutable(true))
        .await?;
    let mut tx = Tx::Lite(LiteTx::Read(pool.begin().await?));
    let size = super::log::head(&mut tx).await?.size();
    let keys = super::contents::blob_keys(&mut tx).await?;
    drop(tx);
    pool.close().await;
    Ok((size, keys))
}

/// A copy of a backup's database that may be written to, beside it, for nobody else to read: it has everything in it.
pub fn scratch_copy(folder: &Path) -> Result<PathBuf> {
    let name: [u8; 8] = crate::app::random();
    let scratch = folder.join(format!("scratch-{}.sqlite", data_encoding::HEXLOWER.encode(&name)));
    let mut to = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&scratch)?;
    std::io::copy(&mut std::fs::File::open(file(folder))?, &mut to)?;
    Ok(scratch)
}

pub fn remove_scratch(scratch: &Path) {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", scratch.display()));
    }
}
