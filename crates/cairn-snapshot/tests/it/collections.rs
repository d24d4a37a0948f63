//! Snapshots of a database with several collections.

use crate::nvec_collections::{create as create_collection, several, write_to};
use crate::support::*;
use cairn_disk::{SimDisk, Storage};
use cairn_engine::{CollectionSpec, Engine, Options, Settings};
use cairn_snapshot::Compression;
use std::sync::Arc;

#[test]
fn a_restored_snapshot_has_all_lasting_collections_and_aliases() {
    for compression in [Compression::default(), Compression::None] {
        let disk = SimDisk::new(1);
        let (_, view) = several(settings());
        let snapshot = create(&disk, view.clone(), &options(compression));
        assert_eq!(snapshot.counts, view.counts());
        assert_eq!(verify(&disk, snapshot.id.as_str()).findings, []);
        let report = restore(&disk, snapshot.id.as_str()).expect("restored");
        assert_eq!(report.state_hash, view.state_hash());

        let storage: Arc<dyn Storage> = storage(&disk);
        let (engine, _) = Engine::open_as_stored(storage, target(), Options::default()).expect("opens");
        let names: Vec<String> = engine.collections().into_iter().map(|info| info.name).collect();
        assert_eq!(names, ["default", "books", "cache", "empty"]);
        // A volatile one is there, and empty.
        assert_eq!(engine.collection_info("hot").expect("an alias").counts.vectors, 0);
        let of = |name: &str| view.collection(name).expect("it is there");
        for name in ["default", "books", "empty"] {
            let info = engine.collection_info(name).expect("it is there");
            assert_eq!(
                (&info.spec, info.counts.vectors),
                (of(name).spec(), of(name).counts().vectors),
                "{name}"
            );
            assert_eq!(
                (&info.settings, info.dimension),
                (of(name).settings(), of(name).dimension()),
                "{name}"
            );
        }
        assert_eq!(engine.collection_info("live").expect("an alias").aliases, ["live"]);
    }
}

#[test]
fn a_collection_that_changed_leaves_the_parts_of_the_others_as_they_are() {
    let disk = SimDisk::new(1);
    let engine = engine(Settings::default());
    for name in ["books", "films"] {
        create_collection(&engine, name, Settings::default(), CollectionSpec::default());
        write_to(&engine, name, (0..40).map(|i| vector(&format!("{name}{i}"), &[i as f32, 1.0])).collect());
    }
    let first = create(&disk, engine.view().expect("a view"), &options(Compression::None));
    write_to(&engine, "films", vec![vector("one more", &[1.0, 1.0])]);
    let view = engine.view().expect("a view");
    let second = create(&disk, view.clone(), &options(Compression::None));
    let parts = |snapshot: &cairn_snapshot::Snapshot| {
        snapshot
            .unique_parts()
            .into_iter()
            .map(|part| format!("{part:?}"))
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert!(parts(&first).intersection(&parts(&second)).count() > 0, "parts of books are shared");
    assert_eq!(restore(&disk, second.id.as_str()).expect("restored").state_hash, view.state_hash());
}
