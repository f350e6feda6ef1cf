//! The API for programs, described by itself at `/api/v1/openapi.json`.

pub mod acts;
pub mod claims;
pub mod exhibits;
pub mod filters;
pub mod health;
pub mod live;
pub mod log;
pub mod remarks;
pub mod submissions;
pub mod uploads;
pub mod workspace;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use super::extract::AppState;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Témoin",
        description = "Receives citizens' photos and videos after an appeal for witnesses. Errors are RFC 9457 problem+json \
            with a stable `type`. Times are RFC 3339 with an offset, sizes are bytes, coordinates WGS 84 degrees.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    modifiers(&Schemes),
    tags(
        (name = "witness", description = "Hand files over"),
        (name = "review", description = "Work the queue"),
        (name = "log", description = "The custody log"),
    )
)]
struct Description;

struct Schemes;

impl utoipa::Modify for Schemes {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let components = api.components.get_or_insert_default();
        for (name, about) in
            [("submission", "The token that opening a submission returned"), ("account", "An API token made by `temoin token add`")]
        {
            let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about)).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

/// What names thousands of exhibits: 10,000 with their versions, some 60 bytes each.
const MANY_BYTES_MAX: usize = 1 << 20;

/// Routes with small bodies, and the description of all routes.
pub fn described() -> (Router<AppState>, utoipa::openapi::OpenApi) {
    let (router, mut api) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(submissions::open))
        .routes(routes!(submissions::work))
        .routes(routes!(submissions::state))
        .routes(routes!(submissions::show))
        .routes(routes!(submissions::proof))
        .routes(routes!(exhibits::list))
        .routes(routes!(exhibits::geojson))
        .routes(routes!(workspace::index))
        .routes(routes!(workspace::counts))
        .routes(routes!(workspace::overview))
        .routes(routes!(workspace::tiles))
        .routes(routes!(workspace::decide).layer(DefaultBodyLimit::max(MANY_BYTES_MAX)))
        .routes(routes!(workspace::undo).layer(DefaultBodyLimit::max(MANY_BYTES_MAX)))
        .routes(routes!(acts::preview).layer(DefaultBodyLimit::max(MANY_BYTES_MAX)))
        .routes(routes!(acts::act).layer(DefaultBodyLimit::max(MANY_BYTES_MAX)))
        .routes(routes!(acts::undo))
        .routes(routes!(live::lease))
        .routes(routes!(live::events))
        .routes(routes!(filters::list, filters::save))
        .routes(routes!(filters::delete))
        .routes(routes!(remarks::list, remarks::add))
        .routes(routes!(remarks::take_away))
        .routes(routes!(exhibits::one))
        .routes(routes!(exhibits::events))
        .routes(routes!(exhibits::decide))
        .routes(routes!(exhibits::original))
        .routes(routes!(exhibits::thumbnail))
        .routes(routes!(log::consistency))
        .routes(routes!(log::upgrade))
        .split_for_parts();
    let (_, uploads) = upload_routes().split_for_parts();
    api.merge(uploads);
    let (_, resumable) = OpenApiRouter::<AppState>::new().routes(routes!(uploads::create)).split_for_parts();
    api.merge(resumable);
    (router, api)
}

fn upload_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(submissions::send))
}

/// Routes whose bodies bound themselves.
pub fn uploads() -> Router<AppState> {
    let (router, _) = upload_routes().split_for_parts();
    router.layer(DefaultBodyLimit::disable()).merge(uploads::router())
}

/// The description as JSON text.
pub fn openapi() -> String {
    let mut api = serde_json::to_value(described().1).unwrap_or_default();
    refusals(&mut api);
    numbers(&mut api);
    serde_json::to_string_pretty(&api).unwrap_or_default()
}

/// Numbers that are never negative go up to 2^64 - 1, and not to the half of it, as `int64` says.
fn numbers(of: &mut Value) {
    match of {
        Value::Object(map) => {
            if map.get("format") == Some(&json!("int64")) && map.get("minimum") == Some(&json!(0)) {
                map.remove("format");
                map.insert("maximum".into(), json!(u64::MAX));
            }
            map.values_mut().for_each(numbers);
        }
        Value::Array(all) => all.iter_mut().for_each(numbers),
        _ => {}
    }
}

/// Every address refuses in one form, whatever it refuses (`web/respond.rs`): told once, and not at each of them.
fn refusals(api: &mut Value) {
    api["components"]["schemas"]["Problem"] = json!({
        "type": "object",
        "description": "Why a request was refused (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "description": "`/problems/` and a code that stays the same"},
            "title": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": {"type": "string"},
            "field": {"type": "string", "description": "Which part of the request makes no sense"},
            "quota": {"type": "string", "description": "Which budget is spent"},
            "max_bytes": {"type": "integer", "description": "How large a file may be"},
        },
    });
    let refusal = json!({
        "description": "Refused",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    });
    for path in api["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut()) {
        for operation in path.as_object_mut().into_iter().flat_map(|path| path.values_mut()) {
            if operation["responses"].is_object() {
                operation["responses"]["default"] = refusal.clone();
            }
        }
    }
}

pub async fn openapi_json() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi()).into_response()
}
