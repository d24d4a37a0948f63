//! `DatabaseId`, `TimelineId`: random 128-bit names.

use crate::Error;
use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// 32 zeros: none.
            pub const ZERO: Self = Self([0; 16]);

            /// A new one, from the operating system's random numbers.
            pub fn random() -> Self {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).expect("the operating system always has random numbers");
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Reads 32 hex digits.
            fn from_str(text: &str) -> Result<Self, Error> {
                read_hex(text).map(Self).ok_or_else(|| Error::Id { text: text.chars().take(40).collect() })
            }
        }
    };
}

id! {
    /// Names a database for good: every timeline, snapshot and restored copy of it carries the same one.
    DatabaseId
}

id! {
    /// Names one history of a database. Every restore starts a new one.
    TimelineId
}

fn write_hex(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

fn read_hex(text: &str) -> Option<[u8; 16]> {
    // from_str_radix takes a sign: only digits may reach it.
    if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}
