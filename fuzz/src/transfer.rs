//! `npy`, `fvecs`, `jsonl`: the readers of imports.

use cairn_transfer::{Format, Ids, Input, JsonLinesReader, Next, NpyReader, Place, RowReader, VecsReader};
use std::io::{Cursor, Read};

/// Gives out a few bytes at a time, so that what is looked at ends anywhere.
struct Drops(Cursor<Vec<u8>>);

impl Read for Drops {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let n = bytes.len().min(7);
        self.0.read(&mut bytes[..n])
    }
}

fn open(format: Format, input: Input) -> Option<Box<dyn RowReader>> {
    Some(match format {
        Format::Npy => Box::new(NpyReader::new(input, Ids::numbers("")).ok()?),
        Format::Fvecs => Box::new(VecsReader::fvecs(input, Ids::numbers(""))),
        _ => Box::new(JsonLinesReader::new(input, Default::default()).expect("the default fields are sound")),
    })
}

/// What reading gives: rows and bad rows in words, and the places before each.
fn read(reader: &mut dyn RowReader) -> (Vec<String>, Vec<Place>, bool) {
    let (mut seen, mut places) = (Vec::new(), Vec::new());
    loop {
        places.push(reader.place());
        let mut writes = Vec::new();
        match reader.next(&mut writes) {
            Ok(Next::Row(place)) => {
                assert!(!writes.is_empty(), "a row has writes");
                seen.push(format!("{place}: {writes:?}"));
            }
            Ok(Next::Bad(bad)) => {
                assert!(writes.is_empty(), "a bad row has none");
                seen.push(bad.to_string());
            }
            Ok(Next::End) => return (seen, places, true),
            Err(_) => return (seen, places, false),
        }
    }
}

/// Input: the bytes of a file. Read whole, in pieces, and resumed in its middle, it gives the same rows.
pub fn check(format: Format, data: &[u8]) {
    let whole = || Input::from_reader("fuzz", Cursor::new(data.to_vec())).ok();
    let pieces = || Input::from_reader("fuzz", Drops(Cursor::new(data.to_vec()))).ok();
    let Some(mut reader) = whole().and_then(|input| open(format, input)) else {
        assert!(pieces().and_then(|input| open(format, input)).is_none());
        return;
    };
    let (seen, places, ended) = read(&mut *reader);
    let mut slow = pieces().and_then(|input| open(format, input)).expect("it opened before");
    assert_eq!(read(&mut *slow), (seen.clone(), places.clone(), ended));

    let middle = places.len() / 2;
    let mut resumed = pieces().and_then(|input| open(format, input)).expect("it opened before");
    resumed.resume(&places[middle]).expect("the bytes are the same");
    let (rest, ..) = read(&mut *resumed);
    assert_eq!(rest, seen[middle..]);
}
