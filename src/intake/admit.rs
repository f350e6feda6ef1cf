//! Who may open a submission while an appeal is in flood mode: a browser that has worked for its place, or a person
//! without script who has waited a little. Both hold a challenge of ours, signed, good for an hour and for one submission.

use crate::app::App;
use crate::db;
use crate::domain::appeal::Appeal;
use crate::domain::value::{HOUR_US, SECOND_US, Sha256, Utc};
use crate::domain::work;
use crate::error::{Error, Result};

/// Without script, a place is kept for who comes back after this.
pub const WAIT_S: u64 = 20;
const GOOD_US: i64 = HOUR_US;

/// A fresh challenge: issued at, a random number, a keyed digest.
pub fn challenge(app: &App, appeal: &Appeal) -> String {
    let body = format!("{}.{}", app.now().micros(), data_encoding::HEXLOWER.encode(&crate::app::random::<8>()));
    format!("{body}.{}", seal(app, appeal, &body))
}

fn seal(app: &App, appeal: &Appeal, body: &str) -> String {
    data_encoding::HEXLOWER.encode(&app.mac(format!("work|{}|{body}", appeal.id).as_bytes())[..12])
}

/// Lets in, once per challenge. Outside a flood everybody is let in.
pub async fn admit(app: &App, appeal: &Appeal, challenge: Option<&str>, answer: Option<&str>) -> Result<()> {
    if !appeal.intake.flood {
        return Ok(());
    }
    let (body, sealed) = challenge.and_then(|c| c.rsplit_once('.')).ok_or(Error::WorkMissing)?;
    let issued: i64 = body.split('.').next().and_then(|t| t.parse().ok()).ok_or(Error::WorkMissing)?;
    let age = app.now().micros() - issued;
    if seal(app, appeal, body) != sealed || !(0..GOOD_US).contains(&age) {
        return Err(Error::WorkMissing);
    }
    let worked = answer.is_some_and(|a| a.len() <= 20 && work::done(challenge.unwrap_or_default(), a, app.config.limits.flood_work_bits));
    let waited = age >= i64::try_from(WAIT_S).unwrap_or(i64::MAX) * SECOND_US;
    if !worked && !waited {
        return Err(Error::Busy { retry_after_s: WAIT_S });
    }
    // In the database, so that it opens one submission on whichever node.
    let mut tx = app.db.begin().await?;
    let first = db::let_in::spend(&mut tx, Sha256::of(body.as_bytes()).blob(), Utc::from_micros(issued + GOOD_US)).await?;
    tx.commit().await?;
    if first { Ok(()) } else { Err(Error::WorkMissing) }
}
