//! A small HTTP client: one request on a connection, over TCP or TLS.

use crate::running::{Running, config};
use cairn_server::Config;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: hyper::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The message of a refusal, which has this status.
    #[track_caller]
    pub fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        let body = self.json();
        assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
        body["error"].as_str().unwrap().to_owned()
    }

    /// The body of what was done.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

/// Sends a request with these headers.
pub async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Vec<u8>>,
) -> Answer {
    let stream = TcpStream::connect(addr).await.unwrap();
    send_on(stream, addr, method, path, headers, body.into()).await
}

pub async fn send_on<S>(
    stream: S,
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let driving = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method.parse::<Method>().unwrap())
        .uri(path)
        .header("host", addr.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(http_body_util::Full::new(hyper::body::Bytes::from(body))).unwrap();
    let answer = whole(sender.send_request(request).await.unwrap()).await;
    drop(sender);
    driving.abort();
    answer
}

async fn whole(response: Response<Incoming>) -> Answer {
    use http_body_util::BodyExt;
    let (parts, body) = response.into_parts();
    let status: StatusCode = parts.status;
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: status.as_u16(), headers: parts.headers, body }
}

/// The default configuration with HTTP on a free port.
pub fn http_config() -> Config {
    let mut config = config();
    config.http.enabled = true;
    config.http.listen.port = 0;
    config
}

/// A server with HTTP.
pub struct Http {
    pub running: Running,
    pub addr: SocketAddr,
}

impl Http {
    pub async fn start() -> Http {
        Http::start_with(http_config()).await
    }

    pub async fn start_with(config: Config) -> Http {
        let running = Running::start_with(config).await;
        let addr = running.http.unwrap();
        Http { running, addr }
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.addr, "GET", path, &[], "").await
    }

    /// Sends JSON.
    pub async fn json(&self, method: &str, path: &str, body: Value) -> Answer {
        let kind = [("content-type", "application/json")];
        send(self.addr, method, path, &kind, body.to_string()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.json("POST", path, body).await
    }

    pub async fn stop(self) {
        self.running.stop().await;
    }
}
