//! `segment_open`: a log's directory in any state.

use crate::{log, record};
use cairn_disk::{Fate, SimDisk};
use cairn_log::{Entry, ErrorKind, Log};

/// Input: changes of a whole log's files, one after the other: a byte for what, a byte for which file, a byte for the length of
/// what follows, and that.
pub fn check(data: &[u8]) {
    let disk = log::disk();
    let mut rest = data;
    while let Some((&[what, which, length], after)) = rest.split_first_chunk::<3>() {
        let (bytes, after) = after.split_at(usize::from(length).min(after.len()));
        change(&disk, what, which, bytes);
        rest = after;
    }
    check_disk(&disk);
}

/// Makes one change.
fn change(disk: &SimDisk, what: u8, which: u8, bytes: &[u8]) {
    let files = disk.files();
    let Some(path) = files.get(usize::from(which) % files.len().max(1)) else {
        return disk.write_file(&log::path(0, "log"), bytes);
    };
    let mut file = disk.read_file(path);
    let number = u64::from_le_bytes(std::array::from_fn(|i| bytes.get(i).copied().unwrap_or(0)));
    let at = usize::try_from(number % (file.len() as u64 + 1)).expect("within the file");
    let rest = bytes.get(8..).unwrap_or_default();
    match what % 8 {
        0 => file = bytes.to_vec(),
        1 => file.truncate(at),
        2 => file.iter_mut().skip(at).take(1).for_each(|b| *b ^= which | 1),
        3 => file.splice(at..(at + rest.len()).min(file.len()), rest.iter().copied()).for_each(drop),
        // A whole record at the end.
        4 => {
            let mut record = bytes.to_vec();
            record::seal(&mut record);
            file.extend_from_slice(&record);
        }
        // A segment with a header that is right, and any bytes after it.
        5 => {
            let base = number % 100;
            let bytes = [&log::header(base), rest].concat();
            return disk.write_file(&log::path(base, "log"), &bytes);
        }
        6 => {
            disk.remove_file(path);
            return;
        }
        // The same file under another name.
        _ => {
            return disk
                .write_file(&log::path(number % 100, if which & 1 == 0 { "log" } else { "index" }), &file);
        }
    }
    disk.write_file(path, &file);
}

/// What must hold of every directory.
fn check_disk(disk: &SimDisk) {
    let files =
        |disk: &SimDisk| disk.files().into_iter().map(|p| (disk.read_file(&p), p)).collect::<Vec<_>>();
    let before = files(disk);
    let inspection = Log::inspect(log::storage(disk), log::config()).map(|i| i.damage.is_empty());
    let plan = Log::plan_repair(log::storage(disk), log::config());
    assert_eq!(files(disk), before, "looking changes nothing");

    let opened = disk.image(Fate::Kept);
    let read = Log::open(log::storage(&opened), log::config()).and_then(|(log, _)| {
        let records = log::read_all(&log)?;
        Ok((log.base_offset()..log.next_offset(), records))
    });
    if let Err(e) = &read {
        assert!(matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Version), "{e}");
    }
    match (&plan, &read) {
        (Ok(plan), Ok((held, _))) if !plan.is_needed() => {
            assert_eq!((&plan.keeps, inspection.ok()), (held, Some(true)))
        }
        (Ok(plan), Err(e)) => assert!(plan.is_needed(), "{e}"),
        (Err(e), Ok(_)) => panic!("it opens, but: {e}"),
        (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
    }
    if read.is_ok() {
        go_on(&opened);
    }
    if let Ok(plan) = &plan
        && plan.is_needed()
    {
        let repaired = disk.image(Fate::Kept);
        plan.run(&log::storage(&repaired)).unwrap_or_else(|e| panic!("{e}\n{plan}"));
        let (log, _) =
            Log::open(log::storage(&repaired), log::config()).unwrap_or_else(|e| panic!("{e}\n{plan}"));
        assert_eq!(log.base_offset()..log.next_offset(), plan.keeps, "{plan}");
        log::read_all(&log).unwrap_or_else(|e| panic!("{e}\n{plan}"));
        drop(log);
        go_on(&repaired);
    }
}

/// A log that opened takes records and keeps them.
fn go_on(disk: &SimDisk) {
    let (log, _) = Log::open(log::storage(disk), log::config()).expect("opened before");
    let before = log::read_all(&log).expect("read before");
    let value = [1; 50];
    let batch = [Entry { timestamp_us: 5, key: None, value: Some(&value) }; 30];
    let Ok(offsets) = log.append(&batch) else {
        // Only when offsets are used up.
        assert!(log.next_offset() > u64::MAX - 100);
        return;
    };
    log.commit(offsets.end - 1).expect("durable");
    drop(log);
    let (log, recovered) =
        Log::open(log::storage(&disk.image(Fate::Dropped)), log::config()).expect("opens again");
    assert_eq!(recovered.cut, None);
    let after = log::read_all(&log).expect("read again");
    assert_eq!(after[..before.len()], before);
    assert_eq!(after.len(), before.len() + batch.len());
}
