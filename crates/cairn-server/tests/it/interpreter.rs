//! What becomes one submission, and in which order replies come.

use crate::double::{Double, answers, interpreter};
use cairn_server::Dialect::Documented;

#[test]
fn consecutive_writes_are_one_submission() {
    let (out, double) = answers(Documented, b"VECSET a 1\nEVENT c ADD a 1\nMETASET a k:v\n");
    assert_eq!(out, "OK VECSET\r\nOK EVENT\r\nOK METASET\r\n");
    assert_eq!(double.submissions.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_refused_line_between_writes_keeps_its_place_and_splits_nothing() {
    let (out, double) = answers(Documented, b"VECSET a 1\nFOO\nVECSET refused 1\nVECSET b x\nVECSET b 1\n");
    assert_eq!(
        out,
        "OK VECSET\r\n(error) Unknown command: FOO\r\n(error) Vector refused\r\n\
         (error) Failed to parse float: x\r\nOK VECSET\r\n"
    );
    assert_eq!(double.submissions.lock().unwrap().len(), 1);
}

#[test]
fn a_question_sees_the_writes_before_it_and_none_after() {
    let (out, double) = answers(Documented, b"VECSET a 1\nSIM a 1\nINFO\nVECSET b 1\nSIM b 1\n");
    assert_eq!(
        out,
        "OK VECSET\r\nOK RESULTS 1\r\na 1.0000\r\nOK ASKED\r\nk: v\r\nEND\r\nOK VECSET\r\nOK RESULTS 1\r\nb 1.0000\r\n"
    );
    let before: Vec<usize> = double.asked.lock().unwrap().iter().map(|(_, n)| *n).collect();
    assert_eq!(before, [1, 1, 2]);
}

#[test]
fn refused_lines_alone_submit_nothing() {
    let (_, double) = answers(Documented, b"FOO\nBAR\n   \n");
    assert!(double.submissions.lock().unwrap().is_empty());
}

#[test]
fn ten_thousand_requests_in_one_go_are_answered_in_order() {
    let input: String = (0..10_000)
        .map(|i| match i % 100 {
            7 => format!("SIM item{i} 1\n"),
            8 => format!("FOO{i}\r\n"),
            _ => format!("EVENT c{} ADD item{i} {}\n", i % 10, i % 101),
        })
        .collect();
    let (out, double) = answers(Documented, input.as_bytes());
    let mut lines = out.split("\r\n");
    for i in 0..10_000 {
        let want = match i % 100 {
            7 => {
                assert_eq!(lines.next(), Some("OK RESULTS 1"));
                format!("item{i} 1.0000")
            }
            8 => format!("(error) Unknown command: FOO{i}"),
            _ => "OK EVENT".to_owned(),
        };
        assert_eq!(lines.next(), Some(want.as_str()));
    }
    assert_eq!(double.submissions.lock().unwrap().len(), 101);
}

#[test]
fn a_long_run_of_writes_is_submitted_in_bounded_batches() {
    let input = "EVENT c ADD a 1\n".repeat(10_000);
    let (out, double) = answers(Documented, input.as_bytes());
    assert_eq!(out.len(), 10_000 * "OK EVENT\r\n".len());
    let sizes: Vec<usize> = double.submissions.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [4096, 4096, 1808]);
}

#[test]
fn counters_count_requests_refusals_and_kinds() {
    let (mut interpreter, counters) = interpreter(Documented);
    let input = b"VECSET a 1\nVECSET refused 1\n\n\r\nFOO\nEVENT c ADD a 1\nMETASET a k:v\nSIM a 1\nSIMV 1 1\nINFO\n\xff\n";
    interpreter.handle(input, &Double::default(), &mut Vec::new());
    assert_eq!((counters.commands.get(), counters.failed.get()), (9, 3));
    assert_eq!((counters.vecsets.get(), counters.events.get(), counters.metasets.get()), (2, 1, 1));
    assert_eq!(counters.sims.get(), 2);
}
