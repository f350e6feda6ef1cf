//! `temoin serve` and `temoin worker`.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::attest;
use crate::config::{Config, Flags};
use crate::db;
use crate::demo;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};
use crate::{examine, retain, web, worker as jobs};

pub async fn serve(flags: &Flags, with_demo: bool, with_worker: bool) -> Result<ExitCode> {
    let config = Config::load(flags)?;
    examine::check(&config.examine)?;
    let app = App::open(config).await?;
    let listener =
        TcpListener::bind(&app.config.listen).await.map_err(|e| Error::Internal(format!("cannot listen on {}: {e}", app.config.listen)))?;
    attest::guard(&app).await?;
    // What a restored backup has brought back is gone before anybody can ask for it.
    retain::replay(&app).await?;
    started(&app, "serve").await?;
    let feed = if with_demo { demo::prepare(&app).await? } else { None };
    first_setup(&app).await?;
    let sequencer = tokio::spawn(attest::run_sequencer(app.clone()));
    let worker = with_worker.then(|| tokio::spawn(jobs::run(app.clone())));
    say!("Témoin {} listens on {}", env!("CARGO_PKG_VERSION"), app.config.public_url);
    let feeding = feed.map(|feed| tokio::spawn(demo::feed(app.clone(), feed)));
    let router = web::router(app.clone());
    web::serve(app.clone(), listener, router, stopped()).await?;
    for task in [Some(sequencer), worker, feeding].into_iter().flatten() {
        task.abort();
    }
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

pub async fn worker(flags: &Flags) -> Result<ExitCode> {
    let config = Config::load(flags)?;
    examine::check(&config.examine)?;
    let app = App::open(config).await?;
    attest::guard(&app).await?;
    started(&app, "worker").await?;
    say!("Témoin {} works", env!("CARGO_PKG_VERSION"));
    tokio::select! {
        () = jobs::run(app.clone()) => {}
        () = attest::run_sequencer(app.clone()) => {}
        () = stopped() => {}
    }
    app.db.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn started(app: &App, command: &str) -> Result<()> {
    // Keyed: settings have passwords in them.
    let config = Sha256::from_bytes(app.mac(format!("{:?}", app.config).as_bytes())).to_string();
    let mut tx = app.db.begin().await?;
    let draft = Draft::new(EventType::SystemStarted, Actor::System)
        .fact("database", app.db.name())
        .fact("blobs", app.blobs.name())
        .fact("config", config.clone());
    attest::append(app, &mut tx, draft).await?;
    let before = db::nodes::start(&mut tx, &format!("{}/{command}", app.config.node), &config, app.now()).await?;
    if let Some(before) = before.filter(|before| *before != config) {
        let draft = Draft::new(EventType::ConfigChanged, Actor::Operator).fact("from", before).fact("to", config);
        attest::append(app, &mut tx, draft).await?;
    }
    tx.commit().await
}

/// Without any account, prints the one-time link that makes the first administrator.
async fn first_setup(app: &Arc<App>) -> Result<()> {
    let mut tx = app.db.begin().await?;
    if db::accounts::count(&mut tx).await? > 0 {
        return Ok(());
    }
    let (secret, hash) = app.new_secret();
    db::accounts::new_setup_link(&mut tx, hash, app.now()).await?;
    tx.commit().await?;
    say!("There is no account yet. Open this link once to make the first administrator:");
    say!("  {}/setup/{secret}", app.config.public_url);
    Ok(())
}

async fn stopped() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut s) => {
                s.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
