//! What the subcommands do, each in a file of its own.

mod agencies;
mod appeals;
mod audits;
mod backup;
mod doctor;
mod examine;
mod export;
mod import;
mod media;
mod people;
mod restore;
mod serve;
mod upkeep;
mod verify;

pub use agencies::{Agency, Vault, agency, vault};
pub use appeals::{Appeal, appeal};
pub use audits::{Fixity, audit, fixity, new_epoch, recover, rotate_key};
pub use backup::{Backup, backup};
pub use doctor::doctor;
pub use examine::{Examine, examine};
pub use export::{Export, export};
pub use import::{Import, import};
pub use media::{Media, media};
pub use people::{Token, User, token, user};
pub use restore::{Restore, restore};
pub use serve::{serve, worker};
pub use upkeep::{Health, health, make_key, migrate};
pub use verify::{Compare, Verify, compare, verify};
