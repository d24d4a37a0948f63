//! The effect of a request: whether it may be sent twice.

/// What a request does, as far as sending it again matters; the greater, the more it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Effect {
    /// It changes nothing, or only this connection: AUTH, USE, DEBUG.
    Reads,
    /// Done twice it leaves the same state, but for what others write in between: EVENT, VECSET, METASET, VECDEL.
    Writes,
    /// Done twice is not the same as once, or is a mistake the second time: all the rest, also what is not known here.
    Once,
}

/// Requests that change nothing, by their first word and the second, where it matters.
const READS: [(&str, &[&str]); 18] = [
    ("SIM", &[]),
    ("SIMV", &[]),
    ("INFO", &[]),
    ("CHECK", &[]),
    ("CONFIG", &[]),
    ("GET", &[]),
    ("SHOW", &[]),
    ("AUTH", &[]),
    ("USE", &[]),
    ("DEBUG", &[]),
    ("CACHE", &["STATS"]),
    ("DUMP", &["VERIFY", "INFO", "STATUS"]),
    ("SNAPSHOT", &["LIST", "INFO", "VERIFY", "DIFF", "SCHEDULE", "STATUS"]),
    ("WAL", &["STATUS", "VERIFY", "SYNC"]),
    ("TIMELINE", &["LIST", "COMPARE"]),
    ("TOPIC", &["LIST", "INFO", "READ", "OFFSET"]),
    ("COLLECTION", &["LIST", "STATS"]),
    ("STORAGE", &["STATS"]),
];

const WRITES: [&str; 4] = ["VECSET", "EVENT", "METASET", "VECDEL"];

impl Effect {
    /// The effect of a request line.
    pub fn of(line: &[u8]) -> Effect {
        let mut words = line.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        if WRITES.iter().any(|name| is(first, name)) {
            return Effect::Writes;
        }
        let second = words.next().unwrap_or_default();
        let reads = READS.iter().any(|(name, seconds)| {
            is(first, name) && (seconds.is_empty() || seconds.iter().any(|name| is(second, name)))
        });
        if reads { Effect::Reads } else { Effect::Once }
    }
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}
