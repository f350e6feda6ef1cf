//! A decision on an exhibit. Earlier ones stay: in the table, and in the log.

use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Person, may};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::State;
use crate::domain::review::{Decision, NOTE_CHARS_MAX};
use crate::domain::value::{Id, shown};
use crate::error::{Error, Result};

/// Decides. `version` is the one that the person saw: if somebody was faster, they are told (409)
/// rather than overruled. Returns the new version.
pub async fn decide(app: &App, person: &Person, exhibit: Id, decision: Decision, note: &str, version: Option<u64>) -> Result<u64> {
    if !may(person.role, Act::Decide) {
        return Err(Error::Forbidden);
    }
    if note.chars().count() > NOTE_CHARS_MAX {
        return Err(Error::Invalid { field: "note", why: format!("more than {NOTE_CHARS_MAX} characters") });
    }
    // Line breaks are welcome in a note, other control characters are not.
    let note = note.trim().split('\n').map(|l| shown(l.trim_end_matches('\r'), NOTE_CHARS_MAX)).collect::<Vec<_>>().join("\n");
    let now = app.now();
    let mut tx = app.db.begin().await?;
    let e = db::exhibits::lock(&mut tx, exhibit).await?;
    if e.agency != person.agency {
        return Err(Error::NotFound);
    }
    if version.is_some_and(|v| v != e.version) {
        return Err(Error::Conflict);
    }
    if !db::exhibits::decide(&mut tx, app.new_id(), &e, person.id, decision, &note, now).await? {
        return Err(Error::Conflict);
    }
    let mut draft = Draft::new(EventType::ExhibitDecided, Actor::from(person))
        .about(SubjectKind::Exhibit, exhibit)
        .fact("noted", !note.is_empty())
        .private("decision", decision.state().as_str())
        .private("previous", State::as_str(e.state));
    if !note.is_empty() {
        draft = draft.private("note", note);
    }
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(e.version + 1)
}
