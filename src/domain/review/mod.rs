//! The queue: what can be asked of it, in what order it answers, and what is decided.

mod act;
mod area;
mod closeness;
mod columns;
mod counts;
mod cursor;
mod decision;
mod filter;
pub mod grid;
mod played;
mod remark;
mod sample;
mod signs;
mod tags;

pub use act::{ACT_ITEMS_MAX, Effect, What};
pub use area::{Bbox, Circle, E7, HALF_TURN, Polygon, TURN};
pub use closeness::closeness;
pub use columns::{About, Line, Spot, encode};
pub use counts::{Counts, merge};
pub use cursor::Cursor;
pub use decision::{Decision, NOTE_CHARS_MAX};
pub use filter::{Assigned, Filter, Order, RawFilter, Wrong};
pub use played::stretches;
pub use remark::Remark;
pub use sample::{Agreement, PERCENT_DEFAULT, agreement, draw};
pub use signs::{Sign, signs};
pub use tags::{GRAPHIC, GRAPHIC_BIT, SECOND_LOOK, TagBook, tag_word};

/// Tiles that are asked for at once.
pub const TILES_MAX: usize = 200;
