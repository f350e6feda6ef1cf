//! What the confined process answers.

use serde::{Deserialize, Serialize};

use crate::domain::capture::Found;
use crate::domain::derivative::Variant;
use crate::domain::value::{DAY_US, Sha256, shown};

/// What was read in a file and made of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub found: Found,
    /// Raw metadata as (path, value), in the file's order.
    pub raw: Vec<(String, String)>,
    /// Stable words for what could not be read.
    pub notes: Vec<String>,
    pub made: Vec<Made>,
    /// Fingerprints (`domain::likeness`), base64.
    pub prints: Option<String>,
    /// Digest of the picture or the samples alone, hexadecimal.
    pub essence: Option<Sha256>,
    /// What the process was confined by: `limits`, `namespaces`, `landlock`, `seccomp`.
    #[serde(default)]
    pub confined: Vec<String>,
    /// Largest memory of the process or of what it started, in KiB.
    #[serde(default)]
    pub peak_kb: u64,
    /// Programs besides this one that had a part in it, with their versions.
    #[serde(default)]
    pub tools: Vec<String>,
}

/// One picture that was made.
#[derive(Debug, Serialize, Deserialize)]
pub struct Made {
    pub variant: Variant,
    /// JPEG, base64.
    pub bytes: String,
    pub width: u32,
    pub height: u32,
    pub how: String,
}

impl Outcome {
    /// The confined process has read hostile bytes: what it says is cut to size before anything is done with it.
    pub fn bounded(mut self) -> Self {
        const CLAIMS_MAX: usize = 32;
        const RAW_MAX: usize = 600;
        const TEXT_CHARS_MAX: usize = 400;
        let cut = |text: &mut String| *text = shown(text, TEXT_CHARS_MAX);
        let found = &mut self.found;
        found.times.truncate(CLAIMS_MAX);
        found.places.truncate(CLAIMS_MAX);
        found.seen.truncate(2 * CLAIMS_MAX);
        found.streams.truncate(CLAIMS_MAX);
        found.checked.retain(|c| matches!(c.as_str(), "metadata" | "thumbnail" | "credentials"));
        found.checked.truncate(3);
        found.times.iter_mut().for_each(|t| {
            cut(&mut t.raw);
            cut(&mut t.path);
            t.local = t.local.take().filter(|l| l.len() <= 40);
        });
        found.places.iter_mut().for_each(|p| {
            cut(&mut p.raw);
            cut(&mut p.path);
        });
        found.seen.iter_mut().for_each(|s| {
            cut(&mut s.seen);
            cut(&mut s.path);
        });
        found.streams.iter_mut().for_each(|s| {
            s.kind = shown(&s.kind, 20);
            s.codec = shown(&s.codec, 40);
        });
        let d = &mut found.device;
        [&mut d.make, &mut d.model, &mut d.serial, &mut d.software, &mut d.lens, &mut d.unique].into_iter().flatten().for_each(cut);
        found.duration_us = found.duration_us.map(|d| d.clamp(0, 30 * DAY_US));
        self.raw.truncate(RAW_MAX);
        self.raw.iter_mut().for_each(|(path, value)| {
            cut(path);
            cut(value);
        });
        self.notes.truncate(CLAIMS_MAX);
        // These stand in the log in clear: words of ours, or nothing.
        self.notes.retain(|n| n.len() <= 40 && n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
        self.made.truncate(Variant::ALL.len());
        let plain = |text: &str| text.len() <= 80 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b" -+./,;()".contains(&b));
        self.made.retain(|m| plain(&m.how));
        self.confined.retain(|c| matches!(c.as_str(), "limits" | "namespaces" | "landlock" | "seccomp"));
        self.confined.truncate(4);
        self.tools.truncate(8);
        self.tools.retain(|t| plain(t));
        const PRINTS_CHARS_MAX: usize = 64 << 10;
        self.prints = self.prints.filter(|p| p.len() <= PRINTS_CHARS_MAX);
        self
    }
}
