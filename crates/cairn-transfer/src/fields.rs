//! The mapping of fields: which key or column of a row is what.

use crate::bad_row::shown;
use crate::error::{Error, Result};

/// Which key of a JSON object, or column of a table, is what. The keys of an event (`ctx`, `type`, `score`, `timestamp`)
/// are not mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fields {
    /// The item's id: `id`.
    pub id: String,
    /// The vector: `vector`.
    pub vector: String,
    /// What becomes metadata: `metadata`.
    pub metadata: Vec<MetadataField>,
    /// What is passed over; any other key is an error.
    pub ignored: Vec<String>,
}

/// A field that becomes metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataField {
    /// The key in the row.
    pub name: String,
    /// Under which metadata key its value is kept. `None`: an object gives all its keys, anything else is kept under
    /// its own name.
    pub key: Option<String>,
}

impl Default for Fields {
    fn default() -> Self {
        Fields {
            id: "id".to_owned(),
            vector: "vector".to_owned(),
            metadata: vec![MetadataField { name: "metadata".to_owned(), key: None }],
            ignored: Vec::new(),
        }
    }
}

impl MetadataField {
    /// Reads `name` or `name=key`, as `--metadata-field` takes it.
    ///
    /// # Errors
    /// `Input`, when one of them is empty.
    pub fn parse(text: &str) -> Result<MetadataField> {
        let (name, key) = match text.split_once('=') {
            Some((name, key)) => (name, Some(key.to_owned())),
            None => (text, None),
        };
        if name.is_empty() || key.as_ref().is_some_and(String::is_empty) {
            let got = shown(text);
            return Err(Error::Input(format!(
                "metadata field: expected <field> or <field>=<key>, got {got}"
            )));
        }
        Ok(MetadataField { name: name.to_owned(), key })
    }
}

impl Fields {
    /// The mapping of options as the command line has them: each one given takes the place of its default.
    ///
    /// # Errors
    /// `Input`: a field that is mapped twice, or is a field of events.
    pub fn from_options(
        id: Option<&str>,
        vector: Option<&str>,
        metadata: &[String],
        ignored: &[String],
    ) -> Result<Fields> {
        let mut fields = Fields::default();
        if let Some(id) = id {
            fields.id = id.to_owned();
        }
        if let Some(vector) = vector {
            fields.vector = vector.to_owned();
        }
        if !metadata.is_empty() {
            fields.metadata =
                metadata.iter().map(|text| MetadataField::parse(text)).collect::<Result<_>>()?;
        }
        fields.ignored = ignored.to_vec();
        fields.check()?;
        Ok(fields)
    }

    /// Refuses a field that would be two things.
    pub(crate) fn check(&self) -> Result<()> {
        let metadata = self.metadata.iter().map(|field| field.name.as_str());
        let named = [self.id.as_str(), self.vector.as_str()].into_iter().chain(metadata);
        let mut seen = EVENT_FIELDS.to_vec();
        for name in named.chain(self.ignored.iter().map(String::as_str)) {
            if name.is_empty() || seen.contains(&name) {
                let got = shown(name);
                return Err(Error::Input(format!(
                    "fields: expected each name once, and none of {}, got {got}",
                    EVENT_FIELDS.join(", ")
                )));
            }
            seen.push(name);
        }
        Ok(())
    }
}

/// The fields that only events have.
pub(crate) const EVENT_FIELDS: [&str; 4] = ["ctx", "type", "score", "timestamp"];
