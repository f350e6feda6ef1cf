//! Where a claim comes from, and how good a time is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    ExifOriginal,
    ExifDigitized,
    ExifGps,
    XmpCreated,
    XmpGps,
    /// IPTC's date of creation.
    IptcCreated,
    QuicktimeCreationdate,
    ContainerHeader,
    ContainerLocation,
    /// A text in the recording: QuickTime's day, a sound's tags.
    RecordedText,
    FileName,
    WitnessStatement,
    InvestigatorStatement,
    /// An investigator found out how wrong a device's clock is.
    ClockCorrection,
}

impl Source {
    pub const ALL: &'static [Source] = &[
        Source::ExifOriginal,
        Source::ExifDigitized,
        Source::ExifGps,
        Source::XmpCreated,
        Source::XmpGps,
        Source::IptcCreated,
        Source::QuicktimeCreationdate,
        Source::ContainerHeader,
        Source::ContainerLocation,
        Source::RecordedText,
        Source::FileName,
        Source::WitnessStatement,
        Source::InvestigatorStatement,
        Source::ClockCorrection,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Source::ExifOriginal => "exif_original",
            Source::ExifDigitized => "exif_digitized",
            Source::ExifGps => "exif_gps",
            Source::XmpCreated => "xmp_created",
            Source::XmpGps => "xmp_gps",
            Source::IptcCreated => "iptc_created",
            Source::QuicktimeCreationdate => "quicktime_creationdate",
            Source::ContainerHeader => "container_header",
            Source::ContainerLocation => "container_location",
            Source::RecordedText => "recorded_text",
            Source::FileName => "file_name",
            Source::WitnessStatement => "witness_statement",
            Source::InvestigatorStatement => "investigator_statement",
            Source::ClockCorrection => "clock_correction",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
    }
}

/// How good a time is, best first. Shown beside every time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
pub enum Grade {
    /// The device's own clock with its own zone, or satellite time.
    A,
    /// The zone was derived from two clocks in the file or from its place, the two clocks disagree, or the clock was corrected.
    B,
    /// The zone was assumed from the appeal, or the clock's meaning is uncertain.
    C,
    /// Told by a person or implied by a name.
    D,
}

impl Grade {
    pub const ALL: [Grade; 4] = [Grade::A, Grade::B, Grade::C, Grade::D];

    pub const fn as_str(self) -> &'static str {
        match self {
            Grade::A => "A",
            Grade::B => "B",
            Grade::C => "C",
            Grade::D => "D",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|g| g.as_str() == text)
    }
}
