//! The tamper-evident log: entries, the RFC 6962 tree, C2SP tiles, checkpoints, proofs and the bundle folder.
//!
//! This room knows hashes and no meaning: it has no database, no network and no clock, and it never sees who
//! an entry is about except through openings that it hands back at once. Formats are those of C2SP
//! (tlog-tiles, signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof), so that others can check us.

pub mod bundle;
pub mod checkpoint;
pub mod entry;
pub mod event;
pub mod proof;
pub mod tile;
pub mod tree;

pub use checkpoint::{Checkpoint, LogTrust, NoteError, SignedCheckpoint, Signer, VerifierKey};
pub use entry::{Entry, EntryError, Leaf, Openings, SealedEntry};
pub use event::Event;
pub use proof::LogProof;
pub use tile::{TileId, TileKind, TileSet};
pub use tree::{Frontier, Hash, TileUpdate, TreeError};
