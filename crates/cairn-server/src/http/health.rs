//! Health: whether the server lives, and whether it takes requests.

use super::call::Call;
use super::error::{Errors, HttpError};
use super::settings::sections;
use crate::command::Ask;
use crate::reply::{Reply, Section};
use axum::Json;
use axum::http::StatusCode;
use serde_json::{Value, json};

/// The server answers.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = Object), Errors))]
pub(crate) async fn health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// The process lives.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, body = Object), Errors))]
pub(crate) async fn live() -> Json<Value> {
    Json(json!({"status": "alive", "timestamp": now_s()}))
}

/// Whether writes are taken: 503 while the state is being replaced, and after a failure that only a restart ends.
#[utoipa::path(get, path = "/health/ready", tag = "health",
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn ready(call: Call) -> Result<(StatusCode, Json<Value>), HttpError> {
    let sections = info(&call).await?;
    Ok(match not_ready(&sections) {
        None => (StatusCode::OK, Json(json!({"status": "ready", "loading": false, "timestamp": now_s()}))),
        Some((loading, reason)) => {
            let body = json!({"status": "not_ready", "loading": loading, "reason": reason});
            (StatusCode::SERVICE_UNAVAILABLE, Json(body))
        }
    })
}

/// All that the server knows of how it is doing.
#[utoipa::path(get, path = "/health/detail", tag = "health",
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn detail(call: Call) -> Result<Json<Value>, HttpError> {
    let info = info(&call).await?;
    let not_ready = not_ready(&info);
    let status = if not_ready.is_none() { "healthy" } else { "unhealthy" };
    let reason = not_ready.map(|(_, reason)| reason);
    Ok(Json(json!({
        "status": status, "reason": reason, "timestamp": now_s(), "components": sections(&info),
    })))
}

pub(crate) async fn info(call: &Call) -> Result<Vec<Section>, HttpError> {
    match call.ask(Ask::Info).await? {
        Reply::Info(sections) => Ok(sections),
        _ => Err(super::call::bug()),
    }
}

/// Whether the state is being replaced, and why no writes are taken.
pub(crate) fn not_ready(sections: &[Section]) -> Option<(bool, String)> {
    let value = |name: &str| {
        let lines = sections.iter().flat_map(|section| &section.lines);
        lines.clone().find(|(key, value)| *key == name && value != "none").map(|(_, value)| value.clone())
    };
    let loading = value("loading").map(|what| (true, format!("the state is being replaced: {what}")));
    loading
        .or_else(|| Some((false, format!("writes are refused: {}; restart to recover", value("poisoned")?))))
}

fn now_s() -> i64 {
    jiff::Timestamp::now().as_second()
}
