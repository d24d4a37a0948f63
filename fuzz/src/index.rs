//! `index`: the two indexes of a segment. Whatever they hold, what is read and found is what the log says.

use crate::log::{self, RECORDS};
use cairn_disk::crc32c;
use cairn_log::Log;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `.index`
    Offsets,
    /// `.timeindex`
    Times,
}

/// Input: a byte that says what is put right (bit 0: the header, bit 1: the entries' checksums; bits 2 and 3: of which
/// segment), then the file's bytes; where the header is put right, the entries only.
pub fn check(data: &[u8], kind: Kind) {
    let Some((mode, bytes)) = data.split_first() else { return };
    let base = log::bases()[usize::from(mode >> 2) % (log::bases().len() - 1)];
    let extension = match kind {
        Kind::Offsets => "index",
        Kind::Times => "timeindex",
    };
    let path = log::path(base, extension);
    let disk = log::disk();
    disk.write_file(&path, &file(*mode, bytes, base, kind));

    let storage = log::storage(&disk);
    let inspection = Log::inspect(storage.clone(), log::config()).expect("an index is no reason to fail");
    assert!(inspection.damage.is_empty(), "the log is whole: {:?}", inspection.damage);
    let (log, recovered) = Log::open(storage, log::config()).expect("an index is no reason to fail");
    assert_eq!((recovered.cut, recovered.records), (None, RECORDS));
    for from in (0..RECORDS).step_by(7) {
        let read = log.read(from).expect("in the log").next().expect("a record").expect("a whole one");
        assert_eq!(read, log::record(from));
    }
    for offset in (0..RECORDS).step_by(2) {
        let time = log::record(offset).timestamp_us;
        assert_eq!(log.offset_for_time(time).expect("found"), Some(offset / 3 * 3), "time {time}");
    }
    // The file that is there now is a right one.
    drop(log);
    let (_, recovered) = Log::open(log::storage(&disk), log::config()).expect("opens again");
    assert_eq!(recovered.indexes_rebuilt, 0);
}

fn file(mode: u8, bytes: &[u8], base: u64, kind: Kind) -> Vec<u8> {
    let mut file = Vec::new();
    let mut entries = bytes;
    if mode & 1 == 1 {
        file.extend_from_slice(if kind == Kind::Offsets { b"CAIRNIDX" } else { b"CAIRNTIX" });
        file.extend_from_slice(&1u32.to_le_bytes());
        file.extend_from_slice(&32u32.to_le_bytes());
        file.extend_from_slice(&base.to_le_bytes());
        file.extend_from_slice(&0u32.to_le_bytes());
        file.extend_from_slice(&crc32c(&file).to_le_bytes());
    } else {
        let header = bytes.len().min(32);
        file.extend_from_slice(&bytes[..header]);
        entries = &bytes[header..];
    }
    for entry in entries.chunks(if mode & 2 == 2 { 12 } else { 16 }) {
        file.extend_from_slice(entry);
        if mode & 2 == 2 {
            file.extend_from_slice(&crc32c(entry).to_le_bytes());
        }
    }
    file
}
