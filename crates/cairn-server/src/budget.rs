//! The budget: how many bytes all connections hold together.

use crate::failure::Failure;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that all connections hold.
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicU64);

/// What one connection holds of it, given back when this goes.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    /// Whether more is held than `max` bytes; 0: any number may be.
    pub(crate) fn is_over(&self, max: u64) -> bool {
        max > 0 && self.bytes() > max
    }

    /// How much is held.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Held {
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        Held { budget, bytes: 0 }
    }

    /// So many bytes it is now.
    pub(crate) fn set(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if bytes >= self.bytes {
            self.budget.0.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.budget.0.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

pub(crate) fn too_many_bytes(max: u64) -> Failure {
    Failure::busy(format!(
        "Too many bytes are buffered by all connections: the maximum is {max} \
         (performance.reactor_max_total_buffered_bytes)"
    ))
}
