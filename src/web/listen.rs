//! The listener: hyper's own connection builder with a deadline for headers and bounded buffers, because
//! `axum::serve` never gives up a slow connection. Bodies have their own deadline in `intake::receive` and
//! in [`super::routes`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::{ServiceExt as _, service_fn};

use super::tls::Tls;
use crate::app::App;
use crate::error::Result;

/// hyper's read buffer grows to this at the most; it is what a connection costs in memory. While there are few
/// connections it may be large, which saves a quarter of a large file's processor time.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
const LARGE_BUFFER_BYTES_MAX: usize = 256 * 1024;
const FEW: usize = 40;
/// All headers of a request together. (The read buffer's limit alone lets a quick client send more.)
const HEADER_BYTES_MAX: usize = 32 * 1024;
/// How long what was ended may take to be written down and answered.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Serves until `stop` resolves, then lets running requests end for as long as `grace`. Uploads that are still under way then are ended; what
/// came of them is kept, and their clients are told to go on.
pub async fn serve(app: Arc<App>, listener: TcpListener, router: Router, stop: impl Future<Output = ()>, grace: Duration) -> Result<()> {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(app.config.limits.header_seconds))
        .max_header_size(HEADER_BYTES_MAX)
        .max_headers(100);
    let graceful = GracefulShutdown::new();
    let header_wait = Duration::from_secs(app.config.limits.header_seconds);
    let tls = Tls::new(&app.config.tls)?;
    let write_timeout_ms = u32::try_from(app.config.limits.write_seconds.saturating_mul(1000)).unwrap_or(u32::MAX);
    let slots = Arc::new(Semaphore::new(app.config.limits.connections_max));
    let mut stop = std::pin::pin!(stop);
    loop {
        let slot = tokio::select! {
            slot = slots.clone().acquire_owned() => slot,
            () = &mut stop => break,
        };
        let Ok(slot) = slot else { break };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    // Out of file descriptors, most likely: wait for some to come back.
                    tracing::warn!(cause = %e, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let _ = stream.set_nodelay(true);
        // A client that takes nothing of an answer is given up by the kernel: hyper has no deadline for writing.
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, write_timeout_ms);
        let few = app.config.limits.connections_max - slots.available_permits() <= FEW;
        http.max_buf_size(if few { LARGE_BUFFER_BYTES_MAX } else { BUFFER_BYTES_MAX });
        let service = TowerToHyperService::new(service(router.clone(), peer));
        // A broken connection is the client's business; handlers have logged what is ours.
        match &tls {
            None => {
                let watched = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
                tokio::spawn(async move {
                    let _ = watched.await;
                    drop(slot);
                });
            }
            Some(tls) => {
                let (acceptor, http, watcher, wait) = (tls.acceptor(), http.clone(), graceful.watcher(), header_wait);
                tokio::spawn(async move {
                    // The handshake is given as long as the headers.
                    if let Ok(Ok(stream)) = tokio::time::timeout(wait, acceptor.accept(stream)).await {
                        let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
                    }
                    drop(slot);
                });
            }
        }
    }
    drop(listener);
    let mut ended = std::pin::pin!(graceful.shutdown());
    if tokio::time::timeout(grace, &mut ended).await.is_err() {
        app.closing.cancel();
        let _ = tokio::time::timeout(LAST_WORDS, ended).await;
    }
    app.closing.cancel();
    // Uploads are tasks of their own, which outlive their connections until what came is written down.
    let written = async {
        while !app.traffic.turns.idle() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let _ = tokio::time::timeout(LAST_WORDS, written).await;
    Ok(())
}

fn service(
    router: Router,
    peer: SocketAddr,
) -> impl tower::Service<hyper::Request<Incoming>, Response = axum::response::Response, Error = Infallible, Future: Send> + Clone {
    service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    })
}
