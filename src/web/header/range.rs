//! `Range` (RFC 9110 §14.2).

/// Nothing of what is there was asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsatisfiable;

/// Start and length of one range within something of this size. Several, or other units, are answered with the whole, as is allowed.
pub fn one_range(text: &str, size: u64) -> Result<Option<(u64, u64)>, Unsatisfiable> {
    let Some(spec) = text.strip_prefix("bytes=").filter(|s| !s.contains(',')) else { return Ok(None) };
    let Some((first, last)) = spec.split_once('-') else { return Ok(None) };
    // (`parse` alone takes a sign, too.)
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    let (start, end) = match (number(first), number(last)) {
        (Some(start), Some(end)) if start <= end => (start, end.saturating_add(1).min(size)),
        (Some(start), None) if last.is_empty() => (start, size),
        (None, Some(tail)) if first.is_empty() && tail > 0 => (size.saturating_sub(tail), size),
        _ => return Err(Unsatisfiable),
    };
    if start >= size { Err(Unsatisfiable) } else { Ok(Some((start, end - start))) }
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
        for wrong in ["bytes=100-", "bytes=9-3", "bytes=-0", "bytes=x-y", "bytes=+1-2", "bytes=99999999999999999999-"] {
            assert!(one_range(wrong, 100).is_err(), "{wrong}");
        }
    }
}
