//! CONFIG: what the keys mean, what they are, and whether a file can be used.

use crate::command::Configs;
use crate::config::{Config, Key, key_named, keys, shown};
use crate::dump;
use crate::engine_backend::EngineBackend;
use crate::failure::Failure;
use crate::live::Live;
use crate::reply::Reply;
use cairn_disk::{Storage, read_file};
use cairn_engine::ErrorKind;
use std::path::Path;

/// Bytes of a configuration file.
pub(crate) const CONFIG_BYTES_MAX: u64 = 1 << 20;

type Result<T> = std::result::Result<T, Failure>;

pub(crate) fn configs(backend: &EngineBackend, live: &Live, asked: &Configs) -> Reply {
    let lines = match asked {
        Configs::Help(path) => help(live, path.as_deref()),
        Configs::Show(path) => show(&live.config(), path.as_deref()),
        Configs::Verify(given) => verify(backend, &live.config(), given.as_deref()),
    };
    lines.map_or_else(Reply::Failed, Reply::Lines)
}

/// The keys of a section, or the one of that name.
fn below(path: &str) -> Result<Vec<&'static Key>> {
    let section = format!("{path}.");
    let found: Vec<_> = keys().filter(|key| key.name == path || key.name.starts_with(&section)).collect();
    if found.is_empty() {
        let shown = crate::failure::shown(path);
        return Err(Failure::new(ErrorKind::NotFound, format!("Configuration path not found: {shown}")));
    }
    Ok(found)
}

fn help(live: &Live, path: Option<&str>) -> Result<Vec<String>> {
    let Some(path) = path else {
        let mut sections: Vec<&str> = keys().filter_map(|key| key.name.split('.').next()).collect();
        sections.sort_unstable();
        sections.dedup();
        let count = |section: &str| keys().filter(|key| key.name.split('.').next() == Some(section)).count();
        return Ok(sections.into_iter().map(|name| format!("{name}: {} keys", count(name))).collect());
    };
    let Some(key) = key_named(path) else {
        return Ok(below(path)?.into_iter().map(|key| format!("{}: {}", key.name, key.about)).collect());
    };
    let mut lines = vec![
        format!("name: {}", key.name),
        format!("about: {}", key.about),
        format!("takes: {}", key.kind),
        format!("default: {}", key.default),
        format!("mutable: {}", live.is_mutable(key)),
    ];
    lines.extend(key.inert().map(|why| format!("has no effect: {why}")));
    Ok(lines)
}

fn show(config: &Config, path: Option<&str>) -> Result<Vec<String>> {
    let line = |key: &Key| format!("{}: {}", key.name, shown(config, key));
    match path {
        None => Ok(keys().map(line).collect()),
        Some(path) => Ok(below(path)?.into_iter().map(line).collect()),
    }
}

/// Reads a file as a start would: the one given, which obeys the rules of DUMP's paths, or the one the server has.
fn verify(backend: &EngineBackend, config: &Config, given: Option<&str>) -> Result<Vec<String>> {
    let path = match (given, &config.source) {
        (Some(given), _) => dump::path(backend, given)?,
        (None, Some(path)) => path.clone(),
        (None, None) => {
            return Err(Failure::input(
                "CONFIG VERIFY requires a filepath: the server was started without a file",
            ));
        }
    };
    let (read, notices) = read_config(backend.storage.as_ref(), &path)?;
    let mut lines = vec!["Configuration is valid".to_owned(), format!("file: {}", path.display())];
    lines.extend(notices.iter().map(|notice| format!("note: {notice}")));
    lines.extend(read.warnings().into_iter().map(|warning| format!("warning: {warning}")));
    Ok(lines)
}

fn read_config(storage: &dyn Storage, path: &Path) -> Result<(Config, Vec<String>)> {
    let bytes = read_file(storage, path, CONFIG_BYTES_MAX).map_err(|e| match e.kind() {
        ErrorKind::NotFound => {
            Failure::new(ErrorKind::NotFound, format!("File not found: {}", path.display()))
        }
        kind => Failure::new(kind, e.to_string()),
    })?;
    let invalid =
        |why: String| Failure::input(format!("Configuration validation failed: {}", why.replace('\n', "; ")));
    let text = String::from_utf8(bytes).map_err(|_| invalid(format!("{}: not UTF-8", path.display())))?;
    let (mut config, notices) =
        Config::parse(&text, &path.display().to_string()).map_err(|e| invalid(e.to_string()))?;
    config.security.read_files(storage).map_err(|e| invalid(e.to_string()))?;
    Ok((config, notices.iter().map(ToString::to_string).collect()))
}
