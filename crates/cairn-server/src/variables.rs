//! The variables: which keys of the configuration can be changed while the server runs, and how they are asked for.

use crate::command::Variables;
use crate::config::{key_named, keys, shown};
use crate::live::{Live, unknown};
use crate::reply::Reply;

/// When a key's new value has effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changing {
    /// At once, by SET and by a reload.
    Set,
    /// Likewise, where somebody owns the log.
    SetLog,
    /// By a reload: passwords never go over the wire, and schedules are more than a line.
    Reload,
    /// After a restart.
    Restart,
}

/// Keys that SET changes. Whoever uses one asks [`Live::config`] each time, or is told ([`Live::on_change`]).
const MUTABLE: &[&str] = &[
    "api.http.cors_allow_origin",
    "api.http.enable_cors",
    "api.http.timeout_sec",
    "api.rate_limiting.capacity",
    "api.rate_limiting.enable",
    "api.rate_limiting.max_clients",
    "api.rate_limiting.refill_rate",
    "cache.compression_enabled",
    "cache.enabled",
    "cache.eviction_batch_size",
    "cache.max_memory_mb",
    "cache.min_query_cost_ms",
    "cache.ttl_seconds",
    "limits.batch_queries",
    "limits.bulk_bytes",
    "limits.dimension",
    "limits.http_body_bytes",
    "limits.id_bytes",
    "limits.line_bytes",
    "limits.metadata_bytes",
    "network.allow_cidrs",
    "performance.connection_timeout_sec",
    "performance.max_connections",
    "performance.max_connections_per_ip",
    "performance.max_query_length",
    "performance.reactor_max_total_buffered_bytes",
    "performance.recv_buffer_size",
    "performance.request_timeout_sec",
    "performance.send_buffer_size",
    "performance.shutdown_timeout_ms",
    "similarity.adaptive_fusion",
    "similarity.adaptive_max_alpha",
    "similarity.adaptive_min_alpha",
    "similarity.adaptive_maturity_threshold",
    "similarity.fusion_alpha",
    "similarity.fusion_beta",
    "similarity.max_top_k",
    "snapshot.interval_sec",
    "snapshot.retain",
];

/// Sections whose values anybody may see.
const HARMLESS: [&str; 7] =
    ["cache.", "events.", "limits.", "logging.level", "performance.", "similarity.", "vectors."];

pub(crate) fn changing(name: &str) -> Changing {
    match name {
        "logging.level" => Changing::SetLog,
        _ if MUTABLE.contains(&name) => Changing::Set,
        "snapshot.schedule" => Changing::Reload,
        _ if name.starts_with("security.") => Changing::Reload,
        _ => Changing::Restart,
    }
}

/// Whether a name, or all that begins with it, tells nothing of where files are or who may connect.
pub(crate) fn is_harmless(name: &str) -> bool {
    HARMLESS.iter().any(|section| name.starts_with(section))
}

/// What all names begin with that a pattern of SHOW VARIABLES matches.
pub(crate) fn prefix(pattern: &str) -> &str {
    pattern.split('%').next().unwrap_or_default()
}

pub(crate) fn variables(live: &Live, asked: &Variables) -> Reply {
    match asked {
        Variables::Set { name, value } => match live.set(name, value) {
            Ok(()) => {
                tracing::info!(name, value, "a variable was set");
                Reply::Plus("")
            }
            Err(failure) => failure.into(),
        },
        Variables::Get(name) => match key_named(name) {
            Some(key) => Reply::Bulk(shown(&live.config(), key)),
            None => unknown(name).into(),
        },
        Variables::Show(pattern) => {
            let config = live.config();
            let wanted = keys().filter(|key| pattern.as_deref().is_none_or(|p| matches(p, key.name)));
            let mut lines: Vec<String> = wanted
                .map(|key| {
                    let word = if live.is_mutable(key) { "mutable" } else { "immutable" };
                    format!("{}={} ({word})", key.name, shown(&config, key))
                })
                .collect();
            lines.sort_unstable();
            Reply::Array(lines)
        }
    }
}

/// Whether a name is like a pattern, in which `%` stands for anything. As nvecd has it, one without `%` is a beginning.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('%');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let Some(last) = pattern.rsplit_once('%').map(|(_, last)| last) else { return true };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    last.is_empty() || name.ends_with(last)
}
