//! A part of something long: one range of RFC 9110 §14, and the headers that say so.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::header::range::{Unsatisfiable, one_range};
use crate::error::{Error, Result};

/// What of it goes out.
#[derive(Clone, Copy)]
pub struct Part {
    /// Start and length, unless all of it.
    range: Option<(u64, u64)>,
    size: u64,
}

impl Part {
    /// As the request asks, of something of this size.
    pub fn asked(headers: &HeaderMap, size: u64) -> Result<Self> {
        // A part only of what is still the same: nothing here has a validator, so whoever names one gets the whole (RFC 9110 §13.1.5).
        let asked = headers.get(header::RANGE).filter(|_| !headers.contains_key(header::IF_RANGE)).and_then(|v| v.to_str().ok());
        let range = asked.map_or(Ok(None), |r| one_range(r, size)).map_err(|Unsatisfiable| Error::RangeNotSatisfiable { size })?;
        Ok(Self { range, size })
    }

    pub const fn is_whole(self) -> bool {
        self.range.is_none()
    }

    /// Start and length.
    pub fn stretch(self) -> (u64, u64) {
        self.range.unwrap_or((0, self.size))
    }

    /// Says in an answer which part it is.
    pub fn describe(self, response: &mut Response) -> Result<()> {
        let (start, length) = self.stretch();
        let h = response.headers_mut();
        h.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        h.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        if self.range.is_some() {
            let value = format!("bytes {start}-{}/{}", start + length - 1, self.size);
            h.insert(header::CONTENT_RANGE, HeaderValue::from_str(&value).map_err(Error::internal)?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Ok(())
    }
}
