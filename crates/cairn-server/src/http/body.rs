//! The JSON body of a request, bounded in size and time.

use super::call::Gate;
use super::error::HttpError;
use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::time::timeout;

/// A body that must be there.
pub(crate) struct Body<T>(pub T);

/// A body that may be left out, and then is the default.
pub(crate) struct MaybeBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Gate>> for Body<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, gate: &Arc<Gate>) -> Result<Self, HttpError> {
        let (json, bytes) = read(request, gate).await?;
        if bytes.is_empty() {
            return Err(HttpError::new(StatusCode::BAD_REQUEST, "expected a JSON body, got none"));
        }
        parse(json, &bytes).map(Body)
    }
}

impl<T: DeserializeOwned + Default> FromRequest<Arc<Gate>> for MaybeBody<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, gate: &Arc<Gate>) -> Result<Self, HttpError> {
        let (json, bytes) = read(request, gate).await?;
        if bytes.is_empty() { Ok(MaybeBody(T::default())) } else { parse(json, &bytes).map(MaybeBody) }
    }
}

/// Whether the content type is JSON, and the bytes.
async fn read(
    request: Request,
    gate: &Gate,
) -> Result<(Result<(), HttpError>, axum::body::Bytes), HttpError> {
    let (max, time) = (gate.config().http.body_bytes_max, gate.config().http.timeout);
    let too_large = || {
        let message = format!("Request body exceeds maximum allowed: {max} bytes");
        HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let length = header(&request, CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > max as u64) {
        return Err(too_large());
    }
    let kind = header(&request, CONTENT_TYPE).unwrap_or_default().to_owned();
    let bytes = timeout(time, to_bytes(request.into_body(), max));
    let Ok(bytes) = bytes.await else {
        let seconds = time.as_secs();
        let message = format!("the body did not come within {seconds} s (api.http.timeout_sec)");
        return Err(HttpError::new(StatusCode::REQUEST_TIMEOUT, message));
    };
    let bytes = bytes.map_err(|e| {
        let limited =
            std::error::Error::source(&e).is_some_and(|e| e.is::<http_body_util::LengthLimitError>());
        if limited {
            too_large()
        } else {
            HttpError::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {e}"))
        }
    })?;
    Ok((is_json(&kind), bytes))
}

fn header(request: &Request, name: HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// A page of another origin can send any other type without asking first.
fn is_json(kind: &str) -> Result<(), HttpError> {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" {
        return Ok(());
    }
    let got = if essence.is_empty() { "none".to_owned() } else { crate::failure::shown(&essence) };
    let message = format!("expected Content-Type application/json, got {got}");
    Err(HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

fn parse<T: DeserializeOwned>(json: Result<(), HttpError>, bytes: &[u8]) -> Result<T, HttpError> {
    json?;
    serde_json::from_slice(bytes)
        .map_err(|e| HttpError::new(StatusCode::BAD_REQUEST, format!("Invalid JSON: {e}")))
}
