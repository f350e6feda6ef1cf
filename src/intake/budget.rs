//! How much a submission may still send, asked before bytes flow.

use crate::app::App;
use crate::domain::appeal::{Appeal, AppealState};
use crate::domain::submission::Submission;
use crate::error::{Error, Result};

/// Bytes that the next file may have, and what to say when it has more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Room {
    pub bytes_max: u64,
    file_limit: bool,
}

impl Room {
    /// The refusal for a file that does not fit.
    pub fn refusal(&self) -> Error {
        if self.file_limit { Error::TooLarge { bytes_max: self.bytes_max } } else { Error::QuotaExceeded { what: "bytes" } }
    }
}

/// Whether the appeal takes what a sender declares a file to be. Asked before its bytes; what they are decides nothing.
pub fn admits(appeal: &Appeal, declared: Option<&str>) -> Result<()> {
    if appeal.intake.take(declared) { Ok(()) } else { Err(Error::KindRefused) }
}

/// The room for one more file, or the refusal.
pub fn room(app: &App, appeal: &Appeal, submission: &Submission) -> Result<Room> {
    match appeal.state {
        AppealState::Open => {}
        AppealState::Closed => return Err(Error::AppealClosed),
        AppealState::Draft => return Err(Error::NotFound),
    }
    let b = &appeal.budgets;
    if submission.files >= b.submission_files_max {
        return Err(Error::QuotaExceeded { what: "files" });
    }
    let left = b.submission_bytes_max.saturating_sub(submission.bytes).min(b.appeal_bytes_max.saturating_sub(appeal.bytes_received));
    if left == 0 {
        return Err(Error::QuotaExceeded { what: "bytes" });
    }
    let reserve = app.config.limits.free_bytes_min;
    if app.blobs.free_bytes().is_some_and(|free| free < reserve) {
        return Err(Error::NoSpace);
    }
    Ok(Room { bytes_max: left.min(b.file_bytes_max), file_limit: b.file_bytes_max <= left })
}
