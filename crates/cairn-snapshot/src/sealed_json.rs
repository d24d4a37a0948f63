//! Small JSON files that vouch for themselves: one line whose last field is the SHA-256 of the line without it.

use crate::digest::Digest;
use crate::error::{Error, Result};
use cairn_disk::{Storage, read_file};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Bytes of such a file, at most.
const BYTES_MAX: u64 = 64 << 10;

/// The fields of a file, without its checksum.
pub(crate) trait Fields: Serialize + DeserializeOwned + Clone {
    /// `format`.
    const FORMAT: &'static str;
    /// `version`.
    const VERSION: u32;
}

#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    #[serde(flatten)]
    fields: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

/// The file's bytes.
pub(crate) fn encode<T: Fields>(path: &Path, fields: T) -> Result<Vec<u8>> {
    let json = |sealed: &Sealed<T>| {
        serde_json::to_vec(sealed).map_err(|e| Error::Bug(format!("{}: {e}", path.display())))
    };
    let mut sealed = Sealed { fields, checksum: None };
    sealed.checksum = Some(Digest::of(&json(&sealed)?).to_string());
    let mut bytes = json(&sealed)?;
    bytes.push(b'\n');
    if bytes.len() as u64 > BYTES_MAX {
        let got = bytes.len();
        return Err(Error::Input(format!(
            "{}: expected at most {BYTES_MAX} bytes, got {got}",
            path.display()
        )));
    }
    Ok(bytes)
}

/// Reads and checks a file: any byte of it that is not as it was written is found.
pub(crate) fn read<T: Fields>(storage: &dyn Storage, path: &Path) -> Result<T> {
    let bytes = read_file(storage, path, BYTES_MAX)?;
    let not_json =
        |e: serde_json::Error| Error::damaged(path, None, "fields", "the fields of docs/format.md", e);
    let head: Head = serde_json::from_slice(&bytes).map_err(not_json)?;
    if head.format != T::FORMAT {
        return Err(Error::damaged(path, None, "format", T::FORMAT, format!("{:.80?}", head.format)));
    }
    if head.version != T::VERSION {
        return Err(Error::Version { path: path.to_owned(), expected: T::VERSION, actual: head.version });
    }
    let sealed: Sealed<T> = serde_json::from_slice(&bytes).map_err(not_json)?;
    let whole = encode(path, sealed.fields.clone())?;
    if whole != bytes {
        let of = |bytes: &[u8]| Digest::of(bytes).to_string();
        return Err(Error::damaged(path, None, "SHA-256 mismatch", of(&whole), of(&bytes)));
    }
    Ok(sealed.fields)
}
