//! A crash at every operation of an import.

use crate::support::{NOW_US, disk_with};
use cairn_disk::{Fate, SimDisk};
use cairn_engine::{Engine, ManualClock, Options};
use cairn_transfer::{Format, Importer, Input, ReadOptions, Report, StateFile, engine_sink, open};
use std::path::Path;
use std::sync::{Arc, Mutex};

const ROWS: u64 = 40;
const NOTE_ROWS: u64 = 8;
const BATCH_ROWS: u64 = 4;

fn engine(disk: &SimDisk) -> Engine {
    let options = Options { clock: Arc::new(ManualClock::new(NOW_US)), ..Options::default() };
    Engine::open(Arc::new(disk.clone()), Path::new("/data"), options).unwrap().0
}

fn import(disk: &SimDisk, engine: &Engine) -> Report {
    let input = Input::open(disk, Path::new("/in/rows")).unwrap();
    let mut reader = open(input, Format::Lines, ReadOptions::default()).unwrap();
    let state = StateFile { storage: disk, path: Path::new("/in/state"), target: "default" };
    let importer = Importer {
        batch_rows: BATCH_ROWS as usize,
        note_rows: NOTE_ROWS,
        state: Some(state),
        ..Importer::default()
    };
    importer.run(&mut *reader, engine_sink(engine)).unwrap()
}

#[test]
fn after_a_crash_no_row_is_left_out_and_few_come_twice() {
    let file: String = (0..ROWS).map(|n| format!("EVENT u{n} ADD a 1\n")).collect();
    let disk = disk_with("/in/rows", file.as_bytes());
    let live = engine(&disk);
    let images = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&images);
    disk.on_op(Box::new(move |op, disk| {
        for fate in [Fate::Dropped, Fate::Kept, Fate::Torn(op)] {
            seen.lock().unwrap().push((op, disk.image(fate)));
        }
    }));
    assert!(import(&disk, &live).end.is_done());
    disk.on_op(Box::new(|_, _| {}));

    let images = std::mem::take(&mut *images.lock().unwrap());
    println!("crash points: {}", images.len());
    assert!(images.len() >= 100, "{} crash points", images.len());
    let mut resumed = 0;
    for (op, image) in images {
        let engine = engine(&image);
        let report = import(&image, &engine);
        assert!(report.end.is_done(), "{op}: {:?}", report.end);
        resumed += u64::from(report.resumed_at > 0);
        let counts = engine.view().unwrap().counts();
        assert_eq!(counts.contexts, ROWS, "{op}: none left out");
        // At the very end the state is gone, or not yet: then there is nothing left to do, or all of it.
        let twice = counts.total_events - ROWS;
        let over = report.resumed_at == 0 && counts.total_events == 2 * ROWS;
        assert!(over || twice <= NOTE_ROWS + BATCH_ROWS, "{op}: {twice} rows came twice");
    }
    assert!(resumed > 20, "{resumed} imports were resumed");
}
