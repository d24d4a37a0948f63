//! The stream: a connected socket of either kind, in two halves.

use crate::{Endpoint, Error, Result};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

/// A connected socket.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The half that reads.
#[derive(Debug)]
pub(crate) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

/// The half that writes.
#[derive(Debug)]
pub(crate) enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

impl Stream {
    /// Connects; whoever calls says how long it may take.
    pub(crate) async fn connect(endpoint: &Endpoint) -> Result<Stream> {
        let connected = match endpoint {
            Endpoint::Tcp(addr) => tcp(addr).await.map(Stream::Tcp),
            Endpoint::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
        };
        connected.map_err(|source| Error::Connect { addr: endpoint.to_string(), source })
    }

    pub(crate) fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Stream::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
            }
            Stream::Unix(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Unix(read), WriteHalf::Unix(write))
            }
        }
    }
}

async fn tcp(addr: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl ReadHalf {
    /// Appends what comes; 0 bytes: the peer sends no more.
    pub(crate) async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            ReadHalf::Tcp(read) => read.read_buf(buffer).await,
            ReadHalf::Unix(read) => read.read_buf(buffer).await,
        }
    }

    /// As [`ReadHalf::read`], but takes only what is there already.
    pub(crate) fn try_read(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            ReadHalf::Tcp(read) => read.try_read_buf(buffer),
            ReadHalf::Unix(read) => read.try_read_buf(buffer),
        }
    }
}

impl WriteHalf {
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            WriteHalf::Tcp(write) => write.write(bytes).await,
            WriteHalf::Unix(write) => write.write(bytes).await,
        }
    }

    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            WriteHalf::Tcp(write) => write.shutdown().await,
            WriteHalf::Unix(write) => write.shutdown().await,
        }
    }
}
