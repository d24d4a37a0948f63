//! The conversation: the bytes of one connection, with a whole engine in memory behind it.

use crate::scene::{self, LINE_BYTES_MAX, ROOMS, Scene};
use cairn_client::{Decoder, Shape};
use cairn_engine::Limits;
use cairn_server::{Dialect, Rules};

/// Longer than any reply to a line as short as that, of as few items.
const REPLY_BYTES_MAX: usize = 1 << 20;
/// What a connection may hold of lines when they come in small pieces.
const HELD_BYTES_MAX: usize = 8 * LINE_BYTES_MAX;
/// Requests whose replies are decided by those before them, whatever the time and however they arrive.
const DECIDED: [&str; 6] = ["VECSET", "EVENT", "METASET", "VECDEL", "SIM", "SIMV"];

/// Input: how the rest is spoken and cut, and the bytes of a connection. Each request has one reply of the form that its client
/// expects, however the bytes come, and little is held.
pub fn check(data: &[u8]) {
    let [how, seed, input @ ..] = data else { return };
    scene::with(dialect(*how), |scene| {
        let [mut whole, cut] = ROOMS.map(|room| check_on(scene, Some(room), input, *seed, room == ROOMS[1]));
        compare(input, &whole, &cut);
        whole.extend(cut);
        whole
    });
}

/// As [`check`], in the collection `default` of databases that nothing was done with before.
pub fn check_alone(data: &[u8]) {
    let [how, seed, input @ ..] = data else { return };
    let replies = [false, true].map(|cut| check_on(&Scene::new(dialect(*how)), None, input, *seed, cut));
    compare(input, &replies[0], &replies[1]);
}

/// The dialect that a first byte asks for.
pub fn dialect(how: u8) -> Dialect {
    if how & 1 == 0 { Dialect::Documented } else { Dialect::Nvecd }
}

/// The replies to an input that comes whole or in pieces.
fn check_on(scene: &Scene, room: Option<&str>, input: &[u8], seed: u8, cut: bool) -> Vec<Vec<u8>> {
    let pieces = if cut { pieces(input, seed) } else { vec![input] };
    let (out, held) = answered(scene, room, &pieces);
    assert!(!cut || held <= HELD_BYTES_MAX, "{held} bytes are held of lines of {LINE_BYTES_MAX}");
    replies(input, &out)
}

/// How bytes arrive decides nothing.
pub fn compare(input: &[u8], one: &[Vec<u8>], other: &[Vec<u8>]) {
    if requests(input).iter().all(|line| is_decided(line)) {
        assert_eq!(one, other, "how bytes arrive decides nothing");
    }
}

/// The requests of a connection, empty lines left out; the last, unfinished one only when it is answered at once.
pub fn requests(input: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = input.split(|b| *b == b'\n').collect();
    let last = lines.pop().unwrap_or_default();
    // One byte more than the limit may still be a `\r`.
    lines.extend((last.len() > LINE_BYTES_MAX + 1).then_some(last));
    lines.retain(|line| Shape::of(line).is_some());
    lines
}

fn is_decided(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let first = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()).unwrap_or_default();
    line.len() <= LINE_BYTES_MAX && DECIDED.iter().any(|name| first.eq_ignore_ascii_case(name.as_bytes()))
}

/// Pieces of 1 to 61 bytes, by a seed.
pub fn pieces(mut input: &[u8], seed: u8) -> Vec<&[u8]> {
    let (mut pieces, mut n) = (Vec::new(), usize::from(seed));
    while !input.is_empty() {
        n = (n * 17 + 5) % 61;
        let (piece, rest) = input.split_at((n + 1).min(input.len()));
        pieces.push(piece);
        input = rest;
    }
    pieces
}

/// What is answered to these pieces, in a room or in `default`, and the most that the connection held after one.
fn answered(scene: &Scene, room: Option<&str>, pieces: &[&[u8]]) -> (Vec<u8>, usize) {
    let limits = Limits { dimension: 64, ..Limits::default() };
    let rules = Rules { limits, ..scene.config.rules() };
    let mut interpreter = match room {
        Some(room) => scene.in_room(rules, room),
        None => scene.connection(rules),
    };
    let (mut out, mut held) = (Vec::new(), 0);
    for piece in pieces {
        interpreter.handle(piece, &*scene.backend, &mut out);
        held = held.max(interpreter.framer().held_bytes());
    }
    (out, held)
}

/// The replies as a client takes them apart: as many as there are requests.
pub fn replies(input: &[u8], out: &[u8]) -> Vec<Vec<u8>> {
    let (requests, replies) = (requests(input), replies_so_far(input, out));
    let unanswered = requests.get(replies.len()).map(|line| String::from_utf8_lossy(line));
    assert!(unanswered.is_none(), "no reply to {unanswered:?}");
    replies
}

/// As [`replies`], of a connection that may have ended before all was answered.
pub fn replies_so_far(input: &[u8], out: &[u8]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(REPLY_BYTES_MAX);
    decoder.feed(out);
    let mut replies = Vec::new();
    for line in requests(input) {
        let Some(shape) = Shape::of(line) else { continue };
        match decoder.next(shape) {
            Ok(Some(frame)) => replies.push([frame.head, frame.body].concat()),
            Ok(None) => break,
            Err(error) => panic!("{:?}: {error}", String::from_utf8_lossy(line)),
        }
    }
    assert!(decoder.pending().is_empty(), "more or less than whole replies");
    replies
}

/// Inputs to begin with: the requests of the table of the contract (a Rust source), one by one and as one conversation, in both
/// dialects.
pub fn seeds(table: &str) -> Vec<Vec<u8>> {
    let request = |line: &str| {
        let line = line.trim().trim_start_matches('(').strip_prefix('"')?;
        let (request, _) = line.split_once("\\r\\n\"").or_else(|| line.split_once("\\n\""))?;
        let is_reply = ["OK ", "+OK", "(error)", "ERROR"].iter().any(|word| request.starts_with(word));
        (!is_reply && !request.is_empty() && !request.contains('\\')).then(|| format!("{request}\r\n"))
    };
    let requests: Vec<String> = table.lines().filter_map(request).collect();
    let mut seeds: Vec<Vec<u8>> =
        requests.iter().map(|line| [b"\x00\x07", line.as_bytes()].concat()).collect();
    for how in [0, 1] {
        seeds.push([&[how, 3], requests.concat().as_bytes()].concat());
    }
    seeds
}
