//! OpenID Connect as a relying party: the code flow with PKCE (RFC 7636), of the providers that the configuration names.
//!
//! What is believed is the ID token, fetched by us over TLS under the provider's own roots and signed by a key that it
//! publishes: ES256 or RS256, `iss`, `aud`, `exp`, `iat`, `nonce`, how surely and by which means (`acr`, `amr`), and how long
//! ago (`auth_time`). What a provider publishes is asked once for all who wait, for so long and no longer, and again when it
//! is old: it may move, and change its keys.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::Instant;
use form_urlencoded::Serializer;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use jsonwebtoken::{Algorithm, DecodingKey, crypto, jwk::Jwk};
use reqwest::{Client, RequestBuilder, header, redirect};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::{config, listen::nameless_client_config, source::sha256_base64url};

/// A provider, and what it published when it was last asked.
pub(super) struct Provider {
    pub(super) config: config::Provider,
    secret: Zeroizing<String>,
    http: Client,
    known: Mutex<Known>,
}

/// What is known of what a provider publishes.
#[derive(Default)]
struct Known {
    /// Until when it is believed.
    published: Option<(Arc<Published>, Instant)>,
    /// What is being asked, for all who wait for it.
    coming: Option<Shared<BoxFuture<'static, Answered>>>,
}

/// How a provider answered to all who waited.
#[derive(Clone)]
struct Answered(Result<Arc<Published>, NotSignedIn>);

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
    #[error("Le fournisseur d’identité vous a reconnu sans vous le redemander, ou sans dire quand il l’a fait.")]
    TooOld,
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
            Self::TooOld => "identity-too-old",
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
    #[serde(default)]
    end_session_endpoint: Option<String>,
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
    #[serde(default)]
    auth_time: Option<i64>,
}

/// Who it is.
pub(super) struct Told {
    pub(super) subject: String,
    /// The token that says so: what a provider is shown when somebody signs out.
    pub(super) token: String,
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
        Ok(Self { config: config.clone(), secret: Zeroizing::new(secret.trim().to_owned()), http, known: Mutex::default() })
    }

    /// Where the browser goes to say who sits in front of it.
    pub(super) async fn address(&self, asked: &Asked<'_>, now: Instant) -> Result<String, NotSignedIn> {
        let known = self.published(false, now).await?;
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
        let mut claims = Map::new();
        if !amr.is_empty() {
            claims.insert("amr".into(), json!({"essential": true}));
        }
        if let Some(oldest) = self.config.fresh() {
            query.append_pair("max_age", &oldest.as_secs().to_string());
            claims.insert("auth_time".into(), json!({"essential": true}));
            if oldest.is_zero() {
                query.append_pair("prompt", "login");
            }
        }
        if !claims.is_empty() {
            query.append_pair("claims", &json!({"id_token": claims}).to_string());
        }
        Ok(with_query(&known.about.authorization_endpoint, &query.finish()))
    }

    /// Where the browser goes to sign out there too; nothing where that is not to be had now. Nobody waits long for it.
    pub(super) async fn way_out(&self, token: &str, back_to: &str, state: &str, now: Instant) -> Option<String> {
        let known = self.published(false, now).await.ok()?;
        let endpoint = known.about.end_session_endpoint.as_ref().filter(|endpoint| endpoint.starts_with("https://"))?;
        let mut query = Serializer::new(String::new());
        query
            .append_pair("id_token_hint", token)
            .append_pair("client_id", &self.config.client)
            .append_pair("post_logout_redirect_uri", back_to)
            .append_pair("state", state);
        Some(with_query(endpoint, &query.finish()))
    }

    /// Who it is: `sub`, once everything else agrees.
    pub(super) async fn subject(&self, code: &str, asked: &Asked<'_>, now: Instant) -> Result<Told, NotSignedIn> {
        let known = self.published(false, now).await?;
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
        let claims = self.believed(&id_token, now).await?;
        self.judge(&claims, asked, now)?;
        Ok(Told { subject: claims.sub, token: id_token })
    }

    /// The claims of a token whose signature is the provider's. A key that is not known may be new: looked up once more.
    async fn believed(&self, token: &str, now: Instant) -> Result<Claims, NotSignedIn> {
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
        let mut known = self.published(false, now).await?;
        if !known.keys.contains_key(kid) {
            known = self.published(true, now).await?;
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
        if !sure || !means {
            return Err(NotSignedIn::TooWeak);
        }
        let fresh = self.config.fresh().is_none_or(|oldest| {
            let oldest = i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX).saturating_add(OLDEST);
            claims.auth_time.is_some_and(|at| (now.saturating_sub(oldest)..=now + LEEWAY).contains(&at))
        });
        if fresh { Ok(()) } else { Err(NotSignedIn::TooOld) }
    }

    /// What it publishes, as it was told lately; asked `anew`, as it is told now.
    async fn published(&self, anew: bool, now: Instant) -> Result<Arc<Published>, NotSignedIn> {
        let coming = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((published, until)) = known.published.as_ref().filter(|_| !anew)
                && now < *until
            {
                return Ok(published.clone());
            }
            match known.coming.as_ref().filter(|coming| coming.peek().is_none()) {
                Some(coming) => coming.clone(),
                None => {
                    let coming = self.asked_now().boxed().shared();
                    known.coming = Some(coming.clone());
                    coming
                }
            }
        };
        let published = coming.await.0?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.published = Some((published.clone(), now.plus(BELIEVED_FOR)));
        Ok(published)
    }

    /// Asks it, in a task of its own: whoever waited may go.
    fn asked_now(&self) -> impl Future<Output = Answered> + use<> {
        let (http, issuer) = (self.http.clone(), self.config.issuer.clone());
        let asking = tokio::spawn(async move {
            let asked = tokio::time::timeout(ANSWERED_WITHIN, published_by(&http, &issuer)).await;
            asked.unwrap_or(Err(NotSignedIn::Unreachable)).map(Arc::new)
        });
        async move { Answered(asking.await.unwrap_or(Err(NotSignedIn::Unreachable))) }
    }
}

async fn published_by(http: &Client, issuer: &str) -> Result<Published, NotSignedIn> {
    let about: About = fetched(http.get(format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))).await?;
    // A document of somebody else's must not speak for this issuer (RFC 8414, section 3.3).
    if about.issuer != issuer {
        return Err(NotSignedIn::NotBelieved);
    }
    let KeySet { keys } = fetched(http.get(&about.jwks_uri)).await?;
    let named = |key: Value| Some((key.get("kid")?.as_str()?.to_owned(), key));
    Ok(Published { about, keys: keys.into_iter().filter_map(named).collect() })
}

fn with_query(endpoint: &str, query: &str) -> String {
    let join = if endpoint.contains('?') { '&' } else { '?' };
    format!("{endpoint}{join}{query}")
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
/// How long what it publishes is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(600);
/// How long it may take to publish it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
