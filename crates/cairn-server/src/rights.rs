//! Rights: which role each command needs.

use crate::auth::Role;
use crate::command::{
    Ask, Cache, Collections, Command, Configs, Dump, Session, Snapshot, StorageAsk, Timelines,
    TopicSnapshots, Topics, Variables, Wal,
};
use crate::variables::{is_harmless, prefix};

/// The role that a command needs. Reading is looking at data and figures; writing is putting data in; the rest changes how
/// the server works, reads or writes its files, or takes data away by the collection, and is for admins.
pub fn needs(command: &Command) -> Role {
    match command {
        Command::Write(_) => Role::Write,
        Command::Ask(ask) => asked(ask),
        // Whoever connects may say who they are.
        Command::Session(Session::Auth(_) | Session::Debug(_)) => Role::Read,
    }
}

fn asked(ask: &Ask) -> Role {
    match ask {
        Ask::Similar { .. } | Ask::Near { .. } | Ask::Use(_) | Ask::Info => Role::Read,
        Ask::Cache(Cache::Stats) => Role::Read,
        Ask::Cache(Cache::Clear | Cache::Enable | Cache::Disable) => Role::Admin,
        // It hashes everything there is.
        Ask::Check => Role::Admin,
        Ask::Collection(asked) => collections(asked),
        Ask::Storage(asked) => match asked {
            StorageAsk::Stats(_) => Role::Read,
            StorageAsk::Mmap(_) | StorageAsk::Compact(_) => Role::Admin,
        },
        Ask::Dump(asked) => match asked {
            Dump::Status => Role::Read,
            Dump::Save(_) | Dump::Load(_) | Dump::Verify(_) | Dump::Info(_) => Role::Admin,
        },
        Ask::Snapshot(asked) => snapshots(asked),
        Ask::Wal(asked) => match asked {
            Wal::Status => Role::Read,
            Wal::Enable(_) | Wal::Disable | Wal::Verify | Wal::Sync | Wal::Replay(_) => Role::Admin,
        },
        Ask::Timeline(asked) => match asked {
            Timelines::List => Role::Read,
            Timelines::Recover(_)
            | Timelines::Compare(_)
            | Timelines::Promote(_)
            | Timelines::Drop { .. } => Role::Admin,
        },
        Ask::Topic(asked) => topics(asked),
        Ask::Variables(asked) => match asked {
            Variables::Set { .. } => Role::Admin,
            Variables::Get(name) => told(name),
            Variables::Show(pattern) => told(prefix(pattern.as_deref().unwrap_or_default())),
        },
        Ask::Config(Configs::Help(_) | Configs::Show(_) | Configs::Verify(_)) => Role::Admin,
    }
}

fn collections(asked: &Collections) -> Role {
    match asked {
        Collections::List | Collections::Stats(_) => Role::Read,
        Collections::Create { .. }
        | Collections::Drop { .. }
        | Collections::Rename { .. }
        | Collections::Alias { .. }
        | Collections::Unalias(_)
        | Collections::Configure { .. } => Role::Admin,
    }
}

fn snapshots(asked: &Snapshot) -> Role {
    match asked {
        Snapshot::Schedule | Snapshot::Status => Role::Read,
        // One of another repository opens a directory that the request names.
        Snapshot::List { path, .. } | Snapshot::Diff { path, .. } => at(path.as_ref()),
        Snapshot::Info(one) => at(one.path.as_ref()),
        Snapshot::Verify(_)
        | Snapshot::Create(_)
        | Snapshot::Restore(_)
        | Snapshot::Delete(_)
        | Snapshot::DeletePinned(_)
        | Snapshot::Pin(..)
        | Snapshot::Unpin(_)
        | Snapshot::Prune(_) => Role::Admin,
    }
}

/// Of names that begin so.
fn told(name: &str) -> Role {
    if is_harmless(name) { Role::Read } else { Role::Admin }
}

fn at(path: Option<&String>) -> Role {
    if path.is_some() { Role::Admin } else { Role::Read }
}

fn topics(asked: &Topics) -> Role {
    match asked {
        Topics::List | Topics::Info(_) | Topics::Read(_) | Topics::Offset { .. } => Role::Read,
        Topics::Append(_) => Role::Write,
        Topics::Snapshot(asked) => match asked {
            TopicSnapshots::List(_) => Role::Read,
            TopicSnapshots::Create { .. }
            | TopicSnapshots::Verify { .. }
            | TopicSnapshots::Restore { .. }
            | TopicSnapshots::Delete { .. }
            | TopicSnapshots::Cleanup { .. } => Role::Admin,
        },
        Topics::Create { .. } | Topics::Alter { .. } | Topics::Delete(_) | Topics::Compact(_) => Role::Admin,
    }
}
