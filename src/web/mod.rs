//! The door for people and programs. `routes.rs` is the whole URL table; a page is one file: template
//! struct, handler. No file here holds a rule of the domain.

mod account;
mod admin;
mod api;
mod auditor;
mod extract;
mod form;
mod header;
mod identity;
mod investigator;
mod language;
mod listen;
mod maps;
mod media;
pub mod metrics;
mod periods;
mod range;
mod reports;
mod respond;
mod routes;
mod shares;
mod subjects;
mod supervisor;
mod tls;
mod verifier;
mod weakness;
mod witness;
mod words;

pub use api::openapi;
pub use listen::serve;
pub use routes::router;
