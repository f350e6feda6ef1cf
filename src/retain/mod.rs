//! What may be destroyed, and what may not: holds, and erasures that two people agree to. What an erasure leaves is its
//! tombstone in the log; the log itself, its proofs and the receipts of others do not change.

mod erase;
mod hold;

pub use erase::{approve, destroy_doomed, execute, forget_openings, refuse, replay, request, unmark};
pub use hold::{hold, release};
