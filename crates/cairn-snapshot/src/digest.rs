//! A SHA-256 digest, and the hasher that makes it.

use ring::digest::{Context, SHA256};
use std::fmt;
use std::str::FromStr;

/// The SHA-256 of some bytes. Written as 64 lower-case hex digits, and read only as such.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Digest, String> {
        let bad = || format!("a SHA-256 is 64 lower-case hex digits, got {text:.80?}");
        let digit = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        let mut digest = [0; 32];
        if text.len() != 64 {
            return Err(bad());
        }
        for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (high, low) = (digit(pair[0]).ok_or_else(bad)?, digit(pair[1]).ok_or_else(bad)?);
            *byte = high << 4 | low;
        }
        Ok(Digest(digest))
    }
}

/// Bytes hashed before others are offered the core.
const TURN_BYTES: usize = 128 << 10;

/// Hashes bytes as they pass.
pub(crate) struct Hasher(Context);

impl Default for Hasher {
    fn default() -> Self {
        Hasher(Context::new(&SHA256))
    }
}

impl Hasher {
    /// Offers its core after every few bytes: they take less than a tenth of a millisecond, a scheduler's turn several, and who waits for
    /// this core may be who acknowledges writes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(TURN_BYTES) {
            self.0.update(piece);
            std::thread::yield_now();
        }
    }

    pub(crate) fn finish(self) -> Digest {
        let digest = self.0.finish();
        Digest(digest.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }
}
