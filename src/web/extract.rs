//! What handlers ask for. Each extractor is a proof: a handler that takes `Reviewer` cannot be reached by
//! anybody who may not review.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use serde::de::DeserializeOwned;

use super::language::{Language, cookie};
use crate::app::App;
use crate::attest;
use crate::db;
use crate::domain::actor::{Act, Actor, Person, Role, may};
use crate::domain::appeal::{Appeal, AppealState, normal_code};
use crate::domain::custody::{Draft, EventType};
use crate::domain::submission::{ReceiptCode, Submission};
use crate::domain::value::{Id, MINUTE_US, Sha256};
use crate::error::{Error, Result};

pub type AppState = Arc<App>;

pub fn session_cookie(app: &App) -> &'static str {
    if app.config.https() { "__Host-temoin" } else { "temoin" }
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
            return Ok(Who(db::accounts::by_token(&mut tx, token).await?));
        }
        let Some(secret) = cookie(&parts.headers, session_cookie(app)) else { return Ok(Who(None)) };
        let (token, now) = (Sha256::of(secret.as_bytes()), app.now());
        let idle = app.config.sessions.idle_minutes * MINUTE_US;
        let mut tx = app.db.read().await?;
        let found = db::accounts::by_session(&mut tx, token, now, idle).await?;
        drop(tx);
        let Some((person, seen)) = found else { return Ok(Who(None)) };
        // Written at most once a minute: a look at a page must not cost a commit.
        if now.micros() - seen.micros() > MINUTE_US {
            let mut tx = app.db.begin().await?;
            db::accounts::touch_session(&mut tx, token, now).await?;
            tx.commit().await?;
        }
        Ok(Who(Some(person)))
    }
}

async fn allowed(parts: &mut Parts, app: &AppState, act: Act) -> Result<Person> {
    let Who(Some(person)) = Who::from_request_parts(parts, app).await? else { return Err(Error::Unauthorized) };
    // Evidence is not shown to anybody who has not said why.
    let refusal = match may(person.role, act) {
        false => Error::Forbidden,
        true if person.purpose.is_none() && matches!(act, Act::SeeExhibits | Act::Decide | Act::Export) => Error::PurposeMissing,
        true => return Ok(person),
    };
    let draft =
        Draft::new(EventType::AccessDenied, Actor::from(&person)).fact("act", format!("{act:?}")).fact("why", refusal.status_and_code().1);
    let mut tx = app.db.begin().await?;
    attest::append(app, &mut tx, draft).await?;
    tx.commit().await?;
    Err(refusal)
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
}

/// The appeal in the path, as its agency's own people see it.
pub async fn own_appeal(app: &App, person: &Person, code: &str) -> Result<Appeal> {
    let code = normal_code(code).ok_or(Error::NotFound)?;
    let mut tx = app.db.read().await?;
    db::appeals::by_code(&mut tx, &code).await?.filter(|a| a.agency == person.agency).ok_or(Error::NotFound)
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
    let mut tx = app.db.read().await?;
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
}

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
        Ok(Self { language: Language::of(parts), person, demo, here, build: app.stamp.app.clone(), alarm })
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

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Error;
    async fn from_request(request: Request, app: &AppState) -> Result<Self> {
        Json::<T>::from_request(request, app).await.map(|Json(t)| Body(t)).map_err(|e| match e {
            JsonRejection::JsonDataError(e) => Error::Invalid { field: "body", why: e.body_text() },
            JsonRejection::JsonSyntaxError(_) => Error::Malformed("the body is not JSON".into()),
            JsonRejection::MissingJsonContentType(_) => Error::Malformed("the body must be application/json".into()),
            _ => Error::Malformed("the body cannot be read".into()),
        })
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
