//! One witness's hand-over: what they say about their files, and the codes that are theirs alone.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXUPPER};
use serde::{Deserialize, Serialize};

use super::appeal::Appeal;
use super::value::{HOUR_US, Id, MINUTE_US, Point, SECOND_US, Sha256, Utc};

/// An answer that may be withheld: a person under shock is never forced to decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Yes,
    No,
    #[default]
    Unknown,
}

impl Answer {
    pub const fn as_str(self) -> &'static str {
        match self {
            Answer::Yes => "yes",
            Answer::No => "no",
            Answer::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> Self {
        match text {
            "yes" => Answer::Yes,
            "no" => Answer::No,
            _ => Answer::Unknown,
        }
    }
}

/// What the witness says. Personal: it lives in erasable columns and enters the log as commitments. How they can be reached is not in it: that is
/// sealed (`vault.rs`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// "Did you film this yourself?"
    pub own: Answer,
    /// "Was it cut or changed?"
    pub edited: Answer,
    /// Taken at the place of the appeal?
    pub at_place: Answer,
    /// Where, in the witness's words.
    pub place_words: String,
    /// Where, as a point, when the witness could give one.
    pub point: Option<Point>,
    pub radius_m: Option<f64>,
    /// When: the interval that the witness means.
    pub from: Option<Utc>,
    pub to: Option<Utc>,
    pub words: String,
}

/// When, as a person under shock can say it. Every page and program sends these words; what they mean in time is decided here.
#[derive(Clone, PartialEq, Debug)]
pub enum When {
    Before,
    During,
    After,
    /// A time on the incident's own clocks, taken for half an hour around it.
    About(jiff::civil::DateTime),
}

/// Nobody has seen anything before 1900 that they tell of: a slip of the finger, or worse.
pub const EARLIEST: Utc = Utc::from_micros(-2_208_988_800 * SECOND_US);

/// "Before" and "after" reach so far.
const AROUND_INCIDENT_US: i64 = 2 * HOUR_US;
const AROUND_TYPED_US: i64 = 15 * MINUTE_US;

impl When {
    /// `before`, `during`, `after`, or a time without a zone as in `2026-07-14T22:30`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "before" => Some(Self::Before),
            "during" => Some(Self::During),
            "after" => Some(Self::After),
            // Nothing else that could be read as a time: an offset would be dropped without a word.
            typed => ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
                .into_iter()
                .find_map(|form| jiff::civil::DateTime::strptime(form, typed).ok())
                .map(Self::About),
        }
    }

    /// The interval that the witness means. `None`: no such time, there.
    pub fn interval(&self, appeal: &Appeal) -> Option<(Utc, Utc)> {
        match self {
            Self::Before => Some((appeal.from.plus(-AROUND_INCIDENT_US), appeal.from)),
            Self::During => Some((appeal.from, appeal.to)),
            Self::After => Some((appeal.to, appeal.to.plus(AROUND_INCIDENT_US))),
            Self::About(typed) => {
                let at = Utc::from_micros(typed.in_tz(&appeal.zone).ok()?.timestamp().as_microsecond());
                if at < EARLIEST {
                    return None;
                }
                Some((at.plus(-AROUND_TYPED_US), at.plus(AROUND_TYPED_US)))
            }
        }
    }

    /// The words that mean this interval, for showing again what was said. `None`: it was said otherwise.
    pub fn of(interval: (Utc, Utc), appeal: &Appeal) -> Option<Self> {
        if let Some(known) = [Self::Before, Self::During, Self::After].into_iter().find(|w| w.interval(appeal) == Some(interval)) {
            return Some(known);
        }
        let middle = jiff::Timestamp::from_microsecond(interval.0.plus(AROUND_TYPED_US).micros()).ok()?;
        let typed = Self::About(middle.in_tz(&appeal.zone).ok()?.datetime());
        (typed.interval(appeal) == Some(interval)).then_some(typed)
    }
}

#[derive(Clone, Debug)]
pub struct Submission {
    pub id: Id,
    pub appeal: Id,
    pub statement: Statement,
    pub files: u64,
    pub bytes: u64,
}

/// The witness's code: 128 bits as 26 base32 characters in groups. It opens `/r/{receipt}`.
/// Only its hash is stored, and it is never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiptCode(String);

impl ReceiptCode {
    pub fn new(random: [u8; 16]) -> Self {
        Self(BASE32_NOPAD.encode(&random))
    }

    /// Reads a code as people type it: any case, any grouping.
    pub fn parse(text: &str) -> Option<Self> {
        let plain: String = text
            .chars()
            .filter(|c| !matches!(c, '-' | ' '))
            .map(|c| c.to_ascii_uppercase())
            // What base32 has no letter for is what people misread.
            .map(|c| match c {
                '0' => 'O',
                '1' => 'I',
                c => c,
            })
            .collect();
        let valid = plain.len() == 26 && BASE32_NOPAD.decode(plain.as_bytes()).is_ok();
        valid.then_some(Self(plain))
    }

    /// In groups, as it is shown and put into addresses.
    pub fn grouped(&self) -> String {
        let chars: Vec<char> = self.0.chars().collect();
        let groups: Vec<String> = chars.chunks(5).map(|g| g.iter().collect()).collect();
        groups.join("-")
    }

    /// What the database keeps. Plain SHA-256 is enough for 128 random bits.
    pub fn hash(&self) -> Sha256 {
        Sha256::of(self.0.as_bytes())
    }
}

/// A bearer secret of 256 bits: a submission's token, a session, an API token, a set-up link.
pub fn new_secret(random: [u8; 32]) -> (String, Sha256) {
    let text = BASE64URL_NOPAD.encode(&random);
    let hash = Sha256::of(text.as_bytes());
    (text, hash)
}

/// By what a witness without a receipt, and an investigator, can both name a submission: of a keyed digest of its id, so that nobody
/// else can tell which one it is. It opens nothing and proves nothing.
pub fn reference(digest: [u8; 32]) -> String {
    let text = HEXUPPER.encode(&digest[..4]);
    format!("{}-{}", &text[..4], &text[4..])
}

/// Whether a text looks like one.
pub fn is_reference(text: &str) -> bool {
    let hex = |part: &str| part.len() == 4 && part.chars().all(|c| c.is_ascii_digit() || matches!(c, 'A'..='F'));
    text.split_once('-').is_some_and(|(a, b)| hex(a) && hex(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_witness_says_of_the_time_means_an_interval_and_is_shown_again() {
        let utc = |text: &str| text.parse::<Utc>().unwrap();
        let appeal = Appeal::sample(utc("2026-07-14T20:00:00Z"), utc("2026-07-14T20:30:00Z"), "Europe/Paris");
        for (words, from, to) in [
            ("before", "2026-07-14T18:00:00Z", "2026-07-14T20:00:00Z"),
            ("during", "2026-07-14T20:00:00Z", "2026-07-14T20:30:00Z"),
            ("after", "2026-07-14T20:30:00Z", "2026-07-14T22:30:00Z"),
            ("2026-07-14T22:12", "2026-07-14T19:57:00Z", "2026-07-14T20:27:00Z"),
            // The hour that the clocks of Paris show twice: either, but always the same.
            ("2026-10-25T02:30", "2026-10-25T00:15:00Z", "2026-10-25T00:45:00Z"),
        ] {
            let when = When::parse(words).unwrap();
            let interval = when.interval(&appeal).unwrap();
            assert_eq!(interval, (utc(from), utc(to)), "{words}");
            assert_eq!(When::of(interval, &appeal), Some(when), "{words}");
        }
        for wrong in ["", "yesterday", "2026-13-01T00:00", "25:00", "2026-07-14", "2026-07-14T22:30+09:00", "2026-07-14T22:30Z"] {
            assert_eq!(When::parse(wrong), None, "{wrong}");
        }
        assert_eq!(When::of((appeal.from, appeal.from), &appeal), None);
    }

    #[test]
    fn receipt_codes_read_back_however_they_are_typed() {
        let code = ReceiptCode::new([0xa7; 16]);
        let shown = code.grouped();
        assert_eq!(shown.len(), 31);
        assert!(ReceiptCode::parse(&shown.to_lowercase().replace('-', " ")) == Some(code));
        assert!(ReceiptCode::parse("short").is_none());
        assert!(ReceiptCode::parse(&"8".repeat(26)).is_none());
    }
}
