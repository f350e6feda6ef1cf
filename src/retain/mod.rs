//! What may be destroyed, and what may not: holds, erasures that two people agree to, and what people ask about data of theirs. What an erasure leaves is its
//! tombstone in the log; the log itself, its proofs and the receipts of others do not change.

mod erase;
mod hold;
mod orphans;
mod schedule;
mod subject;

pub use erase::{approve, destroy_doomed, execute, forget_openings, refuse, replay, request, unmark};
pub use hold::{hold, release};
pub use orphans::remove_orphans;
pub use schedule::{Standing, agree_to_due, ask_by_itself, ask_due, review, set_periods, standing};
pub use subject::{FileStanding, close_request, disclose, erase_all, open_request, requests, restrict, task};
