//! Byte shuffling: the layout of docs/format.md, and back.

use cairn_snapshot::{Width, shuffle, unshuffle};
use proptest::prelude::*;

/// As docs/format.md says it, byte by byte.
fn by_the_book(width: usize, plain: &[u8]) -> Vec<u8> {
    let elements = plain.len() / width;
    let mut shuffled = plain.to_vec();
    for p in 0..width {
        for i in 0..elements {
            shuffled[p * elements + i] = plain[i * width + p];
        }
    }
    shuffled
}

fn check(width: Width, plain: &[u8], buffers: (&mut Vec<u8>, &mut Vec<u8>)) {
    let (shuffled, back) = buffers;
    shuffle(width, plain, shuffled);
    assert_eq!(*shuffled, by_the_book(width.bytes(), plain), "{width:?}, {} bytes", plain.len());
    unshuffle(width, shuffled, back);
    assert_eq!(back, plain, "{width:?}, {} bytes", plain.len());
}

#[test]
fn every_length_up_to_a_thousand_comes_back() {
    // Longer ones first, so that the buffers hold something else than zeros.
    let (mut shuffled, mut back) = (Vec::new(), Vec::new());
    for width in Width::ALL {
        for bytes in (0..=1_000usize).rev() {
            let plain: Vec<u8> = (0..bytes).map(|i| (i * 131 + bytes) as u8).collect();
            check(width, &plain, (&mut shuffled, &mut back));
        }
    }
}

#[test]
fn any_bytes_come_back() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    let run = runner.run(&proptest::collection::vec(any::<u8>(), 0..5_000), |plain| {
        for width in Width::ALL {
            check(width, &plain, (&mut Vec::new(), &mut vec![7; 100]));
        }
        Ok(())
    });
    run.expect("no difference");
}

#[test]
fn widths_are_those_of_their_bytes() {
    for width in Width::ALL {
        assert_eq!(Width::of(width.bytes()), Some(width));
    }
    for bytes in [0, 1, 3, 5, 8] {
        assert_eq!(Width::of(bytes), None, "{bytes}");
    }
}
