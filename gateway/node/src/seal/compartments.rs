//! What one exchange keeps of its content: one sealed compartment for each class, side by side.
//!
//! A class that a reader may not read is never decrypted for this reader.

use exchange::{DataClass, ExchangeId, document::Leaves};

use super::{ExchangeKey, KeyStore, Place, SealError, body};

/// The sealed compartments of one exchange, as stored.
pub struct Compartments(Vec<(DataClass, Vec<u8>)>);

/// Seals each class apart; the list of classes present is in clear inside the row, their content is not.
///
/// # Errors
/// [`SealError`].
pub fn seal_compartments(key: &ExchangeKey, exchange: ExchangeId, content: &[(DataClass, Leaves)]) -> Result<Vec<u8>, SealError> {
    let mut out = Vec::new();
    for (class, leaves) in content {
        let sealed = body::seal_class(key, exchange, *class, leaves)?;
        let name = class.as_str().as_bytes();
        out.push(u8::try_from(name.len()).map_err(|_| SealError::TooLong)?);
        out.extend_from_slice(name);
        out.extend_from_slice(&u32::try_from(sealed.len()).map_err(|_| SealError::TooLong)?.to_be_bytes());
        out.extend_from_slice(&sealed);
    }
    Ok(out)
}

impl Compartments {
    /// Reads the list that [`seal_compartments`] wrote; opens nothing.
    ///
    /// # Errors
    /// [`SealError::Malformed`].
    pub fn read(bytes: &[u8]) -> Result<Self, SealError> {
        let mut list = Vec::new();
        let mut rest = bytes;
        while let Some((length, after)) = rest.split_first() {
            let (name, after) = after.split_at_checked(usize::from(*length)).ok_or(SealError::Malformed)?;
            let class = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()).ok_or(SealError::Malformed)?;
            let (length, after) = after.split_first_chunk::<4>().ok_or(SealError::Malformed)?;
            let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| SealError::Malformed)?;
            let (sealed, after) = after.split_at_checked(length).ok_or(SealError::Malformed)?;
            list.push((class, sealed.to_vec()));
            rest = after;
        }
        Ok(Self(list))
    }

    /// The classes present.
    pub fn classes(&self) -> Vec<DataClass> {
        self.0.iter().map(|(class, _)| *class).collect()
    }

    /// Opens one class; no leaf when it is not there.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`].
    pub fn open(&self, key: &ExchangeKey, exchange: ExchangeId, class: DataClass) -> Result<Leaves, SealError> {
        match self.0.iter().find(|(present, _)| *present == class) {
            Some((_, sealed)) => body::open_class(key, exchange, class, sealed),
            None => Ok(Leaves::new()),
        }
    }
}

/// Seals one column that belongs to an exchange.
///
/// # Errors
/// [`SealError`].
pub fn seal_column(key: &ExchangeKey, table: &str, exchange: ExchangeId, column: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    body::seal_bytes(&key.record()?, &Place { table, row: &exchange.to_string(), column, class: "", epoch: EPOCH }, plain)
}

/// Opens what [`seal_column`] sealed for the same place.
///
/// # Errors
/// [`SealError::DoesNotOpen`].
pub fn open_column(key: &ExchangeKey, table: &str, exchange: ExchangeId, column: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let place = Place { table, row: &exchange.to_string(), column, class: "", epoch: EPOCH };
    body::open_bytes(&key.record()?, &place, sealed).map(|plain| plain.to_vec())
}

/// Keyed digest of a body, for the comparison of repeats under one idempotency key.
///
/// # Errors
/// [`SealError`].
pub fn body_mac(key: &ExchangeKey, canonical: &[u8]) -> Result<Vec<u8>, SealError> {
    Ok(body::commitment_mac(&key.idempotency()?, canonical).to_vec())
}

/// Whether a body is the one that `mac` was made of; in constant time.
///
/// # Errors
/// [`SealError`].
pub fn same_body(key: &ExchangeKey, canonical: &[u8], mac: &[u8]) -> Result<bool, SealError> {
    Ok(body::commitment_is(&key.idempotency()?, canonical, mac))
}

impl KeyStore {
    /// Seals the openings of one log entry under the key that is theirs alone: they outlive the content's key.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal_opening(&self, leaf_hash: &[u8; 32], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        body::seal_bytes(&self.opening_key()?, &opening_place(&row(leaf_hash)), plain)
    }

    /// Opens what [`KeyStore::seal_opening`] sealed for the same leaf.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`].
    pub fn open_opening(&self, leaf_hash: &[u8; 32], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        body::open_bytes(&self.opening_key()?, &opening_place(&row(leaf_hash)), sealed).map(|plain| plain.to_vec())
    }

    fn opening_key(&self) -> Result<body::Subkey, SealError> {
        body::Subkey::derive(self.openings(), &[b"entry-openings"])
    }
}

fn opening_place(row: &str) -> Place<'_> {
    Place { table: "entry", row, column: "opening", class: "", epoch: EPOCH }
}

fn row(leaf_hash: &[u8; 32]) -> String {
    leaf_hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

const EPOCH: u32 = 1;
