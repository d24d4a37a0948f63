//! The past: the same as TIMELINE and CHECK.

use super::body::Body;
use super::call::Call;
use super::collections::DryRun;
use super::error::{Errors, HttpError};
use crate::command::{Ask, Recover, Timelines};
use crate::parse_wal::timeline_id;
use axum::Json;
use axum::extract::{Path, Query};
use cairn_engine::Target;
use serde::Deserialize;
use serde_json::Value;

/// All timelines, the live one first, and what each can bring back.
#[utoipa::path(get, path = "/v1/timelines", tag = "v1", responses((status = 200, body = Object), Errors))]
pub(crate) async fn list(call: Call) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Timeline(Timelines::List), Some("timelines")).await
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecoverBody {
    /// `latest`, an LSN, or a time in RFC 3339.
    target: String,
    /// On which timeline's line; left out: the live one's.
    timeline: Option<String>,
    /// Only say where it would stand.
    #[serde(default)]
    dry_run: bool,
}

/// Makes a branch with the state at a point of the past; nothing changes until it is promoted.
#[utoipa::path(post, path = "/v1/timelines/recover", tag = "v1", request_body = RecoverBody,
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn recover(call: Call, Body(body): Body<RecoverBody>) -> Result<Json<Value>, HttpError> {
    let (target, zone_assumed) = Target::parse(&body.target)?;
    let timeline = body.timeline.as_deref().map(timeline_id).transpose()?;
    let ask = Recover { target, zone_assumed, timeline, dry_run: body.dry_run };
    call.json(Ask::Timeline(Timelines::Recover(ask)), None).await
}

/// How one differs from the live one.
#[utoipa::path(get, path = "/v1/timelines/{timeline}/compare", tag = "v1",
    params(("timeline" = String, Path, description = "Its id")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn compare(call: Call, Path(id): Path<String>) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Timeline(Timelines::Compare(timeline_id(&id)?)), Some("differences")).await
}

/// Makes one the live one; what it replaces stays.
#[utoipa::path(post, path = "/v1/timelines/{timeline}/promote", tag = "v1",
    params(("timeline" = String, Path, description = "Its id")),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn promote(call: Call, Path(id): Path<String>) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Timeline(Timelines::Promote(timeline_id(&id)?)), None).await
}

/// Removes one.
#[utoipa::path(delete, path = "/v1/timelines/{timeline}", tag = "v1",
    params(("timeline" = String, Path, description = "Its id"), DryRun),
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn delete(
    call: Call,
    Path(id): Path<String>,
    Query(DryRun { dry_run }): Query<DryRun>,
) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Timeline(Timelines::Drop { timeline: timeline_id(&id)?, dry_run }), None).await
}

/// The hash of the whole state, and how much there is.
#[utoipa::path(get, path = "/v1/check", tag = "v1",
    security(("bearer" = []), ("basic" = [])), responses((status = 200, body = Object), Errors))]
pub(crate) async fn check(call: Call) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Check, None).await
}
