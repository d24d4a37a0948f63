//! The query cache: answers of searches that took long, for as long as what they were computed from is as it was.
//!
//! An answer is kept with the [`Version`] of what its search read, taken before the search began, and given only while that version is
//! the present one. A write changes the version before anyone can see it, so no answer is older than a write that was
//! acknowledged before the question was asked.

use crate::cache_answer::Packed;
use crate::cache_key::Search;
use crate::command::Cache;
use crate::counters::Counter;
use crate::reply::{Block, Reply};
use cairn_engine::{Clock, Engine, Hits, Result, Version};
use lru::LruCache;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes that an entry takes beside its key and its answer: the node of the list, the place in the table, two allocations.
const ENTRY_BYTES: usize = 224;

/// How the cache is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheConfig {
    /// `cache.enabled`: until CACHE ENABLE or DISABLE says otherwise.
    pub enabled: bool,
    /// `cache.max_memory_mb`, in MiB: of all entries, with their keys. 0: nothing fits.
    pub memory_mb_max: u32,
    /// `cache.min_query_cost_ms`: answers that took less are not kept.
    pub query_cost_ms_min: f64,
    /// `cache.ttl_seconds`: how long an answer is kept at most; 0: until something else ends it.
    pub ttl_seconds: u64,
    /// `cache.compression_enabled`: large answers are compressed where that makes them smaller.
    pub compression: bool,
    /// `cache.eviction_batch_size`: how many answers give way at once when there is no room, the longest unused first; at least 1.
    pub eviction_batch: u32,
}

impl Default for CacheConfig {
    /// nvecd's: on, 32 MiB, 10 ms, an hour, compressed, 10 at once.
    fn default() -> Self {
        CacheConfig {
            enabled: true,
            memory_mb_max: 32,
            query_cost_ms_min: 10.0,
            ttl_seconds: 3600,
            compression: true,
            eviction_batch: 10,
        }
    }
}

/// The answers, and how well it goes.
pub(crate) struct QueryCache {
    config: RwLock<CacheConfig>,
    enabled: AtomicBool,
    entries: Mutex<Entries>,
    /// How many entries there are, to be read without their lock.
    count: AtomicU64,
    figures: Figures,
    clock: Arc<dyn Clock>,
}

struct Entries {
    by_key: LruCache<Box<[u8]>, Entry>,
    bytes: usize,
}

struct Entry {
    version: Version,
    answer: Packed,
    /// What computing it took.
    cost_us: u64,
    kept_at_us: i64,
    bytes: usize,
}

#[derive(Default)]
struct Figures {
    hits: Counter,
    not_found: Counter,
    invalidated: Counter,
    evictions: Counter,
    expirations: Counter,
    hit_us: Counter,
    miss_us: Counter,
    saved_us: Counter,
}

/// What INFO says of the cache.
pub(crate) struct CacheFigures {
    pub entries: u64,
    pub hits: u64,
    pub misses: u64,
}

impl CacheFigures {
    /// The share of hits, 0 without any query.
    pub fn hit_rate(&self) -> f64 {
        ratio(self.hits, self.hits + self.misses)
    }
}

impl QueryCache {
    pub fn new(config: CacheConfig, clock: Arc<dyn Clock>) -> QueryCache {
        QueryCache {
            enabled: AtomicBool::new(config.enabled),
            config: RwLock::new(config),
            entries: Mutex::new(Entries { by_key: LruCache::unbounded(), bytes: 0 }),
            count: AtomicU64::new(0),
            figures: Figures::default(),
            clock,
        }
    }

    /// The answer of a search: the kept one, or what the engine says, which is kept when it took long.
    pub fn answer(&self, engine: &Engine, search: &Search<'_>) -> Result<Hits> {
        if !self.is_enabled() {
            return search.run(engine);
        }
        let asked_at_us = self.clock.now_us();
        // Before the search: what is written meanwhile makes the answer one of an older version, which nobody is given.
        let Ok(version) = search.version(engine) else { return search.run(engine) };
        match self.find(search, version, asked_at_us) {
            Found::Hit(hits) => return Ok(hits),
            Found::Changed(key) => self.forget(&key, &self.figures.invalidated, version),
            Found::Expired(key) => {
                self.forget(&key, &self.figures.expirations, version);
                self.figures.not_found.add(1);
            }
            Found::Nothing => self.figures.not_found.add(1),
        }
        let answer = search.run(engine);
        let cost_us = self.since(asked_at_us);
        self.figures.miss_us.add(cost_us);
        let hits = answer?;
        let worth_it = cost_us as f64 >= self.config.read().query_cost_ms_min * 1e3;
        if worth_it && self.is_enabled() && search.version(engine).is_ok_and(|now| now == version) {
            self.keep(search.key(), version, &hits, cost_us);
        }
        Ok(hits)
    }

    /// The kept answer of a search, if there is one that is true now: in microseconds, without waiting for anything long. Only a
    /// search that is answered counts; another is expected to be asked with [`QueryCache::answer`] next.
    pub fn ready(&self, engine: &Engine, search: &Search<'_>) -> Option<Hits> {
        if !self.is_enabled() || self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let asked_at_us = self.clock.now_us();
        match self.find(search, search.version(engine).ok()?, asked_at_us) {
            Found::Hit(hits) => Some(hits),
            _ => None,
        }
    }

    fn find(&self, search: &Search<'_>, version: Version, asked_at_us: i64) -> Found {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Found::Nothing;
        }
        let key = search.key();
        let (answer, cost_us) = {
            let mut entries = self.entries.lock();
            match entries.by_key.get(&*key) {
                None => return Found::Nothing,
                Some(entry) if entry.version != version => return Found::Changed(key),
                Some(entry) if self.is_expired(entry, asked_at_us) => return Found::Expired(key),
                Some(entry) => (entry.answer.clone(), entry.cost_us),
            }
        };
        let Some(hits) = answer.unpack() else { return Found::Nothing };
        let took_us = self.since(asked_at_us);
        self.figures.hits.add(1);
        self.figures.hit_us.add(took_us);
        self.figures.saved_us.add(cost_us.saturating_sub(took_us));
        Found::Hit(hits)
    }

    /// Removes an entry that is no longer true, unless somebody put a new one in its place; and counts why.
    fn forget(&self, key: &[u8], why: &Counter, now: Version) {
        why.add(1);
        let mut entries = self.entries.lock();
        let replaced = |entry: &Entry| entry.version == now && !self.is_expired(entry, self.clock.now_us());
        if entries.by_key.peek(key).is_some_and(|entry| !replaced(entry)) {
            entries.remove(key);
            self.publish(&entries);
        }
    }

    fn keep(&self, key: Box<[u8]>, version: Version, hits: &Hits, cost_us: u64) {
        let CacheConfig { compression, memory_mb_max, eviction_batch, .. } = *self.config.read();
        let answer = Packed::new(hits, compression);
        let bytes = key.len() + answer.len() + ENTRY_BYTES;
        let max = (memory_mb_max as usize) << 20;
        if bytes > max {
            return;
        }
        let entry = Entry { version, answer, cost_us, kept_at_us: self.clock.now_us(), bytes };
        let mut entries = self.entries.lock();
        entries.remove(&key);
        self.make_room(&mut entries, max - bytes, eviction_batch);
        entries.bytes += bytes;
        entries.by_key.put(key, entry);
        self.publish(&entries);
    }

    /// Lets the longest unused go until no more than `max` bytes are there.
    fn make_room(&self, entries: &mut Entries, max: usize, batch: u32) {
        while entries.bytes > max {
            self.figures.evictions.add(entries.evict(batch));
        }
    }

    /// Goes by other settings from now on.
    pub fn configure(&self, config: &CacheConfig) {
        self.enabled.store(config.enabled, Ordering::Relaxed);
        *self.config.write() = config.clone();
        let mut entries = self.entries.lock();
        self.make_room(&mut entries, (config.memory_mb_max as usize) << 20, config.eviction_batch);
        self.publish(&entries);
    }

    fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    fn is_expired(&self, entry: &Entry, now_us: i64) -> bool {
        let age_s = u64::try_from(now_us.saturating_sub(entry.kept_at_us) / 1_000_000).unwrap_or(0);
        let ttl_s = self.config.read().ttl_seconds;
        ttl_s > 0 && age_s >= ttl_s
    }

    /// Microseconds since a moment; none where the clock went back.
    fn since(&self, from_us: i64) -> u64 {
        u64::try_from(self.clock.now_us().saturating_sub(from_us)).unwrap_or(0)
    }

    fn publish(&self, entries: &Entries) {
        self.count.store(entries.by_key.len() as u64, Ordering::Relaxed);
    }

    /// CACHE ….
    pub fn command(&self, asked: Cache) -> Reply {
        match asked {
            Cache::Stats => Reply::Block(self.stats()),
            Cache::Clear => {
                let mut entries = self.entries.lock();
                let before = std::mem::replace(&mut entries.by_key, LruCache::unbounded());
                entries.bytes = 0;
                self.publish(&entries);
                drop(entries);
                // Giving much memory back takes time, and the lock is free meanwhile.
                drop(before);
                Reply::Word("CACHE_CLEARED")
            }
            // What is kept stays: its versions say what of it is still true.
            Cache::Enable => {
                self.enabled.store(true, Ordering::Relaxed);
                Reply::Word("CACHE_ENABLED")
            }
            Cache::Disable => {
                self.enabled.store(false, Ordering::Relaxed);
                Reply::Word("CACHE_DISABLED")
            }
        }
    }

    /// What INFO says.
    pub fn figures(&self) -> CacheFigures {
        let Figures { hits, not_found, invalidated, .. } = &self.figures;
        CacheFigures {
            entries: self.count.load(Ordering::Relaxed),
            hits: hits.get(),
            misses: not_found.get() + invalidated.get(),
        }
    }

    fn stats(&self) -> Block {
        let bytes = self.entries.lock().bytes;
        let config = self.config.read().clone();
        let (f, known) = (&self.figures, self.figures());
        let ms = |us: u64| us as f64 / 1e3;
        let each = |us: &Counter, of: u64| format!("{:.4}", ratio(us.get(), of) / 1e3);
        Block::new("CACHE_STATS")
            .pair("cache_enabled", self.is_enabled())
            .pair("cache_entries", known.entries)
            .pair("cache_memory_bytes", bytes)
            .pair("current_memory_mb", format!("{:.2}", bytes as f64 / f64::from(1 << 20)))
            .pair("max_memory_mb", config.memory_mb_max)
            .pair("min_query_cost_ms", config.query_cost_ms_min)
            .pair("ttl_seconds", config.ttl_seconds)
            .pair("compression_enabled", config.compression)
            .pair("eviction_batch_size", config.eviction_batch)
            .pair("total_queries", known.hits + known.misses)
            .pair("cache_hits", known.hits)
            .pair("cache_misses", known.misses)
            .pair("cache_misses_invalidated", f.invalidated.get())
            .pair("cache_misses_not_found", f.not_found.get())
            .pair("cache_hit_rate", format!("{:.4}", known.hit_rate()))
            .pair("evictions", f.evictions.get())
            .pair("ttl_expirations", f.expirations.get())
            .pair("avg_hit_latency_ms", each(&f.hit_us, known.hits))
            .pair("avg_miss_latency_ms", each(&f.miss_us, known.misses))
            .pair("total_time_saved_ms", format!("{:.3}", ms(f.saved_us.get())))
    }
}

enum Found {
    Hit(Hits),
    /// There is one, of another version.
    Changed(Box<[u8]>),
    /// There is one that is too old.
    Expired(Box<[u8]>),
    Nothing,
}

impl Entries {
    fn remove(&mut self, key: &[u8]) {
        if let Some(gone) = self.by_key.pop(key) {
            self.bytes -= gone.bytes;
        }
    }

    /// Removes those that were not asked for the longest: how many.
    fn evict(&mut self, batch: u32) -> u64 {
        let mut gone = 0;
        while gone < u64::from(batch.max(1)) {
            let Some((_, entry)) = self.by_key.pop_lru() else { break };
            self.bytes -= entry.bytes;
            gone += 1;
        }
        gone
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
