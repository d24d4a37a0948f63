//! Raw request bytes → raw reply bytes, on a real engine, in both dialects, whole and split at every byte.

use crate::running::backend;
use cairn_server::{Counters, Dialect, EngineBackend, Interpreter, Rules};
use std::sync::Arc;

/// Requests and their replies in the documented dialect; nvecd's differ in the mark of errors only.
const CONVERSATION: &[(&str, &str)] = &[
    ("VECSET a 1 0 0\r\n", "OK VECSET\r\n"),
    ("VECSET b 0.6 0.8 0\n", "OK VECSET\r\n"),
    ("vecset c 0 0 1\r\n", "OK VECSET\r\n"),
    ("\r\n", ""),
    ("\n", ""),
    ("   \r\n", "(error) Empty command\r\n"),
    ("VECSET d 1 2\r\n", "(error) Vector dimension mismatch: expected 3, got 2\r\n"),
    ("VECSET d 1 nan 2\r\n", "(error) Invalid float: nan\r\n"),
    ("VECSET d 1 foo 2\r\n", "(error) Failed to parse float: foo\r\n"),
    ("METASET a section:net,size:3\r\n", "OK METASET\r\n"),
    ("METASET b section:web,size:9\r\n", "OK METASET\r\n"),
    ("METASET x section:web\r\n", "(error) Vector not found for metadata: x\r\n"),
    ("EVENT u ADD a 100\r\n", "OK EVENT\r\n"),
    ("EVENT u SET b 50\r\n", "OK EVENT\r\n"),
    ("EVENT u SET b 50\r\n", "OK EVENT\r\n"),
    ("EVENT u DEL c\r\n", "OK EVENT\r\n"),
    ("EVENT u ADD a 101\r\n", "(error) Score must be in range [0, 100], got 101\r\n"),
    ("EVENT u ADD a x\r\n", "(error) Failed to parse integer: x\r\n"),
    ("SIM a 10 using=events\r\n", "OK RESULTS 1\r\nb 5000.0000\r\n"),
    ("SIM a 10 using=vectors\r\n", "OK RESULTS 2\r\nb 0.6000\r\nc 0.0000\r\n"),
    ("SIM a 1 using=vectors filter=section:web\r\n", "OK RESULTS 1\r\nb 0.6000\r\n"),
    ("SIM a 10 using=vectors filter=size>9\r\n", "OK RESULTS 0\r\n"),
    ("SIM a 10 using=vectors min_score=0.5\r\n", "OK RESULTS 1\r\nb 0.6000\r\n"),
    ("SIM a 0\r\n", "(error) top_k must be positive, got 0\r\n"),
    ("SIM a 1001\r\n", "(error) top_k 1001 exceeds maximum allowed: 1000\r\n"),
    ("SIM zzz 1\r\n", "(error) Query vector not found: zzz\r\n"),
    ("SIM a 1 using=foo\r\n", "(error) Invalid using value: foo (must be events, vectors, or fusion)\r\n"),
    ("SIMV 2 0 0 1\r\n", "OK RESULTS 2\r\nc 1.0000\r\na 0.0000\r\n"),
    ("SIMV 1 filter=section:net 0 0 1\r\n", "OK RESULTS 1\r\na 0.0000\r\n"),
    ("SIMV 1 0 0\r\n", "(error) Query vector dimension mismatch: expected 3, got 2\r\n"),
    ("FOO\r\n", "(error) Unknown command: FOO\r\n"),
    ("SNAPSHOT LIST\r\n", "OK SNAPSHOTS 0\r\nEND\r\n"),
    (
        "DUMP STATUS\r\n",
        "OK STATUS\r\nstatus: idle\r\noperation: \r\nfilepath: \r\nstart_time: 0\r\nend_time: 0\r\npercent: 0\r\nbytes_written: 0\r\nerror_message: \r\nbytes_done: 0\r\nbytes_total: 0\r\nbytes_per_second: 0\r\neta_seconds: 0\r\nEND\r\n",
    ),
    (
        "COLLECTION CREATE books dimension=2 index=flat\r\n",
        "OK COLLECTION_CREATED books\r\ncollection: books\r\ndimension: 2\r\nmetric: cosine\r\nstorage: memory\r\n\
         index: flat\r\nelements: f32\r\nmax_vectors: 0\r\nmax_bytes: 0\r\nfields: \r\nvolatile: false\r\nEND\r\n",
    ),
    ("COLLECTION CREATE books\r\n", "(error) Collection exists: books\r\n"),
    ("USE books\r\n", "OK USE books\r\n"),
    ("VECSET a 1 0\r\n", "OK VECSET\r\n"),
    ("VECSET b 0 1\r\n", "OK VECSET\r\n"),
    ("VECSET c 0 0 1\r\n", "(error) Vector dimension mismatch: expected 2, got 3\r\n"),
    ("USE shelf\r\n", "(error) Collection not found: shelf (there are: books, default)\r\n"),
    ("VECDEL b\r\n", "OK VECDEL\r\n"),
    ("VECDEL b\r\n", "(error) Vector not found: b\r\n"),
    ("SIMV 5 1 1\r\n", "OK RESULTS 1\r\na 0.7071\r\n"),
    ("EVENT u ADD z 1\r\n", "OK EVENT\r\n"),
    ("COLLECTION ALIAS live books\r\n", "OK COLLECTION_ALIAS live books\r\nEND\r\n"),
    ("USE default\r\n", "OK USE default\r\n"),
    ("SIM a 10 using=events\r\n", "OK RESULTS 1\r\nb 5000.0000\r\n"),
    ("COLLECTION RENAME books films\r\n", "OK COLLECTION_RENAMED books films\r\nEND\r\n"),
    (
        "COLLECTION DROP films\r\n",
        "OK COLLECTION_DROPPED films\r\nvectors: 1\r\nevents: 1\r\naliases: live\r\nEND\r\n",
    ),
];

fn conversation(dialect: Dialect) -> (Vec<u8>, String) {
    let requests = CONVERSATION.iter().flat_map(|(request, _)| request.bytes()).collect();
    let replies: String = CONVERSATION.iter().map(|(_, reply)| *reply).collect();
    let replies = match dialect {
        Dialect::Documented => replies,
        Dialect::Nvecd => replies.replace("(error)", "ERROR").replace("OK STATUS", "OK DUMP_STATUS"),
    };
    (requests, replies)
}

fn interpreter(dialect: Dialect) -> (Interpreter, EngineBackend) {
    let rules = Rules { dialect, ..Rules::default() };
    let counters = Arc::new(Counters::default());
    (Interpreter::new(Arc::new(rules), Arc::clone(&counters)), backend(counters))
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8(out).unwrap()
}

#[test]
fn one_request_at_a_time() {
    let (mut interpreter, backend) = interpreter(Dialect::Documented);
    for (request, reply) in CONVERSATION {
        let mut out = Vec::new();
        interpreter.handle(request.as_bytes(), &backend, &mut out);
        assert_eq!(text(out), *reply, "{request}");
    }
}

#[test]
fn all_pipelined_in_both_dialects() {
    for dialect in [Dialect::Documented, Dialect::Nvecd] {
        let (mut interpreter, backend) = interpreter(dialect);
        let (requests, replies) = conversation(dialect);
        let mut out = Vec::new();
        interpreter.handle(&requests, &backend, &mut out);
        assert_eq!(text(out), replies);
    }
}

#[test]
fn byte_by_byte() {
    let (mut interpreter, backend) = interpreter(Dialect::Documented);
    let (requests, replies) = conversation(Dialect::Documented);
    let mut out = Vec::new();
    for byte in requests {
        interpreter.handle(&[byte], &backend, &mut out);
    }
    assert_eq!(text(out), replies);
}

/// Asking again and again changes nothing: the same conversation, split at each byte, on one engine.
#[test]
fn split_at_every_byte() {
    let (requests, replies) = conversation(Dialect::Documented);
    let (mut interpreter, backend) = interpreter(Dialect::Documented);
    let mut first = Vec::new();
    interpreter.handle(&requests, &backend, &mut first);
    assert_eq!(text(first), replies);
    // The second ADD of the first conversation's `a` and DEL of `c` are duplicates, so scores stay.
    for cut in 0..=requests.len() {
        let mut out = Vec::new();
        interpreter.handle(&requests[..cut], &backend, &mut out);
        interpreter.handle(&requests[cut..], &backend, &mut out);
        assert_eq!(text(out), replies, "cut at {cut}");
    }
}
