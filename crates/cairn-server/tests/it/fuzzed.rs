//! What fuzzing found worth keeping, replayed: the check of the fuzz target itself, on its smallest set of inputs.
// The inputs are files of the sources, not of a database.
#![allow(clippy::disallowed_methods)]

use crate::conversation::{check, check_alone, seeds};
use crate::{http_bodies, session};
use std::path::Path;

/// Inputs that there are at least.
const KEPT_MIN: usize = 20;
/// Bytes of all of them.
const KEPT_BYTES_MAX: u64 = 200_000;

#[test]
fn each_conversation_of_the_kept_inputs_is_answered_line_by_line() {
    replay("conversation", |input| {
        check(input);
        check_alone(input);
    });
}

#[test]
fn each_kept_session_has_its_replies_however_it_is_cut() {
    replay("session", session::check);
    // Those are of the same form.
    replay("conversation", session::check);
}

#[test]
fn each_kept_request_of_http_is_answered_as_documented() {
    replay("http_bodies", http_bodies::check);
}

/// Checks all inputs that were kept for a target.
fn replay(target: &str, check: impl Fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/kept").join(target);
    let (mut inputs, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(dir).unwrap() {
        let input = std::fs::read(entry.unwrap().path()).unwrap();
        bytes += input.len() as u64;
        inputs += 1;
        check(&input);
    }
    assert!(inputs >= KEPT_MIN && bytes < KEPT_BYTES_MAX, "{target}: {inputs} inputs of {bytes} bytes");
}

#[test]
fn each_request_of_the_table_is_answered_in_any_pieces() {
    let seeds = seeds(include_str!("wire_table.rs"));
    assert!(seeds.len() > 80, "{} requests", seeds.len());
    for seed in seeds {
        check(&seed);
        check_alone(&seed);
        // Cut elsewhere.
        check(&[&seed[..1], &[55], &seed[2..]].concat());
    }
}

#[test]
fn each_session_of_the_table_has_its_replies_however_it_ends() {
    for (n, seed) in (0u8..).zip(seeds(include_str!("wire_table.rs"))) {
        session::check(&seed);
        session::check(&[&[n.wrapping_mul(37)], &seed[1..]].concat());
    }
}

#[test]
fn each_route_answers_bodies_of_every_kind() {
    http_bodies::seeds().iter().for_each(|seed| http_bodies::check(seed));
}
