//! The scene: a database in memory that inputs are tried on one after the other, until one leaves something in it.

use cairn_disk::{SimDisk, Storage};
use cairn_engine::{Engine, Lsn, ManualClock, Options};
use cairn_server::{Bare, Config, Counters, Dialect, EngineBackend, Interpreter, Live, Rules};
use std::cell::{Cell, OnceCell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;

/// The longest line, so that longer ones are found soon.
pub const LINE_BYTES_MAX: usize = 1000;
/// 2025-01-18 12:00:00 UTC.
const NOW_US: i64 = 1_737_201_600_000_000;
/// Inputs that are tried on a scene at most: its log grows with each.
const TRIED_MAX: u32 = 2000;
/// Collections of their own for what is done in two ways: each begins empty with each input.
pub const ROOMS: [&str; 2] = ["whole", "cut"];
/// How replies begin that leave nothing behind but in a room, in the configuration, or as a dump. Refusals leave nothing.
const LEAVES_NOTHING: [&str; 30] = [
    "OK VECSET",
    "OK VECDEL",
    "OK METASET",
    "OK EVENT",
    "OK RESULTS",
    "OK INFO",
    "OK CHECK",
    "OK DEBUG_",
    "OK STATUS",
    "OK DUMP_STATUS",
    "OK CACHE_STATS",
    "OK CACHE_CLEARED",
    "OK CACHE_ENABLED",
    "OK CACHE_DISABLED",
    "OK COLLECTIONS",
    "OK COLLECTION_STATS",
    "OK SNAPSHOTS",
    "OK SNAPSHOT_STATUS",
    "OK WAL_STATUS",
    "OK TIMELINES",
    "OK STORAGE\r\n",
    "OK USE cut\r\n",
    "OK Snapshot saved",
    "OK Snapshot is valid",
    "OK DUMP_SAVED",
    "OK DUMP_VERIFIED",
    "OK DUMP_INFO",
    "+OK",
    "$",
    "*",
];

/// A database and the server's parts around it.
pub struct Scene {
    pub backend: Arc<EngineBackend>,
    pub config: Config,
    disk: SimDisk,
    engine: Engine,
    counters: Arc<Counters>,
    live: Arc<Live>,
    /// The configuration that it began with.
    begun: Arc<Config>,
    /// Where the log ended when it was as new.
    lsn: Cell<Lsn>,
    /// How many files there were then.
    files: Cell<usize>,
    tried: Cell<u32>,
    server: OnceCell<Bare>,
}

impl Scene {
    /// A new database, with empty rooms.
    pub fn new(dialect: Dialect) -> Scene {
        let disk = SimDisk::new(1);
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let mut config = Config { data_dir: PathBuf::from("/db"), dialect, ..Config::default() };
        config.snapshot.dir = PathBuf::from("/snapshots");
        config.line_bytes_max = LINE_BYTES_MAX;
        let options = Options { clock: Arc::new(ManualClock::new(NOW_US)), ..config.engine_options() };
        let (engine, _) =
            Engine::open(Arc::clone(&storage), &config.data_dir, options).expect("an empty disk");
        let counters = Arc::new(Counters::default());
        let live = Arc::new(Live::new(config.clone()).expect("the default configuration"));
        let backend = EngineBackend::new(&config, engine.clone(), storage, Arc::clone(&counters));
        let backend = Arc::new(backend.with_live(Arc::clone(&live)));
        let begun = live.config();
        let (lsn, files) = (Cell::new(engine.stats().lsn), Cell::new(0));
        let (tried, server) = (Cell::new(0), OnceCell::new());
        let scene = Scene { backend, config, disk, engine, counters, live, begun, lsn, files, tried, server };
        scene.make_rooms();
        scene
    }

    /// A connection without a socket.
    pub fn connection(&self, rules: Rules) -> Interpreter {
        Interpreter::new(Arc::new(rules), Arc::clone(&self.counters))
    }

    /// A connection that uses a room.
    pub fn in_room(&self, rules: Rules, room: &str) -> Interpreter {
        let (mut connection, mut out) = (self.connection(rules), Vec::new());
        connection.handle(format!("USE {room}\r\n").as_bytes(), &*self.backend, &mut out);
        assert!(out.starts_with(b"OK USE "), "{}", String::from_utf8_lossy(&out));
        connection
    }

    /// The server around it.
    pub fn server(&self) -> &Bare {
        self.server.get_or_init(|| {
            let backend = Arc::clone(&self.backend) as _;
            Bare::new(&self.config, backend, Arc::clone(&self.counters)).expect("threads start")
        })
    }

    /// Does these lines, each of which succeeds.
    pub fn run(&self, lines: &str) {
        let (mut connection, mut out) = (self.connection(Rules::default()), Vec::new());
        for line in lines.lines() {
            out.clear();
            connection.handle(format!("{line}\r\n").as_bytes(), &*self.backend, &mut out);
            let reply = String::from_utf8_lossy(&out);
            assert!(reply.starts_with("OK ") || reply.starts_with("+OK"), "{line}: {reply}");
        }
    }

    fn make_rooms(&self) {
        for room in ROOMS {
            self.run(&format!("COLLECTION CREATE {room}"));
        }
        self.mark();
    }

    /// What was written until now belongs to it.
    pub fn mark(&self) {
        self.lsn.set(self.engine.stats().lsn);
        self.files.set(self.disk.files().len());
    }

    /// Where the log ends.
    pub fn lsn(&self) -> Lsn {
        self.engine.stats().lsn
    }

    /// Whether nothing was written since it was marked, its configuration is the first one, and it has as many files.
    pub fn is_as_new(&self) -> bool {
        let is_first = Arc::ptr_eq(&self.live.config(), &self.begun);
        is_first && self.lsn() == self.lsn.get() && self.disk.files().len() == self.files.get()
    }

    /// Whether another input may be tried on it, after these replies: the rooms are made anew when they were written to.
    fn is_kept<'a>(&self, mut replies: impl Iterator<Item = &'a [u8]>) -> bool {
        let leaves = |reply: &[u8]| {
            let is_refusal = reply.starts_with(b"(error)") || reply.starts_with(b"ERROR");
            !is_refusal && !LEAVES_NOTHING.iter().any(|head| reply.starts_with(head.as_bytes()))
        };
        if replies.any(leaves) || !Arc::ptr_eq(&self.live.config(), &self.begun) {
            return false;
        }
        for dump in self.disk.files().iter().filter(|path| path.starts_with(&self.config.snapshot.dir)) {
            self.disk.remove_file(dump);
        }
        if self.lsn() != self.lsn.get() {
            for room in ROOMS {
                self.run(&format!("COLLECTION DROP {room}"));
            }
            self.make_rooms();
        }
        true
    }
}

thread_local! {
    /// The scenes that are as new, of each dialect, and one with data.
    static KEPT: RefCell<[Option<Scene>; 3]> = const { RefCell::new([None, None, None]) };
}

/// Tries something on a scene that is as new; what it returns are the replies to all that was asked.
pub fn with(dialect: Dialect, what: impl FnOnce(&Scene) -> Vec<Vec<u8>>) {
    let new = || Scene::new(dialect);
    on(usize::from(dialect == Dialect::Nvecd), new, |scene| {
        let replies = what(scene);
        scene.is_kept(replies.iter().map(Vec::as_slice))
    });
}

/// Tries something on a scene in which these lines were done before, and nothing else.
pub fn with_data(lines: &str, what: impl FnOnce(&Scene)) {
    let new = || {
        let scene = Scene::new(Dialect::default());
        scene.run(lines);
        scene.mark();
        scene
    };
    on(2, new, |scene| {
        what(scene);
        scene.is_as_new()
    });
}

/// Tries something on the scene of a place, which is kept when it says so.
fn on(place: usize, new: impl FnOnce() -> Scene, what: impl FnOnce(&Scene) -> bool) {
    let scene = KEPT.with_borrow_mut(|kept| kept[place].take()).unwrap_or_else(new);
    let is_kept = what(&scene);
    scene.tried.set(scene.tried.get() + 1);
    if is_kept && scene.tried.get() < TRIED_MAX {
        KEPT.with_borrow_mut(|kept| kept[place] = Some(scene));
    }
}
