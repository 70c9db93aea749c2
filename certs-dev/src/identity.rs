//! An OpenID provider for the demonstration and the tests: real sockets, real TLS, real signatures (ES256 or RS256), PKCE,
//! codes for one use, a way out; and no password: whoever reaches it says who it is.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use form_urlencoded::Serializer;
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::watch,
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
    key: Mutex<Key>,
    random: SystemRandom,
    /// Codes that were given and not used.
    codes: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    change: Mutex<Option<Change>>,
    /// How often what it publishes was asked.
    asked: AtomicUsize,
    /// How many signed out here.
    gone: AtomicUsize,
    /// Nothing is published while this is so.
    stalled: watch::Sender<bool>,
    /// What stands before its addresses.
    place: Mutex<String>,
}

/// How a provider signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    /// On P-256.
    Es256,
    /// RSA of 2048 bits, PKCS #1.
    Rs256,
}

/// One key, and what its tokens call it.
struct Key {
    kid: String,
    pair: Pair,
}

enum Pair {
    Ec(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl Key {
    fn new(signs: Signs, kid: String, random: &SystemRandom) -> Result<Self, ProviderError> {
        let no = ProviderError::NoRandomness;
        let pair = match signs {
            Signs::Es256 => {
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random).map_err(|_| no)?;
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), random);
                Pair::Ec(Box::new(pair.map_err(|_| ProviderError::NoRandomness)?))
            }
            Signs::Rs256 => {
                let made = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).map_err(|_| no)?;
                let pair = RsaKeyPair::from_pkcs8(&made.serialize_der()).map_err(|_| ProviderError::NoRandomness)?;
                Pair::Rsa(Box::new(pair))
            }
        };
        Ok(Self { kid, pair })
    }

    fn jwk(&self) -> Value {
        let word = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Ec(pair) => {
                // An uncompressed point: a byte, then both halves.
                let point = pair.public_key().as_ref();
                let half = |range| word(point.get(range).unwrap_or_default());
                json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid, "x": half(1..33), "y": half(33..65)})
            }
            Pair::Rsa(pair) => {
                let public: ring::rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
                json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid, "n": word(&public.n), "e": word(&public.e)})
            }
        }
    }

    /// A token that says this.
    fn token(&self, claims: &Value, random: &SystemRandom) -> Option<String> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let alg = match &self.pair {
            Pair::Ec(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        };
        let message = format!("{}.{}", part(&json!({"alg": alg, "kid": self.kid, "typ": "JWT"})), part(claims));
        let signature = match &self.pair {
            Pair::Ec(pair) => pair.sign(random, message.as_bytes()).ok()?.as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, random, message.as_bytes(), &mut signature).ok()?;
                signature
            }
        };
        Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
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
        let key = Mutex::new(Key::new(Signs::Es256, "demonstration".to_owned(), &random)?);
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            issuer: format!("https://localhost:{}", address.port()),
            audience,
            key,
            random,
            codes: Mutex::default(),
            change: Mutex::default(),
            asked: AtomicUsize::new(0),
            gone: AtomicUsize::new(0),
            stalled: watch::Sender::new(false),
            place: Mutex::default(),
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

    /// Signs with another key from now on, and publishes no other.
    ///
    /// # Errors
    /// [`ProviderError::NoRandomness`].
    pub fn sign_with(&self, signs: Signs) -> Result<(), ProviderError> {
        let kid = self.shared.random_word().ok_or(ProviderError::NoRandomness)?;
        *self.shared.key.lock().unwrap_or_else(PoisonError::into_inner) = Key::new(signs, kid, &self.shared.random)?;
        Ok(())
    }

    /// Moves its addresses; at the old ones there is nothing any more.
    pub fn move_to(&self, place: &str) {
        place.clone_into(&mut self.shared.place.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Publishes nothing while this is so: whoever asks, waits.
    pub fn stall(&self, stalled: bool) {
        self.shared.stalled.send_replace(stalled);
    }

    /// How often its configuration was asked.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// How many signed out here, with a token of its own.
    pub fn signed_out(&self) -> usize {
        self.shared.gone.load(Ordering::SeqCst)
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
            if path == CONFIGURATION {
                self.asked.fetch_add(1, Ordering::SeqCst);
                let mut stalled = self.stalled.subscribe();
                drop(stalled.wait_for(|stalled| !stalled).await);
            }
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
        let (issuer, place) = (&self.issuer, self.place.lock().unwrap_or_else(PoisonError::into_inner).clone());
        if path == CONFIGURATION {
            return json(json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}{place}/authorize"),
                "token_endpoint": format!("{issuer}{place}/token"),
                "jwks_uri": format!("{issuer}{place}/jwks"),
                "end_session_endpoint": format!("{issuer}{place}/logout"),
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256", "RS256"],
                "code_challenge_methods_supported": ["S256"],
            }));
        }
        match path.strip_prefix(&place) {
            Some("/jwks") => json(json!({"keys": [self.key.lock().unwrap_or_else(PoisonError::into_inner).jwk()]})),
            Some("/authorize") => self.page(query),
            Some("/choose") => self.choose(query),
            Some("/token") => self.token(body),
            Some("/logout") => self.leave(query),
            Some(_) | None => (404, "text/plain", String::new(), String::new()),
        }
    }

    /// Who is it? One link for each person.
    fn page(&self, query: &str) -> Answer {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let link = |(sub, label): &(String, String)| {
            let mut who = Serializer::new(String::new());
            who.append_pair("who", sub);
            format!("<li><a href=\"{place}/choose?{}&amp;{}\">{}</a></li>", who.finish(), escaped(query), escaped(label))
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

    /// Whoever shows a token of ours is gone, and goes back.
    fn leave(&self, query: &str) -> Answer {
        let asked: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let told = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
        let ours = told("id_token_hint").split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
        let ours = ours.and_then(|claims| serde_json::from_slice::<Value>(&claims).ok());
        let ours = ours.is_some_and(|claims| claims.get("iss").and_then(Value::as_str) == Some(self.issuer.as_str()));
        let back = self.audience.return_to.replace("/portail/retour", "/portail/connexion");
        if !ours || told("post_logout_redirect_uri") != back || told("client_id") != self.audience.client {
            return (400, "text/plain", String::new(), "invalid_request".to_owned());
        }
        self.gone.fetch_add(1, Ordering::SeqCst);
        let mut state = Serializer::new(String::new());
        state.append_pair("state", told("state"));
        (303, "text/plain", format!("location: {back}?{}\r\n", state.finish()), String::new())
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
            "nonce": asked.get("nonce"), "acr": "eidas2", "amr": ["pwd", "mfa"], "auth_time": now,
        });
        if let Some(change) = self.change.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            change(&mut claims);
        }
        self.key.lock().unwrap_or_else(PoisonError::into_inner).token(&claims, &self.random)
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

const CONFIGURATION: &str = "/.well-known/openid-configuration";
