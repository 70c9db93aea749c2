//! Issuing professional tokens: what an institution does, for the command line and for tests.
//!
//! The gateway itself never calls this while it serves: it believes tokens, it does not make them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::Instant;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};

use super::{Claims, Confirmation, LIFE, TYP};
use crate::directory::keys;

/// What a token shall say.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The issuer that the directory gives the institution.
    pub issuer: &'a str,
    /// The opaque id of the professional.
    pub subject: &'a str,
    /// `urn:passerelle:gateway:<id>`.
    pub audience: &'a str,
    /// SHA-256 of the DER of the certificate that will present the token.
    pub certificate_thumbprint: [u8; 32],
    /// 8 to 64 characters, unique within the issuer.
    pub jti: &'a str,
    /// The present instant.
    pub now: Instant,
    /// Life in seconds, cut at 600.
    pub life: u32,
}

/// A token or a public key cannot be made of this private key. Never says a word of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotIssue {
    /// Not a PKCS#8 PEM of an EC P-256 or Ed25519 private key.
    #[error("the private key is not a PKCS#8 PEM of an EC P-256 or Ed25519 key")]
    Key,
    /// The key could not sign.
    #[error("the private key did not sign")]
    Sign,
}

/// A token signed with a PKCS#8 PEM private key, ES256 or EdDSA as the key is.
///
/// # Errors
/// [`CannotIssue`] when the key is none of ours or fails.
pub fn issue(private_key_pem: &str, wanted: &Wanted<'_>) -> Result<String, CannotIssue> {
    let (kid, jwk) = jwk_of_private_key(private_key_pem)?;
    let iat = wanted.now.unix_seconds();
    let claims = Claims {
        iss: wanted.issuer.to_owned(),
        sub: wanted.subject.to_owned(),
        aud: wanted.audience.to_owned(),
        iat,
        exp: iat.saturating_add(i64::from(wanted.life).min(LIFE)),
        nbf: None,
        jti: wanted.jti.to_owned(),
        cnf: Confirmation { x5t_s256: URL_SAFE_NO_PAD.encode(wanted.certificate_thumbprint) },
    };
    let der = PrivatePkcs8KeyDer::from_pem_slice(private_key_pem.as_bytes()).map_err(|_| CannotIssue::Key)?;
    let (algorithm, key) = if jwk.get("kty").and_then(Value::as_str) == Some("EC") {
        (Algorithm::ES256, EncodingKey::from_ec_der(der.secret_pkcs8_der()))
    } else {
        (Algorithm::EdDSA, EncodingKey::from_ed_der(der.secret_pkcs8_der()))
    };
    let header = Header { typ: Some(TYP.to_owned()), kid: Some(kid), ..Header::new(algorithm) };
    encode(&header, &claims, &key).map_err(|_| CannotIssue::Sign)
}

/// The `kid` (RFC 7638 thumbprint) and public JWK of a PKCS#8 PEM private key.
///
/// # Errors
/// [`CannotIssue::Key`] when the key is neither EC P-256 nor Ed25519.
pub fn jwk_of_private_key(private_key_pem: &str) -> Result<(String, Value), CannotIssue> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(private_key_pem.as_bytes()).map_err(|_| CannotIssue::Key)?;
    let bytes = der.secret_pkcs8_der();
    let mut jwk = if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes) {
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "x": URL_SAFE_NO_PAD.encode(pair.public_key())})
    } else {
        // Read with ring first, which checks that both halves of the key agree.
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes, &SystemRandom::new()).map_err(|_| CannotIssue::Key)?;
        let public = Jwk::from_encoding_key(&EncodingKey::from_ec_der(bytes), Algorithm::ES256).map_err(|_| CannotIssue::Key)?;
        let written = serde_json::to_value(public.algorithm).map_err(|_| CannotIssue::Key)?;
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "x": written.get("x"), "y": written.get("y")})
    };
    let kid = keys::thumbprint(&jwk).map_err(|_| CannotIssue::Key)?;
    if let Value::Object(members) = &mut jwk {
        members.insert("kid".to_owned(), Value::String(kid.clone()));
    }
    Ok((kid, jwk))
}
