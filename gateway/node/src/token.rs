//! Professional tokens: who acts, said by the institution and bound to the connection's certificate (RFC 7519, RFC 8705).
//!
//! The token names a professional and nothing more: what that person may do is the directory's word (invariant 11).
//! Only ES256 and EdDSA; the key is the directory's, never one that the token brings. No token text is ever logged.

mod issue;
mod refusal;

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::{Instant, ProfessionalId};
use jsonwebtoken::{Algorithm, DecodingKey, crypto, jwk::Jwk};
use moka::sync::Cache;
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    issue::{CannotIssue, Wanted, issue, jwk_of_private_key},
    refusal::TokenRefusal,
};
use crate::directory::{Institution, TokenIssuer};

/// `typ` of a professional token.
pub const TYP: &str = "passerelle-professional+jwt";
/// The longest life of a token, in seconds.
pub const LIFE: i64 = 600;

/// Verifies professional tokens and remembers those whose signature it has checked.
#[derive(Debug)]
pub struct TokenVerifier {
    seen: Cache<[u8; 32], Seen>,
}

/// What a token must agree with.
#[derive(Debug, Clone, Copy)]
pub struct Expect<'a> {
    /// `urn:passerelle:gateway:<id>` of this gateway.
    pub audience: &'a str,
    /// The institution that the certificate of this connection names.
    pub institution: &'a Institution,
    /// SHA-256 of the DER of the certificate of this connection.
    pub certificate_thumbprint: [u8; 32],
    /// The present instant.
    pub now: Instant,
}

/// What a token proves. Whether it was revoked is for the caller to ask, by issuer and `jti`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The person; the directory may not know it.
    pub professional: ProfessionalId,
    /// The token's own id, unique within its issuer.
    pub jti: String,
    /// The instant from which the token says nothing more (its `exp`, leeway not counted).
    pub expires: Instant,
}

impl Default for TokenVerifier {
    fn default() -> Self {
        Self::new()
    }
}

impl TokenVerifier {
    /// A verifier that remembers nothing yet.
    pub fn new() -> Self {
        Self { seen: Cache::new(REMEMBERED) }
    }

    /// Who acts, when the token is the institution's, for this gateway, this certificate and this instant.
    ///
    /// # Errors
    /// The first reason not to believe it.
    pub fn verify(&self, jwt: &str, expect: &Expect<'_>) -> Result<Verified, TokenRefusal> {
        if jwt.len() > SIZE {
            return Err(TokenRefusal::TooLarge);
        }
        let issuer = expect.institution.token_issuer.as_ref().ok_or(TokenRefusal::NoIssuer)?;
        // 1. A token whose signature was good under the same key of the same issuer needs no second look at it.
        let fingerprint = sha256(jwt.as_bytes());
        if let Some(seen) = self.seen.get(&fingerprint)
            && issuer.keys.get(&seen.kid).is_some_and(|jwk| key_version(issuer, jwk) == seen.key)
        {
            return judge(&seen.claims, issuer, expect);
        }
        // 2. Read: three parts, a header we understand wholly, claims of the right shape.
        let parts = Parts::of(jwt)?;
        let kid = parts.header(issuer)?;
        let claims: Claims = parts.claims(issuer)?;
        // 3. Believe: the signature, under a key that the directory gives this issuer.
        let jwk = issuer.keys.get(&kid).ok_or(TokenRefusal::UnknownKey)?;
        parts.check_signature(jwk)?;
        // 4. Judge: what may differ from one request to the next.
        let verified = judge(&claims, issuer, expect)?;
        self.seen.insert(fingerprint, Seen { key: key_version(issuer, jwk), kid, claims });
        Ok(verified)
    }
}

/// The issuer that a token claims, unverified: only to find the institution under whose keys to verify it.
pub fn claimed_issuer(jwt: &str) -> Option<String> {
    let parts = Parts::of(Some(jwt).filter(|jwt| jwt.len() <= SIZE)?).ok()?;
    parts.payload.get("iss").and_then(Value::as_str).map(str::to_owned)
}

/// A token whose signature was checked.
#[derive(Debug, Clone)]
struct Seen {
    /// SHA-256 over the issuer and the very key: a key that is removed, rotated under its `kid` or moved counts no more.
    key: [u8; 32],
    kid: String,
    claims: Claims,
}

/// The claims we use. Others are left unread: the directory, not the token, says what somebody may do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    jti: String,
    cnf: Confirmation,
}

/// RFC 8705, section 3.1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Confirmation {
    #[serde(rename = "x5t#S256")]
    x5t_s256: String,
}

/// The three parts of a compact JWS.
struct Parts<'a> {
    header: BTreeMap<String, Value>,
    payload: Value,
    message: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(jwt: &'a str) -> Result<Self, TokenRefusal> {
        let (message, signature) = jwt.rsplit_once('.').ok_or(TokenRefusal::Malformed)?;
        let (header, payload) = message.split_once('.').filter(|(_, payload)| !payload.contains('.')).ok_or(TokenRefusal::Malformed)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefusal::Malformed);
        Ok(Self {
            header: serde_json::from_slice(&bytes(header)?).map_err(|_| TokenRefusal::Malformed)?,
            payload: serde_json::from_slice(&bytes(payload)?).map_err(|_| TokenRefusal::Malformed)?,
            message,
            signature,
        })
    }

    /// The `kid`, when the header is one of ours.
    fn header(&self, issuer: &TokenIssuer) -> Result<String, TokenRefusal> {
        let text = |name: &str| self.header.get(name).and_then(Value::as_str);
        if text("typ") != Some(TYP) {
            return Err(TokenRefusal::WrongType);
        }
        self.algorithm()?;
        if self.header.contains_key("crit") {
            return Err(TokenRefusal::CriticalHeader);
        }
        // Before the key: a key of another institution is best told as what it is.
        match self.payload.get("iss").and_then(Value::as_str) {
            Some(iss) if iss == issuer.issuer => {}
            Some(_) => return Err(TokenRefusal::AnotherIssuer),
            None => return Err(TokenRefusal::MissingClaim),
        }
        text("kid").map(str::to_owned).ok_or(TokenRefusal::UnknownKey)
    }

    fn algorithm(&self) -> Result<Algorithm, TokenRefusal> {
        match self.header.get("alg").and_then(Value::as_str) {
            Some("ES256") => Ok(Algorithm::ES256),
            Some("EdDSA") => Ok(Algorithm::EdDSA),
            Some(alg) if alg.eq_ignore_ascii_case("none") => Err(TokenRefusal::Unsigned),
            Some("HS256" | "HS384" | "HS512") => Err(TokenRefusal::SharedSecret),
            Some("RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512") => Err(TokenRefusal::Rsa),
            Some(_) | None => Err(TokenRefusal::UnknownAlgorithm),
        }
    }

    fn claims(&self, issuer: &TokenIssuer) -> Result<Claims, TokenRefusal> {
        let claims: Claims = Claims::deserialize(&self.payload).map_err(|_| TokenRefusal::MissingClaim)?;
        if claims.iss != issuer.issuer {
            return Err(TokenRefusal::AnotherIssuer);
        }
        let printable = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        if !(8..=64).contains(&claims.jti.len()) || !printable(&claims.jti) {
            return Err(TokenRefusal::BadTokenId);
        }
        if !(3..=40).contains(&claims.sub.len()) || !printable(&claims.sub) {
            return Err(TokenRefusal::BadSubject);
        }
        Ok(claims)
    }

    fn check_signature(&self, jwk: &Value) -> Result<(), TokenRefusal> {
        let algorithm = self.algorithm()?;
        let fits =
            matches!((algorithm, jwk.get("kty").and_then(Value::as_str)), (Algorithm::ES256, Some("EC")) | (Algorithm::EdDSA, Some("OKP")));
        if !fits {
            return Err(TokenRefusal::KeyMismatch);
        }
        let jwk = Jwk::deserialize(jwk).map_err(|_| TokenRefusal::KeyMismatch)?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| TokenRefusal::KeyMismatch)?;
        match crypto::verify(self.signature, self.message.as_bytes(), &key, algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(TokenRefusal::BadSignature),
        }
    }
}

fn judge(claims: &Claims, issuer: &TokenIssuer, expect: &Expect<'_>) -> Result<Verified, TokenRefusal> {
    if claims.iss != issuer.issuer {
        return Err(TokenRefusal::AnotherIssuer);
    }
    if claims.aud != expect.audience {
        return Err(TokenRefusal::AnotherAudience);
    }
    let now = expect.now.unix_seconds();
    match claims.exp.checked_sub(claims.iat) {
        Some(1..=LIFE) => {}
        Some(_) | None => return Err(TokenRefusal::TooLong),
    }
    if claims.iat.max(claims.nbf.unwrap_or(i64::MIN)) > now.saturating_add(LEEWAY) {
        return Err(TokenRefusal::NotYet);
    }
    if now >= claims.exp.saturating_add(LEEWAY) {
        return Err(TokenRefusal::Expired);
    }
    if claims.cnf.x5t_s256 != URL_SAFE_NO_PAD.encode(expect.certificate_thumbprint) {
        return Err(TokenRefusal::AnotherCertificate);
    }
    Ok(Verified {
        professional: ProfessionalId { issuer: claims.iss.clone(), subject: claims.sub.clone() },
        jti: claims.jti.clone(),
        expires: Instant::from_unix_ms(claims.exp.saturating_mul(1000)),
    })
}

/// Which key of which issuer: changes with either.
fn key_version(issuer: &TokenIssuer, jwk: &Value) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    let member = |name| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
    for part in [issuer.issuer.as_str(), member("kty"), member("crv"), member("x"), member("y")] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    context.finish().as_ref().try_into().unwrap_or_default()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap_or_default()
}

/// Tokens remembered at once.
const REMEMBERED: u64 = 10_000;
/// The largest token, in bytes.
const SIZE: usize = 8 * 1024;
/// How far two clocks may differ, in seconds.
const LEEWAY: i64 = 30;

#[cfg(test)]
mod tests;
