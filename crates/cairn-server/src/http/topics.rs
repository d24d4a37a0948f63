//! Topics: the same as TOPIC.

use super::body::{Body, MaybeBody};
use super::call::Call;
use super::error::{Errors, HttpError};
use super::options::each;
use crate::command::{AppendTopic, Ask, ReadTopic, TopicOptions, Topics};
use crate::failure::Failure;
use crate::parse_topic::{COUNT, COUNT_MAX};
use axum::Json;
use axum::extract::{Path, Query};
use cairn_engine::parse_time;
use cairn_engine::topics::TopicConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a topic is kept; what is left out has its default, or stays as it is.
#[derive(Serialize, Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TopicSettings {
    /// As `24h`.
    retention: Option<String>,
    /// As `8GB`; `0`: any number.
    retention_bytes: Option<String>,
    /// none or key.
    compaction: Option<String>,
    /// As `24h`.
    tombstone_retention: Option<String>,
    /// fsync, periodic or async.
    sync_mode: Option<String>,
    /// Of periodic: as `5s`.
    flush_interval: Option<String>,
}

impl TopicSettings {
    fn options(&self) -> Result<TopicOptions, Failure> {
        let mut options = TopicOptions::default();
        each(self, |name, value| options.take(&format!("{name}={value}")))?;
        Ok(options)
    }
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTopic {
    /// Its name.
    name: String,
    /// How many partitions.
    partitions: Option<u32>,
    /// How it is kept.
    #[serde(default)]
    options: TopicSettings,
}

/// All there are.
#[utoipa::path(get, path = "/v1/topics", tag = "v1", responses((status = 200, body = Object), Errors))]
pub(crate) async fn list(call: Call) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Topic(Topics::List), Some("topics")).await
}

/// Makes one.
#[utoipa::path(post, path = "/v1/topics", tag = "v1", request_body = NewTopic,
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn create(call: Call, Body(body): Body<NewTopic>) -> Result<Json<Value>, HttpError> {
    let mut config = TopicConfig::default();
    config.partitions = body.partitions.unwrap_or(config.partitions);
    let config = body.options.options()?.applied_to(&config)?.applied_to(&config);
    call.json(Ask::Topic(Topics::Create { name: body.name, config: Box::new(config) }), None).await
}

/// How one is kept, and its partitions.
#[utoipa::path(get, path = "/v1/topics/{topic}", tag = "v1",
    params(("topic" = String, Path, description = "Its name")),
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn info(call: Call, Path(name): Path<String>) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Topic(Topics::Info(name)), Some("states")).await
}

/// Changes how one is kept.
#[utoipa::path(patch, path = "/v1/topics/{topic}", tag = "v1", request_body = TopicSettings,
    params(("topic" = String, Path, description = "Its name")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn alter(
    call: Call,
    Path(name): Path<String>,
    Body(body): Body<TopicSettings>,
) -> Result<Json<Value>, HttpError> {
    let change = Box::new(body.options()?);
    call.json(Ask::Topic(Topics::Alter { name, change }), None).await
}

/// Removes one, for good.
#[utoipa::path(delete, path = "/v1/topics/{topic}", tag = "v1",
    params(("topic" = String, Path, description = "Its name")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn delete(call: Call, Path(name): Path<String>) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Topic(Topics::Delete(name)), None).await
}

/// Takes superseded records out of one that is compacted by key, at once.
#[utoipa::path(post, path = "/v1/topics/{topic}/compact", tag = "v1",
    params(("topic" = String, Path, description = "Its name")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn compact(call: Call, Path(name): Path<String>) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Topic(Topics::Compact(name)), None).await
}

#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordBody {
    /// Left out: where the key belongs, or the next in turn.
    partition: Option<u32>,
    /// Its key.
    key: Option<String>,
    /// Its value; a key alone says that the key is gone.
    value: Option<String>,
}

/// Appends a record; in mode fsync it is durable when it is answered.
#[utoipa::path(post, path = "/v1/topics/{topic}/records", tag = "v1", request_body = RecordBody,
    params(("topic" = String, Path, description = "Its name")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn append(
    call: Call,
    Path(name): Path<String>,
    MaybeBody(body): MaybeBody<RecordBody>,
) -> Result<Json<Value>, HttpError> {
    let RecordBody { partition, key, value } = body;
    if key.is_none() && value.is_none() {
        return Err(Failure::input("a record needs a value, or a key that is gone").into());
    }
    call.json(Ask::Topic(Topics::Append(AppendTopic { name, partition, key, value })), None).await
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct From {
    /// The first offset.
    #[serde(default)]
    from: u64,
    /// Records at most, 1 to 10,000.
    #[param(minimum = 1, maximum = 10000, default = 100)]
    count: Option<usize>,
}

/// Reads records of a partition, from an offset on.
#[utoipa::path(get, path = "/v1/topics/{topic}/partitions/{partition}/records", tag = "v1",
    params(("topic" = String, Path, description = "Its name"),
        ("partition" = u32, Path, description = "From 0"), From),
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn read(
    call: Call,
    Path((name, partition)): Path<(String, u32)>,
    Query(From { from: from_offset, count }): Query<From>,
) -> Result<Json<Value>, HttpError> {
    let count = count.unwrap_or(COUNT);
    if !(1..=COUNT_MAX).contains(&count) {
        let message = format!("count: expected a whole number in range [1, {COUNT_MAX}], got {count}");
        return Err(Failure::input(message).into());
    }
    let ask = ReadTopic { name, partition, from_offset, count };
    call.json(Ask::Topic(Topics::Read(ask)), Some("records")).await
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct At {
    /// RFC 3339; without a zone it is taken as UTC.
    time: String,
}

/// The offset of the first record of a partition that is not earlier than a time; null: there is none.
#[utoipa::path(get, path = "/v1/topics/{topic}/partitions/{partition}/offset", tag = "v1",
    params(("topic" = String, Path, description = "Its name"),
        ("partition" = u32, Path, description = "From 0"), At),
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn offset(
    call: Call,
    Path((name, partition)): Path<(String, u32)>,
    Query(At { time }): Query<At>,
) -> Result<Json<Value>, HttpError> {
    let time = parse_time(&time)?;
    call.json(Ask::Topic(Topics::Offset { name, partition, time }), None).await
}
