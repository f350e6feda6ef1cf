//! The words that the upload island speaks, in the person's language, as one JSON object for the page.

use std::collections::BTreeMap;

use i18n_embed_fl::fl;

use crate::web::language::Language;

/// Keys of the island to texts; `{name}` stands for what the island puts in.
pub fn island(language: Language) -> String {
    let t = language.texts();
    let file = "{name}";
    let words: BTreeMap<&str, String> = BTreeMap::from([
        ("units", fl!(t, "island-units")),
        ("state-checking", fl!(t, "island-state-checking")),
        ("state-waiting", fl!(t, "island-state-waiting")),
        ("state-sending", fl!(t, "island-state-sending")),
        ("state-offline", fl!(t, "island-state-offline")),
        ("state-wifi", fl!(t, "island-state-wifi")),
        ("problem-empty", fl!(t, "island-problem-empty")),
        ("wifi-waits", fl!(t, "island-wifi-waits")),
        ("state-trying", fl!(t, "island-state-trying")),
        ("state-busy", fl!(t, "island-state-busy")),
        ("state-paused", fl!(t, "island-state-paused")),
        ("state-done", fl!(t, "island-state-done")),
        ("state-known", fl!(t, "island-state-known")),
        ("said-done", fl!(t, "island-said-done", name = file)),
        ("said-picked_one", fl!(t, "island-said-picked-one", n = "{n}")),
        ("said-picked_other", fl!(t, "island-said-picked-other", n = "{n}")),
        ("total", fl!(t, "island-total", done = "{done}", all = "{all}", sent = "{sent}", bytes = "{bytes}") + "{left}"),
        ("left_one", fl!(t, "island-left-one", n = "{n}")),
        ("left_other", fl!(t, "island-left-other", n = "{n}")),
        ("partial_one", fl!(t, "island-partial-one", n = "{n}", done = "{done}", all = "{all}")),
        ("partial_other", fl!(t, "island-partial-other", n = "{n}", done = "{done}", all = "{all}")),
        ("partial-final", fl!(t, "island-partial-final", n = "{n}", done = "{done}", all = "{all}")),
        ("offline", fl!(t, "island-offline")),
        ("pause", fl!(t, "island-pause")),
        ("resume", fl!(t, "island-resume")),
        ("remove", fl!(t, "island-remove")),
        ("again", fl!(t, "island-again")),
        ("send-anyway", fl!(t, "island-send-anyway")),
        ("nothing-picked", fl!(t, "island-nothing-picked")),
        ("finishing", fl!(t, "island-finishing")),
        ("answers-not-saved", fl!(t, "island-answers-not-saved")),
        ("pinned", fl!(t, "island-pinned", lat = "{lat}", lon = "{lon}")),
        ("no-place", fl!(t, "island-no-place")),
        ("map-label", fl!(t, "island-map-label")),
        ("map-failed", fl!(t, "island-map-failed")),
        ("problem", fl!(t, "island-problem")),
        ("problem-unreadable", fl!(t, "island-problem-unreadable")),
        ("problem-too-large", fl!(t, "island-problem-too-large")),
        ("problem-quota-exceeded", fl!(t, "island-problem-quota")),
        ("problem-kind-refused", fl!(t, "island-problem-kind")),
        ("problem-appeal-closed", fl!(t, "island-problem-closed")),
        ("problem-digest-mismatch", fl!(t, "island-problem-digest")),
        ("problem-no-space", fl!(t, "island-problem-space")),
    ]);
    // Inside a script element, `<` could end it.
    let text = serde_json::to_string(&words).unwrap_or_default().replace('<', "\\u003c");
    // The marks that Fluent puts around values belong around what the island puts in, and there `bdi` does it.
    text.replace(['\u{2068}', '\u{2069}'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_fill_every_place() {
        for (language, _) in Language::ALL {
            let text = island(language);
            let words: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
            assert!(words["total"].contains("{done}") && words["total"].ends_with("{left}"), "{}", words["total"]);
            assert!(words.values().all(|w| !w.is_empty() && !w.contains('\u{2068}')), "{text}");
            assert!(!text.contains('<'));
        }
    }
}
