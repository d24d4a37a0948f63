//! `.nvec` files that others wrote: without extensions, with unknown ones, and hostile ones whose CRCs are right.

use crate::support::*;
use cairn_disk::{ErrorKind, SimDisk};
use cairn_engine::{Metric, Settings, View};
use cairn_snapshot::{Error, nvec};
use proptest::prelude::*;
use std::path::Path;

const FILE: &str = "/dumps/theirs.nvec";

/// Bytes put together field by field.
#[derive(Default, Clone)]
pub struct Out(pub Vec<u8>);

impl Out {
    pub fn u8(mut self, value: u8) -> Out {
        self.0.push(value);
        self
    }
    pub fn u32(mut self, value: u32) -> Out {
        self.0.extend(value.to_le_bytes());
        self
    }
    pub fn u64(mut self, value: u64) -> Out {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn i64(mut self, value: i64) -> Out {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn f64(mut self, value: f64) -> Out {
        self.0.extend(value.to_le_bytes());
        self
    }
    pub fn f32(mut self, value: f32) -> Out {
        self.0.extend(value.to_le_bytes());
        self
    }
    pub fn text(mut self, text: &str) -> Out {
        self = self.u32(text.len() as u32);
        self.0.extend(text.as_bytes());
        self
    }
    pub fn bytes(mut self, bytes: &[u8]) -> Out {
        self.0.extend(bytes);
        self
    }
    fn event(self, id: &str, score: i32, time_s: i64, op: u8) -> Out {
        self.text(id).bytes(&score.to_le_bytes()).i64(time_s).u8(op).bytes(&[0; 3])
    }
}

/// A file whose sizes and CRCs are right, whatever is in its sections.
pub fn file(counts: [u32; 3], sections: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let length = 48 + sections.iter().map(|(_, payload)| 16 + payload.len() as u64).sum::<u64>();
    let flags = u32::from(sections.len() > 3);
    let mut out = Out(b"NVEC".to_vec()).u32(1).u32(flags);
    for count in counts {
        out = out.u32(count);
    }
    out = out.u64(1_700_000_000_000).u64(length);
    for (kind, payload) in sections {
        out = out.u32(*kind).u32(crc32fast::hash(payload)).u64(payload.len() as u64).bytes(payload);
    }
    let crc = crc32fast::hash(&out.0);
    out.u32(crc).u32(0).0
}

/// The three sections of a small file.
pub fn three() -> Vec<(u32, Vec<u8>)> {
    let events =
        Out::default().u64(1).text("ctx").u32(5).u32(2).event("a", 10, 100, 1).event("b", 20, 101, 2);
    let pairs = Out::default().u64(1).text("a").text("b").f64(200.0);
    let vectors = Out::default().u32(2).u8(1).bytes(&[0; 3]).u64(1).text("a").f32(1.0).f32(-2.0);
    vec![(1, events.0), (2, pairs.0), (3, vectors.0)]
}

pub const COUNTS: [u32; 3] = [2, 1, 1];

pub fn read(bytes: &[u8]) -> Result<View, Error> {
    let disk = SimDisk::new(1);
    disk.write_file(Path::new(FILE), bytes);
    let read = nvec::read(&disk, Path::new(FILE), &Settings::default(), &one_thread());
    let verified = nvec::verify(&disk, Path::new(FILE), &one_thread());
    // What loads verifies; what does not verify does not load.
    assert!(read.is_err() || verified.is_ok());
    let _ = nvec::info(&disk, Path::new(FILE));
    Ok(read?.0)
}

/// The file is refused for what is at this place in a section, not for its CRC.
pub fn refused(counts: [u32; 3], sections: &[(u32, Vec<u8>)], what: &str) {
    let error = read(&file(counts, sections)).map(|view| view.counts()).expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
    let text = error.to_string();
    assert!(
        text.contains(FILE) && text.contains(what) && !text.contains("CRC"),
        "expected {what:?} in {text:?}"
    );
}

fn with(at: usize, payload: Out) -> Vec<(u32, Vec<u8>)> {
    let mut sections = three();
    sections[at].1 = payload.0;
    sections
}

#[test]
fn a_file_of_three_sections_loads() {
    let view = read(&file(COUNTS, &three())).expect("reads");
    let counts = view.counts();
    assert_eq!((counts.events, counts.pairs, counts.vectors, counts.contexts), (2, 1, 1, 1));
    assert_eq!(view.default_collection().settings().metric, Metric::Dot);
    assert_eq!(view.default_collection().settings().ctx_buffer_size, 5);
    assert_eq!(view.default_collection().vectors().collect::<Vec<_>>(), [("a", &[1.0f32, -2.0][..])]);
    assert_eq!(
        view.default_collection()
            .neighbours()
            .flat_map(|(_, list)| list)
            .map(|(_, score)| score)
            .collect::<Vec<_>>(),
        [200.0, 200.0]
    );
    assert_eq!(view.lsn().0, 0);
}

#[test]
fn an_unknown_extension_is_skipped_but_its_crc_is_not() {
    let mut sections = three();
    sections.push((77, b"from the future".to_vec()));
    let mut bytes = file(COUNTS, &sections);
    assert!(read(&bytes).is_ok());
    let at = bytes.len() - 12;
    bytes[at] ^= 1;
    let end = bytes.len() - 8;
    let crc = crc32fast::hash(&bytes[..end]);
    bytes[end..end + 4].copy_from_slice(&crc.to_le_bytes());
    let error = read(&bytes).map(|v| v.counts()).expect_err("the section's CRC");
    assert_eq!(error.headline(), "CRC mismatch: file may be corrupted");
}

#[test]
fn sections_out_of_order_are_refused() {
    let mut swapped = three();
    swapped.swap(0, 1);
    refused(COUNTS, &swapped, "section kind");
    refused(COUNTS, &three()[..2], "sections");
    let mut twice = three();
    twice.extend([(77, vec![]), (77, vec![])]);
    refused(COUNTS, &twice, "section kind");
    let mut between = three();
    between.push((5, vec![]));
    refused(COUNTS, &between, "section kind");
}

#[test]
fn lengths_and_counts_past_the_end_are_refused() {
    let huge = u64::MAX;
    refused(COUNTS, &with(0, Out::default().u64(huge)), "count");
    refused(COUNTS, &with(1, Out::default().u64(huge)), "count");
    refused(COUNTS, &with(2, Out::default().u32(u32::MAX).u32(0).u64(huge)), "count");
    refused(COUNTS, &with(0, Out::default().u64(1).u32(u32::MAX).bytes(&[0; 20])), "string length");
    let events = Out::default().u64(1).text("ctx").u32(u32::MAX).u32(u32::MAX).bytes(&[0; 50]);
    refused(COUNTS, &with(0, events), "events of a context");
    let pairs = Out::default().u64(1).text("a").u32(60_000).bytes(&[b'x'; 30]);
    refused(COUNTS, &with(1, pairs), "section end");
    let mut bytes = file(COUNTS, &three());
    bytes[48..56].copy_from_slice(&huge.to_le_bytes());
    let end = bytes.len() - 8;
    let crc = crc32fast::hash(&bytes[..end]);
    bytes[end..end + 4].copy_from_slice(&crc.to_le_bytes());
    assert!(read(&bytes).map(|v| v.counts()).expect_err("length").to_string().contains("section length"));
}

#[test]
fn counts_that_disagree_are_refused() {
    refused([3, 1, 1], &three(), "number of events");
    refused([2, 2, 1], &three(), "number of pairs");
    refused([2, 1, 0], &three(), "number of vectors");
    let mut sections = three();
    sections.push((16, Out::default().u64(2).u64(1).u64(1).u64(9).0));
    refused(COUNTS, &sections, "number of contexts");
    sections[3].1 = Out::default().u64(7).u64(1).u64(1).u64(1).0;
    refused(COUNTS, &sections, "counts");
}

#[test]
fn values_that_no_state_has_are_refused() {
    let ring = |event: Out| with(0, event);
    let one = || Out::default().u64(1).text("ctx").u32(5).u32(2).event("a", 10, 100, 1);
    refused(COUNTS, &ring(one().event("b", 101, 1, 1)), "score");
    refused(COUNTS, &ring(one().event("b", -1, 1, 1)), "score");
    refused(COUNTS, &ring(one().event("b", 1, 1, 4)), "operation");
    refused(COUNTS, &ring(one().event("", 1, 1, 1).u64(0)), "string length");
    let pair = |a: &str, b: &str, score: f64| with(1, Out::default().u64(1).text(a).text(b).f64(score));
    refused(COUNTS, &pair("a", "a", 1.0), "pair");
    refused(COUNTS, &pair("b", "a", 1.0), "pair");
    refused(COUNTS, &pair("a", "b", f64::NAN), "score");
    refused(COUNTS, &pair("a", "b", f64::INFINITY), "score");
    let vector =
        |metric: u8, x: f32| with(2, Out::default().u32(1).u8(metric).bytes(&[0; 3]).u64(1).text("a").f32(x));
    refused(COUNTS, &vector(3, 1.0), "metric");
    refused(COUNTS, &vector(0, f32::NAN), "vector element");
    let no_utf8 = Out::default().u64(1).u32(2).bytes(&[0xff, 0xfe]).u32(5).u32(0);
    refused([0, 1, 1], &with(0, no_utf8), "string");
}

#[test]
fn what_stands_twice_is_refused() {
    let contexts = Out::default().u64(2).text("c").u32(5).u32(1).event("a", 1, 1, 1).text("c").u32(5).u32(1);
    refused(COUNTS, &with(0, contexts.event("b", 1, 1, 1)), "contexts that a state can hold");
    let pairs = Out::default().u64(2).text("a").text("b").f64(1.0).text("a").text("b").f64(2.0);
    refused([2, 2, 1], &with(1, pairs), "pair");
    let vectors = Out::default().u32(1).u32(0).u64(2).text("a").f32(1.0).text("a").f32(2.0);
    refused([2, 1, 2], &with(2, vectors), "vectors that a state can hold");
}

#[test]
fn notes_on_pairs_that_are_not_there_are_refused() {
    for (kind, note) in [
        (20, Out::default().u64(1).text("a").text("z")),
        (22, Out::default().u64(1).text("b").text("a").f64(1.0)),
    ] {
        let mut sections = three();
        sections.push((kind, note.0));
        refused(COUNTS, &sections, "note on a pair");
    }
    let mut sections = three();
    sections.push((20, Out::default().u64(1).text("b").text("a").0));
    let view = read(&file(COUNTS, &sections)).expect("reads");
    assert_eq!(view.counts().one_sided, 1);
    assert_eq!(view.default_collection().neighbours().map(|(owner, _)| owner).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn an_origin_without_room_for_more_is_refused() {
    let mut sections = three();
    sections.push((21, Out::default().bytes(&[1; 32]).u64(u64::MAX).i64(0).0));
    refused(COUNTS, &sections, "lsn");
}

#[test]
fn settings_out_of_range_are_refused() {
    let mut encoded = Vec::new();
    Settings { ctx_buffer_size: 1, ..Settings::default() }.encode(&mut encoded);
    let mut sections = three();
    sections.push((18, encoded.clone()));
    // Two events do not fit a ring of one.
    refused(COUNTS, &sections, "events that a state can hold");
    sections[3].1[0] = 9;
    refused(COUNTS, &sections, "settings");
    sections[3].1 = encoded[1..].to_vec();
    refused(COUNTS, &sections, "settings");
}

fn any_payload(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edits = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4);
    (edits, any::<proptest::sample::Index>(), 0..4u8).prop_map(move |(edits, cut, how)| {
        let mut bytes = valid.clone();
        for (at, value) in edits {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        if how == 0 && !bytes.is_empty() {
            bytes.truncate(cut.index(bytes.len()));
        }
        bytes
    })
}

/// All sections of a file of ours.
fn ours() -> Vec<(u32, Vec<u8>)> {
    let disk = SimDisk::new(1);
    disk.write_file(Path::new("/dumps/x"), b"");
    nvec::save(&disk, Path::new(FILE), &full_state(), NOW_US, &one_thread()).expect("saved");
    let bytes = disk.read_file(Path::new(FILE));
    let (mut sections, mut at) = (Vec::new(), 40);
    while at < bytes.len() - 8 {
        let kind = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4"));
        let length = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().expect("8")) as usize;
        sections.push((kind, bytes[at + 16..at + 16 + length].to_vec()));
        at += 16 + length;
    }
    sections
}

#[test]
fn mutated_sections_with_right_crcs_never_panic() {
    let sections = ours();
    let counts = read(&file([0; 3], &sections)).map(|v| v.counts()).expect_err("counts");
    assert!(counts.to_string().contains("counts"), "{counts}");
    let events = u32::from_le_bytes(sections[3].1[0..4].try_into().expect("4"));
    let pairs = u32::from_le_bytes(sections[3].1[8..12].try_into().expect("4"));
    let vectors = u32::from_le_bytes(sections[3].1[16..20].try_into().expect("4"));
    assert!(read(&file([events, pairs, vectors], &sections)).is_ok());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(3_000));
    let strategy = (0..sections.len()).prop_flat_map({
        let sections = sections.clone();
        move |which| any_payload(sections[which].1.clone()).prop_map(move |payload| (which, payload))
    });
    let run = runner.run(&strategy, |(which, payload)| {
        let mut sections = sections.clone();
        sections[which].1 = payload;
        if let Err(error) = read(&file([events, pairs, vectors], &sections)) {
            prop_assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", error);
        }
        Ok(())
    });
    run.expect("no panic, and every error is damage");
}
