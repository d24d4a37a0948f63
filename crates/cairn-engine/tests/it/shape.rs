//! Shapes: what a View and a checkpoint cost does not depend on how much there is.

use crate::support::*;
use cairn_disk::SimDisk;
use cairn_engine::EventOp;

#[test]
fn a_view_of_a_million_items_clones_pointers_and_a_write_then_copies_few_pages() {
    let disk = SimDisk::new(1);
    let mut options = options();
    options.checkpoint_log_bytes = u64::MAX;
    let engine = open(&disk, &options);
    for batch in 0..250u32 {
        let id = |n: u32| format!("item-{:07}", batch * 4_000 + n);
        assert!(
            engine
                .write((0..4_000).map(|n| vector(&id(n), &[n as f32, 1.0])).collect())
                .iter()
                .all(Result::is_ok)
        );
    }
    assert_eq!(engine.stats().counts.vectors, 1_000_000);
    let copied = engine.stats().pages_copied;
    let view = engine.view().expect("a view");
    assert_eq!(engine.stats().pages_copied, copied, "taking a View copies no page");
    engine.write(vec![vector("item-0000000", &[1.0, 1.0])]);
    engine.write(vec![event("ctx", "item-0000001", EventOp::Add, 1, 0)]);
    let after = engine.stats().pages_copied - copied;
    assert!((1..=6).contains(&after), "{after} pages copied by two writes under a View");
    assert_eq!(view.counts().vectors, 1_000_000);
    drop(view);
    let copied = engine.stats().pages_copied;
    engine.write(vec![vector("item-0000000", &[2.0, 1.0])]);
    assert_eq!(engine.stats().pages_copied, copied, "nothing is copied when no View is held");
}

#[test]
fn a_checkpoint_writes_what_was_dirtied_not_what_there_is() {
    let disk = SimDisk::new(2);
    let (_database, mut core, _) = open_core(&disk, &options()).expect("opens");
    for context in 0..3_000u32 {
        let writes = (0..8).map(|n| {
            event(&format!("c{context}"), &format!("i{}", (context + n) % 2_000), EventOp::Add, 9, 0)
        });
        assert!(core.step(writes.collect()).iter().all(Result::is_ok));
    }
    let whole = core.checkpoint().expect("written").expect("changed");
    assert!(core.step(vec![event("c5", "i77", EventOp::Add, 8, 1)])[0].is_ok());
    let one = core.checkpoint().expect("written").expect("changed");
    // One event of a ring of 8: its ring, up to 9 lists, their directory, the dedup cache's ends.
    assert!(one.pages <= 20, "{one:?}");
    assert!(one.bytes * 10 < whole.bytes, "{one:?} after {whole:?}");
}
