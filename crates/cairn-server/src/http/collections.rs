//! Collections: the same as COLLECTION.

use super::body::{Body, MaybeBody};
use super::call::Call;
use super::error::{Errors, HttpError};
use super::options::each;
use crate::collection_change::SpecChange;
use crate::command::{Ask, Collections, Compact, StorageAsk};
use crate::failure::Failure;
use axum::Json;
use axum::extract::{Path, Query};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a collection is kept; what is left out has its default, or stays as it is.
#[derive(Serialize, Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpecOptions {
    /// Elements of every vector; 0: the first one says. Only of a new collection.
    dimension: Option<u32>,
    /// cosine, dot or l2. Only of a new collection.
    metric: Option<String>,
    /// Not logged, empty after a restart. Only of a new collection, in memory.
    volatile: Option<bool>,
    /// memory, mmap or hybrid.
    storage: Option<String>,
    /// Of hybrid: what is held in memory, as `10GB`.
    hot_tier_size: Option<String>,
    /// normal, random or sequential.
    advise: Option<String>,
    /// Mapped vectors are read into memory at once.
    populate: Option<bool>,
    /// graph or flat.
    index: Option<String>,
    /// Neighbours of a node of the graph.
    m: Option<u32>,
    /// Candidates of building.
    ef_construction: Option<u32>,
    /// Candidates of a query that does not say.
    ef_search: Option<u32>,
    /// f32, f16 or i8: what a flat search reads first.
    elements: Option<String>,
    /// 0: any number.
    max_vectors: Option<u64>,
    /// 0: any number.
    max_bytes: Option<u64>,
    /// Metadata fields with an index from the start.
    fields: Option<Vec<String>>,
}

impl SpecOptions {
    fn change(&self) -> Result<Box<SpecChange>, HttpError> {
        let mut change = SpecChange::default();
        each(self, |name, value| change.take(name, value))?;
        Ok(Box::new(change))
    }
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCollection {
    /// 1 to 128 of `A-Z a-z 0-9 . _ -`, the first no `.` or `-`.
    name: String,
    /// How it is kept.
    #[serde(default)]
    options: SpecOptions,
}

/// All there are.
#[utoipa::path(get, path = "/v1/collections", tag = "v1", responses((status = 200, body = Object), Errors))]
pub(crate) async fn list(call: Call) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Collection(Collections::List), Some("collections")).await
}

/// Makes one.
#[utoipa::path(post, path = "/v1/collections", tag = "v1", request_body = NewCollection,
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn create(call: Call, Body(body): Body<NewCollection>) -> Result<Json<Value>, HttpError> {
    let change = body.options.change()?;
    call.json(Ask::Collection(Collections::Create { name: body.name, change }), None).await
}

/// How one is kept, and how much is in it.
#[utoipa::path(get, path = "/v1/collections/{collection}", tag = "v1",
    params(("collection" = String, Path, description = "Its name, or an alias")),
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn info(call: Call, Path(name): Path<String>) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Collection(Collections::Stats(name)), None).await
}

/// Changes how one is stored, indexed and bounded.
#[utoipa::path(patch, path = "/v1/collections/{collection}", tag = "v1", request_body = SpecOptions,
    params(("collection" = String, Path, description = "Its name, or an alias")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn configure(
    call: Call,
    Path(name): Path<String>,
    Body(body): Body<SpecOptions>,
) -> Result<Json<Value>, HttpError> {
    let change = body.change()?;
    call.json(Ask::Collection(Collections::Configure { name, change }), None).await
}

/// Whether a request only says what it would do.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DryRun {
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// Takes one away, with all that is in it.
#[utoipa::path(delete, path = "/v1/collections/{collection}", tag = "v1",
    params(("collection" = String, Path, description = "Its name"), DryRun),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn delete(
    call: Call,
    Path(name): Path<String>,
    Query(DryRun { dry_run }): Query<DryRun>,
) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Collection(Collections::Drop { name, dry_run }), None).await
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewName {
    /// The new name.
    name: String,
}

/// Gives one another name; aliases go on meaning it.
#[utoipa::path(post, path = "/v1/collections/{collection}/rename", tag = "v1", request_body = NewName,
    params(("collection" = String, Path, description = "Its name")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn rename(
    call: Call,
    Path(from): Path<String>,
    Body(NewName { name: to }): Body<NewName>,
) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Collection(Collections::Rename { from, to }), None).await
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meaning {
    /// The collection that it means.
    collection: String,
}

/// Makes an alias mean a collection from now on.
#[utoipa::path(put, path = "/v1/aliases/{alias}", tag = "v1", request_body = Meaning,
    params(("alias" = String, Path, description = "The alias")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn alias(
    call: Call,
    Path(alias): Path<String>,
    Body(Meaning { collection: name }): Body<Meaning>,
) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Collection(Collections::Alias { alias, name }), None).await
}

/// Takes an alias away.
#[utoipa::path(delete, path = "/v1/aliases/{alias}", tag = "v1",
    params(("alias" = String, Path, description = "The alias")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn unalias(call: Call, Path(alias): Path<String>) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Collection(Collections::Unalias(alias)), None).await
}

#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompactBody {
    /// Everything is rewritten.
    #[serde(default)]
    aggressive: bool,
    /// From which percentage of dead rows on a segment is rewritten.
    #[schema(minimum = 0, maximum = 100)]
    threshold: Option<f64>,
}

impl CompactBody {
    /// What it asks for, of a collection or of all.
    pub fn ask(self, collection: Option<String>) -> Result<Compact, Failure> {
        if let Some(percent) = self.threshold.filter(|percent| !(0.0..=100.0).contains(percent)) {
            return Err(Failure::input(format!("threshold: expected 0 to 100, got {percent}")));
        }
        let threshold = self.threshold.map(|percent| percent / 100.0);
        Ok(Compact { collection, aggressive: self.aggressive, threshold })
    }
}

/// Takes back the space of what was replaced and deleted; reads and writes go on meanwhile.
#[utoipa::path(post, path = "/v1/collections/{collection}/compact", tag = "v1", request_body = CompactBody,
    params(("collection" = String, Path, description = "Its name, or an alias")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn compact(
    call: Call,
    Path(name): Path<String>,
    MaybeBody(body): MaybeBody<CompactBody>,
) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Storage(StorageAsk::Compact(body.ask(Some(name))?)), None).await
}
