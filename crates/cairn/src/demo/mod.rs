//! `cairn demo`: the main job, end to end, on real data.

mod ask;
mod child;
mod place;
mod proof;
mod reference;
mod sample;
mod story;
mod taken;
mod writer;
mod writes;

use crate::args::DemoArgs;
use crate::disk::{bytes_below, storage};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{grouped, human_bytes};
use crate::snapshot::local::restore_to;
use ask::{TOP_K, Way};
use cairn_client::{Client, Create, Hit};
use child::Server;
use place::Place;
use sample::Sample;
use std::cell::Cell;
use std::time::{Duration, Instant};
use story::{Column, Story};
use taken::Taken;
use tokio::signal::unix::{SignalKind, signal};
use writer::{Writer, Wrote};
use writes::Writes;

/// The package the story asks about.
const LIKE: &str = "nginx";
/// Rows of the lists it shows.
const SHOWN: usize = 6;
/// Of the events, so many per cent are there before the snapshot begins.
const BEFORE_SNAPSHOT_PERCENT: usize = 60;

/// Tells the story. Whatever ends it, its server is gone and its directory with it.
pub async fn run(args: DemoArgs) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let stopped = || Failure::new(Exit::Failed, "stopped; the demo's server and its files are gone");
    tokio::select! {
        told = tell(args.keep) => told,
        _ = interrupt.recv() => Err(stopped()),
        _ = terminate.recv() => Err(stopped()),
        _ = hangup.recv() => Err(stopped()),
    }
}

async fn tell(keep: bool) -> Result<()> {
    let mut story = Story::begin("CairnDB, from the first write to the last resort, on real data")?;
    story
        .say("5,000 packages of Debian 12: sentence embeddings of their descriptions, their metadata, and")?;
    story.say(
        "225,643 events, each saying that one package names another. Over TCP, to a real server process.",
    )?;
    let sample = Sample::load()?;
    let writes = Writes::new(&sample);
    // Declared before the server: dropped after it.
    let place = Place::make(&sample, keep)?;
    let acknowledged = Cell::new(0);

    let mut server = start(&mut story, &place).await?;
    let mut writer = Writer::connect(server.addr).await?;
    let mut client = Client::connect(server.addr).await?;

    let events = writes.events();
    let middle = events.start + events.len() * BEFORE_SNAPSHOT_PERCENT / 100;
    ingest(&mut story, &mut writer, writes, middle, &acknowledged).await?;
    search(&mut story, &mut client, &sample).await?;
    let taken = snapshot(&mut story, &mut client, &mut writer, writes, middle, &acknowledged).await?;

    drop((client, writer));
    disaster(&mut story, &mut server, &place)?;
    drop(server);
    come_back(&mut story, &place, &taken)?;
    let server = Server::start(&place.config, &place.data).await?;
    let mut client = Client::connect(server.addr).await?;
    proof::prove(&mut story, &mut client, &sample, &place, &taken, acknowledged.get()).await?;
    where_next(&mut story, &place)
}

async fn start(story: &mut Story, place: &Place) -> Result<Server> {
    let from = Instant::now();
    let server = Server::start(&place.config, &place.data).await?;
    story.step("A server")?;
    let line =
        format!("pid {} on {}; it syncs every write to disk before it replies", server.pid(), server.addr);
    story.timed(&line, from.elapsed())?;
    story.say(&format!("data      {}", place.data.display()))?;
    story.say(&format!("snapshots {}", place.repository.display()))?;
    Ok(server)
}

async fn ingest(
    story: &mut Story,
    writer: &mut Writer,
    writes: Writes<'_>,
    until: usize,
    acknowledged: &Cell<usize>,
) -> Result<()> {
    story.step("Ingest: one connection, pipelined, every write acknowledged")?;
    let kinds = [
        ("vectors (384 dimensions)", writes.vectors()),
        ("metadata", writes.metadata()),
        ("events", writes.events().start..until),
    ];
    for (what, places) in kinds {
        let wrote = writer.write(writes, places, acknowledged).await?;
        let line = format!("{:>8} {what:<28} {:>9} a second", grouped(wrote.writes as u64), rate(&wrote));
        story.timed(&line, wrote.took)?;
    }
    Ok(())
}

fn rate(wrote: &Wrote) -> String {
    grouped((wrote.writes as f64 / wrote.took.as_secs_f64().max(1e-9)) as u64)
}

async fn search(story: &mut Story, client: &mut Client, sample: &Sample) -> Result<()> {
    let item = sample.items.iter().find(|item| item.id == LIKE);
    let item = item.ok_or_else(|| Failure::new(Exit::Damage, format!("{LIKE} is not in the sample")))?;
    story.step(&format!("Search: packages like {}", item.text))?;
    let mut columns = Vec::new();
    for way in Way::ALL {
        let hits = way.ask(client, item).await?;
        let heading = match way {
            Way::Filtered => format!("by vector, section:{}", ask::section(item)),
            _ => way.name().to_owned(),
        };
        columns.push(Column { heading, lines: hits.iter().take(SHOWN).map(shown).collect() });
    }
    story.columns(&columns)?;
    let from = Instant::now();
    let answers = ask::nearest(client, &sample.queries).await?;
    let took = from.elapsed();
    for (n, hits) in answers.iter().enumerate() {
        ask::compare(&format!("query {}", sample.queries[n].id), hits, &ask::truth(sample, n))?;
    }
    let each = took.as_secs_f64() * 1e3 / answers.len().max(1) as f64;
    let line = format!(
        "{} packages it has never seen: top {TOP_K} of each equal to the exact truth, {each:.1} ms each",
        answers.len()
    );
    story.timed(&line, took)
}

/// A result in 26 columns.
fn shown(hit: &Hit) -> String {
    let score = if hit.score >= 1000.0 { grouped(hit.score as u64) } else { format!("{:.3}", hit.score) };
    let room = 25 - score.len();
    let id = if hit.id.len() > room { format!("{}…", &hit.id[..room - 1]) } else { hit.id.clone() };
    format!("{id:<room$} {score}")
}

async fn snapshot(
    story: &mut Story,
    client: &mut Client,
    writer: &mut Writer,
    writes: Writes<'_>,
    from: usize,
    acknowledged: &Cell<usize>,
) -> Result<Taken> {
    story.step("Snapshot, while writing goes on")?;
    let rest = from..writes.count();
    let options = Create { name: Some("demo".to_owned()), ..Create::default() };
    let take = async {
        // Well into the rest: the writer is at full speed when the snapshot begins.
        while acknowledged.get() < from + rest.len() / 10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (started, before) = (Instant::now(), acknowledged.get());
        let block = client.snapshot_create(&options).await?;
        Ok::<_, Failure>((block, started.elapsed(), acknowledged.get() - before))
    };
    let (wrote, (block, took, meanwhile)) =
        tokio::try_join!(writer.write(writes, rest.clone(), acknowledged), take)?;
    let taken = Taken::read(&block)?;
    let stored = block.number("stored_bytes").map(human_bytes).unwrap_or_default();
    let line = format!("{} holds everything up to write {}: {stored} stored", taken.id, grouped(taken.lsn));
    story.timed(&line, took)?;
    let line = format!(
        "{} writes were acknowledged meanwhile; their longest wait for the next: {:.0} ms",
        grouped(meanwhile as u64),
        wrote.pause_max.as_secs_f64() * 1e3
    );
    story.say(&line)?;
    let line = format!(
        "{} writes are acknowledged now, {} a second to the end",
        grouped(acknowledged.get() as u64),
        rate(&wrote)
    );
    story.say(&line)?;
    Ok(taken)
}

fn disaster(story: &mut Story, server: &mut Server, place: &Place) -> Result<()> {
    story.step("Lose everything")?;
    let from = Instant::now();
    server.kill();
    story.say(&format!("SIGKILL to pid {}: no goodbye, no flush", server.pid()))?;
    let disk = storage();
    let bytes = bytes_below(&*disk, &place.data)?;
    disk.remove_dir_all(&place.data)?;
    story.timed(&format!("the data directory is deleted: {}", human_bytes(bytes)), from.elapsed())
}

fn come_back(story: &mut Story, place: &Place, taken: &Taken) -> Result<()> {
    story.step("Come back, as a new timeline")?;
    let from = Instant::now();
    let restored = restore_to(&place.repository, &taken.id, &place.data)?;
    let took = from.elapsed();
    let bytes = restored.snapshot.plain_bytes;
    let rate = human_bytes((bytes as f64 / took.as_secs_f64().max(1e-9)) as u64);
    story.timed(
        &format!("restored {}: {} at {rate}/s, every byte hashed", taken.id, human_bytes(bytes)),
        took,
    )?;
    story.say(&format!("timeline {} (was {})", restored.report.timeline, taken.timeline))?;
    if restored.report.timeline.to_string() == taken.timeline {
        return Err(Failure::new(Exit::Failed, "the restored state is on the old timeline"));
    }
    Ok(())
}

fn where_next(story: &mut Story, place: &Place) -> Result<()> {
    story.step("Where to go next")?;
    story.say("cairn serve                     a server of your own (cairn is target/release/cairn)")?;
    story.say("cairn exec INFO                 talk to it; docs/protocol.md has every command")?;
    story.say("cairn snapshot --help           create, list, verify, restore, delete")?;
    story.say("./test                          every check there is")?;
    match place.kept() {
        Some(dir) => story.say(&format!("kept, as asked: {}", dir.display()))?,
        None => story.say("the demo's own files are gone")?,
    }
    crate::output::print(&format!("\nDone in {:.1} s.\n", story.elapsed().as_secs_f64()))
}
