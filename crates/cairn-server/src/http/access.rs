//! Access: who is let in, before any handler runs.

use super::call::Gate;
use super::cors::{self, Origin};
use super::error::HttpError;
use crate::auth::{Caller, Refused};
use crate::failure::Failure;
use crate::limiter::retry_text;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::net::IpAddr;
use std::sync::Arc;

/// Bytes of a refusal in words that is made JSON.
const WORDS_MAX: usize = 64 << 10;

/// Whose connection a request came on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub IpAddr);

/// Lets a request through, or says why not; whatever refuses it, the answer is JSON.
pub(crate) async fn guard(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    let origin = cors::origin(request.headers(), &gate.config().http);
    let response = match admit(&gate, &mut request, &origin) {
        Ok(Some(response)) => response,
        Ok(None) => in_json(next.run(request).await).await,
        Err(refused) => refused.into_response(),
    };
    let mut response = response;
    if let Origin::Allowed(allowed) = &origin {
        cors::mark(&mut response, allowed);
    }
    response
}

/// Whether the request may go on; with a response, that is all there is to it.
fn admit(gate: &Gate, request: &mut Request, origin: &Origin) -> Result<Option<Response>, HttpError> {
    let Some(&Peer(peer)) = request.extensions().get::<Peer>() else {
        return Err(super::call::bug());
    };
    if !gate.config().allow.iter().any(|range| range.contains(peer)) {
        let message = format!("Address {peer} is not allowed (network.allow_cidrs)");
        return Err(HttpError::new(StatusCode::FORBIDDEN, message));
    }
    gate.service.live.limiter().take(peer).map_err(|after| {
        HttpError::too_many(format!("Too many requests: try again in {}", retry_text(after)), after)
    })?;
    let asks = cors::is_preflight(request.method(), request.headers());
    match origin {
        Origin::Allowed(allowed) if asks => return Ok(Some(cors::preflight(allowed))),
        // A page that nobody allowed must not write either, though it could not read the answer.
        Origin::Other if asks || !matches!(*request.method(), Method::GET | Method::HEAD) => {
            let message = "pages of other origins may not call (api.http.enable_cors, cors_allow_origin)";
            return Err(HttpError::new(StatusCode::FORBIDDEN, message));
        }
        _ => {}
    }
    let caller = caller(gate, peer, request.headers())?;
    request.extensions_mut().insert(caller);
    Ok(None)
}

/// Who asks, by the password in `Authorization`.
fn caller(gate: &Gate, peer: IpAddr, headers: &HeaderMap) -> Result<Caller, HttpError> {
    let auth = gate.service.live.auth();
    let Some(header) = headers.get(AUTHORIZATION).filter(|_| auth.required()) else {
        return Ok(auth.anonymous());
    };
    let unknown = || {
        let message = "expected Authorization: Bearer <password>, or Basic with that password";
        HttpError::new(StatusCode::UNAUTHORIZED, message)
    };
    let password = header.to_str().ok().and_then(presented).ok_or_else(unknown)?;
    auth.check(peer, &password).map(Caller::of).map_err(|refused| {
        let message = Failure::from(refused).to_string();
        match refused {
            Refused::Wrong => HttpError::new(StatusCode::UNAUTHORIZED, message),
            Refused::TooMany { retry_after } => HttpError::too_many(message, retry_after),
        }
    })
}

/// The password of a header; of Basic what is after the user's name, whatever that is.
fn presented(header: &str) -> Option<String> {
    let (scheme, rest) = header.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    let basic = scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(rest).ok())??;
    let (_user, password) =
        String::from_utf8(basic).ok()?.split_once(':').map(|(u, p)| (u.to_owned(), p.to_owned()))?;
    Some(password)
}

/// A refusal in words, of a path or a query that does not fit, as JSON.
async fn in_json(response: Response) -> Response {
    let refused = response.status().is_client_error() || response.status().is_server_error();
    let kind = response.headers().get(CONTENT_TYPE);
    if !refused || !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain")) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let words = to_bytes(body, WORDS_MAX).await.unwrap_or_default();
    let mut response = HttpError::new(parts.status, String::from_utf8_lossy(&words)).into_response();
    for (name, value) in parts.headers {
        if let Some(name) = name.filter(|name| *name != CONTENT_TYPE && name.as_str() != "content-length") {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// No such path.
pub(crate) async fn no_path(request: Request<Body>) -> HttpError {
    let path = crate::failure::shown(request.uri().path());
    HttpError::new(StatusCode::NOT_FOUND, format!("Unknown path: {path} (GET /openapi.json lists them)"))
}

/// The path takes other methods.
pub(crate) async fn no_method(request: Request<Body>) -> HttpError {
    let (method, path) = (request.method().clone(), crate::failure::shown(request.uri().path()));
    HttpError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} does not take {method}"))
}
