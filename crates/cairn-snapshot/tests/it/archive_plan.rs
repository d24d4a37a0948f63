//! What can be recovered: ancestry, windows, plans, times, and pruning what nothing needs.

use crate::archive_support::*;
use crate::support::{files_below, one_thread, open, open_or_create, repo_path};
use cairn_disk::{ErrorKind, SimDisk, Storage};
use cairn_engine::{Lsn, Target};
use cairn_snapshot::Repository;
use cairn_snapshot::archive::{
    ArchiveKeep, Leg, Plan, TimelineInfo, chain, plan, prune, prune_plan, windows,
};

fn leg(of: u8, from: u64, to: u64) -> Leg {
    Leg { timeline: timeline_id(of), from: Lsn(from), to: Lsn(to) }
}

/// Timeline 1 to LSN 60; 2 left it at 30 and went to 50; 3 left 2 at 40 and went to 70.
fn family() -> (SimDisk, Repository, [TimelineInfo; 3]) {
    let repo = SimDisk::new(1);
    let repository = open_or_create(&repo);
    let infos = [timeline(1, 0), timeline(2, 30), child(3, Some(2), 40)];
    for (info, (of, last)) in infos.iter().zip([(1, 60), (2, 50), (3, 70)]) {
        archive(&repository, info, of, last);
    }
    (repo, repository, infos)
}

fn planned(repository: &Repository, target: Target, of: Option<u8>) -> Plan {
    plan(repository, target, of.map(timeline_id)).unwrap_or_else(|e| panic!("{target:?}: {e}"))
}

fn refused(repository: &Repository, target: Target, of: Option<u8>) -> String {
    let error = plan(repository, target, of.map(timeline_id)).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    error.to_string()
}

/// From which snapshot, over which legs, to which LSN.
fn shown(plan: &Plan) -> (u8, u64, Vec<Leg>, u64) {
    (plan.snapshot.timeline.0[0], plan.snapshot.lsn.0, plan.legs.clone(), plan.until.0)
}

/// Timeline and LSNs of each window.
fn spans_of(repository: &Repository) -> Vec<(u8, u64, u64)> {
    let windows = windows(repository).expect("windows");
    windows.iter().map(|w| (w.timeline.0[0], w.from_lsn.0, w.to_lsn.0)).collect()
}

#[test]
fn a_chain_follows_ancestry_only() {
    let (_, repository, _) = family();
    let chain = |of: u8, after: u64, target: u8, upto: u64| {
        chain(&repository, (timeline_id(of), Lsn(after)), timeline_id(target), Lsn(upto))
    };
    let legs = |of, after, target, upto| chain(of, after, target, upto).expect("a chain");
    assert_eq!(legs(1, 10, 1, 60), [leg(1, 11, 60)]);
    assert_eq!(legs(1, 10, 2, 45), [leg(1, 11, 30), leg(2, 31, 45)]);
    assert_eq!(legs(1, 0, 3, 70), [leg(1, 1, 30), leg(2, 31, 40), leg(3, 41, 70)]);
    assert_eq!(legs(2, 35, 3, 70), [leg(2, 36, 40), leg(3, 41, 70)]);
    assert_eq!(legs(1, 30, 3, 41), [leg(2, 31, 40), leg(3, 41, 41)]);
    assert_eq!(legs(1, 10, 3, 20), [leg(1, 11, 20)], "before either left");
    assert_eq!(legs(3, 55, 3, 55), []);
    assert_eq!(legs(3, 40, 3, 40), []);
    for (of, after, target, upto, why) in [
        (1, 31, 2, 45, "left it at LSN 30"),
        (2, 41, 3, 70, "left it at LSN 40"),
        (3, 50, 2, 50, "does not descend from it"),
        (1, 20, 1, 10, "is before it"),
    ] {
        let error = chain(of, after, target, upto).expect_err(why);
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[test]
fn windows_begin_at_snapshots_and_go_on_in_descendants() {
    let (repo, repository, _) = family();
    assert_eq!(spans_of(&repository), [], "no snapshot");
    snapshot(&repo, 1, 10);
    assert_eq!(spans_of(&repository), [(1, 10, 60), (2, 30, 50), (3, 40, 70)]);
    let found = windows(&repository).expect("windows");
    assert_eq!((found[0].from_us, found[0].to_us), (time(10) + 100_000, time(60)));
    assert_eq!((found[1].from_us, found[1].to_us), (time(30) + 500_000, time(50)));
    assert_eq!(found[0].database, DATABASE);
    assert!(found.iter().all(|window| window.gaps.is_empty()));
}

#[test]
fn a_snapshot_past_the_fork_does_not_reach_the_child() {
    let (repo, repository, _) = family();
    snapshot(&repo, 1, 31);
    assert_eq!(spans_of(&repository), [(1, 31, 60)]);
    snapshot(&repo, 2, 45);
    assert_eq!(spans_of(&repository), [(1, 31, 60), (2, 45, 50)]);
    snapshot(&repo, 2, 40);
    assert_eq!(spans_of(&repository), [(1, 31, 60), (2, 40, 50), (3, 40, 70)]);
}

#[test]
fn a_snapshot_where_a_timeline_left_is_enough_without_its_parents_archive() {
    let repo = SimDisk::new(1);
    let repository = open_or_create(&repo);
    // Timeline 1 was never archived; 2 was restored from its snapshot.
    snapshot(&repo, 1, 30);
    archive(&repository, &timeline(2, 30), 2, 50);
    assert_eq!(spans_of(&repository), [(1, 30, 30), (2, 30, 50)]);
    let plan = planned(&repository, Target::Latest, None);
    assert_eq!(shown(&plan), (1, 30, vec![leg(2, 31, 50)], 50));
    assert_eq!(shown(&planned(&repository, Target::Lsn(Lsn(30)), Some(2))), (1, 30, vec![], 30));
    assert!(refused(&repository, Target::Lsn(Lsn(29)), Some(2)).contains("recoverable: timeline"));
}

#[test]
fn a_plan_takes_the_nearest_snapshot_and_the_legs_after_it() {
    let (repo, repository, _) = family();
    snapshot(&repo, 1, 5);
    snapshot(&repo, 1, 20);
    snapshot(&repo, 1, 45);
    snapshot(&repo, 2, 35);
    let at = |lsn: u64, of: u8| shown(&planned(&repository, Target::Lsn(Lsn(lsn)), Some(of)));
    assert_eq!(at(19, 1), (1, 5, vec![leg(1, 6, 19)], 19));
    assert_eq!(at(20, 1), (1, 20, vec![], 20));
    assert_eq!(at(60, 1), (1, 45, vec![leg(1, 46, 60)], 60));
    assert_eq!(at(34, 2), (1, 20, vec![leg(1, 21, 30), leg(2, 31, 34)], 34));
    assert_eq!(at(70, 3), (2, 35, vec![leg(2, 36, 40), leg(3, 41, 70)], 70));
    assert_eq!(at(25, 3), (1, 20, vec![leg(1, 21, 25)], 25));
    let latest = planned(&repository, Target::Latest, None);
    assert_eq!((latest.timeline, latest.until), (timeline_id(3), Lsn(70)));
    assert_eq!(shown(&planned(&repository, Target::Latest, Some(1))).3, 60);
    let text = refused(&repository, Target::Lsn(Lsn(71)), None);
    assert!(text.contains("LSN 71 cannot be recovered"), "{text}");
    assert!(text.contains("from LSN 40 ") && text.contains("to LSN 70 "), "{text}");
    refused(&repository, Target::Lsn(Lsn(4)), None);
    refused(&repository, Target::Latest, Some(9));
}

#[test]
fn a_plans_records_are_those_of_its_legs_in_order() {
    let (repo, repository, _) = family();
    snapshot(&repo, 1, 20);
    let plan = planned(&repository, Target::Lsn(Lsn(55)), Some(3));
    assert_eq!(plan.records(), 35);
    let read: Vec<_> = plan.read(&repository).map(|record| record.expect("whole")).collect();
    let expected = [records(1, 21..=30), records(2, 31..=40), records(3, 41..=55)].concat();
    assert_eq!(read, expected);
    // An error comes at its place, and once.
    let (first, last) = *spans(&repo, &timeline(2, 30)).first().expect("some");
    repo.flip(&log_path(&timeline(2, 30), first, last), 30, 1);
    let read: Vec<_> = plan.read(&repository).collect();
    assert!(read[..10].iter().all(Result::is_ok) && read[10].is_err());
}

#[test]
fn a_time_means_the_last_record_that_is_not_later() {
    let (repo, repository, _) = family();
    snapshot(&repo, 1, 5);
    for lsn in [6, 7, 12, 13, 14, 29, 30, 31, 59, 60] {
        for (us, expected) in [(time(lsn), lsn), (time(lsn) + 999_999, lsn), (time(lsn) - 1, lsn - 1)] {
            if us > time(60) || us < time(5) + 100_000 {
                continue;
            }
            let plan = planned(&repository, Target::Time(us), Some(1));
            assert_eq!(plan.until.0, expected, "{us}");
        }
    }
    // A snapshot taken later than the time it is asked for, but in which nothing is later.
    assert_eq!(shown(&planned(&repository, Target::Time(time(5)), Some(1))), (1, 5, vec![], 5));
    let text = refused(&repository, Target::Time(time(60) + 1), Some(1));
    assert!(text.contains("recoverable: timeline") && text.contains("to LSN 60 "), "{text}");
    refused(&repository, Target::Time(time(5) - 1), Some(1));
}

#[test]
fn a_time_is_of_the_timeline_that_was_live_then() {
    let (repo, repository, _) = family();
    snapshot(&repo, 1, 5);
    let at = |us: i64| {
        let plan = planned(&repository, Target::Time(us), None);
        (plan.timeline.0[0], plan.until.0)
    };
    // Timeline 2 began half a second after LSN 30, 3 after LSN 40.
    assert_eq!(at(time(30)), (1, 30));
    assert_eq!(at(time(30) + 400_000), (1, 30));
    assert_eq!(at(time(30) + 600_000), (2, 30));
    assert_eq!(at(time(40)), (2, 40));
    assert_eq!(at(time(40) + 500_000), (3, 40));
    assert_eq!(at(time(55)), (3, 55));
    // On a named timeline an earlier time is of its ancestors.
    assert_eq!(shown(&planned(&repository, Target::Time(time(20)), Some(3))).3, 20);
}

#[test]
fn many_records_of_one_time_are_cut_after_the_last() {
    let (repo, disk, info) = (SimDisk::new(1), SimDisk::new(2), timeline(1, 0));
    let repository = open_or_create(&repo);
    let log = open_log(&disk, &info);
    for lsn in 1..=60u64 {
        let entry = cairn_log::Entry { timestamp_us: time(lsn / 20), key: None, value: Some(b"same time") };
        log.append(&[entry]).expect("appended");
    }
    log.commit(60).expect("durable");
    ship(&repository, &disk, &info, &log);
    let view = view_at(1, 0, time(0) - 1);
    crate::support::create(&repo, view, &Default::default());
    for (us, expected) in [(time(0), 19), (time(1) - 1, 19), (time(1), 39), (time(2), 59), (time(3), 60)] {
        assert_eq!(planned(&repository, Target::Time(us), None).until.0, expected);
    }
}

#[test]
fn after_a_gap_only_a_snapshot_begins_a_window() {
    let (repo, disk, info) = (SimDisk::new(1), SimDisk::new(2), timeline(1, 0));
    let repository = open_or_create(&repo);
    let log = open_log(&disk, &info);
    write(&log, 1, 1..=10);
    ship(&repository, &disk, &info, &log);
    write(&log, 1, 11..=60);
    log.remove_before(45).expect("removed");
    let base = log.base_offset();
    ship(&repository, &disk, &info, &log);
    snapshot(&repo, 1, 4);
    assert_eq!(spans_of(&repository), [(1, 4, 10)]);
    let gaps = windows(&repository).expect("windows")[0].gaps.clone();
    assert_eq!((gaps.len(), gaps[0].first, gaps[0].last), (1, Lsn(11), Lsn(base - 1)));
    for target in [Target::Latest, Target::Lsn(Lsn(11)), Target::Lsn(Lsn(base)), Target::Time(time(20))] {
        let text = refused(&repository, target, None);
        assert!(text.contains("to LSN 10 "), "{text}");
    }
    snapshot(&repo, 1, base - 1);
    assert_eq!(spans_of(&repository), [(1, 4, 10), (1, base - 1, 60)]);
    assert_eq!(planned(&repository, Target::Latest, None).snapshot.lsn.0, base - 1);
    snapshot(&repo, 1, 20);
    assert_eq!(spans_of(&repository), [(1, 4, 10), (1, 20, 20), (1, base - 1, 60)]);
    // In the gap: the snapshot's own state, until when it was taken.
    assert_eq!(shown(&planned(&repository, Target::Time(time(20) + 100_000), None)), (1, 20, vec![], 20));
    refused(&repository, Target::Time(time(20) + 100_001), None);
    assert_eq!(shown(&planned(&repository, Target::Time(time(base - 1) + 150_000), None)).3, base - 1);
}

#[test]
fn a_quiet_database_is_known_to_be_quiet_by_a_snapshot() {
    let (repo, info) = (SimDisk::new(1), timeline(1, 0));
    let repository = open_or_create(&repo);
    archive(&repository, &info, 1, 20);
    let hour = 3_600_000_000;
    snapshot(&repo, 1, 5);
    refused(&repository, Target::Time(time(20) + hour), None);
    let view = view_at(1, 20, time(20) + 2 * hour);
    let options = cairn_snapshot::CreateOptions { now_us: time(20) + 2 * hour, ..Default::default() };
    crate::support::create(&repo, view, &options);
    let plan = planned(&repository, Target::Time(time(20) + hour), None);
    assert_eq!(shown(&plan), (1, 20, vec![], 20));
    assert_eq!(windows(&repository).expect("windows")[0].to_us, time(20) + 2 * hour);
}

#[test]
fn several_databases_need_a_timeline() {
    let (_, repository, _) = family();
    let other = TimelineInfo { database: cairn_engine::DatabaseId([9; 16]), ..child(8, None, 0) };
    archive(&repository, &other, 8, 10);
    let error = plan(&repository, Target::Latest, None).expect_err("which?");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains(&other.database.to_string()), "{error}");
}

#[test]
fn a_parent_of_another_database_or_in_a_circle_is_damage() {
    let repo = SimDisk::new(1);
    let repository = open_or_create(&repo);
    archive(&repository, &child(5, Some(6), 3), 5, 10);
    archive(&repository, &child(6, Some(5), 3), 6, 10);
    let error = plan(&repository, Target::Latest, Some(timeline_id(5))).expect_err("a circle");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let other = TimelineInfo { database: cairn_engine::DatabaseId([9; 16]), ..child(7, Some(8), 2) };
    archive(&repository, &other, 7, 10);
    archive(&repository, &child(8, None, 0), 8, 10);
    let error = plan(&repository, Target::Latest, Some(timeline_id(7))).expect_err("another database");
    assert!(error.to_string().contains("database"), "{error}");
}

#[test]
fn nothing_is_pruned_that_a_snapshot_leads_to() {
    let (repo, repository, infos) = family();
    let all = ArchiveKeep::default();
    assert_eq!(
        prune_plan(&repository, &all).expect("planned").files,
        [],
        "no snapshot: nothing is known to be useless"
    );
    snapshot(&repo, 1, 20);
    snapshot(&repo, 1, 50);
    let before = spans_of(&repository);
    let plan = prune_plan(&repository, &all).expect("planned");
    assert!(!plan.files.is_empty());
    assert!(plan.files.iter().all(|file| file.timeline == timeline_id(1) && file.last <= Lsn(20)));
    let files = files_below(&repo, "/backup/repo/wal").len();
    assert_eq!(prune(&repository, &plan, &one_thread()).expect("pruned"), plan);
    assert_eq!(files_below(&repo, "/backup/repo/wal").len(), files - plan.files.len());
    assert_eq!(spans_of(&repository), before, "what could be recovered still can");
    let (first, last) = ranges(&repository, &infos[0])[0];
    assert!(first > 1 && first <= 21 && last == 60, "{first}");
    assert_eq!(gaps(&repository, &infos[0]), []);
    assert_eq!(prune_plan(&repository, &all).expect("planned").files, [], "once");
    assert_whole(&repository, "pruned");
}

#[test]
fn pruning_by_age_keeps_the_snapshot_before_it_and_what_follows() {
    let (repo, repository, infos) = family();
    snapshot(&repo, 1, 5);
    snapshot(&repo, 1, 25);
    snapshot(&repo, 1, 50);
    snapshot(&repo, 3, 60);
    // Timelines 2 and 3 still come from LSN 25 of timeline 1: nothing of 2 is needed for 3 after its own snapshot.
    let keep = ArchiveKeep { since_us: Some(time(65)) };
    let plan = prune_plan(&repository, &keep).expect("planned");
    let of = |n: u8| plan.files.iter().filter(|f| f.timeline == timeline_id(n)).map(|f| f.last.0).max();
    assert!(of(1).is_some_and(|last| last <= 25), "{plan:?}");
    assert_eq!(of(2), None, "{plan:?}");
    assert!(of(3).is_some_and(|last| last <= 60 && last > 41), "{plan:?}");
    assert_eq!(plan.bytes, plan.files.iter().map(|f| f.bytes).sum::<u64>());
    prune(&repository, &plan, &one_thread()).expect("pruned");
    for target in [65, 66, 70] {
        assert_eq!(planned(&repository, Target::Time(time(target)), Some(3)).until.0, target);
    }
    assert_eq!(planned(&repository, Target::Latest, Some(2)).until.0, 50);
    assert_eq!(planned(&repository, Target::Latest, Some(1)).until.0, 60);
    assert!(infos.iter().all(|info| gaps(&repository, info).is_empty()));
}

#[test]
fn shipping_goes_on_after_a_prune() {
    let (repo, disk, info) = (SimDisk::new(1), SimDisk::new(2), timeline(1, 0));
    let repository = open_or_create(&repo);
    let log = open_log(&disk, &info);
    write(&log, 1, 1..=40);
    ship(&repository, &disk, &info, &log);
    snapshot(&repo, 1, 40);
    let plan = prune_plan(&repository, &ArchiveKeep::default()).expect("planned");
    prune(&repository, &plan, &one_thread()).expect("pruned");
    let first = ranges(&repository, &info)[0].0;
    assert!(first > 1 && first <= 40, "the newest file stays: {first}");
    write(&log, 1, 41..=60);
    let shipped = ship(&repository, &disk, &info, &log);
    assert_eq!((shipped.records, shipped.gaps.len()), (20, 0));
    assert_eq!(ranges(&repository, &info), [(first, 60)]);
    assert!(spans(&repo, &info).iter().all(|(from, _)| *from >= first), "what was pruned stays away");
}

#[test]
fn a_crash_at_every_operation_of_a_prune_leaves_no_hole() {
    let (repo, repository, infos) = family();
    snapshot(&repo, 1, 20);
    snapshot(&repo, 3, 60);
    let keep = ArchiveKeep { since_us: Some(time(65)) };
    let plan = prune_plan(&repository, &keep).expect("planned");
    assert!(plan.files.len() >= 4, "{plan:?}");
    let windows = spans_of(&repository);
    let forks = crate::crashes::crashes(&repo, 6, || {
        prune(&repository, &plan, &one_thread()).expect("pruned");
    });
    println!("crash points of a prune: {} operations, {} images", forks.operations, forks.images.len());
    assert!(forks.images.len() >= 60);
    for crash in &forks.images {
        let repository = open(&crash.disk);
        assert_whole(&repository, &crash.what);
        for info in &infos {
            assert_eq!(gaps(&repository, info), [], "{crash}");
        }
        let left: Vec<_> = spans_of(&repository).iter().map(|(of, _, to)| (*of, *to)).collect();
        assert!(windows.iter().all(|(of, _, to)| left.contains(&(*of, *to))), "{crash}: {left:?}");
        let again = prune_plan(&repository, &keep).expect("planned");
        prune(&repository, &again, &one_thread()).expect("pruned");
        assert!(
            plan.files.iter().all(|file| crash.disk.stat(&file.path).expect("stat").is_none()),
            "{crash}"
        );
    }
    assert!(repo.files().iter().any(|path| path.starts_with(repo_path())));
}
