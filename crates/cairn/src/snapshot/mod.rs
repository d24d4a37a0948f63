//! `cairn snapshot`: the same commands on directories and on a running server.

pub mod local;
mod prune;
mod remote;
mod schedule;

use crate::args::{CreateArgs, DeleteArgs, OneArgs, RestoreArgs, SnapshotArgs, SnapshotCommand};
use crate::args_keeping::PinArgs;
use crate::block_on;
use crate::failure::Result;
use crate::output::Output;

/// Runs one command, here or at a server.
pub fn run(args: &SnapshotArgs, output: Output) -> Result<()> {
    match &args.command {
        SnapshotCommand::Prune(args) => prune::run(args, output),
        SnapshotCommand::Schedule(args) => schedule::run(args, output),
        SnapshotCommand::Create(CreateArgs { place, .. })
        | SnapshotCommand::List(place)
        | SnapshotCommand::Info(OneArgs { place, .. })
        | SnapshotCommand::Verify(OneArgs { place, .. })
        | SnapshotCommand::Unpin(OneArgs { place, .. })
        | SnapshotCommand::Restore(RestoreArgs { place, .. })
        | SnapshotCommand::Delete(DeleteArgs { place, .. })
        | SnapshotCommand::Pin(PinArgs { place, .. }) => match &place.addr {
            Some(addr) => block_on(remote::run(addr, &args.command, output)),
            None => local::run(&place.repo, &args.command, output),
        },
    }
}
