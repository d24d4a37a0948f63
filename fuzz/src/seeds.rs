//! `seeds`: inputs to begin with, made from a whole log, a whole graph and whole codes.

use crate::{conversation, graph_open, http_bodies, log, snapshot};
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
        "graph_open" => Some(graphs()),
        "npy" => Some(matrices()),
        "fvecs" => Some(vec![[1i32.to_le_bytes(), 0.5f32.to_le_bytes()].concat().repeat(3)]),
        "jsonl" => Some(json_lines()),
        "http_bodies" => Some(http_bodies::seeds()),
        "conversation" | "session" => {
            Some(conversation::seeds(include_str!("../../crates/cairn-server/tests/it/wire_table.rs")))
        }
        "codes_open" => Some(codes()),
        "metadata" => Some(vec![snapshot::metadata_seed()]),
        "log_part" => Some(vec![snapshot::log_seed()]),
        "portable" => Some(snapshot::portable_seeds()),
        _ => None,
    }
}

fn matrices() -> Vec<Vec<u8>> {
    let matrix = |descr: &str, bytes: usize| {
        let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (3, 2), }}\n");
        let length = u16::try_from(dict.len()).expect("a short text").to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], dict.as_bytes(), &vec![0; 6 * bytes]].concat()
    };
    [("<f2", 2), ("<f4", 4), ("<f8", 8), (">f4", 4)].map(|(descr, bytes)| matrix(descr, bytes)).to_vec()
}

fn json_lines() -> Vec<Vec<u8>> {
    let lines = [
        r#"{"id":"a","vector":[1,-2.5e3],"metadata":{"k":[true,1,0.5,"x"],"t":"\u00e9\n"}}"#,
        r#"{"id":7,"metadata":{}}"#,
        r#"{"ctx":"u","id":"a","type":"ADD","score":100,"timestamp":5}"#,
        r#"{"ctx":"u","id":"a","type":"DEL"}"#,
        "",
        "bad",
    ];
    lines.iter().map(|line| line.as_bytes().to_vec()).chain([lines.join("\r\n").into_bytes()]).collect()
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

fn graphs() -> Vec<Vec<u8>> {
    let file = graph_open::whole();
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for mode in 0..8u8 {
        let mut seed = vec![mode];
        if mode & 1 == 1 {
            seed.extend_from_slice(file);
        }
        seeds.push(seed);
    }
    // Each field of the header, and something in each section.
    for at in (8u16..144).step_by(4).chain((256..file.len() as u16).step_by(331)) {
        let at = at.to_le_bytes();
        seeds.extend([0, 1, 255].map(|value| [6, at[0], at[1], value].to_vec()));
    }
    seeds
}
