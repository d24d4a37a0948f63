//! Auth: who a client is, told from the password it presents.

use crate::config::SecurityConfig;
use crate::failure::Failure;
use crate::limiter::{Buckets, retry_text};
use cairn_engine::ErrorKind;
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;

/// Addresses of which wrong passwords are remembered.
const ADDRESSES_MAX: u32 = 10_000;

/// What a client may do; each may all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Search and look.
    Read,
    /// Write vectors, metadata, events and records of topics, too.
    Write,
    /// Everything.
    Admin,
}

impl Role {
    /// The role of a token's `role`.
    pub fn from_name(name: &str) -> Option<Role> {
        match name {
            "read" => Some(Role::Read),
            "write" => Some(Role::Write),
            "admin" => Some(Role::Admin),
            _ => None,
        }
    }

    /// The inverse of [`Role::from_name`].
    pub fn name(self) -> &'static str {
        match self {
            Role::Read => "read",
            Role::Write => "write",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A password or token; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Password(text.into())
    }

    /// The text. Not for logs.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("********")
    }
}

/// Why a password was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Nobody's.
    Wrong,
    /// Too many wrong ones came from this address: this one was not looked at.
    TooMany {
        /// After which time one is looked at again.
        retry_after: Duration,
    },
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong => Failure::new(ErrorKind::Permission, "WRONGPASS Invalid password"),
            Refused::TooMany { retry_after } => Failure::busy(format!(
                "Too many wrong passwords from this address: try again in {}",
                retry_text(retry_after)
            )),
        }
    }
}

/// Who is asking, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// What they may do.
    pub role: Role,
    /// A password was presented, or none is needed.
    pub known: bool,
}

impl Caller {
    /// Whoever holds a password of this role.
    pub fn of(role: Role) -> Self {
        Caller { role, known: true }
    }

    /// Whether they may do what needs a role. Those who may not are told `NOAUTH …` when they have shown no password yet
    /// (HTTP: 401), and `NOPERM …` when theirs is not enough (403).
    pub fn may(self, needed: Role) -> Result<(), Failure> {
        if self.role >= needed {
            return Ok(());
        }
        let message = if self.known {
            format!("NOPERM This needs the role {needed}, and the token's role is {}", self.role)
        } else {
            "NOAUTH Authentication required".to_owned()
        };
        Err(Failure::new(ErrorKind::Permission, message))
    }
}

/// The passwords and tokens there are. Wrong ones are counted for each address.
#[derive(Debug)]
pub struct Auth {
    holders: Vec<Holder>,
    failures: Buckets,
}

struct Holder {
    name: String,
    /// SHA-256, so that comparing tells nothing of how long a password is.
    digest: [u8; 32],
    role: Role,
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

impl Auth {
    /// Of a configuration whose password files were read ([`SecurityConfig::read_files`]); one that still names some is
    /// refused: without its passwords everybody would be let in.
    pub fn new(config: &SecurityConfig) -> Result<Self, Failure> {
        let mut holders = Vec::new();
        if let Some(path) = config.unread_files().next() {
            let message = format!("the password file {} was not read", path.display());
            return Err(Failure::new(ErrorKind::Bug, message));
        }
        if let Some(password) = &config.requirepass {
            holders.push(Holder {
                name: "requirepass".to_owned(),
                digest: digest(password.reveal()),
                role: Role::Admin,
            });
        }
        for token in &config.tokens {
            if let Some(secret) = &token.token {
                let (name, digest) = (token.name.clone(), digest(secret.reveal()));
                holders.push(Holder { name, digest, role: token.role });
            }
        }
        let per_minute = f64::from(config.auth_failures_per_minute);
        Ok(Auth { holders, failures: Buckets::new(per_minute, per_minute / 60.0, ADDRESSES_MAX) })
    }

    /// Whether there is any password: without one everybody is Admin.
    pub fn required(&self) -> bool {
        !self.holders.is_empty()
    }

    /// Who has presented no password: Admin when there is none, else a reader.
    pub fn anonymous(&self) -> Caller {
        if self.required() { Caller { role: Role::Read, known: false } } else { Caller::of(Role::Admin) }
    }

    /// The role of a password that came from an address. Takes the same time whatever the password is. When there is no
    /// password, every one is right.
    pub fn check(&self, peer: IpAddr, presented: &str) -> Result<Role, Refused> {
        self.check_at(peer, presented, Instant::now())
    }

    /// As [`Auth::check`], at this time.
    pub fn check_at(&self, peer: IpAddr, presented: &str, now: Instant) -> Result<Role, Refused> {
        if !self.required() {
            return Ok(Role::Admin);
        }
        self.failures.take(peer, now).map_err(|retry_after| Refused::TooMany { retry_after })?;
        let presented = digest(presented);
        let mut found = None;
        // All of them, each time: where the right one stands shows in nothing.
        for holder in &self.holders {
            if bool::from(holder.digest.ct_eq(&presented)) {
                found = found.max(Some(holder.role));
            }
        }
        let Some(role) = found else {
            tracing::warn!(%peer, "a wrong password");
            return Err(Refused::Wrong);
        };
        self.failures.give_back(peer, now);
        Ok(role)
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
