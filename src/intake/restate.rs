//! A witness says where and when after files have arrived: what was told becomes a claim of each of them, beside the
//! earlier ones, which stay.

use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::capture::{Frame, RULE_VERSION, Source, effective_place, effective_time, stands_as, told_claims};
use crate::domain::contradiction;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::review::{closeness, signs};
use crate::domain::value::Id;
use crate::error::Result;

/// One transaction per exhibit. Run twice, it finds its claims already there.
pub async fn restate(app: &App, submission: Id) -> Result<()> {
    let mut tx = app.db.read().await?;
    let exhibits = db::exhibits::of_submission(&mut tx, submission).await?;
    drop(tx);
    for exhibit in exhibits {
        one(app, submission, exhibit.id).await?;
    }
    Ok(())
}

async fn one(app: &App, submission: Id, exhibit: Id) -> Result<()> {
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let mut e = db::exhibits::lock(&mut tx, exhibit).await?;
    let appeal = db::appeals::by_id(&mut tx, e.appeal).await?;
    let statement = db::submissions::by_id(&mut tx, submission).await?.statement;
    let (mut times, mut places) = db::exhibits::claims(&mut tx, exhibit).await?;
    let frame = Frame { zone: &appeal.zone, zone_there: None, received_at: e.received_at, reader: "intake" };
    let told = told_claims(&statement, &appeal, &e.name, &frame);
    let before = times.len() + places.len();
    for claim in told.0.into_iter().filter(|c| c.source == Source::WitnessStatement) {
        if times.iter().rfind(|c| c.source == Source::WitnessStatement) != Some(&claim) {
            db::exhibits::add_time_claim(&mut tx, app.new_id(), exhibit, &claim, now).await?;
            times.push(claim);
        }
    }
    for claim in told.1 {
        if places.iter().rfind(|c| c.source == Source::WitnessStatement) != Some(&claim) {
            db::exhibits::add_place_claim(&mut tx, app.new_id(), exhibit, &claim, now).await?;
            places.push(claim);
        }
    }
    e.when = effective_time(&times);
    e.place = effective_place(&places);
    let found = db::contents::examination(&mut tx, e.agency, e.sha256).await?.map(|x| x.found).unwrap_or_default();
    e.signs = signs(&statement, &contradiction::all(&e.name, &found, &times, &places, 0));
    db::exhibits::set_capture(&mut tx, &e, closeness(&appeal, &e), now).await?;
    if times.len() + places.len() > before {
        let draft = Draft::new(EventType::ExhibitRestated, Actor::System)
            .about(SubjectKind::Exhibit, exhibit)
            .fact("rule", RULE_VERSION)
            .private("claims", db::exhibits::claims_digest(&mut tx, exhibit).await?.to_string())
            .private("stands", stands_as(e.when, e.place));
        attest::append(app, &mut tx, draft).await?;
    }
    tx.commit().await
}
