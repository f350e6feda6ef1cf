//! What a file tells, in words that a juror understands: what made it, which indicators were seen, and what was looked for without being found.

use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;

use crate::domain::capture::Found;
use crate::domain::indicator::{Indicator, Seen};
use crate::web::words::words;

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
