//! The auditor's page: the log's size and root, and checks of a receipt, a hash or a file. No media, ever.

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::StreamExt as _;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use sha2::Digest as _;

use crate::attest::{self, Exit, Finding, GivenFile, verify_receipt};
use crate::db;
use crate::domain::actor::{Actor, Person};
use crate::domain::custody::{Draft, EventType, Policy, SubjectKind};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Auditing, Frame};
use crate::web::form::Form;
use crate::web::respond::page;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    size: u64,
    root: String,
    checkpoint: String,
    key: String,
    waiting: u64,
    findings: Vec<Finding>,
    verdict: Option<String>,
    verdict_class: &'static str,
    hash: Option<(String, Vec<Known>)>,
}

struct Known {
    exhibit: String,
    at: String,
    index: Option<u64>,
}

async fn blank(app: &AppState, frame: Frame) -> Result<AuditPage> {
    let mut tx = app.db.read().await?;
    let head = db::log::head(&mut tx).await?;
    let checkpoint = db::log::last_checkpoint(&mut tx).await?.map(|(_, note)| note).unwrap_or_default();
    Ok(AuditPage {
        t: frame.language.texts(),
        frame,
        size: head.size(),
        root: head.root().base64(),
        checkpoint,
        key: app.signer.verifier().to_string(),
        waiting: db::log::pending_count(&mut tx).await?,
        findings: Vec::new(),
        verdict: None,
        verdict_class: "",
        hash: None,
    })
}

pub async fn show(State(app): State<AppState>, Auditing(_): Auditing, frame: Frame) -> Result<Response> {
    page(&blank(&app, frame).await?)
}

const RECEIPT_BYTES_MAX: usize = 256 * 1024;

/// Checks what is given: a receipt, a file, a hash, or a file against a receipt. The file is hashed as it comes
/// and kept nowhere.
pub async fn verify(State(app): State<AppState>, Auditing(person): Auditing, frame: Frame, request: Request) -> Result<Response> {
    let mut form = Form::read(&app, request).await?;
    let (mut receipt, mut hash, mut file) = (String::new(), String::new(), None);
    while let Some(mut part) = form.next().await? {
        let (name, file_name) = (part.name.clone(), part.file_name.clone());
        let (mut hasher, mut size, mut text) = (sha2::Sha256::new(), 0u64, Vec::new());
        let mut stream = std::pin::pin!(part.stream());
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Error::Interrupted)?;
            hasher.update(&chunk);
            size += chunk.len() as u64;
            if name != "file" {
                text.extend_from_slice(&chunk);
                if text.len() > RECEIPT_BYTES_MAX {
                    return Err(Error::Invalid { field: "receipt", why: "too large for a receipt".into() });
                }
            }
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        match name.as_str() {
            "receipt" if size > 0 => receipt = text,
            "hash" => hash = text.trim().to_owned(),
            "file" if !file_name.is_empty() => {
                file = Some(GivenFile { name: file_name, sha256: Sha256::from_bytes(hasher.finalize().into()), size });
            }
            _ => {}
        }
    }
    let mut answer = blank(&app, frame).await?;
    let t = answer.t;
    if !receipt.is_empty() {
        let policy = Policy { logs: vec![app.signer.verifier()] };
        let files: Vec<GivenFile> = file.into_iter().collect();
        let verdict = verify_receipt(&receipt, &files, Some(&policy));
        (answer.verdict, answer.verdict_class) = match verdict.exit {
            Exit::Proven => (Some(fl!(t, "verdict-proven")), "ok"),
            Exit::Undecided => (Some(fl!(t, "verdict-undecided")), "doubt"),
            Exit::Contradicted => (Some(fl!(t, "verdict-contradicted")), "bad"),
            Exit::Unusable => (Some(fl!(t, "verdict-unusable")), "doubt"),
        };
        answer.findings = verdict.findings;
    } else if let Some(sha256) = file.map(|f| f.sha256).or_else(|| Sha256::from_hex(&hash)) {
        answer.hash = Some((sha256.to_string(), look_up(&app, &person, sha256).await?));
    } else if !hash.is_empty() {
        return Err(Error::Invalid { field: "hash", why: "64 hexadecimal digits".into() });
    }
    page(&answer)
}

/// Where these bytes were received. Asking is itself an event.
async fn look_up(app: &AppState, person: &Person, sha256: Sha256) -> Result<Vec<Known>> {
    /// Exhibits of one event: an entry has its limit.
    const SUBJECTS: usize = 40;
    let mut tx = app.db.read().await?;
    let found = db::exhibits::with_bytes(&mut tx, person.agency, sha256).await?;
    drop(tx);
    let mut tx = app.db.begin().await?;
    let groups: Vec<&[(Id, Utc)]> = if found.is_empty() { vec![&[]] } else { found.chunks(SUBJECTS).collect() };
    for group in groups {
        let draft = Draft::new(EventType::AuditLookedUp, Actor::from(person)).private("sha256", sha256.to_string());
        // In the history of what it found: erased with it, one day.
        let draft = group.iter().fold(draft, |draft, (exhibit, _)| draft.about(SubjectKind::Exhibit, *exhibit));
        attest::append(app, &mut tx, draft).await?;
    }
    tx.commit().await?;
    let mut tx = app.db.read().await?;
    let mut known = Vec::new();
    for (exhibit, at) in found {
        let entry = db::log::first_of_subject(&mut tx, "exhibit", &exhibit.to_string()).await?;
        known.push(Known { exhibit: exhibit.to_string(), at: at.to_string(), index: entry.map(|e| e.index) });
    }
    Ok(known)
}
