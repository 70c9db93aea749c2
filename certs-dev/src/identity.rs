//! An OpenID provider for the demonstration and the tests: real sockets, real TLS, real signatures (ES256), PKCE, codes for
//! one use; and no password: whoever reaches it says who it is.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use form_urlencoded::Serializer;
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::Issued;

/// A provider that serves.
pub struct IdentityProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// For whom it speaks, and to whom.
pub struct Audience {
    /// People who may be chosen: `sub`, and what the page calls them.
    pub people: Vec<(String, String)>,
    /// What it calls the relying party.
    pub client: String,
    /// What the relying party must know.
    pub secret: String,
    /// Where it sends browsers back to, and nowhere else.
    pub return_to: String,
    /// Seconds since 1970.
    pub now: Box<dyn Fn() -> i64 + Send + Sync>,
}

/// Why it does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Its socket.
    #[error("socket")]
    Socket(#[from] io::Error),
    /// Its certificate or key.
    #[error("certificate")]
    Certificate(#[from] rustls::Error),
    /// The same, as PEM.
    #[error("PEM")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// It could not make a key.
    #[error("no randomness")]
    NoRandomness,
}

type Change = Box<dyn Fn(&mut Value) + Send + Sync>;

struct Shared {
    issuer: String,
    audience: Audience,
    key: EcdsaKeyPair,
    random: SystemRandom,
    /// Codes that were given and not used.
    codes: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    change: Mutex<Option<Change>>,
}

impl IdentityProvider {
    /// Serves on a socket under a certificate for `localhost`.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub fn serve(listener: TcpListener, issued: &Issued, audience: Audience) -> Result<Self, ProviderError> {
        let chain = CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes()).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        let random = SystemRandom::new();
        let no = |_| ProviderError::NoRandomness;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(no)?;
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).map_err(|_| ProviderError::NoRandomness)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            issuer: format!("https://localhost:{}", address.port()),
            audience,
            key,
            random,
            codes: Mutex::default(),
            change: Mutex::default(),
        });
        let (acceptor, serves) = (TlsAcceptor::from(Arc::new(config)), shared.clone());
        let serving = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, shared) = (acceptor.clone(), serves.clone());
                open.spawn(async move {
                    // A browser that hangs up is no fault.
                    drop(shared.converse(acceptor, tcp).await);
                });
                while open.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, shared, serving })
    }

    /// `iss`.
    pub fn issuer(&self) -> &str {
        &self.shared.issuer
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says something else in its tokens from now on, for tests of those who must not believe it.
    pub fn change(&self, change: impl Fn(&mut Value) + Send + Sync + 'static) {
        *self.shared.change.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(change));
    }

    /// Says the truth again.
    pub fn tell_the_truth(&self) {
        *self.shared.change.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What is answered: status, media type, another header line, body.
type Answer = (u16, &'static str, String, String);

impl Shared {
    async fn converse(&self, acceptor: TlsAcceptor, tcp: tokio::net::TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(acceptor.accept(tcp).await?);
        loop {
            let (mut first, mut length) = (String::new(), 0_usize);
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await? == 0 {
                    return Ok(());
                }
                let line = line.trim_end();
                if line.is_empty() {
                    break;
                }
                if first.is_empty() {
                    line.clone_into(&mut first);
                } else if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = told.trim().parse().unwrap_or(0);
                }
            }
            let mut body = vec![0; length.min(64 * 1024)];
            stream.read_exact(&mut body).await?;
            let target = first.split(' ').nth(1).unwrap_or("/");
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            let (status, media, header, text) = self.answer(path, query, &body);
            let head = format!(
                "HTTP/1.1 {status} x\r\n{header}content-type: {media}\r\ncache-control: no-store\r\ncontent-length: {}\r\n\r\n",
                text.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(text.as_bytes()).await?;
            stream.flush().await?;
        }
    }

    fn answer(&self, path: &str, query: &str, body: &[u8]) -> Answer {
        let json = |value: Value| (200, "application/json", String::new(), value.to_string());
        let issuer = &self.issuer;
        match path {
            "/.well-known/openid-configuration" => json(json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/jwks"),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
            })),
            "/jwks" => json(json!({"keys": [self.jwk()]})),
            "/authorize" => self.page(query),
            "/choose" => self.choose(query),
            "/token" => self.token(body),
            _ => (404, "text/plain", String::new(), String::new()),
        }
    }

    /// Who is it? One link for each person.
    fn page(&self, query: &str) -> Answer {
        let link = |(sub, label): &(String, String)| {
            let mut who = Serializer::new(String::new());
            who.append_pair("who", sub);
            format!("<li><a href=\"/choose?{}&amp;{}\">{}</a></li>", who.finish(), escaped(query), escaped(label))
        };
        let people: String = self.audience.people.iter().map(link).collect();
        let page = format!(
            "<!DOCTYPE html><html lang=\"fr\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Fournisseur d’identité de \
             démonstration</title></head><body><main><h1>Fournisseur d’identité de démonstration</h1><p>Il ne demande aucun mot de passe. \
             Qui êtes-vous ?</p><ul>{people}</ul></main></body></html>"
        );
        (200, "text/html; charset=utf-8", String::new(), page)
    }

    fn choose(&self, query: &str) -> Answer {
        let asked: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let told = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
        let known = self.audience.people.iter().any(|(sub, _)| sub == told("who"));
        let ours = told("client_id") == self.audience.client && told("redirect_uri") == self.audience.return_to;
        let sound = told("response_type") == "code" && told("code_challenge_method") == "S256" && !told("code_challenge").is_empty();
        let Some(code) = self.random_word().filter(|_| known && ours && sound) else {
            return (400, "text/plain", String::new(), "invalid_request".to_owned());
        };
        let mut back = Serializer::new(String::new());
        back.append_pair("code", &code).append_pair("state", told("state")).append_pair("iss", &self.issuer);
        let place = format!("location: {}?{}\r\n", self.audience.return_to, back.finish());
        self.codes.lock().unwrap_or_else(PoisonError::into_inner).insert(code, asked);
        (303, "text/plain", place, String::new())
    }

    fn token(&self, body: &[u8]) -> Answer {
        let sent: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let told = |name: &str| sent.get(name).map(String::as_str).unwrap_or_default();
        let asked = self.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(told("code"));
        let audience = &self.audience;
        let fits = |asked: &BTreeMap<String, String>| {
            let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, told("code_verifier").as_bytes()));
            told("grant_type") == "authorization_code"
                && told("client_id") == audience.client
                && told("client_secret") == audience.secret
                && told("redirect_uri") == audience.return_to
                && asked.get("code_challenge") == Some(&challenge)
        };
        let token = asked.filter(fits).and_then(|asked| self.signed(&asked));
        match token {
            Some(token) => {
                let answer = json!({"access_token": "unused", "token_type": "Bearer", "expires_in": 60, "id_token": token});
                (200, "application/json", String::new(), answer.to_string())
            }
            None => (400, "application/json", String::new(), json!({"error": "invalid_grant"}).to_string()),
        }
    }

    fn signed(&self, asked: &BTreeMap<String, String>) -> Option<String> {
        let now = (self.audience.now)();
        let mut claims = json!({
            "iss": self.issuer, "sub": asked.get("who")?, "aud": self.audience.client, "iat": now, "exp": now + 60,
            "nonce": asked.get("nonce"), "acr": "eidas2", "amr": ["pwd", "mfa"],
        });
        if let Some(change) = self.change.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            change(&mut claims);
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&json!({"alg": "ES256", "kid": KID, "typ": "JWT"})), part(&claims));
        let signature = self.key.sign(&self.random, message.as_bytes()).ok()?;
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn jwk(&self) -> Value {
        // An uncompressed point: a byte, then both halves.
        let point = self.key.public_key().as_ref();
        let half = |range| URL_SAFE_NO_PAD.encode(point.get(range).unwrap_or_default());
        json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KID, "x": half(1..33), "y": half(33..65)})
    }

    fn random_word(&self) -> Option<String> {
        let mut bytes = [0; 24];
        self.random.fill(&mut bytes).ok()?;
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const KID: &str = "demonstration";
