//! Ends of an import that are not the end of its rows.

use crate::support::{disk_with, engine, input, npy, reader};
use cairn_engine::Write;
use cairn_transfer::{
    End, Error, ErrorKind, Format, Importer, Input, OnError, Progress, ReadOptions, Refused, engine_sink,
    open,
};
use std::cell::RefCell;
use std::path::Path;

fn hundred() -> String {
    (0..100).map(|n| format!("EVENT u{n} ADD a 1\n")).collect()
}

#[test]
fn a_failing_receiver_ends_the_import_with_its_reason() {
    let mut batches = 0;
    let sink = |writes: Vec<Write>| {
        batches += 1;
        let full = Refused::All { kind: ErrorKind::NoSpace, message: "the disk is full".to_owned() };
        writes.iter().map(|_| if batches < 3 { Ok(()) } else { Err(full.clone()) }).collect()
    };
    let importer = Importer { batch_rows: 10, on_error: OnError::Skip, ..Importer::default() };
    let report = importer.run(&mut *reader(Format::Lines, hundred()), sink).unwrap();
    let End::Failed(error) = &report.end else { panic!("{:?}", report.end) };
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::NoSpace, "the disk is full".to_owned()));
    assert_eq!((report.counts.written, report.counts.skipped), (20, 0));
}

#[test]
fn a_closed_engine_is_no_bad_row() {
    let engine = engine();
    engine.close().unwrap();
    let importer = Importer { on_error: OnError::Skip, ..Importer::default() };
    let report = importer.run(&mut *reader(Format::Lines, hundred()), engine_sink(&engine)).unwrap();
    assert!(
        matches!(&report.end, End::Failed(Error::Sink { kind: ErrorKind::Busy, .. })),
        "{:?}",
        report.end
    );
    assert_eq!(report.counts.read, 0);
}

#[test]
fn a_receiver_that_answers_too_little_is_found_out() {
    let report = Importer::default().run(&mut *reader(Format::Lines, hundred()), |_| vec![Ok(())]).unwrap();
    let End::Failed(error) = &report.end else { panic!("{:?}", report.end) };
    assert_eq!(error.kind(), ErrorKind::Bug);
}

#[test]
fn what_was_read_before_a_file_ends_early_is_written() {
    let dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1), }";
    let engine = engine();
    let mut reader = reader(Format::Npy, npy(dict, &[0; 10]));
    let report = Importer::default().run(&mut *reader, engine_sink(&engine)).unwrap();
    let End::Failed(error) = &report.end else { panic!("{:?}", report.end) };
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(engine.view().unwrap().counts().vectors, 2);
}

#[test]
fn progress_goes_to_the_whole_of_a_file() {
    let disk = disk_with("/in/events.txt", hundred().as_bytes());
    let seen: RefCell<Vec<Progress>> = RefCell::default();
    let progress = |p| seen.borrow_mut().push(p);
    let importer = Importer { batch_rows: 30, progress: &progress, ..Importer::default() };
    let input = Input::open(&disk, Path::new("/in/events.txt")).unwrap();
    assert_eq!(input.bytes_total(), Some(hundred().len() as u64));
    let mut reader = open(input, Format::Lines, ReadOptions::default()).unwrap();
    importer.run(&mut *reader, engine_sink(&engine())).unwrap();
    let seen = seen.into_inner();
    assert_eq!(seen.iter().map(|p| p.counts.written).collect::<Vec<_>>(), [30, 60, 90, 100]);
    assert_eq!(seen.last().unwrap().share(), Some(1.0));
    let stream = Progress { bytes: 5, ..Progress::default() };
    assert_eq!(stream.share(), None);
}

#[test]
fn an_input_that_fails_ends_the_import() {
    struct Failing(usize);
    impl std::io::Read for Failing {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            self.0 += 1;
            if self.0 > 20 {
                return Err(std::io::Error::other("the cable is out"));
            }
            let line = b"EVENT u ADD a 1\n";
            let n = line.len().min(bytes.len());
            bytes[..n].copy_from_slice(&line[..n]);
            Ok(n)
        }
    }
    let input = Input::from_reader("stdin", Failing(0)).unwrap();
    let mut reader = open(input, Format::Lines, ReadOptions::default()).unwrap();
    let report = Importer { on_error: OnError::Skip, ..Importer::default() }
        .run(&mut *reader, engine_sink(&engine()))
        .unwrap();
    let End::Failed(error) = &report.end else { panic!("{:?}", report.end) };
    assert!(
        error.to_string().starts_with("stdin: at byte ") && error.to_string().ends_with("the cable is out")
    );
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn an_empty_input_is_done_at_once() {
    let report =
        Importer::default().run(&mut *reader(Format::Lines, ""), |_| panic!("nothing to send")).unwrap();
    assert!(report.end.is_done());
    assert_eq!(report.counts.read, 0);
    assert_eq!(input("").position(), 0);
}
