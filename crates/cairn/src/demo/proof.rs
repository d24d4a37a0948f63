//! The proof: what the shipped files say the restored database must hold.

use super::LIKE;
use super::ask::{self, Likes, TOP_K};
use super::place::Place;
use super::reference::{Counts, RING, Reference};
use super::sample::{Item, Sample};
use super::story::Story;
use super::taken::{Taken, text};
use super::writes::Writes;
use crate::check::hex;
use crate::disk::storage;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::grouped;
use cairn_client::Client;
use cairn_engine::{Engine, Options, Settings};
use std::path::Path;
use std::time::Instant;

/// Writes given to the embedded engine at once.
const BATCH: usize = 4096;
/// Items whose answers are compared in each way of asking.
const COMPARED: usize = 200;

/// What must be there after the first so many writes.
#[derive(Debug)]
struct Expected<'a> {
    /// How many writes.
    writes: usize,
    /// The hash of the state they make.
    state_hash: String,
    /// How much of everything they make.
    counts: Counts,
    /// What a search must answer then.
    reference: Reference<'a>,
}

/// Tells the proof: what the server at `client` holds is what the files say, for exactly the writes up to the snapshot.
pub async fn prove(
    story: &mut Story,
    client: &mut Client,
    sample: &Sample,
    place: &Place,
    taken: &Taken,
    acknowledged: usize,
) -> Result<()> {
    story.step(&format!(
        "The proof: recomputed from the shipped files, for exactly the first {} writes",
        grouped(taken.lsn)
    ))?;
    let from = Instant::now();
    let expected = expected(sample, taken.lsn, &place.proof).await?;
    let check = client.check().await?;
    let counts = expected.counts;
    for (key, count) in counts.by_name() {
        equal(key, &count.to_string(), &text(&check, key)?)?;
    }
    story.say(&format!(
        "counts      {} items, {} contexts, {} events in their rings, {} pairs: as computed",
        grouped(counts.ids),
        grouped(counts.contexts),
        grouped(counts.events),
        grouped(counts.pairs)
    ))?;
    equal("lsn", &taken.lsn.to_string(), &text(&check, "lsn")?)?;
    equal("state hash", &expected.state_hash, &text(&check, "state_hash")?)?;
    story.say(&format!("state hash  {}…: as computed", &expected.state_hash[..32]))?;
    let answers = compare_answers(client, sample, &expected).await?;
    story.say(&format!(
        "top {TOP_K}s     {} answers (by vector, behaviour, both, filtered): as computed",
        grouped(answers)
    ))?;
    let later = acknowledged - expected.writes;
    story.timed("nothing is missing, nothing is added, nothing is torn", from.elapsed())?;
    story.say(&format!(
        "{} acknowledged writes came after the snapshot and went with the directory: the snapshot alone",
        grouped(later as u64)
    ))?;
    story.say("cannot have them. Only an archive of the log, kept elsewhere, would have kept those too.")
}

/// Asks in every way, and compares with the proof's own arithmetic.
async fn compare_answers(client: &mut Client, sample: &Sample, expected: &Expected<'_>) -> Result<u64> {
    let mut answers = 0;
    for (query, hits) in sample.queries.iter().zip(ask::nearest(client, &sample.queries).await?) {
        let wanted = expected.reference.by_vector(&query.vector);
        ask::compare(&format!("query {}", query.id), &hits, &wanted)?;
        answers += 1;
    }
    let compared =
        sample.items.iter().take(COMPARED).chain(sample.items.iter().filter(|item| item.id == LIKE));
    for item in compared.collect::<Vec<&Item>>() {
        for (way, wanted) in Likes::of(item, &expected.reference).by_way() {
            let hits = way.ask(client, item).await?;
            ask::compare(&format!("like {}, {}", item.id, way.name()), &hits, wanted)?;
            answers += 1;
        }
    }
    Ok(answers)
}

fn equal(what: &str, expected: &str, got: &str) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, format!("{what}: computed {expected}, the restored database says {got}")))
}

/// Computes it from the sample alone: counts and answers by plain loops, the hash by giving the same writes to a new
/// embedded engine in `dir`.
async fn expected<'a>(sample: &'a Sample, lsn: u64, dir: &Path) -> Result<Expected<'a>> {
    let writes = Writes::new(sample);
    let (count, state_hash) = embedded(sample, writes, lsn, dir).await?;
    let mut reference = Reference::default();
    (0..count).for_each(|place| writes.at(place).apply(&mut reference));
    Ok(Expected { writes: count, state_hash, counts: reference.counts(), reference })
}

/// How many writes it takes to get to this LSN, and the hash of the state there.
async fn embedded(sample: &Sample, writes: Writes<'_>, lsn: u64, dir: &Path) -> Result<(usize, String)> {
    let (engine, opened) = Engine::open(storage(), dir, options(sample))?;
    let mut done = 0;
    let mut at = opened.lsn.0;
    while at < lsn && done < writes.count() {
        // So that Ctrl-C is heard.
        tokio::task::yield_now().await;
        let left = usize::try_from(lsn - at).unwrap_or(usize::MAX);
        let end = writes.count().min(done + BATCH.min(left));
        let batch = (done..end).map(|place| writes.at(place).embedded()).collect::<Result<_>>()?;
        for written in engine.write(batch) {
            let written = written?;
            // One write is one LSN: otherwise the place of an LSN among the writes would be a guess.
            if written.0 != at + 1 {
                let message = format!("write {} has LSN {written}, expected {}", done + 1, at + 1);
                return Err(Failure::new(Exit::Failed, message));
            }
            at = written.0;
            done += 1;
        }
    }
    if at != lsn {
        let message = format!("the snapshot says LSN {lsn}; after all {done} writes it would be {at}");
        return Err(Failure::new(Exit::Failed, message));
    }
    let hash = hex(&engine.view()?.state_hash());
    engine.close()?;
    Ok((done, hash))
}

/// The settings that the demo's configuration gives its server.
fn options(sample: &Sample) -> Options {
    let settings = Settings {
        dimension: u32::try_from(sample.dimension()).unwrap_or_default(),
        ctx_buffer_size: RING as u32,
        ..Settings::default()
    };
    Options { settings, decay: None, ..Options::default() }
}

impl From<cairn_engine::Error> for Failure {
    fn from(error: cairn_engine::Error) -> Self {
        Failure::of_kind(error.kind(), &error)
    }
}
