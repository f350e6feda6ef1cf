//! Opening a submission, and what the witness states about it.

use serde_json::json;

use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::appeal::{Appeal, AppealState};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::submission::{ReceiptCode, Statement};
use crate::domain::value::Id;
use crate::error::{Error, Result};

pub struct Opened {
    pub id: Id,
    /// Bearer secret for programs.
    pub token: String,
    pub receipt: ReceiptCode,
}

/// Opens a submission to an open appeal. A draft appeal does not exist for the public.
pub async fn open(app: &App, appeal: &Appeal) -> Result<Opened> {
    match appeal.state {
        AppealState::Open => {}
        AppealState::Closed => return Err(Error::AppealClosed),
        AppealState::Draft => return Err(Error::NotFound),
    }
    let (id, receipt) = (app.new_id(), app.new_receipt());
    let (token, token_hash) = app.new_secret();
    let mut tx = app.db.begin().await?;
    db::submissions::create(&mut tx, id, appeal.id, token_hash, receipt.hash(), app.now()).await?;
    let draft = Draft::new(EventType::SubmissionOpened, Actor::Witness(id))
        .about(SubjectKind::Submission, id)
        .private("appeal", appeal.id.to_string());
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(Opened { id, token, receipt })
}

/// Writes down what the witness says. It counts for the files that come after it; what was said before
/// stays in the log as a commitment.
pub async fn state(app: &App, submission: Id, statement: &Statement) -> Result<()> {
    let mut tx = app.db.begin().await?;
    db::submissions::set_statement(&mut tx, submission, statement).await?;
    let mut draft = Draft::new(EventType::SubmissionStated, Actor::Witness(submission))
        .about(SubjectKind::Submission, submission)
        .fact("contact_given", !statement.contact.is_empty());
    // The contact itself never comes near the log, not even as a commitment.
    let said = Statement { contact: String::new(), ..statement.clone() };
    draft = draft.private("statement", json!(serde_json::to_string(&said).map_err(Error::internal)?));
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}
