//! Appeals are written and opened, and an investigator works the queue. Every look is an event, committed before the first byte flows.

mod acts;
mod appeals;
mod board;
mod bulk;
mod correct;
mod decide;
mod family;
mod filters;
mod identity;
mod lease;
mod look;
mod pulse;
mod quality;
mod queue;
mod release;
mod remark;
mod workspace;

pub use acts::{Asked, Done, act, preview, undo_act};
pub use appeals::{NewAppeal, create_appeal, set_appeal_intake, set_appeal_state};
pub use board::{Colleague, Sampled, board, exposure};
pub use bulk::{BURST_MIN, BulkAct, BulkScope, bulk, bulk_count};
pub use correct::{Stated, correct_clock, preview_clock, state, withdraw_clock};
pub use decide::{Changed, Rest, Seen, decide, decide_several, take_back, undo};
pub use family::{Family, family, join, part};
pub use filters::{delete_filter, save_filter, saved_filters};
pub use identity::{Contact, Unmasked, by_reference, identity_requests, judge_identity, unmask};
pub use lease::{LetGo, lease};
pub use look::{Look, download, look, look_is_recorded, one_exhibit, play, view_ended};
pub use pulse::{RATE_MIN, pulse, stir};
pub use quality::{decide_again, draw_sample, next_of_sample};
pub use queue::page;
pub use release::release;
pub use remark::{remark, unremark};
pub use workspace::{counts, lines, overview, tiles};
