//! Snapshots of topics: the same as TOPIC SNAPSHOT.

use super::body::{Body, MaybeBody};
use super::call::Call;
use super::error::{Errors, HttpError};
use crate::command::{Ask, TopicCompression, TopicSnapshots as Asked, Topics};
use crate::parse_topic_snapshot::{age, at_once, codec, kept, kept_by_default};
use axum::Json;
use axum::extract::Path;
use serde::Deserialize;
use serde_json::Value;

async fn asked(call: &Call, asked: Asked, rows: Option<&str>) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Topic(Topics::Snapshot(asked)), rows).await
}

/// All of a topic, newest first.
#[utoipa::path(get, path = "/v1/topics/{topic}/snapshots", tag = "v1",
    params(("topic" = String, Path, description = "Its name")),
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn list(call: Call, Path(topic): Path<String>) -> Result<Json<Value>, HttpError> {
    asked(&call, Asked::List(topic), Some("snapshots")).await
}

#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSnapshot {
    /// none (sealed segments are hard links), zstd or gzip.
    compression: Option<String>,
    /// Files that are worked on at a time, 1 to 64.
    #[schema(minimum = 1, maximum = 64)]
    parallel: Option<u64>,
}

/// Takes one of all partitions, at one moment.
#[utoipa::path(post, path = "/v1/topics/{topic}/snapshots", tag = "v1", request_body = NewSnapshot,
    params(("topic" = String, Path, description = "Its name")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn create(
    call: Call,
    Path(topic): Path<String>,
    MaybeBody(body): MaybeBody<NewSnapshot>,
) -> Result<Json<Value>, HttpError> {
    let compression = body.compression.map_or(Ok(TopicCompression::None), |name| codec(&name))?;
    let parallel = body.parallel.map_or(Ok(1), |files| at_once(&files.to_string()))?;
    asked(&call, Asked::Create { topic, compression, parallel }, Some("states")).await
}

/// Checks every byte of one.
#[utoipa::path(post, path = "/v1/topics/{topic}/snapshots/{snapshot}/verify", tag = "v1",
    params(("topic" = String, Path, description = "Its name"),
        ("snapshot" = String, Path, description = "The snapshot's id")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn verify(
    call: Call,
    Path((topic, id)): Path<(String, String)>,
) -> Result<Json<Value>, HttpError> {
    asked(&call, Asked::Verify { topic, id }, None).await
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewName {
    /// The new topic's name.
    name: String,
}

/// Makes a new topic of one, whole or not at all.
#[utoipa::path(post, path = "/v1/topics/{topic}/snapshots/{snapshot}/restore", tag = "v1", request_body = NewName,
    params(("topic" = String, Path, description = "The topic it is of"),
        ("snapshot" = String, Path, description = "The snapshot's id")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn restore(
    call: Call,
    Path((topic, id)): Path<(String, String)>,
    Body(NewName { name: new }): Body<NewName>,
) -> Result<Json<Value>, HttpError> {
    asked(&call, Asked::Restore { topic, id, new }, None).await
}

/// Removes one.
#[utoipa::path(delete, path = "/v1/topics/{topic}/snapshots/{snapshot}", tag = "v1",
    params(("topic" = String, Path, description = "Its name"),
        ("snapshot" = String, Path, description = "The snapshot's id")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn delete(
    call: Call,
    Path((topic, id)): Path<(String, String)>,
) -> Result<Json<Value>, HttpError> {
    asked(&call, Asked::Delete { topic, id }, None).await
}

#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CleanupBody {
    /// How many are kept at most, 1 to 1,000,000; 5 by default.
    #[schema(minimum = 1, maximum = 1000000)]
    max_snapshots: Option<u64>,
    /// Older ones go, as `24h`.
    retention: Option<String>,
}

/// Removes those that are too many or too old; the newest good one always stays.
#[utoipa::path(post, path = "/v1/topics/{topic}/snapshots:cleanup", tag = "v1", request_body = CleanupBody,
    params(("topic" = String, Path, description = "Its name")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn cleanup(
    call: Call,
    Path(topic): Path<String>,
    MaybeBody(body): MaybeBody<CleanupBody>,
) -> Result<Json<Value>, HttpError> {
    let (max_snapshots, retention_us) = kept_by_default();
    let max_snapshots = body.max_snapshots.map_or(Ok(max_snapshots), |n| kept(&n.to_string()))?;
    let retention_us = body.retention.map_or(Ok(retention_us), |text| age(&text))?;
    asked(&call, Asked::Cleanup { topic, max_snapshots, retention_us }, None).await
}
