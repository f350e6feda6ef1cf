//! What a file tells, in words that a juror understands: claims' sources, notes, indicators, relations. The words are looked up by the
//! stable names that `domain` and `examine` use; a test holds that none is missing.

use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;

use crate::domain::capture::{Found, Grade, Source};
use crate::domain::family::Relation;
use crate::domain::indicator::{Indicator, Seen};
use crate::domain::review::Sign;

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

pub fn sign_words(t: &FluentLanguageLoader, sign: Sign) -> String {
    words(t, "sign", sign.as_str())
}

pub fn note_words(t: &FluentLanguageLoader, note: &str) -> String {
    words(t, "note", note)
}

/// What happened, of the events that concern an exhibit; others by their name.
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

/// What made a file, how large and how long it is: names and values, as far as it says so.
pub fn made(t: &FluentLanguageLoader, found: &Found) -> Vec<(String, String)> {
    let d = &found.device;
    let serial = d.serial.as_ref().map(|s| fl!(t, "made-serial", serial = s.clone()));
    let device: Vec<String> = d.words().into_iter().chain(serial).collect();
    let size = found.shape.width.zip(found.shape.height).map(|(w, h)| format!("{w} × {h}"));
    let length = found.duration_us.map(|us| {
        let s = us / 1_000_000;
        if s < 60 { format!("{:.1} s", us as f64 / 1e6) } else { format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60) }
    });
    let codecs: Vec<&str> = found.streams.iter().map(|s| s.codec.as_str()).filter(|c| !c.is_empty()).take(8).collect();
    [
        (fl!(t, "side-device"), Some(device.join(" · "))),
        (fl!(t, "made-software"), d.software.clone()),
        (fl!(t, "side-pixels"), size),
        (fl!(t, "made-length"), length),
        (fl!(t, "made-codecs"), Some(codecs.join(", "))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.filter(|v| !v.is_empty())?)))
    .collect()
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

/// What was looked for and not found, and what could not be looked at; so that silence is not taken for an answer. `done` are the looks that
/// came to their end; what follows from claims and names is always looked at.
pub fn checked(t: &FluentLanguageLoader, seen: &[Seen], done: &[String]) -> (Vec<String>, Vec<String>) {
    use Indicator::*;
    let any = |list: &[Indicator]| seen.iter().any(|s| list.contains(&s.what));
    let mut lists = (Vec::new(), Vec::new());
    for (key, needs, found) in [
        (
            "checked-credentials",
            "credentials",
            any(&[CredentialsTrusted, CredentialsUnknown, CredentialsBroken, CredentialsRedacted, CredentialsElsewhere, CredentialsUnread]),
        ),
        ("checked-editor", "metadata", any(&[EditorNamed, EditHistory, DerivedFrom])),
        ("checked-thumbnail", "thumbnail", any(&[ThumbnailDiffers])),
        ("checked-messenger", "metadata", any(&[MessengerCopy, Screenshot, ScreenRecording])),
        ("checked-clocks", "metadata", any(&[ClocksDisagree, ClockWrong, TimeAndWitness])),
        ("checked-places", "metadata", any(&[PlacesDisagree, PlaceAndWitness])),
        ("checked-device", "metadata", any(&[SameDevice])),
    ] {
        if found {
            continue;
        }
        if done.iter().any(|d| d == needs) {
            lists.0.push(t.get(key));
        } else {
            lists.1.push(t.get(&format!("un{key}")));
        }
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::custody::EventType;
    use crate::domain::exhibit::Quarantine;
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
