//! Bundles that leave the building: asked for, made, handed out.

mod agree;
mod asked;
mod deliver;
mod export;
mod payload;
mod report;

pub use agree::{agree_to_bundle, refuse_bundle};
pub use asked::{Asked, Profile, decided_as};
pub use deliver::{ask_bundle, begin_fetch, deliver, expire_bundles, fetch_is_recorded, make_bundle, ready_bundle};
pub use export::{EventLine, NAMESPACE, Payload, export, moment};
pub use payload::{DERIVATIVES, ORIGINALS};
