//! `temoin agency` and `temoin vault`.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::agencies;
use crate::app::App;
use crate::config::{Config, Flags};
use crate::db;
use crate::domain::notice::Notice;
use crate::error::{Error, Result};
use crate::vault::VaultKey;

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnOff {
    On,
    Off,
}

#[derive(Subcommand)]
pub enum Agency {
    /// Make an agency
    New {
        name: String,
        /// The age recipient (age1…) to which its witnesses' contacts are sealed: `temoin vault make-key` makes one, an officer's hardware token
        /// has one
        #[arg(long)]
        vault: String,
        /// Reading a contact takes a second person
        #[arg(long)]
        two_persons: bool,
    },
    /// Give an agency another vault, for contacts from now on, or say whether reading one takes a second person
    Set {
        name: String,
        #[arg(long)]
        vault: Option<String>,
        #[arg(long, value_enum)]
        two_persons: Option<OnOff>,
    },
    /// Say what stands at the foot of its appeals' pages: each a name, an address, a number. "" takes one back
    Say {
        name: String,
        /// Where people ask about data of theirs
        #[arg(long)]
        contact: Option<String>,
        /// The data protection officer
        #[arg(long)]
        officer: Option<String>,
        /// The authority that people complain to
        #[arg(long)]
        authority: Option<String>,
        /// Who helps those who cannot use the pages
        #[arg(long)]
        assistance: Option<String>,
        /// Where people find out whether a page is the agency's: its own site, a number to call
        #[arg(long)]
        genuine: Option<String>,
    },
    /// List the agencies
    List {
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub enum Vault {
    /// Make a vault's key: the file is for the officer who will read contacts, the printed recipient for `temoin agency`. What exists is not
    /// overwritten
    MakeKey { file: PathBuf },
    /// Open a sealed contact from standard input with a vault's key, as `age -d` would
    Open {
        #[arg(long)]
        key: PathBuf,
    },
}

pub async fn agency(flags: &Flags, command: Agency) -> Result<ExitCode> {
    let app = App::open(Config::load(flags)?).await?;
    match command {
        Agency::New { name, vault, two_persons } => {
            agencies::create(&app, &name, &vault, two_persons).await?;
            say!("{name} is now an agency");
        }
        Agency::Set { name, vault, two_persons } => {
            agencies::change(&app, &name, vault.as_deref(), two_persons.map(|t| t == OnOff::On)).await?;
            say!("{name} is changed");
        }
        Agency::Say { name, contact, officer, authority, assistance, genuine } => {
            let said: Vec<(&'static str, String)> = Notice::FIELDS
                .into_iter()
                .zip([contact, officer, authority, assistance, genuine])
                .filter_map(|(field, text)| Some((field, text?)))
                .collect();
            if said.is_empty() {
                return Err(Error::Internal("nothing is said: see `temoin agency say --help`".into()));
            }
            agencies::say(&app, &name, &said).await?;
            say!("{name} is changed");
        }
        Agency::List { json } => {
            let mut tx = app.db.read().await?;
            for a in db::agencies::list(&mut tx).await? {
                let vault = a.vault.unwrap_or_default();
                if json {
                    say!("{}", json!({"name": a.name, "vault": vault, "two_persons": a.two_persons}));
                } else {
                    say!("{:<30} {} {vault}", a.name, if a.two_persons { "two persons" } else { "one person " });
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub fn vault(_: &Flags, command: &Vault) -> Result<ExitCode> {
    match command {
        Vault::MakeKey { file } => {
            if file.exists() {
                return Err(Error::Internal(format!("{} exists: a vault's key is not overwritten", file.display())));
            }
            say!("{}", VaultKey::make(file)?.recipient());
        }
        Vault::Open { key } => {
            let key = VaultKey::read(key)?.ok_or_else(|| Error::Internal(format!("{} does not exist", key.display())))?;
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            let contact = key.open_armoured(&text).ok_or_else(|| Error::Internal("it is not sealed to this key, or is damaged".into()))?;
            writeln!(std::io::stdout(), "{contact}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
