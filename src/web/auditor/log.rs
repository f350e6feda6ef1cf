//! `/audit/log`: who did what, newest first, with filters. A page looks through a bounded stretch of the log and says how far it
//! came; what is asked is an event.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;

use super::{Row, names, record, row};
use crate::db;
use crate::domain::custody::SubjectKind;
use crate::domain::value::{Id, Utc};
use crate::error::{Error, Result};
use crate::web::extract::{AppState, Auditing, Frame, Params};
use crate::web::respond::page;

const ROWS: usize = 100;
/// Entries that one page looks through at most.
const STRETCH: u64 = 20_000;
const PAGE: u64 = 1_000;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Beginning of an event's type.
    #[serde(default)]
    kind: String,
    /// Name of an account.
    #[serde(default)]
    who: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    exhibit: String,
    /// Only entries before this one.
    #[serde(default)]
    before: String,
    #[serde(default)]
    lang: String,
}

#[derive(Template)]
#[template(path = "audit_log.html")]
struct LogPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    asked: Asked,
    rows: Vec<Row>,
    /// Address and words of what comes before, when there is more.
    more: Option<(String, String)>,
}

struct Filter {
    kind: String,
    who: Option<String>,
    from: Option<Utc>,
    to: Option<Utc>,
}

/// Whether an event is about this account: a sign-in is by nobody yet.
fn about(said: &Value, account: &str) -> bool {
    let subjects = said.get("subj").and_then(Value::as_array).into_iter().flatten();
    subjects.into_iter().any(|s| s["k"] == "account" && s["id"] == account)
}

impl Filter {
    fn holds(&self, said: &Value) -> bool {
        let text = |at: &str| said.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let at = text("/t").parse::<Utc>().ok();
        text("/type").starts_with(&self.kind)
            && self.who.as_deref().is_none_or(|id| text("/actor/ref") == id || about(said, id))
            && self.from.is_none_or(|from| at.is_some_and(|at| at >= from))
            && self.to.is_none_or(|to| at.is_some_and(|at| at <= to))
    }
}

pub async fn show(State(app): State<AppState>, Auditing(person): Auditing, frame: Frame, Params(asked): Params<Asked>) -> Result<Response> {
    let time = |field: &'static str, text: &str| match text.trim() {
        "" => Ok(None),
        text => text.parse::<Utc>().map(Some).map_err(|()| Error::InvalidFilter { field, why: "not an RFC 3339 time with an offset" }),
    };
    let exhibit: Option<Id> = match asked.exhibit.trim() {
        "" => None,
        text => Some(text.parse().map_err(|()| Error::InvalidFilter { field: "exhibit", why: "not an id" })?),
    };
    let before: Option<u64> = match asked.before.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|_| Error::InvalidFilter { field: "before", why: "not a place in the log" })?),
    };
    let mut tx = app.db.read().await?;
    let names = names(&mut tx, &person).await?;
    drop(tx);
    let who = match asked.who.trim() {
        "" => None,
        name => match names.iter().find(|(_, n)| n == name) {
            Some((id, _)) => Some(id.clone()),
            None => return Err(Error::InvalidFilter { field: "who", why: "nobody of this name" }),
        },
    };
    let filter = Filter { kind: asked.kind.trim().to_owned(), who, from: time("from", &asked.from)?, to: time("to", &asked.to)? };
    record(&app, &person, "log", |draft| {
        match exhibit {
            // In that exhibit's history, and so without anything that an erasure would have to take away again.
            Some(id) => draft.about(SubjectKind::Exhibit, id),
            None => draft
                .private("kind", asked.kind.clone())
                .private("who", asked.who.clone())
                .private("from", asked.from.clone())
                .private("to", asked.to.clone()),
        }
    })
    .await?;

    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let mut rows = Vec::new();
    let mut more = None;
    if let Some(id) = exhibit {
        let all = db::log::of_subject(&mut tx, SubjectKind::Exhibit.as_str(), &id.to_string()).await?;
        let fits = all.iter().rev().filter(|e| before.is_none_or(|b| e.index < b) && holds(&filter, &e.bytes));
        rows.extend(fits.take(ROWS).map(|e| row(t, e, &names)));
        more = rows.last().map(|r| r.index).filter(|_| rows.len() == ROWS);
    } else {
        let mut end = before.unwrap_or(u64::MAX).min(db::log::head(&mut tx).await?.size());
        let floor = end.saturating_sub(STRETCH);
        'stretch: while end > floor {
            let start = end.saturating_sub(PAGE).max(floor);
            for entry in db::log::entries(&mut tx, start, end - start).await?.iter().rev().filter(|e| holds(&filter, &e.bytes)) {
                rows.push(row(t, entry, &names));
                if rows.len() == ROWS {
                    more = Some(entry.index).filter(|i| *i > 0);
                    break 'stretch;
                }
            }
            end = start;
        }
        if more.is_none() && floor > 0 && rows.len() < ROWS {
            more = Some(floor);
        }
    }
    drop(tx);
    let _ = &asked.lang;
    let more = more.map(|before| (older(&asked, before), fl!(t, "access-older", n = before)));
    page(&LogPage { t, asked, rows, more, frame })
}

fn holds(filter: &Filter, bytes: &[u8]) -> bool {
    serde_json::from_slice::<Value>(bytes).is_ok_and(|said| filter.holds(&said))
}

/// The address of what comes before.
fn older(asked: &Asked, before: u64) -> String {
    let fields = [("kind", &asked.kind), ("who", &asked.who), ("from", &asked.from), ("to", &asked.to), ("exhibit", &asked.exhibit)];
    let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
    let query: String = fields.map(|(name, value)| format!("{name}={}&", utf8_percent_encode(value, NON_ALPHANUMERIC))).collect();
    format!("/audit/log?{query}before={before}")
}
