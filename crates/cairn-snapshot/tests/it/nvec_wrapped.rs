//! `.nvec` in gzip and zstd, and as the directory layout: the same state, and every damage named.

use crate::crashes::crashes;
use crate::support::*;
use cairn_disk::{ErrorKind, Fate, RealDisk, SimDisk, Storage, read_file, write_new};
use cairn_engine::{Settings, View};
use cairn_snapshot::{Error, Job, nvec};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const SHAPES: [&str; 4] = ["/dumps/a.nvec", "/dumps/a.nvec.gz", "/dumps/a.zst", "/dumps/snapshot-a"];

fn saved(path: &str, view: &View) -> SimDisk {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new("/dumps")).expect("made");
    disk.sync_dir(Path::new("/")).expect("synced");
    save(&disk, path, view).expect("saved");
    disk
}

fn save(disk: &SimDisk, path: &str, view: &View) -> Result<nvec::NvecInfo, Error> {
    nvec::save(disk, Path::new(path), view, NOW_US, &one_thread())
}

fn read(disk: &SimDisk, path: &str) -> Result<View, Error> {
    let read = nvec::read(disk, Path::new(path), &Settings::default(), &one_thread())?;
    nvec::verify(disk, Path::new(path), &one_thread())?;
    nvec::info(disk, Path::new(path))?;
    Ok(read.0)
}

/// The plain file.
fn plain(view: &View) -> Vec<u8> {
    saved(SHAPES[0], view).read_file(Path::new(SHAPES[0]))
}

#[test]
fn each_shape_holds_the_same_state() {
    for view in [full_state(), tiny_state(), wide_state()] {
        let whole = nvec::info(&saved(SHAPES[0], &view), Path::new(SHAPES[0])).expect("readable");
        for path in SHAPES {
            let disk = saved(path, &view);
            assert_eq!(read(&disk, path).expect(path).state_hash(), view.state_hash(), "{path}");
            assert_eq!(nvec::info(&disk, Path::new(path)).expect("readable"), whole, "{path}");
            let image = disk.image(Fate::Dropped);
            assert_eq!(read(&image, path).expect(path).state_hash(), view.state_hash(), "{path}: it lasts");
        }
    }
}

#[test]
fn what_other_tools_compressed_is_read_whatever_its_name() {
    let view = full_state();
    let bytes = plain(&view);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&bytes).expect("compressed");
    let gzip = gzip.finish().expect("compressed");
    let halves = [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]].map(|half| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(half).expect("compressed");
        encoder.finish().expect("compressed")
    });
    let zstd = zstd::stream::encode_all(&bytes[..], 7).expect("compressed");
    for stored in [gzip, halves.concat(), zstd, bytes] {
        let disk = SimDisk::new(1);
        disk.write_file(Path::new("/backups/latest.snap"), &stored);
        assert_eq!(read(&disk, "/backups/latest.snap").expect("read").state_hash(), view.state_hash());
    }
}

#[test]
fn every_flipped_byte_and_length_is_found_or_does_not_matter() {
    let view = tiny_state();
    let mut tried = 0;
    for path in &SHAPES[1..] {
        let whole = saved(path, &view);
        for file in whole.files() {
            let bytes = whole.read_file(&file);
            let named = |error: &Error, what: &str| {
                assert!(names_file(&error.to_string(), &file), "{what}: {error}");
                assert!(
                    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version | ErrorKind::NotFound),
                    "{what}: {error}"
                );
            };
            for at in 0..bytes.len() as u64 {
                let (disk, what) = (whole.image(Fate::Kept), format!("{} byte {at}", file.display()));
                disk.flip(&file, at, 1 << (at % 8));
                match read(&disk, path) {
                    // A time stamp in a header of gzip, say; in the directory every byte is summed up.
                    Ok(found) => {
                        assert!(!path.ends_with("snapshot-a"), "{what} was not found");
                        assert_eq!(found.state_hash(), view.state_hash(), "{what}");
                    }
                    Err(e) => named(&e, &what),
                }
                tried += 1;
            }
            for length in 0..bytes.len() as u64 {
                let (disk, what) = (whole.image(Fate::Kept), format!("{} cut to {length}", file.display()));
                disk.truncate_file(&file, length);
                named(&read(&disk, path).expect_err(&what), &what);
            }
            let disk = whole.image(Fate::Kept);
            disk.write_file(&file, &[&bytes[..], b"more"].concat());
            named(&read(&disk, path).expect_err("longer"), "longer");
            disk.remove_file(&file);
            let e = read(&disk, path).expect_err("gone");
            assert_eq!(e.kind(), ErrorKind::NotFound, "{e}");
        }
    }
    println!("flipped bytes of wrapped files: {tried}");
    assert!(tried >= 2_000, "only {tried}");
}

#[test]
fn a_bomb_is_refused_within_what_its_header_says() {
    let mut head = plain(&tiny_state());
    head.truncate(200);
    let zeros = vec![0; 1 << 20];
    let mut bombs = Vec::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
    for n in 0..257 {
        let bytes = if n == 0 { &head } else { &zeros };
        gzip.write_all(bytes).expect("compressed");
        zstd.write_all(bytes).expect("compressed");
    }
    bombs.push(gzip.finish().expect("compressed"));
    bombs.push(zstd.finish().expect("compressed"));
    for bomb in bombs {
        let disk = SimDisk::new(1);
        disk.write_file(Path::new("/a.gz"), &bomb);
        let e = read(&disk, "/a.gz").expect_err("a bomb");
        assert_eq!(e.finding().map(|f| f.what.as_str()), Some("size mismatch"), "{e}");
    }
}

#[test]
fn hostile_directories_are_refused() {
    let whole = saved(SHAPES[3], &tiny_state());
    let json = Path::new("/dumps/snapshot-a/metadata.json");
    let text = String::from_utf8(whole.read_file(json)).expect("text");
    for (from, to) in [
        ("\"version\": 1", "\"version\": 2"),
        ("cairndb-ruvector-snapshot", "ruvector"),
        ("\"snapshot_type\": \"Full\"", "\"snapshot_type\": \"Incremental\""),
        ("vectors.bin.gz", "../../etc/passwd"),
        ("\"plain_bytes\": ", "\"plain_bytes\": 9"),
        ("\"size_bytes\": ", "\"size_bytes\": 9"),
        ("\"id\"", "\"surprise\": 1, \"id\""),
    ] {
        let disk = whole.image(Fate::Kept);
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        disk.write_file(json, changed.as_bytes());
        // The sums put right: only the content tells.
        let sums = Path::new("/dumps/snapshot-a/checksum.sha256");
        let lines = String::from_utf8(disk.read_file(sums)).expect("text");
        let rest = lines.split_once('\n').expect("lines").1;
        let digest = cairn_snapshot::Digest::of(changed.as_bytes());
        disk.write_file(sums, format!("{digest}  metadata.json\n{rest}").as_bytes());
        let e = read(&disk, SHAPES[3]).expect_err(to);
        assert!(e.to_string().contains("/dumps/snapshot-a/"), "{to}: {e}");
    }
    let disk = saved(SHAPES[3], &tiny_state());
    let e = save(&disk, SHAPES[3], &tiny_state()).expect_err("it is there");
    assert_eq!(e.kind(), ErrorKind::Exists, "{e}");
}

#[test]
fn a_crash_at_every_operation_of_saving_a_directory_leaves_all_of_it_or_nothing() {
    let view = full_state();
    for path in [SHAPES[1], SHAPES[3]] {
        let disk = SimDisk::new(1);
        disk.create_dir_all(Path::new("/dumps")).expect("made");
        disk.sync_dir(Path::new("/")).expect("synced");
        let forks = crashes(&disk, 8, || {
            save(&disk, path, &view).expect("saved");
        });
        println!(
            "crash points of saving {path}: {} operations, {} images",
            forks.operations,
            forks.images.len()
        );
        assert!(forks.images.len() >= 40, "only {} images", forks.images.len());
        let (mut all, mut none) = (0, 0);
        for crash in &forks.images {
            match read(&crash.disk, path) {
                Ok(found) => {
                    assert_eq!(found.state_hash(), view.state_hash(), "{crash}");
                    all += 1;
                }
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::NotFound, "{crash}: {e}");
                    none += 1;
                    nvec::remove_unfinished(&crash.disk, Path::new("/dumps")).expect("removed");
                    assert_eq!(crash.disk.files(), [] as [PathBuf; 0], "{crash}: something is left");
                    save(&crash.disk, path, &view).unwrap_or_else(|e| panic!("{crash}: {e}"));
                }
            }
        }
        assert!(all > 0 && none > 0, "{path}: {all} whole, {none} not there");
    }
}

/// Runs a program that must be there: its absence is a failure, not a pass.
fn tool(command: &mut Command) -> std::process::Output {
    command.output().unwrap_or_else(|e| panic!("{command:?} is needed by this test: {e}"))
}

#[test]
fn plain_tools_read_and_check_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = RealDisk::new();
    let view = full_state();
    let at = |name: &str| dir.path().join(name);
    for name in ["a.nvec", "a.nvec.gz", "snapshot-a"] {
        nvec::save(&disk, &at(name), &view, NOW_US, &one_thread()).expect("saved");
    }
    let sums = || {
        tool(
            Command::new("sha256sum")
                .args(["--strict", "-c", "checksum.sha256"])
                .current_dir(at("snapshot-a")),
        )
    };
    assert!(sums().status.success(), "{:?}", sums());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/read_nvec.py");
    let python = |path: &Path| tool(Command::new("python3").arg(&script).arg(path));
    for name in ["a.nvec", "a.nvec.gz"] {
        let output = python(&at(name));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let counts = view.default_collection().counts();
        assert_eq!((&found["vectors"], &found["events"]), (&counts.vectors.into(), &counts.events.into()));
        assert_eq!(found["first"]["a"], serde_json::json!([0.25, 0.0, 1.0]));
    }
    let mut bytes = read_file(&disk, &at("a.nvec"), 1 << 20).expect("read");
    for place in [45, bytes.len() / 2, bytes.len() - 5] {
        bytes[place] ^= 1;
        write_new(&disk, &at("damaged.nvec"), &bytes).expect("written");
        bytes[place] ^= 1;
        let output = python(&at("damaged.nvec"));
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("damaged.nvec: "), "{output:?}");
        disk.remove(&at("damaged.nvec")).expect("removed");
    }
    let vectors = at("snapshot-a").join("vectors.bin.gz");
    let mut bytes = read_file(&disk, &vectors, 1 << 20).expect("read");
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    disk.remove(&vectors).expect("removed");
    write_new(&disk, &vectors, &bytes).expect("written");
    assert!(!sums().status.success());
}

#[test]
fn opening_a_compressed_file_is_watched_and_can_be_stopped() {
    let view = big_state(3_000, 200, 8);
    for path in &SHAPES[1..] {
        let disk = saved(path, &view);
        let seen = parking_lot::Mutex::new(Vec::new());
        let progress = |p: cairn_snapshot::Progress| seen.lock().push((p.bytes_done, p.percent()));
        let job = Job { progress: &progress, ..one_thread() };
        nvec::verify(&disk, Path::new(path), &job).expect("whole");
        let seen = seen.into_inner();
        assert!(seen.is_sorted(), "{path}: {seen:?}");
        assert!(seen[0].1 <= 5 && seen[seen.len() - 1].1 >= 99, "{path}: {seen:?}");
        // The first third is the reading that finds how long it is.
        assert!(seen.iter().filter(|(_, percent)| *percent < 33).count() >= 10, "{path}: {seen:?}");

        // Stopped in that reading: nothing of what follows is done.
        let (cancel, last) = (AtomicBool::new(false), AtomicU64::new(0));
        let progress = |p: cairn_snapshot::Progress| {
            last.store(p.percent().into(), Ordering::Relaxed);
            cancel.store(p.percent() >= 10, Ordering::Relaxed);
        };
        let job = Job { threads: 1, progress: &progress, cancel: &cancel };
        let error = nvec::info_with(&disk, Path::new(path), &job).expect_err("stopped");
        assert_eq!((error.to_string().as_str(), last.into_inner()), ("cancelled", 10), "{path}");
    }
}
