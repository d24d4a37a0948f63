//! The style of every Rust file.

use xtask::{Source, sources};

const LINES_MAX: usize = 600;

/// Calls `refuse` on every line of the files that `which` picks; a text it gives back is a failure.
fn lines(which: impl Fn(&Source) -> bool, refuse: impl Fn(&str) -> Option<String>) {
    let mut found = Vec::new();
    for source in sources("rs").into_iter().filter(which) {
        for (n, line) in source.text.lines().enumerate() {
            if let Some(why) = refuse(line) {
                found.push(format!("{}:{}: {why}", source.path, n + 1));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_file_opens_with_its_one_noun() {
    for source in sources("rs") {
        let first = source.text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 8, "{}: {first:?}", source.path);
    }
}

#[test]
fn no_file_is_longer_than_600_lines_but_tests() {
    for source in sources("rs").iter().filter(|s| s.is_src()) {
        let lines = source.text.lines().count();
        assert!(lines <= LINES_MAX, "{}: {lines} lines", source.path);
    }
}

#[test]
fn tests_stand_in_tests_it() {
    let test = ["#[cfg(", "test"].concat();
    lines(Source::is_src, |l| l.contains(&test).then(|| "tests go to tests/it".to_owned()));
}

#[test]
fn every_test_file_is_in_its_test_program() {
    let all = sources("rs");
    for main in all.iter().filter(|s| s.path.ends_with("/tests/it/main.rs")) {
        let dir = main.path.strip_suffix("main.rs").expect("the filter above");
        for file in all.iter().filter(|s| s.path.starts_with(dir) && s.path != main.path) {
            let name = file.path[dir.len()..].split(['/', '.']).next().expect("a name before the dot");
            assert!(main.text.contains(&format!("mod {name};")), "{} is in no test program", file.path);
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Written in halves, so that this file does not find itself.
    let words =
        [["to", "do!("], ["unimpl", "emented!("], ["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["#[ign", "ore"]];
    lines(|_| true, |l| words.iter().map(|w| w.concat()).find(|w| l.contains(w)));
}

#[test]
fn nothing_dead_is_allowed() {
    let words = [["allow(dead", "_code"], ["allow(unu", "sed"]];
    lines(|_| true, |l| words.iter().map(|w| w.concat()).find(|w| l.contains(w)));
}

#[test]
fn every_lint_allowed_in_src_says_why() {
    for source in sources("rs").iter().filter(|s| s.is_src()) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            if !line.contains("[allow(") && !line.contains("[expect(") {
                continue;
            }
            // In the attribute, in a comment behind it, or in one on the line above.
            let above =
                n.checked_sub(1).and_then(|n| lines.get(n)).is_some_and(|l| l.trim().starts_with("// "));
            let attribute = lines[n..].join(" ");
            let attribute = attribute.split(")]").next().unwrap_or_default();
            let said = above || line.contains("] // ") || attribute.contains("reason = \"");
            assert!(said, "{}:{}: no reason", source.path, n + 1);
        }
    }
}

#[test]
fn the_clock_is_injected() {
    let now = ["SystemTime", "::now"].concat();
    let own = ["crates/cairn-log/src/clock.rs"];
    lines(
        |s| s.is_src() && !own.contains(&s.path.as_str()),
        |l| l.contains(&now).then(|| "use cairn_log::Clock".to_owned()),
    );
}

#[test]
fn only_the_command_line_prints() {
    lines(
        |s| s.is_src() && s.path.starts_with("crates/") && !s.path.starts_with("crates/cairn/"),
        |l| {
            let code = l.split("//").next().unwrap_or_default();
            let words = ["println!", "eprintln!", "print!(", "process::exit"];
            words.iter().find(|w| code.contains(*w)).map(|w| w.to_string())
        },
    );
}
