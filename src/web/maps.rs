//! `/maps/{file}`: the operator's own map, for everybody who says where they were, and plans, for those who review.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::extract::{AppState, Reviewer};
use super::range::Part;
use crate::app::App;
use crate::error::{Error, Result};
use crate::maps;

/// Where a page's map pictures come from: what the operator names, else what they dropped in, else nowhere.
pub async fn source(app: &App) -> String {
    if app.config.map_tiles.is_empty() && maps::look(&app.config.data).await.has_map {
        return "/maps/map.pmtiles".into();
    }
    app.config.map_tiles.clone()
}

pub async fn map(State(app): State<AppState>, headers: HeaderMap) -> Result<Response> {
    file(&app, "map.pmtiles", &headers).await
}

pub async fn plan(State(app): State<AppState>, Reviewer(_): Reviewer, Path(name): Path<String>, headers: HeaderMap) -> Result<Response> {
    file(&app, &name, &headers).await
}

async fn file(app: &App, name: &str, headers: &HeaderMap) -> Result<Response> {
    let (mut opened, size, kind) = maps::open(&app.config.data, name).await?;
    let part = Part::asked(headers, size)?;
    let (start, length) = part.stretch();
    opened.seek(std::io::SeekFrom::Start(start)).await.map_err(Error::internal)?;
    let mut response = Response::new(Body::from_stream(ReaderStream::with_capacity(opened.take(length), 64 * 1024)));
    part.describe(&mut response)?;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    Ok(response)
}
