//! A repository in which one file is anything: what is listed is what can be verified, and a restore gives the state or an error.

use cairn_disk::{SimDisk, Storage};
use cairn_engine::{Engine, EventOp, ManualClock, Options, Write, check_dir};
use cairn_snapshot::{Base, CreateOptions, Digest, Job, Repository, Snapshot, create_live, list, nvec, restore, verify_all};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// 2024-01-20T10:30:45Z.
const NOW_US: i64 = 1_705_746_645_000_000;
const REPO: &str = "/repo";

/// A repository with a full and an incremental snapshot, and a `.nvec` of the state.
struct Scene {
    disk: SimDisk,
    incremental: Snapshot,
    hash: [u8; 32],
    nvec: Vec<u8>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| scene().expect("the scene is made"));

fn scene() -> Result<Scene, Box<dyn std::error::Error>> {
    let disk = SimDisk::new(1);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let options = Options { clock: Arc::new(ManualClock::new(NOW_US)), ..Options::default() };
    let (engine, _) = Engine::open(Arc::clone(&storage), Path::new("/db"), options)?;
    let vector = |id: &str, x: f32| Write::VectorSet { id: id.to_owned(), vector: vec![x, 1.0] };
    let event = |id: &str| Write::Event {
        context: "c".to_owned(),
        id: id.to_owned(),
        op: EventOp::Add,
        score: 10,
        time_s: Some(100),
    };
    engine.write(vec![vector("a", 0.5), event("a"), event("b")]);
    let repository = Repository::open_or_create(Arc::clone(&storage), Path::new(REPO), NOW_US)?;
    let make = |second: i64, base| {
        let options = CreateOptions { now_us: NOW_US + second * 1_000_000, base, ..CreateOptions::default() };
        create_live(&repository, &engine, &options, &job())
    };
    make(0, Base::None)?;
    engine.write(vec![vector("b", 0.25), event("b")]);
    let incremental = make(1, Base::Newest)?.snapshot;
    let view = engine.view()?;
    nvec::save(&disk, Path::new("/a.nvec"), &view, NOW_US, &job())?;
    let nvec = disk.read_file(Path::new("/a.nvec"));
    Ok(Scene { hash: view.state_hash(), disk, incremental, nvec })
}

fn job() -> Job<'static> {
    Job { threads: 1, ..Job::default() }
}

fn snapshot_dir(scene: &Scene) -> PathBuf {
    Path::new(REPO).join("snapshots").join(scene.incremental.id.as_str())
}

/// Whatever stands there, nothing panics, and what restores without an error is a directory that is whole.
fn try_all(disk: &SimDisk, scene: &Scene) -> Option<[u8; 32]> {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let repository = Repository::open(Arc::clone(&storage), Path::new(REPO)).ok()?;
    drop(list(&repository));
    drop(verify_all(&repository, &job()));
    let id = scene.incremental.id.as_str();
    restore(&repository, id, &storage, Path::new("/restored"), NOW_US, &job()).ok()?;
    Some(check_dir(&storage, Path::new("/restored")).expect("what was restored is whole").state_hash)
}

/// `metadata.json` is these bytes, and its sum says so.
pub fn metadata(data: &[u8]) {
    let scene = &*SCENE;
    let disk = scene.disk.image(cairn_disk::Fate::Kept);
    let dir = snapshot_dir(scene);
    disk.write_file(&dir.join("metadata.json"), data);
    let sums = String::from_utf8(disk.read_file(&dir.join("checksum.sha256"))).expect("text");
    let rest = sums.split_once('\n').map_or("", |(_, rest)| rest);
    let sums = format!("{}  metadata.json\n{rest}", Digest::of(data));
    disk.write_file(&dir.join("checksum.sha256"), sums.as_bytes());
    try_all(&disk, scene);
}

/// The log part is these bytes, and everything that names it says so.
pub fn log_part(data: &[u8]) {
    let scene = &*SCENE;
    let disk = scene.disk.image(cairn_disk::Fate::Kept);
    let (dir, digest, old) = (snapshot_dir(scene), Digest::of(data), scene.incremental.log[0].part);
    let path = format!("parts/{}/{digest}.raw", &digest.to_string()[..2]);
    disk.write_file(&Path::new(REPO).join(&path), data);
    let json = String::from_utf8(disk.read_file(&dir.join("metadata.json"))).expect("text");
    let named = |stored: &str, part: &str, bytes: u64, stored_bytes: u64, sum: &str| {
        format!(
            "\"part\": \"{part}\",\n      \"bytes\": {bytes},\n      \"stored\": \"{stored}\",\n      \"stored_bytes\": {stored_bytes},\n      \"stored_sha256\": \"{sum}\""
        )
    };
    let from =
        named(&old.stored(), &old.id.to_string(), old.bytes, old.stored_bytes, &old.stored_sha256.to_string());
    let n = data.len() as u64;
    let to = named(&path, &digest.to_string(), n, n, &digest.to_string());
    let mut changed = json.replacen(&from, &to, 1);
    assert!(data.is_empty() || changed != json, "the log part is where it was thought to be");
    for (key, was, part) in [
        ("plain_bytes", scene.incremental.plain_bytes, old.bytes),
        ("stored_bytes", scene.incremental.stored_bytes, old.stored_bytes),
    ] {
        changed = changed.replacen(&format!("\"{key}\": {was},"), &format!("\"{key}\": {},", was - part + n), 1);
    }
    disk.write_file(&dir.join("metadata.json"), changed.as_bytes());
    let sums = String::from_utf8(disk.read_file(&dir.join("checksum.sha256"))).expect("text");
    let mut lines: Vec<String> = sums.lines().map(str::to_owned).collect();
    lines[0] = format!("{}  metadata.json", Digest::of(changed.as_bytes()));
    let last = lines.len() - 1;
    lines[last] = format!("{digest}  ../../{path}");
    disk.write_file(&dir.join("checksum.sha256"), (lines.join("\n") + "\n").as_bytes());
    let restored = try_all(&disk, scene);
    if data == log_seed() {
        assert_eq!(restored, Some(scene.hash), "the part as it was gives the state");
    }
}

/// A portable file is these bytes.
pub fn portable(data: &[u8]) {
    let disk = SimDisk::new(1);
    let path = Path::new("/a.nvec");
    disk.write_file(path, data);
    let verified = nvec::verify(&disk, path, &job());
    drop(nvec::info(&disk, path));
    let read = nvec::read(&disk, path, &cairn_engine::Settings::default(), &job());
    assert!(read.is_err() || verified.is_ok(), "what is read was verified");
    if data == SCENE.nvec {
        assert_eq!(read.expect("whole").0.state_hash(), SCENE.hash);
    }
}

/// The log part that is there.
pub fn log_seed() -> Vec<u8> {
    let scene = &*SCENE;
    let part = scene.incremental.log[0].part;
    let stored = scene.disk.read_file(&Path::new(REPO).join(part.stored()));
    match part.stored().rsplit('.').next() {
        Some("zst") => zstd::stream::decode_all(&stored[..]).expect("whole"),
        _ => stored,
    }
}

/// The `metadata.json` of the incremental snapshot.
pub fn metadata_seed() -> Vec<u8> {
    SCENE.disk.read_file(&snapshot_dir(&SCENE).join("metadata.json"))
}

/// The portable file, plain and compressed.
pub fn portable_seeds() -> Vec<Vec<u8>> {
    let nvec = SCENE.nvec.clone();
    let zstd = zstd::stream::encode_all(&nvec[..], 3).expect("compressed");
    vec![nvec, zstd]
}
