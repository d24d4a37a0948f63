//! INFO and the configuration as JSON, and what is gone.

use super::call::Call;
use super::error::{ErrorBody, Errors, HttpError};
use crate::config::Config;
use crate::reply::Section;
use axum::Json;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// The sections of INFO.
#[utoipa::path(get, path = "/info", tag = "nvecd", responses((status = 200, body = Object), Errors))]
pub(crate) async fn info(call: Call) -> Result<Json<Value>, HttpError> {
    Ok(Json(sections(&super::health::info(&call).await?)))
}

/// One member for each section, its name in lower case.
pub(crate) fn sections(sections: &[Section]) -> Value {
    let lines = |section: &Section| -> Map<String, Value> {
        section.lines.iter().map(|(key, value)| ((*key).to_owned(), figure(value))).collect()
    };
    sections
        .iter()
        .map(|section| (section.name.to_ascii_lowercase(), Value::Object(lines(section))))
        .collect()
}

/// A whole number is a number; everything else is text.
fn figure(value: &str) -> Value {
    match (value, value.parse::<u64>()) {
        (_, Ok(number)) => Value::from(number),
        ("none", _) => Value::Null,
        ("true" | "false", _) => Value::from(value == "true"),
        _ => Value::from(value),
    }
}

/// What the server was started with; no secrets are in it.
#[utoipa::path(get, path = "/config", tag = "nvecd", responses((status = 200, body = Object), Errors))]
pub(crate) async fn config(call: Call) -> Json<Value> {
    Json(shown(&call.gate.config))
}

fn shown(config: &Config) -> Value {
    let Config { settings, limits, fusion, http, snapshot, .. } = config;
    json!({
        "api": {
            "tcp": {"bind": config.tcp.host, "port": config.tcp.port, "dialect": config.dialect.name(), "tls": config.tls.tcp},
            "http": {
                "enable": http.enabled, "bind": http.listen.host, "port": http.listen.port, "tls": http.tls,
                "enable_cors": http.cors, "cors_allow_origin": http.cors_allow_origin,
                "timeout_sec": http.timeout.as_secs(),
            },
        },
        "network": {"allow_cidrs": config.allow.iter().map(ToString::to_string).collect::<Vec<_>>()},
        "events": {
            "ctx_buffer_size": settings.ctx_buffer_size, "dedup_window_sec": settings.dedup_window_sec,
            "dedup_cache_size": settings.dedup_cache_size, "max_contexts": settings.max_contexts,
            "max_neighbors_per_item": settings.max_neighbors_per_item, "min_support": settings.min_support,
            "decay_interval_sec": config.decay.interval_sec, "decay_alpha": config.decay.alpha,
            "temporal_cooccurrence": settings.temporal_cooccurrence,
            "temporal_half_life_sec": settings.temporal_half_life_sec,
            "negative_signals": settings.negative_signals, "negative_weight": settings.negative_weight,
        },
        "vectors": {"default_dimension": settings.dimension, "distance_metric": settings.metric.name()},
        "similarity": {
            "max_top_k": limits.top_k, "fusion_alpha": fusion.alpha, "fusion_beta": fusion.beta,
        },
        "performance": {
            "thread_pool_size": config.search_threads, "max_connections": config.connections_max,
            "connection_timeout_sec": config.idle_timeout.as_secs(),
            "shutdown_timeout_ms": u64::try_from(config.stop_timeout.as_millis()).unwrap_or(u64::MAX),
        },
        "snapshot": {
            "dir": snapshot.dir, "repository": snapshot.repository_dir(), "allowed_dirs": snapshot.allowed_dirs,
            "interval_sec": snapshot.interval_sec, "retain": snapshot.retain,
        },
        "archive": {"enabled": config.archive.enabled, "interval_sec": config.archive.interval.as_secs()},
        "limits": {
            "line_bytes": config.line_bytes_max, "id_bytes": limits.id_bytes,
            "metadata_bytes": limits.metadata_bytes, "dimension": limits.dimension,
            "http_body_bytes": http.body_bytes_max, "bulk_bytes": http.bulk_bytes_max,
            "batch_queries": http.queries_max,
        },
        "logging": {"level": config.logging.level, "json": config.logging.json},
    })
}

/// There is no connection whose replies it could change.
#[utoipa::path(post, path = "/debug/on", tag = "nvecd", responses((status = 410, body = ErrorBody), Errors))]
pub(crate) async fn debug_on() -> HttpError {
    gone()
}

/// There is no connection whose replies it could change.
#[utoipa::path(post, path = "/debug/off", tag = "nvecd", responses((status = 410, body = ErrorBody), Errors))]
pub(crate) async fn debug_off() -> HttpError {
    gone()
}

fn gone() -> HttpError {
    HttpError::new(
        StatusCode::GONE,
        "DEBUG is a mode of a connection of the line protocol: send DEBUG ON there",
    )
}
