//! A witness's bytes become an exhibit.
//!
//! `open` a submission, `receive` a file's bytes in one pass (or `begin` and `append` to a resumable upload), `accept`
//! them: bytes durable first, then one transaction with the exhibit, its custody event and its job.

mod accept;
mod admit;
mod budget;
mod decline;
mod open;
mod receive;
mod restate;
mod session;
mod share;
mod sweep;
mod write;

pub use accept::{Accepted, accept};
pub use admit::{WAIT_S, admit, challenge};
pub use budget::{Coming, Room, admits, room};
pub use decline::decline_receipt;
pub use open::{Opened, Origin, open, state};
pub use receive::{drain, receive};
pub use restate::restate;
pub use session::{Append, Checksum, End, NewUpload, Progress, append, begin, finished, look, terminate};
pub use share::run_sharing;
pub use sweep::{forget_sources, sweep};

use crate::app::App;
use crate::attest;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::submission::Submission;
use crate::error::{Error, Result};

/// Records that a file was refused, and why. Refusals that nobody could act on (a cut connection) are
/// not events.
pub async fn reject(app: &App, submission: &Submission, why: &Error) -> Result<()> {
    if !matches!(why, Error::TooLarge { .. } | Error::QuotaExceeded { .. } | Error::DigestMismatch | Error::KindRefused) {
        return Ok(());
    }
    let mut tx = app.db.begin().await?;
    let draft = Draft::new(EventType::UploadRejected, Actor::Witness(submission.id))
        .about(SubjectKind::Submission, submission.id)
        .fact("reason", why.status_and_code().1);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}
