//! Building a data directory beside its place, whole or not at all.

use crate::database::holder;
use crate::draft::{TimelineDraft, timeline_dirs};
use crate::error::{Error, Result};
use crate::layout::DataDir;
use crate::manifest::Manifest;
use crate::roll::Roll;
use crate::time_text::show_time;
use crate::timeline::{LogPlace, write_current, write_database};
use crate::view::Position;
use cairn_disk::{FileType, LockGuard, Storage, parent_dir};
use cairn_log::{DatabaseId, Lsn, TimelineId};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What [`restore_dir`] built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// The new timeline, forked from the restored state's.
    pub timeline: TimelineId,
    /// The LSN of the restored state.
    pub lsn: Lsn,
    /// The database.
    pub database: DatabaseId,
    /// The timeline of the restored state: the LSN is one of its.
    pub origin: TimelineId,
}

/// Builds a whole data directory from image files: `fill` puts them into the draft and returns the manifest's bytes.
///
/// It is built beside `target` and renamed into place, so `target` is whole or not there. `target` must not exist, or
/// be an empty directory.
pub fn restore_dir<E: From<Error>>(
    storage: &Arc<dyn Storage>,
    target: &Path,
    now_us: i64,
    reason: &str,
    fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
) -> Result<RestoreReport, E> {
    restore_dir_rolled(storage, target, now_us, reason, fill, None)
}

/// As [`restore_dir`], and then a roll is applied, if there is one: the restored directory stands exactly where it ends.
pub fn restore_dir_rolled<E: From<Error>>(
    storage: &Arc<dyn Storage>,
    target: &Path,
    now_us: i64,
    reason: &str,
    fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
    roll: Option<Roll<'_, E>>,
) -> Result<RestoreReport, E> {
    Ok(restore_dir_over(storage, target, now_us, reason, false, fill, roll)?.0)
}

/// As [`restore_dir_rolled`]. With `overwrite`, `target` may be a data directory that no process has open, damaged or not: the
/// restored one takes its place, and it is kept as the path that is returned. A crash between the two renames leaves both
/// beside `target`'s place, whole.
pub fn restore_dir_over<E: From<Error>>(
    storage: &Arc<dyn Storage>,
    target: &Path,
    now_us: i64,
    reason: &str,
    overwrite: bool,
    fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
    roll: Option<Roll<'_, E>>,
) -> Result<(RestoreReport, Option<PathBuf>), E> {
    let old = Old::at(&**storage, target, overwrite)?;
    let building = building_path(target)?;
    match build(storage, &building, now_us, reason, old.as_ref(), fill, roll) {
        Ok(report) => Ok((report, put_in_place(&**storage, &building, target, old, now_us)?)),
        Err(e) => {
            // The first failure is what the caller must hear of; a directory left behind is removed by the next try.
            let _ = storage.remove_dir_all(&building);
            Err(e)
        }
    }
}

/// A data directory that is to be replaced: nobody opens it meanwhile.
struct Old {
    data: DataDir,
    _lock: Box<dyn LockGuard>,
}

impl Old {
    /// `None`: there is nothing, or an empty directory. Without `overwrite`, anything else is refused; with it, what is no data
    /// directory.
    fn at(storage: &dyn Storage, target: &Path, overwrite: bool) -> Result<Option<Old>> {
        let data = DataDir(target.to_owned());
        if !overwrite || storage.stat(&data.database())?.is_none() {
            require_empty(storage, target)?;
            return Ok(None);
        }
        let lock = storage.lock(&data.lock(), &holder())?;
        Ok(Some(Old { data, _lock: lock }))
    }
}

fn require_empty(storage: &dyn Storage, target: &Path) -> Result<()> {
    let occupied = match storage.stat(target)? {
        None => false,
        Some(stat) if stat.file_type == FileType::Dir => !storage.list(target)?.is_empty(),
        Some(_) => true,
    };
    if occupied {
        let message =
            format!("{} is not empty: choose another target, or move it away first", target.display());
        return Err(Error::Input(message));
    }
    Ok(())
}

fn building_path(target: &Path) -> Result<PathBuf> {
    let name = target.file_name().and_then(|name| name.to_str());
    let name =
        name.ok_or_else(|| Error::Input(format!("{}: expected a directory's path", target.display())))?;
    Ok(target.with_file_name(format!(".{name}.restoring")))
}

fn build<E: From<Error>>(
    storage: &Arc<dyn Storage>,
    dir: &Path,
    now_us: i64,
    reason: &str,
    old: Option<&Old>,
    fill: impl FnOnce(&TimelineDraft) -> Result<Vec<u8>, E>,
    roll: Option<Roll<'_, E>>,
) -> Result<RestoreReport, E> {
    let data = DataDir(dir.to_owned());
    remove_leftovers(&**storage, &data)?;
    storage.create_dir_all(&data.timelines()).map_err(Error::from)?;
    let mut draft = TimelineDraft::create(Arc::clone(storage), &data, TimelineId::random())?;
    let leftovers = draft.others.clone();
    if let Some(old) = old {
        draft.others.extend(timeline_dirs(&**storage, &old.data)?);
    }
    let manifest = fill(&draft)?;
    leftovers.iter().try_for_each(|dir| storage.remove_dir_all(dir)).map_err(Error::from)?;
    let (draft, manifest) = match roll {
        Some(roll) => draft.rolled(&manifest, roll)?,
        None => (draft, manifest),
    };
    let Position { database, timeline: origin, .. } =
        Manifest::decode(Path::new("manifest"), &manifest)?.position()?;
    let timeline = draft.finish(&manifest, database, now_us, reason, LogPlace::Inside)?;
    write_database(&**storage, &data, database)?;
    write_current(&**storage, &data, timeline.id)?;
    storage.sync_dir(dir).map_err(Error::from)?;
    Ok(RestoreReport { timeline: timeline.id, lsn: timeline.fork_lsn, database, origin })
}

/// Of a restore that was killed, the files of its timelines stay: those that are right need not be written again.
fn remove_leftovers(storage: &dyn Storage, data: &DataDir) -> Result<()> {
    if storage.stat(&data.0)?.is_none() {
        return Ok(());
    }
    for entry in storage.list(&data.0)? {
        let path = data.0.join(&entry.name);
        if path != data.timelines() {
            storage.remove(&path)?;
        }
    }
    Ok(())
}

fn put_in_place(
    storage: &dyn Storage,
    building: &Path,
    target: &Path,
    old: Option<Old>,
    now_us: i64,
) -> Result<Option<PathBuf>> {
    let mut replaced = None;
    if old.is_some() {
        let aside = aside_path(storage, target, now_us)?;
        // The new one is to be there when the old one is not, and the old one's name free before it is taken.
        storage.sync_dir(parent_dir(target))?;
        storage.rename(target, &aside)?;
        storage.sync_dir(parent_dir(target))?;
        replaced = Some(aside);
    } else if storage.stat(target)?.is_some() {
        storage.remove_dir_all(target)?;
    }
    storage.rename(building, target)?;
    storage.sync_dir(parent_dir(target))?;
    Ok(replaced)
}

/// A free name beside a directory that is replaced: `db.replaced-2024-01-20T10-30-45Z`.
fn aside_path(storage: &dyn Storage, target: &Path, now_us: i64) -> Result<PathBuf> {
    let name = target.file_name().and_then(|name| name.to_str()).unwrap_or("data");
    let time = show_time(now_us / 1_000_000 * 1_000_000).replace(':', "-");
    for n in 1..1_000 {
        let suffix = if n == 1 { String::new() } else { format!("-{n}") };
        let path = target.with_file_name(format!("{name}.replaced-{time}{suffix}"));
        if storage.stat(&path)?.is_none() {
            return Ok(path);
        }
    }
    Err(Error::Input(format!("{}: too many directories that were replaced beside it", target.display())))
}
