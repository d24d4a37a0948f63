//! Pruning a repository, alone and beside others who use it.

use crate::support::*;
use cairn_disk::{ErrorKind, SimDisk};
use cairn_snapshot::{
    Compression, CreateOptions, PruneOptions, Reason, RetentionPolicy, Snapshot, list, pin, prune,
    prune_plan, verify_all,
};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

const HOUR_US: i64 = 3_600_000_000;
const PATIENT: Duration = Duration::from_secs(60);

fn keep_last(keep_last: u32) -> PruneOptions {
    let policy = RetentionPolicy { keep_last, ..RetentionPolicy::default() };
    PruneOptions { policy, now_us: NOW_US, wait: PATIENT, tag: None }
}

fn at(hour: i64, tag: &str) -> CreateOptions {
    let tags = vec![tag.to_owned()];
    CreateOptions { now_us: NOW_US + hour * HOUR_US, tags, ..options(Compression::default()) }
}

/// Three of one database, oldest first, of different states.
fn three(disk: &SimDisk) -> Vec<Snapshot> {
    let engine = engine(settings());
    let made = (0..3).map(|n| {
        write(&engine, vec![vector(&format!("v{n}"), &[n as f32, 1.0])]);
        create(disk, engine.view().expect("a view"), &at(n, if n == 0 { "night" } else { "hour" }))
    });
    made.collect()
}

fn ids(disk: &SimDisk) -> Vec<String> {
    list(&open(disk)).expect("readable").iter().map(|l| l.id().to_owned()).collect()
}

#[test]
fn a_prune_does_what_its_plan_said() {
    let disk = SimDisk::new(1);
    let made = three(&disk);
    let before = (disk.ops(), disk.files());
    let planned = prune_plan(&open(&disk), &keep_last(1)).expect("planned");
    assert_eq!(disk.files(), before.1, "a plan writes nothing");
    assert_eq!(planned.plan.remove, [made[1].id.to_string(), made[0].id.to_string()]);
    assert!(planned.parts > 0 && planned.stored_bytes > 0);
    assert_eq!(prune(&open(&disk), &keep_last(1)).expect("pruned"), planned);
    assert_eq!(ids(&disk), [made[2].id.to_string()]);
    assert!(verify_all(&open(&disk), &one_thread()).expect("readable").is_whole());
    assert_eq!(files_below(&disk, "/backup/repo/parts").len(), made[2].unique_parts().len());
    let again = prune(&open(&disk), &keep_last(1)).expect("pruned");
    assert_eq!((again.plan.remove.len(), again.parts), (0, 0));
}

#[test]
fn a_pinned_one_stays_and_the_plan_says_why() {
    let disk = SimDisk::new(1);
    let made = three(&disk);
    pin(&open(&disk), made[0].id.as_str(), "legal hold", NOW_US, PATIENT).expect("pinned");
    let done = prune(&open(&disk), &keep_last(1)).expect("pruned");
    assert_eq!(done.plan.keep[1], (made[0].id.to_string(), vec![Reason::Pinned]));
    assert_eq!(ids(&disk), [made[2].id.to_string(), made[0].id.to_string()]);
    assert!(restore(&disk, made[0].id.as_str()).is_ok());
}

#[test]
fn a_tag_leaves_all_others_alone() {
    let disk = SimDisk::new(1);
    let made = three(&disk);
    let options = PruneOptions { tag: Some("hour".to_owned()), ..keep_last(1) };
    prune(&open(&disk), &options).expect("pruned");
    assert_eq!(ids(&disk), [made[2].id.to_string(), made[0].id.to_string()]);
}

#[test]
fn one_with_a_part_missing_is_not_counted_as_good() {
    let disk = SimDisk::new(1);
    let made = three(&disk);
    let own: Vec<_> = made[2].unique_parts();
    let others: Vec<_> = made[1].unique_parts();
    let part = own.iter().find(|part| !others.contains(part)).expect("a part of its own");
    storage(&disk).remove(&repo_path().join(part.stored())).expect("removed");
    let done = prune(&open(&disk), &keep_last(1)).expect("pruned");
    assert_eq!(done.plan.keep[0], (made[2].id.to_string(), vec![Reason::Damaged]));
    assert_eq!(done.plan.keep[1], (made[1].id.to_string(), vec![Reason::NewestGood, Reason::Last]));
    assert!(restore(&disk, made[1].id.as_str()).is_ok());
}

#[test]
fn no_part_goes_while_a_damaged_one_might_name_it_and_it_goes_when_asked() {
    let disk = SimDisk::new(1);
    let made = three(&disk);
    disk.flip(&Path::new("/backup/repo/snapshots").join(made[1].id.as_str()).join("metadata.json"), 50, 1);
    let parts = files_below(&disk, "/backup/repo/parts");
    let done = prune(&open(&disk), &keep_last(1)).expect("pruned");
    assert_eq!((done.kept_for.as_deref(), done.parts), (Some(made[1].id.as_str()), 0));
    assert_eq!(files_below(&disk, "/backup/repo/parts"), parts);
    let mut options = keep_last(1);
    options.policy.remove_damaged = true;
    prune(&open(&disk), &options).expect("pruned");
    assert_eq!(ids(&disk), [made[2].id.to_string()]);
    assert_eq!(files_below(&disk, "/backup/repo/parts").len(), made[2].unique_parts().len());
}

#[test]
fn a_prune_waits_for_a_writer_and_names_it_when_it_waited_long_enough() {
    let disk = SimDisk::new(1);
    three(&disk);
    let storage = storage(&disk);
    let held = storage.lock(Path::new("/backup/repo/LOCK"), "pid 77 (snapshot)\n").expect("locked");
    let impatient = PruneOptions { wait: Duration::from_millis(20), ..keep_last(1) };
    let error = prune(&open(&disk), &impatient).expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("locked by pid 77 (snapshot); waited"), "{error}");
    // Looking takes no lock.
    assert_eq!(prune_plan(&open(&disk), &impatient).expect("planned").plan.remove.len(), 2);
    let (done, told) = channel();
    let repository = open(&disk);
    let waiting = std::thread::spawn(move || done.send(prune(&repository, &keep_last(1))));
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err(), "it waits");
    drop(held);
    assert_eq!(told.recv().expect("it ends").expect("pruned").plan.remove.len(), 2);
    waiting.join().expect("no panic").expect("sent");
}

/// A create that stops in its middle until it is told to go on; what runs in between.
fn beside_a_create(disk: &SimDisk, between: impl FnOnce()) -> Snapshot {
    let (reached, wait_for) = channel();
    let (go_on, told) = channel::<()>();
    let told = std::sync::Mutex::new(Some(told));
    let repository = open(disk);
    let engine = engine(settings());
    write(&engine, vec![vector("x", &[1.0, 2.0])]);
    let view = engine.view().expect("a view");
    let creating = std::thread::spawn(move || {
        let progress = move |_| {
            // The first file is stored; no snapshot names it yet.
            if let Some(told) = told.lock().expect("no panic").take() {
                let _ = reached.send(());
                let _ = told.recv();
            }
        };
        let job = cairn_snapshot::Job { threads: 1, progress: &progress, ..Default::default() };
        cairn_snapshot::create(&repository, view, &at(10, "new"), &job).expect("created")
    });
    wait_for.recv_timeout(PATIENT).expect("it begins");
    between();
    go_on.send(()).expect("it waits");
    creating.join().expect("no panic")
}

#[test]
fn a_prune_beside_a_create_never_takes_its_parts() {
    let disk = SimDisk::new(1);
    let made = three(&disk);
    let other = disk.clone();
    let mut pruning = None;
    let created = beside_a_create(&disk, || {
        let impatient = PruneOptions { wait: Duration::from_millis(10), ..keep_last(1) };
        assert_eq!(prune(&open(&other), &impatient).expect_err("locked").kind(), ErrorKind::Locked);
        let repository = open(&other);
        pruning = Some(std::thread::spawn(move || prune(&repository, &keep_last(1))));
    });
    let pruned = pruning.expect("it runs").join().expect("no panic").expect("pruned");
    assert_eq!(pruned.plan.remove, [made[1].id.to_string(), made[0].id.to_string()]);
    for id in [&created.id, &made[2].id] {
        assert!(verify(&disk, id.as_str()).is_whole());
    }
    assert!(restore(&disk, created.id.as_str()).is_ok());
}

#[test]
fn a_create_that_begins_while_a_prune_works_writes_what_the_prune_took() {
    let disk = SimDisk::new(1);
    let engine = engine(settings());
    write(&engine, vec![vector("x", &[1.0, 2.0])]);
    let view = engine.view().expect("a view");
    let gone = create(&disk, view.clone(), &at(0, "hour"));
    write(&engine, vec![vector("y", &[1.0, 2.0])]);
    create(&disk, engine.view().expect("a view"), &at(1, "hour"));
    // Held up before each of its operations: the create comes at another moment each time.
    let operations = {
        let disk = disk.image(cairn_disk::Fate::Kept);
        let from = disk.ops();
        prune(&open(&disk), &keep_last(1)).expect("pruned");
        disk.ops() - from
    };
    assert!(operations >= 10, "only {operations} operations");
    for stop in 0..operations {
        let disk = disk.image(cairn_disk::Fate::Kept);
        let from = disk.ops();
        let (reached, wait_for) = channel();
        disk.on_op(Box::new(move |op, _| {
            if op == from + stop {
                let _ = reached.send(());
            }
        }));
        let repository = open(&disk);
        let pruning = std::thread::spawn(move || prune(&repository, &keep_last(1)).expect("pruned"));
        wait_for.recv_timeout(PATIENT).expect("it gets there");
        disk.on_op(Box::new(|_, _| {}));
        let created = loop {
            match cairn_snapshot::create(&open(&disk), view.clone(), &at(5, "new"), &one_thread()) {
                Err(e) if e.kind() == ErrorKind::Locked => {}
                created => break created.expect("created"),
            }
        };
        pruning.join().expect("no panic");
        assert_ne!(created.id, gone.id);
        let report = verify_all(&open(&disk), &one_thread()).expect("readable");
        assert!(report.is_whole(), "{stop}: {:?}", report.findings);
        assert!(restore(&disk, created.id.as_str()).is_ok(), "{stop}");
    }
}

#[test]
fn a_restore_beside_a_prune_ends_in_an_error_or_in_the_right_data() {
    let disk = SimDisk::new(1);
    let engine = engine(settings());
    write(&engine, vec![vector("first", &[1.0; 256])]);
    // The newest by its time, so that it stays and the long one goes.
    let stays = create(&disk, engine.view().expect("a view"), &at(5, "hour"));
    for n in 0..16 {
        let number = |i: usize, d: usize| ((n * 500 + i) * 256 + d) as f32;
        let writes = (0..500).map(|i| {
            let numbers: Vec<f32> = (0..256).map(|d| number(i, d)).collect();
            vector(&format!("v{n}-{i}"), &numbers)
        });
        write(&engine, writes.collect());
    }
    let doomed_view = engine.view().expect("a view");
    let doomed = create(&disk, doomed_view.clone(), &at(0, "hour"));
    let hash = doomed_view.state_hash();
    // One thread reports after each file, and within long ones: there the other one prunes.
    let restored = |disk: &SimDisk, stop: Option<u64>| {
        let (count, other) = (AtomicU64::new(0), disk.clone());
        let progress = |_| {
            if Some(count.fetch_add(1, Ordering::Relaxed)) == stop {
                let repository = open(&other);
                let pruning = std::thread::spawn(move || prune(&repository, &keep_last(1)));
                pruning.join().expect("no panic").expect("pruned");
            }
        };
        let job = cairn_snapshot::Job { threads: 1, progress: &progress, ..Default::default() };
        let id = doomed.id.as_str();
        let done = cairn_snapshot::restore(&open(disk), id, &storage(disk), target(), NOW_US, &job);
        (done, count.load(Ordering::Relaxed))
    };
    let (done, stops) = restored(&disk.image(cairn_disk::Fate::Kept), None);
    done.expect("restores");
    let (mut right, mut refused) = (0, 0);
    for stop in 0..stops {
        let disk = disk.image(cairn_disk::Fate::Kept);
        match restored(&disk, Some(stop)).0 {
            Ok(_) => {
                let checked = cairn_engine::check_dir(&storage(&disk), target()).expect("whole");
                assert_eq!(checked.state_hash, hash, "stopped at {stop}");
                right += 1;
            }
            Err(e) => {
                assert!(e.to_string().contains("/backup/repo"), "{stop}: {e}");
                refused += 1;
            }
        }
        assert!(verify(&disk, stays.id.as_str()).is_whole(), "{stop}");
    }
    println!("a restore with a prune at each of {stops} moments: {right} right, {refused} refused");
    assert!(stops >= 8 && right > 0 && refused > 0, "{stops}: {right} right, {refused} refused");
}
