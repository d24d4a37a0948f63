//! `metadata.json` as someone with bad intent might write it: every checksum right, the content not.

use crate::support::*;
use cairn_disk::{ErrorKind, Fate, SimDisk};
use cairn_snapshot::{Compression, Digest, FRAME_BYTES, Snapshot, Width, shuffle, verify};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;

fn sample() -> (SimDisk, Snapshot) {
    let disk = SimDisk::new(1);
    let snapshot = create(&disk, tiny_state(), &options(Compression::default()));
    (disk.image(Fate::Kept), snapshot)
}

fn metadata_path(snapshot: &Snapshot) -> PathBuf {
    repo_path().join("snapshots").join(snapshot.id.as_str()).join("metadata.json")
}

fn read(disk: &SimDisk, snapshot: &Snapshot) -> Value {
    serde_json::from_slice(&disk.read_file(&metadata_path(snapshot))).expect("JSON")
}

/// Puts these bytes there, with the checksum file that goes with them.
fn replace(disk: &SimDisk, snapshot: &Snapshot, bytes: &[u8]) {
    let path = metadata_path(snapshot);
    disk.write_file(&path, bytes);
    let checksum = path.with_file_name("checksum.sha256");
    let text = String::from_utf8(disk.read_file(&checksum)).expect("text");
    let rest = text.split_once('\n').expect("lines").1;
    disk.write_file(&checksum, format!("{}  metadata.json\n{rest}", Digest::of(bytes)).as_bytes());
}

/// Stores the list that fits `metadata.json`, not compressed; its bytes.
fn put_list(disk: &SimDisk, metadata: &Value) -> String {
    let part = |v: &Value| {
        let keys = ["part", "bytes", "stored", "stored_bytes", "stored_sha256"];
        keys.map(|key| format!("\"{key}\":{}", v[key])).join(",")
    };
    let file = |v: &Value| format!("{{\"name\":{},{}}}", v["name"], part(v));
    let files: Vec<String> = metadata["files"].as_array().expect("files").iter().map(file).collect();
    let (manifest, files) = (part(&metadata["manifest"]), files.join(","));
    let list = format!(
        "{{\"format\":\"cairndb-files\",\"version\":1,\"manifest\":{{{manifest}}},\"files\":[{files}]}}\n"
    );
    let digest = Digest::of(list.as_bytes()).to_string();
    disk.write_file(&repo_path().join(format!("parts/{}/{digest}.raw", &digest[..2])), list.as_bytes());
    list
}

/// Puts a stored part in the place of the first file's, with every digest and sum of stored bytes right.
fn replace_part(disk: &SimDisk, snapshot: &Snapshot, plain_bytes: u64, id: Digest, stored: &[u8]) -> PathBuf {
    replace_part_as(disk, snapshot, ("zst", 2), plain_bytes, id, stored)
}

/// As [`replace_part`], with the extension of another codec, and in a `metadata.json` of another version.
fn replace_part_as(
    disk: &SimDisk,
    snapshot: &Snapshot,
    (extension, version): (&str, u32),
    plain_bytes: u64,
    id: Digest,
    stored: &[u8],
) -> PathBuf {
    let mut value = read(disk, snapshot);
    value["version"] = json!(version);
    let path = format!("parts/{}/{id}.{extension}", &id.to_string()[..2]);
    disk.write_file(&repo_path().join(&path), stored);
    let file = &mut value["files"][0];
    file["part"] = json!(id.to_string());
    file["bytes"] = json!(plain_bytes);
    file["stored"] = json!(path);
    file["stored_bytes"] = json!(stored.len());
    file["stored_sha256"] = json!(Digest::of(stored).to_string());
    let list = put_list(disk, &value);
    value["plain_bytes"] = json!(snapshot.manifest.bytes + plain_bytes + list.len() as u64);
    value["stored_bytes"] = json!(snapshot.manifest.stored_bytes + stored.len() as u64 + list.len() as u64);
    let digest = Digest::of(list.as_bytes());
    let list_path = format!("parts/{}/{digest}.raw", &digest.to_string()[..2]);
    value["list"] = json!({
        "part": digest.to_string(),
        "bytes": list.len(),
        "stored": list_path,
        "stored_bytes": list.len(),
        "stored_sha256": digest.to_string(),
    });
    let bytes = serde_json::to_vec(&value).expect("JSON");
    let metadata = metadata_path(snapshot);
    disk.write_file(&metadata, &bytes);
    let lines = [
        format!("{}  metadata.json\n", Digest::of(&bytes)),
        format!("{}  ../../{}\n", snapshot.manifest.stored_sha256, snapshot.manifest.stored()),
        format!("{}  ../../{path}\n", Digest::of(stored)),
        format!("{digest}  ../../{list_path}\n"),
    ];
    disk.write_file(&metadata.with_file_name("checksum.sha256"), lines.concat().as_bytes());
    repo_path().join(path)
}

/// Verify and restore name the part, for this reason.
fn part_refused(plain_bytes: u64, id: Digest, stored: &[u8], what: &str) {
    part_refused_as(("zst", 2), plain_bytes, id, stored, what);
}

fn part_refused_as(codec: (&str, u32), plain_bytes: u64, id: Digest, stored: &[u8], what: &str) {
    let (disk, snapshot) = sample();
    let path = replace_part_as(&disk, &snapshot, codec, plain_bytes, id, stored);
    let findings = verify(&open(&disk), snapshot.id.as_str(), &one_thread()).expect("readable").findings;
    let found: Vec<_> = findings.iter().map(|f| (f.path.as_path(), f.what.as_str())).collect();
    assert_eq!(found, [(path.as_path(), what)], "{findings:?}");
    let error = restore(&disk, snapshot.id.as_str()).expect_err("refused");
    assert_eq!(error.finding().map(|f| f.what.as_str()), Some(what));
    assert!(files_below(&disk, "/restored").is_empty());
}

fn zstd(plain: &[u8], window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.window_log(window_log).expect("a window");
    encoder.write_all(plain).expect("compresses");
    encoder.finish().expect("compresses")
}

#[test]
fn a_part_that_decodes_to_more_than_it_says_is_refused() {
    let stored = zstd(&vec![0; 256 << 20], 20);
    part_refused(100, Digest::of(b"?"), &stored, "size mismatch of plain bytes");
    part_refused(30 << 20, Digest::of(b"?"), &stored, "size mismatch of plain bytes");
}

#[test]
fn a_part_that_decodes_to_less_or_to_something_else_is_refused() {
    let plain = vec![7; 3 << 20];
    part_refused((3 << 20) + 1, Digest::of(&plain), &zstd(&plain, 20), "size mismatch of plain bytes");
    part_refused(3 << 20, Digest::of(b"other"), &zstd(&plain, 20), "SHA-256 mismatch of plain bytes");
}

#[test]
fn a_part_that_asks_for_much_memory_is_refused() {
    let plain = vec![7; 3 << 20];
    part_refused(3 << 20, Digest::of(&plain), &zstd(&plain, 27), "undecodable part");
}

#[test]
fn a_part_of_anything_else_is_refused() {
    let plain = vec![7; 3 << 20];
    for stored in [&b""[..], b"PK\x03\x04", &[zstd(&plain, 20), b"trailing".to_vec()].concat()] {
        part_refused(3 << 20, Digest::of(&plain), stored, "undecodable part");
    }
    let cut = zstd(&plain, 20);
    part_refused(3 << 20, Digest::of(&plain), &cut[..cut.len() - 1], "undecodable part");
}

/// Pieces of a MiB, each shuffled.
fn shuffled(width: Width, plain: &[u8]) -> Vec<u8> {
    let pieces = plain.chunks(FRAME_BYTES).map(|piece| {
        let mut out = Vec::new();
        shuffle(width, piece, &mut out);
        out
    });
    pieces.collect::<Vec<_>>().concat()
}

const SHUFFLED: [(&str, Width); 2] = [("shuffle2.zst", Width::Two), ("shuffle4.zst", Width::Four)];

#[test]
fn a_shuffled_part_that_is_not_what_it_says_is_refused() {
    let plain: Vec<u8> = (0..(3 << 20) + 3).map(|i: u32| (i / 4 % 251) as u8 ^ (i % 4) as u8).collect();
    let (id, bytes) = (Digest::of(&plain), plain.len() as u64);
    for (extension, width) in SHUFFLED {
        let codec = (extension, 3);
        let whole = zstd(&shuffled(width, &plain), 20);
        let (mismatch, size) = ("SHA-256 mismatch of plain bytes", "size mismatch of plain bytes");
        // Shuffled by the other width, not at all, or across the borders of pieces.
        let other = if width == Width::Two { Width::Four } else { Width::Two };
        part_refused_as(codec, bytes, id, &zstd(&shuffled(other, &plain), 20), mismatch);
        part_refused_as(codec, bytes, id, &zstd(&plain, 20), mismatch);
        let mut across = Vec::new();
        shuffle(width, &plain, &mut across);
        part_refused_as(codec, bytes, id, &zstd(&across, 20), mismatch);
        part_refused_as(codec, bytes - 1, id, &whole, size);
        part_refused_as(codec, bytes + 1, id, &whole, size);
        part_refused_as(codec, bytes, id, &whole[..whole.len() - 1], "undecodable part");
        part_refused_as(codec, bytes, id, &[&whole[..], b"trailing"].concat(), "undecodable part");
        part_refused_as(codec, bytes, id, &zstd(&plain, 27), "undecodable part");
        part_refused_as(codec, bytes, id, b"", "undecodable part");
    }
}

#[test]
fn a_shuffled_part_that_decodes_to_more_than_it_says_is_refused() {
    let bomb = zstd(&vec![0; 256 << 20], 20);
    for (extension, _) in SHUFFLED {
        for bytes in [0, 100, 30 << 20] {
            let what = "size mismatch of plain bytes";
            part_refused_as((extension, 3), bytes, Digest::of(b"?"), &bomb, what);
        }
    }
}

#[test]
fn a_shuffled_part_in_metadata_of_an_earlier_version_is_refused() {
    let plain = vec![7; 1_000];
    let (disk, snapshot) = sample();
    let stored = zstd(&plain, 20);
    replace_part_as(&disk, &snapshot, ("shuffle4.zst", 2), 1_000, Digest::of(&plain), &stored);
    let error = restore(&disk, snapshot.id.as_str()).expect_err("refused");
    assert_eq!(error.finding().map(|f| f.what.as_str()), Some("stored"), "{error}");
    assert!(error.to_string().contains("metadata.json"), "{error}");
}

#[test]
fn a_part_that_is_no_file_of_an_image_is_refused() {
    // Everything about the part is right, but what is in it.
    let (disk, snapshot) = sample();
    let plain = vec![7; 1_000];
    replace_part(&disk, &snapshot, 1_000, Digest::of(&plain), &zstd(&plain, 20));
    let error = restore(&disk, snapshot.id.as_str()).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(files_below(&disk, "/restored").is_empty());
}

/// Nobody takes it, everybody names the file, and nothing is written outside.
fn refused(edit: impl Fn(&mut Value), what: &str) {
    let (disk, snapshot) = sample();
    let mut value = read(&disk, &snapshot);
    edit(&mut value);
    replace(&disk, &snapshot, &serde_json::to_vec(&value).expect("JSON"));
    let before = disk.files();
    let report = verify(&open(&disk), snapshot.id.as_str(), &one_thread()).expect("readable");
    assert!(
        report.findings.iter().any(|f| f.path.ends_with("metadata.json")),
        "{what}: {:?}",
        report.findings
    );
    let error = restore(&disk, snapshot.id.as_str()).expect_err(what);
    assert!(error.to_string().contains("metadata.json"), "{what}: {error}");
    assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version), "{what}: {error}");
    assert_eq!(disk.files(), before, "{what}");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in [
        "../../etc/passwd",
        "/etc/passwd",
        "segments/../../x.vec",
        "segments/00000000000000000001.vec/../x",
        "segments/0000000000000000001.vec",
        "segments/000000000000000000001.vec",
        "segments/0000000000000000000a.vec",
        "segments/00000000000000000001.pages",
        "pages/00000000000000000001.vec",
        "wal/00000000000000000001.log",
        "checkpoints/00000000000000000001.ckpt",
        "TIMELINE",
        "",
        "segments/٠٠٠٠٠٠٠٠٠٠.vec",
    ] {
        refused(|v| v["files"][0]["name"] = json!(name), name);
    }
}

#[test]
fn stored_paths_that_are_not_the_parts_own_are_refused() {
    for stored in ["/etc/passwd", "../parts/x", "parts/ab/cd.zst", "", "parts/../../../etc/shadow"] {
        refused(|v| v["files"][0]["stored"] = json!(stored), stored);
        refused(|v| v["manifest"]["stored"] = json!(stored), stored);
    }
    refused(|v| v["files"][0]["part"] = json!("AB".repeat(32)), "upper case");
    refused(|v| v["files"][0]["part"] = json!("ab".repeat(32)), "another part's path");
    refused(|v| v["files"][0]["stored_sha256"] = json!("xyz"), "no digest");
}

#[test]
fn sizes_out_of_bounds_are_refused() {
    for bytes in [json!(u64::MAX), json!((1u64 << 36) + 1), json!(-1), json!(1.5), json!("9"), json!(null)] {
        refused(|v| v["files"][0]["bytes"] = bytes.clone(), "bytes");
        refused(|v| v["files"][0]["stored_bytes"] = bytes.clone(), "stored_bytes");
        refused(|v| v["plain_bytes"] = bytes.clone(), "plain_bytes");
        refused(|v| v["stored_bytes"] = bytes.clone(), "sum of stored bytes");
    }
}

#[test]
fn a_manifest_that_would_not_fit_in_memory_is_refused_before_it_is_read() {
    let (disk, snapshot) = sample();
    let mut value = read(&disk, &snapshot);
    value["manifest"]["bytes"] = json!((1u64 << 30) + 1);
    replace(&disk, &snapshot, &serde_json::to_vec(&value).expect("JSON"));
    let error = restore(&disk, snapshot.id.as_str()).expect_err("too large");
    assert_eq!(error.finding().expect("a finding").what, "bytes of the manifest", "{error}");
}

#[test]
fn fields_that_are_wrong_missing_or_unknown_are_refused() {
    let keys = [
        "format",
        "version",
        "id",
        "description",
        "tags",
        "type",
        "created_at",
        "database",
        "timeline",
        "lsn",
        "time_us",
        "compression",
        "counts",
        "plain_bytes",
        "stored_bytes",
        "manifest",
        "files",
        "added_bytes",
        "whole",
        "collections",
        "changed_vectors",
        "image",
        "list",
        "log",
    ];
    for key in keys {
        refused(|v| drop(v.as_object_mut().expect("an object").remove(key)), key);
        refused(|v| v[key] = json!({"a": [1]}), key);
    }
    refused(|v| v["surprise"] = json!(1), "an unknown field");
    refused(|v| v["files"][0]["surprise"] = json!(1), "an unknown field of a file");
    refused(|v| v["type"] = json!("incremental"), "an incremental one with files and without a base");
    refused(|v| v["version"] = json!(4), "a later version");
    refused(|v| v["version"] = json!(1), "fields of a later version");
    refused(|v| v["base"] = json!("snap-2020-01-01-000000"), "a base of a full one");
    refused(|v| v["image"]["lsn"] = json!(0), "a checkpoint that the log does not go on from");
    refused(|v| v["list"]["bytes"] = json!((1u64 << 30) + 1), "a list that would not fit in memory");
    let log = json!({
        "timeline": "00".repeat(16), "first_lsn": 1, "last_lsn": u64::MAX, "records": u64::MAX,
        "part": "ab".repeat(32), "bytes": 1, "stored": format!("parts/ab/{}.zst", "ab".repeat(32)),
        "stored_bytes": 1, "stored_sha256": "ab".repeat(32),
    });
    refused(|v| v["log"] = json!([log]), "a log from elsewhere");
    refused(|v| v["id"] = json!("snap-2020-01-01-000000"), "another's id");
    refused(|v| v["database"] = json!("12"), "no id");
    for codec in ["lz4", "zstd+shuffle4"] {
        refused(|v| v["compression"] = json!(codec), codec);
    }
    for time in ["yesterday", "2024-01-20T10:30:45", "2024-01-20T10:30:45+01:00", "2024-01-20 10:30:45Z"] {
        refused(|v| v["created_at"] = json!(time), time);
    }
    refused(|v| v["name"] = json!("../x"), "a name with slashes");
    refused(|v| v["tags"] = json!(vec!["t"; 65]), "too many tags");
    refused(|v| v["description"] = json!("x".repeat(4_097)), "a long description");
}

#[test]
fn a_file_that_stands_twice_is_refused() {
    refused(
        |v| {
            let first = v["files"][0].clone();
            v["files"].as_array_mut().expect("an array").push(first);
        },
        "twice",
    );
}

#[test]
fn files_that_the_manifest_does_not_name_are_refused() {
    // All digests right: only the checkpoint's own manifest tells.
    let (disk, snapshot) = sample();
    let mut value = read(&disk, &snapshot);
    let files = value["files"].as_array_mut().expect("an array");
    files[0]["name"] = json!("segments/00000000000000099999.vec");
    let text = serde_json::to_vec(&value).expect("JSON");
    replace(&disk, &snapshot, &text);
    let error = restore(&disk, snapshot.id.as_str()).expect_err("not of this manifest");
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(files_below(&disk, "/restored").is_empty());
}

#[test]
fn not_even_json_is_refused() {
    for bytes in
        [&b""[..], b"{", b"null", b"[]", b"\xff\xfe", b"{\"format\":\"cairndb-snapshot\",\"version\":1}"]
    {
        let (disk, snapshot) = sample();
        replace(&disk, &snapshot, bytes);
        let error = restore(&disk, snapshot.id.as_str()).expect_err("no metadata");
        assert!(error.to_string().contains("metadata.json"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    let (disk, snapshot) = sample();
    replace(&disk, &snapshot, "[".repeat(1 << 20).as_bytes());
    assert!(restore(&disk, snapshot.id.as_str()).is_err());
}

#[test]
fn mutated_metadata_never_panics() {
    let (disk, snapshot) = sample();
    let valid = disk.read_file(&metadata_path(&snapshot));
    let edits = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(2_000));
    let run = runner.run(&edits, |edits| {
        let mut bytes = valid.clone();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let disk = disk.image(Fate::Kept);
        replace(&disk, &snapshot, &bytes);
        // It may still be valid: another description, say.
        let _ = verify(&open(&disk), snapshot.id.as_str(), &one_thread()).expect("readable");
        let _ = restore(&disk, snapshot.id.as_str());
        Ok(())
    });
    run.expect("no panic");
}
