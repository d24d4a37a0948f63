//! `cairn topic`.

use crate::run::{Server, code, json, ok, run, stderr};
use serde_json::json as value;

#[test]
fn topics_of_a_closed_directory_and_of_its_server_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    Server::start(&data).stop("TERM");
    let path = data.to_str().unwrap();
    let place = ["--data", path];
    let made = json(
        &[&["topic", "create", "orders", "--partitions", "2", "--retention", "7d"], &place[..]].concat(),
    );
    assert_eq!((&made["topic"], &made["partitions"]), (&value!("orders"), &value!(2)));
    assert_eq!(made["retention"], "168h");
    let at = json(
        &[&["topic", "append", "orders", "two \"apples\"", "--partition", "1", "--key", "a b"], &place[..]]
            .concat(),
    );
    assert_eq!((&at["partition"], &at["offset"]), (&value!(1), &value!(0)));

    let server = Server::start(&data);
    let addr = server.addr.to_string();
    let remote = ["--addr", addr.as_str()];
    json(&[&["topic", "append", "orders", "--partition", "1", "--key", "a b"], &remote[..]].concat());
    let read = json(&[&["topic", "read", "orders", "1", "0"], &remote[..]].concat());
    assert_eq!(read["total"], 2);
    let first = &read["records"][0];
    assert_eq!(
        (&first["offset"], &first["key"], &first["value"]),
        (&value!(0), &value!("a b"), &value!("two \"apples\""))
    );
    // A key without a value: it is gone.
    assert_eq!((&read["records"][1]["key"], &read["records"][1]["value"]), (&value!("a b"), &value!(null)));
    let time = first["time"].as_str().unwrap().to_owned();
    let found = json(&[&["topic", "offset", "orders", "1", &time], &remote[..]].concat());
    assert_eq!(found["offset"], 0);
    let output = run(&[&["topic", "list"], &place[..]].concat());
    assert_eq!(code(&output), 5, "{}", stderr(&output));
    server.stop("TERM");

    let listed = json(&[&["topic", "list"], &place[..]].concat());
    assert_eq!(
        (&listed["topics"][0]["topic"], &listed["topics"][0]["records"]),
        (&value!("orders"), &value!(2))
    );
    let info = json(&[&["topic", "info", "orders"], &place[..]].concat());
    assert_eq!(info["partition_list"][1]["high_water_mark"], 2);
    let table = ok(&[&["topic", "info", "orders", "--format", "table"], &place[..]].concat());
    assert!(table.contains("\n  partition=1 "), "{table}");
    json(&[&["topic", "delete", "orders"], &place[..]].concat());
    assert_eq!(json(&[&["topic", "list"], &place[..]].concat())["total"], 0);
    // The database is whole beside them.
    assert_eq!(json(&["check", path])["status"], "whole");
}

#[test]
fn what_is_wrong_is_told_by_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let addr = server.addr.to_string();
    for (args, exit) in [
        (vec!["topic", "info", "nothing"], 4),
        (vec!["topic", "read", "nothing", "0", "0"], 4),
        (vec!["topic", "create", "t", "--partitions", "0"], 2),
        (vec!["topic", "create", "t", "--compaction", "all"], 2),
        (vec!["topic", "create", "a b"], 2),
        (vec!["topic", "read", "t", "0", "x"], 2),
        (vec!["topic", "append", "t"], 2),
        (vec!["topic", "offset", "t", "0", "noon"], 2),
    ] {
        let output = run(&[&args, &["--addr", addr.as_str()][..]].concat());
        assert_eq!(code(&output), exit, "{args:?}: {}", stderr(&output));
    }
    server.stop("TERM");
    let output = run(&["topic", "info", "nothing", "--data", data.to_str().unwrap()]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
}

#[test]
fn a_snapshot_of_a_topic_is_restored_beside_it_by_a_closed_directory_and_by_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    Server::start(&data).stop("TERM");
    let path = data.to_str().unwrap();
    let on = |args: &[&str], place: &[&str]| json(&[args, place].concat());
    let closed = ["--data", path];
    on(&["topic", "create", "t", "--partitions", "2"], &closed);
    let altered =
        on(&["topic", "alter", "t", "--sync-mode", "periodic", "--flush-interval", "250ms"], &closed);
    assert_eq!((&altered["sync_mode"], &altered["flush_interval"]), (&value!("periodic"), &value!("250ms")));
    on(&["topic", "append", "t", "one", "--partition", "1"], &closed);
    let made = on(&["topic", "snapshot", "create", "t"], &closed);
    assert_eq!((&made["whole"], &made["partitions"]), (&value!(true), &value!(2)));
    assert_eq!(made["partition_list"][1]["high_water_mark"], 1);
    let id = made["snapshot"].as_str().unwrap().to_owned();

    let server = Server::start(&data);
    let addr = server.addr.to_string();
    let remote = ["--addr", addr.as_str()];
    on(&["topic", "append", "t", "two", "--partition", "1"], &remote);
    let listed = on(&["topic", "snapshot", "list", "t"], &remote);
    assert_eq!((&listed["snapshots"][0]["snapshot"], &listed["total"]), (&value!(id), &value!(1)));
    assert_eq!(on(&["topic", "snapshot", "verify", "t", &id], &remote)["status"], "valid");
    on(&["topic", "snapshot", "restore", "t", &id, "--as", "then"], &remote);
    assert_eq!(on(&["topic", "read", "then", "1", "0"], &remote)["total"], 1);
    for (args, exit) in [
        (vec!["topic", "snapshot", "verify", "t", "snapshot-1"], 4),
        (vec!["topic", "snapshot", "list", "nothing"], 4),
        (vec!["topic", "snapshot", "create", "t", "--compression", "lz4"], 2),
        (vec!["topic", "alter", "t"], 2),
    ] {
        let output = run(&[&args, &remote[..]].concat());
        assert_eq!(code(&output), exit, "{args:?}: {}", stderr(&output));
    }
    server.stop("TERM");

    let table = ok(&[&["topic", "snapshot", "list", "t", "--format", "table"], &closed[..]].concat());
    assert!(table.contains(&id), "{table}");
    let file = data.join("topics/t/1/snapshots").join(&id).join("00000000000000000000.log");
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let output = run(&[&["topic", "snapshot", "verify", "t", &id], &closed[..]].concat());
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("1 damaged in all"), "{}", stderr(&output));
    assert_eq!(on(&["topic", "snapshot", "cleanup", "t", "--max-snapshots", "1"], &closed)["deleted"], 0);
    assert_eq!(on(&["topic", "snapshot", "delete", "t", &id], &closed)["partitions"], 2);
    assert_eq!(on(&["topic", "snapshot", "list", "t"], &closed)["total"], 0);
}
