//! Compaction: rows move to new segments while writes go on, on any kind of storage, and nothing changes but the space.

use crate::collections::{create_with, to};
use crate::support::*;
use cairn_disk::{Fate, SimDisk};
use cairn_engine::{
    CollectionSpec, CompactionPolicy, Core, ErrorKind, IndexKind, Options, Pace, StorageMode, Write,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

type Model = BTreeMap<String, Vec<u32>>;
/// A crash: before which operation, how many LSNs were acknowledged by then, what the disk holds.
type Crash = (u64, u64, SimDisk);

fn spec(storage: StorageMode) -> CollectionSpec {
    let hot_bytes = if storage == StorageMode::Hybrid { 1 << 20 } else { 0 };
    CollectionSpec { storage, hot_bytes, index: IndexKind::Graph, ..CollectionSpec::default() }
}

fn policy() -> CompactionPolicy {
    CompactionPolicy { dead_share: 0.2, aggressive: false, segment_bytes_max: 4_000 }
}

/// Writes or deletes a vector of the collection `v`, and of the model.
fn change(core: &mut Core, model: &mut Model, numbers: &mut Numbers) {
    let id = format!("item-{}", numbers.below(120));
    if numbers.below(4) == 0 {
        let answer = core.step(vec![to("v", Write::VectorDelete { id: id.clone() })]).remove(0);
        assert_eq!(answer.is_ok(), model.remove(&id).is_some(), "delete {id}");
    } else {
        let elements = [numbers.unit(), numbers.unit(), numbers.unit(), numbers.unit()];
        core.step(vec![to("v", vector(&id, &elements))]).remove(0).expect("written");
        model.insert(id, elements.map(f32::to_bits).to_vec());
    }
}

fn content(core: &Core) -> Model {
    let view = core.view();
    let collection = view.collection("v").expect("it is there");
    assert_eq!(collection.counts().vectors, collection.vectors().count() as u64);
    let bits = |v: &[f32]| v.iter().map(|x| x.to_bits()).collect();
    collection.vectors().map(|(id, v)| (id.to_owned(), bits(v))).collect()
}

fn options() -> Options {
    // 16 rows make a segment.
    Options { vector_segment_bytes: 1, wal: Some(small_wal()), ..crate::support::options() }
}

#[test]
fn random_writes_beside_compactions_checkpoints_and_restarts_equal_a_map() {
    for (seed, storage) in [(1, StorageMode::Memory), (2, StorageMode::Mmap), (3, StorageMode::Hybrid)] {
        let mut disk = SimDisk::new(seed);
        let (mut database, mut core, _) = open_core(&disk, &options()).expect("it opens");
        core.change_collections(&create_with("v", spec(storage))).expect("created");
        let (mut model, mut numbers, mut merges, mut moved) = (Model::new(), Numbers(seed), 0, 0);
        for n in 0..6_000 {
            match numbers.below(60) {
                0 => drop(core.checkpoint().expect("a checkpoint")),
                1 => {
                    drop((core, database));
                    disk = disk.image(Fate::Dropped);
                    (database, core, _) = open_core(&disk, &options()).expect("it opens again");
                }
                2..6 => {
                    let Some(job) = core.begin_merge("v", &policy()) else { continue };
                    change(&mut core, &mut model, &mut numbers);
                    let Some(merged) = job.run(&Pace::default()).expect("it runs") else { continue };
                    merges += 1;
                    let mut first = 0;
                    while core.move_in(&merged, first, 3) {
                        first += 3;
                        moved += 1;
                        change(&mut core, &mut model, &mut numbers);
                        if moved % 17 == 0 {
                            core.checkpoint().expect("a checkpoint in the middle of a move");
                        }
                    }
                }
                _ => change(&mut core, &mut model, &mut numbers),
            }
            if n % 50 == 0 {
                assert_eq!(content(&core), model, "seed {seed}, step {n}");
            }
        }
        assert_eq!(content(&core), model, "seed {seed}");
        println!("{storage:?}: {merges} compactions, {moved} moves of a few rows");
        assert!(merges > 50 && moved > 200);
    }
}

/// A run with compactions in it, on a disk that is forked before every operation: what it may look like after a crash
/// there, and how many LSNs were acknowledged by then; and the content at each LSN.
fn forked(storage: StorageMode) -> (Vec<Crash>, BTreeMap<u64, Model>) {
    let disk = SimDisk::new(9);
    let acknowledged = Arc::new(Mutex::new(0));
    let images = Arc::new(Mutex::new(Vec::new()));
    let (acked, out) = (Arc::clone(&acknowledged), Arc::clone(&images));
    let (_database, mut core, _) = open_core(&disk, &options()).expect("it opens");
    core.change_collections(&create_with("v", spec(storage))).expect("created");
    *acknowledged.lock().expect("no panic") = core.lsn().0;
    disk.on_op(Box::new(move |op, disk| {
        for fate in [Fate::Dropped, Fate::Torn(op)] {
            let acknowledged = *acked.lock().expect("no panic");
            out.lock().expect("no panic").push((op, acknowledged, disk.image(fate)));
        }
    }));
    let (mut model, mut numbers) = (Model::new(), Numbers(4));
    let mut states = BTreeMap::from([(core.lsn().0, model.clone())]);
    for n in 0..120 {
        if n % 12 == 11
            && let Some(job) = core.begin_merge("v", &policy())
            && let Some(merged) = job.run(&Pace::default()).expect("it runs")
        {
            let mut first = 0;
            while core.move_in(&merged, first, 7) {
                first += 7;
                if first == 14 {
                    core.checkpoint().expect("a checkpoint in the middle of a move");
                }
            }
        }
        if n % 30 == 29 {
            core.checkpoint().expect("a checkpoint");
        }
        change(&mut core, &mut model, &mut numbers);
        states.insert(core.lsn().0, model.clone());
        *acknowledged.lock().expect("no panic") = core.lsn().0;
    }
    let images = std::mem::take(&mut *images.lock().expect("no panic"));
    (images, states)
}

#[test]
fn every_crash_beside_a_compaction_gives_back_the_acknowledged_prefix() {
    let mut checked = 0;
    for storage in [StorageMode::Memory, StorageMode::Mmap] {
        let (images, states) = forked(storage);
        for (op, acknowledged, image) in images {
            let (_, core, _) =
                open_core(&image, &options()).unwrap_or_else(|e| panic!("{storage:?}, operation {op}: {e}"));
            let lsn = core.lsn().0;
            assert!(lsn >= acknowledged, "{storage:?}, operation {op}: {lsn} < {acknowledged}");
            assert_eq!(content(&core), states[&lsn], "{storage:?}, operation {op}, LSN {lsn}");
            checked += 1;
        }
    }
    println!("{checked} crash images");
    assert!(checked > 1_000, "{checked}");
}

#[test]
fn a_compacted_collection_takes_the_space_of_its_living_rows_and_no_more() {
    for storage in [StorageMode::Memory, StorageMode::Mmap] {
        let disk = SimDisk::new(3);
        let (_database, mut core, _) = open_core(&disk, &options()).expect("it opens");
        core.change_collections(&create_with("v", spec(storage))).expect("created");
        for n in 0..1_000 {
            core.step(vec![to("v", vector(&format!("item-{n}"), &[1.0, n as f32, 0.5, 0.25]))]);
        }
        core.checkpoint().expect("a checkpoint");
        for n in (0..1_000).filter(|n| n % 10 < 3) {
            core.step(vec![to("v", Write::VectorDelete { id: format!("item-{n}") })]);
        }
        let before = hash(&core.view());
        let all = CompactionPolicy { aggressive: true, ..CompactionPolicy::default() };
        while core.compact("v", &all).expect("it compacts") {}
        assert_eq!(hash(&core.view()), before);
        core.checkpoint().expect("a checkpoint");
        let segments: Vec<_> =
            disk.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "vec")).collect();
        let bytes: usize = segments.iter().map(|path| disk.read_file(path).len()).sum();
        // 700 rows of 16 bytes, 4 for the item and 4 for the norm; what was never sealed is in a page.
        let ideal = 700 * 24;
        assert!(segments.len() == 1 && bytes * 100 <= ideal * 105, "{bytes} bytes in {segments:?}");
    }
}

#[test]
fn the_file_of_a_compacted_segment_is_no_longer_than_it_may_be() {
    let files = |disk: &SimDisk| -> Vec<usize> {
        let all = disk.files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "vec"));
        all.map(|path| disk.read_file(&path).len()).collect()
    };
    for segment_bytes_max in (2_000..20_000).step_by(1_000) {
        let disk = SimDisk::new(3);
        let (_database, mut core, _) = open_core(&disk, &options()).expect("it opens");
        core.change_collections(&create_with("v", spec(StorageMode::Mmap))).expect("created");
        for n in 0..1_000 {
            core.step(vec![to("v", vector(&format!("item-{n}"), &[1.0, n as f32, 0.5, 0.25]))]);
        }
        core.checkpoint().expect("a checkpoint");
        let before = files(&disk);
        assert!(before.iter().all(|bytes| *bytes <= 2_000), "small ones: {before:?}");
        let policy = CompactionPolicy { dead_share: 0.2, aggressive: true, segment_bytes_max };
        while core.compact("v", &policy).expect("it compacts") {}
        core.checkpoint().expect("a checkpoint");
        let after = files(&disk);
        assert!(after.len() < before.len(), "{before:?} became {after:?}");
        assert!(
            after.iter().all(|bytes| *bytes as u64 <= segment_bytes_max),
            "{segment_bytes_max}: {after:?}"
        );
    }
}

#[test]
fn a_mapped_segment_is_read_from_its_file_and_damage_in_it_is_found_by_a_check() {
    let disk = SimDisk::new(5);
    let (database, mut core, _) = open_core(&disk, &options()).expect("it opens");
    core.change_collections(&create_with("v", spec(StorageMode::Mmap))).expect("created");
    for n in 0..64 {
        core.step(vec![to("v", vector(&format!("item-{n}"), &[1.0, n as f32, 0.5, 0.25]))]);
    }
    core.checkpoint().expect("a checkpoint");
    drop((core, database));
    let path =
        disk.files().into_iter().find(|path| path.extension().is_some_and(|e| e == "vec")).expect("one");
    disk.flip(&path, 140, 1);
    let e = cairn_engine::check_dir(&storage(&disk), std::path::Path::new(DIR)).expect_err("damaged");
    assert!(
        e.to_string().contains(&path.display().to_string()) && e.to_string().contains("CRC mismatch"),
        "{e}"
    );
    {
        let (_database, mut core, _) =
            open_core(&disk, &options()).expect("opening reads only what it needs");
        let mut found = Ok(true);
        while let Ok(true) = found {
            found = core.verify_mapped();
        }
        let e = found.expect_err("the background reads all of it");
        assert!(
            e.to_string().contains(&path.display().to_string()) && e.to_string().contains("CRC mismatch"),
            "{e}"
        );
        let refused = core.step(vec![to("v", vector("more", &[1.0, 0.0, 0.0, 0.0]))]).remove(0);
        assert!(refused.expect_err("no more writes").to_string().contains("CRC mismatch"));
    }
    disk.flip(&path, 140, 1);
    disk.flip(&path, 30, 1);
    assert!(open_core(&disk, &options()).is_err(), "the header is always checked");
}

#[test]
fn a_full_disk_refuses_a_compaction_loses_nothing_and_lets_it_through_when_there_is_room() {
    let disk = SimDisk::new(6);
    let (_database, mut core, _) = open_core(&disk, &options()).expect("it opens");
    core.change_collections(&create_with("v", spec(StorageMode::Mmap))).expect("created");
    for n in 0..200 {
        core.step(vec![to("v", vector(&format!("item-{n}"), &[1.0, n as f32, 0.5, 0.25]))]);
    }
    core.checkpoint().expect("a checkpoint");
    let before = content(&core);
    disk.capacity(Some(1 << 20));
    let all = CompactionPolicy { aggressive: true, ..CompactionPolicy::default() };
    let e = core.compact("v", &all).expect_err("no room");
    assert_eq!(e.kind(), ErrorKind::NoSpace);
    assert!(e.to_string().contains("bytes of free space"), "{e}");
    assert_eq!(content(&core), before);
    assert!(core.step(vec![to("v", vector("one-more", &[1.0, 0.0, 0.0, 0.0]))])[0].is_ok());
    disk.capacity(None);
    assert!(core.compact("v", &all).expect("it compacts"));
    assert_eq!(content(&core).len(), before.len() + 1);
}

#[test]
fn a_segment_without_a_living_row_left_by_a_crash_in_the_middle_of_a_move_is_let_go() {
    for storage in [StorageMode::Memory, StorageMode::Mmap] {
        let disk = SimDisk::new(8);
        let (database, mut core, _) = open_core(&disk, &options()).expect("it opens");
        core.change_collections(&create_with("v", spec(storage))).expect("created");
        for n in 0..200 {
            core.step(vec![to("v", vector(&format!("item-{n}"), &[1.0, n as f32, 0.5, 0.25]))]);
        }
        let all = CompactionPolicy { aggressive: true, ..CompactionPolicy::default() };
        let job = core.begin_merge("v", &all).expect("something to do");
        let merged = job.run(&Pace::default()).expect("it runs").expect("rows");
        // The segment is there, and none of its rows yet.
        assert!(core.move_in(&merged, 0, 0));
        core.checkpoint().expect("a checkpoint");
        let before = content(&core);
        drop((core, database));
        let (_database, mut core, _) =
            open_core(&disk.image(Fate::Dropped), &options()).expect("it opens again");
        assert_eq!(content(&core), before);
        let mut rounds = 0;
        while core.compact("v", &CompactionPolicy::default()).expect("it compacts") {
            rounds += 1;
            assert!(rounds < 10, "it ends");
        }
        assert_eq!(content(&core), before);
    }
}
