//! The typed commands about the server's settings, its cache, and this connection.

use crate::request::{rest, word};
use crate::{Block, Client, Error, Hit, Reply, Result, Sim};

/// A setting that can be asked for while the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its dotted name, as in the configuration file.
    pub name: String,
    /// Its value; a password is masked.
    pub value: String,
    /// Whether `set_variable` may change it.
    pub mutable: bool,
}

/// What the cache of search results did since the start.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheStats {
    /// Whether it is on.
    pub enabled: bool,
    /// Results held.
    pub entries: u64,
    /// Bytes that they take.
    pub memory_bytes: u64,
    /// Searches that looked into it.
    pub queries: u64,
    /// Those that were answered from it.
    pub hits: u64,
    /// Those that were not.
    pub misses: u64,
    /// Results thrown out to make room.
    pub evictions: u64,
    /// All lines as they came, more figures among them.
    pub block: Block,
}

/// What the server says about one search, after `DEBUG ON`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debug {
    /// Which scores were used: events, vectors, fusion.
    pub mode: String,
    /// How long it took in the server, in microseconds.
    pub query_time_us: u64,
    /// Candidates looked at.
    pub candidates: u64,
    /// Results found.
    pub results: u64,
    /// The lines as they came.
    pub lines: Vec<String>,
}

impl Client {
    /// Says the password, now and on each new connection after a reconnect.
    pub async fn auth(&mut self, password: &str) -> Result<()> {
        // Not by `rest`, whose error would show it.
        if password.is_empty() || password.contains(['\n', '\r']) {
            return Err(Error::Input("the password is empty or has a line end".to_owned()));
        }
        self.request(&format!("AUTH {password}")).await?.done()
    }

    /// Whether searches of this connection are followed by what the server says about them.
    pub async fn debug(&mut self, on: bool) -> Result<()> {
        self.request(if on { "DEBUG ON" } else { "DEBUG OFF" }).await?.done()
    }

    /// As [`Client::sim`], with what the server says about the search while [`Client::debug`] is on.
    pub async fn sim_debug(
        &mut self,
        id: &str,
        top_k: u32,
        options: &Sim,
    ) -> Result<(Vec<Hit>, Option<Debug>)> {
        explained(self.request_with(|request| request.sim(id, top_k, options)).await?)
    }

    /// As [`Client::simv`], with what the server says about the search while [`Client::debug`] is on.
    pub async fn simv_debug(
        &mut self,
        vector: &[f32],
        top_k: u32,
        options: &Sim,
    ) -> Result<(Vec<Hit>, Option<Debug>)> {
        explained(self.request_with(|request| request.simv(vector, top_k, options)).await?)
    }

    /// What the configuration's keys mean: of one key or section, or all.
    pub async fn config_help(&mut self, path: Option<&str>) -> Result<Block> {
        self.about("CONFIG HELP", path).await
    }

    /// The configuration as it is; passwords are masked.
    pub async fn config_show(&mut self, path: Option<&str>) -> Result<Block> {
        self.about("CONFIG SHOW", path).await
    }

    /// Whether a configuration file on the server could be used; without one, that which it was started with.
    pub async fn config_verify(&mut self, file: Option<&str>) -> Result<Block> {
        self.about("CONFIG VERIFY", file).await
    }

    /// Changes a setting until the server stops.
    pub async fn set_variable(&mut self, name: &str, value: &str) -> Result<()> {
        let line = format!("SET {} {}", word("name", name)?, rest("value", value)?);
        self.request(&line).await?.done()
    }

    /// The value of a setting.
    pub async fn get_variable(&mut self, name: &str) -> Result<Option<String>> {
        self.request(&format!("GET {}", word("name", name)?)).await?.bulk()
    }

    /// The settings whose names match a pattern (`%` stands for any text), or all.
    pub async fn show_variables(&mut self, like: Option<&str>) -> Result<Vec<Variable>> {
        let line = match like {
            None => "SHOW VARIABLES".to_owned(),
            Some(pattern) => format!("SHOW VARIABLES LIKE {}", word("pattern", pattern)?),
        };
        self.request(&line).await?.array()?.iter().map(|line| variable(line)).collect()
    }

    /// What the cache of search results did.
    pub async fn cache_stats(&mut self) -> Result<CacheStats> {
        let block = self.lines("CACHE STATS").await?;
        let figure = |key: &str| {
            let missing = || Error::Protocol(format!("a reply of CACHE STATS without the number {key}"));
            block.number(key).ok_or_else(missing)
        };
        Ok(CacheStats {
            enabled: matches!(block.get("cache_enabled"), Some("true" | "on" | "1")),
            entries: figure("cache_entries")?,
            memory_bytes: figure("cache_memory_bytes")?,
            queries: figure("total_queries")?,
            hits: figure("cache_hits")?,
            misses: figure("cache_misses")?,
            evictions: figure("evictions")?,
            block,
        })
    }

    /// Empties the cache of search results.
    pub async fn cache_clear(&mut self) -> Result<()> {
        self.request("CACHE CLEAR").await?.done()
    }

    /// Switches the cache of search results on or off.
    pub async fn cache_enable(&mut self, on: bool) -> Result<()> {
        self.request(if on { "CACHE ENABLE" } else { "CACHE DISABLE" }).await?.done()
    }

    async fn about(&mut self, command: &str, path: Option<&str>) -> Result<Block> {
        match path {
            None => self.lines(command).await,
            Some(path) => self.lines(&format!("{command} {}", rest("path", path)?)).await,
        }
    }
}

fn explained(reply: Reply) -> Result<(Vec<Hit>, Option<Debug>)> {
    match reply.ok()? {
        Reply::Results(hits, lines) if lines.is_empty() => Ok((hits, None)),
        Reply::Results(hits, lines) => Ok((hits, Some(debug(lines)?))),
        other => Err(Error::Protocol(format!("expected results, got {other:?}"))),
    }
}

fn debug(lines: Vec<String>) -> Result<Debug> {
    let block = Block { head: String::new(), lines };
    let missing = |key: &str| Error::Protocol(format!("debug lines without {key}: {:?}", block.lines));
    let figure = |key: &str| block.number(key).ok_or_else(|| missing(key));
    Ok(Debug {
        mode: block.get("mode").ok_or_else(|| missing("mode"))?.to_owned(),
        query_time_us: figure("query_time_us")?,
        candidates: figure("candidates")?,
        results: figure("results")?,
        lines: block.lines,
    })
}

/// Reads `name=value (mutable|immutable)`.
fn variable(line: &str) -> Result<Variable> {
    let parts = line.split_once('=').and_then(|(name, rest)| {
        let (value, mutable) = match rest.strip_suffix(" (mutable)") {
            Some(value) => (value, true),
            None => (rest.strip_suffix(" (immutable)")?, false),
        };
        Some(Variable { name: name.to_owned(), value: value.to_owned(), mutable })
    });
    parts.ok_or_else(|| Error::Protocol(format!("expected `name=value (mutable|immutable)`, got {line}")))
}
