//! nvecd's endpoints for dumps: the same as DUMP.

use super::body::{Body, MaybeBody};
use super::call::{Call, bug};
use super::error::{Errors, HttpError};
use crate::command::{Ask, Dump};
use crate::reply::{Dumped, JobStatus, Reply, Stores};
use axum::Json;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaveBody {
    /// Below `snapshot.dir`; left out: named by the configuration or the time.
    pub filepath: Option<String>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileBody {
    /// Below `snapshot.dir`, or in one of `snapshot.allowed_dirs`.
    pub filepath: String,
}

async fn dumped(call: &Call, ask: Dump) -> Result<Json<Value>, HttpError> {
    match call.ask(Ask::Dump(ask)).await? {
        Reply::Dump(dumped) => Ok(Json(shown(dumped))),
        _ => Err(bug()),
    }
}

/// Writes the state to a `.nvec` file.
#[utoipa::path(post, path = "/dump/save", tag = "nvecd", request_body = SaveBody,
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn save(call: Call, MaybeBody(body): MaybeBody<SaveBody>) -> Result<Json<Value>, HttpError> {
    dumped(&call, Dump::Save(body.filepath)).await
}

/// Replaces the state by a file's; meanwhile writes are refused and reads go on.
#[utoipa::path(post, path = "/dump/load", tag = "nvecd", request_body = FileBody,
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn load(call: Call, Body(body): Body<FileBody>) -> Result<Json<Value>, HttpError> {
    dumped(&call, Dump::Load(body.filepath)).await
}

/// Checks every byte of a file.
#[utoipa::path(post, path = "/dump/verify", tag = "nvecd", request_body = FileBody,
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn verify(call: Call, Body(body): Body<FileBody>) -> Result<Json<Value>, HttpError> {
    dumped(&call, Dump::Verify(body.filepath)).await
}

/// What a file says about itself.
#[utoipa::path(post, path = "/dump/info", tag = "nvecd", request_body = FileBody,
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn info(call: Call, Body(body): Body<FileBody>) -> Result<Json<Value>, HttpError> {
    dumped(&call, Dump::Info(body.filepath)).await
}

/// How the current or last save or load goes.
#[utoipa::path(get, path = "/dump/status", tag = "nvecd", responses((status = 200, body = Object), Errors))]
pub(crate) async fn status(call: Call) -> Result<Json<Value>, HttpError> {
    dumped(&call, Dump::Status).await
}

fn shown(dumped: Dumped) -> Value {
    match dumped {
        Dumped::Saved { path, stores, bytes, collections } => merged(
            json!({"status": "ok", "filepath": path, "size": bytes, "collections": collections}),
            stored(stores),
        ),
        Dumped::Loaded { path, stores, replaced, collections, replaced_collections } => merged(
            json!({
                "status": "ok", "filepath": path, "collections": collections,
                "replaced": stored(replaced), "replaced_collections": replaced_collections,
            }),
            stored(stores),
        ),
        Dumped::Verified { path, crc32 } => {
            json!({"status": "ok", "filepath": path, "valid": true, "crc32": format!("0x{crc32:08x}")})
        }
        Dumped::Info { path, header } => json!({
            "status": "ok", "filepath": path, "version": header.version, "flags": header.flags,
            "event_store_count": header.events, "vector_store_count": header.vectors,
            "co_occurrence_count": header.pairs, "file_size": header.file_bytes,
            "timestamp": header.created_ms.div_euclid(1000), "collections": header.collections,
        }),
        Dumped::Status(status) => Value::Object(job(&status)),
    }
}

fn merged(mut one: Value, more: Map<String, Value>) -> Value {
    if let Value::Object(members) = &mut one {
        members.extend(more);
    }
    one
}

fn stored(stores: Stores) -> Map<String, Value> {
    [
        ("event_store_contexts", stores.contexts),
        ("event_store_count", stores.events),
        ("vector_store_vectors", stores.vectors),
        ("co_occurrence_pairs", stores.pairs),
    ]
    .into_iter()
    .map(|(key, n)| (key.to_owned(), Value::from(n)))
    .collect()
}

/// The lines of DUMP STATUS.
pub(crate) fn job(status: &JobStatus) -> Map<String, Value> {
    let shown = json!({
        "status": status.state.name(), "operation": status.operation, "filepath": status.target,
        "start_time": status.start_s, "end_time": status.end_s, "percent": status.percent,
        "bytes_written": status.bytes_written, "error_message": status.error,
        "bytes_done": status.bytes_done, "bytes_total": status.bytes_total,
        "bytes_per_second": status.bytes_per_second, "eta_seconds": status.eta_s,
    });
    if let Value::Object(members) = shown { members } else { Map::new() }
}
