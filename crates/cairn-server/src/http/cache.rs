//! nvecd's endpoints for the query cache: the same as CACHE.

use super::call::Call;
use super::error::{Errors, HttpError};
use super::nvecd::{Done, OK};
use crate::command::{Ask, Cache};
use axum::Json;
use serde_json::Value;

/// How well it goes.
#[utoipa::path(get, path = "/cache/stats", tag = "nvecd", responses((status = 200, body = Object), Errors))]
pub(crate) async fn stats(call: Call) -> Result<Json<Value>, HttpError> {
    call.json(Ask::Cache(Cache::Stats), None).await
}

async fn done(call: &Call, ask: Cache) -> Result<Json<Done>, HttpError> {
    call.ask(Ask::Cache(ask)).await?;
    Ok(OK)
}

/// Forgets every answer.
#[utoipa::path(post, path = "/cache/clear", tag = "nvecd", security(("bearer" = []), ("basic" = [])),
    responses((status = 200, body = Done), Errors))]
pub(crate) async fn clear(call: Call) -> Result<Json<Done>, HttpError> {
    done(&call, Cache::Clear).await
}

/// Gives and keeps answers from now on.
#[utoipa::path(post, path = "/cache/enable", tag = "nvecd", security(("bearer" = []), ("basic" = [])),
    responses((status = 200, body = Done), Errors))]
pub(crate) async fn enable(call: Call) -> Result<Json<Done>, HttpError> {
    done(&call, Cache::Enable).await
}

/// Neither gives nor keeps answers from now on.
#[utoipa::path(post, path = "/cache/disable", tag = "nvecd", security(("bearer" = []), ("basic" = [])),
    responses((status = 200, body = Done), Errors))]
pub(crate) async fn disable(call: Call) -> Result<Json<Done>, HttpError> {
    done(&call, Cache::Disable).await
}
