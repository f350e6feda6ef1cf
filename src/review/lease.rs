//! Who has which content before them, so that no two look at the same. A lease is a courtesy with a clock, not evidence: it ends by itself,
//! a colleague may take it over, and no event tells of it.

use crate::access;
use crate::app::App;
use crate::db::{self, Tx};
use crate::domain::actor::{Act, Person};
use crate::domain::appeal::Appeal;
use crate::domain::exhibit::Exhibit;
use crate::domain::value::{MINUTE_US, Utc};
use crate::error::{Error, Result};

/// How long one holds unless it is renewed.
pub const LEASE_US: i64 = 15 * MINUTE_US;
/// Families that one person has at once.
pub const LEASES_MAX: usize = 200;

/// A content that a colleague has.
pub struct Held {
    pub family: u64,
    pub by: String,
}

pub struct Leased {
    pub until: Utc,
    /// Asked for, and somebody else's.
    pub held: Vec<Held>,
}

/// What becomes of what one had before.
#[derive(Clone, Copy)]
pub enum LetGo<'a> {
    /// Every other is let go of.
    Others,
    /// These are, and the others stay: somebody has several pages open.
    These(&'a [u64]),
}

/// Takes or renews these families. `over` takes them from whoever has them. Who may only look is told who has them, and keeps nobody from deciding.
pub async fn lease(app: &App, person: &Person, appeal: &Appeal, families: &[u64], go: LetGo<'_>, over: bool) -> Result<Leased> {
    let many = matches!(go, LetGo::These(some) if some.len() > LEASES_MAX);
    if many || families.len() > LEASES_MAX {
        return Err(Error::Invalid { field: "families", why: format!("up to {LEASES_MAX}") });
    }
    let (now, mut held) = (app.now(), Vec::new());
    let until = now.plus(LEASE_US);
    let mut families = families.to_vec();
    // In one order, so that two who ask for the same do not wait for one another.
    families.sort_unstable();
    families.dedup();
    // Let go of first, in a transaction of its own: whoever swaps contents with a colleague would wait for them, and they for us.
    let mut tx = app.db.begin().await?;
    match go {
        LetGo::Others => db::leases::release_but(&mut tx, appeal.id, person.id, &families).await?,
        LetGo::These(some) => db::leases::release(&mut tx, appeal.id, person.id, some).await?,
    }
    tx.commit().await?;
    if families.is_empty() {
        return Ok(Leased { until, held });
    }
    let mut tx = app.db.begin().await?;
    let takes = access::to_appeal(app, &mut tx, person, appeal, Act::Decide).await.is_ok();
    for family in families {
        if !takes {
            let by = db::leases::other(&mut tx, appeal.id, family, person.id, now).await?;
            held.extend(by.map(|by| Held { family, by }));
        } else if !db::leases::take(&mut tx, appeal.id, family, person.id, now, until, over).await? {
            let by = db::leases::other(&mut tx, appeal.id, family, person.id, now).await?.unwrap_or_default();
            held.push(Held { family, by });
        }
    }
    tx.commit().await?;
    Ok(Leased { until, held })
}

/// Who else has an exhibit's content before them.
pub(super) async fn other(app: &App, tx: &mut Tx, person: &Person, e: &Exhibit) -> Result<Option<String>> {
    db::leases::other(tx, e.appeal, e.family, person.id, app.now()).await
}
