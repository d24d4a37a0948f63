//! `cairn snapshot`: the same commands on directories and on a running server.

pub mod lines;
pub mod local;
pub mod remote;

use crate::args::{SnapshotArgs, SnapshotCommand, WhereArgs};
use crate::failure::Result;
use crate::output::Output;

/// Runs one command, here or at a server.
pub fn run(args: &SnapshotArgs, output: Output) -> Result<()> {
    let place = place(&args.command);
    match &place.addr {
        Some(addr) => remote::run(addr, &args.command, output),
        None => local::run(&place.repo, &args.command, output),
    }
}

fn place(command: &SnapshotCommand) -> &WhereArgs {
    match command {
        SnapshotCommand::Create(args) => &args.place,
        SnapshotCommand::List(args) => &args.place,
        SnapshotCommand::Info(args) => &args.place,
        SnapshotCommand::Verify(args) => &args.place,
        SnapshotCommand::Diff(args) => &args.place,
        SnapshotCommand::Restore(args) => &args.place,
        SnapshotCommand::Delete(args) => &args.place,
    }
}
