//! Inputs that are wrapped, cut, or come in small pieces.

use crate::support::{All, disk_with, input, read};
use cairn_transfer::{Compression, Format, Input, ReadOptions, open};
use std::io::{Read, Write};
use std::path::Path;

fn text() -> String {
    (0..20_000).map(|n| format!("EVENT user{n} ADD item{} {}\n", n * 7 % 1000, n % 101)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

fn all(input: Input) -> All {
    read(&mut *open(input, Format::Lines, ReadOptions::default()).unwrap())
}

/// Gives out a few bytes at a time.
struct Drops(std::io::Cursor<Vec<u8>>, usize);

impl Read for Drops {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 % 3 + 1;
        let n = bytes.len().min(self.1);
        self.0.read(&mut bytes[..n])
    }
}

#[test]
fn gzip_and_zstd_of_several_parts_are_unwrapped() {
    let text = text();
    let (first, second) = text.as_bytes().split_at(text.find("EVENT user777 ").unwrap());
    let plain = all(input(&text));
    assert_eq!(plain.writes.len(), 20_000);
    let gz = [gzip(first), gzip(second)].concat();
    let zst = [zstd::encode_all(first, 1).unwrap(), zstd::encode_all(second, 1).unwrap()].concat();
    for (bytes, compression) in [(gz, Compression::Gzip), (zst, Compression::Zstd)] {
        let wrapped = input(&bytes);
        assert_eq!(wrapped.compression(), compression);
        assert_eq!(all(wrapped), plain);
        let drops = Drops(std::io::Cursor::new(bytes.clone()), 0);
        assert_eq!(all(Input::from_reader("stdin", drops).unwrap()), plain);
        let disk = disk_with("/in/file", &bytes);
        let file = Input::open(&disk, Path::new("/in/file")).unwrap();
        assert_eq!(file.bytes_total(), Some(bytes.len() as u64));
        assert_eq!(all(file), plain);
    }
}

#[test]
fn a_wrapped_file_that_is_cut_says_so() {
    let text = text();
    for bytes in [gzip(text.as_bytes()), zstd::encode_all(text.as_bytes(), 1).unwrap()] {
        for cut in [5, bytes.len() / 2, bytes.len() - 1] {
            let wrapped = Input::from_reader("cut", std::io::Cursor::new(bytes[..cut].to_vec())).unwrap();
            let all = all(wrapped);
            let error = all.error.expect("an error");
            assert!(error.starts_with("cut: at byte "), "{error}");
            assert!(all.writes.len() <= 20_000);
        }
    }
}

#[test]
fn a_wrapped_file_that_is_damaged_says_so() {
    let mut bytes = gzip(text().as_bytes());
    let at = bytes.len() - 6;
    bytes[at] ^= 1;
    assert!(all(input(bytes)).error.is_some(), "its checksum is wrong");
}

#[test]
fn position_and_checksum_are_of_what_was_given_out() {
    let text = text();
    let mut input = input(&text);
    let mut piece = [0; 1000];
    for n in 1..300 {
        input.read_exact(&mut piece).unwrap();
        assert_eq!(input.position(), n * 1000);
        assert_eq!(input.crc(), cairn_disk::crc32c(&text.as_bytes()[..n as usize * 1000]));
        assert_eq!(input.peek().unwrap(), &text.as_bytes()[n as usize * 1000..][..16]);
    }
}
