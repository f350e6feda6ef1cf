//! Writing, opening and closing appeals.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::appeal::{Appeal, AppealState, Area, Budgets, IntakeRules, Text};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::value::Utc;
use crate::error::{Error, Result};

pub struct NewAppeal {
    /// By its name; `None`: the deployment's first.
    pub agency: Option<String>,
    pub code: String,
    pub texts: BTreeMap<String, Text>,
    pub default_language: String,
    pub emergency_number: String,
    pub from: Utc,
    pub to: Utc,
    pub zone: String,
    pub area: Area,
    pub budgets: Budgets,
    pub intake: IntakeRules,
    pub demo: bool,
}

/// Writes an appeal as a draft. A code that is taken is a conflict.
pub async fn create_appeal(app: &App, by: Actor, new: NewAppeal) -> Result<Appeal> {
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let agency = match &new.agency {
        Some(name) => {
            db::agencies::by_name(&mut tx, name).await?.ok_or(Error::Invalid { field: "agency", why: "no such agency".into() })?.id
        }
        None => db::agencies::first(&mut tx, app.new_id(), &app.config.agency, now).await?,
    };
    let appeal = Appeal {
        id: app.new_id(),
        agency,
        code: new.code,
        state: AppealState::Draft,
        texts: new.texts,
        default_language: new.default_language,
        agency_name: db::agencies::by_id(&mut tx, agency).await?.name,
        emergency_number: new.emergency_number,
        from: new.from,
        to: new.to,
        zone: new.zone,
        area: new.area,
        budgets: new.budgets,
        intake: new.intake,
        bytes_received: 0,
        files_received: 0,
        demo: new.demo,
        created_at: now,
    };
    db::appeals::create(&mut tx, &appeal).await?;
    let draft = Draft::new(EventType::AppealCreated, by)
        .about(SubjectKind::Appeal, appeal.id)
        .fact("demo", appeal.demo)
        .private("code", appeal.code.clone());
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    app.demo.fetch_or(appeal.demo, Ordering::Relaxed);
    Ok(appeal)
}

/// Changes how an appeal takes files in.
pub async fn set_appeal_intake(app: &App, by: Actor, appeal: &Appeal, rules: &IntakeRules) -> Result<()> {
    let mut tx = app.db.begin().await?;
    db::appeals::set_intake(&mut tx, appeal.id, rules).await?;
    let draft = Draft::new(EventType::AppealChanged, by)
        .about(SubjectKind::Appeal, appeal.id)
        .fact("flood", rules.flood)
        .fact("half_sent_hours", rules.half_sent_hours);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// Opens or closes an appeal. What may follow what is the noun's rule; a step that it does not know, or that
/// somebody else has just taken, is a conflict.
pub async fn set_appeal_state(app: &App, by: Actor, appeal: &Appeal, to: AppealState) -> Result<()> {
    if !appeal.state.may_become(to) {
        return Err(Error::Conflict);
    }
    let mut tx = app.db.begin().await?;
    if !db::appeals::set_state(&mut tx, appeal.id, appeal.state, to).await? {
        return Err(Error::Conflict);
    }
    let kind = if to == AppealState::Open { EventType::AppealOpened } else { EventType::AppealClosed };
    attest::append(app, &mut tx, Draft::new(kind, by).about(SubjectKind::Appeal, appeal.id)).await?;
    tx.commit().await
}
