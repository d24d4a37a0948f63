//! The measured claims. `cargo build --release && cargo run --release -p cairn-bench`
//!
//! Starts the real server, `cairn` beside this program, on the real disk, and loads it over TCP from the same machine. Prints
//! Markdown for docs/benchmarks.md. `cairn-bench writes|search|snapshots|events|log|filters|scan|recovery|imports|compaction|wire|answers|
//! fair|guarded|increments|larger` runs one part; `larger` runs only then. `cairn-bench snapshot-speed DIR` measures snapshots of the database in DIR,
//! which nobody has open.
// A bench prints, and reads and writes files of its own.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

mod answers;
mod compaction;
mod events;
mod exchange;
mod fair;
mod files;
mod filters;
mod graph;
mod graph_set;
mod guarded;
mod imports;
mod increments;
mod larger;
mod larger_load;
mod larger_process;
mod load;
mod log;
mod machine;
mod recovery;
mod scan;
mod search;
mod server;
mod snapshots;
mod states;
mod vectors;
mod wire;

/// Anything that stops a bench.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let parts: Vec<String> = std::env::args().skip(1).collect();
    // Parts that take arguments of their own, most of them of benches/peers.
    match parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["flood", kind, addr] => return fair::flood(kind, addr),
        ["graph", dir] => return graph::run(dir.as_ref()),
        ["snapshot-speed", dir] => return states::speeds_of(dir.as_ref()),
        ["graph-set", dir, rows] => return graph_set::write(dir.as_ref(), rows.parse()?),
        ["larger-process", dir, rows, dimension, queries, group] => {
            larger_process::join(group)?;
            let (rows, dimension, queries) = (rows.parse()?, dimension.parse()?, queries.parse()?);
            return larger::child(dir.as_ref(), larger::Sizes { rows, dimension, hot_bytes: 0, queries });
        }
        _ => {}
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|p| p == part);
    println!("{}\n", machine::describe());
    println!("| what | figure |\n|---|---|");
    if wanted("writes") || wanted("search") || wanted("snapshots") {
        let mut server = server::Server::start()?;
        vectors::run(&server).await?;
        if wanted("search") {
            search::run(&server).await?;
        }
        if wanted("snapshots") {
            snapshots::run(&mut server).await?;
        }
    }
    if wanted("events") {
        events::run().await?;
    }
    if wanted("log") {
        log::run()?;
    }
    if wanted("wire") {
        wire::run().await?;
    }
    if wanted("compaction") {
        compaction::run()?;
    }
    if wanted("filters") {
        filters::run()?;
    }
    if wanted("scan") {
        scan::run()?;
    }
    if wanted("recovery") {
        recovery::run()?;
    }
    // These two make gigabytes first: only when asked for.
    if parts.iter().any(|part| part == "larger") {
        larger::run()?;
    }
    if wanted("answers") {
        answers::run().await?;
    }
    if wanted("guarded") {
        guarded::run().await?;
    }
    if wanted("fair") {
        fair::run()?;
    }
    if wanted("increments") {
        increments::run()?;
    }
    if parts.iter().any(|part| part == "states") {
        states::run()?;
    }
    if wanted("imports") {
        imports::run()?;
    }
    Ok(())
}
