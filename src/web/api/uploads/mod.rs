//! `/api/v1/uploads`: resumable uploads, in two protocols at one address. `tus.rs` speaks tus 1.0.0, `ietf.rs` the
//! draft "Resumable Uploads for HTTP"; both are clients of the same verbs in `intake`. A request says which it means by
//! its headers; where it does not, the protocol that the upload was begun in answers.

mod ietf;
mod tus;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::Response;
use axum::routing::post;
use subtle::ConstantTimeEq as _;

use crate::app::App;
use crate::db;
use crate::domain::appeal::Appeal;
use crate::domain::submission::Submission;
use crate::domain::upload::{Dialect, Upload, UploadKey};
use crate::domain::value::Id;
use crate::error::{Error, Result};
use crate::intake::Accepted;
use crate::traffic::{Arrival, Block, Pass, Turn};
use crate::web::extract::{AppState, Peer, by_secret, secret};
use crate::web::respond::turn_away;

pub const PATH: &str = "/api/v1/uploads";
/// Overrides the method where a network lets only GET and POST through.
const OVERRIDE: &str = "x-http-method-override";

pub fn router() -> Router<AppState> {
    Router::new()
        .route(PATH, post(create).options(options))
        .route("/api/v1/uploads/{key}", axum::routing::any(one))
        .layer(DefaultBodyLimit::disable())
}

/// Describes both protocols; a client takes from it what it knows.
async fn options() -> Response {
    let mut response = tus::options();
    ietf::describe(response.headers_mut());
    response
}

/// Begin a resumable upload
///
/// tus 1.0.0: `Tus-Resumable: 1.0.0`, `Upload-Length` (or `Upload-Defer-Length: 1`), `Upload-Metadata` with `submission`,
/// `filename`, `filetype`, and optionally `sha256` (of the whole file, hexadecimal), `relative_path`, `fingerprint` and
/// `token`; a first body as `application/offset+octet-stream`. IETF draft (interop 8): `Upload-Complete`. The token or
/// the receipt code goes into `Authorization: Bearer` or, for tus, into the metadata. 201 with `Location`; HEAD, PATCH
/// and DELETE there go on, and nobody who does not hold that address can.
#[utoipa::path(post, path = "/api/v1/uploads", tag = "witness", security((), ("submission" = [])),
    params(("Tus-Resumable" = Option<String>, Header), ("Upload-Length" = Option<u64>, Header),
        ("Upload-Metadata" = Option<String>, Header), ("Upload-Complete" = Option<String>, Header)),
    responses((status = 201, description = "Begun; `Location` is the upload"), (status = 413, description = "Too large, or a budget is spent"),
        (status = 415, description = "The appeal does not take such files"), (status = 410, description = "The appeal is closed"),
        (status = 503, description = "Come again after `Retry-After`")))]
pub async fn create(State(app): State<AppState>, peer: Peer, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let come = Come::new(app, peer, parts.headers);
    if come.headers.contains_key(ietf::COMPLETE) && !come.headers.contains_key(tus::VERSION) {
        ietf::create(come, body).await
    } else {
        tus::create(come, body).await
    }
}

async fn one(State(app): State<AppState>, peer: Peer, Path(key): Path<String>, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let mut method = parts.method;
    if method == Method::POST {
        let named = parts.headers.get(OVERRIDE).and_then(|v| Method::from_bytes(v.as_bytes()).ok());
        method = named.ok_or(Error::MethodNotAllowed)?;
    }
    let come = Come::new(app, peer, parts.headers);
    if method == Method::OPTIONS {
        return Ok(options().await);
    }
    let found = come.upload(&key).await;
    let dialect = match (&found, come.headers.contains_key(tus::VERSION), ietf::spoken(&come.headers)) {
        (_, true, _) => Dialect::Tus,
        (_, _, true) => Dialect::Ietf,
        (Ok(upload), ..) => upload.dialect,
        (Err(_), ..) => Dialect::Ietf,
    };
    match dialect {
        Dialect::Tus => tus::one(come, method, found, body).await,
        Dialect::Ietf => ietf::one(come, method, found, body).await,
    }
}

/// A request that has come, before anything is known of its body.
struct Come {
    app: AppState,
    arrival: Arrival,
    block: Block,
    headers: HeaderMap,
}

impl Come {
    fn new(app: AppState, peer: Peer, headers: HeaderMap) -> Self {
        Self { arrival: app.traffic.turns.arrive(), block: Block::of(peer.0), app, headers }
    }

    /// The right to work at an upload, when everybody who came before has let go.
    async fn turn(&self, upload: Id) -> Result<Turn> {
        self.app.traffic.turns.take(upload, self.arrival).await
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }

    /// The same of a header that must not stand twice: readers differ in which one they believe.
    fn once(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        values.next().is_none().then(|| value.to_str().ok().map(str::trim)).flatten()
    }

    /// Bytes that the request announces. Anything but one plain number was refused by the listener.
    fn announced(&self) -> Option<u64> {
        self.text(header::CONTENT_LENGTH.as_str())?.parse().ok()
    }

    fn has_body(&self) -> bool {
        self.announced().map_or_else(|| self.headers.contains_key(header::TRANSFER_ENCODING), |n| n > 0)
    }

    fn expects(&self) -> bool {
        self.headers.contains_key(header::EXPECT)
    }

    /// The submission that the bearer secret, or `other`, opens.
    async fn submission(&self, other: Option<&str>) -> Result<(Submission, Appeal)> {
        let secret = secret(&self.headers).or(other).ok_or(Error::Unauthorized)?;
        by_secret(&self.app, secret).await
    }

    /// The upload at this address. A wrong address and an unknown one get the same answer, and so does a secret of
    /// another submission.
    async fn upload(&self, text: &str) -> Result<Upload> {
        let key = UploadKey::parse(text).ok_or(Error::NotFound)?;
        if !bool::from(self.app.upload_key(key.id).mac.ct_eq(&key.mac)) {
            return Err(Error::NotFound);
        }
        let mut tx = self.app.db.read().await?;
        let upload = db::uploads::by_id(&mut tx, key.id).await?.ok_or(Error::NotFound)?;
        drop(tx);
        if let Some(secret) = secret(&self.headers) {
            let (submission, _) = by_secret(&self.app, secret).await?;
            if submission.id != upload.submission {
                return Err(Error::NotFound);
            }
        }
        Ok(upload)
    }

    async fn appeal_of(&self, upload: &Upload) -> Result<Appeal> {
        let mut tx = self.app.db.read().await?;
        let submission = db::submissions::by_id(&mut tx, upload.submission).await?;
        db::appeals::by_id(&mut tx, submission.appeal).await
    }

    /// The right to send a part of a file of this length, or of one that is as long as what this request announces.
    fn pass(&self, length: Option<u64>, flood: bool) -> Result<Pass> {
        self.app.traffic.gate.upload(self.block, length.or(self.announced()), flood)
    }

    async fn turn_away(&self, body: Body) {
        turn_away(&self.headers, body).await;
    }

    fn location(&self, upload: Id) -> String {
        format!("{}{PATH}/{}", origin(&self.app, &self.headers), self.app.upload_key(upload))
    }
}

/// How this client reaches us: as the operator says, else as the client itself has just done.
fn origin(app: &App, headers: &HeaderMap) -> String {
    match headers.get(header::HOST).and_then(|h| h.to_str().ok()) {
        Some(host) if app.config.public_url == format!("http://{}", app.config.listen) => format!("http://{host}"),
        _ => app.config.public_url.clone(),
    }
}

fn put(headers: &mut HeaderMap, name: &'static str, value: impl std::fmt::Display) {
    if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
        headers.insert(name, value);
    }
}

/// What became of a file, for the client that sent its last byte.
fn put_accepted(headers: &mut HeaderMap, accepted: &Accepted) {
    put(headers, "repr-digest", accepted.sha256.repr_digest());
    put(headers, "temoin-exhibit", accepted.exhibit);
    put(headers, "temoin-received-at", accepted.received_at);
}

/// The stream of a body's bytes.
fn bytes(body: Body) -> axum::body::BodyDataStream {
    body.into_data_stream()
}
