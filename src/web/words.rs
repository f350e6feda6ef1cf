//! The words in which pages tell what `domain` and `examine` name: claims' sources, notes, indicators, relations, events, actors. They are looked
//! up by those stable names; a test holds that none is missing in either language.

use i18n_embed::fluent::FluentLanguageLoader;

use crate::domain::capture::{Grade, Source};
use crate::domain::family::Relation;
use crate::domain::review::Sign;

/// The words for a name; the name itself where there are none.
pub fn words(t: &FluentLanguageLoader, kind: &str, name: &str) -> String {
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

pub fn sign_words(t: &FluentLanguageLoader, sign: Sign) -> String {
    words(t, "sign", sign.as_str())
}

pub fn note_words(t: &FluentLanguageLoader, note: &str) -> String {
    words(t, "note", note)
}

/// What happened.
pub fn event_words(t: &FluentLanguageLoader, kind: &str) -> String {
    words(t, "event", &kind.replace('.', "-"))
}

/// What a check of the record looked at: `check` of a receipt or a bundle, `compare` of two checkpoints.
pub fn check_words(t: &FluentLanguageLoader, page: &str, check: &str) -> String {
    words(t, page, check)
}

pub fn quarantine_words(t: &FluentLanguageLoader, why: &str) -> String {
    words(t, "behind-glass", why)
}

pub fn relation_words(t: &FluentLanguageLoader, relation: Relation) -> String {
    words(t, "relation", relation.as_str())
}

/// Who did something, where it was no account.
pub fn actor_words(t: &FluentLanguageLoader, kind: &str) -> String {
    words(t, "actor", kind)
}

/// Which of an exhibit's pictures was looked at.
pub fn variant_words(t: &FluentLanguageLoader, variant: &str) -> String {
    words(t, "variant", variant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::custody::EventType;
    use crate::domain::exhibit::Quarantine;
    use crate::domain::indicator::Indicator;
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
            for s in Sign::ALL {
                assert_ne!(sign_words(t, s), s.as_str());
            }
            for r in Relation::ALL {
                assert_ne!(relation_words(t, r), r.as_str());
            }
            for zone in ["stated", "gps", "place", "appeal", "utc", "utc_or_local", "disputed", "none"] {
                assert_ne!(zone_words(t, zone), zone);
            }
            for kind in EventType::ALL {
                assert_ne!(event_words(t, kind.as_str()), kind.as_str());
            }
            for q in Quarantine::ALL {
                assert_ne!(quarantine_words(t, q.as_str()), q.as_str());
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
                "refused-structure",
                "no-preview",
                "cut-off",
                "stray-bytes",
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
