//! Bundles that somebody asked for in a page: waiting, ready, failed, gone.

use sqlx::FromRow;

use super::{Tx, bad_row, id, signed, unsigned};
use crate::domain::actor::{Actor, Proof, Role};
use crate::domain::purpose::PurposeCode;
use crate::domain::value::{Id, Utc};
use crate::error::Result;

pub struct Bundle {
    pub id: Id,
    pub appeal: Id,
    pub by: Id,
    pub role: Role,
    pub purpose: Option<PurposeCode>,
    pub proof: Proof,
    /// What was asked, as JSON.
    pub asked: String,
    pub state: String,
    pub bytes_done: u64,
    pub bytes_all: u64,
    /// Size of the ZIP file, when it is ready.
    pub size: u64,
    /// Blobs: the plan of the ZIP file, and its small files one after the other.
    pub plan_key: String,
    pub small_key: String,
    pub problem: String,
    pub created_at: Utc,
    /// Whether another person has to agree first.
    pub awaits: bool,
    /// The name of who asked.
    pub asker: String,
    /// The appeal's.
    pub zone: String,
}

impl Bundle {
    /// Who asked, as every event of this bundle names them.
    pub fn actor(&self) -> Actor {
        Actor::Person { id: self.by, role: self.role, proof: self.proof, purpose: self.purpose }
    }
}

#[derive(FromRow)]
struct Row {
    id: Vec<u8>,
    appeal_id: Vec<u8>,
    account_id: Vec<u8>,
    role: String,
    purpose: Option<String>,
    proof: String,
    asked: String,
    state: String,
    bytes_done: i64,
    bytes_all: i64,
    size: i64,
    plan_key: String,
    small_key: String,
    problem: String,
    created_at: i64,
    awaits: i64,
    asker: String,
    zone: String,
}

/// Every column of [`Row`].
macro_rules! bundle_rows {
    () => {
        "SELECT b.id, b.appeal_id, b.account_id, b.role, b.purpose, b.proof, b.asked, b.state, b.bytes_done, b.bytes_all, b.size, b.plan_key, b.small_key,
           b.problem, b.created_at, b.awaits,
           (SELECT n.name FROM account n WHERE n.id = b.account_id) AS asker, (SELECT z.zone FROM appeal z WHERE z.id = b.appeal_id) AS zone FROM bundle b "
    };
}

impl Row {
    fn bundle(self) -> Result<Bundle> {
        Ok(Bundle {
            id: id(&self.id)?,
            appeal: id(&self.appeal_id)?,
            by: id(&self.account_id)?,
            role: Role::parse(&self.role).ok_or_else(|| bad_row("role"))?,
            purpose: self.purpose.as_deref().and_then(PurposeCode::parse),
            proof: Proof::parse(&self.proof).ok_or_else(|| bad_row("proof"))?,
            asked: self.asked,
            state: self.state,
            bytes_done: unsigned(self.bytes_done),
            bytes_all: unsigned(self.bytes_all),
            size: unsigned(self.size),
            plan_key: self.plan_key,
            small_key: self.small_key,
            problem: self.problem,
            created_at: Utc::from_micros(self.created_at),
            awaits: self.awaits != 0,
            asker: self.asker,
            zone: self.zone,
        })
    }
}

pub struct NewBundle {
    pub id: Id,
    pub appeal: Id,
    pub by: Id,
    pub role: Role,
    pub purpose: Option<PurposeCode>,
    pub proof: Proof,
    pub asked: String,
    pub bytes_all: u64,
    pub awaits: bool,
}

pub async fn add(tx: &mut Tx, b: NewBundle, now: Utc) -> Result<()> {
    sql!(run tx,
        "INSERT INTO bundle (id, appeal_id, account_id, role, purpose, asked, state, bytes_all, created_at, proof, awaits)
         VALUES ($1, $2, $3, $4, $5, $6, 'waiting', $7, $8, $9, $10)",
        b.id.blob(), b.appeal.blob(), b.by.blob(), b.role.as_str(), b.purpose.map(PurposeCode::as_str), b.asked, signed(b.bytes_all), now.micros(), b.proof.as_str(),
        i64::from(b.awaits))?;
    Ok(())
}

/// What somebody has asked for since a moment that nobody else has agreed to: as JSON.
pub async fn asked_alone(tx: &mut Tx, by: Id, since: Utc) -> Result<Vec<String>> {
    let rows = sql!(all tx, (String,),
        "SELECT asked FROM bundle WHERE account_id = $1 AND created_at > $2 AND awaits = 0 AND agreed_by IS NULL AND state <> 'failed'",
        by.blob(), since.micros())?;
    Ok(rows.into_iter().map(|(asked,)| asked).collect())
}

pub async fn by_id(tx: &mut Tx, bundle: Id) -> Result<Option<Bundle>> {
    sql!(maybe tx, Row, concat!(bundle_rows!(), "WHERE b.id = $1"), bundle.blob())?.map(Row::bundle).transpose()
}

/// Those of an agency, newest first.
pub async fn list(tx: &mut Tx, agency: Id, limit: i64) -> Result<Vec<Bundle>> {
    sql!(all tx, Row,
        concat!(bundle_rows!(), "JOIN appeal a ON a.id = b.appeal_id WHERE a.agency_id = $1 ORDER BY b.created_at DESC LIMIT $2"),
        agency.blob(), limit)?
    .into_iter()
    .map(Row::bundle)
    .collect()
}

/// Another person agrees; false when somebody else was faster.
pub async fn agree(tx: &mut Tx, bundle: Id, by: Id) -> Result<bool> {
    let text = "UPDATE bundle SET awaits = 0, agreed_by = $2 WHERE id = $1 AND awaits = 1 AND state = 'waiting'";
    Ok(sql!(run tx, text, bundle.blob(), by.blob())? == 1)
}

/// Another person does not; false when somebody else was faster.
pub async fn refuse(tx: &mut Tx, bundle: Id, why: &str, now: Utc) -> Result<bool> {
    let text = "UPDATE bundle SET state = 'failed', problem = $2, ended_at = $3 WHERE id = $1 AND awaits = 1 AND state = 'waiting'";
    Ok(sql!(run tx, text, bundle.blob(), why.to_owned(), now.micros())? == 1)
}

pub async fn set_progress(tx: &mut Tx, bundle: Id, bytes: u64) -> Result<()> {
    sql!(run tx, "UPDATE bundle SET bytes_done = $2 WHERE id = $1 AND state = 'waiting'", bundle.blob(), signed(bytes))?;
    Ok(())
}

/// False when it is not wanted any more.
pub async fn set_ready(tx: &mut Tx, bundle: Id, size: u64, plan: &str, small: &str, now: Utc) -> Result<bool> {
    let rows = sql!(run tx,
        "UPDATE bundle SET state = 'ready', bytes_done = bytes_all, size = $2, plan_key = $3, small_key = $4, ended_at = $5 WHERE id = $1 AND state = 'waiting'",
        bundle.blob(), signed(size), plan.to_owned(), small.to_owned(), now.micros())?;
    Ok(rows == 1)
}

pub async fn set_failed(tx: &mut Tx, bundle: Id, problem: &str, now: Utc) -> Result<()> {
    sql!(run tx, "UPDATE bundle SET state = 'failed', problem = $2, ended_at = $3 WHERE id = $1 AND state = 'waiting'", bundle.blob(), problem.to_owned(), now.micros())?;
    Ok(())
}

/// Ends ready bundles: what was asked goes, and where they lay is told a last time.
async fn end(tx: &mut Tx, bundles: Vec<Bundle>) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for b in bundles {
        sql!(run tx, "UPDATE bundle SET state = 'gone', asked = '', plan_key = '', small_key = '' WHERE id = $1", b.id.blob())?;
        keys.extend([b.plan_key, b.small_key]);
    }
    Ok(keys)
}

/// Ends the ready bundles that were made before a moment; returns the keys of their blobs.
pub async fn end_before(tx: &mut Tx, before: Utc) -> Result<Vec<String>> {
    let old = sql!(all tx, Row, concat!(bundle_rows!(), "WHERE b.state = 'ready' AND b.ended_at < $1"), before.micros())?;
    let old = old.into_iter().map(Row::bundle).collect::<Result<_>>()?;
    end(tx, old).await
}

/// Whether a bundle is still to be made.
pub async fn waits(tx: &mut Tx, bundle: Id) -> Result<bool> {
    Ok(by_id(tx, bundle).await?.is_some_and(|b| b.state == "waiting"))
}

/// Ends the bundles that tell of an exhibit; returns the keys of their blobs.
pub async fn end_with(tx: &mut Tx, exhibit: Id) -> Result<Vec<String>> {
    let like = format!("%{exhibit}%");
    let with = sql!(all tx, Row, concat!(bundle_rows!(), "WHERE b.state IN ('ready', 'waiting', 'failed') AND b.asked LIKE $1"), like)?;
    let with = with.into_iter().map(Row::bundle).collect::<Result<_>>()?;
    Ok(end(tx, with).await?.into_iter().filter(|k| !k.is_empty()).collect())
}

/// Their files are in no backup: after a restore none is ready any more.
pub async fn forget_ready(tx: &mut Tx) -> Result<()> {
    sql!(run tx, "UPDATE bundle SET state = 'gone', plan_key = '', small_key = '' WHERE state = 'ready'")?;
    Ok(())
}

/// The manifest that is on record for an export, if its events were written.
pub async fn recorded(tx: &mut Tx, export: Id) -> Result<Option<String>> {
    Ok(sql!(maybe tx, (String,), "SELECT manifest FROM export_record WHERE export_id = $1", export.blob())?.map(|r| r.0))
}

/// Notes it, in the transaction that writes them. False: somebody else did.
pub async fn set_recorded(tx: &mut Tx, export: Id, manifest: &str) -> Result<bool> {
    let text = "INSERT INTO export_record (export_id, manifest) VALUES ($1, $2) ON CONFLICT (export_id) DO NOTHING";
    Ok(sql!(run tx, text, export.blob(), manifest.to_owned())? == 1)
}
