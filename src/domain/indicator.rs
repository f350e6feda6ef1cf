//! Indicators: observations about how a file was made and what in it contradicts what. Never a verdict: each has a rank,
//! what was seen, where, and by which tool; what it does not prove stands beside it in words (`docs/indicators.md`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much an indicator asks for. There is no score.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// The file contradicts itself, or what was told about it.
    Contradiction,
    WorthALook,
    Information,
}

impl Rank {
    pub const fn as_str(self) -> &'static str {
        match self {
            Rank::Contradiction => "contradiction",
            Rank::WorthALook => "worth_a_look",
            Rank::Information => "information",
        }
    }
}

macro_rules! indicators {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $rank:ident;)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
        pub enum Indicator { $($(#[$doc])* #[serde(rename = $text)] $name),* }
        impl Indicator {
            #[cfg(test)]
            pub const ALL: &'static [Indicator] = &[$(Indicator::$name),*];
            pub const fn as_str(self) -> &'static str {
                match self { $(Indicator::$name => $text),* }
            }
            pub const fn rank(self) -> Rank {
                match self { $(Indicator::$name => Rank::$rank),* }
            }
        }
    };
}

indicators! {
    /// Content credentials (C2PA), signed by a signer on the operator's list, and unchanged since.
    CredentialsTrusted = "credentials_trusted", Information;
    /// Signed and unchanged, by a signer that is not on the list.
    CredentialsUnknown = "credentials_unknown", Information;
    /// The signature does not hold, or the file was changed after it.
    CredentialsBroken = "credentials_broken", WorthALook;
    /// Changed after signing, as a phone changes it that takes the place out of what it hands to a web page.
    CredentialsRedacted = "credentials_redacted", Information;
    /// What it was made from carries credentials that do not hold.
    CredentialsAncestor = "credentials_ancestor", WorthALook;
    /// Credentials lie elsewhere, on a server; they were not fetched.
    CredentialsElsewhere = "credentials_elsewhere", Information;
    /// Credentials are there that could not be read.
    CredentialsUnread = "credentials_unread", Information;
    /// A program for editing is named.
    EditorNamed = "editor_named", WorthALook;
    EditHistory = "edit_history", WorthALook;
    DerivedFrom = "derived_from", WorthALook;
    /// The file itself says that it was generated.
    GeneratedStated = "generated_stated", WorthALook;
    /// The small picture in the file shows something else.
    ThumbnailDiffers = "thumbnail_differs", WorthALook;
    MessengerCopy = "messenger_copy", Information;
    Screenshot = "screenshot", Information;
    ScreenRecording = "screen_recording", Information;
    /// Encoded by a program, not by a camera.
    Reencoded = "reencoded", Information;
    /// No camera left its mark.
    NoCamera = "no_camera", Information;
    /// Bytes follow the picture's end.
    DataAfterEnd = "data_after_end", WorthALook;
    /// The file's own clocks tell different times.
    ClocksDisagree = "clocks_disagree", Contradiction;
    /// Two places in one file.
    PlacesDisagree = "places_disagree", Contradiction;
    /// The file and the witness tell different times.
    TimeAndWitness = "time_and_witness", Contradiction;
    /// The file and the witness tell different places.
    PlaceAndWitness = "place_and_witness", Contradiction;
    /// The file's clock was never set, or runs ahead.
    ClockWrong = "clock_wrong", WorthALook;
    /// The same device made files of other submissions.
    SameDevice = "same_device", Information;
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    pub what: Indicator,
    /// What was seen, in the file's own words.
    pub seen: String,
    /// Where.
    pub path: String,
}

impl Seen {
    pub fn new(what: Indicator, seen: String, path: &str) -> Self {
        Self { what, seen, path: path.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_never_verdicts() {
        let mut names: Vec<_> = Indicator::ALL.iter().map(|i| i.as_str()).collect();
        for name in &names {
            assert!(!["fake", "genuine", "authentic"].iter().any(|w| name.contains(w)), "{name}");
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Indicator::ALL.len());
    }
}
