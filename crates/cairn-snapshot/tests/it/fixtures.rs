//! Every version that shipped opens for good: a repository and a portable file, stored as files, with the state hash
//! they must have.

use crate::incremental::Scene;
use crate::nvec_collections::several;
use crate::support::*;
use cairn_disk::{FileType, RealDisk, SimDisk, Storage, read_file};
use cairn_snapshot::{Base, Compression, Job, Repository, Width, create_live, nvec};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const V1_HASH: &str = include_str!("../fixtures/v1/state.hash");
const COLLECTIONS_HASH: &str = include_str!("../fixtures/v1/collections.hash");

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1").join(name)
}

fn hex(hash: [u8; 32]) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

/// Copies a directory into a disk in memory: a repository may be written to.
fn copy(real: &RealDisk, from: &Path, to: &Path, disk: &SimDisk) {
    disk.create_dir_all(to).expect("made");
    for entry in real.list(from).expect("the fixture is there") {
        let (from, to) = (from.join(&entry.name), to.join(&entry.name));
        match entry.stat.file_type {
            FileType::Dir => copy(real, &from, &to, disk),
            _ => disk.write_file(&to, &read_file(real, &from, 1 << 20).expect("readable")),
        }
    }
}

/// What made the fixtures, for the next version's: run with `CAIRN_WRITE_FIXTURE=DIR`, a new directory.
fn write(dir: &Path) -> String {
    let disk: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let view = full_state();
    for (name, compression) in [
        ("zstd", Compression::default()),
        ("gzip", Compression::Gzip { level: 6 }),
        ("none", Compression::None),
    ] {
        // One each: a repository stores a part once, in the codec that came first.
        let root = dir.join(format!("repository-{name}"));
        let repository = Repository::open_or_create(Arc::clone(&disk), &root, NOW_US).expect("made");
        let options = cairn_snapshot::CreateOptions { name: Some(name.to_owned()), ..options(compression) };
        cairn_snapshot::create(&repository, view.clone(), &options, &Job::default()).expect("created");
    }
    nvec::save(disk.as_ref(), &dir.join("small.nvec"), &view, NOW_US, &Job::default()).expect("saved");
    let (_engine, several) = several(settings());
    let path = dir.join("collections.nvec");
    nvec::save(disk.as_ref(), &path, &several, NOW_US, &Job::default()).expect("saved");
    format!("{}\ncollections {}", hex(view.state_hash()), hex(several.state_hash()))
}

#[test]
fn a_version_1_repository_verifies_and_restores() {
    if let Some(dir) = std::env::var_os("CAIRN_WRITE_FIXTURE") {
        println!("{}", write(Path::new(&dir)));
        return;
    }
    for name in ["zstd", "gzip", "none"] {
        let disk = SimDisk::new(1);
        copy(&RealDisk::new(), &fixture(&format!("repository-{name}")), repo_path(), &disk);
        assert_eq!(verify(&disk, name).findings, []);
        assert_eq!(hex(restore(&disk, name).expect("restored").state_hash), V1_HASH.trim(), "{name}");
    }
}

#[test]
fn a_version_1_portable_file_verifies_and_loads() {
    let (real, path) = (RealDisk::new(), fixture("small.nvec"));
    nvec::verify(&real, &path, &Job::default()).expect("whole");
    let (view, info) = nvec::read(&real, &path, &settings(), &Job::default()).expect("readable");
    assert_eq!((info.version, hex(view.state_hash())), (1, V1_HASH.trim().to_owned()));
}

#[test]
fn a_portable_file_with_collections_verifies_and_loads() {
    let (real, path) = (RealDisk::new(), fixture("collections.nvec"));
    nvec::verify(&real, &path, &Job::default()).expect("whole");
    let (view, info) = nvec::read(&real, &path, &settings(), &Job::default()).expect("readable");
    assert_eq!((info.version, info.collection_count), (1, 3));
    assert_eq!(hex(view.state_hash()), COLLECTIONS_HASH.trim());
}

/// Where version 2 of repositories is, with the portable files that came with it.
fn fixture_2(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v2").join(name)
}

/// What made them: run with `CAIRN_WRITE_FIXTURE_2=DIR`, a new directory. Lines of names and state hashes.
fn write_2(dir: &Path) -> String {
    let disk: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let scene = Scene::new(cairn_engine::WalSettings::default());
    let repository =
        Repository::open_or_create(Arc::clone(&disk), &dir.join("repository"), NOW_US).expect("made");
    let mut lines = Vec::new();
    for (round, base) in [Base::None, Base::Newest, Base::Newest].into_iter().enumerate() {
        scene.vectors(round * 5, 6);
        scene.events(round * 4, 8);
        let options = cairn_snapshot::CreateOptions {
            name: Some(format!("s{round}")),
            tags: vec!["fixture".to_owned()],
            ..scene.options(base)
        };
        create_live(&repository, &scene.engine, &options, &one_thread()).expect("created");
        lines.push(format!("s{round} {}", hex(scene.hash())));
    }
    let (_engine, several) = several(settings());
    for name in ["small.nvec.gz", "small.nvec.zst", "snapshot-small"] {
        nvec::save(disk.as_ref(), &dir.join(name), &several, NOW_US, &Job::default()).expect("saved");
        lines.push(format!("{name} {}", hex(several.state_hash())));
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_version_2_repository_with_incremental_snapshots_verifies_and_restores() {
    if let Some(dir) = std::env::var_os("CAIRN_WRITE_FIXTURE_2") {
        println!("{}", write_2(Path::new(&dir)));
        return;
    }
    let hashes = include_str!("../fixtures/v2/state.hashes");
    let (mut snapshots, mut files) = (0, 0);
    for line in hashes.lines() {
        let (name, hash) = line.split_once(' ').expect("a name and a hash");
        if let Some(round) = name.strip_prefix('s').filter(|rest| rest.len() == 1) {
            let disk = SimDisk::new(1);
            copy(&RealDisk::new(), &fixture_2("repository"), repo_path(), &disk);
            assert_eq!(verify(&disk, name).findings, []);
            let kind = cairn_snapshot::find(&open(&disk), name).expect("there").snapshot_type.name();
            assert_eq!(kind, if round == "0" { "full" } else { "incremental" });
            assert_eq!(hex(restore(&disk, name).expect("restored").state_hash), hash, "{name}");
            snapshots += 1;
        } else {
            let (real, path) = (RealDisk::new(), fixture_2(name));
            nvec::verify(&real, &path, &Job::default()).expect(name);
            let (view, _) = nvec::read(&real, &path, &settings(), &Job::default()).expect(name);
            assert_eq!(hex(view.state_hash()), hash, "{name}");
            files += 1;
        }
    }
    assert_eq!((snapshots, files), (3, 3));
}

/// What made the repository of version 3: run with `CAIRN_WRITE_FIXTURE_3=DIR`, a new directory. Lines of names and state hashes.
fn write_3(dir: &Path) -> String {
    let disk: Arc<dyn Storage> = Arc::new(RealDisk::new());
    let repository =
        Repository::open_or_create(Arc::clone(&disk), &dir.join("repository"), NOW_US).expect("made");
    let engine = shuffled_engine();
    let mut lines = Vec::new();
    for (round, base) in [Base::None, Base::Newest].into_iter().enumerate() {
        let name = format!("s{round}");
        let now_us = NOW_US + round as i64 * 1_000_000;
        let options = cairn_snapshot::CreateOptions {
            name: Some(name.clone()),
            now_us,
            base,
            ..options(Compression::default())
        };
        create_live(&repository, &engine, &options, &one_thread()).expect("created");
        lines.push(format!("{name} {}", hex(engine.view().expect("a view").state_hash())));
        crate::support::write(&engine, vec![vector("1", &[0.25; 64])]);
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_version_3_repository_with_shuffled_parts_verifies_and_restores() {
    if let Some(dir) = std::env::var_os("CAIRN_WRITE_FIXTURE_3") {
        print!("{}", write_3(Path::new(&dir)));
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v3/repository");
    let hashes = include_str!("../fixtures/v3/state.hashes");
    for line in hashes.lines() {
        let (name, hash) = line.split_once(' ').expect("a name and a hash");
        let disk = SimDisk::new(1);
        copy(&RealDisk::new(), &root, repo_path(), &disk);
        assert_eq!(verify(&disk, name).findings, []);
        let snapshot = cairn_snapshot::find(&open(&disk), name).expect("there");
        for width in Width::ALL {
            assert!(snapshot.parts().any(|part| part.codec.width() == Some(width)), "{name}: {width:?}");
        }
        assert_eq!(hex(restore(&disk, name).expect("restored").state_hash), hash, "{name}");
    }
    assert_eq!(hashes.lines().count(), 2);
}
