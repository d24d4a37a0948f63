//! Bulk writes: rows of a body, streamed into a collection in batches, as `cairn import` does.

use super::call::{Call, bug, here};
use super::error::{Errors, HttpError, status};
use super::streamed::{feed, streamed};
use crate::auth::Role;
use crate::backend::Backend;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use cairn_engine::Write;
use cairn_transfer::{End, Error, Format, Ids, Importer, Input, OnError, ReadOptions, Refused, Report, open};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How rows are taken.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BulkOptions {
    /// `stop` at the first bad row, or `skip` bad rows and report them.
    #[serde(default = "stop")]
    #[param(default = "stop")]
    on_error: String,
    /// Of npy: ids are the rows' numbers after this.
    #[serde(default)]
    id_prefix: String,
}

fn stop() -> String {
    "stop".to_owned()
}

/// What became of the rows. Those that were written are durable.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BulkAnswer {
    /// `ok`, or `stopped`.
    status: &'static str,
    /// Rows read, bad ones among them.
    read: u64,
    /// Rows of which everything was taken.
    written: u64,
    /// Bad rows.
    skipped: u64,
    /// The first hundred of them, each with its line (or row of npy), field, what was expected and what is there.
    #[schema(value_type = Vec<Object>)]
    bad_rows: Vec<Value>,
    /// Why it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Writes many items or events: lines of JSON (`application/x-ndjson`) or a NumPy array (`application/x-npy`), also inside
/// gzip or zstd. Rows are made durable batch by batch; all that were written are when it is answered.
#[utoipa::path(post, path = "/v1/collections/{collection}/items:bulk", tag = "v1",
    params(("collection" = String, Path, description = "Its name, or an alias"), BulkOptions),
    request_body(content((String = "application/x-ndjson"), (Vec<u8> = "application/x-npy"))),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, body = BulkAnswer), (status = 400, body = BulkAnswer), Errors))]
pub(crate) async fn bulk(
    call: Call,
    Path(collection): Path<String>,
    Query(options): Query<BulkOptions>,
    request: Request,
) -> Result<Response, HttpError> {
    call.gate.service.counters.commands.add(1);
    call.needs(Role::Write)?;
    let on_error = OnError::from_name(&options.on_error).map_err(|e| failed(&e))?;
    let format = format(&request)?;
    let Ok(_place) = call.gate.bulks.try_acquire() else {
        let message = "Too many bulk requests at once: try again later";
        return Err(HttpError::too_many(message, std::time::Duration::from_secs(1)));
    };
    let config = call.gate.config();
    let (send, reader) = streamed();
    let feeding = feed(request.into_body(), send, config.http.bulk_bytes_max, config.http.timeout);
    let backend = Arc::clone(&call.gate.service.backend);
    let gone = Gone(Arc::new(AtomicBool::new(false)));
    let cancel = Arc::clone(&gone.0);
    let importing = tokio::task::spawn_blocking(move || -> Result<Report, Error> {
        let input = Input::from_reader("body", reader)?;
        let ids = Ids::numbers(&options.id_prefix);
        let mut rows = open(input, format, ReadOptions { ids, ..ReadOptions::default() })?;
        let importer = Importer { on_error, cancel: &cancel, ..Importer::default() };
        let name = here(Some(&collection));
        importer.run(&mut *rows, |writes| sink(&*backend, name.as_ref(), writes))
    });
    // The body is read only as fast as it is written.
    let (imported, ()) = tokio::join!(importing, feeding);
    let report = imported.map_err(|_| bug())?.map_err(|e| failed(&e))?;
    answered(report)
}

/// Set when the request is given up: the import ends after the batch that is being written.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn format(request: &Request<Body>) -> Result<Format, HttpError> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Format::JsonLines),
        "application/x-npy" => Ok(Format::Npy),
        _ => {
            let got = if essence.is_empty() { "none".to_owned() } else { crate::failure::shown(&essence) };
            let expected = "expected Content-Type application/x-ndjson or application/x-npy";
            Err(HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("{expected}, got {got}")))
        }
    }
}

/// Writes a batch; a collection that is not there is no row's fault.
fn sink(
    backend: &dyn Backend,
    collection: Option<&Arc<str>>,
    writes: Vec<Write>,
) -> Vec<Result<(), Refused>> {
    let request = |write| cairn_engine::Request { collection: collection.cloned(), write };
    let sent = writes.len();
    let answers = backend.write(writes.into_iter().map(request).collect());
    let mut answers: Vec<_> = answers
        .into_iter()
        .map(|answer| {
            answer.map(drop).map_err(|e| match &e {
                cairn_engine::Error::NotFound(message) if message.starts_with("Collection not found") => {
                    Refused::All { kind: e.kind(), message: message.clone() }
                }
                _ => Refused::from(e),
            })
        })
        .collect();
    let lost = || {
        Err(Refused::All {
            kind: cairn_engine::ErrorKind::Busy,
            message: "the server is stopping".to_owned(),
        })
    };
    answers.resize_with(sent, lost);
    answers
}

fn answered(report: Report) -> Result<Response, HttpError> {
    let (code, status, error) = match &report.end {
        End::Done => (StatusCode::OK, "ok", None),
        End::BadRow(place) => (
            StatusCode::BAD_REQUEST,
            "stopped",
            Some(format!("{place} cannot be taken; those before it are")),
        ),
        End::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "stopped", Some("cancelled".to_owned())),
        End::Failed(e) => (code(e), "stopped", Some(e.to_string())),
    };
    let counts = report.counts;
    let bad_rows = report.bad_rows.iter().map(cairn_transfer::BadRow::to_json).collect();
    let (read, written, skipped) = (counts.read, counts.written, counts.skipped);
    let body = BulkAnswer { status, read, written, skipped, bad_rows, error };
    Ok((code, Json(body)).into_response())
}

fn failed(error: &Error) -> HttpError {
    HttpError::new(code(error), error.to_string())
}

fn code(error: &Error) -> StatusCode {
    match error {
        Error::Read { source, .. } => match source.kind() {
            io::ErrorKind::FileTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            io::ErrorKind::TimedOut => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        },
        Error::Format { .. } | Error::Input(_) => StatusCode::BAD_REQUEST,
        Error::Sink { kind, .. } => status(*kind),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
