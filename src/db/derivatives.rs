//! What was made of bytes for eyes.

use std::collections::HashMap;

use super::{Tx, bad_row, digest, signed, unsigned};
use crate::domain::derivative::{Derivative, Variant};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

type Row = (String, String, Option<Vec<u8>>, i64, String, i64, i64, String);

fn read(row: Row) -> Result<Derivative> {
    let (variant, key, sha256, size, media_type, width, height, how) = row;
    let pixels = |n: i64| u32::try_from(n).unwrap_or(0);
    Ok(Derivative {
        variant: Variant::parse(&variant).ok_or_else(|| bad_row("variant"))?,
        key,
        sha256: sha256.as_deref().map(digest).transpose()?,
        size: unsigned(size),
        media_type,
        width: pixels(width),
        height: pixels(height),
        how,
    })
}

pub async fn of(tx: &mut Tx, agency: Id, sha256: Sha256) -> Result<Vec<Derivative>> {
    let rows = sql!(all tx, Row,
        "SELECT variant, blob_key, blob_sha256, size, media_type, width, height, how FROM derivative
         WHERE agency_id = $1 AND sha256 = $2 ORDER BY variant", agency.blob(), sha256.blob())?;
    rows.into_iter().map(read).collect()
}

pub async fn one(tx: &mut Tx, agency: Id, sha256: Sha256, variant: Variant) -> Result<Option<Derivative>> {
    Ok(of(tx, agency, sha256).await?.into_iter().find(|d| d.variant == variant))
}

/// Records a derivative, unless there is one of its variant; whether it was recorded.
pub async fn insert(tx: &mut Tx, agency: Id, sha256: Sha256, d: &Derivative, now: Utc) -> Result<bool> {
    let rows = sql!(run tx,
        "INSERT INTO derivative (agency_id, sha256, variant, blob_key, blob_sha256, size, media_type, width, height, how, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        agency.blob(), sha256.blob(), d.variant.as_str(), d.key.clone(), d.sha256.map(|s| s.blob()), signed(d.size), d.media_type.clone(),
        i64::from(d.width), i64::from(d.height), d.how.clone(), now.micros())?;
    Ok(rows == 1)
}

type HashRow = (Vec<u8>, String, Option<Vec<u8>>);

/// The hash of everything that was made, by content and variant.
pub async fn hashes(tx: &mut Tx) -> Result<HashMap<(Sha256, Variant), Option<Sha256>>> {
    let rows = sql!(all tx, HashRow, "SELECT sha256, variant, blob_sha256 FROM derivative")?;
    rows.into_iter()
        .map(|(of, variant, made)| {
            let variant = Variant::parse(&variant).ok_or_else(|| bad_row("variant"))?;
            Ok(((digest(&of)?, variant), made.as_deref().map(digest).transpose()?))
        })
        .collect()
}
