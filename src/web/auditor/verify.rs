//! `/audit/verify`: what a receipt, a hash or a file is worth.

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::StreamExt as _;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use sha2::Digest as _;

use super::{Said, said, verdict_words};
use crate::attest::{self, GivenFile, Received};
use crate::domain::value::Sha256;
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Auditing, Frame};
use crate::web::form::Form;
use crate::web::respond::page;

#[derive(Template)]
#[template(path = "audit_verify.html")]
struct VerifyPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    findings: Vec<Said>,
    verdict: Option<(String, &'static str)>,
    hash: Option<(String, Vec<Known>)>,
}

struct Known {
    exhibit: String,
    at: String,
    index: Option<u64>,
}

impl From<Received> for Known {
    fn from(r: Received) -> Self {
        Self { exhibit: r.exhibit.to_string(), at: r.at.to_string(), index: r.index }
    }
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
        let files: Vec<GivenFile> = file.into_iter().collect();
        let verdict = attest::check_receipt(&app, &person, &receipt, &files).await?;
        answer.verdict = Some(verdict_words(t, verdict.exit));
        answer.findings = said(t, "check", verdict.findings);
    } else if let Some(sha256) = file.map(|f| f.sha256).or_else(|| Sha256::from_hex(&hash)) {
        answer.hash = Some((sha256.to_string(), attest::look_up(&app, &person, sha256).await?.into_iter().map(Known::from).collect()));
    } else if !hash.is_empty() {
        return Err(Error::Invalid { field: "hash", why: "64 hexadecimal digits".into() });
    }
    page(&answer)
}
