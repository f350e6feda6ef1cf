//! The auditor's pages: the record at a glance, what a file or receipt is worth, one exhibit's custody, who looked at what, and two
//! checkpoints held against each other. No media, ever; and every look of an auditor is an event itself.

pub mod compare;
pub mod custody;
pub mod integrity;
pub mod log;
pub mod verify;

use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde_json::Value;

use crate::app::App;
use crate::attest::{self, Exit, Finding};
use crate::db::log::Entry;
use crate::domain::actor::{Actor, Person, Role};
use crate::domain::custody::{Draft, EventType};
use crate::domain::value::Utc;
use crate::error::Result;
use crate::web::admin::role_words;
use crate::web::words::{actor_words, check_words, event_words};

/// Writes down what an auditor looks at; only then is it shown.
async fn record(app: &App, person: &Person, page: &'static str, draft: impl FnOnce(Draft) -> Draft) -> Result<()> {
    let mut tx = app.db.begin().await?;
    attest::append(app, &mut tx, draft(Draft::new(EventType::AuditViewed, Actor::from(person)).fact("page", page))).await?;
    tx.commit().await
}

/// What a check came to, for people; and the style of its card.
fn verdict_words(t: &FluentLanguageLoader, exit: Exit) -> (String, &'static str) {
    match exit {
        Exit::Proven => (fl!(t, "verdict-proven"), "ok"),
        Exit::Undecided => (fl!(t, "verdict-undecided"), "doubt"),
        Exit::Contradicted => (fl!(t, "verdict-contradicted"), "bad"),
        Exit::Unusable => (fl!(t, "verdict-unusable"), "doubt"),
    }
}

/// One finding of a check, for people: what was looked at, what came of it, and its details (which are the program's own, in English).
struct Said {
    check: String,
    result: String,
    detail: String,
}

/// `page` is whose words they are: a check of the same name is another one where two checkpoints are compared.
fn said(t: &FluentLanguageLoader, page: &str, findings: Vec<Finding>) -> Vec<Said> {
    let result = |exit| match exit {
        Exit::Proven => fl!(t, "result-proven"),
        Exit::Undecided => fl!(t, "result-undecided"),
        Exit::Contradicted => fl!(t, "result-contradicted"),
        Exit::Unusable => fl!(t, "result-unusable"),
    };
    findings.into_iter().map(|f| Said { check: check_words(t, page, f.check), result: result(f.result), detail: f.detail }).collect()
}

/// One entry as a row: nothing in it is personal but the name behind `ref`, which the agency's own auditor may know.
pub struct Row {
    pub index: u64,
    pub at: String,
    pub kind: String,
    /// The same for people.
    pub words: String,
    pub who: String,
    pub role: String,
    pub purpose: String,
    pub about: Vec<(String, String)>,
    pub facts: String,
}

fn row(t: &FluentLanguageLoader, entry: &Entry, names: &[(String, String)]) -> Row {
    let said: Value = serde_json::from_slice(&entry.bytes).unwrap_or_default();
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let who = text("/actor/ref");
    let name = names.iter().find(|(id, _)| *id == who).map(|(_, name)| name.clone());
    let about =
        said["subj"].as_array().into_iter().flatten().filter_map(|s| Some((s["k"].as_str()?.to_owned(), s["id"].as_str()?.to_owned())));
    let plain = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let facts = said["f"].as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()).map(|(k, v)| format!("{k} {}", plain(v)));
    Row {
        index: entry.index,
        at: text("/t").parse::<Utc>().map(|t| t.to_string()).unwrap_or_default(),
        words: event_words(t, &text("/type")),
        kind: text("/type"),
        who: name.unwrap_or_else(|| actor_words(t, &text("/actor/k"))),
        role: Role::parse(&text("/actor/role")).map_or_else(|| text("/actor/role"), |role| role_words(t, role)),
        purpose: text("/actor/purpose"),
        about: about.collect(),
        facts: facts.collect::<Vec<_>>().join(" · "),
    }
}

/// Random ids of people, and their names.
async fn names(tx: &mut crate::db::Tx, person: &Person) -> Result<Vec<(String, String)>> {
    Ok(crate::db::accounts::names(tx, person.agency).await?.into_iter().map(|(id, name)| (id.to_string(), name)).collect())
}
