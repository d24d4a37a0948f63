//! WAL and TIMELINE lines → commands.

use cairn_engine::{Limits, Lsn, SyncMode, Target, TimelineId};
use cairn_server::{Ask, Command, Recover, ReplayWal, Timelines, Wal, WalChange, parse};

const ID: &str = "0f5ad35a7a6e4d4a8d0f7d6f6e1f2a3b";

fn ask(line: &str) -> Ask {
    match parse(line, &Limits::default()).unwrap_or_else(|e| panic!("{line}: {e}")) {
        Command::Ask(ask) => ask,
        other => panic!("{line}: {other:?}"),
    }
}

fn wal(line: &str) -> Wal {
    match ask(line) {
        Ask::Wal(wal) => wal,
        other => panic!("{line}: {other:?}"),
    }
}

fn timeline(line: &str) -> Timelines {
    match ask(line) {
        Ask::Timeline(timeline) => timeline,
        other => panic!("{line}: {other:?}"),
    }
}

fn refused(line: &str) -> String {
    parse(line, &Limits::default()).expect_err(line).to_string()
}

fn id() -> TimelineId {
    ID.parse().unwrap()
}

#[test]
fn wal_lines() {
    assert_eq!(wal("WAL STATUS"), Wal::Status);
    assert_eq!(wal("wal disable"), Wal::Disable);
    assert_eq!(wal("WAL VERIFY"), Wal::Verify);
    assert_eq!(wal("WAL SYNC"), Wal::Sync);
    assert_eq!(wal("WAL ENABLE"), Wal::Enable(Box::default()));
    let line = "WAL ENABLE path=\"a b\" SYNC_MODE=periodic flush_interval=250ms segment_size=64MB retention=7d \
                retention_bytes=8GB include_vectors=off";
    let change = WalChange {
        path: Some("a b".into()),
        sync: Some(SyncMode::Periodic { interval_us: SyncMode::INTERVAL_US }),
        flush_us: Some(250_000),
        segment_bytes: Some(64 << 20),
        retention_us: Some(7 * 86_400_000_000),
        retention_bytes: Some(8 << 30),
        include_vectors: Some(false),
    };
    assert_eq!(wal(line), Wal::Enable(Box::new(change)));
    assert_eq!(wal("WAL REPLAY"), Wal::Replay(ReplayWal::default()));
    let Wal::Replay(replay) =
        wal("WAL REPLAY path=/old from=2024-01-20T10:00:00Z to=\"2024-01-20 11:00:00\" dry_run=on verify=on")
    else {
        panic!("not REPLAY");
    };
    assert_eq!(replay.path.as_deref(), Some("/old"));
    assert_eq!(replay.from.map(|t| (t.us, t.zone_assumed)), Some((1_705_744_800_000_000, false)));
    assert_eq!(replay.to.map(|t| (t.us, t.zone_assumed)), Some((1_705_748_400_000_000, true)));
    assert!(replay.dry_run && replay.verify);
}

#[test]
fn what_is_wrong_with_a_wal_line_is_said() {
    for (line, message) in [
        ("WAL", "WAL requires subcommand: STATUS|ENABLE|DISABLE|VERIFY|SYNC|REPLAY"),
        ("WAL FOO", "Unknown WAL subcommand: FOO"),
        ("WAL STATUS now", "WAL STATUS takes no arguments"),
        ("WAL DISABLE now", "WAL DISABLE takes no arguments"),
        ("WAL VERIFY x", "WAL VERIFY takes no arguments"),
        ("WAL SYNC x", "WAL SYNC takes no arguments"),
        ("WAL ENABLE fast", "Invalid WAL ENABLE option: fast"),
        ("WAL ENABLE speed=fast", "Invalid WAL ENABLE option: speed=fast"),
        ("WAL ENABLE path=\"x", "Invalid WAL ENABLE option: path=\"x"),
        (
            "WAL ENABLE sync_mode=always",
            "Invalid sync_mode value: always (must be fsync, periodic, or async)",
        ),
        (
            "WAL ENABLE segment_size=1023KB",
            "Invalid segment_size value: 1023KB (must be a size in range [1MB, 4GB], as 64MB or 67108864)",
        ),
        (
            "WAL ENABLE flush_interval=5",
            "Invalid flush_interval value: 5 (must be a duration in range [1ms, 1h], as 250ms, 5s or 24h)",
        ),
        (
            "WAL ENABLE retention=1y",
            "Invalid retention value: 1y (must be a duration in range [0, 876000h], as 250ms, 5s or 24h)",
        ),
        (
            "WAL ENABLE retention_bytes=-1",
            "Invalid retention_bytes value: -1 (must be a size in bytes, or as 64MB or 8GB)",
        ),
        ("WAL ENABLE include_vectors=yes", "Invalid include_vectors value: yes (must be on or off)"),
        ("WAL REPLAY /old", "Invalid WAL REPLAY option: /old"),
        ("WAL REPLAY path=", "Invalid WAL REPLAY option: path="),
        ("WAL REPLAY dry_run=1", "Invalid dry_run value: 1 (must be on or off)"),
        ("WAL REPLAY from=noon", "time: expected RFC 3339, as 2026-11-21T10:30:00Z, got \"noon\""),
        (
            "WAL REPLAY from=2024-01-20T11:00:00Z to=2024-01-20T10:00:00Z",
            "from 2024-01-20T11:00:00Z is after to 2024-01-20T10:00:00Z: expected from at or before to",
        ),
    ] {
        assert_eq!(refused(line), message, "{line}");
    }
}

#[test]
fn timeline_lines() {
    assert_eq!(timeline("TIMELINE LIST"), Timelines::List);
    assert_eq!(timeline(&format!("timeline compare {ID}")), Timelines::Compare(id()));
    assert_eq!(timeline(&format!("TIMELINE PROMOTE {ID}")), Timelines::Promote(id()));
    let drop = |dry_run| Timelines::Drop { timeline: id(), dry_run };
    assert_eq!(timeline(&format!("TIMELINE DROP {ID}")), drop(false));
    assert_eq!(timeline(&format!("TIMELINE DROP {ID} dry_run=on")), drop(true));
    let recover = |target, zone_assumed, timeline, dry_run| {
        Timelines::Recover(Recover { target, zone_assumed, timeline, dry_run })
    };
    let noon = Target::Time(1_705_752_000_000_000);
    for (line, want) in [
        ("TIMELINE RECOVER latest", recover(Target::Latest, false, None, false)),
        ("TIMELINE RECOVER 4711", recover(Target::Lsn(Lsn(4711)), false, None, false)),
        ("TIMELINE RECOVER 2024-01-20T12:00:00Z", recover(noon, false, None, false)),
        ("TIMELINE RECOVER 2024-01-20T13:00:00+01:00", recover(noon, false, None, false)),
        ("TIMELINE RECOVER 2024-01-20 12:00:00", recover(noon, true, None, false)),
        ("TIMELINE RECOVER \"2024-01-20 12:00:00\"", recover(noon, true, None, false)),
        (
            "TIMELINE RECOVER latest dry_run=on timeline=0f5ad35a7a6e4d4a8d0f7d6f6e1f2a3b",
            recover(Target::Latest, false, Some(id()), true),
        ),
    ] {
        assert_eq!(timeline(line), want, "{line}");
    }
}

#[test]
fn what_is_wrong_with_a_timeline_line_is_said() {
    let expected = "(must be an id of 32 hex digits, as TIMELINE LIST shows)";
    for (line, message) in [
        ("TIMELINE", "TIMELINE requires subcommand: LIST|RECOVER|COMPARE|PROMOTE|DROP".to_owned()),
        ("TIMELINE FOO", "Unknown TIMELINE subcommand: FOO".to_owned()),
        ("TIMELINE LIST all", "TIMELINE LIST takes no arguments".to_owned()),
        ("TIMELINE RECOVER", "TIMELINE RECOVER requires 1 argument: <latest|LSN|time>".to_owned()),
        ("TIMELINE RECOVER dry_run=on", "TIMELINE RECOVER requires 1 argument: <latest|LSN|time>".to_owned()),
        ("TIMELINE RECOVER latest x=1", "Invalid TIMELINE RECOVER option: x=1".to_owned()),
        ("TIMELINE RECOVER latest timeline=7", format!("Invalid timeline value: 7 {expected}")),
        ("TIMELINE RECOVER latest dry_run=1", "Invalid dry_run value: 1 (must be on or off)".to_owned()),
        (
            "TIMELINE RECOVER yesterday",
            "point in time: expected `latest`, an LSN, or a time as 2026-11-21T10:30:00Z, got \"yesterday\""
                .to_owned(),
        ),
        (
            "TIMELINE RECOVER 99999999999999999999",
            "LSN: expected at most 18446744073709551615, got 99999999999999999999".to_owned(),
        ),
        ("TIMELINE COMPARE", "TIMELINE COMPARE requires 1 argument: <timeline id>".to_owned()),
        ("TIMELINE COMPARE a b", "TIMELINE COMPARE requires 1 argument: <timeline id>".to_owned()),
        ("TIMELINE PROMOTE xyz", format!("Invalid timeline value: xyz {expected}")),
        ("TIMELINE DROP", "TIMELINE DROP requires 1 argument: <timeline id>".to_owned()),
        ("TIMELINE DROP xyz", format!("Invalid timeline value: xyz {expected}")),
        (
            "TIMELINE DROP 0f5ad35a7a6e4d4a8d0f7d6f6e1f2a3b now",
            "Invalid TIMELINE DROP option: now".to_owned(),
        ),
    ] {
        assert_eq!(refused(line), message, "{line}");
    }
}
