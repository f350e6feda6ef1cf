//! Opening a submission, and what the witness states about it.

use serde_json::json;

use crate::agencies;
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::appeal::{Appeal, AppealState};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::job::Job;
use crate::domain::submission::{ReceiptCode, Statement};
use crate::domain::value::{Id, Sha256};
use crate::error::{Error, Result};
use crate::traffic::Block;
use crate::vault::seal;

pub struct Opened {
    pub id: Id,
    /// Bearer secret for programs.
    pub token: String,
    pub receipt: ReceiptCode,
}

/// How a submission comes to be.
pub enum Origin {
    /// Somebody outside, from this address block.
    Public(Block),
    /// An officer at the command line, with what was handed to them.
    HandIn { officer: String, source: String },
    /// The demonstration.
    Demo,
}

/// Claims are examined and restated before everything else that waits.
const PRIORITY_RESTATE: i64 = 5;

/// Opens a submission to an open appeal. A draft appeal does not exist for the public.
pub async fn open(app: &App, appeal: &Appeal, origin: Origin) -> Result<Opened> {
    match appeal.state {
        AppealState::Open => {}
        AppealState::Closed => return Err(Error::AppealClosed),
        AppealState::Draft => return Err(Error::NotFound),
    }
    let (id, receipt) = (app.new_id(), app.new_receipt());
    let (token, token_hash) = app.new_secret();
    let mut draft = Draft::new(EventType::SubmissionOpened, Actor::Witness(id))
        .about(SubjectKind::Submission, id)
        .private("appeal", appeal.id.to_string());
    let mut source_digest = None;
    match origin {
        Origin::Public(block) => {
            app.traffic.gate.opening(appeal.id, block)?;
            source_digest = Some(source_of(app, block));
        }
        Origin::HandIn { officer, source } => {
            draft.actor = Actor::Operator;
            draft = draft.fact("handed_in", true).private("officer", officer).private("source", source);
        }
        Origin::Demo => {}
    }
    let mut tx = app.db.begin().await?;
    db::submissions::create(&mut tx, id, appeal.id, token_hash, receipt.hash(), source_digest, app.now()).await?;
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(Opened { id, token, receipt })
}

/// What is kept of an address: a keyed digest, enough to find what came from the same place, useless to find the place.
fn source_of(app: &App, block: Block) -> Sha256 {
    Sha256::from_bytes(app.mac(format!("source|{}", block.text()).as_bytes()))
}

/// Writes down what the witness says. It counts for the files that come after it, and is added to the claims of those
/// that are there; what was said before stays in the log as a commitment.
///
/// `contact`: how they can be reached, which is sealed; empty takes it back, `None` leaves it as it is.
pub async fn state(app: &App, submission: Id, statement: &Statement, contact: Option<&str>) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let before = db::submissions::lock(&mut tx, submission).await?;
    let same = before.statement == *statement;
    if same && contact.is_none() {
        // Committed, because what stands there may be another request's that is not yet.
        return tx.commit().await;
    }
    match contact {
        None => {}
        Some("") => {
            db::identities::forget(&mut tx, submission).await?;
        }
        Some(contact) => {
            let agency = db::appeals::by_id(&mut tx, before.appeal).await?.agency;
            let vault = agencies::vault_of(app, &mut tx, agency).await?;
            db::identities::seal(&mut tx, submission, &seal(&vault, contact)?, &vault, app.now()).await?;
        }
    }
    if !same {
        db::submissions::set_statement(&mut tx, submission, statement).await?;
    }
    let given = db::identities::given(&mut tx, submission).await?;
    // The contact itself never comes near the log, not even as a commitment.
    let draft = Draft::new(EventType::SubmissionStated, Actor::Witness(submission))
        .about(SubjectKind::Submission, submission)
        .fact("contact_given", given)
        .private("statement", json!(serde_json::to_string(statement).map_err(Error::internal)?));
    attest::append(app, &mut tx, draft).await?;
    if before.files > 0 && !same {
        db::jobs::enqueue(&mut tx, app.new_id(), Job::Restate(submission), PRIORITY_RESTATE, app.now()).await?;
    }
    tx.commit().await?;
    app.work.notify_one();
    Ok(())
}
