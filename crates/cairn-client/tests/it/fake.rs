//! A server that says what a test tells it to.

use std::future::Future;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Runs a test on a runtime of its own.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// Answers the n-th request line with the n-th of `replies`, as raw bytes, then closes. The lines it got come back
/// through the handle.
pub async fn scripted(replies: Vec<&'static [u8]>) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let handle = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut lines, mut out) = split(stream);
        let mut got = Vec::new();
        for reply in replies {
            got.push(lines.next_line().await.unwrap().unwrap());
            out.write_all(reply).await.unwrap();
        }
        got
    });
    (addr, handle)
}

type Lines = tokio::io::Lines<BufReader<tokio::net::tcp::OwnedReadHalf>>;

pub fn split(stream: TcpStream) -> (Lines, tokio::net::tcp::OwnedWriteHalf) {
    let (read, write) = stream.into_split();
    (BufReader::new(read).lines(), write)
}

/// What a scripted connection does with the request it got.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// Answers with these bytes.
    Say(&'static [u8]),
    /// Answers with these bytes, a byte at a time.
    Trickle(&'static [u8]),
    /// Reads the request, then closes without an answer.
    Close,
    /// Answers with these bytes, then closes.
    SayAndClose(&'static [u8]),
    /// Reads the request and never answers; the connection stays open.
    Hang,
}

/// A server whose n-th connection does the n-th of `connections`, a step for each request line; then it is closed. Gives
/// all lines it got, with the number of their connection, when the last is done.
pub async fn connections(
    connections: Vec<Vec<Act>>,
) -> (SocketAddr, tokio::task::JoinHandle<Vec<(usize, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let handle = tokio::spawn(async move {
        let mut got = Vec::new();
        for (n, acts) in connections.into_iter().enumerate() {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut lines, mut out) = split(stream);
            for act in acts {
                let Some(line) = lines.next_line().await.unwrap() else { break };
                got.push((n, line));
                match act {
                    Act::Say(bytes) => out.write_all(bytes).await.unwrap(),
                    Act::Trickle(bytes) => {
                        for byte in bytes {
                            out.write_all(&[*byte]).await.unwrap();
                            tokio::task::yield_now().await;
                        }
                    }
                    Act::Close => break,
                    Act::SayAndClose(bytes) => {
                        out.write_all(bytes).await.unwrap();
                        break;
                    }
                    Act::Hang => {
                        // Open as long as the test runs.
                        tokio::spawn(async move {
                            let _held = (lines, out);
                            std::future::pending::<()>().await;
                        });
                        break;
                    }
                }
            }
        }
        got
    });
    (addr, handle)
}

/// Options that reconnect without long waits.
pub fn patient() -> cairn_client::Options {
    let reconnect = cairn_client::Reconnect {
        attempts: 3,
        delay_first: std::time::Duration::from_millis(1),
        delay_max: std::time::Duration::from_millis(2),
        repeat_writes: false,
    };
    cairn_client::Options { reconnect: Some(reconnect), ..cairn_client::Options::default() }
}
