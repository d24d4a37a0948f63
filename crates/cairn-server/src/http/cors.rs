//! CORS: which pages of other origins may call.

use crate::config::HttpConfig;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

/// What a browser says of where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// No browser, or a page of this server.
    Own,
    /// A page that may call; it is told so by this value.
    Allowed(HeaderValue),
    /// Another page.
    Other,
}

/// Where a request comes from, by the rules of the configuration.
pub(crate) fn origin(headers: &HeaderMap, config: &HttpConfig) -> Origin {
    let Some(origin) = headers.get(ORIGIN) else { return Origin::Own };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let from = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    if from.is_some_and(|(_, from)| Some(from) == host) {
        return Origin::Own;
    }
    match config.cors_allow_origin.as_str() {
        "*" if config.cors => Origin::Allowed(HeaderValue::from_static("*")),
        allowed if config.cors && origin.as_bytes() == allowed.as_bytes() => Origin::Allowed(origin.clone()),
        _ => Origin::Other,
    }
}

/// Whether a browser asks before it sends the request itself.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight that is allowed.
pub(crate) fn preflight(allowed: &HeaderValue) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE");
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    mark(&mut response, allowed);
    response
}

/// Tells the browser that the page may read the answer.
pub(crate) fn mark(response: &mut Response, allowed: &HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    headers.append(VARY, HeaderValue::from_static("Origin"));
}
