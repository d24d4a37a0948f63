//! Names of dumps.

use crate::support::{NOW_US, storage};
use cairn_disk::SimDisk;
use cairn_snapshot::dump_name;
use std::path::Path;

#[test]
fn dumps_are_named_by_the_second_and_numbered_within_it() {
    let disk = SimDisk::new(1);
    let (storage, dir) = (storage(&disk), Path::new("/dumps"));
    let next = || {
        let name = dump_name(storage.as_ref(), dir, NOW_US).expect("a name");
        disk.write_file(&dir.join(&name), b"taken");
        name
    };
    assert_eq!(next(), "dump_20240120_103045.nvec");
    assert_eq!(next(), "dump_20240120_103045-2.nvec");
    assert_eq!(next(), "dump_20240120_103045-3.nvec");
}
