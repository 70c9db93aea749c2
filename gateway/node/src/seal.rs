//! Sealing: what turns clear content into ciphertext and back. Pure: knows keys, and no database and no network.
//!
//! From the top: a [`KeyStore`] holds the master key; each exchange has an [`ExchangeKey`] of its own, and each class
//! of its content a [`body::Subkey`] derived from it; each attachment has a key of its own ([`chunks`]). A ciphertext
//! authenticates its [`Place`], so that it cannot be moved. [`pseudonym`] names a person inside one domain; [`likeness`] finds, without names, who may be the same person.
//!
//! Every secret of this room zeroizes itself and shows nothing in `Debug`. The copies that `ring` makes while it
//! works are out of our reach: they live on the stack of one call.

pub mod body;
pub mod chunks;
mod compartments;
mod keystore;
pub mod likeness;
pub mod normal;
pub mod phonetic;
pub mod pseudonym;
mod secret;

pub use compartments::{Compartments, body_mac, open_column, same_body, seal_column, seal_compartments};
pub use keystore::{KeyStore, KeyStoreFault};
pub use secret::{ExchangeKey, Secret};

/// Why something could not be sealed or opened. Says nothing of what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Longer than its length field holds.
    #[error("too long to be sealed")]
    TooLong,
    /// Not something that this room wrote.
    #[error("not a sealed value")]
    Malformed,
    /// Another key, another place, or altered bytes: which of them cannot be told.
    #[error("does not open")]
    DoesNotOpen,
    /// The system gave no random bytes: nothing may be sealed.
    #[error("no randomness")]
    NoRandomness,
}

/// Where a ciphertext belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Table of the store.
    pub table: &'a str,
    /// Row: the text of its key.
    pub row: &'a str,
    /// Column.
    pub column: &'a str,
    /// Data class, or what else divides the column; may be empty.
    pub class: &'a str,
    /// Version of the key or of the layout.
    pub epoch: u32,
}

impl Place<'_> {
    /// The associated data: each part with its length before it, so that no two places give the same bytes.
    fn associated_data(&self) -> Result<Vec<u8>, SealError> {
        let epoch = self.epoch.to_be_bytes();
        length_prefixed(&[self.table.as_bytes(), self.row.as_bytes(), self.column.as_bytes(), self.class.as_bytes(), &epoch])
    }
}

/// Parts one after the other, each after its length in four bytes, big-endian.
fn length_prefixed(parts: &[&[u8]]) -> Result<Vec<u8>, SealError> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        out.extend_from_slice(&u32::try_from(part.len()).map_err(|_| SealError::TooLong)?.to_be_bytes());
        out.extend_from_slice(part);
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
