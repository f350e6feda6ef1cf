//! The record that nobody can quietly change. Every verb that changes or shows evidence calls
//! [`append`], in the transaction of the change, before a byte flows; nothing else writes an event.

mod append;
mod audit;
mod checkpoint;
mod verify;

pub use append::append;
pub use audit::{Report as AuditReport, audit, fixity};
pub use checkpoint::{run_sequencer, sequence_all};
pub use verify::{Exit, Finding, GivenFile, consistency, proof_of_receipt, verify_receipt};
