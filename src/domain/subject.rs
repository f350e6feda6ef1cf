//! What a person may ask about data of theirs (Directive (EU) 2016/680, articles 13 to 16; elsewhere the GDPR's articles 15 to 18), and what it
//! may be answered with.

/// What they ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Access,
    Rectification,
    Erasure,
    /// Kept, and not used meanwhile.
    Restriction,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Access, Self::Rectification, Self::Erasure, Self::Restriction];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Rectification => "rectification",
            Self::Erasure => "erasure",
            Self::Restriction => "restriction",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }
}

/// What came of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Granted,
    Partly,
    Refused,
}

impl Outcome {
    pub const ALL: [Self; 3] = [Self::Granted, Self::Partly, Self::Refused];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Partly => "partly",
            Self::Refused => "refused",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == text)
    }
}

/// Days until an answer is due: a month, as the GDPR says; the directive says "without undue delay".
pub const DUE_DAYS: i64 = 30;
