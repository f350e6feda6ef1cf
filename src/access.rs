//! Whether a person may do something with an appeal or an exhibit: by the table of `domain::actor`, by whose it is, and by what is shared.
//!
//! Who may not know of it is told that there is none (`Error::Elsewhere`, which looks like any other "not found"); that they asked is an
//! event all the same, written where the answer leaves the house (`web/routes.rs`).

use crate::app::App;
use crate::db::{self, Tx};
use crate::domain::actor::{Act, Person, Reach};
use crate::domain::appeal::Appeal;
use crate::domain::exhibit::Exhibit;
use crate::domain::value::Id;
use crate::error::{Error, Result};

/// How this person comes to an appeal of this agency; `None`: not at all.
pub async fn reach(app: &App, tx: &mut Tx, person: &Person, appeal: Id, agency: Id) -> Result<Option<Reach>> {
    if agency == person.agency {
        return Ok(Some(Reach::Own));
    }
    Ok(db::shares::level(tx, appeal, person.agency, app.now()).await?.map(Reach::Shared))
}

async fn check(app: &App, tx: &mut Tx, person: &Person, appeal: Id, agency: Id, act: Act) -> Result<()> {
    match reach(app, tx, person, appeal, agency).await? {
        None => Err(Error::Elsewhere),
        Some(reach) if person.may_at(act, reach) => Ok(()),
        Some(Reach::Own) => Err(Error::Forbidden),
        Some(Reach::Shared(_)) => Err(Error::NotShared),
    }
}

pub async fn to_appeal(app: &App, tx: &mut Tx, person: &Person, appeal: &Appeal, act: Act) -> Result<()> {
    check(app, tx, person, appeal.id, appeal.agency, act).await
}

pub async fn to_exhibit(app: &App, tx: &mut Tx, person: &Person, e: &Exhibit, act: Act) -> Result<()> {
    check(app, tx, person, e.appeal, e.agency, act).await
}
