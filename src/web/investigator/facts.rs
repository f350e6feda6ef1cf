//! What a file tells, in words that a juror understands: claims' sources, notes, indicators, relations. The words are looked up by the
//! stable names that `domain` and `examine` use; a test holds that none is missing.

use i18n_embed::fluent::FluentLanguageLoader;

use crate::domain::capture::{Grade, Source};
use crate::domain::family::Relation;
use crate::domain::indicator::{Indicator, Seen};

fn words(t: &FluentLanguageLoader, kind: &str, name: &str) -> String {
    let key = format!("{kind}-{}", name.replace('_', "-"));
    if t.has(&key) { t.get(&key) } else { name.to_owned() }
}

pub fn source_words(t: &FluentLanguageLoader, source: Source) -> String {
    words(t, "source", source.as_str())
}

pub fn zone_words(t: &FluentLanguageLoader, from: &str) -> String {
    words(t, "zone", from)
}

pub fn grade_words(t: &FluentLanguageLoader, grade: Grade) -> String {
    words(t, "grade", &grade.as_str().to_lowercase())
}

pub fn note_words(t: &FluentLanguageLoader, note: &str) -> String {
    words(t, "note", note)
}

pub fn relation_words(t: &FluentLanguageLoader, relation: Relation) -> String {
    words(t, "relation", relation.as_str())
}

/// One indicator as a page shows it.
pub struct Line {
    pub name: &'static str,
    pub rank: &'static str,
    pub rank_words: String,
    pub title: String,
    /// What was seen, as it stands in the file.
    pub seen: String,
    pub path: String,
    /// What it does not prove, and what to do next.
    pub not: String,
}

pub fn lines(t: &FluentLanguageLoader, seen: Vec<Seen>) -> Vec<Line> {
    seen.into_iter()
        .map(|s| Line {
            name: s.what.as_str(),
            rank: s.what.rank().as_str(),
            rank_words: words(t, "rank", s.what.rank().as_str()),
            title: words(t, "indicator", s.what.as_str()),
            not: words(t, "indicator-not", s.what.as_str()),
            seen: s.seen,
            path: s.path,
        })
        .collect()
}

/// What was looked for and not found; so that silence is not taken for an answer.
pub fn checked(t: &FluentLanguageLoader, seen: &[Seen]) -> Vec<String> {
    use Indicator::*;
    let any = |list: &[Indicator]| seen.iter().any(|s| list.contains(&s.what));
    [
        (
            "checked-credentials",
            any(&[CredentialsTrusted, CredentialsUnknown, CredentialsBroken, CredentialsRedacted, CredentialsElsewhere, CredentialsUnread]),
        ),
        ("checked-editor", any(&[EditorNamed, EditHistory, DerivedFrom])),
        ("checked-thumbnail", any(&[ThumbnailDiffers])),
        ("checked-messenger", any(&[MessengerCopy, Screenshot, ScreenRecording])),
        ("checked-clocks", any(&[ClocksDisagree, ClockWrong, TimeAndWitness])),
        ("checked-places", any(&[PlacesDisagree, PlaceAndWitness])),
        ("checked-device", any(&[SameDevice])),
    ]
    .into_iter()
    .filter(|(_, found)| !found)
    .map(|(key, _)| t.get(key))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::language::Language;

    #[test]
    fn every_name_has_its_words_in_both_languages() {
        for language in [Language::En, Language::Fr] {
            let t = language.texts();
            for i in Indicator::ALL {
                for kind in ["indicator", "indicator-not"] {
                    assert_ne!(words(t, kind, i.as_str()), i.as_str(), "{kind} {}", i.as_str());
                }
                assert!(t.has(&format!("rank-{}", i.rank().as_str().replace('_', "-"))));
            }
            for s in Source::ALL {
                assert_ne!(source_words(t, *s), s.as_str());
            }
            for r in Relation::ALL {
                assert_ne!(relation_words(t, r), r.as_str());
            }
            for note in [
                "exif-damaged",
                "exif-unreadable",
                "readers-disagree",
                "no-moov",
                "unreadable",
                "metadata-not-read",
                "not-read",
                "not-previewed",
                "undecodable",
                "refused-pixels",
                "no-preview",
                "no-poster",
                "no-ffmpeg",
                "stopped",
                "stopped-too-slow",
                "stopped-at-limit",
                "answered-nonsense",
            ] {
                assert_ne!(note_words(t, note), note);
            }
        }
    }
}
