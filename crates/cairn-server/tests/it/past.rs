//! A database whose clock is set by hand, and the lines that are sent to it.

use crate::running::{NOW_US, config};
use cairn_disk::{SimDisk, Storage};
use cairn_engine::{Engine, ManualClock, Options};
use cairn_server::{Config, Counters, Dialect, EngineBackend, Interpreter, Rules};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A second, in microseconds.
pub const SECOND: i64 = 1_000_000;

/// An engine behind the protocol, without sockets.
pub struct Past {
    pub disk: SimDisk,
    pub clock: Arc<ManualClock>,
    pub backend: EngineBackend,
    pub interpreter: Interpreter,
}

impl Past {
    pub fn new() -> Past {
        Past::with(config(), Dialect::Documented)
    }

    pub fn with(config: Config, dialect: Dialect) -> Past {
        Past::on(SimDisk::new(1), config, dialect)
    }

    pub fn on(disk: SimDisk, config: Config, dialect: Dialect) -> Past {
        let clock = Arc::new(ManualClock::new(NOW_US));
        let options = Options { clock: Arc::clone(&clock) as _, ..config.engine_options() };
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let (engine, report) = Engine::open(Arc::clone(&storage), &config.data_dir, options).unwrap();
        let counters = Arc::new(Counters::default());
        let backend = EngineBackend::new(&config, engine, storage, Arc::clone(&counters)).opened_with(report);
        let rules = Rules { dialect, ..Rules::default() };
        Past { disk, clock, backend, interpreter: Interpreter::new(Arc::new(rules), counters) }
    }

    /// The reply to one line, as it goes over the wire.
    pub fn raw(&mut self, line: &str) -> String {
        let mut out = Vec::new();
        self.interpreter.handle(format!("{line}\r\n").as_bytes(), &self.backend, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// The block that answers a line, its pairs by their keys; the head is at "".
    pub fn block(&mut self, line: &str) -> BTreeMap<String, String> {
        let reply = self.raw(line);
        assert!(reply.starts_with("OK ") && reply.ends_with("\r\nEND\r\n"), "{line}: {reply}");
        let mut lines = reply.lines();
        let head = ("".to_owned(), lines.next().unwrap().to_owned());
        let pairs = lines.filter_map(|line| line.split_once(": "));
        std::iter::once(head).chain(pairs.map(|(k, v)| (k.to_owned(), v.to_owned()))).collect()
    }

    /// The message of a refused line.
    pub fn refused(&mut self, line: &str) -> String {
        let reply = self.raw(line);
        let message = reply.strip_prefix("(error) ").unwrap_or_else(|| panic!("{line}: {reply}"));
        message.strip_suffix("\r\n").unwrap().to_owned()
    }

    /// Writes `n` vectors named with a prefix, a second apart.
    pub fn write(&mut self, prefix: &str, n: usize) {
        for i in 0..n {
            self.clock.advance(SECOND);
            assert_eq!(self.raw(&format!("VECSET {prefix}{i} {i} 1")), "OK VECSET\r\n");
        }
    }

    pub fn hash(&mut self) -> String {
        self.block("CHECK")["state_hash"].clone()
    }

    /// TIMELINE LIST's lines, each as its words.
    pub fn timelines(&mut self) -> Vec<BTreeMap<String, String>> {
        let reply = self.raw("TIMELINE LIST");
        let lines: Vec<&str> = reply.lines().collect();
        let words = |line: &&str| {
            let (words, reason) = line.split_once(" reason=").unwrap();
            let pairs = words.split(' ').filter_map(|word| word.split_once('='));
            let pairs = pairs.map(|(k, v)| (k.to_owned(), v.to_owned()));
            pairs.chain(std::iter::once(("reason".to_owned(), reason.to_owned()))).collect()
        };
        assert_eq!(lines[0], format!("OK TIMELINES {}", lines.len() - 2));
        lines[1..lines.len() - 1].iter().map(words).collect()
    }
}
