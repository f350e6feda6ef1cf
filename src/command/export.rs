//! `temoin export`: a bundle for a court, the defence, an auditor.

use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::app::App;
use crate::attest::{self, Asked, Payload, Profile};
use crate::config::{Config, Flags};
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::appeal::normal_code;
use crate::domain::exhibit::State;
use crate::domain::value::{Id, shown};
use crate::error::{Error, Result};

#[derive(clap::Args)]
pub struct Export {
    /// Code of the appeal
    #[arg(long)]
    appeal: String,
    /// An exhibit to export; may stand several times
    #[arg(long = "exhibit", value_name = "ID", conflicts_with = "decided")]
    exhibits: Vec<String>,
    /// Every exhibit with this decision: relevant, not_relevant or undecided
    #[arg(long, required_unless_present = "exhibits")]
    decided: Option<String>,
    /// For whom: what the defence gets leaves out what could lead to the witness
    #[arg(long, value_enum)]
    profile: Profile,
    /// Who receives it
    #[arg(long)]
    recipient: String,
    /// Why, and on what ground
    #[arg(long)]
    reason: String,
    /// An empty folder, or one where this export was interrupted
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[arg(long)]
    json: bool,
    /// Take along what is locked, too: what a virus scanner found something in, and what its witness asked not to be used
    #[arg(long)]
    locked: bool,
}

pub async fn export(flags: &Flags, asked: Export) -> Result<ExitCode> {
    let decided = match asked.decided.as_deref() {
        None => None,
        Some(word) => Some(
            State::parse(word)
                .filter(|s| !matches!(s, State::Received | State::Ready))
                .ok_or_else(|| Error::Invalid { field: "decided", why: "relevant, not_relevant or undecided".into() })?,
        ),
    };
    let app = App::open_existing(Config::load(flags)?).await?;
    let code = normal_code(&asked.appeal).ok_or(Error::NotFound)?;
    let mut tx = app.db.read().await?;
    let appeal = db::appeals::by_code(&mut tx, &code).await?.ok_or(Error::NotFound)?;
    let all = db::exhibits::of_appeal(&mut tx, appeal.id).await?;
    drop(tx);
    let exhibits = match decided {
        Some(state) => all.iter().filter(|e| e.state == state).map(|e| e.id).collect(),
        None => asked
            .exhibits
            .iter()
            .map(|text| text.parse::<Id>().map_err(|()| Error::Invalid { field: "exhibit", why: format!("{text} is not an id") }))
            .collect::<Result<Vec<_>>>()?,
    };
    let locked: Vec<String> = all.iter().filter(|e| e.is_locked() && exhibits.contains(&e.id)).map(|e| e.id.to_string()).collect();
    if !locked.is_empty() && !asked.locked {
        return Err(Error::Invalid {
            field: "exhibits",
            why: format!("these are locked, and none is left out quietly: {} (--locked takes them along)", locked.join(", ")),
        });
    }
    let bytes = all.iter().filter(|e| exhibits.contains(&e.id)).map(|e| e.size).sum();
    let bar = ProgressBar::new(bytes).with_style(
        ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}, {eta} left").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let question = Asked {
        appeal: code,
        exhibits,
        decided: asked.decided.clone(),
        profile: asked.profile,
        recipient: shown(asked.recipient.trim(), 1_000),
        reason: shown(asked.reason.trim(), 4_000),
    };
    let done = attest::export(&app, &Actor::Operator, &appeal, question, &asked.to, Payload::Copied, |n| bar.inc(n)).await?;
    bar.finish_and_clear();
    if asked.json {
        say!("{}", json!({"export": done.export, "files": done.files, "bytes": done.bytes}));
    } else {
        say!("{} files, {} bytes in {}. Export {}", done.files, done.bytes, asked.to.display(), done.export);
        say!("Check it with: temoin verify {} --trust POLICY", asked.to.display());
    }
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}
