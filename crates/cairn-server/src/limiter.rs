//! The limiter: how many requests of one client are taken, a bucket of tokens for each.

use parking_lot::{Mutex, RwLock};
use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The address that stands for everyone who comes over the Unix socket: they count as one client.
pub const UNIX_PEER: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// `api.rate_limiting.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateConfig {
    /// `enable`: whether there is a limit.
    pub enabled: bool,
    /// `capacity`: requests that may come at once.
    pub capacity: u32,
    /// `refill_rate`: requests a second in the long run.
    pub refill_per_s: u32,
    /// `max_clients`: clients that are remembered. One that is forgotten begins anew.
    pub clients_max: u32,
}

impl Default for RateConfig {
    /// Off; 100 at once, 10 a second, 10,000 clients.
    fn default() -> Self {
        RateConfig { enabled: false, capacity: 100, refill_per_s: 10, clients_max: 10_000 }
    }
}

/// Counts the requests of each client. One for the server, whatever the client speaks.
#[derive(Debug)]
pub struct Limiter {
    /// Looked at for each request: nobody waits for a lock while there is no limit.
    enabled: AtomicBool,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    clients_max: u32,
    buckets: Buckets,
}

impl Limiter {
    /// With nobody known yet.
    pub fn new(config: &RateConfig) -> Self {
        let state = State { clients_max: config.clients_max, buckets: Buckets::of(config) };
        Limiter { enabled: AtomicBool::new(config.enabled), state: RwLock::new(state) }
    }

    /// Takes a request of a client, an address ([`UNIX_PEER`] for the Unix socket); refused, it says after which time one
    /// is taken again. An IPv6 client is its /64: whoever has one address has them all.
    pub fn take(&self, peer: IpAddr) -> Result<(), Duration> {
        self.take_at(peer, Instant::now())
    }

    /// As [`Limiter::take`], at this time.
    pub fn take_at(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        if !self.enabled.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.state.read().buckets.take(peer, now)
    }

    /// Changes the limit; who is known and what they have used up stays, unless the number of clients changes.
    pub fn configure(&self, config: &RateConfig) {
        let mut state = self.state.write();
        if config.clients_max != state.clients_max {
            *state = State { clients_max: config.clients_max, buckets: Buckets::of(config) };
        }
        (state.buckets.capacity, state.buckets.per_s) = (config.capacity.into(), config.refill_per_s.into());
        self.enabled.store(config.enabled, Ordering::Relaxed);
    }
}

/// Buckets of tokens, one for each client, for a bounded number of clients.
#[derive(Debug)]
pub(crate) struct Buckets {
    clients: Cache<IpAddr, Arc<Mutex<Bucket>>>,
    capacity: f64,
    per_s: f64,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Buckets {
    pub(crate) fn new(capacity: f64, per_s: f64, clients_max: u32) -> Self {
        let clients_max = usize::try_from(clients_max).unwrap_or(usize::MAX).max(1);
        Buckets { clients: Cache::new(clients_max), capacity, per_s }
    }

    fn of(config: &RateConfig) -> Self {
        Buckets::new(config.capacity.into(), config.refill_per_s.into(), config.clients_max)
    }

    /// Takes a token; without one, the time until there is.
    pub(crate) fn take(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        let bucket = self.bucket(peer, now);
        let mut bucket = bucket.lock();
        let passed = now.saturating_duration_since(bucket.at);
        bucket.tokens = (bucket.tokens + passed.as_secs_f64() * self.per_s).min(self.capacity);
        bucket.at = bucket.at.max(now);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - bucket.tokens) / self.per_s;
        Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX))
    }

    /// Gives a token back.
    pub(crate) fn give_back(&self, peer: IpAddr, now: Instant) {
        let bucket = self.bucket(peer, now);
        let mut bucket = bucket.lock();
        bucket.tokens = (bucket.tokens + 1.0).min(self.capacity);
    }

    fn bucket(&self, peer: IpAddr, now: Instant) -> Arc<Mutex<Bucket>> {
        let full = || Ok::<_, Infallible>(Arc::new(Mutex::new(Bucket { tokens: self.capacity, at: now })));
        match self.clients.get_or_insert_with(&client(peer), full) {
            Ok(bucket) => bucket,
            Err(never) => match never {},
        }
    }
}

/// What of an address is one client.
fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        // These two are no networks, and not the same.
        IpAddr::V6(address) if !address.is_unspecified() && !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        other => other,
    }
}

/// `1.5 s`: how refusals say when to try again, never as a time that is already over.
pub(crate) fn retry_text(after: Duration) -> String {
    let tenths = after.as_millis().div_ceil(100).max(1);
    format!("{}.{} s", tenths / 10, tenths % 10)
}
