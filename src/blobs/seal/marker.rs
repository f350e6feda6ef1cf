//! Under which key everything is, told by a file to whoever seals on.

use std::fs::{self, File};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::content::{Content, unseal};
use super::ring::{Ring, Stamp, stamp, sync_folder};
use crate::error::{Error, Result};

/// Which key everything is under, for whoever seals on: a file with nothing in it but its header.
pub struct Marker(Mutex<Option<Stamp>>);

impl Marker {
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Leaves it, under the current key.
    pub fn leave(at: &Path, ring: &Ring) -> Result<()> {
        let beside = at.with_extension("next");
        let _ = fs::remove_file(&beside);
        Content::create(&beside, Some(ring))?.file().sync_all()?;
        fs::rename(&beside, at)?;
        sync_folder(at)
    }

    /// Refuses to go on when none of our keys opens it: the operator has turned to a key that this process has not got, and what it would
    /// seal with will be forgotten.
    pub fn check(&self, at: &Path, ring: &Ring) -> Result<()> {
        let Ok(about) = fs::metadata(at) else { return Ok(()) };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen != Some(stamp(&about)) {
            if let Err(e) = unseal(ring, &File::open(at)?) {
                tracing::error!(cause = %e, "the media are under another key: give this process its file (media.key_file), and start it again");
                return Err(Error::TryLater);
            }
            *seen = Some(stamp(&about));
        }
        Ok(())
    }
}
