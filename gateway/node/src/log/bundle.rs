//! The bundle: the folder that `gateway audit bundle` writes and that `gateway audit verify` distrusts.
//!
//! ```text
//! checkpoint                      the latest, cosigned
//! checkpoints/<size>-<root>       older ones, for consistency
//! tile/<L>/<N>[.p/<W>]            hashes, as C2SP tlog-tiles serves them
//! tile/entries/<N>[.p/<W>]        entries
//! openings/<N>.jsonl              for the entries of bundle N: {"leaf","openings"} or {"leaf","expired":true}
//! receipts/<exchange>.jws         receipts that a member kept
//! keys.json                       for information: the keys that count are pinned outside
//! ```
//! Knows file names and bytes; decides nothing. A folder with openings is as secret as what they open.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    checkpoint::SignedCheckpoint,
    entry::Openings,
    tile::{TileId, TileKind, index_path, write_entries, write_hashes},
    tree::{Hash, TreeError},
};

/// The latest checkpoint.
pub const CHECKPOINT: &str = "checkpoint";
/// The folder of older checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// The folder of receipts.
pub const RECEIPTS: &str = "receipts";
/// Keys, for information only.
pub const KEYS: &str = "keys.json";

/// The file of the openings of the entries of bundle `index`.
pub fn openings_path(index: u64) -> String {
    format!("openings/{}.jsonl", index_path(index))
}

/// One line of an openings file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpeningsLine {
    /// Leaf hash, base64url.
    pub leaf: String,
    /// Salts and values, when they still exist and the reader may have them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub openings: Option<Openings>,
    /// The retention time is over and the openings were destroyed.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub expired: bool,
}

/// Why a bundle is not written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file or folder could not be written.
    #[error("cannot write `{path}`: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder already holds something: evidence is never mixed.
    #[error("`{0}` is not empty")]
    NotEmpty(PathBuf),
    /// The entries do not fit in a tile, or the width is not that of the tile.
    #[error(transparent)]
    Tile(#[from] TreeError),
    /// A value that JSON cannot write.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A receipt name that is not a plain file name.
    #[error("`{0}` cannot name a receipt")]
    BadName(String),
}

/// Writes a bundle, file by file, in any order.
#[derive(Debug)]
pub struct BundleWriter {
    folder: PathBuf,
}

impl BundleWriter {
    /// Starts a bundle in a folder that is empty or does not exist yet.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn create(folder: &Path) -> Result<Self, BundleError> {
        let io = |source| BundleError::Io { path: folder.to_owned(), source };
        // As secret as the openings it holds.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
        if fs::read_dir(folder).map_err(io)?.next().is_some() {
            return Err(BundleError::NotEmpty(folder.to_owned()));
        }
        Ok(Self { folder: folder.to_owned() })
    }

    /// The checkpoint that everything in the bundle is verified against.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn checkpoint(&self, note: &SignedCheckpoint) -> Result<(), BundleError> {
        self.write(CHECKPOINT, note.to_string().as_bytes())
    }

    /// A checkpoint that was signed before.
    ///
    /// # Errors
    /// [`BundleError::Io`].
    pub fn older_checkpoint(&self, note: &SignedCheckpoint) -> Result<(), BundleError> {
        let name = format!("{CHECKPOINTS}/{:020}-{}", note.checkpoint.size, note.checkpoint.root.to_url());
        self.write(&name, note.to_string().as_bytes())
    }

    /// A tile of hashes, as wide as its name says.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn tile(&self, id: &TileId, hashes: &[Hash]) -> Result<(), BundleError> {
        if id.kind() == TileKind::Entries || hashes.len() != id.width() as usize {
            return Err(TreeError::MalformedTile.into());
        }
        self.write(&id.to_string(), &write_hashes(hashes))
    }

    /// A tile of entries, as wide as its name says.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn entries(&self, id: &TileId, entries: &[impl AsRef<[u8]>]) -> Result<(), BundleError> {
        if id.kind() != TileKind::Entries || entries.len() != id.width() as usize {
            return Err(TreeError::MalformedTile.into());
        }
        self.write(&id.to_string(), &write_entries(entries)?)
    }

    /// The openings of the entry at `index`; none when they have expired. An entry whose openings the reader
    /// may not have gets no line.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn openings(&self, index: u64, leaf: &Hash, openings: Option<&Openings>) -> Result<(), BundleError> {
        let line = OpeningsLine { leaf: leaf.to_url(), openings: openings.cloned(), expired: openings.is_none() };
        let mut bytes = serde_json::to_vec(&line)?;
        bytes.push(b'\n');
        let path = self.place(&openings_path(index / 256))?;
        let io = |source| BundleError::Io { path: path.clone(), source };
        OpenOptions::new().create(true).append(true).open(&path).and_then(|mut file| file.write_all(&bytes)).map_err(io)
    }

    /// A receipt, verbatim, named by its exchange.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn receipt(&self, exchange: &str, jws: &str) -> Result<(), BundleError> {
        if exchange.is_empty() || !exchange.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(BundleError::BadName(exchange.to_owned()));
        }
        self.write(&format!("{RECEIPTS}/{exchange}.jws"), jws.as_bytes())
    }

    /// Public keys, for information.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn keys(&self, keys: &impl Serialize) -> Result<(), BundleError> {
        self.write(KEYS, &serde_json::to_vec_pretty(keys)?)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), BundleError> {
        let path = self.place(name)?;
        File::create(&path).and_then(|mut file| file.write_all(bytes)).map_err(|source| BundleError::Io { path, source })
    }

    fn place(&self, name: &str) -> Result<PathBuf, BundleError> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|source| BundleError::Io { path: parent.to_owned(), source })?;
        }
        Ok(path)
    }
}
