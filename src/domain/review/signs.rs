//! Signs: how a file came, and what in it asks for a look, each a bit, so that a whole appeal's can be filtered and counted at once. They
//! are the witness's own words and the indicators of [`crate::domain::indicator`], grouped: observations, never verdicts.

use crate::domain::indicator::{Indicator, Seen};
use crate::domain::submission::{Answer, Statement};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sign {
    /// The witness says that they filmed it themselves.
    Own,
    /// The witness says that they got it from somebody.
    Received,
    /// Named or made as messengers name and make copies.
    Messenger,
    /// A picture or recording of a screen.
    Screen,
    /// A program for editing left its mark, or the witness says that it was changed.
    Edited,
    /// Clocks that disagree, or were never set.
    Clock,
    /// Places that disagree.
    Place,
    /// Content credentials that hold.
    Credentials,
    /// Content credentials that do not, its own or an ancestor's.
    Broken,
    /// The file itself says that it was generated.
    Generated,
}

impl Sign {
    /// In the order of their bits: a new one comes last.
    pub const ALL: [Sign; 10] = [
        Sign::Own,
        Sign::Received,
        Sign::Messenger,
        Sign::Screen,
        Sign::Edited,
        Sign::Clock,
        Sign::Place,
        Sign::Credentials,
        Sign::Broken,
        Sign::Generated,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Sign::Own => "own",
            Sign::Received => "received",
            Sign::Messenger => "messenger",
            Sign::Screen => "screen",
            Sign::Edited => "edited",
            Sign::Clock => "clock",
            Sign::Place => "place",
            Sign::Credentials => "credentials",
            Sign::Broken => "broken",
            Sign::Generated => "generated",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What came by somebody else, by the witness's word or by its looks.
pub const SECOND_HAND: u32 = Sign::Received.bit() | Sign::Messenger.bit() | Sign::Screen.bit();

/// The signs of one exhibit.
pub fn signs(told: &Statement, seen: &[Seen]) -> u32 {
    let mut bits = match told.own {
        Answer::Yes => Sign::Own.bit(),
        Answer::No => Sign::Received.bit(),
        Answer::Unknown => 0,
    };
    if told.edited == Answer::Yes {
        bits |= Sign::Edited.bit();
    }
    seen.iter().filter_map(|s| of(s.what)).fold(bits, |bits, sign| bits | sign.bit())
}

const fn of(what: Indicator) -> Option<Sign> {
    match what {
        Indicator::MessengerCopy => Some(Sign::Messenger),
        Indicator::Screenshot | Indicator::ScreenRecording => Some(Sign::Screen),
        Indicator::EditorNamed | Indicator::EditHistory | Indicator::DerivedFrom | Indicator::ThumbnailDiffers => Some(Sign::Edited),
        Indicator::ClocksDisagree | Indicator::ClockWrong | Indicator::TimeAndWitness => Some(Sign::Clock),
        Indicator::PlacesDisagree | Indicator::PlaceAndWitness => Some(Sign::Place),
        Indicator::CredentialsTrusted | Indicator::CredentialsUnknown => Some(Sign::Credentials),
        Indicator::CredentialsBroken | Indicator::CredentialsAncestor => Some(Sign::Broken),
        Indicator::GeneratedStated => Some(Sign::Generated),
        Indicator::CredentialsRedacted
        | Indicator::CredentialsElsewhere
        | Indicator::CredentialsUnread
        | Indicator::Reencoded
        | Indicator::NoCamera
        | Indicator::DataAfterEnd
        | Indicator::SameDevice => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_bits_are_one_to_one() {
        for (n, sign) in Sign::ALL.into_iter().enumerate() {
            assert_eq!((sign.bit(), Sign::parse(sign.as_str())), (1 << n, Some(sign)));
        }
        assert_eq!(Sign::parse("fake"), None);
    }

    #[test]
    fn what_is_told_and_what_is_seen_are_signs() {
        let told = Statement { own: Answer::No, edited: Answer::Yes, ..Statement::default() };
        let seen = [Indicator::Screenshot, Indicator::ClockWrong, Indicator::NoCamera].map(|i| Seen::new(i, String::new(), ""));
        let bits = signs(&told, &seen);
        assert_eq!(bits, Sign::Received.bit() | Sign::Edited.bit() | Sign::Screen.bit() | Sign::Clock.bit());
        assert_ne!(bits & SECOND_HAND, 0);
        assert_eq!(signs(&Statement { own: Answer::Yes, ..Statement::default() }, &[]) & SECOND_HAND, 0);
        assert_eq!(signs(&Statement::default(), &[]), 0);
    }
}
