//! What the subcommands do, each in a file of its own.

mod appeals;
mod audits;
mod backup;
mod doctor;
mod examine;
mod export;
mod import;
mod people;
mod serve;
mod verify;

pub use appeals::{Appeal, appeal};
pub use audits::{Fixity, audit, fixity, new_epoch, recover, rotate_key};
pub use backup::{Backup, Restore, backup, restore};
pub use doctor::doctor;
pub use examine::{Examine, examine};
pub use export::{Export, export};
pub use import::{Import, import};
pub use people::{Token, User, token, user};
pub use serve::{serve, worker};
pub use verify::{Compare, Verify, compare, verify};
