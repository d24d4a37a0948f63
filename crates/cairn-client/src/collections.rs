//! The typed commands about collections and their storage.

use crate::request::{rest, word};
use crate::{Block, Client, Result};

impl Client {
    /// From now on the requests of this connection mean the collection of this name, or alias. `default` is where a
    /// connection begins.
    pub async fn use_collection(&mut self, name: &str) -> Result<()> {
        self.request_with(|request| request.use_collection(name)).await?.done()
    }

    /// Makes a collection. `options` are those of `COLLECTION CREATE`, as `("dimension", "384")`, `("storage", "mmap")`.
    pub async fn collection_create(&mut self, name: &str, options: &[(&str, &str)]) -> Result<Block> {
        let line = format!("COLLECTION CREATE {}{}", word("collection", name)?, named(options)?);
        self.lines(&line).await
    }

    /// The collections, one a line.
    pub async fn collection_list(&mut self) -> Result<Block> {
        self.lines("COLLECTION LIST").await
    }

    /// How a collection is kept, and how much is in it.
    pub async fn collection_stats(&mut self, name: &str) -> Result<Block> {
        let line = format!("COLLECTION STATS {}", word("collection", name)?);
        self.lines(&line).await
    }

    /// Takes a collection away with all that is in it. With `dry_run`, only says what would go.
    pub async fn collection_drop(&mut self, name: &str, dry_run: bool) -> Result<Block> {
        let dry_run = if dry_run { " dry_run=on" } else { "" };
        let line = format!("COLLECTION DROP {}{dry_run}", word("collection", name)?);
        self.lines(&line).await
    }

    /// Gives a collection another name.
    pub async fn collection_rename(&mut self, from: &str, to: &str) -> Result<Block> {
        let line = format!("COLLECTION RENAME {} {}", word("collection", from)?, word("new name", to)?);
        self.lines(&line).await
    }

    /// Makes an alias mean a collection: a new alias, or one that meant another.
    pub async fn collection_alias(&mut self, alias: &str, name: &str) -> Result<Block> {
        let line = format!("COLLECTION ALIAS {} {}", word("alias", alias)?, word("collection", name)?);
        self.lines(&line).await
    }

    /// Takes an alias away.
    pub async fn collection_unalias(&mut self, alias: &str) -> Result<Block> {
        let line = format!("COLLECTION UNALIAS {}", word("alias", alias)?);
        self.lines(&line).await
    }

    /// Changes how a collection is stored, indexed and bounded; what is not named stays.
    pub async fn collection_configure(&mut self, name: &str, options: &[(&str, &str)]) -> Result<Block> {
        let line = format!("COLLECTION CONFIGURE {}{}", word("collection", name)?, named(options)?);
        self.lines(&line).await
    }

    /// Where the vectors of a collection, or of all, are: one line for each.
    pub async fn storage_stats(&mut self, collection: Option<&str>) -> Result<Block> {
        match collection {
            None => self.lines("STORAGE STATS").await,
            Some(name) => self.lines(&format!("STORAGE STATS {}", word("collection", name)?)).await,
        }
    }

    /// Changes how collections are mapped, by the options of `STORAGE MMAP`; without any, says how they are.
    pub async fn storage_mmap(&mut self, options: &[(&str, &str)]) -> Result<Block> {
        self.lines(&format!("STORAGE MMAP{}", named(options)?)).await
    }

    /// Compacts a collection, or all, by the options of `STORAGE COMPACT`. It takes as long as there is to rewrite:
    /// [`Client::set_request_timeout`].
    pub async fn storage_compact(
        &mut self,
        collection: Option<&str>,
        options: &[(&str, &str)],
    ) -> Result<Block> {
        let mut line = String::from("STORAGE COMPACT");
        if let Some(name) = collection {
            line.push(' ');
            line.push_str(word("collection", name)?);
        }
        self.lines(&(line + &named(options)?)).await
    }
}

/// Options as a line has them, their values in double quotes.
fn named(options: &[(&str, &str)]) -> Result<String> {
    let mut line = String::new();
    for (name, value) in options {
        let escaped = rest(name, value)?.replace('\\', "\\\\").replace('"', "\\\"");
        line.push_str(&format!(" {}=\"{escaped}\"", word("option", name)?));
    }
    Ok(line)
}
