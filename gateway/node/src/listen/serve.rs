//! From a socket to requests that know who asks: handshakes in their own tasks, limits before work, a drain at the end.
//!
//! Strangers and members do not compete: a handshake holds one of a few places for at most [`Pace::handshake`]; only
//! who got through takes one of the connections.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls_pki_types::CertificateDer;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::{
    Connection, Door,
    body::{Busy, Leaving, Paced, idle},
    open::Entered,
    peer::{Peer, PeerFault, thumbprint},
    trust::Distrust,
};

/// How long the door waits for others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// For a handshake.
    pub(super) handshake: Duration,
    /// For the headers of a request, the pause before them included (HTTP/1).
    pub(super) header: Duration,
    /// For the next request.
    pub(super) idle: Duration,
    /// For the next part of a body.
    pub(super) body: Duration,
    /// For requests under way, at a stop or at the end of an idle connection.
    pub(super) drain: Duration,
}

impl Pace {
    pub(super) const USUAL: Self = Self {
        handshake: Duration::from_secs(5),
        header: Duration::from_secs(30),
        idle: Duration::from_secs(75),
        body: Duration::from_secs(15),
        drain: Duration::from_secs(15),
    };
}

/// What all connections of one `serve` share.
struct Hall {
    door: Arc<Door>,
    router: Router,
    http: auto::Builder<TokioExecutor>,
    connections: Arc<Semaphore>,
    stop: CancellationToken,
    /// After the drain: whatever is left ends.
    end: CancellationToken,
}

impl Door {
    /// Serves members until `stop`, then lets requests under way end. Nothing is awaited from a client without a limit.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, router: Router, stop: CancellationToken) {
        metrics::gauge!("passerelle_connections").set(0.0);
        for reason in REASONS {
            metrics::counter!("passerelle_handshake_failures_total", "reason" => reason).absolute(0);
        }
        self.show_dates();
        let at_most = self.limits.connections.clamp(1, Semaphore::MAX_PERMITS);
        let handshakes = Arc::new(Semaphore::new((at_most / 4).max(8)));
        let drain = self.pace.drain;
        let hall = Arc::new(Hall {
            http: http(&self.pace),
            door: self,
            router,
            connections: Arc::new(Semaphore::new(at_most)),
            stop: stop.clone(),
            end: CancellationToken::new(),
        });
        let tasks = TaskTracker::new();
        let accepting = async {
            loop {
                // A place first: while there is none, the system's queue holds back who knocks.
                let Ok(place) = handshakes.clone().acquire_owned().await else { return };
                match listener.accept().await {
                    Ok((tcp, _)) => drop(tasks.spawn(hall.clone().receive(tcp, place))),
                    Err(error) => {
                        tracing::warn!(error = %error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = accepting => {}
        }
        drop(listener);
        tasks.close();
        if timeout(drain, tasks.wait()).await.is_err() {
            tracing::warn!("requests that took too long were ended with their connections");
            hall.end.cancel();
            tasks.wait().await;
        }
    }
}

impl Hall {
    async fn receive(self: Arc<Self>, tcp: TcpStream, place: OwnedSemaphorePermit) {
        let failed = |reason: &'static str| {
            metrics::counter!("passerelle_handshake_failures_total", "reason" => reason).increment(1);
            tracing::debug!(reason, "a connection was not let in");
        };
        // Without it, small answers would wait for acknowledgements.
        let _ = tcp.set_nodelay(true);
        let acceptor = TlsAcceptor::from(self.door.front.load().config.clone());
        let tls = match timeout(self.door.pace.handshake, acceptor.accept(tcp)).await {
            Err(_) => return failed("timeout"),
            Ok(Err(error)) => return failed(reason(&error)),
            Ok(Ok(tls)) => tls,
        };
        drop(place);
        let chain: Arc<[CertificateDer<'static>]> = tls.get_ref().1.peer_certificates().unwrap_or_default().to_vec().into();
        let Some(leaf) = chain.first() else { return failed("no-certificate") };
        let Ok(_room) = self.connections.clone().try_acquire_owned() else { return failed("full") };
        let Some(entered) = self.door.open.enter(thumbprint(leaf), &chain, self.door.limits.connections_per_certificate) else {
            return failed("too-many-of-one");
        };
        // Only now, when a reload can see this connection: lists that changed during the handshake count.
        let peer = match self.door.front.load().trust.judge_client(&chain, self.door.clock.now()) {
            Err(Distrust::Revoked) => return failed("revoked"),
            Ok(verdict) => Peer::read(&chain, &verdict.authority),
            Err(_) => Err(PeerFault::Unreadable),
        };
        self.converse(tls, Arc::new(Connection { peer }), entered).await;
    }

    async fn converse(&self, tls: TlsStream<TcpStream>, connection: Arc<Connection>, entered: Entered) {
        let under_way = Arc::new(watch::Sender::new(0));
        let idle = pin!(idle(under_way.subscribe(), self.door.pace.idle));
        let router = self.router.clone();
        let pause = self.door.pace.body;
        let service = service_fn(move |mut request: Request<Incoming>| {
            let busy = Busy::new(&under_way);
            request.extensions_mut().insert(connection.clone());
            let answer = router.clone().oneshot(request.map(|body| Body::new(Paced::new(body, pause))));
            async move { answer.await.map(|answer| answer.map(|body| Leaving { body, _busy: busy })) }
        });
        let mut http = pin!(self.http.serve_connection(TokioIo::new(tls), service));
        tokio::select! {
            _ = http.as_mut() => return,
            () = entered.closed.cancelled() => return,
            () = self.stop.cancelled() => {}
            () = idle => {}
        }
        http.as_mut().graceful_shutdown();
        tokio::select! {
            _ = timeout(self.door.pace.drain, http) => {}
            () = entered.closed.cancelled() => {}
            () = self.end.cancelled() => {}
        }
    }
}

fn http(pace: &Pace) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(pace.header).max_buf_size(HEADER_BYTES).max_headers(64);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEADER_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(64)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    http
}

/// Why a handshake failed, in the words of the metric.
#[allow(clippy::wildcard_enum_match_arm, reason = "not our enum: whatever rustls adds is a failure of TLS")]
fn reason(error: &io::Error) -> &'static str {
    use rustls::{CertificateError, Error};
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else { return "network" };
    match tls {
        Error::NoCertificatesPresented => "no-certificate",
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => "unknown-authority",
        Error::InvalidCertificate(CertificateError::UnknownRevocationStatus) => "no-revocation-list",
        Error::InvalidCertificate(CertificateError::Revoked) => "revoked",
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::NotValidYet) => "not-valid-now",
        Error::InvalidCertificate(_) => "certificate",
        _ => "tls",
    }
}

/// All the reasons there are, so that each is on the board before it happens.
const REASONS: [&str; 11] = [
    "timeout",
    "network",
    "tls",
    "no-certificate",
    "unknown-authority",
    "no-revocation-list",
    "revoked",
    "not-valid-now",
    "certificate",
    "full",
    "too-many-of-one",
];

/// Bytes of the headers of one request.
const HEADER_BYTES: usize = 16 * 1024;
