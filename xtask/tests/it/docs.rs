//! What the documents say, held against the tree.

use std::collections::BTreeSet;
use xtask::{Manifest, read, root, sources};

/// The text of one `## heading`, up to the next.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("## {heading}\n")).unwrap_or_else(|| panic!("no section {heading:?}"));
    let body = &text[start + heading.len() + 4..];
    body.find("\n## ").map_or(body, |end| &body[..end])
}

/// The lines of the fenced and the indented blocks of a text.
fn code(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            lines.push(line.trim());
        }
    }
    lines
}

#[test]
fn the_readme_sets_up_in_exactly_two_commands() {
    let readme = read("README.md");
    assert_eq!(code(section(&readme, "Set up")), ["cargo run --release -- demo", "./test"]);
    for line in code(&readme) {
        for tool in ["install", "apt", "brew", "pip", "curl", "docker"] {
            assert!(!line.split_whitespace().any(|w| w == tool), "README asks to install by hand: {line}");
        }
    }
}

#[test]
fn the_readme_names_every_crate() {
    let readme = read("README.md");
    for source in sources("toml").iter().filter(|s| s.path.starts_with("crates/")) {
        let name = source.path.split('/').nth(1).expect("a path below crates/ has a second component");
        assert!(readme.contains(&format!("| `{name}` |")), "README's crate map leaves out {name}");
    }
}

#[test]
fn the_readme_asks_for_the_rust_that_the_manifest_asks_for() {
    let manifest = Manifest::parse(&read("Cargo.toml"));
    let rust = manifest.tables["workspace.package"]["rust-version"].trim_matches('"').to_owned();
    for file in ["README.md", "CONTRIBUTING.md"] {
        let text = read(file);
        assert!(!text.contains("Rust 1.") || text.contains(&format!("Rust {rust}")), "{file}: not {rust}");
    }
    assert!(read("README.md").contains(&format!("Rust {rust}")));
}

#[test]
fn the_changelog_has_an_entry_for_this_version() {
    let manifest = Manifest::parse(&read("Cargo.toml"));
    let version = manifest.tables["workspace.package"]["version"].trim_matches('"').to_owned();
    let changelog = read("CHANGELOG.md");
    let unreleased = changelog.contains("## [Unreleased]");
    assert!(unreleased || changelog.contains(&format!("## [{version}]")), "neither Unreleased nor {version}");
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    for doc in sources("md") {
        let dir = root().join(&doc.path).parent().expect("a file has a directory").to_owned();
        for link in doc.text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            assert!(dir.join(target).exists(), "{}: {target} is not there", doc.path);
        }
    }
}

#[test]
fn every_recipe_that_is_named_exists() {
    let recipes: BTreeSet<String> = read("justfile")
        .lines()
        .filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase()))
        .filter_map(|l| l.split([' ', ':']).next().map(str::to_owned))
        .collect();
    assert!(recipes.len() > 3, "{recipes:?}");
    let texts = ["md", "rs", "toml"].into_iter().flat_map(sources);
    for source in texts.filter(|s| !s.path.starts_with("xtask/")) {
        for named in source.text.split("`just ").skip(1) {
            let recipe = named.split([' ', '`']).next().unwrap_or_default();
            assert!(
                recipe.starts_with('-') || recipes.contains(recipe),
                "{}: `just {recipe}` is no recipe",
                source.path
            );
        }
    }
}

#[test]
fn every_magic_of_the_format_document_is_in_the_code_and_back() {
    let format = read("docs/format.md");
    let in_docs: BTreeSet<String> = magics(&format);
    let code = sources("rs").into_iter().filter(|s| s.is_src() && s.path.starts_with("crates/"));
    let in_code: BTreeSet<String> = code.flat_map(|s| magics(&s.text)).collect();
    assert!(in_docs.len() >= 6, "{in_docs:?}");
    assert_eq!(in_docs, in_code, "docs/format.md beside the code");
}

/// Words of eight capitals that open in CAIRN, the magics of our binary files.
fn magics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_uppercase());
    words.filter(|w| w.len() == 8 && w.starts_with("CAIRN")).map(str::to_owned).collect()
}

#[test]
fn every_dependency_has_its_reason_in_the_architecture() {
    let architecture = read("ARCHITECTURE.md");
    for name in Manifest::parse(&read("Cargo.toml")).names("workspace.dependencies") {
        assert!(architecture.contains(&format!("`{name}`")), "ARCHITECTURE.md does not say why {name}");
    }
}

#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_code() {
    let readme = read("README.md");
    let code = read("crates/cairn/src/exit.rs");
    let rows: Vec<(&str, &str)> = section(&readme, "Exit codes")
        .lines()
        .filter_map(|l| {
            let mut cells = l.strip_prefix("| ")?.split(" | ");
            let number = cells.next()?;
            number.parse::<u8>().ok()?;
            Some((number, cells.next()?.trim_end_matches(" |")))
        })
        .collect();
    assert_eq!(rows.len(), 7, "{rows:?}");
    for (number, meaning) in rows {
        let documented = format!("/// {meaning}.\n");
        let at = code.find(&documented).unwrap_or_else(|| panic!("exit.rs has no {documented:?}"));
        let line = code[at + documented.len()..].lines().next().unwrap_or_default();
        assert!(line.contains(&format!("= {number},")), "{meaning}: README says {number}, exit.rs {line}");
    }
}
