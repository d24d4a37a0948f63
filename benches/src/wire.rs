//! Approximate search over TCP beside the same searches in the process: what the wire costs. One collection with a graph,
//! the vectors of the Debian sample (`CAIRN_DEBIAN` names another set), one connection.

use crate::Result;
use crate::graph_set::floats;
use crate::server::Server;
use cairn_client::Client;
use cairn_disk::RealDisk;
use cairn_engine::{
    CollectionChange, CollectionSpec, CompactionPolicy, Engine, IndexKind, Near, Options, Request,
    SearchOptions, Settings, Write,
};
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
/// Requests in flight, where there are several.
const PIPELINE: usize = 16;

/// Runs rounds of all three, in turn, and prints their medians.
pub async fn run() -> Result<()> {
    let dir = std::env::var_os("CAIRN_DEBIAN")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data/debian"), PathBuf::from);
    let rows = |name: &str| -> Result<Vec<Vec<f32>>> {
        let (dimension, all) = floats(&dir, name)?;
        Ok(all.chunks_exact(dimension).map(<[f32]>::to_vec).collect())
    };
    let (vectors, queries) = (rows("vectors")?, rows("query_vectors")?);
    let temp = tempfile::tempdir()?;
    let engine = filled(&temp.path().join("db"), &vectors)?;
    let server = Server::start()?;
    let mut client = Client::connect(server.addr.as_str()).await?;
    client.collection_create("v", &[("index", "graph")]).await?;
    client.use_collection("v").await?;
    for (n, vector) in vectors.iter().enumerate() {
        client.vecset(&format!("item{n}"), vector).await?;
    }
    client.storage_compact(Some("v"), &[("aggressive", "on")]).await?;
    let lines: Vec<String> = queries.iter().map(|query| line(query)).collect();
    let (mut inside, mut alone, mut piped) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        inside.push(in_process(&engine, &queries)?);
        alone.push(over_tcp(&server.addr, &lines, 1).await?);
        piped.push(over_tcp(&server.addr, &lines, PIPELINE).await?);
    }
    let rate = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        queries.len() as f64 / times[times.len() / 2].as_secs_f64()
    };
    let (inside, alone, piped) = (rate(&mut inside), rate(&mut alone), rate(&mut piped));
    println!(
        "| SIMV through a graph of {} × {}-d, one thread in the process; over TCP one at a time, {PIPELINE} in flight | {inside:.0}/s; {alone:.0}/s ({:.2} ×), {piped:.0}/s ({:.2} ×) |",
        vectors.len(),
        vectors.first().map_or(0, Vec::len),
        alone / inside,
        piped / inside,
    );
    Ok(())
}

fn filled(dir: &std::path::Path, vectors: &[Vec<f32>]) -> Result<Engine> {
    let (engine, _) = Engine::open(Arc::new(RealDisk::new()), dir, Options::default())?;
    let spec = CollectionSpec { index: IndexKind::Graph, ..CollectionSpec::default() };
    let create = CollectionChange::Create {
        name: "v".to_owned(),
        settings: Box::new(Settings::default()),
        spec: Box::new(spec),
    };
    engine.change_collections(create)?;
    let set = |(n, vector): (usize, &Vec<f32>)| Request {
        collection: Some(Arc::from("v")),
        write: Write::VectorSet { id: format!("item{n}"), vector: vector.clone() },
    };
    for answer in engine.write_requests(vectors.iter().enumerate().map(set).collect()) {
        answer?;
    }
    let all = CompactionPolicy { aggressive: true, ..CompactionPolicy::default() };
    engine.compact(Some("v"), all, |_, _| ControlFlow::Continue(()))?;
    Ok(engine)
}

fn in_process(engine: &Engine, queries: &[Vec<f32>]) -> Result<Duration> {
    let started = Instant::now();
    for query in queries {
        let how = SearchOptions::default();
        let near = Near { vector: query.clone(), top_k: 10, filter: None, min_score: None, how };
        if engine.similar_to_vector_in(Some("v"), &near)?.results.len() != 10 {
            return Err("expected 10 results".into());
        }
    }
    Ok(started.elapsed())
}

fn line(query: &[f32]) -> String {
    let mut line = "SIMV 10".to_owned();
    for x in query {
        let _ = write!(line, " {x}");
    }
    line
}

async fn over_tcp(addr: &str, lines: &[String], in_flight: usize) -> Result<Duration> {
    let mut client = Client::connect(addr).await?;
    client.use_collection("v").await?;
    let (mut sender, mut receiver) = client.split();
    let started = Instant::now();
    for window in lines.chunks(in_flight) {
        for line in window {
            sender.send(line).await?;
        }
        sender.flush().await?;
        for _ in window {
            if receiver.recv_reply().await?.results()?.len() != 10 {
                return Err("expected 10 results".into());
            }
        }
    }
    Ok(started.elapsed())
}
