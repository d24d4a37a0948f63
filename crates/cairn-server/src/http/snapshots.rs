//! Snapshots: the same as SNAPSHOT.

use super::body::{Body, MaybeBody};
use super::call::Call;
use super::error::{Errors, HttpError};
use super::options::each;
use crate::command::{Ask, Create, One, Prune, Restore, Snapshot, Verify};
use crate::failure::Failure;
use crate::parse_snapshot;
use crate::retention::take_policy;
use axum::Json;
use axum::extract::{Path, Query};
use cairn_snapshot::{Base, Depth};
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only those that cover this collection.
    collection: Option<String>,
}

/// All there are, newest first.
#[utoipa::path(get, path = "/v1/snapshots", tag = "v1", params(Which),
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn list(
    call: Call,
    Query(Which { collection }): Query<Which>,
) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Snapshot(Snapshot::List { collection, path: None }), Some("snapshots")).await
}

#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateBody {
    /// An alias.
    name: Option<String>,
    /// Words for people.
    description: Option<String>,
    /// Free words.
    #[serde(default)]
    tags: Vec<String>,
    /// The collections it covers; left out: all.
    collections: Option<Vec<String>>,
    /// Only what changed since the newest one.
    #[serde(default)]
    incremental: bool,
    /// Only what changed since this one.
    base: Option<String>,
    /// zstd, gzip or none.
    compression: Option<String>,
}

impl CreateBody {
    fn ask(self) -> Result<Create, Failure> {
        let base = match (self.base, self.incremental) {
            (Some(base), _) => Base::Of(base),
            (None, true) => Base::Newest,
            (None, false) => Base::None,
        };
        let compression = self.compression.as_deref().map(parse_snapshot::compression).transpose()?;
        Ok(Create {
            name: self.name,
            description: self.description,
            tags: self.tags,
            collections: self.collections,
            base,
            compression,
            path: None,
        })
    }
}

/// Takes one; reads and writes go on. `GET /v1/jobs` tells how far it is.
#[utoipa::path(post, path = "/v1/snapshots", tag = "v1", request_body = CreateBody,
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn create(
    call: Call,
    MaybeBody(body): MaybeBody<CreateBody>,
) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Snapshot(Snapshot::Create(body.ask()?)), None).await
}

/// One of them.
#[utoipa::path(get, path = "/v1/snapshots/{snapshot}", tag = "v1",
    params(("snapshot" = String, Path, description = "Its id or name")),
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn info(call: Call, Path(snapshot): Path<String>) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Snapshot(Snapshot::Info(One { snapshot, path: None })), None).await
}

#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyBody {
    /// data (every byte), sizes, or a share of the bytes as `5%`.
    read: Option<String>,
}

/// Checks one.
#[utoipa::path(post, path = "/v1/snapshots/{snapshot}/verify", tag = "v1", request_body = VerifyBody,
    params(("snapshot" = String, Path, description = "Its id or name")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn verify(
    call: Call,
    Path(snapshot): Path<String>,
    MaybeBody(body): MaybeBody<VerifyBody>,
) -> Result<Json<Value>, HttpError> {
    let read = body.read.as_deref().map(parse_snapshot::depth).transpose()?.unwrap_or(Depth::Every);
    call.json(Ask::Snapshot(Snapshot::Verify(Verify { snapshot: Some(snapshot), read, path: None })), None)
        .await
}

/// Checks all, what they share once, and the log archive.
#[utoipa::path(post, path = "/v1/snapshots:verify", tag = "v1", request_body = VerifyBody,
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn verify_all(
    call: Call,
    MaybeBody(body): MaybeBody<VerifyBody>,
) -> Result<Json<Value>, HttpError> {
    let read = body.read.as_deref().map(parse_snapshot::depth).transpose()?.unwrap_or(Depth::Every);
    call.json(Ask::Snapshot(Snapshot::Verify(Verify { snapshot: None, read, path: None })), None).await
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Other {
    /// The other's id or name.
    to: String,
}

/// How what another holds differs from this one, by number: in all (`*`) and by collection.
#[utoipa::path(get, path = "/v1/snapshots/{snapshot}/diff", tag = "v1",
    params(("snapshot" = String, Path, description = "Its id or name"), Other),
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn diff(
    call: Call,
    Path(from): Path<String>,
    Query(Other { to }): Query<Other>,
) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Snapshot(Snapshot::Diff { from, to, path: None }), Some("collections")).await
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Force {
    /// Also when it is pinned.
    #[serde(default)]
    force: bool,
}

/// Removes one; not when it is pinned, unless forced.
#[utoipa::path(delete, path = "/v1/snapshots/{snapshot}", tag = "v1",
    params(("snapshot" = String, Path, description = "Its id or name"), Force),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn delete(
    call: Call,
    Path(snapshot): Path<String>,
    Query(Force { force }): Query<Force>,
) -> Result<Json<Value>, HttpError> {
    let ask = if force { Snapshot::DeletePinned(snapshot) } else { Snapshot::Delete(snapshot) };
    call.json(Ask::Snapshot(ask), None).await
}

#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PinBody {
    /// Words for people.
    #[serde(default)]
    note: String,
}

/// Keeps one from being pruned and deleted.
#[utoipa::path(put, path = "/v1/snapshots/{snapshot}/pin", tag = "v1", request_body = PinBody,
    params(("snapshot" = String, Path, description = "Its id or name")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn pin(
    call: Call,
    Path(snapshot): Path<String>,
    MaybeBody(PinBody { note }): MaybeBody<PinBody>,
) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Snapshot(Snapshot::Pin(snapshot, note)), None).await
}

/// Lets it go again.
#[utoipa::path(delete, path = "/v1/snapshots/{snapshot}/pin", tag = "v1",
    params(("snapshot" = String, Path, description = "Its id or name")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn unpin(call: Call, Path(snapshot): Path<String>) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Snapshot(Snapshot::Unpin(snapshot)), None).await
}

#[derive(Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RestoreBody {
    /// With it only that collection comes back, under this name.
    collection: Option<String>,
    /// Its name in the snapshot.
    from: Option<String>,
    /// A collection of that name is replaced.
    #[serde(default)]
    overwrite: bool,
    /// Every byte of the snapshot is read first.
    #[serde(default)]
    verify: bool,
    /// A branch is made; the live state stays.
    #[serde(default)]
    branch: bool,
    /// Only say what it would take.
    #[serde(default)]
    dry_run: bool,
}

/// Replaces the state by one's, or brings a collection of it back, or makes a branch of it.
#[utoipa::path(post, path = "/v1/snapshots/{snapshot}/restore", tag = "v1", request_body = RestoreBody,
    params(("snapshot" = String, Path, description = "Its id or name")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn restore(
    call: Call,
    Path(snapshot): Path<String>,
    MaybeBody(body): MaybeBody<RestoreBody>,
) -> Result<Json<Value>, HttpError> {
    let RestoreBody { collection, from, overwrite, verify, branch, dry_run } = body;
    if branch && (collection.is_some() || from.is_some()) {
        let message = "branch: expected no collection, a branch is of the whole snapshot";
        return Err(Failure::input(message).into());
    }
    let ask = Restore { snapshot, collection, from, overwrite, verify, branch, dry_run, path: None };
    call.json(Ask::Snapshot(Snapshot::Restore(ask)), None).await
}

/// Which stay.
#[derive(Serialize, Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    keep_last: Option<u32>,
    keep_hourly: Option<u32>,
    keep_daily: Option<u32>,
    keep_weekly: Option<u32>,
    keep_monthly: Option<u32>,
    keep_yearly: Option<u32>,
    /// As `48h`.
    keep_within: Option<String>,
    /// As `365d`.
    max_age: Option<String>,
    /// In which days and months are counted, as `Europe/Berlin`.
    time_zone: Option<String>,
    /// Damaged ones go, too.
    remove_damaged: Option<bool>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PruneBody {
    /// Which stay.
    policy: Policy,
    /// Only those with this tag are looked at.
    tag: Option<String>,
    /// Only say what would go.
    #[serde(default)]
    dry_run: bool,
}

/// Removes those that a policy does not keep.
#[utoipa::path(post, path = "/v1/snapshots:prune", tag = "v1", request_body = PruneBody,
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn prune(call: Call, Body(body): Body<PruneBody>) -> Result<Json<Value>, HttpError> {
    let mut prune =
        Prune { tag: body.tag.filter(|tag| !tag.is_empty()), dry_run: body.dry_run, ..Prune::default() };
    each(&body.policy, |name, value| take_policy(&mut prune.policy, name, value))?;
    if prune.policy.is_empty() && !prune.policy.remove_damaged {
        return Err(Failure::input("policy: expected what to keep: keep_last, keep_daily, max_age, …").into());
    }
    call.json(Ask::Snapshot(Snapshot::Prune(Box::new(prune))), Some("snapshots")).await
}

/// The schedules, their next runs and last results.
#[utoipa::path(get, path = "/v1/schedules", tag = "v1", responses((status = 200, body = Object), Errors))]
pub(crate) async fn schedules(call: Call) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Snapshot(Snapshot::Schedule), Some("schedules")).await
}
