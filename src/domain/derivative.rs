//! Derivatives: what was made of an original for eyes. Each knows what it was made of, by what and how; none is evidence.

use serde::{Deserialize, Serialize};

use super::value::Sha256;

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// 512 px.
    Thumbnail,
    /// 1,280 px; of a clip its poster, of a sound its waveform.
    View,
    /// Frames of a clip, side by side.
    Sheet,
    /// A copy that browsers play.
    Proxy,
}

impl Variant {
    pub const ALL: [Variant; 4] = [Variant::Thumbnail, Variant::View, Variant::Sheet, Variant::Proxy];

    pub const fn as_str(self) -> &'static str {
        match self {
            Variant::Thumbnail => "thumbnail",
            Variant::View => "view",
            Variant::Sheet => "sheet",
            Variant::Proxy => "proxy",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.as_str() == text)
    }

    /// Under which name events commit to its hash.
    pub const fn opening(self) -> &'static str {
        match self {
            Variant::Thumbnail => "thumbnail_sha256",
            Variant::View => "view_sha256",
            Variant::Sheet => "sheet_sha256",
            Variant::Proxy => "proxy_sha256",
        }
    }
}

/// One derivative of some bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivative {
    pub variant: Variant,
    pub key: String,
    /// Not known of what was made before events committed to it.
    pub sha256: Option<Sha256>,
    pub size: u64,
    pub media_type: String,
    pub width: u32,
    pub height: u32,
    /// With which steps and parameters.
    pub how: String,
}
