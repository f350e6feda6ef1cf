//! Looking at one exhibit: who may, what it writes, and the token that lets the pictures of a page
//! already recorded load without a second event.

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq as _;

use crate::app::App;
use crate::attest;
use crate::db::{self, Tx};
use crate::domain::actor::{Act, Actor, Person, may};
use crate::domain::custody::{Draft, EventType, SubjectKind};
use crate::domain::exhibit::Exhibit;
use crate::domain::purpose::worded;
use crate::domain::review::NOTE_CHARS_MAX;
use crate::domain::value::{Id, MINUTE_US, Utc, shown};
use crate::error::{Error, Result};

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// The exhibit's page or record: facts, claims, events.
    Record,
    Thumbnail,
    /// The larger picture.
    View,
    /// The original, played in place.
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
}

/// The exhibit, if this person may see it. Another agency's is not found, like one that never was.
pub async fn one_exhibit(app: &App, person: &Person, exhibit: Id) -> Result<Exhibit> {
    if !may(person.role, Act::SeeExhibits) {
        return Err(Error::Forbidden);
    }
    let mut tx = app.db.read().await?;
    db::exhibits::by_id(&mut tx, exhibit).await?.filter(|e| e.agency == person.agency).ok_or(Error::NotFound)
}

/// Records a look and commits it; only then may bytes flow. If it cannot be recorded, nothing is shown.
pub async fn look(app: &App, person: &Person, exhibit: Id, what: Look) -> Result<Looked> {
    let e = one_exhibit(app, person, exhibit).await?;
    let draft = Draft::new(EventType::ExhibitViewed, Actor::from(person)).about(SubjectKind::Exhibit, e.id).fact("variant", what.as_str());
    let mut tx = app.db.begin().await?;
    attest::append(app, &mut tx, draft).await?;
    watch(app, &mut tx, person).await?;
    tx.commit().await?;
    let now = app.now();
    let token = |look| grant(app, person, e.id, look, now);
    Ok(Looked { thumbnail: token(Look::Thumbnail), view: token(Look::View), exhibit: e })
}

/// Counts a look; one too many in a minute is told of, once.
async fn watch(app: &App, tx: &mut Tx, person: &Person) -> Result<()> {
    let now = app.now();
    let looks = app.traffic.looks.count(person.id, now);
    if looks == app.config.sessions.looks_per_minute.saturating_add(1) {
        tracing::error!(account = %person.id, looks, "somebody looks at more in a minute than people do");
        db::accounts::add_unusual(tx, person.id, looks, now).await?;
        let draft = Draft::new(EventType::AccessUnusual, Actor::from(person)).about(SubjectKind::Account, person.id);
        attest::append(app, tx, draft.fact("looks", looks)).await?;
    }
    Ok(())
}

/// Records that an original is taken away, for a reason of its own, and returns the token under which its bytes then come.
pub async fn download(app: &App, person: &Person, exhibit: Id, reason: &str) -> Result<String> {
    let e = one_exhibit(app, person, exhibit).await?;
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
    watch(app, &mut tx, person).await?;
    tx.commit().await?;
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
    let until = now.plus(TOKEN_US).micros();
    let mac = app.mac(&signed_text(person, exhibit, what, until));
    format!("{until:x}.{}", BASE64URL_NOPAD.encode(&mac[..16]))
}

fn signed_text(person: &Person, exhibit: Id, what: Look, until: i64) -> Vec<u8> {
    format!("{}|{}|{}|{until}", person.id, exhibit, what.as_str()).into_bytes()
}

/// Whether a token shows that this look was recorded already.
pub fn look_is_recorded(app: &App, person: &Person, exhibit: Id, what: Look, token: &str) -> bool {
    let Some((until, mac)) = token.split_once('.') else { return false };
    let (Ok(until), Ok(mac)) = (i64::from_str_radix(until, 16), BASE64URL_NOPAD.decode(mac.as_bytes())) else {
        return false;
    };
    let expected = app.mac(&signed_text(person, exhibit, what, until));
    until > app.now().micros() && bool::from(expected[..16].ct_eq(&mac))
}
