//! Memory: what the process uses and what the machine has, as the kernel says.

use cairn_disk::{Access, Storage};
use parking_lot::Mutex;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longer than the files read here ever are.
const FILE_BYTES: usize = 16 << 10;

/// How much memory there is, in bytes; 0 where the system does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident bytes of this process.
    pub used: u64,
    /// Bytes of the machine.
    pub total: u64,
    /// Bytes that a process could still get.
    pub available: u64,
}

/// What was read last: asking the kernel takes longer than all the rest of INFO.
#[derive(Default)]
pub(crate) struct LastMemory(Mutex<Option<(Instant, Memory)>>);

/// How old figures may be.
const FRESH: Duration = Duration::from_millis(100);

impl LastMemory {
    /// The figures of now, or of a moment ago.
    pub fn read(&self, storage: &dyn Storage) -> Memory {
        let mut last = self.0.lock();
        match *last {
            Some((at, memory)) if at.elapsed() < FRESH => memory,
            _ => {
                let memory = Memory::read(storage);
                *last = Some((Instant::now(), memory));
                memory
            }
        }
    }
}

impl Memory {
    fn read(storage: &dyn Storage) -> Memory {
        let status = text(storage, "/proc/self/status");
        let machine = text(storage, "/proc/meminfo");
        Memory {
            used: field(&status, "VmRSS:"),
            total: field(&machine, "MemTotal:"),
            available: field(&machine, "MemAvailable:"),
        }
    }

    /// nvecd's word for how much is left of the machine's memory.
    pub fn health(&self) -> &'static str {
        if self.total == 0 {
            return "UNKNOWN";
        }
        match u128::from(self.available) * 100 / u128::from(self.total) {
            0..10 => "CRITICAL",
            10..=20 => "WARNING",
            _ => "HEALTHY",
        }
    }
}

fn text(storage: &dyn Storage, path: &str) -> String {
    let mut bytes = vec![0; FILE_BYTES];
    let read = storage.open(Path::new(path), Access::Read).and_then(|file| file.read_at(0, &mut bytes));
    bytes.truncate(read.unwrap_or(0));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The bytes of a line `name  123 kB`.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok());
    number.map_or(0, |kib| kib.saturating_mul(1024))
}

/// Bytes for people, as nvecd writes them: `512.00 MB`.
pub(crate) fn human(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / f64::from(1 << 20))
}
