//! The HTTP listener: its connections, their limits, and how they end.

use super::access::Peer;
use super::call::Gate;
use super::routes;
use crate::config::Config;
use crate::connections::Connections;
use crate::failure::Failure;
use crate::server::{Active, bind, prepare};
use crate::session::{Service, close};
use crate::tls::Tls;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

/// How long accepting pauses when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Refused connections that are still being told so, at most; more are closed without a word.
const REFUSING_MAX: usize = 64;
/// How long a refused connection may take to read why.
const REFUSAL_LINGER: Duration = Duration::from_secs(1);
/// Bytes of a request's head, and what is read ahead of a body.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Listens for HTTP, with or without TLS.
pub(crate) struct Listener {
    listener: TcpListener,
    addr: SocketAddr,
    service: Arc<Service>,
    tls: Option<Tls>,
}

impl Listener {
    /// Listens. Nothing is served until [`Listener::run`].
    pub async fn bind(config: &Config, service: Arc<Service>, tls: Option<Tls>) -> Result<Listener, Failure> {
        let (listener, addr) = bind(&config.http.listen).await?;
        let tls = tls.filter(|_| config.http.tls);
        Ok(Listener { listener, addr, service, tls })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `stopping` turns true, and then until every request that was read is answered.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        let Listener { listener, service, tls, .. } = self;
        let open = Arc::<Connections>::default();
        let refusing = Arc::new(Semaphore::new(REFUSING_MAX));
        let gate = Arc::new(Gate::new(Arc::clone(&service), stopping.clone()));
        let router = routes::router(gate);
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stopped(&mut stopping) => break,
                Some(ended) = connections.join_next() => {
                    crate::server::ended_well(ended);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            service.counters.connections.add(1);
            let peer = peer.ip().to_canonical();
            let place = match open.take(peer, &service.live.config()) {
                Ok(place) => place,
                Err(failure) => {
                    if let Ok(permit) = Arc::clone(&refusing).try_acquire_owned() {
                        connections.spawn(async move {
                            refuse(stream, &failure).await;
                            drop(permit);
                        });
                    }
                    continue;
                }
            };
            let config = service.live.config();
            let (timeout, take_timeout) = (config.http.timeout, config.idle_timeout);
            let (router, stopping) = (router.clone(), stopping.clone());
            let connection = Connection { router, peer: Peer(peer), timeout, take_timeout, stopping };
            let (active, tls) = (Active::new(Arc::clone(&service)), tls.clone());
            connections.spawn(async move {
                connection.begin(stream, tls).await;
                drop((active, place));
            });
        }
        drop(listener);
        while let Some(ended) = connections.join_next().await {
            crate::server::ended_well(ended);
        }
    }
}

/// Done once the server stops, or is gone.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Its guard is of no use, and must not be held.
    drop(stopping.wait_for(|stop| *stop).await);
}

/// Says that there are too many.
async fn refuse(mut stream: TcpStream, failure: &Failure) {
    let body = serde_json::json!({"error": failure.to_string()}).to_string();
    let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let response = format!("{head}Retry-After: 1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    if stream.write_all(response.as_bytes()).await.is_ok() {
        close(stream, REFUSAL_LINGER).await;
    }
}

struct Connection {
    router: Router,
    peer: Peer,
    /// Of a head, and of the silence between two requests.
    timeout: Duration,
    /// How long a peer may take nothing of an answer that is ready.
    take_timeout: Duration,
    stopping: watch::Receiver<bool>,
}

impl Connection {
    async fn begin(self, stream: TcpStream, tls: Option<Tls>) {
        prepare(&stream);
        match tls {
            None => self.serve(stream).await,
            Some(tls) => {
                if let Some(stream) = tls.accept(stream).await {
                    self.serve(stream).await;
                }
            }
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, stream: S) {
        let Connection { router, peer, timeout, take_timeout, mut stopping } = self;
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(take_timeout));
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(timeout)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(Box::pin(stream)), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = stopped(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // The peer went away or was too slow: there is no one to tell.
            tracing::debug!(%error, "an HTTP connection ended");
        }
    }
}
