//! The record that nobody can quietly change. Every verb that changes or shows evidence calls
//! [`append`], in the transaction of the change, before a byte flows; nothing else writes an event.

mod append;
mod audit;
mod bundle;
mod judge;
mod log;
mod receipt;

pub use append::append;
pub use audit::{
    Received, Report as AuditReport, Scope as FixityScope, alarm, audit, audit_copy, audit_scheduled, check_receipt, checked, fixity,
    fixity_slice, look_up, record_run,
};
pub use bundle::{
    Asked, Payload, Profile, agree_to_bundle, ask_bundle, begin_fetch, decided_as, deliver, expire_bundles, export, fetch_is_recorded,
    make_bundle, ready_bundle, refuse_bundle,
};
pub use judge::{ConsistencyProof, Exit, Finding, GivenFile, Trust, Verdict, compare, verify_bundle, verify_receipt};
pub use log::publish::{guard, guard_anew, published_folders};
pub use log::recover::recover;
pub use log::rotate::{new_epoch, retire_key, rotate_key};
pub use log::{anchor, let_go, run_sequencer, sequence_all, standing as anchor_standing};
pub use receipt::{consistency, issue_receipt, upgraded};
