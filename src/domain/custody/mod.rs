//! The custody record: what an event is, how it is hashed, and how anybody proves what the log holds.
//!
//! Format: `docs/custody-format.md`. Hashing is RFC 6962, storage is C2SP tlog-tiles, signatures are
//! C2SP signed-note and tlog-checkpoint, receipts are C2SP tlog-proof, trust is C2SP tlog-policy.
//! Everything is pure and works offline.

pub mod bag;
mod event;
pub mod merkle;
mod note;
mod policy;
mod proof;
pub mod sshsig;
pub mod strict;
pub mod timestamp;
pub mod zip;

pub use event::{Draft, EventType, Opening, Stamp, SubjectKind, Waiting, commitment, subjects_in};
pub use note::{Checkpoint, Signer, VerifierKey, bare_note, checkpoint_body, signed_by};
pub use policy::{Policy, Signed, WitnessKey};
pub use proof::{LogProof, Receipt, Since, Timestamp, Tombstone};
