//! Where vectors are: the same as STORAGE.

use super::body::{Body, MaybeBody};
use super::call::Call;
use super::collections::CompactBody;
use super::error::{Errors, HttpError};
use super::options::each;
use crate::command::{Ask, Mmap, StorageAsk};
use axum::Json;
use axum::extract::{Path, Query};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only this collection, by its name or an alias.
    collection: Option<String>,
}

/// How much of each collection is where.
#[utoipa::path(get, path = "/v1/storage", tag = "v1", params(Which),
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn stats(
    call: Call,
    Query(Which { collection }): Query<Which>,
) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Storage(StorageAsk::Stats(collection)), Some("collections")).await
}

/// Takes back the space of what was replaced and deleted, in all collections.
#[utoipa::path(post, path = "/v1/storage/compact", tag = "v1", request_body = CompactBody,
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn compact(
    call: Call,
    MaybeBody(body): MaybeBody<CompactBody>,
) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Storage(StorageAsk::Compact(body.ask(None)?)), None).await
}

/// How vectors are mapped; what is left out stays as it is.
#[derive(Serialize, Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MmapBody {
    /// Mapped from files, or in memory.
    enable: Option<bool>,
    /// How they will be read: normal, random or sequential.
    advise: Option<String>,
    /// Read into memory when they are mapped.
    populate: Option<bool>,
}

async fn mmap(call: &Call, collection: Option<String>, body: &MmapBody) -> Result<Json<Value>, HttpError> {
    let mut asked = Mmap { collection, ..Mmap::default() };
    each(body, |name, value| asked.take(name, value))?;
    call.json(Ask::Storage(StorageAsk::Mmap(asked)), None).await
}

/// Changes how the vectors of all collections but volatile ones are mapped.
#[utoipa::path(put, path = "/v1/storage/mmap", tag = "v1", request_body = MmapBody,
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn mmap_all(call: Call, Body(body): Body<MmapBody>) -> Result<Json<Value>, HttpError> {
    mmap(&call, None, &body).await
}

/// How the vectors of a collection are mapped.
#[utoipa::path(get, path = "/v1/collections/{collection}/mmap", tag = "v1",
    params(("collection" = String, Path, description = "Its name, or an alias")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn mapped(call: Call, Path(name): Path<String>) -> Result<Json<Value>, HttpError> {
    mmap(&call, Some(name), &MmapBody::default()).await
}

/// Changes how the vectors of a collection are mapped.
#[utoipa::path(put, path = "/v1/collections/{collection}/mmap", tag = "v1", request_body = MmapBody,
    params(("collection" = String, Path, description = "Its name, or an alias")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn mmap_one(
    call: Call,
    Path(name): Path<String>,
    Body(body): Body<MmapBody>,
) -> Result<Json<Value>, HttpError> {
    mmap(&call, Some(name), &body).await
}
