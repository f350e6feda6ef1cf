//! The record that nobody can quietly change. Every verb that changes or shows evidence calls
//! [`append`], in the transaction of the change, before a byte flows; nothing else writes an event.

mod append;
mod audit;
mod check;
mod checkpoint;
mod export;
mod growth;
mod publish;
mod report;
mod verify;

pub use append::append;
pub use audit::{Report as AuditReport, audit, fixity};
pub use check::verify_bundle;
pub use checkpoint::{run_sequencer, sequence_all};
pub use export::{Asked, Profile, export};
pub use publish::{guard, recover};
pub use verify::{Exit, Finding, GivenFile, Verdict, compare, consistency, proof_of_receipt, verify_receipt};
