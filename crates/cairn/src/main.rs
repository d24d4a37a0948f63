//! The `cairn` command: one match from what was asked to an exit code.

mod archive;
mod args;
mod args_archive;
mod args_collection;
mod args_history;
mod args_keeping;
mod args_storage;
mod args_topic;
mod args_transfer;
mod block_fields;
mod check;
mod collection;
mod connect;
mod demo;
mod disk;
mod exec;
mod exit;
mod export;
mod failure;
mod import;
mod import_sink;
mod interrupt;
mod logging;
mod only_content;
mod open;
mod output;
mod output_file;
mod progress;
mod recover;
mod reload;
mod repair;
mod serve;
mod session;
mod snapshot;
mod storage;
mod storage_snapshot;
mod timeline;
mod topic;
mod topic_snapshot;
mod wal;
mod wire;

use args::{Cli, Command};
use clap::Parser;
use exit::Exit;
use failure::Result;
use output::{Format, Output, warn};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => {
            if !failure.message.is_empty() {
                warn(&format!("error: {}", failure.message));
            }
            if let Some(next) = &failure.next {
                warn(&format!("  next: {next}"));
            }
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    progress::show(cli.progress);
    // Of these two, --format is the data's.
    match &cli.command {
        Command::Import(args) => return import::run(args, cli.format.as_deref(), Output::new(None)),
        Command::Export(args) => return export::run(args, cli.format.as_deref(), Output::new(None)),
        _ => {}
    }
    let format = cli.format.as_deref().map(Format::parse).transpose()?;
    let output = Output::new(format);
    match cli.command {
        Command::Exec(args) => block_on(exec::run(args, format)),
        Command::Snapshot(args) => snapshot::run(&args, output),
        Command::Check(args) => check::run(&args, output),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Wal(args) => wal::run(&args.command, output),
        Command::Storage(args) => storage::run(&args.command, Output::documented(format)),
        Command::Collection(args) => collection::run(&args.command, Output::documented(format)),
        Command::Import(_) | Command::Export(_) => Ok(()),
        Command::Timeline(args) => timeline::run(&args.command, output),
        Command::Topic(args) => topic::run(&args.command, output),
        Command::Repair(args) => repair::run(&args, output),
        Command::Recover(args) => recover::run(&args, output),
        Command::Archive(args) => archive::run(&args, output),
        Command::Open(args) => open::run(&args, format),
        Command::Serve(args) => serve::run(&args),
    }
}

/// Runs a command that talks to a server.
fn block_on<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(command);
    // A thread may still wait for a line of standard input: it ends with the process.
    runtime.shutdown_background();
    done
}
