//! The door for people and programs. `routes.rs` is the whole URL table; a page is one file: template
//! struct, handler. No file here holds a rule of the domain.

mod account;
mod admin;
mod api;
mod auditor;
mod extract;
mod form;
mod investigator;
mod language;
mod listen;
mod maps;
mod media;
mod range;
mod respond;
mod routes;
mod supervisor;
mod verifier;
mod witness;

pub use api::openapi;
pub use listen::serve;
pub use routes::router;
