//! The options of a client: what it waits for, says first, and does about a lost connection.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How a client waits, what it accepts, and what it does when its connection is lost.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long connecting may take, AUTH and USE included.
    pub connect_timeout: Duration,
    /// How long one reply may take. A snapshot of much data takes long: see [`crate::Client::set_request_timeout`].
    pub request_timeout: Duration,
    /// A reply of more bytes than this is an error.
    pub reply_bytes_max: usize,
    /// Sent as AUTH on each new connection.
    pub password: Option<Secret>,
    /// Sent as USE on each new connection.
    pub collection: Option<String>,
    /// Whether a lost connection is made anew. Without, the client is unusable from then on.
    pub reconnect: Option<Reconnect>,
}

impl Default for Options {
    /// 5 s, 60 s, 256 MiB; no password, the default collection, no reconnecting.
    fn default() -> Self {
        Options {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            reply_bytes_max: 256 << 20,
            password: None,
            collection: None,
            reconnect: None,
        }
    }
}

/// How a lost connection is made anew. A request that certainly was not done is then sent again; one that may have been
/// done only when doing it twice is the same as once: those that only read, and others when `repeat_writes` says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconnect {
    /// How often connecting, or a request, is tried again before its error is given back.
    pub attempts: u32,
    /// The longest wait before the first attempt; each further one may wait twice as long. Waits are random up to that, so
    /// that many clients do not come back at the same moment.
    pub delay_first: Duration,
    /// No wait is longer.
    pub delay_max: Duration,
    /// Whether EVENT, VECSET, METASET and VECDEL are sent again too when their fate is unknown. The same write twice
    /// leaves the same state, unless another client wrote the same item in between, or an EVENT ADD falls out of
    /// the server's dedup window (`events.dedup_window_sec`).
    pub repeat_writes: bool,
}

impl Default for Reconnect {
    /// 5 attempts, from 50 ms up to 2 s, without writes.
    fn default() -> Self {
        Reconnect {
            attempts: 5,
            delay_first: Duration::from_millis(50),
            delay_max: Duration::from_secs(2),
            repeat_writes: false,
        }
    }
}

impl Reconnect {
    /// The wait before an attempt (0 is the first), for a random number.
    pub fn delay(&self, attempt: u32, random: u64) -> Duration {
        let doubled = self.delay_first.saturating_mul(1u32.checked_shl(attempt).unwrap_or(u32::MAX));
        let longest = u64::try_from(doubled.min(self.delay_max).as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(random % longest.saturating_add(1).max(1))
    }

    /// The wait before an attempt.
    pub(crate) fn delay_now(&self, attempt: u32) -> Duration {
        // Each state of std's hasher has keys of its own: random enough to spread clients.
        self.delay(attempt, RandomState::new().hash_one(attempt))
    }
}

/// A password; it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Its text, to be sent.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Secret(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
