//! `ReadAhead`: a reader on a thread of its own, which reads, checks and decodes ahead of whoever applies.

use crate::reader::Reader;
use crate::record::RecordRef;
use crate::{Error, Result};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// Records decoded into one message.
const CHUNK_RECORDS: usize = 512;
/// Bytes of records, about, that end a message early.
const CHUNK_BYTES: usize = 256 << 10;
/// Messages that may wait.
const CHUNKS_AHEAD: usize = 4;

/// The records of a log, decoded ahead on another thread, in order. Bounded: it stops while enough waits. An error comes
/// where its record would, and is the end. Dropped, it stops. A panic of `decode` goes on in the thread that iterates.
#[derive(Debug)]
pub struct ReadAhead<T> {
    chunk: VecDeque<Result<T>>,
    chunks: Option<Receiver<VecDeque<Result<T>>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> ReadAhead<T> {
    /// Reads on from where `reader` stands; `decode` runs on the other thread.
    pub fn new(mut reader: Reader, decode: impl Fn(RecordRef<'_>) -> T + Send + 'static) -> ReadAhead<T> {
        let (send, chunks) = sync_channel(CHUNKS_AHEAD);
        let run = move || {
            while let Some(chunk) = next_chunk(&mut reader, &decode) {
                if send.send(chunk).is_err() {
                    return;
                }
            }
        };
        match std::thread::Builder::new().name("read-ahead".to_owned()).spawn(run) {
            Ok(thread) => ReadAhead { chunk: VecDeque::new(), chunks: Some(chunks), thread: Some(thread) },
            Err(e) => {
                let error = Error::Thread { reason: e.to_string() };
                ReadAhead { chunk: VecDeque::from([Err(error)]), chunks: None, thread: None }
            }
        }
    }
}

/// The next records; `None` at the end.
fn next_chunk<T>(reader: &mut Reader, decode: &impl Fn(RecordRef<'_>) -> T) -> Option<VecDeque<Result<T>>> {
    let mut chunk = VecDeque::new();
    let mut bytes = 0;
    while chunk.len() < CHUNK_RECORDS && bytes < CHUNK_BYTES {
        match reader.next_ref() {
            None => break,
            Some(Err(e)) => {
                chunk.push_back(Err(e));
                break;
            }
            Some(Ok(record)) => {
                bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
                chunk.push_back(Ok(decode(record)));
            }
        }
    }
    (!chunk.is_empty()).then_some(chunk)
}

impl<T> Iterator for ReadAhead<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.chunk.is_empty() {
            match self.chunks.as_ref()?.recv() {
                Ok(chunk) => self.chunk = chunk,
                // The sender is gone: at the end, or because it panicked, which must not look like the end.
                Err(_) => {
                    self.chunks = None;
                    if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
        self.chunk.pop_front()
    }
}

impl<T> Drop for ReadAhead<T> {
    fn drop(&mut self) {
        self.chunks = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing left to say.
            let _ = thread.join();
        }
    }
}
