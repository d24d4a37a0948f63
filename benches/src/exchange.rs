//! The exchange: prepared bytes sent, the very bytes expected back; the same client for whichever server.

use crate::Result;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// Longer than any reply takes here: a server that says nothing more is an error, not a hang.
const SILENCE: Duration = Duration::from_secs(30);

/// Requests sent at once, and their replies.
#[derive(Default)]
pub struct Window {
    pub requests: Vec<u8>,
    pub replies: Vec<u8>,
}

/// A request and the reply it must have, one of many.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Where a server is and how it is spoken to.
#[derive(Clone)]
pub struct Peer {
    pub addr: String,
    pub tls: Option<TlsConnector>,
    /// Sent and answered first, untimed: a password.
    pub hello: Option<Pair>,
}

/// A connection, of whichever kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The pairs in windows of so many, dealt to so many connections.
pub fn windows(pairs: Vec<Pair>, connections: usize, pipeline: usize) -> Arc<Vec<Vec<Window>>> {
    let share = pairs.len().div_ceil(connections);
    let window = |pairs: &[Pair]| {
        let mut window = Window::default();
        for (request, reply) in pairs {
            window.requests.extend_from_slice(request);
            window.replies.extend_from_slice(reply);
        }
        window
    };
    Arc::new(pairs.chunks(share).map(|pairs| pairs.chunks(pipeline).map(window).collect()).collect())
}

/// Sends all windows, each connection its own, one after the other, and returns how long all replies took.
pub async fn run(peer: &Peer, shares: &Arc<Vec<Vec<Window>>>) -> Result<Duration> {
    let mut streams = Vec::new();
    for _ in 0..shares.len() {
        streams.push(connect(peer).await?);
    }
    let started = Instant::now();
    let tasks: Vec<_> = (0..)
        .zip(streams)
        .map(|(n, mut stream)| {
            let shares = Arc::clone(shares);
            tokio::spawn(async move {
                let mut buffer = vec![0; 256 << 10];
                for window in shares.get(n).into_iter().flatten() {
                    one(&mut *stream, window, &mut buffer).await?;
                }
                Result::Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(started.elapsed())
}

/// The times of windows sent one at a time on one connection.
pub async fn times(peer: &Peer, windows: &[Window]) -> Result<Vec<Duration>> {
    let mut stream = connect(peer).await?;
    let mut buffer = vec![0; 256 << 10];
    let mut times = Vec::with_capacity(windows.len());
    for window in windows {
        let started = Instant::now();
        one(&mut *stream, window, &mut buffer).await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

async fn connect(peer: &Peer) -> Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(&peer.addr).await?;
    stream.set_nodelay(true)?;
    let mut stream: Box<dyn Stream> = match &peer.tls {
        Some(tls) => Box::new(tls.connect(ServerName::try_from("localhost")?, stream).await?),
        None => Box::new(stream),
    };
    if let Some((request, reply)) = &peer.hello {
        let hello = Window { requests: request.clone(), replies: reply.clone() };
        one(&mut *stream, &hello, &mut vec![0; 4096]).await?;
    }
    Ok(stream)
}

/// Sends a window and reads until all its replies are there.
async fn one(stream: &mut dyn Stream, window: &Window, buffer: &mut [u8]) -> Result<()> {
    timeout(SILENCE, stream.write_all(&window.requests)).await.map_err(|_| "the server takes nothing")??;
    stream.flush().await?;
    let mut rest = window.replies.as_slice();
    while !rest.is_empty() {
        let n = timeout(SILENCE, stream.read(buffer)).await.map_err(|_| "the server says nothing")??;
        let got = buffer.get(..n).unwrap_or_default();
        match rest.strip_prefix(got) {
            Some(left) if n > 0 => rest = left,
            _ => {
                let shown =
                    |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(80).collect::<String>();
                return Err(format!("expected {:?}, got {:?}", shown(rest), shown(got)).into());
            }
        }
    }
    Ok(())
}
