//! What goes wrong on the day, done to the running program: a process killed, a disk full, a store that answers 503, a database that is gone,
//! a node that is cut off, a clock that jumps. After each the same must hold, and is asked of the log, the tables and the store themselves
//! ([`crowd::Crowd::end`]): nothing acknowledged is lost, nothing else is shown, no event is missing or doubled, nothing is left over.

pub mod crowd;
mod database;
mod disk;
mod kills;
mod moves;
mod nodes;
mod relay;
pub mod store;
