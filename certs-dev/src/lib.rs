//! Issues the development and the test PKI: what the demonstration, the scenarios and a first enrolment by hand need.
//! Never used in production: its keys lie in files beside the certificates, and anybody may ask for anything. So does an
//! identity provider that asks nobody for a password ([`IdentityProvider`]).
//!
//! Five member authorities, each a root and an issuing authority with a revocation list of its own, bound to its DNS
//! suffix by a name constraint; and one root for the gateway's own certificate. Everything is in one folder:
//!
//! ```text
//! trust/<authority>.pem, .crl        what a gateway trusts: root and issuing certificate, both revocation lists
//! authorities/<authority>/…          certificates, keys (mode 0600), what was revoked
//! authorities/gateway/root.pem       what a member trusts
//! ```

mod authority;
mod identity;
mod leaf;
mod pki;

pub use identity::{Audience, IdentityProvider, ProviderError, Signs};
pub use leaf::{Issued, Leaf, Signed};
pub use pki::{AUTHORITIES, Pki, PkiError};

/// A new P-256 key in PKCS#8 PEM, for the tokens of an institution.
///
/// # Errors
/// [`PkiError::Certificate`] when no key can be made.
pub fn token_key() -> Result<String, PkiError> {
    Ok(rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?.serialize_pem())
}
