//! Answering people who ask about data of theirs, step by step: who asks and how that is known, what is held of them, erasing or restricting all of
//! it, and the answer. Each step is an event. What is given out tells what is held and to whom it went, and no picture: the original goes out by the
//! ways that originals go.

use serde_json::{Value, json};

use super::erase::request as ask_erasure;
use super::hold::reason;
use crate::access;
use crate::app::App;
use crate::attest;
use crate::db::{self, Tx, subjects::NewRequest, subjects::Request};
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::appeal::Appeal;
use crate::domain::capture::{PlaceClaim, Source, TimeClaim, effective_place, effective_time};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::Exhibit;
use crate::domain::retention::Basis;
use crate::domain::subject::{DUE_DAYS, Kind, Outcome};
use crate::domain::submission::{ReceiptCode, is_reference};
use crate::domain::value::{DAY_US, Id};
use crate::error::{Error, Result};

/// How one file of the person stands.
pub struct FileStanding {
    pub exhibit: Id,
    pub number: u64,
    pub held: bool,
    pub erasure_asked: bool,
    pub restricted: bool,
}

/// A request, and how what it is about stands.
pub struct Task {
    pub request: Request,
    pub appeal: Appeal,
    pub files: Vec<FileStanding>,
    pub erased: usize,
    pub contact: bool,
}

fn may(person: &Person) -> Result<()> {
    if person.may(Act::Retain) { Ok(()) } else { Err(Error::Forbidden) }
}

/// Opens a request about what came under a receipt code, or under a reference as a witness without one has it.
pub async fn open_request(app: &App, person: &Person, appeal: &Appeal, of: &str, kind: Kind, asked: &str, identified: &str) -> Result<Id> {
    let asked = reason(asked)?;
    let identified = reason(identified).map_err(|_| Error::Invalid { field: "identified", why: "say how you know who asks".into() })?;
    let mut tx = app.db.begin().await?;
    access::to_appeal(app, &mut tx, person, appeal, Act::Retain).await?;
    let submission = submission_of(app, &mut tx, appeal, of).await?;
    let (id, now) = (app.new_id(), app.now());
    let new = NewRequest {
        id,
        agency: person.agency,
        appeal: appeal.id,
        submission,
        kind,
        asked: &asked,
        identified: &identified,
        by: person.id,
        due_at: now.plus(DUE_DAYS * DAY_US),
    };
    db::subjects::open(&mut tx, new, now).await?;
    let draft = Draft::new(EventType::SubjectRequestOpened, Actor::from(person))
        .about(SubjectKind::Submission, submission)
        .fact("request", id.to_string())
        .fact("kind", kind.as_str())
        .private("asked", asked)
        .private("identified", identified);
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(id)
}

async fn submission_of(app: &App, tx: &mut Tx, appeal: &Appeal, of: &str) -> Result<Id> {
    let unknown = || Error::Invalid { field: "of", why: "a receipt code, or a reference like 7F3A-22C1, of this appeal".into() };
    let text = of.trim().to_uppercase();
    if is_reference(&text) {
        let all = db::submissions::ids_of_appeal(tx, appeal.id).await?;
        return all.into_iter().find(|id| app.reference(*id) == text).ok_or_else(unknown);
    }
    let code = ReceiptCode::parse(&text).ok_or_else(unknown)?;
    let found = db::submissions::by_receipt(tx, code.hash()).await?;
    found.filter(|s| s.appeal == appeal.id).map(|s| s.id).ok_or_else(unknown)
}

/// An agency's requests, the open ones first.
pub async fn requests(app: &App, person: &Person, limit: i64) -> Result<Vec<Request>> {
    may(person)?;
    let mut tx = app.db.read().await?;
    db::subjects::list(&mut tx, person.agency, limit).await
}

async fn own(tx: &mut Tx, person: &Person, id: Id) -> Result<Request> {
    may(person)?;
    db::subjects::of_agency(tx, person.agency, id).await?.ok_or(Error::Elsewhere)
}

/// One that is still open.
async fn still_open(tx: &mut Tx, person: &Person, id: Id) -> Result<Request> {
    let request = own(tx, person, id).await?;
    if request.closed.is_none() { Ok(request) } else { Err(Error::Conflict) }
}

pub async fn task(app: &App, person: &Person, id: Id) -> Result<Task> {
    let mut tx = app.db.read().await?;
    let request = own(&mut tx, person, id).await?;
    let appeal = db::appeals::by_id(&mut tx, request.appeal).await?;
    let mut files = Vec::new();
    for e in db::exhibits::of_submission(&mut tx, request.submission).await? {
        files.push(FileStanding {
            exhibit: e.id,
            number: e.number,
            held: db::retention::hold(&mut tx, e.id).await?.is_some(),
            erasure_asked: db::retention::open_for(&mut tx, e.id).await?.is_some(),
            restricted: e.restricted,
        });
    }
    let erased = db::retention::erased_of_submission(&mut tx, request.submission).await?.len();
    let contact = db::identities::given(&mut tx, request.submission).await?;
    Ok(Task { request, appeal, files, erased, contact })
}

/// What is held of the person, for them: written down before it is given out.
pub async fn disclose(app: &App, person: &Person, id: Id) -> Result<Value> {
    let mut tx = app.db.begin().await?;
    let request = still_open(&mut tx, person, id).await?;
    let appeal = db::appeals::by_id(&mut tx, request.appeal).await?;
    let submission = db::submissions::by_id(&mut tx, request.submission).await?;
    let exhibits = db::exhibits::of_submission(&mut tx, request.submission).await?;
    let contact = db::identities::given(&mut tx, request.submission).await?;
    let shares = db::shares::of_appeal(&mut tx, request.appeal).await?;
    let mut files = Vec::new();
    for e in &exhibits {
        let held = db::retention::hold(&mut tx, e.id).await?.is_some();
        let exports = db::retention::exports_of(&mut tx, e.id).await?.len();
        files.push(told(e, db::exhibits::claims(&mut tx, e.id).await?, held, exports));
    }
    let erased = db::retention::erased_of_submission(&mut tx, request.submission).await?;
    // (About the submission alone: an exhibit's history goes into every bundle, and that its witness asked is nobody's business there.)
    let draft = Draft::new(EventType::SubjectRequestDisclosed, Actor::from(person))
        .about(SubjectKind::Submission, request.submission)
        .fact("request", id.to_string());
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Ok(json!({
        "made_at": app.now().to_string(),
        "request": {"id": id.to_string(), "kind": request.kind.as_str(), "opened_at": request.opened_at.to_string()},
        "appeal": {"code": appeal.code, "title": appeal.text("en").title},
        "reference": app.reference(request.submission),
        "statement": submission.statement,
        "contact": if contact { "given, and sealed: nobody reads it without a reason, and each reading is on record" } else { "none" },
        "files": files,
        "erased": erased.into_iter().map(|(exhibit, at)| json!({"exhibit": exhibit.to_string(), "erased_at": at.to_string()})).collect::<Vec<_>>(),
        "shared_with": shares
            .into_iter()
            .map(|s| json!({"agency": s.with, "from": s.shared_at.to_string(), "until": s.expires_at.to_string(), "ended_early": s.ended}))
            .collect::<Vec<_>>(),
        "not_in_here": "what was decided and noted in the investigation, and who looked: whether that is told is for the law of the case",
    }))
}

/// What is said of time and place by the file and by the person: what an investigator found out is of the investigation.
fn told(e: &Exhibit, (mut times, mut places): (Vec<TimeClaim>, Vec<PlaceClaim>), held: bool, exports: usize) -> Value {
    let of_the_case = |source| matches!(source, Source::InvestigatorStatement | Source::ClockCorrection);
    times.retain(|claim| !of_the_case(claim.source));
    places.retain(|claim| !of_the_case(claim.source));
    json!({
        "exhibit": e.id.to_string(),
        "name": e.name,
        "sha256": e.sha256.to_string(),
        "bytes": e.size,
        "media_type": e.media_type,
        "received_at": e.received_at.to_string(),
        "taken": effective_time(&times).map(|w| json!({"from": w.from.to_string(), "to": w.to.to_string(), "source": w.source.as_str()})),
        "place": effective_place(&places).map(|p| json!({"lat": p.point.lat, "lon": p.point.lon, "radius_m": p.radius_m, "source": p.source.as_str()})),
        "held": held,
        "restricted": e.restricted,
        "exported_in_bundles": exports,
    })
}

/// Asks for the erasure of everything of the person; two others agree to each. Returns of how many.
pub async fn erase_all(app: &App, person: &Person, id: Id, why: &str) -> Result<u64> {
    let mut tx = app.db.read().await?;
    let request = still_open(&mut tx, person, id).await?;
    let exhibits = db::exhibits::of_submission(&mut tx, request.submission).await?;
    drop(tx);
    let mut asked = 0;
    for e in exhibits {
        match ask_erasure(app, person, e.id, Basis::Withdrawn, why).await {
            Ok(_) => asked += 1,
            // Held, asked for, or gone meanwhile.
            Err(Error::Held | Error::Conflict | Error::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(asked)
}

/// Puts everything of the person behind glass, where only supervisors take anything from, or ends that. Returns how many files changed.
pub async fn restrict(app: &App, person: &Person, id: Id, on: bool, why: &str) -> Result<u64> {
    let why = reason(why)?;
    let mut tx = app.db.begin_apart().await?;
    let request = own(&mut tx, person, id).await?;
    if on && request.closed.is_some() {
        return Err(Error::Conflict);
    }
    db::families::take_turn(&mut tx, request.appeal).await?;
    let mut changed = 0;
    for seen in db::exhibits::of_submission(&mut tx, request.submission).await? {
        let e = db::exhibits::lock(&mut tx, seen.id).await?;
        if e.restricted == on {
            continue;
        }
        db::exhibits::set_restricted(&mut tx, e.id, on, app.now()).await?;
        let kind = if on { EventType::ExhibitRestricted } else { EventType::ExhibitUnrestricted };
        let draft = Draft::new(kind, Actor::from(person)).about(SubjectKind::Exhibit, e.id).private("reason", why.clone());
        attest::append(app, &mut tx, draft).await?;
        changed += 1;
    }
    tx.commit().await?;
    Ok(changed)
}

/// Writes down what the person was answered.
pub async fn close_request(app: &App, person: &Person, id: Id, outcome: Outcome, answer: &str) -> Result<()> {
    let answer = reason(answer).map_err(|_| Error::Invalid { field: "answer", why: "say what the person was told".into() })?;
    let mut tx = app.db.begin().await?;
    let request = still_open(&mut tx, person, id).await?;
    // The last erasure of theirs takes turns with this, so that one of the two sees the other.
    db::families::take_turn(&mut tx, request.appeal).await?;
    // Nobody is told that everything is gone while it waits for somebody to agree.
    if request.kind == Kind::Erasure
        && outcome == Outcome::Granted
        && !db::retention::submission_is_empty(&mut tx, request.submission).await?
    {
        return Err(Error::Invalid {
            field: "outcome",
            why: "something of theirs is still here: granted in part, or after it is erased".into(),
        });
    }
    if !db::subjects::close(&mut tx, id, outcome, &answer, person.id, app.now()).await? {
        return Err(Error::Conflict);
    }
    let draft = Draft::new(EventType::SubjectRequestClosed, Actor::from(person))
        .about(SubjectKind::Submission, request.submission)
        .fact("request", id.to_string())
        .fact("outcome", outcome.as_str())
        .private("answer", answer);
    attest::append(app, &mut tx, draft).await?;
    let empty = db::retention::submission_is_empty(&mut tx, request.submission).await?;
    if empty {
        db::subjects::forget_words(&mut tx, request.submission).await?;
    }
    tx.commit().await?;
    if empty {
        // What was said here goes with everything else that was said.
        attest::sequence_all(app).await?;
        let mut tx = app.db.begin().await?;
        db::retention::remove_openings(&mut tx, SubjectKind::Submission.as_str(), request.submission).await?;
        tx.commit().await?;
    }
    Ok(())
}
