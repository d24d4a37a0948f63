//! Inputs, readers and engines that the tests share.

use cairn_disk::{SimDisk, Storage, write_new};
use cairn_engine::{Engine, ManualClock, Metadata, Options, Settings, Value, View, Write};
use cairn_transfer::{
    BadRow, Content, Error, ExportOptions, Format, Importer, Input, Next, OnError, ReadOptions, Report,
    RowReader, engine_sink, export, open,
};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

/// 2024-01-20T10:30:45Z.
pub const NOW_US: i64 = 1_705_746_645_000_000;

pub fn input(bytes: impl AsRef<[u8]>) -> Input {
    Input::from_reader("test", Cursor::new(bytes.as_ref().to_vec())).unwrap()
}

pub fn reader(format: Format, bytes: impl AsRef<[u8]>) -> Box<dyn RowReader> {
    open(input(bytes), format, ReadOptions::default()).unwrap()
}

pub fn open_error(format: Format, bytes: impl AsRef<[u8]>) -> String {
    match open(input(bytes), format, ReadOptions::default()) {
        Ok(_) => panic!("it opened"),
        Err(e) => e.to_string(),
    }
}

/// Every row of a reader: its writes, its bad rows, and the error that ended it.
#[derive(Debug, Default, PartialEq)]
pub struct All {
    pub writes: Vec<Write>,
    pub bad: Vec<String>,
    pub error: Option<String>,
}

pub fn read(reader: &mut dyn RowReader) -> All {
    let mut all = All::default();
    loop {
        let before = all.writes.len();
        match reader.next(&mut all.writes) {
            Ok(Next::Row(_)) => assert!(all.writes.len() > before),
            Ok(Next::Bad(bad)) => {
                assert_eq!(all.writes.len(), before, "a bad row adds nothing");
                all.bad.push(bad.to_string());
            }
            Ok(Next::End) => return all,
            Err(e) => {
                all.error = Some(e.to_string());
                return all;
            }
        }
    }
}

pub fn read_bytes(format: Format, bytes: impl AsRef<[u8]>) -> All {
    read(&mut *reader(format, bytes))
}

/// The one fault of one bad row.
pub fn fault(format: Format, bytes: impl AsRef<[u8]>) -> String {
    let all = read_bytes(format, bytes);
    assert_eq!((all.writes.len(), all.error), (0, None));
    let [bad] = &all.bad[..] else { panic!("{:?}", all.bad) };
    bad.clone()
}

pub fn vector(id: &str, vector: &[f32]) -> Write {
    Write::VectorSet { id: id.to_owned(), vector: vector.to_vec() }
}

pub fn metadata(id: &str, pairs: &[(&str, Value)]) -> Write {
    let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
    Write::MetadataSet { id: id.to_owned(), metadata: Metadata(pairs.collect()) }
}

pub fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub fn event(context: &str, op: cairn_engine::EventOp, id: &str, score: u8, time_s: Option<i64>) -> Write {
    Write::Event { context: context.to_owned(), id: id.to_owned(), op, score, time_s }
}

/// An engine on a disk of its own.
pub fn engine() -> Engine {
    let settings = Settings { ctx_buffer_size: 1_000, ..Settings::default() };
    let options = Options { settings, clock: Arc::new(ManualClock::new(NOW_US)), ..Options::default() };
    Engine::open(Arc::new(SimDisk::new(1)), Path::new("/data"), options).unwrap().0
}

pub fn engine_with(writes: Vec<Write>) -> Engine {
    let engine = engine();
    for answer in engine.write(writes) {
        answer.unwrap();
    }
    engine
}

pub fn import(engine: &Engine, reader: &mut dyn RowReader, on_error: OnError) -> Report {
    let importer = Importer { on_error, batch_rows: 7, ..Importer::default() };
    importer.run(reader, engine_sink(engine)).unwrap()
}

pub fn exported(view: &View, content: Content, format: Format) -> Vec<u8> {
    try_export(view, content, format).unwrap()
}

pub fn try_export(view: &View, content: Content, format: Format) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    export(view.default_collection(), content, format, &mut out, &ExportOptions::default()).map(|_| out)
}

pub fn lines(rows: &[BadRow]) -> Vec<String> {
    rows.iter().map(ToString::to_string).collect()
}

/// A disk with one file, which lasts.
pub fn disk_with(path: &str, bytes: &[u8]) -> SimDisk {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new("/in")).unwrap();
    write_new(&disk, Path::new(path), bytes).unwrap();
    disk.sync_dir(Path::new("/in")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

/// The bytes of an npy file with this dict and data.
pub fn npy(dict: &str, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(dict.len() + 1).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], dict.as_bytes(), b"\n", data].concat()
}

pub fn f32_bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}
