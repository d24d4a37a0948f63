//! The configuration: what the server is started with.

mod file;
mod http;
mod keys;
mod keys_engine;
mod keys_http;
mod keys_server;
mod keys_wal;
mod nearest;
mod schedules;
mod security;
mod shown;
mod value;
mod wal_keys;

use crate::cache::CacheConfig;
use crate::cidr::Cidr;
use crate::collection_change::SpecChange;
use crate::interpreter::Rules;
use crate::limiter::RateConfig;
use crate::render::Dialect;
use cairn_disk::Throttle;
use cairn_engine::{ArchivePolicy, Decay, FusionSettings, Limits, Settings, WalSettings, WhenFull};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use file::{ConfigError, Notice, Problem};
pub use http::{HttpConfig, TlsConfig};
pub(crate) use keys::key_named;
pub use keys::{Key, keys};
pub use schedules::ScheduleConfig;
pub use security::{SecurityConfig, TokenConfig};
pub(crate) use shown::{set_text, shown};
pub use value::Kind;

/// A complete configuration. [`Config::parse`] reads it from YAML with nvecd's key names ([`keys`]); what a file leaves
/// out has its default.
#[derive(Debug, Clone)]
pub struct Config {
    /// `data.dir`: where the database is.
    pub data_dir: PathBuf,
    /// `api.tcp.bind` and `api.tcp.port`.
    pub tcp: Listen,
    /// `api.http.*`.
    pub http: HttpConfig,
    /// `tls.*`, `api.tcp.tls`.
    pub tls: TlsConfig,
    /// `api.unix_socket.*`.
    pub unix: UnixConfig,
    /// `api.tcp.dialect`.
    pub dialect: Dialect,
    /// `network.allow_cidrs`: whose connections are taken.
    pub allow: Vec<Cidr>,
    /// `events.*`, `vectors.*`.
    pub settings: Settings,
    /// `limits.*`, `similarity.max_top_k`.
    pub limits: Limits,
    /// `similarity.fusion_*`, `similarity.adaptive_*`.
    pub fusion: FusionSettings,
    /// `similarity.index_type`, `similarity.hnsw_*`: what of the collection `default` is set at each start.
    pub default_spec: SpecChange,
    /// `events.decay_*`; an interval of 0 is none.
    pub decay: Decay,
    /// `wal.*`: how the write-ahead log is kept; `None`, when a file says nothing of it: as the data directory remembers.
    pub wal: Option<WalSettings>,
    /// `archive.*`.
    pub archive: ArchiveConfig,
    /// `limits.line_bytes`.
    pub line_bytes_max: usize,
    /// `performance.max_connections`.
    pub connections_max: usize,
    /// `performance.max_connections_per_ip`; 0: as many as there may be.
    pub connections_per_ip_max: usize,
    /// `performance.connection_timeout_sec`: how long a connection may be silent.
    pub idle_timeout: Duration,
    /// `performance.request_timeout_sec`: how long a request line may take from its first byte to its end.
    pub request_timeout: Duration,
    /// `performance.recv_buffer_size`: bytes of a connection's first read; more when much comes.
    pub read_bytes: usize,
    /// `performance.send_buffer_size`: replies are gathered up to this many bytes before they are sent.
    pub write_bytes: usize,
    /// `performance.reactor_max_total_buffered_bytes`: what all connections may have received and not yet done, or done and
    /// not yet sent; 0: any number.
    pub buffered_bytes_max: u64,
    /// `performance.shutdown_timeout_ms`: how long a stop waits for requests under way.
    pub stop_timeout: Duration,
    /// `performance.thread_pool_size`: searches running at once; 0: one for each core.
    pub search_threads: usize,
    /// Bytes a second that work in the background writes while writers wait for the log; 0: any number.
    pub background_bytes_per_second: u64,
    /// `cache.*`.
    pub cache: CacheConfig,
    /// `security.*`.
    pub security: SecurityConfig,
    /// `api.rate_limiting.*`.
    pub rate: RateConfig,
    /// `snapshot.*`.
    pub snapshot: SnapshotConfig,
    /// `logging.*`.
    pub logging: Logging,
    /// The file it was read from.
    pub source: Option<PathBuf>,
    /// What the file says, key by key, as text: how keys are shown that have no field of their own here.
    pub written: BTreeMap<&'static str, String>,
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// A name or an address.
    pub host: String,
    /// 0: any free one.
    pub port: u16,
}

/// Whether and how it listens for others of its machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixConfig {
    /// `path`: where the socket is; `None`: there is none.
    pub path: Option<PathBuf>,
    /// `mode`: the socket's permission bits, which say who may connect.
    pub mode: u32,
}

impl Default for UnixConfig {
    /// None; its owner alone.
    fn default() -> Self {
        UnixConfig { path: None, mode: 0o600 }
    }
}

/// Where snapshots are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// `snapshot.dir`: relative paths of DUMP are below it.
    pub dir: PathBuf,
    /// `snapshot.allowed_dirs`: where else DUMP may read and write.
    pub allowed_dirs: Vec<PathBuf>,
    /// `snapshot.repository`; without it, `repository` below `dir`.
    pub repository: Option<PathBuf>,
    /// `snapshot.default_filename`: the file of a DUMP SAVE without a path.
    pub default_filename: Option<String>,
    /// `snapshot.interval_sec`: seconds between automatic dumps; 0: none.
    pub interval_sec: u64,
    /// `snapshot.retain`: automatic dumps that stay, the newest; 0: all.
    pub retain: u32,
    /// `snapshot.schedule`: when snapshots are taken, and which of them stay.
    pub schedules: Vec<ScheduleConfig>,
}

impl SnapshotConfig {
    /// Where SNAPSHOT keeps its snapshots.
    pub fn repository_dir(&self) -> PathBuf {
        self.repository.clone().unwrap_or_else(|| self.dir.join("repository"))
    }
}

/// Whether and how the log is copied to the repository while the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveConfig {
    /// `archive.enabled`.
    pub enabled: bool,
    /// `archive.interval`: between two copies of what was logged since.
    pub interval: Duration,
    /// `archive.backlog_max` and `archive.when_full`.
    pub policy: ArchivePolicy,
}

impl Default for ArchiveConfig {
    /// Off; every 10 s, up to 4 GiB may wait, and then writes are refused.
    fn default() -> Self {
        let policy = ArchivePolicy { backlog_bytes_max: 4 << 30, when_full: WhenFull::Refuse };
        ArchiveConfig { enabled: false, interval: Duration::from_secs(10), policy }
    }
}

/// What is logged. The binary sets it up; the server only writes `tracing` events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// `logging.level`: trace, debug, info, warn or error.
    pub level: String,
    /// `logging.json`.
    pub json: bool,
    /// `logging.file`: where log lines are appended; `None`: they go to stderr.
    pub file: Option<PathBuf>,
}

impl Default for Config {
    /// nvecd's defaults; data and snapshots in the working directory.
    fn default() -> Self {
        Config {
            data_dir: PathBuf::from("cairn-data"),
            tcp: Listen { host: "127.0.0.1".to_owned(), port: 11017 },
            http: HttpConfig::default(),
            tls: TlsConfig::default(),
            unix: UnixConfig::default(),
            dialect: Dialect::default(),
            allow: Cidr::loopback(),
            settings: Settings::default(),
            limits: Limits::default(),
            fusion: FusionSettings::default(),
            default_spec: SpecChange::default(),
            decay: Decay { interval_sec: 3600, alpha: 0.99 },
            wal: None,
            archive: ArchiveConfig::default(),
            line_bytes_max: Rules::default().line_bytes_max,
            connections_max: 1000,
            connections_per_ip_max: 0,
            idle_timeout: Duration::from_secs(300),
            request_timeout: Duration::from_secs(60),
            read_bytes: 4 << 10,
            write_bytes: 64 << 10,
            buffered_bytes_max: 1 << 30,
            stop_timeout: Duration::from_secs(10),
            search_threads: 8,
            background_bytes_per_second: Throttle::BYTES_PER_SECOND,
            cache: CacheConfig::default(),
            security: SecurityConfig::default(),
            rate: RateConfig::default(),
            snapshot: SnapshotConfig {
                dir: PathBuf::from("cairn-snapshots"),
                allowed_dirs: Vec::new(),
                repository: None,
                default_filename: None,
                interval_sec: 0,
                retain: 3,
                schedules: Vec::new(),
            },
            logging: Logging { level: "info".to_owned(), json: false, file: None },
            source: None,
            written: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads a configuration. `file` names it in messages. The notices are for the log: keys that are accepted without
    /// effect. All problems are found at once.
    pub fn parse(text: &str, file: &str) -> Result<(Config, Vec<Notice>), ConfigError> {
        file::parse(text, file)
    }

    /// What is not safe about it, for the log: who may reach the server, and what they may do there.
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        let everybody = self.allow.iter().any(Cidr::is_everybody);
        if self.allow.is_empty() {
            found.push("network.allow_cidrs is empty: nobody can connect over TCP".to_owned());
        }
        if everybody {
            found.push("network.allow_cidrs allows every address".to_owned());
        }
        let http = self.http.enabled.then_some((&self.http.listen, self.http.tls));
        for (listen, tls) in std::iter::once((&self.tcp, self.tls.tcp)).chain(http) {
            let host = listen.host.as_str();
            if host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) {
                continue;
            }
            if !self.security.has_password() {
                found.push(format!(
                    "listening on {host} without a password: whoever can connect may read, change and delete everything \
                     (security.requirepass)"
                ));
            } else if !tls {
                found.push(format!(
                    "listening on {host} without TLS: passwords and data can be read on the way"
                ));
            }
        }
        if self.unix.path.is_some() && self.unix.mode & 0o077 != 0 && !self.security.has_password() {
            found.push(format!(
                "the Unix socket has mode {:04o} and there is no password: other users of this machine may do everything",
                self.unix.mode
            ));
        }
        found
    }

    /// The rules of a connection.
    pub fn rules(&self) -> Rules {
        Rules { limits: self.limits.clone(), line_bytes_max: self.line_bytes_max, dialect: self.dialect }
    }
}
