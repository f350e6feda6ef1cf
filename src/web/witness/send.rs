//! `/r/{receipt}/send`: the questions and the files, in one form.
//!
//! The text fields stand before the files, so that they arrive first. The multipart body (RFC 7578) is read
//! as it comes: each complete part is committed at once, so that a cut connection keeps every finished file.

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;

use super::receipt::{Problem, receipt_page};
use super::{moment_words, size_words, words};
use crate::db;
use crate::domain::appeal::Appeal;
use crate::domain::submission::{Answer, Statement, Submission, When};
use crate::domain::upload::FileClaims;
use crate::domain::value::{Point, paragraphs, shown};
use crate::error::{Error, Result};
use crate::intake;
use crate::traffic::Block;
use crate::web::extract::{AppState, Frame, Peer, by_receipt};
use crate::web::form::{Form, Part};
use crate::web::maps;
use crate::web::respond::{map_policy, page, turn_away, words as problem_words};

#[derive(Template)]
#[template(path = "witness_send.html")]
struct SendPage {
    frame: Frame,
    t: &'static FluentLanguageLoader,
    title: String,
    /// The appeal's code.
    appeal: String,
    place: String,
    agency: String,
    receipt: String,
    zone: String,
    from: String,
    to: String,
    file_max: String,
    /// For the island: what the words above are in numbers.
    id: String,
    lat: f64,
    lon: f64,
    radius: f64,
    tiles: String,
    words: String,
    /// What was said before: nobody is asked twice.
    own: &'static str,
    edited: &'static str,
    at_place: &'static str,
    place_words: String,
    pin_lat: String,
    pin_lon: String,
    said: String,
    when: &'static str,
    at: String,
    /// Whether they can be reached already; how is shown to nobody, not even to them.
    reachable: bool,
}

pub async fn show(State(app): State<AppState>, frame: Frame, Path(receipt): Path<String>) -> Result<Response> {
    let (submission, appeal, code) = by_receipt(&app, &receipt).await?;
    intake::room(&app, &appeal, &submission, intake::Coming::default()).await?;
    let language = frame.language;
    let text = appeal.text(language.tag());
    let said = submission.statement;
    let (when, at) = match said.from.zip(said.to).and_then(|told| When::of(told, &appeal)) {
        Some(When::Before) => ("before", String::new()),
        Some(When::During) => ("during", String::new()),
        Some(When::After) => ("after", String::new()),
        Some(When::About(typed)) => ("at", typed.strftime("%Y-%m-%dT%H:%M").to_string()),
        None => ("unknown", String::new()),
    };
    let coordinate = |pick: fn(Point) -> f64| said.point.map(|p| pick(p).to_string()).unwrap_or_default();
    let mut tx = app.db.glance().await?;
    let reachable = db::identities::given(&mut tx, submission.id).await?;
    drop(tx);
    let tiles = maps::source(&app).await;
    let policy = HeaderValue::from_str(&map_policy(&tiles, "; frame-src 'self'")).map_err(Error::internal)?;
    let mut response = page(&SendPage {
        t: language.texts(),
        words: words::island(language),
        id: submission.id.to_string(),
        lat: appeal.area.centre.lat,
        lon: appeal.area.centre.lon,
        radius: appeal.area.radius_m,
        tiles,
        own: said.own.as_str(),
        edited: said.edited.as_str(),
        at_place: said.at_place.as_str(),
        pin_lat: coordinate(|p| p.lat),
        pin_lon: coordinate(|p| p.lon),
        place_words: said.place_words,
        said: said.words,
        when,
        at,
        reachable,
        title: text.title.clone(),
        appeal: appeal.code.clone(),
        place: text.place.clone(),
        agency: appeal.agency_name.clone(),
        receipt: code.grouped(),
        from: moment_words(appeal.from, &appeal.zone, language),
        to: moment_words(appeal.to, &appeal.zone, language),
        zone: appeal.zone.clone(),
        file_max: size_words(appeal.budgets.file_bytes_max, language),
        frame,
    })?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

pub async fn submit(
    State(app): State<AppState>,
    peer: Peer,
    frame: Frame,
    Path(receipt): Path<String>,
    request: Request,
) -> Result<Response> {
    let (submission, appeal, code) = by_receipt(&app, &receipt).await?;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let pass = match app.traffic.gate.upload(Block::of(peer.0), length, appeal.intake.flood) {
        Ok(pass) => pass,
        Err(busy) => {
            let (parts, body) = request.into_parts();
            turn_away(&parts.headers, body).await;
            return Err(busy);
        }
    };
    if let Err(refusal) = intake::room(&app, &appeal, &submission, intake::Coming { here: 0, more: length }).await {
        intake::reject(&app, &submission, &refusal).await?;
        let (parts, body) = request.into_parts();
        turn_away(&parts.headers, body).await;
        return Err(refusal);
    }
    let request = request.map(|body| Body::from_stream(pass.counted(body.into_data_stream())));
    let form = Form::read(&app, request).await?;
    let problems = take(&app, &appeal, &submission, form, &frame).await?;
    if problems.is_empty() {
        return Ok(Redirect::to(&format!("/r/{}", code.grouped())).into_response());
    }
    let mut response = Box::pin(receipt_page(&app, frame, &receipt, problems)).await?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// Refusals after which the rest of a form is not worth reading.
const PROBLEMS_MAX: usize = 50;
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Reads the form to its end. A file that is refused is named, and the next ones still count.
async fn take(app: &AppState, appeal: &Appeal, submission: &Submission, mut form: Form, frame: &Frame) -> Result<Vec<Problem>> {
    let mut answers = Answers::default();
    let (mut stated, mut problems) = (false, Vec::new());
    while let Some(mut part) = form.next().await? {
        if part.name != "files" {
            let text = part.text(TEXT_BYTES_MAX).await?;
            answers.set(&part.name, text);
            continue;
        }
        if !stated {
            intake::state(app, submission.id, &answers.statement(appeal, &submission.statement), answers.contact().as_deref()).await?;
            stated = true;
        }
        if let Err((file, refusal)) = one_file(app, submission, part).await {
            if matches!(refusal, Error::Interrupted | Error::TooSlow | Error::TryLater | Error::Internal(_)) {
                return Err(refusal);
            }
            intake::reject(app, submission, &refusal).await?;
            let (title, text) = problem_words(frame.language, refusal.status_and_code().1);
            problems.push(Problem { file: shown(&file, 255), title, text });
            if problems.len() >= PROBLEMS_MAX {
                return Ok(problems);
            }
        }
    }
    if !stated {
        intake::state(app, submission.id, &answers.statement(appeal, &submission.statement), answers.contact().as_deref()).await?;
    }
    Ok(problems)
}

async fn one_file(app: &AppState, submission: &Submission, mut part: Part<'_>) -> Result<(), (String, Error)> {
    let name = part.file_name.clone();
    let claims = FileClaims { name: name.clone().into_bytes(), media_type: part.content_type.clone(), relative_path: None };
    let named = |e: Error| (name.clone(), e);
    // Budgets are asked anew for each file: the ones before have spent.
    let fresh = async {
        let mut tx = app.db.read().await?;
        let submission = db::submissions::by_id(&mut tx, submission.id).await?;
        let appeal = db::appeals::by_id(&mut tx, submission.appeal).await?;
        Ok::<_, Error>((submission, appeal))
    };
    let (submission, appeal) = fresh.await.map_err(named)?;
    intake::admits(&appeal, claims.media_type.as_deref()).map_err(named)?;
    let room = intake::room(app, &appeal, &submission, intake::Coming::default()).await.map_err(named)?;
    // What is left of a refused part is skipped by the next one's reading, in bounded time.
    let received = intake::receive(app, submission.id, room, None, None, part.stream()).await.map_err(named)?;
    if name.is_empty() && received.size == 0 {
        // What browsers send for a file input that nobody used.
        received.staged.discard().await;
        return Ok(());
    }
    Box::pin(intake::accept(app, &appeal, &submission, received, claims, None)).await.map(drop).map_err(named)
}

/// The form's fields as they come.
#[derive(Default)]
struct Answers {
    own: String,
    edited: String,
    at_place: String,
    place_words: String,
    when: String,
    at: String,
    words: String,
    contact: String,
    /// What was left before is taken back.
    no_contact: String,
    lat: String,
    lon: String,
    no_place: String,
}

impl Answers {
    fn set(&mut self, name: &str, value: String) {
        let slot = match name {
            "own" => &mut self.own,
            "edited" => &mut self.edited,
            "at_place" => &mut self.at_place,
            "place_words" => &mut self.place_words,
            "when" => &mut self.when,
            "at" => &mut self.at,
            "words" => &mut self.words,
            "contact" => &mut self.contact,
            "no_contact" => &mut self.no_contact,
            "lat" => &mut self.lat,
            "lon" => &mut self.lon,
            "no_place" => &mut self.no_place,
            // A newer page may ask more than this server knows: that is no reason to lose a file.
            _ => return,
        };
        *slot = value;
    }

    /// How to reach the witness, if they say; empty takes it back. What the form cannot show again stays as it was.
    fn contact(&self) -> Option<String> {
        let contact = shown(self.contact.trim(), 200);
        if self.no_contact == "yes" && contact.is_empty() { Some(contact) } else { Some(contact).filter(|contact| !contact.is_empty()) }
    }

    /// What the form says now. What it does not say this time (a time) stays as it was.
    fn statement(&self, appeal: &Appeal, before: &Statement) -> Statement {
        let before_told = before.from.zip(before.to);
        let shown_before = before_told.and_then(|told| When::of(told, appeal));
        // Who types a time means it, whatever stands above it; a time that only stands there from before does not count.
        let typed = When::parse(&self.at).filter(|typed| self.when == "at" || Some(typed) != shown_before.as_ref());
        let told = match typed.or_else(|| When::parse(&self.when)) {
            Some(when) => when.interval(appeal).or(before_told),
            None if self.when == "unknown" && shown_before.is_some() => None,
            None => before_told,
        };
        let at_place = Answer::parse(&self.at_place);
        let pin = self.lat.parse().ok().zip(self.lon.parse().ok()).and_then(|(lat, lon)| Point::new(lat, lon));
        let pin = pin.or(before.point).filter(|_| at_place != Answer::Yes && self.no_place.is_empty());
        Statement {
            own: Answer::parse(&self.own),
            edited: Answer::parse(&self.edited),
            at_place,
            place_words: shown(self.place_words.trim(), 4_000),
            point: pin,
            radius_m: pin.and(before.radius_m),
            from: told.map(|t| t.0),
            to: told.map(|t| t.1),
            words: paragraphs(&self.words, 4_000),
        }
    }
}
