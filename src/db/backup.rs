//! Copying the whole database, and putting a copy back. SQLite does it itself (`VACUUM INTO`, one consistent view, nobody waits);
//! for PostgreSQL its own tools do, `pg_dump` and `pg_restore`, which must be installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Db;
use crate::error::{Error, Result};

fn lite(folder: &Path) -> PathBuf {
    folder.join("database.sqlite")
}

fn pg(folder: &Path) -> PathBuf {
    folder.join("database.pgdump")
}

impl Db {
    /// Writes a copy beside an older one, which [`keep_copy`] puts into its place. `url` is where this database was opened.
    pub async fn copy_to(&self, url: &str, folder: &Path) -> Result<()> {
        match self {
            Db::Lite { read, .. } => {
                let beside = part(&lite(folder));
                let _ = std::fs::remove_file(&beside);
                sqlx::query("VACUUM INTO $1").bind(beside.to_string_lossy().into_owned()).execute(read).await?;
                Ok(std::fs::File::open(&beside)?.sync_all()?)
            }
            Db::Pg { .. } => run(Command::new("pg_dump").args(["--format=custom", "--dbname", url, "--file"]).arg(part(&pg(folder)))).await,
        }
    }

    /// Puts the copy that was just made into the place of an older one.
    pub fn keep_copy(&self, folder: &Path) -> Result<()> {
        let target = match self {
            Db::Lite { .. } => lite(folder),
            Db::Pg { .. } => pg(folder),
        };
        Ok(std::fs::rename(part(&target), target)?)
    }
}

fn part(path: &Path) -> PathBuf {
    path.with_extension("part")
}

/// Puts a copy where `url` says, which must hold nothing yet. `engine` is what the copy was made of.
pub async fn restore(url: &str, folder: &Path, engine: &str) -> Result<()> {
    let (wanted, path) =
        if let Some(path) = url.strip_prefix("sqlite:") { ("SQLite", Some(PathBuf::from(path))) } else { ("PostgreSQL", None) };
    if wanted != engine {
        return Err(Error::Internal(format!("this is a backup of {engine}, and the database is {wanted}")));
    }
    match path {
        Some(path) => {
            if path.exists() {
                return Err(Error::Internal(format!("{} exists: a backup is restored into an empty place", path.display())));
            }
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            let beside = path.with_extension("restoring");
            std::fs::copy(lite(folder), &beside)?;
            std::fs::File::open(&beside)?.sync_all()?;
            Ok(std::fs::rename(beside, path)?)
        }
        None => {
            // One transaction; existing tables make it fail, and nothing happens.
            run(Command::new("pg_restore").args(["--single-transaction", "--exit-on-error", "--no-owner", "--dbname", url]).arg(pg(folder)))
                .await
        }
    }
}

async fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|e| Error::Internal(format!("{name} cannot be run: {e}")))?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr);
    Err(Error::Internal(format!("{name}: {}", why.lines().next().unwrap_or("failed"))))
}
