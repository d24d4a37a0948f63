//! A record's bytes: what is written is read, and nothing else is.

use cairn_log::Entry;
use cairn_log::record::{Flaw, HEAD_BYTES, KEY_BYTES_MAX, RecordRef, Stamp, decode, encode};
use proptest::prelude::*;

fn bytes(stamp: Stamp, entry: &Entry<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out, stamp, entry);
    out
}

const STAMP: Stamp = Stamp { offset: 41, timestamp_us: -5, durable_offset: 38 };

#[test]
fn bytes_are_those_of_the_format() {
    let entry = Entry { timestamp_us: 0, key: Some(b"k"), value: Some(b"vw") };
    let bytes = bytes(STAMP, &entry);
    assert_eq!(bytes.len(), 35);
    assert_eq!(bytes[0..4], 27u32.to_le_bytes());
    assert_eq!(bytes[8..16], 41u64.to_le_bytes());
    assert_eq!(bytes[16..24], (-5i64).to_le_bytes());
    assert_eq!(bytes[24..28], 3u32.to_le_bytes());
    assert_eq!(bytes[28..32], [1, 0, 0, 3]);
    assert_eq!(&bytes[32..], b"kvw");
    let mut crc = cairn_disk::Crc32c::new();
    crc.update(&bytes[0..4]);
    crc.update(&bytes[8..]);
    assert_eq!(bytes[4..8], crc.value().to_le_bytes());
}

#[test]
fn missing_and_empty_are_told_apart() {
    for key in [None, Some(&b""[..]), Some(&b"key"[..])] {
        for value in [None, Some(&b""[..]), Some(&b"value"[..])] {
            let mut bytes = bytes(STAMP, &Entry { timestamp_us: 1, key, value });
            let record = decode(&mut bytes).unwrap();
            assert_eq!(record, RecordRef { offset: 41, timestamp_us: -5, key, value });
        }
    }
}

#[test]
fn decoding_leaves_the_bytes_as_they_are() {
    let mut bytes = bytes(STAMP, &Entry { timestamp_us: 1, key: Some(b"a"), value: Some(b"b") });
    let before = bytes.clone();
    decode(&mut bytes).unwrap();
    assert_eq!(bytes, before);
}

#[test]
fn every_flipped_bit_is_detected() {
    let whole = bytes(STAMP, &Entry { timestamp_us: 1, key: Some(b"key"), value: Some(&[0; 100]) });
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            assert!(decode(&mut bytes).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn every_shorter_length_is_detected() {
    let whole = bytes(STAMP, &Entry { timestamp_us: 1, key: Some(b"key"), value: Some(&[5; 60]) });
    for length in 0..whole.len() {
        let flaw = decode(&mut whole[..length].to_vec()).unwrap_err();
        assert!(matches!(flaw, Flaw::Short { .. }), "length {length}: {flaw:?}");
    }
}

#[test]
fn bytes_after_the_record_do_not_matter() {
    let mut bytes = bytes(STAMP, &Entry { timestamp_us: 1, key: None, value: Some(b"v") });
    bytes.extend_from_slice(b"something else");
    assert_eq!(decode(&mut bytes).unwrap().value, Some(&b"v"[..]));
}

#[test]
fn zeros_are_no_record() {
    assert_eq!(decode(&mut [0; 64]), Err(Flaw::Length(0)));
}

#[test]
fn contradicting_flags_are_refused_whatever_the_checksum() {
    // A key length without a key, one past the end, a value without its flag, an unknown flag.
    for flags in [1u32, 0x0100_0005, 0x0100_0000, 0x0400_0000] {
        let mut bytes = bytes(STAMP, &Entry { timestamp_us: 1, key: None, value: Some(b"abcd") });
        bytes[28..32].copy_from_slice(&flags.to_le_bytes());
        let mut crc = cairn_disk::Crc32c::new();
        crc.update(&bytes[0..4]);
        crc.update(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.value().to_le_bytes());
        assert_eq!(decode(&mut bytes), Err(Flaw::Flags(flags)));
    }
}

#[test]
fn a_lag_too_large_for_its_field_is_stored_as_unknown() {
    let far = Stamp { offset: 1 << 40, timestamp_us: 0, durable_offset: 0 };
    assert_eq!(bytes(far, &Entry::default())[24..28], [0xff; 4]);
}

#[test]
fn the_longest_key_roundtrips() {
    let key = vec![7; KEY_BYTES_MAX as usize];
    let mut bytes = bytes(STAMP, &Entry { timestamp_us: 1, key: Some(&key), value: Some(b"v") });
    let record = decode(&mut bytes).unwrap();
    assert_eq!((record.key, record.value), (Some(&key[..]), Some(&b"v"[..])));
}

proptest! {
    #[test]
    fn any_record_roundtrips(
        offset: u64,
        lag in 0u64..1000,
        timestamp_us: i64,
        key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
    ) {
        let stamp = Stamp { offset, timestamp_us, durable_offset: offset.saturating_sub(lag) };
        let (key, value) = (key.as_deref(), value.as_deref());
        let mut bytes = bytes(stamp, &Entry { timestamp_us: 0, key, value });
        prop_assert_eq!(decode(&mut bytes), Ok(RecordRef { offset, timestamp_us, key, value }));
    }

    #[test]
    fn foreign_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), body in 0u32..200) {
        let _ = decode(&mut bytes);
        if bytes.len() >= HEAD_BYTES {
            bytes[..4].copy_from_slice(&body.to_le_bytes());
            let _ = decode(&mut bytes);
        }
    }
}
