//! `Schedule`: when the next snapshot is due. It has no thread, no clock and no state.

use crate::error::{Error, Result};
use crate::zone::Zone;
use cronexpr::Crontab;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::time::Duration;

/// The shortest interval.
const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// The longest interval, jitter or least time between two.
const SPAN_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);
/// Times of an expression that are looked at before it is said to have none.
const TRIES_MAX: u32 = 10_000;

/// When snapshots are taken. The same schedule gives the same times: what happened is the caller's to remember, by the time of
/// the last snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// How often.
    pub when: When,
    /// Each time is put off by up to this, so that many servers do not begin at once; never past the next time. By how much
    /// follows from the time and `seed`.
    pub jitter: Duration,
    /// The least time from one to the next.
    pub min_interval: Duration,
    /// What makes the jitter of one server differ from another's.
    pub seed: u64,
}

/// How often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// So long after the last one.
    Every(Duration),
    /// At the times of a cron expression.
    Cron(Cron),
}

/// A cron expression of five fields (minute, hour, day of month, month, day of week) in a time zone.
///
/// When clocks are set forward, a time that they skip comes as much later as they were set; when they are set back, a time that
/// they show twice comes the first time. An expression whose hours begin with `*` means elapsed time: it goes through both.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    zone: Zone,
    /// Read in UTC: the times are those that the clock on the wall shows. Or read in the zone, of one that means elapsed time.
    times: Crontab,
    elapsed: bool,
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, &self.zone) == (&other.text, &other.zone)
    }
}

impl Eq for Cron {}

impl Cron {
    /// Reads an expression.
    pub fn parse(text: &str, zone: Zone) -> Result<Cron> {
        let bad = |why: &str| {
            Error::Input(format!(
                "cron: expected five fields (minute hour day month weekday) as \"0 2 * * *\", got {text:.80?}{why}"
            ))
        };
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [_, hours, ..] = fields[..] else { return Err(bad("")) };
        if fields.len() != 5 {
            return Err(bad(""));
        }
        let elapsed = hours.starts_with('*');
        let read_in = if elapsed { zone.name() } else { "UTC" };
        let text = fields.join(" ");
        let times = cronexpr::parse_crontab(&format!("{text} {read_in}"));
        let times = times.map_err(|e| bad(&format!(": {}", first_line(&e.to_string()))))?;
        Ok(Cron { text, zone, times, elapsed })
    }

    /// The expression.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where its times are.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first time after `after`.
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        if self.elapsed {
            return Some(self.times.find_next(after).ok()?.timestamp());
        }
        let mut shown = on_the_wall(after, self.zone.rules());
        for _ in 0..TRIES_MAX {
            shown = self.times.find_next(as_utc(shown)?).ok()?.datetime();
            let time = self.zone.rules().to_ambiguous_zoned(shown).compatible().ok()?.timestamp();
            // Of an hour that is shown twice, the first is meant, which may be over.
            if time > after {
                return Some(time);
            }
        }
        None
    }
}

fn on_the_wall(at: Timestamp, rules: &TimeZone) -> DateTime {
    at.to_zoned(rules.clone()).datetime()
}

fn as_utc(shown: DateTime) -> Option<Timestamp> {
    Some(shown.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn first_line(text: &str) -> &str {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim()
}

impl Schedule {
    /// Every so often, without jitter.
    pub fn every(interval: Duration) -> Result<Schedule> {
        if !(INTERVAL_MIN..=SPAN_MAX).contains(&interval) {
            return Err(Error::Input(format!(
                "interval of a schedule: expected 1 second to 10 years, got {interval:?}"
            )));
        }
        Ok(Schedule::new(When::Every(interval)))
    }

    /// At the times of a cron expression, without jitter. One that has none, as of the 30th of February, is refused.
    pub fn cron(text: &str, zone: Zone) -> Result<Schedule> {
        let schedule = Schedule::new(When::Cron(Cron::parse(text, zone)?));
        match schedule.first_after(0) {
            Some(_) => Ok(schedule),
            None => {
                Err(Error::Input(format!("cron: expected an expression that has a time, got {text:.80?}")))
            }
        }
    }

    fn new(when: When) -> Schedule {
        Schedule { when, jitter: Duration::ZERO, min_interval: Duration::ZERO, seed: 0 }
    }

    /// With this jitter, and what makes it differ from another server's.
    pub fn with_jitter(self, jitter: Duration, seed: u64) -> Schedule {
        Schedule { jitter: jitter.min(SPAN_MAX), seed, ..self }
    }

    /// With this least time from one to the next.
    pub fn with_min_interval(self, min_interval: Duration) -> Schedule {
        Schedule { min_interval: min_interval.min(SPAN_MAX), ..self }
    }

    /// The first time after `after_us`, the last one's time, which is at least `min_interval` after it: microseconds since the
    /// Unix epoch. `None`: there is none in the next years.
    pub fn next(&self, after_us: i64) -> Option<i64> {
        let earliest = after_us.saturating_add(micros(self.min_interval));
        let time = self.first_after(after_us)?;
        if time >= earliest { Some(time) } else { self.first_after(earliest.saturating_sub(1)) }
    }

    /// When the next one is due at `now_us`, given when the last one was made and since when the schedule is kept. A time
    /// before `now_us` was missed: it is made up for once, however many were. An interval is due at once when nothing was made
    /// yet. A last one from the future, left by a clock that was set back, counts as of now.
    pub fn due(&self, last_us: Option<i64>, since_us: i64, now_us: i64) -> Option<i64> {
        match (last_us, &self.when) {
            (Some(last), _) => self.next(last.min(now_us)),
            (None, When::Every(_)) => Some(since_us),
            (None, When::Cron(_)) => self.first_after(since_us),
        }
    }

    /// After so many failures in a row, how long until it is tried again: a second, then twice as long each time, up to five
    /// minutes.
    pub fn retry_after(failures: u32) -> Duration {
        Duration::from_secs((1 << failures.clamp(1, 10).saturating_sub(1)).min(300))
    }

    /// The first time after `after_us`, put off by its jitter.
    fn first_after(&self, after_us: i64) -> Option<i64> {
        match &self.when {
            When::Every(interval) => {
                let time = after_us.checked_add(micros(*interval))?;
                Some(time.saturating_add(self.offset(time, micros(*interval))))
            }
            When::Cron(cron) => {
                let mut from = Timestamp::from_microsecond(self.before(cron, after_us)?).ok()?;
                for _ in 0..TRIES_MAX {
                    let time = cron.next(from)?;
                    let at = time.as_microsecond();
                    let gap = match self.jitter.is_zero() {
                        true => 0,
                        false => cron.next(time).map_or(i64::MAX, |next| next.as_microsecond() - at),
                    };
                    let put_off = at.saturating_add(self.offset(at, gap));
                    if put_off > after_us {
                        return Some(put_off);
                    }
                    from = time;
                }
                None
            }
        }
    }

    /// A time so long before `after_us` that the last one of `cron` which may have been put off past it comes next.
    fn before(&self, cron: &Cron, after_us: i64) -> Option<i64> {
        let jitter = micros(self.jitter);
        // Further and further back, so that few times lie between.
        let mut back = jitter.min(60_000_000);
        loop {
            let from = after_us.checked_sub(back)?;
            let first = cron.next(Timestamp::from_microsecond(from).ok()?)?.as_microsecond();
            if first <= after_us || back >= jitter {
                return Some(from);
            }
            back = back.saturating_mul(2).min(jitter);
        }
    }

    /// By how much the time `at_us` is put off: less than `gap_us`, until the next one.
    fn offset(&self, at_us: i64, gap_us: i64) -> i64 {
        let bound = micros(self.jitter).min(gap_us.saturating_sub(1));
        if bound <= 0 {
            return 0;
        }
        // splitmix64: every bit of the time and the seed counts.
        let mut x = self.seed.wrapping_add(at_us as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) % (bound as u64 + 1)) as i64
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
