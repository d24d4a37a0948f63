//! The chain of crates: each imports only those to its left.

use std::collections::BTreeSet;
use xtask::{Manifest, lock, read, sources};

/// Each crate and the crates of ours that it may import. The server is kept from the log on purpose: it gets what it needs
/// through the engine. The server passes a `Storage` on, and reads or writes no file of the database.
const MAY_IMPORT: [(&str, &[&str]); 8] = [
    ("cairn-disk", &[]),
    ("cairn-log", &["cairn-disk"]),
    ("cairn-engine", &["cairn-disk", "cairn-log"]),
    ("cairn-snapshot", &["cairn-disk", "cairn-log", "cairn-engine"]),
    ("cairn-transfer", &["cairn-disk", "cairn-engine"]),
    ("cairn-server", &["cairn-disk", "cairn-engine", "cairn-snapshot", "cairn-transfer"]),
    (
        "cairn",
        &["cairn-client", "cairn-disk", "cairn-engine", "cairn-snapshot", "cairn-transfer", "cairn-server"],
    ),
    ("cairn-client", &[]),
];

/// Of which no crate below the server may get even a transitive one.
const NETWORK: [&str; 6] = ["tokio", "mio", "hyper", "axum", "reqwest", "async-std"];

fn manifest(name: &str) -> Manifest {
    Manifest::parse(&read(&format!("crates/{name}/Cargo.toml")))
}

fn ours(names: Vec<String>) -> BTreeSet<String> {
    names.into_iter().filter(|n| MAY_IMPORT.iter().any(|(own, _)| own == n)).collect()
}

#[test]
fn every_crate_has_its_place_in_the_chain() {
    let here: BTreeSet<String> = sources("toml")
        .iter()
        .filter_map(|s| s.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml").map(str::to_owned))
        .collect();
    let known: BTreeSet<String> = MAY_IMPORT.iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(here, known, "crates/ beside the table of this test");
}

#[test]
fn a_crate_imports_only_crates_to_its_left() {
    for (name, may) in MAY_IMPORT {
        let manifest = manifest(name);
        for imported in ours(manifest.names("dependencies")) {
            assert!(may.contains(&imported.as_str()), "{name} imports {imported}; it may import {may:?}");
        }
    }
}

#[test]
fn tests_of_a_crate_import_only_crates_to_its_left_and_the_client() {
    let order: Vec<&str> = MAY_IMPORT.iter().map(|(name, _)| *name).collect();
    for (at, (name, _)) in MAY_IMPORT.iter().enumerate() {
        for imported in ours(manifest(name).names("dev-dependencies")) {
            let left = order[..at].contains(&imported.as_str()) && *name != "cairn-client";
            assert!(left || imported == "cairn-client", "{name}'s tests import {imported}");
        }
    }
}

#[test]
fn a_dependency_of_ours_hides_in_no_other_table() {
    for (name, _) in MAY_IMPORT {
        let manifest = manifest(name);
        let all = ours(manifest.names_in_all("dependencies"));
        let mut plain = ours(manifest.names("dependencies"));
        plain.extend(ours(manifest.names("dev-dependencies")));
        assert_eq!(all, plain, "{name}: a [target.…] or [build-dependencies] table names a crate of ours");
    }
}

#[test]
fn nothing_below_the_server_reaches_the_network() {
    let lock = lock();
    for name in ["cairn-disk", "cairn-log", "cairn-engine", "cairn-snapshot", "cairn-transfer"] {
        let mut seen = BTreeSet::new();
        let mut todo = vec![name.to_owned()];
        while let Some(package) = todo.pop() {
            assert!(!NETWORK.contains(&package.as_str()), "{name} reaches {package}");
            if seen.insert(package.clone()) {
                // The lock does not tell apart what only tests need, which is in no binary; our manifests do.
                match MAY_IMPORT.iter().any(|(own, _)| *own == package) {
                    true => todo.extend(manifest(&package).names("dependencies")),
                    false => todo.extend(lock.get(&package).into_iter().flatten().cloned()),
                }
            }
        }
        assert!(seen.len() > 3, "{name} is not in Cargo.lock");
    }
}

#[test]
fn only_the_disk_touches_files() {
    for source in sources("rs") {
        let owner = source.path.strip_prefix("crates/").and_then(|p| p.split('/').next());
        if !source.is_src() || owner.is_none() || owner == Some("cairn-disk") {
            continue;
        }
        for (n, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in ["std::fs", "tokio::fs", "rustix::fs", "memmap2"] {
                assert!(!code.contains(word), "{}:{}: {word}; go through cairn_disk", source.path, n + 1);
            }
        }
    }
}

#[test]
fn every_workspace_dependency_is_used() {
    let root = Manifest::parse(&read("Cargo.toml"));
    let mut used = BTreeSet::new();
    for source in sources("toml").iter().filter(|s| s.path.ends_with("/Cargo.toml")) {
        used.extend(Manifest::parse(&source.text).names_in_all("dependencies"));
    }
    for name in root.names("workspace.dependencies") {
        assert!(used.contains(&name), "no crate uses {name}");
    }
}
