//! `cairn topic snapshot`: snapshots of the user's logs, in a data directory or at a running server.

use crate::args_topic::{OneTopicSnapshotArgs, TopicSnapshotCommand};
use crate::block_fields::fields;
use crate::failure::Result;
use crate::output::{Field, Output};
use crate::topic::{one, options, rows, rows_of, word};
use cairn_client::Block;

/// Runs a command.
pub fn run(command: &TopicSnapshotCommand, output: Output) -> Result<()> {
    match command {
        TopicSnapshotCommand::Create(args) => {
            let options = options(&[("compression", &args.compression), ("parallel", &args.parallel)])?;
            let line = format!("TOPIC SNAPSHOT CREATE {}{options}", word(&args.name)?);
            created(one(&args.place, &line)?, output)
        }
        TopicSnapshotCommand::List(args) => {
            let line = format!("TOPIC SNAPSHOT LIST {}", word(&args.name)?);
            rows(&one(&args.place, &line)?, "snapshots", "snapshot=", output)
        }
        TopicSnapshotCommand::Verify(args) => named("VERIFY", args, "", output),
        TopicSnapshotCommand::Delete(args) => named("DELETE", args, "", output),
        TopicSnapshotCommand::Restore(args) => {
            named("RESTORE", &args.snapshot, &format!(" {}", word(&args.new)?), output)
        }
        TopicSnapshotCommand::Cleanup(args) => {
            let policy = options(&[("max_snapshots", &args.max_snapshots), ("retention", &args.retention)])?;
            let line = format!("TOPIC SNAPSHOT CLEANUP {}{policy}", word(&args.name)?);
            output.record(&fields(&one(&args.place, &line)?))
        }
    }
}

fn named(verb: &str, args: &OneTopicSnapshotArgs, more: &str, output: Output) -> Result<()> {
    let line = format!("TOPIC SNAPSHOT {verb} {} {}{more}", word(&args.name)?, word(&args.id)?);
    output.record(&fields(&one(&args.place, &line)?))
}

fn created(mut block: Block, output: Output) -> Result<()> {
    let partitions = rows_of(&block, "partition=");
    block.lines.retain(|line| !line.starts_with("partition="));
    let mut fields = fields(&block);
    fields.push(Field::rows("partition_list", &partitions));
    output.record(&fields)
}
