//! The routes: every endpoint, and the document that describes them.

use super::access::{guard, no_method, no_path};
use super::call::Gate;
use super::{bulk, cache, collections, dumps, health, items, jobs, metrics, nvecd, search};
use super::{settings, snapshots, storage, timelines, topic_snapshots, topics, wal};
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::{Json, Router};
use serde_json::Value;
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What the document says of the whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "CairnDB",
        description = "Vectors, events and their past. Errors are `{\"error\": …}`; what a write answers with 200 is durable.",
        license(name = "MIT OR Apache-2.0")
    ),
    modifiers(&Passwords),
    tags((name = "nvecd", description = "nvecd's endpoints, on the collection default"),
        (name = "health", description = "Whether it lives and takes requests"),
        (name = "v1", description = "CairnDB's own"))
)]
struct Document;

struct Passwords;

impl utoipa::Modify for Passwords {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        components.add_security_scheme("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    }
}

/// All endpoints, behind the guard.
pub(crate) fn router(gate: Arc<Gate>) -> Router {
    let (router, document) = endpoints().split_for_parts();
    let document = Arc::new(serde_json::to_value(document).unwrap_or_default());
    let openapi = move |State(_): State<Arc<Gate>>| {
        let document = Arc::clone(&document);
        async move { Json(Value::clone(&document)) }
    };
    router
        .route("/openapi.json", axum::routing::get(openapi))
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(Arc::clone(&gate), guard))
        .with_state(gate)
}

fn endpoints() -> OpenApiRouter<Arc<Gate>> {
    nvecds(OpenApiRouter::with_openapi(Document::openapi())).merge(data()).merge(kept())
}

/// nvecd's.
fn nvecds(router: OpenApiRouter<Arc<Gate>>) -> OpenApiRouter<Arc<Gate>> {
    router
        .routes(routes!(nvecd::event))
        .routes(routes!(nvecd::vecset))
        .routes(routes!(nvecd::metaset))
        .routes(routes!(nvecd::sim))
        .routes(routes!(nvecd::simv))
        .routes(routes!(settings::info))
        .routes(routes!(settings::config))
        .routes(routes!(settings::debug_on))
        .routes(routes!(settings::debug_off))
        .routes(routes!(metrics::metrics))
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::detail))
        .routes(routes!(cache::stats))
        .routes(routes!(cache::clear))
        .routes(routes!(cache::enable))
        .routes(routes!(cache::disable))
        .routes(routes!(dumps::save))
        .routes(routes!(dumps::load))
        .routes(routes!(dumps::verify))
        .routes(routes!(dumps::info))
        .routes(routes!(dumps::status))
}

/// What is in collections and topics.
fn data() -> OpenApiRouter<Arc<Gate>> {
    OpenApiRouter::new()
        .routes(routes!(collections::list, collections::create))
        .routes(routes!(collections::info, collections::configure, collections::delete))
        .routes(routes!(collections::rename))
        .routes(routes!(collections::compact))
        .routes(routes!(storage::mapped, storage::mmap_one))
        .routes(routes!(collections::alias, collections::unalias))
        .routes(routes!(items::put, items::get, items::delete))
        .routes(routes!(items::event))
        .routes(routes!(bulk::bulk))
        .routes(routes!(search::search))
        .routes(routes!(topics::list, topics::create))
        .routes(routes!(topics::info, topics::alter, topics::delete))
        .routes(routes!(topics::compact))
        .routes(routes!(topics::append))
        .routes(routes!(topics::read))
        .routes(routes!(topics::offset))
}

/// What keeps it: snapshots, the log and the past.
fn kept() -> OpenApiRouter<Arc<Gate>> {
    OpenApiRouter::new()
        .routes(routes!(snapshots::list, snapshots::create))
        .routes(routes!(snapshots::info, snapshots::delete))
        .routes(routes!(snapshots::verify))
        .routes(routes!(snapshots::verify_all))
        .routes(routes!(snapshots::diff))
        .routes(routes!(snapshots::restore))
        .routes(routes!(snapshots::pin, snapshots::unpin))
        .routes(routes!(snapshots::prune))
        .routes(routes!(snapshots::schedules))
        .routes(routes!(wal::status, wal::enable))
        .routes(routes!(wal::disable))
        .routes(routes!(wal::verify))
        .routes(routes!(wal::sync))
        .routes(routes!(wal::replay))
        .routes(routes!(timelines::list))
        .routes(routes!(timelines::recover))
        .routes(routes!(timelines::compare))
        .routes(routes!(timelines::promote))
        .routes(routes!(timelines::delete))
        .routes(routes!(timelines::check))
        .routes(routes!(topic_snapshots::list, topic_snapshots::create))
        .routes(routes!(topic_snapshots::verify))
        .routes(routes!(topic_snapshots::restore))
        .routes(routes!(topic_snapshots::delete))
        .routes(routes!(topic_snapshots::cleanup))
        .routes(routes!(storage::stats))
        .routes(routes!(storage::compact))
        .routes(routes!(storage::mmap_all))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::events))
}
