//! The only requests that this program makes by itself: to the timestamp authorities and witnesses that the operator named. No
//! address ever comes from a stranger, no redirect is followed, and answers are bounded in time and size.

use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
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

    /// Posts bytes and returns status and answer.
    pub async fn post(&self, url: &str, kind: &'static str, body: Vec<u8>) -> Result<(u16, Bytes), String> {
        let request = Request::post(url)
            .header("content-type", kind)
            .header("user-agent", concat!("temoin/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| e.to_string())?;
        let asked = async {
            let answer = self.0.request(request).await.map_err(|_| "it cannot be reached".to_owned())?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await
                .map_err(|_| "its answer broke off or is too large".to_owned())?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(WAIT, asked).await.map_err(|_| "it does not answer".to_owned())?
    }
}
