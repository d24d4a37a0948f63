//! nvecd's endpoints for data: the same writes and searches as EVENT, VECSET, METASET, SIM and SIMV.

use super::body::Body;
use super::call::{Call, bug};
use super::error::{Errors, HttpError};
use crate::command::Ask;
use crate::failure::Failure;
use crate::parse;
use crate::reply::Reply;
use axum::Json;
use cairn_engine::{EventOp, Filter, Limits, Metadata, Near, SearchOptions, Similar, Using, Write};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `{"status": "ok"}`: the write is durable.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Done {
    /// `ok`.
    #[schema(example = "ok")]
    pub status: &'static str,
}

pub(crate) const OK: Json<Done> = Json(Done { status: "ok" });

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventBody {
    /// The context.
    pub ctx: String,
    /// The item.
    pub id: String,
    /// ADD, SET or DEL.
    #[serde(rename = "type")]
    #[schema(example = "ADD")]
    pub op: String,
    /// 0 to 100; needed for ADD and SET.
    pub score: Option<i64>,
    /// Event time, seconds since 1970; left out: now.
    pub timestamp: Option<i64>,
}

impl EventBody {
    pub fn write(self) -> Result<Write, Failure> {
        let op = parse::event_op(&self.op)?;
        let score = match (op, self.score) {
            (EventOp::Del, _) => 0,
            (_, Some(score)) => parse::score(&score.to_string())?,
            (_, None) => return Err(Failure::input(format!("{} needs a score, 0 to 100", self.op))),
        };
        let time_s = self.timestamp.map(|time| parse::time_s(&time.to_string())).transpose()?;
        Ok(Write::Event { context: self.ctx, id: self.id, op, score, time_s })
    }
}

/// Records what a context did with an item.
#[utoipa::path(post, path = "/event", tag = "nvecd", request_body = EventBody,
    responses((status = 200, body = Done), Errors))]
pub(crate) async fn event(call: Call, Body(body): Body<EventBody>) -> Result<Json<Done>, HttpError> {
    call.write(None, vec![body.write()?]).await?;
    Ok(OK)
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VecsetBody {
    /// The item.
    pub id: String,
    /// Finite numbers, as many as the collection's dimension.
    pub vector: Vec<f32>,
    /// All of its metadata: scalars, and lists of them.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
}

/// Sets an item's vector, and its metadata when they are given.
#[utoipa::path(post, path = "/vecset", tag = "nvecd", request_body = VecsetBody,
    responses((status = 200, body = Done), Errors))]
pub(crate) async fn vecset(call: Call, Body(body): Body<VecsetBody>) -> Result<Json<Done>, HttpError> {
    call.write(None, item_writes(body.id, body.vector, body.metadata)?).await?;
    Ok(OK)
}

/// A vector, and metadata after it.
pub(crate) fn item_writes(
    id: String,
    vector: Vec<f32>,
    metadata: Option<Value>,
) -> Result<Vec<Write>, Failure> {
    let metadata = metadata.map(Metadata::from_json).transpose()?;
    let metadata = metadata.map(|metadata| Write::MetadataSet { id: id.clone(), metadata });
    Ok(std::iter::once(Write::VectorSet { id, vector }).chain(metadata).collect())
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetasetBody {
    /// The item, which has a vector.
    pub id: String,
    /// All of its metadata: scalars, and lists of them.
    #[schema(value_type = Object)]
    pub metadata: Value,
}

/// Replaces an item's metadata.
#[utoipa::path(post, path = "/metaset", tag = "nvecd", request_body = MetasetBody,
    responses((status = 200, body = Done), Errors))]
pub(crate) async fn metaset(call: Call, Body(body): Body<MetasetBody>) -> Result<Json<Done>, HttpError> {
    let metadata = Metadata::from_json(body.metadata).map_err(HttpError::from)?;
    call.write(None, vec![Write::MetadataSet { id: body.id, metadata }]).await?;
    Ok(OK)
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SimBody {
    /// The item; it is never among the results.
    pub id: String,
    /// Results at most.
    #[serde(default = "ten")]
    #[schema(default = 10, minimum = 1)]
    pub top_k: i64,
    /// events, vectors or fusion.
    #[serde(default = "fusion")]
    #[schema(default = "fusion")]
    pub mode: String,
    /// As in SIM: `section:web,size>1000`.
    pub filter: Option<String>,
    /// Only results with at least this score.
    pub min_score: Option<f64>,
    /// Whether fusion weighs by the item's number of neighbours.
    pub adaptive: Option<bool>,
}

pub(crate) fn ten() -> i64 {
    10
}

pub(crate) fn fusion() -> String {
    "fusion".to_owned()
}

impl SimBody {
    pub fn query(self, limits: &Limits, how: SearchOptions) -> Result<Similar, Failure> {
        Ok(Similar {
            id: self.id,
            top_k: parse::top_k(&self.top_k.to_string(), limits)?,
            using: parse::using(&self.mode)?,
            filter: filter(self.filter.as_deref())?,
            min_score: self.min_score,
            adaptive: self.adaptive,
            how,
        })
    }
}

pub(crate) fn filter(text: Option<&str>) -> Result<Option<Filter>, Failure> {
    Ok(text.map(Filter::parse).transpose()?)
}

/// One result.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Found {
    /// The item.
    pub id: String,
    /// Larger is better.
    pub score: f64,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SimAnswer {
    /// `ok`.
    pub status: &'static str,
    /// How many results.
    pub count: usize,
    /// events, vectors or fusion.
    pub mode: &'static str,
    /// Best first.
    pub results: Vec<Found>,
}

pub(crate) fn found(reply: Reply) -> Result<Vec<Found>, HttpError> {
    let Reply::Results(hits) = reply else { return Err(bug()) };
    Ok(hits.into_iter().map(|hit| Found { id: hit.id, score: hit.score }).collect())
}

pub(crate) async fn similar(
    call: &Call,
    collection: Option<&str>,
    query: Similar,
) -> Result<SimAnswer, HttpError> {
    let mode = Using::name(query.using);
    let ask = Ask::Similar { collection: super::call::here(collection), query };
    let results = found(call.ask(ask).await?)?;
    Ok(SimAnswer { status: "ok", count: results.len(), mode, results })
}

/// Items like an item.
#[utoipa::path(post, path = "/sim", tag = "nvecd", request_body = SimBody,
    responses((status = 200, body = SimAnswer), Errors))]
pub(crate) async fn sim(call: Call, Body(body): Body<SimBody>) -> Result<Json<SimAnswer>, HttpError> {
    let query = body.query(&call.gate.config().limits, SearchOptions::default())?;
    Ok(Json(similar(&call, None, query).await?))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SimvBody {
    /// The query, of the collection's dimension.
    pub vector: Vec<f32>,
    /// Results at most.
    #[serde(default = "ten")]
    #[schema(default = 10, minimum = 1)]
    pub top_k: i64,
    /// As in SIMV: `section:web,size>1000`.
    pub filter: Option<String>,
    /// Only results with at least this score.
    pub min_score: Option<f64>,
}

impl SimvBody {
    pub fn query(self, limits: &Limits, how: SearchOptions) -> Result<Near, Failure> {
        Ok(Near {
            vector: self.vector,
            top_k: parse::top_k(&self.top_k.to_string(), limits)?,
            filter: filter(self.filter.as_deref())?,
            min_score: self.min_score,
            how,
        })
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SimvAnswer {
    /// `ok`.
    pub status: &'static str,
    /// How many results.
    pub count: usize,
    /// Of the query.
    pub dimension: usize,
    /// Best first.
    pub results: Vec<Found>,
}

pub(crate) async fn near(
    call: &Call,
    collection: Option<&str>,
    query: Near,
) -> Result<SimvAnswer, HttpError> {
    let dimension = query.vector.len();
    let ask = Ask::Near { collection: super::call::here(collection), query };
    let results = found(call.ask(ask).await?)?;
    Ok(SimvAnswer { status: "ok", count: results.len(), dimension, results })
}

/// Items near a vector.
#[utoipa::path(post, path = "/simv", tag = "nvecd", request_body = SimvBody,
    responses((status = 200, body = SimvAnswer), Errors))]
pub(crate) async fn simv(call: Call, Body(body): Body<SimvBody>) -> Result<Json<SimvAnswer>, HttpError> {
    let query = body.query(&call.gate.config().limits, SearchOptions::default())?;
    Ok(Json(near(&call, None, query).await?))
}
