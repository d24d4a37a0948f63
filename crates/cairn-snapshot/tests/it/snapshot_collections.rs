//! Repository snapshots of a database with several collections, graphs, codes and mapped segments.

use crate::indexed::Indexed;
use crate::nvec_collections::{create as create_collection, write_to};
use crate::support::*;
use cairn_disk::{Access, ErrorKind, RealDisk, SimDisk, Storage};
use cairn_engine::{CollectionSpec, Engine, EventOp, FileRef, Settings, view_dir};
use cairn_snapshot::{
    Compression, CreateOptions, FRAME_BYTES, Job, Listed, Repository, Snapshot, Width, find, list, verify_all,
};
use std::path::Path;
use std::sync::Arc;

fn parts_of(snapshot: &Snapshot, dir: &str) -> Vec<(String, cairn_snapshot::PartId)> {
    let files = snapshot.files.iter().filter(|file| file.name.starts_with(dir));
    files.map(|file| (file.name.clone(), file.part.id)).collect()
}

#[test]
fn a_running_engine_and_its_closed_directory_give_snapshots_of_all_collections() {
    let (disk, indexed) = (SimDisk::new(2), Indexed::on(Arc::new(SimDisk::new(9)), Path::new("/db")));
    let (hash, stats) = (indexed.view().state_hash(), indexed.stats());
    let running = create(&disk, indexed.view(), &options(Compression::default()));
    let names: Vec<&str> = running.files.iter().filter_map(|file| file.name.rsplit('.').next()).collect();
    let of = |kind: &str| names.iter().filter(|name| **name == kind).count();
    assert_eq!((of("vec"), of("graph"), of("codes")), (6, 2, 2));
    assert_eq!(find(&open(&disk), running.id.as_str()).expect("found").counts.vectors, 3 * 680);
    assert!(matches!(list(&open(&disk)).expect("readable").as_slice(), [Listed::Whole(_)]));
    assert!(verify_all(&open(&disk), &one_thread()).expect("readable").is_whole());
    assert_eq!(restore(&disk, running.id.as_str()).expect("restores").state_hash, hash);
    let (engine, _) = Engine::open(storage(&disk), target(), Indexed::options()).expect("opens");
    // Nothing runs in the background: what is there was restored.
    assert_eq!(Indexed::stats_of(&engine), stats);
    let view = engine.view().expect("a view");
    assert_eq!(view.aliases().collect::<Vec<_>>(), [("live", "mapped")]);
    engine.close().expect("closed");
    let (view, report) = view_dir(&storage(&disk), target()).expect("whole");
    assert_eq!(report.state_hash, hash);
    let closed = create(&disk, view, &options(Compression::None));
    assert_eq!(parts_of(&closed, "segments/"), parts_of(&running, "segments/"), "the same bytes");
    assert!(verify(&disk, closed.id.as_str()).is_whole());
}

#[test]
fn mapped_segments_are_stored_as_they_are_on_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let real: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let indexed = Indexed::on(Arc::clone(&real), &dir.path().join("db"));
    let mapped = indexed.engine.storage_stats(Some("mapped")).expect("stats").remove(0);
    assert!(mapped.mapped_bytes > 0 && mapped.memory_bytes == 0, "{mapped:?}");
    let repository = Repository::open_or_create(Arc::clone(&real), &dir.path().join("repo"), NOW_US);
    let repository = repository.expect("made");
    let wanted = options(Compression::default());
    let snapshot =
        cairn_snapshot::create(&repository, indexed.view(), &wanted, &Job::default()).expect("created");
    let target = dir.path().join("restored");
    let id = snapshot.id.as_str();
    cairn_snapshot::restore(&repository, id, &real, &target, NOW_US, &Job::default()).expect("restores");
    let (engine, _) = Engine::open(Arc::clone(&real), &target, Indexed::options()).expect("opens");
    assert_eq!(engine.view().expect("a view").state_hash(), indexed.view().state_hash());
    assert_eq!(Indexed::stats_of(&engine), indexed.stats());
}

#[test]
fn a_damaged_mapped_segment_is_not_stored() {
    let dir = tempfile::tempdir().expect("a directory");
    let real: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let indexed = Indexed::on(Arc::clone(&real), &dir.path().join("db"));
    let live = indexed.engine.stats().timeline.id.to_string();
    let name = format!("segments/{:020}.vec", 1u64 << 32);
    let file = dir.path().join("db/timelines").join(live).join(&name);
    let file = real.open(&file, Access::Write).expect("the first segment of `mapped`");
    file.write_at(1_000, b"damage").expect("written");
    let repository = Repository::open_or_create(Arc::clone(&real), &dir.path().join("repo"), NOW_US);
    let repository = repository.expect("made");
    let wanted = options(Compression::default());
    let error =
        cairn_snapshot::create(&repository, indexed.view(), &wanted, &one_thread()).expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let text = error.to_string();
    assert!(text.contains(&name) && text.contains("CRC mismatch"), "{text}");
    assert!(list(&repository).expect("readable").is_empty());
}

#[test]
fn an_encoded_file_gives_the_bytes_of_the_whole_in_pieces() {
    let dir = tempfile::tempdir().expect("a directory");
    let indexed = Indexed::on(Arc::new(RealDisk::new()), &dir.path().join("db"));
    let mut pieces_seen = 0;
    for view in [indexed.view(), wide_state(), full_state()] {
        // One of the two uses its pages up.
        for (file, whole) in view.clone().into_image().files.into_iter().zip(view.into_image().files) {
            let whole = whole.encode();
            let encoded = file.encoded();
            for pass in 0..2 {
                let mut bytes = Vec::new();
                let file_ref = encoded.read(&mut |piece| {
                    assert!((1..=cairn_engine::PIECE_BYTES).contains(&piece.len()));
                    pieces_seen += 1;
                    bytes.extend_from_slice(piece);
                    Ok::<_, cairn_engine::Error>(())
                });
                assert_eq!(file_ref.expect("read"), FileRef::of(encoded.name(), &whole), "pass {pass}");
                assert!(bytes == whole, "{}: pass {pass}", encoded.name());
                assert_eq!(encoded.bytes(), whole.len() as u64);
            }
        }
    }
    assert!(pieces_seen > 60, "{pieces_seen}");
}

#[test]
fn every_frame_of_a_part_but_the_last_holds_a_mebibyte() {
    let disk = SimDisk::new(2);
    let snapshot = create(&disk, wide_state(), &options(Compression::default()));
    let mut frames = 0;
    for part in snapshot.unique_parts() {
        let stored = disk.read_file(&repo_path().join(part.stored()));
        if !part.stored().ends_with(".zst") {
            continue;
        }
        // Of a shuffled one, one for each byte of an element.
        let frame_bytes = FRAME_BYTES / part.codec.width().map_or(1, Width::bytes);
        let (mut at, mut plain) = (0, 0);
        while at < stored.len() {
            let size = zstd::zstd_safe::find_frame_compressed_size(&stored[at..]).expect("a frame");
            let content =
                zstd::bulk::decompress(&stored[at..at + size], 1 << 20).expect("one of a MiB at most");
            plain += content.len() as u64;
            (at, frames) = (at + size, frames + 1);
            let whole = part.bytes >> 20 << 20;
            assert!(content.len() == frame_bytes || plain > whole, "{} at {at}", content.len());
        }
        assert_eq!(plain, part.bytes);
    }
    assert!(frames >= 8, "{frames}");
}

#[test]
fn a_snapshot_replaces_all_collections_of_a_running_engine() {
    let (disk, indexed) = (SimDisk::new(2), Indexed::new());
    let snapshot = create(&disk, indexed.view(), &CreateOptions { ..options(Compression::default()) });
    let other: Engine = engine(settings());
    create_collection(&other, "coded", Settings::default(), CollectionSpec::default());
    write_to(&other, "coded", vec![event("x", "y", EventOp::Add, 1, 1)]);
    cairn_snapshot::load(&open(&disk), snapshot.id.as_str(), &other, &one_thread()).expect("loads");
    assert_eq!(other.view().expect("a view").state_hash(), indexed.view().state_hash());
    write_to(&other, "live", vec![vector("new", &[1.0; 4])]);
}
