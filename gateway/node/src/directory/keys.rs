//! Public keys of token issuers: which JWK may stand in the directory, and its thumbprint (RFC 7638).
//!
//! Two shapes only: EC on P-256 (ES256) and OKP on Ed25519 (EdDSA, RFC 8037). A private key is refused
//! without a word of it being repeated.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::source::sha256_base64url;

/// Why a JWK cannot be an issuer's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitKey {
    /// It holds the private part.
    #[error("it holds a private key")]
    Private,
    /// Neither EC P-256 nor OKP Ed25519.
    #[error("it is neither an EC key on P-256 nor an OKP key on Ed25519")]
    Shape,
    /// A coordinate is not 32 bytes in base64url.
    #[error("a coordinate is not 32 bytes in base64url")]
    Coordinate,
}

/// The RFC 7638 SHA-256 thumbprint of a fit public key.
pub fn thumbprint(jwk: &Value) -> Result<String, UnfitKey> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
    if jwk.get("d").is_some() {
        return Err(UnfitKey::Private);
    }
    let coordinate = |name: &str| match URL_SAFE_NO_PAD.decode(text(name)) {
        Ok(bytes) if bytes.len() == 32 => Ok(text(name)),
        Ok(_) | Err(_) => Err(UnfitKey::Coordinate),
    };
    match (text("kty"), text("crv")) {
        ("EC", "P-256") => {
            let (x, y) = (coordinate("x")?, coordinate("y")?);
            Ok(sha256_base64url(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes()))
        }
        ("OKP", "Ed25519") => {
            let x = coordinate("x")?;
            Ok(sha256_base64url(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes()))
        }
        _ => Err(UnfitKey::Shape),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rfc_8037_thumbprint() {
        // RFC 8037, appendix A.3.
        let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        assert_eq!(thumbprint(&key).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn unfit_keys() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        assert_eq!(thumbprint(&json!({"kty": "OKP", "crv": "Ed25519", "x": x, "d": x})), Err(UnfitKey::Private));
        assert_eq!(thumbprint(&json!({"kty": "RSA", "n": x, "e": "AQAB"})), Err(UnfitKey::Shape));
        assert_eq!(thumbprint(&json!({"kty": "oct", "k": x})), Err(UnfitKey::Shape));
        assert_eq!(thumbprint(&json!({"kty": "EC", "crv": "P-256", "x": x})), Err(UnfitKey::Coordinate));
    }
}
