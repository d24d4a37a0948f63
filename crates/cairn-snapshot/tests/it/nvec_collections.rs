//! `.nvec` files of a database with several collections.

use crate::nvec_foreign::{self, COUNTS, Out, three};
use crate::support::*;
use cairn_disk::{ErrorKind, Fate, SimDisk};
use cairn_engine::{
    CollectionChange, CollectionSpec, Engine, EventOp, IndexKind, Request, Settings, StorageMode, View,
    Write, check_dir,
};
use cairn_snapshot::nvec;
use std::path::Path;
use std::sync::Arc;

const FILE: &str = "/dumps/theirs.nvec";

fn file() -> &'static Path {
    Path::new(FILE)
}

pub fn create(engine: &Engine, name: &str, settings: Settings, spec: CollectionSpec) {
    let change = CollectionChange::Create {
        name: name.to_owned(),
        settings: Box::new(settings),
        spec: Box::new(spec),
    };
    engine.change_collections(change).expect("created");
}

pub fn write_to(engine: &Engine, collection: &str, writes: Vec<Write>) {
    let to = |write| Request { collection: Some(Arc::from(collection)), write };
    for result in engine.write_requests(writes.into_iter().map(to).collect()) {
        result.expect("the write is accepted");
    }
}

/// Three collections that last and a volatile one, with aliases; one had vectors and has none any more.
pub fn several(settings: Settings) -> (Engine, View) {
    let engine = engine(settings);
    write(&engine, vec![vector("a", &[1.0, 2.0]), metadata("a", "k:1")]);
    write(&engine, vec![event("ctx", "a", EventOp::Add, 10, 100), event("ctx", "b", EventOp::Set, 20, 101)]);
    let spec = CollectionSpec {
        storage: StorageMode::Hybrid,
        hot_bytes: 1 << 20,
        index: IndexKind::Graph,
        fields: vec!["k".into()],
        ..CollectionSpec::default()
    };
    create(&engine, "gone", Settings::default(), CollectionSpec::default());
    create(&engine, "books", Settings { ctx_buffer_size: 7, ..settings_of_books() }, spec);
    let volatile = CollectionSpec { volatile: true, ..CollectionSpec::default() };
    create(&engine, "cache", Settings::default(), volatile);
    create(&engine, "empty", Settings::default(), CollectionSpec::default());
    engine.change_collections(CollectionChange::Drop { name: "gone".into() }).expect("dropped");
    write_to(
        &engine,
        "books",
        vec![vector("a", &[3.0, 4.0, 5.0]), metadata("a", "k:2"), vector("x", &[1.0; 3])],
    );
    write_to(
        &engine,
        "books",
        (0..8)
            .map(|i| event("ctx", &format!("item{}", i % 3), EventOp::Add, 5 + i, 100 + i64::from(i)))
            .collect(),
    );
    write_to(&engine, "books", vec![Write::Decay { factor: 0.3 }, event("c2", "a", EventOp::Del, 0, 7)]);
    write_to(&engine, "cache", vec![vector("lost", &[1.0])]);
    write_to(&engine, "empty", vec![vector("e", &[1.0; 4]), Write::VectorDelete { id: "e".into() }]);
    for (alias, name) in [("live", "books"), ("hot", "cache"), ("main", "default")] {
        let change = CollectionChange::AliasSet { alias: alias.into(), collection: name.into() };
        engine.change_collections(change).expect("an alias");
    }
    let view = engine.view().expect("a view");
    (engine, view)
}

fn settings_of_books() -> Settings {
    Settings { max_neighbors_per_item: 1, negative_signals: true, dedup_cache_size: 4, ..Settings::default() }
}

fn save(disk: &SimDisk, view: &View) -> nvec::NvecInfo {
    nvec::save(disk, file(), view, NOW_US, &one_thread()).expect("saved")
}

fn read(disk: &SimDisk) -> Result<View, cairn_snapshot::Error> {
    Ok(nvec::read(disk, file(), &Settings::default(), &one_thread())?.0)
}

fn saved() -> (SimDisk, View, nvec::NvecInfo) {
    let disk = SimDisk::new(1);
    disk.write_file(Path::new("/dumps/other"), b"");
    let (_, view) = several(settings());
    let info = save(&disk, &view);
    (disk, view, info)
}

#[test]
fn all_lasting_collections_have_the_same_hash_afterwards() {
    let (disk, view, info) = saved();
    let back = read(&disk).expect("reads");
    assert_eq!(back.state_hash(), view.state_hash());
    let names: Vec<&str> = back.collections().iter().map(cairn_engine::CollectionView::name).collect();
    assert_eq!(names, ["default", "books", "empty"]);
    assert_eq!(back.aliases().collect::<Vec<_>>(), [("live", "books"), ("main", "default")]);
    let of = |view: &View, name| view.collection(name).expect("it is there").clone();
    for name in ["default", "books", "empty"] {
        assert_eq!(of(&back, name).spec(), of(&view, name).spec(), "{name}");
        assert_eq!(of(&back, name).settings(), of(&view, name).settings(), "{name}");
    }
    assert_eq!(of(&back, "empty").dimension(), 4);
    let default = view.default_collection().counts();
    assert_eq!((info.collection_count, info.vector_count, info.event_count), (3, 1, 2));
    assert_eq!((info.pair_count, info.context_count), (default.pairs, default.contexts));
    assert_eq!(nvec::info(&disk, file()).expect("info"), info);
    nvec::verify(&disk, file(), &one_thread()).expect("whole");
}

#[test]
fn a_data_directory_and_a_running_engine_take_them_all() {
    let (disk, view, _) = saved();
    nvec::restore(&storage(&disk), file(), target(), NOW_US, &one_thread()).expect("restores");
    assert_eq!(check_dir(&storage(&disk), target()).expect("whole").state_hash, view.state_hash());
    let engine = engine(Settings::default());
    create(&engine, "films", Settings::default(), CollectionSpec::default());
    nvec::load(&engine, &disk, file(), &one_thread()).expect("loads");
    assert_eq!(engine.view().expect("a view").state_hash(), view.state_hash());
    engine.collection_info("films").expect_err("replaced");
    write_to(&engine, "live", vec![vector("new", &[1.0, 2.0, 3.0])]);
    // Numbers that were given are not given again.
    create(&engine, "films", Settings::default(), CollectionSpec::default());
    write_to(&engine, "films", vec![vector("new", &[1.0])]);
    assert_eq!(engine.collection_info("empty").expect("there").counts.vectors, 0);
}

#[test]
fn the_same_view_gives_the_same_bytes_and_a_loaded_one_too() {
    let (disk, view, _) = saved();
    let first = disk.read_file(file());
    save(&disk, &view);
    assert_eq!(disk.read_file(file()), first);
    let back = read(&disk).expect("reads");
    save(&disk, &back);
    assert_eq!(disk.read_file(file()).len(), first.len());
    assert_eq!(read(&disk).expect("reads").state_hash(), view.state_hash());
}

#[test]
fn every_flipped_byte_and_every_shorter_length_is_detected() {
    let (disk, _, _) = saved();
    let bytes = disk.read_file(file());
    for at in 0..bytes.len() as u64 {
        let disk = disk.image(Fate::Kept);
        disk.flip(file(), at, 1 << (at % 8));
        let verified = nvec::verify(&disk, file(), &one_thread()).expect_err("verify");
        for error in [verified, read(&disk).expect_err("load")] {
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version), "byte {at}: {error}");
        }
        let _ = nvec::info(&disk, file());
    }
    for length in 0..bytes.len() {
        let disk = SimDisk::new(1);
        disk.write_file(file(), &bytes[..length]);
        read(&disk).expect_err("cut");
    }
    println!("flipped bytes and lengths of a .nvec with collections: {}", bytes.len());
}

/// The file with the payloads of its sections changed, all sizes and sums put right.
fn rewritten(bytes: &[u8], mut change: impl FnMut(&mut u32, &mut Vec<u8>)) -> Vec<u8> {
    let number =
        |at: usize, n: usize| bytes[at..at + n].iter().rev().fold(0u64, |sum, b| sum << 8 | u64::from(*b));
    let counts = [12, 16, 20].map(|at| number(at, 4) as u32);
    let (mut sections, mut at) = (Vec::new(), 40);
    while at < bytes.len() - 8 {
        let (mut kind, length) = (number(at, 4) as u32, number(at + 8, 8) as usize);
        let mut payload = bytes[at + 16..at + 16 + length].to_vec();
        change(&mut kind, &mut payload);
        sections.push((kind, payload));
        at += 16 + length;
    }
    nvec_foreign::file(counts, &sections)
}

#[test]
fn a_reader_that_does_not_know_collections_skips_them() {
    let (disk, view, _) = saved();
    // As a reader sees it to whom 23 says nothing: a kind of the future.
    let unknown = rewritten(&disk.read_file(file()), |kind, _| *kind += if *kind == 23 { 100 } else { 0 });
    let back = nvec_foreign::read(&unknown).expect("reads");
    assert_eq!(back.collections().len(), 1);
    assert_eq!(back.counts(), back.default_collection().counts());
    let (mut before, mut after) = (view.default_collection().counts(), back.counts());
    (before.ids, after.ids) = (0, 0);
    assert_eq!(before, after);
}

#[test]
fn every_wrong_byte_whose_sums_are_right_is_refused_or_a_state() {
    let (disk, _, _) = saved();
    let whole = disk.read_file(file());
    let (mut length, mut refused, mut taken) = (1, 0, 0);
    let mut at = 0;
    while at < length {
        for bit in [0x01, 0x80] {
            let bytes = rewritten(&whole, |kind, payload| {
                if *kind == 23 {
                    length = payload.len();
                    payload[at] ^= bit;
                }
            });
            // What is left is a state that can be saved, or an error that names the file: never a panic.
            match nvec_foreign::read(&bytes) {
                Ok(_) => taken += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}: {error}");
                    assert!(error.to_string().contains(FILE), "byte {at}: {error}");
                    refused += 1;
                }
            }
        }
        at += 1;
    }
    println!("{refused} refused, {taken} taken");
    assert!(refused > taken && length > 500, "{refused} {taken} {length}");
}

#[test]
fn every_cut_of_the_section_whose_sums_are_right_is_refused() {
    let (disk, _, _) = saved();
    let whole = disk.read_file(file());
    let mut length = 1;
    let mut cut = 0;
    while cut < length {
        let bytes = rewritten(&whole, |kind, payload| {
            if *kind == 23 {
                length = payload.len();
                payload.truncate(cut);
            }
        });
        let error = nvec_foreign::read(&bytes).map(|v| v.counts()).expect_err("cut");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{cut}: {error}");
        cut += 1;
    }
}

/// A collection as the section has it: its head, sections, and end.
fn collection(name: &str, spec: &str, sections: &[(u32, Vec<u8>)]) -> Out {
    let mut settings = Vec::new();
    Settings::default().encode(&mut settings);
    let mut out = Out::default().text(name).bytes(&settings).text(spec);
    for (kind, payload) in sections {
        out = out.u32(*kind).u32(crc32fast::hash(payload)).u64(payload.len() as u64).bytes(payload);
    }
    out.u32(0)
}

/// The sections of a small collection.
fn small() -> Vec<(u32, Vec<u8>)> {
    let mut sections = three();
    sections.push((16, Out::default().u64(2).u64(1).u64(1).u64(1).0));
    sections
}

fn with(payload: Out) -> Vec<(u32, Vec<u8>)> {
    let mut sections = three();
    sections.push((23, payload.0));
    sections
}

#[test]
fn a_collection_put_together_by_hand_loads() {
    let payload = Out::default().u32(1).bytes(&collection("books", "{}", &small()).0);
    let payload = payload.u32(1).text("live").text("books");
    let view = nvec_foreign::read(&nvec_foreign::file(COUNTS, &with(payload))).expect("reads");
    let books = view.collection("live").expect("there");
    assert_eq!((books.name(), books.counts().vectors, books.dimension()), ("books", 1, 2));
    assert_eq!(books.spec(), &CollectionSpec::default());
    // A section from the future inside it is skipped.
    let mut more = small();
    more.push((99, b"from the future".to_vec()));
    let payload = Out::default().u32(1).bytes(&collection("books", "{}", &more).0).u32(0);
    assert!(nvec_foreign::read(&nvec_foreign::file(COUNTS, &with(payload))).is_ok());
}

#[test]
fn what_is_wrong_inside_the_section_is_told() {
    let refused = |payload: Out, what: &str| nvec_foreign::refused(COUNTS, &with(payload), what);
    let one = |collection: Out| Out::default().u32(1).bytes(&collection.0).u32(0);
    refused(Out::default().u32(u32::MAX), "count");
    refused(Out::default().u32(0).u32(u32::MAX), "count");
    refused(Out::default().u32(0).u32(0).u32(0), "section end");
    refused(one(collection("a/b", "{}", &small())), "Collection name");
    refused(one(collection("default", "{}", &small())), "stands twice");
    let twice = Out::default().u32(2).bytes(&collection("b", "{}", &small()).0);
    refused(twice.bytes(&collection("b", "{}", &small()).0).u32(0), "stands twice");
    refused(one(collection("b", "{\"m\":1}", &small())), "spec");
    refused(one(collection("b", "not json", &small())), "spec");
    refused(one(collection("b", "{\"volatile\":true}", &small())), "spec");
    refused(one(collection("b", &" ".repeat(70_000), &small())), "spec");
    // Sections: out of order, missing, of the file and not of a collection, longer than what is left.
    refused(one(collection("b", "{}", &small()[..2])), "section kind");
    refused(one(collection("b", "{}", &three())), "section kind");
    for kind in [18, 21, 23, 24] {
        let mut sections = small();
        sections.push((kind, vec![]));
        refused(one(collection("b", "{}", &sections)), "section kind");
    }
    let mut swapped = small();
    swapped.swap(0, 1);
    refused(one(collection("b", "{}", &swapped)), "section kind");
    let mut settings = Vec::new();
    Settings::default().encode(&mut settings);
    let long = Out::default().u32(1).text("b").bytes(&settings).text("{}").u32(1).u32(0).u64(u64::MAX);
    refused(long.bytes(&[0; 100]), "section length");
    // Counts that are not those of the sections, a vector of another dimension than is fixed.
    let mut wrong = small();
    wrong[3].1[0] = 9;
    refused(one(collection("b", "{}", &wrong)), "number of events");
    let mut dimension = small();
    dimension[2].1 = Out::default().u32(1 << 20).u8(1).bytes(&[0; 3]).u64(0).0;
    dimension[3].1[16] = 0;
    refused(one(collection("b", "{}", &dimension)), "dimension");
    // Aliases: of nothing, twice, of a collection's name.
    let aliased = |aliases: &[(&str, &str)]| {
        let out = Out::default().u32(1).bytes(&collection("b", "{}", &small()).0).u32(aliases.len() as u32);
        aliases.iter().fold(out, |out, (alias, name)| out.text(alias).text(name))
    };
    refused(aliased(&[("live", "c")]), "aliases");
    refused(aliased(&[("live", "b"), ("live", "default")]), "alias");
    refused(aliased(&[("z", "b"), ("a", "b")]), "alias");
    refused(aliased(&[("b", "default")]), "aliases");
    refused(aliased(&[("a/b", "b")]), "aliases");
    assert!(
        nvec_foreign::read(&nvec_foreign::file(COUNTS, &with(aliased(&[("a", "b"), ("z", "default")]))))
            .is_ok()
    );
}

#[test]
fn a_nested_section_has_a_sum_of_its_own() {
    let mut out = collection("b", "{}", &small()).0;
    let at = out.len() - 10;
    out[at] ^= 1;
    let payload = Out::default().u32(1).bytes(&out).u32(0);
    let error = nvec_foreign::read(&nvec_foreign::file(COUNTS, &with(payload))).map(|v| v.counts());
    assert_eq!(error.expect_err("the sum").headline(), "CRC mismatch: file may be corrupted");
}

#[test]
fn the_spec_of_default_is_kept() {
    let (engine, _) = several(settings());
    let spec = CollectionSpec { index: IndexKind::Graph, m: 24, ..CollectionSpec::default() };
    let change = CollectionChange::Configure { name: "default".into(), spec: Box::new(spec.clone()) };
    engine.change_collections(change).expect("configured");
    let (disk, view) = (SimDisk::new(1), engine.view().expect("a view"));
    disk.write_file(Path::new("/dumps/other"), b"");
    save(&disk, &view);
    let back = read(&disk).expect("reads");
    assert_eq!((back.default_collection().spec(), back.state_hash()), (&spec, view.state_hash()));
    let mut sections = three();
    sections.push((24, Out::default().text("{\"m\":1}").0));
    nvec_foreign::refused(COUNTS, &sections, "spec");
    sections[3].1 = Out::default().text("{\"volatile\":true}").0;
    nvec_foreign::refused(COUNTS, &sections, "spec");
}
