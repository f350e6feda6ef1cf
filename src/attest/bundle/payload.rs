//! The payload of a bundle: originals and the pictures made of them, each hashed again as the store has it, before it may leave.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use futures_util::StreamExt as _;
use serde_json::json;
use sha2::{Digest as _, Sha256 as Hasher256, Sha512};

use super::asked::Profile;
use super::export::hash_file;
use crate::app::App;
use crate::attest::append;
use crate::db;
use crate::domain::actor::Actor;
use crate::domain::custody::{Draft, EventType, SubjectKind, bag};
use crate::domain::derivative::Variant;
use crate::domain::exhibit::Exhibit;
use crate::domain::media::extension;
use crate::domain::value::{Id, Sha256};
use crate::error::{Error, Result};

/// Where the originals lie, and what was made of them.
pub const ORIGINALS: &str = "data/original/";
pub const DERIVATIVES: &str = "data/derivative/";

/// What a file is called in a bundle of this profile.
pub fn name_of(e: &Exhibit, profile: Profile) -> String {
    match profile {
        Profile::Prosecution => e.name.clone(),
        Profile::Defence => format!("exhibit.{}", extension(&e.media_type)),
    }
}

/// A blob that goes into the bundle.
pub struct Source {
    pub exhibit: Id,
    pub key: String,
    pub sha256: Sha256,
    pub size: u64,
    /// Where it goes; what it is can be told from the folder.
    pub path: String,
}

/// What was received.
pub async fn original(app: &App, e: &Exhibit, profile: Profile) -> Result<Source> {
    let mut tx = app.db.read().await?;
    let key = db::contents::blob_key(&mut tx, e.agency, e.sha256).await?.ok_or(Error::NotFound)?;
    let path = format!("{ORIGINALS}{}__{}", e.id, bag::portable_name(&name_of(e, profile)));
    Ok(Source { exhibit: e.id, key, sha256: e.sha256, size: e.size, path })
}

/// The picture that people looked at, marked in its name as what it is, when there is one whose hash the log holds.
pub async fn derivative(app: &App, e: &Exhibit, profile: Profile) -> Result<Option<Source>> {
    let mut tx = app.db.read().await?;
    let Some(view) = db::derivatives::one(&mut tx, e.agency, e.sha256, Variant::View).await? else { return Ok(None) };
    let (key, Some(sha256)) = (view.key, view.sha256) else { return Ok(None) };
    // Made of the same bytes for another exhibit it is not yet this one's: its own history has to tell of it.
    if !db::log::opens(&mut tx, SubjectKind::Exhibit.as_str(), &e.id.to_string(), Variant::View.opening(), &json!(sha256.to_string()))
        .await?
    {
        return Ok(None);
    }
    drop(tx);
    let Some(size) = app.blobs.length(&key).await? else {
        return Err(Error::Internal(format!("the picture of exhibit {} is missing in the store", e.id)));
    };
    let name = name_of(e, profile);
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    let path = format!("{DERIVATIVES}{}-D1-VIEW__{}", e.id, bag::portable_name(&format!("{stem}.jpg")));
    Ok(Some(Source { exhibit: e.id, key, sha256, size, path }))
}

/// Hashes one blob as the store has it, and copies it on the way if there is a target. One that lies there whole from an earlier
/// run is only hashed. Returns SHA-512 and CRC-32.
pub async fn take(app: &App, from: &Source, target: Option<&Path>, progress: &mut impl FnMut(u64)) -> Result<(String, u32)> {
    if let Some(path) = target
        && let Ok(found) = hash_file(path)
        && found.0 == from.sha256
    {
        progress(from.size);
        return Ok((found.1, 0));
    }
    let mut copy = match target {
        Some(path) => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let beside = PathBuf::from(format!("{}.part", path.display()));
            Some((File::create(&beside)?, beside, path))
        }
        None => None,
    };
    let (mut a, mut b, mut c) = (Hasher256::new(), Sha512::new(), flate2::Crc::new());
    let mut reader = app.blobs.open_range(&from.key, 0, from.size + 1).await?;
    while let Some(chunk) = reader.next().await {
        let chunk = chunk?;
        a.update(&chunk);
        b.update(&chunk);
        c.update(&chunk);
        if let Some((file, ..)) = &mut copy {
            file.write_all(&chunk)?;
        }
        progress(chunk.len() as u64);
    }
    let found = Sha256::from_bytes(a.finalize().into());
    if found != from.sha256 {
        if let Some((_, beside, _)) = copy {
            let _ = fs::remove_file(beside);
        }
        return Err(not_what_was_kept(app, from, found).await?);
    }
    if let Some((file, beside, path)) = copy {
        file.sync_all()?;
        fs::rename(beside, path)?;
    }
    Ok((HEXLOWER.encode(&b.finalize()), c.sum()))
}

/// Nothing leaves the building that is not what was received, or made of it; and that it is not is itself on record.
async fn not_what_was_kept(app: &App, from: &Source, found: Sha256) -> Result<Error> {
    let draft = Draft::new(EventType::FixityFailed, Actor::System)
        .about(SubjectKind::Exhibit, from.exhibit)
        .fact("derivative", from.path.starts_with(DERIVATIVES).then_some("view"))
        .private("found", found.to_string());
    let mut tx = app.db.begin().await?;
    append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(Error::Internal(format!("the stored bytes of exhibit {} are not what was received", from.exhibit)))
}
