//! The name of a file in `Content-Disposition` (RFC 6266), as bytes: they need be no text.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// What `filename*` does not carry as it is: all but RFC 8187's `attr-char`.
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The file name of a `Content-Disposition`: `filename*` (RFC 8187) before `filename`.
pub fn name(value: &[u8]) -> Vec<u8> {
    let find = |key: &[u8]| value.windows(key.len()).position(|w| w.eq_ignore_ascii_case(key)).map(|at| &value[at + key.len()..]);
    if let Some(rest) = find(b"filename*=") {
        let encoded: Vec<u8> = rest.iter().copied().take_while(|b| *b != b';').collect();
        let encoded = encoded.splitn(3, |b| *b == b'\'').nth(2).unwrap_or(&encoded).to_vec();
        return percent_decode(&encoded).collect();
    }
    let Some(rest) = find(b"filename=") else { return Vec::new() };
    match rest.split_first() {
        Some((b'"', quoted)) => {
            let (mut name, mut escaped) = (Vec::new(), false);
            for &b in quoted {
                match (escaped, b) {
                    (false, b'\\') => escaped = true,
                    (false, b'"') => break,
                    _ => {
                        name.push(b);
                        escaped = false;
                    }
                }
            }
            name
        }
        _ => rest.iter().copied().take_while(|b| !matches!(b, b';' | b' ')).collect(),
    }
}

/// The header's value under which a browser keeps a file by this name: in full (RFC 8187), and as far as ASCII goes for who reads only that.
pub fn attachment(name: &str) -> String {
    let plain: String = name.chars().map(|c| if matches!(c, ' '..='~') && !"\"\\%".contains(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(name, ATTR_CHAR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_content_disposition() {
        for (header, wanted) in [
            (&b"attachment; filename=\"a b.jpg\""[..], &b"a b.jpg"[..]),
            (b"attachment; filename=a.jpg; x=1", b"a.jpg"),
            (b"attachment; filename=\"x.jpg\"; filename*=UTF-8''%C3%A9.jpg", "é.jpg".as_bytes()),
            (b"attachment; filename=\"a\\\"b\"", b"a\"b"),
            (b"attachment", b""),
            (b"filename*=UTF-8''%ff%", b"\xff%"),
        ] {
            assert_eq!(name(header), wanted);
        }
    }

    #[test]
    fn a_name_comes_back_whole() {
        for wanted in ["a b.jpg", "é\u{202e}gpj.exe", "a\"b\\c%41;x='.jpg", "\r\nSet-Cookie: x"] {
            let header = attachment(wanted);
            assert!(header.is_ascii() && !header.contains(['\r', '\n']), "{header}");
            assert_eq!(name(header.as_bytes()), wanted.as_bytes());
        }
    }
}
