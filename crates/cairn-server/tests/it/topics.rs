//! TOPIC lines → commands, and what a real engine's topics answer.

use crate::past::Past;
use crate::running::config;
use cairn_disk::{Fate, SimDisk};
use cairn_engine::Limits;
use cairn_engine::topics::{CompactionPolicy, TopicConfig};
use cairn_server::{AppendTopic, Ask, Backend, Command, Dialect, ReadTopic, Topics, parse};

fn topic(line: &str) -> Topics {
    match parse(line, &Limits::default()).unwrap_or_else(|e| panic!("{line}: {e}")) {
        Command::Ask(Ask::Topic(topic)) => topic,
        other => panic!("{line}: {other:?}"),
    }
}

fn append(line: &str) -> (Option<u32>, Option<String>, Option<String>) {
    match topic(line) {
        Topics::Append(AppendTopic { partition, key, value, .. }) => (partition, key, value),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn topic_lines() {
    let plain = Topics::Create { name: "t".into(), config: Box::default() };
    assert_eq!(topic("TOPIC CREATE t"), plain);
    let config = TopicConfig {
        partitions: 3,
        retention_us: 86_400_000_000,
        retention_bytes: 1 << 30,
        compaction: CompactionPolicy::Key,
        ..TopicConfig::default()
    };
    let line = "topic create t partitions=3 retention=24h retention_bytes=1GB compaction=key";
    assert_eq!(topic(line), Topics::Create { name: "t".into(), config: Box::new(config) });
    assert_eq!(topic("TOPIC LIST"), Topics::List);
    assert_eq!(topic("TOPIC INFO t"), Topics::Info("t".into()));
    assert_eq!(topic("TOPIC DELETE t"), Topics::Delete("t".into()));
    assert_eq!(topic("TOPIC COMPACT t"), Topics::Compact("t".into()));
    let read =
        |from_offset, count| Topics::Read(ReadTopic { name: "t".into(), partition: 2, from_offset, count });
    assert_eq!(topic("TOPIC READ t 2 7"), read(7, 100));
    assert_eq!(topic("TOPIC READ t 2 0 count=5"), read(0, 5));
    let text = |text: &str| Some(text.to_owned());
    for (line, want) in [
        ("TOPIC APPEND t hello", (None, None, text("hello"))),
        ("TOPIC APPEND t two  words", (None, None, text("two  words"))),
        ("TOPIC APPEND t \"a \\\"b\\\" \\\\\"", (None, None, text("a \"b\" \\"))),
        ("TOPIC APPEND t partition=2 key=k v", (Some(2), text("k"), text("v"))),
        ("TOPIC APPEND t key=\"a b\" v w", (None, text("a b"), text("v w"))),
        ("TOPIC APPEND t \"key=k\"", (None, None, text("key=k"))),
        ("TOPIC APPEND t v key=k", (None, None, text("v key=k"))),
        ("TOPIC APPEND t key=k", (None, text("k"), None)),
        ("TOPIC APPEND t \"\"", (None, None, text(""))),
    ] {
        assert_eq!(append(line), want, "{line}");
    }
}

#[test]
fn what_is_wrong_with_a_topic_line_is_said() {
    for (line, message) in [
        (
            "TOPIC",
            "TOPIC requires subcommand: CREATE|ALTER|LIST|INFO|APPEND|READ|OFFSET|DELETE|COMPACT|SNAPSHOT",
        ),
        ("TOPIC FOO", "Unknown TOPIC subcommand: FOO"),
        ("TOPIC CREATE", "TOPIC CREATE requires 1 argument: <name>"),
        ("TOPIC CREATE t 3", "Invalid TOPIC CREATE option: 3"),
        ("TOPIC CREATE t partitions=x", "Invalid partitions value: x (must be a whole number)"),
        ("TOPIC CREATE t compaction=all", "Invalid compaction value: all (must be none or key)"),
        (
            "TOPIC CREATE t retention=5",
            "Invalid retention value: 5 (must be a duration in range [0, 876000h], as 250ms, 5s or 24h)",
        ),
        ("TOPIC CREATE t flush_interval=5s", "flush_interval 5s needs sync_mode periodic, got fsync"),
        ("TOPIC ALTER t", "TOPIC ALTER requires 2 arguments: <name> <option>=<value> …"),
        ("TOPIC ALTER t retention", "Invalid TOPIC ALTER option: retention"),
        ("TOPIC ALTER t sync_mode=now", "Invalid sync_mode value: now (must be fsync, periodic, or async)"),
        ("TOPIC ALTER t partitions=3", "partitions cannot be changed: make a topic with as many as wanted"),
        ("TOPIC SNAPSHOT", "TOPIC SNAPSHOT requires subcommand: CREATE|LIST|VERIFY|RESTORE|DELETE|CLEANUP"),
        ("TOPIC SNAPSHOT FOO t", "Unknown TOPIC SNAPSHOT subcommand: FOO"),
        ("TOPIC SNAPSHOT CREATE", "TOPIC SNAPSHOT CREATE requires 1 argument: <topic>"),
        (
            "TOPIC SNAPSHOT CREATE t compression=lz4",
            "Invalid compression value: lz4 (must be none, zstd, or gzip)",
        ),
        (
            "TOPIC SNAPSHOT CREATE t parallel=0",
            "Invalid parallel value: 0 (must be a whole number in range [1, 64])",
        ),
        ("TOPIC SNAPSHOT VERIFY t", "TOPIC SNAPSHOT VERIFY requires 2 arguments: <topic> <id>"),
        (
            "TOPIC SNAPSHOT RESTORE t id",
            "TOPIC SNAPSHOT RESTORE requires 3 arguments: <topic> <id> <new topic>",
        ),
        ("TOPIC SNAPSHOT CLEANUP t max=3", "Invalid TOPIC SNAPSHOT CLEANUP option: max=3"),
        ("TOPIC LIST all", "TOPIC LIST takes no arguments"),
        ("TOPIC INFO", "TOPIC INFO requires 1 argument: <name>"),
        ("TOPIC DELETE a b", "TOPIC DELETE requires 1 argument: <name>"),
        ("TOPIC APPEND", "TOPIC APPEND requires 2 arguments: <name> [partition=N] [key=K] <value>"),
        ("TOPIC APPEND t", "TOPIC APPEND requires 2 arguments: <name> [partition=N] [key=K] <value>"),
        (
            "TOPIC APPEND t partition=2",
            "TOPIC APPEND requires 2 arguments: <name> [partition=N] [key=K] <value>",
        ),
        ("TOPIC APPEND t partition=x v", "Invalid partition value: x (must be a whole number)"),
        ("TOPIC APPEND t \"v", "Invalid value value: \"v (must be text, its quotes closed)"),
        ("TOPIC READ t 0", "TOPIC READ requires 3 arguments: <name> <partition> <offset>"),
        ("TOPIC READ t 0 -1", "Invalid offset value: -1 (must be a whole number)"),
        ("TOPIC READ t 0 0 count=0", "Invalid count value: 0 (must be a whole number in range [1, 10000])"),
        ("TOPIC READ t 0 0 max=5", "Invalid TOPIC READ option: max=5"),
        ("TOPIC OFFSET t 0", "TOPIC OFFSET requires 3 arguments: <name> <partition> <time>"),
        ("TOPIC OFFSET t 0 noon", "time: expected RFC 3339, as 2026-11-21T10:30:00Z, got \"noon\""),
    ] {
        let error = parse(line, &Limits::default()).expect_err(line);
        assert_eq!(error.to_string(), message, "{line}");
    }
}

#[test]
fn records_are_appended_read_and_found_in_both_dialects() {
    for (dialect, mark) in [(Dialect::Documented, "(error) "), (Dialect::Nvecd, "ERROR ")] {
        let mut past = Past::with(config(), dialect);
        assert_eq!(past.raw("TOPIC LIST"), "OK TOPICS 0\r\nEND\r\n");
        let made = past.block("TOPIC CREATE orders retention=24h");
        assert_eq!((made[""].as_str(), made["retention"].as_str()), ("OK TOPIC_CREATED orders", "24h"));
        past.clock.advance(1_000_000);
        let first = past.raw("TOPIC APPEND orders key=\"customer 7\" two \"apples\"");
        assert_eq!(
            first,
            "OK TOPIC_APPENDED orders\r\ntopic: orders\r\npartition: 0\r\noffset: 0\r\nEND\r\n"
        );
        past.clock.advance(1_000_000);
        past.raw("TOPIC APPEND orders \"\"");
        past.raw("TOPIC APPEND orders key=k");
        assert_eq!(
            past.raw("TOPIC READ orders 0 0"),
            "OK TOPIC_RECORDS 3\r\nnext_offset: 3\r\nhigh_water_mark: 3\r\n\
             offset=0 time=2025-01-18T12:00:01Z key=\"customer 7\" value=\"two \\\"apples\\\"\"\r\n\
             offset=1 time=2025-01-18T12:00:02Z value=\"\"\r\n\
             offset=2 time=2025-01-18T12:00:02Z key=\"k\"\r\nEND\r\n"
        );
        let one = past.block("TOPIC READ orders 0 1 count=1");
        assert_eq!((one[""].as_str(), one["next_offset"].as_str()), ("OK TOPIC_RECORDS 1", "2"));
        assert_eq!(past.block("TOPIC OFFSET orders 0 2025-01-18T12:00:02Z")["offset"], "1");
        let none = past.block("TOPIC OFFSET orders 0 \"2025-01-18 12:00:03\"");
        assert_eq!(
            (none["offset"].as_str(), none["note"].as_str()),
            ("none", "no time zone given, taken as UTC")
        );
        let listed = past.raw("TOPIC LIST");
        assert!(listed.contains("topic=orders partitions=1 records=3 "), "{listed}");
        let info = past.raw("TOPIC INFO orders");
        assert!(info.contains("partition=0 base_offset=0 high_water_mark=3 durable_offset=3 "), "{info}");
        for (line, message) in [
            ("TOPIC APPEND nothing x", "topic `nothing` does not exist: there are orders"),
            ("TOPIC CREATE orders", "topic `orders` exists already"),
            ("TOPIC READ orders 1 0", "topic `orders` has no partition 1"),
            ("TOPIC READ orders 0 4", "offset 4 is not in the log"),
            ("TOPIC CREATE t partitions=0", "partitions must be in range [1, 1024], got 0"),
            ("TOPIC CREATE ../x", "a topic's name is "),
            ("TOPIC COMPACT orders", "topic orders has compaction none: expected key"),
        ] {
            let reply = past.raw(line);
            assert!(reply.starts_with(mark) && reply.contains(message), "{line}: {reply}");
        }
        assert_eq!(past.block("TOPIC DELETE orders")[""], "OK TOPIC_DELETED orders");
        assert_eq!(past.raw("TOPIC LIST"), "OK TOPICS 0\r\nEND\r\n");
    }
}

#[test]
fn an_acknowledged_record_survives_a_crash() {
    let disk = SimDisk::new(1);
    let mut past = Past::on(disk.clone(), config(), Dialect::Documented);
    past.block("TOPIC CREATE t partitions=2");
    for i in 0..10 {
        past.block(&format!("TOPIC APPEND t partition={} value {i}", i % 2));
    }
    let image = disk.image(Fate::Dropped);
    let mut past = Past::on(image, config(), Dialect::Documented);
    for partition in 0..2 {
        let read = past.raw(&format!("TOPIC READ t {partition} 0"));
        assert!(read.starts_with("OK TOPIC_RECORDS 5\r\n"), "{read}");
        assert!(read.contains(&format!("value=\"value {}\"", 8 + partition)), "{read}");
    }
}

#[test]
fn an_orderly_close_gives_the_topics_back() {
    let disk = SimDisk::new(1);
    for n in 0..3 {
        let mut past = Past::on(disk.clone(), config(), Dialect::Documented);
        if n == 0 {
            past.block("TOPIC CREATE prices compaction=key");
        }
        past.block(&format!("TOPIC APPEND prices key=apple {n}"));
        assert_eq!(past.block("TOPIC COMPACT prices")[""], "OK TOPIC_COMPACTED prices");
        past.backend.close().unwrap();
    }
    let mut past = Past::on(disk, config(), Dialect::Documented);
    assert!(past.raw("TOPIC READ prices 0 0").contains("value=\"2\""));
}

#[test]
fn the_database_and_its_topics_do_not_touch_each_other() {
    let mut past = Past::new();
    past.write("a", 2);
    let before = past.hash();
    past.block("TOPIC CREATE t");
    past.block("TOPIC APPEND t x");
    assert_eq!((past.hash(), past.block("CHECK")["lsn"].as_str()), (before, "2"));
    past.block("SNAPSHOT CREATE name=s");
    past.block("TOPIC APPEND t y");
    past.block("SNAPSHOT RESTORE s");
    assert!(past.raw("TOPIC READ t 0 0").starts_with("OK TOPIC_RECORDS 2\r\n"));
}

#[test]
fn a_topic_is_altered_and_keeps_what_is_not_named() {
    let mut past = Past::with(config(), Dialect::Documented);
    past.block("TOPIC CREATE t retention=24h sync_mode=periodic flush_interval=250ms");
    let altered = past.block("TOPIC ALTER t compaction=key retention_bytes=1GB tombstone_retention=1h");
    let said = |key: &str| altered[key].as_str();
    assert_eq!((said(""), said("retention"), said("compaction")), ("OK TOPIC_ALTERED t", "24h", "key"));
    assert_eq!((said("sync_mode"), said("flush_interval")), ("periodic", "250ms"));
    assert_eq!((said("retention_bytes"), said("tombstone_retention")), ("1073741824", "1h"));
    let info = past.block("TOPIC ALTER t sync_mode=fsync");
    assert_eq!((info["sync_mode"].as_str(), info["flush_interval"].as_str()), ("fsync", "none"));
    let wrong = past.raw("TOPIC ALTER t flush_interval=1s");
    assert_eq!(wrong, "(error) flush_interval 1s needs sync_mode periodic, got fsync\r\n");
    assert_eq!(past.block("TOPIC INFO t")["compaction"], "key");
    assert!(past.raw("TOPIC ALTER nothing retention=1h").starts_with("(error) "));
}

#[test]
fn a_topics_snapshot_is_made_verified_restored_and_deleted() {
    let mut past = Past::with(config(), Dialect::Documented);
    past.block("TOPIC CREATE t partitions=2");
    for n in 0..6 {
        past.clock.advance(1_000_000);
        past.block(&format!("TOPIC APPEND t partition={} value-{n}", n % 2));
    }
    let made = past.block("TOPIC SNAPSHOT CREATE t");
    let id = made["snapshot"].clone();
    assert_eq!(
        (made["partitions"].as_str(), made["whole"].as_str(), made["offsets"].as_str()),
        ("2", "true", "6")
    );
    past.clock.advance(1_000_000);
    past.block("TOPIC APPEND t partition=0 later");
    let second = past.block("TOPIC SNAPSHOT CREATE t compression=zstd parallel=2")["snapshot"].clone();
    let listed = past.raw("TOPIC SNAPSHOT LIST t");
    let order = listed.find(&second).zip(listed.find(&id));
    assert!(order.is_some_and(|(newer, older)| newer < older), "{listed}");
    let valid = past.block(&format!("TOPIC SNAPSHOT VERIFY t {id}"));
    assert_eq!((valid["status"].as_str(), valid["partitions"].as_str()), ("valid", "2"));
    let restored = past.block(&format!("TOPIC SNAPSHOT RESTORE t {id} then"));
    assert_eq!((restored["topic"].as_str(), restored["records"].as_str()), ("then", "6"));
    let before = past.raw("TOPIC READ then 0 0");
    assert!(before.contains("value-4") && !before.contains("later"), "{before}");
    past.block("TOPIC APPEND then partition=0 and-on");
    assert!(past.raw(&format!("TOPIC SNAPSHOT RESTORE t {id} then")).starts_with("(error) "));
    assert_eq!(past.block(&format!("TOPIC SNAPSHOT DELETE t {id}"))["partitions"], "2");
    let missing = past.raw(&format!("TOPIC SNAPSHOT VERIFY t {id}"));
    assert!(missing.starts_with("(error) ") && missing.contains("does not exist"), "{missing}");
    past.clock.advance(1_000_000);
    past.block("TOPIC SNAPSHOT CREATE t");
    let cleaned = past.block("TOPIC SNAPSHOT CLEANUP t max_snapshots=1 retention=1h");
    assert_eq!((&cleaned["deleted"], &cleaned["deleted_ids"]), (&"1".to_owned(), &second));
    assert!(past.raw("TOPIC SNAPSHOT LIST t").starts_with("OK TOPIC_SNAPSHOTS 1\r\n"));
}
