//! The text of a key's value: how SHOW prints it, and how SET gives one.

use super::Config;
use super::keys::{Effect, Key};
use super::value::{Kind, Node, Value, shown as shown_node, value};
use crate::cidr::Cidr;
use serde_saphyr::Spanned;
use std::path::Path;
use std::time::Duration;

/// What stands for a password.
const MASKED: &str = "********";

/// The value that a key has, as a file would say it; passwords are masked. What is not a field of its own in [`Config`] is
/// told as it was written.
pub(crate) fn shown(config: &Config, key: &Key) -> String {
    let c = config;
    let seconds = |time: Duration| time.as_secs().to_string();
    match key.name {
        "data.dir" => c.data_dir.display().to_string(),
        "events.ctx_buffer_size" => c.settings.ctx_buffer_size.to_string(),
        "events.decay_interval_sec" => c.decay.interval_sec.to_string(),
        "events.decay_alpha" => c.decay.alpha.to_string(),
        "events.dedup_window_sec" => c.settings.dedup_window_sec.to_string(),
        "events.dedup_cache_size" => c.settings.dedup_cache_size.to_string(),
        "events.max_contexts" => c.settings.max_contexts.to_string(),
        "events.max_neighbors_per_item" => c.settings.max_neighbors_per_item.to_string(),
        "events.min_support" => c.settings.min_support.to_string(),
        "events.temporal_cooccurrence" => c.settings.temporal_cooccurrence.to_string(),
        "events.temporal_half_life_sec" => c.settings.temporal_half_life_sec.to_string(),
        "events.negative_signals" => c.settings.negative_signals.to_string(),
        "events.negative_weight" => c.settings.negative_weight.to_string(),
        "vectors.default_dimension" => c.settings.dimension.to_string(),
        "vectors.distance_metric" => c.settings.metric.name().to_owned(),
        "similarity.max_top_k" => c.limits.top_k.to_string(),
        "similarity.fusion_alpha" => c.fusion.alpha.to_string(),
        "similarity.fusion_beta" => c.fusion.beta.to_string(),
        "similarity.adaptive_fusion" => c.fusion.adaptive.to_string(),
        "similarity.adaptive_min_alpha" => c.fusion.adaptive_min_alpha.to_string(),
        "similarity.adaptive_max_alpha" => c.fusion.adaptive_max_alpha.to_string(),
        "similarity.adaptive_maturity_threshold" => c.fusion.adaptive_maturity_threshold.to_string(),
        "limits.id_bytes" => c.limits.id_bytes.to_string(),
        "limits.metadata_bytes" => c.limits.metadata_bytes.to_string(),
        "limits.dimension" => c.limits.dimension.to_string(),
        "limits.line_bytes" | "performance.max_query_length" => c.line_bytes_max.to_string(),
        "snapshot.dir" => c.snapshot.dir.display().to_string(),
        "snapshot.allowed_dirs" => list(c.snapshot.allowed_dirs.iter().map(|dir| dir.display().to_string())),
        "snapshot.repository" => c.snapshot.repository_dir().display().to_string(),
        "snapshot.interval_sec" => c.snapshot.interval_sec.to_string(),
        "snapshot.retain" => c.snapshot.retain.to_string(),
        "snapshot.schedule" => list(c.snapshot.schedules.iter().map(|schedule| schedule.name.clone())),
        "performance.thread_pool_size" => c.search_threads.to_string(),
        "performance.max_connections" => c.connections_max.to_string(),
        "performance.max_connections_per_ip" => c.connections_per_ip_max.to_string(),
        "performance.connection_timeout_sec" => seconds(c.idle_timeout),
        "performance.request_timeout_sec" => seconds(c.request_timeout),
        "performance.recv_buffer_size" => c.read_bytes.to_string(),
        "performance.send_buffer_size" => c.write_bytes.to_string(),
        "performance.reactor_max_total_buffered_bytes" => c.buffered_bytes_max.to_string(),
        "performance.shutdown_timeout_ms" => c.stop_timeout.as_millis().to_string(),
        "api.tcp.bind" => c.tcp.host.clone(),
        "api.tcp.port" => c.tcp.port.to_string(),
        "api.unix_socket.path" => path(c.unix.path.as_deref()),
        "api.unix_socket.mode" => format!("{:04o}", c.unix.mode),
        "logging.file" => path(c.logging.file.as_deref()),
        "api.tcp.dialect" => c.dialect.name().to_owned(),
        "api.tcp.tls" => c.tls.tcp.to_string(),
        "api.http.enable" => c.http.enabled.to_string(),
        "api.http.bind" => c.http.listen.host.clone(),
        "api.http.port" => c.http.listen.port.to_string(),
        "api.http.tls" => c.http.tls.to_string(),
        "api.http.timeout_sec" => seconds(c.http.timeout),
        "limits.http_body_bytes" => c.http.body_bytes_max.to_string(),
        "limits.bulk_bytes" => c.http.bulk_bytes_max.to_string(),
        "limits.batch_queries" => c.http.queries_max.to_string(),
        "api.rate_limiting.enable" => c.rate.enabled.to_string(),
        "api.rate_limiting.capacity" => c.rate.capacity.to_string(),
        "api.rate_limiting.refill_rate" => c.rate.refill_per_s.to_string(),
        "api.rate_limiting.max_clients" => c.rate.clients_max.to_string(),
        "network.allow_cidrs" => list(c.allow.iter().map(Cidr::to_string)),
        "logging.level" => c.logging.level.clone(),
        "logging.json" => c.logging.json.to_string(),
        "security.requirepass" => c.security.requirepass.as_ref().map_or("", |_| MASKED).to_owned(),
        "security.tokens" => {
            list(c.security.tokens.iter().map(|token| format!("{} ({})", token.name, token.role)))
        }
        "security.auth_failures_per_minute" => c.security.auth_failures_per_minute.to_string(),
        name => c.written.get(name).cloned().unwrap_or_else(|| key.default.to_owned()),
    }
}

fn path(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// What was written for a key, to be shown.
pub(crate) fn written(key: &Key, node: &Spanned<Node>, source: &str) -> String {
    match (key.kind, &node.value) {
        (Kind::Secret | Kind::Tokens, _) => MASKED.to_owned(),
        (_, Node::Text(text)) => text.clone(),
        _ => shown_node(node, source),
    }
}

/// Sets a key to what a text says, read as a file's value would be; the error names the key, what was expected and what is
/// there.
pub(crate) fn set_text(config: &mut Config, key: &'static Key, text: &str) -> Result<(), String> {
    let wrong = || format!("{}: expected {}, got {}", key.name, key.kind, crate::failure::shown(text));
    let value = match key.kind {
        Kind::Text => Value::Text(text.to_owned()),
        Kind::Secret | Kind::Tokens | Kind::Schedules => return Err(wrong()),
        _ => {
            let node: Spanned<Node> = serde_saphyr::from_str(text).map_err(|_| wrong())?;
            value(&node, key.kind, text).ok_or_else(wrong)?
        }
    };
    match key.effect {
        Effect::Now(set) => set(config, value),
        Effect::Wal(_) | Effect::None(_) => return Err(wrong()),
    }
    config.written.insert(key.name, text.to_owned());
    Ok(())
}
