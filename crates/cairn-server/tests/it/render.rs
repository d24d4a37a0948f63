//! Replies → bytes, in both dialects.

use cairn_engine::{Error, Hit};
use cairn_server::{
    Block, Dialect, Done, Dumped, Failure, Header, JobState, JobStatus, Reply, Section, Stores, render,
};

fn bytes(reply: &Reply, dialect: Dialect, verify: bool) -> String {
    let mut out = b"before\r\n".to_vec();
    render(reply, dialect, verify, &mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("before\r\n").unwrap().to_owned()
}

/// The reply is the same in both dialects.
fn both(reply: &Reply) -> String {
    let text = bytes(reply, Dialect::Documented, false);
    assert_eq!(text, bytes(reply, Dialect::Nvecd, false));
    text
}

fn in_each(reply: &Reply) -> (String, String) {
    (bytes(reply, Dialect::Documented, false), bytes(reply, Dialect::Nvecd, false))
}

fn hit(id: &str, score: f64) -> Hit {
    Hit { id: id.into(), score }
}

#[test]
fn writes() {
    assert_eq!(both(&Reply::Done(Done::Event)), "OK EVENT\r\n");
    assert_eq!(both(&Reply::Done(Done::VecSet)), "OK VECSET\r\n");
    assert_eq!(both(&Reply::Done(Done::MetaSet)), "OK METASET\r\n");
    assert_eq!(both(&Reply::Done(Done::VecDel)), "OK VECDEL\r\n");
    assert_eq!(both(&Reply::Using("books".into())), "OK USE books\r\n");
}

#[test]
fn results_have_four_decimals() {
    assert_eq!(both(&Reply::Results(vec![])), "OK RESULTS 0\r\n");
    let hits = vec![hit("b", 5000.0), hit("c", 0.123_46), hit("d", -0.5), hit("e", -0.0), hit("é", 1e9)];
    let want = "OK RESULTS 5\r\nb 5000.0000\r\nc 0.1235\r\nd -0.5000\r\ne 0.0000\r\né 1000000000.0000\r\n";
    assert_eq!(both(&Reply::Results(hits)), want);
}

#[test]
fn errors() {
    let reply = Reply::Failed(Failure::input("Unknown command: FOO"));
    let (documented, nvecd) = in_each(&reply);
    assert_eq!(documented, "(error) Unknown command: FOO\r\n");
    assert_eq!(nvecd, "ERROR Unknown command: FOO\r\n");
}

#[test]
fn a_failed_verify_has_lines_in_the_documented_dialect_only() {
    let mut failure = Failure::input("CRC mismatch: file may be corrupted");
    failure.details = vec![("expected".into(), "0x12345678".into()), ("actual".into(), "0x87654321".into())];
    let reply = Reply::Failed(failure);
    assert_eq!(
        bytes(&reply, Dialect::Documented, true),
        "(error) CRC mismatch: file may be corrupted\r\nexpected: 0x12345678\r\nactual: 0x87654321\r\nEND\r\n"
    );
    let line = "CRC mismatch: file may be corrupted; expected: 0x12345678; actual: 0x87654321\r\n";
    assert_eq!(bytes(&reply, Dialect::Nvecd, true), format!("ERROR {line}"));
    assert_eq!(bytes(&reply, Dialect::Documented, false), format!("(error) {line}"));
    let plain = Reply::Failed(Failure::input("Invalid filepath: path traversal detected"));
    assert_eq!(
        bytes(&plain, Dialect::Documented, true),
        "(error) Invalid filepath: path traversal detected\r\nEND\r\n"
    );
}

#[test]
fn line_ends_in_a_message_cannot_break_the_framing() {
    let reply = Reply::Failed(Failure::input("File not found: a\r\nOK EVENT\n"));
    assert_eq!(in_each(&reply).0, "(error) File not found: a??OK EVENT?\r\n");
    let reply = Reply::Results(vec![hit("a\nb", 1.0)]);
    assert_eq!(both(&reply), "OK RESULTS 1\r\na?b 1.0000\r\n");
    let reply = Reply::Block(Block::new("X").pair("k", "v\nEND").text("END"));
    assert_eq!(both(&reply), "OK X\r\nk: v?END\r\n END\r\nEND\r\n");
}

#[test]
fn info_begins_each_section_with_an_empty_line() {
    let sections = vec![
        Section { name: "Server", lines: vec![("version", "9.9.9".into()), ("uptime_seconds", "7".into())] },
        Section { name: "Data", lines: vec![] },
    ];
    let (documented, nvecd) = in_each(&Reply::Info(sections));
    let want = "OK INFO\r\n\r\n# Server\r\nversion: 9.9.9\r\nuptime_seconds: 7\r\n\r\n# Data\r\nEND\r\n";
    assert_eq!(documented, want);
    assert_eq!(nvecd, want.replace("9.9.9", "0.1.0"));
}

#[test]
fn a_block_ends_in_end() {
    let block = Block::new("SNAPSHOTS 1").text("id=snap-1 type=full").pair("k", 3);
    assert_eq!(both(&Reply::Block(block)), "OK SNAPSHOTS 1\r\nid=snap-1 type=full\r\nk: 3\r\nEND\r\n");
}

const STORES: Stores = Stores { contexts: 100, events: 5000, vectors: 2000, pairs: 1500 };

#[test]
fn dump_save() {
    let reply = Reply::Dump(Dumped::Saved {
        path: "/s/b.nvec".into(),
        stores: STORES,
        bytes: 1_048_576,
        collections: 1,
    });
    let (documented, nvecd) = in_each(&reply);
    assert_eq!(
        documented,
        "OK Snapshot saved: /s/b.nvec\r\nevent_store_contexts: 100\r\nvector_store_vectors: 2000\r\n\
         co_occurrence_pairs: 1500\r\nsize: 1048576 bytes\r\nEND\r\n"
    );
    assert_eq!(nvecd, "OK DUMP_SAVED /s/b.nvec\r\n");
}

#[test]
fn dump_load() {
    let replaced = Stores { events: 3, vectors: 4, ..Stores::default() };
    let reply = Reply::Dump(Dumped::Loaded {
        path: "/s/b.nvec".into(),
        stores: STORES,
        replaced,
        collections: 1,
        replaced_collections: vec![],
    });
    let (documented, nvecd) = in_each(&reply);
    assert_eq!(
        documented,
        "OK Snapshot loaded: 5000 events, 2000 vectors\r\nevent_store_contexts: 100\r\nvector_store_vectors: 2000\r\n\
         co_occurrence_pairs: 1500\r\nreplaced: 3 events, 4 vectors\r\nEND\r\n"
    );
    assert_eq!(nvecd, "OK DUMP_LOADED /s/b.nvec\r\n");
}

#[test]
fn dump_verify() {
    let reply = Reply::Dump(Dumped::Verified { path: "/s/b.nvec".into(), crc32: 0x1234_5678 });
    let (documented, nvecd) = in_each(&reply);
    assert_eq!(
        documented,
        "OK Snapshot is valid (CRC32: 0x12345678)\r\nstatus: valid\r\ncrc: verified\r\nsize: verified\r\nEND\r\n"
    );
    assert_eq!(nvecd, "OK DUMP_VERIFIED /s/b.nvec\r\n");
}

#[test]
fn dump_info() {
    let header = Header {
        version: 1,
        flags: 1,
        events: 5000,
        pairs: 1500,
        vectors: 2000,
        file_bytes: 1_048_576,
        created_ms: 1_737_201_600_123,
        collections: 1,
    };
    let (documented, nvecd) = in_each(&Reply::Dump(Dumped::Info { path: "/s/b.nvec".into(), header }));
    assert_eq!(
        documented,
        "OK INFO\r\nversion: 1\r\nevent_store_count: 5000\r\nvector_store_count: 2000\r\n\
         co_occurrence_count: 1500\r\nfile_size: 1048576\r\ncreated_at: 2025-01-18T12:00:00\r\nEND\r\n"
    );
    assert_eq!(
        nvecd,
        "OK DUMP_INFO /s/b.nvec\r\nversion: 1\r\nstores: 3\r\nflags: 1\r\nfile_size: 1048576\r\n\
         timestamp: 1737201600\r\nevent_store_count: 5000\r\nvector_store_count: 2000\r\n\
         co_occurrence_count: 1500\r\nEND\r\n"
    );
}

#[test]
fn dump_status() {
    let status = JobStatus {
        state: JobState::InProgress,
        operation: "DUMP SAVE",
        target: "/s/b.nvec".into(),
        start_s: 1_711_360_800,
        end_s: 0,
        percent: 42,
        bytes_written: 1000,
        error: String::new(),
        bytes_done: 2000,
        bytes_total: 5000,
        bytes_per_second: 500,
        eta_s: 6,
    };
    let (documented, nvecd) = in_each(&Reply::Dump(Dumped::Status(status)));
    let lines = "status: in_progress\r\noperation: DUMP SAVE\r\nfilepath: /s/b.nvec\r\nstart_time: 1711360800\r\n\
                 end_time: 0\r\npercent: 42\r\nbytes_written: 1000\r\nerror_message: \r\n\
                 bytes_done: 2000\r\nbytes_total: 5000\r\nbytes_per_second: 500\r\neta_seconds: 6\r\nEND\r\n";
    assert_eq!(documented, format!("OK STATUS\r\n{lines}"));
    assert_eq!(nvecd, format!("OK DUMP_STATUS\r\n{lines}"));
}

#[test]
fn errors_of_the_engine_are_one_line() {
    let window = "from 2025-01-18T12:00:00Z (LSN 0)".to_owned();
    for (error, message) in [
        (Error::ReadOnly("as of LSN 3".into()), "READONLY as of LSN 3: writes are refused"),
        (
            Error::ArchiveBehind("4 GiB of log wait for the archive".into()),
            "writes are refused: 4 GiB of log wait for the archive",
        ),
        (
            Error::OutOfWindow { what: "LSN 9 cannot be recovered".into(), window },
            "LSN 9 cannot be recovered; recoverable: from 2025-01-18T12:00:00Z (LSN 0)",
        ),
    ] {
        let (documented, nvecd) = in_each(&Reply::Failed(error.into()));
        assert_eq!(documented, format!("(error) {message}\r\n"));
        assert_eq!(nvecd, format!("ERROR {message}\r\n"));
    }
}
