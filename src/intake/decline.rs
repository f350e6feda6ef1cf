//! A witness wants no receipt. Whoever holds one can be shown to have handed something over: some must not be found with it.

use super::session;
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::value::Id;
use crate::error::Result;

/// Forgets what opens the submission's page, for good. What was handed over stays, and so does its record.
pub async fn decline_receipt(app: &App, submission: Id) -> Result<()> {
    let (token, receipt) = (app.new_secret().1, app.new_receipt().hash());
    // What is still on its way is given up: nothing more is added.
    session::give_up(app, submission).await?;
    let mut tx = app.db.begin().await?;
    db::submissions::forget_receipt(&mut tx, submission, token, receipt).await?;
    let draft = Draft::new(EventType::ReceiptDeclined, Actor::Witness(submission)).about(SubjectKind::Submission, submission);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}
