//! Bundles of more exhibits than one person takes out of the building alone: another one agrees, or does not.

use super::deliver::PRIORITY;
use crate::access;
use crate::app::App;
use crate::attest::append;
use crate::db::{self, Tx, bundles::Bundle};
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::job::Job;
use crate::domain::purpose::worded;
use crate::domain::review::NOTE_CHARS_MAX;
use crate::domain::value::{Id, shown};
use crate::error::{Error, Result};

/// Agrees that a bundle is made.
pub async fn agree_to_bundle(app: &App, person: &Person, id: Id) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let bundle = judged(app, &mut tx, person, id).await?;
    if !db::bundles::agree(&mut tx, id, person.id).await? {
        return Err(Error::Conflict);
    }
    db::jobs::enqueue(&mut tx, app.new_id(), Job::Bundle(id), PRIORITY, app.now()).await?;
    append(app, &mut tx, told(EventType::ExportApproved, person, &bundle)).await?;
    tx.commit().await?;
    app.work.notify_one();
    Ok(())
}

pub async fn refuse_bundle(app: &App, person: &Person, id: Id, why: &str) -> Result<()> {
    let why = shown(why.trim(), NOTE_CHARS_MAX);
    if !worded(&why) {
        return Err(Error::Invalid { field: "reason", why: "say why, in a few words".into() });
    }
    let mut tx = app.db.begin().await?;
    let bundle = judged(app, &mut tx, person, id).await?;
    if !db::bundles::refuse(&mut tx, id, &why, app.now()).await? {
        return Err(Error::Conflict);
    }
    append(app, &mut tx, told(EventType::ExportRefused, person, &bundle).private("reason", why)).await?;
    tx.commit().await
}

fn told(kind: EventType, person: &Person, bundle: &Bundle) -> Draft {
    Draft::new(kind, Actor::from(person)).about(SubjectKind::Appeal, bundle.appeal).private("bundle", bundle.id.to_string())
}

/// The bundle, if it waits for this person.
async fn judged(app: &App, tx: &mut Tx, person: &Person, id: Id) -> Result<Bundle> {
    let bundle = db::bundles::by_id(tx, id).await?.ok_or(Error::NotFound)?;
    let appeal = db::appeals::by_id(tx, bundle.appeal).await?;
    access::to_appeal(app, tx, person, &appeal, Act::Retain).await?;
    if !bundle.awaits || bundle.state != "waiting" {
        return Err(Error::Conflict);
    }
    if bundle.by == person.id { Err(Error::AnotherPerson) } else { Ok(bundle) }
}
