//! The writes of the durability test: each connection's n-th write is known, so a state says how many of them it holds.

use cairn_engine::{Metadata, Value, View};
use std::collections::{BTreeMap, VecDeque};

/// Connections that write at once.
pub const CONNECTIONS: u64 = 4;
/// Items of one connection that get vectors and metadata, again and again.
const SLOTS: u64 = 16;
/// Contexts of one connection.
const CONTEXTS: u64 = 3;
/// Items that the events of one connection name.
const EVENT_ITEMS: u64 = 40;
/// Event time from one write to the next: more than the dedup window.
const EVENT_SECONDS: u64 = 100;
/// Events a context remembers: the default.
const RING: usize = 50;
/// Values of a vector: a few sectors of a disk, so that a torn write would show.
const DIMENSION: usize = 200;

/// The n-th write (from 1) of a connection, as a line.
pub fn line(connection: u64, n: u64) -> String {
    let slot = n / 3 % SLOTS;
    match n % 3 {
        1 => {
            let values: Vec<String> = vector(connection, n).iter().map(f32::to_string).collect();
            format!("VECSET v{connection}-{slot} {}\n", values.join(" "))
        }
        2 => format!("METASET v{connection}-{slot} connection:{connection},n:{n},text:\"{}\"\n", filler(n)),
        _ => {
            let context = n / 3 % CONTEXTS;
            let (id, score, time_s) = event(connection, n);
            format!("EVENT c{connection}-{context} ADD {id} {score} timestamp={time_s}\n")
        }
    }
}

fn vector(connection: u64, n: u64) -> Vec<f32> {
    // Whole numbers below 2^24 are exact.
    (0..DIMENSION).map(|at| if at == 0 { connection as f32 + 1.0 } else { (n % (1 << 24)) as f32 }).collect()
}

/// The item, the score, the time: so far from the last of its kind that none is a duplicate.
fn event(connection: u64, n: u64) -> Event {
    (format!("e{connection}-{}", n / 3 % EVENT_ITEMS), u8::try_from(n % 101).unwrap(), time_s(n))
}

fn time_s(n: u64) -> i64 {
    i64::try_from(n * EVENT_SECONDS).unwrap()
}

fn filler(n: u64) -> String {
    n.to_string().repeat(20)
}

fn metadata(connection: u64, n: u64) -> Metadata {
    let int = |n: u64| Value::Int(i64::try_from(n).unwrap());
    Metadata(BTreeMap::from([
        ("connection".to_owned(), int(connection)),
        ("n".to_owned(), int(n)),
        ("text".to_owned(), Value::Text(filler(n))),
    ]))
}

/// An event of a ring: the item, its score, its time.
type Event = (String, u8, i64);

/// Everything that the state holds of one connection, or should.
#[derive(Debug, Default, PartialEq)]
pub struct Held {
    vectors: BTreeMap<String, Vec<f32>>,
    metadata: BTreeMap<String, Metadata>,
    rings: BTreeMap<String, VecDeque<Event>>,
}

impl Held {
    /// What the first `writes` writes of a connection leave.
    pub fn after(connection: u64, writes: u64) -> Held {
        let mut held = Held::default();
        // Older writes are not to be seen: every slot was written since, and every ring filled.
        let lap = 3 * CONTEXTS * RING as u64 + 3 * SLOTS;
        for n in writes.saturating_sub(lap).max(1)..=writes {
            let slot = format!("v{connection}-{}", n / 3 % SLOTS);
            match n % 3 {
                1 => _ = held.vectors.insert(slot, vector(connection, n)),
                2 => _ = held.metadata.insert(slot, metadata(connection, n)),
                _ => {
                    let ring = held.rings.entry(format!("c{connection}-{}", n / 3 % CONTEXTS)).or_default();
                    ring.push_back(event(connection, n));
                    if ring.len() > RING {
                        ring.pop_front();
                    }
                }
            }
        }
        held
    }

    /// What a database holds, of each connection.
    pub fn of(view: &View) -> Vec<Held> {
        Held::of_each(view, CONNECTIONS)
    }

    /// The same, of so many connections.
    pub fn of_each(view: &View, connections: u64) -> Vec<Held> {
        let mut all: Vec<Held> = (0..connections).map(|_| Held::default()).collect();
        for (id, vector) in view.default_collection().vectors() {
            all[owner(id)].vectors.insert(id.to_owned(), vector.to_vec());
        }
        for (id, metadata) in view.default_collection().metadata() {
            all[owner(id)].metadata.insert(id.to_owned(), metadata.clone());
        }
        for (context, ring) in view.default_collection().contexts() {
            let events = ring.iter().map(|e| (e.id.to_owned(), e.score, e.time_s)).collect();
            all[owner(context)].rings.insert(context.to_owned(), events);
        }
        all
    }

    /// The newest write that it shows.
    pub fn newest(&self) -> u64 {
        let vectors = self.vectors.values().map(|v| v[1] as u64);
        let metadata = self.metadata.values().map(|m| match m.0.get("n") {
            Some(Value::Int(n)) => u64::try_from(*n).unwrap(),
            other => panic!("metadata without its number: {other:?}"),
        });
        let events = self.rings.values().flatten().map(|e| u64::try_from(e.2).unwrap() / EVENT_SECONDS);
        vectors.chain(metadata).chain(events).max().unwrap_or(0)
    }
}

/// `v2-7` → 2.
fn owner(name: &str) -> usize {
    name[1..].split('-').next().unwrap().parse().unwrap()
}
