//! The conversation: the bytes of one connection, with a whole engine in memory behind it.

use cairn_client::{Decoder, Shape};
use cairn_disk::{SimDisk, Storage};
use cairn_engine::{Engine, Limits, ManualClock, Options};
use cairn_server::{Config, Counters, Dialect, EngineBackend, Interpreter, Live, Rules};
use std::path::PathBuf;
use std::sync::Arc;

/// The longest line, so that longer ones are found soon.
const LINE_BYTES_MAX: usize = 1000;
/// Longer than any reply to a line as short as that, of as few items.
const REPLY_BYTES_MAX: usize = 1 << 20;
/// What a connection may hold of lines when they come in small pieces.
const HELD_BYTES_MAX: usize = 8 * LINE_BYTES_MAX;
/// 2025-01-18 12:00:00 UTC.
const NOW_US: i64 = 1_737_201_600_000_000;
/// Requests whose replies are decided by those before them, whatever the time and however they arrive.
const DECIDED: [&str; 6] = ["VECSET", "EVENT", "METASET", "VECDEL", "SIM", "SIMV"];

/// Input: how the rest is spoken and cut, and the bytes of a connection. Each request has one reply of the form that its client
/// expects, however the bytes come, and little is held.
pub fn check(data: &[u8]) {
    let [how, seed, input @ ..] = data else { return };
    let dialect = if how & 1 == 0 { Dialect::Documented } else { Dialect::Nvecd };
    let (whole, _) = answered(dialect, &[input]);
    let whole = replies(input, &whole);
    let (cut, held) = answered(dialect, &pieces(input, *seed));
    let cut = replies(input, &cut);
    assert!(held <= HELD_BYTES_MAX, "{held} bytes are held of lines of {LINE_BYTES_MAX}");
    if requests(input).iter().all(|line| is_decided(line)) {
        assert_eq!(whole, cut, "how bytes arrive decides nothing");
    }
}

/// The requests of a connection, empty lines left out; the last, unfinished one only when it is answered at once.
fn requests(input: &[u8]) -> Vec<&[u8]> {
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
fn pieces(mut input: &[u8], seed: u8) -> Vec<&[u8]> {
    let (mut pieces, mut n) = (Vec::new(), usize::from(seed));
    while !input.is_empty() {
        n = (n * 17 + 5) % 61;
        let (piece, rest) = input.split_at((n + 1).min(input.len()));
        pieces.push(piece);
        input = rest;
    }
    pieces
}

/// What a new database answers to these pieces, and the most that the connection held after one.
fn answered(dialect: Dialect, pieces: &[&[u8]]) -> (Vec<u8>, usize) {
    let disk = SimDisk::new(1);
    let storage: Arc<dyn Storage> = Arc::new(disk);
    let mut config = Config { data_dir: PathBuf::from("/db"), ..Config::default() };
    config.snapshot.dir = PathBuf::from("/snapshots");
    let options = Options { clock: Arc::new(ManualClock::new(NOW_US)), ..config.engine_options() };
    let (engine, _) = Engine::open(Arc::clone(&storage), &config.data_dir, options).expect("an empty disk");
    let counters = Arc::new(Counters::default());
    let live = Arc::new(Live::new(config.clone()).expect("the default configuration"));
    let backend = EngineBackend::new(&config, engine, storage, Arc::clone(&counters)).with_live(live);
    let limits = Limits { dimension: 64, ..Limits::default() };
    let rules = Rules { limits, line_bytes_max: LINE_BYTES_MAX, dialect };
    let mut interpreter = Interpreter::new(Arc::new(rules), counters);
    let (mut out, mut held) = (Vec::new(), 0);
    for piece in pieces {
        interpreter.handle(piece, &backend, &mut out);
        held = held.max(interpreter.framer().held_bytes());
    }
    (out, held)
}

/// The replies as a client takes them apart: as many as there are requests.
fn replies(input: &[u8], out: &[u8]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(REPLY_BYTES_MAX);
    decoder.feed(out);
    let mut replies = Vec::new();
    for line in requests(input) {
        let Some(shape) = Shape::of(line) else { continue };
        let shown = || String::from_utf8_lossy(line).into_owned();
        match decoder.next(shape) {
            Ok(Some(frame)) => replies.push([frame.head, frame.body].concat()),
            Ok(None) => panic!("no reply to {:?}", shown()),
            Err(error) => panic!("{:?}: {error}", shown()),
        }
    }
    assert!(decoder.pending().is_empty(), "more replies than requests");
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
