//! The primitives, composed once: HKDF-SHA-256 for subkeys, AES-256-GCM for content, HMAC-SHA-256 for comparisons.
//!
//! A sealed value is a random 96-bit nonce followed by ciphertext and tag. One subkey seals few values (an exchange's
//! class, a wrapped key), far below the 2^32 that random nonces allow.

use std::fmt;

use exchange::{DataClass, ExchangeId, document::Leaves};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf, hmac,
    rand::{SecureRandom, SystemRandom},
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{ExchangeKey, Place, SealError, Secret, length_prefixed};

/// A key with one purpose, derived from a [`Secret`].
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Subkey([u8; 32]);

impl Subkey {
    /// Derives the subkey that these parts name. Other parts, another key.
    ///
    /// # Errors
    /// [`SealError::TooLong`].
    pub fn derive(from: &Secret, parts: &[&[u8]]) -> Result<Self, SealError> {
        expand(SALT, from.bytes(), parts)
    }

    /// Derives a key that needs both this one and `other`: whoever holds one of them holds nothing.
    ///
    /// # Errors
    /// [`SealError::TooLong`].
    pub fn with(&self, other: &Self, parts: &[&[u8]]) -> Result<Self, SealError> {
        expand(&self.0, &other.0, parts)
    }

    /// HMAC-SHA-256 over parts, each after its length.
    ///
    /// # Errors
    /// [`SealError::TooLong`].
    pub fn mac(&self, parts: &[&[u8]]) -> Result<[u8; 32], SealError> {
        Ok(commitment_mac(self, &Zeroizing::new(length_prefixed(parts)?)))
    }

    fn aead(&self) -> Result<LessSafeKey, SealError> {
        UnboundKey::new(&AES_256_GCM, &self.0).map(LessSafeKey::new).map_err(|_| SealError::Malformed)
    }
}

impl fmt::Debug for Subkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subkey(..)")
    }
}

/// Seals bytes for one place.
///
/// # Errors
/// [`SealError::NoRandomness`], [`SealError::TooLong`].
pub fn seal_bytes(key: &Subkey, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(&nonce);
    // Encrypted where it lies, in a buffer that does not grow: no copy of the clear text stays behind.
    sealed.extend_from_slice(plain);
    let content = sealed.get_mut(NONCE_LEN..).ok_or(SealError::Malformed)?;
    let tag = key
        .aead()?
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.associated_data()?), content)
        .map_err(|_| SealError::TooLong)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// Opens what [`seal_bytes`] sealed for the same place; the clear bytes are zeroized when dropped.
///
/// # Errors
/// [`SealError::DoesNotOpen`], [`SealError::Malformed`].
pub fn open_bytes(key: &Subkey, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (nonce, content) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Malformed)?;
    let mut content = Zeroizing::new(content.to_vec());
    let length = key
        .aead()?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place.associated_data()?), &mut content)
        .map_err(|_| SealError::DoesNotOpen)?
        .len();
    content.truncate(length);
    Ok(content)
}

/// Seals the leaves of one class under the subkey of that class.
///
/// # Errors
/// [`SealError`].
pub fn seal_class(key: &ExchangeKey, exchange: ExchangeId, class: DataClass, leaves: &Leaves) -> Result<Vec<u8>, SealError> {
    let plain = Zeroizing::new(serde_json::to_vec(&leaves.to_flat()).map_err(|_| SealError::Malformed)?);
    seal_bytes(&key.class(class)?, &compartment(class, &exchange.to_string()), &plain)
}

/// Opens what [`seal_class`] sealed for the same exchange and class.
///
/// # Errors
/// [`SealError::DoesNotOpen`], [`SealError::Malformed`].
pub fn open_class(key: &ExchangeKey, exchange: ExchangeId, class: DataClass, sealed: &[u8]) -> Result<Leaves, SealError> {
    let plain = open_bytes(&key.class(class)?, &compartment(class, &exchange.to_string()), sealed)?;
    let flat = serde_json::from_slice(&plain).map_err(|_| SealError::Malformed)?;
    Leaves::from_flat(flat).map_err(|_| SealError::Malformed)
}

/// Keyed digest by which bytes can be recognised and not guessed.
pub fn commitment_mac(key: &Subkey, bytes: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.0), bytes);
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

/// Whether `mac` was made of these bytes; in constant time.
pub fn commitment_is(key: &Subkey, bytes: &[u8], mac: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key.0), bytes, mac).is_ok()
}

fn compartment(class: DataClass, row: &str) -> Place<'_> {
    Place { table: "content", row, column: "sealed", class: class.as_str(), epoch: EPOCH }
}

fn expand(salt: &[u8], from: &[u8], parts: &[&[u8]]) -> Result<Subkey, SealError> {
    let info = Zeroizing::new(length_prefixed(parts)?);
    let mut key = Subkey([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(from)
        .expand(&[&info], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key.0))
        .map_err(|_| SealError::TooLong)?;
    Ok(key)
}

/// Keeps these keys apart from whatever else the same secret may serve.
const SALT: &[u8] = b"passerelle/seal/v1";
const EPOCH: u32 = 1;
