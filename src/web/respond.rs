//! Answers: problem+json (RFC 9457) for programs, a plain page in the person's language for people, and the
//! headers that stand on every one of them.

use std::sync::atomic::Ordering;

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use i18n_embed::fluent::FluentLanguageLoader;
use i18n_embed_fl::fl;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::extract::AppState;
use super::language::{COOKIE, Language, SECURE_COOKIE, from_query};
use crate::error::Error;
use crate::intake;

/// What a value in a query does not carry as it is (RFC 3986: all but unreserved characters; the slash, allowed there, stays legible).
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What every page may do, unless its handler says otherwise.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
    media-src 'self' blob:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'; report-uri /policy-reports; report-to policy";

impl IntoResponse for Error {
    /// An empty answer that carries the error; [`frame`] gives it its form.
    fn into_response(self) -> Response {
        let (status, _) = self.status_and_code();
        let mut response = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The policy of a page with a map: the pictures of it may come from where the operator says. `more` is added at the end.
pub fn map_policy(tiles: &str, more: &str) -> String {
    let host = tiles.split_once("://").map(|(scheme, rest)| format!(" {scheme}://{}", rest.split('/').next().unwrap_or_default()));
    // (The map library writes markup: `islands/trusted.ts` makes text of it.)
    format!("{CSP}{more}")
        .replace("img-src 'self'", &format!("img-src 'self'{}", host.unwrap_or_default()))
        .replace("trusted-types 'none'", "trusted-types default")
}

/// Renders a page.
pub fn page(template: &impl Template) -> Result<Response, Error> {
    Ok(Html(template.render().map_err(Error::internal)?).into_response())
}

/// The same page with another status, for forms that were not accepted.
pub fn page_with(status: StatusCode, template: &impl Template) -> Result<Response, Error> {
    Ok((status, page(template)?).into_response())
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    language: Language,
    code: &'static str,
    title: String,
    text: String,
    detail: Option<String>,
    /// Where the reader came from, as far as it is known.
    back: Option<String>,
    demo: bool,
    t: &'static FluentLanguageLoader,
}

/// The outermost layer: refuses requests without exactly one `Host`, gives errors their form, and puts
/// the headers of every answer.
pub async fn frame(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let asks = match parts.method {
        Method::GET => parts.uri.path_and_query().map(ToString::to_string),
        _ => None,
    };
    let from = asks.clone().unwrap_or_else(|| page_of(&path));
    let language = Language::of(&parts);
    let asked = from_query(parts.uri.query());
    let for_program = ["/api/", "/log/", "/healthz", "/readyz", "/version"].iter().any(|p| path.starts_with(p));
    // What a page's script asks for has nobody before it who could be led anywhere.
    let for_script = for_program || parts.headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"application/json"));
    let one_host = parts.headers.get_all(header::HOST).iter().count() == 1;
    let mut response = if one_host { next.run(Request::from_parts(parts, body)).await } else { Error::BadHost.into_response() };
    if let Some(error) = error_of(&mut response) {
        let kept: Vec<(HeaderName, HeaderValue)> =
            response.headers().iter().filter(|(name, _)| outlives_error(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
        response = match (&error, asks) {
            // A person who has not said yet why they look is asked, and then led on.
            (Error::ProofNeeded, _) if !for_script => {
                Redirect::to(&format!("/prove?to={}", utf8_percent_encode(&from, VALUE))).into_response()
            }
            (Error::FactorMissing, _) if !for_script => Redirect::to("/account").into_response(),
            // Why an original is taken away is asked where that is offered, each time.
            (Error::PurposeMissing, Some(_)) if !for_program && path.ends_with("/original") => {
                Redirect::to(&page_of(&path)).into_response()
            }
            (Error::PurposeMissing, Some(to)) if !for_program => {
                Redirect::to(&format!("/purpose?to={}", utf8_percent_encode(&to, VALUE))).into_response()
            }
            (_, asks) => {
                let back = if asks.is_none() { Some(from).filter(|f| f != "/") } else { None };
                rendered(&error, language, for_program, back, app.demo.load(Ordering::Relaxed))
            }
        };
        response.headers_mut().extend(kept);
    }
    headers(&mut response, app.config.https());
    if let (Some(language), false) = (asked, for_program) {
        let (cookie, secure) = if app.config.https() { (SECURE_COOKIE, "; Secure") } else { (COOKIE, "") };
        let value = format!("{cookie}={}; Path=/; Max-Age=31536000; SameSite=Lax{secure}", language.tag());
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// The page that a form stands on.
fn page_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["a", code, ..] => format!("/a/{code}"),
        ["r", receipt, ..] => format!("/r/{receipt}"),
        ["exhibits", id, ..] => format!("/exhibits/{id}"),
        ["exports", ..] => "/exports".to_owned(),
        ["appeals", code, "export"] => format!("/appeals/{code}"),
        ["appeals", code, "sharing", ..] => format!("/appeals/{code}/sharing"),
        ["appeals", code, "samples"] => format!("/appeals/{code}/board"),
        [list @ ("erasures" | "identities" | "accounts" | "recoveries" | "account" | "retention" | "requests"), ..] => format!("/{list}"),
        _ => "/".to_owned(),
    }
}

/// Headers that a handler puts beside an error, and that its form must not lose: the upload protocols speak in them.
fn outlives_error(name: &HeaderName) -> bool {
    *name == header::ALLOW || *name == header::LOCATION || ["tus-", "upload-"].iter().any(|p| name.as_str().starts_with(p))
}

/// Hears a refused client out for a moment, or it would not live to read the answer; one that waits for `100 Continue` has
/// sent nothing yet.
pub async fn turn_away(headers: &HeaderMap, body: Body) {
    if !headers.contains_key(header::EXPECT) {
        intake::drain(body.into_data_stream()).await;
    }
}

/// The error that an answer carries, or that the router's own empty answers stand for.
fn error_of(response: &mut Response) -> Option<Error> {
    if let Some(error) = response.extensions_mut().remove::<Error>() {
        return Some(error);
    }
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => Some(Error::MethodNotAllowed),
        StatusCode::FORBIDDEN => Some(Error::CrossOrigin),
        StatusCode::INTERNAL_SERVER_ERROR => Some(Error::Internal("a handler panicked".into())),
        StatusCode::PAYLOAD_TOO_LARGE if is_plain(response) => Some(Error::BodyTooLong),
        // The framework's own refusals are bare text.
        status if status.is_client_error() && is_plain(response) => match status {
            StatusCode::UNPROCESSABLE_ENTITY => Some(Error::Invalid { field: "form", why: "a field is missing or makes no sense".into() }),
            _ => Some(Error::Malformed("the request is not what this address expects".into())),
        },
        _ => None,
    }
}

fn is_plain(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/plain"))
}

fn rendered(error: &Error, language: Language, for_program: bool, back: Option<String>, demo: bool) -> Response {
    let (status, code) = error.status_and_code();
    if let Error::Internal(cause) = error {
        tracing::error!(cause, "a request failed, and it is our fault");
    }
    let (title, text) = words(language, code);
    let detail = match error {
        Error::Malformed(why) => Some(why.clone()),
        Error::Invalid { field, why } => Some(format!("{field}: {why}")),
        Error::InvalidFilter { field, why } => Some(format!("{field}: {why}")),
        _ => None,
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if for_program {
        let mut problem = json!({
            "type": format!("/problems/{code}"),
            "title": title,
            "status": status.as_u16(),
            "detail": detail.unwrap_or(text),
        });
        match error {
            Error::TooLarge { bytes_max } => problem["max_bytes"] = json!(bytes_max),
            Error::QuotaExceeded { what } => problem["quota"] = json!(what),
            Error::OffsetMismatch { expected, provided } => {
                problem["expected-offset"] = json!(expected);
                problem["provided-offset"] = json!(provided);
            }
            Error::Invalid { field, .. } | Error::InvalidFilter { field, .. } => problem["field"] = json!(field),
            _ => {}
        }
        (status, [(header::CONTENT_TYPE, "application/problem+json")], problem.to_string()).into_response()
    } else if matches!(error, Error::Unauthorized) {
        // A person is led to where they can sign in.
        return (StatusCode::SEE_OTHER, [(header::LOCATION, "/login")]).into_response();
    } else {
        let html = ErrorPage { language, code, title, text, detail, back, demo, t: language.texts() }.render().unwrap_or_default();
        (status, Html(html)).into_response()
    };
    let extra = match error {
        Error::TooMany { retry_after_s } | Error::Busy { retry_after_s } => Some((header::RETRY_AFTER, retry_after_s.to_string())),
        Error::TryLater | Error::NoSpace => Some((header::RETRY_AFTER, "30".to_owned())),
        Error::Unauthorized => Some((header::WWW_AUTHENTICATE, "Bearer".to_owned())),
        Error::RangeNotSatisfiable { size } => Some((header::CONTENT_RANGE, format!("bytes */{size}"))),
        _ => None,
    };
    if let Some((name, value)) = extra
        && let Ok(value) = HeaderValue::from_str(&value)
    {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Title and text of a problem, for people.
pub fn words(language: Language, code: &str) -> (String, String) {
    let t = language.texts();
    match code {
        "not-found" => (fl!(t, "error-not-found"), fl!(t, "error-not-found-text")),
        "appeal-closed" => (fl!(t, "error-appeal-closed"), fl!(t, "error-appeal-closed-text")),
        "malformed" | "bad-host" => (fl!(t, "error-malformed"), fl!(t, "error-malformed-text")),
        "invalid-body" => (fl!(t, "error-invalid-body"), fl!(t, "error-invalid-body-text")),
        "invalid-filter" => (fl!(t, "error-invalid-filter"), fl!(t, "error-invalid-filter-text")),
        "bad-cursor" => (fl!(t, "error-bad-cursor"), fl!(t, "error-bad-cursor-text")),
        "unauthorized" => (fl!(t, "error-unauthorized"), fl!(t, "error-unauthorized-text")),
        "reason-required" => (fl!(t, "error-reason"), fl!(t, "error-reason-text")),
        "proof-needed" => (fl!(t, "error-proof"), fl!(t, "error-proof-text")),
        "factor-missing" => (fl!(t, "error-factor"), fl!(t, "error-factor-text")),
        "sso-failed" => (fl!(t, "error-sso"), fl!(t, "error-sso-text")),
        "forbidden" => (fl!(t, "error-forbidden"), fl!(t, "error-forbidden-text")),
        "cross-origin" => (fl!(t, "error-cross-origin"), fl!(t, "error-cross-origin-text")),
        "method-not-allowed" => (fl!(t, "error-method"), fl!(t, "error-method-text")),
        "too-large" => (fl!(t, "error-too-large"), fl!(t, "error-too-large-text")),
        "quota-exceeded" => (fl!(t, "error-quota"), fl!(t, "error-quota-text")),
        "body-too-long" => (fl!(t, "error-body-too-long"), fl!(t, "error-body-too-long-text")),
        "digest-mismatch" => (fl!(t, "error-digest"), fl!(t, "error-digest-text")),
        "too-slow" | "interrupted" => (fl!(t, "error-interrupted"), fl!(t, "error-interrupted-text")),
        "checksum-mismatch" => (fl!(t, "error-checksum"), fl!(t, "error-checksum-text")),
        "offset-mismatch" => (fl!(t, "error-offset"), fl!(t, "error-offset-text")),
        "length-mismatch" | "beyond-length" => (fl!(t, "error-length"), fl!(t, "error-length-text")),
        "already-complete" => (fl!(t, "error-complete"), fl!(t, "error-complete-text")),
        "upload-gone" => (fl!(t, "error-gone"), fl!(t, "error-gone-text")),
        "unsupported-media" | "unsupported-version" => (fl!(t, "error-unsupported"), fl!(t, "error-unsupported-text")),
        "kind-refused" => (fl!(t, "error-kind"), fl!(t, "error-kind-text")),
        "busy" => (fl!(t, "error-busy"), fl!(t, "error-busy-text")),
        "work-missing" => (fl!(t, "error-work"), fl!(t, "error-work-text")),
        "held" => (fl!(t, "error-held"), fl!(t, "error-held-text")),
        "leased" => (fl!(t, "error-leased"), fl!(t, "error-leased-text")),
        "erased" => (fl!(t, "error-erased"), fl!(t, "error-erased-text")),
        "another-person" => (fl!(t, "error-another-person"), fl!(t, "error-another-person-text")),
        "name-taken" => (fl!(t, "error-name-taken"), fl!(t, "error-name-taken-text")),
        "conflict" => (fl!(t, "error-conflict"), fl!(t, "error-conflict-text")),
        "too-many-requests" => (fl!(t, "error-too-many"), fl!(t, "error-too-many-text")),
        "try-later" | "no-space" => (fl!(t, "error-try-later"), fl!(t, "error-try-later-text")),
        "range-not-satisfiable" => (fl!(t, "error-range"), fl!(t, "error-range-text")),
        _ => (fl!(t, "error-internal"), fl!(t, "error-internal-text")),
    }
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.status_and_code() == other.status_and_code()
    }
}

fn headers(response: &mut Response, https: bool) {
    let h = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(self), payment=(), usb=(), browsing-topics=()",
        ),
    ];
    h.insert(HeaderName::from_static("reporting-endpoints"), HeaderValue::from_static("policy=\"/policy-reports\""));
    for (name, value) in fixed {
        h.insert(name, HeaderValue::from_static(value));
    }
    if https {
        h.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains"));
    }
    // Handlers may be stricter (media) or allow caching (assets, tiles), never looser on policy.
    h.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(CSP));
    h.entry(header::X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
    h.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
