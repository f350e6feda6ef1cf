//! The witness's pages: they work without JavaScript, without an account, on a phone.

pub mod appeal;
pub mod notices;
pub mod progress;
pub mod receipt;
pub mod send;
mod words;

use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;

use crate::domain::value::Utc;
use crate::web::extract::Frame;
use crate::web::language::{Language, from_query};

/// Not what greets a person by name, nor what sets a cookie.
fn is_same_for_all(frame: &Frame, uri: &Uri) -> bool {
    frame.person.is_none() && from_query(uri.query()).is_none()
}

/// Lets caches keep a page that is the same for everybody for a minute: it stands while everything else drowns.
fn kept_a_minute(mut response: Response, is_same_for_all: bool) -> Response {
    if is_same_for_all {
        let h = response.headers_mut();
        h.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60, stale-if-error=86400"));
        h.insert(header::VARY, HeaderValue::from_static("Accept-Language, Cookie"));
    }
    response
}

/// Bytes as people read them, in powers of ten.
#[allow(clippy::cast_precision_loss)]
pub fn size_words(bytes: u64, language: Language) -> String {
    let units = match language {
        Language::Fr => ["o", "ko", "Mo", "Go"],
        Language::En => ["B", "kB", "MB", "GB"],
    };
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit < 3 {
        value /= 1000.0;
        unit += 1;
    }
    let text = if unit == 0 { format!("{bytes}") } else { format!("{value:.1}") };
    let text = if language == Language::Fr { text.replace('.', ",") } else { text };
    format!("{text}\u{a0}{}", units[unit])
}

/// A moment as people say it, on the wall clock of the incident's zone, to the minute.
pub fn moment_words(at: Utc, zone: &str, language: Language) -> String {
    const FR: [&str; 12] =
        ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"];
    const EN: [&str; 12] =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
    let zone = jiff::tz::TimeZone::get(zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let local = at.timestamp().to_zoned(zone);
    let month = usize::try_from(local.month() - 1).unwrap_or(0);
    let (day, year, time) = (local.day(), local.year(), local.strftime("%H:%M"));
    match language {
        Language::Fr if day == 1 => format!("1er {} {year} à {time}", FR[month]),
        Language::Fr => format!("{day} {} {year} à {time}", FR[month]),
        Language::En => format!("{day} {} {year}, {time}", EN[month]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let at = "2026-07-14T20:05:00Z".parse().unwrap();
        assert_eq!(moment_words(at, "Europe/Paris", Language::Fr), "14 juillet 2026 à 22:05");
        assert_eq!(moment_words(at, "Europe/Paris", Language::En), "14 July 2026, 22:05");
    }

    #[test]
    fn sizes() {
        assert_eq!(size_words(999, Language::En), "999\u{a0}B");
        assert_eq!(size_words(3_210_000, Language::Fr), "3,2\u{a0}Mo");
    }
}
