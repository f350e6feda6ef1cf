//! Whose time is over: by an appeal's periods, from the receipt of each file, apart for what was found relevant, what was not, and what nobody
//! decided. Nothing goes by itself: once a day the schedule asks for what is due, a supervisor may ask earlier, two people agree who neither asked nor
//! set the periods, and holds stay.

use crate::access;
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::appeal::Appeal;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::retention::{Basis, Category, Periods};
use crate::domain::value::{DAY_US, Utc};
use crate::error::{Error, Result};

use super::erase::{approve, request, request_by_schedule};

/// Erasures that one click asks for, or agrees to.
const AT_ONCE: i64 = 200;
/// What somebody refused because its time was not over for them is not asked for again for so long. (What is to stay longer gets a hold.)
const REFUSED_US: i64 = 30 * DAY_US;
/// How far ahead a look goes.
const SOON_US: i64 = 30 * DAY_US;

/// How one category of an appeal stands.
pub struct Due {
    pub category: Category,
    pub days: Option<u32>,
    /// Over their time: free to go; held, or asked for already.
    pub free: u64,
    pub bound: u64,
    /// Over their time within thirty days.
    pub soon: u64,
    pub oldest: Option<Utc>,
}

/// How an appeal stands.
pub struct Standing {
    pub periods: Periods,
    pub due: Vec<Due>,
    /// When somebody should look whether it is still needed.
    pub review: Option<Utc>,
    /// Erasures by its schedule that wait for this person.
    pub waiting: u64,
}

/// A dry run: what is due, and what soon. Nothing is written.
pub async fn standing(app: &App, appeal: &Appeal, person: Option<&Person>) -> Result<Standing> {
    let now = app.now();
    let mut tx = app.db.read().await?;
    let (periods, last) = db::periods::of(&mut tx, appeal.id).await?;
    let mut due = Vec::new();
    for category in Category::ALL {
        let (mut free, mut bound, mut soon, mut oldest) = (0, 0, 0, None);
        if let Some(limit) = periods.limit(category, now) {
            (free, bound, oldest) = db::periods::due(&mut tx, appeal.id, category, limit).await?;
            let later = db::periods::due(&mut tx, appeal.id, category, limit.plus(SOON_US)).await?;
            soon = (later.0 + later.1).saturating_sub(free + bound);
        }
        due.push(Due { category, days: periods.days(category), free, bound, soon, oldest });
    }
    let waiting = match person {
        Some(person) => db::periods::waiting_for(&mut tx, appeal.id, person.id, AT_ONCE).await?.len() as u64,
        None => 0,
    };
    Ok(Standing { periods, due, review: periods.review_due(last), waiting })
}

/// Sets an appeal's periods. `person`: `None` is the operator.
pub async fn set_periods(app: &App, person: Option<&Person>, appeal: &Appeal, periods: &Periods) -> Result<()> {
    let all = [periods.kept_days, periods.undecided_days, periods.declined_days, periods.review_days];
    if all.iter().flatten().any(|days| !(1..=Periods::DAYS_MAX).contains(days)) {
        return Err(Error::Invalid { field: "days", why: format!("1 to {}, or nothing", Periods::DAYS_MAX) });
    }
    let mut tx = app.db.begin().await?;
    if let Some(person) = person {
        access::to_appeal(app, &mut tx, person, appeal, Act::Retain).await?;
    }
    let before = db::periods::of(&mut tx, appeal.id).await?.0;
    db::periods::set(&mut tx, appeal.id, periods).await?;
    if Category::ALL.into_iter().any(|c| before.days(c) != periods.days(c)) {
        db::periods::set_by(&mut tx, appeal.id, person.map(|p| p.id)).await?;
    }
    let mut draft = Draft::new(EventType::AppealChanged, person.map_or(Actor::Operator, Actor::from)).about(SubjectKind::Appeal, appeal.id);
    for (name, days) in [("kept_days", all[0]), ("undecided_days", all[1]), ("declined_days", all[2]), ("review_days", all[3])] {
        draft = draft.fact(name, days);
    }
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// Notes that somebody looked whether an appeal is still needed.
pub async fn review(app: &App, person: &Person, appeal: &Appeal) -> Result<()> {
    let mut tx = app.db.begin().await?;
    access::to_appeal(app, &mut tx, person, appeal, Act::Retain).await?;
    db::periods::reviewed(&mut tx, appeal.id, app.now()).await?;
    attest::append(app, &mut tx, Draft::new(EventType::AppealReviewed, Actor::from(person)).about(SubjectKind::Appeal, appeal.id)).await?;
    tx.commit().await
}

/// Asks for the erasure of what is over its time, the oldest first; returns of how many.
pub async fn ask_due(app: &App, person: &Person, appeal: &Appeal, category: Category, why: &str) -> Result<u64> {
    let mut tx = app.db.read().await?;
    access::to_appeal(app, &mut tx, person, appeal, Act::Retain).await?;
    let (periods, _) = db::periods::of(&mut tx, appeal.id).await?;
    let Some(limit) = periods.limit(category, app.now()) else { return Ok(0) };
    let due = db::periods::free(&mut tx, appeal.id, category, limit, None, AT_ONCE).await?;
    drop(tx);
    let mut asked = 0;
    for exhibit in due {
        match request(app, person, exhibit, Basis::Retention, why).await {
            Ok(_) => asked += 1,
            // Held, asked for, or gone meanwhile.
            Err(Error::Held | Error::Conflict | Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(asked)
}

/// The schedule's own turn, once a day: asks for the erasure of everything that is over its time, in every appeal of every agency. Nothing else
/// happens until two people agree.
pub async fn ask_by_itself(app: &App) -> Result<()> {
    let mut tx = app.db.read().await?;
    let mut appeals = Vec::new();
    for agency in db::agencies::list(&mut tx).await? {
        appeals.extend(db::appeals::list(&mut tx, agency.id).await?);
    }
    drop(tx);
    let (mut asked, mut failed) = (0, Ok(()));
    for appeal in appeals {
        for category in Category::ALL {
            // One appeal's trouble is not the others'.
            match ask_all(app, &appeal, category).await {
                Ok(n) => asked += n,
                Err(e) => failed = Err(e),
            }
        }
    }
    if asked > 0 {
        tracing::info!(asked, "erasures are asked for: their time is over");
    }
    failed
}

async fn ask_all(app: &App, appeal: &Appeal, category: Category) -> Result<u64> {
    let mut asked = 0;
    loop {
        let now = app.now();
        let mut tx = app.db.read().await?;
        let (periods, _) = db::periods::of(&mut tx, appeal.id).await?;
        let Some(limit) = periods.limit(category, now) else { return Ok(asked) };
        let due = db::periods::free(&mut tx, appeal.id, category, limit, Some(now.plus(-REFUSED_US)), AT_ONCE).await?;
        drop(tx);
        let before = asked;
        for exhibit in due {
            match request_by_schedule(app, exhibit).await {
                Ok(()) => asked += 1,
                // Held, asked for, or gone meanwhile.
                Err(Error::Held | Error::Conflict | Error::NotFound) => {}
                Err(other) => return Err(other),
            }
        }
        if asked == before {
            return Ok(asked);
        }
    }
}

/// Agrees to everything that was asked for by an appeal's schedule and waits for this person; returns to how many.
pub async fn agree_to_due(app: &App, person: &Person, appeal: &Appeal) -> Result<u64> {
    let mut tx = app.db.read().await?;
    access::to_appeal(app, &mut tx, person, appeal, Act::Retain).await?;
    let waiting = db::periods::waiting_for(&mut tx, appeal.id, person.id, AT_ONCE).await?;
    drop(tx);
    let mut agreed = 0;
    for erasure in waiting {
        match approve(app, person, erasure).await {
            Ok(_) => agreed += 1,
            Err(Error::Held | Error::Conflict | Error::NotFound | Error::AnotherPerson) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(agreed)
}
