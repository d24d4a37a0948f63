//! What several tests use: making files, and the whole of a directory as one value.

use cairn_disk::{Access, ErrorKind, File, FileType, Result, Storage};
use std::collections::BTreeMap;
use std::path::Path;

/// A directory and everything in it: relative path → bytes, `None` for a directory.
pub type View = BTreeMap<String, Option<Vec<u8>>>;

pub fn view(disk: &dyn Storage, root: &Path) -> View {
    let mut view = View::new();
    let mut open = vec![String::new()];
    while let Some(dir) = open.pop() {
        for entry in disk.list(&root.join(&dir)).unwrap() {
            let name = if dir.is_empty() { entry.name } else { format!("{dir}/{}", entry.name) };
            if entry.stat.file_type == FileType::Dir {
                view.insert(name.clone(), None);
                open.push(name);
            } else {
                let bytes = read(disk, &root.join(&name));
                assert_eq!(bytes.len() as u64, entry.stat.bytes, "length of {name} as listed");
                view.insert(name, Some(bytes));
            }
        }
    }
    view
}

/// The whole file.
pub fn read(disk: &dyn Storage, path: &Path) -> Vec<u8> {
    cairn_disk::read_file(disk, path, u64::MAX).unwrap()
}

/// The whole file as text; `None` when there is none.
pub fn text(disk: &dyn Storage, path: &Path) -> Option<String> {
    disk.stat(path).unwrap()?;
    Some(String::from_utf8(read(disk, path)).unwrap())
}

/// Creates a file with unsynced bytes.
pub fn create(disk: &dyn Storage, path: &Path, bytes: &[u8]) -> Box<dyn File> {
    let file = disk.create(path).unwrap();
    file.append(bytes).unwrap();
    file
}

/// Creates a file whose bytes and name are durable.
pub fn create_durable(disk: &dyn Storage, path: &Path, bytes: &[u8]) -> Box<dyn File> {
    let file = create(disk, path, bytes);
    file.sync().unwrap();
    disk.sync_dir(path.parent().unwrap()).unwrap();
    file
}

pub fn open(disk: &dyn Storage, path: &Path) -> Box<dyn File> {
    disk.open(path, Access::Write).unwrap()
}

/// The kind of the error that must be.
pub fn kind<T>(result: Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(e) => e.kind(),
    }
}

/// Bytes in which no two places look alike.
pub fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(next).collect()
}
