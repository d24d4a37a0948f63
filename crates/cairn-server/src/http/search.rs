//! Searches of a collection: by item, by vector, or many at once.

use super::body::Body;
use super::call::{Call, bug};
use super::error::{Errors, HttpError};
use super::nvecd::{Found, SimBody, SimvBody, fusion, near, similar, ten};
use crate::failure::Failure;
use axum::Json;
use axum::extract::Path;
use cairn_engine::SearchOptions;
use serde::{Deserialize, Serialize};

/// A search; it names an `id` or a `vector`.
#[derive(Deserialize, Clone, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// Items like this one.
    id: Option<String>,
    /// Items near this vector.
    vector: Option<Vec<f32>>,
    /// Results at most.
    #[serde(default = "ten")]
    #[schema(default = 10, minimum = 1)]
    top_k: i64,
    /// Of a search by id: events, vectors or fusion.
    #[serde(default = "fusion")]
    #[schema(default = "fusion")]
    mode: String,
    /// As in SIM: `section:web,size>1000`.
    filter: Option<String>,
    /// Only results with at least this score.
    min_score: Option<f64>,
    /// Whether fusion weighs by the item's number of neighbours.
    adaptive: Option<bool>,
    /// Candidates of a search along the graph, 1 to 100,000.
    ef: Option<u32>,
    /// Every vector is looked at, whatever index there is.
    #[serde(default)]
    exact: bool,
    /// How many of the best results are passed over.
    #[serde(default)]
    offset: u32,
}

/// One search, or many.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum SearchBody {
    /// Many at once; at most `limits.batch_queries`.
    Many(Queries),
    /// One.
    One(Query),
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Queries {
    queries: Vec<Query>,
}

/// The answer to a query.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SearchAnswer {
    /// `ok`.
    status: &'static str,
    /// How many results.
    count: usize,
    /// events, vectors or fusion.
    mode: &'static str,
    /// Best first.
    results: Vec<Found>,
}

/// The answer to one search, or to each of many in their order.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum Answers {
    /// To one.
    One(SearchAnswer),
    /// To each.
    Many {
        /// `ok`.
        status: &'static str,
        /// In the order of the queries.
        answers: Vec<SearchAnswer>,
    },
}

/// Searches a collection. Of many queries, the first that is wrong refuses all.
#[utoipa::path(post, path = "/v1/collections/{collection}/search", tag = "v1", request_body = SearchBody,
    params(("collection" = String, Path, description = "Its name, or an alias")),
    responses((status = 200, body = Answers), Errors))]
pub(crate) async fn search(
    call: Call,
    Path(collection): Path<String>,
    Body(body): Body<SearchBody>,
) -> Result<Json<Answers>, HttpError> {
    let queries = match body {
        SearchBody::One(query) => return Ok(Json(Answers::One(one(&call, &collection, query).await?))),
        SearchBody::Many(Queries { queries }) => queries,
    };
    let max = call.gate.config().http.queries_max;
    if queries.len() > max {
        let got = queries.len();
        return Err(Failure::input(format!("{got} queries exceed maximum allowed: {max}")).into());
    }
    // Each waits for its turn among all searches; a request that is given up gives up those that have not begun.
    let mut running = tokio::task::JoinSet::new();
    for (i, query) in queries.into_iter().enumerate() {
        let (call, collection) = (call.clone(), collection.clone());
        running.spawn(async move { (i, one(&call, &collection, query).await) });
    }
    let mut all = Vec::new();
    while let Some(ended) = running.join_next().await {
        all.push(ended.map_err(|_| bug())?);
    }
    all.sort_unstable_by_key(|(i, _)| *i);
    let answers = all.into_iter().map(|(_, answer)| answer).collect::<Result<_, _>>()?;
    Ok(Json(Answers::Many { status: "ok", answers }))
}

async fn one(call: &Call, collection: &str, query: Query) -> Result<SearchAnswer, HttpError> {
    let config = call.gate.config();
    let how = SearchOptions {
        ef: query.ef.map(|ef| ef as usize),
        exact: query.exact,
        offset: query.offset as usize,
    };
    let Query { top_k, mode, filter, min_score, adaptive, .. } = query;
    match (query.id, query.vector) {
        (Some(id), None) => {
            let body = SimBody { id, top_k, mode, filter, min_score, adaptive };
            let found = similar(call, Some(collection), body.query(&config.limits, how)?).await?;
            Ok(SearchAnswer { status: "ok", count: found.count, mode: found.mode, results: found.results })
        }
        (None, Some(vector)) => {
            let body = SimvBody { vector, top_k, filter, min_score };
            let found = near(call, Some(collection), body.query(&config.limits, how)?).await?;
            Ok(SearchAnswer { status: "ok", count: found.count, mode: "vectors", results: found.results })
        }
        _ => Err(Failure::input("a search needs one of id and vector").into()),
    }
}
