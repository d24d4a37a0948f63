//! Filters in the process, on one thread: answered by indexes on metadata fields, and by looking at every item.

use crate::Result;
use cairn_engine::field_index::FieldIndexes;
use cairn_engine::{Filter, Metadata};
use std::hint::black_box;
use std::time::{Duration, Instant};

const ITEMS: u32 = 30_000;
const RUNS: usize = 101;
/// A filter and how many items match it.
const FILTERS: [(&str, u64); 5] = [
    ("maintainer=m7", 150),
    ("section=in(s3|s4),essential=true", 150),
    ("size<150", 150),
    ("size>=15000", 15_000),
    ("section!=s3", 29_250),
];

/// Prints the figures.
pub fn run() -> Result<()> {
    let metadata: Vec<Metadata> = (0..ITEMS).map(item).collect::<cairn_engine::Result<_>>()?;
    let fields = ["maintainer", "section", "essential", "size"];
    let (built, indexes) = timed(|| FieldIndexes::build(fields, (0..).zip(&metadata)));
    println!(
        "| indexes on 4 metadata fields of {ITEMS} items | built in {:.1} ms, {} KiB |",
        built.as_secs_f64() * 1e3,
        indexes.bytes() >> 10
    );
    for (text, expected) in FILTERS {
        let filter = Filter::parse(text)?;
        let (mut indexed, mut looked_at, mut estimated) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let (time, matching) = timed(|| indexes.matching(&filter, ITEMS));
            indexed.push(time);
            let found = matching.ok_or("not indexed")?.items.len();
            let (time, count) = timed(|| metadata.iter().filter(|m| filter.matches(m)).count());
            looked_at.push(time);
            if (found, count as u64) != (expected, expected) {
                return Err(format!("{text}: found {found} and {count}, expected {expected}").into());
            }
            estimated.push(timed(|| black_box(indexes.estimate(&filter, ITEMS))).0);
        }
        let [indexed, looked_at, estimated] =
            [indexed, looked_at, estimated].map(|times| median(times).as_secs_f64() * 1e6);
        println!(
            "| filter `{text}`, {:.1} % of {ITEMS} items: by indexes, an estimate, looking at every item | \
             {indexed:.1} µs, {estimated:.2} µs, {looked_at:.0} µs |",
            expected as f64 * 100.0 / f64::from(ITEMS)
        );
    }
    Ok(())
}

/// 200 maintainers, 40 sections, a tenth essential, and every size once.
fn item(n: u32) -> cairn_engine::Result<Metadata> {
    // A step that has no divisor in common with the number of items, so that neighbours are unlike.
    let n = n * 7_919 % ITEMS;
    let essential = n % 400 < 40;
    Metadata::parse(&format!("maintainer:m{},section:s{},essential:{essential},size:{n}", n % 200, n % 40))
}

fn timed<T>(f: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let result = f();
    (started.elapsed(), result)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
