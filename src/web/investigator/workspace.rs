//! `/appeals/{code}`: the whole appeal at once, in time, on a map, in facets and as a grid. All of it is done in the browser over the index
//! (`islands/workspace`); without script the page leads to the plain queue.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;

use super::facts::{grade_words, source_words};
use super::{kind_words, state_words};
use crate::domain::actor::{Act, may};
use crate::domain::capture::{Grade, Source};
use crate::domain::exhibit::{Kind, State as ExhibitState};
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Frame, Reviewer, own_appeal};
use crate::web::language::Language;
use crate::web::respond::{map_policy, page};

#[derive(Template)]
#[template(path = "workspace.html")]
struct WorkspacePage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    title: String,
    zone: String,
    tiles: String,
    may_decide: bool,
    words: String,
}

pub async fn show(State(app): State<AppState>, Reviewer(person): Reviewer, frame: Frame, Path(code): Path<String>) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code).await?;
    let policy = HeaderValue::from_str(&map_policy(&app.config.map_tiles, "")).map_err(Error::internal)?;
    let body = page(&WorkspacePage {
        t: frame.language.texts(),
        title: appeal.text(frame.language.tag()).title.clone(),
        words: words(frame.language),
        code: appeal.code,
        zone: appeal.zone,
        tiles: app.config.map_tiles.clone(),
        may_decide: may(person.role, Act::Decide),
        frame,
    })?;
    Ok(([(header::CONTENT_SECURITY_POLICY, policy)], body).into_response())
}

/// What the island says, in the person's language.
fn words(language: Language) -> String {
    let t = language.texts();
    let mut words: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |key: &str, text: String| words.insert(key.to_owned(), text);
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
    add("quarantined", fl!(t, "state-quarantined"));
    add("no-preview", fl!(t, "no-preview"));
    add("time-unknown", fl!(t, "time-unknown"));
    add("place-unknown", fl!(t, "place-unknown"));
    add("place", fl!(t, "workspace-place", metres = "{metres}", doubt = "{doubt}"));
    add("no", fl!(t, "workspace-no"));
    add("copy", fl!(t, "workspace-copy"));
    add("alt", fl!(t, "workspace-alt", kind = "{kind}", number = "{number}", when = "{when}", place = "{place}", state = "{state}"));
    add("copies_one", fl!(t, "workspace-copies-one"));
    add("copies_other", fl!(t, "workspace-copies-other", n = "{n}"));
    add("found_one", fl!(t, "workspace-found-one", n = "{n}", all = "{all}"));
    add("found_other", fl!(t, "workspace-found-other", n = "{n}", all = "{all}"));
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
    // Inside a script element, `<` could end it; the marks that Fluent puts around values belong around what the island puts in.
    serde_json::to_string(&words).unwrap_or_default().replace('<', "\\u003c").replace(['\u{2068}', '\u{2069}'], "")
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
