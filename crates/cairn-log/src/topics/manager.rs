//! `TopicManager`: a directory of topics.

use super::file::TopicFile;
use super::partition::Partition;
use super::topic::{Compacted, Topic};
use super::{Dropped, Maintained, TopicChange, TopicConfig, TopicInfo, name};
use crate::log::make_dir;
use crate::{Clock, DatabaseId, Error, Recovered, Result};
use cairn_disk::{FileType, LockGuard, Storage};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The lock of a directory of topics: no topic has a name like this.
const LOCK: &str = ".lock";
/// How many topics an error message names.
const NAMED_MAX: usize = 10;

/// What recovery found in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionRecovered {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// What was found.
    pub recovered: Recovered,
}

/// What [`TopicManager::open`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicsRecovered {
    /// Every partition, by topic and number.
    pub partitions: Vec<PartitionRecovered>,
    /// Directories of topics that were never finished, or not removed to the end, and were removed.
    pub removed: Vec<PathBuf>,
}

/// The topics of a directory. All methods may be called from any thread; dropping it syncs nothing
/// ([`TopicManager::sync_all`]).
///
/// It has no threads: its owner's timer calls [`TopicManager::sync_due`], [`TopicManager::apply_retention`] and
/// [`TopicManager::compact`].
pub struct TopicManager {
    storage: Arc<dyn Storage>,
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
    /// Held while a topic is created or deleted: the names of topics whose creation failed and may have left a directory.
    changing: Mutex<BTreeSet<String>>,
    _lock: Box<dyn LockGuard>,
}

impl fmt::Debug for TopicManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicManager").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl TopicManager {
    /// Opens all topics in `dir`, which is created when missing, and says what recovery found. What a crash left of topics
    /// that were being created or deleted is removed. Damage to what was acknowledged in any topic is an error, as it is
    /// when another process holds the directory.
    pub fn open(
        storage: Arc<dyn Storage>,
        dir: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Result<(TopicManager, TopicsRecovered)> {
        let dir = dir.into();
        make_dir(&*storage, &dir)?;
        let holder = format!("pid {}, microseconds since 1970: {}", std::process::id(), clock.now_us());
        let lock = storage.lock(&dir.join(LOCK), &holder)?;
        let mut recovered = TopicsRecovered::default();
        let names = clean(&*storage, &dir, &mut recovered.removed)?;
        let mut topics = BTreeMap::new();
        for name in names {
            let (topic, found) = Topic::open(&storage, &dir.join(&name), &name)?;
            recovered.partitions.extend((0..).zip(found).map(|(partition, recovered)| PartitionRecovered {
                topic: name.clone(),
                partition,
                recovered,
            }));
            topics.insert(name, Arc::new(topic));
        }
        let manager = TopicManager {
            storage,
            dir,
            clock,
            topics: RwLock::new(topics),
            changing: Mutex::default(),
            _lock: lock,
        };
        Ok((manager, recovered))
    }

    /// Creates a topic, durably: after a crash it is there whole, or not at all. [`Error::TopicExists`] when there is one of
    /// this name; names and settings that no topic has are refused.
    pub fn create_topic(&self, name: &str, config: TopicConfig) -> Result<Arc<Topic>> {
        let empty =
            |dir: &Path, partition| Ok(self.storage.create_dir_all(&Partition::dir(dir, partition))?);
        self.create_filled(name, config, DatabaseId::random(), empty)
    }

    /// As [`TopicManager::create_topic`], with this id. `fill` makes the directory of each partition, durably but for its
    /// name, in the topic's.
    pub(crate) fn create_filled(
        &self,
        name: &str,
        config: TopicConfig,
        id: DatabaseId,
        fill: impl Fn(&Path, u32) -> Result<()>,
    ) -> Result<Arc<Topic>> {
        name::check(name)?;
        config.check()?;
        let mut unfinished = self.changing.lock();
        if self.topics.read().contains_key(name) {
            return Err(Error::TopicExists { name: name.to_owned() });
        }
        let dir = self.dir.join(name);
        if self.storage.stat(&dir)?.is_some() {
            if !unfinished.contains(name) {
                // Put there by someone else: not to be written over.
                return Err(Error::TopicExists { name: name.to_owned() });
            }
            self.put_away(name)?;
        }
        let new = self.dir.join(name::new_dir(name));
        let created_us = self.clock.now_us();
        let file = TopicFile { name: name.to_owned(), id, created_us, config };
        if let Err(error) = self.prepare(&new, &file, fill) {
            // The first error is the one to report; what stays is removed by the next creation or open.
            let _ = self.storage.remove_dir_all(&new);
            return Err(error);
        }
        unfinished.insert(name.to_owned());
        self.storage.rename(&new, &dir)?;
        self.storage.sync_dir(&self.dir)?;
        let (topic, _) = Topic::open(&self.storage, &dir, name)?;
        unfinished.remove(name);
        let topic = Arc::new(topic);
        self.topics.write().insert(name.to_owned(), Arc::clone(&topic));
        Ok(topic)
    }

    /// Makes a topic's directory whole and durable under another name.
    fn prepare(&self, new: &Path, file: &TopicFile, fill: impl Fn(&Path, u32) -> Result<()>) -> Result<()> {
        self.storage.remove_dir_all(new)?;
        self.storage.create_dir_all(new)?;
        for partition in 0..file.config.partitions {
            fill(new, partition)?;
        }
        // Syncs the directory too.
        file.write(&*self.storage, new)
    }

    /// Changes a topic's settings, durably; what they are then. Retention and compaction keep to them at their next turn,
    /// appends at once. After an error they are as before; when only the directory could not be synced, the next open may
    /// find the new ones.
    pub fn alter_topic(&self, name: &str, change: &TopicChange) -> Result<Arc<TopicConfig>> {
        let _one_at_a_time = self.changing.lock();
        self.topic(name)?.alter(&*self.storage, &self.dir.join(name), change)
    }

    /// Deletes a topic and all its records, durably. Whoever still has it is refused from now on. After an error other than
    /// [`Error::NoTopic`] it may be deleted or not, and its space not yet be free: the next open sees to that.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        let _one_at_a_time = self.changing.lock();
        let topic = self.topic(name)?;
        topic.end();
        match self.rename_away(name) {
            Ok(deleted) => {
                self.topics.write().remove(name);
                self.remove_away(&deleted)
            }
            Err(error) => {
                topic.revive();
                Err(error)
            }
        }
    }

    /// Removes what a failed creation left.
    fn put_away(&self, name: &str) -> Result<()> {
        let deleted = self.rename_away(name)?;
        self.remove_away(&deleted)
    }

    /// Takes a topic's directory its name; the new path.
    fn rename_away(&self, name: &str) -> Result<PathBuf> {
        let deleted = self.dir.join(name::deleted_dir(name));
        self.storage.remove_dir_all(&deleted)?;
        self.storage.rename(&self.dir.join(name), &deleted)?;
        Ok(deleted)
    }

    fn remove_away(&self, deleted: &Path) -> Result<()> {
        self.storage.sync_dir(&self.dir)?;
        self.storage.remove_dir_all(deleted)?;
        Ok(self.storage.sync_dir(&self.dir)?)
    }

    /// A topic. [`Error::NoTopic`] when there is none of this name; it says which there are, when they are few.
    pub fn topic(&self, name: &str) -> Result<Arc<Topic>> {
        let topics = self.topics.read();
        topics.get(name).map(Arc::clone).ok_or_else(|| {
            let names: Vec<&str> = topics.keys().map(String::as_str).collect();
            let known = match names.len() {
                0 => "there are no topics".to_owned(),
                1..=NAMED_MAX => format!("there are {}", names.join(", ")),
                n => format!("there are {n} others"),
            };
            Error::NoTopic { name: name.chars().take(name::TOPIC_NAME_BYTES_MAX).collect(), known }
        })
    }

    /// All topics, by name.
    pub fn topics(&self) -> Vec<TopicInfo> {
        // One that is deleted meanwhile is none.
        self.all().iter().filter_map(|topic| topic.info().ok()).collect()
    }

    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.storage)
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The directory of its topics.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes everything appended so far durable in all topics, whatever their modes: for an orderly end. The topics and
    /// partitions where anything was not yet.
    pub fn sync_all(&self) -> Maintained<(String, u32)> {
        self.named(Topic::sync)
    }

    /// Syncs the partitions of topics of mode periodic whose interval has passed at `now_us` (microseconds since the Unix
    /// epoch): those where anything was not durable yet. To be called as often as the shortest interval.
    pub fn sync_due(&self, now_us: i64) -> Maintained<(String, u32)> {
        self.named(|topic| topic.sync_due(now_us))
    }

    /// Applies every topic's retention as of `now_us`: see [`Topic::apply_retention`].
    pub fn apply_retention(&self, now_us: i64) -> Maintained<Dropped> {
        self.each(|topic| topic.apply_retention(now_us))
    }

    /// Compacts every topic with compaction by key as of `now_us`: see [`Topic::compact`]. The partitions where anything
    /// was superseded.
    pub fn compact(&self, now_us: i64) -> Maintained<Compacted> {
        self.each(|topic| topic.compact(now_us))
    }

    fn all(&self) -> Vec<Arc<Topic>> {
        self.topics.read().values().map(Arc::clone).collect()
    }

    fn named(&self, work: impl Fn(&Topic) -> Maintained<u32>) -> Maintained<(String, u32)> {
        self.each(|topic| {
            let Maintained { done, failed } = work(topic);
            let done = done.into_iter().map(|partition| (topic.name().to_owned(), partition)).collect();
            Maintained { done, failed }
        })
    }

    fn each<T>(&self, work: impl Fn(&Topic) -> Maintained<T>) -> Maintained<T> {
        let mut all = Maintained::default();
        for topic in self.all() {
            let mut maintained = work(&topic);
            // One that was deleted meanwhile has nothing left to do.
            maintained.failed.retain(|e| !matches!(e, Error::NoTopic { .. }));
            all.extend(maintained);
        }
        all
    }
}

/// Removes leftovers from a directory of topics, and makes it last as it is then; the names of the topics in it.
fn clean(storage: &dyn Storage, dir: &Path, removed: &mut Vec<PathBuf>) -> Result<Vec<String>> {
    let entries = storage.list(dir)?;
    let dirs = || entries.iter().filter(|e| e.stat.file_type == FileType::Dir);
    for entry in dirs().filter(|e| name::is_leftover(&e.name)) {
        let path = dir.join(&entry.name);
        storage.remove_dir_all(&path)?;
        removed.push(path);
    }
    // A rename that an earlier process did not live to sync: what is built on it must not outlast it.
    storage.sync_dir(dir)?;
    Ok(dirs().filter(|e| name::check(&e.name).is_ok()).map(|e| e.name.clone()).collect())
}
