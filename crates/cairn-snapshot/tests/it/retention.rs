//! Which snapshots a policy keeps, beside a plain reference.

use cairn_engine::DatabaseId;
use cairn_snapshot::{Candidate, Plan, Reason, RetentionPolicy, SnapshotId, Zone, plan};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
/// 2024-01-20T10:30:45Z.
const NOW_US: i64 = 1_705_746_645_000_000;

fn good(created_us: i64) -> Candidate {
    let id = SnapshotId::at(created_us, 1).expect("a date").to_string();
    Candidate { id, created_us, database: Some(DatabaseId([1; 16])), good: true, pinned: false }
}

fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

fn reasons<'p>(plan: &'p Plan, candidate: &Candidate) -> &'p [Reason] {
    plan.keep.iter().find(|(id, _)| *id == candidate.id).map_or(&[], |(_, reasons)| reasons.as_slice())
}

#[test]
fn an_empty_policy_removes_nothing_and_says_so() {
    let all: Vec<Candidate> = (0..5).map(|n| good(NOW_US - n * 400 * DAY_US)).collect();
    let plan = plan(&all, &RetentionPolicy::default(), NOW_US);
    assert!(plan.remove.is_empty());
    assert_eq!(reasons(&plan, &all[0]), [Reason::NoRule, Reason::NewestGood]);
    assert_eq!(reasons(&plan, &all[4]), [Reason::NoRule]);
}

#[test]
fn pinned_and_newest_good_ones_stay_whatever_the_rules_say() {
    let mut all: Vec<Candidate> = (0..5).map(|n| good(NOW_US - (10 + n) * DAY_US)).collect();
    all[0].good = false;
    all[3].pinned = true;
    let policy = RetentionPolicy { max_age: Some(hours(1)), ..RetentionPolicy::default() };
    let kept = plan(&all, &policy, NOW_US);
    assert_eq!(reasons(&kept, &all[0]), [Reason::Damaged]);
    assert_eq!(reasons(&kept, &all[1]), [Reason::NewestGood]);
    assert_eq!(reasons(&kept, &all[3]), [Reason::Pinned]);
    assert_eq!(kept.remove, [all[2].id.clone(), all[4].id.clone()]);
    let policy = RetentionPolicy { remove_damaged: true, ..policy };
    assert_eq!(plan(&all, &policy, NOW_US).remove[0], all[0].id);
}

#[test]
fn a_damaged_one_counts_for_no_rule() {
    let mut all: Vec<Candidate> = (0..4).map(|n| good(NOW_US - n * HOUR_US)).collect();
    all[0].good = false;
    all[2].good = false;
    let policy = RetentionPolicy { keep_last: 2, ..RetentionPolicy::default() };
    let kept = plan(&all, &policy, NOW_US);
    assert_eq!(reasons(&kept, &all[3]), [Reason::Last]);
    assert!(kept.remove.is_empty());
}

#[test]
fn what_has_no_snapshots_name_is_never_removed() {
    let stray = Candidate { id: "lost+found".to_owned(), good: false, ..good(NOW_US) };
    let policy = RetentionPolicy { keep_last: 1, remove_damaged: true, ..RetentionPolicy::default() };
    assert_eq!(plan(&[stray], &policy, NOW_US).remove, [] as [String; 0]);
}

#[test]
fn each_database_is_counted_by_itself() {
    let mut all: Vec<Candidate> = (0..6).map(|n| good(NOW_US - n * HOUR_US)).collect();
    all[4].database = Some(DatabaseId([2; 16]));
    all[5].database = Some(DatabaseId([2; 16]));
    let policy = RetentionPolicy { keep_last: 1, ..RetentionPolicy::default() };
    let kept = plan(&all, &policy, NOW_US);
    let ids: Vec<&String> = kept.keep.iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [&all[0].id, &all[4].id]);
}

#[test]
fn days_begin_where_the_time_zone_says() {
    // 22:30 and 23:30 UTC are two days in Berlin, in winter.
    let midnight = NOW_US - NOW_US.rem_euclid(DAY_US);
    let all = [good(midnight - HOUR_US / 2), good(midnight - 3 * HOUR_US / 2), good(midnight - 30 * HOUR_US)];
    let in_zone = |name: &str, keep_daily| {
        let time_zone = Zone::parse(name).expect("a zone");
        let policy = RetentionPolicy { keep_daily, time_zone, ..RetentionPolicy::default() };
        plan(&all, &policy, NOW_US).remove
    };
    assert_eq!(in_zone("UTC", 2), [all[1].id.clone()]);
    assert_eq!(in_zone("Europe/Berlin", 2), [all[2].id.clone()]);
    assert!(Zone::parse("Europe/Atlantis").expect_err("no zone").to_string().contains("Europe/Atlantis"));
}

#[test]
fn the_hour_that_is_shown_twice_is_two_hours() {
    // 2026-10-25 in Berlin: 00:30Z is 02:30+02, 01:30Z is 02:30+01.
    let at = |text: &str| good(text.parse::<jiff::Timestamp>().expect("a time").as_microsecond());
    let all = [at("2026-10-25T01:30:00Z"), at("2026-10-25T00:30:00Z"), at("2026-10-24T10:00:00Z")];
    let time_zone = Zone::parse("Europe/Berlin").expect("a zone");
    let policy = RetentionPolicy { keep_hourly: 2, time_zone, ..RetentionPolicy::default() };
    assert_eq!(plan(&all, &policy, NOW_US).remove, [all[2].id.clone()]);
}

/// What a policy keeps, said another way: sets of periods, each with its newest, counted from the newest on. UTC only.
fn reference(all: &[Candidate], policy: &RetentionPolicy, now_us: i64) -> BTreeSet<String> {
    let mut kept: BTreeSet<String> = BTreeSet::new();
    kept.extend(all.iter().filter(|c| c.pinned || (!c.good && !policy.remove_damaged)).map(|c| c.id.clone()));
    for database in [1u8, 2] {
        let mut group: Vec<&Candidate> =
            all.iter().filter(|c| c.good && c.database == Some(DatabaseId([database; 16]))).collect();
        group.sort_by_key(|c| std::cmp::Reverse(c.created_us));
        let Some(newest) = group.first() else { continue };
        kept.insert(newest.id.clone());
        let mut named: BTreeSet<usize> = BTreeSet::new();
        named.extend(0..group.len().min(policy.keep_last as usize));
        if let Some(span) = policy.keep_within {
            let from = newest.created_us - span.as_micros() as i64;
            named.extend((0..group.len()).filter(|i| group[*i].created_us >= from));
        }
        let rules: [(u32, &str); 5] = [
            (policy.keep_hourly, "%Y%m%d%H"),
            (policy.keep_daily, "%Y%m%d"),
            (policy.keep_weekly, "%G%V"),
            (policy.keep_monthly, "%Y%m"),
            (policy.keep_yearly, "%Y"),
        ];
        for (count, format) in rules {
            let name = |i: usize| {
                let time = jiff::Timestamp::from_microsecond(group[i].created_us).expect("a time");
                time.strftime(format).to_string()
            };
            let periods: BTreeSet<String> = (0..group.len()).map(name).collect();
            for period in periods.iter().rev().take(count as usize) {
                named.extend((0..group.len()).find(|i| name(*i) == *period));
            }
            let before_the_oldest: BTreeSet<String> = (0..group.len() - 1).map(name).collect();
            if before_the_oldest.len() < count as usize {
                named.insert(group.len() - 1);
            }
        }
        if policy.keep_last == 0 && policy.keep_within.is_none() && rules.iter().all(|(n, _)| *n == 0) {
            named.extend(0..group.len());
        }
        let young = |i: &usize| {
            policy.max_age.is_none_or(|max| now_us - group[*i].created_us <= max.as_micros() as i64)
        };
        kept.extend(named.iter().filter(|i| young(i)).map(|i| group[*i].id.clone()));
    }
    kept
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (0i64..40 * 24 * 60, 0u8..10, 1u8..3, 1i64..30);
    prop::collection::vec(one, 0..40).prop_map(|all| {
        let mut seen = BTreeSet::new();
        let made = all.into_iter().map(|(minutes, state, database, stretch)| Candidate {
            good: state != 0,
            pinned: state == 1,
            database: Some(DatabaseId([database; 16])),
            ..good(NOW_US - minutes * stretch * 60_000_000)
        });
        made.filter(|c| seen.insert(c.id.clone())).collect()
    })
}

fn policies() -> impl Strategy<Value = RetentionPolicy> {
    let count = || prop_oneof![2 => Just(0u32), 1 => 1u32..6];
    let span = || prop_oneof![2 => Just(None), 1 => (1u64..2_000).prop_map(|n| Some(hours(n)))];
    let counts = (count(), count(), count(), count(), count(), count());
    (counts, span(), span(), any::<bool>()).prop_map(|(n, keep_within, max_age, remove_damaged)| {
        RetentionPolicy {
            keep_last: n.0,
            keep_hourly: n.1,
            keep_daily: n.2,
            keep_weekly: n.3,
            keep_monthly: n.4,
            keep_yearly: n.5,
            keep_within,
            max_age,
            remove_damaged,
            time_zone: Zone::default(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_keeps_what_the_reference_keeps(all in candidates(), policy in policies()) {
        let plan = plan(&all, &policy, NOW_US);
        let kept: BTreeSet<String> = plan.keep.iter().map(|(id, _)| id.clone()).collect();
        prop_assert_eq!(&kept, &reference(&all, &policy, NOW_US));
        prop_assert!(plan.keep.iter().all(|(_, reasons)| !reasons.is_empty()));
        let mut every: Vec<&String> = plan.keep.iter().map(|(id, _)| id).chain(&plan.remove).collect();
        every.sort();
        let mut expected: Vec<&String> = all.iter().map(|c| &c.id).collect();
        expected.sort();
        prop_assert_eq!(every, expected);
    }

    #[test]
    fn pruning_again_removes_nothing_more(all in candidates(), policy in policies()) {
        let first = plan(&all, &policy, NOW_US);
        let left: Vec<Candidate> = all.into_iter().filter(|c| !first.remove.contains(&c.id)).collect();
        prop_assert!(plan(&left, &policy, NOW_US).remove.is_empty());
    }
}
