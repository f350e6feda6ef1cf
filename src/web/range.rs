//! A part of something long: one range of RFC 9110 §14, and the headers that say so.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

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
        let asked = headers.get(header::RANGE).and_then(|v| v.to_str().ok());
        Ok(Self { range: asked.map_or(Ok(None), |r| one_range(r, size))?, size })
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

/// One range of RFC 9110 §14. Several, or other units, are answered with the whole, as is allowed.
fn one_range(text: &str, size: u64) -> Result<Option<(u64, u64)>> {
    let Some(spec) = text.strip_prefix("bytes=").filter(|s| !s.contains(',')) else { return Ok(None) };
    let Some((first, last)) = spec.split_once('-') else { return Ok(None) };
    let unsatisfiable = || Error::RangeNotSatisfiable { size };
    let (start, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(start), Ok(end)) if start <= end => (start, end.saturating_add(1).min(size)),
        (Ok(start), Err(_)) if last.is_empty() => (start, size),
        (Err(_), Ok(tail)) if first.is_empty() && tail > 0 => (size.saturating_sub(tail), size),
        _ => return Err(unsatisfiable()),
    };
    if start >= size { Err(unsatisfiable()) } else { Ok(Some((start, end - start))) }
}

#[cfg(test)]
mod tests {
    use super::one_range;

    #[test]
    fn ranges() {
        assert_eq!(one_range("bytes=0-9", 100).unwrap(), Some((0, 10)));
        assert_eq!(one_range("bytes=90-", 100).unwrap(), Some((90, 10)));
        assert_eq!(one_range("bytes=-10", 100).unwrap(), Some((90, 10)));
        assert_eq!(one_range("bytes=95-1000", 100).unwrap(), Some((95, 5)));
        assert_eq!(one_range("bytes=0-1,3-4", 100).unwrap(), None);
        for wrong in ["bytes=100-", "bytes=9-3", "bytes=-0", "bytes=x-y"] {
            assert!(one_range(wrong, 100).is_err(), "{wrong}");
        }
    }
}
