//! The only requests that this program makes by itself: to the timestamp authorities, witnesses and the identity provider that the operator named,
//! and to another instance of itself for a health check. No
//! address ever comes from a stranger, no redirect is followed, and answers are bounded in time and size.

use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::http::HeaderValue;
use hyper::http::request::Builder;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

const WAIT: Duration = Duration::from_secs(15);
const ANSWER_BYTES_MAX: usize = 128 * 1024;

pub struct Outside(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Outside {
    pub fn new() -> Result<Self, String> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|e| format!("the system's certificates cannot be read: {e}"))?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)))
    }

    /// Asks, and returns status and answer.
    pub async fn get(&self, url: &str) -> Result<(u16, Bytes), String> {
        self.ask(Request::get(url), Bytes::new()).await
    }

    /// Posts bytes and returns status and answer.
    pub async fn post(&self, url: &str, kind: &'static str, body: Vec<u8>) -> Result<(u16, Bytes), String> {
        self.ask(Request::post(url).header("content-type", kind), body.into()).await
    }

    async fn ask(&self, request: Builder, body: Bytes) -> Result<(u16, Bytes), String> {
        let answer = self.send(request.body(body.to_vec()).map_err(|e| e.to_string())?).await?;
        Ok((answer.status().as_u16(), answer.into_body().into()))
    }

    /// Sends a whole request, and returns the whole answer.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<hyper::Response<Vec<u8>>, String> {
        let mut request = request.map(|body| Full::new(Bytes::from(body)));
        request.headers_mut().insert("user-agent", HeaderValue::from_static(concat!("temoin/", env!("CARGO_PKG_VERSION"))));
        let asked = async {
            let (parts, body) = self.0.request(request).await.map_err(|_| "it cannot be reached".to_owned())?.into_parts();
            let body =
                Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|_| "its answer broke off or is too large".to_owned())?;
            Ok(hyper::Response::from_parts(parts, body.to_bytes().to_vec()))
        };
        tokio::time::timeout(WAIT, asked).await.map_err(|_| "it does not answer".to_owned())?
    }
}
