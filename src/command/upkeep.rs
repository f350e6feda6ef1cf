//! What a deployment needs around its servers: `temoin migrate` and `temoin log make-key` before they start, `temoin health` while they run.

use std::path::Path;
use std::process::ExitCode;

use crate::config::{Config, Flags};
use crate::db;
use crate::error::{Error, Result};
use crate::keys::LogKeys;
use crate::outside::Outside;

/// `temoin migrate`.
pub async fn migrate(flags: &Flags) -> Result<ExitCode> {
    let config = Config::load(flags)?;
    let db = db::Db::connect(&config.database).await?;
    let before = db::schema(&db).await?;
    if before > db::KNOWN {
        return Err(Error::Internal(format!(
            "the database has schema {before}, written by a newer Témoin; this program knows {}",
            db::KNOWN
        )));
    }
    db::migrate(&db).await?;
    say!("schema {before} -> {}", db::KNOWN);
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// `temoin log make-key`.
pub fn make_key(file: &Path) -> Result<ExitCode> {
    if file.exists() {
        return Err(Error::Internal(format!("{} exists: a log's key is not overwritten", file.display())));
    }
    LogKeys::make(file)?;
    say!("{}: give it to every node as log.seed_file, and keep a copy where no database backup lies", file.display());
    Ok(ExitCode::SUCCESS)
}

#[derive(clap::Args)]
pub struct Health {
    /// Address of the server; the configured one, unless said
    url: Option<String>,
}

/// `temoin health`.
pub async fn health(flags: &Flags, asked: &Health) -> Result<ExitCode> {
    let url = match &asked.url {
        Some(url) => url.clone(),
        None => format!("http://{}", Config::load(flags)?.listen.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")),
    };
    let asked = Outside::new().map_err(Error::Internal)?.get(&format!("{}/readyz", url.trim_end_matches('/'))).await;
    match asked {
        Ok((200, _)) => {
            say!("ready");
            Ok(ExitCode::SUCCESS)
        }
        Ok((status, _)) => {
            say!("not ready: it answers {status}");
            Ok(ExitCode::from(1))
        }
        Err(why) => {
            say!("not ready: {why}");
            Ok(ExitCode::from(1))
        }
    }
}
