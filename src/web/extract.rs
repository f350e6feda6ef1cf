//! What handlers ask for. Each extractor is a proof: a handler that takes `Reviewer` cannot be reached by
//! anybody who may not review.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use ipnet::IpNet;
use serde::de::DeserializeOwned;

use super::language::{Language, cookie};
use crate::access;
use crate::accounts::{self, Access};
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Person, Proof, Role};
use crate::domain::appeal::{Appeal, AppealState, normal_code};
use crate::domain::custody::{Draft, EventType};
use crate::domain::submission::{ReceiptCode, Submission};
use crate::domain::value::{Id, MINUTE_US, Sha256};
use crate::error::{Error, Result};

pub type AppState = Arc<App>;

pub fn session_cookie(app: &App) -> &'static str {
    if app.config.https() { "__Host-temoin" } else { "temoin" }
}

/// Whether a request says that it is somebody's who is known here, rightly or not.
pub fn is_somebody(app: &App, headers: &HeaderMap) -> bool {
    secret(headers).is_some() || cookie(headers, session_cookie(app)).is_some()
}

/// `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<Sha256> {
    secret(headers).map(|token| Sha256::of(token.as_bytes()))
}

/// The person behind a request, if there is one.
pub struct Who(pub Option<Person>);

impl FromRequestParts<AppState> for Who {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        if let Some(token) = bearer(&parts.headers) {
            let mut tx = app.db.read().await?;
            return Ok(Who(db::sessions::person_of_token(&mut tx, token, app.now()).await?));
        }
        let Some(secret) = cookie(&parts.headers, session_cookie(app)) else { return Ok(Who(None)) };
        let (token, now) = (Sha256::of(secret.as_bytes()), app.now());
        let idle = app.config.sessions.idle_minutes * MINUTE_US;
        let mut tx = app.db.read().await?;
        let found = db::sessions::person_of(&mut tx, token, now, idle).await?;
        drop(tx);
        let Some((person, seen)) = found else { return Ok(Who(None)) };
        // Written at most once a minute: a look at a page must not cost a commit.
        if now.micros() - seen.micros() > MINUTE_US {
            let mut tx = app.db.begin().await?;
            db::sessions::touch(&mut tx, token, now).await?;
            tx.commit().await?;
        }
        Ok(Who(Some(person)))
    }
}

/// Writes down that somebody was refused.
pub async fn denied(app: &App, person: &Person, act: &str, why: &Error) -> Result<()> {
    let draft = Draft::new(EventType::AccessDenied, Actor::from(person)).fact("act", act).fact("why", why.status_and_code().1);
    let mut tx = app.db.begin().await?;
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await
}

/// What a stolen session must not be enough for wants a proof of who it is that is fresh. (A token is no session, and has its scopes.)
pub fn fresh(app: &App, person: &Person) -> Result<()> {
    let fresh = person.proof == Proof::ApiToken || person.proved_within(app.now(), app.config.accounts.proof_minutes * MINUTE_US);
    if fresh { Ok(()) } else { Err(Error::ProofNeeded) }
}

/// Nothing of ours is a part of another site's page, whatever its cookies; a link that somebody follows is something else.
fn no_part_of_another_page(headers: &HeaderMap) -> Result<()> {
    let said = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let part = said("sec-fetch-mode") != Some("navigate") || said("sec-fetch-dest").is_some_and(|dest| dest != "document");
    if part && said("sec-fetch-site") == Some("cross-site") { Err(Error::CrossOrigin) } else { Ok(()) }
}

async fn allowed(parts: &mut Parts, app: &AppState, act: Act) -> Result<Person> {
    let Who(Some(person)) = Who::from_request_parts(parts, app).await? else { return Err(Error::Unauthorized) };
    no_part_of_another_page(&parts.headers)?;
    let changes = parts.method != Method::GET && parts.method != Method::HEAD;
    let refusal = if accounts::access(app, &person) == Access::OwnAccount {
        Error::FactorMissing
    } else if !person.may(act) {
        Error::Forbidden
    } else if person.purpose.is_none() && act.needs_purpose() {
        // Evidence is not shown to anybody who has not said why.
        Error::PurposeMissing
    } else if changes && act.needs_proof() && fresh(app, &person).is_err() {
        Error::ProofNeeded
    } else {
        return Ok(person);
    };
    denied(app, &person, &format!("{act:?}"), &refusal).await?;
    Err(refusal)
}

/// Somebody who is signed in, whatever they may do: for what concerns their own account.
pub struct SignedIn {
    pub person: Person,
    pub session: Sha256,
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let Who(Some(person)) = Who::from_request_parts(parts, app).await? else { return Err(Error::Unauthorized) };
        no_part_of_another_page(&parts.headers)?;
        Self::of(app, &parts.headers, person)
    }
}

impl SignedIn {
    /// (A token is not signed in.)
    pub fn of(app: &App, headers: &HeaderMap, person: Person) -> Result<Self> {
        match cookie(headers, session_cookie(app)) {
            Some(secret) if person.proof != Proof::ApiToken => Ok(Self { person, session: Sha256::of(secret.as_bytes()) }),
            _ => Err(Error::Forbidden),
        }
    }

    /// The same, with a second factor shown where they have one: a password alone is not its owner.
    pub fn whole(self, app: &App) -> Result<Self> {
        let half = self.person.has_factor && accounts::lacks_factor(app, &self.person);
        if half { Err(Error::ProofNeeded) } else { Ok(self) }
    }

    /// The same, with a proof that is fresh, and a strong one where they have one to give: for what would let somebody else in.
    pub fn fresh(self, app: &App) -> Result<Self> {
        // Whoever chose the password adds no way in of their own.
        if accounts::has_given_password(&self.person) {
            return Err(Error::FactorMissing);
        }
        let fresh = self.person.proved_within(app.now(), app.config.accounts.proof_minutes * MINUTE_US);
        if fresh && (self.person.proof.is_strong() || !self.person.has_factor) { Ok(self) } else { Err(Error::ProofNeeded) }
    }
}

macro_rules! proofs {
    ($($(#[$doc:meta])* $name:ident = $act:ident),* $(,)?) => {$(
        $(#[$doc])*
        pub struct $name(pub Person);
        impl FromRequestParts<AppState> for $name {
            type Rejection = Error;
            async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
                allowed(parts, app, Act::$act).await.map($name)
            }
        }
    )*};
}

proofs! {
    /// Somebody who may see exhibits.
    Reviewer = SeeExhibits,
    /// Somebody who may decide on them.
    Decider = Decide,
    /// Somebody who may ask that an exhibit be erased.
    Requesting = RequestErasure,
    /// Somebody who may hold exhibits and agree to erasures.
    Retaining = Retain,
    /// Somebody who may make bundles.
    Exporting = Export,
    /// Somebody who may see how appeals go.
    Insider = SeeAppeals,
    /// Somebody who may read the custody log.
    Auditing = Audit,
    /// Somebody who may create accounts.
    Administering = ManageAccounts,
    /// Somebody who may read how a witness can be reached.
    Unmasking = OpenIdentity,
    /// Somebody who may agree that a colleague does.
    JudgingIdentity = JudgeIdentity,
    /// Somebody who may agree that a lost account gets a new way in.
    JudgingRecovery = JudgeRecovery,
    /// Somebody who may share an appeal with another agency.
    Sharing = Share,
}

/// The appeal in the path, if this person may do this with it: their agency's own, or one that is shared with them.
pub async fn own_appeal(app: &App, person: &Person, code: &str, act: Act) -> Result<Appeal> {
    let code = normal_code(code).ok_or(Error::NotFound)?;
    let mut tx = app.db.read().await?;
    let appeal = db::appeals::by_code(&mut tx, &code).await?.ok_or(Error::NotFound)?;
    access::to_appeal(app, &mut tx, person, &appeal, act).await?;
    Ok(appeal)
}

/// The appeal in the path, as the public sees it: drafts do not exist.
pub async fn public_appeal(app: &App, code: &str) -> Result<Appeal> {
    let code = normal_code(code).ok_or(Error::NotFound)?;
    let mut tx = app.db.read().await?;
    db::appeals::by_code(&mut tx, &code).await?.filter(|a| a.state != AppealState::Draft).ok_or(Error::NotFound)
}

/// The submission that a receipt code opens, with its appeal. A wrong code and an unknown one get the
/// same answer.
pub async fn by_receipt(app: &App, code: &str) -> Result<(Submission, Appeal, ReceiptCode)> {
    let code = ReceiptCode::parse(code).ok_or(Error::NotFound)?;
    let mut tx = app.db.read().await?;
    let submission = db::submissions::by_receipt(&mut tx, code.hash()).await?.ok_or(Error::NotFound)?;
    let appeal = db::appeals::by_id(&mut tx, submission.appeal).await?;
    Ok((submission, appeal, code))
}

/// The text of `Authorization: Bearer …`.
pub fn secret(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// The submission that a token or a receipt code opens: whoever holds the receipt may go on from another device.
/// Anything else is not found.
pub async fn by_secret(app: &App, secret: &str) -> Result<(Submission, Appeal)> {
    let mut tx = app.db.glance().await?;
    let found = match ReceiptCode::parse(secret) {
        Some(code) => db::submissions::by_receipt(&mut tx, code.hash()).await?,
        None => db::submissions::by_token(&mut tx, Sha256::of(secret.as_bytes())).await?,
    };
    let submission = found.ok_or(Error::NotFound)?;
    let appeal = db::appeals::by_id(&mut tx, submission.appeal).await?;
    Ok((submission, appeal))
}

/// The submission in the path, if the bearer secret is its own.
pub async fn by_token(app: &App, headers: &HeaderMap, id: Id) -> Result<(Submission, Appeal)> {
    let found = by_secret(app, secret(headers).ok_or(Error::Unauthorized)?).await?;
    if found.0.id == id { Ok(found) } else { Err(Error::NotFound) }
}

/// What every page shows around its own content.
pub struct Frame {
    pub language: Language,
    pub person: Option<Person>,
    pub demo: bool,
    /// This page's address without its language, for the language links.
    pub here: String,
    pub build: String,
    /// Whether the record needs somebody's eyes; shown to those whose business it is.
    pub alarm: bool,
    /// Erasures that wait for this person's word, up to [`MANY`].
    pub to_agree: u64,
}

/// More than this is not counted for a menu.
pub const MANY: u64 = 100;

impl FromRequestParts<AppState> for Frame {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let Who(person) = Who::from_request_parts(parts, app).await?;
        let demo = app.demo.load(Ordering::Relaxed);
        let query: Vec<&str> =
            parts.uri.query().unwrap_or_default().split('&').filter(|p| !p.is_empty() && !p.starts_with("lang=")).collect();
        let mut here = format!("{}?", parts.uri.path());
        for part in query {
            here.push_str(part);
            here.push('&');
        }
        here.push_str("lang=");
        let watches = person.as_ref().is_some_and(|p| matches!(p.role, Role::Supervisor | Role::Auditor | Role::Administrator));
        let alarm = watches && attest::alarm(app).await?;
        let to_agree = match &person {
            // (Not for who is let in to their own account alone.)
            Some(p) if p.role == Role::Supervisor && accounts::access(app, p) == Access::Whole => {
                let mut tx = app.db.read().await?;
                db::retention::waiting_for(&mut tx, p.agency, p.id, MANY).await?
            }
            _ => 0,
        };
        Ok(Self { language: Language::of(parts), person, demo, here, build: app.stamp.app.clone(), alarm, to_agree })
    }
}

/// The address at the other end. What a proxy says of it is believed only from the proxies that the configuration names,
/// and only as far back as the first address that is not one of them: anybody can write the rest.
pub struct Peer(pub IpAddr);

impl FromRequestParts<AppState> for Peer {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let peer = parts.extensions.get::<SocketAddr>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SocketAddr::ip);
        Ok(Peer(forwarded(peer, &parts.headers, &app.config.trusted_proxies)))
    }
}

fn forwarded(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_proxy = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip.to_canonical()));
    let mut last = peer;
    let hops: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).collect();
    for hop in hops.into_iter().rev() {
        if !is_proxy(last) {
            break;
        }
        let Ok(ip) = hop.trim().parse::<IpAddr>() else { break };
        last = ip;
    }
    last.to_canonical()
}

/// An id in the path; anything else is simply not found.
pub struct PathId(pub Id);

impl FromRequestParts<AppState> for PathId {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        let Path(text) = Path::<String>::from_request_parts(parts, app).await.map_err(|_| Error::NotFound)?;
        text.parse().map(PathId).map_err(|()| Error::NotFound)
    }
}

/// Query parameters, with our own words when they make no sense.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Params<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        Query::<T>::from_request_parts(parts, app)
            .await
            .map(|Query(t)| Params(t))
            .map_err(|_: QueryRejection| Error::InvalidFilter { field: "query", why: "an unknown or doubled parameter" })
    }
}

/// A JSON body: an object, as each of ours is. (A list of the fields' values, in their order, would be read as one, too.)
pub struct Body<T>(pub T);

/// Refuses what is JSON, and no object.
pub fn object(bytes: &[u8]) -> Result<()> {
    let first = bytes.iter().find(|b| !b.is_ascii_whitespace());
    if first == Some(&b'{') { Ok(()) } else { Err(Error::Invalid { field: "body", why: "a JSON object".into() }) }
}

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Error;
    async fn from_request(request: Request, app: &AppState) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), app).await;
        let bytes = bytes.map_err(|e| match e.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Error::BodyTooLong,
            _ => Error::Malformed("the body cannot be read".into()),
        })?;
        let Json(read) = Json::<T>::from_request(Request::from_parts(parts, bytes.clone().into()), app).await.map_err(|e| match e {
            JsonRejection::JsonDataError(e) => Error::Invalid { field: "body", why: e.body_text() },
            JsonRejection::JsonSyntaxError(_) => Error::Malformed("the body is not JSON".into()),
            JsonRejection::MissingJsonContentType(_) => Error::Malformed("the body must be application/json".into()),
            _ => Error::Malformed("the body cannot be read".into()),
        })?;
        object(&bytes)?;
        Ok(Body(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_proxies_are_believed() {
        let trusted: Vec<IpNet> = vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        for (peer, header, believed) in [
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
            // The client wrote the first one itself.
            ("127.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
            ("127.0.0.1", "1.2.3.4, 198.51.100.1, 10.1.1.1", "198.51.100.1"),
            ("127.0.0.1", "nonsense", "127.0.0.1"),
            ("127.0.0.1", "198.51.100.1, nonsense", "127.0.0.1"),
        ] {
            let headers = HeaderMap::from_iter([(header::HeaderName::from_static("x-forwarded-for"), header.parse().unwrap())]);
            assert_eq!(forwarded(peer.parse().unwrap(), &headers, &trusted), believed.parse::<IpAddr>().unwrap(), "{peer} {header}");
        }
        assert_eq!(forwarded("127.0.0.1".parse().unwrap(), &HeaderMap::new(), &trusted), "127.0.0.1".parse::<IpAddr>().unwrap());
    }
}
