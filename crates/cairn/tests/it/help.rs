//! Help, usage and exit codes that need no server.

use crate::run::{cairn, code, ok, run, stderr};
use std::io::Read;
use std::process::Stdio;

#[test]
fn every_command_has_help_with_an_example() {
    for args in [
        vec!["--help"],
        vec!["serve", "--help"],
        vec!["exec", "--help"],
        vec!["snapshot", "--help"],
        vec!["snapshot", "prune", "--help"],
        vec!["snapshot", "pin", "--help"],
        vec!["snapshot", "schedule", "--help"],
        vec!["wal", "--help"],
        vec!["storage", "--help"],
        vec!["storage", "wal", "--help"],
        vec!["collection", "--help"],
        vec!["import", "--help"],
        vec!["export", "--help"],
        vec!["timeline", "--help"],
        vec!["open", "--help"],
        vec!["topic", "--help"],
        vec!["topic", "snapshot", "--help"],
    ] {
        let help = ok(&args);
        assert!(help.contains("Examples:"), "{args:?}: {help}");
    }
    for args in [
        vec!["snapshot", "create", "--help"],
        vec!["wal", "enable", "--help"],
        vec!["wal", "replay", "--help"],
        vec!["timeline", "recover", "--help"],
        vec!["topic", "alter", "--help"],
        vec!["topic", "snapshot", "restore", "--help"],
        vec!["collection", "create", "--help"],
        vec!["storage", "compact", "--help"],
        vec!["check", "--help"],
        vec!["demo", "--help"],
    ] {
        assert!(ok(&args).contains("Usage: cairn"), "{args:?}");
    }
}

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let after = help.split("\nCommands:\n").nth(1).unwrap_or_default();
    let lines = after.lines().take_while(|line| line.is_empty() || line.starts_with("  "));
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

/// Every command below `words`, with its own examples and those above it.
fn without_example(words: &[&str], above: &str, missing: &mut Vec<String>) {
    let help = ok(&[words, &["--help"]].concat());
    let examples = above.to_owned() + help.split("Examples:").nth(1).unwrap_or_default();
    // `cairn storage wal` is `cairn wal`.
    let command = ["cairn", &words.join(" ")].join(" ").replace("cairn storage wal", "cairn wal");
    if !examples.contains(command.trim_end()) {
        missing.push(command);
    }
    for below in listed(&help) {
        without_example(&[words, &[&below]].concat(), &examples, missing);
    }
}

#[test]
fn every_command_stands_in_an_example() {
    let mut missing = Vec::new();
    without_example(&[], "", &mut missing);
    assert!(missing.is_empty(), "no example of {missing:?}");
    assert!(listed(&ok(&["--help"])).len() > 10);
}

#[test]
fn help_names_every_exit_code() {
    let help = ok(&["--help"]);
    for code in ["0 done", "1 failed", "2 wrong usage", "3 damage", "4 not found", "5 locked", "6 no space"] {
        assert!(help.contains(code), "{code} is not in: {help}");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    for args in [
        vec!["no-such-command"],
        vec!["check"],
        vec!["snapshot", "restore", "x"],
        vec!["serve", "--tcp", "nowhere"],
        vec!["check", "x", "--format", "xml"],
        vec!["collection", "create", "x", "--on-disk", "--storage", "memory"],
        vec!["storage", "mmap", "--enable", "--disable"],
        vec!["import", "-", "--create"],
        vec!["export", "--as-of", "1", "--snapshot", "x", "--repo", "y"],
        vec!["snapshot", "list", "--repo", "a", "--addr", "b"],
    ] {
        let output = run(&args);
        assert_eq!(code(&output), 2, "{args:?}: {}", stderr(&output));
        assert!(!output.stderr.is_empty(), "{args:?} says nothing");
    }
}

#[test]
fn what_is_not_there_exits_with_4_and_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let missing = missing.to_str().unwrap();
    for args in [
        vec!["check", missing],
        vec!["snapshot", "list", "--repo", missing],
        vec!["snapshot", "create", "--repo", missing, "--data", missing],
        vec!["serve", "-c", missing],
    ] {
        let output = run(&args);
        assert_eq!(code(&output), 4, "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(missing), "{args:?}: {}", stderr(&output));
    }
    assert!(!dir.path().join("missing").exists(), "a command that found nothing made something");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = cairn(&["--help"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    assert_eq!(said, "");
}
