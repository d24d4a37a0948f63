//! The HTTP error: a status and `{"error": …}`. The one place where a failure's kind becomes a status.

use crate::failure::Failure;
use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use cairn_engine::ErrorKind;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::IntoResponses;
use utoipa::openapi::response::Response as ApiResponse;
use utoipa::openapi::{Content, Ref, RefOr};

/// A refused request.
#[derive(Debug)]
pub(crate) struct HttpError {
    status: StatusCode,
    message: String,
    retry_after: Option<Duration>,
}

/// Why a request was refused.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ErrorBody {
    /// What was expected, and what came.
    pub error: String,
}

/// What any request may be answered with, beside what it answers when it is done.
pub(crate) struct Errors;

const ERRORS: [(&str, &str); 11] = [
    ("400", "The request is wrong."),
    ("401", "A password is needed, or the one that came is wrong."),
    ("403", "The role is too low, or the address is not in `network.allow_cidrs`."),
    ("404", "What is named is not there."),
    ("408", "The body did not come in time."),
    ("409", "What is to be made is there already."),
    ("413", "The body is too large."),
    ("415", "The body is of another type."),
    ("429", "Too many requests, or wrong passwords; `Retry-After` says when to come back."),
    ("500", "Stored bytes are damaged, or the system failed."),
    (
        "503",
        "Not now: the state is replaced, a long operation runs, no space is left, or an earlier failure stopped writes.",
    ),
];

impl IntoResponses for Errors {
    fn responses() -> BTreeMap<String, RefOr<ApiResponse>> {
        let body = || Content::new(Some(Ref::from_schema_name("ErrorBody")));
        let response = |about| {
            RefOr::T(ApiResponse::builder().description(about).content("application/json", body()).build())
        };
        ERRORS.into_iter().map(|(status, about)| (status.to_owned(), response(about))).collect()
    }
}

impl HttpError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        HttpError { status, message: message.into(), retry_after: None }
    }

    pub fn too_many(message: impl Into<String>, retry_after: Duration) -> Self {
        let retry_after = Some(retry_after);
        HttpError { status: StatusCode::TOO_MANY_REQUESTS, message: message.into(), retry_after }
    }
}

pub(crate) fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Input | ErrorKind::Version => StatusCode::BAD_REQUEST,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Exists => StatusCode::CONFLICT,
        ErrorKind::Permission => StatusCode::FORBIDDEN,
        ErrorKind::Busy | ErrorKind::Locked | ErrorKind::NoSpace | ErrorKind::Poisoned => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Failure> for HttpError {
    fn from(failure: Failure) -> Self {
        HttpError::new(status(failure.kind), failure.to_string())
    }
}

impl From<cairn_engine::Error> for HttpError {
    fn from(error: cairn_engine::Error) -> Self {
        Failure::from(error).into()
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorBody { error: self.message })).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer, Basic realm=\"CairnDB\""));
        }
        if let Some(after) = self.retry_after {
            // Rounded up: coming back earlier would be refused again.
            let seconds = after.as_millis().div_ceil(1000).max(1);
            let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
