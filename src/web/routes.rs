//! The whole URL table.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts as _, MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;
use tracing::Instrument as _;

use super::{
    account, admin, api, auditor, extract, identity, investigator, maps, media, periods, reports, respond, shares, subjects, supervisor,
    verifier, weakness, witness,
};
use crate::error::Error;
use crate::web::extract::{AppState, Who};
use crate::{observe, traces};

pub fn router(app: AppState) -> Router {
    let (described, _) = api::described();
    // Uploads bound themselves: by budget, by idle time, by what is declared.
    let uploads = Router::new()
        .route("/r/{receipt}/send", post(witness::send::submit))
        .route("/exports/{id}/bundle.zip", get(investigator::exports::fetch))
        .route("/audit/verify", get(auditor::verify::show).post(auditor::verify::judge))
        .layer(DefaultBodyLimit::disable());
    let forms = Router::new()
        .route("/", get(account::home))
        .route("/a/{code}", get(witness::appeal::show).post(witness::appeal::begin))
        .route("/a/{code}/privacy", get(witness::notices::privacy))
        .route("/a/{code}/accessibility", get(witness::notices::accessibility))
        .route("/a/{code}/genuine", get(witness::notices::genuine))
        .route("/r", post(witness::receipt::find))
        .route("/r/{receipt}", get(witness::receipt::show))
        .route("/r/{receipt}/send", get(witness::send::show))
        .route("/r/{receipt}/progress", get(witness::progress::show))
        .route("/r/{receipt}/proof/{exhibit}", get(witness::receipt::proof))
        .route("/r/{receipt}/forget", post(witness::receipt::forget))
        .route("/forgotten", get(witness::receipt::forgotten))
        .route("/verify", get(verifier::show))
        .route("/verify/offline", get(verifier::offline))
        .route("/login", get(account::login::show).post(account::login::login))
        .route("/login/passkey", post(account::passkey::begin_login))
        .route("/login/passkey/answer", post(account::passkey::finish_login))
        .route("/login/sso", get(account::sso::away))
        .route("/login/sso/back", get(account::sso::back))
        .route("/logout", post(account::login::logout))
        .route("/prove", get(account::prove::show).post(account::prove::prove))
        .route("/recover/{token}", get(account::recover::show).post(account::recover::recover))
        .route("/account", get(account::mine::show))
        .route("/account/password", post(account::mine::password))
        .route("/account/sessions", post(account::mine::sessions))
        .route("/account/authenticator", get(account::mine::offer_totp).post(account::mine::totp))
        .route("/account/passkeys", post(account::passkey::begin_new))
        .route("/account/passkeys/answer", post(account::passkey::finish_new))
        .route("/account/passkeys/{id}", post(account::passkey::remove))
        .route("/account/tokens/{id}", post(account::mine::revoke))
        .route("/purpose", get(account::purpose_page).post(account::purpose))
        .route("/setup/{token}", get(admin::setup_page).post(admin::setup))
        .route("/appeals", get(investigator::appeals::show))
        .route("/appeals/{code}", get(investigator::workspace::show))
        .route("/appeals/{code}/board", get(investigator::board::show))
        .route("/appeals/{code}/samples", post(investigator::board::draw))
        .route("/appeals/{code}/samples/{id}", get(investigator::sample::show).post(investigator::sample::decide))
        .route("/appeals/{code}/compare", get(investigator::compare::show))
        .route("/appeals/{code}/exhibits", get(investigator::queue::show))
        .route("/appeals/{code}/reference", get(investigator::exhibit::by_reference))
        .route("/appeals/{code}/bulk", get(investigator::bulk::show).post(investigator::bulk::act))
        .route("/appeals/{code}/export", get(investigator::exports::ask).post(investigator::exports::make))
        .route("/exports", get(investigator::exports::list))
        .route("/exports/{id}", post(investigator::exports::judge))
        .route("/exhibits/{id}", get(investigator::exhibit::show))
        .route("/exhibits/{id}/remarks", post(investigator::remark::remark))
        .route("/exhibits/{id}/decision", post(investigator::decide::decide))
        .route("/exhibits/{id}/original", get(media::original).post(media::ask_original))
        .route("/exhibits/{id}/contact", post(identity::contact))
        .route("/identities", get(identity::waiting))
        .route("/identities/{id}", post(identity::judge))
        .route("/appeals/{code}/sharing", get(shares::show).post(shares::share))
        .route("/appeals/{code}/sharing/{id}", post(shares::end))
        .route("/exhibits/{id}/hold", post(supervisor::hold))
        .route("/exhibits/{id}/release", post(supervisor::release))
        .route("/exhibits/{id}/erasure", post(supervisor::request))
        .route("/retention", get(periods::show))
        .route("/retention/{code}", post(periods::act))
        .route("/requests", get(subjects::show).post(subjects::open))
        .route("/requests/{id}", get(subjects::task).post(subjects::act))
        .route("/erasures", get(supervisor::erasures))
        .route("/erasures/{id}", post(supervisor::judge))
        .route("/exhibits/{id}/thumbnail", get(media::thumbnail))
        .route("/exhibits/{id}/view", get(media::view))
        .route("/exhibits/{id}/sheet", get(media::sheet))
        .route("/exhibits/{id}/play", get(media::play))
        .route("/exhibits/{id}/family", post(investigator::family::act))
        .route("/exhibits/{id}/capture", post(investigator::correct::state))
        .route("/exhibits/{id}/clock", post(investigator::correct::clock))
        .route("/exhibits/{id}/seen", post(media::seen))
        .route("/audit", get(auditor::integrity::show))
        .route("/audit/now", post(auditor::integrity::check_now))
        .route("/audit/log", get(auditor::log::show))
        .route("/audit/exhibits/{id}", get(auditor::custody::show))
        .route("/audit/compare", get(auditor::compare::show).post(auditor::compare::judge))
        .route("/accounts", get(admin::accounts_page).post(admin::create_account))
        .route("/accounts/{id}", post(admin::change))
        .route("/accounts/{id}/vouch", post(admin::vouch))
        .route("/recoveries", get(admin::recoveries))
        .route("/recoveries/{id}", post(admin::judge_recovery))
        .route("/log/checkpoint", get(api::log::checkpoint))
        .route("/log/policy", get(api::log::policy))
        .route("/log/tile/entries/{*path}", get(api::log::entries))
        .route("/log/tile/{level}/{*path}", get(api::log::tile))
        .route("/api/v1/openapi.json", get(api::openapi_json))
        .route("/policy-reports", post(reports::take))
        .route("/.well-known/security.txt", get(weakness::show))
        .route("/healthz", get(api::health::alive))
        .route("/readyz", get(api::health::ready))
        .route("/version", get(api::health::version))
        .route("/assets/{file}", get(media::asset))
        .route("/maps/map.pmtiles", get(maps::map))
        .route("/maps/{file}", get(maps::plan))
        .merge(described)
        .layer(DefaultBodyLimit::max(app.config.limits.form_bytes_max))
        .layer(from_fn(body_deadline));
    uploads
        .merge(api::uploads())
        .merge(forms)
        .fallback(|| async { Error::NotFound })
        .layer(from_fn_with_state(app.clone(), strangers_noted))
        .layer(CsrfLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(from_fn(counted))
        .layer(from_fn_with_state(app.clone(), respond::frame))
        .with_state(app)
}

/// Who asks for what is another agency's is told that there is none; that they asked is written down. What is not there at all is answered in
/// the same time, so that the clock does not tell the two apart either.
async fn strangers_noted(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let route = parts.extensions.get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let mut asking = parts.clone();
    let begun = Instant::now();
    let response = next.run(Request::from_parts(parts, body)).await;
    let refusal = match response.extensions().get::<Error>() {
        Some(refusal @ (Error::Elsewhere | Error::NotShared)) => refusal.clone(),
        Some(Error::NotFound) if route.contains('{') && (extract::is_somebody(&app, &asking.headers)) => {
            next_beat(begun).await;
            return response;
        }
        _ => return response,
    };
    let noted = async {
        let Who(person) = Who::from_request_parts(&mut asking, &app).await?;
        match person {
            Some(person) => extract::denied(&app, &person, &route, &refusal).await,
            None => Ok(()),
        }
    };
    let noted = noted.await;
    next_beat(begun).await;
    match noted {
        Ok(()) => response,
        // What cannot be written down is not answered either.
        Err(e) => e.into_response(),
    }
}

/// Waits until a whole number of beats has passed since then. (A commit takes a few milliseconds, more than finding nothing does.)
async fn next_beat(begun: Instant) {
    const BEAT: Duration = Duration::from_millis(60);
    let beats = begun.elapsed().as_millis() / BEAT.as_millis() + 1;
    let until = begun + BEAT * u32::try_from(beats).unwrap_or(u32::MAX);
    tokio::time::sleep_until(until.into()).await;
}

/// Counts what was asked and how it was answered.
async fn counted(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    let begun = Instant::now();
    let span = traces::request(&route, method);
    let response = next.run(request).instrument(span.clone()).await;
    traces::answered(&span, response.status().as_u16());
    if let Some(error) = response.extensions().get::<Error>() {
        observe::refused(error.status_and_code().1);
    }
    observe::request(route, method, response.status().as_u16(), begun.elapsed());
    response
}

/// What is not an upload answers within a minute, however slowly its body comes.
async fn body_deadline(request: Request, next: Next) -> Response {
    const DEADLINE: Duration = Duration::from_secs(60);
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::TooSlow.into_response(),
    }
}
