//! What is under way on this node: whose turn it is at an upload, how far a submission has come, who may still come in,
//! which contents are like which. All of it is in memory and lost with the process, on purpose: nothing here is evidence.

mod gate;
mod held;
mod likenesses;
mod looks;
mod once;
mod progress;
mod pulses;
mod turns;

pub use gate::{Block, Counted, Gate, Pass, Who};
pub use held::{Held, Lines};
pub use likenesses::{Known, Likenesses};
pub use looks::Looks;
pub use once::Once;
pub use progress::Progress;
pub use pulses::Pulses;
pub use turns::{Arrival, Turn, Turns};

use crate::config::Config;
use crate::domain::value::{Id, Sha256, Utc};

pub struct Traffic {
    pub turns: Turns,
    pub progress: Progress,
    pub gate: Gate,
    /// How often staff look.
    pub looks: Looks,
    /// Fingerprints of the appeals' contents.
    pub likenesses: Likenesses,
    /// Lines of appeals that somebody works on.
    pub held: Held,
    /// How appeals go, for pages that stay open.
    pub pulses: Pulses<crate::db::board::Pulse>,
    pub stirs: Pulses<(Utc, Vec<crate::db::leases::Lease>)>,
    /// Contents that are being examined, or scanned.
    pub examining: Once<(Id, Sha256)>,
    pub scanning: Once<(Id, Sha256)>,
}

impl Traffic {
    pub fn new(config: &Config, secret: [u8; 32], now: Utc) -> Self {
        Self {
            turns: Turns::default(),
            progress: Progress::default(),
            gate: Gate::new(&config.limits, secret, now),
            looks: Looks::default(),
            likenesses: Likenesses::default(),
            held: Held::default(),
            pulses: Pulses::default(),
            stirs: Pulses::default(),
            examining: Once::default(),
            scanning: Once::default(),
        }
    }
}
