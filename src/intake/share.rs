//! Budgets are one budget however many nodes there are: each tells the others, every few seconds, what it has let in, and charges what they
//! have. Between two tellings a flood may be let in a little more than once: that is what it costs not to ask the database at every file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::db;
use crate::db::let_in::Share;
use crate::domain::value::{HOUR_US, MINUTE_US, Utc};
use crate::error::Result;
use crate::traffic::{Counted, Who};

const MINUTES: i64 = HOUR_US / MINUTE_US;
const EVERY: Duration = Duration::from_secs(2);
/// Transactions commit later than their moment: so much is asked again.
const OVERLAP_US: i64 = MINUTE_US;

/// Runs until the process ends.
pub async fn run_sharing(app: Arc<App>) {
    while !app.db.is_shared() {
        // Nobody else to tell; what is counted is forgotten, and the day goes on.
        app.traffic.gate.counters.spent_here(app.now());
        tokio::time::sleep(EVERY).await;
    }
    let mut known = Known { amounts: HashMap::new(), asked_at: Utc::from_micros(app.now().micros() - HOUR_US), first: true };
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(e) = exchange(&app, &mut known).await {
            tracing::warn!(cause = %e, "what other nodes let in is not known at the moment");
        }
    }
}

/// What was charged already.
struct Known {
    amounts: HashMap<(String, i64, String, Vec<u8>), i64>,
    asked_at: Utc,
    first: bool,
}

async fn exchange(app: &App, known: &mut Known) -> Result<()> {
    let gate = &app.traffic.gate.counters;
    let ours = gate.spent_here(app.now());
    let shares: Vec<Share> = ours
        .into_iter()
        .map(|(counted, who, n)| Share {
            what: counted.as_str().to_owned(),
            who: who.to_vec(),
            amount: i64::try_from(n).unwrap_or(i64::MAX),
        })
        .collect();
    if !shares.is_empty() {
        let mut tx = app.db.begin().await?;
        db::let_in::tell(&mut tx, &app.instance, &shares, app.now()).await?;
        tx.commit().await?;
    }
    let mut tx = app.db.read().await?;
    let (theirs, now) = db::let_in::others(&mut tx, &app.instance, known.asked_at.plus(-OVERLAP_US), app.now()).await?;
    drop(tx);
    let this_hour = now.micros() / HOUR_US;
    let part_left = HOUR_US - now.micros().rem_euclid(HOUR_US);
    for (node, hour, share) in theirs {
        let before = known.amounts.entry((node, hour, share.what.clone(), share.who.clone())).or_default();
        let news = share.amount - *before;
        *before = share.amount;
        // A node that has just started hears of two hours at once; of the older one only what an hour from now still counts.
        let news = if known.first && hour < this_hour { news / MINUTES * (part_left / MINUTE_US) } else { news };
        if let (Some(counted), Ok(who), Ok(n)) = (Counted::parse(&share.what), Who::try_from(share.who.as_slice()), u64::try_from(news)) {
            gate.spent_elsewhere(counted, who, n);
        }
    }
    (known.asked_at, known.first) = (now, false);
    known.amounts.retain(|(_, at, ..), _| *at >= this_hour - 1);
    Ok(())
}
