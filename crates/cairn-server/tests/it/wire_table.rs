//! Every request of the contract and its reply, byte for byte, in both dialects: a table to be read beside it. `…` in a reply stands for
//! what differs from run to run (sizes, checksums, memory) within its line, `⋮` for lines that are not the contract's.

use crate::cache::caching;
use crate::past::Past;
use crate::running::{Running, run};
use cairn_disk::{SimDisk, Storage};
use cairn_server::{Config, Dialect, EngineBackend, Interpreter, Live, Password};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a request is answered.
enum Reply {
    /// These bytes in both dialects.
    Both(&'static str),
    /// This message, after each dialect's mark.
    Error(&'static str),
    /// These bytes in the documented dialect, and these in nvecd's.
    Each(&'static str, &'static str),
}

use Reply::{Both, Each, Error};

/// A request and its reply.
type Row = (&'static str, Reply);

impl Reply {
    fn bytes(&self, dialect: Dialect) -> String {
        match (self, dialect) {
            (Both(bytes) | Each(bytes, _), Dialect::Documented)
            | (Both(bytes) | Each(_, bytes), Dialect::Nvecd) => (*bytes).to_owned(),
            (Error(message), Dialect::Documented) => format!("(error) {message}\r\n"),
            (Error(message), Dialect::Nvecd) => format!("ERROR {message}\r\n"),
        }
    }
}

/// One conversation, in this order, on an empty database whose cache keeps every answer.
const TABLE: &[Row] = &[
    // Framing: a request ends in \r\n or \n, an empty line is none.
    ("VECSET a 1 0 0\r\n", Both("OK VECSET\r\n")),
    ("VECSET b 0.6 0.8 0\n", Both("OK VECSET\r\n")),
    ("\r\n", Both("")),
    ("\n", Both("")),
    ("vecset c 0 0 1\r\n", Both("OK VECSET\r\n")),
    // EVENT
    ("EVENT u ADD a 100\r\n", Both("OK EVENT\r\n")),
    ("EVENT u SET b 50\r\n", Both("OK EVENT\r\n")),
    ("SIM a 10 using=events\r\n", Both("OK RESULTS 1\r\nb 5000.0000\r\n")),
    ("EVENT u SET b 50 timestamp=1737201600\r\n", Both("OK EVENT\r\n")),
    ("EVENT u ADD a 100 timestamp=1737201601\r\n", Both("OK EVENT\r\n")),
    ("SIM a 10 using=events\r\n", Both("OK RESULTS 1\r\nb 5000.0000\r\n")),
    ("EVENT u DEL c\r\n", Both("OK EVENT\r\n")),
    ("EVENT u DEL c timestamp=1737201602\r\n", Both("OK EVENT\r\n")),
    ("EVENT u ADD a 101\r\n", Error("Score must be in range [0, 100], got 101")),
    ("EVENT u SET a -1\r\n", Error("Score must be in range [0, 100], got -1")),
    ("EVENT u ADD a x\r\n", Error("Failed to parse integer: x")),
    // VECSET
    ("VECSET d 1 2\r\n", Error("Vector dimension mismatch: expected 3, got 2")),
    ("VECSET d 1 nan 2\r\n", Error("Invalid float: nan")),
    ("VECSET d 1 inf 2\r\n", Error("Invalid float: inf")),
    ("VECSET d 1 foo 2\r\n", Error("Failed to parse float: foo")),
    // METASET
    ("METASET a section:net,size:3,new:true,rank:0.5\r\n", Both("OK METASET\r\n")),
    ("METASET b section:web,size:9,new:false,rank:1.5\r\n", Both("OK METASET\r\n")),
    ("METASET x section:web\r\n", Error("Vector not found for metadata: x")),
    // SIM: its options and errors. The fusion of a: b is first by vectors (0.6) and the only one by events (clamped to 1).
    ("SIM a 10\r\n", Both("OK RESULTS 2\r\nb 1.0000\r\nc 0.0000\r\n")),
    ("SIM a 10 using=fusion\r\n", Both("OK RESULTS 2\r\nb 1.0000\r\nc 0.0000\r\n")),
    ("SIM a 10 using=vectors\r\n", Both("OK RESULTS 2\r\nb 0.6000\r\nc 0.0000\r\n")),
    ("SIM a 1 using=vectors\r\n", Both("OK RESULTS 1\r\nb 0.6000\r\n")),
    ("SIM a 10 using=vectors min_score=0.5\r\n", Both("OK RESULTS 1\r\nb 0.6000\r\n")),
    ("SIM a 10 adaptive=on\r\n", Both("OK RESULTS 2\r\nb 1.0000\r\nc 0.0000\r\n")),
    ("SIM a 10 adaptive=off\r\n", Both("OK RESULTS 2\r\nb 1.0000\r\nc 0.0000\r\n")),
    ("SIM a 0\r\n", Error("top_k must be positive, got 0")),
    ("SIM a 1001\r\n", Error("top_k 1001 exceeds maximum allowed: 1000")),
    ("SIM x 1\r\n", Error("Query vector not found: x")),
    ("SIM a 1 using=foo\r\n", Error("Invalid using value: foo (must be events, vectors, or fusion)")),
    // Filters: every operator; a comma is AND; what is missing differs.
    ("SIM a 10 using=vectors filter=section:web\r\n", Both("OK RESULTS 1\r\nb 0.6000\r\n")),
    ("SIM a 10 using=vectors filter=section=web\r\n", Both("OK RESULTS 1\r\nb 0.6000\r\n")),
    ("SIM a 10 using=vectors filter=section!=web\r\n", Both("OK RESULTS 1\r\nc 0.0000\r\n")),
    ("SIM a 10 using=vectors filter=size>8\r\n", Both("OK RESULTS 1\r\nb 0.6000\r\n")),
    ("SIM a 10 using=vectors filter=size>=9\r\n", Both("OK RESULTS 1\r\nb 0.6000\r\n")),
    ("SIM a 10 using=vectors filter=size<9\r\n", Both("OK RESULTS 0\r\n")),
    ("SIM a 10 using=vectors filter=size<=9\r\n", Both("OK RESULTS 1\r\nb 0.6000\r\n")),
    ("SIM a 10 using=vectors filter=section=in(web|net)\r\n", Both("OK RESULTS 1\r\nb 0.6000\r\n")),
    ("SIM a 10 using=vectors filter=new:false,rank>1.25\r\n", Both("OK RESULTS 1\r\nb 0.6000\r\n")),
    ("SIM a 10 using=vectors filter=new:true,rank>1.25\r\n", Both("OK RESULTS 0\r\n")),
    // SIMV
    ("SIMV 2 0 0 1\r\n", Both("OK RESULTS 2\r\nc 1.0000\r\na 0.0000\r\n")),
    ("SIMV 2 filter=section:net 0 0 1\r\n", Both("OK RESULTS 1\r\na 0.0000\r\n")),
    ("SIMV 9 min_score=0.5 1 0 0\r\n", Both("OK RESULTS 2\r\na 1.0000\r\nb 0.6000\r\n")),
    ("SIMV 1 0 0\r\n", Error("Query vector dimension mismatch: expected 3, got 2")),
    // CACHE: of 24 searches three were asked before, in these or other words; two had errors, and the answers of 19 are kept.
    ("CACHE STATS\r\n", Both(CACHE_STATS)),
    ("CACHE DISABLE\r\n", Both("OK CACHE_DISABLED\r\n")),
    ("CACHE ENABLE\r\n", Both("OK CACHE_ENABLED\r\n")),
    ("CACHE CLEAR\r\n", Both("OK CACHE_CLEARED\r\n")),
    // INFO
    ("INFO\r\n", Both(INFO)),
    // SET, GET, SHOW VARIABLES
    ("SET similarity.fusion_alpha 0.5\r\n", Both("+OK\r\n")),
    ("GET similarity.fusion_alpha\r\n", Both("$3\r\n0.5\r\n")),
    (
        "SHOW VARIABLES LIKE similarity.fusion%\r\n",
        Both(
            "*2\r\n$37\r\nsimilarity.fusion_alpha=0.5 (mutable)\r\n$36\r\nsimilarity.fusion_beta=0.4 (mutable)\r\n",
        ),
    ),
    (
        "SHOW VARIABLES LIKE events.dedup_window%\r\n",
        Both("*1\r\n$38\r\nevents.dedup_window_sec=60 (immutable)\r\n"),
    ),
    (
        "SHOW VARIABLES\r\n",
        Both(
            "*…\r\n$35\r\napi.http.bind=127.0.0.1 (immutable)\r\n⋮$37\r\nsimilarity.fusion_alpha=0.5 (mutable)\r\n⋮\
             $34\r\nwal.sync_on_write=true (immutable)\r\n",
        ),
    ),
    ("GET foo.bar\r\n", Error("Unknown variable: foo.bar")),
    ("SET foo.bar 1\r\n", Error("Unknown variable: foo.bar")),
    // CONFIG
    (
        "CONFIG HELP cache.enabled\r\n",
        Both(
            "+OK\r\nname: cache.enabled\r\nabout: …\r\ntakes: true or false\r\ndefault: true\r\nmutable: …\r\nEND\r\n",
        ),
    ),
    ("CONFIG HELP\r\n", Both("+OK\r\n⋮END\r\n")),
    ("CONFIG SHOW similarity.fusion_alpha\r\n", Both("+OK\r\nsimilarity.fusion_alpha: 0.5\r\nEND\r\n")),
    ("CONFIG SHOW\r\n", Both("+OK\r\n⋮\r\nsimilarity.fusion_alpha: 0.5\r\n⋮END\r\n")),
    (
        "CONFIG VERIFY good.yaml\r\n",
        Both("+OK\r\nConfiguration is valid\r\nfile: /snapshots/good.yaml\r\nEND\r\n"),
    ),
    (
        "CONFIG VERIFY bad.yaml\r\n",
        Error(
            "Configuration validation failed: /snapshots/bad.yaml:1: unknown key evnts; did you mean events?",
        ),
    ),
    ("CONFIG VERIFY none.yaml\r\n", Error("File not found: /snapshots/none.yaml")),
    ("CONFIG VERIFY ../good.yaml\r\n", Error("Invalid filepath: path traversal detected")),
    ("CONFIG VERIFY\r\n", Error("CONFIG VERIFY requires a filepath: the server was started without a file")),
    // AUTH without a password; DEBUG, per connection.
    ("AUTH anything\r\n", Both("+OK (no password required)\r\n")),
    ("DEBUG ON\r\n", Both("OK DEBUG_ON\r\n")),
    (
        "SIMV 1 1 0 0\r\n",
        Both(
            "OK RESULTS 1\r\na 1.0000\r\n# DEBUG 4\r\nmode: vectors\r\nquery_time_us: …\r\ncandidates: 3\r\nresults: 1\r\n",
        ),
    ),
    (
        "SIM a 1 using=events\r\n",
        Both(
            "OK RESULTS 1\r\nb 5000.0000\r\n# DEBUG 4\r\nmode: events\r\nquery_time_us: …\r\ncandidates: 1\r\nresults: 1\r\n",
        ),
    ),
    ("DEBUG OFF\r\n", Both("OK DEBUG_OFF\r\n")),
    ("SIMV 1 1 0 0\r\n", Both("OK RESULTS 1\r\na 1.0000\r\n")),
    // DUMP
    (
        "DUMP STATUS\r\n",
        Each(
            "OK STATUS\r\nstatus: idle\r\noperation: \r\nfilepath: \r\nstart_time: 0\r\nend_time: 0\r\npercent: 0\r\n\
             bytes_written: 0\r\nerror_message: \r\nbytes_done: 0\r\nbytes_total: 0\r\nbytes_per_second: 0\r\n\
             eta_seconds: 0\r\nEND\r\n",
            "OK DUMP_STATUS\r\nstatus: idle\r\noperation: \r\nfilepath: \r\nstart_time: 0\r\nend_time: 0\r\npercent: 0\r\n\
             bytes_written: 0\r\nerror_message: \r\nbytes_done: 0\r\nbytes_total: 0\r\nbytes_per_second: 0\r\n\
             eta_seconds: 0\r\nEND\r\n",
        ),
    ),
    (
        "DUMP SAVE a.nvec\r\n",
        Each(
            "OK Snapshot saved: /snapshots/a.nvec\r\nevent_store_contexts: 1\r\nvector_store_vectors: 3\r\n\
             co_occurrence_pairs: 1\r\nsize: … bytes\r\nEND\r\n",
            "OK DUMP_SAVED /snapshots/a.nvec\r\n",
        ),
    ),
    (
        "DUMP SAVE\r\n",
        Each(
            "OK Snapshot saved: /snapshots/dump_20250118_120000.nvec\r\nevent_store_contexts: 1\r\n\
             vector_store_vectors: 3\r\nco_occurrence_pairs: 1\r\nsize: … bytes\r\nEND\r\n",
            "OK DUMP_SAVED /snapshots/dump_20250118_120000.nvec\r\n",
        ),
    ),
    (
        "DUMP VERIFY a.nvec\r\n",
        Each(
            "OK Snapshot is valid (CRC32: 0x…)\r\nstatus: valid\r\ncrc: verified\r\nsize: verified\r\nEND\r\n",
            "OK DUMP_VERIFIED /snapshots/a.nvec\r\n",
        ),
    ),
    (
        "DUMP INFO a.nvec\r\n",
        Each(
            "OK INFO\r\nversion: 1\r\nevent_store_count: 3\r\nvector_store_count: 3\r\nco_occurrence_count: 1\r\n\
             file_size: …\r\ncreated_at: 2025-01-18T12:00:00\r\nEND\r\n",
            "OK DUMP_INFO /snapshots/a.nvec\r\nversion: 1\r\nstores: 3\r\nflags: 1\r\nfile_size: …\r\n\
             timestamp: 1737201600\r\nevent_store_count: 3\r\nvector_store_count: 3\r\nco_occurrence_count: 1\r\nEND\r\n",
        ),
    ),
    ("VECSET late 1 1 1\r\n", Both("OK VECSET\r\n")),
    (
        "DUMP LOAD a.nvec\r\n",
        Each(
            "OK Snapshot loaded: 3 events, 3 vectors\r\nevent_store_contexts: 1\r\nvector_store_vectors: 3\r\n\
             co_occurrence_pairs: 1\r\nreplaced: 3 events, 4 vectors\r\nEND\r\n",
            "OK DUMP_LOADED /snapshots/a.nvec\r\n",
        ),
    ),
    ("SIMV 9 1 0 0\r\n", Both("OK RESULTS 3\r\na 1.0000\r\nb 0.6000\r\nc 0.0000\r\n")),
    // An id that no event named is unknown once its vector is gone; one that an event named is not.
    ("VECSET gone 1 1 1\r\n", Both("OK VECSET\r\n")),
    ("SIM gone 9 using=events\r\n", Both("OK RESULTS 0\r\n")),
    ("VECDEL gone\r\n", Both("OK VECDEL\r\n")),
    ("SIM gone 9 using=events\r\n", Error("Query vector not found: gone")),
    ("SIM gone 9 using=vectors\r\n", Error("Query vector not found: gone")),
    ("SIM gone 9\r\n", Error("Query vector not found: gone")),
    ("VECDEL gone\r\n", Error("Vector not found: gone")),
    ("METASET gone k:v\r\n", Error("Vector not found for metadata: gone")),
    ("EVENT alone ADD gone 1\r\n", Both("OK EVENT\r\n")),
    ("SIM gone 9 using=events\r\n", Both("OK RESULTS 0\r\n")),
    ("SIM gone 9 using=vectors\r\n", Error("Query vector not found: gone")),
    ("DUMP SAVE ../a.nvec\r\n", Error("Invalid filepath: path traversal detected")),
    ("DUMP LOAD ../a.nvec\r\n", Error("Invalid filepath: path traversal detected")),
    ("DUMP INFO ../a.nvec\r\n", Error("Invalid filepath: path traversal detected")),
    ("DUMP LOAD /etc/passwd\r\n", Error("Invalid filepath: path traversal detected")),
    (
        "DUMP VERIFY ../a.nvec\r\n",
        Each(
            "(error) Invalid filepath: path traversal detected\r\nEND\r\n",
            "ERROR Invalid filepath: path traversal detected\r\n",
        ),
    ),
    // Anything else.
    ("FOO\r\n", Error("Unknown command: FOO")),
    ("FOO BAR 1\r\n", Error("Unknown command: FOO")),
];

/// The same where a password is set: reads go without it, writes and what changes the server do not.
const WITH_PASSWORD: &[Row] = &[
    ("SIMV 1 1\r\n", Both("OK RESULTS 0\r\n")),
    ("VECSET a 1\r\n", Error("NOAUTH Authentication required")),
    ("EVENT u ADD a 1\r\n", Error("NOAUTH Authentication required")),
    ("METASET a k:v\r\n", Error("NOAUTH Authentication required")),
    ("DUMP SAVE\r\n", Error("NOAUTH Authentication required")),
    ("CACHE CLEAR\r\n", Error("NOAUTH Authentication required")),
    ("SET similarity.fusion_alpha 0.5\r\n", Error("NOAUTH Authentication required")),
    (
        "DUMP VERIFY a\r\n",
        Each("(error) NOAUTH Authentication required\r\nEND\r\n", "ERROR NOAUTH Authentication required\r\n"),
    ),
    ("CACHE STATS\r\n", Both("OK CACHE_STATS\r\n⋮END\r\n")),
    ("INFO\r\n", Both("OK INFO\r\n⋮END\r\n")),
    ("AUTH wrong\r\n", Error("WRONGPASS Invalid password")),
    ("VECSET a 1\r\n", Error("NOAUTH Authentication required")),
    ("AUTH secret\r\n", Both("+OK\r\n")),
    ("VECSET a 1\r\n", Both("OK VECSET\r\n")),
    ("CACHE CLEAR\r\n", Both("OK CACHE_CLEARED\r\n")),
    ("CONFIG SHOW security.requirepass\r\n", Both("+OK\r\nsecurity.requirepass: ********\r\nEND\r\n")),
];

/// The conversations, and the password of each.
const TABLES: [(&[Row], Option<&str>); 2] = [(TABLE, None), (WITH_PASSWORD, Some("secret"))];

const CACHE_STATS: &str = "OK CACHE_STATS\r\ncache_enabled: true\r\ncache_entries: 19\r\ncache_memory_bytes: …\r\n\
    current_memory_mb: 0.01\r\nmax_memory_mb: 32\r\nmin_query_cost_ms: 0\r\nttl_seconds: 3600\r\n\
    compression_enabled: true\r\neviction_batch_size: 10\r\ntotal_queries: 24\r\ncache_hits: 3\r\n\
    cache_misses: 21\r\ncache_misses_invalidated: 0\r\ncache_misses_not_found: 21\r\ncache_hit_rate: 0.1250\r\n\
    evictions: 0\r\nttl_expirations: 0\r\navg_hit_latency_ms: …\r\navg_miss_latency_ms: …\r\n\
    total_time_saved_ms: …\r\nEND\r\n";

/// `⋮`: lines that are not the contract's.
const INFO: &str = "OK INFO\r\n\r\n# Server\r\nversion: …\r\nuptime_seconds: 0\r\n\r\n# Stats\r\n\
    total_commands_processed: 51\r\nfailed_commands: 13\r\ntotal_connections_received: …\r\nactive_connections: …\r\n\
    event_commands: 6\r\nsim_commands: 24\r\nvecset_commands: 4\r\n⋮\r\n# Memory\r\nused_memory_bytes: …\r\n\
    used_memory_human: …\r\nmemory_health: …\r\n⋮\r\n# Cache\r\ncache_entries: 0\r\ncache_hits: 3\r\n\
    cache_misses: 21\r\ncache_hit_rate: 0.1250\r\n\r\n# Data\r\n⋮id_count: 3\r\nctx_count: 1\r\n\
    vector_count: 3\r\nevent_count: 3\r\n⋮\r\n# Persistence\r\n⋮\r\nlsn: …\r\ndurable_lsn: …\r\nwal: on, fsync\r\n⋮END\r\n";

/// Whether `text` is what the pattern says.
fn fits(pattern: &str, text: &str) -> bool {
    let Some(at) = pattern.find(['…', '⋮']) else { return pattern == text };
    let (before, mark) = pattern.split_at(at);
    let Some(text) = text.strip_prefix(before) else { return false };
    let (after, longest) = match mark.strip_prefix('⋮') {
        Some(after) => (after, text.len()),
        None => (mark.trim_start_matches('…'), text.find('\r').unwrap_or(text.len())),
    };
    (0..=longest).any(|n| text.is_char_boundary(n) && fits(after, &text[n..]))
}

/// Takes the reply that a pattern is of off the front.
fn take<'a>(replies: &mut &'a str, pattern: &str) -> &'a str {
    let (mut end, mut lines) = (0, pattern.matches("\r\n").count());
    if pattern.starts_with("*…") {
        // The reply says how many values there are, each of two lines.
        let (count, _) = replies[1..].split_once("\r\n").unwrap();
        lines = 1 + 2 * count.parse::<usize>().unwrap();
    }
    for n in 0.. {
        let block = pattern.ends_with("END\r\n");
        if if block { replies[..end].ends_with("\r\nEND\r\n") } else { n == lines } {
            break;
        }
        end += replies[end..].find("\r\n").unwrap_or_else(|| panic!("ends early: {replies}\n{pattern}")) + 2;
    }
    let (reply, rest) = replies.split_at(end);
    *replies = rest;
    reply
}

/// All replies of a table are these, in order.
fn check(table: &[Row], dialect: Dialect, replies: &[u8], how: &str) {
    let mut replies = std::str::from_utf8(replies).unwrap();
    for (request, reply) in table {
        let pattern = reply.bytes(dialect);
        let got = take(&mut replies, &pattern);
        assert!(
            fits(&pattern, got),
            "{dialect:?}, {how}: {request:?}\nexpected {pattern:?}\n     got {got:?}"
        );
    }
    assert_eq!(replies, "", "{dialect:?}, {how}: more than was asked for");
}

fn requests(table: &[Row]) -> String {
    table.iter().map(|(request, _)| *request).collect()
}

fn configured(dialect: Dialect, password: Option<&str>) -> Config {
    let mut config = Config { dialect, ..caching() };
    config.security.requirepass = password.map(Password::new);
    config
}

/// With two configurations on it.
fn disk() -> SimDisk {
    let (disk, dir) = (SimDisk::new(1), Path::new("/snapshots"));
    disk.create_dir_all(dir).unwrap();
    disk.write_file(&dir.join("good.yaml"), b"events: {ctx_buffer_size: 7}\n");
    disk.write_file(&dir.join("bad.yaml"), b"evnts: {ctx_buffer_size: 7}\n");
    disk
}

/// A connection to an empty database, as a server has it.
fn connection(dialect: Dialect, password: Option<&str>) -> (Interpreter, EngineBackend) {
    let config = configured(dialect, password);
    let Past { interpreter, backend, .. } = Past::on(disk(), config.clone(), dialect);
    let live = Arc::new(Live::new(config).unwrap());
    let peer = IpAddr::from([127, 0, 0, 1]);
    (interpreter.with_client(Arc::clone(&live), peer), backend.with_live(live))
}

const DIALECTS: [Dialect; 2] = [Dialect::Documented, Dialect::Nvecd];

/// For each table, in each dialect.
fn for_each(mut test: impl FnMut(&[Row], Dialect, Option<&str>)) {
    for (table, password) in TABLES {
        DIALECTS.into_iter().for_each(|dialect| test(table, dialect, password));
    }
}

#[test]
fn each_request_has_its_reply_wherever_its_bytes_are_split() {
    for_each(|table, dialect, password| {
        let longest = table.iter().map(|(request, _)| request.len()).max().unwrap();
        for cut in 0..longest {
            let (mut interpreter, backend) = connection(dialect, password);
            let mut out = Vec::new();
            for (request, _) in table {
                let (head, tail) = request.as_bytes().split_at(cut.min(request.len()));
                let before = out.len();
                interpreter.handle(head, &backend, &mut out);
                assert!(out.len() == before || tail.is_empty(), "{request:?} is answered before its end");
                interpreter.handle(tail, &backend, &mut out);
            }
            check(table, dialect, &out, &format!("split at {cut}"));
        }
    });
}

#[test]
fn all_requests_in_one_go_have_their_replies_in_order() {
    for_each(|table, dialect, password| {
        let (mut interpreter, backend) = connection(dialect, password);
        let mut out = Vec::new();
        interpreter.handle(requests(table).as_bytes(), &backend, &mut out);
        check(table, dialect, &out, "in one go");
    });
}

#[test]
fn all_requests_byte_by_byte_have_their_replies_in_order() {
    for_each(|table, dialect, password| {
        let (mut interpreter, backend) = connection(dialect, password);
        let mut out = Vec::new();
        for byte in requests(table).bytes() {
            interpreter.handle(&[byte], &backend, &mut out);
        }
        check(table, dialect, &out, "byte by byte");
    });
}

async fn over_a_socket(table: &[Row], dialect: Dialect, password: Option<&str>) {
    let server = Running::start_on(disk(), configured(dialect, password)).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let requests = requests(table);
    let (mut read, mut write) = stream.split();
    let send = async {
        write.write_all(requests.as_bytes()).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut out = Vec::new();
    let ((), received) = tokio::join!(send, read.read_to_end(&mut out));
    received.unwrap();
    check(table, dialect, &out, "over a socket");
    server.stop().await;
}

#[test]
fn all_requests_over_a_socket_have_their_replies_in_order() {
    for_each(|table, dialect, password| run(over_a_socket(table, dialect, password)));
}

#[test]
fn a_mark_in_a_reply_stands_for_something_within_its_line_or_for_lines() {
    assert!(fits("a: …\r\nEND\r\n", "a: 5 bytes\r\nEND\r\n"));
    assert!(!fits("a: …\r\nEND\r\n", "a: 5\r\nb: 6\r\nEND\r\n"));
    assert!(fits("a\r\n⋮END\r\n", "a\r\nb\r\nc\r\nEND\r\n"));
    assert!(!fits("a: 1\r\n", "a: 2\r\n") && !fits("a: …0\r\n", "a: 1\r\n"));
}
