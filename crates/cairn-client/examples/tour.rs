//! A tour: writes, searches, a pipeline, a snapshot, a topic, and what errors say. Needs a running server:
//!
//! `cargo run -- serve`, and in another terminal `cargo run -p cairn-client --example tour [ADDRESS]`

use cairn_client::{Client, Create, Error, ErrorKind, Op, Options, Reconnect, Sim, Using};
use std::io::Write;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:11017".to_owned());
    let mut out = std::io::stdout();

    // A client that connects again when its connection is lost. Writes that may have been done are never repeated.
    let options = Options {
        request_timeout: Duration::from_secs(10),
        reconnect: Some(Reconnect::default()),
        ..Options::default()
    };
    let mut client = Client::connect_with(address, &options).await?;

    // A collection of its own, so that the tour leaves nothing behind.
    client.collection_create("tour", &[("dimension", "3")]).await?;
    client.use_collection("tour").await?;

    // When a write returns, it is on the server's disk.
    client.vecset("tea", &[1.0, 0.0, 0.0]).await?;
    client.vecset("coffee", &[0.9, 0.1, 0.0]).await?;
    client.metaset("coffee", "kind:drink,price:3.5").await?;
    client.event("basket-1", Op::Add, "tea", 100, None).await?;
    client.event("basket-1", Op::Add, "milk", 50, None).await?;

    let by_vector = Sim { using: Some(Using::Vectors), ..Sim::default() };
    for hit in client.sim("tea", 10, &by_vector).await? {
        writeln!(out, "like tea: {} {:.4}", hit.id, hit.score)?;
    }
    let drinks = Sim { filter: Some("kind:drink,price<4".to_owned()), ..Sim::default() };
    for hit in client.simv(&[1.0, 0.0, 0.0], 10, &drinks).await? {
        writeln!(out, "a drink: {} {:.4}", hit.id, hit.score)?;
    }

    // Many requests at once: those that were acknowledged stand in `replies` even when the connection is lost.
    let lines: Vec<String> = (0..1000).map(|n| format!("VECSET item-{n} {n} 1 0")).collect();
    let mut replies = Vec::new();
    client.pipeline_into(&lines, &mut replies).await?;
    writeln!(out, "acknowledged: {}", replies.len())?;

    // An error's kind says what can be done.
    match client.vecset("tea", &[1.0]).await {
        Err(error) if error.kind() == ErrorKind::Input => writeln!(out, "refused: {error}")?,
        Err(error @ Error::FateUnknown { .. }) => writeln!(out, "look before sending it again: {error}")?,
        other => other?,
    }

    let snapshot = client.snapshot_create(&Create::default()).await?;
    let id = snapshot.get("id").unwrap_or_default().to_owned();
    writeln!(out, "verified: {}", client.snapshot_verify(&id).await?.head)?;
    client.snapshot_delete(&id).await?;

    client.topic_create("tour", &[]).await?;
    let at = client.topic_append("tour", None, Some("customer-7"), Some("two apples")).await?;
    let fetched = client.topic_read("tour", at.partition, at.offset, 10).await?;
    writeln!(out, "records: {}", fetched.records.len())?;
    client.topic_delete("tour").await?;

    client.use_collection("default").await?;
    client.collection_drop("tour", false).await?;
    Ok(())
}
