//! The checksum: known values, and pieces against the whole.

use crate::support::noise;
use cairn_disk::{Crc32c, crc32c};

#[test]
fn gives_the_values_of_rfc_3720() {
    assert_eq!(crc32c(b""), 0);
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    let ascending: Vec<u8> = (0..32).collect();
    assert_eq!(crc32c(&ascending), 0x46dd_794e);
}

#[test]
fn agrees_with_the_definition_at_every_length() {
    let bytes = noise(700, 3);
    for len in 0..bytes.len() {
        assert_eq!(crc32c(&bytes[..len]), bit_by_bit(&bytes[..len]), "{len} bytes");
    }
}

#[test]
fn pieces_give_the_same_as_the_whole() {
    let bytes = noise(5000, 4);
    for cut in [0, 1, 15, 16, 255, 256, 1024, 4999, 5000] {
        let mut crc = Crc32c::new();
        crc.update(&bytes[..cut]);
        assert_eq!(crc.value(), crc32c(&bytes[..cut]));
        crc.update(&bytes[cut..]);
        assert_eq!(crc.value(), crc32c(&bytes), "cut at {cut}");
    }
}

fn bit_by_bit(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}
