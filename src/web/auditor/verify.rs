//! `/audit/verify`: what a receipt, a hash or a file is worth.

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::StreamExt as _;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use sha2::Digest as _;

use super::verdict_words;
use crate::attest::{self, Exit, Finding, GivenFile, Trust, verify_receipt};
use crate::db;
use crate::domain::actor::{Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Auditing, Frame};
use crate::web::form::Form;
use crate::web::respond::page;

#[derive(Template)]
#[template(path = "audit_verify.html")]
struct VerifyPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    findings: Vec<Finding>,
    verdict: Option<(String, &'static str)>,
    hash: Option<(String, Vec<Known>)>,
}

struct Known {
    exhibit: String,
    at: String,
    index: Option<u64>,
}

fn blank(frame: Frame) -> VerifyPage {
    VerifyPage { t: frame.language.texts(), frame, findings: Vec::new(), verdict: None, hash: None }
}

pub async fn show(State(_): State<AppState>, Auditing(_): Auditing, frame: Frame) -> Result<Response> {
    page(&blank(frame))
}

const RECEIPT_BYTES_MAX: usize = 256 * 1024;

/// Checks what is given: a receipt, a file, a hash, or a file against a receipt. The file is hashed as it comes
/// and kept nowhere.
pub async fn judge(State(app): State<AppState>, Auditing(person): Auditing, frame: Frame, request: Request) -> Result<Response> {
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
    let mut answer = blank(frame);
    let t = answer.t;
    if !receipt.is_empty() {
        let policy = &app.trust;
        let files: Vec<GivenFile> = file.into_iter().collect();
        let verdict = verify_receipt(&receipt, &files, Trust { policy: Some(policy), authorities: None });
        let exhibit = verdict.entry.as_ref().and_then(|e| e.pointer("/subj/0/id")?.as_str()?.parse::<Id>().ok());
        let mut tx = app.db.begin().await?;
        let draft = Draft::new(EventType::ReceiptChecked, Actor::from(&person)).fact("exit", verdict.exit as u8);
        // Only of an exhibit that this log knows: the rest is a stranger's text.
        let draft = match exhibit {
            Some(id) if verdict.exit == Exit::Proven => draft.about(SubjectKind::Exhibit, id),
            _ => draft,
        };
        attest::append(&app, &mut tx, draft).await?;
        tx.commit().await?;
        answer.verdict = Some(verdict_words(t, verdict.exit));
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
    let mut tx = app.db.begin().await?;
    let found = db::exhibits::with_bytes(&mut tx, person.agency, sha256).await?;
    for (exhibit, _) in &found {
        db::exhibits::lock(&mut tx, *exhibit).await?;
    }
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
