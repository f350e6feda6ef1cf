//! Bundles for the pages. A job makes everything but the originals, which stay in the store; what is downloaded is a ZIP file that is
//! laid out, not written: any range of it can be sent, and sent again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use super::asked::Asked;
use super::export::{Payload, export};
use crate::access;
use crate::app::App;
use crate::attest::append;
use crate::attest::audit::checked;
use crate::db::{self, bundles::Bundle, bundles::NewBundle};
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::appeal::Appeal;
use crate::domain::custody::zip::{Member, Piece, layout};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::job::Job;
use crate::domain::value::{DAY_US, HOUR_US, Id, Sha256};
use crate::error::{Error, Result};
use crate::keeping::keep_all;

/// How long a ready bundle can be fetched.
const KEPT_US: i64 = 7 * DAY_US;
pub(super) const PRIORITY: i64 = 5;
/// Folders in which bundles are made.
const SCRATCH: &str = "bundle-";

/// One file of the ZIP: where its bytes are.
#[derive(Clone, Serialize, Deserialize)]
struct Planned {
    path: String,
    size: u64,
    crc32: u32,
    /// A blob, or nothing for a stretch of the small files.
    key: Option<String>,
    /// Which original it is, and its hash.
    original: Option<(Id, String)>,
    /// Where in it.
    start: u64,
}

/// Asks for a bundle. What is wrong with the question is said at once; the rest is a job's.
pub async fn ask_bundle(app: &App, person: &Person, appeal: &Appeal, asked: &Asked) -> Result<Id> {
    if !person.may(Act::Export) {
        return Err(Error::Forbidden);
    }
    asked.check()?;
    let mut tx = app.db.begin().await?;
    let mut bytes_all = 0;
    for exhibit in &asked.exhibits {
        let found = db::exhibits::by_id(&mut tx, *exhibit).await?.filter(|e| e.appeal == appeal.id);
        let found =
            found.ok_or_else(|| Error::Invalid { field: "exhibits", why: format!("{exhibit} is not an exhibit of this appeal") })?;
        // What a scanner found something in, and what its witness asked not to be used, leaves only with those who answer for it.
        if found.is_locked() && !person.may(Act::Retain) {
            return Err(Error::Forbidden);
        }
        bytes_all += found.size;
    }
    // Held, so that two questions at once are counted one after the other.
    db::accounts::hold(&mut tx, person.id).await?;
    let of_today = db::bundles::asked_alone(&mut tx, person.id, app.now().plus(-DAY_US)).await?;
    let lately: usize = of_today.iter().filter_map(|text| serde_json::from_str::<Asked>(text).ok()).map(|a| a.exhibits.len()).sum();
    let id = app.new_id();
    let text = serde_json::to_string(asked).map_err(Error::internal)?;
    let new = NewBundle {
        id,
        appeal: appeal.id,
        by: person.id,
        role: person.role,
        purpose: person.purpose,
        proof: person.proof,
        asked: text,
        bytes_all,
        // So much leaves with a second person's word alone (`agree.rs`), in one bundle or in several of a day.
        awaits: lately + asked.exhibits.len() > app.config.accounts.bundle_alone_max,
    };
    let awaits = new.awaits;
    db::bundles::add(&mut tx, new, app.now()).await?;
    if awaits {
        let draft = Draft::new(EventType::ExportRequested, Actor::from(person))
            .about(SubjectKind::Appeal, appeal.id)
            .fact("count", asked.exhibits.len())
            .private("bundle", id.to_string())
            .private("reason", asked.reason.clone());
        append(app, &mut tx, draft).await?;
    } else {
        db::jobs::enqueue(&mut tx, app.new_id(), Job::Bundle(id), PRIORITY, app.now()).await?;
    }
    tx.commit().await?;
    app.work.notify_one();
    Ok(id)
}

/// The job. A refusal that trying again would not change ends it in words; anything else comes back.
pub async fn make_bundle(app: &App, id: Id) -> Result<()> {
    let mut tx = app.db.read().await?;
    let folder = scratch(app).join(format!("{SCRATCH}{id}"));
    let Some(bundle) = db::bundles::by_id(&mut tx, id).await?.filter(|b| b.state == "waiting" && !b.awaits) else {
        let _ = fs::remove_dir_all(folder);
        return Ok(());
    };
    let appeal = db::appeals::by_id(&mut tx, bundle.appeal).await?;
    drop(tx);
    match make(app, &bundle, &appeal, &folder).await {
        Ok(()) => {}
        Err(Error::TryLater) => return Err(Error::TryLater),
        Err(e) => {
            let mut tx = app.db.begin().await?;
            db::bundles::set_failed(&mut tx, id, &e.to_string(), app.now()).await?;
            tx.commit().await?;
        }
    }
    let _ = fs::remove_dir_all(folder);
    Ok(())
}

async fn make(app: &App, bundle: &Bundle, appeal: &Appeal, folder: &Path) -> Result<()> {
    let asked: Asked = serde_json::from_str(&bundle.asked).map_err(Error::internal)?;
    let (told, listen) = tokio::sync::watch::channel(0u64);
    let actor = bundle.actor();
    let exported = {
        let work = export(app, &actor, appeal, asked, folder, Payload::Left(bundle.id), |n| told.send_modify(|sum| *sum += n));
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => break done?,
                () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {
                    let bytes = *listen.borrow();
                    let mut tx = app.db.begin().await?;
                    db::bundles::set_progress(&mut tx, bundle.id, bytes).await?;
                    tx.commit().await?;
                }
            }
        }
    };
    let top = format!("temoin-{}", exported.export);
    let mut plan: Vec<Planned> = exported
        .left
        .into_iter()
        .map(|l| Planned {
            path: format!("{top}/{}", l.path),
            size: l.size,
            crc32: l.crc32,
            key: Some(l.key),
            original: l.original,
            start: 0,
        })
        .collect();
    let (small, planned) = {
        let (folder, top) = (folder.to_owned(), top.clone());
        tokio::task::spawn_blocking(move || small_files(&folder, &top)).await.map_err(Error::internal)??
    };
    plan.extend(planned);
    let size = layout(members(&plan)).iter().map(Piece::len).sum();
    let kept = keep_all(app, vec![small.into(), serde_json::to_vec(&plan).map_err(Error::internal)?.into()]).await?;
    let [small, plan] = kept.as_slice() else { return Err(Error::TryLater) };
    let (small_key, plan_key) = (small.key.clone(), plan.key.clone());
    let mut tx = app.db.begin().await?;
    for one in &kept {
        one.settle(&mut tx).await?;
    }
    if !db::bundles::set_ready(&mut tx, bundle.id, size, &plan_key, &small_key, app.now()).await? {
        // An exhibit in it was erased meanwhile.
        for key in [&plan_key, &small_key] {
            db::retention::doom(&mut tx, key, app.now()).await?;
        }
    }
    tx.commit().await
}

fn scratch(app: &App) -> PathBuf {
    app.config.data.join("tmp")
}

/// Everything in the folder, one file after the other, and where each is.
fn small_files(folder: &Path, top: &str) -> Result<(Vec<u8>, Vec<Planned>)> {
    let (mut all, mut plan, mut folders) = (Vec::new(), Vec::new(), vec![folder.to_owned()]);
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path)?;
            let within = path.strip_prefix(folder).map_err(Error::internal)?.to_string_lossy().into_owned();
            let mut crc = flate2::Crc::new();
            crc.update(&bytes);
            plan.push(Planned {
                path: format!("{top}/{within}"),
                size: bytes.len() as u64,
                crc32: crc.sum(),
                key: None,
                original: None,
                start: all.len() as u64,
            });
            all.extend(bytes);
        }
    }
    plan.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((all, plan))
}

fn members(plan: &[Planned]) -> Vec<Member<Planned>> {
    plan.iter().map(|p| Member { name: p.path.clone(), size: p.size, crc32: p.crc32, source: p.clone() }).collect()
}

/// A bundle on its way out.
pub struct Delivery {
    pub name: String,
    pub body: BoxStream<'static, Result<Bytes>>,
}

/// The bundle, if this person may have it and it is ready.
pub async fn ready_bundle(app: &App, person: &Person, id: Id) -> Result<Bundle> {
    let mut tx = app.db.read().await?;
    let bundle = db::bundles::by_id(&mut tx, id).await?.ok_or(Error::NotFound)?;
    let appeal = db::appeals::by_id(&mut tx, bundle.appeal).await?;
    access::to_appeal(app, &mut tx, person, &appeal, Act::Export).await?;
    if bundle.state != "ready" {
        return Err(Error::NotFound);
    }
    // It may have been locked since the bundle was made, or the bundle was made by somebody who answers for it.
    if !person.may(Act::Retain) {
        let locked = db::exhibits::locked_of_appeal(&mut tx, bundle.appeal).await?;
        let asked: Asked = serde_json::from_str(&bundle.asked).map_err(Error::internal)?;
        if asked.exhibits.iter().any(|exhibit| locked.contains(exhibit)) {
            return Err(Error::Forbidden);
        }
    }
    Ok(bundle)
}

/// How long one fetch may go on, in as many ranges as it takes.
const FETCH_US: i64 = 24 * HOUR_US;

fn fetched(person: &Person, bundle: &Bundle) -> String {
    format!("fetch|{}|{}", person.id, bundle.id)
}

/// Writes down that a bundle is fetched, and returns the token under which its bytes then come.
pub async fn begin_fetch(app: &App, person: &Person, bundle: &Bundle) -> Result<String> {
    let mut tx = app.db.begin().await?;
    let draft = Draft::new(EventType::ExportDelivered, Actor::from(person))
        .about(SubjectKind::Appeal, bundle.appeal)
        .private("bundle", bundle.id.to_string());
    append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(app.ticket(&fetched(person, bundle), app.now().plus(FETCH_US)))
}

/// Whether a token shows that this fetch was written down.
pub fn fetch_is_recorded(app: &App, person: &Person, bundle: &Bundle, token: &str) -> bool {
    app.ticket_holds(&fetched(person, bundle), token)
}

/// One range of a bundle, of a fetch that was written down.
pub async fn deliver(app: &Arc<App>, bundle: &Bundle, start: u64, length: u64) -> Result<Delivery> {
    let plan = read_whole(app, &bundle.plan_key).await?;
    let plan: Vec<Planned> = serde_json::from_slice(&plan).map_err(Error::internal)?;
    let end = start.saturating_add(length).min(bundle.size);
    let mut stretches = Vec::new();
    let mut at = 0;
    for piece in layout(members(&plan)) {
        let (from, to) = (at, at + piece.len());
        at = to;
        if to > start && from < end {
            stretches.push((piece, start.saturating_sub(from), (end.min(to) - from) - start.saturating_sub(from)));
        }
    }
    let (app, small) = (app.clone(), bundle.small_key.clone());
    let body = stream::iter(stretches)
        .then(move |(piece, skip, take)| {
            let (app, small) = (app.clone(), small.clone());
            async move {
                Ok::<_, Error>(match piece {
                    Piece::Bytes(bytes) => {
                        let from = usize::try_from(skip).map_err(Error::internal)?;
                        let to = from + usize::try_from(take).map_err(Error::internal)?;
                        stream::iter([Ok(Bytes::from(bytes).slice(from..to))]).boxed()
                    }
                    Piece::Member { source, .. } => {
                        let bytes = app.blobs.open_range(source.key.as_ref().unwrap_or(&small), source.start + skip, take).await?;
                        match source.original.and_then(|(id, sha)| Some((id, Sha256::from_hex(&sha)?))) {
                            // Hashed once more on its way, where all of it goes.
                            Some((id, sha256)) if skip == 0 && take == source.size => checked(app.clone(), id, sha256, bytes),
                            _ => bytes,
                        }
                    }
                })
            }
        })
        .try_flatten()
        .boxed();
    Ok(Delivery { name: format!("temoin-{}.zip", bundle.id), body })
}

async fn read_whole(app: &App, key: &str) -> Result<Vec<u8>> {
    let length = app.blobs.length(key).await?.ok_or_else(|| Error::Internal("a bundle's plan is missing".into()))?;
    let mut reader = app.blobs.open_range(key, 0, length).await?;
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all)
}

/// Throws away bundles that nobody can fetch any more.
pub async fn expire_bundles(app: &App) -> Result<()> {
    let mut tx = app.db.begin().await?;
    for key in db::bundles::end_before(&mut tx, app.now().plus(-KEPT_US)).await? {
        db::retention::doom(&mut tx, &key, app.now()).await?;
    }
    tx.commit().await?;
    // What a crash has left of bundles that nobody waits for.
    for entry in fs::read_dir(scratch(app)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(id) = name.strip_prefix(SCRATCH).and_then(|t| t.parse::<Id>().ok()) else { continue };
        let mut tx = app.db.read().await?;
        if !db::bundles::waits(&mut tx, id).await? {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
