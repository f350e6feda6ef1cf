//! A stored exhibit becomes searchable: its time and place are read, its pictures made.
//!
//! The server itself never parses media. `confine` starts one process a file, which limits itself and
//! loses the network before it reads a byte (`child`); the readers in it are pure: bytes in, facts out.

mod child;
mod confine;
mod exif;
mod isobmff;
mod pictures;

pub use child::run as run_child;
pub use confine::SUBCOMMAND;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::attest;
use crate::db;
use crate::db::contents::Examination;
use crate::domain::actor::Actor;
use crate::domain::appeal::Appeal;
use crate::domain::capture::{self, Found, effective_place, effective_time, place_claims, time_claims};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::Exhibit;
use crate::domain::review::closeness;
use crate::domain::value::{DAY_US, Id, Sha256, shown};
use crate::error::{Error, Result};

/// What the confined process answers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub found: Found,
    /// Raw metadata as (path, value), in the file's order.
    pub raw: Vec<(String, String)>,
    /// Stable words for what could not be read.
    pub notes: Vec<String>,
    /// JPEG, base64.
    pub thumbnail: Option<String>,
    pub view: Option<String>,
}

impl Outcome {
    /// The confined process has read hostile bytes: what it says is cut to size before anything is done with it.
    fn bounded(mut self) -> Self {
        const CLAIMS_MAX: usize = 32;
        const RAW_MAX: usize = 600;
        const TEXT_CHARS_MAX: usize = 400;
        let cut = |text: &mut String| *text = shown(text, TEXT_CHARS_MAX);
        self.found.times.truncate(CLAIMS_MAX);
        self.found.places.truncate(CLAIMS_MAX);
        self.found.times.iter_mut().for_each(|t| {
            cut(&mut t.raw);
            cut(&mut t.path);
        });
        self.found.places.iter_mut().for_each(|p| {
            cut(&mut p.raw);
            cut(&mut p.path);
        });
        self.found.duration_us = self.found.duration_us.map(|d| d.clamp(0, 30 * DAY_US));
        self.raw.truncate(RAW_MAX);
        self.raw.iter_mut().for_each(|(path, value)| {
            cut(path);
            cut(value);
        });
        self.notes.truncate(CLAIMS_MAX);
        self.notes.iter_mut().for_each(|n| *n = shown(n, 40));
        self
    }
}

/// Tool and version that every claim and event names.
pub fn reader() -> String {
    format!("temoin-examine/{}", env!("CARGO_PKG_VERSION"))
}

/// Examines one exhibit. Run twice, it finds its facts already there and changes nothing.
pub async fn examine(app: &App, exhibit: Id) -> Result<()> {
    let mut tx = app.db.read().await?;
    let Some(e) = db::exhibits::by_id(&mut tx, exhibit).await? else { return Ok(()) };
    if e.examined {
        return Ok(());
    }
    let appeal = db::appeals::by_id(&mut tx, e.appeal).await?;
    let known = db::contents::examination(&mut tx, e.agency, e.sha256).await?;
    let key = db::contents::blob_key(&mut tx, e.agency, e.sha256).await?;
    drop(tx);
    let (examination, new) = match (known, key) {
        (Some(examination), _) => (examination, false),
        (None, Some(key)) => (look(app, &e, &key).await?, true),
        (None, None) => return Err(Error::Internal(format!("exhibit {exhibit} has no content"))),
    };
    let written = write_down(app, &appeal, exhibit, &examination, new).await;
    if new && matches!(written, Err(Error::NotFound)) {
        // Erased meanwhile: the pictures that were just made go, too.
        let mut tx = app.db.begin().await?;
        for key in [&examination.thumbnail_key, &examination.view_key].into_iter().flatten() {
            db::retention::doom(&mut tx, key, app.now()).await?;
        }
        return tx.commit().await;
    }
    written
}

/// Runs the confined process and keeps the pictures that it made.
async fn look(app: &App, e: &Exhibit, key: &str) -> Result<Examination> {
    let outcome = if e.quarantine.is_some() {
        Outcome { notes: vec!["not-previewed".into()], ..Outcome::default() }
    } else {
        confine::run(app, key, e.size, &e.media_type).await?
    };
    let keep = async |picture: &Option<String>| -> Result<Option<(String, Sha256)>> {
        match picture.as_ref().and_then(|p| data_encoding::BASE64.decode(p.as_bytes()).ok()) {
            Some(bytes) => {
                let sha256 = Sha256::of(&bytes);
                Ok(Some((app.blobs.put(bytes.into()).await?, sha256)))
            }
            None => Ok(None),
        }
    };
    let (thumbnail, view) = (keep(&outcome.thumbnail).await?.unzip(), keep(&outcome.view).await?.unzip());
    Ok(Examination {
        thumbnail_key: thumbnail.0,
        thumbnail_sha256: thumbnail.1,
        view_key: view.0,
        view_sha256: view.1,
        found: outcome.found,
        raw: serde_json::to_string(&outcome.raw).map_err(Error::internal)?,
        notes: outcome.notes,
        reader: reader(),
    })
}

/// One transaction: facts, claims, state, custody event.
async fn write_down(app: &App, appeal: &Appeal, exhibit: Id, x: &Examination, new: bool) -> Result<()> {
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let mut e = db::exhibits::lock(&mut tx, exhibit).await?;
    if e.examined {
        // Committed, because what was read may be another's that is not yet.
        return tx.commit().await;
    }
    if new {
        for key in [&x.thumbnail_key, &x.view_key].into_iter().flatten() {
            // The same picture may have been destroyed with another exhibit since we kept it.
            db::retention::lock_blob(&mut tx, key).await?;
            if db::retention::was_destroyed(&mut tx, app.blob_mark(key)).await? && app.blobs.length(key).await?.is_none() {
                return Err(Error::TryLater);
            }
        }
        db::contents::insert_examination(&mut tx, e.agency, e.sha256, x, now).await?;
    }
    let (mut times, mut places) = db::exhibits::claims(&mut tx, exhibit).await?;
    let frame = capture::Frame { zone: &appeal.zone, received_at: e.received_at, reader: &x.reader };
    for claim in time_claims(&x.found, &frame) {
        db::exhibits::add_time_claim(&mut tx, app.new_id(), exhibit, &claim, now).await?;
        times.push(claim);
    }
    for claim in place_claims(&x.found, &x.reader) {
        db::exhibits::add_place_claim(&mut tx, app.new_id(), exhibit, &claim, now).await?;
        places.push(claim);
    }
    e.when = effective_time(&times);
    e.place = effective_place(&places);
    e.state = e.state.examined();
    e.has_thumbnail = x.thumbnail_key.is_some();
    db::exhibits::set_examined(&mut tx, &e, closeness(appeal, e.when, e.place), now).await?;
    let digest = Sha256::of(serde_json::to_string(&(&x.found, &x.raw, &x.notes)).map_err(Error::internal)?.as_bytes());
    let draft = Draft::new(EventType::ExhibitExamined, Actor::System)
        .about(SubjectKind::Exhibit, exhibit)
        .fact("tool", x.reader.clone())
        .fact("rule", capture::RULE_VERSION)
        .fact("notes", x.notes.clone())
        .private("result", digest.to_string())
        .private("claims", db::exhibits::claims_digest(&mut tx, exhibit).await?.to_string())
        .private("stands", capture::stands_as(e.when, e.place));
    attest::append(app, &mut tx, draft).await?;
    if let Some(draft) = made(&e, x) {
        attest::append(app, &mut tx, draft).await?;
    }
    tx.commit().await
}

/// What was made of it for eyes: which pictures, by what, and (closed) what they are and were made of.
fn made(e: &Exhibit, x: &Examination) -> Option<Draft> {
    let pictures = [("thumbnail", x.thumbnail_sha256, pictures::THUMBNAIL_PX), ("view", x.view_sha256, pictures::VIEW_PX)];
    let pictures: Vec<_> = pictures.into_iter().filter_map(|(variant, sha256, edge)| Some((variant, sha256?, edge))).collect();
    if pictures.is_empty() {
        return None;
    }
    let mut draft = Draft::new(EventType::DerivativeCreated, Actor::System)
        .about(SubjectKind::Exhibit, e.id)
        .fact("tool", x.reader.clone())
        .fact("media", "image/jpeg")
        .fact("quality", pictures::QUALITY)
        .fact("variants", pictures.iter().map(|(variant, ..)| *variant).collect::<Vec<_>>())
        .fact("edges", pictures.iter().map(|(.., edge)| *edge).collect::<Vec<_>>())
        .private("source_sha256", e.sha256.to_string());
    for (variant, sha256, _) in pictures {
        draft = draft.private(&format!("{variant}_sha256"), sha256.to_string());
    }
    Some(draft)
}
