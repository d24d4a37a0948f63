//! Every command, asked by everyone: who is answered, and who is told what.

use crate::double::Double;
use crate::running::config;
use cairn_server::config::TokenConfig;
use cairn_server::{
    Ask, Cache, Collections, Command, Configs, Counters, Dump, Interpreter, Live, Password, Role, Rules,
    Session, Snapshot, StorageAsk, Timelines, TopicSnapshots, Topics, Variables, Wal, parse,
};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

const ADMIN: Role = Role::Admin;
const READ: Role = Role::Read;
const WRITE: Role = Role::Write;
const ID: &str = "0f5ad35a7a6e4d4a8d0f7d6f6e1f2a3b";

/// A line of each command, and who may ask it.
fn lines() -> Vec<(String, Role)> {
    let promote = [
        (format!("TIMELINE COMPARE {ID}"), ADMIN),
        (format!("TIMELINE PROMOTE {ID}"), ADMIN),
        (format!("TIMELINE DROP {ID}"), ADMIN),
    ];
    LINES.iter().map(|(line, role)| ((*line).to_owned(), *role)).chain(promote).collect()
}

const LINES: &[(&str, Role)] = &[
    ("EVENT c ADD a 1", WRITE),
    ("VECSET a 1", WRITE),
    ("METASET a k:v", WRITE),
    ("VECDEL a", WRITE),
    ("DEBUG OFF", READ),
    ("SIM a 1", READ),
    ("SIMV 1 1", READ),
    ("USE default", READ),
    ("INFO", READ),
    ("CHECK", ADMIN),
    ("CACHE STATS", READ),
    ("CACHE CLEAR", ADMIN),
    ("CACHE ENABLE", ADMIN),
    ("CACHE DISABLE", ADMIN),
    ("COLLECTION LIST", READ),
    ("COLLECTION STATS a", READ),
    ("COLLECTION CREATE a", ADMIN),
    ("COLLECTION DROP a", ADMIN),
    ("COLLECTION RENAME a b", ADMIN),
    ("COLLECTION ALIAS a b", ADMIN),
    ("COLLECTION UNALIAS a", ADMIN),
    ("COLLECTION CONFIGURE a storage=mmap", ADMIN),
    ("STORAGE STATS", READ),
    ("STORAGE MMAP", ADMIN),
    ("STORAGE COMPACT", ADMIN),
    ("DUMP STATUS", READ),
    ("DUMP SAVE", ADMIN),
    ("DUMP LOAD a", ADMIN),
    ("DUMP VERIFY a", ADMIN),
    ("DUMP INFO a", ADMIN),
    ("SNAPSHOT LIST", READ),
    ("SNAPSHOT LIST path=/elsewhere", ADMIN),
    ("SNAPSHOT INFO a", READ),
    ("SNAPSHOT DIFF a b", READ),
    ("SNAPSHOT STATUS", READ),
    ("SNAPSHOT SCHEDULE", READ),
    ("SNAPSHOT CREATE", ADMIN),
    ("SNAPSHOT VERIFY a", ADMIN),
    ("SNAPSHOT RESTORE a", ADMIN),
    ("SNAPSHOT DELETE a", ADMIN),
    ("SNAPSHOT DELETE force=on a", ADMIN),
    ("SNAPSHOT PIN a", ADMIN),
    ("SNAPSHOT UNPIN a", ADMIN),
    ("SNAPSHOT PRUNE keep_last=1", ADMIN),
    ("WAL STATUS", READ),
    ("WAL ENABLE", ADMIN),
    ("WAL DISABLE", ADMIN),
    ("WAL VERIFY", ADMIN),
    ("WAL SYNC", ADMIN),
    ("WAL REPLAY", ADMIN),
    ("TIMELINE LIST", READ),
    ("TIMELINE RECOVER 1", ADMIN),
    ("TOPIC LIST", READ),
    ("TOPIC INFO t", READ),
    ("TOPIC READ t 0 0", READ),
    ("TOPIC OFFSET t 0 2025-01-18T12:00:00Z", READ),
    ("TOPIC APPEND t v", WRITE),
    ("TOPIC CREATE t", ADMIN),
    ("TOPIC ALTER t retention=1h", ADMIN),
    ("TOPIC DELETE t", ADMIN),
    ("TOPIC COMPACT t", ADMIN),
    ("TOPIC SNAPSHOT LIST t", READ),
    ("TOPIC SNAPSHOT CREATE t", ADMIN),
    ("TOPIC SNAPSHOT VERIFY t s", ADMIN),
    ("TOPIC SNAPSHOT RESTORE t s u", ADMIN),
    ("TOPIC SNAPSHOT DELETE t s", ADMIN),
    ("TOPIC SNAPSHOT CLEANUP t", ADMIN),
    ("SET logging.level info", ADMIN),
    ("GET similarity.fusion_alpha", READ),
    ("GET data.dir", ADMIN),
    ("SHOW VARIABLES", ADMIN),
    ("SHOW VARIABLES LIKE 'similarity.%'", READ),
    ("CONFIG HELP", ADMIN),
    ("CONFIG SHOW", ADMIN),
    ("CONFIG VERIFY", ADMIN),
];

/// The number of a command in the list of all. There is no wildcard here: a new command must be given a number, and then
/// a line above.
fn number(command: &Command) -> usize {
    match command {
        Command::Write(_) => 0,
        Command::Session(Session::Auth(_)) => 1,
        Command::Session(Session::Debug(_)) => 2,
        Command::Ask(ask) => 3 + ask_number(ask),
    }
}

const COMMANDS: usize = 3 + 70;

fn ask_number(ask: &Ask) -> usize {
    match ask {
        Ask::Similar { .. } => 0,
        Ask::Near { .. } => 1,
        Ask::Use(_) => 2,
        Ask::Info => 3,
        Ask::Check => 4,
        Ask::Collection(Collections::List) => 5,
        Ask::Collection(Collections::Stats(_)) => 6,
        Ask::Collection(Collections::Create { .. }) => 7,
        Ask::Collection(Collections::Drop { .. }) => 8,
        Ask::Collection(Collections::Rename { .. }) => 9,
        Ask::Collection(Collections::Alias { .. }) => 10,
        Ask::Collection(Collections::Unalias(_)) => 11,
        Ask::Collection(Collections::Configure { .. }) => 12,
        Ask::Storage(StorageAsk::Stats(_)) => 13,
        Ask::Storage(StorageAsk::Mmap(_)) => 14,
        Ask::Storage(StorageAsk::Compact(_)) => 15,
        Ask::Dump(Dump::Status) => 16,
        Ask::Dump(Dump::Save(_)) => 17,
        Ask::Dump(Dump::Load(_)) => 18,
        Ask::Dump(Dump::Verify(_)) => 19,
        Ask::Dump(Dump::Info(_)) => 20,
        Ask::Snapshot(asked) => 21 + snapshot_number(asked),
        Ask::Wal(Wal::Status) => 34,
        Ask::Wal(Wal::Enable(_)) => 35,
        Ask::Wal(Wal::Disable) => 36,
        Ask::Wal(Wal::Verify) => 37,
        Ask::Wal(Wal::Sync) => 38,
        Ask::Wal(Wal::Replay(_)) => 39,
        Ask::Timeline(Timelines::List) => 40,
        Ask::Timeline(Timelines::Recover(_)) => 41,
        Ask::Timeline(Timelines::Compare(_)) => 42,
        Ask::Timeline(Timelines::Promote(_)) => 43,
        Ask::Timeline(Timelines::Drop { .. }) => 44,
        Ask::Topic(asked) => 45 + topic_number(asked),
        Ask::Variables(Variables::Set { .. }) => 60,
        Ask::Variables(Variables::Get(_)) => 61,
        Ask::Variables(Variables::Show(_)) => 62,
        Ask::Config(Configs::Help(_)) => 63,
        Ask::Config(Configs::Show(_)) => 64,
        Ask::Config(Configs::Verify(_)) => 65,
        Ask::Cache(Cache::Stats) => 66,
        Ask::Cache(Cache::Clear) => 67,
        Ask::Cache(Cache::Enable) => 68,
        Ask::Cache(Cache::Disable) => 69,
    }
}

fn snapshot_number(asked: &Snapshot) -> usize {
    match asked {
        Snapshot::List { .. } => 0,
        Snapshot::Info(_) => 1,
        Snapshot::Diff { .. } => 2,
        Snapshot::Status => 3,
        Snapshot::Schedule => 4,
        Snapshot::Create(_) => 5,
        Snapshot::Verify(_) => 6,
        Snapshot::Restore(_) => 7,
        Snapshot::Delete(_) => 8,
        Snapshot::DeletePinned(_) => 9,
        Snapshot::Pin(..) => 10,
        Snapshot::Unpin(_) => 11,
        Snapshot::Prune(_) => 12,
    }
}

fn topic_number(asked: &Topics) -> usize {
    match asked {
        Topics::List => 0,
        Topics::Info(_) => 1,
        Topics::Read(_) => 2,
        Topics::Offset { .. } => 3,
        Topics::Append(_) => 4,
        Topics::Create { .. } => 5,
        Topics::Alter { .. } => 6,
        Topics::Delete(_) => 7,
        Topics::Compact(_) => 8,
        Topics::Snapshot(asked) => match asked {
            TopicSnapshots::List(_) => 9,
            TopicSnapshots::Create { .. } => 10,
            TopicSnapshots::Verify { .. } => 11,
            TopicSnapshots::Restore { .. } => 12,
            TopicSnapshots::Delete { .. } => 13,
            TopicSnapshots::Cleanup { .. } => 14,
        },
    }
}

fn live() -> Arc<Live> {
    let mut config = config();
    config.security.requirepass = Some(Password::new("secret"));
    config.security.tokens = ["read", "write", "admin"]
        .map(|name| TokenConfig {
            name: name.to_owned(),
            role: Role::from_name(name).unwrap(),
            token: Some(Password::new(format!("{name}-token"))),
            token_file: None,
        })
        .into();
    Arc::new(Live::new(config).unwrap())
}

/// The answer to a line on a connection that sent AUTH lines before.
fn answer(live: &Arc<Live>, auth: &str, line: &str) -> String {
    let mut interpreter = Interpreter::new(Arc::new(Rules::default()), Arc::new(Counters::default()))
        .with_client(Arc::clone(live), IpAddr::V4(Ipv4Addr::LOCALHOST));
    let (double, mut out) = (Double::default(), Vec::new());
    interpreter.handle(auth.as_bytes(), &double, &mut out);
    out.clear();
    interpreter.handle(format!("{line}\n").as_bytes(), &double, &mut out);
    String::from_utf8(out).unwrap().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_list_has_every_command() {
    let limits = Rules::default().limits;
    let mut lines: Vec<String> = lines().into_iter().map(|(line, _)| line).collect();
    lines.push("AUTH x".to_owned());
    let mut seen: Vec<usize> = lines
        .iter()
        .map(|line| number(&parse(line, &limits).unwrap_or_else(|e| panic!("{line}: {e}"))))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..COMMANDS).collect::<Vec<_>>());
}

#[test]
fn everyone_is_answered_what_their_role_allows() {
    let live = live();
    let known = [
        ("AUTH secret\n", ADMIN),
        ("AUTH read-token\n", READ),
        ("AUTH write-token\n", WRITE),
        ("AUTH admin-token\n", ADMIN),
        // A wrong one takes nothing away, a right one replaces the one before.
        ("AUTH write-token\nAUTH read-token\n", READ),
    ];
    for (line, needed) in lines() {
        for (auth, role) in known {
            let got = answer(&live, auth, &line);
            let noperm =
                format!("(error) NOPERM This needs the role {needed}, and the token's role is {role}");
            if role >= needed {
                assert!(!got.starts_with("(error)") && !got.is_empty(), "{auth}{line}: {got}");
            } else {
                assert_eq!(got, noperm, "{auth}{line}");
            }
        }
        let got = answer(&live, "", &line);
        if needed == READ {
            assert!(!got.starts_with("(error)") && !got.is_empty(), "{line}: {got}");
        } else {
            assert_eq!(got, "(error) NOAUTH Authentication required", "{line}");
        }
    }
}

#[test]
fn a_wrong_password_gives_nothing_and_takes_nothing_away() {
    let live = live();
    assert_eq!(answer(&live, "", "AUTH guess"), "(error) WRONGPASS Invalid password");
    assert_eq!(answer(&live, "AUTH guess\n", "VECSET a 1"), "(error) NOAUTH Authentication required");
    assert_eq!(answer(&live, "AUTH secret\nAUTH guess\n", "CHECK"), "OK ASKED");
    assert_eq!(answer(&live, "", "AUTH secret"), "+OK");
    assert_eq!(answer(&live, "", "AUTH"), "(error) AUTH requires 1 argument: <password>");
}

#[test]
fn without_a_password_all_is_allowed() {
    let live = Arc::new(Live::new(config()).unwrap());
    for (line, _) in lines() {
        let got = answer(&live, "", &line);
        assert!(!got.starts_with("(error)") && !got.is_empty(), "{line}: {got}");
    }
    assert_eq!(answer(&live, "", "AUTH anything"), "+OK (no password required)");
}
