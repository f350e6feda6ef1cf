//! Témoin: receives citizens' photos and videos after an appeal for witnesses, and keeps a custody
//! record that nobody can quietly change.
//!
//! This file is the command line. `docs/ARCHITECTURE.md` says where everything else lives.

/// Prints a line for people. Unlike `println!` it does not panic when the disk behind it is full.
macro_rules! say {
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($arg)*);
    }};
}

mod access;
mod accounts;
mod agencies;
mod app;
mod attest;
mod blobs;
mod command;
mod config;
mod db;
mod demo;
mod domain;
mod error;
mod examine;
mod intake;
mod keeping;
mod keys;
mod maps;
mod observe;
mod outside;
mod retain;
mod review;
mod steps;
mod traces;
mod traffic;
mod vault;
mod web;
mod worker;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::Flags;
use crate::error::{Error, Result};

#[derive(Parser)]
#[command(name = "temoin", version, about, long_about = None, after_help = "Settings: flags, then TEMOIN_… in the environment, then temoin.toml, then the defaults in src/default.toml.")]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the web server and a worker
    Serve {
        /// Open a demonstration appeal in a fictional town, with accounts and generated pictures (on one node)
        #[arg(long, env = "TEMOIN_DEMO", value_parser = clap::builder::FalseyValueParser::new(), num_args = 0)]
        demo: bool,
        /// Serve only: files wait to be examined until a `temoin worker` comes
        #[arg(long, env = "TEMOIN_NO_WORKER", value_parser = clap::builder::FalseyValueParser::new(), num_args = 0)]
        no_worker: bool,
    },
    /// Run a worker alone
    Worker,
    /// Bring the schema of a database that several nodes share up to date; make a backup first
    Migrate,
    /// Ask a server whether it is ready, for health checks. Exit code: 0 ready, 1 not
    Health(command::Health),
    /// Accounts
    #[command(subcommand)]
    User(command::User),
    /// API tokens
    #[command(subcommand)]
    Token(command::Token),
    /// Agencies: several may share one deployment, and see nothing of one another but what they share
    #[command(subcommand)]
    Agency(command::Agency),
    /// The vault in which witnesses' contacts are sealed
    #[command(subcommand)]
    Vault(command::Vault),
    /// The key that keeps media in folders secret
    #[command(subcommand)]
    Media(command::Media),
    /// Appeals
    #[command(subcommand)]
    Appeal(command::Appeal),
    /// Take in a folder or a ZIP file that was handed over: a USB stick, an export of a mailbox
    Import(command::Import),
    /// Make a bundle that anybody can check offline: originals, their whole history, the proofs
    Export(command::Export),
    /// Check a bundle, or a receipt and files against it, offline. Exit code: 0 proven, 1 contradicted, 2 undecided, 3 unusable
    Verify(command::Verify),
    /// Recompute the whole custody log on the server. Exit code: 0 sound, 1 contradicted
    Audit {
        #[arg(long)]
        json: bool,
    },
    /// The custody log
    #[command(subcommand)]
    Log(LogCommand),
    /// Read every stored byte again and compare it with its hash. Exit code: 0 sound, 1 contradicted
    Fixity(command::Fixity),
    /// Copy the database and everything it refers to into a folder; the log's key stays out of it
    Backup(command::Backup),
    /// Put a backup back into an empty place, with what was published since; what was erased since is erased again
    Restore(command::Restore),
    /// Say in words what is wrong, or that nothing is
    Doctor {
        #[arg(long)]
        json: bool,
    },
    /// Print the API's description (OpenAPI 3.1)
    Openapi,
    /// Read files as the server does, confined, and print what they tell, as JSON
    Examine(command::Examine),
    /// Examines one file, confined; started by Témoin itself
    #[command(name = examine::SUBCOMMAND, hide = true)]
    Confined { args: Vec<String> },
}

#[derive(Subcommand)]
enum LogCommand {
    /// Put published entries back into a database that is behind them (after a backup was restored)
    Recover,
    /// Give the log another key; the one that it has signs along until --finish. The servers must stand still meanwhile, and be
    /// started with the new key file
    RotateKey {
        /// Destroy the key that signed along
        #[arg(long)]
        finish: bool,
    },
    /// Make a log's private key before its first start, for nodes that are given it as a secret. What exists is not overwritten
    MakeKey { file: std::path::PathBuf },
    /// Close a log that cannot be gone on with, and open its next epoch: another name, another key, with every entry that the
    /// database still has
    NewEpoch {
        /// Why, in words
        #[arg(long)]
        reason: String,
    },
    /// Hold two checkpoints of one log against each other, offline: one history, or two. Exit codes as for verify
    Compare(command::Compare),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no mistakes; a mistake is not "undecided", which is what 2 means here.
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { ExitCode::from(3) } else { ExitCode::SUCCESS };
        }
    };
    if let Command::Confined { args } = &cli.command {
        // No runtime, no threads, no configuration: the child confines itself first.
        return match examine::run_child(args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(3),
        };
    }
    log_to_stderr();
    // Files are written where they come in, so that a stalled disk holds threads: some are kept spare.
    let threads = std::thread::available_parallelism().map_or(2, usize::from) + 2;
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return complain(&e),
    };
    let ended = runtime.block_on(run(cli));
    // What still runs on threads of its own (a bundle) is done again elsewhere.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    traces::end();
    match ended {
        Ok(code) => code,
        // (On the command line the cause is for who reads it.)
        Err(Error::Internal(cause)) => complain(&cause),
        Err(e) => complain(&e),
    }
}

fn complain(e: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "temoin: {e}");
    ExitCode::from(3)
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let flags = &cli.flags;
    match cli.command {
        Command::Serve { demo, no_worker } => command::serve(flags, demo, !no_worker).await,
        Command::Worker => command::worker(flags).await,
        Command::Migrate => command::migrate(flags).await,
        Command::Health(c) => command::health(flags, &c).await,
        Command::User(c) => command::user(flags, c).await,
        Command::Token(c) => command::token(flags, c).await,
        Command::Agency(c) => command::agency(flags, c).await,
        Command::Vault(c) => command::vault(flags, &c),
        Command::Media(c) => command::media(flags, c).await,
        Command::Appeal(c) => command::appeal(flags, c).await,
        Command::Import(c) => command::import(flags, c).await,
        Command::Export(c) => command::export(flags, c).await,
        Command::Verify(c) => command::verify(&c),
        Command::Audit { json } => command::audit(flags, json).await,
        Command::Log(LogCommand::Compare(c)) => command::compare(&c),
        Command::Log(LogCommand::Recover) => command::recover(flags).await,
        Command::Log(LogCommand::RotateKey { finish }) => command::rotate_key(flags, finish).await,
        Command::Log(LogCommand::MakeKey { file }) => command::make_key(&file),
        Command::Log(LogCommand::NewEpoch { reason }) => command::new_epoch(flags, &reason).await,
        Command::Fixity(c) => command::fixity(flags, &c).await,
        Command::Backup(c) => command::backup(flags, &c).await,
        Command::Restore(c) => command::restore(flags, &c).await,
        Command::Doctor { json } => command::doctor(flags, json).await,
        Command::Openapi => {
            say!("{}", web::openapi());
            Ok(ExitCode::SUCCESS)
        }
        Command::Examine(c) => command::examine(flags, c).await,
        Command::Confined { .. } => Ok(ExitCode::from(3)),
    }
}

/// Human lines on a terminal, JSON elsewhere. Never names of files, people or places.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,sqlx=warn,aws=warn"));
    let registry = tracing_subscriber::registry().with(traces::layer());
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        registry.with(lines.with_filter(filter)).init();
    } else {
        registry.with(lines.json().with_filter(filter)).init();
    }
}
