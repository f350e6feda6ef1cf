//! The log itself: sequenced, signed, published, vouched for by outsiders.

pub mod anchor;
mod checkpoint;
mod growth;
pub mod publish;
pub mod recover;
pub mod rotate;

pub use anchor::{anchor, standing};
pub use checkpoint::{let_go, run_sequencer, sequence_all};
use growth::growth_is_only;
