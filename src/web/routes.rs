//! The whole URL table.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::csrf::CsrfLayer;

use super::{account, admin, api, auditor, investigator, maps, media, respond, supervisor, verifier, witness};
use crate::error::Error;
use crate::web::extract::AppState;

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
        .route("/r/{receipt}", get(witness::receipt::show))
        .route("/r/{receipt}/send", get(witness::send::show))
        .route("/r/{receipt}/progress", get(witness::progress::show))
        .route("/r/{receipt}/proof/{exhibit}", get(witness::receipt::proof))
        .route("/r/{receipt}/forget", post(witness::receipt::forget))
        .route("/forgotten", get(witness::receipt::forgotten))
        .route("/verify", get(verifier::show))
        .route("/verify/offline", get(verifier::offline))
        .route("/login", get(account::login_page).post(account::login))
        .route("/logout", post(account::logout))
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
        .route("/exhibits/{id}", get(investigator::exhibit::show))
        .route("/exhibits/{id}/remarks", post(investigator::exhibit::remark))
        .route("/exhibits/{id}/decision", post(investigator::exhibit::decide))
        .route("/exhibits/{id}/original", get(media::original).post(media::ask_original))
        .route("/exhibits/{id}/contact", post(investigator::exhibit::contact))
        .route("/exhibits/{id}/hold", post(supervisor::hold))
        .route("/exhibits/{id}/release", post(supervisor::release))
        .route("/exhibits/{id}/erasure", post(supervisor::request))
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
        .route("/log/checkpoint", get(api::log::checkpoint))
        .route("/log/policy", get(api::log::policy))
        .route("/log/tile/entries/{*path}", get(api::log::entries))
        .route("/log/tile/{level}/{*path}", get(api::log::tile))
        .route("/api/v1/openapi.json", get(api::openapi_json))
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
        .layer(CsrfLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(from_fn_with_state(app.clone(), respond::frame))
        .with_state(app)
}

/// What is not an upload answers within a minute, however slowly its body comes.
async fn body_deadline(request: Request, next: Next) -> Response {
    const DEADLINE: Duration = Duration::from_secs(60);
    match tokio::time::timeout(DEADLINE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::TooSlow.into_response(),
    }
}
