//! Looking at one exhibit: who may, what it writes, and the token that lets the pictures of a page
//! already recorded load without a second event.

use crate::access;
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Person};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::{Exhibit, Kind};
use crate::domain::purpose::worded;
use crate::domain::review::{GRAPHIC_BIT, NOTE_CHARS_MAX, stretches};
use crate::domain::value::{DAY_US, Id, MINUTE_US, Utc, shown};
use crate::error::{Error, Result};

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// The exhibit's page or record: facts, claims, events.
    Record,
    Thumbnail,
    /// The larger picture.
    View,
    /// A clip's frames, side by side.
    Sheet,
    /// The original, played in place; or its proxy.
    Play,
    /// The original, taken away.
    Download,
}

impl Look {
    const fn as_str(self) -> &'static str {
        match self {
            Look::Record => "record",
            Look::Thumbnail => "thumbnail",
            Look::View => "view",
            Look::Sheet => "sheet",
            Look::Play => "play",
            Look::Download => "original",
        }
    }
}

/// How long a page's pictures may load after the look was recorded.
const TOKEN_US: i64 = 30 * MINUTE_US;

/// A recorded look, and the tokens for what the page shows.
pub struct Looked {
    pub exhibit: Exhibit,
    pub thumbnail: String,
    pub view: String,
    pub sheet: String,
    /// With which the page tells what of a clip was played.
    pub record: String,
}

/// The exhibit, if this person may see it. Another agency's is not found, like one that never was.
pub async fn one_exhibit(app: &App, person: &Person, exhibit: Id) -> Result<Exhibit> {
    if !person.may(Act::SeeExhibits) {
        return Err(Error::Forbidden);
    }
    let mut tx = app.db.read().await?;
    match db::exhibits::by_id(&mut tx, exhibit).await? {
        Some(e) => {
            access::to_exhibit(app, &mut tx, person, &e, Act::SeeExhibits).await?;
            Ok(e)
        }
        None if db::retention::was_erased(&mut tx, person.agency, exhibit).await? => Err(Error::Erased),
        None => Err(Error::NotFound),
    }
}

/// Records a look and commits it; only then may bytes flow. If it cannot be recorded, nothing is shown.
pub async fn look(app: &App, person: &Person, exhibit: Id, what: Look) -> Result<Looked> {
    let e = one_exhibit(app, person, exhibit).await?;
    let draft = Draft::new(EventType::ExhibitViewed, Actor::from(person)).about(SubjectKind::Exhibit, e.id).fact("variant", what.as_str());
    let now = app.now();
    let mut tx = app.db.begin().await?;
    attest::append(app, &mut tx, draft).await?;
    if what == Look::Record {
        db::board::add_exposure(&mut tx, person.id, now.micros().div_euclid(DAY_US), e.tags & GRAPHIC_BIT != 0).await?;
    }
    tx.commit().await?;
    watch(app, person, 1).await;
    let token = |look| grant(app, person, e.id, look, now);
    Ok(Looked {
        thumbnail: token(Look::Thumbnail),
        view: token(Look::View),
        sheet: token(Look::Sheet),
        record: token(Look::Record),
        exhibit: e,
    })
}

/// Counts looks that are on record; too many in a minute are told of, once. What is told adds to the record and keeps nobody from
/// anything: if it cannot be written, the next look tries again.
pub(super) async fn watch(app: &App, person: &Person, looks: u64) {
    let now = app.now();
    let Some(looks) = app.traffic.looks.count(person.id, looks, app.config.sessions.looks_per_minute, now) else { return };
    let told = async {
        let mut tx = app.db.begin().await?;
        db::accounts::add_unusual(&mut tx, person.id, looks, now).await?;
        let draft = Draft::new(EventType::AccessUnusual, Actor::from(person)).about(SubjectKind::Account, person.id);
        attest::append(app, &mut tx, draft.fact("looks", looks)).await?;
        tx.commit().await
    };
    match told.await {
        Ok(()) => app.traffic.looks.told(person.id, now),
        Err(e) => tracing::error!(cause = %e, "that somebody looks at too much could not be written down"),
    }
    tracing::error!(account = %person.id, looks, "somebody looks at more in a minute than people do");
}

/// Records that an original is taken away, for a reason of its own, and returns the token under which its bytes then come.
pub async fn download(app: &App, person: &Person, exhibit: Id, reason: &str) -> Result<String> {
    let e = one_exhibit(app, person, exhibit).await?;
    let mut tx = app.db.read().await?;
    // Nothing leaves but through the agency whose appeal it is.
    access::to_exhibit(app, &mut tx, person, &e, Act::Export).await?;
    drop(tx);
    // What a scanner found something in, or its witness asked not to be used, is taken away only by those who answer for it.
    if e.is_locked() && !person.may(Act::Retain) {
        return Err(Error::Forbidden);
    }
    let reason = shown(reason.trim(), NOTE_CHARS_MAX);
    let worded = worded(&reason);
    let draft = if worded {
        Draft::new(EventType::ExhibitDownloaded, Actor::from(person))
            .about(SubjectKind::Exhibit, e.id)
            .fact("variant", Look::Download.as_str())
            .private("reason", reason)
    } else {
        Draft::new(EventType::AccessDenied, Actor::from(person))
            .fact("act", "Download")
            .fact("why", Error::PurposeMissing.status_and_code().1)
    };
    let mut tx = app.db.begin().await?;
    if worded {
        // It may have been erased meanwhile; then nothing more is written about it.
        db::exhibits::lock(&mut tx, e.id).await?;
    }
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    watch(app, person, 1).await;
    if worded { Ok(grant(app, person, e.id, Look::Download, app.now())) } else { Err(Error::PurposeMissing) }
}

/// Records that an original is played in place, and returns the token under which its bytes then come, range by range.
pub async fn play(app: &App, person: &Person, exhibit: Id) -> Result<String> {
    look(app, person, exhibit, Look::Play).await?;
    Ok(grant(app, person, exhibit, Look::Play, app.now()))
}

/// A token for one picture of a look that has been recorded: this person, this exhibit, this variant,
/// for half an hour.
pub(super) fn grant(app: &App, person: &Person, exhibit: Id, what: Look, now: Utc) -> String {
    app.ticket(&looked_at(person, exhibit, what), now.plus(TOKEN_US))
}

fn looked_at(person: &Person, exhibit: Id, what: Look) -> String {
    format!("look|{}|{}|{}", person.id, exhibit, what.as_str())
}

/// Whether a token shows that this look was recorded already.
pub fn look_is_recorded(app: &App, person: &Person, exhibit: Id, what: Look, token: &str) -> bool {
    app.ticket_holds(&looked_at(person, exhibit, what), token)
}

/// Writes down which parts of a clip somebody had before them.
pub async fn view_ended(app: &App, person: &Person, exhibit: Id, looked: &str, ranges: &str) -> Result<()> {
    // Only who has opened its page can have seen anything.
    if !look_is_recorded(app, person, exhibit, Look::Record, looked) {
        return Err(Error::Forbidden);
    }
    let played = stretches(ranges).ok_or(Error::Invalid { field: "ranges", why: "stretches in milliseconds, in order".into() })?;
    let e = one_exhibit(app, person, exhibit).await?;
    if !matches!(e.kind, Kind::Video | Kind::Audio) {
        return Err(Error::Invalid { field: "ranges", why: "nothing that is played".into() });
    }
    let told: Vec<String> = played.into_iter().map(|(from, to)| format!("{from}-{to}")).collect();
    let mut tx = app.db.begin().await?;
    // It may have been erased meanwhile; then nothing more is written about it.
    db::exhibits::lock(&mut tx, e.id).await?;
    let draft = Draft::new(EventType::ExhibitViewEnded, Actor::from(person)).about(SubjectKind::Exhibit, e.id);
    attest::append(app, &mut tx, draft.fact("ranges", told)).await?;
    tx.commit().await
}
