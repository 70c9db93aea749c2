//! The canonical envelope itself, as JSON: the format of the reference client and of integrators.

use exchange::canonical::{self, Unreadable};
use serde_json::Value;

/// An envelope as its sender wrote it, with the bytes that every digest and receipt is about.
pub struct Native {
    /// The envelope.
    pub envelope: Value,
    /// Its RFC 8785 form.
    pub canonical: Vec<u8>,
}

/// Reads one envelope, strictly.
///
/// # Errors
/// [`Unreadable`] with the position, never the content.
pub fn read(bytes: &[u8]) -> Result<Native, Unreadable> {
    let envelope = canonical::parse(bytes)?;
    let canonical = canonical::bytes(&envelope).map_err(|_| Unreadable::NotJson { line: 1, column: 1 })?;
    Ok(Native { envelope, canonical })
}

/// Writes a document for its reader.
///
/// # Errors
/// Never for a value that came from [`read`].
pub fn write(document: &Value) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(document)
}
