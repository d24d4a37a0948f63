//! Going on where an interrupted import stopped.

use crate::support::{disk_with, engine, npy, vector};
use cairn_disk::{SimDisk, Storage, write_new};
use cairn_engine::{Engine, Write};
use cairn_transfer::{
    End, Error, Fields, Format, Ids, Importer, Input, OnError, ReadOptions, Refused, Report, RowReader,
    StateFile, engine_sink, open,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

const STATE: &str = "/in/import.state";
const FILE: &str = "/in/rows";

fn state(disk: &SimDisk) -> StateFile<'_> {
    StateFile { storage: disk, path: Path::new(STATE), target: "default" }
}

fn reader(disk: &SimDisk, format: Format) -> Box<dyn RowReader> {
    let mut options = ReadOptions::default();
    if format == Format::Npy {
        let ids: String = (0..50).map(|n| format!("id{n}\n")).collect();
        options.ids = Ids::from_input(crate::support::input(ids), &Fields::default()).unwrap();
    }
    open(Input::open(disk, Path::new(FILE)).unwrap(), format, options).unwrap()
}

/// Imports, cancelled after so many batches.
fn run(disk: &SimDisk, format: Format, batches: usize, on_error: OnError, rows: &mut Vec<Write>) -> Report {
    let cancel = AtomicBool::new(false);
    let mut sent = 0;
    let sink = |writes: Vec<Write>| {
        sent += 1;
        cancel.store(sent == batches, Ordering::Relaxed);
        let answers = writes.iter().map(|_| Ok(())).collect();
        rows.extend(writes);
        answers
    };
    let importer = Importer {
        batch_rows: 7,
        on_error,
        cancel: &cancel,
        state: Some(state(disk)),
        ..Importer::default()
    };
    importer.run(&mut *reader(disk, format), sink).unwrap()
}

fn files() -> Vec<(Format, Vec<u8>)> {
    let json: String = (0..50)
        .map(|n| {
            if n % 9 == 5 {
                "bad\n\n".to_owned()
            } else {
                format!("{{\"id\":\"é{n}\",\"vector\":[{n}],\"metadata\":{{\"n\":1}}}}\r\n")
            }
        })
        .collect();
    let csv: String = (0..50)
        .map(|n| if n % 9 == 5 { "x,\r\n\r\n".to_owned() } else { format!("a{n},\"line\n{n}\"\r\n") })
        .collect();
    let lines: String = (0..50).map(|n| format!("EVENT u{n} ADD a 1\n")).collect();
    let data: Vec<u8> = (0..50).flat_map(|n| (n as f32).to_le_bytes()).collect();
    let fvecs = (0..50).flat_map(|n| [1i32.to_le_bytes(), (n as f32).to_le_bytes()].concat()).collect();
    let dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (50, 1), }";
    vec![
        (Format::JsonLines, json.into_bytes()),
        (Format::Csv, format!("id,note\r\n{csv}").into_bytes()),
        (Format::Lines, lines.into_bytes()),
        (Format::Npy, npy(dict, &data)),
        (Format::Fvecs, fvecs),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, bytes).unwrap();
    gz.finish().unwrap()
}

#[test]
fn cancelled_at_every_batch_and_resumed_gives_the_rows_of_one_run() {
    for (format, plain) in files() {
        for bytes in [gzip(&plain), plain] {
            let disk = disk_with(FILE, &bytes);
            let mut whole = Vec::new();
            let once = run(&disk, format, 0, OnError::Skip, &mut whole);
            assert!(once.end.is_done());
            assert!(disk.stat(Path::new(STATE)).unwrap().is_none(), "a finished import leaves no state");

            let (mut rows, mut bad, mut at) = (Vec::new(), Vec::new(), 0);
            loop {
                let report = run(&disk, format, 1, OnError::Skip, &mut rows);
                assert_eq!(report.resumed_at, at, "{format}");
                at = report.counts.read;
                bad.extend(report.bad_rows);
                if report.end.is_done() {
                    assert_eq!(report.counts, once.counts);
                    break;
                }
                assert!(matches!(report.end, End::Cancelled));
            }
            assert_eq!(rows, whole, "{format}");
            assert_eq!(bad, once.bad_rows, "{format}: by the same lines");
        }
    }
}

#[test]
fn an_import_stopped_by_a_bad_row_goes_on_at_that_row() {
    let bytes = "EVENT u ADD a 1\nEVENT u ADD b 2\nbad\nEVENT u ADD c 3\n";
    let disk = disk_with(FILE, bytes.as_bytes());
    let mut rows = Vec::new();
    for _ in 0..2 {
        let stopped = run(&disk, Format::Lines, 0, OnError::Stop, &mut rows);
        assert!(matches!(stopped.end, End::BadRow(_)));
        assert_eq!((rows.len(), stopped.counts.read, stopped.counts.skipped), (2, 3, 1));
    }
    let report = run(&disk, Format::Lines, 0, OnError::Skip, &mut rows);
    assert_eq!((rows.len(), report.counts.read, report.counts.written, report.counts.skipped), (3, 4, 3, 1));
}

/// Cancels an import of these bytes after one batch, puts `now` in their place, and resumes.
fn resumed(before: &[u8], now: &[u8]) -> Result<Report, Error> {
    let disk = disk_with(FILE, before);
    let _ = run(&disk, Format::Lines, 1, OnError::Stop, &mut Vec::new());
    disk.remove(Path::new(FILE)).unwrap();
    write_new(&disk, Path::new(FILE), now).unwrap();
    let importer = Importer { state: Some(state(&disk)), ..Importer::default() };
    importer.run(&mut *reader(&disk, Format::Lines), |writes| writes.iter().map(|_| Ok(())).collect())
}

#[test]
fn a_changed_file_is_refused() {
    let file: String = (0..50).map(|n| format!("EVENT u{n:02} ADD a 1\n")).collect();
    assert!(resumed(file.as_bytes(), file.as_bytes()).unwrap().end.is_done());
    for (now, what) in [
        (format!("{file}EVENT u ADD a 1\n"), "file_bytes"),
        (file.replace("u01", "x01"), "file_sample"),
        (file.replace("u49", "x49"), "file_sample"),
        (String::new(), "file_bytes"),
    ] {
        let error = resumed(file.as_bytes(), now.as_bytes()).unwrap_err();
        assert!(matches!(&error, Error::Changed { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn what_was_imported_from_a_stream_has_to_come_again() {
    let disk = disk_with(FILE, b"");
    let file: String = (0..50).map(|n| format!("EVENT u{n:02} ADD a 1\n")).collect();
    let stream = |bytes: &str| {
        let input = crate::support::input(bytes);
        open(input, Format::Lines, ReadOptions::default()).unwrap()
    };
    let cancel = AtomicBool::new(true);
    let mut rows: Vec<Write> = Vec::new();
    let mut sink = |writes: Vec<Write>| -> Vec<Result<(), Refused>> {
        cancel.store(true, Ordering::Relaxed);
        let answers = writes.iter().map(|_| Ok(())).collect();
        rows.extend(writes);
        answers
    };
    let mut go = |bytes: &str| {
        cancel.store(false, Ordering::Relaxed);
        let importer =
            Importer { batch_rows: 20, cancel: &cancel, state: Some(state(&disk)), ..Importer::default() };
        importer.run(&mut *stream(bytes), &mut sink)
    };
    go(&file).unwrap();
    let changed = go(&file.replace("u05", "x05")).unwrap_err();
    assert!(changed.to_string().contains("content already imported"), "{changed}");
    let short = go(&file[..100]).unwrap_err();
    assert!(short.to_string().contains("length: expected at least 360 bytes, got 100 bytes"), "{short}");
    for _ in 0..2 {
        go(&file).unwrap();
    }
    assert_eq!(rows.len(), 50);
}

#[test]
fn a_state_of_another_import_or_a_damaged_one_is_refused() {
    let (format, bytes) = files().remove(0);
    let disk = disk_with(FILE, &bytes);
    let _ = run(&disk, format, 1, OnError::Skip, &mut Vec::new());
    let none = |_: Vec<Write>| panic!("nothing is sent");
    let other = StateFile { target: "products", ..state(&disk) };
    let importer = Importer { state: Some(other), ..Importer::default() };
    let error = importer.run(&mut *reader(&disk, format), none).unwrap_err().to_string();
    assert!(error.ends_with("target: expected default, got products"), "{error}");
    let importer = Importer { state: Some(state(&disk)), ..Importer::default() };
    let error = importer.run(&mut *reader(&disk, Format::Lines), none).unwrap_err().to_string();
    assert!(error.ends_with("format: expected jsonl, got lines"), "{error}");

    let whole = disk.read_file(Path::new(STATE));
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        disk.remove(Path::new(STATE)).unwrap();
        write_new(&disk, Path::new(STATE), &damaged).unwrap();
        let importer = Importer { state: Some(state(&disk)), ..Importer::default() };
        assert!(importer.run(&mut *reader(&disk, format), none).is_err(), "byte {at}");
    }
}

#[test]
fn vectors_sent_twice_change_nothing() {
    let send = |engine: &Engine| {
        let mut reader = crate::support::reader(
            Format::JsonLines,
            "{\"id\":\"a\",\"vector\":[1],\"metadata\":{\"k\":2}}\n",
        );
        Importer::default().run(&mut *reader, engine_sink(engine)).unwrap();
        engine.view().unwrap().state_hash()
    };
    let engine = engine();
    engine.write(vec![vector("b", &[2.0])]);
    let once = send(&engine);
    assert_eq!(send(&engine), once);
}
