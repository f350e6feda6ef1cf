//! `/appeals`: the agency's appeals, and how each goes.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;

use super::state_words;
use crate::db;
use crate::domain::actor::Act;
use crate::domain::appeal::AppealState;
use crate::error::Result;
use crate::web::extract::{AppState, Frame, Insider};
use crate::web::respond::page;

struct Row {
    code: String,
    title: String,
    state: String,
    /// Whose it is, when it is shared with us.
    of: Option<String>,
    may_share: bool,
    files: u64,
    counts: Vec<(String, u64)>,
}

#[derive(Template)]
#[template(path = "appeals.html")]
struct AppealsPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    may_review: bool,
    rows: Vec<Row>,
}

pub async fn show(State(app): State<AppState>, Insider(person): Insider, frame: Frame) -> Result<Response> {
    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let mut rows = Vec::new();
    let mut appeals = db::appeals::list(&mut tx, person.agency).await?;
    appeals.extend(db::appeals::shared_with(&mut tx, person.agency, app.now()).await?);
    for a in appeals {
        let counts = db::exhibits::counts(&mut tx, a.id).await?;
        rows.push(Row {
            title: a.text(frame.language.tag()).title.clone(),
            state: match a.state {
                AppealState::Draft => fl!(t, "appeal-draft"),
                AppealState::Open => fl!(t, "appeal-open"),
                AppealState::Closed => fl!(t, "appeal-closed"),
            },
            of: (a.agency != person.agency).then(|| a.agency_name.clone()),
            may_share: a.agency == person.agency && person.may(Act::Share),
            files: a.files_received,
            counts: counts.into_iter().map(|(s, n)| (state_words(t, s), n)).collect(),
            code: a.code,
        });
    }
    drop(tx);
    page(&AppealsPage { t, may_review: person.may(Act::SeeExhibits), rows, frame })
}
