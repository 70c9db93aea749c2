//! A detached JWS (RFC 7515, appendix F) over the exact bytes of a manifest or an acknowledgement: `<header>..<signature>`.
//!
//! The key stays with the caller: it is handed what to sign, or what was signed, and says the rest.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::canonical;
use serde_json::{Value, json};

use crate::reading::{Finding, Place, Refused};

/// The two signatures that the gateway makes and checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// ECDSA over P-256 with SHA-256, as `r || s` (RFC 7518).
    Es256,
}

/// What somebody signed, for the caller to check with the key of that name.
#[derive(Debug)]
pub struct Signed<'a> {
    /// Which key.
    pub kid: &'a str,
    /// How.
    pub algorithm: Algorithm,
    /// The bytes that were signed.
    pub input: &'a [u8],
    /// The signature over them.
    pub signature: &'a [u8],
}

/// Signs a payload: `with` is given the bytes to sign and returns the signature over them.
///
/// # Errors
/// What `with` fails with.
pub fn sign<E>(kid: &str, algorithm: Algorithm, payload: &[u8], with: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
    // The members in the order of RFC 8785.
    let header = json!({"alg": algorithm.name(), "kid": kid, "typ": TYPE}).to_string();
    let header = URL_SAFE_NO_PAD.encode(header);
    let signature = with(&input(&header, payload))?;
    Ok(format!("{header}..{}", URL_SAFE_NO_PAD.encode(signature)).into_bytes())
}

/// Whether a payload bears a signature that `with` confirms; returns the name of its key.
///
/// # Errors
/// Not a detached JWS of ours (any other header member than `alg`, `kid` and `typ` is refused), or not confirmed.
pub fn verify(jws: &[u8], payload: &[u8], with: impl FnOnce(&Signed<'_>) -> bool) -> Result<String, Refused> {
    let malformed = || Refused::from(Finding::new(Place::Whole, "not-a-signature", "Ce n’est pas une signature JWS détachée de dépôt."));
    let text = std::str::from_utf8(jws).ok().filter(|text| text.len() <= MAX_BYTES).ok_or_else(malformed)?;
    let (header, signature) = text.trim_end_matches(['\r', '\n']).split_once("..").ok_or_else(malformed)?;
    let (kid, algorithm) = URL_SAFE_NO_PAD.decode(header).ok().and_then(|bytes| protected(&bytes)).ok_or_else(malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
    let input = input(header, payload);
    if with(&Signed { kid: &kid, algorithm, input: &input, signature: &signature }) {
        Ok(kid)
    } else {
        let detail = "La signature n’est pas celle de ces octets par cette clé.";
        Err(Finding::new(Place::Whole, "bad-signature", detail).cured_by("Signez les octets exacts du fichier déposé.").into())
    }
}

fn input(header: &str, payload: &[u8]) -> Vec<u8> {
    format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload)).into_bytes()
}

fn protected(bytes: &[u8]) -> Option<(String, Algorithm)> {
    let Value::Object(header) = canonical::parse(bytes).ok()? else { return None };
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let algorithm = [Algorithm::EdDsa, Algorithm::Es256].into_iter().find(|known| text("alg") == Some(known.name()))?;
    let ours = header.len() == 3 && text("typ") == Some(TYPE);
    let kid = text("kid").filter(|kid| (1..=200).contains(&kid.len()))?;
    ours.then(|| (kid.to_owned(), algorithm))
}

impl Algorithm {
    /// Its name in a JWS header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }
}

const TYPE: &str = "passerelle-drop+jws";
const MAX_BYTES: usize = 4096;
