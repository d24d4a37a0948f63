//! `cairn snapshot`: the same commands on directories and on a running server.

pub mod lines;
pub mod local;
mod prune;
pub mod remote;
mod schedule;

use crate::args::{SnapshotArgs, SnapshotCommand, WhereArgs};
use crate::failure::Result;
use crate::output::Output;
use std::path::Path;

/// Runs one command, here or at a server.
pub fn run(args: &SnapshotArgs, output: Output) -> Result<()> {
    let place = match &args.command {
        SnapshotCommand::Prune(args) => return prune::run(args, output),
        SnapshotCommand::Schedule(args) => return schedule::run(args, output),
        command => place(command),
    };
    match place.and_then(|place| place.addr.as_deref().map(|addr| (place, addr))) {
        Some((_, addr)) => remote::run(addr, &args.command, output),
        None => local::run(place.map_or(Path::new(""), |place| &place.repo), &args.command, output),
    }
}

fn place(command: &SnapshotCommand) -> Option<&WhereArgs> {
    Some(match command {
        SnapshotCommand::Create(args) => &args.place,
        SnapshotCommand::List(args) => &args.place,
        SnapshotCommand::Info(args) | SnapshotCommand::Unpin(args) => &args.place,
        SnapshotCommand::Verify(args) => &args.place,
        SnapshotCommand::Diff(args) => &args.place,
        SnapshotCommand::Restore(args) => &args.place,
        SnapshotCommand::Delete(args) => &args.place,
        SnapshotCommand::Pin(args) => &args.place,
        SnapshotCommand::Prune(_) | SnapshotCommand::Schedule(_) => return None,
    })
}
