//! `/exhibits/{id}`: one exhibit with everything that is known of it. Opening the page is an event.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use serde::Deserialize;
use serde_json::Value;

use super::facts::{self, Line};
use super::queue::when_words;
use super::{kind_words, state_words};
use crate::access;
use crate::db::{self, contents::Examination};
use crate::domain::actor::{Act, Person};
use crate::domain::capture::{Grade, PlaceClaim, PlaceStatus, Source, TimeClaim, WITHDRAWN};
use crate::domain::clock::Correction;
use crate::domain::contradiction;
use crate::domain::derivative::Variant;
use crate::domain::exhibit::{Exhibit, Kind};
use crate::domain::family::Relation;
use crate::domain::media::playable;
use crate::domain::purpose::PurposeCode;
use crate::domain::retention::Basis;
use crate::domain::review::{GRAPHIC, GRAPHIC_BIT, SECOND_LOOK};
use crate::domain::scan::{Scan, ScanState};
use crate::domain::submission::{Answer, Statement};
use crate::domain::value::{MINUTE_US, SECOND_US};
use crate::error::{Error, Result};
use crate::examine;
use crate::review::{self, Family, Look};
use crate::web::account::purpose_words;
use crate::web::extract::{AppState, Frame, Params, PathId, Reviewer, own_appeal};
use crate::web::respond::page;
use crate::web::supervisor::basis_words;
use crate::web::witness::size_words;
use crate::web::words;

struct Event {
    index: u64,
    at: String,
    kind: String,
    who: String,
    detail: String,
}

/// A note or a mark, with what a page needs to show it.
struct Written {
    id: String,
    words: String,
    by: String,
    at: String,
    mine: bool,
    gone: bool,
    from_ms: String,
    to_ms: String,
    region: String,
    /// `1:05–1:07`.
    clock: String,
}

/// What the witness said beside what the file says.
struct Row {
    what: String,
    told: String,
    own: String,
    apart: String,
    differs: bool,
}

struct Earlier {
    by: String,
    decision: String,
    note: String,
    at: String,
    undone: Option<String>,
}

/// What the file tells, beside its claims.
struct Facts {
    lines: Vec<Line>,
    checked: Vec<String>,
    /// What could not be looked at.
    unchecked: Vec<String>,
    reader: String,
    rule: u32,
    family: Family,
    device_known: bool,
    /// What made it, how large and how long it is: names and values.
    made: Vec<(String, String)>,
    /// Corrections of its device's clock that count.
    corrections: Vec<String>,
}

#[derive(Template)]
#[template(path = "exhibit.html")]
struct ExhibitPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    code: String,
    zone: String,
    id: String,
    number: u64,
    family: u64,
    /// The reader's own account.
    me: String,
    may_decide: bool,
    /// The decision that holds is the reader's own.
    mine: bool,
    /// A colleague who has this content open.
    looking: Option<String>,
    assignee: Option<String>,
    tags: Vec<String>,
    /// Not to be shown before somebody asks for it.
    graphic: bool,
    original_asked: bool,
    remarks: Vec<Written>,
    beside: Vec<Row>,
    words: String,
    name: String,
    name_truncated: bool,
    size: String,
    sha256: String,
    media_type: String,
    kind: String,
    state: String,
    state_class: &'static str,
    quarantine: Option<&'static str>,
    received_at: String,
    when: String,
    place: String,
    view: Option<String>,
    sheet: Option<String>,
    /// Whether a copy is played, and with which steps it was made.
    proxy: Option<String>,
    /// What a virus scanner says, when there is one.
    scan: Option<String>,
    record: String,
    play: bool,
    is_video: bool,
    version: u64,
    statement: Statement,
    times: Vec<TimeClaim>,
    places: Vec<PlaceClaim>,
    notes: Vec<String>,
    raw: Vec<(String, String)>,
    facts: Facts,
    events: Vec<Event>,
    earlier: Vec<Earlier>,
    /// By whom, when, why.
    hold: Option<(String, String, String)>,
    /// Whether its erasure is asked for.
    erasure: bool,
    /// By a schedule alone: a person may still ask, on another ground.
    by_schedule: bool,
    may_retain: bool,
    /// Whether originals leave with them, and erasures can be asked for: not of a partner's appeal.
    may_take: bool,
    bases: Vec<(&'static str, String)>,
    /// What the submission is called, for a witness without a receipt.
    reference: String,
    contact_given: bool,
    purposes: Vec<(&'static str, String)>,
}

impl ExhibitPage {
    fn place_status(&self, status: PlaceStatus) -> String {
        let t = self.t;
        match status {
            PlaceStatus::Stated => fl!(t, "place-stated"),
            PlaceStatus::RemovedByPhone => fl!(t, "place-removed"),
            PlaceStatus::Zero => fl!(t, "place-zero"),
            PlaceStatus::Impossible => fl!(t, "place-impossible"),
            PlaceStatus::NoHemisphere => fl!(t, "place-no-hemisphere"),
            PlaceStatus::Withdrawn => fl!(t, "claim-withdrawn"),
        }
    }

    fn answer(&self, answer: Answer) -> String {
        match answer {
            Answer::Yes => fl!(self.t, "yes"),
            Answer::No => fl!(self.t, "no"),
            Answer::Unknown => fl!(self.t, "answer-not-given"),
        }
    }

    fn at_place(&self, answer: Answer) -> String {
        match answer {
            Answer::Yes => fl!(self.t, "answer-at-place"),
            Answer::No => fl!(self.t, "answer-elsewhere"),
            Answer::Unknown => fl!(self.t, "answer-not-given"),
        }
    }

    fn event_words(&self, kind: &str) -> String {
        words::event_words(self.t, kind)
    }

    fn relation(&self, relation: Relation) -> String {
        words::relation_words(self.t, relation)
    }

    fn source(&self, source: Source) -> String {
        words::source_words(self.t, source)
    }

    fn zone_from(&self, word: &str) -> String {
        words::zone_words(self.t, word)
    }

    fn grade(&self, grade: Grade) -> String {
        words::grade_words(self.t, grade)
    }

    fn behind_glass(&self, why: &str) -> String {
        words::quarantine_words(self.t, why)
    }

    /// Whether a relative's thumbnail is shown unasked: not when it, or the exhibit itself, is marked as graphic.
    fn shown(&self, relative: &Exhibit) -> bool {
        relative.has_thumbnail && !relative.is_behind_glass() && !self.graphic && relative.tags & GRAPHIC_BIT == 0
    }

    fn note(&self, note: &str) -> String {
        words::note_words(self.t, note)
    }

    fn problem(&self, word: &str) -> String {
        let t = self.t;
        match word {
            "clock-not-set" => fl!(t, "time-clock-not-set"),
            WITHDRAWN => fl!(t, "claim-withdrawn"),
            "in-the-future" => fl!(t, "time-in-the-future"),
            _ => fl!(t, "time-unreadable"),
        }
    }
}

pub async fn show(State(app): State<AppState>, Reviewer(person): Reviewer, frame: Frame, PathId(id): PathId) -> Result<Response> {
    let looked = review::look(&app, &person, id, Look::Record).await?;
    let e = looked.exhibit;
    let t = frame.language.texts();
    let mut tx = app.db.read().await?;
    let appeal = db::appeals::by_id(&mut tx, e.appeal).await?;
    let statement = db::submissions::by_id(&mut tx, e.submission).await?.statement;
    // How to reach the witness is not part of an exhibit: reading it is an act of its own.
    let reach = access::reach(&app, &mut tx, &person, e.appeal, e.agency).await?.ok_or(Error::Elsewhere)?;
    let contact_given = db::identities::given(&mut tx, e.submission).await? && person.may_at(Act::OpenIdentity, reach);
    let (times, places) = db::exhibits::claims(&mut tx, e.id).await?;
    let x = db::contents::examination(&mut tx, e.agency, e.sha256).await?;
    let made = db::derivatives::of(&mut tx, e.agency, e.sha256).await?;
    let scan = db::scans::of(&mut tx, e.agency, e.sha256).await?;
    let decisions = db::exhibits::decisions(&mut tx, e.id).await?;
    let mine = db::exhibits::decided_by(&mut tx, e.id).await? == Some(person.id);
    let names: Vec<(String, String)> =
        db::accounts::names(&mut tx, e.agency).await?.into_iter().map(|(id, name)| (id.to_string(), name)).collect();
    let entries = db::log::of_subject(&mut tx, "exhibit", &e.id.to_string()).await?;
    let remarks = db::remarks::of(&mut tx, e.id).await?;
    let tags = db::tags::book(&mut tx, e.appeal).await?.words();
    let original_asked = db::acts::original_asked(&mut tx, e.id).await?.is_some();
    let looking = db::leases::other(&mut tx, e.appeal, e.family, person.id, app.now()).await?;
    let hold = db::retention::hold(&mut tx, e.id).await?;
    let erasure = db::retention::open_for(&mut tx, e.id).await?;
    drop(tx);
    let shown = |variant| !e.is_behind_glass() && made.iter().any(|d| d.variant == variant);
    let proxy = made.iter().find(|d| d.variant == Variant::Proxy && !e.is_behind_glass()).map(|d| d.how.clone());
    let can_play = (playable(&e.media_type) || proxy.is_some()) && !e.is_behind_glass();
    let facts = facts_of(&app, &person, &e, x.as_ref(), (&times, &places), t).await?;
    let (notes, raw) = x.map_or_else(Default::default, |x| (x.notes, serde_json::from_str(&x.raw).unwrap_or_default()));
    page(&ExhibitPage {
        t,
        number: e.number,
        family: e.family,
        me: person.id.to_string(),
        may_decide: person.may_at(Act::Decide, reach),
        mine,
        looking,
        assignee: e.assignee.and_then(|a| names.iter().find(|(id, _)| *id == a.to_string())).map(|(_, name)| name.clone()),
        tags: tags.into_iter().enumerate().filter(|(bit, _)| e.tags & 1 << bit != 0).map(|(_, word)| tag_words(t, &word)).collect(),
        graphic: e.tags & GRAPHIC_BIT != 0,
        original_asked,
        remarks: remarks.into_iter().map(|w| written(w, &person, &appeal.zone)).collect(),
        beside: beside(t, &statement, &times, &places, &appeal.zone),
        words: viewer_words(t),
        code: appeal.code,
        id: e.id.to_string(),
        name_truncated: e.name_truncated,
        size: size_words(e.size, frame.language),
        sha256: e.sha256.to_string(),
        kind: kind_words(t, e.kind),
        state: state_words(t, e.state),
        state_class: e.state.as_str(),
        quarantine: e.glass(),
        received_at: e.received_at.in_zone(&appeal.zone),
        when: when_words(t, e.when, &appeal.zone),
        place: e.place.map_or_else(
            || fl!(t, "place-unknown"),
            |p| format!("{:.5}, {:.5} ± {:.0} m ({})", p.point.lat, p.point.lon, p.radius_m, words::source_words(t, p.source)),
        ),
        view: shown(Variant::View).then_some(looked.view),
        sheet: shown(Variant::Sheet).then_some(looked.sheet),
        proxy,
        scan: scan_words(&app, t, scan),
        facts,
        record: looked.record,
        play: can_play,
        is_video: e.kind == Kind::Video,
        version: e.version,
        statement,
        times,
        places,
        notes,
        raw,
        events: entries.into_iter().map(|entry| event(t, &entry, &names, &appeal.zone)).collect(),
        earlier: decisions
            .into_iter()
            .map(|d| Earlier {
                by: d.by,
                decision: state_words(t, d.decision.state()),
                note: d.note,
                at: d.at.in_zone(&appeal.zone),
                undone: d.undone_at.map(|at| at.in_zone(&appeal.zone)),
            })
            .collect(),
        hold: hold.map(|h| (h.by, h.at.in_zone(&appeal.zone), h.reason)),
        by_schedule: erasure.as_ref().is_some_and(db::retention::Erasure::is_the_schedule_s),
        erasure: erasure.is_some(),
        may_retain: person.may_at(Act::Retain, reach),
        may_take: person.may_at(Act::Export, reach),
        bases: Basis::ALL.map(|b| (b.as_str(), basis_words(t, b))).to_vec(),
        reference: app.reference(e.submission),
        contact_given,
        purposes: PurposeCode::ALL.map(|p| (p.as_str(), purpose_words(t, p))).to_vec(),
        zone: appeal.zone,
        media_type: e.media_type,
        name: e.name,
        frame,
    })
}

/// The two tags that mean something to the program, in words; others as they are.
pub fn tag_words(t: &FluentLanguageLoader, word: &str) -> String {
    match word {
        SECOND_LOOK => fl!(t, "tag-second-look"),
        GRAPHIC => fl!(t, "tag-graphic"),
        own => own.to_owned(),
    }
}

fn written(w: db::remarks::Written, person: &Person, zone: &str) -> Written {
    let text = |ms: Option<u64>| ms.map(|ms| ms.to_string()).unwrap_or_default();
    let clock = |ms: u64| format!("{}:{:02}.{}", ms / 60_000, ms / 1_000 % 60, ms / 100 % 10);
    Written {
        id: w.id.to_string(),
        mine: w.by == person.id,
        gone: w.superseded_at.is_some(),
        from_ms: text(w.remark.from_ms),
        to_ms: text(w.remark.to_ms),
        region: w.remark.region.map(|r| r.map(|n| n.to_string()).join(",")).unwrap_or_default(),
        clock: [w.remark.from_ms, w.remark.to_ms].into_iter().flatten().map(clock).collect::<Vec<_>>().join("\u{2013}"),
        words: w.remark.words,
        by: w.name,
        at: w.at.in_zone(zone),
    }
}

/// Time, place and making, as the witness told them and as the file has them. What differs beyond both doubts is marked.
fn beside(t: &FluentLanguageLoader, statement: &Statement, times: &[TimeClaim], places: &[PlaceClaim], zone: &str) -> Vec<Row> {
    let nothing = || fl!(t, "beside-nothing");
    let interval = |c: &TimeClaim| match (c.from, c.to) {
        (Some(from), Some(to)) if from == to => from.in_zone(zone),
        (Some(from), Some(to)) => format!("{} \u{2013} {}", from.in_zone(zone), to.in_zone(zone)),
        _ => c.raw.clone(),
    };
    let point = |c: &PlaceClaim| match (c.lat, c.lon) {
        (Some(lat), Some(lon)) => format!("{lat:.5}, {lon:.5} ± {:.0} m", c.radius_m.unwrap_or(50.0)),
        _ => c.raw.clone(),
    };
    let time = contradiction::times_beside(times);
    let place = contradiction::places_beside(places);
    let words = |apart: Option<i64>, unit: &str| match apart {
        None => String::new(),
        Some(0) => fl!(t, "beside-fits"),
        Some(n) => format!("{n} {unit}"),
    };
    let mut rows = vec![
        Row {
            what: fl!(t, "exhibit-when"),
            told: time.told.map_or_else(nothing, interval),
            own: time.own.map_or_else(nothing, interval),
            apart: words(time.apart.map(|us| (us + MINUTE_US - 1) / MINUTE_US), "min"),
            differs: time.apart.is_some_and(|us| us > 0),
        },
        Row {
            what: fl!(t, "exhibit-where"),
            told: place.told.map_or_else(nothing, point),
            own: place.own.map_or_else(nothing, point),
            apart: words(place.apart, "m"),
            differs: place.apart.is_some_and(|m| m > 0),
        },
    ];
    let own = |answer: Answer| match answer {
        Answer::Yes => fl!(t, "yes"),
        Answer::No => fl!(t, "no"),
        Answer::Unknown => nothing(),
    };
    for (what, told) in [(fl!(t, "send-own"), statement.own), (fl!(t, "send-edited"), statement.edited)] {
        rows.push(Row { what, told: own(told), own: fl!(t, "beside-indicators"), apart: String::new(), differs: false });
    }
    rows
}

/// What the viewer says.
fn viewer_words(t: &FluentLanguageLoader) -> String {
    let words = [
        ("of", fl!(t, "viewer-of", n = "{n}", all = "{all}")),
        ("end", fl!(t, "workspace-end")),
        ("saved", fl!(t, "viewer-saved", state = "{state}")),
        ("held", fl!(t, "error-leased")),
        ("left", fl!(t, "workspace-left-one", n = "1")),
        ("offline", fl!(t, "workspace-offline")),
        ("refused", fl!(t, "workspace-refused")),
        ("speed", fl!(t, "viewer-speed", speed = "{speed}")),
        ("state-relevant", fl!(t, "state-relevant")),
        ("state-not_relevant", fl!(t, "state-not-relevant")),
        ("state-undecided", fl!(t, "state-undecided")),
        ("tagged", fl!(t, "workspace-tagged", tag = fl!(t, "tag-second-look"))),
        ("key-space", fl!(t, "keys-space")),
        ("key-press", fl!(t, "keys-press")),
        ("key-change", fl!(t, "keys-change", what = "{what}", key = "{key}")),
        ("key-right", fl!(t, "keys-right")),
        ("key-left", fl!(t, "keys-left")),
        ("key-relevant", fl!(t, "state-relevant")),
        ("key-not_relevant", fl!(t, "state-not-relevant")),
        ("key-undecided", fl!(t, "state-undecided")),
        ("key-second", fl!(t, "tag-second-look")),
        ("key-help", fl!(t, "keys-title")),
        ("key-in", fl!(t, "viewer-in")),
        ("key-out", fl!(t, "viewer-out")),
        ("key-fit", fl!(t, "viewer-fit")),
        ("key-full-size", "100 %".to_owned()),
        ("key-rotate", fl!(t, "viewer-rotate")),
        ("key-screen", fl!(t, "viewer-screen")),
        ("key-play", fl!(t, "viewer-play")),
        ("key-back", fl!(t, "viewer-frame-back")),
        ("key-on", fl!(t, "viewer-frame-on")),
        ("key-slower", fl!(t, "viewer-slower")),
        ("key-faster", fl!(t, "viewer-faster")),
        ("key-mark", fl!(t, "remark-now")),
        ("key-note", fl!(t, "remark-words")),
    ];
    let all: std::collections::BTreeMap<_, _> = words.into_iter().collect();
    serde_json::to_string(&all).unwrap_or_default().replace('<', "\\u003c").replace(['\u{2068}', '\u{2069}'], "")
}

/// The indicators, the family and the device of an exhibit that is being looked at.
async fn facts_of(
    app: &AppState,
    person: &Person,
    e: &Exhibit,
    x: Option<&Examination>,
    (times, places): (&[TimeClaim], &[PlaceClaim]),
    t: &'static FluentLanguageLoader,
) -> Result<Facts> {
    let device = x.and_then(|x| x.device);
    let mut tx = app.db.read().await?;
    let (others, corrections) = match device {
        Some(device) => (
            db::contents::submissions_with_device(&mut tx, e.appeal, e.agency, device, e.submission).await?,
            db::clocks::of_device(&mut tx, e.appeal, device).await?,
        ),
        None => (0, Vec::new()),
    };
    drop(tx);
    let similar = match x {
        Some(x) => examine::similar(app, e.appeal, &x.prints).await?,
        None => Vec::new(),
    };
    let family = review::family(app, person, e, similar).await?;
    let seen = x.map(|x| contradiction::all(&e.name, &x.found, times, places, others)).unwrap_or_default();
    let correction = |c: Correction| format!("{:+} s ± {} s · {} · {}", c.delta_us / SECOND_US, c.doubt_us / SECOND_US, c.by, c.reason);
    let (checked, unchecked) = x.map(|x| facts::checked(t, &seen, &x.found.checked)).unwrap_or_default();
    Ok(Facts {
        checked,
        unchecked,
        lines: facts::lines(t, seen),
        reader: x.map(|x| x.reader.clone()).unwrap_or_default(),
        rule: contradiction::RULE_VERSION,
        family,
        device_known: device.is_some(),
        made: x.map(|x| facts::made(t, &x.found)).unwrap_or_default(),
        corrections: corrections.into_iter().map(correction).collect(),
    })
}

fn scan_words(app: &AppState, t: &FluentLanguageLoader, scan: Option<Scan>) -> Option<String> {
    let Some(scan) = scan else {
        return (!app.config.examine.scanner.is_empty()).then(|| fl!(t, "scan-waits"));
    };
    Some(match scan.state {
        ScanState::Clean => fl!(t, "scan-clean", engine = scan.engine),
        ScanState::Infected => fl!(t, "scan-infected", signature = scan.signature, engine = scan.engine),
        ScanState::TooLarge => fl!(t, "scan-too-large", engine = scan.engine),
    })
}

fn event(t: &FluentLanguageLoader, entry: &db::log::Entry, names: &[(String, String)], zone: &str) -> Event {
    let said: Value = serde_json::from_slice(&entry.bytes).unwrap_or_default();
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let who = text("/actor/ref");
    let name = names.iter().find(|(id, _)| *id == who).map(|(_, name)| name.clone());
    Event {
        index: entry.index,
        at: text("/t").parse::<crate::domain::value::Utc>().map(|t| t.in_zone(zone)).unwrap_or_default(),
        kind: text("/type"),
        who: name.unwrap_or_else(|| words::actor_words(t, &text("/actor/k"))),
        detail: match said.pointer("/f/ranges").and_then(Value::as_array) {
            Some(ranges) => ranges.iter().filter_map(|r| clock_words(r.as_str()?)).collect::<Vec<_>>().join(", "),
            None => Some(text("/f/variant")).filter(|v| !v.is_empty()).map(|v| words::variant_words(t, &v)).unwrap_or_default(),
        },
    }
}

/// `65000-90500` as people read it on a clip: `1:05–1:30`.
fn clock_words(stretch: &str) -> Option<String> {
    let clock = |ms: &str| ms.parse::<u64>().ok().map(|ms| format!("{}:{:02}", ms / 60_000, ms / 1_000 % 60));
    let (from, to) = stretch.split_once('-')?;
    Some(format!("{}\u{2013}{}", clock(from)?, clock(to)?))
}

#[derive(Deserialize)]
pub struct Named {
    #[serde(default)]
    reference: String,
    #[serde(default, rename = "lang")]
    _lang: String,
}

/// Leads from the reference that a witness names to what they gave.
pub async fn by_reference(
    State(app): State<AppState>,
    Reviewer(person): Reviewer,
    Path(code): Path<String>,
    Params(named): Params<Named>,
) -> Result<Response> {
    let appeal = own_appeal(&app, &person, &code, Act::SeeExhibits).await?;
    let exhibit = review::by_reference(&app, &person, &appeal, &named.reference).await?;
    Ok(Redirect::to(&format!("/exhibits/{exhibit}")).into_response())
}
