//! `SpecChange`: how a collection is to be, from options that a person wrote.

use crate::failure::Failure;
use crate::units::{parse_size, show_size};
use crate::wal_change::{bad, on_off};
use cairn_engine::{
    Advise, CollectionChange, CollectionSpec, DEFAULT_NAME, Elements, Engine, IndexKind, Metric, Settings,
    StorageMode,
};

type Result<T> = std::result::Result<T, Failure>;

/// The smallest hot tier: 1 MiB.
const HOT_BYTES_MIN: u64 = 1 << 20;

/// What a new collection is to be, or what is to be different about one; what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SpecChange {
    /// Elements of every vector; 0: the first one says. Only of a new collection.
    pub dimension: Option<u32>,
    /// How vectors are compared. Only of a new collection.
    pub metric: Option<Metric>,
    /// Not logged: empty after a restart. Only of a new collection.
    pub volatile: Option<bool>,
    /// Where vectors are.
    pub storage: Option<StorageMode>,
    /// Bytes of the hot tier.
    pub hot_bytes: Option<u64>,
    /// How mapped vectors will be read.
    pub advise: Option<Advise>,
    /// Whether they are read into memory at once.
    pub populate: Option<bool>,
    /// How vectors are searched.
    pub index: Option<IndexKind>,
    /// Half of a node's most neighbours.
    pub m: Option<u32>,
    /// Candidates of a build.
    pub ef_construction: Option<u32>,
    /// Candidates of a query.
    pub ef_search: Option<u32>,
    /// What is read first.
    pub elements: Option<Elements>,
    /// The most vectors.
    pub max_vectors: Option<u64>,
    /// The most bytes of vectors.
    pub max_bytes: Option<u64>,
    /// Fields with an index.
    pub fields: Option<Vec<String>>,
    /// What is to be said of what was asked for.
    pub notes: Vec<String>,
}

impl SpecChange {
    /// Takes the option `name` with its value; `Ok(false)`: there is none of this name.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool> {
        match name {
            "dimension" | "dim" | "d" => self.dimension = Some(number(name, value)?),
            "metric" => {
                self.metric =
                    Some(Metric::from_name(value).ok_or_else(|| bad(name, "cosine, dot or l2", value))?);
            }
            "volatile" => self.volatile = Some(on_off(name, value)?),
            "storage" => {
                let storage = StorageMode::from_name(value);
                self.storage = Some(storage.ok_or_else(|| bad(name, "memory, mmap or hybrid", value))?);
            }
            "hot" | "hot_bytes" | "hot_tier_size" => self.hot_bytes = Some(hot(name, value)?),
            "advise" => {
                let advise = Advise::from_name(value);
                self.advise = Some(advise.ok_or_else(|| bad(name, "normal, random or sequential", value))?);
            }
            "populate" => self.populate = Some(on_off(name, value)?),
            "index" => self.index = Some(self.index(name, value)?),
            "m" => self.m = Some(number(name, value)?),
            "ef_construction" => self.ef_construction = Some(number(name, value)?),
            "ef_search" | "ef" => self.ef_search = Some(number(name, value)?),
            "nlist" | "nprobe" => {
                number::<u32>(name, value)?;
                self.notes.push(format!("{name} is of an inverted file: the graph has no use for it"));
            }
            "elements" => {
                let elements = Elements::from_name(value);
                self.elements = Some(elements.ok_or_else(|| bad(name, "f32, f16 or i8", value))?);
            }
            "max_vectors" => self.max_vectors = Some(number(name, value)?),
            "max_bytes" => {
                self.max_bytes =
                    Some(parse_size(value).ok_or_else(|| bad(name, "a size, as 64MB; 0: any", value))?);
            }
            "fields" => {
                let fields = value.split(',').map(str::trim).filter(|field| !field.is_empty());
                self.fields = Some(fields.map(str::to_owned).collect());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes the value of a configuration's `index_type`, which was checked.
    pub(crate) fn take_index(&mut self, value: &str) {
        self.index = self.index("index_type", value).ok();
    }

    /// Makes the collection `default` so, when it is not; says whether it was changed. What was asked for is logged.
    ///
    /// # Errors
    /// What [`Engine::change_collections`] refuses.
    pub fn apply_to_default(&self, engine: &Engine) -> Result<bool> {
        let info = engine.collection_info(DEFAULT_NAME)?;
        self.notes.iter().for_each(|note| tracing::warn!(collection = DEFAULT_NAME, "{note}"));
        let spec = self.applied_to(info.spec.clone());
        if spec == info.spec {
            return Ok(false);
        }
        let (name, spec) = (DEFAULT_NAME.to_owned(), Box::new(spec));
        tracing::info!(
            collection = DEFAULT_NAME,
            index = spec.index.name(),
            m = spec.m,
            "configured by the file"
        );
        engine.change_collections(CollectionChange::Configure { name, spec })?;
        Ok(true)
    }

    /// `hnsw` and `ivf` of other systems' configurations are the graph here.
    fn index(&mut self, name: &str, value: &str) -> Result<IndexKind> {
        match value.to_ascii_lowercase().as_str() {
            "flat" => Ok(IndexKind::Flat),
            "graph" => Ok(IndexKind::Graph),
            other @ ("hnsw" | "ivf") => {
                self.notes.push(format!("index {other} is served by the graph"));
                Ok(IndexKind::Graph)
            }
            _ => Err(bad(name, "graph or flat (hnsw and ivf mean graph)", value)),
        }
    }

    /// The settings and the spec of a new collection: with a graph unless told otherwise.
    pub fn create(&self, ours: &Settings) -> (Settings, CollectionSpec) {
        let settings = Settings {
            dimension: self.dimension.unwrap_or(0),
            metric: self.metric.unwrap_or_default(),
            ..ours.clone()
        };
        let spec = CollectionSpec {
            index: IndexKind::Graph,
            volatile: self.volatile.unwrap_or(false),
            ..CollectionSpec::default()
        };
        (settings, self.applied_to(spec))
    }

    /// The spec with the changes.
    pub fn applied_to(&self, spec: CollectionSpec) -> CollectionSpec {
        let storage = self.storage.unwrap_or(spec.storage);
        let hot_bytes = self.hot_bytes.unwrap_or(spec.hot_bytes);
        CollectionSpec {
            storage,
            // Leaving the hybrid storage gives its budget up, unless both were named.
            hot_bytes: if storage == StorageMode::Hybrid || self.hot_bytes.is_some() { hot_bytes } else { 0 },
            advise: self.advise.unwrap_or(spec.advise),
            populate: self.populate.unwrap_or(spec.populate),
            index: self.index.unwrap_or(spec.index),
            m: self.m.unwrap_or(spec.m),
            ef_construction: self.ef_construction.unwrap_or(spec.ef_construction),
            ef_search: self.ef_search.unwrap_or(spec.ef_search),
            elements: self.elements.unwrap_or(spec.elements),
            max_vectors: self.max_vectors.unwrap_or(spec.max_vectors),
            max_bytes: self.max_bytes.unwrap_or(spec.max_bytes),
            fields: self.fields.clone().unwrap_or(spec.fields),
            volatile: spec.volatile,
        }
    }

    /// Refuses, for a collection that is there, what only a new one can be told.
    pub fn check_existing(&self) -> Result<()> {
        let fixed = [
            ("dimension", self.dimension.is_some()),
            ("metric", self.metric.is_some()),
            ("volatile", self.volatile.is_some()),
        ];
        match fixed.into_iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(Failure::input(format!(
                "{name} is fixed when a collection is created: make a new one and an alias for it"
            ))),
            None => Ok(()),
        }
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| bad(name, "a whole number", value))
}

fn hot(name: &str, value: &str) -> Result<u64> {
    match parse_size(value) {
        Some(bytes) if bytes >= HOT_BYTES_MIN => Ok(bytes),
        _ => Err(bad(name, &format!("a size of at least {}, as 10GB", show_size(HOT_BYTES_MIN)), value)),
    }
}
