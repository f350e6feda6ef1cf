//! `/appeals/{code}`: the whole appeal at once, in time, on a map, in facets and as a grid. All of it is done in the browser over the index
//! (`islands/workspace`); without script the page leads to the plain queue.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;

use super::{kind_words, state_words};
use crate::access;
use crate::domain::actor::Act;
use crate::domain::capture::{Grade, Source};
use crate::domain::exhibit::{Kind, State as ExhibitState};
use crate::domain::review::Sign;
use crate::error::{Error, Result};
use crate::review;
use crate::web::extract::{AppState, Frame, Reviewer, own_appeal};
use crate::web::language::Language;
use crate::web::maps;
use crate::web::respond::{map_policy, page};
use crate::web::words::{grade_words, sign_words, source_words};

#[derive(Template)]
#[template(path = "workspace.html")]
struct WorkspacePage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    title: String,
    zone: String,
    /// The reader's own account.
    me: String,
    tiles: String,
    /// The operator's plans, as JSON.
    plans: String,
    may_decide: bool,
    /// How much they have seen.
    exposure: String,
    words: String,
}

pub async fn show(State(app): State<AppState>, Reviewer(person): Reviewer, frame: Frame, Path(code): Path<String>) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let mut tx = app.db.read().await?;
    let decides = access::to_appeal(&app, &mut tx, &person, &appeal, Act::Decide).await.is_ok();
    drop(tx);
    let t = frame.language.texts();
    let seen = review::exposure(&app, &person).await?;
    let tiles = maps::source(&app).await;
    let plans = crate::maps::look(&app.config.data).await.plans;
    let policy = HeaderValue::from_str(&map_policy(&tiles, "")).map_err(Error::internal)?;
    let body = page(&WorkspacePage {
        t,
        me: person.id.to_string(),
        exposure: fl!(t, "care-exposure", opened = seen.opened, graphic = seen.graphic, week = seen.week),
        title: appeal.text(frame.language.tag()).title.clone(),
        words: words(frame.language),
        code: appeal.code,
        zone: appeal.zone,
        tiles,
        plans: serde_json::to_string(&plans).map_err(Error::internal)?,
        may_decide: decides,
        frame,
    })?;
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], body).into_response())
}

/// What the island says, in the person's language.
fn words(language: Language) -> String {
    let t = language.texts();
    let mut words: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |key: &str, text: String| {
        words.insert(key.to_owned(), text);
    };
    for state in ExhibitState::ALL {
        add(&format!("state-{}", state.as_str()), state_words(t, state));
    }
    for kind in Kind::ALL {
        add(&format!("kind-{}", kind.as_str()), kind_words(t, kind));
    }
    for grade in Grade::ALL {
        add(&format!("grade-{}", grade.as_str()), grade_words(t, grade));
    }
    for source in Source::ALL {
        add(&format!("source-{}", source.as_str()), source_words(t, *source));
    }
    for sign in Sign::ALL {
        add(&format!("sign-{}", sign.as_str()), sign_words(t, sign));
    }
    add("nonsense", fl!(t, "workspace-nonsense", what = "{what}"));
    add("device", fl!(t, "workspace-device", words = "{words}", number = "{number}"));
    add("model", fl!(t, "workspace-model", words = "{words}"));
    add("submission", fl!(t, "workspace-submission", number = "{number}"));
    add("quarantined", fl!(t, "state-quarantined"));
    add("no-preview", fl!(t, "no-preview"));
    add("time-unknown", fl!(t, "time-unknown"));
    add("place-unknown", fl!(t, "place-unknown"));
    add("colon", fl!(t, "colon"));
    add("place-far", fl!(t, "place-far"));
    add("place", fl!(t, "workspace-place", metres = "{metres}", doubt = "{doubt}"));
    add("no", fl!(t, "workspace-no"));
    add("copy", fl!(t, "workspace-copy"));
    add("alt", fl!(t, "workspace-alt", kind = "{kind}", number = "{number}", when = "{when}", place = "{place}", state = "{state}"));
    add("copies_one", fl!(t, "workspace-copies-one"));
    add("copies_other", fl!(t, "workspace-copies-other", n = "{n}"));
    add("copies-open_one", fl!(t, "workspace-copies-open-one", n = "{n}"));
    add("copies-open_other", fl!(t, "workspace-copies-open-other", n = "{n}"));
    add("found_one", fl!(t, "workspace-found-one", n = "{n}", all = "{all}"));
    add("found_other", fl!(t, "workspace-found-other", n = "{n}", all = "{all}"));
    add("contents_one", fl!(t, "workspace-contents-one", n = "{n}", all = "{all}"));
    add("contents_other", fl!(t, "workspace-contents-other", n = "{n}", all = "{all}"));
    add("new_one", fl!(t, "workspace-new-one", n = "{n}"));
    add("new_other", fl!(t, "workspace-new-other", n = "{n}"));
    add("decided_one", fl!(t, "workspace-decided-one", n = "{n}", state = "{state}"));
    add("decided_other", fl!(t, "workspace-decided-other", n = "{n}", state = "{state}"));
    add("left_one", fl!(t, "workspace-left-one", n = "{n}"));
    add("left_other", fl!(t, "workspace-left-other", n = "{n}"));
    add("stands_one", fl!(t, "workspace-stands-one", n = "{n}"));
    add("stands_other", fl!(t, "workspace-stands-other", n = "{n}"));
    add("undone_one", fl!(t, "workspace-undone-one", n = "{n}"));
    add("undone_other", fl!(t, "workspace-undone-other", n = "{n}"));
    add("nothing-to-undo", fl!(t, "workspace-nothing-to-undo"));
    add("end", fl!(t, "workspace-end"));
    add("offline", fl!(t, "workspace-offline"));
    add("refused", fl!(t, "workspace-refused"));
    add("empty", fl!(t, "workspace-empty"));
    add("none", fl!(t, "workspace-none"));
    working_together(t, &mut add);
    // Inside a script element, `<` could end it; the marks that Fluent puts around values belong around what the island puts in.
    serde_json::to_string(&words).unwrap_or_default().replace('<', "\\u003c").replace(['\u{2068}', '\u{2069}'], "")
}

/// What is said of colleagues, of acts on many, and of keys.
fn working_together(t: &FluentLanguageLoader, add: &mut impl FnMut(&str, String)) {
    add("graphic", fl!(t, "care-hidden"));
    add("key-space", fl!(t, "keys-space"));
    add("key-press", fl!(t, "keys-press"));
    add("key-change", fl!(t, "keys-change", what = "{what}", key = "{key}"));
    add("scope-picked_one", fl!(t, "workspace-scope-picked-one", n = "{n}"));
    add("scope-picked_other", fl!(t, "workspace-scope-picked-other", n = "{n}"));
    add("scope-none", fl!(t, "workspace-scope-none"));
    add("scope-all_one", fl!(t, "workspace-scope-all-one", n = "{n}"));
    add("scope-all_other", fl!(t, "workspace-scope-all-other", n = "{n}"));
    add("waiting_one", fl!(t, "workspace-waiting-one", n = "{n}"));
    add("waiting_other", fl!(t, "workspace-waiting-other", n = "{n}"));
    add("oldest", fl!(t, "workspace-oldest", age = "{age}"));
    add("arriving_one", fl!(t, "workspace-arriving-one", n = "{n}", minutes = "{minutes}"));
    add("arriving_other", fl!(t, "workspace-arriving-other", n = "{n}", minutes = "{minutes}"));
    add("looking", fl!(t, "workspace-looking", name = "{name}"));
    add("assigned", fl!(t, "workspace-assigned", name = "{name}"));
    add("held", fl!(t, "workspace-held", name = "{name}"));
    add("taken-over", fl!(t, "workspace-taken-over"));
    add("tagged", fl!(t, "workspace-tagged", tag = "{tag}"));
    add("untagged", fl!(t, "workspace-untagged", tag = "{tag}"));
    add("assigned-me", fl!(t, "workspace-assigned-me"));
    add("skipped", fl!(t, "workspace-skipped"));
    add("pulled_one", fl!(t, "workspace-pulled-one", n = "{n}"));
    add("pulled_other", fl!(t, "workspace-pulled-other", n = "{n}"));
    add("no-such-number", fl!(t, "workspace-no-such-number", number = "{number}"));
    add("area-wrong", fl!(t, "workspace-area-wrong"));
    add("compare-how", fl!(t, "workspace-compare-how"));
    add("bundle-many", fl!(t, "workspace-bundle-many", n = "{n}", most = "{most}"));
    add("duplicate-note", fl!(t, "workspace-duplicate-note", number = "{number}"));
    add("assigned-nobody", fl!(t, "assigned-nobody"));
    add("tag-second-look", fl!(t, "tag-second-look"));
    add("tag-graphic", fl!(t, "tag-graphic"));
    add("part-nw", fl!(t, "part-nw"));
    add("part-n", fl!(t, "part-n"));
    add("part-ne", fl!(t, "part-ne"));
    add("part-w", fl!(t, "part-w"));
    add("part-c", fl!(t, "part-c"));
    add("part-e", fl!(t, "part-e"));
    add("part-sw", fl!(t, "part-sw"));
    add("part-s", fl!(t, "part-s"));
    add("part-se", fl!(t, "part-se"));
    add("part-elsewhere", fl!(t, "part-elsewhere"));
    add("coverage-cell", fl!(t, "coverage-cell", place = "{place}", time = "{time}", open = "{open}", all = "{all}"));
    add("bulk-nothing", fl!(t, "many-nothing"));
    add("bulk-changes_one", fl!(t, "many-changes-one", n = "{n}"));
    add("bulk-changes_other", fl!(t, "many-changes-other", n = "{n}"));
    add("bulk-already_one", fl!(t, "many-already-one", n = "{n}"));
    add("bulk-already_other", fl!(t, "many-already-other", n = "{n}"));
    add("bulk-stands_one", fl!(t, "many-stands-one", n = "{n}"));
    add("bulk-stands_other", fl!(t, "many-stands-other", n = "{n}"));
    add("bulk-held_one", fl!(t, "many-held-one", n = "{n}"));
    add("bulk-held_other", fl!(t, "many-held-other", n = "{n}"));
    add("bulk-do_one", fl!(t, "many-do-one", n = "{n}"));
    add("bulk-do_other", fl!(t, "many-do-other", n = "{n}"));
    add("bulk-done_one", fl!(t, "many-done-one", n = "{n}"));
    add("bulk-done_other", fl!(t, "many-done-other", n = "{n}"));
    add("bulk-left_one", fl!(t, "many-left-one", n = "{n}"));
    add("bulk-left_other", fl!(t, "many-left-other", n = "{n}"));
    add("saved-none", fl!(t, "saved-none"));
    add("key-right", fl!(t, "keys-right"));
    add("key-left", fl!(t, "keys-left"));
    add("key-relevant", fl!(t, "state-relevant"));
    add("key-not_relevant", fl!(t, "state-not-relevant"));
    add("key-undecided", fl!(t, "state-undecided"));
    add("key-second", fl!(t, "tag-second-look"));
    add("key-best", fl!(t, "workspace-keep-best"));
    add("key-duplicate", fl!(t, "workspace-duplicate"));
    add("key-family", fl!(t, "workspace-family"));
    add("key-select", fl!(t, "workspace-pick"));
    add("key-skip", fl!(t, "workspace-skip"));
    add("key-assign", fl!(t, "workspace-assign-me"));
    add("key-tag", fl!(t, "workspace-tag"));
    add("key-compare", fl!(t, "side-title"));
    add("key-map", fl!(t, "keys-map"));
    add("key-search", fl!(t, "keys-search"));
    add("key-graphic", fl!(t, "tag-graphic"));
    add("key-help", fl!(t, "keys-title"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_fill_every_place() {
        for (language, _) in Language::ALL {
            let text = words(language);
            let words: BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
            assert!(words.values().all(|w| !w.is_empty() && !w.contains('\u{2068}')), "{text}");
            assert!(words["found_other"].contains("{n}") && words["alt"].contains("{when}"), "{text}");
            assert!(!text.contains('<'));
        }
    }
}
