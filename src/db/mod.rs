//! All SQL, one file per noun. Every function takes `&mut Tx` first; none opens or commits one.
//!
//! `engine.rs` alone knows that there are two databases.

#[macro_use]
mod engine;
pub mod accounts;
pub mod acts;
pub mod agencies;
pub mod anchors;
pub mod appeals;
pub mod audits;
pub mod backup;
mod batch;
pub mod board;
pub mod bundles;
pub mod clocks;
pub mod contents;
mod copy;
pub mod derivatives;
pub mod devices;
pub mod duties;
pub mod exhibits;
pub mod factors;
pub mod families;
pub mod filters;
pub mod identities;
pub mod jobs;
pub mod keeping;
pub mod leases;
pub mod let_in;
pub mod lines;
pub mod log;
mod migrate;
pub mod nodes;
pub mod periods;
pub mod recoveries;
pub mod remarks;
pub mod retention;
pub mod samples;
pub mod scans;
pub mod search;
pub mod sessions;
pub mod shares;
pub mod subjects;
pub mod submissions;
pub mod tags;
pub mod uploads;

pub use engine::{Db, Tx, clock, server};
pub use migrate::{KNOWN, migrate, schema};

use crate::domain::value::{Id, Sha256};
use crate::error::{Error, Result};

/// A row that breaks the schema's promise: our fault, or somebody's hand in the database.
fn bad_row(what: &'static str) -> Error {
    Error::Internal(format!("the database holds an impossible {what}"))
}

fn id(bytes: &[u8]) -> Result<Id> {
    Id::from_slice(bytes).ok_or_else(|| bad_row("id"))
}

fn digest(bytes: &[u8]) -> Result<Sha256> {
    Sha256::from_slice(bytes).ok_or_else(|| bad_row("digest"))
}

/// Counts and sizes are never negative; the schema keeps them in BIGINT.
fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| bad_row("JSON"))
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}
