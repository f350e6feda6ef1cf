//! Readers of headers that strangers write: pure functions of text, without the framework, so that `fuzz/` feeds them as they are.

pub mod digest;
pub mod disposition;
pub mod metadata;
pub mod range;
