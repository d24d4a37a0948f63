//! INFO and the configuration as JSON, and what is gone.

use super::call::Call;
use super::error::{ErrorBody, Errors, HttpError};
use crate::auth::Role;
use crate::config::{keys, shown};
use crate::reply::Section;
use axum::Json;
use axum::http::StatusCode;
use serde_json::{Map, Value};

/// The sections of INFO.
#[utoipa::path(get, path = "/info", tag = "nvecd", responses((status = 200, body = Object), Errors))]
pub(crate) async fn info(call: Call) -> Result<Json<Value>, HttpError> {
    Ok(Json(sections(&super::health::info(&call).await?)))
}

/// One member for each section, its name in lower case.
pub(crate) fn sections(sections: &[Section]) -> Value {
    let lines = |section: &Section| -> Map<String, Value> {
        section.lines.iter().map(|(key, value)| ((*key).to_owned(), figure(value))).collect()
    };
    sections
        .iter()
        .map(|section| (section.name.to_ascii_lowercase(), Value::Object(lines(section))))
        .collect()
}

/// A whole number is a number; everything else is text.
fn figure(value: &str) -> Value {
    match (value, value.parse::<u64>()) {
        (_, Ok(number)) => Value::from(number),
        ("none", _) => Value::Null,
        ("true" | "false", _) => Value::from(value == "true"),
        _ => Value::from(value),
    }
}

/// The configuration as it is now, in its sections; passwords are masked. As CONFIG SHOW, it is for admins.
#[utoipa::path(get, path = "/config", tag = "nvecd", security(("bearer" = []), ("basic" = [])),
    responses((status = 200, body = Object), Errors))]
pub(crate) async fn config(call: Call) -> Result<Json<Value>, HttpError> {
    call.needs(Role::Admin)?;
    let config = call.gate.config();
    let mut all = Map::new();
    for key in keys() {
        let mut section = &mut all;
        let (sections, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
        for part in sections.split('.').filter(|part| !part.is_empty()) {
            let entry = section.entry(part).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(inner) = entry else { return Err(super::call::bug()) };
            section = inner;
        }
        section.insert(name.to_owned(), figure(&shown(&config, key)));
    }
    Ok(Json(Value::Object(all)))
}

/// There is no connection whose replies it could change.
#[utoipa::path(post, path = "/debug/on", tag = "nvecd", responses((status = 410, body = ErrorBody), Errors))]
pub(crate) async fn debug_on() -> HttpError {
    gone()
}

/// There is no connection whose replies it could change.
#[utoipa::path(post, path = "/debug/off", tag = "nvecd", responses((status = 410, body = ErrorBody), Errors))]
pub(crate) async fn debug_off() -> HttpError {
    gone()
}

fn gone() -> HttpError {
    HttpError::new(
        StatusCode::GONE,
        "DEBUG is a mode of a connection of the line protocol: send DEBUG ON there",
    )
}
