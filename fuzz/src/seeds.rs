//! `seeds`: inputs to begin with, made from a whole log and from whole codes.

use crate::log;
use cairn_engine::codes::{CodeKind, Codes};
use cairn_log::Entry;
use cairn_log::record::{Stamp, encode};

/// The inputs of a target; `None` when there is no such target.
pub fn of(target: &str) -> Option<Vec<Vec<u8>>> {
    match target {
        "record" => Some(records()),
        "index" => Some(indexes("index")),
        "time_index" => Some(indexes("timeindex")),
        "segment_open" => Some(changes()),
        "codes_open" => Some(codes()),
        _ => None,
    }
}

fn encoded(offset: u64) -> Vec<u8> {
    let record = log::record(offset);
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    let (timestamp_us, mut bytes) = (record.timestamp_us, Vec::new());
    encode(
        &mut bytes,
        Stamp { offset, timestamp_us, durable_offset: offset },
        &Entry { timestamp_us, key, value },
    );
    bytes
}

fn codes() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for kind in [CodeKind::F16, CodeKind::I8] {
        for (dimension, rows) in [(1, 1), (3, 5), (70, 3)] {
            let numbers: Vec<f32> = (0..dimension * rows).map(|n| (n as f32 - 4.0).powi(3)).collect();
            let codes = Codes::encode(kind, 0, 7, dimension, &numbers).expect("whole rows");
            seeds.extend([0, 1, 3].map(|mode| [&[mode], codes.as_bytes()].concat()));
        }
    }
    seeds
}

fn records() -> Vec<Vec<u8>> {
    let both = |offset| [0, 1].map(|mode| [&[mode], &encoded(offset)[..]].concat());
    (0..16).flat_map(both).collect()
}

fn indexes(extension: &str) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (n, base) in (0u8..).zip(&log::bases()[..log::bases().len() - 1]) {
        let file = log::disk().read_file(&log::path(*base, extension));
        let contents: Vec<u8> = file[32..].chunks(16).flat_map(|entry| entry[..12].to_vec()).collect();
        seeds.push([&[n << 2], &file[..]].concat());
        seeds.push([&[n << 2 | 1], &file[32..]].concat());
        seeds.push([&[n << 2 | 3], &contents[..]].concat());
    }
    seeds
}

fn changes() -> Vec<Vec<u8>> {
    let change = |what: u8, which: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).expect("a short change");
        [&[what, which, length], bytes].concat()
    };
    let number = |n: u64| n.to_le_bytes().to_vec();
    let mut seeds = vec![Vec::new()];
    for which in 0..12 {
        for what in [1, 2, 6] {
            seeds.push(change(what, which, &number(400)));
        }
        seeds.push(change(7, which, &number(20)));
        seeds.push(change(3, which, &[number(100), vec![0; 20]].concat()));
        seeds.push([change(2, which, &number(70)), change(6, which + 3, &number(0))].concat());
    }
    seeds.push(change(4, 250, &encoded(log::RECORDS)));
    for offset in [0, 30, 60] {
        seeds.push(change(5, 0, &[number(offset), encoded(offset)].concat()));
    }
    seeds
}
