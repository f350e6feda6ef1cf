//! How an appeal goes at the moment: what a page that stays open is told. No exhibit is shown, so no event is written.

use super::workspace::held;
use crate::app::App;
use crate::db::{self, board::Pulse, leases::Lease};
use crate::domain::appeal::Appeal;
use crate::domain::exhibit::State;
use crate::domain::value::{MINUTE_US, Utc};
use crate::error::Result;

/// Minutes over which arrivals are counted.
pub const RATE_MIN: i64 = 5;

pub async fn pulse(app: &App, appeal: &Appeal) -> Result<Pulse> {
    let (lines, now) = held(app, appeal).await?;
    let since = now.plus(-RATE_MIN * MINUTE_US);
    let open = || lines.iter().filter(|l| matches!(l.state, State::Received | State::Ready));
    Ok(Pulse {
        all: lines.len() as u64,
        waiting: open().count() as u64,
        oldest: open().map(|l| l.received_at).min(),
        arrived: lines.iter().filter(|l| l.received_at >= since).count() as u64,
    })
}

/// When anything changed last, and who looks at what: cheap enough to be asked every moment.
pub async fn stir(app: &App, appeal: &Appeal) -> Result<(Utc, Vec<Lease>)> {
    let mut tx = app.db.read().await?;
    let changed_at = db::lines::last_change(&mut tx, appeal.id).await?;
    Ok((changed_at, db::leases::of_appeal(&mut tx, appeal.id, app.now()).await?))
}
