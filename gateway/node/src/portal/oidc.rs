//! OpenID Connect as a relying party: the code flow with PKCE (RFC 7636), of the providers that the configuration names.
//!
//! What is believed is the ID token, fetched by us over TLS under the provider's own roots and signed by a key that it
//! publishes: ES256 or RS256, `iss`, `aud`, `exp`, `iat`, `nonce`, and how surely and by which means (`acr`, `amr`).

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::Instant;
use form_urlencoded::Serializer;
use jsonwebtoken::{Algorithm, DecodingKey, crypto, jwk::Jwk};
use reqwest::{Client, RequestBuilder, header, redirect};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::{config, listen::nameless_client_config, source::sha256_base64url};

/// A provider, and what it published when it was last asked.
pub(super) struct Provider {
    pub(super) config: config::Provider,
    secret: Zeroizing<String>,
    http: Client,
    known: Mutex<Option<Arc<Published>>>,
}

/// Why a provider cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {what}", file.display())]
pub struct ProviderFault {
    file: PathBuf,
    what: String,
}

/// Why nobody is signed in, in French.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSignedIn {
    #[error("Cette connexion n’a pas été commencée dans ce navigateur, ou elle l’a été il y a trop longtemps.")]
    NotBegun,
    #[error("Le fournisseur d’identité n’a pas confirmé qui vous êtes.")]
    Declined,
    #[error("Le fournisseur d’identité ne répond pas comme prévu.")]
    Unreachable,
    #[error("La réponse du fournisseur d’identité n’a pas pu être vérifiée.")]
    NotBelieved,
    #[error("Votre identité n’a pas été vérifiée par un moyen assez sûr (deux facteurs ou carte professionnelle).")]
    TooWeak,
    #[error("L’annuaire ne vous connaît pas dans l’établissement de ce certificat.")]
    Unknown,
}

impl NotSignedIn {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::NotBegun => "sign-in-not-begun",
            Self::Declined => "sign-in-declined",
            Self::Unreachable => "provider-unreachable",
            Self::NotBelieved => "identity-not-believed",
            Self::TooWeak => "identity-too-weak",
            Self::Unknown => "unknown-professional",
        }
    }
}

/// What a provider publishes.
struct Published {
    about: About,
    keys: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct About {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

/// What is asked of a provider, and what must come back.
pub(super) struct Asked<'a> {
    pub(super) return_to: &'a str,
    pub(super) state: &'a str,
    pub(super) nonce: &'a str,
    /// Of PKCE: its digest goes with the browser, itself with us.
    pub(super) verifier: &'a str,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    #[serde(default)]
    azp: Option<String>,
    exp: i64,
    iat: i64,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    acr: Option<String>,
    #[serde(default)]
    amr: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Provider {
    pub(super) fn open(config: &config::Provider) -> Result<Self, ProviderFault> {
        let fault = |file: &PathBuf| {
            let file = file.clone();
            move |what: &dyn std::fmt::Display| ProviderFault { file: file.clone(), what: what.to_string() }
        };
        let secret = std::fs::read_to_string(&config.secret_file).map_err(|e| fault(&config.secret_file)(&e))?;
        let roots: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&config.authorities).and_then(Iterator::collect);
        let roots = roots.map_err(|e| fault(&config.authorities)(&e))?;
        let tls = nameless_client_config(&roots).map_err(|e| fault(&config.authorities)(&e))?;
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(10))
            .build()
            .map_err(|e| fault(&config.authorities)(&e))?;
        Ok(Self { config: config.clone(), secret: Zeroizing::new(secret.trim().to_owned()), http, known: Mutex::new(None) })
    }

    /// Where the browser goes to say who sits in front of it.
    pub(super) async fn address(&self, asked: &Asked<'_>) -> Result<String, NotSignedIn> {
        let known = self.published(false).await?;
        let mut query = Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client)
            .append_pair("redirect_uri", asked.return_to)
            .append_pair("scope", self.config.profile.scope())
            .append_pair("state", asked.state)
            .append_pair("nonce", asked.nonce)
            .append_pair("code_challenge", &sha256_base64url(asked.verifier.as_bytes()))
            .append_pair("code_challenge_method", "S256");
        let (acr, amr) = (self.config.acr(), self.config.amr());
        if !acr.is_empty() {
            query.append_pair("acr_values", &acr.join(" "));
        }
        if !amr.is_empty() {
            query.append_pair("claims", &json!({"id_token": {"amr": {"essential": true}}}).to_string());
        }
        let endpoint = &known.about.authorization_endpoint;
        let join = if endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{endpoint}{join}{}", query.finish()))
    }

    /// Who it is: `sub`, once everything else agrees.
    pub(super) async fn subject(&self, code: &str, asked: &Asked<'_>, now: Instant) -> Result<String, NotSignedIn> {
        let known = self.published(false).await?;
        let form = Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", asked.return_to)
            .append_pair("client_id", &self.config.client)
            .append_pair("client_secret", &self.secret)
            .append_pair("code_verifier", asked.verifier)
            .finish();
        let request = self.http.post(&known.about.token_endpoint).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let Tokens { id_token } = fetched(request.body(form)).await?;
        let claims = self.believed(&id_token).await?;
        self.judge(&claims, asked, now)?;
        Ok(claims.sub)
    }

    /// The claims of a token whose signature is the provider's. A key that is not known may be new: looked up once more.
    async fn believed(&self, token: &str) -> Result<Claims, NotSignedIn> {
        let no = NotSignedIn::NotBelieved;
        if token.len() > SIZE {
            return Err(no);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(no)?;
        let (head, payload) = message.split_once('.').ok_or(no)?;
        let read = |part: &str| URL_SAFE_NO_PAD.decode(part).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok()).ok_or(no);
        let head = read(head)?;
        let (algorithm, family) = match head.get("alg").and_then(Value::as_str) {
            Some("ES256") => (Algorithm::ES256, "EC"),
            Some("RS256") => (Algorithm::RS256, "RSA"),
            Some(_) | None => return Err(no),
        };
        if head.get("crit").is_some() {
            return Err(no);
        }
        let kid = head.get("kid").and_then(Value::as_str).ok_or(no)?;
        let mut known = self.published(false).await?;
        if !known.keys.contains_key(kid) {
            known = self.published(true).await?;
        }
        let jwk = known.keys.get(kid).filter(|jwk| jwk.get("kty").and_then(Value::as_str) == Some(family)).ok_or(no)?;
        let jwk = Jwk::deserialize(jwk).map_err(|_| no)?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| no)?;
        if !crypto::verify(signature, message.as_bytes(), &key, algorithm).unwrap_or(false) {
            return Err(no);
        }
        serde_json::from_value(read(payload)?).map_err(|_| no)
    }

    fn judge(&self, claims: &Claims, asked: &Asked<'_>, now: Instant) -> Result<(), NotSignedIn> {
        let us = &self.config.client;
        let audience = match &claims.aud {
            Audience::One(one) => one == us,
            Audience::Several(all) => all.contains(us) && (all.len() == 1 || claims.azp.as_ref() == Some(us)),
        };
        let now = now.unix_seconds();
        let in_time = claims.exp > now.saturating_sub(LEEWAY) && (now - OLDEST..=now + LEEWAY).contains(&claims.iat);
        let printable = (1..=255).contains(&claims.sub.len()) && claims.sub.bytes().all(|byte| byte.is_ascii_graphic());
        if claims.iss != self.config.issuer || !audience || !in_time || claims.nonce.as_deref() != Some(asked.nonce) || !printable {
            return Err(NotSignedIn::NotBelieved);
        }
        let (acr, amr) = (self.config.acr(), self.config.amr());
        let sure = acr.is_empty() || claims.acr.as_ref().is_some_and(|told| acr.contains(told));
        let means = amr.is_empty() || claims.amr.iter().any(|told| amr.contains(told));
        if sure && means { Ok(()) } else { Err(NotSignedIn::TooWeak) }
    }

    async fn published(&self, anew: bool) -> Result<Arc<Published>, NotSignedIn> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|_| !anew) {
            return Ok(known.clone());
        }
        let issuer = &self.config.issuer;
        let about: About = fetched(self.http.get(format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))).await?;
        // A document of somebody else's must not speak for this issuer (RFC 8414, section 3.3).
        if about.issuer != *issuer {
            return Err(NotSignedIn::NotBelieved);
        }
        let KeySet { keys } = fetched(self.http.get(&about.jwks_uri)).await?;
        let named = |key: Value| Some((key.get("kid")?.as_str()?.to_owned(), key));
        let published = Arc::new(Published { about, keys: keys.into_iter().filter_map(named).collect() });
        *known = Some(published.clone());
        Ok(published)
    }
}

/// A JSON document of a size that such documents have.
async fn fetched<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, NotSignedIn> {
    let fault = |error: reqwest::Error| {
        tracing::warn!(error = %error.without_url(), "an identity provider does not answer");
        NotSignedIn::Unreachable
    };
    let mut answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(fault)?;
    let mut bytes = Vec::new();
    while let Some(more) = answer.chunk().await.map_err(fault)? {
        bytes.extend_from_slice(&more);
        if bytes.len() > SIZE * 8 {
            return Err(NotSignedIn::Unreachable);
        }
    }
    serde_json::from_slice(&bytes).map_err(|_| NotSignedIn::Unreachable)
}

/// The largest token, in bytes.
const SIZE: usize = 16 * 1024;
/// How far two clocks may differ, in seconds.
const LEEWAY: i64 = 30;
/// The oldest token, in seconds: it was asked for just now.
const OLDEST: i64 = 600;
