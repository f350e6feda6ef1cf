//! BagIt 1.0 (RFC 8493): manifests, and paths that stay inside.

use crate::domain::value::Sha256;

pub const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// One line of a manifest. `%`, CR and LF are percent-encoded, as §2.1.3 asks.
pub fn line(hash: &str, path: &str) -> String {
    format!("{hash}  {}\n", path.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A"))
}

/// The lines of a SHA-256 manifest: path and hash. `Err` names the first line that is not one, or leads outside, or names a file
/// twice.
pub fn parse(text: &str) -> Result<Vec<(String, Sha256)>, String> {
    let mut files: Vec<(String, Sha256)> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (n, line) in text.lines().enumerate() {
        let bad = |why: &str| format!("line {}: {why}", n + 1);
        let (hash, path) = line.split_once([' ', '\t']).ok_or_else(|| bad("no hash and path"))?;
        let path = path.trim_start_matches([' ', '\t', '*']);
        let path = path.replace("%0D", "\r").replace("%0d", "\r").replace("%0A", "\n").replace("%0a", "\n").replace("%25", "%");
        let hash = Sha256::from_hex(hash).ok_or_else(|| bad("not a SHA-256"))?;
        if !stays_inside(&path) {
            return Err(bad("a path that leads outside"));
        }
        if !seen.insert(path.clone()) {
            return Err(bad("a file named twice"));
        }
        files.push((path, hash));
    }
    Ok(files)
}

/// Whether a path is relative, without `..`, drive letters, home directories or empty parts, and so cannot leave the folder.
pub fn stays_inside(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 4_096
        && !path.contains(['\\', '\0', ':'])
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.starts_with('~'))
}

/// A file name that every system can hold, made of one that a stranger chose.
pub fn portable_name(name: &str) -> String {
    const BYTES_MAX: usize = 150;
    let mut out = String::new();
    for c in name.chars().map(|c| if c.is_control() || "\\/:*?\"<>|%~".contains(c) { '_' } else { c }) {
        if out.len() + c.len_utf8() > BYTES_MAX {
            break;
        }
        out.push(c);
    }
    let trimmed = out.trim_matches([' ', '.']);
    if trimmed.is_empty() { "unnamed".to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_read_back_and_lead_nowhere_else() {
        let hash = Sha256::of(b"x");
        let text = [line(&hash.to_string(), "data/a 100%.jpg"), line(&hash.to_string(), "data/b\nc")].concat();
        let files = parse(&text).unwrap();
        assert_eq!(files.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), ["data/a 100%.jpg", "data/b\nc"]);
        for wrong in ["../x", "/etc/passwd", "data/../../x", "data//x", "~/x", "C:\\x", "data/./x", "C:x", "a\0b"] {
            assert!(parse(&line(&hash.to_string(), wrong)).is_err(), "{wrong}");
        }
        assert!(parse(&format!("{0}{0}", line(&hash.to_string(), "data/a"))).is_err(), "twice");
        assert!(parse("nonsense\n").is_err());
    }

    #[test]
    fn names_fit_everywhere() {
        assert_eq!(portable_name("a:b?.jpg"), "a_b_.jpg");
        assert_eq!(portable_name(" .. "), "unnamed");
        assert!(portable_name(&"é".repeat(300)).len() <= 150);
    }
}
