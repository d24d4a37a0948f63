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
