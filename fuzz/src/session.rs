//! The session: the loop that serves a connection, over a stream in memory that is cut anywhere.

use crate::conversation::{compare, dialect, pieces, replies, replies_so_far};
use crate::scene::{self, ROOMS, Scene};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

pub const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Whatever takes as long will not end.
const DEADLINE: Duration = Duration::from_secs(60);

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The peer sends all, says that this is the end, and reads to the end.
    Orderly,
    /// The peer goes away after so many pieces.
    PeerGone(usize),
    /// The server stops after so many pieces.
    Stopped(usize),
}

thread_local! {
    static RUNTIME: RefCell<Runtime> = RefCell::new(runtime());
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Does something that waits, on this thread.
pub fn block_on<T>(what: impl Future<Output = T>) -> T {
    RUNTIME.with_borrow(|runtime| {
        runtime.block_on(async { timeout(DEADLINE, what).await.expect("it ends in time") })
    })
}

/// Input: how the rest is spoken, cut and ended, and the bytes of a connection. Each request has its reply as from the
/// interpreter alone, however the bytes come and go; a connection that ended holds nothing.
pub fn check(data: &[u8]) {
    let [how, seed, input @ ..] = data else { return };
    let text = [format!("USE {}\r\n", ROOMS[1]).as_bytes(), input].concat();
    let pieces = pieces(&text, *seed);
    let at = pieces.len() * usize::from(how >> 5) / 7;
    let end = match how >> 1 & 3 {
        2 => End::PeerGone(at),
        3 => End::Stopped(at),
        _ => End::Orderly,
    };
    // So many bytes are on the way at most, and so many are read at once.
    let room = 16 << (2 * (how >> 3 & 3));
    scene::with(dialect(*how), |scene| {
        let out = block_on(talk(scene, &pieces, end, room));
        assert_eq!(scene.server().held_bytes(), 0, "what a connection held is given back");
        match end {
            End::Orderly => orderly(scene, input, &text, &out),
            End::PeerGone(_) if scene.is_as_new() => Vec::new(),
            // What it did is not known, so the next one begins with another database.
            End::PeerGone(_) => vec![b"gone".to_vec()],
            End::Stopped(_) => replies_so_far(&text, &out),
        }
    });
}

/// The replies to the input, as from the interpreter alone when that decides them.
fn orderly(scene: &Scene, input: &[u8], text: &[u8], out: &[u8]) -> Vec<Vec<u8>> {
    let mut answers = replies(text, out);
    let used = answers.remove(0);
    assert!(used.starts_with(b"OK USE "), "{}", String::from_utf8_lossy(&used));
    let mut alone = Vec::new();
    scene.in_room(scene.config.rules(), ROOMS[0]).handle(input, &*scene.backend, &mut alone);
    let alone = replies(input, &alone);
    compare(input, &alone, &answers);
    answers.extend(alone);
    answers
}

/// What the server says to these pieces.
async fn talk(scene: &Scene, pieces: &[&[u8]], end: End, room: usize) -> Vec<u8> {
    let (client, server) = duplex(room);
    let (stop, stopping) = watch::channel(false);
    let serving = scene.server().serve(server, PEER, stopping);
    let talking = async {
        let out = converse(client, pieces, end, room, &stop).await;
        drop(stop);
        out
    };
    tokio::join!(serving, talking).1
}

async fn converse(
    client: DuplexStream,
    pieces: &[&[u8]],
    end: End,
    room: usize,
    stop: &watch::Sender<bool>,
) -> Vec<u8> {
    let (mut read, mut write) = split(client);
    let sending = async {
        for (n, piece) in pieces.iter().enumerate() {
            match end {
                End::PeerGone(at) if at == n => return,
                // Its receiver may be gone with the session.
                End::Stopped(at) if at == n => drop(stop.send(true)),
                _ => {}
            }
            if write.write_all(piece).await.is_err() {
                break;
            }
            if n % 3 == 0 {
                yield_now().await;
            }
        }
        // One that was stopped may have gone already.
        let _ = write.shutdown().await;
    };
    let reading = async {
        let (mut out, mut buffer) = (Vec::new(), vec![0; room]);
        while let Ok(n @ 1..) = read.read(&mut buffer).await {
            out.extend_from_slice(&buffer[..n]);
        }
        out
    };
    if let End::PeerGone(_) = end {
        // It reads nothing, so what it sends may have no room.
        let _ = timeout(Duration::from_millis(1), sending).await;
        return Vec::new();
    }
    tokio::join!(sending, reading).1
}
