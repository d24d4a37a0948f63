//! `VectorDB`: an open database as the manager takes and gives it.

use crate::error::{Error, Result};
use cairn_disk::{RealDisk, Storage};
use cairn_engine::{Engine, Lsn, Options, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open database: a thin handle around a [`cairn_engine::Engine`], for which `VectorDB::from(engine)` makes one. Cheap to
/// clone. The last one dropped closes the database, with a checkpoint; it may take a moment and blocks its thread.
#[derive(Debug, Clone)]
pub struct VectorDB {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    /// A directory that goes when the handle goes.
    temporary: Option<(Arc<dyn Storage>, PathBuf)>,
}

impl From<Engine> for VectorDB {
    fn from(engine: Engine) -> VectorDB {
        VectorDB { inner: Arc::new(Inner { engine, temporary: None }) }
    }
}

impl VectorDB {
    /// Opens the database in a directory with the settings it was last used with, or makes one with the default ones where
    /// there is none. No other process may have it open.
    pub fn open(dir: impl AsRef<Path>) -> Result<VectorDB> {
        let (storage, dir): (Arc<dyn Storage>, _) = (Arc::new(RealDisk::new()), dir.as_ref());
        if storage.stat(dir)?.is_some() {
            return VectorDB::open_as_stored(storage, dir);
        }
        Ok(Engine::open(storage, dir, Options::default())?.0.into())
    }

    pub(crate) fn open_as_stored(storage: Arc<dyn Storage>, dir: &Path) -> Result<VectorDB> {
        Ok(Engine::open_as_stored(storage, dir, Options::default())?.0.into())
    }

    /// Opens a database that is removed when its last handle is dropped; or at once when it does not open.
    pub(crate) fn open_temporary(storage: Arc<dyn Storage>, dir: PathBuf) -> Result<VectorDB> {
        match Engine::open_as_stored(Arc::clone(&storage), &dir, Options::default()) {
            Ok((engine, _)) => {
                Ok(VectorDB { inner: Arc::new(Inner { engine, temporary: Some((storage, dir)) }) })
            }
            Err(e) => {
                // What could not be opened is what the caller must hear of.
                let _ = storage.remove_dir_all(&dir);
                Err(e.into())
            }
        }
    }

    /// Sets the vector of an item of the collection `default`; its LSN. Durable when this returns, unless the log's mode says
    /// otherwise. Refused: another dimension than that of the vectors there are, numbers that are not finite.
    pub fn insert(&self, id: &str, vector: &[f32]) -> Result<Lsn> {
        let write = Write::VectorSet { id: id.to_owned(), vector: vector.to_vec() };
        let answer = self.inner.engine.write(vec![write]).pop();
        Ok(answer.ok_or_else(|| Error::Bug("a write was not answered".to_owned()))??)
    }

    /// How many vectors there are, in all collections. Fails once the database is closed.
    pub fn len(&self) -> Result<usize> {
        let vectors = self.inner.engine.view()?.counts().vectors;
        usize::try_from(vectors)
            .map_err(|_| Error::Bug(format!("{vectors} vectors: more than can be counted")))
    }

    /// Whether there is no vector. Fails once the database is closed.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The engine: everything else that a database can do.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some((storage, dir)) = &self.temporary {
            // Closed first, whoever else holds the engine: no file comes after its directory. There is nobody to tell when
            // this fails; what stays is a directory among temporary ones.
            let _ = self.engine.close();
            let _ = storage.remove_dir_all(dir);
        }
    }
}
