//! Sealed files: what was written is read back, and any damage is found.

use crate::support::{create, text};
use cairn_disk::{Error, ErrorKind, SimDisk, sealed};
use std::path::Path;

const MAGIC: &str = "cairndb-test";

fn path() -> &'static Path {
    Path::new("/T")
}

fn write(entries: &[(&str, &str)]) -> SimDisk {
    let disk = SimDisk::new(1);
    sealed::write_text(&disk, path(), MAGIC, 1, entries).unwrap();
    disk
}

fn sample() -> SimDisk {
    write(&[("id", "00ff"), ("reason", "first start, by hand"), ("empty", ""), ("id", "again")])
}

fn read(disk: &SimDisk) -> Result<Vec<(String, String)>, Error> {
    sealed::read_text(disk, path(), MAGIC, 1)
}

#[test]
fn text_is_read_back_in_order() {
    let entries = read(&sample()).unwrap();
    let entries: Vec<_> = entries.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(entries, [("id", "00ff"), ("reason", "first start, by hand"), ("empty", ""), ("id", "again")]);
    assert_eq!(read(&write(&[])).unwrap(), []);
}

#[test]
fn text_looks_as_documented() {
    let disk = write(&[("timeline", "0123")]);
    let text = text(&disk, path()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["cairndb-test 1", "timeline 0123"]);
    let crc = cairn_disk::crc32c(b"cairndb-test 1\ntimeline 0123\n");
    assert_eq!(lines[2..], [format!("crc32c {crc:08x}")]);
    assert!(text.ends_with('\n'));
}

#[test]
fn every_changed_byte_of_a_text_is_found() {
    let disk = sample();
    let len = disk.read_file(path()).len() as u64;
    for byte in 0..len {
        for mask in 1..=255 {
            disk.flip(path(), byte, mask);
            let error = read(&disk).expect_err(&format!("byte {byte} changed by {mask:#x}"));
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Version), "{error}");
            assert!(error.to_string().contains("/T"), "{error}");
            disk.flip(path(), byte, mask);
        }
    }
    read(&disk).unwrap();
}

#[test]
fn every_cut_of_a_text_is_found() {
    let whole = sample().read_file(path());
    for len in 0..whole.len() {
        let disk = SimDisk::new(1);
        disk.write_file(path(), &whole[..len]);
        assert_eq!(read(&disk).expect_err(&format!("cut to {len}")).kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn bytes_after_a_text_are_found() {
    for more in ["\n", "x", "id 1\n", "\0", "crc32c 00000000\n"] {
        let disk = sample();
        let whole = disk.read_file(path());
        disk.write_file(path(), &[&whole, more.as_bytes()].concat());
        assert_eq!(read(&disk).expect_err(more).kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn a_text_of_another_version_or_magic_is_told_apart() {
    let disk = SimDisk::new(1);
    sealed::write_text(&disk, path(), MAGIC, 2, &[("id", "1")]).unwrap();
    let error = read(&disk).unwrap_err();
    assert_eq!(error.to_string(), "/T: Version mismatch: expected 1, got 2");
    assert_eq!(error.kind(), ErrorKind::Version);
    let error = sealed::read_text(&disk, path(), "cairndb-other", 2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/T at byte 0: magic mismatch: expected cairndb-other, got `cairndb-test 2`"
    );
}

#[test]
fn a_damaged_text_names_both_checksums() {
    let disk = write(&[("id", "1")]);
    let stored = text(&disk, path()).unwrap().lines().last().unwrap().to_owned();
    disk.flip(path(), 18, 1);
    let error = read(&disk).unwrap_err().to_string();
    assert!(error.contains("CRC mismatch: expected crc32c ") && error.contains(&stored), "{error}");
}

#[test]
fn binary_junk_is_not_a_text() {
    for junk in [vec![0xff; 5000], vec![b'\n'; 100], b"cairndb-test \xff\n".to_vec(), Vec::new()] {
        let disk = SimDisk::new(1);
        disk.write_file(path(), &junk);
        assert_eq!(read(&disk).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn a_huge_text_is_not_read() {
    let disk = SimDisk::new(1);
    disk.write_file(path(), &vec![b'a'; 1 << 20]);
    let error = read(&disk).unwrap_err();
    assert!(error.to_string().contains("size mismatch: expected at most 65536 bytes"), "{error}");
}

#[test]
fn what_is_no_line_is_not_written() {
    let long = "x".repeat(70_000);
    let cases = [("two words", "v"), ("", "v"), ("k", "a\nb"), ("k", "a\rb"), ("k\n", "v"), ("k", &long)];
    for (key, value) in cases {
        let disk = SimDisk::new(1);
        let error = sealed::write_text(&disk, path(), MAGIC, 1, &[(key, value)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(disk.files().is_empty());
    }
}

#[test]
fn a_text_replaces_the_old_one() {
    let disk = write(&[("id", "1")]);
    create(&disk, Path::new("/T.tmp"), b"left by a crash");
    sealed::write_text(&disk, path(), MAGIC, 1, &[("id", "2")]).unwrap();
    assert_eq!(read(&disk).unwrap(), [("id".to_owned(), "2".to_owned())]);
    assert_eq!(disk.files().len(), 1);
}

const BINARY: &[u8; 8] = b"CAIRNTST";

fn binary() -> Vec<u8> {
    let mut bytes = BINARY.to_vec();
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(b"and a body");
    sealed::seal(&mut bytes);
    bytes
}

fn check(bytes: &[u8]) -> Result<&[u8], Error> {
    sealed::check(path(), bytes, BINARY, 1)
}

#[test]
fn a_binary_is_given_back_without_its_checksum() {
    let bytes = binary();
    assert_eq!(check(&bytes).unwrap(), b"CAIRNTST\x01\0\0\0and a body");
}

#[test]
fn every_changed_byte_of_a_binary_is_found() {
    let mut bytes = binary();
    for at in 0..bytes.len() {
        for mask in 1..=255 {
            bytes[at] ^= mask;
            let error = check(&bytes).expect_err("damaged");
            let expected = if (8..12).contains(&at) { ErrorKind::Version } else { ErrorKind::Corrupt };
            assert_eq!(error.kind(), expected, "byte {at} changed by {mask:#x}: {error}");
            bytes[at] ^= mask;
        }
    }
}

#[test]
fn every_cut_and_every_byte_more_of_a_binary_is_found() {
    let bytes = binary();
    for len in 0..bytes.len() {
        assert_eq!(check(&bytes[..len]).expect_err("cut").kind(), ErrorKind::Corrupt);
    }
    for more in 0..=255 {
        assert!(check(&[bytes.as_slice(), &[more]].concat()).is_err());
    }
}

#[test]
fn a_damaged_binary_names_both_checksums_and_the_place() {
    let mut bytes = binary();
    let stored = u32::from_le_bytes(*bytes.last_chunk().unwrap());
    bytes[14] ^= 1;
    let computed = cairn_disk::crc32c(&bytes[..bytes.len() - 4]);
    let expected = format!("/T at byte 22: CRC mismatch: expected 0x{stored:08x}, got 0x{computed:08x}");
    assert_eq!(check(&bytes).unwrap_err().to_string(), expected);
}

#[test]
fn a_binary_of_another_version_or_magic_is_told_apart() {
    let bytes = binary();
    let error = sealed::check(path(), &bytes, BINARY, 3).unwrap_err();
    assert_eq!(error.to_string(), "/T: Version mismatch: expected 3, got 1");
    let error = sealed::check(path(), &bytes, b"CAIRNXYZ", 1).unwrap_err();
    assert_eq!(error.to_string(), "/T at byte 0: magic mismatch: expected `CAIRNXYZ`, got `CAIRNTST`");
    assert!(check(b"short").unwrap_err().to_string().contains("size mismatch: expected at least 16 bytes"));
}
