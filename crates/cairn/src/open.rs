//! `cairn open`: a state of the past, to be asked; nothing is touched.

use crate::args_history::OpenArgs;
use crate::disk::storage;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::logging::Log;
use crate::output::{Format, print, warn};
use crate::serve::{listen, tcp_of};
use cairn_engine::{Engine, Options, Target, show_time};
use cairn_server::{Config, Counters, EngineBackend, Interpreter, ZONE_NOTE, timeline_id};
use serde_json::json;
use std::sync::Arc;

/// Answers the lines given, or serves until told to stop.
pub fn run(args: &OpenArgs, format: Option<Format>) -> Result<()> {
    let (target, zone_assumed) = Target::parse(&args.as_of)?;
    let timeline = args.timeline.as_deref().map(timeline_id).transpose()?;
    let mut config = Config { data_dir: args.dir.clone(), ..Config::default() };
    config.tcp.port = 0;
    if let Some(tcp) = &args.tcp {
        config.tcp = tcp_of(tcp)?;
    }
    if zone_assumed {
        warn(&format!("note: {ZONE_NOTE}"));
    }
    let storage = storage();
    let (engine, at) =
        Engine::open_past(Arc::clone(&storage), &args.dir, target, timeline, Options::default())?;
    if !args.exec.is_empty() {
        let counters = Arc::new(Counters::default());
        let backend = EngineBackend::new(&config, engine, storage, Arc::clone(&counters));
        let interpreter = Interpreter::new(Arc::new(config.rules()), counters);
        return exec(&args.exec, interpreter, &backend, format);
    }
    Log::start(&config.logging)?;
    tracing::info!(lsn = at.lsn.0, time = show_time(at.time_us), "opened a state of the past, to be read");
    let (data, lsn) = (args.dir.display().to_string(), at.lsn);
    listen(
        config,
        storage,
        |_, _| Ok((engine, None)),
        None,
        move |server| format!("ready tcp={} data={data} as_of={lsn}\n", server.tcp_addr()),
    )
}

/// Prints every reply; fails when one is an error.
fn exec(
    lines: &[String],
    mut interpreter: Interpreter,
    backend: &EngineBackend,
    format: Option<Format>,
) -> Result<()> {
    let mut refused = false;
    for line in lines {
        let mut out = Vec::new();
        let line = line.trim_end_matches(['\r', '\n']);
        if line.contains('\n') {
            return Err(Failure::new(Exit::Usage, format!("--exec: expected one line, got {line:?}")));
        }
        interpreter.handle(format!("{line}\n").as_bytes(), backend, &mut out);
        let reply = String::from_utf8_lossy(&out).replace("\r\n", "\n");
        let is_error = reply.starts_with("(error)");
        refused |= is_error;
        if reply.is_empty() {
            continue;
        }
        print(&if format == Some(Format::Json) { as_json(&reply, !is_error) } else { reply })?;
    }
    if refused { Err(Failure::silent(Exit::Failed)) } else { Ok(()) }
}

/// One line of JSON for one reply, as `cairn exec` prints it.
fn as_json(reply: &str, ok: bool) -> String {
    let mut lines: Vec<&str> = reply.lines().collect();
    let head = if lines.is_empty() { "" } else { lines.remove(0) };
    if lines.last() == Some(&"END") {
        lines.pop();
    }
    json!({ "ok": ok, "reply": head, "lines": lines }).to_string() + "\n"
}
