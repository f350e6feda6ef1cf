//! `temoin user` and `temoin token`.

use std::io::Read as _;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::accounts;
use crate::app::App;
use crate::attest;
use crate::config::{Config, Flags};
use crate::db;
use crate::db::sessions::NewToken;
use crate::domain::actor::{Actor, Role, Scopes};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::purpose::PurposeCode;
use crate::domain::value::{DAY_US, shown};
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
        /// Whose account it is, by the agency's name. Without: the first agency's
        #[arg(long)]
        agency: Option<String>,
    },
    /// Give an account another role, from its next request on
    Role {
        name: String,
        /// investigator, supervisor, auditor or administrator
        role: String,
    },
    /// Make a link, good for an hour, by which the owner of an account who lost everything sets a new password. Where there are two people who
    /// can, they do it on the page of accounts
    Recover {
        name: String,
        /// Why, in words
        #[arg(long)]
        reason: String,
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
        /// What it may be used for, of what its owner may: look, decide, export, audit, erasure. Without: all of these
        #[arg(long, value_delimiter = ',')]
        scope: Vec<String>,
        /// Days until it ends. Without: as accounts.token_days says
        #[arg(long)]
        days: Option<i64>,
        /// What it is for, for the list of tokens
        #[arg(long, default_value = "")]
        name: String,
    },
    /// List the tokens of an account
    List {
        user: String,
        #[arg(long)]
        json: bool,
    },
    /// End a token, by its id in the list
    Revoke { user: String, id: String },
}

pub async fn user(flags: &Flags, command: User) -> Result<ExitCode> {
    let known = |role: &str| {
        let wrong = || Error::Invalid { field: "role", why: "investigator, supervisor, auditor or administrator".into() };
        Role::parse(role).ok_or_else(wrong)
    };
    let (name, role, agency) = match command {
        User::Add { name, role, password_stdin: _, agency } => (name, known(&role)?, agency),
        User::Role { name, role } => {
            let role = known(&role)?;
            let app = App::open(Config::load(flags)?).await?;
            accounts::change_role(&app, Actor::Operator, &name, role).await?;
            say!("{name} is now {}", role.as_str());
            return Ok(ExitCode::SUCCESS);
        }
        User::Recover { name, reason } => {
            let app = App::open(Config::load(flags)?).await?;
            let mut tx = app.db.read().await?;
            let account = db::accounts::by_name(&mut tx, &name).await?.ok_or(Error::NotFound)?;
            drop(tx);
            if let Some(link) = accounts::ask_recovery(&app, None, account.id, &reason).await? {
                say!("{}/recover/{link}", app.config.public_url);
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password)?;
    let password = password.lines().next().unwrap_or_default().to_owned();
    let app = App::open(Config::load(flags)?).await?;
    let hash = accounts::hash_password(&app, &name, password).await?;
    let mut tx = app.db.begin().await?;
    let agency = match agency {
        Some(name) => {
            db::agencies::by_name(&mut tx, &name).await?.ok_or(Error::Invalid { field: "agency", why: "no such agency".into() })?.id
        }
        None => accounts::home(&app, &mut tx).await?,
    };
    accounts::create(&app, &mut tx, Actor::Operator, agency, &name, role, hash).await?;
    tx.commit().await?;
    say!("{name} is now {}", role.as_str());
    Ok(ExitCode::SUCCESS)
}

pub async fn token(flags: &Flags, command: Token) -> Result<ExitCode> {
    let app = App::open(Config::load(flags)?).await?;
    match command {
        Token::Add { user, purpose, reason, scope, days, name } => {
            let purpose = match (purpose, reason) {
                (Some(code), Some(words)) => Some(accounts::purpose(&code, &words)?),
                _ => None,
            };
            let scopes = if scope.is_empty() { Some(Scopes::ALL) } else { Scopes::parse(scope.iter().map(String::as_str)) };
            let scopes = scopes.ok_or(Error::Invalid { field: "scope", why: "look, decide, export, audit, erasure".into() })?;
            say!("{}", add_token(&app, &user, purpose, scopes, days.unwrap_or(app.config.accounts.token_days), &name).await?);
        }
        Token::List { user, json } => {
            let mut tx = app.db.read().await?;
            let account = db::accounts::by_name(&mut tx, &user).await?.ok_or(Error::NotFound)?.id;
            for t in db::sessions::tokens_of(&mut tx, account).await? {
                let id = t.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
                let until = t.expires_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
                let scopes = t.scopes.names().join(",");
                if json {
                    say!(
                        "{}",
                        json!({"id": id, "name": t.name, "scopes": t.scopes.names(), "created_at": t.created_at, "expires_at": t.expires_at, "revoked": t.revoked})
                    );
                } else {
                    say!("{id} {:<8} until {until}  {scopes}  {}", if t.revoked { "revoked" } else { "" }, t.name);
                }
            }
        }
        Token::Revoke { user, id } => {
            let id = id.parse().map_err(|()| Error::Invalid { field: "id", why: "not an id".into() })?;
            let mut tx = app.db.read().await?;
            let account = db::accounts::by_name(&mut tx, &user).await?.ok_or(Error::NotFound)?.id;
            drop(tx);
            accounts::revoke_token(&app, Actor::Operator, account, id).await?;
            say!("revoked");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add_token(app: &App, user: &str, purpose: Option<(PurposeCode, String)>, scopes: Scopes, days: i64, name: &str) -> Result<String> {
    if !(1..=3_650).contains(&days) {
        return Err(Error::Invalid { field: "days", why: "1 to 3650".into() });
    }
    let (secret, token) = app.new_secret();
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let account = db::accounts::by_name(&mut tx, user).await?.ok_or(Error::NotFound)?.id;
    let code = purpose.as_ref().map(|p| p.0);
    let new = NewToken {
        id: app.new_id(),
        token,
        account,
        name: shown(name, 100),
        scopes,
        purpose: code,
        expires: Some(now.plus(days * DAY_US)),
    };
    db::sessions::add_token(&mut tx, &new, now).await?;
    let mut draft = Draft::new(EventType::TokenCreated, Actor::Operator)
        .about(SubjectKind::Account, account)
        .fact("token", new.id.to_string())
        .fact("scopes", scopes.names());
    if let Some((code, words)) = purpose {
        draft = draft.fact("purpose", code.as_str()).private("reason", words);
    }
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(secret)
}
