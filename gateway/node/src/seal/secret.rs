//! Secrets: 32 bytes from which keys are derived, and the key of one exchange.

use std::fmt;

use exchange::DataClass;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{
    Place, SealError,
    body::{self, Subkey},
};

/// 32 secret bytes. Zeroized when dropped; cannot be printed, compared or written.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// New random bytes.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`].
    pub fn random() -> Result<Self, SealError> {
        let mut secret = Self([0; 32]);
        SystemRandom::new().fill(&mut secret.0).map_err(|_| SealError::NoRandomness)?;
        Ok(secret)
    }

    /// The bytes of a key file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, SealError> {
        bytes.try_into().map(Self).map_err(|_| SealError::Malformed)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals this secret under a key that wraps others.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn wrap(&self, under: &Subkey, place: &Place<'_>) -> Result<Vec<u8>, SealError> {
        body::seal_bytes(under, place, &self.0)
    }

    /// Opens what [`Secret::wrap`] sealed for the same place.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`].
    pub fn unwrap_from(under: &Subkey, place: &Place<'_>, wrapped: &[u8]) -> Result<Self, SealError> {
        Self::read(&body::open_bytes(under, place, wrapped)?)
    }

    /// A subkey that wraps other secrets.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn wrapping(&self) -> Result<Subkey, SealError> {
        Subkey::derive(self, &[b"wrap"])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The data key of one exchange. When its wrapped copy is destroyed, everything sealed under it is noise.
#[derive(Clone)]
pub struct ExchangeKey(Secret);

impl ExchangeKey {
    /// The key that these bytes are.
    pub fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The secret itself, to be wrapped.
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// Seals the columns that belong to no class: route, decision, reasons.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn record(&self) -> Result<Subkey, SealError> {
        Subkey::derive(&self.0, &[b"record"])
    }

    /// Compares the bodies of repeats.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn idempotency(&self) -> Result<Subkey, SealError> {
        Subkey::derive(&self.0, &[b"idempotency"])
    }

    /// Seals the content of one class and of no other.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn class(&self, class: DataClass) -> Result<Subkey, SealError> {
        Subkey::derive(&self.0, &[b"class", class.as_str().as_bytes()])
    }

    /// The exchange's half of the key under which the vault seals its subjects; the other half is the vault's.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn subjects(&self) -> Result<Subkey, SealError> {
        Subkey::derive(&self.0, &[b"subjects"])
    }
}

impl fmt::Debug for ExchangeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExchangeKey(..)")
    }
}
