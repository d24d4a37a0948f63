//! The typed commands of a client.

use crate::request::{rest, word};
use crate::{Block, Client, Error, Hit, Op, Reply, Result, Sim};

/// How the parts of a snapshot are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// zstd frames.
    Zstd,
    /// gzip members.
    Gzip,
    /// Stored as they are.
    None,
}

/// The options of a snapshot; the default is the server's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Create {
    /// An alias that restore, info and delete accept.
    pub name: Option<String>,
    /// How it is compressed.
    pub compression: Option<Compression>,
    /// Words for people.
    pub description: Option<String>,
    /// Free words, none with a comma.
    pub tags: Vec<String>,
    /// The collections it covers; none: all.
    pub collections: Vec<String>,
    /// Only what changed since the newest snapshot is stored; it needs no other when it is restored.
    pub incremental: bool,
    /// As `incremental`, since this one, by its id or name.
    pub base: Option<String>,
}

/// What SNAPSHOT PRUNE is to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prune {
    /// Which stay, by the words of docs/protocol.md: `keep_last` and `7`, `keep_within` and `30d`, …
    pub policy: Vec<(String, String)>,
    /// Only snapshots with this tag are looked at.
    pub tag: Option<String>,
    /// Only say what would go.
    pub dry_run: bool,
}

impl Client {
    /// Records an event. `score` (0–100) is not sent with [`Op::Del`]; without `time_s` (seconds since the epoch) it
    /// happened now.
    pub async fn event(
        &mut self,
        context: &str,
        op: Op,
        id: &str,
        score: u8,
        time_s: Option<i64>,
    ) -> Result<()> {
        self.request_with(|request| request.event(context, op, id, score, time_s)).await?.done()
    }

    /// Sets an item's vector.
    pub async fn vecset(&mut self, id: &str, vector: &[f32]) -> Result<()> {
        self.request_with(|request| request.vecset(id, vector)).await?.done()
    }

    /// Replaces an item's metadata by `key:value[,key:value…]`.
    pub async fn metaset(&mut self, id: &str, metadata: &str) -> Result<()> {
        self.request_with(|request| request.metaset(id, metadata)).await?.done()
    }

    /// Takes an item's vector and metadata away; its events stay.
    pub async fn vecdel(&mut self, id: &str) -> Result<()> {
        self.request_with(|request| request.vecdel(id)).await?.done()
    }

    /// The items most similar to an item, best first.
    pub async fn sim(&mut self, id: &str, top_k: u32, options: &Sim) -> Result<Vec<Hit>> {
        self.request_with(|request| request.sim(id, top_k, options)).await?.results()
    }

    /// The items whose vectors are most similar to `vector`, best first.
    pub async fn simv(&mut self, vector: &[f32], top_k: u32, options: &Sim) -> Result<Vec<Hit>> {
        self.request_with(|request| request.simv(vector, top_k, options)).await?.results()
    }

    /// The server's figures.
    pub async fn info(&mut self) -> Result<Block> {
        self.lines("INFO").await
    }

    /// The timeline, LSN, state hash and counts of the state as it is.
    pub async fn check(&mut self) -> Result<Block> {
        self.lines("CHECK").await
    }

    /// Saves a `.nvec` file; without a path, the server names it.
    pub async fn dump_save(&mut self, path: Option<&str>) -> Result<Block> {
        match path {
            None => self.lines("DUMP SAVE").await,
            Some(path) => self.named("DUMP SAVE", "path", path).await,
        }
    }

    /// Replaces the server's state by that of a `.nvec` file.
    pub async fn dump_load(&mut self, path: &str) -> Result<Block> {
        self.named("DUMP LOAD", "path", path).await
    }

    /// Reads a `.nvec` file and checks every byte.
    pub async fn dump_verify(&mut self, path: &str) -> Result<Block> {
        self.named("DUMP VERIFY", "path", path).await
    }

    /// What a `.nvec` file says about itself.
    pub async fn dump_info(&mut self, path: &str) -> Result<Block> {
        self.named("DUMP INFO", "path", path).await
    }

    /// How the current or last DUMP SAVE or LOAD goes.
    pub async fn dump_status(&mut self) -> Result<Block> {
        self.lines("DUMP STATUS").await
    }

    /// Takes a snapshot into the server's repository.
    pub async fn snapshot_create(&mut self, options: &Create) -> Result<Block> {
        let mut line = String::from("SNAPSHOT CREATE");
        if let Some(name) = &options.name {
            line.push_str(" name=");
            line.push_str(word("name", name)?);
        }
        line.push_str(match options.compression {
            None => "",
            Some(Compression::Zstd) => " compression=zstd",
            Some(Compression::Gzip) => " compression=gzip",
            Some(Compression::None) => " compression=none",
        });
        if let Some(description) = &options.description {
            line.push_str(&format!(" description={}", quoted("description", description)?));
        }
        for (name, values) in [("tags", &options.tags), ("collections", &options.collections)] {
            if !values.is_empty() {
                line.push_str(&format!(" {name}={}", quoted(name, &listed(name, values)?)?));
            }
        }
        if options.incremental {
            line.push_str(" incremental=on");
        }
        if let Some(base) = &options.base {
            line.push_str(&format!(" base={}", quoted("base", base)?));
        }
        self.lines(&line).await
    }

    /// The snapshots in the server's repository.
    pub async fn snapshot_list(&mut self) -> Result<Block> {
        self.lines("SNAPSHOT LIST").await
    }

    /// What a snapshot (by id or name) holds.
    pub async fn snapshot_info(&mut self, snapshot: &str) -> Result<Block> {
        self.named("SNAPSHOT INFO", "snapshot", snapshot).await
    }

    /// Reads every byte of a snapshot and hashes it.
    pub async fn snapshot_verify(&mut self, snapshot: &str) -> Result<Block> {
        self.named("SNAPSHOT VERIFY", "snapshot", snapshot).await
    }

    /// Replaces the server's state by a snapshot's, as a new timeline.
    pub async fn snapshot_restore(&mut self, snapshot: &str) -> Result<Block> {
        self.named("SNAPSHOT RESTORE", "snapshot", snapshot).await
    }

    /// Deletes a snapshot.
    pub async fn snapshot_delete(&mut self, snapshot: &str) -> Result<Block> {
        self.named("SNAPSHOT DELETE", "snapshot", snapshot).await
    }

    /// Deletes a snapshot, also one that is pinned.
    pub async fn snapshot_delete_pinned(&mut self, snapshot: &str) -> Result<Block> {
        self.named("SNAPSHOT DELETE force=on", "snapshot", snapshot).await
    }

    /// Keeps a snapshot from being pruned and deleted. The note is words for people; empty: none.
    pub async fn snapshot_pin(&mut self, snapshot: &str, note: &str) -> Result<Block> {
        if note.is_empty() {
            return self.named("SNAPSHOT PIN", "snapshot", snapshot).await;
        }
        let command = format!("SNAPSHOT PIN note={}", quoted("note", note)?);
        self.named(&command, "snapshot", snapshot).await
    }

    /// Takes a snapshot's pin off.
    pub async fn snapshot_unpin(&mut self, snapshot: &str) -> Result<Block> {
        self.named("SNAPSHOT UNPIN", "snapshot", snapshot).await
    }

    /// Removes the snapshots that a policy does not keep: figures, then lines `keep id=… reasons=…` and `remove id=…`.
    pub async fn snapshot_prune(&mut self, options: &Prune) -> Result<Block> {
        let mut line = String::from(if options.dry_run { "SNAPSHOT PRUNE DRYRUN" } else { "SNAPSHOT PRUNE" });
        for (name, value) in &options.policy {
            line.push_str(&format!(" {}={}", word("name", name)?, word(name, value)?));
        }
        if let Some(tag) = &options.tag {
            line.push_str(&format!(" tag={}", quoted("tag", tag)?));
        }
        self.lines(&line).await
    }

    /// The server's schedules, their next runs and last results, a line `key=value …` each.
    pub async fn snapshot_schedule(&mut self) -> Result<Block> {
        self.lines("SNAPSHOT SCHEDULE").await
    }

    /// How the current or last SNAPSHOT CREATE or RESTORE goes.
    pub async fn snapshot_status(&mut self) -> Result<Block> {
        self.lines("SNAPSHOT STATUS").await
    }

    /// Sends a line whose reply is lines up to `END`: for requests that have no method here.
    pub async fn lines(&mut self, line: &str) -> Result<Block> {
        self.request(line).await.and_then(Reply::block)
    }

    async fn named(&mut self, command: &str, what: &str, value: &str) -> Result<Block> {
        let line = format!("{command} {}", rest(what, value)?);
        self.lines(&line).await
    }
}

/// A value in double quotes.
pub(crate) fn quoted(what: &'static str, value: &str) -> Result<String> {
    Ok(format!("\"{}\"", rest(what, value)?.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Values between commas; one that would be taken for two, or for none, is refused.
fn listed(name: &str, values: &[String]) -> Result<String> {
    match values.iter().find(|value| value.contains(',') || value.trim().is_empty()) {
        Some(value) => Err(Error::Input(format!("{name}: expected words without a comma, got {value:?}"))),
        None => Ok(values.join(",")),
    }
}
