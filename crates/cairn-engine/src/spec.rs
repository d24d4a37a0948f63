//! `CollectionSpec`: how a collection is stored, indexed and bounded. It changes where things are and how fast they are
//! found, never what is applied.

use crate::codec::Decoder;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Where a collection's vectors are while it is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageMode {
    /// In memory: the fastest.
    #[default]
    Memory,
    /// Mapped from the checkpoint's files: the system keeps in memory what is used.
    Mmap,
    /// Mapped, and what every search reads (graphs and codes) held in memory within a budget ([`CollectionSpec::hot_bytes`]).
    Hybrid,
}

impl StorageMode {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            StorageMode::Memory => "memory",
            StorageMode::Mmap => "mmap",
            StorageMode::Hybrid => "hybrid",
        }
    }

    /// The inverse of [`StorageMode::name`].
    pub fn from_name(name: &str) -> Option<StorageMode> {
        [StorageMode::Memory, StorageMode::Mmap, StorageMode::Hybrid]
            .into_iter()
            .find(|storage| storage.name() == name)
    }
}

/// How a collection's vectors are searched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexKind {
    /// Every vector is looked at: exact.
    #[default]
    Flat,
    /// A graph over each sealed segment: approximate, and much faster in large collections.
    Graph,
}

impl IndexKind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            IndexKind::Flat => "flat",
            IndexKind::Graph => "graph",
        }
    }
}

/// What a pre-filter reads instead of the f32 vectors, which stay what is stored and what decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Elements {
    /// No codes: f32 vectors are read.
    #[default]
    F32,
    /// Two bytes an element.
    F16,
    /// One byte an element.
    I8,
}

impl Elements {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Elements::F32 => "f32",
            Elements::F16 => "f16",
            Elements::I8 => "i8",
        }
    }

    /// The inverse of [`Elements::name`].
    pub fn from_name(name: &str) -> Option<Elements> {
        [Elements::F32, Elements::F16, Elements::I8].into_iter().find(|elements| elements.name() == name)
    }
}

/// How mapped vectors will be read: advice to the system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Advise {
    /// Nothing is known.
    Normal,
    /// Here and there, as along a graph: nothing is read ahead.
    #[default]
    Random,
    /// From the beginning on, as exact searches do: much is read ahead.
    Sequential,
}

impl Advise {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Advise::Normal => "normal",
            Advise::Random => "random",
            Advise::Sequential => "sequential",
        }
    }

    /// The inverse of [`Advise::name`].
    pub fn from_name(name: &str) -> Option<Advise> {
        [Advise::Normal, Advise::Random, Advise::Sequential].into_iter().find(|advise| advise.name() == name)
    }

    pub(crate) fn advice(self) -> cairn_disk::Advice {
        match self {
            Advise::Normal => cairn_disk::Advice::Normal,
            Advise::Random => cairn_disk::Advice::Random,
            Advise::Sequential => cairn_disk::Advice::Sequential,
        }
    }
}

/// How a collection is stored, indexed and bounded (docs/format.md, *spec*).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CollectionSpec {
    /// Where its vectors are.
    pub storage: StorageMode,
    /// Bytes of graphs and codes that a hybrid collection holds in memory.
    pub hot_bytes: u64,
    /// How mapped vectors will be read.
    pub advise: Advise,
    /// Mapped vectors are read into memory when they are mapped.
    pub populate: bool,
    /// How its vectors are searched.
    pub index: IndexKind,
    /// Neighbours of a node of the graph, about half of the most it may have: HNSW's m. 2 to 128.
    pub m: u32,
    /// How many candidates building looks at: more make a better graph, slower. 8 to 4,096.
    pub ef_construction: u32,
    /// How many candidates a query looks at, when it does not say. 1 to 100,000.
    pub ef_search: u32,
    /// What is read first.
    pub elements: Elements,
    /// How many vectors it may hold; 0: any number.
    pub max_vectors: u64,
    /// How many bytes of vectors it may hold, living ones, 4 an element; 0: any number.
    pub max_bytes: u64,
    /// Metadata fields with a secondary index from the start. Others are learned from queries.
    pub fields: Vec<String>,
    /// Not logged and not in checkpoints: empty after a restart.
    pub volatile: bool,
}

impl Default for CollectionSpec {
    fn default() -> Self {
        CollectionSpec {
            storage: StorageMode::Memory,
            hot_bytes: 0,
            advise: Advise::Random,
            populate: false,
            index: IndexKind::Flat,
            m: 16,
            ef_construction: 200,
            ef_search: 64,
            elements: Elements::F32,
            max_vectors: 0,
            max_bytes: 0,
            fields: Vec::new(),
            volatile: false,
        }
    }
}

/// The longest encoding that is read, in bytes.
const BYTES_MAX: usize = 64 << 10;
/// How many fields may be declared.
const FIELDS_MAX: usize = 64;

impl CollectionSpec {
    /// Refuses what cannot be, naming the setting.
    pub fn validate(&self) -> Result<()> {
        let range = |name: &str, value: u64, min: u64, max: u64| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            Err(Error::Input(format!("{name}: expected {min} to {max}, got {value}")))
        };
        range("m", u64::from(self.m), 2, 128)?;
        range("ef_construction", u64::from(self.ef_construction), 8, 4_096)?;
        range("ef_search", u64::from(self.ef_search), 1, 100_000)?;
        range("fields", self.fields.len() as u64, 0, FIELDS_MAX as u64)?;
        let mut encoded = Vec::new();
        self.encode(&mut encoded);
        // Its length comes first. What is longer would be refused when it is read back.
        range(
            "bytes of the settings, with the names of fields",
            encoded.len() as u64 - 4,
            0,
            BYTES_MAX as u64,
        )?;
        match (self.storage, self.hot_bytes) {
            (StorageMode::Hybrid, 0) => {
                Err(Error::Input("hot_tier_size: a hybrid collection needs one, for example 1GB".to_owned()))
            }
            (StorageMode::Memory | StorageMode::Mmap, 1..) => Err(Error::Input(format!(
                "hot_tier_size: only a hybrid collection has one; this one's storage is {}",
                self.storage.name()
            ))),
            (storage, _) if self.volatile && storage != StorageMode::Memory => {
                Err(Error::Input(format!("volatile: expected storage memory, got {}", storage.name())))
            }
            _ => Ok(()),
        }
    }

    /// The inverse of [`CollectionSpec::encode`], of exactly its bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<CollectionSpec> {
        let mut d = Decoder::new(bytes);
        let spec = CollectionSpec::decode(&mut d)?;
        d.finish()?;
        Ok(spec)
    }

    /// Appends the encoding of docs/format.md: u32 length, JSON.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let json = serde_json::to_vec(self).expect("a struct of plain fields");
        out.extend_from_slice(&(json.len() as u32).to_le_bytes());
        out.extend_from_slice(&json);
    }

    /// The inverse of [`CollectionSpec::encode`].
    pub(crate) fn decode(d: &mut Decoder<'_>) -> Result<CollectionSpec> {
        let bytes = d.u32()? as usize;
        if bytes > BYTES_MAX {
            return Err(Error::Decode("a collection's spec of more than 64 KiB"));
        }
        let spec: CollectionSpec = serde_json::from_slice(d.take(bytes)?)
            .map_err(|_| Error::Decode("a collection's spec: no such JSON"))?;
        spec.validate()?;
        Ok(spec)
    }
}
