//! A body as a reader: what comes in is handed to a thread that reads, piece by piece, no more than is waited for.

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use std::io::{self, Read};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

/// Pieces that wait for the reader.
const PIECES_WAITING: usize = 4;

/// Reads what [`feed`] gets.
pub(crate) struct BodyReader {
    pieces: Receiver<io::Result<Bytes>>,
    piece: Bytes,
    /// The body came to its end.
    ended: bool,
}

/// The two ends.
pub(crate) fn streamed() -> (Sender<io::Result<Bytes>>, BodyReader) {
    let (send, pieces) = channel(PIECES_WAITING);
    (send, BodyReader { pieces, piece: Bytes::new(), ended: false })
}

/// Takes the body to the reader until its end, or until nobody reads. A pause longer than `pause`, a body longer than
/// `bytes_max` and one that breaks off are errors to the reader.
pub(crate) async fn feed(mut body: Body, send: Sender<io::Result<Bytes>>, bytes_max: u64, pause: Duration) {
    let mut bytes = 0u64;
    loop {
        let piece = match timeout(pause, body.frame()).await {
            // The reader sees the end when there is nobody to send more.
            Ok(None) => return,
            Ok(Some(Ok(frame))) => Ok(frame.into_data().unwrap_or_default()),
            Ok(Some(Err(error))) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, error.to_string())),
            Err(_) => {
                let message = format!("nothing came for {} s (api.http.timeout_sec)", pause.as_secs());
                Err(io::Error::new(io::ErrorKind::TimedOut, message))
            }
        };
        let piece = piece.and_then(|piece: Bytes| {
            bytes = bytes.saturating_add(piece.len() as u64);
            if bytes <= bytes_max {
                return Ok(piece);
            }
            let message = format!("Request body exceeds maximum allowed: {bytes_max} bytes");
            Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
        });
        let last = piece.is_err();
        if send.send(piece).await.is_err() || last {
            return;
        }
    }
}

impl Read for BodyReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => return Err(error),
                None => self.ended = true,
            }
        }
        let n = self.piece.len().min(out.len());
        out[..n].copy_from_slice(&self.piece.split_to(n));
        Ok(n)
    }
}
