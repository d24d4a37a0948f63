//! Random interleavings of everything that touches a repository or replaces a state, with crashes in them: every listed snapshot
//! restores to what it was, and the database is what it should be.

use crate::support::*;
use cairn_disk::{Fate, SimDisk, Storage};
use cairn_engine::{
    CollectionChange, CollectionSpec, CompactionPolicy, Engine, EventOp, ManualClock, Options, Request, Take,
    WalSettings, Write, check_dir,
};
use cairn_snapshot::{
    Base, CreateOptions, Digest, Listed, Repository, create_live, delete, list, load, load_collection, sweep,
    verify_all,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

type Hash = [u8; 32];

/// Steps of one seed.
const STEPS: u64 = 36;
/// Snapshots at a time, at most.
const LISTED_MAX: usize = 5;

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// What a crash may take back.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kept {
    /// Nothing.
    All,
    /// Vectors since the last checkpoint.
    NotVectors,
    /// Everything since the last checkpoint.
    Nothing,
}

/// What happens next. Ids are of snapshots that are listed.
#[derive(Debug, Clone)]
enum Action {
    Write(u64),
    Create {
        base: Base,
        books: bool,
    },
    Sweep,
    Delete(String),
    Compact,
    Checkpoint,
    /// Goes on with a restored directory, as after the loss of the old one.
    Restore(String),
    Load(String),
    Take(String),
}

struct Run {
    rng: Rng,
    kept: Kept,
    disk: SimDisk,
    clock: Arc<ManualClock>,
    engine: Engine,
    dir: PathBuf,
    restores: u64,
    /// The state that the database should have.
    live: Hash,
    /// All states that it ever had.
    had: BTreeSet<Hash>,
    made: BTreeMap<String, Hash>,
    checked: Option<Digest>,
    counts: Counts,
    trail: Vec<String>,
}

#[derive(Default)]
struct Counts {
    steps: u64,
    crashes: u64,
    restored: u64,
    incremental: u64,
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.restored += other.restored;
        self.incremental += other.incremental;
    }
}

fn open_engine(disk: &SimDisk, dir: &Path, clock: &Arc<ManualClock>, kept: Kept) -> Engine {
    let wal = WalSettings {
        enabled: kept != Kept::Nothing,
        include_vectors: kept != Kept::NotVectors,
        segment_bytes: 4 << 10,
        ..WalSettings::default()
    };
    let options = Options {
        settings: settings(),
        clock: Arc::clone(clock) as _,
        wal: Some(wal),
        vector_segment_bytes: 400,
        maintenance: false,
        ..Options::default()
    };
    Engine::open(storage(disk), dir, options).expect("the database opens").0
}

impl Run {
    fn new(seed: u64) -> Run {
        let mut rng = Rng(seed);
        let kept = [Kept::All, Kept::All, Kept::NotVectors, Kept::Nothing][rng.below(4) as usize];
        let (disk, clock) = (SimDisk::new(seed), Arc::new(ManualClock::new(NOW_US)));
        let engine = open_engine(&disk, Path::new("/db"), &clock, kept);
        let create = CollectionChange::Create {
            name: "books".to_owned(),
            settings: Box::new(settings()),
            spec: Box::new(CollectionSpec::default()),
        };
        engine.change_collections(create).expect("created");
        engine.checkpoint().expect("a checkpoint");
        open_or_create(&disk);
        let live = engine.view().expect("a view").state_hash();
        let (dir, had) = (PathBuf::from("/db"), BTreeSet::from([live]));
        let (made, checked, counts, trail) = (BTreeMap::new(), None, Counts::default(), Vec::new());
        Run { rng, kept, disk, clock, engine, dir, restores: 0, live, had, made, checked, counts, trail }
    }

    fn hash(&self) -> Hash {
        self.engine.view().expect("a view").state_hash()
    }

    fn one_made(&mut self) -> Option<String> {
        let n = self.rng.below(self.made.len().max(1) as u64) as usize;
        self.made.keys().nth(n).cloned()
    }

    fn choose(&mut self) -> Action {
        let what = self.rng.below(24);
        let one = self.one_made();
        if self.made.len() >= LISTED_MAX && (6..14).contains(&what) {
            return Action::Delete(one.expect("some are listed"));
        }
        match (what, one) {
            (6 | 7, _) => Action::Create { base: Base::None, books: false },
            (8..=10, _) => Action::Create { base: Base::Newest, books: false },
            (11 | 12, Some(id)) => Action::Create { base: Base::Of(id), books: false },
            (13, _) => {
                let base = if self.rng.below(3) == 0 { Base::None } else { Base::Newest };
                Action::Create { base, books: true }
            }
            (14, _) => Action::Sweep,
            (15 | 16, Some(id)) => Action::Delete(id),
            (17, _) => Action::Compact,
            (18 | 19, _) => Action::Checkpoint,
            (20, Some(id)) => Action::Restore(id),
            (21 | 22, Some(id)) => Action::Load(id),
            (23, Some(id)) => Action::Take(id),
            (_, _) => Action::Write(1 + self.rng.below(6)),
        }
    }

    fn writes(&mut self, n: u64) -> Vec<Request> {
        let rng = &mut self.rng;
        let one = |_| {
            let (id, x) = (format!("item-{}", rng.below(12)), rng.below(1_000) as f32);
            let time_s = 1_700_000_000 + rng.below(100_000) as i64;
            let write = match rng.below(8) {
                0..4 => vector(&id, &[x, 1.0, -0.5, 0.25]),
                4 => metadata(&id, &format!("x:{x}")),
                5 => Write::VectorDelete { id },
                6 => {
                    event(&format!("user-{}", rng.below(3)), &id, EventOp::Add, rng.below(100) as u8, time_s)
                }
                _ => Write::Decay { factor: 0.5 },
            };
            Request { collection: (rng.below(3) == 0).then(|| "books".into()), write }
        };
        (0..n).map(one).collect()
    }

    /// Does it; what it should have come to is noted when it was done.
    fn act(&mut self, action: &Action) -> Result<(), Box<dyn std::error::Error>> {
        let job = one_thread();
        match action {
            Action::Write(n) => {
                // Those of what is not there are refused.
                let writes = self.writes(*n);
                drop(self.engine.write_requests(writes));
                self.live = self.engine.view()?.state_hash();
            }
            Action::Create { base, books } => {
                self.clock.advance(1_000_000);
                let now_us = self.engine.options().clock.now_us();
                let collections = books.then(|| vec!["books".to_owned()]);
                let options =
                    CreateOptions { base: base.clone(), collections, now_us, ..CreateOptions::default() };
                match create_live(&self.repository()?, &self.engine, &options, &job) {
                    Ok(created) => {
                        self.counts.incremental += u64::from(created.snapshot.base.is_some());
                        self.made.insert(created.snapshot.id.to_string(), self.stored(*books)?);
                    }
                    // A base of other collections.
                    Err(e) if e.to_string().contains("of the same collections") => {}
                    Err(e) => return Err(e.into()),
                }
            }
            Action::Sweep => drop(sweep(&self.repository()?)?),
            Action::Delete(id) => {
                delete(&self.repository()?, id)?;
                self.made.remove(id);
            }
            Action::Compact => {
                let policy = CompactionPolicy { aggressive: true, ..CompactionPolicy::default() };
                self.engine.compact(None, policy, |_, _| ControlFlow::Continue(()))?;
            }
            Action::Checkpoint => drop(self.engine.checkpoint()?),
            Action::Restore(id) => {
                self.restores += 1;
                let dir = PathBuf::from(format!("/restored/{}", self.restores));
                let repository = self.repository()?;
                cairn_snapshot::restore(&repository, id, &storage(&self.disk), &dir, NOW_US, &job)?;
                self.engine.close()?;
                self.engine = open_engine(&self.disk, &dir, &self.clock, self.kept);
                self.disk.remove_dir_all(&self.dir)?;
                (self.dir, self.live) = (dir, self.made[id]);
            }
            Action::Load(id) => {
                load(&self.repository()?, id, &self.engine, &job)?;
                self.live = self.made[id];
            }
            Action::Take(id) => {
                let take = Take { from: "books".to_owned(), to: "books".to_owned(), overwrite: true };
                load_collection(&self.repository()?, id, &self.engine, &take, &job)?;
                self.live = self.engine.view()?.state_hash();
            }
        }
        Ok(())
    }

    fn repository(&self) -> Result<Repository, cairn_snapshot::Error> {
        Repository::open(storage(&self.disk), repo_path())
    }

    /// The hash of what a snapshot stores of the live state.
    fn stored(&self, books: bool) -> Result<Hash, cairn_engine::Error> {
        let view = self.engine.view()?;
        Ok(if books { view.only(&["books".to_owned()])? } else { view }.state_hash())
    }

    /// Does it on a disk that fails somewhere within, and reboots.
    fn crash_in(&mut self, action: &Action) {
        let (live, made) = (self.live, self.made.clone());
        let of_action = match action {
            Action::Create { books, .. } => self.stored(*books).ok(),
            _ => None,
        };
        let within = self.rng.below(70);
        self.disk.crash_at(self.disk.ops() + within);
        let done = self.act(action).is_ok();
        let seed = self.rng.next();
        let fate = [Fate::Dropped, Fate::Kept, Fate::Torn(seed)][(seed % 3) as usize];
        self.trail.push(format!("  crash in it, {fate:?}, done: {done}"));
        self.disk = self.disk.image(fate);
        self.engine = open_engine(&self.disk, &self.dir, &self.clock, self.kept);
        self.counts.crashes += 1;
        let found = self.hash();
        let may_be = [Some(live), Some(self.live)];
        let writes = matches!(action, Action::Write(_) | Action::Take(_));
        let as_it_should = match self.kept {
            Kept::All if done => found == self.live,
            // Some of the writes, or the collection.
            Kept::All if writes => true,
            Kept::All => {
                may_be.contains(&Some(found)) || matches!(action, Action::Load(id) if made[id] == found)
            }
            Kept::NotVectors => true,
            Kept::Nothing => writes || self.had.contains(&found) || may_be.contains(&Some(found)),
        };
        assert!(as_it_should, "the database after the crash");
        self.live = found;
        // What is listed is what was, and perhaps what was being made; what was being deleted may be gone.
        let listed = list(&self.repository().expect("it opens")).expect("readable");
        let ids: BTreeSet<String> = listed.iter().map(|listed| listed.id().to_owned()).collect();
        for id in made.keys().filter(|id| !ids.contains(*id)) {
            assert!(matches!(action, Action::Delete(gone) if gone == id), "{id} is gone");
        }
        if done {
            assert_eq!(ids, self.made.keys().cloned().collect(), "it was done before the crash");
        }
        let new: Vec<&String> = ids.iter().filter(|id| !made.contains_key(*id)).collect();
        assert!(new.len() <= usize::from(of_action.is_some()), "{new:?}");
        self.made =
            ids.iter().map(|id| (id.clone(), made.get(id).copied().or(of_action).expect("known"))).collect();
        self.checked = None;
    }

    fn check(&mut self) {
        assert_eq!(self.hash(), self.live, "the database");
        self.had.insert(self.live);
        let mut all = Vec::new();
        for path in files_below(&self.disk, REPO) {
            all.extend_from_slice(Digest::of(&self.disk.read_file(&path)).to_string().as_bytes());
            all.extend_from_slice(path.to_string_lossy().as_bytes());
        }
        let now = Digest::of(&all);
        if self.checked.replace(now) == Some(now) {
            return;
        }
        // On a copy: what is tried leaves no trace.
        let disk = self.disk.image(Fate::Kept);
        let repository = open(&disk);
        let listed = list(&repository).expect("readable");
        assert_eq!(
            listed.iter().map(Listed::id).collect::<BTreeSet<_>>(),
            self.made.keys().map(String::as_str).collect()
        );
        let report = verify_all(&repository, &one_thread()).expect("readable");
        assert!(report.is_whole(), "{:?}", report.findings);
        for (id, hash) in &self.made {
            let disk = storage(&disk);
            cairn_snapshot::restore(&repository, id, &disk, target(), NOW_US, &one_thread())
                .unwrap_or_else(|e| panic!("{id}: {e}"));
            assert_eq!(check_dir(&disk, target()).expect("whole").state_hash, *hash, "{id}");
            disk.remove_dir_all(target()).expect("removed");
            self.counts.restored += 1;
        }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            let action = self.choose();
            self.trail.push(format!("{action:?}"));
            if self.rng.below(7) == 0 && !matches!(action, Action::Restore(_)) {
                self.crash_in(&action);
            } else {
                self.act(&action).unwrap_or_else(|e| panic!("{action:?}: {e}"));
            }
            self.counts.steps += 1;
            self.check();
        }
    }
}

/// Seeds that are run whatever the time, and how long more of them are tried (`./test`).
const SEEDS_MIN: u64 = 1_000;
const SECONDS: u64 = 100;

/// A number that the environment gives.
fn asked(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: expected a number, got {text:?}")))
}

/// One seed is one run; one that fails is printed.
fn run_seed(seed: u64) -> Counts {
    let mut run = Run::new(seed);
    if catch_unwind(AssertUnwindSafe(|| run.run())).is_err() {
        // What was wrong was printed when it was found; this says how to come there again.
        panic!("CAIRN_SEED={seed} ({:?}):\n{}", run.kept, run.trail.join("\n"));
    }
    run.counts
}

/// Seeds from CAIRN_SEED on, by all cores: as many as CAIRN_INTERLEAVINGS asks for (`just interleavings`), else as many as
/// CAIRN_SEEDS (`just seeds`), else as many as a bounded time allows, but a thousand at least.
#[test]
fn more_seeds_of_interleavings() {
    let from = asked("CAIRN_SEED").unwrap_or(1_000);
    let wanted = asked("CAIRN_INTERLEAVINGS").or_else(|| asked("CAIRN_SEEDS"));
    let deadline = Instant::now() + Duration::from_secs(SECONDS);
    let goes_on = |nth: u64| match wanted {
        Some(n) => nth < n,
        None => nth < SEEDS_MIN || Instant::now() < deadline,
    };
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let (mut all, mut seeds) = (Counts::default(), 0);
        while !failed.load(Ordering::Relaxed) {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if !goes_on(nth) {
                break;
            }
            let counts = catch_unwind(|| run_seed(from + nth)).unwrap_or_else(|panic| {
                failed.store(true, Ordering::Relaxed);
                resume_unwind(panic)
            });
            all.add(&counts);
            seeds += 1;
        }
        (all, seeds)
    };
    let (mut all, mut n) = (Counts::default(), 0);
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            let (counts, seeds) = thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            all.add(&counts);
            n += seeds;
        }
    });
    println!(
        "{n} interleavings of {} steps, {} crashes in them, {} incremental snapshots, {} restores compared",
        all.steps, all.crashes, all.incremental, all.restored
    );
    assert!(n >= wanted.unwrap_or(SEEDS_MIN), "only {n} interleavings");
    assert_eq!(all.steps, n * STEPS);
    assert!(all.crashes >= n && all.incremental >= n && all.restored >= 10 * n, "too little happened");
}
