//! The admin port: `/healthz`, `/readyz`, `/metrics` over plain HTTP.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

use crate::board::Board;

/// Connections at the same time; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// A connection ends after this whatever it does, so that a silent client cannot keep its place.
const CONNECTION_SECS_MAX: u64 = 60;

const INDEX: &str = "\
Peerage
  /healthz  200 while every shard reports, 503 with the shards that do not
  /readyz   200 while traffic is accepted, 503 before and while draining
  /metrics  figures for Prometheus
";

#[derive(Clone)]
struct Shown {
    board: Arc<Mutex<Board>>,
    registry: Arc<Registry>,
}

/// Serves until `stop` resolves.
///
/// # Errors
/// As the listener's.
pub async fn serve(
    listener: TcpListener,
    board: Arc<Mutex<Board>>,
    registry: Registry,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let shown = Shown { board, registry: Arc::new(registry) };
    let bounded = Bounded { listener, places: Arc::new(Semaphore::new(CONNECTIONS_MAX)) };
    axum::serve(bounded, router(shown)).with_graceful_shutdown(stop).await
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/", get(async || INDEX))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(shown)
}

async fn healthz(State(shown): State<Shown>) -> Response {
    let silent = shown.board.lock().unwrap_or_else(PoisonError::into_inner).silent();
    if silent.is_empty() {
        return "ok\n".into_response();
    }
    let shards: Vec<String> = silent.iter().map(ToString::to_string).collect();
    let text = format!("no report from shard {}\n", shards.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn readyz(State(shown): State<Shown>) -> Response {
    let board = shown.board.lock().unwrap_or_else(PoisonError::into_inner);
    if board.is_ready() {
        "ready\n".into_response()
    } else {
        let why = if board.draining { "draining\n" } else { "starting\n" };
        (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
    }
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let mut body = String::with_capacity(16 * 1024);
    if text::encode(&mut body, &shown.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

/// A listener with a bound on open connections.
struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl axum::serve::Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                // The semaphore is never closed.
                std::future::pending::<()>().await;
                continue;
            };
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let ends = tokio::time::sleep(Duration::from_secs(CONNECTION_SECS_MAX));
                    return (Connection { stream, ends: Box::pin(ends), _place: place }, address);
                }
                // Out of descriptors: wait for some to come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with its place and its end.
struct Connection {
    stream: TcpStream,
    ends: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ends.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.ends.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn health_readiness_and_figures_are_served() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let board = Arc::new(Mutex::new(Board::new(1)));
        let registry = crate::metrics::registry(Arc::clone(&board), None);
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(listener, board, registry, async {
            let _ = stopped.await;
        }));

        assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        let readyz = get(address, "/readyz").await;
        assert!(readyz.starts_with("HTTP/1.1 503") && readyz.ends_with("starting\n"), "{readyz}");
        let metrics = get(address, "/metrics").await;
        assert!(metrics.contains("openmetrics-text"), "{metrics}");
        assert!(metrics.contains("peerage_config_generation 1"), "{metrics}");
        assert!(get(address, "/").await.contains("/healthz"));
        assert!(get(address, "/nothing").await.starts_with("HTTP/1.1 404"));
        drop(stop);
        served.await.unwrap().unwrap();
    }
}
