//! Replacing the state: a load makes a new timeline or changes nothing; a restored directory is whole or not there.

use crate::support::*;
use cairn_disk::{Fate, SimDisk, Storage};
use cairn_engine::{Engine, Error, ErrorKind, EventOp, StateBuilder, View, Write, restore_dir};
use std::path::Path;
use std::sync::{Arc, Mutex};

fn filled(seed: u64, n: u64) -> Engine {
    let engine = open(&SimDisk::new(seed), &busy_options());
    let mut numbers = Numbers(seed);
    let writes: Vec<Write> = (0..n).map(|n| scripted(n, &mut numbers)).collect();
    for batch in writes.chunks(20) {
        assert!(engine.write(batch.to_vec()).iter().all(Result::is_ok));
    }
    engine
}

fn source() -> View {
    filled(1, 300).view().expect("a view")
}

fn load(engine: &Engine, view: View) -> Result<cairn_engine::LoadReport, Error> {
    engine.load("test", |draft| draft.put_image(view.into_image()))
}

#[test]
fn a_loaded_state_replaces_the_live_one_on_a_new_timeline() {
    let disk = SimDisk::new(2);
    let engine = open(&disk, &busy_options());
    engine.write(vec![vector("old", &[1.0, 2.0])]);
    let old = engine.stats().timeline;
    let view = source();
    let expected = hash(&view);
    let report = load(&engine, view.clone()).expect("loads");
    assert_eq!((report.lsn, hash(&engine.view().expect("a view"))), (view.lsn(), expected.clone()));
    let timeline = engine.stats().timeline;
    assert_eq!((timeline.parent, timeline.fork_lsn), (Some(view.timeline()), view.lsn()));
    assert_ne!(timeline.id, old.id);
    let lsn = *engine.write(vec![event("ctx", "new", EventOp::Add, 1, 0)])[0].as_ref().expect("written");
    assert_eq!(lsn.0, view.lsn().0 + 1, "a fork goes on at fork + 1");
    let after = hash(&engine.view().expect("a view"));
    let engine = open(&disk.image(Fate::Dropped), &busy_options());
    assert_eq!(hash(&engine.view().expect("a view")), after);
}

#[test]
fn a_failed_load_changes_nothing() {
    let engine = filled(3, 100);
    let (before, timeline) = (hash(&engine.view().expect("a view")), engine.stats().timeline);
    let e = engine.load("test", |_| Err::<Vec<u8>, _>(Error::Input("no".to_owned()))).expect_err("refused");
    assert_eq!(e.to_string(), "no");
    let e = engine.load("test", |_| Ok::<_, Error>(b"junk".to_vec())).expect_err("refused");
    assert!(matches!(e.kind(), ErrorKind::Corrupt), "{e}");
    let image = source().into_image();
    let e = engine.load("test", |draft| {
        let mut manifest = draft.put_image(image)?;
        let at = manifest.len() / 2;
        manifest[at] ^= 1;
        Ok::<_, Error>(manifest)
    });
    assert!(e.expect_err("refused").to_string().contains("CRC mismatch"));
    assert_eq!((hash(&engine.view().expect("a view")), engine.stats().timeline), (before, timeline));
    assert!(engine.write(vec![event("c", "i", EventOp::Add, 1, 0)])[0].is_ok());
}

#[test]
fn during_a_load_writes_are_refused_and_reads_go_on() {
    let engine = filled(4, 100);
    let vectors = engine.stats().counts.vectors;
    let inner = engine.clone();
    engine
        .load("a file", |draft| {
            let answer = inner.write(vec![vector("x", &[1.0; 4])]).remove(0).expect_err("refused");
            assert_eq!(answer.kind(), ErrorKind::Busy);
            assert_eq!(answer.to_string(), "LOADING (a file): reads go on, writes when it is done");
            assert_eq!(inner.stats().counts.vectors, vectors);
            assert_eq!(inner.stats().status.loading.as_deref(), Some("a file"));
            let second = load(&inner, source()).expect_err("one at a time");
            assert_eq!(second.kind(), ErrorKind::Busy);
            draft.put_image(source().into_image())
        })
        .expect("loads");
    assert!(engine.write(vec![vector("x", &[1.0; 4])])[0].is_ok());
}

#[test]
fn every_crash_point_of_a_load_has_the_old_or_the_new_state() {
    let disk = SimDisk::new(5);
    let engine = open(&disk, &busy_options());
    engine.write(vec![vector("old", &[1.0, 2.0])]);
    let before = hash(&engine.view().expect("a view"));
    let images = Arc::new(Mutex::new(Vec::new()));
    let out = Arc::clone(&images);
    disk.on_op(Box::new(move |op, disk| {
        let fates = [Fate::Dropped, Fate::Torn(op), Fate::Torn(op + 1_000)];
        out.lock().expect("no panic").extend(fates.map(|fate| disk.image(fate)));
    }));
    load(&engine, source()).expect("loads");
    let after = hash(&engine.view().expect("a view"));
    let mut images = std::mem::take(&mut *images.lock().expect("no panic"));
    // The replaced CURRENT is the last operation.
    images.push(disk.image(Fate::Dropped));
    let mut new = 0;
    for image in &images {
        let got = hash(&open(image, &busy_options()).view().expect("a view"));
        assert!(got == before || got == after);
        new += usize::from(got == after);
    }
    println!("{} crash images of a load, {new} with the new state", images.len());
    assert!(images.len() >= 60 && new > 0 && new < images.len(), "{} images", images.len());
}

#[test]
fn a_restored_directory_is_whole_or_not_there() {
    let disk = SimDisk::new(6);
    disk.create_dir_all(Path::new("/target")).expect("made");
    let expected = hash(&source());
    let images = Arc::new(Mutex::new(Vec::new()));
    let out = Arc::clone(&images);
    disk.on_op(Box::new(move |op, disk| {
        let fates = [Fate::Dropped, Fate::Torn(op)];
        out.lock().expect("no panic").extend(fates.map(|fate| disk.image(fate)));
    }));
    let target = Path::new("/target/db");
    let restore = |disk: &SimDisk| {
        restore_dir(&storage(disk), target, 7, "test", |draft| draft.put_image(source().into_image()))
    };
    restore(&disk).expect("restored");
    let images = std::mem::take(&mut *images.lock().expect("no panic"));
    assert!(images.len() >= 40, "{}", images.len());
    for image in images.iter().chain([&disk]) {
        if image.stat(target).expect("readable").is_none() {
            restore(image).expect("a second try succeeds");
        }
        let (engine, _) = Engine::open(storage(image), target, busy_options()).expect("whole");
        assert_eq!(hash(&engine.view().expect("a view")), expected);
    }
    println!("{} crash images of a restore", images.len());
    let e = restore(&disk).expect_err("occupied");
    assert!(e.to_string().contains("/target/db is not empty"), "{e}");
}

#[test]
fn a_state_rebuilt_part_by_part_has_the_same_hash() {
    let view = source();
    let mut builder =
        StateBuilder::new(view.default_collection().settings().clone()).expect("valid settings");
    view.default_collection().vectors().for_each(|(id, v)| builder.set_vector(id, v).expect("valid"));
    view.default_collection()
        .metadata()
        .for_each(|(id, m)| builder.set_metadata(id, m.clone()).expect("valid"));
    for (context, ring) in view.default_collection().contexts() {
        builder.push_context(context).expect("valid");
        for e in ring {
            builder.push_event(context, e.id, e.op, e.score, e.time_s).expect("valid");
        }
    }
    for (owner, list) in view.default_collection().neighbours() {
        list.iter().for_each(|(n, score)| builder.set_neighbour(owner, n, *score).expect("valid"));
    }
    view.default_collection()
        .dedup()
        .for_each(|d| builder.push_dedup(d.state, d.score, d.context, d.id, d.time_s).expect("valid"));
    builder.set_totals(view.counts().total_events, view.counts().stored_events);
    let rebuilt = builder.finish(view.position()).expect("a state");
    assert_eq!(hash(&rebuilt), hash(&view));
    assert_eq!(
        (rebuilt.counts().pairs, rebuilt.counts().one_sided),
        (view.counts().pairs, view.counts().one_sided)
    );
    assert!(view.counts().one_sided > 0, "the script prunes lists on one side");
}

#[test]
fn a_poisoned_engine_answers_reads_and_refuses_writes() {
    let disk = SimDisk::new(8);
    let engine = open(&disk, &busy_options());
    assert!(engine.write(vec![vector("a", &[1.0])])[0].is_ok());
    // The append is the next operation, the sync the one after it.
    disk.fail_at(disk.ops() + 1, cairn_disk::Fault::Eio);
    let failed = engine.write(vec![vector("b", &[1.0])]).remove(0).expect_err("the sync failed");
    assert!(failed.to_string().contains("sync"), "{failed}");
    let refused = engine.write(vec![vector("c", &[1.0])]).remove(0).expect_err("poisoned");
    assert_eq!(refused.kind(), ErrorKind::Poisoned);
    assert_eq!(engine.stats().counts.vectors, 1);
    assert!(engine.stats().status.poisoned.is_some());
    drop(engine);
    let engine = open(&disk.image(Fate::Dropped), &busy_options());
    assert_eq!(engine.stats().counts.vectors, 1);
}

#[test]
fn a_full_disk_refuses_writes_and_space_lets_them_through_again() {
    let disk = SimDisk::new(9);
    let engine = open(&disk, &busy_options());
    assert!(engine.write(vec![vector("a", &[1.0, 2.0])])[0].is_ok());
    disk.capacity(Some(0));
    let e = engine.write(vec![vector("b", &[1.0, 2.0])]).remove(0).expect_err("no space");
    assert_eq!(e.kind(), ErrorKind::NoSpace, "{e}");
    disk.capacity(None);
    assert!(engine.write(vec![vector("c", &[1.0, 2.0])])[0].is_ok());
    let before = hash(&engine.view().expect("a view"));
    let engine = open(&disk.image(Fate::Dropped), &busy_options());
    assert_eq!((engine.stats().counts.vectors, hash(&engine.view().expect("a view"))), (2, before));
}
