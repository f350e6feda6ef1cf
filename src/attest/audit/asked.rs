//! What auditors ask of the record by hand: whether a receipt holds, and where some bytes were received. Asking is itself an event.

use crate::app::App;
use crate::attest::{Exit, GivenFile, Trust, Verdict, append, verify_receipt};
use crate::db;
use crate::domain::actor::{Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::value::{Id, Sha256, Utc};
use crate::error::Result;

/// Judges a receipt under the log's own keys, and writes down that somebody asked.
pub async fn check_receipt(app: &App, person: &Person, receipt: &str, files: &[GivenFile]) -> Result<Verdict> {
    let verdict = verify_receipt(receipt, files, Trust { policy: Some(&app.trust), authorities: None });
    let exhibit = verdict.entry.as_ref().and_then(|e| e.pointer("/subj/0/id")?.as_str()?.parse::<Id>().ok());
    let draft = Draft::new(EventType::ReceiptChecked, Actor::from(person)).fact("exit", verdict.exit as u8);
    // Only of an exhibit that this log knows: the rest is a stranger's text.
    let draft = match exhibit {
        Some(id) if verdict.exit == Exit::Proven => draft.about(SubjectKind::Exhibit, id),
        _ => draft,
    };
    let mut tx = app.db.begin().await?;
    append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(verdict)
}

/// An exhibit with the bytes that were asked for.
pub struct Received {
    pub exhibit: Id,
    pub at: Utc,
    /// Where its receipt stands in the log, once it does.
    pub index: Option<u64>,
}

/// Where these bytes were received.
pub async fn look_up(app: &App, person: &Person, sha256: Sha256) -> Result<Vec<Received>> {
    /// Exhibits of one event: an entry has its limit.
    const SUBJECTS: usize = 40;
    let mut tx = app.db.begin().await?;
    let found = db::exhibits::with_bytes(&mut tx, person.agency, sha256).await?;
    for (exhibit, _) in &found {
        db::exhibits::lock(&mut tx, *exhibit).await?;
    }
    let groups: Vec<&[(Id, Utc)]> = if found.is_empty() { vec![&[]] } else { found.chunks(SUBJECTS).collect() };
    for group in groups {
        let draft = Draft::new(EventType::AuditLookedUp, Actor::from(person)).fact("found", group.len());
        // The hash of what is not here (any more) would stay, with nothing that it could be erased with.
        let draft = if group.is_empty() { draft } else { draft.private("sha256", sha256.to_string()) };
        // In the history of what it found: erased with it, one day.
        let draft = group.iter().fold(draft, |draft, (exhibit, _)| draft.about(SubjectKind::Exhibit, *exhibit));
        append(app, &mut tx, draft).await?;
    }
    tx.commit().await?;
    let mut tx = app.db.read().await?;
    let mut known = Vec::new();
    for (exhibit, at) in found {
        let entry = db::log::first_of_subject(&mut tx, "exhibit", &exhibit.to_string()).await?;
        known.push(Received { exhibit, at, index: entry.map(|e| e.index) });
    }
    Ok(known)
}
