//! The scripts that run the tests.

use std::collections::BTreeSet;
use xtask::{read, sources};

#[test]
fn the_test_script_runs_every_suite() {
    let script = read("test");
    let line = script.lines().find_map(|l| l.strip_prefix("suites=(")).expect("the list of suites");
    let listed: BTreeSet<&str> = line.trim_end_matches(')').split(' ').collect();
    let tests: Vec<String> = sources("rs")
        .iter()
        .filter_map(|s| {
            s.path.strip_suffix("/tests/it/main.rs").map(|p| p.trim_start_matches("crates/").to_owned())
        })
        .collect();
    assert_eq!(
        listed,
        tests.iter().map(String::as_str).collect(),
        "./test beside the test programs there are"
    );
}

#[test]
fn ci_runs_the_test_script() {
    assert!(read(".ci/run").lines().any(|l| l == "exec ./test"));
}

#[test]
fn scripts_stop_at_the_first_error() {
    for script in ["test", ".ci/run"] {
        assert!(read(script).contains("\nset -euo pipefail\n"), "{script}");
    }
}
