//! The bare server: its loop of a connection and its HTTP endpoints, without sockets.

use crate::backend::Backend;
use crate::config::Config;
use crate::counters::Counters;
use crate::failure::Failure;
use crate::http::{self, Gate, Peer};
use crate::session::{Service, serve};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::ServiceExt;

/// What a server does with bytes, for whoever brings them otherwise than by sockets: tests and fuzzing.
pub struct Bare {
    service: Arc<Service>,
    stop: watch::Sender<bool>,
    /// Made with the first request: it takes as long as many of them.
    router: OnceLock<Router>,
}

impl std::fmt::Debug for Bare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bare").finish_non_exhaustive()
    }
}

/// A request of HTTP.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// The method, as `GET`.
    pub method: &'a str,
    /// The path, and the query after `?`.
    pub uri: &'a str,
    /// Names and values.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// The body, in the pieces in which it comes.
    pub body: Vec<Vec<u8>>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// As 200.
    pub status: u16,
    /// The content type; empty: none.
    pub content_type: String,
    /// The whole body; of a stream of events its first one.
    pub body: Vec<u8>,
}

impl Bare {
    /// With the rules of a configuration. Starts the threads that connections are served on when they ask for much.
    pub fn new(config: &Config, backend: Arc<dyn Backend>, counters: Arc<Counters>) -> Result<Bare, Failure> {
        let service = Arc::new(Service::new(config, backend, counters)?);
        Ok(Bare { service, stop: watch::Sender::new(false), router: OnceLock::new() })
    }

    /// Serves one connection to its end, or until `stop` turns true.
    pub async fn serve<S>(&self, stream: S, peer: IpAddr, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        serve(stream, peer, Arc::clone(&self.service), stop).await;
    }

    /// Bytes that all connections hold now.
    pub fn held_bytes(&self) -> u64 {
        self.service.budget.bytes()
    }

    /// Answers a request. `None`: it is none, since its method, path or headers cannot be of one.
    pub async fn http(&self, asked: Asked<'_>, peer: IpAddr) -> Option<Answered> {
        let mut request = Request::builder().method(asked.method).uri(asked.uri);
        for (name, value) in asked.headers {
            request = request.header(name, value);
        }
        let pieces = Pieces(asked.body.into_iter().map(Bytes::from).collect());
        let mut request = request.body(Body::new(pieces)).ok()?;
        request.extensions_mut().insert(Peer(peer));
        let router = self.router.get_or_init(|| {
            http::router(Arc::new(Gate::new(Arc::clone(&self.service), self.stop.subscribe())))
        });
        let Ok(response) = router.clone().oneshot(request).await;
        let (parts, mut body) = response.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let content_type = kind.unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
            if content_type == "text/event-stream" {
                // It would go on for as long as it is listened to.
                break;
            }
        }
        Some(Answered { status: parts.status.as_u16(), content_type, body: bytes })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // Streams of events end.
        let _ = self.stop.send(true);
    }
}

/// A body of pieces.
struct Pieces(VecDeque<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(hyper::body::Frame::data(piece))))
    }
}
