//! What readers find in one file. They know nothing of appeals, and assume nothing.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Source;
use crate::domain::indicator::Seen;
use crate::domain::value::{Point, shown};

/// What a reader found about time, before any zone is assumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeFound {
    pub source: Source,
    /// As it stands in the file.
    pub raw: String,
    /// Where in the file.
    pub path: String,
    /// Wall-clock reading `YYYY-MM-DDTHH:MM:SS[.fff]`, when the raw text is one.
    pub local: Option<String>,
    /// Minutes east of UTC, when the file says so.
    pub offset_min: Option<i32>,
    /// Only the day is told: some time within it.
    #[serde(default)]
    pub date_only: bool,
}

/// What a reader found about place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaceFound {
    pub source: Source,
    pub raw: String,
    pub path: String,
    pub status: PlaceStatus,
    pub point: Option<Point>,
    pub radius_m: Option<f64>,
    /// Above the sea; below it negative.
    pub altitude_m: Option<f64>,
    /// Where the camera looked, clockwise from north.
    pub direction_deg: Option<f64>,
    /// Whether that is the compass's north, not the map's.
    #[serde(default)]
    pub magnetic: bool,
}

impl PlaceFound {
    /// A place of which nothing else is known.
    pub const fn of(source: Source, status: PlaceStatus) -> Self {
        Self {
            source,
            status,
            raw: String::new(),
            path: String::new(),
            point: None,
            radius_m: None,
            altitude_m: None,
            direction_deg: None,
            magnetic: false,
        }
    }
}

/// Why a place claim has a point, or has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlaceStatus {
    Stated,
    /// The fields are there and emptied: what Android does to photos chosen in a web page.
    RemovedByPhone,
    /// Exactly 0°, 0°: a receiver without a fix.
    Zero,
    /// Outside the Earth, or not a number.
    Impossible,
    /// Numbers without north or south, east or west.
    NoHemisphere,
    /// What was stated before does not count any more.
    Withdrawn,
}

/// What made the picture, as the file says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Device {
    pub make: Option<String>,
    pub model: Option<String>,
    pub serial: Option<String>,
    pub software: Option<String>,
    pub lens: Option<String>,
    /// An identifier that the device gave this one picture.
    pub unique: Option<String>,
}

impl Device {
    /// Make and model, as people name it.
    pub fn words(&self) -> Option<String> {
        let word = |w: &Option<String>| w.as_deref().map(|t| shown(t.trim(), 60)).filter(|t| !t.is_empty());
        match (word(&self.make), word(&self.model)) {
            // Many models begin with their make.
            (Some(make), Some(model)) if !model.to_lowercase().starts_with(&make.to_lowercase()) => Some(format!("{make} {model}")),
            (_, Some(one)) | (Some(one), None) => Some(one),
            (None, None) => None,
        }
    }

    /// What tells one device from others of its model, if anything does.
    pub fn key(&self) -> Option<String> {
        let serial = self.serial.as_deref().filter(|s| s.chars().any(|c| c.is_ascii_alphanumeric() && c != '0'))?;
        let word = |w: &Option<String>| w.as_deref().unwrap_or_default().trim().to_lowercase();
        Some(format!("{}|{}|{}", word(&self.make), word(&self.model), serial.trim().to_lowercase()))
    }
}

/// The picture as it is stored, before it is turned upright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shape {
    pub width: Option<u32>,
    pub height: Option<u32>,
    /// As EXIF counts them, 1 to 8.
    pub orientation: Option<u8>,
    /// Degrees clockwise, of a clip.
    pub rotation: Option<u16>,
}

/// One track of a recording.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stream {
    /// `video`, `audio` or another.
    pub kind: String,
    /// The container's name of the codec: `avc1`, `hvc1`, `V_VP9`.
    pub codec: String,
}

/// Everything that the readers found in one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub times: Vec<TimeFound>,
    pub places: Vec<PlaceFound>,
    pub duration_us: Option<i64>,
    #[serde(default)]
    pub device: Device,
    #[serde(default)]
    pub shape: Shape,
    #[serde(default)]
    pub streams: Vec<Stream>,
    /// What of it tells how it was made.
    #[serde(default)]
    pub seen: Vec<Seen>,
    /// Which looks came to their end: `metadata`, `thumbnail`, `credentials`. What is not among them was not looked at.
    #[serde(default)]
    pub checked: Vec<String>,
}
