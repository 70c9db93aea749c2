//! A pretend partner's push endpoint: a server with a member's certificate, which lets only the gateway in.
//!
//! It speaks just enough HTTP/1.1 to be posted to, and remembers everything that came.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use certs_dev::{Issued, Leaf};
use gateway::demo::World;
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::NOW;

/// What the endpoint answers to what came: a status, and more header lines.
type Answer = Box<dyn Fn(&Received) -> (u16, String) + Send + Sync>;

/// One thing that was posted.
#[derive(Debug, Clone)]
pub struct Received {
    /// `POST /path HTTP/1.1`.
    pub line: String,
    /// Header lines, in lower case.
    pub headers: Vec<String>,
    /// The body.
    pub body: Value,
    /// The certificate of who posted, DER.
    pub certificate: Vec<u8>,
    /// Which connection it came on.
    pub connection: usize,
}

/// A push endpoint on this machine.
pub struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
}

struct Shared {
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    answer: Mutex<Answer>,
    late: Notify,
}

impl Endpoint {
    /// A place for an endpoint: nobody serves there yet.
    pub fn new() -> Self {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let answer: Answer = Box::new(|_| (204, String::new()));
        let shared =
            Shared { received: Mutex::default(), connections: AtomicUsize::new(0), answer: Mutex::new(answer), late: Notify::new() };
        Self { address, shared: Arc::new(shared), serving: None }
    }

    /// The certificate that a member of `authority` has for this endpoint.
    pub fn leaf(authority: &str, institution: &str) -> Leaf {
        let now: OffsetDateTime = NOW.parse::<exchange::Instant>().unwrap().datetime().into();
        Leaf::member(authority, institution, now).address(Ipv4Addr::LOCALHOST.into())
    }

    /// Writes into the directory that a unit wants its notices here.
    pub fn asked_by(&self, world: &World, unit: &str) {
        // Other départements have units of the same name.
        for name in ["departement-31.toml", "education.toml"] {
            let file = world.folder.join("directory/institutions").join(name);
            let text = std::fs::read_to_string(&file).unwrap();
            let id = format!("id = \"{unit}\"\n");
            if text.contains(&id) {
                let push = format!("{id}push = {{ url = \"https://{}/avis\" }}\n", self.address);
                std::fs::write(&file, text.replacen(&id, &push, 1)).unwrap();
                return;
            }
        }
        panic!("no unit `{unit}`");
    }

    /// Serves with this certificate to whoever has one under the gateway's root.
    pub async fn serve(&mut self, world: &World, issued: &Issued) {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(world.authorities()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let chain = CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes()).collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .unwrap();
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        let (acceptor, shared) = (TlsAcceptor::from(Arc::new(config)), self.shared.clone());
        self.serving = Some(tokio::spawn(async move {
            // Dropped with the task: whoever goes dark hangs up.
            let mut open = tokio::task::JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, shared) = (acceptor.clone(), shared.clone());
                open.spawn(async move {
                    let _ = shared.converse(acceptor, tcp).await;
                });
            }
        }));
    }

    /// Goes dark: connections are cut, nobody listens.
    pub async fn go_dark(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// Answers so from now on.
    pub fn answer(&self, answer: impl Fn(&Received) -> u16 + Send + Sync + 'static) {
        *self.shared.answer.lock().unwrap() = Box::new(move |received| (answer(received), String::new()));
    }

    /// Sends whoever posts elsewhere from now on.
    pub fn redirect(&self, place: &str) {
        let header = format!("location: {place}\r\n");
        *self.shared.answer.lock().unwrap() = Box::new(move |_| (307, header.clone()));
    }

    /// Takes what comes and never answers from now on.
    pub fn hang(&self) {
        self.answer(|_| NEVER);
    }

    /// Takes what comes and answers only once it is told to, from now on.
    pub fn slow(&self) {
        self.answer(|_| LATE);
    }

    /// Answers what waits for a late answer.
    pub fn release(&self) {
        self.shared.late.notify_waiters();
    }

    /// Everything that came, in order.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    /// How often something came.
    pub fn count(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// Connections that were accepted, whether a handshake followed or not.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("https://{}/ailleurs", self.address)
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::new()
    }
}

impl Received {
    /// The delivery it is about.
    pub fn delivery(&self) -> String {
        crate::text(&self.body, "/delivery")
    }
}

impl Shared {
    async fn converse(&self, acceptor: TlsAcceptor, tcp: tokio::net::TcpStream) -> std::io::Result<()> {
        let connection = self.connections.fetch_add(1, Ordering::SeqCst);
        let tls = acceptor.accept(tcp).await?;
        let certificate = tls.get_ref().1.peer_certificates().map(|chain| chain[0].to_vec()).unwrap_or_default();
        let mut stream = BufReader::new(tls);
        loop {
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await? == 0 {
                    return Ok(());
                }
                match line.trim_end() {
                    "" => break,
                    line => lines.push(line.to_owned()),
                }
            }
            let headers: Vec<String> = lines.iter().skip(1).map(|line| line.to_ascii_lowercase()).collect();
            let length = headers.iter().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().unwrap());
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let received = Received { line: lines[0].clone(), headers, body, certificate: certificate.clone(), connection };
            let (mut status, headers) = (self.answer.lock().unwrap())(&received);
            let late = self.late.notified();
            self.received.lock().unwrap().push(received);
            match status {
                NEVER => return std::future::pending().await,
                LATE => {
                    late.await;
                    status = 204;
                }
                _ => {}
            }
            stream.write_all(format!("HTTP/1.1 {status} x\r\n{headers}content-length: 0\r\n\r\n").as_bytes()).await?;
            stream.flush().await?;
        }
    }
}

/// In the place of a status: no answer.
const NEVER: u16 = 0;
/// In the place of a status: an answer once it is asked for.
const LATE: u16 = 1;
