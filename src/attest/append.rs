//! The only function that writes a custody event.

use crate::app::App;
use crate::db::{self, Tx};
use crate::domain::custody::Draft;
use crate::domain::value::Id;
use crate::error::{Error, Result};

/// What the sequencer adds (numbers and leaves of subjects) fits between this and an entry's limit.
const DRAFT_BYTES_MAX: usize = 15 * 1024;

/// Puts an event into the outbox, in the caller's transaction: it is recorded exactly if the change
/// is. The sequencer gives it its place in the log, normally within a second.
pub async fn append(app: &App, tx: &mut Tx, draft: Draft) -> Result<Id> {
    let event = app.new_id();
    let (bytes, openings) = draft.seal(event, app.now(), &app.stamp, || app.salt());
    if bytes.len() > DRAFT_BYTES_MAX {
        // The caller fails, rather than the sequencer for ever.
        return Err(Error::Internal(format!("a custody event of {} bytes", bytes.len())));
    }
    db::log::add_pending(tx, event, &bytes, &openings).await?;
    // Rung before the commit: the sequencer gathers for a moment before it looks.
    app.sequence.notify_one();
    Ok(event)
}
