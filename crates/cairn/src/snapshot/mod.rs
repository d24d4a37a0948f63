//! `cairn snapshot`: the same commands on directories and on a running server.

pub mod local;
mod remote;

use crate::args::{SnapshotArgs, SnapshotCommand, WhereArgs};
use crate::block_on;
use crate::failure::Result;
use crate::output::Output;

/// Runs one command, here or at a server.
pub fn run(args: &SnapshotArgs, output: Output) -> Result<()> {
    let place = place(&args.command);
    match &place.addr {
        Some(addr) => block_on(remote::run(addr, &args.command, output)),
        None => local::run(&place.repo, &args.command, output),
    }
}

fn place(command: &SnapshotCommand) -> &WhereArgs {
    match command {
        SnapshotCommand::Create(args) => &args.place,
        SnapshotCommand::List(place) => place,
        SnapshotCommand::Info(args) | SnapshotCommand::Verify(args) => &args.place,
        SnapshotCommand::Restore(args) => &args.place,
        SnapshotCommand::Delete(args) => &args.place,
    }
}
