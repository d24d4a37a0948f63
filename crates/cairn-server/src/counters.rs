//! Counters: what the server has done since it started.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only goes up, or up and down for what is active.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes one away.
    pub fn down(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The server's counters, shared by its connections.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests, refused ones included.
    pub commands: Counter,
    /// Requests refused.
    pub failed: Counter,
    /// Connections accepted, those over the limit included.
    pub connections: Counter,
    /// Connections open now.
    pub active_connections: Counter,
    /// EVENT requests.
    pub events: Counter,
    /// VECSET requests.
    pub vecsets: Counter,
    /// METASET requests.
    pub metasets: Counter,
    /// VECDEL requests.
    pub vecdels: Counter,
    /// SIM and SIMV requests.
    pub sims: Counter,
}
