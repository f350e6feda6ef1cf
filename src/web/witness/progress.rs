//! `/r/{receipt}/progress`: how far the files have come, for a browser without script. The answer stays open and writes a
//! line whenever something has changed; the style sheet shows only the last one.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use i18n_embed_fl::fl;
use tokio::sync::OwnedSemaphorePermit;

use super::size_words;
use crate::app::App;
use crate::domain::value::Id;
use crate::error::Result;
use crate::web::extract::{AppState, Frame, by_receipt};
use crate::web::language::Language;

/// The frame's own policy: it shows text, and only our own pages may frame it.
const CSP: &str = "default-src 'none'; style-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'";
const EVERY: Duration = Duration::from_secs(1);
/// Seconds without any change after which the frame ends; a reload begins it again.
const PATIENCE: u32 = 15 * 60;

struct Watch {
    app: AppState,
    submission: Id,
    language: Language,
    last: String,
    still: u32,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

pub async fn show(State(app): State<AppState>, frame: Frame, Path(receipt): Path<String>) -> Result<Response> {
    let (submission, _, _) = by_receipt(&app, &receipt).await?;
    let place = app.traffic.gate.frame()?;
    let watch =
        Watch { app, submission: submission.id, language: frame.language, last: String::new(), still: 0, begun: false, _place: place };
    let lines = stream::unfold(watch, |mut watch| async move {
        let piece = watch.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(piece)), watch))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN"),
        // nginx would keep the lines back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok((headers, Body::from_stream(lines)).into_response())
}

impl Watch {
    /// The page's head first, then a line for every change.
    async fn next(&mut self) -> Option<String> {
        if !self.begun {
            self.begun = true;
            let (tag, line) = (self.language.tag(), self.line());
            self.last.clone_from(&line);
            let title = fl!(self.language.texts(), "progress-title");
            return Some(format!(
                "<!DOCTYPE html><html lang=\"{tag}\"><head><meta charset=\"utf-8\"><title>{title}</title>\
                 <link rel=\"stylesheet\" href=\"/assets/app.css\"></head><body class=\"progress\" role=\"status\"><p>{line}</p>\n"
            ));
        }
        while self.still < PATIENCE {
            tokio::time::sleep(EVERY).await;
            let line = self.line();
            if line != self.last {
                self.still = 0;
                self.last.clone_from(&line);
                return Some(format!("<p>{line}</p>\n"));
            }
            self.still += 1;
        }
        None
    }

    fn line(&self) -> String {
        line(&self.app, self.submission, self.language)
    }
}

fn line(app: &App, submission: Id, language: Language) -> String {
    let (t, seen) = (language.texts(), app.traffic.progress.of(submission));
    let size = size_words(seen.bytes, language);
    match (seen.at, seen.bytes) {
        (None, _) => fl!(t, "progress-waiting"),
        (Some(_), 0) => fl!(t, "progress-files", n = seen.files),
        (Some(_), _) => fl!(t, "progress-line", n = seen.files, size = size),
    }
}
