//! The reference client: what a member's software does to deposit, collect, read and acknowledge.
//!
//! Works against any gateway. Repeats a deposit under the same key until it is answered: an answer that was lost is
//! given again, never twice accepted.

mod enclosure;

use std::{path::Path, time::Duration};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use reqwest::{Method, StatusCode};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};

pub use enclosure::Enclosure;

use crate::listen::client_config;

/// A member's connection to one gateway.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// Why the client has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientFault {
    /// A file of the client cannot be used.
    #[error("cannot use `{file}`: {what}")]
    File {
        /// Which.
        file: String,
        /// Why.
        what: String,
    },
    /// No answer from the gateway.
    #[error("no answer from the gateway")]
    Transport(#[source] reqwest::Error),
    /// The gateway refused.
    #[error("refused ({status}): {}", detail(problem))]
    Refused {
        /// HTTP status.
        status: u16,
        /// `application/problem+json`.
        problem: Value,
    },
    /// The answer is not what the contract says.
    #[error("the answer is not what the contract says")]
    Answer,
    /// The system has no randomness.
    #[error("no randomness")]
    Random,
}

/// Files by which a member identifies itself and knows the gateway.
#[derive(Debug, Clone)]
pub struct Credentials<'a> {
    /// PEM chain of the member.
    pub certificate: &'a Path,
    /// PEM key of the member.
    pub key: &'a Path,
    /// PEM roots under which the gateway's certificate must stand.
    pub authorities: &'a Path,
}

/// What a refusal says, in our own words or in those of FHIR.
fn detail(problem: &Value) -> &str {
    let outcome = problem.pointer("/issue/0/details/text");
    problem.get("detail").or(outcome).and_then(Value::as_str).unwrap_or("no detail")
}

impl Client {
    /// A client for the gateway at `base` (`https://passerelle.example:8443`).
    ///
    /// # Errors
    /// [`ClientFault::File`] when a file cannot be used.
    pub fn new(base: &str, credentials: &Credentials<'_>) -> Result<Self, ClientFault> {
        let chain = certificates(credentials.certificate)?;
        let roots = certificates(credentials.authorities)?;
        let key = PrivateKeyDer::from_pem_file(credentials.key).map_err(|e| fault(credentials.key, &e))?;
        let tls = client_config(&roots, chain, key).map_err(|e| fault(credentials.certificate, &e))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(90))
            .build()
            .map_err(ClientFault::Transport)?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), token: None })
    }

    /// The same connection, acting for a professional.
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// Deposits one envelope; repeats under the same key while the gateway does not answer or cannot now.
    ///
    /// # Errors
    /// [`ClientFault`] after the last try.
    pub async fn submit(&self, envelope: &Value, key: &str) -> Result<Value, ClientFault> {
        let body = serde_json::to_vec(envelope).map_err(|_| ClientFault::Answer)?;
        self.until_answered(|| {
            self.request(Method::POST, "/v1/exchanges")
                .header("idempotency-key", key)
                .header("content-type", "application/json")
                .body(body.clone())
        })
        .await
    }

    async fn until_answered(&self, request: impl Fn() -> reqwest::RequestBuilder) -> Result<Value, ClientFault> {
        let mut wait = Duration::from_millis(200);
        for attempt in 1.. {
            let answer = self.send(request()).await;
            let again = match &answer {
                Err(ClientFault::Transport(_)) => true,
                Err(ClientFault::Refused { status, .. }) => matches!(status, 429 | 502..=504),
                _ => false,
            };
            if !again || attempt == TRIES {
                return answer;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(10));
        }
        Err(ClientFault::Answer)
    }

    /// Deposits one FHIR Bundle; repeats as [`Client::submit`], and gives the same answer.
    ///
    /// # Errors
    /// [`ClientFault`] after the last try; what is refused is told as an OperationOutcome.
    pub async fn submit_bundle(&self, bundle: &Value, key: &str) -> Result<Value, ClientFault> {
        let body = serde_json::to_vec(bundle).map_err(|_| ClientFault::Answer)?;
        let answer = self
            .until_answered(|| {
                self.request(Method::POST, "/fhir")
                    .header("idempotency-key", key)
                    .header("content-type", adapters::fhir::MEDIA_TYPE)
                    .body(body.clone())
            })
            .await?;
        accepted_bundle(&answer).ok_or(ClientFault::Answer)
    }

    /// Deposits one envelope with files; repeats as [`Client::submit`].
    ///
    /// # Errors
    /// [`ClientFault`] after the last try.
    pub async fn submit_with(&self, envelope: &Value, files: &[Enclosure], key: &str) -> Result<Value, ClientFault> {
        let head = serde_json::to_vec(envelope).map_err(|_| ClientFault::Answer)?;
        let boundary = new_key()?;
        let media = format!("multipart/related; type=\"application/json\"; boundary={boundary}");
        self.until_answered(|| {
            self.request(Method::POST, "/v1/exchanges")
                .timeout(LONG)
                .header("idempotency-key", key)
                .header("content-type", &media)
                .body(reqwest::Body::wrap_stream(enclosure::related(&boundary, head.clone(), files.to_vec())))
        })
        .await
    }

    /// Fetches one file of a delivery into `to`; goes on where an earlier fetch broke off, and compares its digest with the
    /// one that the gateway names. `progress` hears how many bytes are there, and of how many.
    ///
    /// # Errors
    /// [`ClientFault`] after the last try; what was fetched stays in `<to>.part`.
    pub async fn fetch(&self, path: &str, to: &Path, progress: impl Fn(u64, u64)) -> Result<(), ClientFault> {
        enclosure::fetch(self, path, to, progress).await
    }

    /// Asks for something.
    ///
    /// # Errors
    /// [`ClientFault`].
    pub async fn get(&self, path: &str) -> Result<Value, ClientFault> {
        self.send(self.request(Method::GET, path)).await
    }

    /// Asks for a text.
    ///
    /// # Errors
    /// [`ClientFault`].
    pub async fn get_text(&self, path: &str) -> Result<String, ClientFault> {
        let answer = self.request(Method::GET, path).send().await.map_err(ClientFault::Transport)?;
        if answer.status().is_success() { answer.text().await.map_err(ClientFault::Transport) } else { Err(refused(answer).await) }
    }

    /// Tells something.
    ///
    /// # Errors
    /// [`ClientFault`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ClientFault> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// Takes something away.
    ///
    /// # Errors
    /// [`ClientFault`].
    pub async fn delete(&self, path: &str, body: &Value) -> Result<Value, ClientFault> {
        self.send(self.request(Method::DELETE, path).json(body)).await
    }

    /// A request as this client makes it, for what has no method of its own.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, ClientFault> {
        let answer = request.send().await.map_err(ClientFault::Transport)?;
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        if !answer.status().is_success() {
            return Err(refused(answer).await);
        }
        let bytes = answer.bytes().await.map_err(ClientFault::Transport)?;
        serde_json::from_slice(&bytes).map_err(|_| ClientFault::Answer)
    }
}

/// A new idempotency key: 24 random bytes in base64url.
///
/// # Errors
/// [`ClientFault::Random`].
pub fn new_key() -> Result<String, ClientFault> {
    let mut random = [0; 24];
    SystemRandom::new().fill(&mut random).map_err(|_| ClientFault::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

/// SHA-256 of the first certificate of a PEM file: what a professional token is bound to (RFC 8705).
///
/// # Errors
/// [`ClientFault::File`].
pub fn thumbprint(certificate: &Path) -> Result<[u8; 32], ClientFault> {
    let chain = certificates(certificate)?;
    let first =
        chain.first().ok_or_else(|| ClientFault::File { file: certificate.display().to_string(), what: "no certificate".into() })?;
    let mut thumbprint = [0; 32];
    thumbprint.copy_from_slice(digest::digest(&digest::SHA256, first.as_ref()).as_ref());
    Ok(thumbprint)
}

/// Exchange and receipt of a Bundle that answers one.
fn accepted_bundle(answer: &Value) -> Option<Value> {
    let id = answer.pointer("/identifier/value")?.as_str()?.strip_prefix("urn:uuid:")?;
    let entries = answer.get("entry")?.as_array()?;
    let receipt = entries.iter().filter_map(|entry| entry.get("resource")).find(|one| one.get("contentType").is_some())?;
    let receipt = String::from_utf8(STANDARD.decode(receipt.get("data")?.as_str()?).ok()?).ok()?;
    Some(json!({"id": id, "receipt": receipt}))
}

async fn refused(answer: reqwest::Response) -> ClientFault {
    let status = answer.status().as_u16();
    let problem = answer.json().await.unwrap_or(Value::Null);
    ClientFault::Refused { status, problem }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ClientFault> {
    CertificateDer::pem_file_iter(file).map_err(|e| fault(file, &e))?.collect::<Result<_, _>>().map_err(|e| fault(file, &e))
}

fn fault(file: &Path, error: &dyn std::fmt::Display) -> ClientFault {
    ClientFault::File { file: file.display().to_string(), what: error.to_string() }
}

/// How long a request with files may take.
const LONG: Duration = Duration::from_secs(4 * 3600);
/// Tries of a deposit before the client gives up.
const TRIES: u32 = 8;
