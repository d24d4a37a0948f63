//! Lines → commands.

use cairn_engine::{EventOp, Limits, Using, Write};
use cairn_server::{
    Ask, Command, Compression, Create, Dump, One, Restore, Snapshot, Verify, is_verify, parse,
};
use cairn_snapshot::{Base, Depth};

fn ok(line: &str) -> Command {
    parse(line, &Limits::default()).unwrap_or_else(|e| panic!("{line}: {e}"))
}

fn write(line: &str) -> Write {
    match ok(line) {
        Command::Write(write) => write,
        other => panic!("{line}: {other:?}"),
    }
}

fn ask(line: &str) -> Ask {
    match ok(line) {
        Command::Ask(ask) => ask,
        other => panic!("{line}: {other:?}"),
    }
}

fn refused(line: &str) -> String {
    parse(line, &Limits::default()).expect_err(line).to_string()
}

fn event(op: EventOp, score: u8, time_s: Option<i64>) -> Write {
    Write::Event { context: "c".into(), id: "a".into(), op, score, time_s }
}

#[test]
fn events() {
    assert_eq!(write("EVENT c ADD a 95"), event(EventOp::Add, 95, None));
    assert_eq!(write("event c add a 0"), event(EventOp::Add, 0, None));
    assert_eq!(write("EVENT c SET a 100 timestamp=7"), event(EventOp::Set, 100, Some(7)));
    assert_eq!(write("EVENT c DEL a"), event(EventOp::Del, 0, None));
    assert_eq!(write("EVENT c DEL a timestamp=0"), event(EventOp::Del, 0, Some(0)));
    assert_eq!(write("  EVENT \t c  ADD a   95  "), event(EventOp::Add, 95, None));
}

#[test]
fn what_is_wrong_with_an_event_is_said() {
    for (line, message) in [
        ("EVENT", "EVENT requires at least 3 arguments: <ctx> <type> <id> [<score>]"),
        ("EVENT c ADD", "EVENT requires at least 3 arguments: <ctx> <type> <id> [<score>]"),
        ("EVENT c ADD a", "EVENT ADD requires 4-5 arguments: <ctx> ADD <id> <score> [timestamp=<value>]"),
        (
            "EVENT c SET a 1 timestamp=1 x",
            "EVENT SET requires 4-5 arguments: <ctx> SET <id> <score> [timestamp=<value>]",
        ),
        ("EVENT c DEL a 50", "EVENT DEL requires 3-4 arguments: <ctx> DEL <id> [timestamp=<value>]"),
        ("EVENT c FOO a 1", "Invalid EVENT type: FOO (must be ADD, SET, or DEL)"),
        ("EVENT c ADD a 101", "Score must be in range [0, 100], got 101"),
        ("EVENT c ADD a -1", "Score must be in range [0, 100], got -1"),
        ("EVENT c ADD a 99999999999999999999", "Score must be in range [0, 100], got 99999999999999999999"),
        ("EVENT c ADD a x", "Failed to parse integer: x"),
        ("EVENT c ADD a 1.5", "Failed to parse integer: 1.5"),
        ("EVENT c ADD a 1 timestamp=x", "Failed to parse timestamp: x"),
        ("EVENT c ADD a 1 when=1", "Invalid option: when=1"),
        ("EVENT c ADD a 1 timestamp=-1", "Timestamp must be in seconds, in range [0, 253402300799], got -1"),
        (
            "EVENT c ADD a 1 timestamp=1763000000000",
            "Timestamp must be in seconds, in range [0, 253402300799], got 1763000000000",
        ),
    ] {
        assert_eq!(refused(line), message, "{line}");
    }
}

#[test]
fn vectors() {
    let want = Write::VectorSet { id: "a".into(), vector: vec![0.1, -2.0, 3e-7, 0.0] };
    assert_eq!(write("VECSET a 0.1 -2 3e-7 0"), want);
    assert_eq!(write("vecset a +0.1 -2.0 .0000003 -0"), want);
}

#[test]
fn what_is_wrong_with_a_vector_is_said() {
    for (line, message) in [
        ("VECSET", "VECSET requires at least 2 arguments: <id> <floats>"),
        ("VECSET a", "VECSET requires at least 2 arguments: <id> <floats>"),
        ("VECSET a foo", "Failed to parse float: foo"),
        ("VECSET a 1 2,5", "Failed to parse float: 2,5"),
        ("VECSET a nan", "Invalid float: nan"),
        ("VECSET a 1 NaN", "Invalid float: NaN"),
        ("VECSET a inf", "Invalid float: inf"),
        ("VECSET a -infinity", "Invalid float: -infinity"),
        ("VECSET a 1e39", "Invalid float: 1e39"),
    ] {
        assert_eq!(refused(line), message, "{line}");
    }
}

#[test]
fn a_vector_past_the_limit_is_refused_with_its_dimension() {
    let limits = Limits { dimension: 3, ..Limits::default() };
    assert!(parse("VECSET a 1 2 3", &limits).is_ok());
    let error = parse("VECSET a 1 2 3 4 5", &limits).unwrap_err();
    assert_eq!(error.message, "Vector dimension 5 exceeds maximum allowed: 3");
}

#[test]
fn metadata_is_the_rest_of_the_line() {
    let Write::MetadataSet { id, metadata } = write("METASET a section:net,size:12,title:\"a b, c\"") else {
        panic!("not METASET");
    };
    assert_eq!((id.as_str(), metadata.0.len()), ("a", 3));
    assert_eq!(refused("METASET a"), "METASET requires 2 arguments: <id> <key:value,...>");
    assert!(parse("METASET a novalue", &Limits::default()).is_err());
}

#[test]
fn searches_by_id() {
    let Ask::Similar { query, .. } = ask("SIM a 10") else { panic!("not SIM") };
    assert_eq!((query.id.as_str(), query.top_k, query.using), ("a", 10, Using::Fusion));
    assert!(query.filter.is_none() && query.min_score.is_none() && query.adaptive.is_none());
    let line = "sim a 1000 using=events filter=title:\"x y\",n>=3 min_score=0.25 adaptive=on";
    let Ask::Similar { query, .. } = ask(line) else { panic!("not SIM") };
    assert_eq!((query.using, query.min_score, query.adaptive), (Using::Events, Some(0.25), Some(true)));
    assert!(query.filter.is_some());
}

#[test]
fn what_is_wrong_with_a_search_is_said() {
    for (line, message) in [
        ("SIM", "SIM requires at least 2 arguments: <id> <top_k>"),
        ("SIM a", "SIM requires at least 2 arguments: <id> <top_k>"),
        ("SIM a 0", "top_k must be positive, got 0"),
        ("SIM a -5", "top_k must be positive, got -5"),
        ("SIM a 1001", "top_k 1001 exceeds maximum allowed: 1000"),
        ("SIM a 99999999999999999999", "top_k 99999999999999999999 exceeds maximum allowed: 1000"),
        ("SIM a x", "Failed to parse integer: x"),
        ("SIM a 1 using=foo", "Invalid using value: foo (must be events, vectors, or fusion)"),
        ("SIM a 1 adaptive=maybe", "Invalid adaptive value: maybe (must be on or off)"),
        ("SIM a 1 min_score=x", "Failed to parse float: x"),
        ("SIM a 1 min_score=nan", "Invalid float: nan"),
        ("SIM a 1 limit=3", "Invalid SIM option: limit=3"),
        ("SIMV", "SIMV requires at least 2 arguments: <top_k> <floats>"),
        ("SIMV 3", "SIMV requires at least 2 arguments: <top_k> <floats>"),
        ("SIMV 3 min_score=1", "SIMV requires at least 2 arguments: <top_k> <floats>"),
        ("SIMV 3 using=events 1 2", "Invalid SIMV option: using=events"),
        ("SIMV 0 1 2", "top_k must be positive, got 0"),
        ("SIMV 3 1 foo", "Failed to parse float: foo"),
        ("SIMV 3 1 nan", "Invalid float: nan"),
    ] {
        assert_eq!(refused(line), message, "{line}");
    }
}

#[test]
fn searches_by_vector() {
    let Ask::Near { query, .. } = ask("SIMV 5 1 2.5") else { panic!("not SIMV") };
    assert_eq!((query.top_k, query.vector), (5, vec![1.0, 2.5]));
    let Ask::Near { query, .. } = ask("SIMV 5 filter=a:\"b c\" min_score=-1 1 2") else { panic!("not SIMV") };
    assert_eq!((query.vector, query.min_score), (vec![1.0, 2.0], Some(-1.0)));
    assert!(query.filter.is_some());
}

#[test]
fn dumps() {
    let dump = |line| match ask(line) {
        Ask::Dump(dump) => dump,
        other => panic!("{other:?}"),
    };
    assert_eq!(dump("DUMP SAVE"), Dump::Save(None));
    assert_eq!(dump("dump save a.nvec"), Dump::Save(Some("a.nvec".into())));
    assert_eq!(dump("DUMP SAVE a b.nvec"), Dump::Save(Some("a b.nvec".into())));
    assert_eq!(dump("DUMP LOAD \"a b.nvec\""), Dump::Load("a b.nvec".into()));
    assert_eq!(dump("DUMP VERIFY /x/y"), Dump::Verify("/x/y".into()));
    assert_eq!(dump("DUMP INFO x"), Dump::Info("x".into()));
    assert_eq!(dump("DUMP STATUS"), Dump::Status);
    for (line, message) in [
        ("DUMP", "DUMP requires subcommand: SAVE|LOAD|VERIFY|INFO|STATUS"),
        ("DUMP FOO", "Unknown DUMP subcommand: FOO"),
        ("DUMP LOAD", "DUMP LOAD requires 1 argument: <filepath>"),
        ("DUMP VERIFY \"\"", "DUMP VERIFY requires 1 argument: <filepath>"),
        ("DUMP INFO \"x", "DUMP INFO requires 1 argument: <filepath>"),
        ("DUMP STATUS now", "DUMP STATUS takes no arguments"),
    ] {
        assert_eq!(refused(line), message, "{line}");
    }
}

#[test]
fn snapshots() {
    let snapshot = |line| match ask(line) {
        Ask::Snapshot(snapshot) => snapshot,
        other => panic!("{other:?}"),
    };
    assert_eq!(snapshot("SNAPSHOT CREATE"), Snapshot::Create(Create::default()));
    let line = "SNAPSHOT CREATE name=daily compression=gzip description=\"before \\\"it\\\" all\"";
    let full = Create {
        name: Some("daily".into()),
        compression: Some(Compression::Gzip),
        description: Some("before \"it\" all".into()),
        ..Create::default()
    };
    assert_eq!(snapshot(line), Snapshot::Create(full));
    let line = "SNAPSHOT CREATE incremental=on collections=books,films tags=\"a, b\" path=/backups/hourly";
    let more = Create {
        base: Base::Newest,
        collections: Some(vec!["books".into(), "films".into()]),
        tags: vec!["a".into(), "b".into()],
        path: Some("/backups/hourly".into()),
        ..Create::default()
    };
    assert_eq!(snapshot(line), Snapshot::Create(more));
    let based = |base| Snapshot::Create(Create { base, ..Create::default() });
    assert_eq!(snapshot("SNAPSHOT CREATE base=daily"), based(Base::Of("daily".into())));
    assert_eq!(snapshot("SNAPSHOT CREATE base=daily incremental=on"), based(Base::Of("daily".into())));
    assert_eq!(snapshot("SNAPSHOT CREATE incremental=off"), based(Base::None));
    let one = |snapshot: &str| One { snapshot: snapshot.into(), path: None };
    assert_eq!(snapshot("snapshot list"), Snapshot::List { collection: None, path: None });
    let of_books = Snapshot::List { collection: Some("books".into()), path: Some("/b".into()) };
    assert_eq!(snapshot("SNAPSHOT LIST collection=books path=/b"), of_books);
    assert_eq!(snapshot("SNAPSHOT INFO x"), Snapshot::Info(one("x")));
    assert_eq!(snapshot("SNAPSHOT INFO two words"), Snapshot::Info(one("two words")));
    let read = |snapshot: Option<&str>, read| {
        Snapshot::Verify(Verify { snapshot: snapshot.map(Into::into), read, path: None })
    };
    assert_eq!(snapshot("SNAPSHOT VERIFY x"), read(Some("x"), Depth::Every));
    assert_eq!(snapshot("SNAPSHOT VERIFY ALL read=sizes"), read(None, Depth::Sizes));
    let share = Depth::Share { share: 0.05, seed: 0 };
    assert_eq!(snapshot("SNAPSHOT VERIFY \"x y\" read=5%"), read(Some("x y"), share));
    let restore = |change: fn(&mut Restore)| {
        let mut restore = Restore { snapshot: "x".into(), ..Restore::default() };
        change(&mut restore);
        Snapshot::Restore(restore)
    };
    assert_eq!(snapshot("SNAPSHOT RESTORE x"), restore(|_| {}));
    let line = "SNAPSHOT RESTORE x collection=a from=b overwrite=on verify=on dry_run=on path=\"/p q\"";
    let all = restore(|r| {
        (r.collection, r.from, r.path) = (Some("a".into()), Some("b".into()), Some("/p q".into()));
        (r.overwrite, r.verify, r.dry_run) = (true, true, true);
    });
    assert_eq!(snapshot(line), all);
    assert_eq!(snapshot("SNAPSHOT RESTORE x branch=on"), restore(|r| r.branch = true));
    // What is no option is part of the name.
    assert_eq!(
        snapshot("SNAPSHOT RESTORE a=b overwrite=on c"),
        restore(|r| r.snapshot = "a=b overwrite=on c".into())
    );
    assert_eq!(snapshot("SNAPSHOT DELETE x"), Snapshot::Delete("x".into()));
    let diff = Snapshot::Diff { from: "a b".into(), to: "c".into(), path: None };
    assert_eq!(snapshot("SNAPSHOT DIFF \"a b\" c"), diff);
    assert_eq!(snapshot("SNAPSHOT DELETE force=on two words"), Snapshot::DeletePinned("two words".into()));
    assert_eq!(snapshot("SNAPSHOT PIN two words"), Snapshot::Pin("two words".into(), String::new()));
    assert_eq!(snapshot("SNAPSHOT PIN note=\"a b\" x"), Snapshot::Pin("x".into(), "a b".into()));
    assert_eq!(snapshot("SNAPSHOT UNPIN x"), Snapshot::Unpin("x".into()));
    assert_eq!(snapshot("SNAPSHOT SCHEDULE"), Snapshot::Schedule);
    let Snapshot::Prune(prune) = snapshot("SNAPSHOT PRUNE DRYRUN keep_last=7 tag=\"a b\" MAX_AGE=30d") else {
        panic!("not a prune")
    };
    assert_eq!((prune.dry_run, prune.policy.keep_last, prune.tag.as_deref()), (true, 7, Some("a b")));
    assert_eq!(snapshot("SNAPSHOT STATUS"), Snapshot::Status);
    for (line, message) in [
        (
            "SNAPSHOT",
            "SNAPSHOT requires subcommand: CREATE|LIST|INFO|VERIFY|RESTORE|DIFF|DELETE|PIN|UNPIN|PRUNE|SCHEDULE|STATUS",
        ),
        ("SNAPSHOT FOO", "Unknown SNAPSHOT subcommand: FOO"),
        ("SNAPSHOT INFO", "SNAPSHOT INFO requires 1 argument: <id or name>"),
        ("SNAPSHOT PIN note=x", "SNAPSHOT PIN requires 1 argument: <id or name>"),
        ("SNAPSHOT PRUNE everything", "Invalid SNAPSHOT PRUNE option: everything"),
        (
            "SNAPSHOT PRUNE DRYRUN",
            "SNAPSHOT PRUNE requires what to keep: keep_last=N, keep_daily=N, keep_within=30d, max_age=365d, …",
        ),
        ("SNAPSHOT PRUNE keep_last=all", "Invalid keep_last: expected a whole number of snapshots, got all"),
        ("SNAPSHOT CREATE x", "Invalid SNAPSHOT CREATE option: x"),
        ("SNAPSHOT CREATE compression=lz4", "Invalid compression value: lz4 (must be zstd, gzip, or none)"),
        ("SNAPSHOT CREATE description=\"x", "Invalid SNAPSHOT CREATE option: description=\"x"),
        ("SNAPSHOT CREATE incremental=yes", "Invalid incremental value: yes (must be on or off)"),
        ("SNAPSHOT VERIFY x read=some", "Invalid read value: some (must be data, sizes, or a share as 5%)"),
        ("SNAPSHOT VERIFY x read=101%", "Invalid read value: 101% (must be data, sizes, or a share as 5%)"),
        ("SNAPSHOT VERIFY read=5%", "SNAPSHOT VERIFY requires 1 argument: <id or name>, or ALL"),
        ("SNAPSHOT DIFF x", "SNAPSHOT DIFF requires 2 arguments: <id or name> <id or name>"),
        ("SNAPSHOT LIST x", "Invalid SNAPSHOT LIST option: x"),
        ("SNAPSHOT RESTORE x overwrite=yes", "Invalid overwrite value: yes (must be on or off)"),
        (
            "SNAPSHOT RESTORE x branch=on collection=y",
            "branch=on: expected no collection, a branch is of the whole snapshot",
        ),
    ] {
        assert_eq!(refused(line), message, "{line}");
    }
}

#[test]
fn the_rest() {
    assert!(matches!(ask("INFO"), Ask::Info));
    // nvecd's server takes and ignores a section.
    assert!(matches!(ask("info memory"), Ask::Info));
    assert!(matches!(ask("CHECK"), Ask::Check));
    assert_eq!(refused("CHECK it"), "CHECK takes no arguments");
    assert_eq!(refused("FOO"), "Unknown command: FOO");
    assert_eq!(refused("Foo bar"), "Unknown command: Foo");
    assert_eq!(refused("   "), "Empty command");
}

#[test]
fn a_long_word_is_not_repeated_whole_in_its_error() {
    let error = refused(&"é".repeat(100_000));
    assert!(error.len() < 200, "{error}");
}

#[test]
fn verify_is_told_from_its_first_two_words() {
    assert!(is_verify(b"DUMP VERIFY x") && is_verify(b" snapshot  verify \xff"));
    assert!(!is_verify(b"DUMP INFO VERIFY") && !is_verify(b"VERIFY") && !is_verify(b"DUMP"));
}
