//! A call for witnesses: what happened, when, where, and how much may be sent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::exhibit::Kind;
use super::value::{Id, Point, Utc};

/// An appeal is written, then open, then closed; a closed one never opens again, so that its log
/// tells one story.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AppealState {
    Draft,
    Open,
    Closed,
}

impl AppealState {
    pub const fn as_str(self) -> &'static str {
        match self {
            AppealState::Draft => "draft",
            AppealState::Open => "open",
            AppealState::Closed => "closed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Draft, Self::Open, Self::Closed].into_iter().find(|s| s.as_str() == text)
    }

    pub const fn may_become(self, next: Self) -> bool {
        matches!((self, next), (Self::Draft, Self::Open) | (Self::Draft | Self::Open, Self::Closed))
    }
}

/// What an agency wrote for the public in one language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Text {
    pub title: String,
    pub what: String,
    pub place: String,
}

/// How much the public may send. Bytes unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budgets {
    pub file_bytes_max: u64,
    pub submission_bytes_max: u64,
    pub submission_files_max: u64,
    pub appeal_bytes_max: u64,
}

impl Default for Budgets {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self { file_bytes_max: 20 * GIB, submission_bytes_max: 50 * GIB, submission_files_max: 1_000, appeal_bytes_max: 5_000 * GIB }
    }
}

/// How this appeal takes files in, beyond its budgets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct IntakeRules {
    /// Half-sent files can be finished for this long.
    pub half_sent_hours: u32,
    /// Kinds that are taken; empty means all. Only what a sender *declares* to be another kind is refused, before
    /// its bytes flow; content never decides.
    pub kinds: Vec<Kind>,
    /// More comes than can be taken: browsers work for their place in the queue, and small files go first.
    pub flood: bool,
}

impl Default for IntakeRules {
    fn default() -> Self {
        Self { half_sent_hours: 72, kinds: Vec::new(), flood: false }
    }
}

impl IntakeRules {
    /// Whether a file that is declared to be of this media type may come.
    pub fn take(&self, declared: Option<&str>) -> bool {
        let kind = match declared.and_then(|t| t.split('/').next()) {
            Some("image") => Kind::Photo,
            Some("video") => Kind::Video,
            Some("audio") => Kind::Audio,
            Some("text") => Kind::Document,
            // `application/…` and silence say too little.
            _ => return true,
        };
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// The circle that the appeal asks about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub centre: Point,
    pub radius_m: f64,
}

#[derive(Clone, Debug)]
pub struct Appeal {
    pub id: Id,
    pub agency: Id,
    /// Short, read aloud on the radio, printed on posters.
    pub code: String,
    pub state: AppealState,
    /// By language tag; the first language is the default.
    pub texts: BTreeMap<String, Text>,
    pub default_language: String,
    pub agency_name: String,
    pub emergency_number: String,
    /// The incident's time window.
    pub from: Utc,
    pub to: Utc,
    /// IANA zone in which the incident's clocks ran.
    pub zone: String,
    pub area: Area,
    pub budgets: Budgets,
    pub intake: IntakeRules,
    pub bytes_received: u64,
    pub files_received: u64,
    pub demo: bool,
    pub created_at: Utc,
}

impl Appeal {
    /// The text in this language, else in the default one, else any.
    pub fn text(&self, language: &str) -> &Text {
        static EMPTY: Text = Text { title: String::new(), what: String::new(), place: String::new() };
        self.texts.get(language).or_else(|| self.texts.get(&self.default_language)).or_else(|| self.texts.values().next()).unwrap_or(&EMPTY)
    }
}

#[cfg(test)]
impl Appeal {
    /// An open appeal for tests.
    pub fn sample(from: Utc, to: Utc, zone: &str) -> Self {
        Self {
            id: Id::new(from, [1; 10]),
            agency: Id::new(from, [2; 10]),
            code: "SAMPLE".into(),
            state: AppealState::Open,
            texts: BTreeMap::new(),
            default_language: "en".into(),
            agency_name: String::new(),
            emergency_number: String::new(),
            from,
            to,
            zone: zone.into(),
            area: Area { centre: Point { lat: 48.85, lon: 2.35 }, radius_m: 500.0 },
            budgets: Budgets::default(),
            intake: IntakeRules::default(),
            bytes_received: 0,
            files_received: 0,
            demo: false,
            created_at: from,
        }
    }
}

/// Codes are 3 to 32 letters, digits and hyphens, without regard to case.
pub fn normal_code(text: &str) -> Option<String> {
    let code = text.to_ascii_uppercase();
    ((3..=32).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_appeal_stays_closed() {
        use AppealState::*;
        assert!(Draft.may_become(Open));
        assert!(Open.may_become(Closed));
        assert!(!Closed.may_become(Open));
        assert!(!Open.may_become(Draft));
    }

    #[test]
    fn codes() {
        assert_eq!(normal_code("place-26").as_deref(), Some("PLACE-26"));
        for wrong in ["ab", "a b c", "é-é-é", "../x", &"a".repeat(33)] {
            assert_eq!(normal_code(wrong), None);
        }
    }

    #[test]
    fn only_a_declared_other_kind_is_refused() {
        let rules = IntakeRules { kinds: vec![Kind::Photo, Kind::Video], ..IntakeRules::default() };
        for (declared, taken) in [
            (Some("image/jpeg"), true),
            (Some("audio/ogg"), false),
            (Some("application/octet-stream"), true),
            (Some(""), true),
            (None, true),
        ] {
            assert_eq!(rules.take(declared), taken, "{declared:?}");
            assert!(IntakeRules::default().take(declared));
        }
    }
}
