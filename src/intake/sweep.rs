//! Throws away what was only half sent: uploads that the appeal's time has run out for, and staged bytes that nothing
//! refers to and nobody has touched for a day. Kept blobs that no row refers to are another matter: `retain/orphans.rs`.

use super::session;
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::value::{DAY_US, MINUTE_US};
use crate::error::Result;

/// Rows of uploads that ended with nothing are of use for this long, to answer clients that still ask.
const KEEP_GONE_US: i64 = 7 * DAY_US;

/// Returns how many were thrown away.
pub async fn sweep(app: &App) -> Result<u64> {
    let expired = session::expire(app).await?;
    close_quiet(app).await?;
    let mut tx = app.db.begin().await?;
    db::uploads::purge(&mut tx, app.now().plus(-KEEP_GONE_US)).await?;
    db::let_in::forget(&mut tx, app.now()).await?;
    tx.commit().await?;
    let mut tx = app.db.read().await?;
    let handles = db::uploads::handles(&mut tx).await?;
    drop(tx);
    Ok(expired + app.blobs.sweep_staged(&handles, app.config.limits.sweep_after(), app.now()).await?)
}

/// Writes down with how many files each submission stands that has been quiet for a while: whoever takes the record of a file away
/// would have to take this away, too. One that goes on afterwards is written down again.
async fn close_quiet(app: &App) -> Result<()> {
    const AT_ONCE: i64 = 500;
    let minutes = i64::try_from(app.config.limits.quiet_minutes).unwrap_or(i64::MAX / MINUTE_US / 4);
    loop {
        let mut tx = app.db.read().await?;
        let quiet = db::submissions::quiet(&mut tx, app.now().plus(-minutes * MINUTE_US), AT_ONCE).await?;
        drop(tx);
        if quiet.is_empty() {
            return Ok(());
        }
        let mut tx = app.db.begin().await?;
        for (submission, files) in quiet {
            if db::submissions::close(&mut tx, submission, files).await? {
                let draft = Draft::new(EventType::SubmissionClosed, Actor::System).about(SubjectKind::Submission, submission);
                attest::append(app, &mut tx, draft.fact("files", files)).await?;
            }
        }
        tx.commit().await?;
    }
}

/// Forgets from where submissions came, once a flood from there is no question any more; and how to reach witnesses who in the end sent nothing.
pub async fn forget_sources(app: &App) -> Result<()> {
    let before = app.now().plus(-app.config.privacy.source_days.max(0) * DAY_US);
    let mut tx = app.db.begin().await?;
    db::submissions::forget_sources(&mut tx, before).await?;
    db::identities::forget_empty(&mut tx, before).await?;
    tx.commit().await
}
