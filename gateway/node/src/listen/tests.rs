//! A door on a real socket, members with real certificates, and the clock in the test's hand.

mod limits;
mod push;
mod reload;
mod trust;

use std::{io, net::SocketAddr};

use axum::{Extension, Router, extract::State, http::StatusCode, routing};
use certs_dev::{Issued, Leaf, Pki};
use rustls::AlertDescription;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::{SystemClock, TestClock};

/// A gateway's door and everything around it.
struct Stage {
    pki: Pki,
    clock: TestClock,
    tls: Tls,
    door: Arc<Door>,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    /// Lets `/slow` answer.
    release: Arc<Notify>,
    /// `/slow` is being asked.
    asked: Arc<Notify>,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        Self::with(Limits::default(), Pace::USUAL, |_| {}).await
    }

    /// `before` changes the PKI before the door opens.
    async fn with(limits: Limits, pace: Pace, before: impl FnOnce(&mut Pki)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The clients of these tests live by the wall clock.
        let clock = TestClock::at(SystemClock.now());
        let mut pki = Pki::create(&folder.path().join("pki"), offset(&clock)).unwrap();
        before(&mut pki);
        let tls = Tls {
            certificate: folder.path().join("certificate.pem"),
            key: folder.path().join("key.pem"),
            trust: pki.trust(),
            push_certificate: None,
            push_key: None,
        };
        put(&tls, &pki.issue_gateway(&["localhost"], offset(&clock)).unwrap());
        let door = Door::open_at(&tls, &limits, Arc::new(clock.clone()), pace).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (release, asked) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let router = router(door.clone(), clock.clone(), release.clone(), asked.clone());
        let serving = tokio::spawn(door.clone().serve(listener, router, stop.clone()));
        Self { pki, clock, tls, door, address, stop, serving, release, asked, _folder: folder }
    }

    fn now(&self) -> OffsetDateTime {
        offset(&self.clock)
    }

    fn leaf(&self, authority: &str, institution: &str) -> Leaf {
        Leaf::member(authority, institution, self.now())
    }

    fn member(&self, authority: &str, institution: &str) -> Issued {
        self.pki.issue(&self.leaf(authority, institution)).unwrap()
    }

    fn config(&self, issued: &Issued) -> ClientConfig {
        let mut config = client_config(&self.roots(), chain(issued), key(issued)).unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }

    fn roots(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(self.pki.root_certificate()).unwrap().collect::<Result<_, _>>().unwrap()
    }

    async fn connect(&self, issued: &Issued) -> io::Result<Talk> {
        self.connect_with(self.config(issued)).await
    }

    async fn connect_with(&self, config: ClientConfig) -> io::Result<Talk> {
        let tcp = TcpStream::connect(self.address).await?;
        Ok(Talk(TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await?))
    }

    /// Connects and asks once.
    async fn ask(&self, issued: &Issued, path: &str) -> io::Result<String> {
        self.connect(issued).await?.ask(path).await
    }

    /// The alert that refuses a certificate.
    async fn refusal(&self, issued: &Issued) -> AlertDescription {
        alert(&self.ask(issued, "/who").await.unwrap_err())
    }
}

/// One connection, speaking HTTP/1.1 by hand: what is tested is the connection.
struct Talk(TlsStream<TcpStream>);

impl Talk {
    async fn ask(&mut self, path: &str) -> io::Result<String> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await?;
        self.answer().await
    }

    async fn send(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes()).await?;
        self.0.flush().await
    }

    /// Status and body.
    async fn answer(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length =
                    head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(|n| n.parse().unwrap()));
                if body.len() >= length.unwrap_or(0) {
                    return Ok(format!("{} {body}", head.split(' ').nth(1).unwrap()));
                }
            }
            if self.0.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Waits until the other side ends the connection.
    async fn ended(&mut self) {
        let mut byte = [0; 1];
        assert!(matches!(self.0.read(&mut byte).await, Ok(0) | Err(_)), "the connection is still in use");
    }
}

fn router(door: Arc<Door>, clock: TestClock, release: Arc<Notify>, asked: Arc<Notify>) -> Router {
    Router::new()
        .route(
            "/who",
            routing::get(|Extension(connection): Extension<Arc<Connection>>| async move {
                match &connection.peer {
                    Ok(peer) => (
                        StatusCode::OK,
                        format!("{}/{}/{}", peer.institution, peer.unit.as_ref().map_or("-", |u| u.as_str()), peer.authority),
                    ),
                    Err(fault) => (StatusCode::FORBIDDEN, fault.to_string()),
                }
            }),
        )
        .route(
            "/standing",
            routing::get(|Extension(connection): Extension<Arc<Connection>>| async move {
                format!("{:?}", door.standing(connection.peer.as_ref().unwrap(), clock.now()))
            }),
        )
        .route(
            "/count",
            routing::post(|body: Result<axum::body::Bytes, _>| async move {
                body.map(|bytes| bytes.len().to_string()).map_err(|_: axum::extract::rejection::BytesRejection| StatusCode::REQUEST_TIMEOUT)
            }),
        )
        .route(
            "/slow",
            routing::get(|State((release, asked)): State<(Arc<Notify>, Arc<Notify>)>| async move {
                asked.notify_one();
                release.notified().await;
                "at last"
            }),
        )
        .with_state((release, asked))
}

fn offset(clock: &TestClock) -> OffsetDateTime {
    clock.now().datetime().into()
}

fn put(tls: &Tls, issued: &Issued) {
    std::fs::write(&tls.certificate, &issued.chain_pem).unwrap();
    std::fs::write(&tls.key, &issued.key_pem).unwrap();
}

fn chain(issued: &Issued) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes()).collect::<Result<_, _>>().unwrap()
}

fn key(issued: &Issued) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap()
}

fn alert(error: &io::Error) -> AlertDescription {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        other => panic!("{error:?}: {other:?}"),
    }
}
