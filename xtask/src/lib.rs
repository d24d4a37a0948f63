//! Reading the tree, for the checks in `tests/it`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One file of the tree.
#[derive(Debug, Clone)]
pub struct Source {
    /// Relative to the root, with `/` between components.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// Whether it is part of a program or library, not of its tests.
    pub fn is_src(&self) -> bool {
        self.path.contains("/src/")
    }
}

/// The workspace's directory.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask stands in the workspace's directory").to_owned()
}

/// The text of one file.
///
/// # Panics
/// When it cannot be read: the tree is not whole.
pub fn read(path: &str) -> String {
    let full = root().join(path);
    std::fs::read_to_string(&full).unwrap_or_else(|e| panic!("{}: {e}", full.display()))
}

/// Every file with this extension, by path. Build output, version control and data directories are left out.
///
/// # Panics
/// When the tree cannot be read.
pub fn sources(extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root(), "", extension, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(dir: &Path, prefix: &str, extension: &str, found: &mut Vec<Source>) {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    for entry in entries {
        let entry = entry.unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let kind = entry.file_type().unwrap_or_else(|e| panic!("{path}: {e}"));
        if kind.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "cairn-data" {
                collect(&entry.path(), &path, extension, found);
            }
        } else if Path::new(&name).extension().is_some_and(|e| e == extension) {
            found.push(Source { text: read(&path), path });
        }
    }
}

/// The keys of a manifest's tables: `[dependencies]` → `cairn-disk` → the rest of its line. Enough TOML for our own
/// manifests, in which a dependency stands on one line.
#[derive(Debug)]
pub struct Manifest {
    /// Table name → key → what stands after `=`. `foo.workspace = true` is the key `foo`.
    pub tables: BTreeMap<String, BTreeMap<String, String>>,
}

impl Manifest {
    /// Reads the tables of one `Cargo.toml`.
    pub fn parse(text: &str) -> Self {
        let mut tables: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut table = String::new();
        for line in text.lines() {
            let line = line.trim();
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                table = name.trim_matches(|c| c == '[' || c == ']').to_owned();
                tables.entry(table.clone()).or_default();
            } else if let Some((key, value)) = line.split_once('=')
                && !line.starts_with('#')
            {
                let key = key.trim().split('.').next().unwrap_or_default().trim_matches('"');
                let keys = tables.entry(table.clone()).or_default();
                keys.insert(key.to_owned(), value.trim().to_owned());
            }
        }
        Manifest { tables }
    }

    /// The names in one table; empty when there is no such table.
    pub fn names(&self, table: &str) -> Vec<String> {
        self.tables.get(table).map(|t| t.keys().cloned().collect()).unwrap_or_default()
    }

    /// The names in every table whose name ends in `suffix`: `dependencies` covers those of one target too.
    pub fn names_in_all(&self, suffix: &str) -> Vec<String> {
        let tables = self.tables.iter().filter(|(name, _)| name.ends_with(suffix));
        tables.flat_map(|(_, keys)| keys.keys().cloned()).collect()
    }
}

/// `Cargo.lock` as package → what it depends on. Several versions of a package are taken as one.
pub fn lock() -> BTreeMap<String, Vec<String>> {
    let mut packages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in read("Cargo.lock").lines() {
        if let Some(n) = line.strip_prefix("name = ") {
            name = n.trim_matches('"').to_owned();
            packages.entry(name.clone()).or_default();
        } else if let Some(d) = line.strip_prefix(" \"") {
            let dependency = d.split([' ', '"']).next().unwrap_or_default().to_owned();
            packages.entry(name.clone()).or_default().push(dependency);
        }
    }
    packages
}
