//! How much a submission may still send, asked before bytes flow.

use crate::app::App;
use crate::db;
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

/// A file about to come, or to go on.
#[derive(Clone, Copy, Default)]
pub struct Coming {
    /// Bytes of it that are here already, half-sent.
    pub here: u64,
    /// Bytes that are still to come, if that is known.
    pub more: Option<u64>,
}

/// The room for one more file, or the refusal. What others have half sent to the appeal counts: it must not be taken by a
/// file that came later. (What they have only announced does not, or announcements alone would close an appeal.)
pub async fn room(app: &App, appeal: &Appeal, submission: &Submission, coming: Coming) -> Result<Room> {
    match appeal.state {
        AppealState::Open => {}
        AppealState::Closed => return Err(Error::AppealClosed),
        AppealState::Draft => return Err(Error::NotFound),
    }
    let b = &appeal.budgets;
    if submission.files >= b.submission_files_max {
        return Err(Error::QuotaExceeded { what: "files" });
    }
    let mut tx = app.db.glance().await?;
    let half_sent = db::uploads::half_sent_bytes(&mut tx, appeal.id).await?.saturating_sub(coming.here);
    drop(tx);
    let of_appeal = b.appeal_bytes_max.saturating_sub(appeal.bytes_received).saturating_sub(half_sent);
    let left = b.submission_bytes_max.saturating_sub(submission.bytes).min(of_appeal);
    if left == 0 {
        return Err(Error::QuotaExceeded { what: "bytes" });
    }
    let room = Room { bytes_max: left.min(b.file_bytes_max), file_limit: b.file_bytes_max <= left };
    // What is too large anyway is told so, whatever the disk holds.
    let more = coming.more.filter(|n| coming.here.saturating_add(*n) <= room.bytes_max).unwrap_or(0);
    space(app, more)?;
    Ok(room)
}

/// Whether so many bytes leave the disk's reserve alone. Asked again while a long file comes.
pub fn space(app: &App, more: u64) -> Result<()> {
    let reserve = app.config.limits.free_bytes_min;
    match app.blobs.free_bytes() {
        Some(free) if free < reserve.saturating_add(more) => Err(Error::NoSpace),
        _ => Ok(()),
    }
}
