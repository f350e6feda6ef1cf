//! Nouns. Everything here is pure: no async, no SQL, no HTTP, no clock, no chance.
//!
//! Read this folder first: it says what an appeal, a submission, an exhibit, a claim of time or
//! place, a decision and a custody event *are*, and which may follow which.

pub mod actor;
pub mod appeal;
pub mod capture;
pub mod clock;
pub mod contradiction;
pub mod custody;
pub mod derivative;
pub mod exhibit;
pub mod family;
pub mod indicator;
pub mod job;
pub mod likeness;
pub mod media;
pub mod notice;
pub mod purpose;
pub mod retention;
pub mod review;
pub mod scan;
pub mod subject;
pub mod submission;
pub mod upload;
pub mod value;
pub mod work;
