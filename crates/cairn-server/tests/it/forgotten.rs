//! Ids that have nothing any more: unknown, whatever brought the state back.

use crate::cache::caching;
use crate::past::Past;
use crate::running::config;
use cairn_disk::{Fate, SimDisk};
use cairn_engine::ErrorKind;
use cairn_server::{Backend, Dialect, Live};
use std::sync::Arc;

const UNKNOWN: &str = "Query vector not found: gone";

/// One id that only a vector named, one that an event of a ring names, one that only a pair names; all vectors are gone.
fn fill(past: &mut Past) {
    for line in [
        "VECSET gone 1 1",
        "VECSET ring 1 1",
        "VECSET pair 1 1",
        "VECSET stays 1 0",
        "EVENT alone ADD ring 5",
        "EVENT c ADD pair 9",
        "EVENT c ADD stays 9",
        // The ring holds two: the first of these two takes `pair` out of it.
        "EVENT c ADD stays 8",
        "VECDEL gone",
        "VECDEL ring",
        "VECDEL pair",
    ] {
        assert!(past.raw(line).starts_with("OK "), "{line}");
    }
}

#[track_caller]
fn are_told_apart(past: &mut Past) {
    assert_eq!(past.refused("SIM gone 5 using=events"), UNKNOWN);
    assert_eq!(past.refused("SIM gone 5"), UNKNOWN);
    assert_eq!(past.raw("SIM ring 5 using=events"), "OK RESULTS 0\r\n");
    assert_eq!(past.raw("SIM pair 5 using=events"), "OK RESULTS 1\r\nstays 153.0000\r\n");
    let item = |id: &str| past.backend.item(None, id).map(|item| item.vector.is_some());
    assert_eq!(item("gone").unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!((item("ring").unwrap(), item("pair").unwrap()), (false, false));
}

fn open(disk: SimDisk) -> Past {
    let mut config = config();
    config.settings.ctx_buffer_size = 2;
    Past::on(disk, config, Dialect::Documented)
}

#[test]
fn after_a_crash_and_its_replay_and_after_an_orderly_end() {
    let mut past = open(SimDisk::new(1));
    fill(&mut past);
    are_told_apart(&mut past);
    let hash = past.hash();
    let mut crashed = open(past.disk.image(Fate::Dropped));
    are_told_apart(&mut crashed);
    assert_eq!(crashed.hash(), hash);
    crashed.backend.close().unwrap();
    let mut closed = open(crashed.disk.image(Fate::Dropped));
    are_told_apart(&mut closed);
    assert_eq!(closed.hash(), hash);
}

#[test]
fn after_a_snapshot_a_dump_and_going_back() {
    let mut past = open(SimDisk::new(1));
    fill(&mut past);
    let hash = past.hash();
    for line in ["SNAPSHOT CREATE name=x", "DUMP SAVE x.nvec", "SNAPSHOT RESTORE x"] {
        assert!(past.raw(line).starts_with("OK "), "{line}");
    }
    are_told_apart(&mut past);
    assert!(past.raw("DUMP LOAD x.nvec").starts_with("OK "));
    are_told_apart(&mut past);
    assert_eq!(past.hash(), hash);
}

#[test]
fn an_event_that_leaves_the_last_ring_takes_its_id_with_it() {
    let mut past = open(SimDisk::new(1));
    // A DEL makes no pairs.
    for line in ["EVENT c DEL gone", "EVENT c DEL a"] {
        assert!(past.raw(line).starts_with("OK "), "{line}");
        assert_eq!(past.raw("SIM gone 5 using=events"), "OK RESULTS 0\r\n", "{line}");
    }
    assert!(past.raw("EVENT c DEL b").starts_with("OK "));
    assert_eq!(past.refused("SIM gone 5 using=events"), UNKNOWN);
}

#[test]
fn no_kept_answer_hides_that_an_id_is_gone() {
    let mut past = Past::with(caching(), Dialect::Documented);
    past.backend = past.backend.with_live(Arc::new(Live::new(caching()).unwrap()));
    assert!(past.raw("VECSET gone 1 1").starts_with("OK "));
    for _ in 0..2 {
        assert_eq!(past.raw("SIM gone 5 using=events"), "OK RESULTS 0\r\n");
    }
    assert_eq!(past.block("CACHE STATS")["cache_hits"], "1");
    assert!(past.raw("VECDEL gone").starts_with("OK "));
    assert_eq!(past.refused("SIM gone 5 using=events"), UNKNOWN);
}
