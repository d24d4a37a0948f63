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

#[test]
fn the_manifest_outside_the_workspace_reads_and_just_runs_all_its_targets() {
    let manifest = xtask::root().join("fuzz/Cargo.toml");
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let just = read("justfile");
    for line in read("fuzz/Cargo.toml").lines().filter_map(|l| l.strip_prefix("path = \"fuzz_targets/")) {
        let target = line.trim_end_matches(".rs\"");
        assert!(just.contains(&format!(" {target}")), "just fuzz leaves {target} out");
    }
}
