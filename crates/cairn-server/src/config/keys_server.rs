//! The keys that set up the server: files, connections, logging.

use super::Config;
use super::keys::{Key, NOT_NEGATIVE, U32, U64, inert, key};
use super::value::Kind;
use crate::auth::Password;
use crate::render::Dialect;
use std::path::PathBuf;
use std::time::Duration;

/// Fewer would be a call for each word.
const READ_BYTES_MIN: usize = 64;
const PORT: Kind = Kind::Int(0, 65_535);
const LINE_BYTES: Kind = Kind::Int(1024, 1 << 30);

pub(crate) static SERVER_KEYS: &[Key] = &[
    key(
        "snapshot.dir",
        Kind::Text,
        "cairn-snapshots",
        "where DUMP's files are, and the repository",
        |c, v| c.snapshot.dir = PathBuf::from(v.text()),
    ),
    key("snapshot.allowed_dirs", Kind::Texts, "[]", "where else DUMP may read and write", |c, v| {
        c.snapshot.allowed_dirs = v.texts().into_iter().map(PathBuf::from).collect()
    }),
    key(
        "snapshot.repository",
        Kind::Text,
        "repository below snapshot.dir",
        "where SNAPSHOT's snapshots are",
        |c, v| {
            c.snapshot.repository = Some(PathBuf::from(v.text())).filter(|dir| !dir.as_os_str().is_empty())
        },
    ),
    key(
        "snapshot.default_filename",
        Kind::Text,
        "named by the time",
        "the file of DUMP SAVE without a path",
        |c, v| c.snapshot.default_filename = Some(v.text()).filter(|name| !name.is_empty()),
    ),
    key(
        "snapshot.interval_sec",
        Kind::Int(0, 10 * 366 * 86_400),
        "0",
        "seconds between automatic dumps, auto_*.snapshot in snapshot.dir; 0: none",
        |c, v| c.snapshot.interval_sec = v.u64(),
    ),
    key("snapshot.retain", U32, "3", "automatic dumps that stay, the newest; 0: all", |c, v| {
        c.snapshot.retain = v.u32()
    }),
    key("snapshot.schedule", Kind::Schedules, "[]", "when snapshots are taken and which stay", |c, v| {
        c.snapshot.schedules = v.schedules()
    }),
    inert(
        "snapshot.mode",
        Kind::Choice(&["fork", "lock"]),
        "fork",
        "a snapshot neither forks nor blocks writes",
    ),
    key(
        "performance.thread_pool_size",
        Kind::Int(0, 1024),
        "8",
        "searches running at once; 0: one for each core",
        |c, v| c.search_threads = v.usize(),
    ),
    key(
        "performance.background_write_rate",
        Kind::Size(0, 1 << 40),
        "128MB",
        "bytes a second that checkpoints, compaction and snapshots write while writers wait for the log; 0: any number",
        |c, v| c.background_bytes_per_second = v.u64(),
    ),
    key("performance.max_connections", Kind::Int(1, 1 << 20), "1000", "connections open at once", |c, v| {
        c.connections_max = v.usize()
    }),
    key(
        "performance.connection_timeout_sec",
        Kind::Int(1, 86_400 * 365),
        "300",
        "seconds a connection may be silent",
        |c, v| c.idle_timeout = Duration::from_secs(v.u64()),
    ),
    key(
        "performance.max_connections_per_ip",
        U32,
        "0",
        "connections one address may have open; 0: as many as there may be",
        |c, v| c.connections_per_ip_max = v.usize(),
    ),
    key(
        "performance.request_timeout_sec",
        Kind::Int(1, 86_400),
        "60",
        "seconds a request line may take from its first byte to its end",
        |c, v| c.request_timeout = Duration::from_secs(v.u64()),
    ),
    key(
        "performance.recv_buffer_size",
        Kind::Int(0, 1 << 24),
        "4096",
        "bytes of a connection's first read, at least 64; more when much comes; 0: the default",
        |c, v| {
            c.read_bytes = match v.usize() {
                0 => Config::default().read_bytes,
                bytes => bytes.max(READ_BYTES_MIN),
            }
        },
    ),
    key(
        "performance.send_buffer_size",
        Kind::Int(0, 1 << 24),
        "65536",
        "bytes of replies that are gathered before they are sent; 0: the default",
        |c, v| {
            c.write_bytes = match v.usize() {
                0 => Config::default().write_bytes,
                bytes => bytes,
            }
        },
    ),
    key(
        "performance.reactor_max_total_buffered_bytes",
        U64,
        "1073741824",
        "bytes all connections may have received and not done, or done and not sent; 0: any number",
        |c, v| c.buffered_bytes_max = v.u64(),
    ),
    key("performance.max_query_length", LINE_BYTES, "16777216", "the same as limits.line_bytes", |c, v| {
        c.line_bytes_max = v.usize()
    }),
    key(
        "performance.shutdown_timeout_ms",
        Kind::Int(0, 3_600_000),
        "10000",
        "how long a stop waits for requests",
        |c, v| c.stop_timeout = Duration::from_millis(v.u64()),
    ),
    key("api.tcp.bind", Kind::Text, "127.0.0.1", "address to listen on", |c, v| c.tcp.host = v.text()),
    key("api.tcp.port", PORT, "11017", "port to listen on; 0: any free one", |c, v| c.tcp.port = v.u16()),
    key(
        "api.tcp.dialect",
        Kind::Choice(&["documented", "nvecd"]),
        "documented",
        "how replies are written",
        |c, v| c.dialect = Dialect::from_name(&v.text()).unwrap_or_default(),
    ),
    key("api.unix_socket.path", Kind::Text, "", "a Unix socket to listen on, too; empty: none", |c, v| {
        c.unix.path = Some(PathBuf::from(v.text())).filter(|path| !path.as_os_str().is_empty())
    }),
    key(
        "api.unix_socket.mode",
        Kind::Mode,
        "0600",
        "the socket's permission bits: who may connect",
        |c, v| c.unix.mode = v.u32(),
    ),
    key("api.rate_limiting.enable", Kind::Bool, "false", "each client's requests are limited", |c, v| {
        c.rate.enabled = v.bool()
    }),
    key(
        "api.rate_limiting.capacity",
        Kind::Int(1, 1 << 30),
        "100",
        "requests of a client that may come at once",
        |c, v| c.rate.capacity = v.u32(),
    ),
    key(
        "api.rate_limiting.refill_rate",
        Kind::Int(1, 1 << 30),
        "10",
        "requests of a client a second, in the long run",
        |c, v| c.rate.refill_per_s = v.u32(),
    ),
    key(
        "api.rate_limiting.max_clients",
        Kind::Int(1, 1 << 24),
        "10000",
        "clients that are remembered; one that is forgotten begins anew",
        |c, v| c.rate.clients_max = v.u32(),
    ),
    key(
        "network.allow_cidrs",
        Kind::Cidrs,
        "[127.0.0.1/32, ::1/128]",
        "whose connections are taken; empty: nobody's",
        |c, v| c.allow = v.cidrs(),
    ),
    key(
        "logging.level",
        Kind::Choice(&["trace", "debug", "info", "warn", "error"]),
        "info",
        "how much is logged",
        |c, v| c.logging.level = v.text(),
    ),
    key("logging.json", Kind::Bool, "false", "log lines are JSON", |c, v| c.logging.json = v.bool()),
    key(
        "logging.file",
        Kind::Text,
        "",
        "where log lines are appended, opened anew at SIGHUP; empty: stderr",
        |c, v| c.logging.file = Some(PathBuf::from(v.text())).filter(|path| !path.as_os_str().is_empty()),
    ),
    key(
        "security.requirepass",
        Kind::Secret,
        "",
        "the admin's password: writes and all that changes the server need it; empty: nothing does",
        |c, v| c.security.requirepass = Some(v.text()).filter(|text| !text.is_empty()).map(Password::new),
    ),
    key("security.requirepass_file", Kind::Text, "", "a file whose first line is that password", |c, v| {
        c.security.requirepass_file = Some(v.text()).filter(|path| !path.is_empty()).map(PathBuf::from)
    }),
    key(
        "security.tokens",
        Kind::Tokens,
        "[]",
        "more passwords, each a name, a role (read, write or admin), and token or token_file",
        |c, v| c.security.tokens = v.tokens(),
    ),
    key(
        "security.auth_failures_per_minute",
        Kind::Int(1, 1_000_000),
        "20",
        "wrong passwords of one address that are looked at",
        |c, v| c.security.auth_failures_per_minute = v.u32(),
    ),
    key("cache.enabled", Kind::Bool, "true", "answers of searches are kept", |c, v| {
        c.cache.enabled = v.bool()
    }),
    key("cache.max_memory_mb", U32, "32", "MiB of kept answers; 0: none is kept", |c, v| {
        c.cache.memory_mb_max = v.u32()
    }),
    key("cache.min_query_cost_ms", NOT_NEGATIVE, "10.0", "answers that took less are not kept", |c, v| {
        c.cache.query_cost_ms_min = v.f64()
    }),
    key("cache.ttl_seconds", U64, "3600", "how long an answer is kept at most; 0: any time", |c, v| {
        c.cache.ttl_seconds = v.u64()
    }),
    key("cache.compression_enabled", Kind::Bool, "true", "large answers are compressed", |c, v| {
        c.cache.compression = v.bool()
    }),
    key(
        "cache.eviction_batch_size",
        Kind::Int(1, 1 << 20),
        "10",
        "answers that give way at once when there is no room",
        |c, v| c.cache.eviction_batch = v.u32(),
    ),
    key("limits.line_bytes", LINE_BYTES, "16777216", "bytes of a request line", |c, v| {
        c.line_bytes_max = v.usize()
    }),
];
