//! `temoin user add`, `temoin user role` and `temoin token add`.

use std::io::Read as _;
use std::process::ExitCode;

use clap::Subcommand;

use crate::accounts;
use crate::app::App;
use crate::attest;
use crate::config::{Config, Flags};
use crate::db;
use crate::domain::actor::{Actor, Role};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::error::{Error, Result};

#[derive(Subcommand)]
pub enum User {
    /// Create an account
    Add {
        name: String,
        /// investigator, supervisor, auditor or administrator
        #[arg(long)]
        role: String,
        /// Read the password from standard input (its first line)
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Give an account another role, from its next request on
    Role {
        name: String,
        /// investigator, supervisor, auditor or administrator
        role: String,
    },
}

#[derive(Subcommand)]
pub enum Token {
    /// Make an API token for an account, and print it once
    Add {
        user: String,
        /// Why exhibits are looked at with it: investigation, prosecution, disclosure, quality or rights. Without one it
        /// shows none
        #[arg(long, requires = "reason")]
        purpose: Option<String>,
        /// The purpose in words
        #[arg(long, requires = "purpose")]
        reason: Option<String>,
    },
}

pub async fn user(flags: &Flags, command: User) -> Result<ExitCode> {
    let known = |role: &str| {
        let wrong = || Error::Invalid { field: "role", why: "investigator, supervisor, auditor or administrator".into() };
        Role::parse(role).ok_or_else(wrong)
    };
    let (name, role) = match command {
        User::Add { name, role, password_stdin: _ } => (name, known(&role)?),
        User::Role { name, role } => {
            let role = known(&role)?;
            let app = App::open(Config::load(flags)?).await?;
            accounts::change_role(&app, Actor::Operator, &name, role).await?;
            say!("{name} is now {}", role.as_str());
            return Ok(ExitCode::SUCCESS);
        }
    };
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password)?;
    let password = password.lines().next().unwrap_or_default().to_owned();
    let app = App::open(Config::load(flags)?).await?;
    let hash = accounts::hash_password(&app, password).await?;
    let mut tx = app.db.begin().await?;
    accounts::create(&app, &mut tx, Actor::Operator, &name, role, hash).await?;
    tx.commit().await?;
    say!("{name} is now {}", role.as_str());
    Ok(ExitCode::SUCCESS)
}

pub async fn token(flags: &Flags, command: Token) -> Result<ExitCode> {
    let Token::Add { user, purpose, reason } = command;
    let purpose = match (purpose, reason) {
        (Some(code), Some(words)) => Some(accounts::purpose(&code, &words)?),
        _ => None,
    };
    let app = App::open(Config::load(flags)?).await?;
    let (secret, hash) = app.new_secret();
    let mut tx = app.db.begin().await?;
    let (account, _) = db::accounts::by_name(&mut tx, &user).await?.ok_or(Error::NotFound)?;
    db::accounts::create_token(&mut tx, hash, account, purpose.as_ref().map(|p| p.0), app.now()).await?;
    let mut draft = Draft::new(EventType::TokenCreated, Actor::Operator).about(SubjectKind::Account, account);
    if let Some((code, words)) = purpose {
        draft = draft.fact("purpose", code.as_str()).private("reason", words);
    }
    attest::append(&app, &mut tx, draft).await?;
    tx.commit().await?;
    say!("{secret}");
    Ok(ExitCode::SUCCESS)
}
