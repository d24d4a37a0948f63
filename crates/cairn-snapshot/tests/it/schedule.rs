//! When the next snapshot is due.

use cairn_snapshot::{Schedule, Zone};
use proptest::prelude::*;
use std::time::Duration;

const SECOND_US: i64 = 1_000_000;

fn us(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().expect("a time").as_microsecond()
}

fn shown(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us).expect("a time").to_string()
}

fn cron(text: &str, zone: &str) -> Schedule {
    Schedule::cron(text, Zone::parse(zone).expect("a zone")).expect("an expression")
}

/// The next `n` times after `from`.
fn times(schedule: &Schedule, from: &str, n: usize) -> Vec<String> {
    let first = schedule.next(us(from));
    std::iter::successors(first, |last| schedule.next(*last)).take(n).map(shown).collect()
}

#[test]
fn an_interval_counts_from_the_last_one() {
    let schedule = Schedule::every(Duration::from_secs(7200)).expect("an interval");
    assert_eq!(times(&schedule, "2026-01-01T00:00:10Z", 2), ["2026-01-01T02:00:10Z", "2026-01-01T04:00:10Z"]);
    assert!(Schedule::every(Duration::from_millis(10)).is_err());
}

#[test]
fn a_cron_expression_has_five_fields() {
    assert_eq!(times(&cron("0 2 * * *", "UTC"), "2026-01-01T02:00:00Z", 1), ["2026-01-02T02:00:00Z"]);
    assert_eq!(times(&cron("0 2 * * 0", "UTC"), "2026-11-25T00:00:00Z", 1), ["2026-11-29T02:00:00Z"]);
    assert_eq!(
        times(&cron("*/20 8-9 * * MON-FRI", "UTC"), "2026-11-27T09:20:00Z", 2),
        ["2026-11-27T09:40:00Z", "2026-11-30T08:00:00Z"]
    );
    for wrong in ["", "* * * *", "* * * * * *", "61 * * * *", "0 2 * * blue", "0 2 * * * Europe/Berlin"] {
        let error = Schedule::cron(wrong, Zone::default()).expect_err(wrong);
        assert!(error.to_string().contains("five fields"), "{error}");
    }
    let never = Schedule::cron("0 0 30 2 *", Zone::default()).expect_err("no such day");
    assert!(never.to_string().contains("that has a time"), "{never}");
    assert_eq!(times(&cron("0 0 29 2 *", "UTC"), "2026-01-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
}

#[test]
fn times_are_those_of_the_zone() {
    assert_eq!(times(&cron("0 2 * * *", "Asia/Tokyo"), "2026-01-01T00:00:00Z", 1), ["2026-01-01T17:00:00Z"]);
}

#[test]
fn a_time_that_is_skipped_in_spring_comes_once_an_hour_later() {
    // 2026-03-29, Berlin: 02:00+01 is followed by 03:00+02, at 01:00Z.
    let found = times(&cron("30 2 * * *", "Europe/Berlin"), "2026-03-28T00:00:00Z", 3);
    assert_eq!(found, ["2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
    let found = times(&cron("*/30 * * * *", "Europe/Berlin"), "2026-03-29T00:15:00Z", 3);
    assert_eq!(found, ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]);
}

#[test]
fn a_time_that_is_shown_twice_in_autumn_comes_once_and_elapsed_time_goes_on() {
    // 2026-10-25, Berlin: 03:00+02 is followed by 02:00+01, at 01:00Z.
    let found = times(&cron("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00:00Z", 2);
    assert_eq!(found, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    let found = times(&cron("*/30 * * * *", "Europe/Berlin"), "2026-10-25T00:15:00Z", 4);
    let half_hours =
        ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"];
    assert_eq!(found, half_hours);
    // A server that starts in the second of the two hours waits for the next day.
    let due = cron("30 2 * * *", "Europe/Berlin").next(us("2026-10-25T01:10:00Z"));
    assert_eq!(due.map(shown).as_deref(), Some("2026-10-26T01:30:00Z"));
}

#[test]
fn jitter_follows_from_the_seed_and_keeps_the_order() {
    let plain = cron("*/5 * * * *", "UTC");
    let jittered = |seed| plain.clone().with_jitter(Duration::from_secs(3600), seed);
    let from = "2026-01-01T00:00:00Z";
    let (first, again) = (times(&jittered(7), from, 50), times(&jittered(7), from, 50));
    assert_eq!(first, again);
    assert_ne!(first, times(&jittered(8), from, 50));
    assert!(first.is_sorted());
    for (at, found) in first.iter().enumerate() {
        let put_off = us(found) - us(from) - (at as i64) * 300 * SECOND_US;
        assert!((0..600 * SECOND_US).contains(&put_off), "{at}: {found}");
    }
}

#[test]
fn a_jitter_of_months_stops_nothing() {
    let schedule = cron("* * * * *", "UTC").with_jitter(Duration::from_secs(90 * 86_400), 3);
    let found = times(&schedule, "2026-01-01T00:00:00Z", 100);
    assert_eq!(found.len(), 100);
    assert!(us(&found[99]) <= us("2026-01-01T01:42:00Z"), "{}", found[99]);
    let daily = cron("0 2 * * *", "UTC").with_jitter(Duration::from_secs(36 * 3600), 3);
    assert_eq!(times(&daily, "2026-01-01T00:00:00Z", 10).len(), 10);
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_of_expressions_panic(fields in "([0-9*/,?#LWHMONFRI-]{1,6} ){4}[0-9*/,?#LWHMONFRI-]{1,6}") {
        if let Ok(schedule) = Schedule::cron(&fields, Zone::default()) {
            let from = us("2026-01-01T00:00:00Z");
            prop_assert!(schedule.next(from).is_none_or(|next| next > from));
        }
    }
}

#[test]
fn two_are_never_nearer_than_the_least_interval() {
    let schedule = cron("0,1,2,30 * * * *", "UTC").with_min_interval(Duration::from_secs(600));
    let found = times(&schedule, "2026-01-01T00:00:00Z", 3);
    assert_eq!(found, ["2026-01-01T00:30:00Z", "2026-01-01T01:00:00Z", "2026-01-01T01:30:00Z"]);
}

/// A clock moved by hand: when a schedule's snapshots are made between `from` and `to`, looked at every `step_s`.
fn run(schedule: &Schedule, mut last: Option<i64>, from: &str, to: &str, step_s: i64) -> Vec<String> {
    let (since, to) = (us(from), us(to));
    let (mut now, mut made) = (since, Vec::new());
    while now <= to {
        if schedule.due(last, since, now).is_some_and(|due| due <= now) {
            made.push(shown(now));
            last = Some(now);
        }
        now += step_s * SECOND_US;
    }
    made
}

#[test]
fn what_was_missed_while_the_server_was_down_is_made_up_for_once() {
    let daily = cron("0 2 * * *", "UTC");
    let last = Some(us("2026-01-01T02:00:00Z"));
    let made = run(&daily, last, "2026-01-05T09:00:00Z", "2026-01-06T03:00:00Z", 60);
    assert_eq!(made, ["2026-01-05T09:00:00Z", "2026-01-06T02:00:00Z"]);
    let every = Schedule::every(Duration::from_secs(3600)).expect("an interval");
    let made = run(&every, last, "2026-01-05T09:00:30Z", "2026-01-05T10:30:00Z", 10);
    assert_eq!(made, ["2026-01-05T09:00:30Z", "2026-01-05T10:00:30Z"]);
}

#[test]
fn a_first_one_is_made_at_once_by_an_interval_and_on_time_by_an_expression() {
    let every = Schedule::every(Duration::from_secs(3600)).expect("an interval");
    let made = run(&every, None, "2026-01-05T09:00:00Z", "2026-01-05T10:30:00Z", 10);
    assert_eq!(made, ["2026-01-05T09:00:00Z", "2026-01-05T10:00:00Z"]);
    let daily = run(&cron("0 2 * * *", "UTC"), None, "2026-01-05T09:00:00Z", "2026-01-06T03:00:00Z", 60);
    assert_eq!(daily, ["2026-01-06T02:00:00Z"]);
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_it() {
    let every = Schedule::every(Duration::from_secs(3600)).expect("an interval");
    let now = us("2026-01-05T09:00:00Z");
    let from_the_future = Some(us("2027-01-01T00:00:00Z"));
    assert_eq!(every.due(from_the_future, now, now).map(shown).as_deref(), Some("2026-01-05T10:00:00Z"));
}

#[test]
fn failures_are_tried_again_more_and_more_seldom() {
    let seconds: Vec<u64> = (1..=11).map(|n| Schedule::retry_after(n).as_secs()).collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
}
