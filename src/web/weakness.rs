//! `/.well-known/security.txt`: where somebody who found a weakness tells of it (RFC 9116).

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::domain::value::DAY_US;
use crate::error::{Error, Result};
use crate::web::extract::AppState;

/// Nobody relies on an older copy: the file has to say until when it holds, at the most a year ahead.
const HOLDS_DAYS: i64 = 180;

pub async fn show(State(app): State<AppState>) -> Result<Response> {
    let contact = &app.config.security_contact;
    if contact.is_empty() {
        return Err(Error::NotFound);
    }
    let (url, until) = (&app.config.public_url, app.now().plus(HOLDS_DAYS * DAY_US).timestamp());
    let text = format!("Contact: {contact}\nExpires: {until:.0}\nPreferred-Languages: en, fr\nCanonical: {url}/.well-known/security.txt\n");
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
