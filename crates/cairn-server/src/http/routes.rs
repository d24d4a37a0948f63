//! The routes: every endpoint, and the document that describes them.

use super::access::{guard, no_method, no_path};
use super::call::Gate;
use super::{dumps, health, metrics, nvecd, settings};
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
    OpenApiRouter::with_openapi(Document::openapi())
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
        .routes(routes!(dumps::save))
        .routes(routes!(dumps::load))
        .routes(routes!(dumps::verify))
        .routes(routes!(dumps::info))
        .routes(routes!(dumps::status))
}
