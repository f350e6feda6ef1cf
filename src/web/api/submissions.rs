//! Handing files over, for programs.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::attest;
use crate::db;
use crate::domain::appeal::Appeal;
use crate::domain::exhibit::{State as ExhibitState, kept_name};
use crate::domain::submission::{Answer, EARLIEST, Statement, When};
use crate::domain::upload::FileClaims;
use crate::domain::upload::UploadState;
use crate::domain::value::{Id, Point, Sha256, Utc, paragraphs, shown};
use crate::error::{Error, Result};
use crate::intake;
use crate::traffic::Block;
use crate::web::api::claims::{announced_digest, disposition_name};
use crate::web::api::uploads;
use crate::web::extract::{AppState, Body, PathId, Peer, by_token, object, public_appeal};
use crate::web::respond::turn_away;

/// What a witness says of the files. Everything is optional; what is not named stays as it was said before, and an empty
/// text takes a text back.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct StatementBody {
    /// Did you film this yourself: `yes`, `no` or `unknown`.
    #[schema(value_type = Option<String>)]
    own: Option<Answer>,
    /// Was it cut or changed.
    #[schema(value_type = Option<String>)]
    edited: Option<Answer>,
    /// Taken at the place of the appeal. `yes` takes a point back.
    #[schema(value_type = Option<String>)]
    at_place: Option<Answer>,
    #[schema(max_length = 4000)]
    place_words: Option<String>,
    lat: Option<f64>,
    lon: Option<f64>,
    radius_m: Option<f64>,
    /// Takes a point back that was given before.
    no_place: bool,
    /// In words: `before`, `during` or `after` the time of the appeal, or a time on the clocks there (`2026-07-14T22:30`),
    /// taken for half an hour around it. `unknown` takes back what was said.
    when: Option<String>,
    /// Or as an interval, RFC 3339.
    from: Option<String>,
    to: Option<String>,
    #[schema(max_length = 4000)]
    words: Option<String>,
    /// Telephone or e-mail. It is sealed as it comes; an empty one takes back what was given.
    #[schema(max_length = 200)]
    contact: Option<String>,
}

/// Characters of a free text.
const WORDS_CHARS_MAX: usize = 4_000;
const CONTACT_CHARS_MAX: usize = 200;

/// A text that is kept whole, or refused: nobody's words are cut without their knowing.
fn fit(field: &'static str, text: &str, chars_max: usize) -> Result<String> {
    // (A line break is one, however a browser writes it.)
    let text = text.trim().replace("\r\n", "\n");
    if text.chars().count() > chars_max {
        return Err(Error::Invalid { field, why: format!("more than {chars_max} characters") });
    }
    Ok(if field == "words" { paragraphs(&text, chars_max) } else { shown(&text, chars_max) })
}

impl StatementBody {
    /// How to reach the witness, if this says anything about it. Half an address would be none.
    fn contact(&self) -> Result<Option<String>> {
        self.contact.as_deref().map(|text| fit("contact", text, CONTACT_CHARS_MAX)).transpose()
    }

    fn statement(self, before: Statement, appeal: &Appeal) -> Result<Statement> {
        let time = |field, text: &Option<String>| match text.as_deref().map(str::parse::<Utc>) {
            None => Ok(None),
            Some(Ok(t)) if t >= EARLIEST => Ok(Some(t)),
            Some(Ok(_)) => Err(Error::Invalid { field, why: "before 1900".into() }),
            Some(Err(())) => Err(Error::Invalid { field, why: "not an RFC 3339 time with an offset".into() }),
        };
        let (from, to) = (time("from", &self.from)?, time("to", &self.to)?);
        if from.zip(to).is_some_and(|(a, b)| a > b) {
            return Err(Error::Invalid { field: "to", why: "the range ends before it starts".into() });
        }
        let point = match (self.lat, self.lon) {
            (None, None) => None,
            (Some(lat), Some(lon)) => {
                let field = if (-90.0..=90.0).contains(&lat) { "lon" } else { "lat" };
                Some(Point::new(lat, lon).ok_or_else(|| Error::Invalid { field, why: "outside the Earth".into() })?)
            }
            _ => return Err(Error::Invalid { field: "lat", why: "a place needs lat and lon".into() }),
        };
        if self.radius_m.is_some_and(|r| !(r.is_finite() && (0.0..=100_000.0).contains(&r))) {
            return Err(Error::Invalid { field: "radius_m", why: "metres, from 0 to 100000".into() });
        }
        let text = |field, new: Option<String>, old| new.map_or(Ok(old), |t| fit(field, &t, WORDS_CHARS_MAX));
        let at_place = self.at_place.unwrap_or(before.at_place);
        let (point, radius_m) = match point {
            Some(point) => (Some(point), self.radius_m),
            None if at_place == Answer::Yes || self.no_place => (None, None),
            None => (before.point, before.radius_m),
        };
        let taken_back = self.when.as_deref() == Some("unknown");
        let in_words = match &self.when {
            None => None,
            Some(_) if taken_back => None,
            Some(words) => Some(When::parse(words).and_then(|w| w.interval(appeal)).ok_or_else(|| Error::Invalid {
                field: "when",
                why: "before, during, after, or a time such as 2026-07-14T22:30".into(),
            })?),
        };
        let told = from.or(to).zip(to.or(from)).or(in_words).or(before.from.zip(before.to).filter(|_| !taken_back));
        Ok(Statement {
            own: self.own.unwrap_or(before.own),
            edited: self.edited.unwrap_or(before.edited),
            at_place,
            place_words: text("place_words", self.place_words, before.place_words)?,
            point,
            radius_m,
            from: told.map(|t| t.0),
            to: told.map(|t| t.1),
            words: text("words", self.words, before.words)?,
        })
    }
}

#[derive(Serialize, ToSchema)]
pub struct OpenedAnswer {
    #[schema(value_type = String, format = Uuid)]
    id: Id,
    /// Bearer secret for the calls that follow. Shown once.
    token: String,
    /// The witness's receipt code; opens `/r/{receipt}`. Shown once.
    receipt: String,
}

/// Open a submission to an appeal
///
/// Needs no account. The token authorises the calls that follow, the receipt is the witness's own.
#[utoipa::path(post, path = "/api/v1/appeals/{code}/submissions", tag = "witness",
    params(("code" = String, Path, description = "The appeal's short code")),
    request_body(content = Option<StatementBody>),
    responses((status = 201, body = OpenedAnswer), (status = 404, description = "No such appeal"), (status = 410, description = "The appeal is closed"),
        (status = 422, description = "A statement that makes no sense, or is longer than is kept")))]
pub async fn open(
    State(app): State<AppState>,
    peer: Peer,
    Path(code): Path<String>,
    headers: HeaderMap,
    body: bytes::Bytes,
) -> Result<Response> {
    let appeal = public_appeal(&app, &code).await?;
    let statement = statement_of(&headers, &body, &appeal)?;
    let work = headers.get("temoin-work").and_then(|v| v.to_str().ok()).and_then(|v| v.split_once(':'));
    intake::admit(&app, &appeal, work.map(|w| w.0), work.map(|w| w.1)).await?;
    let opened = intake::open(&app, &appeal, intake::Origin::Public(Block::of(peer.0))).await?;
    if let Some((statement, contact)) = statement {
        intake::state(&app, opened.id, &statement, contact.as_deref()).await?;
    }
    let answer = OpenedAnswer { id: opened.id, token: opened.token, receipt: opened.receipt.grouped() };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

#[derive(Serialize, ToSchema)]
pub struct WorkAnswer {
    /// Whether the appeal asks for work now.
    needed: bool,
    challenge: String,
    /// Find a text so that SHA-256 of `challenge:text` begins with so many zero bits, and open the submission with
    /// `Temoin-Work: challenge:text` within the hour. Or come back with `challenge:` after 20 seconds.
    bits: u32,
}

/// What a client must do to open a submission while the appeal is in flood mode
#[utoipa::path(get, path = "/api/v1/appeals/{code}/work", tag = "witness", params(("code" = String, Path)),
    responses((status = 200, body = WorkAnswer), (status = 404, description = "No such appeal")))]
pub async fn work(State(app): State<AppState>, Path(code): Path<String>) -> Result<Json<WorkAnswer>> {
    let appeal = public_appeal(&app, &code).await?;
    let challenge = intake::challenge(&app, &appeal);
    Ok(Json(WorkAnswer { needed: appeal.intake.flood, challenge, bits: app.config.limits.flood_work_bits }))
}

/// An empty body states nothing; anything else must be a statement.
fn statement_of(headers: &HeaderMap, body: &[u8], appeal: &Appeal) -> Result<Option<(Statement, Option<String>)>> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let json = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|t| t.starts_with("application/json"));
    if !json {
        return Err(Error::Malformed("the body must be application/json".into()));
    }
    let read: StatementBody = serde_json::from_slice(body).map_err(|e| match e.classify() {
        serde_json::error::Category::Data => Error::Invalid { field: "body", why: e.to_string() },
        _ => Error::Malformed("the body is not JSON".into()),
    })?;
    object(body)?;
    let contact = read.contact()?;
    Ok(Some((read.statement(Statement::default(), appeal)?, contact)))
}

/// State where, when and how the files that follow came to be
#[utoipa::path(put, path = "/api/v1/submissions/{id}/statement", tag = "witness", security(("submission" = [])),
    params(("id" = String, Path)), request_body = StatementBody,
    responses((status = 204), (status = 422, description = "What makes no sense, or is longer than is kept")))]
pub async fn state(
    State(app): State<AppState>,
    PathId(id): PathId,
    headers: HeaderMap,
    Body(body): Body<StatementBody>,
) -> Result<StatusCode> {
    let (submission, appeal) = by_token(&app, &headers, id).await?;
    let contact = body.contact()?;
    let said = body.statement(submission.statement, &appeal)?;
    intake::state(&app, submission.id, &said, contact.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, ToSchema)]
pub struct FileAnswer {
    #[schema(value_type = String, format = Uuid)]
    exhibit: Id,
    /// Of the bytes as received, in hexadecimal.
    #[schema(value_type = String)]
    sha256: Sha256,
    size: u64,
    #[schema(value_type = String, format = DateTime)]
    received_at: Utc,
}

/// Send one file in one request
///
/// The body is the file, byte for byte. Its name goes into `Content-Disposition`; a `Repr-Digest` or
/// `Content-Digest` (RFC 9530, sha-256) is checked, and a mismatch refused. 201 means durable.
#[utoipa::path(post, path = "/api/v1/submissions/{id}/files", tag = "witness", security(("submission" = [])),
    params(("id" = String, Path), ("Content-Disposition" = Option<String>, Header), ("Repr-Digest" = Option<String>, Header)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 201, body = FileAnswer), (status = 413, description = "Too large, or a budget is spent"),
        (status = 422, description = "The digest does not match"), (status = 410, description = "The appeal is closed")))]
pub async fn send(State(app): State<AppState>, peer: Peer, PathId(id): PathId, headers: HeaderMap, body: HttpBody) -> Result<Response> {
    let (submission, appeal) = by_token(&app, &headers, id).await?;
    let expected = announced_digest(&headers)?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    let claims = FileClaims {
        name: disposition_name(&headers),
        media_type: headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned),
        relative_path: None,
    };
    let pass = match app.traffic.gate.upload(Block::of(peer.0), length, appeal.intake.flood) {
        Ok(pass) => pass,
        Err(busy) => {
            turn_away(&headers, body).await;
            return Err(busy);
        }
    };
    let room = match intake::admits(&appeal, claims.media_type.as_deref()) {
        Ok(()) => intake::room(&app, &appeal, &submission, intake::Coming { here: 0, more: length }).await,
        Err(refusal) => Err(refusal),
    };
    let room = match room {
        Ok(room) if length.is_none_or(|n| n <= room.bytes_max) => room,
        refused => {
            let refusal = refused.map_or_else(|e| e, |room| room.refusal());
            intake::reject(&app, &submission, &refusal).await?;
            turn_away(&headers, body).await;
            return Err(refusal);
        }
    };
    let received = match intake::receive(&app, submission.id, room, length, expected, pass.counted(body.into_data_stream())).await {
        Ok(received) => received,
        Err(refusal) => {
            intake::reject(&app, &submission, &refusal).await?;
            return Err(refusal);
        }
    };
    let a = Box::pin(intake::accept(&app, &appeal, &submission, received, claims, None)).await?;
    let answer = FileAnswer { exhibit: a.exhibit, sha256: a.sha256, size: a.size, received_at: a.received_at };
    Ok((StatusCode::CREATED, [("repr-digest", a.sha256.repr_digest())], Json(answer)).into_response())
}

#[derive(Serialize, ToSchema)]
pub struct SubmissionAnswer {
    #[schema(value_type = String, format = Uuid)]
    id: Id,
    appeal: String,
    files: Vec<SentFile>,
    /// Files that were begun and can be finished, from any device.
    unfinished: Vec<Unfinished>,
}

#[derive(Serialize, ToSchema)]
pub struct Unfinished {
    /// Address to go on with, under this server.
    upload: String,
    name: String,
    length: Option<u64>,
    offset: u64,
    /// What the client that began it called it.
    fingerprint: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Utc,
}

#[derive(Serialize, ToSchema)]
pub struct SentFile {
    #[schema(value_type = String, format = Uuid)]
    exhibit: Id,
    name: String,
    size: u64,
    #[schema(value_type = String)]
    sha256: Sha256,
    #[schema(value_type = String, format = DateTime)]
    received_at: Utc,
    /// `received`, `ready` once examined, `looked_at` once decided on. What was decided is not told.
    state: &'static str,
    /// What the client that sent it called it.
    fingerprint: Option<String>,
}

/// What a witness may know of a file's state.
pub const fn public_state(state: ExhibitState) -> &'static str {
    match state {
        ExhibitState::Received => "received",
        ExhibitState::Ready => "ready",
        ExhibitState::Relevant | ExhibitState::NotRelevant | ExhibitState::Undecided => "looked_at",
    }
}

/// What was received of a submission
#[utoipa::path(get, path = "/api/v1/submissions/{id}", tag = "witness", security(("submission" = [])),
    params(("id" = String, Path)), responses((status = 200, body = SubmissionAnswer)))]
pub async fn show(State(app): State<AppState>, PathId(id): PathId, headers: HeaderMap) -> Result<Json<SubmissionAnswer>> {
    let (submission, appeal) = by_token(&app, &headers, id).await?;
    let mut tx = app.db.read().await?;
    let files = db::exhibits::of_submission(&mut tx, submission.id).await?;
    let marks: BTreeMap<Id, String> = db::uploads::fingerprints(&mut tx, submission.id).await?.into_iter().collect();
    let open = db::uploads::of_submission(&mut tx, submission.id, UploadState::Open).await?;
    let files = files
        .into_iter()
        .map(|e| SentFile {
            fingerprint: marks.get(&e.id).cloned(),
            exhibit: e.id,
            name: e.name,
            size: e.size,
            sha256: e.sha256,
            received_at: e.received_at,
            state: public_state(e.state),
        })
        .collect();
    let unfinished = open
        .into_iter()
        .map(|u| Unfinished {
            upload: format!("{}/{}", uploads::PATH, app.upload_key(u.id)),
            name: kept_name(&u.claims.name).0,
            length: u.length,
            offset: u.offset,
            fingerprint: u.fingerprint,
            expires_at: u.expires_at,
        })
        .collect();
    Ok(Json(SubmissionAnswer { id, appeal: appeal.code, files, unfinished }))
}

/// The receipt of one file: a C2SP tlog-proof that can be checked offline
///
/// 503 with `Retry-After` until the entry stands in the log, normally within a second.
#[utoipa::path(get, path = "/api/v1/submissions/{id}/files/{exhibit}/proof", tag = "witness", security(("submission" = [])),
    params(("id" = String, Path), ("exhibit" = String, Path)), responses((status = 200, content_type = "text/plain", body = String)))]
pub async fn proof(State(app): State<AppState>, Path((id, exhibit)): Path<(String, String)>, headers: HeaderMap) -> Result<Response> {
    let (id, exhibit) = (id.parse().map_err(|()| Error::NotFound)?, exhibit.parse().map_err(|()| Error::NotFound)?);
    let (submission, _) = by_token(&app, &headers, id).await?;
    let text = attest::issue_receipt(&app, submission.id, exhibit).await?.ok_or(Error::TryLater)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
