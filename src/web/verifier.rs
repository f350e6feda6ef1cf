//! `/verify`: anybody checks a receipt, a file or a bundle in their own browser; `/verify/offline` is the same as one file to keep.
//! The server learns nothing of what is checked.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde_json::json;

use crate::error::{Error, Result};
use crate::web::extract::{AppState, Frame};
use crate::web::media::asset_text;
use crate::web::respond::page;

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    words: String,
}

#[derive(Template)]
#[template(path = "verify_offline.html")]
struct OfflinePage {
    t: &'static FluentLanguageLoader,
    language: &'static str,
    words: String,
    style: String,
    script: String,
}

/// What the island says, as JSON that no element can end.
fn words(t: &FluentLanguageLoader) -> String {
    let words = json!({
        "proven": fl!(t, "verdict-proven"), "undecided": fl!(t, "verdict-undecided"),
        "contradicted": fl!(t, "verdict-contradicted"), "unusable": fl!(t, "verdict-unusable"),
        "result-proven": fl!(t, "result-proven"), "result-undecided": fl!(t, "result-undecided"),
        "result-contradicted": fl!(t, "result-contradicted"), "result-unusable": fl!(t, "result-unusable"),
        "check-format": fl!(t, "check-format"), "check-inclusion": fl!(t, "check-inclusion"), "check-signature": fl!(t, "check-signature"),
        "check-opening": fl!(t, "check-opening"), "check-since": fl!(t, "check-since"), "check-erased": fl!(t, "check-erased"),
        "check-file": fl!(t, "check-file"), "check-bag": fl!(t, "check-bag"), "check-bundle": fl!(t, "check-bundle"),
        "check-time": fl!(t, "check-time"), "check-history": fl!(t, "check-history"), "check-payload": fl!(t, "check-payload"),
        "check-derivative": fl!(t, "check-derivative"),
        "check-export": fl!(t, "check-export"), "reading": fl!(t, "offline-reading"), "done": fl!(t, "offline-done"),
        "nothing": fl!(t, "offline-nothing"), "insecure": fl!(t, "offline-insecure"), "policy-unreadable": fl!(t, "offline-policy-unreadable"),
        "zip-again": fl!(t, "offline-zip-again"),
    });
    words.to_string().replace('<', "\\u003c")
}

pub async fn show(State(_): State<AppState>, frame: Frame) -> Result<Response> {
    let t = frame.language.texts();
    page(&VerifyPage { t, words: words(t), frame })
}

/// One file with everything in it, to be kept, handed on, opened without a network.
pub async fn offline(State(_): State<AppState>, frame: Frame) -> Result<Response> {
    let t = frame.language.texts();
    let asset = |name: &str| asset_text(name).ok_or_else(|| Error::Internal(format!("{name} is not built in")));
    let script = asset("verify.js")?.replace("</script", "<\\/script");
    let mut response = page(&OfflinePage { t, language: frame.language.tag(), words: words(t), style: asset("app.css")?, script })?;
    response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"temoin-verify.html\""));
    Ok(response)
}
