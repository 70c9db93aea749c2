//! Receipts: the gateway's signed statement that it accepted an exchange.
//!
//! A compact JWS (RFC 7515), EdDSA, stored and returned verbatim. It tells its sender what the sender already
//! knows and nothing of the decision: a receipt must not say what the law hides from a reporter.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::{ExchangeId, Instant, InstitutionId, TypeCode, canonical};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::{
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Value of `typ`.
pub const TYPE: &str = "passerelle-receipt+jwt";
/// An entry stands in a signed checkpoint at most this many seconds after its receipt.
pub const MERGE_DELAY_SECONDS: u64 = 60;

/// What a receipt states.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// `urn:passerelle:gateway:<id>`.
    pub iss: String,
    /// Exchange id.
    pub sub: String,
    /// `urn:passerelle:institution:<id>` of the sender.
    pub aud: String,
    /// Seconds since the epoch.
    pub iat: i64,
    /// Exchange type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Base64url HMAC-SHA-256, keyed by `salt`, of the RFC 8785 form of the envelope.
    pub commitment: String,
    /// Base64url, 32 random bytes; comes with the receipt, to the sender alone.
    pub salt: String,
    /// What the sender still has to do: codes.
    pub follow_ups: Vec<String>,
    /// Origin of the log.
    pub log: String,
    /// Base64url RFC 6962 hash of the acceptance leaf.
    pub leaf: String,
    /// Seconds within which the leaf stands in a signed checkpoint.
    pub merge_delay: u64,
}

/// Signs receipts.
pub struct Signer {
    key: EncodingKey,
    pair: Ed25519KeyPair,
    kid: String,
    jwk: Value,
    issuer: String,
    origin: String,
}

/// The key is not an Ed25519 key in PKCS#8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key in PKCS#8")]
pub struct BadKey;

/// A receipt could not be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("receipt could not be signed")]
pub struct Unsigned;

/// What one receipt is about.
pub struct Statement<'a> {
    /// Exchange.
    pub exchange: ExchangeId,
    /// Who sent it.
    pub sender: &'a InstitutionId,
    /// Its type.
    pub kind: &'a TypeCode,
    /// When it was accepted.
    pub at: Instant,
    /// To the RFC 8785 bytes of the envelope.
    pub commitment: &'a Commitment,
    /// Codes of what the sender still has to do.
    pub follow_ups: Vec<String>,
    /// Hash of the acceptance leaf.
    pub leaf_hash: [u8; 32],
}

/// A salted commitment to the bytes of an envelope: tells nothing to who does not hold salt and bytes.
pub struct Commitment {
    salt: String,
    tag: String,
}

impl Commitment {
    /// Commits to `canonical` under 32 random bytes.
    ///
    /// # Errors
    /// [`Unsigned`] when the system has no randomness.
    pub fn to(canonical: &[u8]) -> Result<Self, Unsigned> {
        let mut salt = [0; 32];
        SystemRandom::new().fill(&mut salt).map_err(|_| Unsigned)?;
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salt), canonical);
        Ok(Self { salt: URL_SAFE_NO_PAD.encode(salt), tag: URL_SAFE_NO_PAD.encode(tag) })
    }

    /// The tag alone, without its salt: what the log commits to.
    pub fn tag(&self) -> &str {
        &self.tag
    }
}

impl Signer {
    /// A signer for gateway `id` and log `origin`, from an Ed25519 key in PKCS#8 DER.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn new(pkcs8: &[u8], id: &str, origin: &str) -> Result<Self, BadKey> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(|_| BadKey)?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        // RFC 7638: the thumbprint of the key is its name.
        let members = canonical::bytes(&json!({"crv": "Ed25519", "kty": "OKP", "x": x})).map_err(|_| BadKey)?;
        let kid = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &members));
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig"});
        Ok(Self {
            key: EncodingKey::from_ed_der(pkcs8),
            pair,
            kid,
            jwk,
            issuer: format!("urn:passerelle:gateway:{id}"),
            origin: origin.to_owned(),
        })
    }

    /// The public key, for `GET /v1/keys`.
    pub fn jwk(&self) -> &Value {
        &self.jwk
    }

    /// Name of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs the list of a drop, or the answer to one: what is signed says by its `typ` that it is no receipt. The same bytes
    /// always get the same signature.
    pub fn sign_drop(&self, input: &[u8]) -> Vec<u8> {
        self.pair.sign(input).as_ref().to_vec()
    }

    /// Signs something that is no receipt: the readiness probe.
    ///
    /// # Errors
    /// [`Unsigned`].
    pub fn probe(&self) -> Result<(), Unsigned> {
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &json!({"probe": true}), &self.key).map(drop).map_err(|_| Unsigned)
    }

    /// Signs one receipt.
    ///
    /// # Errors
    /// [`Unsigned`] when the system has no randomness or the key does not sign.
    pub fn sign(&self, statement: &Statement<'_>) -> Result<String, Unsigned> {
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: statement.exchange.to_string(),
            aud: format!("urn:passerelle:institution:{}", statement.sender),
            iat: statement.at.unix_seconds(),
            kind: statement.kind.to_string(),
            commitment: statement.commitment.tag.clone(),
            salt: statement.commitment.salt.clone(),
            follow_ups: statement.follow_ups.clone(),
            log: self.origin.clone(),
            leaf: URL_SAFE_NO_PAD.encode(statement.leaf_hash),
            merge_delay: MERGE_DELAY_SECONDS,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_| Unsigned)
    }
}

/// Reads and verifies a receipt against a public key (JWK): what a member does with what it was given.
///
/// # Errors
/// A French-neutral code: `malformed`, `type`, `signature`.
pub fn verify(receipt: &str, jwk: &Value) -> Result<Claims, &'static str> {
    let header = jsonwebtoken::decode_header(receipt).map_err(|_| "malformed")?;
    if header.typ.as_deref() != Some(TYPE) || header.alg != Algorithm::EdDSA {
        return Err("type");
    }
    let key = jwk.get("x").and_then(Value::as_str).ok_or("malformed")?;
    let key = jsonwebtoken::DecodingKey::from_ed_components(key).map_err(|_| "malformed")?;
    let mut rules = jsonwebtoken::Validation::new(Algorithm::EdDSA);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_aud = false;
    jsonwebtoken::decode::<Claims>(receipt, &key, &rules).map(|data| data.claims).map_err(|_| "signature")
}

/// Whether the receipt's commitment is to these RFC 8785 bytes.
pub fn commits_to(claims: &Claims, canonical: &[u8]) -> bool {
    let (Ok(salt), Ok(tag)) = (URL_SAFE_NO_PAD.decode(&claims.salt), URL_SAFE_NO_PAD.decode(&claims.commitment)) else {
        return false;
    };
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &salt), canonical, &tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_verifies_and_commits_to_its_body_only() {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let signer = Signer::new(pkcs8.as_ref(), "passerelle-31", "passerelle.test/log").unwrap();
        let body = br#"{"type":"signalement"}"#;
        let receipt = signer
            .sign(&Statement {
                exchange: ExchangeId::new(),
                sender: &"chu-toulouse".parse().unwrap(),
                kind: &"signalement".parse().unwrap(),
                at: Instant::from_unix_ms(1_790_000_000_123),
                commitment: &Commitment::to(body).unwrap(),
                follow_ups: vec!["completer".into()],
                leaf_hash: [7; 32],
            })
            .unwrap();
        let claims = verify(&receipt, signer.jwk()).unwrap();
        assert_eq!(claims.iat, 1_790_000_000);
        assert!(commits_to(&claims, body));
        assert!(!commits_to(&claims, b"{}"));
        let other = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let other = Signer::new(other.as_ref(), "passerelle-31", "passerelle.test/log").unwrap();
        assert_eq!(verify(&receipt, other.jwk()).unwrap_err(), "signature");
    }
}
