//! Jobs: how long operations go, asked once or as a stream of events.

use super::call::{Call, LOOK_PAUSE};
use super::dumps;
use super::error::{Errors, HttpError};
use super::listener::stopped;
use crate::failure::Failure;
use crate::reply::{JobStatus, JobStatuses};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};

/// After so many looks without a change a comment is sent, so that a peer that is gone is noticed.
const QUIET_LOOKS: u32 = 60;
/// Between two looks of a peer that takes nothing: how long it is waited for.
const TAKES_NOTHING: Duration = Duration::from_secs(30);

/// How the current or last long operations go: of dumps, of snapshots, and of the log and its timelines.
#[utoipa::path(get, path = "/v1/jobs", tag = "v1", responses((status = 200, body = Object), Errors))]
pub(crate) async fn list(call: Call) -> Result<Json<Value>, HttpError> {
    call.gate.service.counters.commands.add(1);
    Ok(Json(look(&call)?))
}

/// The same as server-sent events: one at once, and one after each change, until the client or the server goes.
#[utoipa::path(get, path = "/v1/jobs/events", tag = "v1",
    responses((status = 200, body = String, content_type = "text/event-stream"), Errors))]
pub(crate) async fn events(call: Call) -> Result<Response, HttpError> {
    let Ok(place) = std::sync::Arc::clone(&call.gate.streams).try_acquire_owned() else {
        return Err(HttpError::too_many("Too many streams of events at once", Duration::from_secs(1)));
    };
    call.gate.service.counters.commands.add(1);
    let first = look(&call)?;
    let (send, receive) = channel::<Bytes>(4);
    tokio::spawn(async move {
        let mut stopping = call.gate.stopping.clone();
        tokio::select! {
            () = tell(&call, first, &send) => {}
            () = stopped(&mut stopping) => {}
            () = send.closed() => {}
        }
        drop(place);
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::new(Events(receive))).into_response())
}

/// Sends what is new, until nobody takes it.
async fn tell(call: &Call, first: Value, send: &Sender<Bytes>) {
    let (mut shown, mut quiet) = (Value::Null, 0);
    let mut next = Ok(first);
    loop {
        let event = match &next {
            Ok(state) if *state != shown => format!("event: jobs\ndata: {state}\n\n"),
            _ if quiet >= QUIET_LOOKS => ":\n\n".to_owned(),
            _ => String::new(),
        };
        quiet += 1;
        if !event.is_empty() {
            quiet = 0;
            if send.send_timeout(Bytes::from(event), TAKES_NOTHING).await.is_err() {
                return;
            }
        }
        if let Ok(state) = next {
            shown = state;
        }
        tokio::time::sleep(LOOK_PAUSE).await;
        next = look(call);
    }
}

/// Whoever may connect may look, as DUMP STATUS, SNAPSHOT STATUS and WAL STATUS do.
fn look(call: &Call) -> Result<Value, HttpError> {
    let none = || HttpError::from(Failure::input("there are no long operations here"));
    let JobStatuses { dump, snapshot, history } = call.gate.service.backend.jobs().ok_or_else(none)?;
    Ok(json!({
        "dump": dumps::job(&dump), "snapshot": shown(&snapshot, "snapshot", "bytes"),
        "history": shown(&history, "target", "records"),
    }))
}

/// A job that is about a `target`, and counts what it does in units.
fn shown(status: &JobStatus, target: &str, units: &str) -> Value {
    let mut members = Map::new();
    for (key, value) in [
        ("status".to_owned(), json!(status.state.name())),
        ("operation".to_owned(), json!(status.operation)),
        (target.to_owned(), json!(status.target)),
        ("start_time".to_owned(), json!(status.start_s)),
        ("end_time".to_owned(), json!(status.end_s)),
        ("percent".to_owned(), json!(status.percent)),
        ("error_message".to_owned(), json!(status.error)),
        (format!("{units}_done"), json!(status.bytes_done)),
        (format!("{units}_total"), json!(status.bytes_total)),
        (format!("{units}_per_second"), json!(status.bytes_per_second)),
        ("eta_seconds".to_owned(), json!(status.eta_s)),
    ] {
        members.insert(key, value);
    }
    if units == "bytes" {
        members.insert("bytes_written".to_owned(), json!(status.bytes_written));
    }
    Value::Object(members)
}

/// A body of pieces from a channel.
struct Events(tokio::sync::mpsc::Receiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(hyper::body::Frame::data(piece))))
    }
}
