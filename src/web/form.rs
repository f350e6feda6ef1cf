//! A multipart form (RFC 7578), read as it comes, that nobody can fill our memory or keep open with: whatever stands
//! between two pieces that we have seen is bounded, and so is the silence between two chunks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest as _, Multipart, Request};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use super::extract::AppState;
use crate::error::{Error, Result};

/// Bytes that may come without a field or a piece of one: headers, boundaries, one network buffer.
const UNSEEN_BYTES_MAX: u64 = 1 << 20;

pub struct Form {
    inner: Multipart,
    unseen: Arc<AtomicU64>,
}

/// One part of the form.
pub struct Part<'a> {
    pub name: String,
    pub file_name: String,
    pub content_type: Option<String>,
    field: Field<'a>,
    unseen: Arc<AtomicU64>,
}

impl Form {
    pub async fn read(app: &AppState, request: Request) -> Result<Self> {
        let unseen = Arc::new(AtomicU64::new(0));
        let idle = Duration::from_secs(app.config.limits.idle_seconds);
        let (parts, body) = request.into_parts();
        let body = Body::from_stream(bounded(body, unseen.clone(), idle));
        let inner = Multipart::from_request(Request::from_parts(parts, body), app)
            .await
            .map_err(|_| Error::Malformed("the form must be multipart/form-data".into()))?;
        Ok(Self { inner, unseen })
    }

    pub async fn next(&mut self) -> Result<Option<Part<'_>>> {
        self.unseen.store(0, Ordering::Relaxed);
        let field = self.inner.next_field().await.map_err(|_| Error::Interrupted)?;
        Ok(field.map(|field| Part {
            name: field.name().unwrap_or_default().to_owned(),
            file_name: field.file_name().unwrap_or_default().to_owned(),
            content_type: field.content_type().map(str::to_owned),
            field,
            unseen: self.unseen.clone(),
        }))
    }
}

impl Part<'_> {
    /// The part's bytes as they come.
    pub fn stream(&mut self) -> impl Stream<Item = std::result::Result<Bytes, MultipartError>> + '_ {
        let unseen = self.unseen.clone();
        (&mut self.field).inspect(move |_| unseen.store(0, Ordering::Relaxed))
    }

    /// The part as text, if it is no longer than this.
    pub async fn text(&mut self, bytes_max: usize) -> Result<String> {
        let mut bytes = Vec::new();
        let mut stream = std::pin::pin!(self.stream());
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(|_| Error::Interrupted)?);
            if bytes.len() > bytes_max {
                return Err(Error::Invalid { field: "text", why: format!("more than {bytes_max} bytes") });
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The body, ended with an error when it stalls or brings too much that nobody has seen.
fn bounded(body: Body, unseen: Arc<AtomicU64>, idle: Duration) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    stream::try_unfold((body.into_data_stream(), unseen), move |(mut body, unseen)| async move {
        let chunk = match tokio::time::timeout(idle, body.next()).await {
            Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut)),
            Ok(None) => return Ok(None),
            Ok(Some(chunk)) => chunk.map_err(std::io::Error::other)?,
        };
        let waiting = unseen.fetch_add(chunk.len() as u64, Ordering::Relaxed) + chunk.len() as u64;
        if waiting > UNSEEN_BYTES_MAX {
            return Err(std::io::Error::from(std::io::ErrorKind::InvalidData));
        }
        Ok(Some((chunk, (body, unseen))))
    })
}
