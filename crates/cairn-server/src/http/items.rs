//! Items: one by one, and what contexts did with them.

use super::body::Body;
use super::call::{Call, here};
use super::error::{Errors, HttpError};
use super::nvecd::{Done, EventBody, OK, item_writes};
use crate::backend::Cost;
use axum::Json;
use axum::extract::Path;
use cairn_engine::Write;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemBody {
    /// Finite numbers, as many as the collection's dimension.
    vector: Vec<f32>,
    /// All of its metadata; left out, it keeps what it has.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

/// What is stored of an item.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ItemAnswer {
    id: String,
    /// `null` when only events know the item.
    vector: Option<Vec<f32>>,
    #[schema(value_type = Object)]
    metadata: Value,
}

/// Sets an item's vector, and its metadata when they are given. Durable when it is answered.
#[utoipa::path(put, path = "/v1/collections/{collection}/items/{id}", tag = "v1", request_body = ItemBody,
    params(("collection" = String, Path, description = "Its name, or an alias"),
        ("id" = String, Path, description = "The item")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Done), Errors))]
pub(crate) async fn put(
    call: Call,
    Path((collection, id)): Path<(String, String)>,
    Body(body): Body<ItemBody>,
) -> Result<Json<Done>, HttpError> {
    call.write(Some(&collection), item_writes(id, body.vector, body.metadata)?).await?;
    Ok(OK)
}

/// An item's vector and metadata, as they were set.
#[utoipa::path(get, path = "/v1/collections/{collection}/items/{id}", tag = "v1",
    params(("collection" = String, Path, description = "Its name, or an alias"),
        ("id" = String, Path, description = "The item")),
    responses((status = 200, body = ItemAnswer), Errors))]
pub(crate) async fn get(
    call: Call,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Json<ItemAnswer>, HttpError> {
    let counters = &call.gate.service.counters;
    counters.commands.add(1);
    let asked = id.clone();
    // A mapped vector may have to be waited for.
    let found = call
        .gate
        .service
        .on(Cost::Search, move |backend| backend.item(here(Some(&collection)).as_deref(), &asked))
        .await?;
    let item = found.inspect_err(|_| counters.failed.add(1))?;
    Ok(Json(ItemAnswer { id, vector: item.vector, metadata: item.metadata.to_json() }))
}

/// Takes an item's vector and metadata away; its events stay.
#[utoipa::path(delete, path = "/v1/collections/{collection}/items/{id}", tag = "v1",
    params(("collection" = String, Path, description = "Its name, or an alias"),
        ("id" = String, Path, description = "The item")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Done), Errors))]
pub(crate) async fn delete(
    call: Call,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Json<Done>, HttpError> {
    call.write(Some(&collection), vec![Write::VectorDelete { id }]).await?;
    Ok(OK)
}

/// Records what a context did with an item.
#[utoipa::path(post, path = "/v1/collections/{collection}/events", tag = "v1", request_body = EventBody,
    params(("collection" = String, Path, description = "Its name, or an alias")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Done), Errors))]
pub(crate) async fn event(
    call: Call,
    Path(collection): Path<String>,
    Body(body): Body<EventBody>,
) -> Result<Json<Done>, HttpError> {
    call.write(Some(&collection), vec![body.write()?]).await?;
    Ok(OK)
}
