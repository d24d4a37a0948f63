//! `cairn snapshot schedule`: schedules, their next runs and last results.

use crate::args_keeping::ScheduleArgs;
use crate::block_on;
use crate::connect::connect;
use crate::disk::{now_us, storage};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Field, Output, count_field, field};
use cairn_disk::read_file;
use cairn_server::{BlockLine, Config, scheduled, schedules_block};
use std::collections::HashMap;
use std::path::Path;

/// Bytes of a configuration file.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// Shows what a running server does, or what one with a configuration would do.
pub fn run(args: &ScheduleArgs, output: Output) -> Result<()> {
    let lines = match (&args.addr, &args.config) {
        (Some(addr), _) => block_on(async {
            let mut client = connect(addr).await?;
            Ok(client.snapshot_schedule().await?.lines)
        })?,
        (None, Some(config)) => of_config(config)?,
        (None, None) => return Err(Failure::new(Exit::Usage, "give --addr HOST:PORT or -c FILE")),
    };
    let rows: Vec<Vec<Field>> = lines.iter().map(|line| row(&values(line))).collect();
    output.list("schedules", &rows)
}

fn of_config(path: &Path) -> Result<Vec<String>> {
    let storage = storage();
    let bytes = read_file(storage.as_ref(), path, CONFIG_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    let (config, _) = Config::parse(&text, &path.display().to_string())
        .map_err(|e| Failure::new(Exit::Usage, e.to_string()))?;
    let block = schedules_block(&scheduled(&config, &storage, now_us())?);
    let lines = block.lines.into_iter().map(|line| match line {
        BlockLine::Text(line) => line,
        BlockLine::Pair(key, value) => format!("{key}={value}"),
    });
    Ok(lines.collect())
}

/// The words `key=value` of a line; a value may stand in double quotes, and an error is the rest of the line.
fn values(line: &str) -> HashMap<&str, &str> {
    let mut values = HashMap::new();
    let mut rest = line;
    while let Some((key, after)) = rest.split_once('=') {
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None if key == "error" => (after, ""),
            None => after.split_once(' ').unwrap_or((after, "")),
        };
        values.insert(key, value);
        rest = next.trim_start();
    }
    values
}

fn row(values: &HashMap<&str, &str>) -> Vec<Field> {
    let text = |key: &'static str| field(key, values.get(key).copied().filter(|value| *value != "none"));
    let count = |key: &'static str| match values.get(key).and_then(|value| value.parse().ok()) {
        Some(n) => count_field(key, n),
        None => field(key, None::<u64>),
    };
    vec![
        text("name"),
        text("kind"),
        text("when"),
        text("keeps"),
        text("next"),
        text("last_success"),
        count("runs"),
        count("failures"),
        text("last_failure"),
        text("error"),
    ]
}
