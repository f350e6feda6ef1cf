//! `temoin media`: the key that keeps media in folders secret.

use std::path::PathBuf;
use std::process::ExitCode;

use super::backup::bar;
use crate::app::App;
use crate::attest;
use crate::blobs::seal::Ring;
use crate::config::{Config, Flags};
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType};
use crate::error::{Error, Result};

#[derive(clap::Subcommand)]
pub enum Media {
    /// Make a key for media in folders, for media.key_file. What exists is not overwritten
    MakeKey { file: PathBuf },
    /// Put a new key before the one in media.key_file; running servers seal with it from then on
    NewKey,
    /// Bring every file under the current key: what lies open is sealed, what another key sealed gets its file key wrapped anew. Servers
    /// may go on meanwhile
    Seal {
        /// Then destroy the older keys, if everything is under the current one
        #[arg(long)]
        forget_older: bool,
    },
}

pub async fn media(flags: &Flags, command: Media) -> Result<ExitCode> {
    match command {
        Media::MakeKey { file } => {
            if file.exists() {
                return Err(Error::Internal(format!("{} exists: a media key is not overwritten", file.display())));
            }
            Ring::make(&file)?;
            say!(
                "{}: give it to every node as media.key_file, and keep a copy where no backup lies: without it the media are lost",
                file.display()
            );
            Ok(ExitCode::SUCCESS)
        }
        Media::NewKey => {
            let config = Config::load(flags)?;
            let ring = ring(&config)?;
            Ring::turn(&config.media.key_file)?;
            say!("{}: the current key is {}. Now run `temoin media seal --forget-older`", config.media.key_file.display(), ring.current()?);
            Ok(ExitCode::SUCCESS)
        }
        Media::Seal { forget_older } => seal(flags, forget_older).await,
    }
}

fn ring(config: &Config) -> Result<std::sync::Arc<Ring>> {
    Ring::open(&config.media.key_file)?
        .ok_or_else(|| Error::Internal("there is no key: `temoin media make-key`, and say where it is (media.key_file)".into()))
}

async fn seal(flags: &Flags, forget_older: bool) -> Result<ExitCode> {
    let config = Config::load(flags)?;
    let ring = ring(&config)?;
    let app = App::open_existing(config).await?;
    let key = ring.current()?;
    let bar = bar();
    let shown = bar.clone();
    let done = app.blobs.reseal(move |looked| shown.set_message(format!("{looked} files"))).await?;
    bar.finish_and_clear();
    let mut tx = app.db.begin().await?;
    let draft = Draft::new(EventType::MediaSealed, Actor::Operator)
        .fact("key", key.clone())
        .fact("sealed", done.sealed)
        .fact("wrapped_anew", done.wrapped_anew)
        .fact("damaged", done.damaged);
    attest::append(&app, &mut tx, draft).await?;
    tx.commit().await?;
    attest::sequence_all(&app).await?;
    say!("key {key}: {} files sealed, {} wrapped anew", done.sealed, done.wrapped_anew);
    if done.still_coming > 0 {
        say!("{} uploads that began before there was a key are still under way: run this again when they are done", done.still_coming);
    }
    if done.damaged > 0 {
        say!("{} files cannot be opened, or are not what their names say, and were left as they are: run `temoin fixity`", done.damaged);
    }
    app.db.close().await;
    if forget_older && done.damaged > 0 {
        say!("no key was destroyed: not everything is under the current one");
        return Ok(ExitCode::from(1));
    }
    if forget_older {
        let forgotten = Ring::forget_older(&app.config.media.key_file, &key)?;
        say!("{forgotten} older keys destroyed: backups that they sealed can be read with a copy of them alone");
    }
    Ok(if done.damaged == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
