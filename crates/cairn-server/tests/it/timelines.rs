//! TIMELINE lines on a real engine.

use crate::past::{Past, SECOND};
use crate::running::{NOW_US, config};
use cairn_disk::SimDisk;
use cairn_engine::{Engine, Options, Target};
use cairn_server::{Counters, Dialect, EngineBackend, Interpreter, Rules};
use std::path::Path;
use std::sync::Arc;

#[test]
fn a_new_database_has_one_timeline() {
    let mut past = Past::new();
    past.write("a", 3);
    let timelines = past.timelines();
    assert_eq!(timelines.len(), 1);
    let live = &timelines[0];
    for (key, value) in [
        ("role", "live"),
        ("parent", "none"),
        ("fork_lsn", "0"),
        ("from_lsn", "0"),
        ("from_time", "2025-01-18T12:00:00Z"),
        ("to_lsn", "3"),
        ("to_time", "2025-01-18T12:00:03Z"),
        ("checkpoints", "1"),
        ("wal", "on"),
        ("ended", "none"),
        ("reason", "created"),
    ] {
        assert_eq!(live[key], value, "{key}");
    }
    assert_eq!(live["id"], past.block("CHECK")["timeline"]);
}

#[test]
fn a_branch_is_made_compared_promoted_and_undone() {
    let mut past = Past::new();
    past.write("a", 3);
    let early = past.hash();
    let live = past.block("CHECK")["timeline"].clone();
    past.write("b", 4);
    let late = past.hash();

    let branch = past.block("TIMELINE RECOVER 2025-01-18T12:00:03Z");
    let id = branch["timeline"].clone();
    assert_eq!(branch[""], format!("OK TIMELINE_RECOVERED {id}"));
    assert_eq!((branch["lsn"].as_str(), branch["time"].as_str()), ("3", "2025-01-18T12:00:03Z"));
    assert_eq!((branch["role"].as_str(), branch["parent"].as_str()), ("branch", live.as_str()));
    assert!(!branch.contains_key("note"));
    // Nothing else changed.
    assert_eq!(past.hash(), late);
    assert_eq!(past.timelines()[1]["role"], "branch");

    let compared = past.raw(&format!("TIMELINE COMPARE {id}"));
    assert!(compared.starts_with(&format!("OK TIMELINE_COMPARED {id}\r\nequal: false\r\n")), "{compared}");
    assert!(
        compared.contains("vectors: only_live=4 only_other=0 changed=0\r\nvectors id=b0\r\n"),
        "{compared}"
    );
    assert!(compared.contains("metadata: only_live=0 only_other=0 changed=0\r\n"), "{compared}");

    let promoted = past.block(&format!("TIMELINE PROMOTE {id}"));
    assert_eq!((promoted["lsn"].as_str(), promoted["vectors"].as_str()), ("3", "3"));
    assert_eq!(promoted["replaced"], live);
    assert_eq!(past.hash(), early);
    let roles = |past: &mut Past| past.timelines().into_iter().map(|t| t["role"].clone()).collect::<Vec<_>>();
    assert_eq!(roles(&mut past), ["live", "ancestor"]);

    // A wrong recovery is undone: what was live is promoted again.
    past.block(&format!("TIMELINE PROMOTE {live}"));
    assert_eq!(past.hash(), late);
    let message = past.refused(&format!("TIMELINE DROP {live}"));
    assert!(message.contains("is the live one"), "{message}");
    let planned = past.block(&format!("TIMELINE DROP {id} dry_run=on"));
    assert_eq!((planned["was"].as_str(), planned["dry_run"].as_str()), ("replaced", "true"));
    assert_eq!(past.timelines().len(), 2);
    let dropped = past.block(&format!("TIMELINE DROP {id}"));
    assert_eq!(dropped[""], format!("OK TIMELINE_DROPPED {id}"));
    assert_eq!(past.timelines().len(), 1);
    assert_eq!(past.hash(), late);
}

#[test]
fn a_dry_run_says_where_it_would_stand_and_makes_nothing() {
    let mut past = Past::new();
    past.write("a", 5);
    let files = past.disk.files();
    let plan = past.block("TIMELINE RECOVER 2025-01-18 12:00:02 dry_run=on");
    assert_eq!((plan[""].as_str(), plan["lsn"].as_str()), ("OK TIMELINE_PLAN", "2"));
    assert_eq!((plan["checkpoint_lsn"].as_str(), plan["records_to_replay"].as_str()), ("0", "2"));
    assert_eq!(plan["note"], "no time zone given, taken as UTC");
    assert!(plan["recoverable"].starts_with("from 2025-01-18T12:00:00Z (LSN 0) to "), "{plan:?}");
    assert_eq!(past.disk.files(), files);
    let live = past.block("CHECK")["timeline"].clone();
    assert!(past.refused(&format!("TIMELINE DROP {live} dry_run=on")).contains("is the live one"));
}

#[test]
fn a_time_without_a_zone_is_said_to_be_taken_as_utc() {
    let mut past = Past::new();
    past.write("a", 2);
    assert_eq!(
        past.block("TIMELINE RECOVER 2025-01-18 12:00:01")["note"],
        "no time zone given, taken as UTC"
    );
}

#[test]
fn a_point_that_cannot_be_had_is_refused_with_the_window() {
    for (dialect, mark) in [(Dialect::Documented, "(error) "), (Dialect::Nvecd, "ERROR ")] {
        let mut past = Past::with(config(), dialect);
        past.write("a", 3);
        for (point, why) in [
            ("4", "LSN 4 cannot be recovered: it is past the last record; recoverable: from "),
            ("2025-01-18T11:59:59Z", "it is older than what is kept; recoverable: from 2025-01-18T12:00:00Z"),
            ("2031-01-01T00:00:00Z", "it is in the future; recoverable: from "),
        ] {
            for dry_run in ["", " dry_run=on"] {
                let reply = past.raw(&format!("TIMELINE RECOVER {point}{dry_run}"));
                assert!(reply.starts_with(mark) && reply.contains(why), "{reply}");
                assert_eq!(reply.lines().count(), 1, "{reply}");
            }
        }
    }
}

#[test]
fn a_timeline_that_is_not_there_is_named() {
    let mut past = Past::new();
    let id = "0f5ad35a7a6e4d4a8d0f7d6f6e1f2a3b";
    for line in ["COMPARE", "PROMOTE", "DROP"] {
        let message = past.refused(&format!("TIMELINE {line} {id}"));
        assert!(message.starts_with(&format!("timeline {id}: not here; there are ")), "{line}: {message}");
    }
    let message = past.refused(&format!("TIMELINE RECOVER latest timeline={id}"));
    assert!(message.starts_with(&format!("timeline {id}: not here")), "{message}");
}

#[test]
fn status_tells_of_the_last_job() {
    let mut past = Past::new();
    past.write("a", 2);
    past.block("TIMELINE RECOVER 1");
    assert_eq!(past.block("WAL STATUS")["job"], "TIMELINE RECOVER LSN 1 completed");
    past.refused("TIMELINE RECOVER 99");
    assert_eq!(past.block("WAL STATUS")["job"], "TIMELINE RECOVER LSN 99 failed");
}

/// A state of the past behind the protocol, on the disk of a database that is open.
fn as_of(disk: &SimDisk, target: Target, now_us: i64) -> (EngineBackend, Interpreter) {
    let clock = Arc::new(cairn_engine::ManualClock::new(now_us));
    let options = Options { clock, ..Options::default() };
    let (engine, _) =
        Engine::open_past(Arc::new(disk.clone()), Path::new("/db"), target, None, options).unwrap();
    let counters = Arc::new(Counters::default());
    let backend = EngineBackend::new(&config(), engine, Arc::new(disk.clone()), Arc::clone(&counters));
    (backend, Interpreter::new(Arc::new(Rules::default()), counters))
}

#[test]
fn a_state_of_the_past_answers_and_refuses_every_change() {
    let mut past = Past::new();
    past.write("a", 3);
    let early = past.hash();
    past.write("b", 3);
    let late_us = NOW_US + 100 * SECOND;
    let before: Vec<_> = past.disk.files().into_iter().map(|p| (past.disk.read_file(&p), p)).collect();
    let (backend, mut interpreter) = as_of(&past.disk, Target::Time(NOW_US + 3 * SECOND), late_us);
    let mut ask = |line: &str| {
        let mut out = Vec::new();
        interpreter.handle(format!("{line}\n").as_bytes(), &backend, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert!(ask("CHECK").contains(&format!("state_hash: {early}\r\n")));
    assert_eq!(ask("SIM a1 1 using=vectors"), "OK RESULTS 1\r\na2 0.9487\r\n");
    let info = ask("INFO");
    assert!(info.contains("read_only: true\r\n") && info.contains("wal: off\r\n"), "{info}");
    let listed = ask("TIMELINE LIST");
    assert!(listed.contains("role=live") && listed.contains("to_lsn=6"), "{listed}");
    assert!(ask("WAL STATUS").starts_with("OK WAL_STATUS\r\n"));
    assert_eq!(ask("USE default"), "OK USE default\r\n");
    assert!(ask("COLLECTION STATS default").contains("\r\nvectors: 3\r\n"));
    let id = past.block("CHECK")["timeline"].clone();
    for line in [
        "VECSET x 1 2".to_owned(),
        "METASET a1 k:v".to_owned(),
        "EVENT c ADD a1 5".to_owned(),
        "VECDEL a1".to_owned(),
        "COLLECTION CREATE x".to_owned(),
        "COLLECTION CONFIGURE default ef_search=9".to_owned(),
        "COLLECTION ALIAS x default".to_owned(),
        "COLLECTION UNALIAS x".to_owned(),
        "COLLECTION RENAME x y".to_owned(),
        "COLLECTION DROP x".to_owned(),
        "DUMP SAVE x.nvec".to_owned(),
        "DUMP LOAD x.nvec".to_owned(),
        "SNAPSHOT CREATE".to_owned(),
        "SNAPSHOT RESTORE x".to_owned(),
        "SNAPSHOT DELETE x".to_owned(),
        "WAL ENABLE sync_mode=async".to_owned(),
        "WAL DISABLE".to_owned(),
        "WAL SYNC".to_owned(),
        "WAL VERIFY".to_owned(),
        "WAL REPLAY".to_owned(),
        "TIMELINE RECOVER latest".to_owned(),
        format!("TIMELINE COMPARE {id}"),
        format!("TIMELINE PROMOTE {id}"),
        format!("TIMELINE DROP {id}"),
    ] {
        let reply = ask(&line);
        assert!(reply.starts_with("(error) READONLY "), "{line}: {reply}");
    }
    let after: Vec<_> = past.disk.files().into_iter().map(|p| (past.disk.read_file(&p), p)).collect();
    assert!(before == after, "something was touched");
}

#[test]
fn a_stop_ends_going_back_and_replays() {
    let mut past = Past::new();
    past.write("a", 5);
    let wal = past.block("WAL STATUS")["path"].clone();
    cairn_server::Backend::cancel(&past.backend);
    for line in ["TIMELINE RECOVER 3".to_owned(), format!("WAL REPLAY path={wal}"), "WAL VERIFY".to_owned()] {
        let why = past.raw(&line);
        assert!(why.starts_with("(error) ") && why.contains("the server is stopping"), "{line}: {why}");
    }
    assert_eq!(past.timelines().len(), 1);
}
