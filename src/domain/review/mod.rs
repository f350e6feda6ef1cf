//! The queue: what can be asked of it, in what order it answers, and what is decided.

mod area;
mod closeness;
mod columns;
mod cursor;
mod decision;
mod filter;
mod played;

pub use area::{Bbox, Circle, E7, HALF_TURN, Polygon, TURN};
pub use closeness::closeness;
pub use columns::{Line, Spot, encode};
pub use cursor::Cursor;
pub use decision::{Decision, NOTE_CHARS_MAX};
pub use filter::{Filter, Order, RawFilter, Wrong};
pub use played::stretches;

/// Tiles that are asked for at once.
pub const TILES_MAX: usize = 200;
