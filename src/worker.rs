//! The door for background jobs: claims them by lease, hands each to its verb, gives failed ones back
//! for later. One exhaustive match.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::app::App;
use crate::db::{self, jobs::Claimed};
use crate::domain::job::Job;
use crate::domain::value::{HOUR_US, Id, MINUTE_US, SECOND_US};
use crate::error::{Error, Result};
use crate::{accounts, attest, examine, intake, observe, retain, traces};

/// A worker that dies gives its jobs back after this; one that starts again takes its own back at once.
const LEASE_US: i64 = MINUTE_US;
/// How often a running job's lease is renewed.
const RENEW: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_secs(1);
const SWEEP_EVERY_US: i64 = HOUR_US;
const FIXITY_EVERY_US: i64 = HOUR_US;
const AFTER_START_US: i64 = 10 * MINUTE_US;

/// Runs until the process ends. As many jobs at a time as examinations are configured.
pub async fn run(app: Arc<App>) {
    let owner = app.instance.clone();
    let mut running = JoinSet::new();
    let long = Arc::new(AtomicBool::new(false));
    if let Err(e) = examine::catch_up_scans(&app).await {
        tracing::warn!(cause = %e, "what came before there was a virus scanner is not scanned");
    }
    if let Err(e) = begin(&app).await {
        tracing::warn!(cause = %e, "jobs of an earlier run come back when their leases end");
    }
    loop {
        let free = app.config.examine.processes.saturating_sub(running.len());
        let claimed = match claim(&app, &owner, free, long.load(Ordering::SeqCst)).await {
            Ok(claimed) => claimed,
            Err(e) => {
                tracing::error!(cause = %e, "jobs could not be claimed");
                Vec::new()
            }
        };
        let idle = claimed.is_empty();
        for job in claimed {
            let (app, owner, long) = (app.clone(), owner.clone(), long.clone());
            let runs = job.job.is_long().then(|| Long::begin(long));
            running.spawn(async move {
                work(app, owner, job).await;
                drop(runs);
            });
        }
        tokio::select! {
            Some(_) = running.join_next(), if !running.is_empty() => {}
            _ = app.work.notified(), if idle && free > 0 => {}
            () = tokio::time::sleep(POLL) => {}
        }
        while running.try_join_next().is_some() {}
    }
}

/// Held while a long job runs, however it ends.
struct Long(Arc<AtomicBool>);

impl Long {
    fn begin(flag: Arc<AtomicBool>) -> Self {
        flag.store(true, Ordering::SeqCst);
        Self(flag)
    }
}

impl Drop for Long {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Plans the sweep, and takes back what an earlier process of this node and command held when it died. (Another living
/// one of the same name would see its jobs taken from it: what it finishes then does not count.)
async fn begin(app: &App) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let of_this_node = app.instance.rsplit_once('/').map_or("", |(node, _)| node);
    db::jobs::release(&mut tx, &format!("{of_this_node}/")).await?;
    for job in [Job::Sweep, Job::Anchor, Job::Schedule] {
        // What was configured may be new.
        db::jobs::bring_forward(&mut tx, app.new_id(), job, app.now()).await?;
    }
    // What reads a lot waits until the start is over, and for people to come first.
    for job in [Job::Audit, Job::Fixity] {
        db::jobs::enqueue_later(&mut tx, app.new_id(), job, 200, AFTER_START_US, app.now()).await?;
    }
    tx.commit().await
}

/// Called when this process ends: what it was working on is there for others at once.
pub async fn let_go(app: &App) -> Result<()> {
    let mut tx = app.db.begin().await?;
    db::jobs::release(&mut tx, &app.instance).await?;
    tx.commit().await
}

/// Takes what is due. One long job at a time, so that photos do not wait for a bundle.
async fn claim(app: &App, owner: &str, free: usize, long_runs: bool) -> Result<Vec<Claimed>> {
    if free == 0 {
        return Ok(Vec::new());
    }
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let mut claimed = db::jobs::claim(&mut tx, owner, now, LEASE_US, i64::try_from(free).unwrap_or(1), false).await?;
    // The last place is for what people wait for, where there is more than one.
    if !long_runs && claimed.len() < free && (free - claimed.len() > 1 || app.config.examine.processes == 1) {
        claimed.extend(db::jobs::claim(&mut tx, owner, now, LEASE_US, 1, true).await?);
    }
    tx.commit().await?;
    Ok(claimed)
}

async fn work(app: Arc<App>, owner: String, claimed: Claimed) {
    let begun = Instant::now();
    let job = async {
        match claimed.job {
            Job::Examine(exhibit) => examine::examine(&app, exhibit).await,
            Job::Proxy(exhibit) => examine::proxy(&app, exhibit).await,
            Job::Scan(exhibit) => examine::scan(&app, exhibit).await,
            Job::Restate(submission) => intake::restate(&app, submission).await,
            Job::Erase(erasure) => retain::execute(&app, erasure).await,
            Job::Audit => attest::audit_scheduled(&app).await,
            Job::Fixity => attest::fixity_slice(&app).await,
            Job::Anchor => attest::anchor(&app).await,
            // It writes and syncs thousands of small files: on a thread of its own.
            Job::Bundle(id) => {
                let (app, runtime) = (app.clone(), Handle::current());
                let made = tokio::task::spawn_blocking(move || runtime.block_on(attest::make_bundle(&app, id)));
                made.await.map_err(Error::internal).and_then(|made| made)
            }
            Job::Schedule => retain::ask_by_itself(&app).await,
            Job::Sweep => sweep(&app).await,
        }
    }
    .instrument(traces::job(claimed.job.kind()));
    // Both are asked in turn, and both end together: the job may hold what the renewal waits for, and a job that panics must
    // not be kept ours for ever.
    let done = tokio::select! {
        done = job => done,
        () = keep_ours(&app, &owner, claimed.id) => {
            tracing::warn!(job = claimed.job.kind(), "a job was taken over by another worker; here it ends");
            return;
        }
    };
    observe::job(claimed.job.kind(), done.is_ok(), begun.elapsed());
    if let Err(e) = settle(&app, &owner, &claimed, done).await {
        // The lease runs out by itself, and the job is done again.
        tracing::error!(cause = %e, "a job's end could not be written down");
    }
}

/// After how long a job that is done is to be done again.
fn comes_again(app: &App, job: Job) -> Option<i64> {
    match job {
        Job::Sweep => Some(SWEEP_EVERY_US),
        Job::Schedule => i64::try_from(app.config.retention.every_hours.max(1)).ok()?.checked_mul(HOUR_US),
        Job::Audit => i64::try_from(app.config.audit.every_hours.max(1)).ok()?.checked_mul(HOUR_US),
        Job::Fixity => Some(FIXITY_EVERY_US),
        Job::Anchor => Some(i64::try_from(app.config.anchors.every_seconds).ok()?.saturating_mul(SECOND_US)),
        Job::Examine(_) | Job::Restate(_) | Job::Erase(_) | Job::Bundle(_) | Job::Proxy(_) | Job::Scan(_) => None,
    }
}

async fn sweep(app: &App) -> Result<()> {
    // Each has its turn, whatever became of the others.
    let staged = intake::sweep(app).await;
    let orphans = retain::remove_orphans(app).await;
    let expired = attest::expire_bundles(app).await;
    let destroyed = retain::destroy_doomed(app).await;
    let forgotten = retain::forget_openings(app).await;
    let sessions = accounts::sweep_sessions(app).await;
    let sources = intake::forget_sources(app).await;
    retain::unmark(app).await?;
    tracing::info!(staged = staged?, orphans = orphans?, "swept");
    expired.and(destroyed).and(forgotten).and(sessions).and(sources)
}

/// Renews a long job's lease, until it is dropped; ends when the job is another's.
async fn keep_ours(app: &App, owner: &str, job: Id) {
    loop {
        tokio::time::sleep(RENEW).await;
        let renewed = async {
            let mut tx = app.db.begin().await?;
            let ours = db::jobs::renew(&mut tx, job, owner, app.now(), LEASE_US).await?;
            tx.commit().await?;
            Ok::<_, Error>(ours)
        };
        match renewed.await {
            Ok(true) => {}
            Ok(false) => return,
            Err(e) => tracing::warn!(cause = %e, "a lease could not be renewed"),
        }
    }
}

async fn settle(app: &App, owner: &str, claimed: &Claimed, done: Result<()>) -> Result<()> {
    let mut tx = app.db.begin().await?;
    match done {
        Ok(()) => {
            let ours = db::jobs::finish(&mut tx, claimed.id, owner).await?;
            if let Some(wait) = comes_again(app, claimed.job).filter(|_| ours) {
                db::jobs::enqueue_later(&mut tx, app.new_id(), claimed.job, 100, wait, app.now()).await?;
            }
        }
        Err(e) => {
            tracing::warn!(cause = %e, job = claimed.job.kind(), attempts = claimed.attempts, "a job failed and will be tried again");
            let wait = SECOND_US << claimed.attempts.clamp(0, 10);
            db::jobs::fail(&mut tx, claimed.id, owner, &e.to_string(), app.now(), wait).await?;
        }
    }
    tx.commit().await
}
