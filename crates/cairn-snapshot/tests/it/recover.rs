//! Recovering from a repository alone: any record and any microsecond of a history with restores in it, after the data directory
//! is gone, against what was seen at the time.

use crate::oracle::{Oracle, Seen};
use cairn_disk::{Fate, SimDisk, Storage};
use cairn_engine::{
    CollectionChange, CollectionSpec, Engine, EventOp, Lsn, ManualClock, Options, Request, Settings, Target,
    TimelineId, View, WalSettings, Write, check_dir,
};
use cairn_snapshot::archive::{Shipper, plan};
use cairn_snapshot::{CreateOptions, Job, Repository, create, recover};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

const START_US: i64 = 1_700_000_000_000_000;

/// A deterministic stream of numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

fn hash(view: &View) -> String {
    hex(&view.state_hash())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn write(numbers: &mut Numbers) -> Write {
    let id = format!("item-{}", numbers.below(20));
    match numbers.below(3) {
        0 => Write::VectorSet { id, vector: (0..4).map(|_| numbers.below(100) as f32 / 7.0).collect() },
        kind => Write::Event {
            context: format!("context-{}", numbers.below(6)),
            id,
            op: if kind == 1 { EventOp::Add } else { EventOp::Set },
            score: numbers.below(101) as u8,
            time_s: Some(1_700_000_000 + numbers.below(5_000) as i64),
        },
    }
}

struct Run {
    data: SimDisk,
    backup: Arc<dyn Storage>,
    engine: Engine,
    options: Options,
    clock: Arc<ManualClock>,
    oracle: Oracle,
    numbers: Numbers,
}

const DIR: &str = "/db";
const REPOSITORY: &str = "/backup";

impl Run {
    fn new(seed: u64) -> Run {
        let data = SimDisk::new(seed);
        let backup: Arc<dyn Storage> = Arc::new(SimDisk::new(seed + 1));
        let clock = Arc::new(ManualClock::new(START_US));
        let settings = Settings { ctx_buffer_size: 6, dedup_cache_size: 40, ..Settings::default() };
        let wal = WalSettings { segment_bytes: 8 << 10, ..WalSettings::default() };
        let clock_of = clock.clone();
        let options = Options {
            settings,
            wal: Some(wal),
            clock: clock_of,
            checkpoint_log_bytes: 60_000,
            ..Options::default()
        };
        let disk: Arc<dyn Storage> = Arc::new(data.clone());
        let (engine, _) = Engine::open(disk, Path::new(DIR), options.clone()).expect("opens");
        let live = engine.stats().timeline.id;
        let oracle = Oracle { timelines: HashMap::new(), live };
        let mut run = Run { data, backup, engine, options, clock, oracle, numbers: Numbers(seed) };
        let view = run.engine.view().expect("a view");
        // Opening logged the settings.
        let seen = Seen { parent: None, points: vec![(view.lsn().0, START_US, hash(&view))] };
        run.oracle.timelines.insert(live, seen);
        run.snapshot();
        run
    }

    fn repository(&self) -> Repository {
        Repository::open_or_create(Arc::clone(&self.backup), Path::new(REPOSITORY), START_US).expect("opens")
    }

    fn snapshot(&self) {
        let now_us = cairn_engine::Clock::now_us(&*self.clock);
        let options = CreateOptions { now_us, ..CreateOptions::default() };
        create(&self.repository(), self.engine.view().expect("a view"), &options, &Job::default())
            .expect("a snapshot");
    }

    fn ship(&self) {
        let wal = self.engine.wal().expect("a log");
        let disk: Arc<dyn Storage> = Arc::new(self.data.clone());
        let mut shipper = Shipper::new(self.repository(), &wal.timeline, disk, self.clock.clone());
        let shipped = shipper.ship(&wal.log, &Job::default(), true).expect("shipped");
        assert!(shipped.gaps.is_empty() && shipped.damaged.is_empty(), "{shipped:?}");
        self.engine.archived(wal.timeline.id, shipped.archived_lsn.unwrap_or(Lsn(0))).expect("noted");
    }

    fn write(&mut self) {
        self.clock.advance(self.numbers.below(4) as i64);
        let changed = if self.numbers.below(30) == 0 { self.change() } else { None };
        let lsn = changed.unwrap_or_else(|| self.write_one());
        let view = self.engine.view().expect("a view");
        let time_us = cairn_engine::Clock::now_us(&*self.clock);
        let points = &mut self.oracle.timelines.get_mut(&self.oracle.live).expect("known").points;
        points.push((lsn.0, time_us, hash(&view)));
    }

    /// A write to some collection.
    fn write_one(&mut self) -> Lsn {
        let names: Vec<String> = self.engine.collections().into_iter().map(|info| info.name).collect();
        let name = &names[self.numbers.below(names.len() as u64) as usize];
        let request = Request { collection: Some(Arc::from(name.as_str())), write: write(&mut self.numbers) };
        *self.engine.write_requests(vec![request])[0].as_ref().expect("written")
    }

    /// Collections come and go; `None`: not what there is to be changed now.
    fn change(&mut self) -> Option<Lsn> {
        let mut name = || ["b", "c", "d", "e"][self.numbers.below(4) as usize].to_owned();
        let (a, b) = (name(), name());
        let change = match self.numbers.below(5) {
            0 | 1 => CollectionChange::Create {
                name: a,
                settings: Box::default(),
                spec: Box::new(CollectionSpec::default()),
            },
            2 => CollectionChange::Drop { name: a },
            3 => CollectionChange::Rename { from: a, to: b },
            _ => CollectionChange::AliasSet { alias: format!("alias-{a}"), collection: b },
        };
        self.engine.change_collections(change).ok()
    }

    fn go_back(&mut self) {
        let (target, id) = self.oracle.target(&mut |n| self.numbers.below(n));
        let Some((lsn, expected)) = self.oracle.expect(target, id) else { return };
        self.clock.advance(10);
        self.ship();
        let branch = self.engine.recover(target, Some(id)).expect("a branch");
        assert_eq!(branch.at.lsn.0, lsn);
        let new = branch.timeline.id;
        let seen = Seen { parent: branch.timeline.parent, points: vec![(lsn, branch.at.time_us, expected)] };
        self.oracle.timelines.insert(new, seen);
        self.engine.promote(new).expect("promoted");
        self.oracle.live = new;
    }
}

#[test]
fn any_target_comes_back_from_the_repository_after_the_data_is_gone() {
    let mut run = Run::new(5);
    for n in 0..20_000u64 {
        run.write();
        if n % 997 == 996 {
            run.ship();
        }
        if n % 2_301 == 2_300 {
            run.snapshot();
        }
        if n % 1_900 == 1_899 {
            run.go_back();
        }
    }
    run.ship();
    let Run { engine, data, backup, options, oracle, mut numbers, clock, .. } = run;
    drop((engine, data));
    clock.advance(1_000_000);
    let repository = Repository::open(Arc::clone(&backup), Path::new(REPOSITORY)).expect("opens");
    let (mut checked, mut asked, mut replayed) = (0, 0, 0);
    while checked < 500 {
        asked += 1;
        let (target, id) = oracle.target(&mut |n| numbers.below(n));
        let Some((lsn, expected)) = oracle.expect(target, id) else { continue };
        let disk: Arc<dyn Storage> = Arc::new(SimDisk::new(asked));
        let dir = Path::new("/restored/db");
        let job = Job { threads: 1, ..Job::default() };
        let made = match recover(&repository, target, Some(id), &disk, dir, &options, &job) {
            Ok(made) => made,
            Err(e) => {
                // Just past the last record of a timeline nobody can know that no other came.
                let last = oracle.timelines[&id].points.last().expect("one").1;
                assert!(matches!(target, Target::Time(us) if us > last), "{target} on {id}: {e}");
                assert!(e.to_string().contains("recoverable: "), "{e}");
                continue;
            }
        };
        assert_eq!(made.report.lsn.0, lsn, "{target} on {id}");
        let report = check_dir(&disk, dir).expect("whole");
        assert_eq!((report.lsn.0, hex(&report.state_hash)), (lsn, expected), "{target} on {id}");
        replayed += made.plan.records();
        checked += 1;
    }
    let timelines = oracle.timelines.len();
    assert!(timelines > 5 && replayed > 100_000, "{timelines} timelines, {replayed} records");
    println!("{checked} targets on {timelines} timelines from the repository, {replayed} records replayed");
}

#[test]
fn a_recovered_directory_is_whole_or_not_there() {
    let mut run = Run::new(9);
    for _ in 0..150 {
        run.write();
    }
    run.ship();
    let points = &run.oracle.timelines[&run.oracle.live].points;
    let (lsn, _, expected) = points[100].clone();
    let disk = SimDisk::new(77);
    let images = Arc::new(Mutex::new(Vec::new()));
    let out = Arc::clone(&images);
    disk.on_op(Box::new(move |op, disk| {
        out.lock().expect("no panic").extend([Fate::Dropped, Fate::Torn(op)].map(|fate| disk.image(fate)));
    }));
    let target = Path::new("/restored/db");
    let recover_on = |disk: &SimDisk| {
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let job = Job { threads: 1, ..Job::default() };
        recover(&run.repository(), Target::Lsn(Lsn(lsn)), None, &storage, target, &run.options, &job)
    };
    recover_on(&disk).expect("recovered");
    let images = std::mem::take(&mut *images.lock().expect("no panic"));
    for image in images.iter().chain([&disk]) {
        if image.stat(target).expect("readable").is_none() {
            recover_on(image).expect("a second try succeeds");
        }
        let storage: Arc<dyn Storage> = Arc::new(image.clone());
        assert_eq!(hex(&check_dir(&storage, target).expect("whole").state_hash), expected);
    }
    println!("{} crash images of a recovery from the repository", images.len());
    assert!(images.len() >= 60, "{}", images.len());
    let e = recover_on(&disk).expect_err("occupied").to_string();
    assert!(e.contains("is not empty"), "{e}");
}

#[test]
fn what_the_archive_lacks_is_refused_with_the_window() {
    let mut run = Run::new(11);
    for _ in 0..60 {
        run.write();
    }
    run.ship();
    let archived = run.engine.stats().lsn;
    for _ in 0..20 {
        run.write();
    }
    let repository = run.repository();
    let e = plan(&repository, Target::Lsn(Lsn(archived.0 + 1)), None).expect_err("not archived").to_string();
    assert!(e.contains("cannot be recovered") && e.contains(&format!("to LSN {archived}")), "{e}");
    let e = plan(&repository, Target::Time(START_US - 1), None).expect_err("too early").to_string();
    assert!(e.contains("recoverable: timeline"), "{e}");
    let e = plan(&repository, Target::Latest, Some(TimelineId::random())).expect_err("unknown").to_string();
    assert!(e.contains("no snapshot or archive of it"), "{e}");
    assert_eq!(plan(&repository, Target::Latest, None).expect("a plan").until, archived);
}
