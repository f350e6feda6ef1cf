//! Appeals are written and opened, and an investigator works the queue. Every look is an event, committed before the first byte flows.

mod appeals;
mod bulk;
mod correct;
mod decide;
mod family;
mod identity;
mod look;
mod queue;
mod release;
mod workspace;

pub use appeals::{NewAppeal, create_appeal, set_appeal_intake, set_appeal_state};
pub use bulk::{BURST_MIN, BulkAct, BulkScope, bulk, bulk_count};
pub use correct::{Stated, correct_clock, state, withdraw_clock};
pub use decide::{Changed, Rest, Seen, decide, decide_several, undo};
pub use family::{Family, family, join, part};
pub use identity::{by_reference, unmask};
pub use look::{Look, download, look, look_is_recorded, one_exhibit, play, view_ended};
pub use queue::page;
pub use release::release;
pub use workspace::{lines, tiles};
