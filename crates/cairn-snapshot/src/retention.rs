//! `RetentionPolicy`: which snapshots stay, and why.

use crate::snapshot_id::SnapshotId;
use crate::zone::Zone;
use cairn_engine::DatabaseId;
use std::collections::BTreeMap;
use std::time::Duration;

/// Which snapshots stay. The words are restic's: each `keep_…` names snapshots that stay, one is enough, and what none names
/// goes. 0 and `None`: that rule is not there. Without any rule everything stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetentionPolicy {
    /// The newest so many.
    pub keep_last: u32,
    /// All that are no older than this, counted back from the newest.
    pub keep_within: Option<Duration>,
    /// Of the last so many hours that have any, the newest of each. So for the longer ones; and while there are fewer hours
    /// than that, the oldest snapshot of all stays too.
    pub keep_hourly: u32,
    /// Of the last so many days.
    pub keep_daily: u32,
    /// Of the last so many weeks, which begin on Monday.
    pub keep_weekly: u32,
    /// Of the last so many months.
    pub keep_monthly: u32,
    /// Of the last so many years.
    pub keep_yearly: u32,
    /// What is older than this goes, whatever the others say. Alone: everything younger stays.
    pub max_age: Option<Duration>,
    /// Where hours and days begin.
    pub time_zone: Zone,
    /// Damaged snapshots go too. Otherwise they stay: what can be saved of them is for people to decide.
    pub remove_damaged: bool,
}

/// A snapshot as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The name of its directory.
    pub id: String,
    /// When it was made, microseconds since the Unix epoch.
    pub created_us: i64,
    /// The database it is of; `None` of one whose metadata does not read. The rules count each database's by themselves.
    pub database: Option<DatabaseId>,
    /// Its metadata reads, and its parts are all there and as long as they were written.
    pub good: bool,
    /// It is pinned.
    pub pinned: bool,
}

/// Why a snapshot stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The policy has no rule.
    NoRule,
    /// It is pinned.
    Pinned,
    /// It is the newest good one of its database, which always stays.
    NewestGood,
    /// It is damaged, and nobody asked for those to go.
    Damaged,
    /// `keep_last`.
    Last,
    /// `keep_within`.
    Within,
    /// `keep_hourly`.
    Hourly,
    /// `keep_daily`.
    Daily,
    /// `keep_weekly`.
    Weekly,
    /// `keep_monthly`.
    Monthly,
    /// `keep_yearly`.
    Yearly,
    /// It is younger than `max_age`, the only rule.
    Young,
}

impl Reason {
    /// Its name in replies.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NoRule => "no-rule",
            Reason::Pinned => "pinned",
            Reason::NewestGood => "newest-good",
            Reason::Damaged => "damaged",
            Reason::Last => "last",
            Reason::Within => "within",
            Reason::Hourly => "hourly",
            Reason::Daily => "daily",
            Reason::Weekly => "weekly",
            Reason::Monthly => "monthly",
            Reason::Yearly => "yearly",
            Reason::Young => "younger-than-max-age",
        }
    }
}

/// What a policy would do. Both lists are newest first, and hold every candidate once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// What stays, each with all its reasons, in their order.
    pub keep: Vec<(String, Vec<Reason>)>,
    /// What goes.
    pub remove: Vec<String>,
}

impl RetentionPolicy {
    /// Whether it has no rule.
    pub fn is_empty(&self) -> bool {
        !self.has_keep_rule() && self.max_age.is_none()
    }

    fn has_keep_rule(&self) -> bool {
        self.keep_last > 0 || self.keep_within.is_some() || self.periods().iter().any(|(_, n, _)| *n > 0)
    }

    fn periods(&self) -> [(Reason, u32, Period); 5] {
        [
            (Reason::Hourly, self.keep_hourly, Period::Hour),
            (Reason::Daily, self.keep_daily, Period::Day),
            (Reason::Weekly, self.keep_weekly, Period::Week),
            (Reason::Monthly, self.keep_monthly, Period::Month),
            (Reason::Yearly, self.keep_yearly, Period::Year),
        ]
    }

    fn too_old(&self, created_us: i64, now_us: i64) -> bool {
        self.max_age.is_some_and(|max| longer(now_us, created_us, max))
    }
}

/// Whether from `earlier_us` to `later_us` it is longer than `span`. Never when they are the other way round: a clock was
/// set back.
fn longer(later_us: i64, earlier_us: i64, span: Duration) -> bool {
    later_us > earlier_us && u128::from(later_us.abs_diff(earlier_us)) > span.as_micros()
}

/// What `policy` does to these snapshots at `now_us`, microseconds since the Unix epoch. Pinned ones and the newest good one
/// of each database stay whatever it says; a damaged one counts for no rule.
pub fn plan(snapshots: &[Candidate], policy: &RetentionPolicy, now_us: i64) -> Plan {
    let mut order: Vec<&Candidate> = snapshots.iter().collect();
    order.sort_by(|a, b| newness(b).cmp(&newness(a)));
    let mut reasons: Vec<Vec<Reason>> = order.iter().map(|c| always(c, policy)).collect();
    let mut databases: BTreeMap<Option<[u8; 16]>, Vec<usize>> = BTreeMap::new();
    for (at, candidate) in order.iter().enumerate().filter(|(_, c)| c.good) {
        databases.entry(candidate.database.map(|DatabaseId(id)| id)).or_default().push(at);
    }
    for group in databases.values() {
        let times: Vec<i64> = group.iter().map(|at| order[*at].created_us).collect();
        for (place, (at, named)) in group.iter().zip(ruled(&times, policy)).enumerate() {
            if place == 0 {
                reasons[*at].push(Reason::NewestGood);
            }
            if !policy.too_old(times[place], now_us) {
                reasons[*at].extend(named);
            }
        }
    }
    let mut plan = Plan::default();
    for (candidate, mut reasons) in order.into_iter().zip(reasons) {
        reasons.sort_unstable();
        match reasons.is_empty() {
            true => plan.remove.push(candidate.id.clone()),
            false => plan.keep.push((candidate.id.clone(), reasons)),
        }
    }
    plan
}

/// What orders snapshots: their time, then the number in their ids.
fn newness(c: &Candidate) -> (i64, Option<SnapshotId>, &str) {
    (c.created_us, c.id.parse().ok(), &c.id)
}

/// Why one stays whatever the rules say.
fn always(c: &Candidate, policy: &RetentionPolicy) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if c.pinned {
        reasons.push(Reason::Pinned);
    }
    // What has no snapshot's name cannot be deleted as one.
    if !c.good && (!policy.remove_damaged || c.id.parse::<SnapshotId>().is_err()) {
        reasons.push(Reason::Damaged);
    }
    reasons
}

/// The rules that name each of the good snapshots of a database, whose times come newest first.
fn ruled(times: &[i64], policy: &RetentionPolicy) -> Vec<Vec<Reason>> {
    let newest = times.first().copied().unwrap_or_default();
    let by_itself = |(place, time_us): (usize, &i64)| {
        let mut named = Vec::new();
        if policy.is_empty() {
            named.push(Reason::NoRule);
        } else if !policy.has_keep_rule() {
            named.push(Reason::Young);
        }
        if place < policy.keep_last as usize {
            named.push(Reason::Last);
        }
        if policy.keep_within.is_some_and(|span| !longer(newest, *time_us, span)) {
            named.push(Reason::Within);
        }
        named
    };
    let mut named: Vec<Vec<Reason>> = times.iter().enumerate().map(by_itself).collect();
    for (reason, count, period) in policy.periods() {
        for place in period.kept(times, count, &policy.time_zone) {
            named[place].push(reason);
        }
    }
    named
}

/// A stretch of the calendar.
#[derive(Debug, Clone, Copy)]
enum Period {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    /// What is the same for two times in one period, and differs otherwise.
    fn key(self, us: i64, zone: &Zone) -> [i64; 4] {
        let at = zone.at(us);
        let (year, month, day) = (i64::from(at.year()), i64::from(at.month()), i64::from(at.day()));
        match self {
            // With the offset: the hour that a clock shows twice is two hours.
            Period::Hour => {
                let of_day = i64::from(at.hour()) * 1_000_000 + i64::from(at.offset().seconds());
                [year, month, day, of_day]
            }
            Period::Day => [year, month, day, 0],
            Period::Week => {
                let week = at.date().iso_week_date();
                [i64::from(week.year()), i64::from(week.week()), 0, 0]
            }
            Period::Month => [year, month, 0, 0],
            Period::Year => [year, 0, 0, 0],
        }
    }

    /// The places of the newest of each of the last `count` periods, and of the oldest of all while there are fewer.
    fn kept(self, times: &[i64], count: u32, zone: &Zone) -> Vec<usize> {
        let (mut kept, mut last, mut left) = (Vec::new(), None, count);
        for (place, time_us) in times.iter().enumerate() {
            if left == 0 {
                break;
            }
            let key = self.key(*time_us, zone);
            if last != Some(key) || place + 1 == times.len() {
                kept.push(place);
                left -= 1;
                last = Some(key);
            }
        }
        kept
    }
}
