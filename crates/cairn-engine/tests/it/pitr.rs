//! Going back: any record and any microsecond of a long history with restores in it, against what was seen at the time.

use crate::collections::{create, to};
use crate::oracle::{Oracle, Seen};
use crate::support::*;
use cairn_disk::SimDisk;
use cairn_engine::{
    CollectionChange, Engine, Error, Lsn, ManualClock, Options, Target, TimelineId, WalSettings,
};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

const START_US: i64 = 1_700_000_000_000_000;

struct Run {
    engine: Engine,
    oracle: Oracle,
    clock: Arc<ManualClock>,
    numbers: Numbers,
}

impl Run {
    /// What a live timeline that begins now begins with.
    fn begin(&mut self, id: TimelineId, parent: Option<TimelineId>, at_us: i64) {
        let view = self.engine.view_at(Target::Latest, Some(id)).expect("its newest state");
        let point = (view.lsn().0, at_us, hash(&view));
        self.oracle.timelines.insert(id, Seen { parent, points: vec![point] });
    }

    fn write(&mut self, n: u64) {
        match self.numbers.below(20) {
            0 => self.clock.advance(-(self.numbers.below(5_000) as i64)),
            1..12 => self.clock.advance(self.numbers.below(4) as i64),
            _ => {}
        }
        let answer = match self.numbers.below(40) {
            0 => self.change(),
            m => {
                // Some are of no collection that is there now: refused, as a part of the run.
                let name = ["default", "b", "c", "live"][(m % 4) as usize];
                self.engine.write_requests(vec![to(name, scripted(n, &mut self.numbers))]).remove(0)
            }
        };
        let view = self.engine.view().expect("a view");
        let points = &self.oracle.timelines[&self.oracle.live].points;
        let seen = points.last().expect("one").0;
        // A write that is refused may come with prunings that were waiting: they are records too.
        if view.lsn().0 > seen {
            assert!(answer.as_ref().is_ok_and(|lsn| *lsn == view.lsn()) || answer.is_err());
            let time_us = self.engine.history().expect("a history").live().expect("live").to.time_us;
            let points = &mut self.oracle.timelines.get_mut(&self.oracle.live).expect("known").points;
            points.push((view.lsn().0, time_us, hash(&view)));
        }
    }

    /// Collections come and go; what cannot be now is refused.
    fn change(&mut self) -> cairn_engine::Result<Lsn> {
        let mut name = || ["b", "c", "d"][self.numbers.below(3) as usize].to_owned();
        let (a, b) = (name(), name());
        self.engine.change_collections(match self.numbers.below(6) {
            0 | 1 => create(&a),
            2 => CollectionChange::Drop { name: a },
            3 => CollectionChange::Rename { from: a, to: b },
            _ => CollectionChange::AliasSet { alias: "live".to_owned(), collection: a },
        })
    }

    /// A time may be just past the last record; it is not to be in the future.
    fn not_before(&self, target: Target) {
        if let Target::Time(us) = target {
            self.clock.set(us.max(cairn_engine::Clock::now_us(&*self.clock)));
        }
    }

    fn check(&mut self) -> bool {
        let (target, id) = self.oracle.target(&mut |n| self.numbers.below(n));
        let Some((lsn, expected)) = self.oracle.expect(target, id) else { return false };
        self.not_before(target);
        let view = self.engine.view_at(target, Some(id)).unwrap_or_else(|e| panic!("{target} on {id}: {e}"));
        assert_eq!((view.lsn().0, hash(&view)), (lsn, expected), "{target} on {id}");
        true
    }

    fn go_back(&mut self) {
        let (target, id) = self.oracle.target(&mut |n| self.numbers.below(n));
        let Some((lsn, expected)) = self.oracle.expect(target, id) else { return };
        self.not_before(target);
        let branch = self.engine.recover(target, Some(id)).expect("a branch");
        assert_eq!(branch.at.lsn.0, lsn);
        let new = branch.timeline.id;
        assert_eq!(hash(&self.engine.view_at(Target::Latest, Some(new)).expect("it opens")), expected);
        if self.numbers.below(10) < 3 {
            self.engine.drop_timeline(new).expect("dropped");
            let gone = self.engine.view_at(Target::Latest, Some(new)).expect_err("it is gone");
            assert!(matches!(gone, Error::NotFound(_)), "{gone}");
            return;
        }
        self.begin(new, branch.timeline.parent, branch.at.time_us);
        self.engine.promote(new).expect("promoted");
        self.oracle.live = new;
        assert_eq!(hash(&self.engine.view().expect("a view")), expected);
    }
}

/// Returns what it did, to be printed.
fn run(mutations: u64, targets: u64, seed: u64) -> String {
    let disk = SimDisk::new(seed);
    let clock = Arc::new(ManualClock::new(START_US));
    let wal = WalSettings { segment_bytes: 16 << 10, ..WalSettings::default() };
    let options =
        Options { clock: clock.clone(), wal: Some(wal), checkpoint_log_bytes: 40_000, ..busy_options() };
    let engine = open(&disk, &options);
    let live = engine.stats().timeline.id;
    let oracle = Oracle { timelines: HashMap::new(), live };
    let mut run = Run { engine, oracle, clock, numbers: Numbers(seed) };
    run.begin(live, None, START_US);
    // Opening logged the settings.
    for n in 0..mutations {
        run.write(n);
        if n % (mutations / 12).max(1) == mutations / 12 - 1 {
            run.go_back();
        }
        if n % (mutations / 7).max(1) == mutations / 7 - 1 {
            run.engine.close().expect("closed");
            run.engine = open(&disk, &options);
        }
    }
    let mut checked = 0;
    while checked < targets {
        checked += u64::from(run.check());
    }
    let timelines = run.oracle.timelines.len();
    assert!(timelines > 3, "{timelines} timelines");
    format!("{checked} targets of {mutations} mutations on {timelines} timelines, each as it was seen")
}

#[test]
fn any_target_of_a_long_history_is_as_it_was_seen() {
    println!("{}", run(20_000, 500, 1));
}

#[test]
fn more_histories_short_ones() {
    seeds(10).for_each(|seed| println!("{}", run(600, 60, seed)));
}

#[test]
fn what_is_outside_the_window_is_refused_with_the_window() {
    let disk = SimDisk::new(1);
    let clock = Arc::new(ManualClock::new(START_US));
    let options = Options { clock: clock.clone(), ..options() };
    let engine = open(&disk, &options);
    clock.advance(1_000_000);
    assert!(engine.write(vec![vector("a", &[1.0])])[0].is_ok());
    let refused = |target| engine.view_at(target, None).expect_err("refused").to_string();
    let window = "recoverable: from 2023-11-14T22:13:20Z (LSN 0) to 2023-11-14T22:13:21Z (LSN 1)";
    for (target, why) in [
        (Target::Lsn(Lsn(2)), "LSN 2 cannot be recovered: it is past the last record"),
        (
            Target::Time(START_US - 1),
            "2023-11-14T22:13:19.999999Z cannot be recovered: it is older than what is kept",
        ),
        (Target::Time(START_US + 2_000_000), "2023-11-14T22:13:22Z cannot be recovered: it is in the future"),
    ] {
        let message = refused(target);
        assert!(message.starts_with(why) && message.contains(window), "{message}");
    }
    assert!(engine.view_at(Target::Time(START_US), None).expect("before the write").counts().vectors == 0);
    let unknown = engine.view_at(Target::Latest, Some(TimelineId::random())).expect_err("refused");
    assert!(unknown.to_string().contains("not here; there are"), "{unknown}");
    assert!(engine.drop_timeline(engine.stats().timeline.id).is_err(), "the live one stays");
}

#[test]
fn a_past_opened_to_be_read_changes_nothing_and_refuses_writes() {
    let disk = SimDisk::new(3);
    let engine = open(&disk, &busy_options());
    let mut numbers = Numbers(4);
    let mut hashes = Vec::new();
    for n in 0..200 {
        assert!(engine.write(vec![scripted(n, &mut numbers)])[0].is_ok());
        let view = engine.view().expect("a view");
        hashes.push((view.lsn(), hash(&view)));
    }
    let files = |disk: &SimDisk| -> Vec<_> {
        disk.files().into_iter().map(|path| (path.clone(), disk.read_file(&path))).collect()
    };
    let before = files(&disk);
    // Beside the open one.
    for (lsn, expected) in hashes.iter().step_by(37) {
        let dir = Path::new(DIR);
        let (past, at) =
            Engine::open_past(storage(&disk), dir, Target::Lsn(*lsn), None, busy_options()).expect("opens");
        assert_eq!((at.lsn, &hash(&past.view().expect("a view"))), (*lsn, expected));
        let refused = past.write(vec![vector("x", &[1.0; 4])]).remove(0).expect_err("refused").to_string();
        assert!(refused.starts_with(&format!("READONLY as of LSN {lsn}")), "{refused}");
        assert!(past.stats().status.read_only && past.stats().status.poisoned.is_none());
        past.close().expect("closes");
    }
    assert!(files(&disk) == before, "a byte changed");
    assert!(engine.write(vec![vector("x", &[1.0; 4])])[0].is_ok(), "the open one goes on");
}

#[test]
fn a_time_without_a_timeline_is_of_the_one_that_was_live_then() {
    let disk = SimDisk::new(5);
    let clock = Arc::new(ManualClock::new(START_US));
    let engine = open(&disk, &Options { clock: clock.clone(), ..options() });
    let second = 1_000_000;
    let write = |id: &str| {
        clock.advance(second);
        assert!(engine.write(vec![vector(id, &[1.0])])[0].is_ok());
    };
    write("1 s");
    write("2 s");
    write("3 s");
    let first = engine.stats().timeline.id;
    clock.advance(second); // 4 s: back to 1 s, promoted at 6 s
    let branch = engine.recover(Target::Time(START_US + second), None).expect("a branch").timeline.id;
    write("5 s");
    clock.advance(second);
    engine.promote(branch).expect("promoted");
    write("7 s");
    clock.advance(second); // 8 s: the restore was a mistake
    engine.promote(first).expect("undone");
    write("9 s");
    let ids = |at: i64, timeline| {
        let view = engine.view_at(Target::Time(START_US + at * second), timeline).expect("reachable");
        view.default_collection().vectors().map(|(id, _)| id.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(2, None), ["1 s", "2 s"]);
    assert_eq!(ids(5, None), ["1 s", "2 s", "3 s", "5 s"], "the branch was not live yet");
    assert_eq!(ids(7, None), ["1 s", "7 s"], "what was served then");
    assert_eq!(ids(9, None), ["1 s", "2 s", "3 s", "5 s", "9 s"]);
    assert_eq!(ids(7, Some(first)), ["1 s", "2 s", "3 s", "5 s"], "on its own line");
    assert_eq!(ids(2, Some(branch)), ["1 s"], "on its line nothing followed the fork then");
}
