//! `cairn exec`: command lines to a server, its replies to stdout.

use crate::args::ExecArgs;
use crate::connect::connect;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Format, print};
use crate::wire::refused;
use cairn_client::{Error, Frame, Kind, Receiver, Sender};
use serde_json::json;
use std::io::BufRead;
use tokio::sync::mpsc;

/// Lines read ahead of what was sent.
const LINES_AHEAD: usize = 1024;

/// Sends every line in order, prints every reply as it comes. Fails when a reply is an error.
pub async fn run(args: ExecArgs, format: Option<Format>) -> Result<()> {
    let mut client = connect(&args.addr).await?;
    if let Some(name) = &args.collection {
        client.use_collection(name).await.map_err(|error| match error.refusal() {
            Some(refusal) => refused(&refusal.message),
            None => error.into(),
        })?;
    }
    let (sender, receiver) = client.split();
    let lines = match args.lines.as_slice() {
        [] => from_stdin(),
        [dash] if dash == "-" => from_stdin(),
        lines => from_args(lines.to_vec()),
    };
    tokio::select! {
        refused = receive(receiver, format) => match refused? {
            0 => Ok(()),
            _ => Err(Failure::silent(Exit::Failed)),
        },
        failed = send(sender, lines) => Err(failed),
    }
}

fn from_args(lines: Vec<String>) -> mpsc::Receiver<Result<String>> {
    let (out, lines_in) = mpsc::channel(lines.len());
    for line in lines {
        // There is room for all, and the receiver is alive.
        _ = out.try_send(Ok(line));
    }
    lines_in
}

/// A thread of its own: reading a terminal cannot be cancelled, and must not hold up the replies.
fn from_stdin() -> mpsc::Receiver<Result<String>> {
    let (out, lines_in) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if out.blocking_send(line.map_err(Failure::from)).is_err() {
                break;
            }
        }
    });
    lines_in
}

/// Returns only when something fails: after the last line, the server's closing of the connection ends the command.
async fn send(mut sender: Sender, mut lines: mpsc::Receiver<Result<String>>) -> Failure {
    loop {
        let line = match lines.recv().await {
            Some(Ok(line)) => line,
            Some(Err(failure)) => return failure,
            None => break,
        };
        let line = line.trim_end_matches('\r');
        if line.trim().is_empty() {
            continue;
        }
        if let Err(e) = sender.send(line).await {
            return e.into();
        }
        if lines.is_empty()
            && let Err(e) = sender.flush().await
        {
            return e.into();
        }
    }
    match sender.finish().await {
        Ok(()) => std::future::pending().await,
        Err(e) => e.into(),
    }
}

/// Prints replies until the server closes; how many of them were errors.
async fn receive(mut receiver: Receiver, format: Option<Format>) -> Result<u64> {
    let mut refused = 0;
    loop {
        match receiver.recv().await {
            Ok(frame) => {
                refused += u64::from(!frame.is_ok());
                print(&if format == Some(Format::Json) { as_json(&frame) } else { as_text(&frame) })?;
            }
            Err(Error::Closed { unanswered: 0 }) => return Ok(refused),
            Err(e) => return Err(e.into()),
        }
    }
}

/// The reply as it came, with plain line ends.
fn as_text(frame: &Frame<'_>) -> String {
    let mut text = String::from_utf8_lossy(frame.head).into_owned() + "\n";
    for line in frame.lines() {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    if frame.kind == Kind::Block {
        text.push_str("END\n");
    }
    text
}

/// One line of JSON for one reply.
fn as_json(frame: &Frame<'_>) -> String {
    let lines: Vec<_> = frame.lines().map(String::from_utf8_lossy).collect();
    json!({ "ok": frame.is_ok(), "reply": String::from_utf8_lossy(frame.head), "lines": lines }).to_string()
        + "\n"
}
