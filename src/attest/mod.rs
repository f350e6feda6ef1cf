//! The record that nobody can quietly change. Every verb that changes or shows evidence calls
//! [`append`], in the transaction of the change, before a byte flows; nothing else writes an event.

mod anchor;
mod append;
mod asked;
mod audit;
mod check;
mod checkpoint;
mod deliver;
mod export;
mod fixity;
mod growth;
mod publish;
mod report;
mod verify;

pub use anchor::{anchor, standing as anchor_standing};
pub use append::append;
pub use asked::{Asked, Profile};
pub use audit::{Report as AuditReport, alarm, audit, audit_scheduled, record_run};
pub use check::verify_bundle;
pub use checkpoint::{run_sequencer, sequence_all};
pub use deliver::{ask_bundle, begin_fetch, deliver, expire_bundles, fetch_is_recorded, make_bundle, ready_bundle};
pub use export::{Payload, export};
pub use fixity::{Scope as FixityScope, checked, fixity, fixity_slice};
use growth::growth_is_only;
pub use publish::{guard, recover};
pub use verify::{Exit, Finding, GivenFile, Trust, Verdict, compare, consistency, issue_receipt, upgraded, verify_receipt};
