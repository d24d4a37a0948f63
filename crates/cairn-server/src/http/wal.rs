//! The write-ahead log: the same as WAL.

use super::body::{Body, MaybeBody};
use super::call::Call;
use super::error::{Errors, HttpError};
use super::options::each;
use crate::command::{Ask, ReplayWal, Wal};
use crate::failure::Failure;
use crate::parse_wal::in_order;
use crate::wal_change::WalChange;
use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How the log is kept and how much of it there is.
#[utoipa::path(get, path = "/v1/wal", tag = "v1", responses((status = 200, body = Object), Errors))]
pub(crate) async fn status(call: Call) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Wal(Wal::Status), None).await
}

/// How the log is to be kept; what is left out stays as it is.
#[derive(Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WalOptions {
    /// Its directory; empty: inside the data directory.
    path: Option<String>,
    /// fsync, periodic or async.
    sync_mode: Option<String>,
    /// Of periodic: as `250ms`.
    flush_interval: Option<String>,
    /// As `64MB`.
    segment_size: Option<String>,
    /// How far back the past is kept, as `24h`.
    retention: Option<String>,
    /// In how many bytes at most, as `8GB`; `0`: any number.
    retention_bytes: Option<String>,
    /// Whether vectors are in the log.
    include_vectors: Option<bool>,
}

/// Switches the log on, or changes how it is kept.
#[utoipa::path(put, path = "/v1/wal", tag = "v1", request_body = WalOptions,
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn enable(call: Call, Body(body): Body<WalOptions>) -> Result<Json<Value>, HttpError> {
    let mut change = WalChange::default();
    each(&body, |name, value| change.take(name, value))?;
    call.json(Ask::Wal(Wal::Enable(Box::new(change))), None).await
}

/// Switches the log off: what is written then is durable at the next checkpoint only.
#[utoipa::path(post, path = "/v1/wal/disable", tag = "v1",
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn disable(call: Call) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Wal(Wal::Disable), None).await
}

/// Reads and checks every record.
#[utoipa::path(post, path = "/v1/wal/verify", tag = "v1",
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn verify(call: Call) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Wal(Wal::Verify), None).await
}

/// Makes everything that was acknowledged durable, whatever the mode.
#[utoipa::path(post, path = "/v1/wal/sync", tag = "v1",
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn sync(call: Call) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Wal(Wal::Sync), None).await
}

#[derive(Serialize, Deserialize, Default, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayBody {
    /// A directory of segments, below the data directory, or in `snapshot.dir` or one of `snapshot.allowed_dirs`; left out:
    /// the database's own, of which all is applied.
    path: Option<String>,
    /// No record before this time is applied, in RFC 3339.
    from: Option<String>,
    /// No record after this time is.
    to: Option<String>,
    /// All that would be applied is read first.
    verify: Option<bool>,
    /// Only say what would be done.
    dry_run: Option<bool>,
}

/// Applies the records of a directory of segments, each once. `GET /v1/jobs` tells how far it is.
#[utoipa::path(post, path = "/v1/wal/replay", tag = "v1", request_body = ReplayBody,
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn replay(
    call: Call,
    MaybeBody(body): MaybeBody<ReplayBody>,
) -> Result<Json<Value>, HttpError> {
    if body.path.as_deref() == Some("") {
        return Err(Failure::input("path: expected a directory, got an empty text").into());
    }
    let mut replay = ReplayWal::default();
    each(&body, |name, value| replay.take(name, value))?;
    in_order(replay.from, replay.to)?;
    call.json(Ask::Wal(Wal::Replay(replay)), None).await
}
