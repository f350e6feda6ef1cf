//! `temoin serve` and `temoin worker`.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::agencies;
use crate::app::App;
use crate::attest;
use crate::config::{Config, Flags};
use crate::db;
use crate::demo;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};
use crate::{examine, intake, retain, web, worker as jobs};

/// How long what was begun may take to end once nothing new is let in.
const GRACE: Duration = Duration::from_secs(20);
/// How long the database may take to let go of us.
const FAREWELL: Duration = Duration::from_secs(10);

pub async fn serve(flags: &Flags, with_demo: bool, with_worker: bool) -> Result<ExitCode> {
    let config = Config::load(flags)?;
    // A connection and its file are two descriptors; what a shell allows by itself is a thousand.
    let wanted = u64::try_from(config.limits.connections_max).unwrap_or(u64::MAX).saturating_mul(3);
    if rlimit::increase_nofile_limit(wanted).is_ok_and(|may| may < wanted) {
        tracing::warn!(wanted, "fewer open files are allowed than connections_max may need");
    }
    examine::check(&config.examine)?;
    let app = App::open_as(config, "serve").await?;
    let listener =
        TcpListener::bind(&app.config.listen).await.map_err(|e| Error::Internal(format!("cannot listen on {}: {e}", app.config.listen)))?;
    attest::guard(&app).await?;
    // What a restored backup has brought back is gone before anybody can ask for it.
    retain::replay(&app).await?;
    let sealed = agencies::seal_what_is_clear(&app).await?;
    if sealed > 0 {
        tracing::info!(sealed, "contacts that stood in the clear are sealed");
    }
    started(&app, "serve").await?;
    app.demonstrates.store(with_demo, Ordering::Relaxed);
    let feed = if with_demo { demo::prepare(&app).await? } else { None };
    first_setup(&app).await?;
    web::metrics::begin(&app).await?;
    let mut tasks = background(&app);
    if with_worker {
        tasks.push(tokio::spawn(jobs::run(app.clone())));
    }
    tasks.extend(feed.map(|feed| tokio::spawn(demo::feed(app.clone(), feed))));
    say!("Témoin {} listens on {}", env!("CARGO_PKG_VERSION"), app.config.public_url);
    let router = web::router(app.clone());
    let stop = async {
        stopped().await;
        // Load balancers are told first, and sent away after.
        app.draining.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(app.config.limits.drain_seconds)).await;
    };
    web::serve(app.clone(), listener, router, stop, GRACE).await?;
    end(&app, tasks).await;
    Ok(ExitCode::SUCCESS)
}

pub async fn worker(flags: &Flags) -> Result<ExitCode> {
    let config = Config::load(flags)?;
    examine::check(&config.examine)?;
    let app = App::open_as(config, "worker").await?;
    attest::guard(&app).await?;
    started(&app, "worker").await?;
    web::metrics::begin(&app).await?;
    let mut tasks = background(&app);
    tasks.push(tokio::spawn(jobs::run(app.clone())));
    say!("Témoin {} works", env!("CARGO_PKG_VERSION"));
    stopped().await;
    end(&app, tasks).await;
    Ok(ExitCode::SUCCESS)
}

/// What every node does besides: it sequences if that is its duty, tells the others what it let in, and keeps its clock set.
fn background(app: &Arc<App>) -> Vec<JoinHandle<()>> {
    vec![
        tokio::spawn(attest::run_sequencer(app.clone())),
        tokio::spawn(intake::run_sharing(app.clone())),
        tokio::spawn(app.clone().run_clock()),
    ]
}

/// Stops, and leaves to the other nodes at once what this one held.
async fn end(app: &App, tasks: Vec<JoinHandle<()>>) {
    for task in &tasks {
        task.abort();
    }
    let ended = async {
        for task in tasks {
            // (Until a task has let go of its transaction, its duty is not free.)
            let _ = task.await;
        }
    };
    let _ = tokio::time::timeout(FAREWELL, ended).await;
    let farewell = async {
        let (duty, work) = (attest::let_go(app).await, jobs::let_go(app).await);
        if let Err(e) = duty.and(work) {
            tracing::warn!(cause = %e, "what this node held is free when its leases end");
        }
        app.db.close().await;
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}

async fn started(app: &App, command: &str) -> Result<()> {
    for absent in app.blobs.probe().await?.into_iter().chain(app.published.probe().await?).filter(|t| t.matters && !t.does) {
        tracing::warn!(absent = absent.name, "the store was seen not to do what it should: see temoin doctor");
    }
    // Keyed: settings have passwords in them.
    let config = Sha256::from_bytes(app.mac(format!("{:?}", app.config).as_bytes())).to_string();
    let mut tx = app.db.begin().await?;
    let draft = Draft::new(EventType::SystemStarted, Actor::System)
        .fact("database", app.db.name())
        .fact("blobs", app.blobs.name())
        .fact("store", app.blobs.probe().await?.into_iter().filter(|t| t.does).map(|t| t.name).collect::<Vec<_>>())
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
    say!("There is no account yet. Open this link once, within a day, to make the first administrator (a start prints another):");
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
