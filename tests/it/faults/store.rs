//! An S3 store that misbehaves: what passes between the server and the real one is delayed, refused, cut or changed, and the real one answers
//! the rest.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::crowd::Crowd;
use crate::support::{Pair, Server};

mod misbehaves {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn slowly() {
        // Longer than a client likes, shorter than it waits.
        under(|_| Fault::Slow(Duration::from_millis(400))).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_500() {
        under(every(3, Fault::Status(500, "InternalError"))).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_503_slow_down() {
        under(every(2, Fault::Status(503, "SlowDown"))).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn by_cutting_connections() {
        let mut n = 0;
        under(move |_| {
            n += 1;
            match n % 6 {
                // Before anything has happened; after it has, but nobody hears; in the middle of an answer.
                1 => Fault::CutBefore,
                3 => Fault::CutAfter,
                5 => Fault::CutAnswer,
                _ => Fault::None,
            }
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn by_changing_bytes() {
        let mut n = 0;
        under(move |asked| {
            n += 1;
            if asked.method == Method::PUT && n % 2 == 0 { Fault::FlipByte } else { Fault::None }
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn by_listing_late() {
        under(|asked| if asked.lists { Fault::ListNothing } else { Fault::None }).await;
    }
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Slow(Duration),
    Status(u16, &'static str),
    CutBefore,
    CutAfter,
    CutAnswer,
    FlipByte,
    ListNothing,
}

struct Asked {
    method: Method,
    lists: bool,
}

type Rule = Box<dyn FnMut(&Asked) -> Fault + Send>;

/// Every n-th request.
fn every(n: u32, fault: Fault) -> impl FnMut(&Asked) -> Fault + Send {
    let mut count = 0;
    move |_| {
        count += 1;
        if count % n == 0 { fault } else { Fault::None }
    }
}

struct Store {
    port: u16,
    rule: Arc<Mutex<Rule>>,
}

impl Store {
    async fn before(endpoint: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(|_| Fault::None)));
        let (endpoint, rules) = (endpoint.to_owned(), rule.clone());
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (endpoint, rules, http) = (endpoint.clone(), rules.clone(), http.clone());
                let service = service_fn(move |request| pass(http.clone(), endpoint.clone(), rules.clone(), request));
                tokio::spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { port, rule }
    }

    fn now(&self, rule: impl FnMut(&Asked) -> Fault + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }
}

type Body = BoxBody<Bytes, std::io::Error>;

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed()
}

fn cut() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::ConnectionReset, "cut")
}

/// An error ends the connection without an answer.
async fn pass(
    http: reqwest::Client,
    endpoint: String,
    rules: Arc<Mutex<Rule>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let asked = Asked { method: parts.method.clone(), lists: query.contains("list-type=2") };
    let fault = (rules.lock().unwrap())(&asked);
    let mut bytes = body.collect().await.map_err(|_| cut())?.to_bytes();
    match fault {
        Fault::Slow(wait) => tokio::time::sleep(wait).await,
        Fault::Status(status, code) => {
            let text = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>not now</Message></Error>");
            return Ok(Response::builder().status(status).header("content-type", "application/xml").body(whole(text)).unwrap());
        }
        Fault::CutBefore => return Err(cut()),
        Fault::FlipByte if !bytes.is_empty() => {
            let mut changed = bytes.to_vec();
            let middle = changed.len() / 2;
            changed[middle] ^= 1;
            bytes = changed.into();
        }
        Fault::ListNothing => {
            let text = "<?xml version=\"1.0\"?><ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>";
            return Ok(Response::builder().header("content-type", "application/xml").body(whole(text)).unwrap());
        }
        _ => {}
    }
    let url = format!("{endpoint}{}", parts.uri.path_and_query().unwrap());
    let answer = http.request(parts.method, url).headers(parts.headers).body(bytes).send().await.map_err(|_| cut())?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.map_err(|_| cut())?;
    if let Fault::CutAfter = fault {
        return Err(cut());
    }
    let mut response = Response::builder().status(status);
    *response.headers_mut().unwrap() = headers;
    if matches!(fault, Fault::CutAnswer) && bytes.len() > 1 {
        let half = bytes.slice(..bytes.len() / 2);
        let frames = stream::iter([Ok(Frame::data(half)), Err(cut())]);
        return Ok(response.body(StreamBody::new(frames).boxed()).unwrap());
    }
    // (A HEAD has a length and no bytes.)
    Ok(response.body(whole(bytes)).unwrap())
}

/// Uploads under a fault, then without it, and then everything must be there.
async fn under(rule: impl FnMut(&Asked) -> Fault + Send + 'static) {
    let mut server = Server::start(Pair::Grown).await;
    server.appeal("STORE", &["--submission-files-max", "100000"]);
    let s = server.submission("STORE", None).await;
    // One large file, so that parts are concerned, too.
    let large = vec![7u8; 20 << 20];
    let original = server.blobs_url();
    let (_, options) = original.split_once("endpoint=").unwrap();
    let endpoint = options.split('&').next().unwrap().to_owned();
    let store = Store::before(&endpoint).await;
    server.kill();
    server.set("TEMOIN_BLOBS", Some(&original.replace(&endpoint, &format!("http://127.0.0.1:{}", store.port))));
    server.run().await;
    let crowd = Crowd::begin(&[server.base.clone()], &s, 3);
    crowd.served(3).await;
    store.now(rule);
    let mut sent = None;
    for _ in 0..6 {
        if let Some(exhibit) = server.try_send(&s, large.clone()).await {
            sent = Some(exhibit);
            break;
        }
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    store.now(|_| Fault::None);
    crowd.served(3).await;
    server.set("TEMOIN_BLOBS", None);
    let large_sha = crate::support::sha256(&large);
    if let Some(exhibit) = &sent {
        let (_, shown) = server.get(&s.token, &format!("/api/v1/submissions/{}", s.id)).await;
        let files = shown["files"].as_array().unwrap();
        assert!(files.iter().any(|f| f["exhibit"] == **exhibit && f["sha256"] == *large_sha), "the large one was acknowledged and lost");
    }
    crowd.also_sent(&large_sha, 6).await;
    crowd.end(&mut server).await;
}

/// Bucket, prefix with its slash, and a client, of a store's URL.
pub fn client(url: &str) -> (String, String, aws_sdk_s3::Client) {
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
    let rest = url.strip_prefix("s3://").unwrap();
    let (path, query) = rest.split_once('?').unwrap();
    let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
    let options: HashMap<&str, &str> = query.split('&').filter_map(|p| p.split_once('=')).collect();
    // Ceph has keys of its own.
    let ceph = std::env::var("TEMOIN_TEST_CEPH").is_ok_and(|ceph| ceph.split_once("endpoint=").unwrap().1.starts_with(options["endpoint"]));
    let secret = |name: &str| std::env::var(if ceph { name.replace("AWS_", "CEPH_") } else { name.into() }).unwrap();
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .credentials_provider(Credentials::new(secret("AWS_ACCESS_KEY_ID"), secret("AWS_SECRET_ACCESS_KEY"), None, None, "test"))
        .region(Region::new(options["region"].to_owned()))
        .endpoint_url(options["endpoint"])
        .force_path_style(true)
        .build();
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    (bucket.to_owned(), prefix, aws_sdk_s3::Client::from_conf(config))
}
